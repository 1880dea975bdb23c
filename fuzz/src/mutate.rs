//! How inputs are made of others, without a fuzzer and beside one.
//!
//! Each form is changed along its own parts: members and elements of JSON, lines, tags, whole frames with their lengths put
//! right. So much of what comes out still means something, and reaches what lies behind the first check. Now and then the
//! parts are broken on purpose, and libFuzzer's own changes come on top. The same seed makes the same change.

mod bytes;
mod frames;
mod json;
mod lines;
mod name;
mod random;
mod settings;
mod text;
pub(crate) mod words;
mod xml;

pub use self::random::Random;
pub use self::words::Words;

/// What is mutated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON text; what stands before its first brace is a mark of the target.
    Json,
    /// JSON texts, one a line.
    JsonLines,
    /// Lines of names, of a head.
    Lines,
    /// Keys with values, one a line.
    Settings,
    /// XML.
    Xml,
    /// Frames of a journal, as the target `record` takes them.
    Frames,
    /// Bytes.
    Bytes,
}

/// One input of another, of this form.
pub fn once(form: Form, words: Words, input: &mut Vec<u8>, random: &mut Random) {
    match form {
        Form::Json => json::once(input, words, random),
        Form::JsonLines => lines::once(input, words, random, json::once),
        Form::Lines => lines::once(input, words, random, text::once),
        Form::Settings => settings::once(input, words, random),
        Form::Xml => xml::once(input, words, random),
        Form::Frames => frames::once(input, words, random),
        Form::Bytes => bytes::some(input, words, random),
    }
}

/// As libFuzzer asks for it: `data[..size]` becomes another input, of the size that is returned and at most `max_size`.
pub fn in_place(
    form: Form,
    words: Words,
    data: &mut [u8],
    size: usize,
    max_size: usize,
    random: &mut Random,
) -> usize {
    let mut input = data[..size].to_vec();
    once(form, words, &mut input, random);
    let size = input.len().min(max_size).min(data.len());
    data[..size].copy_from_slice(&input[..size]);
    size
}

/// Where two ranges lie apart, exchanges what is in them.
fn exchange(text: &mut Vec<u8>, one: (usize, usize), other: (usize, usize)) {
    let (first, second) = if one.0 <= other.0 { (one, other) } else { (other, one) };
    if first.1 > second.0 {
        return;
    }
    let behind = text[second.0..second.1].to_vec();
    let before: Vec<u8> = text.splice(first.0..first.1, behind.iter().copied()).collect();
    let (begin, end) = (second.0 + behind.len() - before.len(), second.1 + behind.len() - before.len());
    text.splice(begin..end, before);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exchanged_is_all_there() {
        for (one, other) in [((0, 1), (2, 5)), ((2, 5), (0, 1)), ((0, 2), (2, 2)), ((0, 3), (2, 5))] {
            let mut text = b"abcde".to_vec();
            exchange(&mut text, one, other);
            text.sort_unstable();
            assert_eq!(text, b"abcde");
        }
        let mut text = b"abcde".to_vec();
        exchange(&mut text, (0, 1), (2, 5));
        assert_eq!(text, b"cdeba");
    }

    /// What is changed along its parts is mostly whole afterwards: else nothing behind the first check would be tried.
    #[test]
    fn a_changed_json_text_is_mostly_json() {
        let mut random = Random::new(1);
        let whole = |_: &usize| {
            let mut text = br#"{"a":[1,{"b":"c.d","e":true}],"f":-2,"g":{}}"#.to_vec();
            json::once(&mut text, &["\"h\":3", "\"i\"", "4"], &mut random);
            serde_json::from_slice::<serde_json::Value>(&text).is_ok()
        };
        let whole = (0..1000).filter(whole).count();
        assert!((600..1000).contains(&whole), "{whole} of 1000");
    }
}
