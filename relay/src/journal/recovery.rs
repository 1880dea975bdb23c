//! Recovery: from the files of a folder to a journal that can be appended to.
//!
//! First everything is read and judged, and nothing is written. Only then, and only where needed, the folder is changed,
//! in steps of which each leaves a folder that recovers to the same records; so a crash in here is a crash like any other.
//!
//! What counts as damage, and what as a crash:
//! - A mark says that all before it was synced. So whatever is broken before a whole mark, or in a segment that another
//!   one follows, was once whole on disk: damage, an error, and the operator decides.
//! - Behind the last mark of the last segment lies at most one batch whose sync may not have come to its end. What is
//!   whole of it is kept, the rest was never acknowledged and is cut.
//! - Being readable proves nothing: after a failed sync the page cache shows what the disk does not have. So that last
//!   batch is copied into a new segment and synced, and counts only then. The header of the new segment says where the
//!   old one ends, so its renaming is the whole switch.
//!
//! One disk alone cannot tell a damaged last batch from a torn one; the footer that is written when idle and at a close
//! ends that doubt.

use std::sync::Arc;

use vigie_proto::id::LogId;

use super::batch::Batch;
use super::error::JournalError;
use super::frame::{self, Frame, FrameReader, Kind, MARK_BYTES, Purpose, Step};
use super::index::{Indexed, Noted, Place, Progress};
use super::record::{CarriedId, MessageRecord, Record, decode_credential};
use super::segment::{self, FileName, HEADER_BYTES, Header, NotMade, Prepared, Segment, file_name};
use super::storage::{Storage, StorageFile};

/// Read at once. Large, as all of the journal is read in order.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What a start found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// An empty folder: the journal is new.
    Created,
    /// The journal was closed, or idle when it stopped.
    Clean,
    /// It stopped while at work.
    Unclean {
        /// Records of the last batch that were whole, and are now in a new segment.
        copied: usize,
        /// Bytes that were not a whole record, and never acknowledged.
        cut_bytes: u64,
    },
}

/// Gets every record of the journal in order.
pub type Visitor<'v> = dyn FnMut(&Record) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'v;

/// A journal that can be appended to.
#[derive(Debug)]
pub(super) struct Loaded<F> {
    /// Ascending, never empty.
    pub(super) segments: Vec<Indexed<F>>,
    /// Where the next batch goes in the last of them.
    pub(super) position: u64,
    pub(super) progress: Progress,
    pub(super) recovery: Recovery,
}

/// Reads the folder, or makes a new journal in an empty one.
pub(super) fn load<S: Storage>(
    storage: &S,
    segment_bytes: u64,
    new_log: LogId,
    visit: &mut Visitor<'_>,
) -> Result<Loaded<S::File>, JournalError> {
    let folder = Folder::list(storage)?;
    if folder.segments.is_empty() {
        return create(storage, &folder, segment_bytes, new_log);
    }
    let Opened { segments, given_up } = open_all(storage, &folder)?;
    let read = read_all(segments, visit)?;
    // From here on the folder is changed. The names may so far be in the page cache only.
    storage.sync_directory().map_err(JournalError::storage("sync the folder"))?;
    for index in folder.unfinished {
        segment::discard(storage, index)?;
    }
    for segment in given_up {
        storage.remove(&segment.name()).map_err(JournalError::storage("remove a segment"))?;
    }
    finish(storage, segment_bytes, read)
}

/// The names that matter.
#[derive(Debug, Default)]
struct Folder {
    segments: Vec<u64>,
    unfinished: Vec<u64>,
    look_alikes: Vec<String>,
}

impl Folder {
    fn list<S: Storage>(storage: &S) -> Result<Self, JournalError> {
        let mut folder = Self::default();
        for name in storage.names().map_err(JournalError::storage("list the folder"))? {
            match FileName::parse(&name) {
                FileName::Segment(index) => folder.segments.push(index),
                FileName::Unfinished(index) => folder.unfinished.push(index),
                FileName::LooksLikeOne => folder.look_alikes.push(name),
                FileName::Other => {}
            }
        }
        folder.segments.sort_unstable();
        Ok(folder)
    }
}

fn create<S: Storage>(
    storage: &S,
    folder: &Folder,
    segment_bytes: u64,
    log: LogId,
) -> Result<Loaded<S::File>, JournalError> {
    // A crash in the middle of this very function leaves an unfinished first segment. Everything else has a past.
    let unfinished = folder.unfinished.iter().find(|index| **index != 1);
    let name = unfinished.map(|index| format!("{}.new", file_name(*index)));
    if let Some(name) = name.or_else(|| folder.look_alikes.first().cloned()) {
        return Err(JournalError::Unrecognised { name });
    }
    let progress = Progress { last: 0, admitted: 0 };
    let first = Origin { log, index: 1, previous_end: 0, oldest: 1 };
    let segment = first.install(storage, segment_bytes, progress, &[])?.segment;
    Ok(Loaded {
        segments: vec![Indexed::new(segment)],
        position: HEADER_BYTES,
        progress,
        recovery: Recovery::Created,
    })
}

/// The segments of a folder.
struct Opened<F> {
    segments: Vec<Segment<F>>,
    /// Retention was about to remove them.
    given_up: Vec<Segment<F>>,
}

/// Opens all segments and judges how they fit together.
fn open_all<S: Storage>(storage: &S, folder: &Folder) -> Result<Opened<S::File>, JournalError> {
    let mut segments: Vec<Segment<S::File>> = Vec::with_capacity(folder.segments.len());
    for index in &folder.segments {
        let segment = Segment::open(storage, *index)?;
        let expected = segments.first().map_or(segment.header.log, |first| first.header.log);
        if segment.header.log != expected {
            let found = segment.header.log;
            return Err(JournalError::ForeignSegment { segment: segment.name(), expected, found });
        }
        segments.push(segment);
    }
    // What is older than the newest segment knows has been given up already, and a crash came before its removal.
    let oldest = segments.last().map_or(1, |newest| newest.header.oldest);
    let given_up = segments.drain(..segments.partition_point(|one| one.header.index < oldest)).collect();
    for (wanted, segment) in (oldest..).zip(&segments) {
        if segment.header.index != wanted {
            return Err(JournalError::MissingSegment { segment: file_name(wanted) });
        }
    }
    Ok(Opened { segments, given_up })
}

/// All that could be read, before anything is changed.
struct ReadAll<F> {
    segments: Vec<Indexed<F>>,
    /// Of the last segment.
    last: Scan,
    tail: frame::Tail,
}

fn read_all<F: StorageFile>(
    segments: Vec<Segment<F>>,
    visit: &mut Visitor<'_>,
) -> Result<ReadAll<F>, JournalError> {
    let ends: Vec<u64> = segments.iter().skip(1).map(|next| next.header.previous_end).collect();
    let mut indexed: Vec<Indexed<F>> = Vec::with_capacity(segments.len());
    let mut before: Option<Progress> = None;
    for (number, segment) in segments.into_iter().enumerate() {
        let begins =
            Progress { last: segment.header.base.wrapping_sub(1), admitted: segment.header.admitted };
        if before.is_some_and(|before| before != begins) {
            return Err(damaged(&segment, 40, "does not continue the segment before"));
        }
        let limit = ends.get(number).copied().unwrap_or(segment.header.capacity);
        let mut one = Indexed::new(Arc::new(segment));
        let scan = scan(&mut one, begins, limit, visit)?;
        let (segment, end, progress) = (&one.segment, scan.end, scan.progress);
        if number < ends.len() {
            if let Some(what) = scan.broken {
                return Err(damaged(segment, end, what));
            }
            before = Some(progress);
            indexed.push(one);
            continue;
        }
        let tail = look_behind(segment, &scan, limit)?;
        indexed.push(one);
        return Ok(ReadAll { segments: indexed, last: scan, tail });
    }
    Err(JournalError::MissingSegment { segment: file_name(1) })
}

/// Judges what lies behind the last whole frame of the last segment.
fn look_behind<F: StorageFile>(
    segment: &Segment<F>,
    scan: &Scan,
    limit: u64,
) -> Result<frame::Tail, JournalError> {
    if scan.purpose == Some(Purpose::Continued) {
        return Err(JournalError::MissingSegment { segment: file_name(segment.header.index + 1) });
    }
    let tail = frame::inspect_tail(&*segment.file, segment.home, scan.end, limit, CHUNK_BYTES)
        .map_err(JournalError::storage("read a segment"))?;
    match tail.mark {
        Some(_) => Err(damaged(segment, scan.end, scan.broken.unwrap_or("no frame"))),
        None => Ok(tail),
    }
}

/// What reading one segment came to.
struct Scan {
    /// After the last whole frame.
    end: u64,
    /// Why there is none at `end`; `None` at the limit.
    broken: Option<&'static str>,
    progress: Progress,
    /// All before this offset was synced.
    synced: u64,
    /// The log as it was there.
    progress_synced: Progress,
    /// Of the mark at `synced`; `None` when that is the end of the header.
    purpose: Option<Purpose>,
    /// The records from there to `end`: one batch at most.
    unproven: Vec<Record>,
}

fn scan<F: StorageFile>(
    indexed: &mut Indexed<F>,
    begins: Progress,
    limit: u64,
    visit: &mut Visitor<'_>,
) -> Result<Scan, JournalError> {
    let segment = Arc::clone(&indexed.segment);
    let mut scan = Scan {
        end: HEADER_BYTES,
        broken: None,
        progress: begins,
        synced: HEADER_BYTES,
        progress_synced: begins,
        purpose: None,
        unproven: Vec::new(),
    };
    if limit < HEADER_BYTES || limit > segment.header.capacity {
        return Err(damaged(&segment, limit, "the next segment says that this one ends where it cannot"));
    }
    let size = segment.file.size().map_err(JournalError::storage("open a segment"))?;
    if size < limit {
        return Err(damaged(&segment, size, "shorter than it was made"));
    }
    let mut frames = FrameReader::new(&*segment.file, segment.home, HEADER_BYTES, limit, CHUNK_BYTES);
    loop {
        let frame = match frames.step().map_err(JournalError::storage("read a segment"))? {
            Step::Frame(frame) => frame,
            Step::End => break,
            Step::Broken { why, .. } => {
                scan.broken = Some(why);
                break;
            }
        };
        scan.take(&frame, indexed).map_err(|refused| refused.explain(&segment, frame.offset))?;
        if let Some(record) = scan.unproven.last().filter(|_| frame.kind != Kind::Mark) {
            visit(record).map_err(JournalError::Visit)?;
        }
    }
    indexed.end = scan.end;
    Ok(scan)
}

impl Scan {
    fn take<F>(&mut self, frame: &Frame<'_>, indexed: &mut Indexed<F>) -> Result<(), Refused> {
        let stays = frame.sequence == self.progress.last;
        match frame.kind {
            Kind::Mark if stays => {
                self.purpose = Some(frame.purpose().ok_or(Refused::Damaged("no mark"))?);
                self.synced = frame.offset;
                self.progress_synced = self.progress;
                self.unproven.clear();
            }
            Kind::Credential if stays => {
                let record = decode_credential(frame.body).ok_or(Refused::Damaged("no credential"))?;
                self.unproven.push(record);
            }
            Kind::Message => {
                let message = MessageRecord::decode(frame.sequence, frame.body);
                let message = message.ok_or(Refused::Damaged("no message"))?;
                let (sequence, admitted) = (frame.sequence, message.admitted.as_millis());
                if sequence <= self.progress.last || admitted < self.progress.admitted {
                    return Err(Refused::Damaged("out of order"));
                }
                self.progress = Progress { last: sequence, admitted };
                let place = Place { sequence, admitted, offset: frame.offset };
                indexed.note(Noted { place, expires: message.expires.as_millis() });
                self.unproven.push(Record::Message(message));
            }
            Kind::Carried if stays => {
                let carried = CarriedId::decode(frame.body).ok_or(Refused::Damaged("no carried id"))?;
                self.unproven.push(Record::Carried(carried));
            }
            Kind::Mark | Kind::Credential | Kind::Carried => return Err(Refused::Damaged("out of order")),
            Kind::Unknown(kind) => return Err(Refused::Newer(kind)),
        }
        self.end = frame.end();
        Ok(())
    }
}

/// Why a whole frame has no place in the log.
enum Refused {
    Damaged(&'static str),
    Newer(u8),
}

impl Refused {
    fn explain<F: StorageFile>(self, segment: &Segment<F>, offset: u64) -> JournalError {
        match self {
            Self::Damaged(what) => damaged(segment, offset, what),
            Self::Newer(kind) => JournalError::NewerFormat {
                segment: segment.name(),
                what: "a record of kind",
                found: u32::from(kind),
                // The kinds between are reserved.
                known: if kind == 4 { 3 } else { 5 },
            },
        }
    }
}

/// Makes what was read durable where that is in doubt, and says where to go on.
fn finish<S: Storage>(
    storage: &S,
    segment_bytes: u64,
    read: ReadAll<S::File>,
) -> Result<Loaded<S::File>, JournalError> {
    let ReadAll { mut segments, last: scan, tail } = read;
    let Some(old) = segments.last_mut() else {
        return Err(JournalError::MissingSegment { segment: file_name(1) });
    };
    // The mark itself may be in the page cache only: it is written again, or cut.
    old.cut(scan.synced);
    if scan.unproven.is_empty() && tail.used_bytes == 0 {
        let clean = scan.purpose == Some(Purpose::Footer);
        let recovery = if clean { Recovery::Clean } else { Recovery::Unclean { copied: 0, cut_bytes: 0 } };
        return Ok(Loaded { segments, position: scan.synced, progress: scan.progress, recovery });
    }
    let old = Arc::clone(&old.segment);
    let next = Origin::after(&old.header, scan.synced);
    let installed = next.install(storage, segment_bytes, scan.progress_synced, &scan.unproven)?;
    leave(&old, scan.synced, scan.progress_synced)?;
    // The rest of the old segment is of no use any more: a relay that crashes often must not fill the disk.
    let used = scan.synced + MARK_BYTES as u64;
    old.file.truncate(used.min(old.header.capacity)).map_err(JournalError::storage("shorten a segment"))?;
    let mut indexed = Indexed::new(installed.segment);
    for place in installed.places {
        indexed.note(place);
    }
    indexed.end = installed.end;
    segments.push(indexed);
    let recovery = Recovery::Unclean { copied: scan.unproven.len(), cut_bytes: tail.used_bytes };
    Ok(Loaded { segments, position: installed.end, progress: scan.progress, recovery })
}

/// Says at the end of a segment that another one follows: should that get lost, it is missed.
pub(super) fn leave<F: StorageFile>(
    old: &Segment<F>,
    end: u64,
    progress: Progress,
) -> Result<(), JournalError> {
    let mut mark = Vec::with_capacity(MARK_BYTES);
    old.home.put_mark(&mut mark, end, progress.last, Purpose::Continued);
    let written = old.file.write_all_at(&mark, end).and_then(|()| old.file.sync_data());
    written.map_err(JournalError::storage("close a segment"))
}

/// Where a new segment comes from.
#[derive(Debug)]
pub(super) struct Origin {
    log: LogId,
    index: u64,
    previous_end: u64,
    oldest: u64,
}

/// A new segment and the records it was born with.
struct Installed<F> {
    segment: Arc<Segment<F>>,
    places: Vec<Noted>,
    end: u64,
}

impl Origin {
    /// The segment after `old`, whose content ends at `end`.
    pub(super) fn after(old: &Header, end: u64) -> Self {
        Self { log: old.log, index: old.index + 1, previous_end: end, oldest: old.oldest }
    }

    /// The journal begins with segment `oldest` from here on.
    pub(super) fn beginning_with(self, oldest: u64) -> Self {
        Self { oldest, ..self }
    }

    pub(super) fn header(&self, progress: Progress, capacity: u64) -> Header {
        Header {
            log: self.log,
            index: self.index,
            base: progress.last + 1,
            admitted: progress.admitted,
            previous_end: self.previous_end,
            oldest: self.oldest,
            capacity,
        }
    }

    fn install<S: Storage>(
        &self,
        storage: &S,
        segment_bytes: u64,
        progress: Progress,
        records: &[Record],
    ) -> Result<Installed<S::File>, JournalError> {
        let mut batch = Batch::new(progress);
        if !records.is_empty() {
            let home = frame::Home::new(self.log, self.index);
            batch.fill(home, HEADER_BYTES, progress, records);
            // True by the time it can be read: the segment gets its name after its sync. So these records are proven,
            // and the next crash does not copy them again.
            batch.close(home, HEADER_BYTES);
        }
        let end = HEADER_BYTES + batch.bytes.len() as u64;
        let least = end + MARK_BYTES as u64;
        let prepared = match Prepared::new(storage, self.index, segment_bytes.max(least)) {
            // A full disk does not keep a relay from serving what it has: it starts, and refuses publishes for now.
            Err(NotMade::Full { .. }) => Prepared::new(storage, self.index, least)?,
            other => other?,
        };
        let header = self.header(progress, prepared.capacity());
        let segment = prepared.install(storage, header, &batch.bytes)?;
        Ok(Installed { segment: Arc::new(segment), places: batch.places, end })
    }
}

fn damaged<F: StorageFile>(segment: &Segment<F>, offset: u64, what: &'static str) -> JournalError {
    JournalError::Damaged { segment: segment.name(), offset, what }
}
