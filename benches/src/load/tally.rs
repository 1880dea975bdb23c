//! What arrived: how much, how late, whether anything is missing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::histogram::Histogram;
use super::peer::{News, Role};

/// When each message is meant to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) first: u64,
    pub(super) start: Instant,
    pub(super) interval: Duration,
}

impl Schedule {
    /// When this message is to be sent; `None` for one of before.
    pub(super) fn intended(&self, number: u64) -> Option<Instant> {
        let after = u32::try_from(number.checked_sub(self.first)?).unwrap_or(u32::MAX);
        Some(self.start + self.interval * after)
    }
}

/// Over all connections.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    /// Messages that a later one came before or instead of.
    pub(super) skipped: u64,
    /// Messages that came twice or too late.
    pub(super) repeated: u64,
    /// Messages that each publisher has a receipt for, by the index of its connection.
    pub(super) acknowledged: HashMap<usize, u64>,
    /// Of authors, since they were last looked at: which connection, which message.
    pub(super) receipts: Vec<(usize, u64)>,
    pub(super) schedule: Option<Schedule>,
    pub(super) latency: Histogram,
    pub(super) last: Option<Instant>,
}

/// What a connection expects next, and how far its messages are apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) next: u64,
    pub(super) stride: u64,
}

impl Expected {
    /// Of a connection that is there before the first message.
    pub(super) const fn of(role: Role, number: usize) -> Self {
        match role {
            Role::Listener { channels, of } => Self { next: number as u64, stride: of / channels },
            Role::Reader | Role::Publisher | Role::Herald { .. } | Role::Author | Role::Guest => {
                Self { next: 0, stride: 1 }
            }
        }
    }
}

/// The tally as one connection adds to it.
pub(super) struct Ears<'a> {
    pub(super) tally: &'a mut Tally,
    pub(super) expected: &'a mut Expected,
    pub(super) is_author: bool,
    pub(super) index: usize,
    pub(super) now: Instant,
    pub(super) answers: &'a mut Vec<Vec<u8>>,
}

impl News for Ears<'_> {
    fn delivered(&mut self, number: u64) {
        let Expected { next, stride } = *self.expected;
        // Where two publish in turn, a message may stand some places before or after its number: fewer than half a stride.
        if let Some(past) = (number + stride / 2).checked_sub(next) {
            self.tally.skipped += past / stride;
            self.expected.next = next + (past / stride + 1) * stride;
        } else {
            self.tally.repeated += 1;
        }
        self.tally.delivered += 1;
        self.tally.last = Some(self.now);
        if let Some(intended) = self.tally.schedule.and_then(|schedule| schedule.intended(number)) {
            self.tally.latency.add(self.now.saturating_duration_since(intended));
        }
    }

    fn acknowledged(&mut self, number: u64) {
        *self.tally.acknowledged.entry(self.index).or_default() += 1;
        if self.is_author {
            self.tally.receipts.push((self.index, number));
        }
    }

    fn answer(&mut self, message: Vec<u8>) {
        self.answers.push(message);
    }
}
