//! Text of any form, as strings, words, numbers and single other bytes.

use super::{Random, Words, bytes, name};

/// Where the pieces of a text begin and end.
fn pieces(text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let begin = at;
        at += 1;
        match text[begin] {
            b'"' => {
                while at < text.len() && text[at] != b'"' && text[at] != b'\n' {
                    at += 1 + usize::from(text[at] == b'\\');
                }
                at = (at + 1).min(text.len());
            }
            byte if is_word(byte) => {
                while at < text.len() && is_word(text[at]) {
                    at += 1;
                }
            }
            _ => {}
        }
        found.push((begin, at));
    }
    found
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | 0x80..)
}

/// One change: of more, little is left that means something.
pub(super) fn once(text: &mut Vec<u8>, words: Words, random: &mut Random) {
    let all = pieces(text);
    if all.is_empty() {
        return name::once(text, words, random);
    }
    let (begin, end) = all[random.below(all.len())];
    let other = all[random.below(all.len())];
    match random.below(12) {
        0 => drop(text.drain(begin..end)),
        1 if !words.is_empty() => drop(text.splice(begin..end, random.pick(words).bytes())),
        2 if !words.is_empty() => drop(text.splice(begin..begin, random.pick(words).bytes())),
        3 => {
            let with = text[other.0..other.1].to_vec();
            text.splice(begin..end, with);
        }
        4 => super::exchange(text, (begin, end), other),
        5 => {
            let again = text[begin..end].repeat(1 + random.below(8));
            text.splice(begin..begin, again);
        }
        6 => {
            let space = b" \t\r\n"[random.below(4)];
            text.insert(begin, space);
        }
        7 => bytes::once(text, words, random),
        8 if text[begin].is_ascii_digit() => {
            let changed = name::number(&text[begin..end], random);
            text.splice(begin..end, changed);
        }
        9 => name::once(text, words, random),
        _ => {
            let quotes = usize::from(end - begin > 1 && text[begin] == b'"' && text[end - 1] == b'"');
            let (begin, end) = (begin + quotes, end - quotes);
            let mut inner = text[begin..end].to_vec();
            name::once(&mut inner, words, random);
            text.splice(begin..end, inner);
        }
    }
}
