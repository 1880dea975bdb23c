//! What reaches a worker from other threads: connections, batches, answers, pages.
//!
//! The journal thread never waits for a worker. When too many batches wait here they are replaced by their head alone:
//! the worker then reads the events back from the journal for those it has. Answers are never dropped; sessions bound
//! how many there are. One short lock per batch and worker is all that is shared.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use vigie_proto::chain::Chain;
use vigie_proto::session::relay::Rules;

use crate::event::{Position, ReachReport, SharedBatch};
use crate::journal::ReadError;
use crate::net::accept::Newcomer;
use crate::revocations::SharedRevocations;
use crate::sequencer::{Answer, Statement};
use crate::sync::{Mutex, MutexGuard};
#[cfg(feature = "model")]
use crate::sync::{Plant, Rare, meet, planted};
use crate::worker::{ReadReply, SessionId};

/// Batches that may wait for one worker: each is at most 16 MiB and usually a few KiB. Few in the model, so that they do
/// become too many there.
pub(crate) const BATCHES_MAX: usize = if cfg!(feature = "model") { 2 } else { 64 };

/// Something for a worker.
#[derive(Debug)]
pub(crate) enum Letter {
    /// Serve this connection.
    Connection(Newcomer),
    /// What one sync settled for this worker's authors, each with what was asked: that is let go where it was made, whose
    /// allocator takes it back for less, and after the receipts.
    Answers(Vec<(Answer, Statement)>),
    /// New revocations: told before the events that were admitted with them.
    Revocations(SharedRevocations),
    /// New events.
    Batch(SharedBatch),
    /// New events up to here were not handed over.
    Jump(Position),
    /// A read of the journal is done.
    Reply(Box<Result<ReadReply, (SessionId, ReadError)>>),
    /// The reach of a message of this worker's author.
    Reach(ReachReport),
    /// The seat of this session went to a newcomer of its key.
    Unseated(SessionId),
    /// Judge by these from now on.
    Rules(Arc<Rules>),
    /// Tell the operators' door under which chains sessions are logged in.
    Chains(tokio::sync::mpsc::Sender<Vec<Arc<Chain>>>),
    /// Tell every session to come back after this long, and close.
    Shutdown(Duration),
    /// The journal failed: tell every session, and close.
    Failed,
    /// End now.
    Stop,
}

#[derive(Debug, Default)]
struct Waiting {
    letters: VecDeque<Letter>,
    batches: usize,
}

impl Waiting {
    /// Too many batches wait: this place stands for all of them, and for a jump that waits.
    fn jump(&mut self, head: Position) {
        #[cfg(feature = "model")]
        meet(Rare::Jump);
        let goes = |letter: &Letter| matches!(letter, Letter::Batch(_) | Letter::Jump(_));
        #[cfg(feature = "model")]
        let goes = |letter: &Letter| goes(letter) && !planted(Plant::BatchesKeptAtJump);
        self.letters.retain(|letter| !goes(letter));
        self.batches = 0;
        #[cfg(feature = "model")]
        if planted(Plant::JumpWithoutHead) {
            return;
        }
        self.letters.push_back(Letter::Jump(head));
    }
}

/// The way into a worker.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    notify: Notify,
}

impl Inbox {
    /// Puts in any letter but a batch.
    pub(crate) fn put(&self, letter: Letter) {
        self.lock().letters.push_back(letter);
        self.notify.notify_one();
    }

    /// Puts in a batch, or only its head when too many wait.
    pub(crate) fn put_batch(&self, batch: SharedBatch) {
        #[cfg(feature = "model")]
        if planted(Plant::NotifyBeforePush) {
            self.notify.notify_one();
        }
        let mut waiting = self.lock();
        if waiting.batches < BATCHES_MAX {
            waiting.batches += 1;
            waiting.letters.push_back(Letter::Batch(batch));
        } else {
            waiting.jump(batch.head());
        }
        drop(waiting);
        #[cfg(feature = "model")]
        if planted(Plant::NotifyBeforePush) {
            return;
        }
        self.notify.notify_one();
    }

    /// Takes the next letter, if there is one.
    pub(crate) fn try_take(&self) -> Option<Letter> {
        let mut waiting = self.lock();
        let letter = waiting.letters.pop_front()?;
        if matches!(letter, Letter::Batch(_)) {
            waiting.batches = waiting.batches.saturating_sub(1);
        }
        Some(letter)
    }

    /// Takes the next letter, as soon as there is one. Cancel safe.
    pub(crate) async fn take(&self) -> Letter {
        loop {
            if let Some(letter) = self.try_take() {
                return letter;
            }
            self.wait().await;
        }
    }

    /// Waits until there may be a letter. Cancel safe.
    async fn wait(&self) {
        self.notify.notified().await;
    }

    /// How many batches, jumps and other letters wait.
    #[cfg(all(test, feature = "model"))]
    pub(crate) fn waiting(&self) -> [usize; 3] {
        let waiting = self.lock();
        let count =
            |is_it: fn(&Letter) -> bool| waiting.letters.iter().filter(|letter| is_it(letter)).count();
        let batches = count(|letter| matches!(letter, Letter::Batch(_)));
        let jumps = count(|letter| matches!(letter, Letter::Jump(_)));
        [batches, jumps, waiting.letters.len() - batches - jumps]
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[cfg(not(feature = "model"))]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::super::tests::{batch, message};
    use super::*;

    /// What waits, in its order: places of batches and of jumps, and other letters.
    fn taken(inbox: &Inbox) -> Vec<String> {
        std::iter::from_fn(|| inbox.try_take())
            .map(|letter| {
                if let Letter::Batch(batch) = &letter {
                    return format!("batch {}", batch.head().seq);
                }
                if let Letter::Jump(head) = letter {
                    format!("jump {}", head.seq)
                } else {
                    "other".to_owned()
                }
            })
            .collect()
    }

    #[test]
    fn too_many_batches_become_their_head_and_no_other_letter_goes() {
        let (message, inbox) = (message(1), Inbox::default());
        let put = |seqs: std::ops::RangeInclusive<u64>| {
            seqs.for_each(|seq| inbox.put_batch(batch(&message, seq, 1)));
        };
        let max = BATCHES_MAX as u64;
        let batches = |seqs: std::ops::RangeInclusive<u64>| seqs.map(|seq| format!("batch {seq}"));
        put(1..=max);
        assert_eq!(taken(&inbox), batches(1..=max).collect::<Vec<_>>(), "so many may wait");
        put(1..=2);
        inbox.put(Letter::Stop);
        put(3..=max + 1);
        assert_eq!(taken(&inbox), ["other".to_owned(), format!("jump {}", max + 1)]);
        // A jump stands for one that waits, too.
        put(1..=max + 1);
        put(max + 2..=2 * max + 2);
        assert_eq!(taken(&inbox), [format!("jump {}", 2 * max + 2)]);
        // Behind a jump there is room for as many again.
        put(1..=max + 1);
        put(max + 2..=2 * max + 1);
        let jump = std::iter::once(format!("jump {}", max + 1));
        assert_eq!(taken(&inbox), jump.chain(batches(max + 2..=2 * max + 1)).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_waits_is_woken_by_each_letter() {
        let (message, inbox) = (message(1), Inbox::default());
        let waits = || pin!(inbox.wait()).poll(&mut Context::from_waker(Waker::noop())).is_pending();
        assert!(waits());
        inbox.put(Letter::Stop);
        assert!(!waits() && waits());
        for seq in 1..=BATCHES_MAX as u64 + 1 {
            inbox.put_batch(batch(&message, seq, 1));
            assert!(!waits() && waits(), "{seq}");
        }
    }

    #[test]
    fn whoever_takes_is_given_what_is_there_or_comes() {
        let inbox = Inbox::default();
        let mut context = Context::from_waker(Waker::noop());
        inbox.put(Letter::Failed);
        assert!(matches!(pin!(inbox.take()).poll(&mut context), Poll::Ready(Letter::Failed)));
        // Of the first it was told before, and that is no letter.
        let mut takes = pin!(inbox.take());
        assert!(takes.as_mut().poll(&mut context).is_pending());
        inbox.put(Letter::Stop);
        assert!(matches!(takes.poll(&mut context), Poll::Ready(Letter::Stop)));
    }

    #[test]
    fn what_was_taken_makes_room() {
        let (message, inbox) = (message(1), Inbox::default());
        for seq in 1..=3 * BATCHES_MAX as u64 {
            inbox.put_batch(batch(&message, seq, 1));
            inbox.put(Letter::Stop);
            if seq > 1 {
                assert!(matches!(inbox.try_take(), Some(Letter::Batch(_))), "{seq}");
                assert!(matches!(inbox.try_take(), Some(Letter::Stop)), "{seq}");
            }
        }
    }
}
