//! The journal thread: takes all that waits, lets the sequencer decide and sync once, then tells everyone.
//!
//! No timer before a sync: a lone publish is synced at once, and while it is, the next batch gathers by itself. When
//! nothing waits, the journal rests: it proves its last batch and prepares the next segment. The thread ends when all
//! workers have let go of the queue, or when the journal fails.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::inbox::{Inbox, Letter};
use crate::clock::Clock;
use crate::journal::{JournalError, Storage};
use crate::sequencer::{Committed, Sequencer, Submission};

/// Messages in one sync. Each may bring a whole chain that is not on disk yet, 8 × 1,280 bytes: 5 MiB at the worst.
const BATCH_MESSAGES_MAX: usize = 512;

/// Signed bytes in one sync: with the chains under the journal's own bound of 16 MiB, by a factor of 1.7.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// After this long without a publish the journal rests. Short, since until then the last batch is proven by nothing
/// after it; long enough not to pay a second sync for each of a row of lone publishes.
const REST_AFTER: Duration = Duration::from_millis(10);

/// Runs until the queue ends.
///
/// # Errors
/// The journal failed: nothing that has no receipt by now may get one.
pub(crate) fn run<S: Storage>(
    mut sequencer: Sequencer<S>,
    queue: &Receiver<Submission>,
    inboxes: &[Arc<Inbox>],
    clock: &Clock,
) -> Result<(), JournalError> {
    let mut rested = false;
    loop {
        // A journal that rests needs no look at the time: it waits for the next publish.
        let first = if rested {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            queue.recv_timeout(REST_AFTER)
        };
        match first {
            Ok(first) => {
                let committed = sequencer.commit(gather(first, queue), clock.admission())?;
                tell(committed, inboxes);
                rested = false;
            }
            Err(RecvTimeoutError::Timeout) => {
                sequencer.rest()?;
                rested = true;
            }
            Err(RecvTimeoutError::Disconnected) => return sequencer.close(),
        }
    }
}

/// Takes what else is there, up to the bounds of one sync.
fn gather(first: Submission, queue: &Receiver<Submission>) -> Vec<Submission> {
    let mut bytes = first.message.token().len();
    let mut batch = vec![first];
    while batch.len() < BATCH_MESSAGES_MAX
        && bytes < BATCH_BYTES_MAX
        && let Ok(next) = queue.try_recv()
    {
        bytes += next.message.token().len();
        batch.push(next);
    }
    batch
}

/// Receipts first, then the events: both wait in the same inbox, so an author reads its receipt before its own event.
fn tell(committed: Committed, inboxes: &[Arc<Inbox>]) {
    let Committed { answers, batch } = committed;
    let mut by_worker: Vec<Vec<_>> = inboxes.iter().map(|_| Vec::new()).collect();
    for answer in answers {
        by_worker[answer.ticket.worker].push(answer);
    }
    for (answers, inbox) in by_worker.into_iter().zip(inboxes) {
        if !answers.is_empty() {
            inbox.put(Letter::Answers(answers));
        }
        if let Some(batch) = &batch {
            inbox.put_batch(Arc::clone(batch));
        }
    }
}
