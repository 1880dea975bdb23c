//! Vectors of others: Wycheproof for Ed25519 and JWS, the JOSE cookbook, JSONTestSuite, and UTF-8 that is none.
//!
//! They are not ours to copy: `VIGIE_TEST_DATA` names the folder. What our profile refuses although it is valid JSON
//! stands in `proto/vectors/strict_json.json`, with the reason of each; the client in Python reads the same table.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use vigie_proto::json::{self, JsonError};
use vigie_proto::jws::{Kind, Token};
use vigie_proto::key::PublicKey;
use vigie_proto::refusal::Code;

const KINDS: [Kind; 3] = [Kind::Message, Kind::Credential, Kind::Login];

fn data(path: &str) -> PathBuf {
    let root = std::env::var_os("VIGIE_TEST_DATA").expect("VIGIE_TEST_DATA was set when this was built");
    PathBuf::from(root).join(path)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn vectors(name: &str) -> Value {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/vectors").join(name))
}

fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn verdict(bytes: &[u8]) -> &'static str {
    match json::check(bytes) {
        Ok(()) => "accepted",
        Err(JsonError::Duplicate(_)) => "duplicate_member",
        Err(_) => "malformed",
    }
}

/// As the one member of an object: a signed text and a frame are objects.
fn inside_an_object(bytes: &[u8]) -> Vec<u8> {
    [br#"{"a":"#, bytes, b"}"].concat()
}

#[test]
fn valid_json_that_is_refused_on_purpose_is_refused_for_that_alone() {
    let table = vectors("strict_json.json");
    for case in array(&table, "refused") {
        let name = text(case, "name");
        assert_eq!(verdict(text(case, "text").as_bytes()), text(case, "code"), "{name}");
        assert_eq!(verdict(text(case, "accepted").as_bytes()), "accepted", "{name}, repaired");
        assert!(!text(case, "why").is_empty(), "{name}");
        if name != "too-deep" {
            // Valid all the same: it is our profile that says no, not the grammar.
            assert!(
                serde_json::from_str::<Value>(text(case, "text")).is_ok() || name == "lone-surrogate",
                "{name}"
            );
        }
    }
}

#[test]
#[cfg_attr(not(vigie_test_data), ignore = "needs VIGIE_TEST_DATA, JSON files of others; see CONTRIBUTING.md")]
fn the_json_test_suite_is_judged_as_the_table_says() {
    let table = vectors("strict_json.json");
    let refused: BTreeMap<&str, &str> = array(&table, "refused")
        .iter()
        .flat_map(|case| array(case, "files").iter().map(|file| (file.as_str().unwrap(), text(case, "code"))))
        .collect();
    let mut counts: BTreeMap<(char, &str), usize> = BTreeMap::new();
    for entry in std::fs::read_dir(data("json/JSONTestSuite/test_parsing")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let inside = verdict(&inside_an_object(&bytes));
        let kind = name.chars().next().unwrap();
        let expected = match kind {
            'y' => refused.get(&*name).copied().unwrap_or("accepted"),
            // What is no JSON, and what the suite leaves open: nothing of it is taken.
            'n' | 'i' => "malformed",
            other => panic!("{name}: a kind {other} that the suite did not have"),
        };
        assert_eq!(inside, expected, "{name}");
        // By itself it is taken only where it is an object.
        if verdict(&bytes) == "accepted" {
            assert_eq!((kind, bytes.trim_ascii_start()[0]), ('y', b'{'), "{name}");
        }
        *counts.entry((kind, inside)).or_default() += 1;
    }
    assert!(counts[&('y', "accepted")] > 40 && counts[&('n', "malformed")] > 100, "{counts:?}");
    assert!(counts[&('y', "malformed")] > 5 && counts[&('y', "duplicate_member")] > 0, "{counts:?}");
}

#[test]
#[cfg_attr(not(vigie_test_data), ignore = "needs VIGIE_TEST_DATA, UTF-8 of others; see CONTRIBUTING.md")]
fn a_text_is_utf8_or_nothing() {
    let file = read(&data("json/utf8-sequences.json"));
    let mut counts = [0, 0];
    for case in array(&file, "sequences") {
        let raw = from_hex(text(case, "hex"));
        // JSON wants control characters escaped.
        let valid = case["valid"].as_bool().unwrap() && raw.iter().all(|byte| *byte >= 0x20);
        let bytes = inside_an_object(&[b"\"", &*raw, b"\""].concat());
        assert_eq!(verdict(&bytes) == "accepted", valid, "{case}");
        counts[usize::from(valid)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
}

/// Signatures of another length than 64 bytes never come to a key: the token is malformed.
#[test]
#[cfg_attr(not(vigie_test_data), ignore = "needs VIGIE_TEST_DATA, Wycheproof; see CONTRIBUTING.md")]
fn wycheproof_and_our_keys_agree_on_every_ed25519_signature() {
    let file = read(&data("jose/wycheproof/ed25519_test.json"));
    let (mut valid, mut invalid) = (0, 0);
    for group in array(&file, "testGroups") {
        let key = from_hex(text(&group["publicKey"], "pk"));
        let key = PublicKey::from_bytes(key.try_into().unwrap()).unwrap();
        for case in array(group, "tests") {
            let signature: Result<[u8; 64], _> = from_hex(text(case, "sig")).try_into();
            let found = signature.is_ok_and(|sig| key.verifies(&from_hex(text(case, "msg")), &sig));
            assert_eq!(found, text(case, "result") == "valid", "{}: {}", case["tcId"], case["comment"]);
            if found {
                valid += 1;
            } else {
                invalid += 1;
            }
        }
    }
    assert_eq!((valid + invalid).to_string(), file["numberOfTests"].to_string());
    assert!(valid > 50 && invalid > 50, "{valid} valid, {invalid} invalid");
}

/// A message of ours, sound in form, to put parts of others into.
fn ours() -> (String, PublicKey) {
    let messages = vectors("messages.json");
    let message = array(&messages, "tokens").iter().find(|token| token["name"] == "alert-town").unwrap();
    let keys = vectors("keys.json");
    let key = array(&keys, "keys").iter().find(|key| key["name"] == message["key"]).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(text(key, "x")).unwrap();
    (text(message, "token").to_owned(), PublicKey::from_bytes(bytes.try_into().unwrap()).unwrap())
}

/// Whether a token is read, and signed by this key.
fn believed(token: &str, key: &PublicKey) -> Result<(), Code> {
    let read = Token::parse(token, Kind::Message).map_err(|refusal| refusal.code)?;
    read.check_signature(key).map_err(|refusal| refusal.code)
}

/// No JWS of another profile is read as anything of ours, and no part of one in place of ours is believed.
fn nothing_of_it_is_believed(jws: &str, about: &str, codes: &mut BTreeSet<&'static str>) {
    for kind in KINDS {
        let refusal = Token::parse(jws, kind).expect_err(about);
        codes.insert(refusal.code.as_str());
    }
    let (ours, key) = ours();
    let (mine, theirs): (Vec<&str>, Vec<&str>) = (ours.split('.').collect(), jws.split('.').collect());
    for (at, part) in theirs.iter().enumerate().take(3) {
        let mut mixed = mine.clone();
        mixed[at] = part;
        let code = believed(&mixed.join("."), &key).expect_err(about);
        codes.insert(code.as_str());
    }
}

#[test]
#[cfg_attr(not(vigie_test_data), ignore = "needs VIGIE_TEST_DATA, Wycheproof and JOSE; see CONTRIBUTING.md")]
fn no_jws_of_another_profile_passes_for_ours() {
    let (ours, key) = ours();
    assert_eq!(believed(&ours, &key), Ok(()), "or all that follows says nothing");
    let mut codes = BTreeSet::new();
    let file = read(&data("jose/wycheproof/json_web_signature_test.json"));
    let mut count = 0;
    for group in array(&file, "testGroups") {
        for case in array(group, "tests") {
            nothing_of_it_is_believed(text(case, "jws"), &case.to_string(), &mut codes);
            count += 1;
        }
    }
    assert_eq!(count.to_string(), file["numberOfTests"].to_string());
    let mut cookbook = 0;
    for folder in ["jose/rfc7520", "jose/rfc8037"] {
        for entry in std::fs::read_dir(data(folder)).unwrap() {
            let path = entry.unwrap().path();
            let file = read(&path);
            let compact = [&file["output"]["compact"], &file["A.4_signing"]["compact"]];
            for jws in compact.into_iter().filter_map(Value::as_str) {
                nothing_of_it_is_believed(jws, &path.display().to_string(), &mut codes);
                cookbook += 1;
            }
        }
    }
    assert!(cookbook > 5, "{cookbook}");
    let expected = ["bad_signature", "malformed_token", "unknown_member"];
    assert!(expected.iter().all(|code| codes.contains(code)), "{codes:?}");
}
