//! What a worker has verified and not handed to the journal thread yet: the messages of a turn, or of a few.
//!
//! No timer: a lone message is handed over after the turn in which it came, as soon as the sockets have been looked at once
//! more; as long as every turn brings others they gather, up to the bounds below. An urgent one waits no less, for it would
//! gain nothing: what is verified before and after it on its worker is a matter of 2 ms, and it is delivered by that worker,
//! when it is done with them.

use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

use crate::sequencer::Submission;

/// Turns that a message waits for others at most: with 16 checks a turn, for 2 ms.
const TURNS_MAX: usize = 3;

/// Handed over at once when there are so many: what these turns bring at most.
const MESSAGES_MAX: usize = 64;

/// Handed over at once when they have so many signed bytes: few such parts fill a sync.
const BYTES_MAX: usize = 1024 * 1024;

/// Of one worker.
#[derive(Debug, Default)]
pub(super) struct Verified {
    submissions: RefCell<Vec<Submission>>,
    bytes: Cell<usize>,
    begun: Notify,
}

impl Verified {
    /// Puts in one more. Says whether all of them are to be handed over at once.
    pub(super) fn put(&self, submission: Submission) -> bool {
        let mut submissions = self.submissions.borrow_mut();
        if submissions.is_empty() {
            self.begun.notify_one();
        }
        self.bytes.set(self.bytes.get() + submission.statement.bytes());
        submissions.push(submission);
        submissions.len() >= MESSAGES_MAX || self.bytes.get() >= BYTES_MAX
    }

    /// Takes all that are there.
    pub(super) fn take(&self) -> Vec<Submission> {
        self.bytes.set(0);
        self.submissions.take()
    }

    /// Ready when those that are there have waited long enough. There may be none: they were taken before.
    pub(super) async fn gathered(&self) {
        self.begun.notified().await;
        let count = || self.submissions.borrow().len();
        let mut before = count();
        for _ in 0..TURNS_MAX {
            tokio::task::yield_now().await;
            let now = count();
            if now == before {
                break;
            }
            before = now;
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "model"))]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::super::tests::{message, numbers, submission};
    use super::*;

    #[test]
    fn so_many_messages_go_at_once_and_what_was_taken_counts_no_more() {
        let (message, verified) = (message(1), Verified::default());
        for _ in 0..2 {
            for re in 1..=MESSAGES_MAX as u64 {
                let at_once = verified.put(submission(&message, 0, re));
                assert_eq!(at_once, re == MESSAGES_MAX as u64, "{re}");
            }
            assert_eq!(numbers(&verified.take()), (1..=MESSAGES_MAX as u64).collect::<Vec<_>>());
            assert!(verified.take().is_empty());
        }
    }

    #[test]
    fn so_many_bytes_go_at_once_and_what_was_taken_counts_no_more() {
        let (message, verified) = (message(60_000), Verified::default());
        let (mib, bytes) = (1024 * 1024, message.token().len());
        let enough = u64::try_from(usize::div_ceil(mib, bytes)).unwrap();
        assert!(2 < enough && enough < MESSAGES_MAX as u64);
        for _ in 0..2 {
            for re in 1..=enough {
                assert_eq!(verified.put(submission(&message, 0, re)), re == enough, "{re}");
            }
            assert_eq!(verified.take().len() as u64, enough);
        }
    }

    /// In turns of a worker: how many pass until those that are there have waited long enough, where in each of the first
    /// ones another comes.
    fn turns_waited(others: usize) -> usize {
        let (message, verified) = (message(1), Verified::default());
        let mut gathered = pin!(verified.gathered());
        let mut is_ready = || gathered.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        assert!(!is_ready(), "there is none");
        verified.put(submission(&message, 0, 0));
        for turn in 0..10 {
            if is_ready() {
                return turn;
            }
            if turn < others {
                verified.put(submission(&message, 0, 1));
            }
        }
        panic!("it waits for ever");
    }

    #[test]
    fn a_lone_message_waits_one_turn_and_none_longer_than_a_few() {
        let waited = [0, 1, 2, 9].map(turns_waited);
        assert_eq!(waited, [1, 2, 3, TURNS_MAX]);
    }
}
