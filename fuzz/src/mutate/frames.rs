//! Frames of a journal: kind, how far the sequence goes on, two bytes of length, body.
//!
//! The length is put right after a change, and so is that of a text in a body, which stands in two bytes before it.

use super::{Random, Words, bytes, name};

/// Kinds of records, and one past the last.
const KINDS: [u8; 9] = [2, 3, 4, 5, 6, 7, 8, 9, 3];

struct Frame {
    kind: u8,
    by: u8,
    body: Vec<u8>,
}

fn read(mut input: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(([kind, by, low, high], rest)) = input.split_first_chunk::<4>() {
        let (body, rest) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
        frames.push(Frame { kind: *kind, by: *by, body: body.to_vec() });
        input = rest;
    }
    frames
}

fn written(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Frame { kind, by, body } in frames {
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&[*kind, *by]);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&body[..usize::from(length)]);
    }
    bytes
}

/// One change.
pub(super) fn once(input: &mut Vec<u8>, words: Words, random: &mut Random) {
    let mut frames = read(input);
    if frames.is_empty() || random.once_in(24) {
        return bytes::once(input, words, random);
    }
    let (at, other) = (random.below(frames.len()), random.below(frames.len()));
    match random.below(12) {
        0 => drop(frames.remove(at)),
        1 => {
            let Frame { kind, by, ref body } = frames[at];
            let again = Frame { kind, by, body: body.clone() };
            frames.insert(other, again);
        }
        2 => frames.swap(at, other),
        3 => frames[at].kind = KINDS[random.below(KINDS.len())],
        4 => frames[at].by = [0, 1, 2, 255][random.below(4)],
        5..=8 => counted(&mut frames[at].body, words, random),
        _ => bytes::once(&mut frames[at].body, words, random),
    }
    *input = written(&frames);
}

/// A text in a body with its length before it becomes another.
fn counted(body: &mut Vec<u8>, words: Words, random: &mut Random) {
    let text_at = |at: &usize| {
        let length = usize::from(u16::from_le_bytes([body[*at], body[*at + 1]]));
        let text = body.get(*at + 2..*at + 2 + length)?;
        let is_text = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
        is_text.then_some((*at + 2, length))
    };
    let found: Vec<(usize, usize)> =
        (0..body.len().saturating_sub(1)).filter_map(|at| text_at(&at)).collect();
    if found.is_empty() {
        return bytes::once(body, words, random);
    }
    let (at, old) = found[random.below(found.len())];
    let mut text = body[at..at + old].to_vec();
    if random.once_in(2) && text.contains(&b',') {
        // A list of names: one more, or one less.
        let mut names: Vec<&[u8]> = text.split(|byte| *byte == b',').collect();
        if random.once_in(4) {
            names.remove(random.below(names.len()));
        } else {
            names.push(random.pick(&[&b"fr.a"[..], b"fr.b", b"fr.c", b"fr.z", b"fr"]));
        }
        text = names.join(&b',');
    } else {
        name::once(&mut text, words, random);
    }
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    body.splice(at..at + old, text);
    body[at - 2..at].copy_from_slice(&length.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is changed, each frame is whole, and so is the list of names that stands in one.
    #[test]
    fn lengths_are_put_right() {
        let body = [&b"\x02"[..], &9_u16.to_le_bytes(), b"fr.a,fr.b", b"rest"].concat();
        let mut three = 0;
        for seed in 0..1000 {
            let mut input = written(&[Frame { kind: 3, by: 1, body: body.clone() }]);
            once(&mut input, &["fr.c"], &mut Random::new(seed));
            let frames = read(&input);
            let names = |body: &[u8]| {
                let length =
                    body.get(1..3).map(|bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])));
                body.get(3..3 + length.unwrap_or(0)).unwrap_or_default().to_vec()
            };
            let is_longer = |frame: &Frame| {
                let commas = names(&frame.body).into_iter().filter(|byte| *byte == b',').count();
                commas == 2 && frame.body.ends_with(b"rest")
            };
            three += usize::from(frames.first().is_some_and(is_longer));
        }
        assert!(three > 10, "{three} of 1000");
    }
}
