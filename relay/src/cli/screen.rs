//! What the command line shows: data on stdout, talk on stderr, and never a stranger's control characters.
//!
//! Every command writes through here. A pipe that was closed by its reader ends the command quietly. Colour only
//! repeats what a word says.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use clap::ColorChoice;
use serde::Serialize;
use vigie_proto::channel::Plane;

use super::exit::{Exit, Failure, Outcome};
use super::text::Lang;

/// How a command shows things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(super) lang: Lang,
    /// One JSON object a line on stdout instead of text.
    pub(super) json: bool,
    colour: bool,
    quiet: bool,
    pub(super) verbose: u8,
    /// What is marked as of an exercise: every line that is shown.
    plane: Plane,
}

/// What a colour repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Caution,
    Strong,
}

impl Screen {
    pub(super) fn new(lang: Lang, json: bool, colour: ColorChoice, quiet: bool, verbose: u8) -> Self {
        let colour = match colour {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                io::stdout().is_terminal() && !set("NO_COLOR") && !dumb
            }
        };
        Self { lang, json, colour, quiet, verbose, plane: Plane::Live }
    }

    /// The same screen for what concerns this plane: of an exercise, every line says so.
    pub(super) const fn on(self, plane: Plane) -> Self {
        Self { plane, ..self }
    }

    /// Data: text on stdout, a line end is added.
    pub(super) fn line(&self, text: &str) -> Outcome {
        self.data(&self.mark(text), "\n")
    }

    /// Data as it is, unmarked: on stdout.
    pub(super) fn raw(&self, text: &str) -> Outcome {
        self.data(text, "")
    }

    fn data(&self, text: &str, end: &str) -> Outcome {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.write_all(end.as_bytes()))
            .and_then(|()| out.flush())
            .map_err(|error| self.output_failed(&error))
    }

    pub(super) fn output_failed(&self, error: &io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::closed_pipe();
        }
        Failure::new(Exit::Failure, self.lang.cannot_write_output(error))
    }

    /// Data: one JSON object on one line of stdout.
    pub(super) fn object(&self, value: &impl Serialize) -> Outcome {
        let text =
            json(value).map_err(|error| Failure::new(Exit::Failure, self.lang.cannot_write_output(error)))?;
        self.data(&text, "\n")
    }

    /// The text with the word before every line of an exercise; as it is when it is live.
    pub(super) fn mark(&self, text: &str) -> String {
        match self.plane {
            Plane::Live => text.to_owned(),
            Plane::Exercise => {
                let word = self.paint(Tone::Caution, &self.lang.exercise());
                let lines: Vec<String> = text.split('\n').map(|line| format!("{word} {line}")).collect();
                lines.join("\n")
            }
        }
    }

    /// Talk: what goes on. Silent under `--quiet`.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            talk(&self.mark(text));
        }
    }

    /// Talk that matters: shown under `--quiet` too.
    pub(super) fn warn(&self, text: &str) {
        talk(&format!("{}{}", self.lang.warning_prefix(), self.mark(text)));
    }

    /// The word, and on a terminal also the colour that repeats it.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Caution => "33",
            Tone::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A line on stderr. Nobody is left to tell when that fails.
pub(super) fn talk(text: &str) {
    let mut err = io::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// A stranger's text as it may be shown: control, invisible and direction-changing characters are spelt out as
/// `\u{…}`, so that nothing can move the cursor, hide, or reorder what is read.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ if is_treacherous(character) => {
                // Writing to a String does not fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// One JSON object on one line, as it may be shown and kept.
pub(super) fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|text| escape_in_json(&text))
}

/// JSON that says the same and shows nothing treacherous: outside strings JSON is plain ASCII, inside them `\u` is
/// another spelling of a character.
fn escape_in_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_treacherous(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Controls (Unicode Cc), and what is invisible, ends lines or changes direction (Cf, Zl, Zp, default ignorables).
fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The first characters of an id: enough to tell two apart by eye, never to act on.
pub(super) fn short(id: &str) -> String {
    /// 48 bits of a hash.
    const SHORT_CHARS: usize = 8;
    id.chars().take(SHORT_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_can_neither_move_nor_hide_nor_reorder() {
        for (text, shown) in [
            ("Crue à Sèvres : 3,20 m — évacuez", "Crue à Sèvres : 3,20 m — évacuez"),
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("faux\nVÉRIFIÉ", "faux\\nVÉRIFIÉ"),
            ("a\rb\tc\u{7f}\u{9b}", "a\\rb\\tc\\u{7f}\\u{9b}"),
            ("\u{202e}erialc\u{202c}", "\\u{202e}erialc\\u{202c}"),
            ("\u{2066}x\u{2069}\u{200f}", "\\u{2066}x\\u{2069}\\u{200f}"),
            ("fr\u{200b}ance\u{feff}\u{ad}", "fr\\u{200b}ance\\u{feff}\\u{ad}"),
            ("a\u{2028}b\u{e0041}", "a\\u{2028}b\\u{e0041}"),
            ("日本 مالي", "日本 مالي"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn json_keeps_what_it_says_and_shows_nothing_treacherous() {
        let text = "Crue\u{202e}\u{7f}\u{e0041}\u{1b} é";
        let shown = escape_in_json(&serde_json::to_string(text).unwrap());
        assert_eq!(shown, r#""Crue\u202e\u007f\udb40\udc41\u001b é""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
