//! What stands between quotes or in a line by itself: dotted names, words, digits.

use super::{Random, Words};

/// To the bounds of names and past them.
const LENGTHS: [usize; 8] = [1, 8, 31, 32, 33, 63, 64, 65];

/// One change to a name.
pub(super) fn once(name: &mut Vec<u8>, words: Words, random: &mut Random) {
    let at = random.below(name.len() + 1);
    let one = at.min(name.len().saturating_sub(1));
    match random.below(14) {
        0 if !words.is_empty() => *name = inner(random.pick(words)).to_vec(),
        1 if !words.is_empty() => name.extend_from_slice(inner(random.pick(words))),
        // One segment more, one less, one twice.
        2 | 3 => {
            let end = segment_end(name, at);
            let segment = [&b".a"[..], b".idf", b".0", b".", b".**", b".x-1"][random.below(6)];
            name.splice(end..end, segment.iter().copied());
        }
        4 => {
            let begin = name[..at].iter().rposition(|byte| *byte == b'.').unwrap_or(0);
            name.drain(begin..segment_end(name, at));
        }
        5 => {
            let begin = name[..at].iter().rposition(|byte| *byte == b'.').map_or(0, |dot| dot + 1);
            let end = segment_end(name, at);
            let again = [&name[begin..end], b"."].concat();
            name.splice(begin..begin, again);
        }
        6 => {
            let letter = b"0179abzA-_./ *"[random.below(14)];
            name.insert(at, letter);
        }
        7 => name.truncate(at),
        8 => {
            let letter = name.get(one).copied().unwrap_or(b'a');
            let length = LENGTHS[random.below(LENGTHS.len())];
            name.splice(at..at, std::iter::repeat_n(letter, length));
        }
        9 if !name.is_empty() => name[one] = b"0179abzA-_.: "[random.below(13)],
        10 if !name.is_empty() => drop(name.remove(one)),
        11 if !name.is_empty() => {
            // The same letter in its other spelling in JSON.
            let escaped = format!("\\u{:04x}", name[one]);
            name.splice(one..=one, escaped.into_bytes());
        }
        12 => name.clear(),
        _ if !name.is_empty() => {
            let letter = &mut name[one];
            *letter = if random.once_in(2) { *letter ^ 0x20 } else { letter.wrapping_add(1) };
        }
        _ => name.push(b'a'),
    }
}

/// The end of the segment that a place is in.
fn segment_end(name: &[u8], at: usize) -> usize {
    name[at..].iter().position(|byte| *byte == b'.').map_or(name.len(), |dot| at + dot)
}

/// A word without its quotes.
fn inner(word: &str) -> &[u8] {
    word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word).as_bytes()
}

/// A number becomes its neighbour, one that is far, or an edge.
pub(super) fn number(digits: &[u8], random: &mut Random) -> Vec<u8> {
    let value = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i128>().ok()).unwrap_or(0);
    let by = [1, 1, 1, 2, 10, 1_000, 120_000, 1 << 32, 1 << 53][random.below(9)];
    let changed = match random.below(6) {
        0 | 1 => value + by,
        2 => value - by,
        3 => [0, 1, (1 << 53) - 1, 1 << 53, (1 << 63) - 1, (1 << 64) - 1][random.below(6)],
        4 => i128::from(random.next() % 17),
        _ => value.checked_mul(by).unwrap_or(-value),
    };
    changed.to_string().into_bytes()
}
