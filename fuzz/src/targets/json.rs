//! Strict JSON, beside a second reader that was written from PROTOCOL.md, part 4, alone.

use vigie_proto::json::{self, JsonError};
use vigie_proto::limits::{JSON_DEPTH_MAX, JSON_INTEGER_MAX};

use crate::{Outcome, plant};

/// Any bytes, as a frame or the payload of a token.
pub fn json(data: &[u8]) -> Outcome {
    let mut reference = Reference { text: data, at: 0, depth: 0, deepest: 0, doubles: false };
    let expected = reference.whole();
    let found = json::check(data);
    assert_eq!(found.is_ok(), expected.is_some(), "{found:?}: {}", String::from_utf8_lossy(data));
    match found {
        Ok(()) => {
            plant::inside("json", || reference.deepest == 9);
            Outcome::Taken
        }
        Err(JsonError::Duplicate(_)) => {
            // What is no text is refused as a whole there, wherever that begins.
            let is_text = std::str::from_utf8(data).is_ok();
            assert!(reference.doubles || !is_text, "nothing stands twice: {}", String::from_utf8_lossy(data));
            Outcome::Refused
        }
        Err(error) => {
            assert!(matches!(error, JsonError::Malformed(_)), "{error:?}");
            Outcome::Refused
        }
    }
}

/// A reader that goes from left to right; `None`: refused.
struct Reference<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    deepest: usize,
    /// The refusal is for a member that stands twice.
    doubles: bool,
}

impl Reference<'_> {
    fn whole(&mut self) -> Option<()> {
        std::str::from_utf8(self.text).ok()?;
        self.space();
        // What stands twice is told of what is no object too.
        let is_object = self.peek() == Some(b'{');
        self.value()?;
        self.space();
        (is_object && self.at == self.text.len()).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Option<()> {
        self.space();
        match self.peek()? {
            b'{' | b'[' => {
                self.depth += 1;
                self.deepest = self.deepest.max(self.depth);
                if self.depth > JSON_DEPTH_MAX {
                    return None;
                }
                if self.peek()? == b'{' {
                    self.object()?
                } else {
                    self.array()?
                }
                self.depth -= 1;
                Some(())
            }
            b'"' => self.string().map(drop),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.integer(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn object(&mut self) -> Option<()> {
        self.take(b'{')?;
        let mut names: Vec<Vec<u16>> = Vec::new();
        self.space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.space();
            let name = self.string()?;
            if names.contains(&name) {
                self.doubles = true;
                return None;
            }
            names.push(name);
            self.space();
            self.take(b':')?;
            self.value()?;
            self.space();
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    fn array(&mut self) -> Option<()> {
        self.take(b'[')?;
        self.space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value()?;
            self.space();
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    /// The string in UTF-16, in which escapes are written; no half of a pair stands alone.
    fn string(&mut self) -> Option<Vec<u16>> {
        self.take(b'"')?;
        let text = std::str::from_utf8(&self.text[self.at..]).ok()?;
        let mut units = Vec::new();
        let mut characters = text.char_indices();
        loop {
            let (place, character) = characters.next()?;
            match character {
                '"' => {
                    self.at += place + 1;
                    return String::from_utf16(&units).ok().map(|_| units);
                }
                '\\' => match characters.next()?.1 {
                    'u' => {
                        let digits: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                            return None;
                        }
                        units.push(u16::from_str_radix(&digits, 16).ok()?);
                    }
                    escaped => {
                        let names = ['"', '\\', '/', 'b', 'f', 'n', 'r', 't'];
                        let place = names.iter().position(|name| *name == escaped)?;
                        units.push([0x22, 0x5c, 0x2f, 8, 12, 10, 13, 9][place]);
                    }
                },
                '\0'..='\x1f' => return None,
                other => units.extend_from_slice(other.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn integer(&mut self) -> Option<()> {
        let negative = self.take(b'-').is_some();
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.text[begin..self.at]).ok()?;
        let is_fraction = matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        let is_plain = !is_fraction && if digits == "0" { !negative } else { !digits.starts_with('0') };
        let fits = digits.len() <= 16 && digits.parse::<u64>().is_ok_and(|number| number <= JSON_INTEGER_MAX);
        (is_plain && fits).then_some(())
    }
}
