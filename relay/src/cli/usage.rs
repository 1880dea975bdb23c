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
        command = command.mut_arg(&id, |arg| match (here, everywhere) {
            (Some(text), _) => arg.help(text),
            (None, Some(text)) => arg.help(text).help_heading(lang.everywhere_heading()),
            (None, None) => arg,
        });
    }
    for name in names {
        let below = format!("{path}{name}");
        command = command.mut_subcommand(&name, |sub| translate(sub, &below, lang));
    }
    command
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

    #[test]
    fn the_usual_mistakes_are_told_in_french_with_what_was_meant() {
        for (line, told) in [
            ("vigie pubb", "« pub »"),
            ("vigie pub alert/fr --severety Minor texte", "--severity"),
            ("vigie pub alert/fr --severity grave texte", "Moderate"),
            ("vigie sub", "<CHANNEL>"),
            ("vigie sub alert/fr --wait bientôt", "bientôt"),
        ] {
            let error = command(Lang::Fr).try_get_matches_from(line.split(' ')).unwrap_err();
            let text = in_french(&error).unwrap_or_else(|| panic!("{line}: {:?}", error.kind()));
            assert!(text.starts_with("erreur") && text.contains(told), "{line}: {text}");
        }
    }
}
