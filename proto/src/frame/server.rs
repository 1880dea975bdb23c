//! The frames of a relay.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Envelope, RequestNumber};
use crate::id::{CredentialId, LogId, MessageId, Nonce, RevocationId, Sequence};
use crate::json::{self, JsonError};
use crate::time::Timestamp;

/// What a relay says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerFrame<'a> {
    /// The first frame: sign this.
    Challenge {
        /// 32 random bytes, good for one proof on this connection, for 30 s.
        nonce: Nonce,
    },
    /// The log-in is good.
    Welcome {
        /// The log of this relay.
        log: LogId,
        /// Its last sequence now.
        head: Sequence,
        /// The relay's clock.
        now: Timestamp,
        /// The interval between marks.
        mark_ms: u64,
        /// The relay's own credential.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        relay: Option<CredentialId>,
    },
    /// A `chain` was found good.
    Accepted {
        /// The request.
        re: RequestNumber,
    },
    /// The message is on disk, here.
    Receipt {
        /// The request.
        re: RequestNumber,
        /// The message.
        id: MessageId,
        /// The log.
        log: LogId,
        /// Its position.
        seq: Sequence,
        /// When it was admitted.
        admitted: Timestamp,
    },
    /// The revocation is on disk, and holds.
    Revoked {
        /// The request.
        re: RequestNumber,
        /// The revocation.
        id: RevocationId,
        /// The log.
        log: LogId,
        /// When it was admitted.
        admitted: Timestamp,
    },
    /// A root of this plane hands over to another.
    Rotation {
        /// The signed rotation.
        #[serde(borrow)]
        jws: Cow<'a, str>,
    },
    /// A revocation: nothing under a chain that it meets is admitted after it.
    Revocation {
        /// The log.
        log: LogId,
        /// Counts the revocations of the log, of both planes, from 1.
        count: u64,
        /// It holds after this place of the log.
        seq: Sequence,
        /// When it was admitted.
        admitted: Timestamp,
        /// The signed revocation, as its issuer sent it.
        #[serde(borrow)]
        jws: Cow<'a, str>,
    },
    /// How many sessions of this relay a message was handed to: a hint, no acknowledgement.
    Reach {
        /// The message.
        id: MessageId,
        /// Sessions that are given it now.
        live: u64,
        /// Sessions that will be given it when they have caught up.
        behind: u64,
    },
    /// A request, or the connection, is refused.
    Refused {
        /// The request, when there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        re: Option<RequestNumber>,
        /// Why.
        #[serde(borrow)]
        code: Cow<'a, str>,
        /// What exactly, for people.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        detail: Cow<'a, str>,
        /// The credential whose rule refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<CredentialId>,
    },
    /// The subscription stands; events after this place follow.
    Subscribed {
        /// The request.
        re: RequestNumber,
        /// The log.
        log: LogId,
        /// The place before the first event that follows.
        seq: Sequence,
        /// The last sequence now.
        head: Sequence,
    },
    /// A chain that events after it need.
    Chain {
        /// Root first.
        chain: Vec<Cow<'a, str>>,
        /// The request, when it answers `credential`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        re: Option<RequestNumber>,
    },
    /// A message, in the order of the log.
    Event {
        /// Its position.
        seq: Sequence,
        /// When it was admitted.
        admitted: Timestamp,
        /// The signed message, as its author sent it.
        #[serde(borrow)]
        jws: Cow<'a, str>,
    },
    /// All that concerns the reader up to here was given.
    Mark {
        /// The log.
        log: LogId,
        /// The position.
        seq: Sequence,
        /// When the message there was admitted.
        admitted: Timestamp,
        /// The last sequence of the log.
        head: Sequence,
        /// The relay's clock.
        now: Timestamp,
    },
    /// A range that cannot be given.
    Gap {
        /// The request, when the range lies in a page of history: then the subscription knows nothing of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        re: Option<RequestNumber>,
        /// Why.
        reason: GapReason,
        /// The cursor that was asked for.
        from: Cow<'a, str>,
        /// The cursor after which events follow.
        to: Cow<'a, str>,
    },
    /// A message of history.
    Past {
        /// The request.
        re: RequestNumber,
        /// Its position.
        seq: Sequence,
        /// When it was admitted.
        admitted: Timestamp,
        /// The signed message.
        #[serde(borrow)]
        jws: Cow<'a, str>,
    },
    /// The page of history ends.
    Page {
        /// The request.
        re: RequestNumber,
        /// Where the next page begins: give it as `after`.
        next: Cow<'a, str>,
        /// Whether the log ends here.
        end: bool,
    },
    /// The relay stops; come back after this long.
    GoingAway {
        /// At least this long, plus jitter.
        retry_ms: u64,
    },
}

/// Why a range cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapReason {
    /// The cursor is of another log: of another relay, or from before a restore.
    OtherLog,
    /// Retention has removed it.
    Removed,
    /// The cursor is beyond the end of the log.
    Ahead,
    /// The disk damaged it.
    Damaged,
}

impl GapReason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtherLog => "other_log",
            Self::Removed => "removed",
            Self::Ahead => "ahead",
            Self::Damaged => "damaged",
        }
    }
}

/// What a client makes of a text from a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "known or not")]
pub enum FromRelay<'a> {
    /// A frame of this version.
    Known(ServerFrame<'a>),
    /// An operation of a later version: skip it.
    Later,
}

impl<'a> ServerFrame<'a> {
    /// The operations of this version.
    pub const OPERATIONS: [&'static str; 17] = [
        "challenge",
        "welcome",
        "accepted",
        "receipt",
        "revoked",
        "rotation",
        "revocation",
        "reach",
        "refused",
        "subscribed",
        "chain",
        "event",
        "mark",
        "gap",
        "past",
        "page",
        "going_away",
    ];

    /// Reads a frame from a relay.
    ///
    /// # Errors
    /// What is wrong with it, when it is not JSON or lacks a member: the relay breaks the protocol.
    pub fn parse(text: &'a str) -> Result<FromRelay<'a>, JsonError> {
        json::check_text(text)?;
        let envelope: Envelope<'_> = json::parse_frame(text)?;
        if !Self::OPERATIONS.contains(&&*envelope.op) {
            return Ok(FromRelay::Later);
        }
        json::parse_frame(text).map(FromRelay::Known)
    }

    /// The text of the frame, members in the order of PROTOCOL.md.
    pub fn to_text(&self) -> String {
        // Made for every message, of text in which nothing can need escaping: to look for that byte by byte costs more
        // than all else of it.
        if let Self::Event { seq, admitted, jws } = self
            && is_plain(jws)
        {
            return event_text(*seq, *admitted, jws);
        }
        serde_json::to_string(self).expect("a frame has text keys and no failing serialiser")
    }
}

/// The text of an event whose message needs no escaping, in one piece of memory: grown in steps, it would be copied in each.
fn event_text(seq: Sequence, admitted: Timestamp, jws: &str) -> String {
    let head = format!(r#"{{"op":"event","seq":{seq},"admitted":{},"jws":""#, admitted.as_millis());
    [&head, jws, "\"}"].concat()
}

/// Whether it is a compact JWS by its letters, RFC 7515, section 7.1: base64url in parts.
fn is_plain(jws: &str) -> bool {
    // Not `all`: without a way out in the middle it takes many bytes at once.
    jws.bytes()
        .fold(true, |plain, byte| plain & (byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'_' | b'.')))
}
