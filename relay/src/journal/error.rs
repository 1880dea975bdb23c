//! What can go wrong with the journal, sorted by who must act.

use std::io;

use vigie_proto::id::{LogId, Sequence};

use super::damage::DamagedRange;
use super::storage::PlaceLost;

/// Why the journal did not do what it was asked to.
///
/// No variant ever means that an acknowledged message was given up: what cannot be read is said, and left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    // --- The operator: make room, then it goes on by itself.
    /// No space for the next segment. Nothing was written, nothing is broken: the same call may succeed later.
    #[error(
        "no space for the next journal segment of {bytes} bytes; free space on its disk, publishing then resumes"
    )]
    Full {
        /// What was to be reserved.
        bytes: u64,
        /// What the disk said.
        source: io::Error,
    },

    // --- The operator: look before starting again. All of these come from `open`, before the first write.
    /// Another relay has this journal open.
    #[error("the journal is in use by another relay; stop that one, or give this one a folder of its own")]
    InUse,
    /// Bytes that were synced once are not what was written.
    #[error(
        "journal segment {segment} is damaged at byte {offset} ({what}); nothing was changed; check the disk, and \
         restore this folder from a copy, or set it aside and start a new journal"
    )]
    Damaged {
        /// File name.
        segment: String,
        /// Where in the file.
        offset: u64,
        /// What was found there.
        what: &'static str,
    },
    /// The newest segment is not there, or all before it.
    #[error(
        "journal segment {segment} is missing; nothing was changed; put it back from a copy of the folder"
    )]
    MissingSegment {
        /// File name.
        segment: String,
    },
    /// All segments before the newest are of another log.
    #[error(
        "journal segment {segment} belongs to log {found}, the others to log {expected}; nothing was changed; move \
         it away and put back the right one"
    )]
    ForeignSegment {
        /// File name.
        segment: String,
        /// The log of the first segment.
        expected: LogId,
        /// The log of this one.
        found: LogId,
    },
    /// Written by a newer version of the relay.
    #[error(
        "journal segment {segment} has {what} {found}, and this version knows up to {known}; nothing was changed; \
         start the newer version of the relay"
    )]
    NewerFormat {
        /// File name.
        segment: String,
        /// What is too new.
        what: &'static str,
        /// Its number.
        found: u32,
        /// The highest number that this version reads.
        known: u32,
    },
    /// The folder has no segment but something that may have been one: a new journal could hide an old one.
    #[error(
        "{name} looks like a part of a journal, but there is no segment to go with it; put the segments back, or \
         give the relay an empty folder"
    )]
    Unrecognised {
        /// File name.
        name: String,
    },

    /// The folder has no journal, and nobody has said that one may begin there ([`NewJournal::OnlyWhereMarked`]).
    ///
    /// [`NewJournal::OnlyWhereMarked`]: super::NewJournal::OnlyWhereMarked
    #[error(
        "there is no journal in this folder, and it is not marked as that of a new one; nothing was changed; mount its \
         disk, put the journal back, or mark an empty folder with `vigie journal new`"
    )]
    NotBegun {
        /// What shows that there was a journal.
        left: Option<String>,
    },
    /// The folder is a copy: going on in it would give one place of one log to two messages.
    #[error(
        "this folder is a backup of log {log}; a relay does not go on with it: import it into an empty journal folder \
         with `vigie journal import`"
    )]
    Backup {
        /// The log that was copied.
        log: LogId,
    },
    /// The folder is to become a journal and has something in it.
    #[error("it is not empty ({name}); name an empty folder, nothing was changed")]
    NotEmpty {
        /// What is in it, or in its way.
        name: String,
    },
    /// The folder is to be replaced by a finished one, and is a disk of its own.
    #[error("it is a mount point, which another folder cannot replace; make the journal's folder below it")]
    MountPoint,
    /// The folder has no journal. Only for those who look at one: a relay makes it.
    #[error("there is no journal in this folder")]
    NoJournal,

    // --- The process: stop, and start again.
    /// The disk failed. If this came from a write or a sync, the journal is poisoned from now on and nothing of this
    /// batch may be acknowledged; after a new start it is judged by what is on disk.
    #[error("journal: could not {doing}; check the disk, then start the relay again")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// What the disk said.
        source: io::Error,
    },
    /// The folder was moved, replaced or removed while it was open, or the segment that is written: see [`PlaceLost`].
    /// Poisoned as after a failed write; nothing of this batch may be acknowledged.
    #[error(
        "the journal folder, or the newest file in it, was moved, replaced or removed while the relay had it open; \
         nothing more is written; put back the one that it had, then start the relay again"
    )]
    Moved,
    /// A write or a sync failed before; nothing more is written, since a later sync would prove nothing.
    #[error("the journal stopped after a failed write; start the relay again")]
    Poisoned,

    // --- Our caller: a bug, nothing was written and the journal goes on.
    /// A message does not come after the last one, by sequence and by time of admission.
    #[error("message {seq} does not come after message {last}, or was admitted before it")]
    OutOfOrder {
        /// Its sequence.
        seq: Sequence,
        /// The last sequence before it.
        last: Sequence,
    },
    /// A record or a batch is larger than the format allows.
    #[error("{bytes} bytes at once are more than the {max} that the journal takes")]
    TooLarge {
        /// Size of the record or of the batch.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The visitor given to `open` refused a record.
    #[error("a record of the journal was refused while loading it")]
    Visit(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl JournalError {
    /// Whether the same call on the same journal may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// For `map_err`: the disk failed while `doing`.
    pub(super) fn storage(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if PlaceLost::caused(&source) { Self::Moved } else { Self::Storage { doing, source } }
        }
    }
}

/// Whether an error says that the disk has no room, and not that it is broken.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    [StorageFull, QuotaExceeded, FileTooLarge].contains(&error.kind())
}

impl ReadError {
    /// What is lost, for a reader that has come to `after`.
    pub(super) fn lost(lost: DamagedRange, after: u64) -> Self {
        let DamagedRange { segment, offset, what, next, .. } = lost;
        Self::Damaged { segment, offset, what, after: Sequence::new(after), next }
    }
}

/// Why a reader got nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Bytes that were synced once are not what was written. Tell readers of a gap (`damaged`), and the operator.
    #[error("journal segment {segment} is damaged at byte {offset} ({what}); check the disk")]
    Damaged {
        /// File name.
        segment: String,
        /// Where in the file.
        offset: u64,
        /// What was found there.
        what: &'static str,
        /// No message from this position up to `next` can be given.
        after: Sequence,
        /// The first sequence that may be readable again: where the index next knows a frame to begin.
        next: Sequence,
    },
    /// The disk failed while reading. Another try may succeed.
    #[error("could not read journal segment {segment}")]
    Storage {
        /// File name.
        segment: String,
        /// What the disk said.
        source: io::Error,
    },
}
