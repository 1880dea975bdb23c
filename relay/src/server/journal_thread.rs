//! The journal thread: takes all that waits, lets the sequencer decide and sync once, then tells everyone.
//!
//! No timer before a sync: a lone publish is synced at once, and while it is, the next batch gathers by itself. When
//! nothing waits, the journal rests: it proves its last batch, prepares the next segment, and removes what is older than
//! it keeps, a step at a time. The thread ends when all workers have let go of the queue, or when the journal fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vigie_proto::revocation::Target;

use super::inbox::{Inbox, Letter};
use super::submissions::Submitted;
use crate::clock::Clock;
use crate::health::JournalWatch;
use crate::journal::{JournalError, Storage};
use crate::revocations::StoredRevocation;
use crate::sequencer::{Committed, Sequencer, Submission};
use crate::sync::mpsc::RecvTimeoutError;

/// Messages in one sync, and up to 63 more. Each may bring a whole chain that is not on disk yet, 8 × 1,280 bytes: 6 MiB at
/// the worst.
const BATCH_MESSAGES_MAX: usize = 512;

/// Signed bytes in one sync, and up to 1.25 MiB more: with the chains under the journal's own bound of 16 MiB, by a factor
/// of 1.4.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// After this long without a publish the journal rests. Short, since until then the last batch is proven by nothing
/// after it; long enough not to pay a second sync for each of a row of lone publishes.
const REST_AFTER: Duration = Duration::from_millis(10);

/// A journal at rest looks this often whether something has become old enough to go: ages are counted in days.
const RETAIN_EVERY: Duration = Duration::from_secs(60);

/// A journal at rest shows this often that its thread moves, and looks for room again where there was none.
const MOVE_EVERY: Duration = Duration::from_secs(1);

/// Where publishes never pause that long, it is done once in so many syncs: a step costs about as much as a few of them.
const SYNCS_WITHOUT_REST_MAX: u32 = 256;

/// And as long as more is due to go, after so much was written, in bytes of events: a quarter of what a step lets go, so
/// that the journal shrinks also where publishes never pause.
const WRITTEN_WITHOUT_REST_MAX: usize = 1024 * 1024;

/// Lines of the log for the revocations of one sync: who revokes a hundred at once needs no line for each.
const REVOCATIONS_TOLD_MAX: usize = 16;

/// Runs until the queue ends.
///
/// # Errors
/// The journal failed: nothing that has no receipt by now may get one.
pub(crate) fn run<S: Storage>(
    mut sequencer: Sequencer<S>,
    queue: &Submitted,
    inboxes: &[Arc<Inbox>],
    clock: &Clock,
    mut watch: JournalWatch,
) -> Result<(), JournalError> {
    let mut wait = REST_AFTER;
    let (mut syncs_without_rest, mut written_without_rest, mut more_is_due) = (0, 0, false);
    let mut retain_at = Instant::now();
    loop {
        match queue.recv_timeout(wait) {
            Ok(first) => {
                let committed = sequencer.commit(gather(first, queue), clock.admission())?;
                watch.settled(&sequencer, &committed);
                written_without_rest += written(&committed);
                let revocations = committed.revocations.clone();
                tell(committed, inboxes);
                revocations.iter().for_each(|admitted| note(admitted));
                // What asks the disk for sizes now and then does not stand between a sync and its receipts.
                watch.look(&sequencer);
                (wait, retain_at) = (REST_AFTER, Instant::now());
                syncs_without_rest += 1;
                if syncs_without_rest >= SYNCS_WITHOUT_REST_MAX
                    || (more_is_due && written_without_rest >= WRITTEN_WITHOUT_REST_MAX)
                {
                    (syncs_without_rest, written_without_rest) = (0, 0);
                    sequencer.rest()?;
                    more_is_due = retain(&mut sequencer, clock)?;
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                (syncs_without_rest, written_without_rest) = (0, 0);
                sequencer.rest()?;
                watch.look(&sequencer);
                wait = MOVE_EVERY;
                if retain_at <= Instant::now() {
                    more_is_due = retain(&mut sequencer, clock)?;
                    if more_is_due {
                        wait = Duration::ZERO;
                    } else {
                        retain_at = Instant::now() + RETAIN_EVERY;
                    }
                }
            }
            Err(RecvTimeoutError::Disconnected) => return sequencer.close(),
        }
    }
}

/// Makes a step of retention; says whether another one is due. By a clock that cannot be trusted nothing is removed.
fn retain<S: Storage>(sequencer: &mut Sequencer<S>, clock: &Clock) -> Result<bool, JournalError> {
    let Ok(now) = clock.admission() else { return Ok(false) };
    match sequencer.retain(now) {
        Err(error) if !sequencer.journal().is_poisoned() => {
            tracing::error!(%error, "what is due for removal stays: it cannot be read");
            Ok(false)
        }
        step => step,
    }
}

/// Takes what else is there, up to the bounds of one sync: past them by less than what a worker hands over at once.
fn gather(mut batch: Vec<Submission>, queue: &Submitted) -> Vec<Submission> {
    let bytes_of = |part: &[Submission]| part.iter().map(|one| one.statement.bytes()).sum::<usize>();
    let mut bytes = bytes_of(&batch);
    while batch.len() < BATCH_MESSAGES_MAX
        && bytes < BATCH_BYTES_MAX
        && let Ok(mut next) = queue.try_recv()
    {
        bytes += bytes_of(&next);
        batch.append(&mut next);
    }
    batch
}

fn written(committed: &Committed) -> usize {
    let events = committed.batch.iter().flat_map(|batch| &batch.events);
    events.map(|(event, _)| event.frame.len()).sum()
}

/// Says in the log who revoked whom: ids and a plane, nothing that a person wrote.
fn note(admitted: &[Arc<StoredRevocation>]) {
    for one in admitted.iter().take(REVOCATIONS_TOLD_MAX) {
        let revocation = one.in_force.revocation();
        let (id, issuer) = (revocation.id(), revocation.issuer());
        let (target, plane) = (revocation.statement().target, one.plane().as_str());
        let (kind, target) = match target {
            Target::Credential(id) => ("credential", id.to_string()),
            Target::Key(id) => ("key", id.to_string()),
        };
        tracing::info!(revocation = %id, %issuer, kind, target, plane, "a revocation was admitted");
    }
    if let Some(more) = admitted.len().checked_sub(REVOCATIONS_TOLD_MAX).filter(|more| *more > 0) {
        tracing::info!(more, "more revocations were admitted with these");
    }
}

/// Receipts first, then the events: both wait in the same inbox, so an author reads its receipt before its own event.
fn tell(committed: Committed, inboxes: &[Arc<Inbox>]) {
    let Committed { answers, revocations, batch } = committed;
    let mut by_worker: Vec<Vec<_>> = inboxes.iter().map(|_| Vec::new()).collect();
    for answer in answers {
        by_worker[answer.ticket.worker].push(answer);
    }
    for (answers, inbox) in by_worker.into_iter().zip(inboxes) {
        if !answers.is_empty() {
            inbox.put(Letter::Answers(answers));
        }
        if let Some(revocations) = &revocations {
            inbox.put(Letter::Revocations(Arc::clone(revocations)));
        }
        if let Some(batch) = &batch {
            inbox.put_batch(Arc::clone(batch));
        }
    }
}

#[cfg(test)]
#[cfg(not(feature = "model"))]
mod tests {
    use vigie_proto::refusal::Code;
    use vigie_proto::verify::VerifiedMessage;

    use super::super::submissions;
    use super::super::tests::{batch, message, numbers, submission};
    use super::*;
    use crate::sequencer::Answer;

    #[test]
    fn what_waits_is_gathered_in_order_up_to_so_many_messages() {
        let message = message(1);
        // Parts that come to the bound, and parts of which the last goes past it.
        for (part, gathered) in [(64, 512), (60, 540)] {
            let (submitter, submitted) = submissions::queue(2_000);
            for first in (0..1_800).step_by(part) {
                let all = (first..first + part).map(|re| submission(&message, 0, re as u64)).collect();
                assert!(submitter.submit(all).is_empty());
            }
            for turn in 0..3 {
                let numbers = numbers(&gather(submitted.try_recv().unwrap(), &submitted));
                assert_eq!(numbers, (turn * gathered..(turn + 1) * gathered).collect::<Vec<_>>());
            }
            let rest = gather(submitted.try_recv().unwrap(), &submitted);
            assert!(!rest.is_empty() && submitted.try_recv().is_err(), "all that is there");
        }
    }

    /// A message whose signed bytes are so many.
    fn message_of(bytes: usize) -> VerifiedMessage {
        let size = |letters| message(letters).token().len();
        let least = size(1);
        let letters = 1 + (bytes - least) * 10_000 / (size(10_001) - least);
        let mut near = (letters - 3..=letters + 3).map(message);
        near.find(|message| message.token().len() == bytes).expect("there is one")
    }

    #[test]
    fn what_waits_is_gathered_up_to_four_mib() {
        const FOUR_MIB: usize = 4 * 1024 * 1024;
        for message in [message_of(FOUR_MIB / 32), message(60_000)] {
            let (submitter, submitted) = submissions::queue(2_000);
            let enough = FOUR_MIB.div_ceil(message.token().len());
            for re in 0..2 * enough as u64 {
                assert!(submitter.submit(vec![submission(&message, 0, re)]).is_empty());
            }
            for _ in 0..2 {
                assert_eq!(gather(submitted.try_recv().unwrap(), &submitted).len(), enough);
            }
            // What came first counts too.
            let first = (0..enough as u64).map(|re| submission(&message, 0, re)).collect();
            assert!(submitter.submit(vec![submission(&message, 0, 0)]).is_empty());
            assert_eq!(gather(first, &submitted).len(), enough);
        }
    }

    #[test]
    fn each_worker_is_told_its_answers_first_and_every_worker_the_events() {
        let message = message(1);
        let answer = |worker, re| {
            let submission = submission(&message, worker, re);
            Answer {
                ticket: submission.ticket,
                id: submission.statement.id(),
                outcome: Err(Code::Busy.into()),
            }
        };
        let committed = Committed {
            answers: vec![answer(1, 1), answer(0, 2), answer(1, 3)],
            revocations: Some(Vec::new().into()),
            batch: Some(batch(&message, 7, 300)),
        };
        assert_eq!(written(&committed), 300);
        let inboxes = [(); 3].map(|()| Arc::new(Inbox::default()));
        tell(committed, &inboxes);
        for (inbox, expected) in inboxes.iter().zip([&[2][..], &[1, 3], &[]]) {
            if !expected.is_empty() {
                let Some(Letter::Answers(answers)) = inbox.try_take() else { panic!("no answers") };
                assert_eq!(answers.iter().map(|answer| answer.ticket.re).collect::<Vec<_>>(), expected);
            }
            assert!(matches!(inbox.try_take(), Some(Letter::Revocations(_))));
            let Some(Letter::Batch(batch)) = inbox.try_take() else { panic!("no events") };
            assert_eq!(batch.head().seq.get(), 7);
            assert!(inbox.try_take().is_none());
        }
    }
}
