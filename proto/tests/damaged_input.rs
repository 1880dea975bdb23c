//! Strangers' bytes: no reader panics, whatever is read is written the same, and no flipped bit of a token is believed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::borrow::Cow;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;
use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::channel::{Channel, Filter, Jurisdiction};
use vigie_proto::credential::Credential;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{ClientFrame, FromRelay, GapReason, HeldRevocations, ServerFrame};
use vigie_proto::id::{CredentialId, LogId, MessageId, Nonce, RevocationId, Sequence};
use vigie_proto::json;
use vigie_proto::jws::{Kind, Token};
use vigie_proto::limits::{
    CREDENTIAL_BYTES_MAX, JSON_INTEGER_MAX, MESSAGE_LIFETIME_MAX, REVOCATION_BYTES_MAX, ROTATION_BYTES_MAX,
};
use vigie_proto::refusal::{Code, DETAIL_BYTES_MAX, Refusal};
use vigie_proto::revocation::{self, Revocation};
use vigie_proto::rotation::Rotation;
use vigie_proto::time::Timestamp;
use vigie_proto::verify;

use crate::support::{crate_path, roots};

fn vectors(file: &str) -> Value {
    let text = std::fs::read_to_string(crate_path("vectors").join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn token(file: &Value, name: &str) -> String {
    let tokens = file["tokens"].as_array().unwrap();
    let token = tokens.iter().find(|token| token["name"] == name).unwrap();
    token["token"].as_str().unwrap().to_owned()
}

/// Texts that readers know, to be damaged: damage to nonsense reaches nothing.
fn known_texts() -> Vec<String> {
    let frames = vectors("frames.json");
    let samples = ["client", "relay"].into_iter().flat_map(|side| frames[side].as_array().unwrap());
    let mut texts: Vec<String> = samples.map(|sample| sample["text"].as_str().unwrap().to_owned()).collect();
    texts.push(token(&vectors("credentials.json"), "town-live"));
    texts.push(token(&vectors("messages.json"), "alert-town"));
    texts.push(token(&vectors("login.json"), "bound"));
    texts.push(vectors("cursors.json")["good"][2]["text"].as_str().unwrap().to_owned());
    texts.extend(["exercise/signal/fr.idf.75.paris.**", "alert/fr"].map(str::to_owned));
    texts
}

/// Reads a text as everything it could be meant for. What is taken must be written as it was.
fn read_as_everything(text: &str) {
    for kind in [Kind::Message, Kind::Credential, Kind::Login] {
        let _ = Token::parse(text, kind);
    }
    if let Ok(credential) = Credential::parse(text) {
        assert_eq!(&**credential.token(), text);
    }
    if let Ok(frame) = ClientFrame::parse(text) {
        assert_eq!(ClientFrame::parse(&frame.to_text()), Ok(frame.clone()));
    }
    if let Ok(FromRelay::Known(frame)) = ServerFrame::parse(text) {
        assert_eq!(ServerFrame::parse(&frame.to_text()), Ok(FromRelay::Known(frame.clone())));
    }
    let _ = json::check(text.as_bytes());
    let same = |written: Option<String>| assert!(written.is_none_or(|written| written == text), "{text}");
    same(text.parse::<Cursor>().ok().map(|cursor| cursor.to_string()));
    same(text.parse::<Channel>().ok().map(|channel| channel.to_string()));
    same(text.parse::<Filter>().ok().map(|filter| filter.to_string()));
    same(text.parse::<Jurisdiction>().ok().map(|place| place.to_string()));
    same(text.parse::<MessageId>().ok().map(|id| id.to_string()));
    same(text.parse::<LogId>().ok().map(|id| id.to_string()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = json::check(&bytes);
        read_as_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        read_as_everything(&text);
    }

    #[test]
    fn damaged_texts_are_read_without_panic(
        text in select(known_texts()),
        damage in prop::collection::vec((any::<Index>(), 0..4_u8, any::<u8>()), 1..4),
    ) {
        let mut bytes = text.into_bytes();
        for (place, what, byte) in damage {
            let at = place.index(bytes.len().max(1));
            match what {
                0 => bytes.insert(at.min(bytes.len()), byte),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.truncate(at),
            }
        }
        read_as_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn frames_of_a_client_survive_the_wire(frame in any_client_frame()) {
        let text = frame.to_text();
        prop_assert_eq!(ClientFrame::parse(&text), Ok(frame.clone()));
    }

    #[test]
    fn frames_of_a_relay_survive_the_wire(frame in any_server_frame()) {
        let text = frame.to_text();
        prop_assert_eq!(&text, &serde_json::to_string(&frame).unwrap());
        prop_assert_eq!(ServerFrame::parse(&text), Ok(FromRelay::Known(frame.clone())));
    }

    #[test]
    fn cursors_survive_their_text(log in any::<[u8; 16]>(), seq in 1..=JSON_INTEGER_MAX, admitted in 0..=JSON_INTEGER_MAX) {
        let admitted = Timestamp::from_millis(admitted);
        let cursor = Cursor { log: LogId::from_bytes(log), seq: Sequence::new(seq), admitted };
        prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    /// A detail may quote a stranger: it stays a sentence long.
    #[test]
    fn details_are_cut_between_characters(text in "\\PC{0,400}") {
        let refusal = Refusal::new(Code::NotJson, text.clone());
        prop_assert!(refusal.detail.len() <= DETAIL_BYTES_MAX);
        prop_assert!(text.starts_with(&*refusal.detail));
        prop_assert!(text.len() - refusal.detail.len() < 4 || refusal.detail.len() > DETAIL_BYTES_MAX - 4);
    }
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    // A JWS is plain text, and that has a way of its own.
    let plain = prop::collection::vec(select(b"AZaz09-_.".to_vec()), 0..40)
        .prop_map(|bytes| String::from_utf8(bytes).unwrap());
    prop_oneof![any::<String>(), plain].prop_map(Cow::Owned)
}

fn texts() -> impl Strategy<Value = Vec<Cow<'static, str>>> {
    prop::collection::vec(text(), 0..4)
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_u64, 0..=JSON_INTEGER_MAX, Just(JSON_INTEGER_MAX)]
}

fn sequence() -> impl Strategy<Value = Sequence> {
    number().prop_map(Sequence::new)
}

fn time() -> impl Strategy<Value = Timestamp> {
    number().prop_map(Timestamp::from_millis)
}

fn log() -> impl Strategy<Value = LogId> {
    any::<[u8; 16]>().prop_map(LogId::from_bytes)
}

fn message() -> impl Strategy<Value = MessageId> {
    any::<[u8; 32]>().prop_map(MessageId::from_bytes)
}

fn credential() -> impl Strategy<Value = CredentialId> {
    any::<[u8; 32]>().prop_map(CredentialId::from_bytes)
}

fn maybe<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>>
where
    S::Value: Clone,
{
    prop::option::of(strategy)
}

fn any_client_frame() -> impl Strategy<Value = ClientFrame<'static>> {
    prop_oneof![
        (texts(), text(), maybe(number()), maybe((log(), number()))).prop_map(
            |(chain, proof, mark_ms, held)| {
                let revocations = held.map(|(log, count)| HeldRevocations { log, count });
                ClientFrame::Login { chain, proof, mark_ms, revocations }
            }
        ),
        (number(), text(), texts()).prop_map(|(n, jws, chain)| ClientFrame::Revoke { n, jws, chain }),
        (number(), texts()).prop_map(|(n, chain)| ClientFrame::Chain { n, chain }),
        (number(), text()).prop_map(|(n, jws)| ClientFrame::Publish { n, jws }),
        (number(), texts(), maybe(text())).prop_map(|(n, channels, after)| ClientFrame::Subscribe {
            n,
            channels,
            after
        }),
        (number(), texts(), text(), any::<u32>())
            .prop_map(|(n, channels, after, limit)| ClientFrame::History { n, channels, after, limit }),
        (number(), credential()).prop_map(|(n, id)| ClientFrame::Credential { n, id }),
    ]
}

fn any_server_frame() -> impl Strategy<Value = ServerFrame<'static>> {
    let reason = select(&[GapReason::OtherLog, GapReason::Removed, GapReason::Ahead, GapReason::Damaged][..]);
    prop_oneof![
        any::<[u8; 32]>().prop_map(|nonce| ServerFrame::Challenge { nonce: Nonce::from_bytes(nonce) }),
        (log(), sequence(), time(), number(), maybe(credential())).prop_map(
            |(log, head, now, mark_ms, relay)| ServerFrame::Welcome { log, head, now, mark_ms, relay }
        ),
        number().prop_map(|re| ServerFrame::Accepted { re }),
        (number(), message(), log(), sequence(), time())
            .prop_map(|(re, id, log, seq, admitted)| ServerFrame::Receipt { re, id, log, seq, admitted }),
        (number(), any::<[u8; 32]>(), log(), time()).prop_map(|(re, id, log, admitted)| {
            ServerFrame::Revoked { re, id: RevocationId::from_bytes(id), log, admitted }
        }),
        (log(), number(), sequence(), time(), text()).prop_map(|(log, count, seq, admitted, jws)| {
            ServerFrame::Revocation { log, count, seq, admitted, jws }
        }),
        (message(), number(), number()).prop_map(|(id, live, behind)| ServerFrame::Reach {
            id,
            live,
            behind
        }),
        (maybe(number()), text(), text(), maybe(credential()))
            .prop_map(|(re, code, detail, credential)| ServerFrame::Refused { re, code, detail, credential }),
        (number(), log(), sequence(), sequence()).prop_map(|(re, log, seq, head)| ServerFrame::Subscribed {
            re,
            log,
            seq,
            head
        }),
        (texts(), maybe(number())).prop_map(|(chain, re)| ServerFrame::Chain { chain, re }),
        (sequence(), time(), text()).prop_map(|(seq, admitted, jws)| ServerFrame::Event {
            seq,
            admitted,
            jws
        }),
        (log(), sequence(), time(), sequence(), time())
            .prop_map(|(log, seq, admitted, head, now)| ServerFrame::Mark { log, seq, admitted, head, now }),
        (maybe(number()), reason, text(), text()).prop_map(|(re, reason, from, to)| ServerFrame::Gap {
            re,
            reason,
            from,
            to
        }),
        (number(), sequence(), time(), text()).prop_map(|(re, seq, admitted, jws)| ServerFrame::Past {
            re,
            seq,
            admitted,
            jws
        }),
        (number(), text(), any::<bool>()).prop_map(|(re, next, end)| ServerFrame::Page { re, next, end }),
        number().prop_map(|retry_ms| ServerFrame::GoingAway { retry_ms }),
    ]
}

#[test]
fn what_is_too_long_by_a_byte_is_refused_before_it_is_read() {
    let credential: fn(&str) -> _ = |text| Credential::parse(text).map(drop).unwrap_err().code;
    let revocation: fn(&str) -> _ = |text| Revocation::parse(text).map(drop).unwrap_err().code;
    let rotation: fn(&str) -> _ = |text| Rotation::parse(text).map(drop).unwrap_err().code;
    for (read, bytes_max, too_long) in [
        (credential, CREDENTIAL_BYTES_MAX, Code::CredentialTooLarge),
        (revocation, REVOCATION_BYTES_MAX, Code::MalformedRevocation),
        (rotation, ROTATION_BYTES_MAX, Code::MalformedRotation),
    ] {
        let codes = [0, 1, 2].map(|more| read(&"a".repeat(bytes_max + more)));
        assert_eq!(codes, [Code::MalformedToken, too_long, too_long]);
    }
}

/// All texts that differ from this one in a single bit and are still text.
fn flipped(text: &str) -> impl Iterator<Item = String> {
    (0..text.len() * 8).filter_map(|bit| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        String::from_utf8(bytes).ok()
    })
}

#[test]
fn no_flipped_bit_of_a_credential_is_believed() {
    let file = vectors("credentials.json");
    let [root, nation, town] = ["root-live", "nation-live", "town-live"].map(|name| token(&file, name));
    let believed = |links: [&str; 3]| Chain::verify(links, &roots(), &NoVerdicts).is_ok();
    assert!(believed([&root, &nation, &town]));
    for town in flipped(&town) {
        assert!(!believed([&root, &nation, &town]), "{town}");
    }
    for root in flipped(&root) {
        assert!(!believed([&root, &nation, &town]), "{root}");
    }
}

#[test]
fn no_flipped_bit_of_a_revocation_is_believed() {
    let file = vectors("credentials.json");
    let links = ["root-live", "nation-live"].map(|name| token(&file, name));
    let chain = Chain::verify(links.iter().map(String::as_str), &roots(), &NoVerdicts).unwrap();
    let chain = Arc::new(chain);
    let revocation = token(&vectors("revocations.json"), "town-by-nation");
    let believed = |text: &str| revocation::verify(text, &chain).is_ok();
    assert!(believed(&revocation));
    for revocation in flipped(&revocation) {
        assert!(!believed(&revocation), "{revocation}");
    }
}

#[test]
fn no_flipped_bit_of_a_message_is_believed() {
    let file = vectors("credentials.json");
    let links = ["root-live", "nation-live", "town-live"].map(|name| token(&file, name));
    let chain = Chain::verify(links.iter().map(String::as_str), &roots(), &NoVerdicts).unwrap();
    let chain = Arc::new(chain);
    let message = token(&vectors("messages.json"), "alert-town");
    let believed = |text: &str| verify::verify(text, &chain, MESSAGE_LIFETIME_MAX).is_ok();
    assert!(believed(&message));
    let mut judged = 0;
    for message in flipped(&message) {
        assert!(!believed(&message), "{message}");
        judged += 1;
    }
    // Only the highest bit of an ASCII byte makes it no text any more.
    assert_eq!(judged, message.len() * 7);
}
