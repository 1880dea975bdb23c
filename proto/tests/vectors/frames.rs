//! `frames.json`: every frame byte for byte, and frames that are refused, skipped or a violation.

use serde::Serialize;

use super::{credentials, logins, messages, revocations, rotations};
use crate::support::{HOUR, NOW, SECOND, Token, base64url, find, sha256};

#[derive(Serialize)]
pub(crate) struct File {
    pub(crate) client: Vec<Sample>,
    pub(crate) relay: Vec<Sample>,
    /// From a client, and refused by a relay.
    pub(crate) refused: Vec<Refused>,
    /// From a client: other spellings that a relay takes, and what they stand for.
    pub(crate) tolerated: Vec<Tolerated>,
    /// From a relay: operations of later versions, which a client skips.
    pub(crate) skipped: Vec<String>,
    /// From a relay: no frame of any version.
    pub(crate) violations: Vec<String>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) text: String,
}

#[derive(Serialize)]
pub(crate) struct Refused {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) code: String,
    /// The number that the refusal carries.
    pub(crate) re: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct Tolerated {
    pub(crate) text: String,
    pub(crate) stands_for: String,
}

fn samples<const N: usize>(list: [(&str, String); N]) -> Vec<Sample> {
    list.map(|(name, text)| Sample { name: name.to_owned(), text }).to_vec()
}

/// A cursor by hand: version, log, sequence, admitted.
pub(crate) fn cursor(log: &[u8; 16], seq: u64, admitted: u64) -> String {
    let mut bytes = vec![1];
    bytes.extend_from_slice(log);
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.extend_from_slice(&admitted.to_be_bytes());
    base64url(bytes)
}

pub(crate) fn log() -> [u8; 16] {
    sha256(b"log")[..16].try_into().unwrap()
}

pub(crate) fn other_log() -> [u8; 16] {
    sha256(b"other log")[..16].try_into().unwrap()
}

fn quoted(tokens: &[&Token]) -> String {
    let list: Vec<String> = tokens.iter().map(|token| format!(r#""{}""#, token.text)).collect();
    list.join(",")
}

pub(crate) fn build(
    credentials: &credentials::File,
    messages: &messages::File,
    logins: &logins::File,
    revocations: &revocations::File,
    rotations: &rotations::File,
) -> File {
    let credential = |name: &str| find(&credentials.tokens, name);
    let town = quoted(&["root-live", "nation-live", "town-live"].map(credential));
    let nation = quoted(&["root-live", "nation-live"].map(credential));
    let renewed = quoted(&["root-live", "nation-live", "extended"].map(credential));
    let proof = &find(&logins.tokens, "bound").text;
    let alert = find(&messages.tokens, "alert-town");
    let revocation = find(&revocations.tokens, "town-by-nation");
    let rotation = find(&rotations.tokens, "to-heir");
    let (log_id, town_id) = (base64url(log()), &credential("town-live").id);
    let here = cursor(&log(), 41, NOW);
    let there = cursor(&other_log(), 7, NOW - HOUR);
    let after_gap = cursor(&log(), 12, NOW - HOUR - 300 * SECOND);
    let admitted = NOW + SECOND;
    let client = samples([
        ("login", format!(r#"{{"op":"login","chain":[{town}],"proof":"{proof}","mark_ms":5000}}"#)),
        (
            "login-again",
            format!(
                r#"{{"op":"login","chain":[{town}],"proof":"{proof}","mark_ms":5000,"revocations":{{"log":"{log_id}","count":3}}}}"#
            ),
        ),
        (
            "subscribe",
            r#"{"op":"subscribe","n":1,"channels":["alert/fr.idf.75.paris","signal/fr.idf.75.paris.**"]}"#
                .to_owned(),
        ),
        (
            "subscribe-after",
            format!(r#"{{"op":"subscribe","n":1,"channels":["alert/fr.idf.75.paris"],"after":"{here}"}}"#),
        ),
        ("publish", format!(r#"{{"op":"publish","n":2,"jws":"{}"}}"#, alert.text)),
        ("revoke", format!(r#"{{"op":"revoke","n":6,"jws":"{}"}}"#, revocation.text)),
        (
            "revoke-carried",
            format!(r#"{{"op":"revoke","n":7,"jws":"{}","chain":[{nation}]}}"#, revocation.text),
        ),
        ("chain", format!(r#"{{"op":"chain","n":3,"chain":[{renewed}]}}"#)),
        (
            "history",
            r#"{"op":"history","n":4,"channels":["alert/fr.idf.75.paris"],"after":"start","limit":100}"#
                .to_owned(),
        ),
        ("credential", format!(r#"{{"op":"credential","n":5,"id":"{town_id}"}}"#)),
    ]);
    let id = &alert.id;
    let jws = &alert.text;
    let relay_id = &credential("relay-live").id;
    let relay = samples([
        ("challenge", format!(r#"{{"op":"challenge","nonce":"{}"}}"#, logins::nonce())),
        (
            "welcome",
            format!(
                r#"{{"op":"welcome","log":"{log_id}","head":41,"now":{NOW},"mark_ms":5000,"relay":"{relay_id}"}}"#
            ),
        ),
        ("accepted", r#"{"op":"accepted","re":3}"#.to_owned()),
        (
            "receipt",
            format!(
                r#"{{"op":"receipt","re":2,"id":"{id}","log":"{log_id}","seq":42,"admitted":{admitted}}}"#
            ),
        ),
        (
            "revoked",
            format!(
                r#"{{"op":"revoked","re":6,"id":"{}","log":"{log_id}","admitted":{admitted}}}"#,
                revocation.id
            ),
        ),
        ("rotation", format!(r#"{{"op":"rotation","jws":"{}"}}"#, rotation.text)),
        (
            "revocation",
            format!(
                r#"{{"op":"revocation","log":"{log_id}","count":3,"seq":42,"admitted":{admitted},"jws":"{}"}}"#,
                revocation.text
            ),
        ),
        ("reach", format!(r#"{{"op":"reach","id":"{id}","live":212,"behind":3}}"#)),
        (
            "refused",
            format!(
                r#"{{"op":"refused","re":2,"code":"out_of_jurisdiction","detail":"alert at fr.idf.92.nanterre","credential":"{town_id}"}}"#
            ),
        ),
        ("refused-connection", r#"{"op":"refused","code":"login_timeout"}"#.to_owned()),
        ("subscribed", format!(r#"{{"op":"subscribed","re":1,"log":"{log_id}","seq":41,"head":41}}"#)),
        ("chain-given", format!(r#"{{"op":"chain","chain":[{town}]}}"#)),
        ("event", format!(r#"{{"op":"event","seq":42,"admitted":{admitted},"jws":"{jws}"}}"#)),
        (
            "mark",
            format!(
                r#"{{"op":"mark","log":"{log_id}","seq":42,"admitted":{admitted},"head":42,"now":{}}}"#,
                NOW + 5 * SECOND
            ),
        ),
        ("gap", format!(r#"{{"op":"gap","reason":"other_log","from":"{there}","to":"{after_gap}"}}"#)),
        (
            "gap-of-history",
            format!(r#"{{"op":"gap","re":4,"reason":"damaged","from":"{there}","to":"{after_gap}"}}"#),
        ),
        ("past", format!(r#"{{"op":"past","re":4,"seq":42,"admitted":{admitted},"jws":"{jws}"}}"#)),
        ("page", format!(r#"{{"op":"page","re":4,"next":"{}","end":true}}"#, cursor(&log(), 42, admitted))),
        ("going_away", r#"{"op":"going_away","retry_ms":2000}"#.to_owned()),
    ]);
    let named = |name: &str| client.iter().find(|sample| sample.name == name).expect("a sample");
    let stands_for = &named("chain").text;
    let subscribe = &named("subscribe").text;
    let tolerated = vec![
        Tolerated {
            text: subscribe
                .replace(r#","channels""#, r#","later":{"a":1.5e3},"channels""#)
                .replace("1.5e3", "15"),
            stands_for: subscribe.clone(),
        },
        Tolerated { text: subscribe.replace("]}", r#"],"after":null}"#), stands_for: subscribe.clone() },
        Tolerated {
            text: format!(
                " {}\n",
                stands_for.replace(r#""op":"chain","n":3,"#, r#""n": 3, "op": "chain", "#)
            ),
            stands_for: stands_for.clone(),
        },
    ];
    File {
        client,
        relay,
        refused: refused(),
        tolerated,
        skipped: vec![
            r#"{"op":"posture","level":3}"#.to_owned(),
            r#"{"op":"attestation","n":"any","of":[{}]}"#.to_owned(),
        ],
        violations: violations(),
    }
}

fn violations() -> Vec<String> {
    let place = cursor(&log(), 12, NOW);
    let gap = format!(r#"{{"op":"gap","reason":"lost","from":"{place}","to":"{place}"}}"#);
    [
        "",
        "[]",
        r#"{"nonce":"x"}"#,
        r#"{"op":7}"#,
        r#"{"op":"mark"}"#,
        r#"{"op":"challenge","nonce":"AAAA"}"#,
        r#"{"op":"event","seq":1,"admitted":1,"admitted":2,"jws":"a.b.c"}"#,
        r#"{"op":"going_away","retry_ms":-1}"#,
        &gap,
    ]
    .map(str::to_owned)
    .to_vec()
}

fn refused() -> Vec<Refused> {
    let id = "A".repeat(43);
    let deep = format!(r#"{{"op":"publish","n":1,"jws":"x","later":{}{}}}"#, "[".repeat(16), "]".repeat(16));
    let lists: [(&str, &str, &str, Option<u64>); 27] = [
        ("empty", "", "not_json", None),
        ("text", "hello", "not_json", None),
        ("array", "[]", "not_json", None),
        ("two-objects", "{}{}", "not_json", None),
        ("byte-order-mark", "\u{feff}{\"op\":\"publish\",\"n\":1,\"jws\":\"x\"}", "not_json", None),
        ("lone-surrogate", r#"{"op":"publish","n":1,"jws":"\ud800"}"#, "not_json", None),
        ("float", r#"{"op":"publish","n":1.5,"jws":"x"}"#, "not_json", None),
        ("number-above-2-53", r#"{"op":"publish","n":9007199254740992,"jws":"x"}"#, "not_json", None),
        ("too-deep", &deep, "not_json", None),
        ("duplicate", r#"{"op":"publish","n":1,"n":1,"jws":"x"}"#, "duplicate_member", None),
        (
            "duplicate-nested",
            r#"{"op":"publish","n":1,"jws":"x","later":{"a":1,"a":1}}"#,
            "duplicate_member",
            None,
        ),
        ("no-op", r#"{"n":1}"#, "malformed_frame", None),
        ("op-number", r#"{"op":1}"#, "malformed_frame", None),
        ("op-number-with-n", r#"{"op":1,"n":2}"#, "malformed_frame", None),
        ("login-with-n", r#"{"op":"login","n":2}"#, "malformed_frame", None),
        ("unknown", r#"{"op":"posture","n":8}"#, "unknown_operation", Some(8)),
        ("unknown-case", r#"{"op":"Publish","n":8,"jws":"x"}"#, "unknown_operation", Some(8)),
        ("from-relay", r#"{"op":"event","seq":1,"admitted":1,"jws":"x"}"#, "unknown_operation", None),
        ("publish-without-jws", r#"{"op":"publish","n":9}"#, "malformed_frame", Some(9)),
        ("publish-without-n", r#"{"op":"publish","jws":"x"}"#, "malformed_frame", None),
        ("unknown-number", r#"{"op":"posture","n":"eight"}"#, "unknown_operation", None),
        ("n-text", r#"{"op":"publish","n":"9","jws":"x"}"#, "malformed_frame", None),
        ("n-null", r#"{"op":"publish","n":null,"jws":"x"}"#, "malformed_frame", None),
        (
            "limit-negative",
            r#"{"op":"history","n":9,"channels":[],"after":"start","limit":-1}"#,
            "malformed_frame",
            Some(9),
        ),
        ("n-negative", r#"{"op":"publish","n":-1,"jws":"x"}"#, "malformed_frame", None),
        ("channels-text", r#"{"op":"subscribe","n":9,"channels":"alert/fr"}"#, "malformed_frame", Some(9)),
        (
            "credential-id",
            &format!(r#"{{"op":"credential","n":9,"id":"{id}="}}"#),
            "malformed_frame",
            Some(9),
        ),
    ];
    lists
        .into_iter()
        .map(|(name, text, code, re)| Refused {
            name: name.to_owned(),
            text: text.to_owned(),
            code: code.to_owned(),
            re,
        })
        .collect()
}
