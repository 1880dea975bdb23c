//! The messages that were delivered, so that each is delivered once, whatever logs it is heard from, and can be taken
//! back when its author is revoked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vigie_proto::chain::Chain;
use vigie_proto::id::MessageId;
use vigie_proto::time::Timestamp;

/// Ids kept: more than a day of a busy region, in about 10 MiB.
///
/// At the bound the id whose message expires first is forgotten. Heard again from the same log it is still dropped,
/// by its sequence; heard from another relay it would be delivered again, under the same id.
pub(super) const DELIVERED_MAX: usize = 65_536;

/// What is remembered of a message: enough to take it back when its author is revoked.
#[derive(Debug)]
struct Known {
    admitted: Timestamp,
    /// `None` once it is disowned: that is told once.
    chain: Option<Arc<Chain>>,
}

/// A bounded set of message ids, ordered by when their messages expire.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    known: BTreeMap<MessageId, Known>,
    by_expiry: BTreeSet<(Timestamp, MessageId)>,
}

impl Delivered {
    /// Notes a delivery; false when the message was delivered before.
    ///
    /// `chain` is that of its author; `None` when it was told as disowned.
    pub(super) fn note(
        &mut self,
        id: MessageId,
        expires: Timestamp,
        admitted: Timestamp,
        chain: Option<Arc<Chain>>,
    ) -> bool {
        if self.contains(id) {
            return false;
        }
        self.known.insert(id, Known { admitted, chain });
        self.by_expiry.insert((expires, id));
        if self.known.len() > DELIVERED_MAX
            && let Some((_, forgotten)) = self.by_expiry.pop_first()
        {
            self.known.remove(&forgotten);
        }
        true
    }

    /// Takes back what was delivered as a message and is disowned now, each once; `judge` says what is.
    pub(super) fn take_back<D>(
        &mut self,
        judge: impl Fn(MessageId, &Chain, Timestamp) -> Option<D>,
    ) -> Vec<D> {
        let judged = self.known.iter_mut().filter_map(|(id, known)| {
            let disowned = judge(*id, known.chain.as_ref()?, known.admitted)?;
            known.chain = None;
            Some(disowned)
        });
        judged.collect()
    }

    /// Whether the message was delivered.
    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.known.contains_key(&id)
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

    fn note(delivered: &mut Delivered, number: u64, expires: u64) -> bool {
        delivered.note(id(number), Timestamp::from_millis(expires), Timestamp::EPOCH, None)
    }

    #[test]
    fn at_the_bound_what_expires_first_is_forgotten() {
        let mut delivered = Delivered::default();
        // Noted in falling order of expiry: the last one noted expires first of all.
        let count = DELIVERED_MAX as u64;
        for number in 0..count {
            assert!(note(&mut delivered, number, count - number));
        }
        assert!(!note(&mut delivered, count - 1, 1), "known");
        assert!(note(&mut delivered, count, count));
        assert!(!delivered.contains(id(count - 1)), "it expired first");
        assert!(delivered.contains(id(0)) && delivered.contains(id(count)));
        assert_eq!(delivered.known.len(), DELIVERED_MAX);
        assert_eq!(delivered.by_expiry.len(), DELIVERED_MAX);
    }
}
