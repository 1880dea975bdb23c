//! Reading one segment from its header to its end: its records, what is proven of them, and where it is damaged.
//!
//! Used by recovery at a start. Writes nothing. Where bytes are damaged that were synced once, reading goes on at the
//! next mark, which says how far the log had come there: so damage costs the batch it hits, and is told with its place.
//! A whole frame that has no place in the log is no damage of a disk but a mixture of journals, and is refused.
//!
//! Records are shown to the visitor once they are proven, by a mark behind them or by the segment that follows.

use std::sync::Arc;

use vigie_proto::limits::JSON_INTEGER_MAX;

use super::channels::Names;
use super::damage::DamagedRange;
use super::error::JournalError;
use super::frame::{self, Frame, FrameReader, Kind, Purpose, Step};
use super::index::{Indexed, Noted, Place, Progress};
use super::origin::{BackupMark, ForkedFrom};
use super::record::{CarriedId, MessageRecord, Record, RevocationRecord, decode_credential};
use super::recovery::Visitor;
use super::segment::{HEADER_BYTES, Segment, reading};
use super::storage::StorageFile;
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

/// Read at once. Large, as all of the journal is read in order.
pub(super) const CHUNK_BYTES: usize = 1024 * 1024;

/// What is known of the end of a segment before it is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    /// The next segment says where it ends: all before was synced.
    Follows(u64),
    /// The next segment cannot be read: what no mark proves may have been cut.
    Unknown,
    /// It is the newest: behind its last mark lies one batch whose sync may not have come to its end.
    Newest,
}

/// What reading one segment came to.
#[derive(Debug)]
pub(super) struct Scan {
    /// After the last whole frame.
    pub(super) end: u64,
    pub(super) progress: Progress,
    /// All before this offset was synced.
    pub(super) synced: u64,
    /// The log as it was there.
    pub(super) progress_synced: Progress,
    /// Of the mark at `synced`; `None` when that is the end of the header.
    pub(super) purpose: Option<Purpose>,
    /// The records from there to `end`: one batch at most.
    pub(super) unproven: Vec<Record>,
    /// Behind `end`, up to the last byte that is not zero; only looked for in the newest segment.
    pub(super) torn_bytes: u64,
    /// In order. The last one has no `next` yet when `lost_end` is set.
    pub(super) damage: Vec<DamagedRange>,
    /// The log as of the last damage is known by its mark only: not when its last message was admitted.
    pub(super) admitted_is_known: bool,
    /// Damage reaches up to the end, so that only the next segment says how far the log had come.
    pub(super) lost_end: bool,
    /// It says that this folder is a copy.
    pub(super) backup: Option<BackupMark>,
    /// The mark behind the last damage.
    resumed_at: u64,
}

/// Reads the segment of `indexed`, whose log has come to `begins` before it.
pub(super) fn scan<F: StorageFile>(
    indexed: &mut Indexed<F>,
    begins: Progress,
    bound: Bound,
    names: &mut Names,
    visit: &mut Visitor<'_>,
) -> Result<Scan, JournalError> {
    let segment = Arc::clone(&indexed.segment);
    let limit = limit(&segment, bound)?;
    let readable = limit.min(segment.file.size().map_err(reading())?);
    let mut scan = Scan::new(begins);
    let reader = |from| FrameReader::new(&*segment.file, segment.home, from, readable, CHUNK_BYTES);
    let mut frames = reader(HEADER_BYTES);
    loop {
        let broken = match frames.step().map_err(reading())? {
            Step::Frame(frame) => {
                if frame.kind == Kind::Mark {
                    scan.show_proven(visit)?;
                }
                scan.take(&frame, indexed, names)
                    .map_err(|refused| refused.explain(&segment, frame.offset))?;
                continue;
            }
            Step::End if readable < limit => "shorter than it was made",
            Step::End => break,
            Step::Broken { why, .. } => why,
        };
        let mark = scan.look_behind(&segment, readable, broken, bound)?;
        if mark.is_some() || scan.lost_end {
            indexed.expect_damage();
        }
        let Some(mark) = mark else { break };
        frames = reader(mark);
    }
    if let Bound::Follows(_) = bound {
        scan.show_proven(visit)?;
    }
    if let Bound::Unknown = bound {
        (scan.end, scan.progress) = (scan.synced, scan.progress_synced);
        scan.unproven.clear();
    }
    for record in &scan.unproven {
        visit(record).map_err(JournalError::Visit)?;
    }
    indexed.end = scan.end;
    Ok(scan)
}

/// Where the content can end at the latest.
fn limit<F: StorageFile>(segment: &Segment<F>, bound: Bound) -> Result<u64, JournalError> {
    let (capacity, size) = (segment.header.capacity, segment.file.size().map_err(reading())?);
    match bound {
        Bound::Follows(end) if end < HEADER_BYTES || end > capacity => {
            Err(damaged(segment, end, "the next segment says that this one ends where it cannot"))
        }
        // What is missing at its end is found to be damaged.
        Bound::Follows(end) => Ok(end),
        Bound::Unknown => Ok(capacity.min(size)),
        Bound::Newest if size < capacity => Err(damaged(segment, size, "shorter than it was made")),
        Bound::Newest => Ok(capacity),
    }
}

impl Scan {
    fn new(begins: Progress) -> Self {
        Self {
            end: HEADER_BYTES,
            progress: begins,
            synced: HEADER_BYTES,
            progress_synced: begins,
            purpose: None,
            unproven: Vec::new(),
            torn_bytes: 0,
            damage: Vec::new(),
            admitted_is_known: true,
            lost_end: false,
            backup: None,
            resumed_at: 0,
        }
    }

    fn show_proven(&mut self, visit: &mut Visitor<'_>) -> Result<(), JournalError> {
        for record in self.unproven.drain(..) {
            visit(&record).map_err(JournalError::Visit)?;
        }
        Ok(())
    }

    /// Judges what lies behind the last whole frame. Gives the mark at which reading goes on; `None` at the end.
    fn look_behind<F: StorageFile>(
        &mut self,
        segment: &Segment<F>,
        readable: u64,
        what: &'static str,
        bound: Bound,
    ) -> Result<Option<u64>, JournalError> {
        // Behind the mark at which reading went on last: a disk may give it once, and not again with what is around it.
        let from = self.end.max(self.resumed_at + 1);
        let tail = frame::inspect_tail(&*segment.file, segment.home, from, readable, CHUNK_BYTES)
            .map_err(reading())?;
        #[cfg(feature = "sabotage")]
        let tail =
            frame::Tail { mark: tail.mark.filter(|_| !Sabotage::TruncationInTheMiddle.is_planted()), ..tail };
        let range = |next| DamagedRange::new(segment.name(), self.end, what, self.progress.last, next);
        if let Some(mark) = tail.mark {
            let mut frames =
                FrameReader::new(&*segment.file, segment.home, mark, readable, frame::MARK_BYTES);
            let Step::Frame(frame) = frames.step().map_err(reading())? else {
                return Err(damaged(segment, mark, "changes while it is read"));
            };
            if frame.sequence < self.progress.last || frame.sequence > JSON_INTEGER_MAX {
                return Err(damaged(segment, mark, "out of order"));
            }
            self.damage.push(range(frame.sequence + 1));
            self.progress.last = frame.sequence;
            self.admitted_is_known = false;
            self.resumed_at = mark;
            return Ok(Some(mark));
        }
        match bound {
            Bound::Follows(_) => {
                self.damage.push(range(self.progress.last + 1));
                self.lost_end = true;
            }
            // It may be the last batch, synced and acknowledged.
            Bound::Newest if tail.holes => {
                let source = std::io::Error::from(std::io::ErrorKind::Other);
                return Err(JournalError::Storage { doing: "read the end of the newest segment", source });
            }
            Bound::Newest => self.torn_bytes = tail.used_bytes,
            // Told with the segment that cannot be read.
            Bound::Unknown => {}
        }
        Ok(None)
    }

    fn take<F>(
        &mut self,
        frame: &Frame<'_>,
        indexed: &mut Indexed<F>,
        names: &mut Names,
    ) -> Result<(), Refused> {
        let stays = frame.sequence == self.progress.last;
        match frame.kind {
            Kind::Mark if stays => {
                self.purpose = Some(frame.purpose().ok_or(Refused::Damaged("no mark"))?);
                self.synced = frame.offset;
                self.progress_synced = self.progress;
            }
            Kind::Credential if stays => {
                let record = decode_credential(frame.body).ok_or(Refused::Damaged("no credential"))?;
                self.unproven.push(record);
            }
            Kind::Message | Kind::Restricted => {
                let message = MessageRecord::decode(frame).ok_or(Refused::Damaged("no message"))?;
                let (sequence, admitted) = (frame.sequence, message.admitted.as_millis());
                if sequence > JSON_INTEGER_MAX {
                    return Err(Refused::Damaged("a place that no log comes to"));
                }
                if sequence <= self.progress.last || admitted < self.progress.admitted {
                    return Err(Refused::Damaged("out of order"));
                }
                self.progress = Progress { last: sequence, admitted };
                self.admitted_is_known = true;
                let place = Place { sequence, admitted, offset: frame.offset };
                let expires = message.expires.as_millis();
                indexed.note(&Noted { place, expires, channel: message.channel.clone() }, names);
                self.unproven.push(Record::Message(message));
            }
            Kind::Revocation if stays => {
                let revocation = RevocationRecord::decode(frame.body);
                let revocation = revocation.ok_or(Refused::Damaged("no revocation"))?;
                self.unproven.push(Record::Revocation(revocation));
            }
            Kind::Carried if stays => {
                let carried = CarriedId::decode(frame.body).ok_or(Refused::Damaged("no carried id"))?;
                self.unproven.push(Record::Carried(carried));
            }
            Kind::Forked if stays => {
                let from = ForkedFrom::decode(frame.body).ok_or(Refused::Damaged("no origin"))?;
                self.unproven.push(Record::Forked(from));
            }
            Kind::Backup if stays => {
                self.backup = Some(BackupMark::decode(frame.body).ok_or(Refused::Damaged("no copy mark"))?);
            }
            Kind::Mark
            | Kind::Credential
            | Kind::Revocation
            | Kind::Carried
            | Kind::Forked
            | Kind::Backup => {
                return Err(Refused::Damaged("out of order"));
            }
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
                known: u32::from(frame::KIND_MAX),
            },
        }
    }
}

pub(super) fn damaged<F: StorageFile>(segment: &Segment<F>, offset: u64, what: &'static str) -> JournalError {
    JournalError::Damaged { segment: segment.name(), offset, what }
}

#[cfg(test)]
mod tests {
    use vigie_proto::id::LogId;

    use super::super::segment::Header;
    use super::super::sim_disk::SimDisk;
    use super::super::storage::Storage as _;
    use super::*;

    #[test]
    fn a_segment_ends_behind_its_header_and_within_what_was_reserved() {
        let file = SimDisk::new().create_new("f").unwrap();
        file.preallocate(4_096).unwrap();
        let log = LogId::from_bytes([7; 16]);
        let header =
            Header { log, index: 1, base: 0, admitted: 0, previous_end: 0, oldest: 1, capacity: 4_096 };
        let segment = Segment::new(file, header);
        for (end, may) in
            [(0, false), (127, false), (128, true), (4_095, true), (4_096, true), (4_097, false)]
        {
            let ends = limit(&segment, Bound::Follows(end)).ok();
            assert_eq!(ends, may.then_some(end), "{end}");
        }
    }
}
