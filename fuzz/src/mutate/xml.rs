//! XML, along its elements.

use super::{Random, Words, exchange, name, text};

/// An element: with its tags, and what is between them.
#[derive(Debug, Clone, Copy)]
struct Element {
    begin: usize,
    inner: usize,
    inner_end: usize,
    end: usize,
}

/// Where the elements are; names of tags are not compared.
fn elements(text: &[u8]) -> Vec<Element> {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(tag) = text[at..].iter().position(|byte| *byte == b'<').map(|more| at + more) {
        let Some(end) = text[tag..].iter().position(|byte| *byte == b'>').map(|more| tag + more + 1) else {
            break;
        };
        match text.get(tag + 1) {
            Some(b'/') => {
                if let Some((begin, inner)) = open.pop() {
                    found.push(Element { begin, inner, inner_end: tag, end });
                }
            }
            Some(b'?' | b'!') => {}
            _ if text[end - 2] == b'/' => {
                found.push(Element { begin: tag, inner: end, inner_end: end, end });
            }
            _ => open.push((tag, end)),
        }
        at = end;
    }
    found
}

/// One change.
pub(super) fn once(input: &mut Vec<u8>, words: Words, random: &mut Random) {
    let all = elements(input);
    if all.is_empty() || random.once_in(12) {
        return text::once(input, words, random);
    }
    let (one, other) = (all[random.below(all.len())], all[random.below(all.len())]);
    match random.below(10) {
        0 => drop(input.drain(one.begin..one.end)),
        1 | 2 => {
            let again = input[one.begin..one.end].repeat([1, 1, 2, 9][random.below(4)]);
            input.splice(one.end..one.end, again);
        }
        3 => exchange(input, (one.begin, one.end), (other.begin, other.end)),
        4 => {
            let inner = input[other.inner..other.inner_end].to_vec();
            input.splice(one.inner..one.inner_end, inner);
        }
        5 => {
            let copy = input[other.begin..other.end].to_vec();
            input.splice(one.begin..one.begin, copy);
        }
        6 if !words.is_empty() => drop(input.splice(one.inner..one.inner_end, random.pick(words).bytes())),
        7 => {
            // In a tag: its name, its attributes.
            let mut tag = input[one.begin + 1..one.inner.saturating_sub(1).max(one.begin + 1)].to_vec();
            let length = tag.len();
            text::once(&mut tag, words, random);
            input.splice(one.begin + 1..one.begin + 1 + length, tag);
        }
        _ => {
            let mut inner = input[one.inner..one.inner_end].to_vec();
            if inner.len() < 80 && random.once_in(2) {
                name::once(&mut inner, words, random);
            } else {
                text::once(&mut inner, words, random);
            }
            input.splice(one.inner..one.inner_end, inner);
        }
    }
}
