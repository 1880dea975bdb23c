//! Retention: the oldest segments go, and what is still needed of them is carried on first.
//!
//! Called by the journal thread when nothing waits, a bounded step at a time. One age and one size, by whole segments,
//! the oldest first; by size only segments of which every message has expired.
//!
//! In this order, so that a crash at any point loses nothing:
//! 1. Each record of the segments that go is shown to the caller; what it wants to keep is appended and synced like any
//!    other batch: a credential or revocation as it is, a message as its [`CarriedId`]. A crash here leaves some records twice.
//! 2. A new segment is begun whose header says with which one the journal begins. Its renaming is the whole switch.
//! 3. Readers are told (`first_available`), and the files are removed. What a crash leaves of them the next start removes.
//!
//! A segment that holds damage is not removed but renamed: whoever wants to save what is left in it still can.

use std::time::Duration;

use vigie_proto::id::Sequence;
use vigie_proto::time::Timestamp;

use super::error::JournalError;
use super::frame::{self, Frame, FrameReader, Kind, Step};
use super::index::Retained;
use super::origin::ForkedFrom;
use super::record::{CarriedId, MessageRecord, Record, RevocationRecord, decode_credential};
use super::segment::HEADER_BYTES;
use super::storage::Storage;
use super::writer::{Journal, JournalConfig};

/// Default of `JournalConfig::retain_age`: a year and the month in which it is reviewed, and as long as a credential
/// that delegates is valid by default.
pub const RETAIN_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Default of `JournalConfig::retain_bytes`: 16 GiB are some 16 million messages, fit on the disk of a small server,
/// are read at a start within a minute, and are 256 open files.
pub const RETAIN_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// Read in one step: a few milliseconds, which a publish may have to wait. Carried records are smaller than what they
/// are made from, so this also bounds what a step writes.
const STEP_BYTES: u64 = 4 * 1024 * 1024;

/// Read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Whether a record of a segment that goes is still needed; the sequence is the first one that stays.
pub type Needed<'n> = dyn FnMut(&Record, Sequence) -> bool + 'n;

/// What a step of retention came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retention {
    /// Nothing is due.
    Nothing,
    /// A step was made, another one is due.
    More,
    /// Segments are gone. Another step may be due.
    Removed {
        /// How many.
        segments: usize,
    },
}

/// How far the carrying has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retiring {
    /// The last segment that goes.
    pub(super) through: u64,
    /// The first sequence that stays.
    pub(super) first_kept: u64,
    /// What is before this place was carried.
    index: u64,
    offset: u64,
}

impl<S: Storage> Journal<S> {
    /// Makes one step of retention at the time `now`: reads and appends at most a few MiB, or removes segments. For
    /// moments when nothing waits; call it again while it gives [`Retention::More`].
    ///
    /// `needed` is asked for every record of the segments that go, in order; after a start it may be asked again for
    /// the same ones. An answer holds: what it said is not needed may be gone from then on.
    ///
    /// # Errors
    /// As [`Journal::append`]. [`JournalError::Storage`] without [`Journal::is_poisoned`]: a segment cannot be read, so
    /// it is not removed; the journal goes on, retention does not.
    pub fn retain(&mut self, now: Timestamp, needed: &mut Needed<'_>) -> Result<Retention, JournalError> {
        self.check_poison()?;
        let segments = self.index.retained();
        let due = due(&self.config, self.current.header.capacity, &segments, now);
        let Some(mut retiring) = self.retiring.or(due) else { return Ok(Retention::Nothing) };
        if let Some(further) = due.filter(|due| due.through > retiring.through) {
            (retiring.through, retiring.first_kept) = (further.through, further.first_kept);
        }
        self.retiring = Some(retiring);
        if let Some(next) = segments.iter().find(|one| one.segment.header.index >= retiring.index)
            && next.segment.header.index <= retiring.through
        {
            self.retiring = Some(self.carry(next, retiring, needed)?);
            return Ok(Retention::More);
        }
        let segments = self.begin_with(retiring.through + 1)?;
        self.retiring = None;
        Ok(Retention::Removed { segments })
    }

    /// Carries on what is needed of the next few MiB.
    fn carry(
        &mut self,
        from: &Retained<S::File>,
        mut retiring: Retiring,
        needed: &mut Needed<'_>,
    ) -> Result<Retiring, JournalError> {
        let (segment, first_kept) = (&from.segment, Sequence::new(retiring.first_kept));
        if segment.header.index != retiring.index {
            (retiring.index, retiring.offset) = (segment.header.index, HEADER_BYTES);
        }
        let reading = || JournalError::storage("read a segment that is due for removal");
        let start = retiring.offset;
        let mut frames = FrameReader::new(&*segment.file, segment.home, start, from.end, CHUNK_BYTES);
        let mut carried = Vec::new();
        while retiring.offset - start < STEP_BYTES {
            match frames.step().map_err(reading())? {
                Step::Frame(frame) => {
                    retiring.offset = frame.end();
                    carried
                        .extend(record_of(&frame).filter(|record| needed(record, first_kept)).map(carry_on));
                }
                Step::End => {
                    (retiring.index, retiring.offset) = (segment.header.index + 1, HEADER_BYTES);
                    break;
                }
                // What follows the damage may be needed all the same.
                Step::Broken { offset, .. } => {
                    self.index.mark_damaged(segment.header.index);
                    let tail =
                        frame::inspect_tail(&*segment.file, segment.home, offset, from.end, CHUNK_BYTES);
                    retiring.offset = tail.map_err(reading())?.mark.unwrap_or(from.end);
                    frames = FrameReader::new(
                        &*segment.file,
                        segment.home,
                        retiring.offset,
                        from.end,
                        CHUNK_BYTES,
                    );
                }
            }
        }
        self.append(&carried)?;
        Ok(retiring)
    }
}

/// The segments that may go, before one of `capacity` bytes that is written: those that stand before a segment that has
/// messages, and may go with them.
pub(super) fn due<F>(
    config: &JournalConfig,
    capacity: u64,
    segments: &[Retained<F>],
    now: Timestamp,
) -> Option<Retiring> {
    let aged = now.minus(config.retain_age).as_millis();
    let mut bytes = capacity + segments.iter().map(|one| one.end).sum::<u64>();
    let mut through = None;
    for one in segments {
        if one.has_messages {
            let expired = one.expires <= now.as_millis();
            if one.last_admitted >= aged && !(bytes > config.retain_bytes && expired) {
                break;
            }
            through = Some(one);
        }
        bytes -= one.end;
    }
    let (last, first) = (through?, segments.first()?);
    Some(Retiring {
        through: last.segment.header.index,
        first_kept: last.next_base,
        index: first.segment.header.index,
        offset: HEADER_BYTES,
    })
}

/// The record in a frame; `None` for what is none.
pub(super) fn record_of(frame: &Frame<'_>) -> Option<Record> {
    match frame.kind {
        Kind::Credential => decode_credential(frame.body),
        Kind::Message | Kind::Restricted => MessageRecord::decode(frame).map(Record::Message),
        Kind::Revocation => RevocationRecord::decode(frame.body).map(Record::Revocation),
        Kind::Carried => CarriedId::decode(frame.body).map(Record::Carried),
        Kind::Forked => ForkedFrom::decode(frame.body).map(Record::Forked),
        Kind::Mark | Kind::Backup | Kind::Unknown(_) => None,
    }
}

fn carry_on(record: Record) -> Record {
    match record {
        Record::Message(message) => Record::Carried(CarriedId::from(&message)),
        Record::Credential { .. } | Record::Revocation(_) | Record::Carried(_) | Record::Forked(_) => record,
    }
}
