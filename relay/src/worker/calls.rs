//! Who is called next: sessions that have output, in the order in which their drivers are to be woken.
//!
//! Those with an urgent message come first, then all others, each in the order in which they got something. Which of them wait
//! for their page of the past is not asked here: what those may write in a turn is bounded where they write
//! (`net/driver.rs`).

use std::collections::VecDeque;

use super::SessionId;

/// After so many sessions with an urgent message another has its call, where one waits: a flood of what is urgent delays the
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

    /// The first in the line that is good: who came by himself meanwhile, or was called sooner, stands there still, and counts
    /// for nothing.
    pub(super) fn take(&mut self, mut is_good: impl FnMut(SessionId, Call) -> bool) -> Option<SessionId> {
        if self.urgent_in_a_row >= URGENT_IN_A_ROW_MAX
            && let Some(id) = first(&mut self.plain, |id| is_good(id, Call::Plain))
        {
            self.urgent_in_a_row = 0;
            return Some(id);
        }
        if let Some(id) = first(&mut self.urgent, |id| is_good(id, Call::Urgent)) {
            self.urgent_in_a_row += 1;
            return Some(id);
        }
        self.urgent_in_a_row = 0;
        first(&mut self.plain, |id| is_good(id, Call::Plain))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.plain.is_empty()
    }
}

fn first(line: &mut VecDeque<SessionId>, mut is_good: impl FnMut(SessionId) -> bool) -> Option<SessionId> {
    std::iter::from_fn(|| line.pop_front()).find(|id| is_good(*id))
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
        let order: Vec<_> = std::iter::from_fn(|| calls.take(|_, _| true)).map(|id| id.index).collect();
        let expected: Vec<_> =
            (100..107).chain([0]).chain(107..114).chain([1]).chain(114..120).chain([2]).collect();
        assert_eq!(order, expected);
        assert!(calls.is_empty());
    }

    /// Else whoever comes by himself all the time would keep the others waiting.
    #[test]
    fn a_place_in_the_line_that_is_good_no_more_takes_nobodys_turn() {
        let mut calls = Calls::default();
        for index in 0..30 {
            calls.put(id(index), Call::Plain);
            calls.put(id(100 + index), Call::Urgent);
        }
        let is_good = |id: SessionId, call| call == Call::Urgent || id.index == 29;
        let order: Vec<_> = std::iter::from_fn(|| calls.take(is_good)).map(|id| id.index).collect();
        let expected: Vec<_> = (100..107).chain([29]).chain(107..130).collect();
        assert_eq!(order, expected);
    }
}
