//! Who is called next: sessions that have output, in the order in which their drivers are to be woken.
//!
//! Those with an urgent message come first, then all others, each in the order in which they got something. Which of them wait
//! for their page of the past is not asked here: what those may write in a turn is bounded where they write
//! (`net/driver.rs`).

use std::collections::VecDeque;

use super::SessionId;

/// Of so many calls, one is for a session without an urgent message where one waits: a flood of what is urgent delays the
/// others, and does not silence them.
const URGENT_IN_A_ROW_MAX: usize = 7;

/// How soon a session is called. Lower is sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    Urgent,
    Plain,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Calls {
    urgent: VecDeque<SessionId>,
    plain: VecDeque<SessionId>,
    /// Urgent ones that were called since another was.
    urgent_in_a_row: usize,
}

impl Calls {
    pub(super) fn put(&mut self, id: SessionId, call: Call) {
        match call {
            Call::Urgent => self.urgent.push_back(id),
            Call::Plain => self.plain.push_back(id),
        }
    }

    pub(super) fn take(&mut self) -> Option<(SessionId, Call)> {
        let plain_is_due = self.urgent_in_a_row >= URGENT_IN_A_ROW_MAX && !self.plain.is_empty();
        if !plain_is_due && let Some(id) = self.urgent.pop_front() {
            self.urgent_in_a_row += 1;
            return Some((id, Call::Urgent));
        }
        self.urgent_in_a_row = 0;
        self.plain.pop_front().map(|id| (id, Call::Plain))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.plain.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: usize) -> SessionId {
        SessionId { index, generation: 1 }
    }

    #[test]
    fn urgent_ones_come_first_and_do_not_silence_the_others() {
        let mut calls = Calls::default();
        for index in 0..3 {
            calls.put(id(index), Call::Plain);
        }
        for index in 100..120 {
            calls.put(id(index), Call::Urgent);
        }
        let order: Vec<_> = std::iter::from_fn(|| calls.take()).map(|(id, _)| id.index).collect();
        let expected: Vec<_> =
            (100..107).chain([0]).chain(107..114).chain([1]).chain(114..120).chain([2]).collect();
        assert_eq!(order, expected);
        assert!(calls.is_empty());
    }
}
