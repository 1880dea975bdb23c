//! The publishes that wait for an answer, over as many lines as it takes. No I/O: the driver asks what to send, and
//! tells what came.
//!
//! Invariants: every publish is answered exactly once; one that ever left this machine is never answered as if it had
//! not.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;
use vigie_proto::frame::{ClientFrame, RequestNumber};
use vigie_proto::id::MessageId;
use vigie_proto::refusal::Refusal;

use crate::draft::SignedMessage;
use crate::link::LinkError;
use crate::publish::{PublishError, Reach, Receipt};

/// Publishes in flight at once: enough to fill a group commit of the relay, few enough that all of the largest size
/// take 8 MiB. Further callers wait for their turn.
pub(crate) const IN_FLIGHT_MAX: usize = 32;

/// Receipted messages whose `reach` is waited for; the oldest is given up.
const REACHES_MAX: usize = 64;

/// A publish as a caller asks for it.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) message: SignedMessage,
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<Result<Receipt, PublishError>>,
    pub(crate) reach: Option<oneshot::Sender<Reach>>,
    /// The place among those in flight; given back with the answer.
    pub(crate) _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Waiting {
    command: Command,
    /// Whether it was handed to any line: from then on its fate may be unknown.
    ever_sent: bool,
    /// Whether it was handed to a line before the present one.
    sent_before: bool,
    /// Whether it was handed to the present line.
    on_line: bool,
}

/// The relay broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongReceipt;

/// See the module. At most [`IN_FLIGHT_MAX`] wait, by their permits.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// By request number, which is also the order of publishing.
    waiting: BTreeMap<RequestNumber, Waiting>,
    last: RequestNumber,
    reaches: VecDeque<(MessageId, oneshot::Sender<Reach>)>,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn handle_publish(&mut self, command: Command) {
        self.last += 1;
        let waiting = Waiting { command, ever_sent: false, sent_before: false, on_line: false };
        self.waiting.insert(self.last, waiting);
    }

    /// The next frame to hand to the present line, in order of publishing.
    pub(crate) fn poll_frame(&mut self) -> Option<String> {
        let (n, waiting) = self.waiting.iter_mut().find(|(_, waiting)| !waiting.on_line)?;
        (waiting.on_line, waiting.ever_sent) = (true, true);
        let jws = &**waiting.command.message.token();
        Some(ClientFrame::Publish { n: *n, jws: jws.into() }.to_text())
    }

    /// The present line is gone: what it carried is handed to the next one.
    pub(crate) fn handle_lost(&mut self) {
        for waiting in self.waiting.values_mut() {
            waiting.sent_before = waiting.ever_sent;
            waiting.on_line = false;
        }
        self.reaches.clear();
    }

    /// An answer to a request that is not waiting any more is no error: its deadline passed.
    pub(crate) fn handle_receipt(&mut self, re: RequestNumber, receipt: Receipt) -> Result<(), WrongReceipt> {
        match self.waiting.get(&re) {
            None => return Ok(()),
            Some(waiting) if waiting.command.message.id() != receipt.id => return Err(WrongReceipt),
            Some(_) => {}
        }
        if let Some(Waiting { command, .. }) = self.waiting.remove(&re) {
            if let Some(reach) = command.reach {
                if self.reaches.len() == REACHES_MAX {
                    self.reaches.pop_front();
                }
                self.reaches.push_back((receipt.id, reach));
            }
            answer(command.answer, Ok(receipt));
        }
        Ok(())
    }

    pub(crate) fn handle_refused(&mut self, re: RequestNumber, refusal: Refusal) {
        if let Some(Waiting { command, sent_before, .. }) = self.waiting.remove(&re) {
            // A relay that has no room now cannot say whether an earlier line brought it through.
            let error = if sent_before && refusal.code.is_temporary() {
                PublishError::Unknown { message: command.message }
            } else {
                PublishError::of_refusal(refusal)
            };
            answer(command.answer, Err(error));
        }
    }

    pub(crate) fn handle_reach(&mut self, id: MessageId, reach: Reach) {
        if let Some(index) = self.reaches.iter().position(|(one, _)| *one == id)
            && let Some((_, waiting)) = self.reaches.remove(index)
        {
            // The caller may have stopped waiting, as it is free to.
            let _ = waiting.send(reach);
        }
    }

    /// When the next publish is to be given up.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.command.deadline).min()
    }

    /// Gives up what has waited until its deadline; `problem` is why there was no line, if there was none.
    pub(crate) fn handle_timeout(&mut self, now: Instant, problem: &LinkError) {
        let overdue = self.waiting.extract_if(.., |_, waiting| waiting.command.deadline <= now);
        for (_, Waiting { command, ever_sent, .. }) in overdue {
            let error = if ever_sent {
                PublishError::Unknown { message: command.message }
            } else {
                PublishError::NotSent(problem.clone())
            };
            answer(command.answer, Err(error));
        }
    }

    /// No relay lets this client in.
    pub(crate) fn handle_shut_out(&mut self, refusal: &Refusal) {
        for Waiting { command, ever_sent, .. } in std::mem::take(&mut self.waiting).into_values() {
            let error = if ever_sent {
                PublishError::Unknown { message: command.message }
            } else {
                PublishError::Refused(refusal.clone())
            };
            answer(command.answer, Err(error));
        }
    }
}

fn answer(to: oneshot::Sender<Result<Receipt, PublishError>>, outcome: Result<Receipt, PublishError>) {
    // The caller may have gone; the message then goes its way all the same.
    let _ = to.send(outcome);
}
