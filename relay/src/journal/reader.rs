//! Reading the journal while it is written: for sessions that are behind, for history, and to judge cursors.
//!
//! Called from any thread. Reads what is synced and nothing else, checks every checksum again, and never blocks the
//! writer for longer than a look into the index. Keeps no cache: that is the system's page cache.

use std::fmt;
use std::io;
use std::sync::Arc;

use vigie_proto::id::{LogId, Sequence};
use vigie_proto::time::Timestamp;

use super::error::ReadError;
use super::frame::{Frame, FrameReader, Kind, Step};
use super::index::{Behind, Index, Stretch};
use super::record::MessageRecord;
use super::storage::Storage;

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

    /// The messages after `seq`, as many as fit in `max_bytes` of signed bytes, and at least one if there is any. A page
    /// may hold fewer; ask again from its `end` until that is the head.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] when the next message cannot be read: go on from its `next` less one, and say the gap.
    pub fn read_after(&self, seq: Sequence, max_bytes: usize) -> Result<Page, ReadError> {
        let mut after = seq.get();
        loop {
            let stretch = match self.index.after(after) {
                Behind::Stretch(stretch) => stretch,
                Behind::Lost(lost) => return Err(ReadError::lost(lost, after)),
                Behind::Nothing { head, first } => {
                    let (first_available, end) = (Sequence::new(first), Sequence::new(head));
                    return Ok(Page { messages: Vec::new(), first_available, end });
                }
            };
            // As it was when the stretch was chosen: retention may go on meanwhile.
            let first_available = Sequence::new(stretch.first);
            let (messages, end) = self.read_stretch(&stretch, after, max_bytes)?;
            if !messages.is_empty() {
                return Ok(Page { messages, first_available, end: Sequence::new(end) });
            }
            after = end;
        }
    }

    /// When exactly this message was admitted; `None` when there is no message with this sequence, or damage in its way.
    ///
    /// # Errors
    /// [`ReadError::Storage`].
    pub fn admitted_at(&self, seq: Sequence) -> Result<Option<Timestamp>, ReadError> {
        let Some(before) = seq.get().checked_sub(1) else { return Ok(None) };
        let Behind::Stretch(stretch) = self.index.after(before) else { return Ok(None) };
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
                Found::Nothing => position = stretch.covers,
            }
        }
        // What follows is all later; the hole before it belongs to the answer.
        while let Behind::Stretch(stretch) = self.index.after(position) {
            match self.find(&stretch, position, |frame, _| frame.sequence > position)? {
                Found::Message(sequence, _) => return Ok(Sequence::new(sequence - 1)),
                Found::Damage(after) => return Ok(Sequence::new(after)),
                Found::Nothing => position = stretch.covers,
            }
        }
        Ok(Sequence::new(position))
    }

    fn read_stretch(
        &self,
        stretch: &Stretch<S::File>,
        after: u64,
        max_bytes: usize,
    ) -> Result<(Vec<MessageRecord>, u64), ReadError> {
        let mut messages = Vec::new();
        let (mut bytes, mut last) = (0, after);
        let mut frames = Self::frames(stretch);
        loop {
            let read = self.next_message(stretch, &mut frames, last, |frame| {
                if frame.sequence <= after {
                    Some(None)
                } else {
                    MessageRecord::decode(frame.sequence, frame.body).map(Some)
                }
            });
            match read {
                Ok(Some(None)) => {}
                Ok(Some(Some(message))) => {
                    bytes += message.jws.len();
                    if bytes > max_bytes && !messages.is_empty() {
                        return Ok((messages, last));
                    }
                    last = message.seq.get();
                    messages.push(message);
                }
                Ok(None) => return Ok((messages, stretch.covers)),
                // What came before is good; the damage is met again, and told, by who asks for what follows.
                Err(_) if !messages.is_empty() => return Ok((messages, last)),
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
                Step::Frame(frame) if frame.kind == Kind::Message => {
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
        let next = self.index.resumes_after(stretch.segment.header.index, offset);
        ReadError::Damaged {
            segment: stretch.segment.name(),
            offset,
            what,
            after: Sequence::new(after),
            next: Sequence::new(next),
        }
    }
}

/// What a search came to.
enum Found {
    /// Its sequence, and when it was admitted.
    Message(u64, Timestamp),
    Nothing,
    /// Damage, after this sequence.
    Damage(u64),
}

fn storage_error<F: super::storage::StorageFile>(stretch: &Stretch<F>, source: io::Error) -> ReadError {
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
