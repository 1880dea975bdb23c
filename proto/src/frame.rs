//! Frames: one JSON object in one WebSocket text message, named by its member `op`.
//!
//! Unknown members of a frame are ignored, so that a newer peer may say more; unknown operations are refused by the
//! relay and skipped by the client. What is signed travels inside as a string, untouched.
//!
//! Here what a client says; what a relay says is in `frame/server.rs`.

mod server;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cursor::Cursor;
use crate::id::{CredentialId, LogId};
use crate::json::{self, JsonError};
use crate::refusal::{Code, Refusal};
pub use server::{FromRelay, GapReason, ServerFrame};

/// Number of a request, chosen by the client; the answer carries it as `re`. 0 to 2^53 − 1.
pub type RequestNumber = u64;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the relay must answer every operation of its version")]
pub enum ClientFrame<'a> {
    /// Proves who is there. The first frame, and the only one before `welcome`.
    Login {
        /// The chain of the credential, root first.
        chain: Vec<Cow<'a, str>>,
        /// The proof, see [`crate::login`].
        #[serde(borrow)]
        proof: Cow<'a, str>,
        /// Wanted interval between marks, 1,000 to 300,000 ms; absent: 5,000.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark_ms: Option<u64>,
        /// The revocations that it holds already: those after them are given. Absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revocations: Option<HeldRevocations>,
    },
    /// Gives the chain of another valid credential of the same key, to publish under it.
    Chain {
        /// Number of the request.
        n: RequestNumber,
        /// Root first.
        chain: Vec<Cow<'a, str>>,
    },
    /// Publishes a message.
    Publish {
        /// Number of the request.
        n: RequestNumber,
        /// The signed message.
        #[serde(borrow)]
        jws: Cow<'a, str>,
    },
    /// Revokes a credential or a key.
    Revoke {
        /// Number of the request.
        n: RequestNumber,
        /// The signed revocation.
        jws: Cow<'a, str>,
        /// The chain of its issuer, root first, where that is another one than of the log-in. Empty: not given.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        chain: Vec<Cow<'a, str>>,
    },
    /// Says what to hear; replaces what was said before.
    Subscribe {
        /// Number of the request.
        n: RequestNumber,
        /// Filters such as `alert/fr.idf` and `signal/fr.idf.**`, 1 to 256.
        channels: Vec<Cow<'a, str>>,
        /// Where to begin: a cursor, or `start` for all that the log has. Absent: from where the session is, or from
        /// now when it is new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Cow<'a, str>>,
    },
    /// Asks for older messages. Moves no cursor.
    History {
        /// Number of the request.
        n: RequestNumber,
        /// Filters, as in `subscribe`.
        channels: Vec<Cow<'a, str>>,
        /// A cursor, or `start`.
        after: Cow<'a, str>,
        /// How many messages at most, 1 to 256.
        limit: u32,
    },
    /// Asks for the chain of a credential that a message names.
    Credential {
        /// Number of the request.
        n: RequestNumber,
        /// Its id.
        id: CredentialId,
    },
}

/// How far a reader was given the revocations of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a member of `login`: a place in the revocations of a log")]
pub struct HeldRevocations {
    /// The log.
    pub log: LogId,
    /// The highest `count` of a `revocation` frame that it was given there.
    pub count: u64,
}

/// `after` in `subscribe` and `history`: from the first message that the log has.
pub const AFTER_START: &str = "start";

/// Where a reader wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the three ways to begin")]
pub enum Start {
    /// Where the session is already; for a new one, now.
    Here,
    /// At the first message that the log has.
    Beginning,
    /// After a cursor.
    After(Cursor),
}

impl Start {
    pub(crate) fn parse(after: Option<&str>) -> Result<Self, Refusal> {
        match after {
            None => Ok(Self::Here),
            Some(AFTER_START) => Ok(Self::Beginning),
            Some(cursor) => cursor.parse().map(Self::After).map_err(|_| Code::MalformedCursor.into()),
        }
    }

    /// The member `after`.
    pub fn to_after(self) -> Option<String> {
        match self {
            Self::Here => None,
            Self::Beginning => Some(AFTER_START.to_owned()),
            Self::After(cursor) => Some(cursor.to_string()),
        }
    }
}

/// A request that was refused, with its number where it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the frame `refused` has these")]
pub struct Rejection {
    /// The number of the request.
    pub re: Option<RequestNumber>,
    /// Why.
    pub refusal: Refusal,
}

impl Rejection {
    /// The frame that tells it.
    pub fn to_frame(&self) -> ServerFrame<'_> {
        ServerFrame::Refused {
            re: self.re,
            code: self.refusal.code.as_str().into(),
            detail: Cow::Borrowed(&self.refusal.detail),
            credential: self.refusal.credential,
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self { re: None, refusal }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    /// As written: an operation of a later version, or one without a number, may mean something else by `n`.
    #[serde(borrow, default)]
    n: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// A log-in has no number, whatever it calls `n`.
    fn number(&self) -> Option<RequestNumber> {
        self.n.filter(|_| self.op != "login").and_then(|n| n.get().parse().ok())
    }
}

impl<'a> ClientFrame<'a> {
    /// The operations of this version.
    pub const OPERATIONS: [&'static str; 7] =
        ["login", "chain", "publish", "revoke", "subscribe", "history", "credential"];

    /// Reads a frame. Its length was bounded by the WebSocket.
    ///
    /// # Errors
    /// `not_json`, `duplicate_member`, `unknown_operation` or `malformed_frame`.
    pub fn parse(text: &'a str) -> Result<Self, Rejection> {
        json::check_text(text).map_err(|error| frame_error(error, None))?;
        json::parse_frame(text).map_err(|error| Self::why_not(text, error))
    }

    /// Tells an operation that is unknown from a frame that is malformed, and looks for the number of the request.
    fn why_not(text: &str, error: JsonError) -> Rejection {
        match json::parse_frame::<Envelope<'_>>(text) {
            Err(error) => frame_error(error, None),
            Ok(envelope) if Self::OPERATIONS.contains(&&*envelope.op) => {
                frame_error(error, envelope.number())
            }
            Ok(envelope) => Rejection { re: envelope.number(), refusal: Code::UnknownOperation.into() },
        }
    }

    /// The number of the request; a log-in has none.
    pub const fn number(&self) -> Option<RequestNumber> {
        match self {
            Self::Login { .. } => None,
            Self::Chain { n, .. }
            | Self::Publish { n, .. }
            | Self::Revoke { n, .. }
            | Self::Subscribe { n, .. }
            | Self::History { n, .. }
            | Self::Credential { n, .. } => Some(*n),
        }
    }

    /// Whether judging it may take a signature check for each link of a chain, beside that of what is said: `chain` and
    /// `revoke`. A log-in is bounded as such.
    pub const fn brings_chain(&self) -> bool {
        matches!(self, Self::Chain { .. } | Self::Revoke { .. })
    }

    /// The text of the frame.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a frame has text keys and no failing serialiser")
    }
}

fn frame_error(error: JsonError, re: Option<RequestNumber>) -> Rejection {
    let refusal = match error {
        JsonError::Malformed(detail) => Refusal::new(Code::NotJson, detail),
        JsonError::Duplicate(detail) => Refusal::new(Code::DuplicateMember, detail),
        JsonError::Unknown(detail) | JsonError::Shape(detail) => Refusal::new(Code::MalformedFrame, detail),
    };
    Rejection { re, refusal }
}
