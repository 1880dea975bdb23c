//! Reading the journal while it is written: for sessions that are behind, for history, and to judge cursors.
//!
//! Called from any thread. Reads what is synced and nothing else, checks every checksum again, and never blocks the
//! writer for longer than a look into the index. Keeps no cache: that is the system's page cache.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use vigie_proto::channel::Channel;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::time::Timestamp;

use super::damage::{DamageMet, DamagedRange};
use super::error::ReadError;
use super::frame::{Frame, FrameReader, Step, inspect_tail};
use super::index::{Behind, Index, Place, Progress, Stretch};
use super::record::MessageRecord;
use super::storage::{Storage, StorageFile};

/// Read at once: the distance of two places in the index, twice.
const CHUNK_BYTES: usize = 128 * 1024;

/// Reads a journal. Cheap to clone; all clones read the same journal.
///
/// Stays valid when its [`Journal`](super::Journal) is poisoned or dropped: what was synced can be read.
pub struct JournalReader<S: Storage> {
    log: LogId,
    index: Arc<Index<S::File>>,
}

/// Some messages in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Ascending, all after the position that was asked for. May be empty before the head: ask again from `end`.
    pub messages: Vec<MessageRecord>,
    /// The lowest sequence that the journal may still have. What was asked for below it has been removed.
    pub first_available: Sequence,
    /// The page holds everything up to here: its last message, or later where no others are. At or past the head it is
    /// the head, so it lies below a position that is ahead of this journal.
    pub end: Sequence,
    /// When the message at `end` was admitted, or the last one before where there is none. A cursor to `end` takes this,
    /// and not the time of the last message in the page.
    pub end_admitted: Timestamp,
}

impl<S: Storage> JournalReader<S> {
    pub(super) fn new(log: LogId, index: Arc<Index<S::File>>) -> Self {
        Self { log, index }
    }

    /// The identity of the log.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// The last sequence that is synced; [`Sequence::START`] when there is none.
    pub fn head(&self) -> Sequence {
        Sequence::new(self.index.progress().last)
    }

    /// The damage that readers of this journal met since it was opened: for the operator.
    pub fn damage_met(&self) -> Arc<DamageMet> {
        Arc::clone(&self.index.damage_met)
    }

    /// The messages after `seq`, as many as fit in `max_bytes` of signed bytes, and at least one if there is any. A page
    /// may hold fewer; ask again from its `end` until that is the head.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] when the next message cannot be read: go on from its `next` less one, and say the gap.
    pub fn read_after(&self, seq: Sequence, max_bytes: usize) -> Result<Page, ReadError> {
        self.read_page(seq, max_bytes, None)
    }

    /// As [`JournalReader::read_after`], but only messages on channels that are wanted; others are not read from the
    /// disk. `wants` is asked at most once for each channel of the journal, and its answer must stay the same.
    ///
    /// A page may hold messages on other channels too, where the index does not tell them apart: who hears what is
    /// judged for each message all the same. Damage to messages that are not wanted may be met, and is then told.
    ///
    /// # Errors
    /// As [`JournalReader::read_after`].
    pub fn read_after_on(
        &self,
        seq: Sequence,
        max_bytes: usize,
        wants: &dyn Fn(&Channel) -> bool,
    ) -> Result<Page, ReadError> {
        let mut answers = HashMap::new();
        let mut wants = |number: u32| {
            *answers.entry(number).or_insert_with(|| self.index.name(number).is_none_or(|name| wants(&name)))
        };
        self.read_page(seq, max_bytes, Some(&mut wants))
    }

    fn read_page(
        &self,
        seq: Sequence,
        max_bytes: usize,
        mut wants: Option<&mut dyn FnMut(u32) -> bool>,
    ) -> Result<Page, ReadError> {
        let mut after = seq.get();
        loop {
            let stretch = match self.index.after(after, wants.is_some()) {
                Behind::Stretch(stretch) => stretch,
                Behind::Lost(lost) => return Err(ReadError::lost(lost, after)),
                Behind::Nothing { head, first } => {
                    return Ok(Page::new(Vec::new(), first, head));
                }
            };
            // As it was when the stretch was chosen: retention may go on meanwhile.
            let first = stretch.first;
            let offsets: Option<Vec<u64>> = match (&stretch.postings, &mut wants) {
                (Some(postings), Some(wants)) => {
                    let unindexed = postings.unindexed_from().filter(|from| *from < stretch.to);
                    let wanted = postings.offsets(&mut **wants).filter(|offset| *offset < stretch.to);
                    unindexed.is_none().then(|| wanted.collect())
                }
                (None | Some(_), _) => None,
            };
            let (messages, end) = match self.read_stretch(&stretch, offsets, after, max_bytes) {
                // It lies before what was asked for, and the index leads past it now.
                Err(ReadError::Damaged { next, .. }) if next.get() <= after => continue,
                read => read?,
            };
            if !messages.is_empty() {
                return Ok(Page::new(messages, first, end));
            }
            after = end.last;
        }
    }

    /// When exactly this message was admitted; `None` when there is no message with this sequence, or damage in its way.
    ///
    /// # Errors
    /// [`ReadError::Storage`].
    pub fn admitted_at(&self, seq: Sequence) -> Result<Option<Timestamp>, ReadError> {
        let Some(before) = seq.get().checked_sub(1) else { return Ok(None) };
        let Behind::Stretch(stretch) = self.index.after(before, false) else { return Ok(None) };
        let reached = |frame: &Frame<'_>, _| frame.sequence >= seq.get();
        match self.find(&stretch, before, reached)? {
            Found::Message(sequence, admitted) if sequence == seq.get() => Ok(Some(admitted)),
            Found::Message(..) | Found::Nothing | Found::Damage(_) => Ok(None),
        }
    }

    /// The greatest position after which everything was admitted at or after `admitted`: where to go on for a cursor of
    /// another log. The head when all was admitted before. Where damage is in the way, the last position before it.
    ///
    /// # Errors
    /// [`ReadError::Storage`].
    pub fn first_after(&self, admitted: Timestamp) -> Result<Sequence, ReadError> {
        let mut position = self.index.first() - 1;
        if let Some(stretch) = self.index.admitted_from(admitted.as_millis()) {
            match self.find(&stretch, position, |_, at| at >= admitted)? {
                Found::Message(sequence, _) => return Ok(Sequence::new(sequence - 1)),
                Found::Damage(after) => return Ok(Sequence::new(after)),
                Found::Nothing => position = stretch.covers.last,
            }
        }
        // What follows is all later; the hole before it belongs to the answer.
        while let Behind::Stretch(stretch) = self.index.after(position, false) {
            match self.find(&stretch, position, |frame, _| frame.sequence > position)? {
                Found::Message(sequence, _) => return Ok(Sequence::new(sequence - 1)),
                Found::Damage(after) => return Ok(Sequence::new(after)),
                Found::Nothing => position = stretch.covers.last,
            }
        }
        Ok(Sequence::new(position))
    }

    fn read_stretch(
        &self,
        stretch: &Stretch<S::File>,
        offsets: Option<Vec<u64>>,
        after: u64,
        max_bytes: usize,
    ) -> Result<(Vec<MessageRecord>, Progress), ReadError> {
        let mut messages: Vec<MessageRecord> = Vec::new();
        let (mut bytes, mut last) = (0, after);
        let mut frames = Self::frames(stretch);
        let mut offsets = offsets.map(Vec::into_iter);
        loop {
            if let Some(offsets) = &mut offsets {
                let Some(offset) = offsets.next() else { return Ok((messages, stretch.covers)) };
                frames.skip_to(offset);
            }
            let read = self.next_message(stretch, &mut frames, last, |frame| {
                if frame.sequence <= after { Some(None) } else { MessageRecord::decode(frame).map(Some) }
            });
            match read {
                Ok(Some(None)) => {}
                Ok(Some(Some(message))) => {
                    bytes += message.jws.len();
                    if bytes > max_bytes && !messages.is_empty() {
                        let end = end_of(&messages, stretch);
                        return Ok((messages, end));
                    }
                    last = message.seq.get();
                    messages.push(message);
                }
                Ok(None) => return Ok((messages, stretch.covers)),
                // What came before is good; the damage is met again, and told, by who asks for what follows.
                Err(_) if !messages.is_empty() => {
                    let end = end_of(&messages, stretch);
                    return Ok((messages, end));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The first message for which `is_it` holds.
    fn find(
        &self,
        stretch: &Stretch<S::File>,
        after: u64,
        is_it: impl Fn(&Frame<'_>, Timestamp) -> bool,
    ) -> Result<Found, ReadError> {
        let mut frames = Self::frames(stretch);
        let mut last = after;
        loop {
            let read = self.next_message(stretch, &mut frames, after, |frame| {
                let admitted = MessageRecord::peek_admitted(frame.body)?;
                Some((frame.sequence, admitted, is_it(frame, admitted)))
            });
            match read {
                Ok(Some((sequence, admitted, true))) => return Ok(Found::Message(sequence, admitted)),
                Ok(Some((sequence, _, false))) => last = last.max(sequence),
                Ok(None) => return Ok(Found::Nothing),
                Err(ReadError::Damaged { .. }) => return Ok(Found::Damage(last)),
                Err(error) => return Err(error),
            }
        }
    }

    fn frames(stretch: &Stretch<S::File>) -> FrameReader<'_, S::File> {
        let segment = &stretch.segment;
        FrameReader::new(&*segment.file, segment.home, stretch.from, stretch.to, CHUNK_BYTES)
    }

    /// What `decode` makes of the next message; `None` at the end of the stretch.
    fn next_message<T>(
        &self,
        stretch: &Stretch<S::File>,
        frames: &mut FrameReader<'_, S::File>,
        after: u64,
        mut decode: impl FnMut(&Frame<'_>) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        loop {
            match frames.step().map_err(|source| storage_error(stretch, source))? {
                Step::Frame(frame) if frame.kind.is_message() => {
                    return decode(&frame)
                        .map(Some)
                        .ok_or_else(|| self.damaged(stretch, frame.offset, "no message", after));
                }
                Step::Frame(_) => {}
                Step::End => return Ok(None),
                Step::Broken { offset, why } => return Err(self.damaged(stretch, offset, why, after)),
            }
        }
    }

    fn damaged(&self, stretch: &Stretch<S::File>, offset: u64, what: &'static str, after: u64) -> ReadError {
        let segment = stretch.segment.header.index;
        let next = match whole_behind(stretch, offset) {
            // The index learns it: whoever comes next begins behind the damage.
            Some(place) => {
                self.index.note_place(segment, place);
                place.sequence
            }
            None => self.index.resumes_after(segment, offset),
        };
        let met = DamagedRange::new(stretch.segment.name(), offset, what, after, next);
        self.index.damage_met.note(&met);
        ReadError::lost(met, after)
    }
}

impl Page {
    fn new(messages: Vec<MessageRecord>, first: u64, end: Progress) -> Self {
        Self {
            messages,
            first_available: Sequence::new(first),
            end: Sequence::new(end.last),
            end_admitted: Timestamp::from_millis(end.admitted),
        }
    }
}

/// The first message behind damage that can be read: after the next mark, which says where a batch begins.
///
/// `None` where there is none, or the disk fails. Always behind `offset`, so that nobody is led back to it.
fn whole_behind<F: StorageFile>(stretch: &Stretch<F>, offset: u64) -> Option<Place> {
    let (segment, to) = (&stretch.segment, stretch.to);
    let mark = inspect_tail(&*segment.file, segment.home, offset, to, CHUNK_BYTES).ok()?.mark?;
    let mut frames = FrameReader::new(&*segment.file, segment.home, mark, to, CHUNK_BYTES);
    while let Ok(Step::Frame(frame)) = frames.step() {
        if frame.kind.is_message() && frame.offset > offset {
            let admitted = MessageRecord::peek_admitted(frame.body)?.as_millis();
            return Some(Place { sequence: frame.sequence, admitted, offset: frame.offset });
        }
    }
    None
}

/// The place of the last message, where the stretch goes on behind it.
fn end_of<F>(messages: &[MessageRecord], stretch: &Stretch<F>) -> Progress {
    let place = |last: &MessageRecord| Progress { last: last.seq.get(), admitted: last.admitted.as_millis() };
    messages.last().map_or(stretch.covers, place)
}

/// What a search came to.
enum Found {
    /// Its sequence, and when it was admitted.
    Message(u64, Timestamp),
    Nothing,
    /// Damage, after this sequence.
    Damage(u64),
}

fn storage_error<F: StorageFile>(stretch: &Stretch<F>, source: io::Error) -> ReadError {
    ReadError::Storage { segment: stretch.segment.name(), source }
}

impl<S: Storage> Clone for JournalReader<S> {
    fn clone(&self) -> Self {
        Self { log: self.log, index: Arc::clone(&self.index) }
    }
}

impl<S: Storage> fmt::Debug for JournalReader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalReader")
            .field("log", &self.log)
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}
