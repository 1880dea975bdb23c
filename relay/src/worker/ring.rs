//! The last events that a worker dispatched, for those who are a little behind.

use std::collections::VecDeque;
use std::rc::Rc;

use vigie_proto::id::Sequence;

use super::LocalEvent;

/// In the order of the log, without a missing one from `base` to the head.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Rc<LocalEvent>>,
    /// Sum of the frames' lengths, at most `bytes_max` unless one event alone is larger.
    bytes: usize,
    bytes_max: usize,
    /// The place before the first event that it has (or will have).
    base: Sequence,
}

impl Ring {
    pub(super) fn new(bytes_max: usize, head: Sequence) -> Self {
        Self { events: VecDeque::new(), bytes: 0, bytes_max, base: head }
    }

    pub(super) fn push(&mut self, event: Rc<LocalEvent>) {
        self.bytes += event.frame().len();
        self.events.push_back(event);
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.frame().len();
            self.base = oldest.seq();
        }
    }

    /// Whether everything after this place, up to the head, is here.
    pub(super) fn covers(&self, after: Sequence) -> bool {
        after >= self.base
    }

    /// The first event after this place.
    pub(super) fn after(&self, after: Sequence) -> Option<Rc<LocalEvent>> {
        let next = self.events.partition_point(|event| event.seq() <= after);
        self.events.get(next).map(Rc::clone)
    }
}
