//! JSON, along its members and elements.

use super::{Random, Words, exchange, name, text};

/// Deeper than any reader goes.
const DEPTH_MAX: usize = 64;

/// What any reader of JSON stumbles over, beside the words of the target.
const SHARED: Words = &[
    "0",
    "1",
    "-1",
    "-0",
    "9007199254740991",
    "9007199254740992",
    "-9007199254740991",
    "18446744073709551616",
    "1.0",
    "1e2",
    "01",
    "true",
    "false",
    "null",
    "{}",
    "[]",
    "[[[[[[[[]]]]]]]]",
    "{\"a\":{\"b\":[1]}}",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"é\"",
    "\"ext\":{}",
    "\"ext\":{\"a\":{\"b\":[1]}}",
    "\"later\":1",
];

/// A member of an object with its name, or an element of an array; the whole text is the first.
#[derive(Debug, Clone, Copy)]
struct Item {
    begin: usize,
    /// Where its value begins: behind the name.
    value: usize,
    end: usize,
}

/// What a value or a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Text,
    Number,
    Container,
    Word,
    Member,
}

fn class(word: &[u8]) -> Class {
    match word.first() {
        Some(b'"') if word.windows(2).any(|pair| pair == b"\":") => Class::Member,
        Some(b'"') => Class::Text,
        Some(b'-' | b'0'..=b'9') => Class::Number,
        Some(b'{' | b'[') => Class::Container,
        Some(_) | None => Class::Word,
    }
}

/// Reads as much as is needed to know where things are, and no more strictly.
struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    items: Vec<Item>,
}

impl Scan<'_> {
    fn space(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }

    fn item(&mut self, begin: usize, depth: usize) -> Option<()> {
        let first = self.space()?;
        let place = self.items.len();
        self.items.push(Item { begin, value: self.at, end: self.at });
        match first {
            b'{' | b'[' => self.container(first == b'{', depth)?,
            b'"' => self.string()?,
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
                let length = self.text[self.at..].iter().position(is_end);
                self.at = length.map_or(self.text.len(), |length| self.at + length);
            }
        }
        self.items[place].end = self.at;
        Some(())
    }

    fn container(&mut self, named: bool, depth: usize) -> Option<()> {
        if depth == DEPTH_MAX {
            return None;
        }
        self.at += 1;
        loop {
            match self.space()? {
                b'}' | b']' => break,
                b',' => self.at += 1,
                b'"' if named => {
                    let begin = self.at;
                    self.string()?;
                    if self.space()? != b':' {
                        return None;
                    }
                    self.at += 1;
                    self.item(begin, depth + 1)?;
                }
                _ if named => return None,
                _ => self.item(self.at, depth + 1)?,
            }
        }
        self.at += 1;
        Some(())
    }
}

/// One change.
pub(super) fn once(input: &mut Vec<u8>, words: Words, random: &mut Random) {
    let begin = input.iter().position(|byte| matches!(byte, b'{' | b'[')).unwrap_or(input.len());
    let mut scan = Scan { text: input, at: begin, items: Vec::new() };
    if scan.item(begin, 0).is_none() || random.once_in(16) {
        return text::once(input, words, random);
    }
    if random.once_in(24) {
        let mark = [&b""[..], b"~", b"^", b"0", b"1", b"2"][random.below(6)];
        return drop(input.splice(..begin, mark.iter().copied()));
    }
    let items = scan.items;
    // The whole is one of many: what is inside it is more.
    let any = |random: &mut Random| if items.len() == 1 { 0 } else { 1 + random.below(items.len() - 1) };
    let one = items[any(random)];
    let other = items[any(random)];
    change(input, one, other, words, random);
}

fn change(input: &mut Vec<u8>, one: Item, other: Item, words: Words, random: &mut Random) {
    let whole = one.begin..one.end;
    match random.below(18) {
        0 => remove(input, one),
        1 => {
            let again = [b",", &input[whole]].concat();
            input.splice(one.end..one.end, again);
        }
        2 => exchange(input, (one.begin, one.end), (other.begin, other.end)),
        3 => exchange(input, (one.value, one.end), (other.value, other.end)),
        4 => {
            let value = input[other.value..other.end].to_vec();
            input.splice(one.value..one.end, value);
        }
        5..=8 => {
            let of = class(&input[one.value..one.end]);
            let word = word(of, words, random);
            input.splice(one.value..one.end, word.bytes());
        }
        9 => {
            let of = if one.begin == one.value { Class::Text } else { Class::Member };
            let more = [word(of, words, random).as_bytes(), b","].concat();
            input.splice(one.begin..one.begin, more);
        }
        10 => {
            let any = any_word(words, random);
            input.splice(one.value..one.end, any.bytes());
        }
        11 => {
            let (open, close) = [(&b"["[..], &b"]"[..]), (b"{\"a\":", b"}")][random.below(2)];
            let nested = [open, &input[one.value..one.end], close].concat();
            input.splice(one.value..one.end, nested);
        }
        12 => {
            let place = [one.begin, one.value, one.end][random.below(3)];
            input.insert(place, b" \t\r"[random.below(3)]);
        }
        13 => {
            // To the bounds of lists.
            let again = [b",", &input[whole]].concat().repeat(1 + random.below(20));
            input.splice(one.end..one.end, again);
        }
        _ => value(input, one, words, random),
    }
}

/// A value a little different.
fn value(input: &mut Vec<u8>, one: Item, words: Words, random: &mut Random) {
    let old = &input[one.value..one.end];
    let new = match class(old) {
        Class::Text | Class::Member if old.len() >= 2 => {
            let mut inner = old[1..old.len() - 1].to_vec();
            name::once(&mut inner, words, random);
            [b"\"", &*inner, b"\""].concat()
        }
        Class::Number => name::number(old, random),
        Class::Container if old[0] == b'{' => b"{}".to_vec(),
        Class::Container => b"[]".to_vec(),
        Class::Text | Class::Member | Class::Word => word(Class::Word, words, random).into(),
    };
    input.splice(one.value..one.end, new);
}

/// Any word, of the target twice as often.
fn any_word(words: Words, random: &mut Random) -> &'static str {
    let of = if words.is_empty() || random.once_in(3) { SHARED } else { words };
    random.pick(of)
}

/// A word of this class, or, where few are, any.
fn word(of: Class, words: Words, random: &mut Random) -> &'static str {
    let mut word = any_word(words, random);
    for _ in 0..32 {
        if class(word.as_bytes()) == of {
            break;
        }
        word = any_word(words, random);
    }
    word
}

/// A member or element with one of its commas.
fn remove(input: &mut Vec<u8>, item: Item) {
    let behind = input[item.end..].iter().position(|byte| !byte.is_ascii_whitespace());
    let behind = behind.map(|more| item.end + more).filter(|at| input[*at] == b',');
    let before = input[..item.begin].iter().rposition(|byte| !byte.is_ascii_whitespace());
    let before = before.filter(|at| input[*at] == b',');
    match (behind, before) {
        (Some(comma), _) => drop(input.drain(item.begin..=comma)),
        (None, Some(comma)) => drop(input.drain(comma..item.end)),
        (None, None) => drop(input.drain(item.begin..item.end)),
    }
}
