//! A survey: the journal of a folder as it is found, judged as recovery would, and nothing changed.
//!
//! Used by the operator's commands, on a folder that no relay has open as on one that is being written: `verify`,
//! `stats`, `export`, `backup`, and `import` for its source. Opens the files once and reads through them twice: first to
//! judge ([`Survey::read`]), then to show ([`Survey::walk`]). What retention removes meanwhile stays readable, and what a
//! relay appends after the first reading is not looked at.
//!
//! What is found while a relay writes may be half of a write. So damage, and what keeps a journal from being opened,
//! counts only when two readings in a row find the same.
//!
//! Not here: a lock, a write, a signature, a clock.

use std::sync::Arc;

use vigie_proto::id::{LogId, Sequence};
use vigie_proto::time::Timestamp;

use super::damage::DamagedRange;
use super::error::JournalError;
use super::folder::Folder;
use super::frame::{self, FrameReader, Kind, Purpose, Step};
use super::index::{Index, Indexed, Progress, Retained};
use super::origin::BackupMark;
use super::record::{MessageRecord, Record};
use super::recovery::{ReadAll, open_all, read_all};
use super::retention;
use super::scan::CHUNK_BYTES;
use super::segment::{self, FORMAT_VERSION, HEADER_BYTES, Segment, reading};
use super::storage::{Storage, StorageFile};
use super::writer::JournalConfig;

/// Each reading that fails for what a running relay does (it began a segment, it removed one) is done again: a relay
/// that does so between all of these is rarer than a folder that is wrong.
const READINGS_MAX: usize = 16;

/// A journal that was read and judged.
#[derive(Debug)]
pub struct Survey<S: Storage> {
    pub(super) segments: Vec<Surveyed<S::File>>,
    index: Index<S::File>,
    damage: Vec<DamagedRange>,
    /// The last mark of the newest segment.
    synced: u64,
    pub(super) progress: Progress,
    behind_mark: usize,
    torn_bytes: u64,
    proven: Sequence,
    /// Whether the last mark of the newest segment closed it.
    footer: bool,
    backup: Option<BackupMark>,
}

/// One segment of it.
#[derive(Debug)]
pub(super) struct Surveyed<F> {
    pub(super) segment: Arc<Segment<F>>,
    /// After its last whole frame.
    pub(super) end: u64,
    /// What is lost between the segment before and this one.
    lost_before: Option<DamagedRange>,
}

/// What a walk meets, in the order of the log.
#[derive(Debug)]
pub enum Met<'s> {
    /// A record.
    Record {
        /// What it is.
        record: Record,
        /// The file.
        segment: String,
        /// Where in the file.
        offset: u64,
        /// Whether it is known to have been synced.
        proven: bool,
    },
    /// What cannot be read, in its place.
    Damage(&'s DamagedRange),
}

impl<S: Storage> Survey<S> {
    /// Reads and judges the journal of a folder.
    ///
    /// # Errors
    /// As [`Journal::open`](super::Journal::open) would refuse it, [`JournalError::NoJournal`] where it would make one,
    /// and [`JournalError::Storage`] when the folder cannot be read. A copy is no error here.
    pub fn read(storage: &S) -> Result<Self, JournalError> {
        let mut before: Option<Result<Self, JournalError>> = None;
        for _ in 1..READINGS_MAX {
            let found = Self::read_once(storage);
            let same = match (&found, &before) {
                (Ok(found), _) if found.damage.is_empty() => true,
                (Ok(found), Some(Ok(before))) => found.damage == before.damage,
                (Err(found), Some(Err(before))) => found.to_string() == before.to_string(),
                (Ok(_) | Err(_), _) => false,
            };
            if same {
                return found;
            }
            before = Some(found);
        }
        Self::read_once(storage)
    }

    fn read_once(storage: &S) -> Result<Self, JournalError> {
        let folder = Folder::list(storage)?;
        if folder.segments.is_empty() {
            return Err(folder
                .look_alikes
                .into_iter()
                .next()
                .map_or(JournalError::NoJournal, |name| JournalError::Unrecognised { name }));
        }
        let opened = open_all(storage, &folder)?;
        let ReadAll { segments, last, damage, names } = read_all(opened.segments, &mut |_| Ok(()))?;
        let surveyed = segments.iter().map(Surveyed::of).collect();
        Ok(Self {
            segments: surveyed,
            index: Index::new(segments, last.progress, names),
            damage,
            synced: last.synced,
            progress: last.progress,
            behind_mark: last.unproven.len(),
            torn_bytes: last.torn_bytes,
            proven: Sequence::new(last.progress_synced.last),
            footer: last.purpose == Some(Purpose::Footer),
            backup: last.backup,
        })
    }

    fn newest(&self) -> &Surveyed<S::File> {
        self.segments.last().expect("a journal that was read has a segment")
    }

    /// The identity of the log.
    pub fn log(&self) -> LogId {
        self.newest().segment.header.log
    }

    /// The version of the format on disk.
    pub const fn format(&self) -> u32 {
        FORMAT_VERSION
    }

    /// When this copy was made; `None` when it is no copy.
    pub fn backup_made(&self) -> Option<Timestamp> {
        self.backup.map(|mark| mark.made)
    }

    /// The last place; [`Sequence::START`] when there is no message.
    pub fn last_seq(&self) -> Sequence {
        Sequence::new(self.progress.last)
    }

    /// When the last message was admitted.
    pub fn last_admitted(&self) -> Timestamp {
        Timestamp::from_millis(self.progress.admitted)
    }

    /// The lowest sequence that the journal may have.
    pub fn first_seq(&self) -> Sequence {
        Sequence::new(self.index.first())
    }

    /// The last place before the oldest segment: what retention has removed reaches up to it. [`Sequence::START`] when
    /// nothing was removed. And when the message there was admitted.
    pub fn before_first(&self) -> (Sequence, Timestamp) {
        let admitted = self.segments.first().map_or(0, |one| one.segment.header.admitted);
        (Sequence::new(self.index.first().saturating_sub(1)), Timestamp::from_millis(admitted))
    }

    /// What cannot be read although it was on disk once, in the order of the log.
    pub fn damage(&self) -> &[DamagedRange] {
        &self.damage
    }

    /// How many segments can be read, and the bytes in use in them.
    pub fn size(&self) -> (usize, u64) {
        (self.segments.len(), self.segments.iter().map(|one| one.end).sum())
    }

    /// The newest segment and the place in it below which all is known to have been synced.
    pub fn synced(&self) -> (String, u64) {
        (self.newest().segment.name(), self.synced)
    }

    /// Behind that place: whole records, and bytes that are none. A relay is writing there, or stopped while it was.
    pub const fn tail(&self) -> (usize, u64) {
        (self.behind_mark, self.torn_bytes)
    }

    /// The last message that is known to have been synced: the last mark stands behind it.
    pub const fn proven(&self) -> Sequence {
        self.proven
    }

    /// Whether the newest segment ends as a relay leaves it that stopped, or has nothing to do: nothing can have stood
    /// behind that. Otherwise a relay is writing, or was cut short, or the end of the segment was lost.
    pub const fn is_closed(&self) -> bool {
        self.footer && self.behind_mark == 0 && self.torn_bytes == 0
    }

    /// Looks once more behind the last mark, without reading anything else: whether a relay has written there since.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn has_moved(&self) -> Result<bool, JournalError> {
        let newest = &self.newest().segment;
        let limit = newest.header.capacity.min(newest.file.size().map_err(reading())?);
        let mut frames = FrameReader::new(&*newest.file, newest.home, self.synced, limit, CHUNK_BYTES);
        while let Step::Frame(frame) = frames.step().map_err(reading())? {
            let is_new = frame.offset > self.synced || frame.purpose() != Some(Purpose::Batch);
            if frame.kind == Kind::Mark && is_new {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many segments retention would remove at the time `now`, their bytes, and the first sequence that stays.
    pub fn due(&self, config: &JournalConfig, now: Timestamp) -> Option<(usize, u64, Sequence)> {
        let segments: Vec<Retained<S::File>> = self.index.retained();
        let due = retention::due(config, self.newest().segment.header.capacity, &segments, now)?;
        let goes = || segments.iter().filter(|one| one.segment.header.index <= due.through);
        Some((goes().count(), goes().map(|one| one.end).sum(), Sequence::new(due.first_kept)))
    }

    /// Shows every record and all damage, in the order of the log. Stops at what `visit` returns.
    ///
    /// # Errors
    /// What `visit` returned, and [`JournalError::Storage`] when the disk fails.
    pub fn walk<E: From<JournalError>>(
        &self,
        visit: &mut dyn FnMut(Met<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let newest = self.newest().segment.header.index;
        for one in &self.segments {
            if let Some(lost) = &one.lost_before {
                visit(Met::Damage(lost))?;
            }
            let proven_to = if one.segment.header.index == newest { self.synced } else { u64::MAX };
            self.walk_segment(one, proven_to, visit)?;
        }
        Ok(())
    }

    fn walk_segment<E: From<JournalError>>(
        &self,
        one: &Surveyed<S::File>,
        proven_to: u64,
        visit: &mut dyn FnMut(Met<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (file, home, name) = (&*one.segment.file, one.segment.home, one.segment.name());
        let reader = |from| FrameReader::new(file, home, from, one.end, CHUNK_BYTES);
        let mut frames = reader(HEADER_BYTES);
        loop {
            let broken = match frames.step().map_err(reading())? {
                Step::Frame(frame) => {
                    let offset = frame.offset;
                    if let Some(record) = retention::record_of(&frame) {
                        let segment = name.clone();
                        visit(Met::Record { record, segment, offset, proven: offset < proven_to })?;
                    }
                    continue;
                }
                Step::End => return Ok(()),
                Step::Broken { offset, .. } => offset,
            };
            // Known since the first reading: what lies below its end does not change.
            let known = self.damage.iter().find(|range| range.segment == name && range.offset == broken);
            if let Some(range) = known {
                visit(Met::Damage(range))?;
            }
            let tail = frame::inspect_tail(file, home, broken, one.end, CHUNK_BYTES).map_err(reading())?;
            let Some(mark) = tail.mark else { return Ok(()) };
            frames = reader(mark);
        }
    }

    /// Looks once more behind the last mark, without reading anything else: whether a later mark proves the records
    /// there by now. The survey then ends at that mark.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    pub fn prove_tail(&mut self) -> Result<bool, JournalError> {
        let (end, capacity) = (self.newest().end, self.newest().segment.header.capacity);
        if self.behind_mark == 0 && self.torn_bytes == 0 {
            return Ok(true);
        }
        let mut progress = self.progress;
        let newest = Arc::clone(&self.newest().segment);
        let limit = capacity.max(end).min(newest.file.size().map_err(reading())?);
        let mut frames = FrameReader::new(&*newest.file, newest.home, end, limit, CHUNK_BYTES);
        while let Step::Frame(frame) = frames.step().map_err(reading())? {
            match frame.kind {
                Kind::Mark => {
                    (self.synced, self.progress) = (frame.offset, progress);
                    self.proven = Sequence::new(progress.last);
                    self.footer = frame.purpose() == Some(Purpose::Footer);
                    (self.behind_mark, self.torn_bytes) = (0, 0);
                    if let Some(one) = self.segments.last_mut() {
                        one.end = frame.offset;
                    }
                    return Ok(true);
                }
                Kind::Message | Kind::Restricted => {
                    let admitted = MessageRecord::peek_admitted(frame.body).map_or(0, Timestamp::as_millis);
                    progress = Progress { last: frame.sequence, admitted };
                }
                Kind::Credential
                | Kind::Revocation
                | Kind::Carried
                | Kind::Forked
                | Kind::Backup
                | Kind::Unknown(_) => {}
            }
        }
        Ok(false)
    }

    /// The names of files that stand among the segments of the journal and could not be read as such.
    pub(super) fn unreadable(&self, storage: &S) -> Result<Vec<String>, JournalError> {
        let headers = || self.segments.iter().map(|one| &one.segment.header);
        let oldest = self.newest().segment.header.oldest;
        let newest = self.newest().segment.header.index;
        let listed = Folder::list(storage)?.segments.into_iter();
        let lost = listed.filter(|index| (oldest..newest).contains(index));
        let lost = lost.filter(|index| headers().all(|header| header.index != *index));
        Ok(lost.map(segment::file_name).collect())
    }
}

impl<F> Surveyed<F> {
    fn of(indexed: &Indexed<F>) -> Self {
        let segment = Arc::clone(&indexed.segment);
        Self { segment, end: indexed.end, lost_before: indexed.lost_before.clone() }
    }
}
