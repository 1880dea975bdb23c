//! Serving a session that is behind: resume, catch-up and a full outbox are this one piece of code.
//!
//! What is recent comes from the worker's ring, in the same turn; what is older from the journal, by [`read`] on
//! another thread. A session whose position lies in the ring turns live in one step, without waiting for anything.

use std::rc::Rc;
use std::sync::Arc;

use vigie_proto::channel::Channel;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{GapReason, Rejection, ServerFrame};
use vigie_proto::hear::{Reader, may_hear};
use vigie_proto::id::Sequence;
use vigie_proto::limits::FOREIGN_CURSOR_OVERLAP;
use vigie_proto::refusal::Code;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::session::Standing;
use super::{Effect, LocalEvent, SessionId, Worker};
use crate::event::{Event, Position};
use crate::journal::{JournalReader, MessageRecord, ReadError, Storage};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
#[cfg(feature = "model")]
use crate::sync::{Plant, Rare, meet, planted};

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
    Subscription { number: u64, reader: Reader },
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
    /// Ranges that cannot be given, in order: where a cursor means no place here, and what is lost right after.
    gaps: Vec<Gap>,
    /// The place that the messages come after.
    after: Position,
    messages: Vec<MessageRecord>,
    /// The messages are all there is up to here.
    end: Position,
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
    let (mut after, gap) = begin(journal, request.from)?;
    let mut gaps = Vec::from_iter(gap);
    let ReadRequest { session, purpose, from, max_bytes } = request;
    // Damage and retention lead on to a place whose time nobody knows any more.
    let mut skip = |after: &mut Position, reason, to: Sequence| {
        let to = Position { seq: to.max(after.seq), admitted: after.admitted };
        gaps.push(Gap::new(reason, journal, *after, to));
        *after = to;
    };
    // What could be heard at any severity: messages on other channels are not even read.
    let reader = match &purpose {
        Purpose::Subscription { reader, .. } | Purpose::History { reader, .. } => reader,
    };
    let wants = |channel: &Channel| may_hear(reader, channel, Severity::Extreme);
    let (messages, end) = match journal.read_after_on(after.seq, max_bytes, &wants) {
        Ok(page) => {
            let removed = Sequence::new(page.first_available.get().saturating_sub(1));
            if after.seq < removed && from != ReadFrom::Beginning {
                skip(&mut after, GapReason::Removed, removed);
            }
            (page.messages, Position { seq: page.end, admitted: page.end_admitted })
        }
        Err(ReadError::Damaged { next, segment, offset, what, .. }) => {
            tracing::error!(
                segment,
                offset,
                what,
                "a part of the journal is damaged: a reader is given a gap"
            );
            skip(&mut after, GapReason::Damaged, Sequence::new(next.get().saturating_sub(1)));
            (Vec::new(), after)
        }
        Err(error) => return Err(error),
    };
    Ok(ReadReply { session, purpose, gaps, after, messages, end })
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
    fn to_text(self, re: Option<u64>) -> String {
        let (from, to) = (self.from.to_string().into(), self.to.to_string().into());
        ServerFrame::Gap { re, reason: self.reason, from, to }.to_text()
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
                Purpose::Subscription { number, .. } => self.go_on(number, reply),
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
        let reader = subscription.reader.clone();
        let purpose = Purpose::Subscription { number: subscription.number, reader };
        if !std::mem::replace(&mut session.reading, true) {
            self.effects.push_back(Effect::Read(ReadRequest { session: id, purpose, from, max_bytes }));
        }
    }

    /// Gives a page to the subscription it was read for.
    fn go_on(&mut self, number: u64, reply: ReadReply) {
        let ReadReply { session: id, gaps, after, messages, end, .. } = reply;
        let head = self.head;
        let Some(session) = self.session(id) else { return };
        session.reading = false;
        #[cfg(feature = "model")]
        let number = replaced(session.subscription.as_ref(), number);
        if session.subscription.as_ref().is_none_or(|subscription| subscription.number != number) {
            // It was replaced while the page was read.
            return self.ask_for_page(id);
        }
        #[cfg(feature = "sabotage")]
        let gaps = if Sabotage::GapNotTold.is_planted() { Vec::new() } else { gaps };
        for gap in gaps {
            self.push_text(id, gap.to_text(None));
        }
        self.answer_subscribe(id, after);
        let mut position = after;
        for record in &messages {
            // What this worker has not dispatched yet will come as a batch.
            if record.seq > head.seq {
                #[cfg(feature = "model")]
                meet(Rare::PageCut);
                return self.stand_and_catch_up(id, head.max(after));
            }
            if !self.offer_behind(id, record) {
                // The outbox is not empty then: what is taken from it asks again. Asking here would have the same page
                // read without end for a peer that does not read.
                if let Some(session) = self.session(id) {
                    session.turn_behind(position);
                }
                return;
            }
            position = Position { seq: record.seq, admitted: record.admitted };
        }
        // Nothing that concerns the session lies between its last message and `end`.
        position = position.max(end.min(head));
        #[cfg(feature = "model")]
        if planted(Plant::PagePastHead) {
            position = position.max(end);
        }
        #[cfg(feature = "sabotage")]
        if position.seq < head.seq && Sabotage::CursorOffByOneAtTheHandOver.is_planted() {
            position.seq = position.seq.next();
        }
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
        self.push_event(id, &Rc::new(LocalEvent(Arc::new(Event::from(record)))));
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
        #[cfg(feature = "model")]
        if planted(Plant::LiveOneEventLate) {
            session.stand(Standing::Live(Position { seq: after.seq.next(), ..after }));
        }
        #[cfg(feature = "model")]
        if after.seq > self.head.seq {
            meet(Rare::LiveAhead);
        }
        let now = self.last_now;
        self.push_mark(id, now);
    }

    /// Gives a page of history. It may pass the outbox's bound by one page, since a session has one at a time.
    fn give_history(&mut self, re: u64, reader: &Reader, limit: u32, reply: &ReadReply) {
        let id = reply.session;
        let (log, head) = (self.config.log, self.head);
        let Some(session) = self.session(id) else { return };
        session.reading_history = false;
        for gap in &reply.gaps {
            self.push_text(id, gap.to_text(Some(re)));
        }
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
            position = position.max(reply.end.min(head));
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

/// The number of the subscription that a page counts as read for.
#[cfg(feature = "model")]
fn replaced(subscription: Option<&super::session::Subscription>, number: u64) -> u64 {
    match subscription {
        Some(now) if now.number != number => {
            meet(Rare::Replaced);
            if planted(Plant::PageOfReplaced) { now.number } else { number }
        }
        Some(_) | None => number,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vigie_proto::chain::{Chain, NoVerdicts, Roots};
    use vigie_proto::channel::{Flow, Plane};
    use vigie_proto::credential::{Claims, Credential, Grant, Role};
    use vigie_proto::id::{CredentialId, LogId, MessageId};
    use vigie_proto::key::SigningKey;
    use vigie_proto::time::Window;

    use super::*;
    use crate::journal::sim_disk::SimDisk;
    use crate::journal::{Journal, JournalConfig, Record};

    const LOG: LogId = LogId::from_bytes([7; 16]);

    fn message(seq: u64) -> Record {
        Record::Message(MessageRecord {
            seq: Sequence::new(seq),
            admitted: Timestamp::from_millis(1_000_000 + seq),
            expires: Timestamp::from_millis(9_000_000),
            id: MessageId::from_bytes([u8::try_from(seq).unwrap(); 32]),
            credential: CredentialId::from_bytes([9; 32]),
            severity: Severity::Minor,
            channel: "alert/fr".parse().unwrap(),
            jws: Bytes::from(vec![b'x'; 300]),
        })
    }

    /// Twenty messages, one a batch, with this byte of the oldest file wrong.
    fn damaged_at(byte: usize) -> Journal<SimDisk> {
        let disk = SimDisk::new();
        let mut config = JournalConfig::new();
        config.segment_bytes = 4096;
        let open =
            |disk: &SimDisk| Journal::open(disk.clone(), config.clone(), LOG, &mut |_| Ok(())).unwrap();
        let mut journal = open(&disk);
        for seq in 1..=20 {
            journal.append(&[message(seq)]).unwrap();
        }
        journal.close().unwrap();
        let disk = disk.restart();
        let oldest = disk.names().unwrap().into_iter().min().unwrap();
        let mut bytes = disk.content(&oldest).unwrap();
        bytes[byte] ^= 1;
        disk.set_content(&oldest, bytes);
        open(&disk)
    }

    /// Somebody who hears every alert.
    fn reader() -> Reader {
        let key = SigningKey::from_seed(&[0xA7; 32]).unwrap();
        let grant = Grant {
            flow: Flow::Alert,
            at: "fr".parse().unwrap(),
            publish: None,
            subscribe: true,
            delegate: 0,
        };
        let claims = Claims {
            subject: *key.public(),
            org: "fr.etat".parse().unwrap(),
            name: "etat".to_owned(),
            role: Role::Author,
            grants: vec![grant],
            plane: Plane::Live,
            valid: Window { from: Timestamp::EPOCH, until: Timestamp::from_millis(u64::from(u32::MAX)) },
        };
        let root = Credential::issue_root(&key, &claims).unwrap();
        let roots = Roots::new([key.public().thumbprint()]);
        let chain = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
        Reader::new(&chain, vec!["alert/fr.**".parse().unwrap()]).unwrap()
    }

    fn read_from(journal: &Journal<SimDisk>, from: ReadFrom) -> ReadReply {
        let purpose = Purpose::Subscription { number: 1, reader: reader() };
        let session = SessionId { index: 0, generation: 0 };
        read(&journal.reader(), ReadRequest { session, purpose, from, max_bytes: 1_000_000 }).unwrap()
    }

    /// Reasons, and the places that each gap leads from and to.
    fn told(reply: &ReadReply) -> Vec<(&'static str, u64, u64)> {
        reply.gaps.iter().map(|gap| (gap.reason.as_str(), gap.from.seq.get(), gap.to.seq.get())).collect()
    }

    #[test]
    fn a_cursor_that_leads_into_damage_is_told_both() {
        let journal = damaged_at(200);
        let cursor = |log, seq, admitted| {
            let admitted = Timestamp::from_millis(admitted);
            ReadFrom::Cursor(Cursor { log, seq: Sequence::new(seq), admitted })
        };
        let foreign = LogId::from_bytes([8; 16]);
        for (from, reason, seq) in
            [(cursor(foreign, 5, 1_000_005), "other_log", 5), (cursor(LOG, 90, 1_000_090), "ahead", 90)]
        {
            let reply = read_from(&journal, from);
            assert_eq!(told(&reply), [(reason, seq, 0), ("damaged", 0, 1)]);
            assert_eq!(reply.gaps[0].to, reply.gaps[1].from, "one leads to the other");
            assert_eq!((reply.after.seq, reply.end.seq), (Sequence::new(1), Sequence::new(1)));
            let next = read_from(&journal, ReadFrom::After(reply.after));
            assert_eq!((told(&next), next.messages[0].seq), (vec![], Sequence::new(2)));
        }
        // From the start nothing was lost but what is damaged.
        assert_eq!(told(&read_from(&journal, ReadFrom::Beginning)), [("damaged", 0, 1)]);
    }

    #[test]
    fn a_cursor_of_this_log_in_front_of_damage_is_told_the_damage_only() {
        let journal = damaged_at(200);
        let start = Cursor { log: LOG, seq: Sequence::START, admitted: Timestamp::EPOCH };
        assert_eq!(told(&read_from(&journal, ReadFrom::Cursor(start))), [("damaged", 0, 1)]);
    }
}
