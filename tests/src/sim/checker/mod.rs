//! The history checker: judges what was done, and knows nothing of how it came about.
//!
//! It reads a [`Record`] after the other and keeps what must hold from then on. Messages are told apart by their signed
//! bytes, places by log and sequence. It asks none of the code it judges: who hears what is decided here by a naive model
//! on text (`hearing.rs`).
//!
//! What it holds to: authors in `authors.rs` (receipts), readers in `readers.rs` (deliveries) and `gaps.rs` (what they
//! could not be given), what retention and damage may take of a log in `keeping.rs`, and between them the one log, here: a
//! place names one message, a message has one place, time in the log does not run back, and what anyone was told is in it
//! for good. Whom a revocation meets, and what follows from it, in `revoking.rs`, by a naive model of its own; what readers
//! learn of it and take back in `disowning.rs`.

mod authors;
mod gaps;
mod hearing;
mod keeping;
mod pages;
mod readers;
mod revoking;
mod disowning;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::channel::Channel;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::history::{AuthorId, Did, Flaw, Ranks, Record};

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// When it was seen.
    pub at: Timestamp,
    /// Which promise.
    pub promise: Promise,
    /// What exactly.
    pub what: String,
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// What anyone was told of the log stays in it.
    NothingIsLost,
    /// A place names one message, and a message has one place.
    OnePlace,
    /// `admitted` never goes back along a log.
    TimeGoesOn,
    /// Receipts are for what was signed well, for its author, and always the same.
    HonestReceipts,
    /// What is signed well is not refused for good without a reason.
    HonestRefusals,
    /// A reader is given what was published, on its plane, and concerns it, and nothing else.
    NothingElse,
    /// No exercise is given or shown as live, nor the reverse.
    PlanesApart,
    /// Events come in the order of the log, above the place where the session began.
    Order,
    /// A message is given once, by cursor; shown once, by id.
    Once,
    /// All that concerns a reader up to its cursor was given to it.
    Complete,
    /// Gaps are told for a reason, and skip no more than they must.
    HonestGaps,
    /// A reader that is slow is not cut off; one that is silent is.
    NotCutOff,
    /// When all is healed, everyone catches up.
    CatchesUp,
    /// After a revocation in the log, nothing of its target or below is admitted, ever.
    NothingAfterRevocation,
    /// Sessions of the target and below end soon, and none begins after.
    RevokedAreOut,
    /// A session ends when a credential of its chain does.
    ExpiredAreOut,
    /// Nobody else is taken for revoked.
    NobodyElse,
    /// Each revocation has one place in a log, and one moment.
    RevocationsHavePlaces,
    /// Readers are told of every revocation of their plane, unasked, before what follows it.
    ReadersLearn,
    /// What was admitted since `from`, and nothing else, is disowned, once.
    DisownedSince,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, at {}: {}", self.promise, self.at.as_millis(), self.what)
    }
}

/// What is known of signed bytes.
#[derive(Debug)]
struct Signed {
    /// A short name for people.
    name: usize,
    author: AuthorId,
    chain: Ranks,
    channel: Channel,
    severity: Severity,
    tlp: &'static str,
    audience: Vec<String>,
    expires: Timestamp,
    flaw: Option<Flaw>,
    first_sent: Option<Timestamp>,
}

impl Signed {
    fn is_heard_by(&self, filters: &[String], org: &str) -> bool {
        let channel = self.channel.to_string();
        self.is_for(org) && filters.iter().any(|filter| hearing::hears(filter, &channel, self.severity))
    }

    fn is_for(&self, org: &str) -> bool {
        hearing::is_for(self.tlp, &self.audience, org)
    }
}

/// What is known of one log: only what someone was told.
#[derive(Debug, Default)]
struct Log {
    places: BTreeMap<Sequence, (Arc<str>, Timestamp)>,
    of: BTreeMap<Arc<str>, Sequence>,
    kept: keeping::Kept,
}

/// The judge.
#[derive(Debug, Default)]
pub struct Checker {
    now: Timestamp,
    violations: Vec<Violation>,
    signed: BTreeMap<Arc<str>, Signed>,
    logs: BTreeMap<LogId, Log>,
    authors: authors::Authors,
    readers: readers::Readers,
    revoking: revoking::Revoking,
    running: Option<LogId>,
    /// How far from true time the clock is that it believes.
    wrong_by: Duration,
    lost: bool,
}

/// Judges a whole history.
pub fn judge(history: &[Record]) -> Vec<Violation> {
    let mut checker = Checker::default();
    for record in history {
        checker.now = record.at;
        checker.handle(&record.did);
    }
    checker.judge_removals();
    checker.judge_completeness();
    checker.judge_revocations();
    checker.judge_learning();
    checker.violations
}

impl Checker {
    fn handle(&mut self, did: &Did) {
        match did {
            Did::Signed { author, token, id, chain, channel, severity, tlp, audience, expires, flaw } => {
                self.revoking.ids.insert(*id, Arc::clone(token));
                let signed = Signed {
                    name: self.signed.len() + 1,
                    author: *author,
                    chain: Arc::clone(chain),
                    channel: channel.clone(),
                    severity: *severity,
                    tlp,
                    audience: audience.clone(),
                    expires: *expires,
                    flaw: *flaw,
                    first_sent: None,
                };
                self.signed.insert(Arc::clone(token), signed);
            }
            Did::Sent { token, .. } => {
                let now = self.now;
                if let Some(signed) = self.signed.get_mut(token) {
                    signed.first_sent.get_or_insert(now);
                }
            }
            Did::Receipt { author, token, id, cursor } => self.handle_receipt(*author, token, *id, *cursor),
            Did::Refused { token, code, .. } => self.handle_refusal(token, *code),
            Did::Started { log, head, first, keeps, wrong_by } => {
                self.handle_start(*log, *head);
                self.wrong_by = *wrong_by;
                self.logs.entry(*log).or_default().kept.handle_start(*first, *keeps);
            }
            Did::Imported { log, first } => self.logs.entry(*log).or_default().kept.handle_import(*first),
            Did::Retained { log, first, now, used } => {
                self.logs.entry(*log).or_default().kept.handle_step(*first, *now, *used);
            }
            Did::Damaged { log, from, to } => {
                self.logs.entry(*log).or_default().kept.handle_damage(*from, *to);
            }
            Did::JournalLost => self.lost = true,
            Did::Opened { link, held } => self.handle_opened(*link, *held),
            Did::Ended(_) | Did::Healed => {}
            Did::Restless(why) => self.broken(Promise::CatchesUp, why.clone()),
            Did::Quiet { log, head } => self.handle_quiet(*log, *head),
            Did::Reads { .. }
            | Did::Asked { .. }
            | Did::AskedPast { .. }
            | Did::Past { .. }
            | Did::PageEnded { .. }
            | Did::ReaderRefused { .. }
            | Did::Subscribed { .. }
            | Did::Given { .. }
            | Did::Marked { .. }
            | Did::GapTold { .. }
            | Did::Shown { .. }
            | Did::Dropped { .. }
            | Did::Left { .. }
            | Did::ToldRevoked { .. }
            | Did::Disowned { .. }
            | Did::Suspected { .. } => self.handle_reader(did),
            Did::Revokes { .. }
            | Did::RevocationSent { .. }
            | Did::Revoked { .. }
            | Did::RevocationRefused { .. }
            | Did::LogsIn { .. }
            | Did::TurnedAway { .. }
            | Did::Closed { .. }
            | Did::Over { .. }
            | Did::Heeded { .. } => self.handle_revoking(did),
        }
    }

    fn broken(&mut self, promise: Promise, what: String) {
        self.violations.push(Violation { at: self.now, promise, what });
    }

    /// A short name of signed bytes.
    fn name(&self, token: &str) -> String {
        self.signed.get(token).map_or_else(
            || "unknown bytes".to_owned(),
            |signed| format!("message {} ({}, {})", signed.name, signed.channel, signed.severity),
        )
    }

    fn handle_start(&mut self, log: LogId, head: Sequence) {
        let lost = std::mem::take(&mut self.lost);
        if self.running.is_some_and(|before| before != log) && !lost {
            self.broken(
                Promise::NothingIsLost,
                "a new log stands in the place of one that was not lost".to_owned(),
            );
        }
        self.running = Some(log);
        self.holds_all(log, head);
    }

    /// The log reaches as far as anyone was told.
    fn holds_all(&mut self, log: LogId, head: Sequence) {
        let told = self.logs.get(&log).and_then(|log| log.places.range(head.next()..).next_back());
        if let Some((seq, (token, _))) = told {
            let what = format!("the log ends at {head}, but {} was told at {seq}", self.name(token));
            self.broken(Promise::NothingIsLost, what);
        }
    }

    /// Someone was told that the message stands at this place.
    fn told(&mut self, log: LogId, seq: Sequence, admitted: Timestamp, token: &Arc<str>) {
        let name = self.name(token);
        let known = self.logs.entry(log).or_default();
        let mut broken = Vec::new();
        match known.places.get(&seq) {
            Some((other, _)) if other != token => {
                broken.push((Promise::OnePlace, format!("place {seq} is told of {name} and of another")));
            }
            Some((_, before)) if *before != admitted => {
                broken.push((
                    Promise::OnePlace,
                    format!("{name} at {seq} is told with two times of admission"),
                ));
            }
            Some(_) => {}
            None => {
                let earlier = known.places.range(..seq).next_back().map(|(_, (_, at))| *at);
                let later = known.places.range(seq..).next().map(|(_, (_, at))| *at);
                if earlier.is_some_and(|at| at > admitted) || later.is_some_and(|at| at < admitted) {
                    broken.push((Promise::TimeGoesOn, format!("{name} at {seq}")));
                }
                known.places.insert(seq, (Arc::clone(token), admitted));
            }
        }
        let first = *known.of.entry(Arc::clone(token)).or_insert(seq);
        if first != seq && known.kept.may_be_forgotten(first) {
            known.of.insert(Arc::clone(token), seq);
        } else if first != seq && !known.kept.may_be_forgotten(seq) {
            broken.push((Promise::OnePlace, format!("{name} is told at {first} and at {seq}")));
        }
        for (promise, what) in broken {
            self.broken(promise, what);
        }
    }

    fn handle_quiet(&mut self, log: LogId, head: Sequence) {
        self.holds_all(log, head);
        self.readers_caught_up(log, head);
        self.revoked_are_out();
        self.readers_have_learned(log);
    }
}
