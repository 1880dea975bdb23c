//! `admit`: whether a verified message enters the log, at this moment. At the entry only, once per log.
//!
//! Called by the relay's journal thread, which alone decides order, with `admitted` as now. Its verdict stands with
//! the record and is never asked for again.

use crate::id::{MessageId, Sequence};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::verify::VerifiedMessage;

/// Where and when a message entered the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a place in a log and its time")]
pub struct Stored {
    /// Its position.
    pub seq: Sequence,
    /// The relay's time then.
    pub admitted: Timestamp,
}

/// The ids that are in the log, or earlier in the batch that is being decided.
pub trait KnownIds {
    /// Where this message is, if it is.
    fn find(&self, id: &MessageId) -> Option<Stored>;
}

/// What `admit` decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a message is in the log, or it is new")]
pub enum Admission {
    /// It is in the log already: the first receipt stands, whatever has expired since.
    Known(Stored),
    /// It takes the next sequence.
    Fresh,
}

/// Decides on one message.
///
/// # Errors
/// `sent_in_future`, `expired`, `credential_not_yet_valid` or `credential_expired`, at `admitted`.
pub fn admit(
    message: &VerifiedMessage,
    admitted: Timestamp,
    known: &dyn KnownIds,
) -> Result<Admission, Refusal> {
    if let Some(stored) = known.find(&message.id()) {
        return Ok(Admission::Known(stored));
    }
    message.judge_admitted(admitted)?;
    Ok(Admission::Fresh)
}
