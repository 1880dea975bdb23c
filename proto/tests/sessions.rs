//! The two sides of a session, joined without a network: who is let in, what each frame becomes, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::channel::Plane;
use vigie_proto::frame::{Rejection, ServerFrame, Start};
use vigie_proto::id::{CredentialId, LogId, Nonce, Sequence};
use vigie_proto::key::SigningKey;
use vigie_proto::limits::{
    CHAINS_REMEMBERED, LOGIN_TIMEOUT, MARK_INTERVAL, NONCE_LIFETIME, SUBSCRIPTIONS_MAX,
};
use vigie_proto::login::Binding;
use vigie_proto::refusal::Code;
use vigie_proto::revocation::Revocations;
use vigie_proto::session::client::{Dialled, Login, LoginEnded, Step};
use vigie_proto::session::relay::{AwaitLogin, LoggedIn, Request, Rules};
use vigie_proto::time::Timestamp;

use crate::support::{NOW, TestKey, Token, crate_path, header, roots};

const RELAY: &str = "relay.vigie.example";
const BINDING: Binding = Binding::Certificate([3; 32]);

fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

fn vectors(file: &str) -> Value {
    let text = std::fs::read_to_string(crate_path("vectors").join(file)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn token(file: &str, name: &str) -> String {
    let file = vectors(file);
    let token = file["tokens"].as_array().unwrap().iter().find(|token| token["name"] == name).unwrap();
    token["token"].as_str().unwrap().to_owned()
}

/// Header and payload of a token of the vectors.
fn parts_of(file: &str, name: &str) -> Parts {
    let file = vectors(file);
    let token = file["tokens"].as_array().unwrap().iter().find(|token| token["name"] == name).unwrap();
    let text = |member: &str| token[member].as_str().unwrap().to_owned();
    Parts { header: text("header"), payload: text("payload") }
}

struct Parts {
    header: String,
    payload: String,
}

fn links(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| token("credentials.json", name)).collect()
}

fn chain(names: &[&str]) -> Arc<Chain> {
    let links = links(names);
    Arc::new(Chain::verify(links.iter().map(String::as_str), &roots(), &NoVerdicts).unwrap())
}

const TOWN: &[&str] = &["root-live", "nation-live", "town-live"];

fn rules() -> Rules {
    Rules::new(roots(), vec![RELAY.to_owned()])
}

fn dialled(key: &str, names: &[&str], mark_interval: Duration) -> Dialled {
    Dialled {
        key: Arc::new(SigningKey::from_seed(&TestKey::named(key).seed).unwrap()),
        chain: chain(names),
        relay: RELAY.to_owned(),
        binding: BINDING,
        mark_interval,
        revocations: None,
    }
}

fn await_login() -> AwaitLogin {
    AwaitLogin::new(Nonce::from_bytes([5; 32]), BINDING, now())
}

/// The log-in frame that a client answers the challenge with.
fn login_frame(dialled: Dialled) -> String {
    let answer = Login::new(dialled).handle_frame(&await_login().challenge().to_text()).unwrap();
    let Step::Send(text) = answer else { panic!("no answer to the challenge") };
    text
}

fn log_in(text: &str, at: Timestamp) -> Result<LoggedIn, Rejection> {
    await_login().handle_frame(text, &rules(), &NoVerdicts, &Revocations::default(), at)
}

fn town() -> LoggedIn {
    log_in(&login_frame(dialled("town-live", TOWN, MARK_INTERVAL)), now()).unwrap()
}

fn ask(session: &mut LoggedIn, text: &str) -> Result<Request, (Code, Option<u64>)> {
    session
        .handle_frame(text, &rules(), &NoVerdicts, &Revocations::default(), now())
        .map_err(|rejection| (rejection.refusal.code, rejection.re))
}

fn chain_frame(names: &[&str]) -> String {
    format!(r#"{{"op":"chain","n":6,"chain":{}}}"#, serde_json::to_string(&links(names)).unwrap())
}

fn publish_frame(name: &str) -> String {
    format!(r#"{{"op":"publish","n":7,"jws":"{}"}}"#, token("messages.json", name))
}

#[test]
fn a_client_logs_in_and_hears_what_was_agreed() {
    let mut client = Login::new(dialled("town-live", TOWN, Duration::from_secs(60)));
    let relay = await_login();
    let Step::Send(text) = client.handle_frame(&relay.challenge().to_text()).unwrap() else {
        panic!("no answer to the challenge");
    };
    let session = relay.handle_frame(&text, &rules(), &NoVerdicts, &Revocations::default(), now()).unwrap();
    assert_eq!(session.mark_interval(), Duration::from_secs(60));
    assert_eq!(session.ends(), session.chain().window().until);
    let log = LogId::from_bytes([1; 16]);
    let later = r#"{"op":"weather","is":"fine"}"#;
    assert_eq!(client.handle_frame(later), Ok(Step::Wait), "an operation of a later version is skipped");
    let welcome =
        ServerFrame::Welcome { log, head: Sequence::new(4), now: now(), mark_ms: 60_000, relay: None };
    let Step::Open(welcomed) = client.handle_frame(&welcome.to_text()).unwrap() else {
        panic!("not open after welcome");
    };
    assert_eq!((welcomed.log, welcomed.head, welcomed.now), (log, Sequence::new(4), now()));
    assert_eq!(welcomed.mark_interval, Duration::from_secs(60));
}

#[test]
fn a_client_sees_through_a_relay_that_breaks_the_order() {
    let town = || Login::new(dialled("town-live", TOWN, MARK_INTERVAL));
    let challenge = await_login().challenge().to_text();
    let welcome = vectors("frames.json")["relay"][1]["text"].as_str().unwrap().to_owned();
    assert!(
        matches!(town().handle_frame(&welcome), Err(LoginEnded::Violation(_))),
        "welcome without a proof"
    );
    let mut twice = town();
    twice.handle_frame(&challenge).unwrap();
    assert!(matches!(twice.handle_frame(&challenge), Err(LoginEnded::Violation(_))), "a second proof");
    assert!(matches!(town().handle_frame("{"), Err(LoginEnded::Violation(_))));
    let refused = r#"{"op":"refused","code":"proof_replayed"}"#;
    let Err(LoginEnded::Refused(refusal)) = town().handle_frame(refused) else { panic!("not refused") };
    assert_eq!(refusal.code, Code::ProofReplayed);
    let later = r#"{"op":"refused","code":"bad_weather"}"#;
    assert_eq!(town().handle_frame(later), Err(LoginEnded::RefusedLater("bad_weather".to_owned())));
}

#[test]
fn marks_come_within_bounds() {
    for (asked, given) in [(1, 1_000), (999, 1_000), (1_000, 1_000), (300_000, 300_000), (300_001, 300_000)] {
        let frame = login_frame(dialled("town-live", TOWN, Duration::from_millis(asked)));
        let session = log_in(&frame, now()).unwrap();
        assert_eq!(session.mark_interval(), Duration::from_millis(given), "{asked}");
    }
    let hasty = Rules { mark_interval_max: Duration::from_secs(60), ..rules() };
    let frame = login_frame(dialled("town-live", TOWN, Duration::from_secs(300)));
    let session =
        await_login().handle_frame(&frame, &hasty, &NoVerdicts, &Revocations::default(), now()).unwrap();
    assert_eq!(session.mark_interval(), Duration::from_secs(60), "no more than the operator allows");
    let silent = login_frame(dialled("town-live", TOWN, MARK_INTERVAL)).replace(r#","mark_ms":5000"#, "");
    assert!(!silent.contains("mark_ms"));
    assert_eq!(log_in(&silent, now()).unwrap().mark_interval(), MARK_INTERVAL);
}

#[test]
fn strangers_are_refused_each_with_its_code() {
    let good = login_frame(dialled("town-live", TOWN, MARK_INTERVAL));
    let code = |text: &str, at: Timestamp| log_in(text, at).unwrap_err().refusal.code;
    assert!(log_in(&good, now().plus(LOGIN_TIMEOUT).minus(Duration::from_millis(1))).is_ok());
    assert_eq!(code(&good, now().plus(LOGIN_TIMEOUT)), Code::LoginTimeout);
    let hasty = Rules { login_timeout: Duration::from_secs(3), ..rules() };
    assert_eq!(await_login().deadline(&hasty), now().plus(Duration::from_secs(3)));
    let late = await_login().handle_frame(
        &good,
        &hasty,
        &NoVerdicts,
        &Revocations::default(),
        now().plus(Duration::from_secs(3)),
    );
    assert_eq!(late.unwrap_err().refusal.code, Code::LoginTimeout);
    // Whatever it is set to, it ends before a nonce is too old: the right code is told, and up to then every proof is good.
    let patient = Rules { login_timeout: Duration::from_secs(60), ..rules() };
    let log_in_at =
        |at: Timestamp| await_login().handle_frame(&good, &patient, &NoVerdicts, &Revocations::default(), at);
    assert!(log_in_at(now().plus(NONCE_LIFETIME).minus(Duration::from_millis(1))).is_ok());
    let too_late = log_in_at(now().plus(NONCE_LIFETIME)).unwrap_err();
    assert_eq!(too_late.refusal.code, Code::LoginTimeout);
    assert_eq!(code(r#"{"op":"publish","n":1,"jws":"x"}"#, now()), Code::NotLoggedIn);
    assert_eq!(code(r#"{"op":"hello"}"#, now()), Code::UnknownOperation);
    assert_eq!(code("hello", now()), Code::NotJson);
    assert_eq!(code(r#"{"op":"login","chain":[],"proof":"x"}"#, now()), Code::TooManyLinks);
    let other_key = login_frame(dialled("nation-live", TOWN, MARK_INTERVAL));
    assert_eq!(code(&other_key, now()), Code::ProofInvalid);
    let other_name = Dialled { relay: "localhost".to_owned(), ..dialled("town-live", TOWN, MARK_INTERVAL) };
    assert_eq!(code(&login_frame(other_name), now()), Code::WrongRelayName);
    let middle =
        Dialled { binding: Binding::Certificate([4; 32]), ..dialled("town-live", TOWN, MARK_INTERVAL) };
    assert_eq!(code(&login_frame(middle), now()), Code::BindingMismatch);
    let relay = dialled("town-live", &["root-live", "nation-live", "relay-live"], MARK_INTERVAL);
    assert_eq!(code(&login_frame(relay), now()), Code::NotGranted);
}

/// The same connection, before and after its credential is good.
#[test]
fn the_credential_must_be_good_at_log_in() {
    let window = chain(TOWN).window();
    let login_at = |at: Timestamp| {
        let relay = AwaitLogin::new(Nonce::from_bytes([5; 32]), BINDING, at);
        let text = login_frame(dialled("town-live", TOWN, MARK_INTERVAL));
        relay
            .handle_frame(&text, &rules(), &NoVerdicts, &Revocations::default(), at)
            .map_err(|rejection| rejection.refusal.code)
            .map(drop)
    };
    let moment = Duration::from_millis(1);
    assert_eq!(login_at(window.from), Ok(()));
    assert_eq!(login_at(window.from.minus(moment)), Err(Code::CredentialNotYetValid));
    assert_eq!(login_at(window.until.minus(moment)), Ok(()));
    assert_eq!(login_at(window.until), Err(Code::CredentialExpired));
}

/// A proof is good for the nonce of its connection only.
#[test]
fn a_proof_that_was_overheard_is_of_no_use() {
    let text = login_frame(dialled("town-live", TOWN, MARK_INTERVAL));
    let another = AwaitLogin::new(Nonce::from_bytes([6; 32]), BINDING, now());
    let rejection =
        another.handle_frame(&text, &rules(), &NoVerdicts, &Revocations::default(), now()).unwrap_err();
    assert_eq!(rejection.refusal.code, Code::ProofReplayed);
}

#[test]
fn a_session_publishes_what_its_own_key_signed() {
    let mut session = town();
    let Ok(Request::Publish { re: 7, message }) = ask(&mut session, &publish_frame("alert-town")) else {
        panic!("refused");
    };
    assert_eq!(&**message.token(), token("messages.json", "alert-town"));
    for (name, code) in [
        ("alert-nation", Code::NotAuthor),
        ("signal-field", Code::NotAuthor),
        ("exercise-nation", Code::NotAuthor),
        ("place-beside", Code::OutOfJurisdiction),
        ("payload-bit", Code::BadSignature),
        ("signed-by-other-key", Code::BadSignature),
        ("header-crit", Code::UnknownMember),
        ("life-too-long", Code::LifetimeTooLong),
    ] {
        assert_eq!(ask(&mut session, &publish_frame(name)).unwrap_err(), (code, Some(7)), "{name}");
    }
    // The session goes on after each of them.
    assert!(ask(&mut session, &publish_frame("alert-town")).is_ok());
}

#[test]
fn a_renewed_credential_does_not_strand_the_outbox() {
    let renewed = ["root-live", "nation-live", "extended"];
    let mut session = town();
    let before = ask(&mut session, &publish_frame("update-renewed"));
    assert_eq!(before.unwrap_err(), (Code::NotAuthor, Some(7)), "its chain was not given yet");
    assert!(matches!(ask(&mut session, &chain_frame(&renewed)), Ok(Request::Accept { re: 6 })));
    assert!(ask(&mut session, &publish_frame("update-renewed")).is_ok());
    assert!(ask(&mut session, &publish_frame("alert-town")).is_ok(), "the first one still serves");
    for (names, code) in [
        (&["root-live", "nation-live"][..], Code::NotAuthor),
        (&["root-exercise", "nation-exercise", "town-exercise"][..], Code::NotAuthor),
        (&["root-live", "nation-live", "exceeds-org"][..], Code::ExceedsParent),
        (&["nation-live"][..], Code::UnknownRoot),
        (&["root-live", "nation-live", "relay-issuer"][..], Code::NotGranted),
    ] {
        assert_eq!(ask(&mut session, &chain_frame(names)).unwrap_err(), (code, Some(6)), "{names:?}");
    }
}

/// Ids are hashes: the order in which chains came is not theirs.
#[test]
fn a_session_keeps_the_eight_other_chains_that_it_was_given_last() {
    let above = links(&["root-live", "nation-live"]);
    let first = parts_of("credentials.json", "town-live");
    let others: Vec<Token> = (0..9)
        .map(|number| {
            let payload = first.payload.replacen("Essai town-live", &format!("Essai {number}"), 1);
            assert_ne!(payload, first.payload);
            Token::new("other", "nation-live", first.header.clone(), payload)
        })
        .collect();
    let mut session = town();
    let give = |session: &mut LoggedIn, other: &Token| {
        let chain: Vec<&str> = above.iter().map(String::as_str).chain([&*other.text]).collect();
        let frame = serde_json::json!({"op": "chain", "n": 6, "chain": chain}).to_string();
        assert!(matches!(ask(session, &frame), Ok(Request::Accept { re: 6 })));
    };
    let message = parts_of("messages.json", "alert-town");
    let speaks = |session: &mut LoggedIn, other: &Token| {
        let header = header(&other.id, "vigie-message-live-v1");
        let jws = Token::new("message", "town-live", header, message.payload.clone()).text;
        match ask(session, &format!(r#"{{"op":"publish","n":7,"jws":"{jws}"}}"#)) {
            Ok(_) => true,
            Err(refused) => {
                assert_eq!(refused, (Code::NotAuthor, Some(7)));
                false
            }
        }
    };
    others[..8].iter().for_each(|other| give(&mut session, other));
    assert!(others[..8].iter().all(|other| speaks(&mut session, other)));
    give(&mut session, &others[0]);
    assert!(others[..8].iter().all(|other| speaks(&mut session, other)), "one given again takes no room");
    give(&mut session, &others[8]);
    let kept: Vec<bool> = others.iter().map(|other| speaks(&mut session, other)).collect();
    assert_eq!(kept, [true, false, true, true, true, true, true, true, true], "the second is now the oldest");
}

#[test]
fn subscriptions_are_granted_or_refused() {
    let mut session = town();
    let subscribe = |channels: &[String], after: &str| {
        format!(
            r#"{{"op":"subscribe","n":8,"channels":{}{after}}}"#,
            serde_json::to_string(channels).unwrap()
        )
    };
    let paris = ["alert/fr.idf.75.paris.**".to_owned(), "alert/fr.idf.75.paris.**".to_owned()];
    let Ok(Request::Subscribe { re: 8, reader, start }) = ask(&mut session, &subscribe(&paris, "")) else {
        panic!("refused");
    };
    assert_eq!(
        (start, reader.plane(), reader.filters().len()),
        (Start::Here, Plane::Live, 1),
        "doubles are dropped"
    );
    for (after, expected) in [
        (r#","after":"start""#.to_owned(), Start::Beginning),
        (
            vectors("cursors.json")["good"][2]["text"]
                .as_str()
                .map(|text| format!(r#","after":"{text}""#))
                .unwrap(),
            {
                let text = vectors("cursors.json")["good"][2]["text"].as_str().unwrap().to_owned();
                Start::After(text.parse().unwrap())
            },
        ),
    ] {
        let Ok(Request::Subscribe { start, .. }) = ask(&mut session, &subscribe(&paris, &after)) else {
            panic!("refused {after}");
        };
        assert_eq!(start, expected);
    }
    let many = |count: usize| (0..count).map(|i| format!("alert/fr.idf.75.paris.{i}")).collect::<Vec<_>>();
    assert!(ask(&mut session, &subscribe(&many(SUBSCRIPTIONS_MAX), "")).is_ok());
    let few = Rules { subscriptions_max: 2, ..rules() };
    for (count, expected) in [(2, None), (3, Some(Code::TooManySubscriptions))] {
        let frame = subscribe(&many(count), "");
        let asked = session.handle_frame(&frame, &few, &NoVerdicts, &Revocations::default(), now());
        assert_eq!(asked.err().map(|rejection| rejection.refusal.code), expected, "{count}");
    }
    let one = |text: &str| vec![text.to_owned()];
    for (channels, after, code) in [
        (vec![], "", Code::TooManySubscriptions),
        (many(SUBSCRIPTIONS_MAX + 1), "", Code::TooManySubscriptions),
        (one("alert/fr.Idf"), "", Code::MalformedChannel),
        (one("alert/fr.idf"), "", Code::OutOfJurisdiction),
        (one("alert/fr.idf.92.nanterre"), "", Code::OutOfJurisdiction),
        (one("exercise/alert/fr.idf.75.paris"), "", Code::WrongPlane),
        (one("alert/fr.idf.75.paris"), r#","after":"0""#, Code::MalformedCursor),
    ] {
        let refused = ask(&mut session, &subscribe(&channels, after)).unwrap_err();
        assert_eq!(refused, (code, Some(8)), "{channels:?} {after}");
    }
    let field: &[&str] = &["root-live", "nation-live", "town-live", "field-live"];
    let mut field = log_in(&login_frame(dialled("field-live", field, MARK_INTERVAL)), now()).unwrap();
    let signals = subscribe(&one("signal/fr.idf.75.paris"), "");
    assert_eq!(ask(&mut field, &signals).unwrap_err(), (Code::NotGranted, Some(8)), "it may send, not hear");
}

#[test]
fn other_requests_are_read_and_bounded() {
    let mut session = town();
    let history = |limit: u32| {
        format!(
            r#"{{"op":"history","n":9,"channels":["alert/fr.idf.75.paris"],"after":"start","limit":{limit}}}"#
        )
    };
    assert!(matches!(ask(&mut session, &history(1)), Ok(Request::History { re: 9, limit: 1, .. })));
    assert!(matches!(ask(&mut session, &history(256)), Ok(Request::History { limit: 256, .. })));
    for limit in [0, 257, u32::MAX] {
        assert_eq!(
            ask(&mut session, &history(limit)).unwrap_err(),
            (Code::MalformedFrame, Some(9)),
            "{limit}"
        );
    }
    let credential = |id| format!(r#"{{"op":"credential","n":10,"id":"{id}"}}"#);
    let (other, own) = (CredentialId::from_bytes([9; 32]), session.chain().leaf().id());
    // Of whom it was given nothing, it learns nothing.
    let unknown = (Code::UnknownCredential, Some(10));
    assert_eq!(ask(&mut session, &credential(other)).unwrap_err(), unknown);
    assert!(session.needs_chain(other));
    for id in [other, own] {
        let asked = ask(&mut session, &credential(id));
        assert!(matches!(asked, Ok(Request::Credential { re: 10, id: asked }) if asked == id));
    }
    let again = login_frame(dialled("town-live", TOWN, MARK_INTERVAL));
    let numbered = again.replacen(r#""op":"login""#, r#""op":"login","n":7"#, 1);
    assert_ne!(numbered, again);
    for again in [again, numbered] {
        assert_eq!(ask(&mut session, &again).unwrap_err(), (Code::UnknownOperation, None));
    }
}

#[test]
fn a_session_remembers_the_last_chains_it_was_given() {
    let mut session = town();
    let id = |number: usize| CredentialId::from_bytes([u8::try_from(number).unwrap(); 32]);
    for number in 0..CHAINS_REMEMBERED {
        assert!(session.needs_chain(id(number)), "{number}");
        assert!(!session.needs_chain(id(number)), "{number}");
    }
    assert!(!session.needs_chain(id(0)), "all of them are remembered");
    assert!(session.needs_chain(id(CHAINS_REMEMBERED)));
    assert!(session.needs_chain(id(0)), "the oldest was forgotten for the newest");
    assert!(!session.needs_chain(id(2)));
}
