//! Whatever comes in: a valid alert, or an error with a line that exists.

use proptest::prelude::*;
use vigie_client::cap::import;
use vigie_proto::cap::Alert;

use crate::expected::GOOD;
use crate::{fixture, one_info};

/// Changes to make to a file: where (as a share of its length), and what.
#[derive(Debug, Clone)]
enum Change {
    Set(f64, u8),
    Remove(f64, usize),
    Insert(f64, Vec<u8>),
    Repeat(f64, usize),
    Cut(f64),
}

fn change() -> impl Strategy<Value = Change> {
    let snippets = prop_oneof![
        Just(b"<![CDATA[".to_vec()),
        Just(b"]]>".to_vec()),
        Just(b"<!--".to_vec()),
        Just(b"&#".to_vec()),
        Just(b"&amp;".to_vec()),
        Just(b"</info>".to_vec()),
        Just(b"<info>".to_vec()),
        Just(b"<polygon/>".to_vec()),
        Just(b"<?xml version='1.0' encoding='utf-16be'?>".to_vec()),
        proptest::collection::vec(any::<u8>(), 1..8),
    ];
    prop_oneof![
        (0.0..1.0, any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (0.0..1.0, 1..60usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (0.0..1.0, snippets).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (0.0..1.0, 1..200usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        (0.0..1.0).prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: Change) {
    let length = bytes.len();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small length")]
    let place = |share: f64| ((length as f64 * share) as usize).min(length);
    match change {
        Change::Set(at, byte) => {
            if let Some(old) = bytes.get_mut(place(at)) {
                *old = byte;
            }
        }
        Change::Remove(at, count) => drop(bytes.drain(place(at)..(place(at) + count).min(length))),
        Change::Insert(at, new) => drop(bytes.splice(place(at)..place(at), new)),
        Change::Repeat(at, count) => {
            let again = bytes[place(at)..(place(at) + count).min(length)].to_vec();
            bytes.splice(place(at)..place(at), again);
        }
        Change::Cut(at) => bytes.truncate(place(at)),
    }
}

/// Whatever comes in: a valid alert, or an error with a line that exists.
fn judge(bytes: &[u8]) {
    match import(bytes) {
        Ok(imported) => {
            assert_eq!(imported.alert.validate(), Ok(()));
            let json = serde_json::to_string(&imported.alert).unwrap();
            assert_eq!(serde_json::from_str::<Alert>(&json).unwrap(), imported.alert);
        }
        Err(error) => {
            let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
            assert!((1..=lines).contains(&(error.line as usize)), "{error}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        judge(&bytes);
    }

    #[test]
    fn no_text_in_an_alert_makes_it_panic(inside in "[<>/&;#!\\[\\]a-z \"'=:-]{0,60}") {
        judge(&one_info(&inside));
    }

    #[test]
    fn no_damaged_fixture_makes_it_panic(
        file in 0..GOOD.len(),
        changes in proptest::collection::vec(change(), 1..6),
    ) {
        let mut bytes = fixture(GOOD[file].0);
        for change in changes {
            apply(&mut bytes, change);
        }
        judge(&bytes);
    }
}
