//! Settings: a key and its value a line, each key once.

use super::{Random, Words, lines, name, text};

/// One change, mostly of one setting: another value, or a line of the words in place of the one with its key.
pub(super) fn once(input: &mut Vec<u8>, words: Words, random: &mut Random) {
    let mut settings: Vec<Vec<u8>> = input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    match random.below(4) {
        0 => {
            let line = random.pick(words);
            let Some((key, _)) = line.split_once(" = ") else {
                return lines::once(input, words, random, text::once);
            };
            let is_other = |setting: &Vec<u8>| !setting.starts_with([key, " = "].concat().as_bytes());
            settings.retain(is_other);
            let at = random.below(settings.len() + 1);
            settings.insert(at, line.as_bytes().to_vec());
        }
        1 | 2 => {
            let at = random.below(settings.len());
            let setting = &mut settings[at];
            let Some(place) = setting.windows(3).position(|part| part == b" = ") else {
                return lines::once(input, words, random, text::once);
            };
            let old = setting.split_off(place + 3);
            let new = if old.first().is_some_and(u8::is_ascii_digit) {
                name::number(&old, random)
            } else {
                random.pick(words).as_bytes().to_vec()
            };
            setting.extend(new);
        }
        _ => return lines::once(input, words, random, text::once),
    }
    *input = settings.join(&b'\n');
}
