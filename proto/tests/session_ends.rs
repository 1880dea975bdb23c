//! What ends a session, or one of the other chains of its key: a revocation, other roots, time. And the revocations that a
//! session brings: its own, and those that somebody else signed on a machine without a network.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::frame::{ClientFrame, FromRelay, HeldRevocations, ServerFrame};
use vigie_proto::id::{LogId, Nonce};
use vigie_proto::key::SigningKey;
use vigie_proto::limits::{CHAIN_LINKS_MAX, MARK_INTERVAL};
use vigie_proto::login::Binding;
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, InForce, Revocations, Statement, Target};
use vigie_proto::session::client::{Dialled, Login, LoginEnded, Step};
use vigie_proto::session::relay::{AwaitLogin, LoggedIn, Request, Rules};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn key(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_seed(&seed).unwrap()
}

fn claims(subject: &str, plane: Plane, role: Role, hours: u32, delegate: u8) -> Claims {
    let (flow, at, publish) = (Flow::Alert, "fr".parse().unwrap(), Some(Severity::Extreme));
    let grant = Grant { flow, at, publish, subscribe: true, delegate };
    Claims {
        subject: *key(subject).public(),
        org: "fr".parse().unwrap(),
        name: subject.to_owned(),
        role,
        grants: if role == Role::Author { vec![grant] } else { Vec::new() },
        plane,
        valid: Window { from: NOW.minus(HOUR), until: NOW.plus(HOUR * hours) },
    }
}

fn rooted(root: &str, plane: Plane) -> Chain {
    let link = Credential::issue_root(&key(root), &claims(root, plane, Role::Author, 9, 7)).unwrap();
    Chain::verify([&**link.token()], &Roots::new([key(root).public().thumbprint()]), &NoVerdicts).unwrap()
}

fn below(above: &Chain, holder: &str, claims: Claims) -> Arc<Chain> {
    Arc::new(above.extend(&key(holder), &claims).unwrap())
}

/// Root, nation and town on the live plane: the town's chain ends after so many hours.
fn town(root: &str, hours: u32) -> (Arc<Chain>, Arc<Chain>) {
    let root_chain = rooted(root, Plane::Live);
    let nation = below(&root_chain, root, claims("nation", Plane::Live, Role::Author, 8, 1));
    let town = below(&nation, "nation", claims("town", Plane::Live, Role::Author, hours, 0));
    (nation, town)
}

fn roots(names: &[&str]) -> Roots {
    Roots::new(names.iter().map(|name| key(name).public().thumbprint()))
}

fn rules(names: &[&str]) -> Rules {
    Rules::new(roots(names), vec!["relay".to_owned()])
}

const HELD: HeldRevocations = HeldRevocations { log: LogId::from_bytes([9; 16]), count: 7 };

fn logged_in(chain: &Arc<Chain>, rules: &Rules) -> LoggedIn {
    let waiting = AwaitLogin::new(Nonce::from_bytes([5; 32]), Binding::Certificate([3; 32]), NOW);
    let mut client = Login::new(Dialled {
        key: Arc::new(key("town")),
        chain: Arc::clone(chain),
        relay: "relay".to_owned(),
        binding: Binding::Certificate([3; 32]),
        mark_interval: MARK_INTERVAL,
        revocations: Some(HELD),
    });
    let Step::Send(text) = client.handle_frame(&waiting.challenge().to_text()).unwrap() else {
        panic!("no answer to the challenge")
    };
    waiting.handle_frame(&text, rules, &NoVerdicts, &Revocations::default(), NOW).unwrap()
}

fn tokens(chain: &Chain) -> Vec<std::borrow::Cow<'_, str>> {
    chain.links().iter().map(|link| (&**link.token()).into()).collect()
}

fn ask(session: &mut LoggedIn, rules: &Rules, frame: &ClientFrame<'_>) -> Result<Request, Code> {
    session
        .handle_frame(&frame.to_text(), rules, &NoVerdicts, &Revocations::default(), NOW)
        .map_err(|rejection| rejection.refusal.code)
}

fn gives(session: &mut LoggedIn, rules: &Rules, chain: &Chain) -> Result<Request, Code> {
    ask(session, rules, &ClientFrame::Chain { n: 1, chain: tokens(chain) })
}

/// Whether the session still speaks under this chain: a revocation without a chain is taken under one of its own alone.
fn speaks_under(session: &mut LoggedIn, rules: &Rules, chain: &Chain) -> bool {
    let jws = signed(chain, "town", Target::Key(key("town").public().thumbprint()));
    match ask(session, rules, &ClientFrame::Revoke { n: 2, jws: jws.into(), chain: Vec::new() }) {
        Ok(Request::Revoke { re: 2, revocation }) => revocation.chain().leaf().id() == chain.leaf().id(),
        Err(Code::NotAuthor) => false,
        other => panic!("{other:?}"),
    }
}

fn signed(issuer: &Chain, holder: &str, target: Target) -> String {
    revocation::sign(&key(holder), issuer.leaf(), &Statement { target, from: NOW, number: 1, reason: None })
}

fn in_force(issuer: &Arc<Chain>, holder: &str, target: Target) -> InForce {
    InForce::from(&revocation::verify(&signed(issuer, holder, target), issuer).unwrap())
}

#[test]
fn a_session_brings_revocations_of_its_own_and_carries_those_of_others_with_their_chain() {
    let (nation, town) = town("root", 4);
    let exercise = rooted("drill", Plane::Exercise);
    let relay = below(&nation, "nation", claims("relay", Plane::Live, Role::Relay, 2, 0));
    let rules = rules(&["root", "drill"]);
    let mut session = logged_in(&town, &rules);
    assert_eq!(session.held_revocations(), Some(HELD));
    assert!(speaks_under(&mut session, &rules, &town));
    let target = Target::Key(key("town").public().thumbprint());
    let mut brings = |issuer: &Arc<Chain>, holder: &str, chain: Option<&Chain>| {
        let jws = signed(issuer, holder, target);
        let frame = ClientFrame::Revoke { n: 3, jws: jws.into(), chain: chain.map_or_else(Vec::new, tokens) };
        assert!(frame.brings_chain());
        ask(&mut session, &rules, &frame)
    };
    for (issuer, holder, chain, refused) in [
        (&nation, "nation", Some(&*nation), None),
        (&nation, "nation", None, Some(Code::NotAuthor)),
        // Signed by another key than the chain's, and under another credential than it says.
        (&nation, "town", Some(&*nation), Some(Code::BadSignature)),
        (&nation, "nation", Some(&*town), Some(Code::UnknownCredential)),
        (&Arc::new(exercise.clone()), "drill", Some(&exercise), Some(Code::WrongPlane)),
        (&relay, "relay", Some(&*relay), Some(Code::NotGranted)),
    ] {
        match (brings(issuer, holder, chain), refused) {
            (Ok(Request::Revoke { re: 3, revocation }), None) => {
                assert_eq!(revocation.revocation().issuer(), issuer.leaf().id());
            }
            (told, refused) => assert_eq!(told.err(), refused, "{holder}"),
        }
    }
}

#[test]
fn a_revocation_ends_the_session_or_only_another_chain_of_its_key() {
    let (nation, town) = town("root", 4);
    let renewed = below(&nation, "nation", claims("town", Plane::Live, Role::Author, 5, 0));
    let drill = rooted("drill", Plane::Exercise);
    let drill = below(&drill, "drill", claims("town", Plane::Exercise, Role::Author, 2, 0));
    let rules = rules(&["root", "drill"]);
    let mut session = logged_in(&town, &rules);
    assert_eq!(gives(&mut session, &rules, &drill).err(), Some(Code::WrongPlane), "of the same key");
    gives(&mut session, &rules, &renewed).unwrap();
    assert!(speaks_under(&mut session, &rules, &renewed));
    let elsewhere = Target::Key(key("elsewhere").public().thumbprint());
    assert!(!session.handle_revocation(&in_force(&nation, "nation", elsewhere)));
    assert!(speaks_under(&mut session, &rules, &renewed), "it meets nobody here");
    let of_renewed = in_force(&nation, "nation", Target::Credential(renewed.leaf().id()));
    assert!(!session.handle_revocation(&of_renewed), "the chain of the log-in is another");
    assert!(!speaks_under(&mut session, &rules, &renewed) && speaks_under(&mut session, &rules, &town));
    let of_nation = in_force(&nation, "nation", Target::Key(key("nation").public().thumbprint()));
    assert!(session.handle_revocation(&of_nation), "one above it");
}

#[test]
fn other_roots_end_the_session_or_only_another_chain_of_its_key() {
    let (nation, town_chain) = town("root", 4);
    let (_, elsewhere) = town("other", 4);
    let both = rules(&["root", "other"]);
    let fresh = || {
        let mut session = logged_in(&town_chain, &both);
        gives(&mut session, &both, &elsewhere).unwrap();
        session
    };
    let none = Revocations::default();
    let mut session = fresh();
    assert_eq!(session.handle_roots(&roots(&["root", "other"]), &none, NOW), Ok(()));
    assert!(speaks_under(&mut session, &both, &elsewhere));
    assert_eq!(session.handle_roots(&roots(&["root"]), &none, NOW), Ok(()));
    assert!(!speaks_under(&mut session, &both, &elsewhere) && speaks_under(&mut session, &both, &town_chain));
    let refused = |roots: &Roots, known: &Revocations, now: Timestamp| {
        fresh().handle_roots(roots, known, now).unwrap_err().code
    };
    assert_eq!(refused(&roots(&["other"]), &none, NOW), Code::UnknownRoot);
    assert_eq!(refused(&roots(&["root"]), &none, NOW.plus(HOUR * 5)), Code::CredentialExpired);
    let mut known = Revocations::default();
    known.insert(in_force(&nation, "nation", Target::Credential(town_chain.leaf().id())));
    assert_eq!(refused(&roots(&["root"]), &known, NOW), Code::Revoked);
}

#[test]
fn a_relay_that_goes_during_the_log_in_says_so_and_integers_have_a_floor() {
    let (_, town) = town("root", 4);
    let mut client = Login::new(Dialled {
        key: Arc::new(key("town")),
        chain: town,
        relay: "relay".to_owned(),
        binding: Binding::None,
        mark_interval: MARK_INTERVAL,
        revocations: None,
    });
    let Err(LoginEnded::Refused(refusal)) = client.handle_frame(r#"{"op":"going_away","retry_ms":5}"#) else {
        panic!("it is no breach")
    };
    assert_eq!(refusal.code, Code::GoingAway);
    let of_a_later_version =
        |integer: &str| ServerFrame::parse(&format!(r#"{{"op":"weather","at":{integer}}}"#)).map(|_| ());
    assert_eq!(of_a_later_version("-9007199254740991").err(), None);
    assert!(of_a_later_version("-9007199254740992").is_err());
    assert!(matches!(ServerFrame::parse(r#"{"op":"weather"}"#), Ok(FromRelay::Later)));
}

#[test]
fn nothing_is_issued_that_others_would_refuse() {
    let chain = rooted("root", Plane::Live);
    let stranger = chain.extend(&key("nation"), &claims("town", Plane::Live, Role::Author, 2, 0));
    assert_eq!(stranger.unwrap_err().code, Code::BadSignature);
    let mut chain = chain;
    let mut holder = "root".to_owned();
    for link in 1..CHAIN_LINKS_MAX {
        let next = format!("below {link}");
        let delegate = u8::try_from(CHAIN_LINKS_MAX - 1 - link).unwrap();
        chain = chain.extend(&key(&holder), &claims(&next, Plane::Live, Role::Author, 2, delegate)).unwrap();
        holder = next;
    }
    let below = chain.extend(&key(&holder), &claims("one more", Plane::Live, Role::Author, 2, 0));
    assert_eq!(below.unwrap_err().code, Code::TooManyLinks);
}
