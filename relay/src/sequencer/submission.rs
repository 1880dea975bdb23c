//! What comes to the sequencer, and what it hands back.

use vigie_proto::admit::Stored;
use vigie_proto::refusal::Refusal;

use super::statement::{Statement, StatementId};
use crate::event::SharedBatch;
use crate::revocations::SharedRevocations;

/// Where an answer goes: a session of a worker, and the request there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Index of the worker.
    pub worker: usize,
    /// The session.
    pub session: crate::worker::SessionId,
    /// The number of the request.
    pub re: u64,
}

/// A verified statement that waits for its place.
#[derive(Debug)]
pub struct Submission {
    /// Who asked.
    pub ticket: Ticket,
    /// What.
    pub statement: Statement,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who asked.
    pub ticket: Ticket,
    /// The message or revocation.
    pub id: StatementId,
    /// Its place in the log, on disk; or why not. That of a revocation is the one after which it holds.
    pub outcome: Result<Stored, Refusal>,
}

/// What one sync settled.
#[derive(Debug)]
pub struct Committed {
    /// One answer a submission, in their order.
    pub answers: Vec<Answer>,
    /// The new revocations, unless there are none: to be told before the events.
    pub revocations: Option<SharedRevocations>,
    /// The new events, unless there are none.
    pub batch: Option<SharedBatch>,
}
