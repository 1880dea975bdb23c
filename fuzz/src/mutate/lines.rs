//! Lines, each of one form.

use super::{Random, Words};

/// How one line is changed.
type Change = fn(&mut Vec<u8>, Words, &mut Random);

/// One change: mostly in a line, now and then of whole lines.
pub(super) fn once(text: &mut Vec<u8>, words: Words, random: &mut Random, change: Change) {
    let mut lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let at = random.below(lines.len());
    let other = random.below(lines.len() + 1);
    let last = lines.len() - 1;
    match random.below(16) {
        0 => drop(lines.remove(at)),
        1 => {
            let again = lines[at].clone();
            lines.insert(other, again);
        }
        2 => lines.swap(at, other.min(last)),
        3 if !words.is_empty() => lines.insert(other, random.pick(words).as_bytes().to_vec()),
        4 => {
            // Twice, a little different.
            let mut again = lines[at].clone();
            change(&mut again, words, random);
            lines.insert(other, again);
        }
        5 if random.once_in(4) && at + 1 < lines.len() => {
            let next = lines.remove(at + 1);
            lines[at].extend(next);
        }
        _ => change(&mut lines[at], words, random),
    }
    *text = lines.join(&b'\n');
}
