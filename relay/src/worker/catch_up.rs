//! Serving a session that is behind: resume, catch-up and a full outbox are this one piece of code.
//!
//! What is recent comes from the worker's ring, in the same turn; what is older from the journal, by [`read`] on
//! another thread. A session whose position lies in the ring turns live in one step, without waiting for anything.

use std::rc::Rc;

use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{GapReason, Rejection, ServerFrame};
use vigie_proto::hear::{Reader, may_hear};
use vigie_proto::id::Sequence;
use vigie_proto::limits::FOREIGN_CURSOR_OVERLAP;
use vigie_proto::refusal::Code;
use vigie_proto::time::Timestamp;

use super::session::Standing;
use super::{Effect, LocalEvent, SessionId, Source, Worker};
use crate::event::{Event, Position};
use crate::journal::{JournalReader, MessageRecord, ReadError, Storage};

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// After this place of this log.
    After(Position),
    /// Where a reader's cursor says, if it means this log.
    Cursor(Cursor),
    /// At the first message that the log has.
    Beginning,
}

/// What a read is for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    Subscription { number: u64 },
    History { re: u64, reader: Reader, limit: u32 },
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
    session: SessionId,
    purpose: Purpose,
    /// A range that cannot be given.
    gap: Option<Gap>,
    /// The place that the messages come after.
    after: Position,
    messages: Vec<MessageRecord>,
    /// The messages are all there is up to here.
    end: Sequence,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    reason: GapReason,
    from: Cursor,
    to: Cursor,
}

/// Reads a page: any thread may, as often as it likes.
///
/// # Errors
/// The disk failed while reading; damage is no error but a gap.
pub fn read<S: Storage>(journal: &JournalReader<S>, request: ReadRequest) -> Result<ReadReply, ReadError> {
    let (after, gap) = begin(journal, request.from)?;
    let ReadRequest { session, purpose, max_bytes, .. } = request;
    let page = match journal.read_after(after.seq, max_bytes) {
        Ok(page) => page,
        Err(ReadError::Damaged { next, segment, offset, what, .. }) => {
            tracing::error!(segment, offset, what, "a part of the journal is damaged: a reader is given a gap");
            let resume = Sequence::new(next.get().saturating_sub(1));
            let to = Position { seq: resume.max(after.seq), admitted: after.admitted };
            let gap = Gap::new(GapReason::Damaged, journal, after, to);
            return Ok(ReadReply {
                session,
                purpose,
                gap: Some(gap),
                after: to,
                messages: Vec::new(),
                end: to.seq,
            });
        }
        Err(error) => return Err(error),
    };
    let removed = page.first_available.get().saturating_sub(1);
    if gap.is_none() && after.seq.get() < removed && request.from != ReadFrom::Beginning {
        let to = Position { seq: Sequence::new(removed), admitted: after.admitted };
        let gap = Gap::new(GapReason::Removed, journal, after, to);
        return Ok(ReadReply {
            session,
            purpose,
            gap: Some(gap),
            after: to,
            messages: page.messages,
            end: page.end,
        });
    }
    Ok(ReadReply { session, purpose, gap, after, messages: page.messages, end: page.end })
}

/// Finds the place to begin, and what is lost where a cursor does not mean a place of this log.
fn begin<S: Storage>(
    journal: &JournalReader<S>,
    from: ReadFrom,
) -> Result<(Position, Option<Gap>), ReadError> {
    let cursor = match from {
        ReadFrom::After(position) => return Ok((position, None)),
        ReadFrom::Beginning => return Ok((Position::default(), None)),
        ReadFrom::Cursor(cursor) => cursor,
    };
    let here = Position { seq: cursor.seq, admitted: cursor.admitted };
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

    fn to_text(self) -> String {
        let (from, to) = (self.from.to_string().into(), self.to.to_string().into());
        ServerFrame::Gap { reason: self.reason, from, to }.to_text()
    }
}

impl Worker {
    /// A read is done.
    pub fn handle_reply(&mut self, reply: Result<ReadReply, (SessionId, ReadError)>) {
        match reply {
            Err((id, error)) => {
                tracing::error!(%error, "a reader could not be served from the journal");
                self.handle_violation(id, Code::StorageFailed);
            }
            Ok(reply) => match reply.purpose {
                Purpose::Subscription { number } => self.go_on(number, reply),
                Purpose::History { re, ref reader, limit } => {
                    self.give_history(re, &reader.clone(), limit, &reply);
                }
            },
        }
    }

    /// Says where the subscription begins, if that is still owed.
    pub(super) fn answer_subscribe(&mut self, id: SessionId, at: Position) {
        let (log, head) = (self.config.log, self.head.max(at).seq);
        let Some(subscription) = self.session(id).and_then(|session| session.subscription.as_mut()) else {
            return;
        };
        subscription.begins = None;
        for re in std::mem::take(&mut subscription.unanswered) {
            self.push_text(id, ServerFrame::Subscribed { re, log, seq: at.seq, head }.to_text());
        }
    }

    /// Has a page read for the subscription, unless one is being read: then that one's reply asks again.
    pub(super) fn ask_for_page(&mut self, id: SessionId) {
        let max_bytes = self.config.outbox_bytes_max;
        let Some(session) = self.session(id) else { return };
        let Some(subscription) = &session.subscription else { return };
        let from = match (subscription.begins, subscription.standing) {
            (Some(begins), _) => begins,
            (None, Standing::Reading(Some(after))) => ReadFrom::After(after),
            (None, Standing::Reading(None) | Standing::Behind(_) | Standing::Live(_)) => return,
        };
        let purpose = Purpose::Subscription { number: subscription.number };
        if !std::mem::replace(&mut session.reading, true) {
            self.effects.push_back(Effect::Read(ReadRequest { session: id, purpose, from, max_bytes }));
        }
    }

    /// Gives a page to the subscription it was read for.
    fn go_on(&mut self, number: u64, reply: ReadReply) {
        let ReadReply { session: id, gap, after, messages, end, .. } = reply;
        let head = self.head;
        let Some(session) = self.session(id) else { return };
        session.reading = false;
        if session.subscription.as_ref().is_none_or(|subscription| subscription.number != number) {
            // It was replaced while the page was read.
            return self.ask_for_page(id);
        }
        if let Some(gap) = gap {
            self.push_text(id, gap.to_text());
        }
        self.answer_subscribe(id, after);
        let mut position = after;
        for record in &messages {
            // What this worker has not dispatched yet will come as a batch.
            if record.seq > head.seq {
                return self.stand_and_catch_up(id, head.max(after));
            }
            if !self.offer_behind(id, record) {
                return self.stand_and_catch_up(id, position);
            }
            position = Position { seq: record.seq, admitted: record.admitted };
        }
        // Nothing else lies before `end`; the time of admission stays that of the last message seen.
        position.seq = position.seq.max(end.min(head.seq));
        self.stand_and_catch_up(id, position);
    }

    fn stand_and_catch_up(&mut self, id: SessionId, position: Position) {
        if let Some(session) = self.session(id) {
            session.turn_behind(position);
        }
        self.catch_up(id);
    }

    /// Whether the record was given, or does not concern the session; `false` when there is no room for it.
    fn offer_behind(&mut self, id: SessionId, record: &MessageRecord) -> bool {
        let bound = self.config.outbox_bytes_max;
        let Some(session) = self.session(id) else { return true };
        if !session.reader().is_some_and(|reader| may_hear(reader, &record.channel, record.severity)) {
            return true;
        }
        if !session.outbox.has_room(record.jws.len(), bound) {
            return false;
        }
        self.push_event(id, &Rc::new(LocalEvent { source: Source::Journal(Event::from(record)) }));
        true
    }

    /// Serves a session that is behind as far as its outbox allows: from the ring if that reaches back far enough, and
    /// then it turns live at once; else it asks for a page of the journal.
    pub(super) fn catch_up(&mut self, id: SessionId) {
        let (head, bound) = (self.head, self.config.outbox_bytes_max);
        let Some(session) = self.session(id) else { return };
        let Some(Standing::Behind(mut position)) = session.standing() else { return };
        while self.ring.covers(position.seq) {
            let Some(event) = self.ring.after(position.seq) else {
                return self.turn_live(id, position);
            };
            let hears = self.hears(id, &event);
            if hears && !self.sessions[id.index].outbox.has_room(event.frame().len(), bound) {
                self.sessions[id.index].stand(Standing::Behind(position));
                return;
            }
            if hears {
                self.push_event(id, &event);
            }
            position = event.event().at;
        }
        let session = &mut self.sessions[id.index];
        // A page is asked for once the outbox has room for a good part of one.
        if !session.outbox.has_room(bound / 2, bound) {
            session.stand(Standing::Behind(position));
            return;
        }
        session.stand(Standing::Reading(Some(position)));
        debug_assert!(position.seq < head.seq, "the ring covers the head");
        self.ask_for_page(id);
    }

    /// From now on every batch is given at once, after this place: it is the worker's head, or ahead of it when a cursor
    /// names what another worker has dispatched and this one has not. A mark says so, and that all before was given.
    fn turn_live(&mut self, id: SessionId, after: Position) {
        let Some(session) = self.session(id) else { return };
        session.stand(Standing::Live(after));
        let now = self.last_now;
        self.push_mark(id, now);
    }

    /// Gives a page of history. It may pass the outbox's bound by one page, since a session has one at a time.
    fn give_history(&mut self, re: u64, reader: &Reader, limit: u32, reply: &ReadReply) {
        let id = reply.session;
        let (log, head) = (self.config.log, self.head);
        let Some(session) = self.session(id) else { return };
        session.reading_history = false;
        let mut position = reply.after;
        let mut given = 0;
        let mut whole = true;
        for record in &reply.messages {
            if given == limit || record.seq > head.seq {
                whole = false;
                break;
            }
            if may_hear(reader, &record.channel, record.severity) {
                self.push_past(id, re, record);
                given += 1;
            }
            position = Position { seq: record.seq, admitted: record.admitted };
        }
        if whole {
            position.seq = position.seq.max(reply.end.min(head.seq));
        }
        let next = Cursor { log, seq: position.seq, admitted: position.admitted }.to_string();
        let end = position.seq >= head.seq;
        self.push_text(id, ServerFrame::Page { re, next: next.into(), end }.to_text());
    }

    fn push_past(&mut self, id: SessionId, re: u64, record: &MessageRecord) {
        let chain = self.sessions[id.index].needs_chain(record.credential);
        if chain && let Some(frame) = self.chains.frame(record.credential) {
            self.sessions[id.index].outbox.push_text(frame);
        }
        let jws = String::from_utf8_lossy(&record.jws);
        let past = ServerFrame::Past { re, seq: record.seq, admitted: record.admitted, jws };
        self.push_text(id, past.to_text());
    }

    /// Refuses a read that could not be handed on: too many are waiting. The client may ask again.
    pub fn handle_unread(&mut self, request: &ReadRequest) {
        let id = request.session;
        match &request.purpose {
            Purpose::History { re, .. } => {
                if let Some(session) = self.session(id) {
                    session.reading_history = false;
                }
                self.reject(id, &Rejection { re: Some(*re), refusal: Code::Busy.into() });
            }
            Purpose::Subscription { .. } => self.handle_violation(id, Code::GoingAway),
        }
    }
}
