//! Recovery: from the files of a folder to a journal that can be appended to.
//!
//! First everything is read and judged, and nothing is written. Only then, and only where needed, the folder is changed,
//! in steps of which each leaves a folder that recovers to the same records; so a crash in here is a crash like any other.
//!
//! What counts as damage, and what as a crash:
//! - A mark says that all before it was synced. So whatever is broken before a whole mark, or in a segment that another
//!   one follows, was once whole on disk: damage. As long as the end of the journal is sound the relay lives with it: the
//!   bytes are left as they are, readers are given a gap, the operator is told, and what follows is served.
//! - A segment among others that is missing, belongs to another log, or has a damaged header is damage of all of it.
//!   Put back, it is found again at the next start, since nothing takes its place.
//! - Nothing is opened when the end is not sound: the newest segment is missing (the one before it says that it was
//!   there), its header is damaged or its length is wrong, nothing before it can be read although there was something, or
//!   it does not continue what is before it. Whoever could not prove the end might write a second history.
//! - A newer format anywhere is not opened, damaged or not.
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
use vigie_proto::limits::JSON_INTEGER_MAX;

use super::batch::Batch;
use super::beginning::{self, NewJournal};
use super::channels::Names;
use super::damage::DamagedRange;
use super::error::JournalError;
use super::folder::Folder;
use super::frame::{self, FrameReader, MARK_BYTES, Purpose, Step};
use super::index::{Indexed, Noted, Progress};
use super::record::Record;
use super::reserve;
use super::scan::{Bound, CHUNK_BYTES, Scan, damaged, scan};
use super::segment::{self, HEADER_BYTES, Header, NotMade, Prepared, Segment, file_name, reading};
use super::storage::{Storage, StorageFile};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

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
    /// In the order of the log.
    pub(super) damage: Vec<DamagedRange>,
    pub(super) names: Names,
}

/// Reads the folder, or makes a new journal in an empty one where one may begin.
pub(super) fn load<S: Storage>(
    storage: &S,
    segment_bytes: u64,
    (new_journal, new_log): (NewJournal, LogId),
    visit: &mut Visitor<'_>,
) -> Result<Loaded<S::File>, JournalError> {
    let folder = Folder::list(storage)?;
    if folder.segments.is_empty() {
        new_journal.judge(&folder)?;
        return create(storage, &folder, segment_bytes, new_log);
    }
    #[cfg(feature = "sabotage")]
    if Sabotage::EmptyJournalInPlaceOfDamaged.is_planted() && open_all(storage, &folder).is_err() {
        return create(storage, &Folder::default(), segment_bytes, new_log);
    }
    let Opened { segments, given_up } = open_all(storage, &folder)?;
    let read = read_all(segments, visit)?;
    if let (Some(_), Some(one)) = (read.last.backup, read.segments.last()) {
        return Err(JournalError::Backup { log: one.segment.header.log });
    }
    let damaged = given_up.iter().map(holds_damage).collect::<Result<Vec<_>, _>>()?;
    // From here on the folder is changed. The names may so far be in the page cache only.
    storage.sync_directory().map_err(JournalError::storage("sync the folder"))?;
    beginning::unmark(storage, &folder)?;
    for index in folder.unfinished {
        segment::discard(storage, index)?;
    }
    for (segment, damaged) in given_up.iter().zip(damaged) {
        segment::remove(storage, segment, damaged).map_err(JournalError::storage("remove a segment"))?;
    }
    finish(storage, segment_bytes, read)
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
    beginning::unmark(storage, folder)?;
    Ok(Loaded {
        segments: vec![Indexed::new(segment)],
        position: HEADER_BYTES,
        progress,
        recovery: Recovery::Created,
        damage: Vec::new(),
        names: Names::default(),
    })
}

/// The segments of a folder.
pub(super) struct Opened<F> {
    /// Those of the journal, ascending; the last one is readable.
    pub(super) segments: Vec<Found<F>>,
    /// Retention was about to remove them.
    given_up: Vec<Segment<F>>,
}

/// What is in the place of a segment.
pub(super) enum Found<F> {
    Segment(Segment<F>),
    /// One or more that cannot be read, from this index on.
    Lost(Lost),
}

/// Why the first of some segments cannot be read: in words for a gap, and as the error that it may come to.
pub(super) struct Lost {
    index: u64,
    offset: u64,
    what: &'static str,
    why: JournalError,
}

/// Opens all segments and judges how they fit together.
pub(super) fn open_all<S: Storage>(storage: &S, folder: &Folder) -> Result<Opened<S::File>, JournalError> {
    let Some((newest, older)) = folder.segments.split_last() else {
        return Err(JournalError::MissingSegment { segment: file_name(1) });
    };
    let newest = Segment::open(storage, *newest)?;
    let (log, oldest) = (newest.header.log, newest.header.oldest);
    let mut opened = Opened { segments: Vec::new(), given_up: Vec::new() };
    let mut wanted = oldest;
    for index in older {
        let segment = open_one(storage, *index, log)?;
        // What is older than the newest segment knows has been given up, and a crash came before its removal.
        if *index < oldest {
            if let Found::Segment(segment) = segment {
                opened.given_up.push(segment);
            }
            continue;
        }
        opened.miss(wanted, *index);
        opened.segments.push(segment);
        wanted = index + 1;
    }
    opened.miss(wanted, newest.header.index);
    opened.segments.push(Found::Segment(newest));
    opened.judge_end()?;
    Ok(opened)
}

/// Opens a segment that another one follows.
fn open_one<S: Storage>(storage: &S, index: u64, log: LogId) -> Result<Found<S::File>, JournalError> {
    match Segment::open(storage, index) {
        Ok(segment) if segment.header.log != log => {
            let found = segment.header.log;
            let why = JournalError::ForeignSegment { segment: segment.name(), expected: log, found };
            Ok(Found::Lost(Lost { index, offset: 16, what: "belongs to another log", why }))
        }
        Ok(segment) => Ok(Found::Segment(segment)),
        Err(JournalError::Damaged { segment, offset, what }) => {
            let why = JournalError::Damaged { segment, offset, what };
            Ok(Found::Lost(Lost { index, offset, what, why }))
        }
        Err(error) => Err(error),
    }
}

impl<F> Opened<F> {
    /// There is none between `wanted` and `index`.
    fn miss(&mut self, wanted: u64, index: u64) {
        if wanted < index {
            let why = JournalError::MissingSegment { segment: file_name(wanted) };
            self.segments.push(Found::Lost(Lost { index: wanted, offset: 0, what: "missing", why }));
        }
    }

    /// The newest segment must follow something that can be read, if it follows anything.
    fn judge_end(&mut self) -> Result<(), JournalError> {
        let older = self.segments.len() - 1;
        let readable = self.segments[..older].iter().any(|found| matches!(found, Found::Segment(_)));
        if readable || older == 0 {
            return Ok(());
        }
        match self.segments.swap_remove(0) {
            Found::Lost(lost) => Err(lost.why),
            Found::Segment(_) => Ok(()),
        }
    }
}

/// Whether a segment that goes has damage in it.
fn holds_damage<F: StorageFile>(segment: &Segment<F>) -> Result<bool, JournalError> {
    let size = segment.file.size().map_err(reading())?;
    let mut frames = FrameReader::new(&*segment.file, segment.home, HEADER_BYTES, size, CHUNK_BYTES);
    loop {
        match frames.step().map_err(reading())? {
            Step::Frame(_) => {}
            Step::End => return Ok(false),
            Step::Broken { offset, .. } => {
                let tail = frame::inspect_tail(&*segment.file, segment.home, offset, size, CHUNK_BYTES);
                return Ok(tail.map_err(reading())?.mark.is_some());
            }
        }
    }
}

/// All that could be read, before anything is changed.
pub(super) struct ReadAll<F> {
    pub(super) segments: Vec<Indexed<F>>,
    /// Of the last segment.
    pub(super) last: Scan,
    pub(super) damage: Vec<DamagedRange>,
    pub(super) names: Names,
}

/// How far the log had come before the next segment.
struct Before {
    progress: Progress,
    /// Whether that is known, or only that it was at least so far.
    sequence_is_known: bool,
    admitted_is_known: bool,
    /// What lies between there and the next segment, and cannot be read.
    lost: Option<DamagedRange>,
}

pub(super) fn read_all<F: StorageFile>(
    found: Vec<Found<F>>,
    visit: &mut Visitor<'_>,
) -> Result<ReadAll<F>, JournalError> {
    let bounds: Vec<Bound> = found.iter().skip(1).map(bound_before).chain([Bound::Newest]).collect();
    let mut read: Vec<Indexed<F>> = Vec::with_capacity(found.len());
    let mut damage: Vec<DamagedRange> = Vec::new();
    let mut before: Option<Before> = None;
    let mut newest = None;
    let mut names = Names::default();
    for (found, bound) in found.into_iter().zip(bounds) {
        let segment = match found {
            Found::Segment(segment) => segment,
            Found::Lost(lost) => {
                before = Some(Before::losing(before, &lost));
                continue;
            }
        };
        let begins =
            Progress { last: segment.header.base.wrapping_sub(1), admitted: segment.header.admitted };
        let mut one = Indexed::new(Arc::new(segment));
        if let Some(before) = before.take() {
            before.judge(&one.segment, begins)?;
            one.lost_before = before.lost.map(|lost| lost.up_to(one.segment.header.base));
            damage.extend(one.lost_before.clone());
        }
        let mut scan = scan(&mut one, begins, bound, &mut names, visit)?;
        let lost = if scan.lost_end { scan.damage.pop() } else { None };
        damage.append(&mut scan.damage);
        before = Some(Before {
            progress: scan.progress,
            sequence_is_known: lost.is_none(),
            admitted_is_known: scan.admitted_is_known && lost.is_none(),
            lost,
        });
        read.push(one);
        newest = Some(scan);
    }
    let (Some(last), Some(one)) = (newest, read.last()) else {
        return Err(JournalError::MissingSegment { segment: file_name(1) });
    };
    if last.purpose == Some(Purpose::Continued) {
        return Err(JournalError::MissingSegment { segment: file_name(one.segment.header.index + 1) });
    }
    // No start looks for a higher number: what were copied there would be lost.
    if needs_next(&last, one) && one.segment.header.index == JSON_INTEGER_MAX {
        return Err(damaged(&one.segment, 32, "no segment can follow it"));
    }
    Ok(ReadAll { segments: read, last, damage, names })
}

/// Whether the end of the last segment is in doubt, or nothing more may be written into it: the log goes on in another.
fn needs_next<F>(last: &Scan, one: &Indexed<F>) -> bool {
    !last.unproven.is_empty() || last.torn_bytes > 0 || one.damaged
}

/// What a segment says of the one before it.
fn bound_before<F>(next: &Found<F>) -> Bound {
    match next {
        Found::Segment(next) => Bound::Follows(next.header.previous_end),
        Found::Lost(_) => Bound::Unknown,
    }
}

impl Before {
    fn losing(before: Option<Self>, lost: &Lost) -> Self {
        let progress = before.as_ref().map_or(Progress { last: 0, admitted: 0 }, |before| before.progress);
        // What was lost right before is one range with this.
        let range = before.and_then(|before| before.lost).unwrap_or_else(|| {
            let (name, last) = (file_name(lost.index), progress.last);
            DamagedRange::new(name, lost.offset, lost.what, last, last + 1)
        });
        Self { progress, sequence_is_known: false, admitted_is_known: false, lost: Some(range) }
    }

    /// Whether a segment that begins so can be the next.
    fn judge<F: StorageFile>(&self, next: &Segment<F>, begins: Progress) -> Result<(), JournalError> {
        let fits = |known: bool, at: u64, next: u64| if known { at == next } else { at <= next };
        if fits(self.sequence_is_known, self.progress.last, begins.last)
            && fits(self.admitted_is_known, self.progress.admitted, begins.admitted)
        {
            return Ok(());
        }
        Err(damaged(next, 40, "does not continue the segment before"))
    }
}

/// Makes what was read durable where that is in doubt, and says where to go on.
fn finish<S: Storage>(
    storage: &S,
    segment_bytes: u64,
    read: ReadAll<S::File>,
) -> Result<Loaded<S::File>, JournalError> {
    let ReadAll { mut segments, last: scan, damage, mut names } = read;
    let Some(old) = segments.last_mut() else {
        return Err(JournalError::MissingSegment { segment: file_name(1) });
    };
    #[cfg(feature = "sabotage")]
    if scan.torn_bytes == 0 && !old.damaged && Sabotage::TailTrusted.is_planted() {
        let (position, progress) = (scan.end, scan.progress);
        return Ok(Loaded { segments, position, progress, recovery: Recovery::Clean, damage, names });
    }
    // The mark itself may be in the page cache only: it is written again, or cut.
    old.cut(scan.synced);
    if !needs_next(&scan, old) {
        let clean = scan.purpose == Some(Purpose::Footer);
        let recovery = if clean { Recovery::Clean } else { Recovery::Unclean { copied: 0, cut_bytes: 0 } };
        return Ok(Loaded {
            segments,
            position: scan.synced,
            progress: scan.progress,
            recovery,
            damage,
            names,
        });
    }
    let old = Arc::clone(&old.segment);
    let next = Origin::after(&old.header, scan.synced);
    let installed = next.install(storage, segment_bytes, scan.progress_synced, &scan.unproven)?;
    leave(&old, scan.synced, scan.progress_synced)?;
    // The rest of the old segment is of no use any more: a relay that crashes often must not fill the disk.
    let used = scan.synced + MARK_BYTES as u64;
    old.file.truncate(used.min(old.header.capacity)).map_err(JournalError::storage("shorten a segment"))?;
    let mut indexed = Indexed::new(installed.segment);
    for place in &installed.places {
        indexed.note(place, &mut names);
    }
    indexed.end = installed.end;
    segments.push(indexed);
    let recovery = Recovery::Unclean { copied: scan.unproven.len(), cut_bytes: scan.torn_bytes };
    Ok(Loaded { segments, position: installed.end, progress: scan.progress, recovery, damage, names })
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

/// Takes as much of the reserve as it needs: file systems give space back in blocks, so a little may be nothing.
fn prepare_on_reserve<S: Storage>(
    storage: &S,
    index: u64,
    capacity: u64,
) -> Result<Prepared<S::File>, JournalError> {
    loop {
        match Prepared::new(storage, index, capacity) {
            Err(NotMade::Full { .. }) if reserve::give(storage, capacity, 0)? > 0 => {}
            other => return Ok(other?),
        }
    }
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
            Err(NotMade::Full { .. }) => prepare_on_reserve(storage, self.index, least)?,
            other => other?,
        };
        let header = self.header(progress, prepared.capacity());
        let segment = prepared.install(storage, header, &batch.bytes)?;
        Ok(Installed { segment: Arc::new(segment), places: batch.places, end })
    }
}
