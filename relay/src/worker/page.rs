//! Pages of the journal, for sessions that are behind: read on other threads, and shared by readers at the same place.
//!
//! A worker asks with a [`ReadRequest`]; a thread beside it reads with [`Pages::read`] and brings the [`ReadReply`]
//! back. What is read for a subscription is made into ready events once, and kept for a while: whoever then asks for the
//! same channels from a place inside that page costs no read, no encoding and no copy of it. Since each goes on from the
//! end of the page that it was given, those who began near each other soon ask for the very same pages.
//!
//! Pages of history are not shared: they are asked for by hand, one at a time. What is read for one may be a part of it
//! only ([`Past`]).
//!
//! How far a read leads depends on messages that its reader may not hear. So no place that a read comes to is told to
//! him: gaps begin where he was told that he stands.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use vigie_proto::channel::{Channel, Filter};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{GapReason, ServerFrame};
use vigie_proto::hear::{Reader, Said, may_hear};
use vigie_proto::id::Sequence;
use vigie_proto::label::Audience;
use vigie_proto::limits::FOREIGN_CURSOR_OVERLAP;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::SessionId;
use super::past::Past;
use crate::event::{Event, Position};
use crate::journal::{JournalReader, MessageRecord, ReadError, Storage};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::sync::{Mutex, MutexGuard};

/// Pages kept for others, in bytes of their events, over the whole relay: 64 pages of the default size, so that as many
/// groups of readers, each at a place of its own, are served from memory. With the pages that outboxes still hold this is
/// all that readers who are behind cost beside their outboxes.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Pages kept at most: near the head they are small, and each look-up passes all of them.
const KEPT_MAX: usize = 256;

/// What an event costs beside its frame, about: its channel, ids and references.
const EVENT_BYTES: usize = 256;

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// After a place of this log.
    After {
        /// All up to here was read.
        at: Position,
        /// Up to where the reader was told that he was given everything: `at`, or before it.
        told: Position,
    },
    /// Where a reader's cursor says, if it means this log.
    Cursor(Cursor),
    /// At the first message that the log has.
    Beginning,
}

/// What a read is for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    Subscription { number: u64, reader: Reader },
    History(Box<Past>),
}

/// A read of the journal, on behalf of a session.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    pub(super) session: SessionId,
    pub(super) purpose: Purpose,
    pub(super) from: ReadFrom,
    pub(super) max_bytes: usize,
}

impl ReadRequest {
    /// The session that it is read for.
    pub const fn session(&self) -> SessionId {
        self.session
    }
}

/// What was read.
#[derive(Debug)]
pub struct ReadReply {
    pub(super) session: SessionId,
    /// Ranges that cannot be given, in order: where a cursor means no place here, and what is lost right after.
    pub(super) gaps: Vec<Gap>,
    /// The place that what was found comes after.
    pub(super) after: Position,
    pub(super) found: Found,
}

#[derive(Debug)]
pub(super) enum Found {
    /// For the subscription of this number. The page may begin before `after`.
    Page { number: u64, page: Arc<Page> },
    /// For a page of history; all there is up to `end`.
    History { past: Box<Past>, messages: Vec<MessageRecord>, end: Position },
}

/// Events in a row, as ready frames.
#[derive(Debug)]
pub(super) struct Page {
    /// Ascending.
    events: Vec<Arc<Event>>,
    /// The events are all there is up to here.
    pub(super) end: Position,
}

impl Page {
    /// The events after this place.
    pub(super) fn after(&self, seq: Sequence) -> &[Arc<Event>] {
        &self.events[self.events.partition_point(|event| event.at.seq <= seq)..]
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.frame.len() + EVENT_BYTES).sum()
    }
}

/// A page that others may use.
#[derive(Debug)]
struct Kept {
    /// What it was read for: nothing that these could take is missing in it, and more may be in it than one who asks with
    /// them may hear.
    filters: Arc<[Filter]>,
    /// The place that it comes after.
    after: Sequence,
    page: Arc<Page>,
}

/// The pages that were used last, the latest at the back.
#[derive(Debug, Default)]
struct Recent {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Recent {
    /// The page that holds what this reader hears after this place, and leads furthest.
    fn find(&mut self, reader: &Reader, after: Sequence) -> Option<Arc<Page>> {
        let covers = |kept: &Kept| {
            kept.after <= after && after < kept.page.end.seq && kept.filters == *reader.filters()
        };
        let covering = self.kept.iter().enumerate().filter(|(_, kept)| covers(kept));
        let (index, _) = covering.max_by_key(|(_, kept)| kept.page.end.seq)?;
        let used = self.kept.remove(index)?;
        let page = Arc::clone(&used.page);
        self.kept.push_back(used);
        Some(page)
    }

    fn keep(&mut self, kept: Kept) {
        self.bytes += kept.page.bytes();
        self.kept.push_back(kept);
        while (self.bytes > KEPT_BYTES_MAX || self.kept.len() > KEPT_MAX)
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.page.bytes();
        }
    }
}

/// Reads pages of one journal. Cheap to clone; all clones share what was read. Two that miss the same page at the same
/// time both read it: as many reads as there are threads for it, not as there are readers.
#[derive(Debug)]
pub struct Pages<S: Storage> {
    journal: JournalReader<S>,
    recent: Arc<Mutex<Recent>>,
}

impl<S: Storage> Clone for Pages<S> {
    fn clone(&self) -> Self {
        Self { journal: self.journal.clone(), recent: Arc::clone(&self.recent) }
    }
}

impl<S: Storage> Pages<S> {
    /// Pages of this journal.
    pub fn new(journal: JournalReader<S>) -> Self {
        Self { journal, recent: Arc::default() }
    }

    /// Reads a page, or finds it among those that others were given. Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed while reading; damage is no error but a gap.
    pub fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        let ReadRequest { session, purpose, from, max_bytes } = request;
        let (after, gap) = begin(&self.journal, from)?;
        let gaps = Vec::from_iter(gap);
        match purpose {
            Purpose::History(past) => {
                let read = self.read_fresh(past.reader(), from, after, gaps, max_bytes)?;
                let found = Found::History { past, messages: read.messages, end: read.end };
                Ok(ReadReply { session, gaps: read.gaps, after: read.after, found })
            }
            Purpose::Subscription { number, reader } => {
                // Not in the condition: the lock would be held while the disk is read.
                let kept = self.recent().find(&reader, after.seq);
                if let Some(page) = kept {
                    return Ok(ReadReply { session, gaps, after, found: Found::Page { number, page } });
                }
                let Read { gaps, after, removed, messages, end } =
                    self.read_fresh(&reader, from, after, gaps, max_bytes)?;
                let events = messages.into_iter().map(|record| Arc::new(Event::from(record))).collect();
                let page = Arc::new(Page { events, end });
                // A reader at a place that was removed must be told so: it finds no page.
                let after_removed = after.seq.max(removed);
                if after_removed < end.seq {
                    let filters = Arc::clone(reader.filters());
                    self.recent().keep(Kept { filters, after: after_removed, page: Arc::clone(&page) });
                }
                Ok(ReadReply { session, gaps, after, found: Found::Page { number, page } })
            }
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_fresh(
        &self,
        reader: &Reader,
        from: ReadFrom,
        mut after: Position,
        mut gaps: Vec<Gap>,
        max_bytes: usize,
    ) -> Result<Read, ReadError> {
        let journal = &self.journal;
        let told = if let ReadFrom::After { told, .. } = from { told } else { after };
        // Damage and retention lead on to a place whose time nobody knows any more.
        let mut skip = |after: &mut Position, reason, to: Sequence| {
            let to = Position { seq: to.max(after.seq), admitted: told.admitted };
            gaps.push(Gap::new(reason, journal, told, to));
            *after = to;
        };
        // What could be heard at any severity and by anybody: messages on other channels are not even read. Whom each is
        // for is looked at where it is given, since others who hear the same channels are served from this page too.
        let wants = |channel: &Channel| {
            may_hear(reader, Said { channel, severity: Severity::Extreme, audience: &Audience::EVERYONE })
        };
        match journal.read_after_on(after.seq, max_bytes, &wants) {
            Ok(page) => {
                let removed = Sequence::new(page.first_available.get().saturating_sub(1));
                if after.seq < removed && from != ReadFrom::Beginning {
                    skip(&mut after, GapReason::Removed, removed);
                }
                let end = Position { seq: page.end, admitted: page.end_admitted };
                Ok(Read { gaps, after, removed, messages: page.messages, end })
            }
            Err(ReadError::Damaged { next, segment, offset, what, .. }) => {
                tracing::error!(
                    segment,
                    offset,
                    what,
                    "a part of the journal is damaged: a reader is given a gap"
                );
                skip(&mut after, GapReason::Damaged, Sequence::new(next.get().saturating_sub(1)));
                Ok(Read { gaps, after, removed: Sequence::START, messages: Vec::new(), end: after })
            }
            Err(error) => Err(error),
        }
    }
}

/// What came from the journal.
struct Read {
    gaps: Vec<Gap>,
    after: Position,
    /// What lies up to here, retention has removed.
    removed: Sequence,
    messages: Vec<MessageRecord>,
    end: Position,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    reason: GapReason,
    from: Cursor,
    to: Cursor,
}

/// Finds the place to begin, and what is lost where a cursor does not mean a place of this log.
fn begin<S: Storage>(
    journal: &JournalReader<S>,
    from: ReadFrom,
) -> Result<(Position, Option<Gap>), ReadError> {
    let cursor = match from {
        ReadFrom::After { at, .. } => return Ok((at, None)),
        ReadFrom::Beginning => return Ok((Position::default(), None)),
        ReadFrom::Cursor(cursor) => cursor,
    };
    let here = Position { seq: cursor.seq, admitted: cursor.admitted };
    #[cfg(feature = "sabotage")]
    let here = if Sabotage::DuplicateOnResume.is_planted() {
        Position { seq: Sequence::new(here.seq.get().saturating_sub(1)), ..here }
    } else {
        here
    };
    let reason = if cursor.log != journal.log() {
        GapReason::OtherLog
    } else if cursor.seq > journal.head() {
        GapReason::Ahead
    } else {
        match journal.admitted_at(cursor.seq) {
            // The place before the first message, or one that retention removed: `read` tells which.
            Ok(None) => return Ok((here, None)),
            Ok(Some(admitted)) if admitted == cursor.admitted => return Ok((here, None)),
            // The same number with another time: the log was restored from a copy, and went on differently.
            Ok(Some(_)) => GapReason::OtherLog,
            Err(ReadError::Damaged { .. }) => return Ok((here, None)),
            Err(error) => return Err(error),
        }
    };
    let seq = journal.first_after(cursor.admitted.minus(FOREIGN_CURSOR_OVERLAP))?;
    let admitted = journal.admitted_at(seq)?.unwrap_or(Timestamp::EPOCH);
    let to = Position { seq, admitted };
    Ok((to, Some(Gap { reason, from: cursor, to: cursor_at(journal, to) })))
}

fn cursor_at<S: Storage>(journal: &JournalReader<S>, at: Position) -> Cursor {
    Cursor { log: journal.log(), seq: at.seq, admitted: at.admitted }
}

impl Gap {
    fn new<S: Storage>(reason: GapReason, journal: &JournalReader<S>, from: Position, to: Position) -> Self {
        Self { reason, from: cursor_at(journal, from), to: cursor_at(journal, to) }
    }

    /// As told in a subscription, or in the page of history that answers `re`.
    pub(super) fn to_text(self, re: Option<u64>) -> String {
        let (from, to) = (self.from.to_string().into(), self.to.to_string().into());
        ServerFrame::Gap { re, reason: self.reason, from, to }.to_text()
    }
}

#[cfg(test)]
pub(super) mod tests;
