//! What the sequencer keeps in the journal when space or time runs out: cancels and urgent messages on a full disk, ids
//! in force and credentials over retention. On a simulated disk, with real messages.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::admit::Stored;
use vigie_proto::cap::{self, Headline, MsgType, Urgency};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::id::{LogId, Nonce};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::login::Binding;
use vigie_proto::message::{Content, Message};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{self, Target};
use vigie_proto::session::relay::Rules;
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify::{self, VerifiedMessage};
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::journal::JournalConfig;
use vigie_relay::journal::Storage as _;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::sequencer::{Answer, Sequencer, Statement, Submission, Ticket};
use vigie_relay::worker::{SessionId, Worker, WorkerConfig};

const START: Timestamp = Timestamp::from_millis(1_763_700_000_000);
const SEGMENT_BYTES: u64 = 32 * 1024;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Someone who may say everything in `fr`.
struct Author {
    key: SigningKey,
    chain: Arc<Chain>,
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number ^ 0x5A; 32]).unwrap()
}

fn claims(key: &SigningKey, delegate: u8, days: u32) -> Claims {
    let grant = Grant {
        flow: Flow::Alert,
        at: "fr".parse().unwrap(),
        publish: Some(Severity::Extreme),
        subscribe: true,
        delegate,
    };
    Claims {
        subject: *key.public(),
        org: "fr.etat".parse().unwrap(),
        name: "etat".to_owned(),
        role: Role::Author,
        grants: vec![grant],
        plane: Plane::Live,
        valid: Window { from: START.minus(HOUR), until: START.plus(DAY * days) },
    }
}

/// A credential that the root issued to itself for so many days.
fn root(days: u32) -> Chain {
    let root = Credential::issue_root(&key(0), &claims(&key(0), 2, days)).unwrap();
    let roots = Roots::new([key(0).public().thumbprint()]);
    Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap()
}

fn below(above: &Chain, by: u8, number: u8, delegate: u8, days: u32) -> Author {
    let chain = Arc::new(above.extend(&key(by), &claims(&key(number), delegate, days)).unwrap());
    Author { key: key(number), chain }
}

/// The authors of one chain of command, told apart by their keys.
fn authors(count: u8) -> Vec<Author> {
    let root = root(1_000);
    (1..=count).map(|number| below(&root, 0, number, 0, 1_000)).collect()
}

impl Author {
    fn message(
        &self,
        text: &str,
        sent: Timestamp,
        change: impl FnOnce(&mut Message),
    ) -> Box<VerifiedMessage> {
        let headline = Headline {
            plane: Plane::Live,
            identifier: "essai-1",
            sender: "essais@vigie.example",
            sent: "2026-11-21T12:00:00+01:00",
            language: "fr-FR",
            text,
            severity: Severity::Minor,
            urgency: Urgency::Future,
            area: "Zone d'essai",
            restriction: None,
        };
        let mut message = Message {
            channel: "alert/fr".parse().unwrap(),
            sent,
            expires: sent.plus(HOUR),
            severity: Severity::Minor,
            label: Label::CLEAR,
            replaces: Vec::new(),
            content: Content { cap: cap::Alert::from_headline(&headline), original: None },
        };
        change(&mut message);
        let token = verify::sign(&self.key, self.chain.leaf().id(), &message);
        Box::new(verify::verify(&token, &self.chain, MESSAGE_LIFETIME_MAX).unwrap())
    }
}

impl Author {
    /// The revocation of its own key.
    fn revokes_itself(&self, number: u64) -> Statement {
        self.revokes(Target::Key(self.key.public().thumbprint()), number)
    }

    fn revokes(&self, target: Target, number: u64) -> Statement {
        let statement = revocation::Statement { target, from: START, number, reason: None };
        let token = revocation::sign(&self.key, self.chain.leaf(), &statement);
        Statement::Revocation(Box::new(revocation::verify(&token, &self.chain).unwrap()))
    }
}

/// A sequencer, and somebody who publishes through it.
struct Desk {
    sequencer: Sequencer<SimDisk>,
    disk: SimDisk,
    session: SessionId,
}

impl Desk {
    fn open(disk: &SimDisk, retain_age: Duration, now: Timestamp) -> Self {
        let disk = disk.restart();
        let mut config = JournalConfig::new();
        config.segment_bytes = SEGMENT_BYTES;
        config.retain_age = retain_age;
        let log = LogId::from_bytes([7; 16]);
        let sequencer = Sequencer::open(disk.clone(), config, log, now, 1).unwrap();
        let rules = Rules::new(Roots::new([]), Vec::new());
        let config = WorkerConfig::new(0, Arc::new(rules), log);
        let mut worker = Worker::new(
            config,
            sequencer.chains(),
            sequencer.revocations(),
            Arc::<SharedVerdicts>::default(),
            sequencer.head(),
        );
        let session = worker.accept(Nonce::from_bytes([1; 32]), Binding::None, now);
        Self { sequencer, disk, session }
    }

    fn publish(&mut self, messages: &[&VerifiedMessage], now: Timestamp) -> Vec<Answer> {
        let ticket = Ticket { worker: 0, session: self.session, re: 1 };
        let submission = |message: &&VerifiedMessage| {
            let statement = Statement::Message(Box::new((*message).clone()));
            Submission { ticket, statement }
        };
        self.sequencer.commit(&messages.iter().map(submission).collect::<Vec<_>>(), Ok(now)).unwrap().answers
    }

    fn ask(&mut self, statement: Statement, now: Timestamp) -> Result<Stored, Refusal> {
        let ticket = Ticket { worker: 0, session: self.session, re: 1 };
        match self.sequencer.commit(&[Submission { ticket, statement }], Ok(now)) {
            Ok(committed) => committed.answers[0].outcome.clone(),
            Err(error) => panic!("the journal gave up: {error}"),
        }
    }

    /// Publishes until the disk is full.
    fn fill(&mut self, author: &Author) -> usize {
        for number in 0..10_000 {
            let message = author.message(&format!("plein {number}"), START, |_| {});
            if is_full(&self.publish(&[&message], START)[0]) {
                return number;
            }
        }
        panic!("the disk is never full");
    }

    /// Takes steps of retention until nothing is due.
    fn retain(&mut self, now: Timestamp) {
        while self.sequencer.retain(now).unwrap() {}
    }

    /// The signed links of the chain under which an author's messages are given to readers.
    fn chain_of(&self, author: &Author) -> Option<usize> {
        self.sequencer.chains().chain(author.chain.leaf().id()).map(|links| links.len())
    }
}

fn is_full(answer: &Answer) -> bool {
    matches!(&answer.outcome, Err(refusal) if refusal.code == Code::Full)
}

/// One damaged byte in the one record of a credential took from every message under it what it is verified with.
#[test]
fn damage_to_any_credential_leaves_the_messages_their_chain() {
    let disk = SimDisk::new();
    let author = authors(1).remove(0);
    let mut desk = Desk::open(&disk, DAY, START);
    for number in 0..200 {
        let message = author.message(&format!("n° {number}"), START, |_| {});
        desk.publish(&[&message], START);
    }
    desk.sequencer.rest().unwrap();
    let closed = desk.disk.restart();
    let links: Vec<_> = author.chain.links().iter().map(|link| link.token().to_string()).collect();
    let mut copies = 0;
    for name in closed.names().unwrap().into_iter().filter(|name| name.ends_with(".vigie")) {
        let content = closed.content(&name).unwrap();
        for link in &links {
            let places: Vec<_> = content
                .windows(link.len())
                .enumerate()
                .filter(|(_, bytes)| *bytes == link.as_bytes())
                .collect();
            for (place, _) in places {
                let damaged = closed.restart();
                let mut bytes = content.clone();
                bytes[place + 10] ^= 1;
                damaged.set_content(&name, bytes);
                let desk = Desk::open(&damaged, DAY, START);
                assert!(!desk.sequencer.journal().damage().is_empty(), "{name} at {place}");
                assert_eq!(desk.chain_of(&author), Some(2), "{name} at {place}");
                copies += 1;
            }
        }
    }
    assert!(copies > 8, "{copies} copies of 2 links");
}

/// One damaged byte in the one record of a revocation, or of its issuer's credential, let the thief in again at the next
/// start.
#[test]
fn damage_to_any_record_of_a_revocation_lets_nobody_in() {
    let disk = SimDisk::new();
    let all = authors(2);
    let [steady, thief] = &all[..] else { unreachable!("two authors") };
    let mut desk = Desk::open(&disk, DAY, START);
    let revocation = thief.revokes_itself(1);
    let Statement::Revocation(verified) = &revocation else { unreachable!("made as one") };
    let token = verified.revocation().token().to_string();
    desk.ask(revocation, START).unwrap();
    for number in 0..30 {
        desk.publish(&[&steady.message(&format!("n° {number}"), START, |_| {})], START);
    }
    desk.sequencer.rest().unwrap();
    let closed = desk.disk.restart();
    let issuer = thief.chain.leaf().token().to_string();
    let mut copies = Vec::new();
    for name in closed.names().unwrap().into_iter().filter(|name| name.ends_with(".vigie")) {
        let content = closed.content(&name).unwrap();
        for wanted in [&token, &issuer] {
            let is_it = |(_, bytes): &(usize, &[u8])| *bytes == wanted.as_bytes();
            let places = content.windows(wanted.len()).enumerate().filter(is_it).map(|(place, _)| place);
            copies.extend(places.map(|place| (name.clone(), place)));
        }
    }
    assert!(copies.len() >= 4, "both stand twice: {copies:?}");
    for (name, place) in copies {
        let damaged = closed.restart();
        let mut bytes = closed.content(&name).unwrap();
        bytes[place + 10] ^= 1;
        damaged.set_content(&name, bytes);
        let mut desk = Desk::open(&damaged, DAY, START);
        let refused = desk.publish(&[&thief.message("encore", START, |_| {})], START).remove(0).outcome;
        assert_eq!(refused.unwrap_err().code, Code::Revoked, "{name} at {place}");
    }
}

#[test]
fn on_a_full_disk_what_takes_back_corrects_or_is_urgent_goes_through() {
    let disk = SimDisk::new();
    let (author, other) = {
        let mut both = authors(2);
        (both.remove(0), both.remove(0))
    };
    let mut desk = Desk::open(&disk, DAY, START);
    desk.sequencer.rest().unwrap();
    desk.disk.set_room(Some(4 * SEGMENT_BYTES));
    let first = author.message("premier", START, |_| {});
    desk.publish(&[&first], START);
    assert!(desk.fill(&author) > 10);

    let usual = author.message("ordinaire", START, |_| {});
    let cancel = author.message("annulation", START, |message| {
        message.content.cap.msg_type = MsgType::Cancel;
        message.content.cap.references =
            Some("essais@vigie.example,essai-1,2026-11-21T12:00:00+01:00".to_owned());
    });
    let update = author.message("mise à jour", START, |message| message.replaces = vec![first.id()]);
    let urgent = other.message("inondation", START, |message| {
        message.severity = Severity::Severe;
        message.content.cap.info[0].urgency = Urgency::Expected;
    });
    let grave_but_later = author.message("crue lente", START, |message| message.severity = Severity::Extreme);
    let soon_but_minor =
        author.message("verglas", START, |message| message.content.cap.info[0].urgency = Urgency::Immediate);

    // In one batch, the same bytes twice, and something that is known.
    let batch: [&VerifiedMessage; 8] =
        [&usual, &cancel, &update, &grave_but_later, &urgent, &soon_but_minor, &cancel, &first];
    let answers = desk.publish(&batch, START);
    let full: Vec<_> = answers.iter().map(is_full).collect();
    assert_eq!(full, [true, false, false, true, false, true, false, false]);
    assert_eq!(answers[1].outcome, answers[6].outcome);
    let places: Vec<_> =
        [1, 2, 4].into_iter().map(|at| answers[at].outcome.as_ref().unwrap().seq.get()).collect();
    assert_eq!(places, [places[0], places[0] + 1, places[0] + 2]);

    // They are on disk, with the chain that one of them brought; with room again the rest comes in.
    let mut desk = Desk::open(&desk.disk, DAY, START);
    assert_eq!(
        desk.publish(&[&cancel, &update, &urgent], START).iter().filter(|one| is_full(one)).count(),
        0
    );
    assert_eq!(desk.sequencer.head().seq.get(), places[2], "known already");
    assert_eq!(desk.chain_of(&other), Some(2));
    assert!(is_full(&desk.publish(&[&usual], START)[0]));
    desk.disk.set_room(None);
    assert!(!is_full(&desk.publish(&[&usual], START)[0]));
}

/// A revocation that finds no room has not happened: nobody is refused for good because of it.
#[test]
fn who_was_revoked_by_what_found_no_room_is_not_refused_for_good() {
    let disk = SimDisk::new();
    let [author, other] = <[Author; 2]>::try_from(authors(2)).ok().unwrap();
    let mut desk = Desk::open(&disk, DAY, START);
    desk.sequencer.rest().unwrap();
    desk.disk.set_room(Some(4 * SEGMENT_BYTES));
    desk.fill(&other);
    // The reserve too.
    let urgent = |number: usize| {
        other.message(&format!("urgence {number}"), START, |message| {
            message.severity = Severity::Severe;
            message.content.cap.info[0].urgency = Urgency::Expected;
        })
    };
    assert!((0..100_000).any(|number| is_full(&desk.publish(&[&urgent(number)], START)[0])));
    let message = author.message("encore là", START, |_| {});
    let ticket = Ticket { worker: 0, session: desk.session, re: 1 };
    let batch = [2, 1].map(|number| author.revokes_itself(number)).into_iter();
    let batch = batch.chain([Statement::Message(message.clone())]);
    let batch: Vec<_> = batch.map(|statement| Submission { ticket, statement }).collect();
    let answers = desk.sequencer.commit(&batch, Ok(START)).unwrap().answers;
    assert!(answers.iter().all(is_full), "{answers:?}");
    desk.disk.set_room(None);
    assert!(desk.publish(&[&message], START)[0].outcome.is_ok());
}

#[test]
fn rest_and_close_on_a_full_disk_are_no_failure() {
    let disk = SimDisk::new();
    let author = authors(1).remove(0);
    let mut desk = Desk::open(&disk, DAY, START);
    desk.disk.set_room(Some(2 * SEGMENT_BYTES));
    desk.fill(&author);
    for _ in 0..3 {
        desk.sequencer.rest().unwrap();
    }
    desk.sequencer.close().unwrap();
}

/// A replay stays known over retention, also over one that takes what was carried on, and over a start.
#[test]
fn retention_lets_no_replay_in() {
    let disk = SimDisk::new();
    let author = authors(1).remove(0);
    let mut desk = Desk::open(&disk, DAY, START);
    let long = author.message("longue", START, |message| message.expires = START.plus(DAY * 6));
    let short = author.message("courte", START, |_| {});
    let receipt = desk.publish(&[&long, &short], START)[0].outcome.clone().unwrap();
    for day in 1..=5_u32 {
        let now = START.plus(DAY * day).plus(HOUR);
        for number in 0..40 {
            let message = author.message(&format!("jour {day}, {number}"), now, |_| {});
            desk.publish(&[&message], now);
        }
        desk.sequencer.rest().unwrap();
        desk.retain(now);
        let again = desk.publish(&[&long], now);
        assert_eq!(again[0].outcome, Ok(receipt), "day {day}");
        desk = Desk::open(&desk.disk, DAY, now);
        assert_eq!(desk.publish(&[&long], now)[0].outcome, Ok(receipt), "day {day}, after a start");
    }
    assert!(desk.sequencer.journal().first_seq() > receipt.seq, "its message has gone long ago");
    let before_its_end = START.plus(DAY * 6).plus(Duration::from_secs(119));
    assert_eq!(desk.publish(&[&long], before_its_end)[0].outcome, Ok(receipt));
    let refused = desk.publish(&[&short], before_its_end).remove(0).outcome.unwrap_err();
    assert_eq!(refused.code, Code::Expired);
}

/// The chain of a message that stays is served although the segment that brought it has gone; that of an author of whom
/// nothing stays is given up, and comes again with the next message.
#[test]
fn retention_keeps_the_chains_that_are_needed() {
    let disk = SimDisk::new();
    let all = authors(3);
    let [steady, silent, returning] = &all[..] else { unreachable!("three authors") };
    let mut desk = Desk::open(&disk, DAY, START);
    for author in &all {
        desk.publish(&[&author.message("bonjour", START, |_| {})], START);
    }
    for day in 1..=6_u32 {
        let now = START.plus(DAY * day).plus(HOUR);
        for number in 0..40 {
            desk.publish(&[&steady.message(&format!("jour {day}, {number}"), now, |_| {})], now);
        }
        desk.retain(now);
        if day == 5 {
            assert_eq!(desk.chain_of(returning), None);
            desk.publish(&[&returning.message("revenu", now, |_| {})], now);
        }
        for _ in 0..2 {
            assert_eq!(desk.chain_of(steady), Some(2), "day {day}");
            assert_eq!(desk.chain_of(silent).is_some(), desk.sequencer.journal().first_seq().get() <= 2);
            assert!(day < 5 || desk.chain_of(returning) == Some(2));
            desk = Desk::open(&desk.disk, DAY, now);
        }
    }
    assert_eq!((desk.chain_of(silent), desk.chain_of(returning)), (None, Some(2)));
}

/// A revocation holds over retention and starts, with the chain of its issuer, of whom no message stays; and its number is
/// not taken again.
#[test]
fn retention_carries_revocations_with_the_chain_of_their_issuer() {
    let disk = SimDisk::new();
    let all = authors(2);
    let [steady, thief] = &all[..] else { unreachable!("two authors") };
    let mut desk = Desk::open(&disk, DAY, START);
    desk.publish(&[&thief.message("avant", START, |_| {})], START);
    let revoke = |number| thief.revokes_itself(number);
    let ask = |desk: &mut Desk, statement: Statement, now: Timestamp| desk.ask(statement, now);
    let first = ask(&mut desk, revoke(3), START).unwrap();
    let code = |outcome: Result<_, Refusal>| outcome.map(drop).unwrap_err().code;
    for day in 1..=5_u32 {
        let now = START.plus(DAY * day).plus(HOUR);
        for number in 0..40 {
            desk.publish(&[&steady.message(&format!("jour {day}, {number}"), now, |_| {})], now);
        }
        desk.retain(now);
        for _ in 0..2 {
            let refused = desk.publish(&[&thief.message("encore", now, |_| {})], now).remove(0).outcome;
            assert_eq!(code(refused), Code::Revoked, "day {day}");
            assert_eq!(ask(&mut desk, revoke(3), now), Ok(first), "the first answer stands");
            assert_eq!(code(ask(&mut desk, revoke(4), now)), Code::Revoked, "who is revoked revokes nobody");
            assert_eq!(desk.chain_of(thief), Some(2), "readers verify it");
            assert_eq!(desk.sequencer.revocations().last(Plane::Live), 1);
            desk = Desk::open(&desk.disk, DAY, now);
        }
    }
    assert!(desk.sequencer.journal().first_seq().get() > 1, "the thief's message has gone long ago");
}

/// The key of a nation stands above a thief's credential under a new credential of the nation; what it signed under the old one
/// ends him for good, and not until that one, or the root above it, has ended.
#[test]
fn what_was_signed_under_a_credential_that_has_ended_holds_on() {
    let old = below(&root(2), 0, 1, 1, 2);
    let new = below(&root(1_000), 0, 1, 1, 1_000);
    let thief = below(&new.chain, 1, 2, 0, 1_000);
    let mut desk = Desk::open(&SimDisk::new(), DAY, START);
    let target = Target::Credential(thief.chain.leaf().id());
    desk.ask(old.revokes(target, 1), START).unwrap();
    for day in [1, 3, 400] {
        let now = START.plus(DAY * day);
        for number in 0..40 {
            desk.publish(&[&new.message(&format!("jour {day}, {number}"), now, |_| {})], now);
        }
        desk.retain(now);
        for _ in 0..2 {
            let refused = desk.publish(&[&thief.message("encore", now, |_| {})], now).remove(0).outcome;
            assert_eq!(refused.map(drop).unwrap_err().code, Code::Revoked, "day {day}");
            assert_eq!(desk.chain_of(&old), Some(2), "readers verify it");
            desk = Desk::open(&desk.disk, DAY, now);
        }
    }
}
