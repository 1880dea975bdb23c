//! The client's side of log-in.
//!
//! [`Login`] waits for the challenge and answers it; then it waits for `welcome`. After that a session has no states
//! left that order its frames: requests are numbered, and answers carry the number.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::Chain;
use crate::frame::{ClientFrame, FromRelay, HeldRevocations, ServerFrame};
use crate::id::{CredentialId, LogId, Sequence};
use crate::key::SigningKey;
use crate::login::{self, Binding};
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

/// Who logs in, and where it dialled.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the SDK fills in every member")]
pub struct Dialled {
    /// The private key that the chain's leaf speaks of.
    pub key: Arc<SigningKey>,
    /// The chain to log in under.
    pub chain: Arc<Chain>,
    /// Host name or address as dialled, lower case, without port.
    pub relay: String,
    /// What ties the proof to the TLS connection.
    pub binding: Binding,
    /// The wanted interval between marks.
    pub mark_interval: Duration,
    /// The revocations that need not be given again.
    pub revocations: Option<HeldRevocations>,
}

/// What `welcome` said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Welcomed {
    /// The log of the relay.
    pub log: LogId,
    /// Its last sequence then.
    pub head: Sequence,
    /// The relay's clock then.
    pub now: Timestamp,
    /// The interval between marks.
    pub mark_interval: Duration,
    /// The relay's own credential.
    pub relay: Option<CredentialId>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the driver must do every step")]
pub enum Step {
    /// Send this text, then nothing until the next frame.
    Send(String),
    /// The session is open.
    Open(Welcomed),
    /// Nothing yet.
    Wait,
}

/// Why the log-in ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginEnded {
    /// The relay refused.
    #[error("the relay refused the log-in: {0}")]
    Refused(Refusal),
    /// The relay refused with a code of a later version.
    #[error("the relay refused the log-in with the unknown code {0:?}")]
    RefusedLater(String),
    /// The relay broke the protocol.
    #[error("the relay broke the protocol: {0}")]
    Violation(String),
}

/// A log-in under way.
#[derive(Debug)]
pub struct Login {
    dialled: Dialled,
    answered: bool,
}

impl Login {
    /// Begins; the relay speaks first.
    pub const fn new(dialled: Dialled) -> Self {
        Self { dialled, answered: false }
    }

    /// Handles a frame of the relay.
    ///
    /// # Errors
    /// The log-in failed; close the connection.
    pub fn handle_frame(&mut self, text: &str) -> Result<Step, LoginEnded> {
        let frame = match ServerFrame::parse(text) {
            Ok(FromRelay::Known(frame)) => frame,
            Ok(FromRelay::Later) => return Ok(Step::Wait),
            Err(error) => return Err(LoginEnded::Violation(error.to_string())),
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other frames are out of order here, now and later"
        )]
        match frame {
            ServerFrame::Challenge { nonce } if !self.answered => {
                self.answered = true;
                let Dialled { key, chain, relay, binding, mark_interval, revocations } = &self.dialled;
                let proof = login::sign(key, chain.leaf().id(), chain.plane(), relay, nonce, *binding);
                let frame = ClientFrame::Login {
                    chain: chain.links().iter().map(|link| (&**link.token()).into()).collect(),
                    proof: proof.into(),
                    mark_ms: u64::try_from(mark_interval.as_millis()).ok(),
                    revocations: *revocations,
                };
                Ok(Step::Send(frame.to_text()))
            }
            ServerFrame::Welcome { log, head, now, mark_ms, relay } if self.answered => {
                Ok(Step::Open(Welcomed {
                    log,
                    head,
                    now,
                    mark_interval: Duration::from_millis(mark_ms),
                    relay,
                }))
            }
            ServerFrame::Refused { code, detail, credential, .. } => Err(match code.parse::<Code>() {
                Ok(code) => {
                    let refusal = Refusal::new(code, detail.into_owned());
                    LoginEnded::Refused(match credential {
                        Some(id) => refusal.by(id),
                        None => refusal,
                    })
                }
                Err(_) => LoginEnded::RefusedLater(code.into_owned()),
            }),
            ServerFrame::GoingAway { .. } => Err(LoginEnded::Refused(Code::GoingAway.into())),
            other => Err(LoginEnded::Violation(format!("unexpected frame before welcome: {other:?}"))),
        }
    }
}
