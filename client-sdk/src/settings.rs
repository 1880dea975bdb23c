//! What is wrong with a file of settings (TOML), told without what stands in it.
//!
//! The errors of the parser show the line that it stumbled over, and the value that it did not expect. A private key that was
//! named in place of the settings, or pasted into them, would go to the screen, the log and the ticket. So a place is told, the
//! name of a setting that is known, and what was expected; no value but an address or a path.

use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// No setting has a longer name; 32 secret bytes are longer in every spelling.
const NAME_CHARS_MAX: usize = 40;

/// The secret of 32 bytes is longer in base64, whatever stands around it.
const KEY_CHARS_MIN: usize = 40;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingsFault {
    /// Line and column, from 1, the column in characters; `None` where no place is at fault, such as for a missing setting.
    pub place: Option<(usize, usize)>,
    /// The known setting on that line, if one begins there.
    pub setting: Option<String>,
    /// In the words of the parser, on one line; without what it found.
    pub what: String,
}

impl SettingsFault {
    /// Of what a parser said about `text`: its message, and the bytes that it means. `known` are the names of all settings.
    pub fn new(text: &str, span: Option<Range<usize>>, message: &str, known: &[&str]) -> Self {
        let what = without_values(message);
        let span = span.filter(|_| !is_of_the_whole(message));
        let place = span.and_then(|span| text.get(..span.start)).map(|before| {
            let begin = before.rfind('\n').map_or(0, |at| at + 1);
            let line = 1 + before.matches('\n').count();
            (line, 1 + before[begin..].chars().count(), begin)
        });
        let setting = place.and_then(|(_, _, begin)| {
            let name = text[begin..].lines().next()?.split('=').next()?.trim();
            known.contains(&name).then(|| name.to_owned())
        });
        Self { place: place.map(|(line, column, _)| (line, column)), setting, what }
    }
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        if let Some(setting) = &self.setting {
            write!(f, "`{setting}`: ")?;
        }
        f.write_str(&self.what)
    }
}

/// The name of a setting that is not known, as it may be shown: `…` for one that is longer than any setting.
pub fn shown_name(name: &str) -> &str {
    if name.chars().count() <= NAME_CHARS_MAX { name } else { "…" }
}

/// How the first line of a private key ends in PEM, whatever it is of.
const KEY_LABEL: &str = "PRIVATE KEY-----";

/// The first line, from 1, that looks like one of a private key: PEM, or the base64 of DER, with line ends lost or whole.
pub fn line_of_key(text: &str) -> Option<usize> {
    let is_of_key = |line: &str| line.contains(KEY_LABEL) || runs(line).any(is_key);
    text.lines().position(is_of_key).map(|line| line + 1)
}

/// What may be base64.
fn runs(line: &str) -> impl Iterator<Item = &str> {
    let is_of_base64 = |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c);
    line.split(move |c| !is_of_base64(c)).map(|run| run.trim_matches(['-', '=']))
}

/// Whether it decodes to what private keys begin with in every form (PKCS#8, SEC 1, PKCS#1): a sequence whose first member
/// is the version, 0 or 1. A certificate begins with another sequence.
fn is_key(run: &str) -> bool {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    run.len() >= KEY_CHARS_MIN
        && [STANDARD, URL_SAFE].iter().any(|alphabet| {
            let begin = &run[..KEY_CHARS_MIN];
            let der = GeneralPurpose::new(alphabet, lenient).decode(begin).unwrap_or_default();
            let content = match der.as_slice() {
                [0x30, 0x82, _, _, content @ ..] | [0x30, 0x81, _, content @ ..] => content,
                [0x30, 0..=0x7f, content @ ..] => content,
                _ => return false,
            };
            matches!(content, [2, 1, 0 | 1, ..])
        })
}

/// A setting that is missing is missing everywhere.
fn is_of_the_whole(message: &str) -> bool {
    message.starts_with("missing field")
}

/// What was found is the file's, and goes; what was expected is the program's.
fn without_values(message: &str) -> String {
    let line = message.lines().map(str::trim).collect::<Vec<_>>().join(", ");
    if is_of_the_whole(&line) {
        return line;
    }
    let until_value = |found: &str| {
        let end = found.find(['"', '`', '\'']).unwrap_or(found.len());
        found[..end].trim_end_matches([' ', ':', ',']).to_owned()
    };
    match line.rsplit_once(", expected ") {
        Some((found, expected)) => format!("{}, expected {expected}", until_value(found)),
        None => until_value(&line),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        #[serde(rename = "listen")]
        _listen: std::net::SocketAddr,
        #[serde(rename = "workers")]
        _workers: Option<usize>,
        #[serde(rename = "names")]
        _names: Option<Vec<String>>,
        #[serde(rename = "trial")]
        _trial: Option<bool>,
    }

    fn told(text: &str) -> String {
        let error = toml::from_str::<File>(text).unwrap_err();
        SettingsFault::new(text, error.span(), error.message(), &["listen", "workers", "names"]).to_string()
    }

    #[test]
    fn the_place_the_setting_and_what_was_expected_are_told_and_no_value() {
        const SECRET: &str = "s3cret, expected s3cret";
        let listen = "listen = \"[::1]:1\"\n";
        for (text, expected) in [
            (
                format!("{listen}workers = \"{SECRET}\"\n"),
                "line 2, column 11: `workers`: invalid type: string, expected usize",
            ),
            (
                format!("{listen}workers = -57721\n"),
                "line 2, column 11: `workers`: invalid value: integer, expected usize",
            ),
            (
                format!("{listen}names = [\"é\", 57721]\n"),
                "line 2, column 15: `names`: invalid type: integer, expected a string",
            ),
            (
                format!("listen = \"{SECRET}\"\n"),
                "line 1, column 10: `listen`: invalid socket address syntax",
            ),
            (String::new(), "missing field `listen`"),
        ] {
            assert_eq!(told(&text), expected, "{text}");
        }
        for text in [
            format!("{listen}workers = {SECRET}\n"),
            format!("{listen}{SECRET}\n"),
            format!("{listen}names = [\n\"a\"\n\"{SECRET}\"]\n"),
            format!("{listen}names = [\"{SECRET}\n"),
            format!("{listen}\"{SECRET}\" = 1\n\"{SECRET}\" = 1\n"),
            format!("{listen}workers = 2\nworkers = \"\"\"{SECRET}"),
        ] {
            let told = told(&text);
            assert!(told.starts_with("line ") && !told.contains("s3cret"), "{text}{told}");
        }
    }

    #[test]
    fn a_private_key_is_known_by_its_first_bytes_and_nothing_else_is() {
        let standard = base64::engine::general_purpose::STANDARD;
        let ed25519 = [&[0x30, 0x2e, 2, 1, 0, 0x30, 5][..], &[7; 41]].concat();
        let p256 = [&[0x30, 0x81, 0x87, 2, 1, 0, 0x30, 0x13][..], &[7; 130]].concat();
        let sec1 = [&[0x30, 0x77, 2, 1, 1, 4, 0x20][..], &[7; 114]].concat();
        let rsa = [&[0x30, 0x82, 4, 0xa4, 2, 1, 0, 2, 0x82][..], &[7; 1_180]].concat();
        for der in [ed25519, p256, sec1, rsa] {
            let text = standard.encode(&der);
            for text in [
                text.clone(),
                format!("\n\"{text}\""),
                format!("\n  key = {text}==\n"),
                text.replace('/', "_"),
            ] {
                let line = if text.starts_with('\n') { 2 } else { 1 };
                assert_eq!(line_of_key(&text), Some(line), "{text}");
            }
        }
        assert_eq!(line_of_key(&format!("a = 1\r\n-----BEGIN EC {KEY_LABEL}\r\n")), Some(2));
        let certificate = standard.encode([&[0x30, 0x82, 2, 0x11, 0x30, 0x82, 1][..], &[7; 500]].concat());
        for text in [
            &certificate[..],
            "roots = [\"MC4CAQAwBQYDK2VwBCIEI\"]",
            "0123456789012345678901234567890123456789",
            "",
        ] {
            assert_eq!(line_of_key(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_that_no_setting_has_may_be_a_secret() {
        assert_eq!(shown_name("lisen"), "lisen");
        assert_eq!(shown_name(&"A".repeat(41)), "…");
    }
}
