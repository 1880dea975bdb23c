//! Tables: this frame, then exactly these deliveries. The relay in them lies in every way that the SDK must see.

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::cap::{Alert, Headline, Urgency};
use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::frame::GapReason;
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::message::{Content, Message};
use vigie_proto::revocation::{self, Statement, Target};
use vigie_proto::severity::Severity;
use vigie_proto::time::Window;
use vigie_proto::verify;

use super::*;
use crate::plane::{Exercise, Live};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const LOG: LogId = LogId::from_bytes([1; 16]);
const OTHER_LOG: LogId = LogId::from_bytes([2; 16]);

fn key(seed: u8) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(&[seed; 32]).unwrap())
}

fn claims(subject: &SigningKey, plane: Plane, at: &str, delegate: u8) -> Claims {
    let grant = |flow| Grant {
        flow,
        at: at.parse().unwrap(),
        publish: Some(Severity::Extreme),
        subscribe: true,
        delegate,
    };
    Claims {
        subject: *subject.public(),
        org: "fr".parse().unwrap(),
        name: at.to_owned(),
        role: Role::Author,
        grants: vec![grant(Flow::Alert), grant(Flow::Signal)],
        plane,
        valid: Window {
            from: NOW.minus(Duration::from_secs(86_400)),
            until: NOW.plus(Duration::from_secs(86_400)),
        },
    }
}

/// A root and one author below it.
struct Author {
    root: Arc<SigningKey>,
    key: Arc<SigningKey>,
    chain: Arc<Chain>,
}

impl Author {
    fn new(seed: u8, plane: Plane, at: &str) -> Self {
        let (root, key) = (key(seed), key(seed + 1));
        let top = Credential::issue_root(&root, &claims(&root, plane, "fr", 1)).unwrap();
        let roots = Roots::new([root.public().thumbprint()]);
        let chain = Chain::verify([&**top.token()], &roots, &NoVerdicts).unwrap();
        let chain = Arc::new(chain.extend(&root, &claims(&key, plane, at, 0)).unwrap());
        Self { root, key, chain }
    }

    fn roots(&self) -> Roots {
        Roots::new([self.root.public().thumbprint()])
    }

    fn tokens(&self) -> Vec<String> {
        self.chain.links().iter().map(|link| link.token().to_string()).collect()
    }

    /// The root revokes this author, from the moment on at which the message at this place was admitted.
    fn revoked_from(&self, seq: u64) -> String {
        let target = Target::Credential(self.chain.leaf().id());
        let statement = Statement { target, from: admitted(seq), number: 1, reason: None };
        revocation::sign(&self.root, &self.chain.links()[0], &statement)
    }

    fn sign(&self, channel: &str, text: &str) -> String {
        self.sign_until(channel, text, NOW.plus(Duration::from_secs(3_600)))
    }

    fn sign_until(&self, channel: &str, text: &str, expires: Timestamp) -> String {
        let channel: vigie_proto::channel::Channel = channel.parse().unwrap();
        let cap = Alert::from_headline(&Headline {
            plane: channel.plane,
            identifier: "1",
            sender: "fr",
            sent: "2026-06-01T10:00:00+02:00",
            language: "fr-FR",
            text,
            severity: Severity::Moderate,
            urgency: Urgency::Immediate,
            area: "fr",
            restriction: None,
        });
        let message = Message {
            channel,
            sent: NOW.minus(Duration::from_secs(3_600)),
            expires,
            severity: Severity::Moderate,
            label: Label::CLEAR,
            replaces: Vec::new(),
            content: Content { cap, original: None },
        };
        verify::sign(&self.key, self.chain.leaf().id(), &message)
    }
}

/// Admitted times that belong to their sequence, so that a table can name places by number alone.
fn admitted(seq: u64) -> Timestamp {
    NOW.minus(Duration::from_secs(1_000)).plus(Duration::from_secs(seq))
}

fn at(log: LogId, seq: u64) -> Cursor {
    Cursor { log, seq: Sequence::new(seq), admitted: admitted(seq) }
}

/// A reader under test, and what it said in words.
struct Case<P>(Reader<P>);

impl<P: OnPlane> Case<P> {
    fn new(roots: Roots, filters: &[&str], start: Start) -> Self {
        let filters = filters.iter().map(|filter| filter.parse().unwrap()).collect();
        Self(Reader::new(roots, "fr".parse().unwrap(), filters, start))
    }

    /// A subscribed session at place 0 of the log.
    fn subscribed(roots: Roots, filters: &[&str]) -> Self {
        let mut case = Self::new(roots, filters, Start::Beginning);
        case.open(LOG, 0);
        case
    }

    fn open(&mut self, log: LogId, seq: u64) -> String {
        let text = self.0.handle_open();
        assert_eq!(self.subscribed_at(log, seq), [""; 0]);
        text
    }

    fn subscribed_at(&mut self, log: LogId, seq: u64) -> Vec<String> {
        let re = self.0.request();
        let seq = Sequence::new(seq);
        self.give(ServerFrame::Subscribed { re, log, seq, head: seq })
    }

    fn chain(&mut self, tokens: &[String]) {
        let chain = tokens.iter().map(|link| link.as_str().into()).collect();
        assert_eq!(self.give(ServerFrame::Chain { chain, re: None }), [""; 0]);
    }

    fn event(&mut self, seq: u64, token: &str) -> Vec<String> {
        self.event_at(seq, admitted(seq), token)
    }

    fn event_at(&mut self, seq: u64, admitted: Timestamp, token: &str) -> Vec<String> {
        self.give(ServerFrame::Event { seq: Sequence::new(seq), admitted, jws: token.into() })
    }

    fn revocation(&mut self, count: u64, seq: u64, token: &str) -> Vec<String> {
        let (seq, admitted) = (Sequence::new(seq), admitted(seq));
        self.give(ServerFrame::Revocation { log: LOG, count, seq, admitted, jws: token.into() })
    }

    fn mark(&mut self, log: LogId, seq: u64, head: u64) -> Vec<String> {
        let (admitted, head) = (admitted(seq), Sequence::new(head));
        self.give(ServerFrame::Mark { log, seq: Sequence::new(seq), admitted, head, now: NOW })
    }

    fn gap(&mut self, reason: GapReason, from: Cursor, to: Cursor) -> Vec<String> {
        let (from, to) = (from.to_string(), to.to_string());
        self.give(ServerFrame::Gap { re: None, reason, from: from.into(), to: to.into() })
    }

    fn give(&mut self, frame: ServerFrame<'_>) -> Vec<String> {
        self.0.handle_frame(frame, NOW).iter().map(in_words).collect()
    }

    fn cursor(&self) -> Option<(LogId, u64)> {
        self.0.cursor().map(|cursor| (cursor.log, cursor.seq.get()))
    }
}

fn in_words<P: OnPlane>(delivery: &Delivery<P>) -> String {
    match delivery {
        Delivery::Message(verified) => {
            let text = verified.message().content.cap.headline("fr").unwrap_or_default();
            let expired = if verified.expired() { " expired" } else { "" };
            format!("{} {text}{expired}", verified.seq())
        }
        Delivery::Disowned(disowned) => {
            let before = if disowned.given_before { " given before" } else { "" };
            format!("disowned at {}{before}", disowned.cursor.seq)
        }
        Delivery::Rotation(rotation) => format!("root handed over to {}", rotation.successor_id()),
        Delivery::Suspect(suspect) => format!("{} suspect {}", suspect.seq, suspect.code),
        Delivery::Gap(gap) => {
            let seq = |cursor: Option<Cursor>| cursor.map(|cursor| cursor.seq.get());
            format!("gap {} {:?} {:?}", gap.reason.as_str(), seq(gap.from), seq(gap.to))
        }
        Delivery::CaughtUp(cursor) => format!("caught up {}", cursor.seq),
    }
}

const NONE: [&str; 0] = [];

#[test]
fn good_events_are_messages_and_the_mark_at_the_head_tells_once() {
    let nation = Author::new(1, Plane::Live, "fr");
    let mut case = Case::<Live>::subscribed(nation.roots(), &["alert/fr.idf.75.paris"]);
    case.chain(&nation.tokens());
    assert_eq!(case.event(1, &nation.sign("alert/fr", "crue")), ["1 crue"]);
    assert_eq!(case.mark(LOG, 3, 9), NONE, "behind");
    assert_eq!(case.event(5, &nation.sign("alert/fr.idf", "vent")), ["5 vent"], "holes are no fault");
    let past = NOW.minus(Duration::from_secs(1));
    assert_eq!(case.event(9, &nation.sign_until("alert/fr", "neige", past)), ["9 neige expired"]);
    assert_eq!(case.mark(LOG, 9, 9), ["caught up 9"]);
    assert_eq!(case.mark(LOG, 10, 10), NONE, "once a subscribe");
    assert_eq!(case.mark(LOG, 4, 4), NONE, "a mark that lags behind");
    assert_eq!(case.cursor(), Some((LOG, 10)));
    case.open(LOG, 10);
    assert_eq!(case.mark(LOG, 10, 10), ["caught up 10"]);
}

#[test]
fn what_was_verified_is_told_with_its_author_and_place() {
    let nation = Author::new(1, Plane::Live, "fr");
    let mut reader = Case::<Live>::subscribed(nation.roots(), &["alert/fr"]);
    reader.chain(&nation.tokens());
    let token = nation.sign("alert/fr", "crue");
    let event =
        ServerFrame::Event { seq: Sequence::new(4), admitted: admitted(4), jws: token.as_str().into() };
    let deliveries = reader.0.handle_frame(event, NOW);
    let [Delivery::Message(verified)] = &deliveries[..] else { panic!("{deliveries:?}") };
    assert_eq!((verified.token(), verified.cursor()), (token.as_str(), at(LOG, 4)));
    assert_eq!((verified.log(), verified.seq(), verified.admitted()), (LOG, Sequence::new(4), admitted(4)));
    assert_eq!(verified.chain(), &nation.chain);
    let author = verified.author();
    assert_eq!((author.name.as_str(), author.org.as_str()), ("fr", "fr"));
    assert_eq!(author.at.iter().map(|at| at.as_str()).collect::<Vec<_>>(), ["fr"], "both grants, one place");
    assert_eq!(author.credential, nation.chain.leaf().id());
    assert!(!verified.expired() && verified.is_expired(verified.message().expires));
}

/// Each lie is a suspect with its code, moves the cursor, and does not spoil what comes after it.
#[test]
fn a_lying_relay_gets_nothing_shown_as_verified() {
    let town = Author::new(1, Plane::Live, "fr.idf");
    let drill = Author::new(1, Plane::Exercise, "fr.idf");
    let foreign = Author::new(11, Plane::Live, "fr.idf");
    let good = town.sign("alert/fr.idf", "crue");
    let cases = [
        ("flipped bit in the signature", flip_last(&good), Code::BadSignature),
        ("relabelled channel", relabel(&good, "alert/fr.idf", "alert/fr.naq"), Code::BadSignature),
        ("cut short", good[..good.len() - 2].to_owned(), Code::MalformedToken),
        ("foreign root", foreign.sign("alert/fr.idf", "faux"), Code::UnknownRoot),
        (
            "chain never given",
            Author::new(21, Plane::Live, "fr").sign("alert/fr", "?"),
            Code::UnknownCredential,
        ),
        ("out of place", town.sign("alert/fr.naq", "faux"), Code::OutOfJurisdiction),
        ("not asked for", town.sign("signal/fr.idf", "autre"), Code::NotSubscribed),
        ("exercise", drill.sign("exercise/alert/fr.idf", "exercice"), Code::WrongPlane),
        ("altered exercise", flip_last(&drill.sign("exercise/alert/fr.idf", "exercice")), Code::WrongPlane),
    ];
    // The root of the drill has the same key; a reader of both planes pins both.
    let roots = Roots::new([town.root.public().thumbprint()]);
    for (lie, token, code) in cases {
        let mut case = Case::<Live>::subscribed(roots.clone(), &["alert/fr.idf.**"]);
        for author in [&town, &drill, &foreign] {
            case.chain(&author.tokens());
        }
        assert_eq!(case.event(1, &token), [format!("1 suspect {code}")], "{lie}");
        assert_eq!(case.cursor(), Some((LOG, 1)), "{lie}: it was given");
        assert_eq!(case.event(2, &good), ["2 crue"], "{lie}: the repaired twin");
    }
    let mut case = Case::<Live>::subscribed(roots, &["alert/fr.idf.**"]);
    case.chain(&town.tokens());
    let too_early = NOW.minus(Duration::from_secs(3_600 + 121));
    assert_eq!(case.event_at(1, too_early, &good), ["1 suspect sent_in_future"], "misdated");
    assert_eq!(case.event_at(2, NOW.plus(Duration::from_secs(7_200)), &good), ["2 suspect expired"]);
    assert_eq!(case.event(3, &good), ["3 crue"], "a suspect is no delivery");
}

fn flip_last(token: &str) -> String {
    // The last character carries two bits of the signature and four that must be zero.
    let flipped = match token.chars().last().unwrap() {
        'A' => 'Q',
        'Q' => 'A',
        'g' => 'w',
        _ => 'g',
    };
    let mut token = token.to_owned();
    token.pop();
    token.push(flipped);
    token
}

fn relabel(token: &str, from: &str, to: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let parts: Vec<&str> = token.split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert!(payload.contains(from));
    let payload = URL_SAFE_NO_PAD.encode(payload.replacen(from, to, 1));
    [parts[0], &payload, parts[2]].join(".")
}

#[test]
fn a_message_is_delivered_once_and_a_replay_is_told() {
    let nation = Author::new(1, Plane::Live, "fr");
    let (crue, vent, neige) =
        (nation.sign("alert/fr", "crue"), nation.sign("alert/fr", "vent"), nation.sign("alert/fr", "neige"));
    let mut case = Case::<Live>::subscribed(nation.roots(), &["alert/fr"]);
    case.chain(&nation.tokens());
    assert_eq!(case.event(1, &crue), ["1 crue"]);
    assert_eq!(case.event(2, &crue), NONE, "the body of 1 under 2");
    assert_eq!(case.event(3, &vent), ["3 vent"]);
    assert_eq!(case.event(1, &crue), NONE, "an earlier event again");
    assert_eq!(case.event(3, &neige), ["3 suspect malformed_frame"], "another body under 3");
    assert_eq!(case.event(2, &neige), ["2 suspect malformed_frame"], "a body slipped in behind");
    assert_eq!(case.cursor(), Some((LOG, 3)), "never backwards");
    assert_eq!(case.event(4, &neige), ["4 neige"]);
}

#[test]
fn an_exercise_reader_hears_exercises_and_no_live_message() {
    let drill = Author::new(1, Plane::Exercise, "fr");
    let live = Author::new(1, Plane::Live, "fr");
    let mut case = Case::<Exercise>::subscribed(drill.roots(), &["exercise/alert/fr"]);
    case.chain(&drill.tokens());
    case.chain(&live.tokens());
    assert_eq!(case.event(1, &drill.sign("exercise/alert/fr", "crue")), ["1 crue"]);
    assert_eq!(case.event(2, &live.sign("alert/fr", "crue")), ["2 suspect wrong_plane"]);
}

#[test]
fn a_bad_chain_is_the_reason_and_never_replaces_a_good_one() {
    let nation = Author::new(1, Plane::Live, "fr");
    let mut bad = nation.tokens();
    bad[1] = flip_last(&bad[1]);
    let token = nation.sign("alert/fr", "crue");
    let mut case = Case::<Live>::subscribed(nation.roots(), &["alert/fr"]);
    case.chain(&bad);
    assert_eq!(case.event(1, &token), ["1 suspect bad_signature"]);
    case.chain(&nation.tokens());
    case.chain(&bad);
    case.chain(&[]);
    case.chain(&["nonsense".to_owned()]);
    assert_eq!(case.event(2, &token), ["2 crue"]);
}

#[test]
fn chains_are_bounded_and_one_that_is_given_again_is_good_again() {
    let nation = Author::new(1, Plane::Live, "fr");
    let mut case = Case::<Live>::subscribed(nation.roots(), &["alert/fr"]);
    case.chain(&nation.tokens());
    let top = Chain::verify([nation.tokens()[0].as_str()], &nation.roots(), &NoVerdicts).unwrap();
    for seed in 0..128_u8 {
        let subject = key(100_u8.wrapping_add(seed));
        let other = top.extend(&nation.root, &claims(&subject, Plane::Live, "fr.idf", 0)).unwrap();
        let tokens: Vec<_> = other.links().iter().map(|link| link.token().to_string()).collect();
        case.chain(&tokens);
    }
    let token = nation.sign("alert/fr", "crue");
    assert_eq!(case.event(1, &token), ["1 suspect unknown_credential"], "forgotten");
    case.chain(&nation.tokens());
    assert_eq!(case.event(2, &token), ["2 crue"]);
}

#[test]
fn a_new_session_goes_on_where_the_last_one_ended() {
    let nation = Author::new(1, Plane::Live, "fr");
    let mut case = Case::<Live>::new(nation.roots(), &["alert/fr", "signal/fr.**"], Start::Beginning);
    let start = r#"{"op":"subscribe","n":1,"channels":["alert/fr","signal/fr.**"],"after":"start"}"#;
    assert_eq!(case.open(LOG, 0), start);
    case.chain(&nation.tokens());
    let (crue, vent) = (nation.sign("alert/fr", "crue"), nation.sign("alert/fr", "vent"));
    assert_eq!(case.event(7, &crue), ["7 crue"]);
    let resumed = case.0.handle_open();
    assert_eq!(resumed, start.replace("\"n\":1", "\"n\":2").replace("start", &at(LOG, 7).to_string()));
    // Until the subscription is answered nothing is of it: a mark here would skip what is still to come.
    assert_eq!(case.mark(LOG, 20, 20), NONE);
    assert_eq!(case.event(20, &vent), NONE);
    let stale_answer =
        ServerFrame::Subscribed { re: 1, log: LOG, seq: Sequence::new(20), head: Sequence::new(20) };
    assert_eq!(case.give(stale_answer), NONE);
    assert_eq!(case.mark(LOG, 20, 20), NONE);
    assert_eq!(case.cursor(), Some((LOG, 7)));
    assert_eq!(case.subscribed_at(LOG, 7), NONE);
    assert_eq!(case.event(8, &vent), ["8 vent"]);
}

#[test]
fn another_log_is_a_gap_and_duplicates_fall_out_of_it() {
    let nation = Author::new(1, Plane::Live, "fr");
    let (crue, vent) = (nation.sign("alert/fr", "crue"), nation.sign("alert/fr", "vent"));
    // The relay may tell the gap before or after it answers the subscription.
    for gap_first in [true, false] {
        let mut case = Case::<Live>::subscribed(nation.roots(), &["alert/fr"]);
        case.chain(&nation.tokens());
        assert_eq!(case.event(50, &crue), ["50 crue"]);
        case.0.handle_open();
        if !gap_first {
            case.subscribed_at(OTHER_LOG, 3);
        }
        let told = case.gap(GapReason::OtherLog, at(LOG, 50), at(OTHER_LOG, 3));
        assert_eq!(told, ["gap other_log Some(50) Some(3)"]);
        assert_eq!(case.cursor(), Some((LOG, 50)), "a gap moves no cursor");
        if gap_first {
            case.subscribed_at(OTHER_LOG, 3);
        }
        assert_eq!(case.event(4, &crue), NONE, "known from the other log");
        assert_eq!(case.event(5, &vent), ["5 vent"]);
        assert_eq!(case.mark(LOG, 60, 60), NONE, "a mark of another log");
        assert_eq!(case.cursor(), Some((OTHER_LOG, 5)));
    }
}

#[test]
fn a_cursor_ahead_of_the_log_goes_back_and_broken_cursors_are_told() {
    let nation = Author::new(1, Plane::Live, "fr");
    let mut case = Case::<Live>::subscribed(nation.roots(), &["alert/fr"]);
    case.chain(&nation.tokens());
    assert_eq!(case.mark(LOG, 50, 50), ["caught up 50"]);
    case.0.handle_open();
    assert_eq!(case.gap(GapReason::Ahead, at(LOG, 50), at(LOG, 9)), ["gap ahead Some(50) Some(9)"]);
    case.subscribed_at(LOG, 9);
    assert_eq!(case.event(10, &nation.sign("alert/fr", "crue")), ["10 crue"]);
    let broken =
        ServerFrame::Gap { re: None, reason: GapReason::Damaged, from: "start".into(), to: "?".into() };
    assert_eq!(case.give(broken), ["gap damaged None None"]);
    assert_eq!(case.event(11, &nation.sign("alert/fr", "vent")), ["11 vent"]);
}

#[test]
fn what_was_admitted_since_is_disowned_once_and_a_forged_revocation_changes_nothing() {
    let nation = Author::new(1, Plane::Live, "fr");
    let mut case = Case::<Live>::subscribed(nation.roots(), &["alert/fr"]);
    case.chain(&nation.tokens());
    assert_eq!(case.event(1, &nation.sign("alert/fr", "un")), ["1 un"]);
    assert_eq!(case.event(2, &nation.sign("alert/fr", "deux")), ["2 deux"]);
    let revocation = nation.revoked_from(2);
    assert_eq!(
        case.revocation(1, 3, &revocation),
        ["3 suspect unknown_credential"],
        "its issuer's chain is not known"
    );
    case.chain(&nation.tokens()[..1]);
    let (signed, signature) = revocation.rsplit_once('.').unwrap();
    let other: String = signature.chars().rev().collect();
    let told = case.revocation(1, 3, &format!("{signed}.{other}"));
    assert!(told[0].starts_with("3 suspect"), "{told:?}");
    // Whoever says it, only those above the author can.
    let stranger = Author::new(5, Plane::Live, "fr");
    let target = Target::Credential(nation.chain.leaf().id());
    let statement = Statement { target, from: admitted(1), number: 1, reason: None };
    let beside = revocation::sign(&stranger.key, stranger.chain.leaf(), &statement);
    case.chain(&stranger.tokens());
    assert_eq!(case.revocation(1, 3, &beside), ["3 suspect unknown_root"]);
    assert_eq!(case.0.held_revocations(), None);
    assert_eq!(case.event(3, &nation.sign("alert/fr", "trois")), ["3 trois"]);
    let mut told = case.revocation(1, 3, &revocation);
    told.sort();
    assert_eq!(told, ["disowned at 3 given before", "disowned at 3 given before"]);
    assert_eq!(case.0.held_revocations(), Some(HeldRevocations { log: LOG, count: 1 }));
    assert_eq!(case.revocation(1, 3, &revocation), NONE, "told once");
    assert_eq!(case.event(4, &nation.sign("alert/fr", "quatre")), ["disowned at 4"]);
    // Over reconnections too, and from the same log nothing comes twice.
    case.open(LOG, 4);
    assert_eq!(case.event(5, &nation.sign("alert/fr", "quatre")), NONE);
    assert_eq!(case.event(6, &nation.sign("alert/fr", "six")), ["disowned at 6"]);
}
