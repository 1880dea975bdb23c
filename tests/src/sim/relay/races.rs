//! What revocations meet inside of a relay, for the counts: the races that a run is to have had.

use std::sync::Arc;

use vigie_proto::chain::Chain;
use vigie_proto::channel::Plane;
use vigie_proto::refusal::Code;
use vigie_proto::revocation::InForce;
use vigie_relay::revocations::SharedRevocations;
use vigie_relay::sequencer::{Answer, Statement, Submission};
use vigie_relay::worker::Worker;

use super::{Letter, Seat, SimRelay};
use crate::sim::coverage::Coverage;

/// One submission of a batch.
#[derive(Debug)]
enum Waits {
    Message(Arc<Chain>),
    Revocation(Box<InForce>),
}

/// A batch with a revocation in it, or with messages of somebody who may be revoked.
#[derive(Debug, Default)]
pub(super) struct Race {
    batch: Vec<Waits>,
    /// It is not on disk.
    is_open: bool,
}

impl Race {
    pub(super) fn begin(batch: &[Submission]) -> Self {
        let waits = |submission: &Submission| match &submission.statement {
            Statement::Message(message) => Waits::Message(Arc::clone(message.chain())),
            Statement::Revocation(revocation) => Waits::Revocation(Box::new(InForce::from(&**revocation))),
        };
        Self { batch: batch.iter().map(waits).collect(), is_open: true }
    }

    /// It is on disk.
    pub(super) const fn end(&mut self) {
        self.is_open = false;
    }

    fn has_revocation(&self) -> bool {
        self.batch.iter().any(|waits| matches!(waits, Waits::Revocation(_)))
    }

    /// What became of it.
    pub(super) fn count(&mut self, answers: &[Answer], tally: &mut Coverage) {
        let outcomes: Vec<_> =
            self.batch.drain(..).zip(answers.iter().map(|answer| &answer.outcome)).collect();
        for (place, (waits, outcome)) in outcomes.iter().enumerate() {
            match (waits, outcome) {
                (Waits::Message(_), Err(refusal)) => {
                    tally.revoked_between_check_and_append += u64::from(refusal.code == Code::Revoked);
                }
                (Waits::Revocation(revocation), Ok(_)) => {
                    let met = |(waits, _): &&(Waits, _)| matches!(waits, Waits::Message(chain) if revocation.meets(chain).is_some());
                    let before = outcomes[..place].iter().filter(met).any(|(_, outcome)| outcome.is_ok());
                    let after = outcomes[place..].iter().filter(met).any(|(_, outcome)| outcome.is_err());
                    tally.revoked_inside_a_batch += u64::from(before && after);
                }
                (Waits::Revocation(_), Err(refusal)) => {
                    tally.revocations_by_the_revoked += u64::from(refusal.code == Code::Revoked);
                }
                (Waits::Message(_), Ok(_)) => {}
            }
        }
    }
}

impl SimRelay {
    /// The count of the last revocation of a plane that is on disk.
    pub fn last_revocation(&self, plane: Plane) -> u64 {
        self.sequencer.revocations().last(plane)
    }

    /// Whether the connection is to be dropped now, whatever its client still has to read.
    pub fn is_overdue(&self, (worker, id): Seat) -> bool {
        self.workers[worker].is_overdue(id)
    }

    /// Whether a page is being read for a reader of this worker, or waits for it.
    pub(super) fn is_reading_for(&self, worker: usize) -> bool {
        self.reads.iter().any(|(of, _)| *of == worker)
            || self.inboxes[worker].iter().any(|letter| matches!(letter, Letter::Reply(_)))
    }

    /// A worker takes note of these.
    pub(super) fn note_heeded(&mut self, new: &SharedRevocations) {
        for one in new.iter() {
            let workers = self.heeding.entry(one.count).or_default();
            *workers += 1;
            if *workers == self.bounds.workers {
                self.heeding.remove(&one.count);
                self.heeded.push(Arc::clone(one.in_force.revocation().token()));
            }
        }
    }

    /// The revocations that all workers have taken note of since this was asked last.
    pub fn take_heeded(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.heeded)
    }

    /// Whether a revocation is on disk that nobody was told.
    pub fn has_untold_revocation(&self) -> bool {
        self.untold.as_ref().is_some_and(|untold| untold.revocations.is_some())
    }

    /// It ends here and now.
    pub fn note_crash(&self, tally: &mut Coverage) {
        let waits = |submission: &Submission| matches!(submission.statement, Statement::Revocation(_));
        let unsynced =
            self.submissions.iter().any(waits) || (self.race.is_open && self.race.has_revocation());
        tally.revocations_lost_unsynced += u64::from(unsynced);
        tally.revocations_untold_at_a_crash += u64::from(self.has_untold_revocation());
    }

    /// It has started.
    pub fn note_start(&self, damaged: bool, tally: &mut Coverage) {
        let revocations = self.sequencer.revocations();
        let mut first =
            [Plane::Live, Plane::Exercise].into_iter().filter_map(|plane| revocations.after(plane, 0));
        let (any, carried) = first.by_ref().fold((false, false), |(_, carried), one| {
            (true, carried || one.stored.seq.next() < self.first())
        });
        tally.starts_with_revocations += u64::from(any);
        tally.damaged_starts_with_revocations += u64::from(any && damaged);
        tally.starts_with_carried_revocations += u64::from(carried);
    }
}

/// How many sessions of a worker revocations have ended so far.
pub(super) fn ended(worker: &Worker) -> u64 {
    let refusals = worker.counts().refusals;
    refusals.iter().find(|(code, _)| *code == Code::SessionRevoked).map_or(0, |(_, count)| count)
}
