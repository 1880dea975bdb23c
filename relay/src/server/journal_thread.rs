//! The journal thread: takes all that waits, lets the sequencer decide and sync once, then tells everyone.
//!
//! No timer before a sync: a lone publish is synced at once, and while it is, the next batch gathers by itself. When
//! nothing waits, the journal rests: it proves its last batch, prepares the next segment, and removes what is older than
//! it keeps, a step at a time; `cadence.rs` says when. The thread ends when all workers have let go of the queue, or when
//! the journal fails.

use std::sync::Arc;
use std::time::Instant;

use vigie_proto::revocation::Target;

use super::cadence::Cadence;
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
    let mut cadence = Cadence::new(Instant::now());
    loop {
        match queue.recv_timeout(cadence.wait()) {
            Ok(first) => {
                let submissions = gather(first, queue);
                let committed = sequencer.commit(&submissions, clock.admission())?;
                watch.settled(&sequencer, &committed);
                let written = written(&committed);
                let revocations = committed.revocations.clone();
                tell(committed, submissions, inboxes);
                revocations.iter().for_each(|admitted| note(admitted));
                // What asks the disk for sizes now and then does not stand between a sync and its receipts.
                watch.look(&sequencer);
                if cadence.handle_sync(written) {
                    sequencer.rest()?;
                    cadence.handle_step(retain(&mut sequencer, clock)?, Instant::now());
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let step_is_due = cadence.handle_silence(Instant::now());
                sequencer.rest()?;
                watch.look(&sequencer);
                if step_is_due {
                    cadence.handle_step(retain(&mut sequencer, clock)?, Instant::now());
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
fn tell(committed: Committed, submissions: Vec<Submission>, inboxes: &[Arc<Inbox>]) {
    let Committed { answers, revocations, batch } = committed;
    let mut by_worker: Vec<Vec<_>> = inboxes.iter().map(|_| Vec::new()).collect();
    for (answer, Submission { ticket, statement }) in answers.into_iter().zip(submissions) {
        by_worker[ticket.worker].push((answer, statement));
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
    use super::super::tests::{
        HOUR, NOW, SetTime, batch, filled, logged, message, numbers, revocation, sequencer, submission,
    };
    use super::*;
    use crate::journal::sim_disk::SimDisk;
    use crate::sequencer::Answer;

    #[test]
    fn all_that_waits_is_on_disk_and_answered_when_the_queue_ends() {
        let (disk, inboxes) = (SimDisk::new(), [Arc::new(Inbox::default())]);
        let (submitter, submitted) = submissions::queue(16);
        for re in 1..=3 {
            assert!(submitter.submit(vec![submission(&message(re), 0, re as u64)]).is_empty());
        }
        drop(submitter);
        let clock = Clock::new(Box::new(SetTime::at(NOW)));
        run(sequencer(&disk), &submitted, &inboxes, &clock, JournalWatch::unseen()).unwrap();
        let Some(Letter::Answers(answers)) = inboxes[0].try_take() else { panic!("no answers") };
        assert_eq!(answers.iter().filter(|(answer, _)| answer.outcome.is_ok()).count(), 3);
        let Some(Letter::Batch(batch)) = inboxes[0].try_take() else { panic!("no events") };
        assert_eq!(batch.events.len(), 3);
        assert_eq!(sequencer(&disk.restart()).head().seq.get(), 3);
    }

    #[test]
    fn by_a_clock_that_jumped_ahead_nothing_is_removed() {
        let mut sequencer = filled(&SimDisk::new());
        let time = SetTime::at(NOW);
        let clock = Clock::new(Box::new(time.clone()));
        let first = |sequencer: &Sequencer<SimDisk>| sequencer.journal().first_seq().get();
        assert!(!retain(&mut sequencer, &clock).unwrap(), "nothing is due yet");
        time.set(NOW.plus(2 * HOUR));
        for _ in 0..20 {
            assert!(!retain(&mut sequencer, &clock).unwrap());
        }
        assert_eq!(first(&sequencer), 1);
        // Somebody has looked: it is that late.
        let clock = Clock::new(Box::new(time));
        assert!(retain(&mut sequencer, &clock).unwrap());
        while retain(&mut sequencer, &clock).unwrap() {}
        assert!(first(&sequencer) > 1);
    }

    #[test]
    fn what_is_due_and_cannot_be_read_stays_and_the_journal_goes_on() {
        let disk = SimDisk::new();
        let mut sequencer = filled(&disk);
        let clock = Clock::new(Box::new(SetTime::at(NOW.plus(2 * HOUR))));
        let oldest = disk.names().unwrap().into_iter().min().unwrap();
        let bytes = disk.content(&oldest).unwrap();
        disk.set_content(&oldest, bytes[..bytes.len() / 2].to_vec());
        for _ in 0..20 {
            assert!(!retain(&mut sequencer, &clock).unwrap(), "it is not tried without a pause");
        }
        assert_eq!(sequencer.journal().first_seq().get(), 1);
        let new = sequencer.commit(&[submission(&message(1), 0, 1)], Ok(NOW)).unwrap();
        assert!(new.answers[0].outcome.is_ok());
    }

    #[test]
    fn a_write_that_fails_while_the_old_is_let_go_ends_the_thread() {
        let disk = SimDisk::new();
        let mut sequencer = filled(&disk);
        let clock = Clock::new(Box::new(SetTime::at(NOW.plus(2 * HOUR))));
        disk.fail_at(disk.operations().len() + 1, std::io::ErrorKind::Other);
        let failed = (0..20).find_map(|_| retain(&mut sequencer, &clock).err());
        assert!(failed.is_some() && sequencer.journal().is_poisoned());
    }

    #[test]
    fn each_revocation_has_its_line_of_the_log_up_to_sixteen_of_a_sync() {
        for (admitted, told) in [(1, 1), (16, 16), (17, 16), (19, 16)] {
            let mut sequencer = sequencer(&SimDisk::new());
            let submissions: Vec<_> = (1..=admitted).map(|number| revocation(number, 0)).collect();
            let committed = sequencer.commit(&submissions, Ok(NOW)).unwrap();
            let revocations = committed.revocations.unwrap();
            assert_eq!(revocations.len() as u64, admitted);
            let lines = logged(|| note(&revocations));
            for (line, one) in lines.iter().zip(revocations.iter().take(told)) {
                let revocation = one.in_force.revocation();
                let Target::Key(key) = revocation.statement().target else { panic!("a key") };
                let who = [revocation.id().to_string(), revocation.issuer().to_string(), key.to_string()];
                assert!(who.iter().all(|id| line.contains(id)) && line.contains("live"), "{line}");
            }
            let more = admitted - told as u64;
            assert_eq!(lines.len(), told + usize::from(more > 0));
            assert!(more == 0 || lines[told].contains(&format!("more={more}")), "{lines:?}");
        }
    }

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
        let submissions = [(1, 1), (0, 2), (1, 3)].map(|(worker, re)| submission(&message, worker, re));
        let answer = |submission: &Submission| Answer {
            ticket: submission.ticket,
            id: submission.statement.id(),
            outcome: Err(Code::Busy.into()),
        };
        let committed = Committed {
            answers: submissions.iter().map(answer).collect(),
            revocations: Some(Vec::new().into()),
            batch: Some(batch(&message, 7, 300)),
        };
        assert_eq!(written(&committed), 300);
        let inboxes = [(); 3].map(|()| Arc::new(Inbox::default()));
        tell(committed, submissions.into(), &inboxes);
        for (inbox, expected) in inboxes.iter().zip([&[2][..], &[1, 3], &[]]) {
            if !expected.is_empty() {
                let Some(Letter::Answers(answers)) = inbox.try_take() else { panic!("no answers") };
                assert_eq!(answers.iter().map(|(answer, _)| answer.ticket.re).collect::<Vec<_>>(), expected);
            }
            assert!(matches!(inbox.try_take(), Some(Letter::Revocations(_))));
            let Some(Letter::Batch(batch)) = inbox.try_take() else { panic!("no events") };
            assert_eq!(batch.head().seq.get(), 7);
            assert!(inbox.try_take().is_none());
        }
    }
}
