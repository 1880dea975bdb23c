//! What a worker counts, for the operator.
//!
//! Refusals and jumps are counted as they happen, sessions when somebody wants to know: that walks all of them, 0.1 ms
//! for a thousand. What is delivered is added up once for each write to a socket, in plain numbers of this worker.

use std::ops::Add;

use vigie_proto::refusal::Code;

use super::Worker;
use super::session::{Stage, Standing};
use crate::rates::HeldBy;

/// The numbers of one worker, or the sum of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerCounts {
    /// Sessions that have not logged in yet.
    pub strangers: u64,
    /// Sessions that are logged in.
    pub logged_in: u64,
    /// Of those, how many are given each event as it comes.
    pub live: u64,
    /// Of those, how many are given older events first.
    pub behind: u64,
    /// Sessions that were told to close, and are still connected.
    pub closing: u64,
    /// How often batches were not handed over because too many waited.
    pub jumps: u64,
    /// Requests of sessions that were refused.
    pub requests_refused: u64,
    /// Sessions that were closed before they had logged in, for a fault of theirs.
    pub logins_refused: u64,
    /// Connections that ended in their TLS handshake, without a code.
    pub tls_failed: u64,
    /// Connections that ended over an HTTP request that could not be read (400) or was too large (431).
    pub http_failed: u64,
    /// All refusals, by code.
    pub refusals: RefusalCounts,
    /// Publishes and revocations that came faster than they may.
    pub held_back: HeldBackCounts,
    /// Events that were handed to connections.
    pub deliveries: u64,
    /// Bytes of frames that were handed to connections, events and all else.
    pub delivered_bytes: u64,
}

/// How many each rate has held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldBackCounts {
    /// That of one credential.
    pub credential: u64,
    /// That of all exercises.
    pub exercises: u64,
    /// That of all that comes.
    pub relay: u64,
}

impl HeldBackCounts {
    pub(super) const fn note(&mut self, by: HeldBy) {
        *match by {
            HeldBy::Credential => &mut self.credential,
            HeldBy::Exercises => &mut self.exercises,
            HeldBy::Relay => &mut self.relay,
        } += 1;
    }
}

impl Add for HeldBackCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            credential: self.credential + other.credential,
            exercises: self.exercises + other.exercises,
            relay: self.relay + other.relay,
        }
    }
}

/// How many refusals of each code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalCounts([u64; Code::ALL.len()]);

impl Default for RefusalCounts {
    fn default() -> Self {
        Self([0; Code::ALL.len()])
    }
}

impl RefusalCounts {
    /// One more.
    pub const fn note(&mut self, code: Code) {
        self.0[code.index()] += 1;
    }

    /// Each code with its count, in the order of [`Code::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Code, u64)> {
        Code::ALL.iter().copied().zip(self.0)
    }
}

impl Add for RefusalCounts {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
        self
    }
}

impl Add for WorkerCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            strangers: self.strangers + other.strangers,
            logged_in: self.logged_in + other.logged_in,
            live: self.live + other.live,
            behind: self.behind + other.behind,
            closing: self.closing + other.closing,
            jumps: self.jumps + other.jumps,
            requests_refused: self.requests_refused + other.requests_refused,
            logins_refused: self.logins_refused + other.logins_refused,
            tls_failed: self.tls_failed + other.tls_failed,
            http_failed: self.http_failed + other.http_failed,
            refusals: self.refusals + other.refusals,
            held_back: self.held_back + other.held_back,
            deliveries: self.deliveries + other.deliveries,
            delivered_bytes: self.delivered_bytes + other.delivered_bytes,
        }
    }
}

impl Worker {
    /// How it stands now. Costs a look at every session: ask a few times a second at most.
    pub fn counts(&self) -> WorkerCounts {
        let mut counts = self.counts;
        for (_, session) in self.sessions.iter() {
            match &session.stage {
                Stage::AwaitLogin(_) => counts.strangers += 1,
                Stage::LoggedIn(_) => counts.logged_in += 1,
                Stage::Closing => counts.closing += u64::from(session.seat.is_some()),
            }
            match session.standing() {
                Some(Standing::Live(_)) => counts.live += 1,
                Some(Standing::Behind(_) | Standing::Reading(_)) => counts.behind += 1,
                None => {}
            }
        }
        counts
    }
}
