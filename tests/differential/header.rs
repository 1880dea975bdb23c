//! Headers that are not what is emitted; some of them may be read all the same.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use vigie_tests::sim::random::Chance;

use crate::word;

/// Members that others know and this profile does not, or that nobody knows.
const STRANGE: [&str; 21] = [
    r#""crit":["exp"]"#,
    r#""b64":false"#,
    r#""jwk":{}"#,
    r#""jku":"https://example.org/k""#,
    r#""x5c":[]"#,
    r#""x5u":"https://example.org/x""#,
    r#""cty":"JWT""#,
    r#""zip":"DEF""#,
    r#""ext":{}"#,
    r#""":"""#,
    r#""ALG":"EdDSA""#,
    r#""alg ":"EdDSA""#,
    r#""x":-0"#,
    r#""x":1e0"#,
    r#""x":9007199254740991"#,
    r#""x":9007199254740992"#,
    r#""x":{"a":1,"a":2}"#,
    r#""x":"\ud800""#,
    r#""x":"é""#,
    r#""x":null"#,
    r#""__proto__":{}"#,
];

/// Algorithms: the two names of the one that is taken, and others.
const ALGS: [&str; 16] = [
    r#""Ed25519""#,
    r#""Ed25519""#,
    r#""EdDSA""#,
    r#""none""#,
    r#""eddsa""#,
    r#""ED25519""#,
    r#""Ed448""#,
    r#""HS256""#,
    r#""ES256""#,
    r#""""#,
    r#"" EdDSA""#,
    r#""EdDSA\u0000""#,
    r#""EdDS\u0041""#,
    "null",
    "1",
    r#"["EdDSA"]"#,
];

/// What stands in place of `typ`.
const TYPS: [&str; 13] = [
    r#""vigie-message-live-v1""#,
    r#""vigie-message-exercise-v1""#,
    r#""vigie-credential-live-v1""#,
    r#""vigie-rotation-exercise-v1""#,
    r#""vigie-message-live-v2""#,
    r#""vigie-message-live-v1 ""#,
    r#""vigie-message-live""#,
    r#""Vigie-message-live-v1""#,
    r#""vigie-attestation-live-v1""#,
    r#""JWT""#,
    r#""""#,
    "null",
    "{}",
];

/// Bytes that stand between the tokens of JSON: the first four are its white space.
const BETWEEN: [&[u8]; 10] =
    [b" ", b"\t", b"\n", b"\r\n", b"\x0c", b"\x0b", b"\xc2\xa0", b"\xef\xbb\xbf", b"\0", b"/**/"];

/// Changes a header, and says how.
pub(crate) fn wrong(chance: &mut Chance, header: &mut Vec<u8>) -> &'static str {
    let Ok(text) = String::from_utf8(header.clone()) else { return byte(chance, header) };
    let members: Vec<String> = text.trim_matches(['{', '}']).split(',').map(str::to_owned).collect();
    let (made, text) = match chance.below(14) {
        0 => ("header-order", rotated(chance, members)),
        1 => ("header-strange", with(chance, members, &STRANGE)),
        2 => ("header-alg", replaced(members, r#""alg""#, word(chance, &ALGS))),
        3 => ("header-typ", replaced(members, r#""typ""#, word(chance, &TYPS))),
        4 => ("header-kid", kid(chance, members)),
        5 => ("header-lacks", lacking(chance, members)),
        6 => ("header-twice", twice(chance, members)),
        7 => ("header-escaped", escaped(chance, &text)),
        8 => return between(chance, header),
        9 => ("header-form", form(chance, &text)),
        10 => ("header-deep", deep(chance, members)),
        11 => ("header-behind", format!("{text}{}", chance.pick(&["{}", ",", "}", "x", "\n\n", "\0", "//"]))),
        12 => ("header-case", flipped(chance, &text)),
        _ => return byte(chance, header),
    };
    *header = text.into_bytes();
    made
}

fn object(members: &[String]) -> String {
    format!("{{{}}}", members.join(","))
}

fn rotated(chance: &mut Chance, mut members: Vec<String>) -> String {
    for last in (1..members.len()).rev() {
        members.swap(last, chance.below(last + 1));
    }
    object(&members)
}

fn with(chance: &mut Chance, mut members: Vec<String>, among: &[&str]) -> String {
    members.insert(chance.below(members.len() + 1), word(chance, among).to_owned());
    object(&members)
}

fn replaced(mut members: Vec<String>, name: &str, value: &str) -> String {
    for member in &mut members {
        if member.starts_with(name) {
            *member = format!("{name}:{value}");
        }
    }
    object(&members)
}

fn kid(chance: &mut Chance, members: Vec<String>) -> String {
    let bytes: [u8; 48] = chance.bytes();
    let value = match chance.below(9) {
        0 => URL_SAFE_NO_PAD.encode(&bytes[..31]),
        1 => URL_SAFE_NO_PAD.encode(&bytes[..33]),
        2 => URL_SAFE_NO_PAD.encode(bytes),
        3 => String::new(),
        4 => URL_SAFE.encode(&bytes[..32]),
        // One of the two bits behind the last byte is set.
        5 => format!("{}B", "A".repeat(42)),
        6 => format!("+{}", URL_SAFE_NO_PAD.encode(&bytes[..32]).split_off(1)),
        7 => format!(" {}", URL_SAFE_NO_PAD.encode(&bytes[..32])),
        _ => URL_SAFE_NO_PAD.encode(&bytes[..32]),
    };
    let value = if chance.one_in(10) { "null".to_owned() } else { format!("\"{value}\"") };
    replaced(members, r#""kid""#, &value)
}

fn lacking(chance: &mut Chance, mut members: Vec<String>) -> String {
    members.remove(chance.below(members.len()));
    object(&members)
}

fn twice(chance: &mut Chance, mut members: Vec<String>) -> String {
    let mut again = chance.pick(&members).clone();
    if chance.one_in(2) {
        again = again.replace("EdDSA", "none").replace("live", "exercise");
    }
    if chance.one_in(3) {
        again = again.replacen("\"a", "\"\\u0061", 1).replacen("\"k", "\"\\u006b", 1);
    }
    members.insert(chance.below(members.len() + 1), again);
    object(&members)
}

/// One letter of it is written as an escape.
fn escaped(chance: &mut Chance, text: &str) -> String {
    let letters: Vec<usize> =
        text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).map(|(at, _)| at).collect();
    if letters.is_empty() {
        return text.to_owned();
    }
    let at = *chance.pick(&letters);
    let letter = text.as_bytes()[at];
    format!("{}\\u{:04x}{}", &text[..at], letter, &text[at + 1..])
}

/// Something between two tokens of JSON, or inside one.
fn between(chance: &mut Chance, header: &mut Vec<u8>) -> &'static str {
    let places: Vec<usize> =
        (0..=header.len()).filter(|at| header.get(*at).is_none_or(|byte| b"{}:,".contains(byte))).collect();
    let at = if chance.one_in(4) { chance.below(header.len() + 1) } else { *chance.pick(&places) };
    let bytes = *chance.pick(&BETWEEN);
    header.splice(at..at, bytes.iter().copied());
    "header-between"
}

fn form(chance: &mut Chance, text: &str) -> String {
    let forms = ["", "{}", "[]", "null", "true", "0", "\"\"", "{", "}", "{\"alg\"}", "{'alg':'EdDSA'}"];
    match chance.below(5) {
        0 => format!("[{text}]"),
        1 => text.replace(',', ",,"),
        2 => text.replace('}', ",}"),
        3 => text.replace('"', "'"),
        _ => word(chance, &forms).to_owned(),
    }
}

/// A member that nests around the bound.
fn deep(chance: &mut Chance, mut members: Vec<String>) -> String {
    let depth = *chance.pick(&[1, 14, 15, 16, 17, 200]);
    let (open, close) = *chance.pick(&[("[", "]"), ("{\"a\":", "}")]);
    let inner = if open == "[" { "" } else { "1" };
    members.push(format!("\"x\":{}{inner}{}", open.repeat(depth), close.repeat(depth)));
    object(&members)
}

fn flipped(chance: &mut Chance, text: &str) -> String {
    let at = chance.below(text.len().max(1));
    let flip = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.char_indices().map(|(place, c)| if place == at { flip(c) } else { c }).collect()
}

fn byte(chance: &mut Chance, header: &mut [u8]) -> &'static str {
    if !header.is_empty() {
        let at = chance.below(header.len());
        header[at] = chance.number() as u8;
    }
    "header-byte"
}
