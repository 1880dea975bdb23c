//! What a worker counts, for the operator.
//!
//! Refusals and jumps are counted as they happen, sessions when somebody wants to know: that walks all of them, 0.1 ms
//! for a thousand, and so nothing is counted when one is given an event or changes its standing.

use std::ops::Add;

use super::Worker;
use super::session::{Stage, Standing};

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
    /// How often batches were not handed over because too many waited.
    pub jumps: u64,
    /// Requests of sessions that were refused.
    pub requests_refused: u64,
    /// Sessions that were closed before they had logged in, for a fault of theirs.
    pub logins_refused: u64,
}

impl Add for WorkerCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            strangers: self.strangers + other.strangers,
            logged_in: self.logged_in + other.logged_in,
            live: self.live + other.live,
            behind: self.behind + other.behind,
            jumps: self.jumps + other.jumps,
            requests_refused: self.requests_refused + other.requests_refused,
            logins_refused: self.logins_refused + other.logins_refused,
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
                Stage::Closing => {}
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
