//! What a reader is given, in the order of the log: messages, and everything that must not be hidden from it.

use std::sync::Arc;

use vigie_proto::cursor::Cursor;
use vigie_proto::frame::GapReason;
use vigie_proto::id::{CredentialId, MessageId, RevocationId, Sequence};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::Reason;
use vigie_proto::rotation::Rotation;
use vigie_proto::time::Timestamp;

use crate::plane::OnPlane;
use crate::verified::Verified;

/// One item of a [`crate::Subscription`] or a [`crate::Page`].
///
/// A later version may have more kinds; an application skips what it does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery<P: OnPlane> {
    /// A message that was verified here. The only one to act on.
    Message(Verified<P>),
    /// A message is not to be believed: who said it was revoked before it was admitted. Also for one that was given as a
    /// message before: take it back.
    Disowned(Disowned),
    /// The relay gave something that does not verify. Show it as such or count it; never act on it.
    Suspect(Suspect),
    /// A range could not be given: there may be messages that were missed.
    Gap(Gap),
    /// A root that was pinned hands over to another, by its own signature, which was verified here. The subscription
    /// trusts the successor from now on. Told once, so that whoever keeps the pins installs it beside them.
    Rotation(Arc<Rotation>),
    /// All that the log had when the subscription (or resumption) began was given up to here; what follows is live.
    CaughtUp(Cursor),
}

/// A message that was admitted at or after the moment from which its author's chain is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disowned {
    /// The message.
    pub id: MessageId,
    /// When it was admitted, by the relay that gave it.
    pub admitted: Timestamp,
    /// The credential of its chain that is revoked.
    pub credential: CredentialId,
    /// The revocation, verified here.
    pub revocation: RevocationId,
    /// Its signed bytes, for whoever keeps a record: with its issuer's chain they prove it.
    pub token: Arc<str>,
    /// From when on nothing is to be believed.
    pub from: Timestamp,
    /// Why it was revoked, if its issuer said so.
    pub reason: Option<Reason>,
    /// Whether it was given as a message before.
    pub given_before: bool,
    /// Everything up to here was given.
    pub cursor: Cursor,
}

/// What a relay gave as a message or revocation and is none: forged, altered, out of place, or not asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suspect {
    /// The rule that it breaks.
    pub code: Code,
    /// What exactly, in English; may hold text of a stranger: escape control characters before showing it.
    pub detail: String,
    /// The bytes as they were received, for whoever investigates. Nothing in them is to be believed.
    pub token: Arc<str>,
    /// The position that the relay claimed for it.
    pub seq: Sequence,
    /// When the relay claims to have admitted it.
    pub admitted: Timestamp,
    /// The place it was given at.
    pub cursor: Cursor,
}

/// A range of the log that could not be given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// The cursor that was asked for; `None` when the beginning was, or when the relay's text is no cursor.
    pub from: Option<Cursor>,
    /// The cursor after which messages follow; `None` when the relay's text is no cursor.
    pub to: Option<Cursor>,
}
