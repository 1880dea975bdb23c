//! How long a certificate or a credential is still good, and when to warn of its end: the rule is that of
//! [`vigie_proto::expiry`].

use serde::{Deserialize, Serialize};
pub use vigie_proto::expiry::{Notice, WARN_BEFORE};
use vigie_proto::time::{Timestamp, Window};

/// Of [`Status`](super::Status): until when something is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Validity {
    /// The first moment when it is not good any more.
    pub ends: Timestamp,
    /// Seconds left; 0 when it has ended.
    pub left_s: u64,
    /// How close that is.
    pub notice: Notice,
}

impl Validity {
    /// What is said of this now.
    pub fn of(valid: Window, now: Timestamp) -> Self {
        Self { ends: valid.until, left_s: valid.until.since(now).as_secs(), notice: Notice::of(valid, now) }
    }
}
