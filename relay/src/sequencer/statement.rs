//! Statements: what sessions hand to the journal, and by which id they are answered.

use vigie_proto::cap::MsgType;
use vigie_proto::id::{MessageId, RevocationId};
use vigie_proto::revocation::VerifiedRevocation;
use vigie_proto::severity::Severity;
use vigie_proto::verify::VerifiedMessage;

/// Something verified that waits for its place.
#[derive(Debug)]
pub enum Statement {
    /// A message.
    Message(Box<VerifiedMessage>),
    /// A revocation.
    Revocation(Box<VerifiedRevocation>),
}

/// Its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementId {
    /// Of a message.
    Message(MessageId),
    /// Of a revocation.
    Revocation(RevocationId),
}

impl Statement {
    /// Its id.
    pub fn id(&self) -> StatementId {
        match self {
            Self::Message(message) => StatementId::Message(message.id()),
            Self::Revocation(revocation) => StatementId::Revocation(revocation.revocation().id()),
        }
    }

    /// The size of its signed bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Message(message) => message.token().len(),
            Self::Revocation(revocation) => revocation.revocation().token().len(),
        }
    }

    /// Whether it may use the room that is kept when the disk is full: a revocation may, and what
    /// [`may_use_reserve`] says.
    pub fn may_use_reserve(&self) -> bool {
        match self {
            Self::Message(message) => may_use_reserve(message),
            Self::Revocation(_) => true,
        }
    }
}

/// Whether a message may use the room that is kept when the disk is full, or nearly as many ids are in force as may be:
/// what takes another message back or corrects it, and what is urgent.
pub fn may_use_reserve(message: &VerifiedMessage) -> bool {
    let said = message.message();
    said.content.cap.msg_type == MsgType::Cancel || !said.replaces.is_empty() || is_urgent(message)
}

/// Whether a message is grave and asks for action now or within the hour.
pub(super) fn is_urgent(message: &VerifiedMessage) -> bool {
    let message = message.message();
    message.severity >= Severity::Severe && message.content.cap.is_urgent_timing()
}
