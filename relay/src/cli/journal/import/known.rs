//! The ids that an import holds new messages against.

use std::collections::HashMap;

use vigie_proto::admit::{KnownIds, Stored};
use vigie_proto::id::MessageId;
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::time::Timestamp;

/// Ids are looked through for those that are out of force when there are so many, and twice as many as last time.
const PRUNE_FIRST_AT: usize = 4_096;

/// The ids that were in force at the place of the log that is judged.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) in_force: HashMap<MessageId, (Stored, Timestamp)>,
    prune_at: usize,
}

impl Default for Known {
    fn default() -> Self {
        Self { in_force: HashMap::new(), prune_at: PRUNE_FIRST_AT }
    }
}

impl Known {
    pub(super) fn prune(&mut self, now: Timestamp) {
        if self.in_force.len() >= self.prune_at {
            self.in_force.retain(|_, (_, expires)| now < expires.plus(CLOCK_SKEW_MAX));
            self.prune_at = (self.in_force.len() * 2).max(PRUNE_FIRST_AT);
        }
    }
}

impl KnownIds for Known {
    fn find(&self, id: &MessageId) -> Option<Stored> {
        self.in_force.get(id).map(|(stored, _)| *stored)
    }
}
