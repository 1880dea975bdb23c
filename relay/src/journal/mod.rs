//! The journal: the append-only record on disk of all admitted messages, and the part of a relay that must never lose an
//! acknowledged one.
//!
//! Where it sits: the journal thread admits messages and calls [`Journal::append`]; once that has returned, receipts go
//! out and the batch goes to the workers. Readers that are behind are served through a [`JournalReader`]. Below is a
//! [`Storage`], a folder of files.
//!
//! What it promises:
//! - What `append` returned `Ok` for is on disk: written, `fdatasync`ed, in a file whose name is synced.
//! - What was there is found again, in its order, after a crash at any point, also in the middle of recovering from one.
//! - What cannot be found again is said, with the file and the place, to the operator and to readers; it is left as it is,
//!   and what follows is served. Where the end of the journal cannot be proven, nothing is opened and nothing changed.
//!   There is never an empty journal in the place of a damaged one; nor in that of a missing one, where the opener says
//!   [`NewJournal::OnlyWhereMarked`], as the relay's binary does.
//! - A reader gets bytes whose checksum is right, or an error.
//! - What retention removes was asked for first, and what its caller still needs of it was synced again before.
//! - A folder that is moved or replaced under it, and a segment that is removed, end it: nothing is acknowledged that the
//!   next start would not find.
//! - On a full disk nothing breaks: batches are refused, urgent ones go through as long as the reserve lasts.
//!
//! What it does not do: decide what is admitted, keep ids or chains (its caller rebuilds those from the records given to
//! it at [`Journal::open`]), verify signatures, start threads, read a clock, log.
//!
//! On disk, top down: segments with a header (`segment.rs`), in them frames (`frame.rs`), of which marks prove that
//! what lies before them was synced, and records (`record.rs`). Reading it all at the start: `recovery.rs`, one segment
//! of it: `scan.rs`. Looking at it without changing a byte: `survey.rs`; a copy of it: `backup.rs`; a folder
//! for one that is imported: `fresh.rs`. A log that was imported says from where, and a copy says that it is one, in
//! frames that older versions refuse: `origin.rs`.

mod storage;
mod salvage;
mod file_id;
mod dir_storage;
mod read_only;
pub mod sim_disk;
mod damage;
mod error;
mod origin;
mod record;
mod frame;
mod segment;
mod channels;
mod index;
mod batch;
mod reserve;
mod folder;
mod beginning;
mod scan;
mod recovery;
mod writer;
mod retention;
mod reader;
mod survey;
mod backup;
mod usage;
mod fresh;

pub use backup::Copied;
pub use beginning::{NewJournal, mark_new};
pub use damage::{DAMAGE_MET_MAX, DamageMet, DamagedRange};
pub use dir_storage::{DirFile, DirLock, DirStorage};
pub use error::{JournalError, ReadError};
pub use fresh::FreshFolder;
pub use origin::ForkedFrom;
pub use read_only::{ReadOnlyDir, ReadOnlyFile};
pub use reader::{JournalReader, Page};
pub use record::{CarriedId, MessageRecord, Record, RevocationRecord};
pub use recovery::{Recovery, Visitor};
pub use reserve::RESERVE_BYTES;
pub use retention::{Needed, RETAIN_AGE, RETAIN_BYTES, Retention};
pub(crate) use segment::DOOR_NAME;
pub use storage::{PlaceLost, Storage, StorageFile};
pub use survey::{Met, Survey};
pub use usage::Usage;
pub use writer::{BATCH_BYTES_MAX, Journal, JournalConfig, SEGMENT_BYTES, WritePlace};

#[cfg(test)]
mod tests;
