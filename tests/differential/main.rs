//! Tokens, sound and mutated, each with the verdict of this project: one line of JSON a token, for `compare.py` beside it,
//! which has the same tokens judged by others.
//!
//! `tokens SEED COUNT CRAFTED`: CRAFTED is a file of `crafted.py`, with signatures and keys at the edges of the curve, which
//! take arithmetic that *ring* does not show. The same arguments give the same bytes.
//!
//! A token is made in the order of a signer: header, payload, their spelling, signature, spelling, text; each step may
//! go wrong on purpose, and what comes before the signature is signed as it then stands. So most tokens are wrong in one
//! place only, and that is the place that is judged.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

mod header;
mod signature;
mod spelling;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use vigie_proto::channel::Plane;
use vigie_proto::jws::{Kind, Token, Typ};
use vigie_proto::key::PublicKey;
use vigie_tests::sim::random::{Chance, mix};

use crate::signature::Keys;

const KINDS: [(Kind, &str); 5] = [
    (Kind::Message, "message"),
    (Kind::Credential, "credential"),
    (Kind::Login, "login"),
    (Kind::Revocation, "revocation"),
    (Kind::Rotation, "rotation"),
];

/// What a verifier is given.
struct Case {
    /// How it was made: the steps that are not those of an honest signer.
    made: Vec<&'static str>,
    kind: usize,
    key: [u8; 32],
    token: String,
}

/// A token at the edges of the curve.
struct Crafted {
    made: &'static str,
    key: [u8; 32],
    token: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, count, crafted] = &arguments[..] else { panic!("tokens SEED COUNT CRAFTED") };
    let (seed, count): (u64, u64) = (seed.parse().unwrap(), count.parse().unwrap());
    let crafted = read_crafted(crafted);
    let keys = Keys::new(seed);
    let mut out = BufWriter::new(std::io::stdout().lock());
    for number in 0..count {
        let mut chance = Chance::new(mix(seed) ^ number);
        let case = made(&mut chance, &keys, &crafted);
        let line = json!({
            "made": case.made.join(" "),
            "kind": KINDS[case.kind].1,
            "key": URL_SAFE_NO_PAD.encode(case.key),
            "token": case.token,
            "ours": verdict(&case),
        });
        // Who reads may have seen enough.
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
    out.flush().unwrap();
}

fn read_crafted(path: &str) -> Vec<Crafted> {
    let file = BufReader::new(std::fs::File::open(path).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let read = |line: std::io::Result<String>| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let key = URL_SAFE_NO_PAD.decode(text(&line["key"])).unwrap().try_into().unwrap();
        Crafted { made: text(&line["made"]).leak(), key, token: text(&line["token"]) }
    };
    file.lines().map(read).collect()
}

/// The verdict of this project: the code, or `ok` with all that was read.
fn verdict(case: &Case) -> String {
    let Ok(key) = PublicKey::from_bytes(case.key) else { return "key_refused".to_owned() };
    let token = match Token::parse(&case.token, KINDS[case.kind].0) {
        Ok(token) => token,
        Err(refusal) => return refusal.code.to_string(),
    };
    if let Err(refusal) = token.check_signature(&key) {
        return refusal.code.to_string();
    }
    let mut said = format!("ok {}", token.typ);
    let payload = ring::digest::digest(&ring::digest::SHA256, &token.payload);
    for bytes in [&token.kid[..], &token.id, payload.as_ref()] {
        write!(said, " {}", URL_SAFE_NO_PAD.encode(bytes)).unwrap();
    }
    said
}

fn made(chance: &mut Chance, keys: &Keys, crafted: &[Crafted]) -> Case {
    // How many steps go wrong: mostly one.
    let faults = *chance.pick(&[0, 1, 1, 1, 1, 1, 1, 2, 2, 3]);
    let mut steps: Vec<usize> = (0..faults).map(|_| chance.below(20)).collect();
    steps.sort_unstable();
    let mut case = if !crafted.is_empty() && chance.one_in(8) {
        let Crafted { made, key, token } = chance.pick(crafted);
        // What goes wrong before the signature would make another token of it.
        steps.retain(|step| *step >= 17);
        Case { made: vec![*made], kind: 0, key: *key, token: token.clone() }
    } else {
        signed(chance, keys, &steps)
    };
    for step in steps {
        match step {
            16 | 17 => case.made.push(spelling::token(chance, &mut case.token)),
            18 => case.made.push(signature::key(chance, keys, &mut case.key)),
            19 => {
                case.kind = chance.below(KINDS.len());
                case.made.push("kind");
            }
            _ => {}
        }
    }
    case
}

/// A token, signed after the steps that come before.
fn signed(chance: &mut Chance, keys: &Keys, steps: &[usize]) -> Case {
    let kind = chance.below(KINDS.len());
    let plane = *chance.pick(&[Plane::Live, Plane::Exercise]);
    let kid = URL_SAFE_NO_PAD.encode(chance.bytes::<32>());
    let typ = Typ::new(KINDS[kind].0, plane);
    let mut header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}"}}"#).into_bytes();
    let payload = payload(chance);
    let by = chance.below(signature::KEYS);
    let mut made = Vec::new();
    let count = |range: std::ops::Range<usize>| steps.iter().filter(|step| range.contains(step)).count();
    for _ in 0..count(0..7) {
        made.push(header::wrong(chance, &mut header));
    }
    let mut parts = [URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&payload)];
    for _ in 0..count(7..9) {
        let part = chance.below(parts.len());
        made.push(spelling::part(chance, &mut parts[part]));
    }
    let signing_input = parts.join(".");
    let mut signature = keys.sign(by, signing_input.as_bytes());
    for _ in 0..count(9..15) {
        made.push(signature::wrong(chance, keys, by, &payload, &mut signature));
    }
    let mut signature = URL_SAFE_NO_PAD.encode(signature);
    for _ in 0..count(15..16) {
        made.push(spelling::part(chance, &mut signature));
    }
    Case { made, kind, key: keys.public(by), token: format!("{signing_input}.{signature}") }
}

/// One of several words.
fn word<'a>(chance: &mut Chance, among: &[&'a str]) -> &'a str {
    among[chance.below(among.len())]
}

/// Of any bytes: a payload is not looked at before its signature is good.
fn payload(chance: &mut Chance) -> Vec<u8> {
    match chance.below(5) {
        0 => b"{}".to_vec(),
        1 => format!(r#"{{"channel":"alert/fr","sent":{}}}"#, chance.number() >> 11).into_bytes(),
        2 => Vec::new(),
        3 => (0..chance.below(300)).map(|_| chance.number() as u8).collect(),
        _ => vec![chance.number() as u8; chance.below(2_000)],
    }
}
