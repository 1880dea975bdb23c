//! Revocations hold in whatever order they come: the relay ends with the same ones in force, and readers take back the same
//! messages.
//!
//! The parts of both, driven by calls: every order of a small set at a relay, one by one and in one batch, with a new start
//! after each; and for a reader every order of the set among the messages that it disowns.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]
#![allow(clippy::print_stdout, reason = "the counts are the result")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use vigie_client::proto::frame::Start;
use vigie_client::{Delivery, Live, Reader};
use vigie_proto::admit::Stored;
use vigie_proto::chain::{Chain, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::frame::ServerFrame;
use vigie_proto::id::{LogId, MessageId, Nonce, RevocationId, Sequence};
use vigie_proto::key::SigningKey;
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::login::Binding;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{self, KnownRevocations as _, Statement, Target, VerifiedRevocation};
use vigie_proto::session::relay::Rules;
use vigie_proto::severity::Severity::Minor;
use vigie_proto::time::Timestamp;
use vigie_proto::verify;
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::journal::JournalConfig;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::sequencer::{Sequencer, Statement as Said, Submission, Ticket};
use vigie_relay::worker::{SessionId, Worker, WorkerConfig};
use vigie_tests::world::{Command, Person, claims, grant, now};

const PARIS: &str = "alert/fr.idf.75.paris";
const LOG: LogId = LogId::from_bytes([3; 16]);
const SECOND: Duration = Duration::from_secs(1);

/// Every order of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let put = |shorter: Vec<usize>| {
        (0..count).map(move |at| [&shorter[..at], &[count - 1], &shorter[at..]].concat())
    };
    orders(count - 1).into_iter().flat_map(put).collect()
}

/// People, what the town said, and what was revoked after it.
struct Story {
    live: Command,
    roots: Roots,
    begin: Timestamp,
    /// By the town but for the last, at each ten seconds from the beginning.
    messages: Vec<String>,
    revocations: Vec<VerifiedRevocation>,
}

/// A revocation of the town, from so many seconds after the beginning.
fn revoke(by: &Person, target: Target, from: Timestamp, number: u64) -> VerifiedRevocation {
    let token = revocation::sign(&by.key, by.chain.leaf(), &Statement { target, from, number, reason: None });
    revocation::verify(&token, &by.chain).unwrap()
}

impl Story {
    fn new(revoked: impl FnOnce(&Command, Timestamp) -> Vec<VerifiedRevocation>) -> Self {
        let live = Command::new(Plane::Live);
        let begin = now();
        let say = |person: &Person, text: &str| person.say(PARIS, text, Minor);
        let mut messages: Vec<String> = ["un", "deux"].iter().map(|text| say(&live.town, text)).collect();
        messages.push(say(&live.region, "trois"));
        let revocations = revoked(&live, begin);
        Self { roots: Roots::new([live.root.key.public().thumbprint()]), live, begin, messages, revocations }
    }

    fn at(&self, place: usize) -> Timestamp {
        self.begin.plus(SECOND * 10 * u32::try_from(place).unwrap())
    }

    /// Whether this is a token of somebody under one of the roots, or no revocation.
    fn heeds(&self, token: &str) -> bool {
        let mut revocations = self.revocations.iter();
        let found = revocations.find(|one| &**one.revocation().token() == token);
        found.is_none_or(|one| one.chain().under(&self.roots).is_ok())
    }

    fn after(&self) -> Timestamp {
        self.at(self.messages.len() + 1)
    }
}

/// What is the same in whatever order they came.
#[derive(Debug, PartialEq)]
struct Ended {
    in_force: BTreeSet<RevocationId>,
    /// By which the town and the region are refused.
    refusals: Vec<Option<Refusal>>,
}

/// A relay over a disk in memory, of which the journal thread's part is driven.
struct Log {
    disk: SimDisk,
    sequencer: Sequencer<SimDisk>,
    session: SessionId,
}

impl Log {
    fn open(story: &Story, disk: SimDisk, at: Timestamp) -> Self {
        let mut config = JournalConfig::new();
        config.segment_bytes = 64 * 1024;
        let sequencer = Sequencer::open(disk.clone(), config, LOG, at, 1).unwrap();
        let rules = Rules::new(story.roots.clone(), vec!["localhost".to_owned()]);
        let (chains, revocations) = (sequencer.chains(), sequencer.revocations());
        let config = WorkerConfig::new(0, Arc::new(rules), LOG);
        let mut worker =
            Worker::new(config, chains, revocations, Arc::<SharedVerdicts>::default(), sequencer.head());
        let session = worker.accept(Nonce::from_bytes([1; 32]), Binding::Certificate([9; 32]), at);
        Self { disk, sequencer, session }
    }

    fn commit(&mut self, batch: Vec<Said>, at: Timestamp) -> Vec<Result<Stored, Refusal>> {
        let ticket = Ticket { worker: 0, session: self.session, re: 1 };
        let submissions: Vec<_> =
            batch.into_iter().map(|statement| Submission { ticket, statement }).collect();
        let committed = self.sequencer.commit(&submissions, Ok(at)).unwrap();
        committed.answers.into_iter().map(|answer| answer.outcome).collect()
    }

    /// What there is, and the same after a new start.
    fn end(self, story: &Story) -> Ended {
        let now = ended(&self.sequencer, story);
        let again = Self::open(story, self.disk.restart(), story.after());
        assert_eq!(ended(&again.sequencer, story), now, "after a new start");
        now
    }
}

fn ended(sequencer: &Sequencer<SimDisk>, story: &Story) -> Ended {
    let known = sequencer.revocations();
    let mut in_force = BTreeSet::new();
    for plane in [Plane::Live, Plane::Exercise] {
        let mut count = 0;
        while let Some(next) = known.after(plane, count) {
            in_force.insert(next.in_force.revocation().id());
            count = next.count;
        }
    }
    let people = [&story.live.town, &story.live.region];
    Ended { in_force, refusals: people.map(|person| known.refusal_of(&person.chain)).to_vec() }
}

fn is_too_soon(answer: &Result<Stored, Refusal>) -> bool {
    answer.as_ref().is_err_and(|refusal| refusal.code == Code::RateLimited)
}

/// Every order of the revocations, one by one and in one batch. What ends in each, and the refusals that there were.
fn at_a_relay(story: &Story) -> (Vec<Ended>, usize) {
    let (mut ends, mut refused) = (Vec::new(), 0);
    for order in orders(story.revocations.len()) {
        for together in [false, true] {
            let mut log = Log::open(story, SimDisk::new(), story.begin);
            for (place, token) in story.messages.iter().enumerate() {
                let chain = if place == 2 { &story.live.region.chain } else { &story.live.town.chain };
                let message = verify::verify(token, chain, MESSAGE_LIFETIME_MAX).unwrap();
                let answers = log.commit(vec![Said::Message(Box::new(message))], story.at(place));
                assert!(answers[0].is_ok(), "{answers:?}");
            }
            let said = |at: &usize| Said::Revocation(Box::new(story.revocations[*at].clone()));
            let mut answers = if together {
                log.commit(order.iter().map(said).collect(), story.after())
            } else {
                order.iter().flat_map(|at| log.commit(vec![said(at)], story.after())).collect()
            };
            // Who gives up the same from earlier on waits a minute.
            let mut later = story.after();
            while let Some(first) = answers.iter().position(is_too_soon) {
                let before = later.plus(SECOND * 59);
                assert!(is_too_soon(&log.commit(vec![said(&order[first])], before)[0]));
                later = later.plus(SECOND * 60);
                assert!(later < story.after().plus(SECOND * 600), "{answers:?}");
                for (at, answer) in order.iter().zip(&mut answers).filter(|(_, answer)| is_too_soon(answer)) {
                    *answer = log.commit(vec![said(at)], later).remove(0);
                }
            }
            for refusal in answers.iter().filter_map(|answer| answer.as_ref().err()) {
                assert_eq!(refusal.code, Code::Revoked, "{refusal}");
                refused += 1;
            }
            // The same bytes again: the first answers, where they still hold.
            for (at, answer) in order.iter().zip(&answers) {
                let one = &story.revocations[*at];
                let again = log.commit(vec![Said::Revocation(Box::new(one.clone()))], later.plus(SECOND));
                if answer.is_ok() && !one.is_own() {
                    assert_eq!(again[0], *answer, "the first answer stands");
                }
            }
            ends.push(log.end(story));
        }
    }
    (ends, refused)
}

/// What a reader came to: what it took back or never showed, and by which revocation a message is that comes last of all.
#[derive(Debug, PartialEq)]
struct Learned {
    disowned: BTreeSet<MessageId>,
    shown: BTreeSet<MessageId>,
    last: Option<(RevocationId, Timestamp)>,
}

/// Every order of the revocations among the messages, which keep their own.
fn at_a_reader(story: &Story) -> Vec<Learned> {
    let (said, revoked) = (story.messages.len(), story.revocations.len());
    let messages_in_order = |order: &Vec<usize>| order.iter().filter(|it| **it < said).is_sorted();
    orders(said + revoked).iter().filter(|it| messages_in_order(it)).map(|order| read(story, order)).collect()
}

fn read(story: &Story, order: &[usize]) -> Learned {
    let said = story.messages.len();
    let org = story.live.region.chain.leaf().claims().org.clone();
    let mut reader: Reader<Live> =
        Reader::new(story.roots.clone(), org, vec![PARIS.parse().unwrap()], Start::Beginning);
    reader.handle_open();
    let (mut disowned, mut shown, mut count) = (BTreeSet::new(), BTreeSet::new(), 0);
    let (log, head) = (LOG, Sequence::new(u64::try_from(said).unwrap()));
    let give = |reader: &mut Reader<Live>, frame: ServerFrame<'_>| reader.handle_frame(frame, story.after());
    give(&mut reader, ServerFrame::Subscribed { re: 1, log, seq: Sequence::START, head });
    let chain = |reader: &mut Reader<Live>, person: &Chain| {
        let chain = person.links().iter().map(|link| (&**link.token()).into()).collect();
        give(reader, ServerFrame::Chain { chain, re: None });
    };
    chain(&mut reader, &story.live.town.chain);
    chain(&mut reader, &story.live.region.chain);
    for at in order {
        let deliveries = match story.messages.get(*at) {
            Some(token) => {
                let seq = Sequence::new(u64::try_from(*at + 1).unwrap());
                give(&mut reader, ServerFrame::Event { seq, admitted: story.at(*at), jws: (&**token).into() })
            }
            None => {
                let one = &story.revocations[*at - said];
                if one.revocation().plane() != Plane::Live {
                    continue;
                }
                count += 1;
                chain(&mut reader, one.chain());
                let (admitted, jws) = (story.after(), (&**one.revocation().token()).into());
                give(&mut reader, ServerFrame::Revocation { log, count, seq: head, admitted, jws })
            }
        };
        for delivery in deliveries {
            match delivery {
                Delivery::Suspect(it) if !story.heeds(&it.token) => {}
                Delivery::Message(message) => assert!(shown.insert(message.id()), "{order:?}: shown twice"),
                Delivery::Disowned(it) => {
                    assert!(disowned.insert(it.id), "{order:?}: disowned twice");
                    assert_eq!(shown.remove(&it.id), it.given_before, "{order:?}");
                }
                other => panic!("{order:?}: {other:?}"),
            }
        }
    }
    // One more of the town, which nothing but the furthest revocation is to be named for.
    let last = story.live.town.say(PARIS, "quatre", Minor);
    let event = ServerFrame::Event { seq: head.next(), admitted: story.after(), jws: last.into() };
    let last = match &give(&mut reader, event)[..] {
        [Delivery::Disowned(it)] => Some((it.revocation, it.from)),
        _ => None,
    };
    Learned { disowned, shown, last }
}

/// Holds all ends against the first, and gives that.
fn all_the_same<E: std::fmt::Debug + PartialEq>(mut ends: Vec<E>) -> E {
    let first = ends.remove(0);
    ends.iter().for_each(|end| assert_eq!(*end, first));
    first
}

/// The same key below somebody else.
fn certify(key: &Arc<SigningKey>, plane: Plane, by: &Person) -> Person {
    let org = by.chain.leaf().claims().org.to_string();
    let mut claims = claims(plane, key, &org, vec![grant(Flow::Alert, "fr.idf.75.paris", None, 0)]);
    claims.valid = claims.valid.intersect(&by.chain.window());
    Person { key: Arc::clone(key), chain: Arc::new(by.chain.extend(&by.key, &claims).unwrap()) }
}

/// A key that is certified on both planes, and given up on both: from earlier on in exercises, as its thief may.
#[test]
fn what_is_given_up_on_one_plane_is_given_up_on_the_other_too() {
    let exercise = Command::new(Plane::Exercise);
    let story = Story::new(|live, begin| {
        let key = Target::Key(live.town.chain.leaf().key_id());
        let there = certify(&live.town.key, Plane::Exercise, &exercise.region);
        vec![
            revoke(&live.town, key, begin.plus(SECOND * 5), 1),
            revoke(&there, key, begin, 1),
            revoke(&there, key, begin.plus(SECOND * 15), 2),
        ]
    });
    let [live, there, _] = [0, 1, 2].map(|at: usize| story.revocations[at].revocation().id());
    let (ends, _) = at_a_relay(&story);
    let end = all_the_same(ends);
    assert_eq!(end.in_force, BTreeSet::from([live, there]), "one of each plane");
    assert!(end.refusals[0].as_ref().unwrap().detail.contains(&live.to_string()), "{end:?}");
    let learned = all_the_same(at_a_reader(&story));
    assert_eq!(learned.last, Some((live, story.begin.plus(SECOND * 5))));
}

/// A key that is certified under two roots, and given up under both: from earlier on under the one, as its thief may.
/// Readers who trust only the other are told of theirs.
#[test]
fn what_is_given_up_under_one_root_is_given_up_under_the_other_too() {
    let other = Command::new(Plane::Live);
    let mut story = Story::new(|live, begin| {
        let key = Target::Key(live.town.chain.leaf().key_id());
        let there = certify(&live.town.key, Plane::Live, &other.region);
        vec![
            revoke(&live.town, key, begin.plus(SECOND * 5), 1),
            revoke(&there, key, begin, 1),
            revoke(&live.town, key, begin.plus(SECOND * 15), 2),
        ]
    });
    let [here, there, _] = [0, 1, 2].map(|at: usize| story.revocations[at].revocation().id());
    let only_here = story.roots.clone();
    story.roots = Roots::new([&story.live, &other].map(|command| command.root.key.public().thumbprint()));
    let (ends, refused) = at_a_relay(&story);
    let end = all_the_same(ends);
    assert!(refused > 0, "what reaches no further under the same root is `revoked`");
    assert_eq!(end.in_force, BTreeSet::from([here, there]), "one under each root");
    assert!(end.refusals[0].as_ref().unwrap().detail.contains(&there.to_string()), "{end:?}");
    // Who trusts both goes by the earlier one.
    let learned = all_the_same(at_a_reader(&story));
    assert_eq!((learned.disowned.len(), learned.last), (2, Some((there, story.begin))));
    story.roots = only_here;
    let learned = all_the_same(at_a_reader(&story));
    assert_eq!((learned.disowned.len(), learned.last), (1, Some((here, story.begin.plus(SECOND * 5)))));
}

/// The town's credential and key, by those above it, from different moments; numbers go down, and one is there twice.
#[test]
fn what_those_above_revoke_holds_in_every_order() {
    let story = Story::new(|live, begin| {
        let town = live.town.chain.leaf();
        let (credential, key) = (Target::Credential(town.id()), Target::Key(town.key_id()));
        vec![
            revoke(&live.nation, credential, begin.plus(SECOND * 20), 2),
            revoke(&live.nation, key, begin.plus(SECOND * 5), 1),
            revoke(&live.nation, key, begin.plus(SECOND * 15), 1),
            revoke(&live.region, key, begin.plus(SECOND * 25), 1),
        ]
    });
    let (ends, refused) = at_a_relay(&story);
    println!("{} orders at a relay", ends.len());
    let end = all_the_same(ends);
    assert_eq!((end.in_force.len(), refused), (4, 0), "all come in, whatever their numbers");
    let furthest = story.revocations[1].revocation().id();
    assert!(end.refusals[0].as_ref().unwrap().detail.contains(&furthest.to_string()), "{end:?}");
    assert_eq!(end.refusals[1], None, "the region is none of theirs");

    let read = at_a_reader(&story);
    println!("{} orders at a reader", read.len());
    let learned = all_the_same(read);
    assert_eq!(
        (learned.disowned.len(), learned.shown.len()),
        (1, 2),
        "since five seconds after the beginning"
    );
    assert_eq!(learned.last, Some((furthest, story.begin.plus(SECOND * 5))));
}

/// Those above have ended a key from some moment on: its thief disowns nothing of what came before.
#[test]
fn nobody_reaches_back_behind_those_above_him() {
    let story = Story::new(|live, begin| {
        let key = Target::Key(live.town.chain.leaf().key_id());
        vec![revoke(&live.region, key, begin.plus(SECOND * 15), 1), revoke(&live.town, key, begin, 1)]
    });
    let mut log = Log::open(&story, SimDisk::new(), story.begin);
    let [above, own] = [0, 1].map(|at: usize| Said::Revocation(Box::new(story.revocations[at].clone())));
    assert!(log.commit(vec![above], story.after())[0].is_ok());
    let answers = log.commit(vec![own], story.after().plus(SECOND * 60));
    assert_eq!(answers[0].as_ref().unwrap_err().code, Code::Revoked);
    let end = log.end(&story);
    assert_eq!(end.in_force, BTreeSet::from([story.revocations[0].revocation().id()]));
}

/// The thief of a key ends it from later on, and its holder reaches back behind him.
#[test]
fn whoever_gives_up_a_key_reaches_back_as_far_in_every_order() {
    let story = Story::new(|live, begin| {
        let key = Target::Key(live.town.chain.leaf().key_id());
        vec![
            revoke(&live.town, key, begin.plus(SECOND * 25), 1),
            revoke(&live.town, key, begin.plus(SECOND * 15), 1),
            revoke(&live.town, key, begin.plus(SECOND * 5), 1),
        ]
    });
    let furthest = story.revocations[2].revocation().id();
    let (ends, refused) = at_a_relay(&story);
    println!("{} orders at a relay, {refused} refused as nothing new", ends.len());
    assert!(refused > 0, "what reaches no further than what holds is `revoked`");
    let end = all_the_same(ends);
    assert_eq!(end.in_force, BTreeSet::from([furthest]), "the holder's take one place");
    assert!(end.refusals[0].as_ref().unwrap().detail.contains(&furthest.to_string()), "{end:?}");

    let learned = all_the_same(at_a_reader(&story));
    assert_eq!((learned.disowned.len(), learned.shown.len()), (1, 2));
    assert_eq!(learned.last, Some((furthest, story.begin.plus(SECOND * 5))));
}
