//! Tokens: any header over any payload, rightly signed; and the same a little wrong.
//!
//! The first line of an input is the header, the rest the payload; where it starts with `=`, the rest is the token as it
//! stands.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vigie_proto::channel::Plane;
use vigie_proto::jws::{Kind, Token};
use vigie_proto::refusal::Code;

use super::{FORM, refused};
use crate::signed::{STRANGER, Town, filled, key};
use crate::{Outcome, plant};

const KINDS: [Kind; 5] = [Kind::Message, Kind::Credential, Kind::Login, Kind::Revocation, Kind::Rotation];

/// A token.
pub fn jws(data: &[u8]) -> Outcome {
    let raw = data.strip_prefix(b"=");
    let (text, payload) = match raw {
        Some(raw) => match std::str::from_utf8(raw) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => return Outcome::Passed,
        },
        None => {
            let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
            let payload = data.get(end + 1..).unwrap_or_default();
            let header = match std::str::from_utf8(&data[..end]) {
                Ok(header) => filled(header, Town::on(Plane::Live), None).into_bytes(),
                Err(_) => data[..end].to_vec(),
            };
            (key(0).sign(&header, payload), Some(payload))
        }
    };
    let mut taken = None;
    for kind in KINDS {
        match Token::parse(&text, kind) {
            Ok(token) => {
                assert!(taken.is_none(), "one token of two kinds: {text}");
                assert_eq!(token.typ.kind, kind);
                taken = Some(token);
            }
            Err(refusal) => drop(refused(&refusal, &FORM)),
        }
    }
    let Some(token) = taken else { return Outcome::Refused };
    // One text for one token.
    let parts: Vec<Vec<u8>> =
        text.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("taken")).collect();
    let again: Vec<String> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
    assert_eq!(again.join("."), text);
    assert!(!parts[0].contains(&b'\\'), "an escape in a header");
    assert_eq!(token.payload, parts[1]);
    let refuses =
        |number| token.check_signature(key(number).signing.public()).map_err(|refusal| refusal.code);
    // Signatures are most of the time: one in each input, and another of some.
    if text.len().is_multiple_of(4) {
        assert_eq!(refuses(STRANGER), Err(Code::BadSignature));
    }
    let Some(payload) = payload else { return Outcome::Taken };
    assert_eq!(token.payload, payload);
    assert_eq!(refuses(0), Ok(()));
    if text.len() % 4 == 1 {
        judge_damaged(&text, &token, payload);
    }
    plant::inside("jws", || token.typ.kind == Kind::Rotation && parts[0].contains(&b' '));
    Outcome::Taken
}

/// One letter of it changed, at a place that the payload chooses: another token, or none, and never one that is believed.
fn judge_damaged(text: &str, token: &Token<'_>, payload: &[u8]) {
    let seed =
        payload.iter().fold(text.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let mut damaged = text.as_bytes().to_vec();
    let place = seed % damaged.len();
    damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
    let Ok(damaged) = String::from_utf8(damaged) else { return };
    if let Ok(other) = Token::parse(&damaged, token.typ.kind) {
        assert!(other.check_signature(key(0).signing.public()).is_err(), "{damaged} is believed");
    }
}
