//! The publishes that wait for an answer, over as many lines as it takes. No I/O: the driver asks what to send, and
//! tells what came.
//!
//! Invariants: every publish is answered exactly once; one that ever left this machine is never answered as if it had
//! not.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;
use vigie_proto::frame::{ClientFrame, RequestNumber};
use vigie_proto::id::{CredentialId, MessageId};
use vigie_proto::refusal::{Code, Refusal};

use crate::draft::SignedMessage;
use crate::link::LinkError;
use crate::outbox::PublishChain;
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
    /// The chain of its credential, if that may be another than the session's.
    pub(crate) chain: Option<PublishChain>,
    pub(crate) deadline: Instant,
    pub(crate) answer: oneshot::Sender<Result<Receipt, Failed>>,
    /// Told when it is handed to a line for the first time.
    pub(crate) sent: Option<oneshot::Sender<()>>,
    /// What to do when nobody waits for the answer any more.
    pub(crate) abandoned: Abandoned,
    pub(crate) reach: Option<oneshot::Sender<Reach>>,
    /// The place among those in flight; given back with the answer.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// What becomes of a publish when its caller has stopped waiting.
#[derive(Debug)]
pub(crate) enum Abandoned {
    /// It goes its way until the deadline.
    GoesOn,
    /// It is not handed to a line any more.
    Withdrawn,
    /// Once another relay has given a receipt, which is when this is set, it goes its way until then.
    Spreads { stored: Arc<AtomicBool>, until: Instant },
}

/// Why there is no receipt, and whether that says anything about the message.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: PublishError,
    /// No relay lets this client in, whatever it has to say.
    pub(crate) is_shut_out: bool,
}

impl From<PublishError> for Failed {
    fn from(error: PublishError) -> Self {
        Self { error, is_shut_out: false }
    }
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
#[derive(Debug)]
pub(crate) struct InFlight {
    /// The credential that the session logs in under.
    own: CredentialId,
    /// The other credential whose chain was given last on the present line, with its request while that is unanswered.
    given: Option<(CredentialId, Option<RequestNumber>)>,
    /// By request number, which is also the order of publishing.
    waiting: BTreeMap<RequestNumber, Waiting>,
    last: RequestNumber,
    reaches: VecDeque<(MessageId, oneshot::Sender<Reach>)>,
}

/// Whether a message that is refused so may have been taken before: by this relay, which has forgotten its id since it
/// expired, or by another one, with other roots, settings or time. What is wrong with the message itself was wrong then.
fn says_nothing_of_an_earlier_line(code: Code) -> bool {
    code.is_temporary()
        || [
            Code::Expired,
            Code::SentInFuture,
            Code::LifetimeTooLong,
            Code::CredentialExpired,
            Code::CredentialNotYetValid,
            Code::UnknownRoot,
            Code::UnknownCredential,
            Code::NotAuthor,
            Code::NotSupported,
        ]
        .contains(&code)
}

impl InFlight {
    pub(crate) const fn new(own: CredentialId) -> Self {
        Self { own, given: None, waiting: BTreeMap::new(), last: 0, reaches: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn handle_publish(&mut self, command: Command) {
        self.forget_withdrawn();
        self.last += 1;
        let waiting = Waiting { command, ever_sent: false, sent_before: false, on_line: false };
        self.waiting.insert(self.last, waiting);
    }

    /// The next frame to hand to the present line, in order of publishing. A message under another credential than the
    /// session's comes after the chain of that.
    pub(crate) fn poll_frame(&mut self) -> Option<String> {
        self.forget_withdrawn();
        let (n, waiting) = self.waiting.iter_mut().find(|(_, waiting)| !waiting.on_line)?;
        // Given again whenever it changes: the relay keeps eight, and not those given last.
        let given = self.given.map(|(credential, _)| credential);
        let chain = waiting.command.chain.as_ref();
        if let Some(chain) =
            chain.filter(|chain| chain.credential != self.own && Some(chain.credential) != given)
        {
            self.last += 1;
            self.given = Some((chain.credential, Some(self.last)));
            let links = chain.links.iter().map(|link| link.as_str().into()).collect();
            return Some(ClientFrame::Chain { n: self.last, chain: links }.to_text());
        }
        (waiting.on_line, waiting.ever_sent) = (true, true);
        if let Some(sent) = waiting.command.sent.take() {
            // The caller may have gone.
            let _ = sent.send(());
        }
        let jws = &**waiting.command.message.token();
        Some(ClientFrame::Publish { n: *n, jws: jws.into() }.to_text())
    }

    /// What is on the line cannot be taken back any more.
    fn forget_withdrawn(&mut self) {
        self.waiting.retain(|_, waiting| {
            let is_withdrawn = matches!(waiting.command.abandoned, Abandoned::Withdrawn);
            waiting.on_line || !(is_withdrawn && waiting.command.answer.is_closed())
        });
    }

    /// The present line is gone: what it carried is handed to the next one.
    pub(crate) fn handle_lost(&mut self) {
        self.given = None;
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

    /// A chain was found good.
    pub(crate) fn handle_accepted(&mut self, re: RequestNumber) {
        if let Some((_, request)) = &mut self.given
            && *request == Some(re)
        {
            *request = None;
        }
    }

    pub(crate) fn handle_refused(&mut self, re: RequestNumber, refusal: Refusal) {
        if let Some((credential, _)) = self.given.take_if(|(_, request)| *request == Some(re)) {
            self.handle_chain_refused(credential, &refusal);
            return;
        }
        if let Some(Waiting { command, sent_before, .. }) = self.waiting.remove(&re) {
            let error = if sent_before && says_nothing_of_an_earlier_line(refusal.code) {
                PublishError::Unknown { message: command.message }
            } else {
                PublishError::of_refusal(refusal)
            };
            answer(command.answer, Err(error.into()));
        }
    }

    /// What was sent under the chain is refused with it; that the relay says less about each message comes too late.
    fn handle_chain_refused(&mut self, credential: CredentialId, refusal: &Refusal) {
        let under_it = |waiting: &Waiting| {
            waiting.on_line && waiting.command.chain.as_ref().is_some_and(|one| one.credential == credential)
        };
        for (_, Waiting { command, sent_before, .. }) in self.waiting.extract_if(.., |_, one| under_it(one)) {
            let error = if sent_before && says_nothing_of_an_earlier_line(refusal.code) {
                PublishError::Unknown { message: command.message }
            } else {
                PublishError::of_refusal(refusal.clone())
            };
            answer(command.answer, Err(error.into()));
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
        for Waiting { command, .. } in self.waiting.values_mut() {
            if let Abandoned::Spreads { stored, until } = &command.abandoned
                && command.deadline <= now
                && stored.load(Ordering::Relaxed)
            {
                command.deadline = *until;
            }
        }
        let overdue = self.waiting.extract_if(.., |_, waiting| waiting.command.deadline <= now);
        for (_, Waiting { command, ever_sent, .. }) in overdue {
            let error = if ever_sent {
                PublishError::Unknown { message: command.message }
            } else {
                PublishError::NotSent(problem.clone())
            };
            answer(command.answer, Err(error.into()));
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
            answer(command.answer, Err(Failed { error, is_shut_out: true }));
        }
    }
}

fn answer(to: oneshot::Sender<Result<Receipt, Failed>>, outcome: Result<Receipt, Failed>) {
    // The caller may have gone; the message then goes its way all the same.
    let _ = to.send(outcome);
}
