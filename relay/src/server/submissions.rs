//! The queue from the workers to the journal thread, bounded in messages.
//!
//! What a worker has verified in one turn is one item of it. Handed over one by one, the first message would wake the
//! journal thread, which on the same core goes before the worker, and the rest would wait for a second sync and a second
//! round of writes to all who hear them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::sequencer::Submission;
use crate::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};

/// Makes a queue for so many messages.
pub(crate) fn queue(messages_max: usize) -> (Submitter, Submitted) {
    // As many places as messages: each item has one at least.
    let (sender, receiver) = sync_channel(messages_max);
    let waiting = Arc::new(AtomicUsize::new(0));
    let submitter = Submitter { sender, waiting: Arc::clone(&waiting), messages_max };
    (submitter, Submitted { receiver, waiting })
}

/// A worker's end.
#[derive(Clone, Debug)]
pub(crate) struct Submitter {
    sender: SyncSender<Vec<Submission>>,
    /// Messages that are in the queue.
    waiting: Arc<AtomicUsize>,
    messages_max: usize,
}

impl Submitter {
    /// Hands over as many as there is room for, from the first on; gives back the rest. Never waits.
    pub(crate) fn submit(&self, mut verified: Vec<Submission>) -> Vec<Submission> {
        let mut taken = 0;
        let take = |waiting: usize| {
            taken = verified.len().min(self.messages_max.saturating_sub(waiting));
            Some(waiting + taken)
        };
        // A count, and no more: what is handed over is made visible by the queue.
        let _ = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let mut rest = verified.split_off(taken);
        if let Some(mut unsent) = self.send(verified) {
            self.waiting.fetch_sub(taken, Ordering::Relaxed);
            unsent.append(&mut rest);
            return unsent;
        }
        rest
    }

    /// What the queue does not take: the journal thread has ended.
    fn send(&self, verified: Vec<Submission>) -> Option<Vec<Submission>> {
        if verified.is_empty() {
            return None;
        }
        match self.sender.try_send(verified) {
            Ok(()) => None,
            Err(TrySendError::Full(verified) | TrySendError::Disconnected(verified)) => Some(verified),
        }
    }
}

/// The journal thread's end.
#[derive(Debug)]
pub(crate) struct Submitted {
    receiver: Receiver<Vec<Submission>>,
    waiting: Arc<AtomicUsize>,
}

impl Submitted {
    /// Waits that long for what was verified in a turn of some worker.
    ///
    /// # Errors
    /// Nothing came, or all workers have let go of the queue.
    pub(crate) fn recv_timeout(&self, wait: Duration) -> Result<Vec<Submission>, RecvTimeoutError> {
        self.receiver.recv_timeout(wait).inspect(|verified| self.note_taken(verified))
    }

    /// The same of what is there.
    ///
    /// # Errors
    /// Nothing is there.
    pub(crate) fn try_recv(&self) -> Result<Vec<Submission>, TryRecvError> {
        self.receiver.try_recv().inspect(|verified| self.note_taken(verified))
    }

    fn note_taken(&self, verified: &[Submission]) {
        self.waiting.fetch_sub(verified.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(feature = "model"))]
mod tests {
    use super::super::tests::{message, numbers, submission};
    use super::*;

    #[test]
    fn there_is_room_for_so_many_messages_and_the_rest_comes_back_in_order() {
        let (message, (submitter, submitted)) = (message(1), queue(5));
        let part = |of: std::ops::RangeInclusive<u64>| of.map(|re| submission(&message, 0, re)).collect();
        let submit = |of| numbers(&submitter.submit(part(of)));
        assert!(submit(1..=3).is_empty());
        assert_eq!(submit(4..=8), [6, 7, 8]);
        assert_eq!(submit(9..=9), [9], "full");
        assert_eq!(numbers(&submitted.try_recv().unwrap()), [1, 2, 3]);
        // Two wait, so there is room for three.
        assert_eq!(submit(10..=14), [13, 14]);
        assert_eq!(numbers(&submitted.recv_timeout(Duration::ZERO).unwrap()), [4, 5]);
        assert_eq!(submit(15..=17), [17]);
        assert_eq!(numbers(&submitted.try_recv().unwrap()), [10, 11, 12]);
        assert_eq!(numbers(&submitted.try_recv().unwrap()), [15, 16]);
        assert!(submitted.try_recv().is_err(), "what came back is not in the queue as well");
    }

    #[test]
    fn all_comes_back_from_a_journal_thread_that_has_ended() {
        let (message, (submitter, submitted)) = (message(1), queue(2));
        drop(submitted);
        for _ in 0..2 {
            let back = submitter.submit((1..=3).map(|re| submission(&message, 0, re)).collect());
            assert_eq!(numbers(&back), [1, 2, 3]);
        }
    }
}
