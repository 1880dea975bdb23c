//! The journal itself: the one writer.
//!
//! Called by the journal thread: records that were admitted come in, and once [`Journal::append`] has returned `Ok` they
//! are on disk, may be acknowledged and can be read. Calls the storage, and nothing else.
//!
//! Invariants: a batch is one write and one sync; everything before `position` is synced; after a failed write or sync
//! nothing is ever written again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::id::{LogId, Sequence};
use vigie_proto::limits::JSON_INTEGER_MAX;
use vigie_proto::time::Timestamp;

use super::batch::{self, Batch};
use super::beginning::NewJournal;
use super::damage::DamagedRange;
use super::error::JournalError;
use super::folder::Folder;
use super::frame::{BODY_BYTES_MAX, MARK_BYTES};
use super::index::{Index, Progress};
use super::reader::JournalReader;
use super::record::Record;
use super::recovery::{self, Origin, Recovery, Visitor};
use super::reserve::{self, RESERVE_BYTES};
use super::retention::{RETAIN_AGE, RETAIN_BYTES, Retiring};
use super::segment::{self, HEADER_BYTES, LOCK_NAME, NotMade, Prepared, Segment};
use super::storage::{Storage, StorageFile};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

/// Default size of a segment: retention works by whole segments, and 64 MiB are reserved in a few milliseconds.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The smallest segment: less than a sector beside its header serves nobody.
const SEGMENT_BYTES_MIN: u64 = 1024;

/// One append is one write and is held in memory: 16 MiB are 64 of the largest messages.
pub const BATCH_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// On a full disk so many segments are made on the reserve, one after another.
const SEGMENTS_ON_RESERVE: u64 = 8;

/// What the buffer of the writer may keep between two batches: a burst is not paid for in memory for ever.
const BUFFER_KEPT_BYTES: usize = 1024 * 1024;

/// Settings of a journal.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JournalConfig {
    /// Size of a new segment in bytes, at least 1,024; default [`SEGMENT_BYTES`]. A batch that is larger gets a segment
    /// of its own size. May change from start to start.
    pub segment_bytes: u64,
    /// A segment goes once all of its messages were admitted longer ago than this, expired or not; default
    /// [`RETAIN_AGE`].
    pub retain_age: Duration,
    /// While the journal is larger than this, in bytes, its oldest segment goes, unless a message in it has not expired
    /// yet; default [`RETAIN_BYTES`]. Less than two segments has the effect of two.
    pub retain_bytes: u64,
    /// Room that is kept for [`Journal::append_urgent`] when the disk is full, in bytes; default [`RESERVE_BYTES`], never
    /// more than a segment.
    pub reserve_bytes: u64,
    /// Whether a journal may begin in a folder that has none; default [`NewJournal::Allowed`]. Where the folder is that
    /// of a relay in service use [`NewJournal::OnlyWhereMarked`], as the `vigie` binary does: an empty folder may be a
    /// disk that is not mounted.
    pub new_journal: NewJournal,
}

impl JournalConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            retain_age: RETAIN_AGE,
            retain_bytes: RETAIN_BYTES,
            reserve_bytes: RESERVE_BYTES,
            new_journal: NewJournal::Allowed,
        }
    }
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// A place that is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WritePlace {
    /// Counts segments up from 1.
    pub segment: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// An append-only log of records in a folder. There is one for a folder at a time: it holds a lock.
///
/// Dropping it without [`Journal::close`] loses nothing; the next start then copies the last batch. Keeps one file
/// descriptor open for each segment.
pub struct Journal<S: Storage> {
    storage: S,
    pub(super) config: JournalConfig,
    pub(super) index: Arc<Index<S::File>>,
    pub(super) current: Arc<Segment<S::File>>,
    /// Where the next batch goes; everything before is synced.
    position: u64,
    progress: Progress,
    pub(super) next: Option<Prepared<S::File>>,
    batch: Batch,
    /// Nothing came after the footer that this process wrote last.
    settled: bool,
    poisoned: bool,
    recovery: Recovery,
    damage: Vec<DamagedRange>,
    /// Set while retention carries on what is needed of the segments that go.
    pub(super) retiring: Option<Retiring>,
    pub(super) reserve: Reserve,
    _lock: S::Lock,
}

/// What is known of the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserve {
    NotLookedAt,
    Whole,
    /// An urgent batch took of it: only once it is whole again, there is room for others.
    Used,
}

impl<S: Storage> Journal<S> {
    /// Opens the journal of a folder and gives every record in it to `visit`, in order; in an empty folder makes a new
    /// one whose identity is `new_log`, where [`JournalConfig::new_journal`] lets it.
    ///
    /// When it returns `Ok`, all that was visited is on disk. On an error the caller forgets what it was given; up to
    /// there, unless the error is [`JournalError::Storage`] or [`JournalError::Full`], nothing was written. Reads the
    /// whole journal: 1.2 GB with a million messages took 0.3 s from the page cache.
    ///
    /// # Errors
    /// [`JournalError::InUse`], those that say what is wrong with the folder, [`JournalError::Full`] when there is no
    /// room even for a copy of the last batch, and [`JournalError::Visit`] with what the visitor returned.
    pub fn open(
        storage: S,
        config: JournalConfig,
        new_log: LogId,
        visit: &mut Visitor<'_>,
    ) -> Result<Self, JournalError> {
        let segment_bytes = config.segment_bytes.max(SEGMENT_BYTES_MIN);
        let reserve_bytes = config.reserve_bytes.min(segment_bytes);
        let config = JournalConfig { segment_bytes, reserve_bytes, ..config };
        if config.new_journal == NewJournal::OnlyWhereMarked {
            // Before the lock, which would be a first write where nothing may be written. It is judged again under it.
            config.new_journal.judge(&Folder::list(&storage)?)?;
        }
        let lock = storage.lock(LOCK_NAME).map_err(|source| {
            let in_use = source.kind() == std::io::ErrorKind::WouldBlock;
            if in_use { JournalError::InUse } else { JournalError::storage("lock the folder")(source) }
        })?;
        let loaded = recovery::load(&storage, config.segment_bytes, (config.new_journal, new_log), visit)?;
        let newest = loaded.segments.last().expect("recovery gives at least one segment");
        let current = Arc::clone(&newest.segment);
        Ok(Self {
            storage,
            config,
            index: Arc::new(Index::new(loaded.segments, loaded.progress, loaded.names)),
            current,
            position: loaded.position,
            progress: loaded.progress,
            next: None,
            batch: Batch::new(loaded.progress),
            settled: false,
            poisoned: false,
            recovery: loaded.recovery,
            damage: loaded.damage,
            retiring: None,
            reserve: Reserve::NotLookedAt,
            _lock: lock,
        })
    }

    /// The identity of the log.
    pub fn log(&self) -> LogId {
        self.current.header.log
    }

    /// The last sequence; [`Sequence::START`] when there is no message yet.
    pub fn last_seq(&self) -> Sequence {
        Sequence::new(self.progress.last)
    }

    /// When the last message was admitted; [`Timestamp::EPOCH`] when there is none yet. The next may not be earlier.
    pub fn last_admitted(&self) -> Timestamp {
        Timestamp::from_millis(self.progress.admitted)
    }

    /// The lowest sequence that the journal may have; the next to be given when it is empty.
    pub fn first_seq(&self) -> Sequence {
        Sequence::new(self.index.first())
    }

    /// What [`Journal::open`] found.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// What [`Journal::open`] could not read although it was on disk once, in the order of the log: for the operator.
    /// Empty for a sound journal. Readers are told by [`ReadError::Damaged`](super::ReadError::Damaged).
    pub fn damage(&self) -> &[DamagedRange] {
        &self.damage
    }

    /// Whether a write or sync failed, so that nothing is appended any more.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// A reader of this journal, for other threads.
    pub fn reader(&self) -> JournalReader<S> {
        JournalReader::new(self.log(), Arc::clone(&self.index))
    }

    /// Puts records on disk, in this order: one write, one `fdatasync`, whatever their number. On `Ok` they may be
    /// acknowledged and readers see them. Without records it does nothing.
    ///
    /// # Errors
    /// - [`JournalError::Full`]: no room for the next segment; nothing was written, the same call may succeed later.
    /// - [`JournalError::OutOfOrder`], [`JournalError::TooLarge`]: nothing was written; a bug of the caller.
    /// - [`JournalError::Storage`]: the disk failed; none of these records may be acknowledged, though they may turn up
    ///   after the next start. From now on every call gives [`JournalError::Poisoned`]. Readers keep working.
    /// - [`JournalError::Moved`]: the folder is not where it was; as for a failed disk.
    pub fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.check_poison()?;
        if records.is_empty() {
            return Ok(());
        }
        let bytes = self.check(records)?;
        // What is left in a segment that was made on a full disk is for those who may use the reserve.
        if !self.has_room(bytes) || self.current.header.capacity < self.config.segment_bytes {
            self.rotate(bytes)?;
        }
        self.write(records)
    }

    /// As [`Journal::append`], but on a full disk it may use the reserve: for what must not wait until somebody has made
    /// room.
    ///
    /// # Errors
    /// As [`Journal::append`]; [`JournalError::Full`] when the reserve is used up as well.
    pub fn append_urgent(&mut self, records: &[Record]) -> Result<(), JournalError> {
        #[cfg(feature = "sabotage")]
        if Sabotage::ReserveUnused.is_planted() {
            return self.append(records);
        }
        self.check_poison()?;
        if records.is_empty() {
            return Ok(());
        }
        let bytes = self.check(records)?;
        if !self.has_room(bytes) {
            match self.rotate(bytes) {
                Err(JournalError::Full { .. }) => self.rotate_on_reserve(bytes)?,
                other => other?,
            }
        }
        self.write(records)
    }

    /// Makes the reserve whole, if it is not: for moments when nothing waits.
    ///
    /// # Errors
    /// [`JournalError::Full`] and [`JournalError::Storage`], as [`Journal::append`].
    pub fn keep_reserve(&mut self) -> Result<(), JournalError> {
        self.check_poison()?;
        if self.reserve == Reserve::Whole {
            return Ok(());
        }
        let kept = reserve::keep(&self.storage, self.config.reserve_bytes);
        self.sort(kept)?;
        self.reserve = Reserve::Whole;
        Ok(())
    }

    /// Proves the last batch: without this, damage to it could not be told from a write that a crash cut short. Costs a
    /// write and a sync of 44 bytes, and nothing when the last batch is proven already; for moments when nothing waits.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn write_footer(&mut self) -> Result<(), JournalError> {
        self.check_poison()?;
        if self.settled {
            return Ok(());
        }
        if self.position + 2 * MARK_BYTES as u64 > self.current.header.capacity {
            self.rotate(MARK_BYTES as u64)?;
        }
        self.batch.footer(self.current.home, self.position, self.progress);
        self.commit()?;
        self.settled = true;
        Ok(())
    }

    /// Reserves the next segment now, so that the batch that needs it does not wait for that, and a full disk shows
    /// early. Does nothing when the present segment is less than half full, or one is reserved already. For moments when
    /// nothing waits.
    ///
    /// # Errors
    /// [`JournalError::Full`] and [`JournalError::Storage`], as [`Journal::append`].
    pub fn prepare_next(&mut self) -> Result<(), JournalError> {
        self.check_poison()?;
        if self.next.is_some() || self.position < self.current.header.capacity / 2 {
            return Ok(());
        }
        self.next = Some(self.prepare(self.config.segment_bytes)?);
        Ok(())
    }

    /// Where the next batch goes, if it fits there.
    pub fn write_place(&self) -> WritePlace {
        WritePlace { segment: self.current.header.index, offset: self.position }
    }

    /// Ends the journal with a footer, so that the next start finds it clean, and gives up the lock.
    ///
    /// # Errors
    /// As [`Journal::write_footer`]. All that was acknowledged is on disk whatever this returns.
    pub fn close(mut self) -> Result<(), JournalError> {
        match self.write_footer() {
            // The next start copies the last batch, for which there is the reserve.
            Err(JournalError::Full { .. }) => {}
            other => other?,
        }
        if self.next.take().is_some() {
            segment::discard(&self.storage, self.current.header.index + 1)?;
        }
        Ok(())
    }

    pub(super) fn check_poison(&self) -> Result<(), JournalError> {
        if self.poisoned { Err(JournalError::Poisoned) } else { Ok(()) }
    }

    /// Judges records before any of them is written; gives what they take at most.
    fn check(&self, records: &[Record]) -> Result<u64, JournalError> {
        let too_large = |bytes| JournalError::TooLarge { bytes, max: BODY_BYTES_MAX };
        let bytes = batch::bytes_max(records).map_err(too_large)?;
        if bytes > BATCH_BYTES_MAX {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            return Err(JournalError::TooLarge { bytes, max: BATCH_BYTES_MAX as usize });
        }
        let mut progress = self.progress;
        for record in records {
            let Record::Message(message) = record else { continue };
            let (sequence, admitted) = (message.seq.get(), message.admitted.as_millis());
            if !(progress.last + 1..=JSON_INTEGER_MAX).contains(&sequence) || admitted < progress.admitted {
                return Err(JournalError::OutOfOrder {
                    seq: message.seq,
                    last: Sequence::new(progress.last),
                });
            }
            progress = Progress { last: sequence, admitted };
        }
        Ok(bytes)
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.position + bytes + MARK_BYTES as u64 <= self.current.header.capacity
    }

    fn write(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.settled = false;
        self.batch.fill(self.current.home, self.position, self.progress, records);
        self.commit()
    }

    /// Puts the batch on disk at `position`, then lets readers see it.
    fn commit(&mut self) -> Result<(), JournalError> {
        let kept = self.write_and_sync();
        self.poison_on_error(kept)?;
        self.position += self.batch.bytes.len() as u64;
        self.progress = self.batch.progress;
        self.index.publish(&self.batch.places, self.position, self.progress);
        self.batch.bytes.clear();
        self.batch.bytes.shrink_to(BUFFER_KEPT_BYTES);
        Ok(())
    }

    fn write_and_sync(&self) -> Result<(), JournalError> {
        let (lost, file) = ("find the journal folder again", &self.current.file);
        // Before the write too: where the lock was lost, another relay may have written at this position.
        self.storage.check_place().map_err(JournalError::storage(lost))?;
        let written = file.write_all_at(&self.batch.bytes, self.position);
        written.map_err(JournalError::storage("write to the journal"))?;
        #[cfg(feature = "sabotage")]
        let file = &crate::sabotage::Unsynced(file);
        file.sync_data().map_err(JournalError::storage("sync the journal"))?;
        self.current.check_found(&self.storage).map_err(JournalError::storage(lost))
    }

    /// Goes on in a new segment with room for `bytes`.
    fn rotate(&mut self, bytes: u64) -> Result<(), JournalError> {
        let wanted = HEADER_BYTES + bytes + MARK_BYTES as u64;
        let prepared = match self.next.take().filter(|prepared| prepared.capacity() >= wanted) {
            Some(prepared) => prepared,
            None => {
                if self.reserve == Reserve::Used {
                    self.keep_reserve()?;
                }
                self.prepare(self.config.segment_bytes.max(wanted))?
            }
        };
        self.go_on_in(prepared, Origin::after(&self.current.header, self.position))
    }

    /// Goes on in a small segment, for which the reserve gives room if nothing else does.
    fn rotate_on_reserve(&mut self, bytes: u64) -> Result<(), JournalError> {
        let prepared = self.prepare_small(HEADER_BYTES + bytes + MARK_BYTES as u64)?;
        self.go_on_in(prepared, Origin::after(&self.current.header, self.position))
    }

    fn prepare_small(&mut self, wanted: u64) -> Result<Prepared<S::File>, JournalError> {
        // Large enough for many batches, and small enough for several such segments.
        let capacity = wanted.max(self.config.reserve_bytes / SEGMENTS_ON_RESERVE);
        loop {
            match self.prepare(capacity) {
                Err(JournalError::Full { bytes, source }) => {
                    let given = reserve::give(&self.storage, capacity, capacity);
                    if self.sort(given)? == 0 {
                        return Err(JournalError::Full { bytes, source });
                    }
                    self.reserve = Reserve::Used;
                }
                other => return other,
            }
        }
    }

    /// Begins a segment that says that the journal begins with `oldest`, then removes what comes before.
    pub(super) fn begin_with(&mut self, oldest: u64) -> Result<usize, JournalError> {
        let prepared = match self.next.take() {
            Some(prepared) => prepared,
            None => match self.prepare(self.config.segment_bytes) {
                // Room is what this is about to make: a segment with nothing but a mark will do.
                Err(JournalError::Full { .. }) => self.prepare_small(HEADER_BYTES + 2 * MARK_BYTES as u64)?,
                other => other?,
            },
        };
        let old = Arc::clone(&self.current);
        let used = self.position + MARK_BYTES as u64;
        self.go_on_in(prepared, Origin::after(&old.header, self.position).beginning_with(oldest))?;
        let cut = if used < old.header.capacity { old.file.truncate(used) } else { Ok(()) };
        self.poison_on_error(cut.map_err(JournalError::storage("shorten a segment")))?;
        let removed = self.index.remove_before(oldest);
        for one in &removed {
            let gone = segment::remove(&self.storage, &one.segment, one.damaged);
            self.poison_on_error(gone.map_err(JournalError::storage("remove a segment")))?;
        }
        Ok(removed.len())
    }

    /// Makes `prepared` the segment in which batches are written.
    fn go_on_in(&mut self, prepared: Prepared<S::File>, origin: Origin) -> Result<(), JournalError> {
        let header = origin.header(self.progress, prepared.capacity());
        let installed = self.sort(prepared.install(&self.storage, header, &[]))?;
        let left = recovery::leave(&self.current, self.position, self.progress);
        self.poison_on_error(left)?;
        self.current = Arc::new(installed);
        self.position = HEADER_BYTES;
        self.index.push(Arc::clone(&self.current));
        Ok(())
    }

    fn prepare(&mut self, capacity: u64) -> Result<Prepared<S::File>, JournalError> {
        let prepared = Prepared::new(&self.storage, self.current.header.index + 1, capacity);
        self.sort(prepared)
    }

    /// A full disk leaves the journal as it was, a failing one poisons it.
    fn sort<T>(&mut self, made: Result<T, NotMade>) -> Result<T, JournalError> {
        self.poisoned |= matches!(made, Err(NotMade::Failed { .. }));
        made.map_err(JournalError::from)
    }

    fn poison_on_error(&mut self, result: Result<(), JournalError>) -> Result<(), JournalError> {
        self.poisoned |= result.is_err();
        result
    }
}

impl<S: Storage> fmt::Debug for Journal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("log", &self.log())
            .field("last_seq", &self.last_seq())
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}
