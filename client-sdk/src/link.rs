//! The state of a line to a relay, and why one could not be had or was lost.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use vigie_proto::id::CredentialId;
use vigie_proto::refusal::{Code, Refusal};

use crate::url::RelayUrl;

/// Why there is no line to a relay.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No TCP connection: the network, the name, the port, or no relay there.
    #[error("cannot reach {relay}: {source}; check the address, the network, and that the relay runs")]
    Connect {
        /// Which relay.
        relay: RelayUrl,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The TLS handshake failed.
    #[error("TLS with {relay} failed: {why}")]
    Tls {
        /// Which relay.
        relay: RelayUrl,
        /// What, why, and what to do next.
        why: String,
    },
    /// The relay, or something before it, answered the upgrade by HTTP.
    #[error("{relay} answered with HTTP status {status}{}", sentence(said))]
    Http {
        /// Which relay.
        relay: RelayUrl,
        /// The status.
        status: u16,
        /// The sentence that came with it, cleaned of control characters, at most 300 characters; may be empty.
        said: String,
    },
    /// The relay refused the log-in or ended the session, and said why.
    #[error("{relay} refused the session: {refusal}")]
    Refused {
        /// Which relay.
        relay: RelayUrl,
        /// Why.
        refusal: Refusal,
    },
    /// What answers does not speak this protocol.
    #[error("{relay} does not keep to the protocol: {what}")]
    Violation {
        /// Which relay.
        relay: RelayUrl,
        /// What was wrong.
        what: String,
    },
    /// Nothing came of it in time.
    #[error("{relay} did not answer in time")]
    TimedOut {
        /// Which relay.
        relay: RelayUrl,
    },
    /// An open line was cut, or closed by the relay.
    #[error("the line to {relay} was lost: {what}")]
    Lost {
        /// Which relay.
        relay: RelayUrl,
        /// What ended it.
        what: String,
    },
    /// Nothing came over an open line for 2.4 mark intervals.
    #[error("the line to {relay} is stale: nothing came for too long")]
    Stale {
        /// Which relay.
        relay: RelayUrl,
    },
    /// 32 messages of this client wait for their receipts already, and the deadline came first.
    #[error("too many messages of this client wait for their receipts")]
    Crowded,
    /// The runtime that drove this client has stopped.
    #[error("the runtime of this client has stopped")]
    Stopped,
}

fn sentence(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

impl LinkError {
    /// The refusal that will not change by trying again, if it is one.
    pub(crate) fn permanent_refusal(&self) -> Option<&Refusal> {
        if let Self::Refused { refusal, .. } = self {
            return (!refusal.code.is_temporary()).then_some(refusal);
        }
        None
    }
}

/// What a `refused` frame says. A code of a later version is told in the detail.
pub(crate) fn refusal(code: &str, detail: &str, credential: Option<CredentialId>) -> Refusal {
    let refusal = match code.parse::<Code>() {
        Ok(code) => Refusal::new(code, detail.to_owned()),
        Err(_) => Refusal::new(Code::NotSupported, format!("code {code:?} of a later version: {detail}")),
    };
    match credential {
        Some(id) => refusal.by(id),
        None => refusal,
    }
}

/// How a line is doing, for a status lamp. Only [`LinkState::Up`] is contact: in any other state what
/// is said elsewhere is not heard here, and a screen should say so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// There is no line, and nothing that needs one.
    Idle,
    /// A line is sought, or waited for between two tries.
    Connecting {
        /// Which try it is since the last good line, from 1.
        attempt: u32,
        /// Why the last try failed or the last line ended, for people.
        problem: Option<String>,
    },
    /// The line is open and logged in.
    Up,
    /// The line fell silent for 2.4 mark intervals (12 s by default) and was given up; another is sought, so this is soon
    /// followed by `Connecting`.
    Stale,
    /// There will be no line any more.
    Closed {
        /// The refusal that ended it; `None` when the application did.
        code: Option<Code>,
    },
}

/// How several lines are doing, and what of it is shown: the best of them.
#[derive(Debug)]
pub(crate) struct StateBoard {
    lines: Mutex<Vec<LinkState>>,
    shown: watch::Sender<LinkState>,
}

/// The place of one line on a [`StateBoard`].
#[derive(Clone, Debug)]
pub(crate) struct StateLamp {
    board: Arc<StateBoard>,
    index: usize,
}

impl StateBoard {
    /// For this many lines, at least one.
    pub(crate) fn new(lines: usize) -> Arc<Self> {
        let lines = Mutex::new(vec![LinkState::Idle; lines]);
        Arc::new(Self { lines, shown: watch::Sender::new(LinkState::Idle) })
    }

    pub(crate) fn lamp(self: &Arc<Self>, index: usize) -> StateLamp {
        StateLamp { board: Arc::clone(self), index }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<LinkState> {
        self.shown.subscribe()
    }
}

impl StateLamp {
    pub(crate) fn set(&self, state: LinkState) {
        let mut lines = self.board.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines[self.index] = state;
        // Shown under the lock, so that what is shown last is what holds.
        if let Some(best) = lines.iter().min_by_key(|state| rank(state)) {
            self.board.shown.send_replace(best.clone());
        }
    }
}

/// A line that is up is what matters, then one that is sought; one that nobody needs says nothing about the others.
const fn rank(state: &LinkState) -> u8 {
    match state {
        LinkState::Up => 0,
        LinkState::Stale => 1,
        LinkState::Connecting { .. } => 2,
        LinkState::Idle => 3,
        LinkState::Closed { .. } => 4,
    }
}

/// The states of a line as they change. A state that was replaced before it was looked at is skipped.
#[derive(Clone, Debug)]
pub struct LinkStates(pub(crate) watch::Receiver<LinkState>);

impl LinkStates {
    /// The state now.
    pub fn now(&self) -> LinkState {
        self.0.borrow().clone()
    }

    /// Waits for a state that was not seen yet; `None` when there will be no more.
    ///
    /// Cancel safe: nothing is lost.
    pub async fn next(&mut self) -> Option<LinkState> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }
}
