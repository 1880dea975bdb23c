//! What becomes of a message on its way to the relay's disk.

use vigie_proto::channel::Channel;
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{LogId, MessageId, Sequence};
use vigie_proto::label::Label;
use vigie_proto::limits::MESSAGE_BYTES_MAX;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

use crate::link::LinkError;

/// The relay's word that a message is on its disk. The same bytes sent again get the same receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The message.
    pub id: MessageId,
    /// The log it is in.
    pub log: LogId,
    /// Its position there.
    pub seq: Sequence,
    /// When the relay admitted it.
    pub admitted: Timestamp,
}

impl Receipt {
    /// The message's place as a cursor.
    pub const fn cursor(&self) -> Cursor {
        Cursor { log: self.log, seq: self.seq, admitted: self.admitted }
    }
}

/// How many sessions of the relay a message was handed to: a hint, no acknowledgement by anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reach {
    /// Sessions that are given it now.
    pub live: u64,
    /// Sessions that will be given it when they have caught up.
    pub behind: u64,
}

/// Why there is no receipt.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It is in no log: a rule refuses it. Change the message or the authority, or, where
    /// [`PublishError::is_temporary`] says so, send the same again later.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It is larger than a message may be; nothing left this machine.
    #[error("the message is larger than {max} bytes: link large resources instead of embedding them")]
    TooLarge {
        /// The most bytes of a message as a JWS.
        max: usize,
    },
    /// It would tell of a message that it replaces those who may not have that message; nothing left this machine.
    #[error(transparent)]
    Replaces(#[from] ReplaceFault),
    /// Nothing left this machine: no relay could be reached in time, or none let this identity in, which is
    /// [`LinkError::Refused`]. Send it again when the network is back, or the identity has a good credential.
    #[error("not sent, nothing left this machine: {0}")]
    NotSent(LinkError),
    /// It was sent and no answer came in time: it may be in a log or not. Send the same bytes again with
    /// [`crate::Client::publish_signed`]; that is safe and gives the first receipt.
    #[error("sent, but no answer came in time, so its fate is unknown: send the same bytes again (message {})", message.id())]
    Unknown {
        /// The bytes to send again, and their id.
        message: crate::SignedMessage,
    },
}

/// Why a draft that replaces other messages is not signed: whoever is given it learns the ids of those.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceFault {
    /// It names them by their ids alone and says no label, which would be `TLP:CLEAR`: build it with
    /// [`Draft::replacing`](crate::Draft::replacing), or give it the label of what it replaces.
    #[error(
        "it replaces a message by its id and has no label: give it the label and audience of that message"
    )]
    LabelNeeded,
    /// Its label is wider than that of one of them, so it would change nothing either. Leave the label out; replace
    /// messages whose audiences differ one by one.
    #[error("message {target} is labelled {label}, and what replaces it is labelled wider")]
    Wider {
        /// What it replaces.
        target: MessageId,
        /// The label of that message.
        label: Label,
    },
    /// One of them is on another channel, so it would change nothing either.
    #[error("message {target} is on {channel}: what replaces it is published there")]
    OtherChannel {
        /// What it replaces.
        target: MessageId,
        /// Where that message is.
        channel: Channel,
    },
}

impl PublishError {
    pub(crate) fn of_refusal(refusal: Refusal) -> Self {
        if refusal.code == Code::MessageTooLarge {
            Self::TooLarge { max: MESSAGE_BYTES_MAX }
        } else {
            Self::Refused(refusal)
        }
    }

    /// Whether the same bytes may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.code.is_temporary(),
            Self::TooLarge { .. } | Self::Replaces(_) => false,
            Self::NotSent(_) | Self::Unknown { .. } => true,
        }
    }
}
