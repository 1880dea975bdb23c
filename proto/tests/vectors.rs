//! The vectors: built here from the published seeds, and compared byte for byte with `proto/vectors/*.json`.
//!
//! A change of a format shows as a difference. `VIGIE_WRITE_VECTORS=1 cargo test -p vigie-proto --test vectors` writes
//! the files, and the samples in PROTOCOL.md, instead of comparing them; the difference is then read and committed
//! with the change that made it.
//!
//! Every bad case names its repaired twin: the same case with only the fault removed, signed again where it lay under
//! the signature. So a bad case can not pass for another reason than the one it names.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

#[path = "vectors/credentials.rs"]
mod credentials;
#[path = "vectors/frames.rs"]
mod frames;
#[path = "vectors/labels.rs"]
mod labels;
#[path = "vectors/logins.rs"]
mod logins;
#[path = "vectors/messages.rs"]
mod messages;
#[path = "vectors/revocations.rs"]
mod revocations;
#[path = "vectors/rotations.rs"]
mod rotations;
#[path = "vectors/texts.rs"]
mod texts;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use vigie_proto::chain::{Chain, NoVerdicts, Roots, TokenHash, Verdicts};
use vigie_proto::channel::{Channel, Filter};
use vigie_proto::credential::Credential;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{ClientFrame, FromRelay, ServerFrame};
use vigie_proto::hear::{Reader, Said, may_hear};
use vigie_proto::id::{KeyId, LogId, MessageId};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Audience;
use vigie_proto::login::{self, Binding, Expected};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::{self, VerifiedMessage, takes_effect_on};

use crate::support::{
    TestKey, Token, WARNING, base64url, compare_or_write, crate_path, find, from_base64url, is_writing, pins,
    replace, roots, samples_of, to_json, verify_chain, with_samples,
};

#[derive(Serialize)]
struct Keys {
    #[serde(rename = "TEST-ONLY")]
    test_only: bool,
    warning: &'static str,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    name: &'static str,
    seed: String,
    x: String,
    thumbprint: String,
}

fn keys() -> Keys {
    let keys = TestKey::NAMES.map(|name| {
        let key = TestKey::named(name);
        Key { name, seed: base64url(key.seed), x: key.x(), thumbprint: key.thumbprint() }
    });
    Keys { test_only: true, warning: WARNING, keys: keys.into() }
}

/// All that is built from the seeds.
struct Vectors {
    credentials: credentials::File,
    messages: messages::File,
    logins: logins::File,
    revocations: revocations::File,
    rotations: rotations::File,
    frames: frames::File,
}

fn vectors() -> Vectors {
    let credentials = credentials::build();
    let messages = messages::build(&credentials.tokens);
    let logins = logins::build(&credentials.tokens);
    let revocations = revocations::build(&credentials.tokens);
    let rotations = rotations::build();
    let frames = frames::build(&credentials, &messages, &logins, &revocations, &rotations);
    Vectors { credentials, messages, logins, revocations, rotations, frames }
}

#[test]
fn the_committed_files_are_what_the_seeds_give() {
    let vectors = vectors();
    compare_or_write("vectors/keys.json", &to_json(&keys()));
    compare_or_write("vectors/credentials.json", &to_json(&vectors.credentials));
    compare_or_write("vectors/messages.json", &to_json(&vectors.messages));
    compare_or_write("vectors/login.json", &to_json(&vectors.logins));
    compare_or_write("vectors/revocations.json", &to_json(&vectors.revocations));
    compare_or_write("vectors/rotations.json", &to_json(&vectors.rotations));
    compare_or_write("vectors/frames.json", &to_json(&vectors.frames));
    compare_or_write("vectors/ids.json", &to_json(&texts::ids()));
    compare_or_write("vectors/cursors.json", &to_json(&texts::cursors()));
    compare_or_write("vectors/channels.json", &to_json(&texts::channels()));
    compare_or_write("vectors/hear.json", &to_json(&texts::hear()));
    compare_or_write("vectors/labels.json", &to_json(&labels::heard()));
}

/// The samples of PROTOCOL.md: every frame, and one token of each kind.
#[test]
fn the_document_shows_the_vectors() {
    let vectors = vectors();
    let mut expected = BTreeMap::new();
    for sample in vectors.frames.client.iter().chain(&vectors.frames.relay) {
        expected.insert(sample.name.clone(), sample.text.clone());
    }
    let credential = find(&vectors.credentials.tokens, "town-live");
    let message = find(&vectors.messages.tokens, "alert-nation");
    let revocation = find(&vectors.revocations.tokens, "town-by-nation");
    let rotation = find(&vectors.rotations.tokens, "to-heir");
    for (name, text) in [
        ("credential-payload", &credential.payload),
        ("credential-token", &credential.text),
        ("message-payload", &message.payload),
        ("message-token", &message.text),
        ("revocation-payload", &revocation.payload),
        ("revocation-token", &revocation.text),
        ("rotation-payload", &rotation.payload),
        ("rotation-token", &rotation.text),
        ("login-payload", &logins::payload()),
    ] {
        expected.insert(name.to_owned(), text.clone());
    }
    let path = crate_path("PROTOCOL.md");
    let document = std::fs::read_to_string(&path).unwrap();
    if is_writing() {
        replace(&path, &with_samples(&document, &expected));
    } else {
        assert_eq!(samples_of(&document), expected);
    }
}

/// The private halves are published, so each public half is refused wherever it could be pinned.
#[test]
fn every_published_key_is_refused_outside_the_vectors() {
    for name in TestKey::NAMES {
        let key = TestKey::named(name);
        let signing = SigningKey::from_seed(&key.seed).unwrap();
        let plane = if name.ends_with("exercise") { "exercise" } else { "live" };
        let vectors = credentials::build();
        let mut claims = Credential::parse(&find(&vectors.tokens, &format!("root-{plane}")).text)
            .unwrap()
            .claims()
            .clone();
        claims.subject = *signing.public();
        let root = Credential::issue_root(&signing, &claims).unwrap();
        let pin: KeyId = key.thumbprint().parse().unwrap();
        let judged = |roots: &Roots| Chain::verify([&**root.token()], roots, &NoVerdicts).map(drop);
        assert_eq!(judged(&Roots::dangerous_test_only([pin])), Ok(()), "{name}");
        assert_eq!(judged(&Roots::new([pin])).unwrap_err().code, Code::TestKey, "{name}");
    }
}

#[test]
fn plain_roots_with_the_same_pins_refuse_every_chain_of_the_vectors() {
    let vectors = vectors();
    let plain = Roots::new(pins());
    let mut refused = 0;
    for case in &vectors.credentials.cases {
        if case.verdict == "ok" {
            let refusal = verify_chain(&vectors.credentials.tokens, &case.chain, &plain).unwrap_err();
            assert_eq!(refusal.code, Code::TestKey, "{}", case.name);
            refused += 1;
        }
    }
    let chains = vectors.messages.cases.iter().map(|case| &case.chain);
    for chain in chains.chain(vectors.logins.cases.iter().map(|case| &case.chain)) {
        let refusal = verify_chain(&vectors.credentials.tokens, chain, &plain).unwrap_err();
        assert_eq!(refusal.code, Code::TestKey, "{chain:?}");
        refused += 1;
    }
    assert!(refused > 100, "{refused}");
}

fn word<T>(verdict: &Result<T, Refusal>) -> String {
    verdict.as_ref().map_or_else(|refusal| refusal.code.as_str(), |_| "ok").to_owned()
}

/// Names are unique, and each bad case has a good twin.
fn twins_hold<'a>(cases: impl Iterator<Item = (&'a str, &'a str, Option<&'a str>)>) {
    let mut verdicts = BTreeMap::new();
    let mut bad = Vec::new();
    for (name, verdict, repaired) in cases {
        assert_eq!(verdicts.insert(name, verdict), None, "{name} stands twice");
        if verdict == "ok" {
            assert_eq!(repaired, None, "{name}");
        } else {
            bad.push((name, repaired.unwrap_or_else(|| panic!("{name} has no twin"))));
        }
    }
    for (name, repaired) in bad {
        assert_eq!(verdicts.get(repaired), Some(&"ok"), "the twin of {name}");
    }
}

#[test]
fn chains_are_judged_as_the_vectors_say() {
    let file = credentials::build();
    let roots = roots();
    for case in &file.cases {
        let verdict = verify_chain(&file.tokens, &case.chain, &roots)
            .and_then(|chain| chain.judge(Timestamp::from_millis(case.at)));
        assert_eq!(word(&verdict), case.verdict, "{}: {verdict:?}", case.name);
    }
    twins_hold(file.cases.iter().map(|case| (&*case.name, &*case.verdict, case.repaired.as_deref())));
}

/// Remembers every credential that was found good.
#[derive(Default)]
struct Remembers(RefCell<BTreeMap<TokenHash, Arc<Credential>>>);

impl Verdicts for Remembers {
    fn find(&self, token: &TokenHash) -> Option<Arc<Credential>> {
        self.0.borrow().get(token).cloned()
    }

    fn keep(&self, token: TokenHash, credential: &Arc<Credential>) {
        self.0.borrow_mut().insert(token, Arc::clone(credential));
    }
}

/// Whatever was judged before, good or bad, and in whichever order.
#[test]
fn remembered_verdicts_change_no_verdict() {
    let file = credentials::build();
    let roots = roots();
    let memory = Remembers::default();
    for case in file.cases.iter().chain(file.cases.iter().rev()) {
        let links = case.chain.iter().map(|name| find(&file.tokens, name).text.as_str());
        let verdict = Chain::verify(links, &roots, &memory)
            .and_then(|chain| chain.judge(Timestamp::from_millis(case.at)));
        assert_eq!(word(&verdict), case.verdict, "{}: {verdict:?}", case.name);
    }
    assert!(memory.0.borrow().len() > 20);
    // A memory filled under other rules lets no test key through.
    let plain = Roots::new(pins());
    let root = &find(&file.tokens, "root-live").text;
    assert_eq!(Chain::verify([&**root], &plain, &memory).unwrap_err().code, Code::TestKey);
}

/// A root speaks of the key that signs it.
#[test]
fn a_root_is_issued_by_its_own_key_only() {
    let tokens = credentials::build().tokens;
    let claims = Credential::parse(&find(&tokens, "root-live").text).unwrap().claims().clone();
    let stranger = SigningKey::from_seed(&TestKey::named("stranger-live").seed).unwrap();
    assert_eq!(Credential::issue_root(&stranger, &claims).unwrap_err().code, Code::BadSignature);
}

/// What the crate issues from the same claims is the token that was built by hand.
#[test]
fn issuing_gives_the_bytes_of_the_vectors() {
    let tokens = credentials::build().tokens;
    for (name, parent) in [
        ("root-live", None),
        ("root-exercise", None),
        ("nation-live", Some("root-live")),
        ("town-exercise", Some("nation-exercise")),
        ("field-live", Some("town-live")),
        ("relay-live", Some("nation-live")),
        ("one-sided", Some("nation-live")),
    ] {
        let token = find(&tokens, name);
        let credential = Credential::parse(&token.text).unwrap();
        let key = SigningKey::from_seed(&TestKey::named(&token.key).seed).unwrap();
        let issued = match parent {
            None => Credential::issue_root(&key, credential.claims()),
            Some(parent) => {
                let parent = Credential::parse(&find(&tokens, parent).text).unwrap();
                Credential::issue_below(&key, credential.claims(), &parent)
            }
        };
        assert_eq!(&**issued.unwrap().token(), token.text, "{name}");
        assert_eq!(credential.id().to_string(), token.id, "{name}");
    }
}

fn judge(
    case: &messages::Case,
    credentials: &[Token],
    messages: &[Token],
) -> Result<VerifiedMessage, Refusal> {
    let chain = Arc::new(verify_chain(credentials, &case.chain, &roots())?);
    let lifetime_max = Duration::from_millis(case.lifetime_max_ms);
    let verified = verify::verify(&find(messages, &case.token).text, &chain, lifetime_max)?;
    let admitted = Timestamp::from_millis(case.admitted);
    let judged = verified.judge_admitted(admitted);
    assert_eq!(judged.is_ok(), verified.window().contains(admitted), "{}", case.name);
    judged.map(|()| verified)
}

#[test]
fn messages_are_judged_as_the_vectors_say() {
    let Vectors { credentials, messages, .. } = vectors();
    let mut verified = BTreeMap::new();
    for case in &messages.cases {
        let verdict = judge(case, &credentials.tokens, &messages.tokens);
        assert_eq!(word(&verdict), case.verdict, "{}: {verdict:?}", case.name);
        if let Ok(message) = verdict {
            assert_eq!(Some(message.id().to_string()), case.id, "{}", case.name);
            verified.insert(case.name.clone(), message);
        }
    }
    twins_hold(messages.cases.iter().map(|case| (&*case.name, &*case.verdict, case.repaired.as_deref())));
    for case in &messages.replaces {
        let found = takes_effect_on(&verified[&case.update], &verified[&case.target]);
        assert_eq!(found, case.takes_effect, "{}", case.update);
    }
}

#[test]
fn signing_gives_the_bytes_of_the_vectors() {
    let Vectors { credentials, messages, logins, .. } = vectors();
    for name in [
        "alert-nation",
        "alert-town",
        "signal-field",
        "exercise-nation",
        "escapes",
        "original",
        "update-by-author",
    ] {
        let case = messages.cases.iter().find(|case| case.name == name).unwrap();
        let message = judge(case, &credentials.tokens, &messages.tokens).unwrap();
        let token = find(&messages.tokens, name);
        let key = SigningKey::from_seed(&TestKey::named(&token.key).seed).unwrap();
        assert_eq!(verify::sign(&key, message.credential(), message.message()), token.text, "{name}");
    }
    let token = find(&logins.tokens, "bound");
    let case = &logins.cases[0];
    let chain = verify_chain(&credentials.tokens, &case.chain, &roots()).unwrap();
    let key = SigningKey::from_seed(&TestKey::named(&token.key).seed).unwrap();
    let binding = Binding::of_certificate(&from_base64url(case.certificate.as_ref().unwrap()));
    let nonce = case.nonce.parse().unwrap();
    let proof = login::sign(&key, chain.leaf().id(), chain.plane(), logins::RELAY, nonce, binding);
    assert_eq!(proof, token.text);
}

/// The signature of `signature-r-small-order` fits the equation: only the rule on R refuses it.
#[test]
fn the_small_order_signature_is_one_that_ring_alone_would_take() {
    let messages = vectors().messages;
    let token = find(&messages.tokens, "signature-r-small-order");
    let (signed, signature) = token.text.rsplit_once('.').unwrap();
    let key = TestKey::named(&token.key);
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key.public());
    assert!(key.verify(signed.as_bytes(), &from_base64url(signature)).is_ok());
}

#[test]
fn proofs_are_judged_as_the_vectors_say() {
    let Vectors { credentials, logins, .. } = vectors();
    for case in &logins.cases {
        let chain = verify_chain(&credentials.tokens, &case.chain, &roots()).unwrap();
        let binding = case
            .certificate
            .as_ref()
            .map_or(Binding::None, |certificate| Binding::of_certificate(&from_base64url(certificate)));
        let expected = Expected {
            relay_names: &case.relay_names,
            nonce: case.nonce.parse().unwrap(),
            nonce_given: Timestamp::from_millis(case.nonce_given),
            binding,
            unbound_passes: case.unbound_passes,
        };
        let proof = &find(&logins.tokens, &case.proof).text;
        let verdict = login::check(proof, &chain, &expected, Timestamp::from_millis(case.now));
        assert_eq!(word(&verdict), case.verdict, "{}: {verdict:?}", case.name);
    }
    twins_hold(logins.cases.iter().map(|case| (&*case.name, &*case.verdict, case.repaired.as_deref())));
}

#[test]
fn frames_are_read_and_written_as_the_vectors_say() {
    let frames = vectors().frames;
    for sample in &frames.client {
        assert_eq!(ClientFrame::parse(&sample.text).unwrap().to_text(), sample.text, "{}", sample.name);
    }
    let mut operations = Vec::new();
    for sample in &frames.relay {
        let FromRelay::Known(frame) = ServerFrame::parse(&sample.text).unwrap() else {
            panic!("{} is not known", sample.name);
        };
        assert_eq!(frame.to_text(), sample.text, "{}", sample.name);
        operations.push(sample.text.split('"').nth(3).unwrap());
    }
    operations.dedup();
    assert_eq!(operations, ServerFrame::OPERATIONS, "a sample for each frame of a relay");
    for case in &frames.refused {
        let rejection = ClientFrame::parse(&case.text).unwrap_err();
        assert_eq!(rejection.refusal.code.as_str(), case.code, "{}", case.name);
        assert_eq!(rejection.re, case.re, "{}", case.name);
    }
    for case in &frames.tolerated {
        assert_ne!(case.text, case.stands_for);
        assert_eq!(ClientFrame::parse(&case.text), ClientFrame::parse(&case.stands_for), "{}", case.text);
    }
    for text in &frames.skipped {
        assert_eq!(ServerFrame::parse(text), Ok(FromRelay::Later), "{text}");
    }
    for text in &frames.violations {
        assert!(ServerFrame::parse(text).is_err(), "{text}");
    }
}

#[test]
fn ids_and_cursors_are_read_as_the_vectors_say() {
    for id in texts::ids().good {
        let (text, bytes) = match id.hex.len() / 2 {
            32 => id.text.parse::<MessageId>().map(|id| (id.to_string(), id.as_bytes().to_vec())).unwrap(),
            16 => id.text.parse::<LogId>().map(|id| (id.to_string(), id.as_bytes().to_vec())).unwrap(),
            other => panic!("no id has {other} bytes"),
        };
        assert_eq!(text, id.text);
        assert_eq!(base64url(&bytes), id.text);
    }
    for id in texts::ids().bad {
        let taken = match id.bytes {
            32 => id.text.parse::<MessageId>().is_ok(),
            _ => id.text.parse::<LogId>().is_ok(),
        };
        assert!(!taken, "{}: {}", id.why, id.text);
    }
    for good in texts::cursors().good {
        let cursor: Cursor = good.text.parse().unwrap();
        assert_eq!(cursor.to_string(), good.text);
        let parts = (cursor.log.to_string(), cursor.seq.get(), cursor.admitted.as_millis());
        assert_eq!(parts, (good.log, good.seq, good.admitted));
    }
    for bad in texts::cursors().bad {
        assert!(bad.text.parse::<Cursor>().is_err(), "{}: {}", bad.why, bad.text);
    }
}

#[test]
fn channels_are_read_and_heard_as_the_vectors_say() {
    let texts = texts::channels();
    for good in texts.channels {
        assert_eq!(good.parse::<Channel>().unwrap().to_string(), good);
    }
    for good in texts.filters {
        assert_eq!(good.parse::<Filter>().unwrap().to_string(), good);
    }
    for bad in texts.bad_channels {
        assert!(bad.parse::<Channel>().is_err(), "{bad}");
    }
    for bad in texts.bad_filters {
        assert!(bad.parse::<Filter>().is_err(), "{bad}");
    }
    let tokens = credentials::build().tokens;
    for case in texts::hear() {
        let filter: Filter = case.filter.parse().unwrap();
        let plane = filter.channel.plane;
        let names = [format!("root-{plane}"), format!("nation-{plane}")];
        let channel: Channel = case.channel.parse().unwrap();
        let chain = verify_chain(&tokens, &names, &roots()).unwrap();
        let reader = Reader::new(&chain, vec![filter]).unwrap();
        let audience = &Audience::EVERYONE;
        let heard =
            Severity::ALL.map(|severity| may_hear(&reader, Said { channel: &channel, severity, audience }));
        assert_eq!(heard, case.heard, "{} {}", case.filter, case.channel);
    }
}
