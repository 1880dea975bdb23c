//! The command line as it is shown and complained about: help in both languages, errors of the arguments in words.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error};

use super::args::Cli;
use super::exit::Exit;
use super::screen::{escape, talk};
use super::text::{Lang, help};

/// The command line with its help in one language.
pub(super) fn command(lang: Lang) -> clap::Command {
    let mut command = translate(Cli::command(), "", lang).after_help(lang.after_help());
    // Built here so that the words that clap adds itself (`--help`, `--version`) are translated too.
    command.build();
    translate_built(command, lang)
}

fn translate(command: clap::Command, above: &str, lang: Lang) -> clap::Command {
    let path = if above.is_empty() { String::new() } else { format!("{above} ") };
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let ids: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    let mut command =
        command.help_template(lang.help_template()).subcommand_help_heading(lang.commands_heading());
    if let Some(text) = help::of(above, lang) {
        command = command.about(text);
    }
    for id in ids {
        let everywhere = help::of(&format!("[{id}]"), lang);
        let here = help::of(&format!("{above} [{id}]"), lang);
        command = command.mut_arg(&id, |arg| {
            let arg = match (here, everywhere) {
                (Some(text), _) => arg.help(text),
                (None, Some(text)) => arg.help(text).help_heading(lang.everywhere_heading()),
                (None, None) => arg,
            };
            match lang {
                Lang::En => arg,
                Lang::Fr => values_in_french(arg),
            }
        });
    }
    for name in names {
        let below = format!("{path}{name}");
        command = command.mut_subcommand(&name, |sub| translate(sub, &below, lang));
    }
    command
}

/// What clap would add of the values in English: their name, the default, those that are possible, the variable.
fn values_in_french(arg: clap::Arg) -> clap::Arg {
    if !arg.get_action().takes_values() {
        return arg;
    }
    let names = arg.get_value_names().unwrap_or_default().iter();
    let names: Vec<&'static str> = names.filter_map(|name| help::values::french(name)).collect();
    let list = |values: Vec<String>| (!values.is_empty()).then(|| values.join(", "));
    let default = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let default = list(default).filter(|_| !arg.is_hide_default_value_set());
    let possible = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    let possible = list(possible.map(|value| value.get_name().to_owned()).collect());
    let possible = possible.filter(|_| !arg.is_hide_possible_values_set());
    let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned());
    let variable = variable.filter(|_| !arg.is_hide_env_set());
    let mut told = arg.get_help().map(ToString::to_string).unwrap_or_default();
    for (word, said) in [("variable", variable), ("par défaut", default), ("possibles", possible)] {
        if let Some(said) = said {
            told.push_str(&format!(" [{word} : {said}]"));
        }
    }
    let arg = arg.help(told).hide_default_value(true).hide_possible_values(true).hide_env(true);
    if names.is_empty() { arg } else { arg.value_names(names) }
}

fn translate_built(command: clap::Command, lang: Lang) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let mut command = command;
    for (id, text) in [("help", lang.help_flag()), ("version", lang.version_flag())] {
        if command.get_arguments().any(|arg| arg.get_id() == id) {
            command = command.mut_arg(id, |arg| arg.help(text));
        }
    }
    for name in names {
        command = command.mut_subcommand(&name, |sub| translate_built(sub, lang));
    }
    command
}

/// Shows help or version on stdout, or says what is wrong with the arguments on stderr.
pub(super) fn told(lang: Lang, error: &Error) -> ExitCode {
    if !error.use_stderr() {
        // Whoever closed the pipe has read enough.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if lang == Lang::Fr
        && let Some(text) = in_french(error)
    {
        talk(&text);
    } else {
        let _ = error.print();
    }
    ExitCode::from(Exit::Usage as u8)
}

/// The usual mistakes in French; rarer ones are left to clap's own English.
fn in_french(error: &Error) -> Option<String> {
    let value = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(escape(text)),
        Some(ContextValue::Strings(texts)) => Some(escape(&texts.join(", "))),
        Some(ContextValue::StyledStr(text)) => Some(escape(&text.to_string())),
        _ => None,
    };
    let argument = value(ContextKind::InvalidArg).unwrap_or_default();
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is clap's to tell, now and later")]
    let (text, meant) = match error.kind() {
        ErrorKind::InvalidSubcommand => (
            format!("commande inconnue « {} »", value(ContextKind::InvalidSubcommand)?),
            value(ContextKind::SuggestedSubcommand),
        ),
        ErrorKind::UnknownArgument => {
            (format!("argument inattendu « {argument} »"), value(ContextKind::SuggestedArg))
        }
        ErrorKind::InvalidValue => {
            let known = value(ContextKind::ValidValue).unwrap_or_default();
            let given = value(ContextKind::InvalidValue)?;
            (
                format!("« {given} » ne convient pas pour « {argument} » (possibles : {known})"),
                value(ContextKind::SuggestedValue),
            )
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map_or_else(String::new, |why| format!(" : {why}"));
            (
                format!(
                    "« {} » ne convient pas pour « {argument} »{}",
                    value(ContextKind::InvalidValue)?,
                    escape(&why)
                ),
                None,
            )
        }
        ErrorKind::MissingRequiredArgument => (format!("il manque : {argument}"), None),
        ErrorKind::MissingSubcommand => {
            (format!("il manque une commande ({})", value(ContextKind::ValidSubcommand)?), None)
        }
        ErrorKind::ArgumentConflict => {
            (format!("« {argument} » ne va pas avec « {} »", value(ContextKind::PriorArg)?), None)
        }
        _ => return None,
    };
    let meant =
        meant.map_or_else(String::new, |meant| Lang::Fr.did_you_mean(meant.replace(", ", " » ou « ")));
    Some(format!("{}{text}{meant}\n{}", Lang::Fr.error_prefix(), Lang::Fr.try_help()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each command and argument, as the table of help names it.
    fn walk(command: &clap::Command, above: &str, found: &mut Vec<String>) {
        let path = if above.is_empty() { String::new() } else { format!("{above} ") };
        for arg in command.get_arguments().filter(|arg| !arg.is_global_set()) {
            found.push(format!("{path}[{}]", arg.get_id()));
        }
        for sub in command.get_subcommands() {
            let below = format!("{path}{}", sub.get_name());
            walk(sub, &below, found);
            found.push(below);
        }
    }

    #[test]
    fn every_command_and_argument_is_explained_in_both_languages_and_nothing_else_is() {
        let command = Cli::command();
        let mut found = Vec::new();
        walk(&command, "", &mut found);
        let globals = command.get_arguments().filter(|arg| arg.is_global_set());
        found.extend(globals.map(|arg| format!("[{}]", arg.get_id())));
        found.push(String::new());
        for key in &found {
            assert!(
                help::of(key, Lang::En).is_some() && help::of(key, Lang::Fr).is_some(),
                "{key:?} has no help"
            );
        }
        for key in help::keys() {
            assert!(found.iter().any(|one| one == key), "{key:?} explains nothing");
        }
        command.debug_assert();
    }

    /// What clap adds to help by itself is English.
    #[test]
    fn help_in_french_is_french_to_the_names_of_values_and_their_defaults() {
        fn pages(command: &mut clap::Command, found: &mut Vec<String>) {
            // As it is wrapped says nothing.
            let page = command.render_long_help().to_string();
            found.push(page.split_whitespace().collect::<Vec<_>>().join(" "));
            command.get_subcommands_mut().for_each(|sub| pages(sub, found));
        }
        fn names(command: &clap::Command, found: &mut Vec<String>) {
            let args = command.get_arguments().filter(|arg| arg.get_action().takes_values());
            found.extend(
                args.flat_map(|arg| arg.get_value_names().unwrap_or_default()).map(ToString::to_string),
            );
            command.get_subcommands().for_each(|sub| names(sub, found));
        }
        let mut found = Vec::new();
        names(&Cli::command(), &mut found);
        assert!(found.len() > 100, "{found:?}");
        for name in &found {
            assert!(help::values::french(name).is_some(), "{name} has no French word");
        }
        let (mut french, mut english) = (Vec::new(), Vec::new());
        pages(&mut command(Lang::Fr), &mut french);
        pages(&mut command(Lang::En), &mut english);
        let counted =
            |pages: &[String], word: &str| pages.iter().map(|page| page.matches(word).count()).sum::<usize>();
        for (word, said) in
            [("[default: ", "[par défaut : "), ("[env: VIGIE_CONTEXT", "[variable : VIGIE_CONTEXT")]
        {
            let there = counted(&english, word);
            assert!(there > 20 || word.starts_with("[default"), "{word}: {there}");
            assert_eq!((counted(&french, said), counted(&french, word)), (there, 0), "{word}");
        }
        for word in
            ["[possible values", "[env", "<DIR>", "<NAME>", "<FILE>", "<CHANNEL>", "Usage:", "Print help"]
        {
            assert_eq!(counted(&french, word), 0, "{word}");
        }
        assert!(counted(&french, "[possibles : Minor, Moderate, Severe, Extreme]") > 0);
    }

    #[test]
    fn the_usual_mistakes_are_told_in_french_with_what_was_meant() {
        for (line, told) in [
            ("vigie pubb", "« pub »"),
            ("vigie pub alert/fr --severety Minor texte", "--severity"),
            ("vigie pub alert/fr --severity grave texte", "Moderate"),
            ("vigie sub", "<CANAL>"),
            ("vigie sub alert/fr --wait bientôt", "bientôt"),
        ] {
            let error = command(Lang::Fr).try_get_matches_from(line.split(' ')).unwrap_err();
            let text = in_french(&error).unwrap_or_else(|| panic!("{line}: {:?}", error.kind()));
            assert!(text.starts_with("erreur") && text.contains(told), "{line}: {text}");
        }
    }
}
