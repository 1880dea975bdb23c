//! The journal thread: takes all that waits, lets the sequencer decide and sync once, then tells everyone.
//!
//! No timer: a lone publish is synced at once, and while it is, the next batch gathers by itself. It ends when all
//! workers have let go of the queue, or when the journal fails.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::inbox::{Inbox, Letter};
use crate::clock::Clock;
use crate::journal::{JournalError, Storage};
use crate::sequencer::{Committed, Sequencer, Submission};

/// Messages in one sync.
const BATCH_MESSAGES_MAX: usize = 1_024;

/// Signed bytes in one sync: under the journal's own bound of 16 MiB with room for chains and framing.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

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
    while let Some(batch) = gather(queue) {
        let committed = sequencer.commit(batch, clock.admission())?;
        tell(committed, inboxes);
    }
    sequencer.close()
}

/// Waits for a submission, then takes what else is there.
fn gather(queue: &Receiver<Submission>) -> Option<Vec<Submission>> {
    let first = queue.recv().ok()?;
    let mut bytes = first.message.token().len();
    let mut batch = vec![first];
    while batch.len() < BATCH_MESSAGES_MAX
        && bytes < BATCH_BYTES_MAX
        && let Ok(next) = queue.try_recv()
    {
        bytes += next.message.token().len();
        batch.push(next);
    }
    Some(batch)
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
