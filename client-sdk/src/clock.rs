//! The one place that reads the clock of the machine. [`crate::Reader`] is given the time instead.

use std::time::SystemTime;

use vigie_proto::time::Timestamp;

/// Now, by the clock of this machine. Before 1970 it is the epoch: everything then looks as if it were in the future,
/// which the relay refuses and a reader only marks.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.plus(since)
}
