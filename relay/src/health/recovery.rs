//! What [`Status`](super::Status) says of the start: how the relay found its journal.
//!
//! Made once, of what the journal says of its own recovery; nothing here reads the disk.

use serde::{Deserialize, Serialize};

use crate::journal::Recovery;

/// Of [`JournalStatus`](super::JournalStatus): how the relay found its journal at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecoveryStatus {
    /// What it was.
    pub found: RecoveryFound,
    /// Records of the last batch that were whole, and were kept.
    pub copied: u64,
    /// Bytes behind them that were not a whole record, and were cut: of a batch that nobody had a receipt for, unless what
    /// closed the journal was lost with them.
    pub cut_bytes: u64,
}

/// How a relay finds its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecoveryFound {
    /// There was none: it is new.
    Created,
    /// Closed, or idle when the relay stopped.
    Clean,
    /// The relay was stopped while it wrote.
    Unclean,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

impl From<Recovery> for RecoveryStatus {
    fn from(recovery: Recovery) -> Self {
        let (found, copied, cut_bytes) = match recovery {
            Recovery::Created => (RecoveryFound::Created, 0, 0),
            Recovery::Clean => (RecoveryFound::Clean, 0, 0),
            Recovery::Unclean { copied, cut_bytes } => (RecoveryFound::Unclean, copied as u64, cut_bytes),
        };
        Self { found, copied, cut_bytes }
    }
}
