//! Other spellings of the parts of a token, and other texts around them.

use vigie_tests::sim::random::Chance;

use crate::word;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What readers of base64 are known to pass over, or to take for something else.
const STRANGE: [char; 14] =
    ['=', '+', '/', '.', ' ', '\n', '\r', '\t', '\0', '"', '%', 'é', '\u{ff0e}', '\u{2028}'];

fn letter(chance: &mut Chance) -> char {
    char::from(*chance.pick(ALPHABET))
}

/// Changes one part, and says how.
pub(crate) fn part(chance: &mut Chance, part: &mut String) -> &'static str {
    match chance.below(7) {
        0 => {
            part.push_str(word(chance, &["=", "==", "==="]));
            "part-padded"
        }
        1 => {
            // Bits behind the last byte are set, where there are any.
            let spare = [0, 0, 4, 2][part.len() % 4];
            let last = part.pop().and_then(|last| ALPHABET.iter().position(|one| char::from(*one) == last));
            if let Some(last) = last {
                let set = if spare == 0 { 0 } else { chance.below(1 << spare) };
                part.push(char::from(ALPHABET[last | set]));
            }
            "part-spare-bits"
        }
        2 => {
            *part = part.replace('-', "+").replace('_', "/");
            "part-other-alphabet"
        }
        3 => {
            insert(chance, part);
            "part-strange"
        }
        4 => {
            part.push(letter(chance));
            "part-longer"
        }
        5 => {
            part.pop();
            "part-shorter"
        }
        _ => {
            part.clear();
            "part-empty"
        }
    }
}

fn insert(chance: &mut Chance, text: &mut String) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    // The ends are where white space is passed over.
    let at = if chance.one_in(3) { text.len() } else { *chance.pick(&places) };
    text.insert(at, *chance.pick(&STRANGE));
}

fn change(chance: &mut Chance, text: &mut String, how: impl FnOnce(&mut Chance, &mut Vec<char>, usize)) {
    let mut letters: Vec<char> = text.chars().collect();
    if !letters.is_empty() {
        let at = chance.below(letters.len());
        how(chance, &mut letters, at);
        *text = letters.into_iter().collect();
    }
}

/// Changes a whole token, and says how.
pub(crate) fn token(chance: &mut Chance, token: &mut String) -> &'static str {
    let parts: Vec<&str> = token.split('.').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let (header, payload, signature) = (part(0), part(1), part(2));
    match chance.below(16) {
        0 => {
            change(chance, token, |chance, letters, at| letters[at] = letter(chance));
            "text-letter"
        }
        1 => {
            insert(chance, token);
            "text-strange"
        }
        2 => {
            change(chance, token, |_, letters, at| _ = letters.remove(at));
            "text-removed"
        }
        3 => {
            change(chance, token, |chance, letters, at| letters.insert(at, letter(chance)));
            "text-inserted"
        }
        4 => {
            change(chance, token, |_, letters, at| {
                let other = (at + 1) % letters.len();
                letters.swap(at, other);
            });
            "text-swapped"
        }
        5 => {
            change(chance, token, |_, letters, at| letters.truncate(at));
            "text-cut"
        }
        6 => {
            *token = format!("{token}.{}", chance.pick(&parts));
            "text-four-parts"
        }
        7 => {
            *token = [header, payload].join(".");
            "text-two-parts"
        }
        8 => {
            *token = format!("{header}..{signature}");
            "text-detached"
        }
        9 => {
            *token = format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#);
            "text-flattened"
        }
        10 => {
            *token = format!(
                r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
            );
            "text-general"
        }
        11 => {
            *token = format!("{token}{token}");
            "text-twice"
        }
        12 => {
            *token = chance.pick(&[" ", ".", "\n", "\u{feff}", "Bearer "]).to_string() + token;
            "text-before"
        }
        13 => {
            token.push_str(word(chance, &[" ", ".", "\n", "=", "~", "\0"]));
            "text-behind"
        }
        14 => {
            *token = [payload, header, signature].join(".");
            "text-parts-swapped"
        }
        _ => {
            change(chance, token, |_, letters, at| {
                let c = letters[at];
                letters[at] =
                    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            });
            "text-case"
        }
    }
}
