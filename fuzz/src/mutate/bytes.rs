//! Bytes of no known form.

use super::{Random, Words};

/// One to three changes.
pub(super) fn some(bytes: &mut Vec<u8>, words: Words, random: &mut Random) {
    for _ in 0..=random.below(3) {
        once(bytes, words, random);
    }
}

/// One change.
pub(super) fn once(bytes: &mut Vec<u8>, words: Words, random: &mut Random) {
    let any = random.next().to_le_bytes()[0];
    if bytes.is_empty() {
        return bytes.push(any);
    }
    let at = random.below(bytes.len());
    let end = (at + 1 + random.below(32)).min(bytes.len());
    match random.below(11) {
        0 => bytes[at] = any,
        1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = bytes[at].wrapping_add(1),
        3 => drop(bytes.drain(at..end)),
        4 => bytes.insert(at, any),
        5 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        6 => {
            let to = random.below(bytes.len());
            bytes.swap(at, to);
        }
        7 => bytes.truncate(at),
        8 | 9 if !words.is_empty() => {
            // At the end too, where most lists of steps go on.
            let at = if random.once_in(2) { bytes.len() } else { at };
            bytes.splice(at..at, random.pick(words).bytes());
        }
        _ => bytes[at] = [0, 1, 2, 3, 8, 0x7f, 0x80, 0xff][random.below(8)],
    }
}
