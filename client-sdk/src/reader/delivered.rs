//! The ids of messages that were delivered, so that each is delivered once, whatever logs it is heard from.

use std::collections::{BTreeMap, BTreeSet};

use vigie_proto::id::MessageId;
use vigie_proto::time::Timestamp;

/// Ids kept: more than a day of a busy region, in about 8 MiB.
///
/// At the bound the id whose message expires first is forgotten. Heard again from the same log it is still dropped,
/// by its sequence; heard from another relay it would be delivered again, under the same id.
pub(super) const DELIVERED_MAX: usize = 65_536;

/// A bounded set of message ids, ordered by when their messages expire.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    expires: BTreeMap<MessageId, Timestamp>,
    by_expiry: BTreeSet<(Timestamp, MessageId)>,
}

impl Delivered {
    /// Notes a delivery; false when the message was delivered before.
    pub(super) fn note(&mut self, id: MessageId, expires: Timestamp) -> bool {
        if self.contains(id) {
            return false;
        }
        self.expires.insert(id, expires);
        self.by_expiry.insert((expires, id));
        if self.expires.len() > DELIVERED_MAX
            && let Some((_, forgotten)) = self.by_expiry.pop_first()
        {
            self.expires.remove(&forgotten);
        }
        true
    }

    /// Whether the message was delivered.
    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.expires.contains_key(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MessageId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        MessageId::from_bytes(bytes)
    }

    #[test]
    fn at_the_bound_what_expires_first_is_forgotten() {
        let mut delivered = Delivered::default();
        // Noted in falling order of expiry: the last one noted expires first of all.
        let count = DELIVERED_MAX as u64;
        for number in 0..count {
            assert!(delivered.note(id(number), Timestamp::from_millis(count - number)));
        }
        assert!(!delivered.note(id(count - 1), Timestamp::from_millis(1)), "known");
        assert!(delivered.note(id(count), Timestamp::from_millis(count)));
        assert!(!delivered.contains(id(count - 1)), "it expired first");
        assert!(delivered.contains(id(0)) && delivered.contains(id(count)));
        assert_eq!(delivered.expires.len(), DELIVERED_MAX);
        assert_eq!(delivered.by_expiry.len(), DELIVERED_MAX);
    }
}
