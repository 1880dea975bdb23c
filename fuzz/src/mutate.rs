//! How inputs are made of others, without a fuzzer and beside one.
//!
//! Text is taken as words, strings, numbers and brackets, so that much of what comes out still means something: members go,
//! come twice or move, values become others of the protocol's own words, numbers go to their edges. Bytes are flipped, cut
//! and doubled. The same seed makes the same change.

use crate::Form;

/// `SplitMix64` (Steele, Lea and Flood, 2014): small, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What stands in for a word, a string or a number: those of the protocol, and what readers stumble over.
const WORDS: &[&str] = &[
    "0",
    "1",
    "-1",
    "-0",
    "7",
    "8",
    "9",
    "16",
    "17",
    "256",
    "257",
    "1000",
    "65536",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "-9007199254740991",
    "18446744073709551615",
    "18446744073709551616",
    "1.0",
    "1e2",
    "01",
    "1800000000000",
    "1800000000001",
    "1800021600000",
    "true",
    "false",
    "null",
    "{}",
    "[]",
    "\"\"",
    "[[[[",
    "]]]]",
    ",",
    ":",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\"\\u0061\"",
    "\"é\"",
    "\u{feff}",
    "\u{7f}",
    "\"alert\"",
    "\"signal\"",
    "\"live\"",
    "\"exercise\"",
    "exercise/",
    "alert/",
    "signal/",
    ".**",
    ".*",
    "posture/",
    "fr",
    "fr.idf",
    "fr.idf.75",
    "fr.idf.75.paris",
    "fr.interieur",
    "a.b.c.d.e.f.g.h",
    "\"Minor\"",
    "\"Moderate\"",
    "\"Severe\"",
    "\"Extreme\"",
    "\"author\"",
    "\"relay\"",
    "\"start\"",
    "\"after\":",
    "\"ext\":{}",
    "\"ext\":{\"a\":{\"b\":[1]}}",
    "\"role\":\"relay\",",
    "\"until\":1800000000000",
    "\"later\":1,",
    "\"delegate\":1",
    "\"subscribe\":true,",
    "\"publish\":\"Severe\",",
    "\"TLP:RED\"",
    "\"TLP:AMBER+STRICT\"",
    "\"TLP:AMBER\"",
    "\"TLP:CLEAR\"",
    "\"reason\":\"superseded\"",
    "\"keyCompromise\"",
    "@p",
    "@k0",
    "@k1",
    "@k2",
    "@k3",
    "@i0",
    "@i1",
    "@i2",
    "@c0",
    "@c1",
    "@c2",
    "\n",
    "\r\n",
    "\r\n\r\n",
    "\\",
    "=",
    ".",
    "!",
    "^",
    "~",
    "<",
    ">",
    "&amp;",
    "&#13;",
    "&x;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "</info>",
    "<info>",
    "--",
    "'",
    "#",
    "[",
    "]",
    "\"1h\"",
    "\"7d\"",
    "\"61s\"",
    "9223372036854775807",
    "9223372036854775808",
    "0x7f",
    "1_000",
    "GET / HTTP/1.1",
    "Origin: https://a.example",
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Version: 13",
    "Content-Length: 5",
    "Transfer-Encoding: chunked",
    "Sec-WebSocket-Protocol: vigie.v1",
    "HTTP/1.0",
    "websocket",
];

/// Where the pieces of a text begin and end: strings, words and numbers, single other bytes.
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

/// From a piece, the end of its member or element: behind the comma at its level, or before the bracket that ends it.
fn member_end(text: &[u8], pieces: &[(usize, usize)], first: usize) -> usize {
    let mut depth = 0_usize;
    for (begin, end) in &pieces[first..] {
        match text[*begin] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return *begin,
            b'}' | b']' => depth -= 1,
            b',' | b'\n' if depth == 0 => return *end,
            _ => {}
        }
    }
    text.len()
}

/// One change to a text, mostly, or up to three: of more, little is left that means something.
pub fn text(text: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(2) * random.below(3) {
        let all = pieces(text);
        if all.is_empty() {
            text.extend_from_slice(random.pick(WORDS).as_bytes());
            continue;
        }
        let first = random.below(all.len());
        let (begin, end) = all[first];
        let other = all[random.below(all.len())];
        match random.below(12) {
            0 => drop(text.drain(begin..end)),
            1 | 2 => drop(text.splice(begin..end, random.pick(WORDS).bytes())),
            3 => drop(text.splice(begin..begin, random.pick(WORDS).bytes())),
            4 => {
                let with = text[other.0..other.1].to_vec();
                text.splice(begin..end, with);
            }
            5 => drop(text.drain(begin..member_end(text, &all, first))),
            6 | 7 => {
                // A member or element, once more or elsewhere.
                let to = member_end(text, &all, first);
                let mut again = text[begin..to].to_vec();
                if again.last() != Some(&b',') && random.below(2) == 0 {
                    again.insert(0, b',');
                }
                let place = if random.below(2) == 0 { to } else { other.0 };
                text.splice(place..place, again);
            }
            8 => number(text, (begin, end), random),
            9 => {
                // A letter of a word or string becomes another of its kind.
                let place = begin + random.below(end - begin);
                text[place] = *random
                    .pick(&[b"0", b"1", b"9", b"a", b"b", b"z", b"A", b"-", b"."])
                    .first()
                    .unwrap_or(&b'0');
            }
            10 => {
                // Longer: to the bounds of names, segments and lists.
                let again = text[begin..end].repeat(1 + random.below(8));
                text.splice(begin..begin, again);
            }
            _ => bytes_once(text, random),
        }
    }
}

/// A number becomes its neighbour, or an edge near it.
fn number(text: &mut Vec<u8>, (begin, end): (usize, usize), random: &mut Random) {
    let value = std::str::from_utf8(&text[begin..end]).ok().and_then(|digits| digits.parse::<u64>().ok());
    let Some(value) = value else { return };
    let by = [1, 2, 1_000, 120_000, 1 << 32][random.below(5)];
    let changed = if random.below(2) == 0 { value.wrapping_add(by) } else { value.wrapping_sub(by) };
    text.splice(begin..end, changed.to_string().into_bytes());
}

/// One to four changes to bytes.
pub fn bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        bytes_once(bytes, random);
    }
}

fn bytes_once(bytes: &mut Vec<u8>, random: &mut Random) {
    let any = random.next().to_le_bytes()[0];
    if bytes.is_empty() {
        return bytes.push(any);
    }
    let at = random.below(bytes.len());
    let end = (at + 1 + random.below(32)).min(bytes.len());
    match random.below(8) {
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
        _ => bytes[at] = [0, 1, 2, 3, 8, 0x7f, 0x80, 0xff][random.below(8)],
    }
}

/// One input of another, of this form.
pub fn once(form: Form, input: &mut Vec<u8>, random: &mut Random) {
    match form {
        Form::Text => text(input, random),
        Form::Bytes => bytes(input, random),
    }
}

/// As libFuzzer asks for it: `data[..size]` becomes another input, of the size that is returned and at most `max_size`.
pub fn in_place(form: Form, data: &mut [u8], size: usize, max_size: usize, seed: u64) -> usize {
    let mut input = data[..size].to_vec();
    once(form, &mut input, &mut Random::new(seed));
    let size = input.len().min(max_size).min(data.len());
    data[..size].copy_from_slice(&input[..size]);
    size
}
