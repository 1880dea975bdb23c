//! Serving a session that is behind: resume, catch-up and a full outbox are this one piece of code.
//!
//! What is recent comes from the worker's ring, in the same turn; what is older from the journal, by
//! [`Pages::read`](super::page::Pages::read) on another thread. A session whose position lies in the ring turns live in
//! one step, without waiting for anything.

use std::rc::Rc;
use std::sync::Arc;

use vigie_proto::frame::ServerFrame;
use vigie_proto::hear::{Said, may_hear};
use vigie_proto::id::Sequence;
use vigie_proto::refusal::Code;

use super::page::{Found, Gap, Page, Purpose, ReadFrom, ReadReply, ReadRequest};
use super::past::Part;
use super::session::Standing;
use super::{Effect, LocalEvent, SessionId, Worker};
use crate::event::{Event, Position};
use crate::journal::ReadError;
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
#[cfg(feature = "model")]
use crate::sync::{Plant, Rare, meet, planted};

impl Worker {
    /// A read is done.
    pub fn handle_reply(&mut self, reply: Result<ReadReply, (SessionId, ReadError)>) {
        match reply {
            Err((id, error)) => {
                tracing::error!(%error, "a reader could not be served from the journal");
                self.handle_violation(id, Code::StorageFailed);
            }
            Ok(ReadReply { session, gaps, after, found }) => match found {
                Found::Page { number, page } => self.go_on(session, number, gaps, after, &page),
                Found::History { past, messages, end } => {
                    self.handle_past(session, past, Part { gaps, after, messages, end });
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
            self.push_place(id, ServerFrame::Subscribed { re, log, seq: at.seq, head }.to_text());
        }
    }

    /// Has a page read for the subscription, unless one is being read: then that one's reply asks again.
    pub(super) fn ask_for_page(&mut self, id: SessionId) {
        let max_bytes = self.config.outbox_bytes_max / 2;
        let Some(session) = self.session(id) else { return };
        let Some(subscription) = &mut session.subscription else { return };
        let from = match (subscription.begins, subscription.standing) {
            (Some(begins), _) => begins,
            (None, Standing::Reading(Some(at))) => ReadFrom::After { at, told: subscription.told },
            (None, Standing::Reading(None) | Standing::Behind(_) | Standing::Live(_)) => return,
        };
        let reader = subscription.reader.clone();
        let purpose = Purpose::Subscription { number: subscription.number, reader };
        if !std::mem::replace(&mut session.reading, true) {
            self.effects.push_back(Effect::Read(ReadRequest { session: id, purpose, from, max_bytes }));
        }
    }

    /// Gives a page to the subscription it was read for.
    fn go_on(&mut self, id: SessionId, number: u64, gaps: Vec<Gap>, after: Position, page: &Page) {
        let head = self.head;
        let Some(session) = self.session(id) else { return };
        session.reading = false;
        #[cfg(feature = "model")]
        let number = replaced(session.subscription.as_ref(), number);
        if session.subscription.as_ref().is_none_or(|subscription| subscription.number != number) {
            // It was replaced while the page was read.
            return self.ask_for_page(id);
        }
        // Where it went on reading without a gap is nobody's business.
        if !gaps.is_empty() || session.standing() == Some(Standing::Reading(None)) {
            session.tell(after);
        }
        #[cfg(feature = "sabotage")]
        let gaps = if Sabotage::GapNotTold.is_planted() { Vec::new() } else { gaps };
        for gap in gaps {
            self.push_place(id, gap.to_text(None));
        }
        self.answer_subscribe(id, after);
        let mut position = after;
        for event in page.after(after.seq) {
            // What this worker has not dispatched yet will come as a batch.
            if event.at.seq > head.seq {
                #[cfg(feature = "model")]
                meet(Rare::PageCut);
                return self.stand_and_catch_up(id, head.max(after));
            }
            if !self.offer_behind(id, event) {
                // The outbox is not empty then: what is taken from it asks again. Asking here would have the same page
                // read without end for a peer that does not read.
                let seq = Sequence::new(event.at.seq.get() - 1);
                return self.await_room(id, Position { seq, ..position }, event.frame.len());
            }
            position = event.at;
        }
        // Nothing that concerns the session lies between its last message and `end`.
        position = position.max(page.end.min(head));
        #[cfg(feature = "model")]
        if planted(Plant::PagePastHead) {
            position = position.max(page.end);
        }
        #[cfg(feature = "sabotage")]
        if position.seq < head.seq && Sabotage::CursorOffByOneAtTheHandOver.is_planted() {
            position.seq = position.seq.next();
        }
        self.stand_and_catch_up(id, position);
    }

    fn stand_and_catch_up(&mut self, id: SessionId, position: Position) {
        if let Some(session) = self.session(id) {
            session.stand(Standing::Behind(position));
        }
        self.catch_up(id);
    }

    /// The next event that the session hears comes after this place, is so long, and finds no room.
    fn await_room(&mut self, id: SessionId, position: Position, bytes: usize) {
        if let Some(session) = self.session(id) {
            session.stand(Standing::Behind(position));
            session.await_room(bytes);
        }
    }

    /// Whether the event was given, or does not concern the session; `false` when there is no room for it.
    fn offer_behind(&mut self, id: SessionId, event: &Arc<Event>) -> bool {
        let bound = self.config.outbox_bytes_max;
        let Some(session) = self.session(id) else { return true };
        let said = Said::from(&**event);
        #[cfg(feature = "sabotage")]
        let said = Sabotage::LabelNotLookedAtCatchUp.unlabelled(said);
        if !session.reader().is_some_and(|reader| may_hear(reader, said)) {
            return true;
        }
        if !session.outbox.has_room(event.frame.len(), bound) {
            return false;
        }
        session.tell(event.at);
        self.push_event(id, &Rc::new(LocalEvent(Arc::clone(event))));
        true
    }

    /// Serves a session that is behind as far as its outbox allows: from the ring if that reaches back far enough, and
    /// then it turns live at once; else it asks for a page of the journal.
    ///
    /// It stops at nothing but an event that the session hears and has no room for. Did it stop where a page ends, whether
    /// the session is live, and so what its marks say, would tell of messages that it may not hear.
    pub(super) fn catch_up(&mut self, id: SessionId) {
        let (head, bound) = (self.head, self.config.outbox_bytes_max);
        let Some(session) = self.session(id) else { return };
        let Some(Standing::Behind(mut position)) = session.standing() else { return };
        // An event without room waits until half of the outbox is free, which is what a page fills: a reader that takes
        // drop by drop has each page read about twice, and not once for each drop.
        let awaited = session.awaited_room();
        if awaited > 0 && !session.outbox.has_room(awaited.max(bound / 2), bound) {
            return;
        }
        session.await_room(0);
        while self.ring.covers(position.seq) {
            let Some(event) = self.ring.after(position.seq) else {
                return self.turn_live(id, position);
            };
            let hears = self.hears(id, &event);
            if hears && !self.sessions[id.index].outbox.has_room(event.frame().len(), bound) {
                return self.await_room(id, position, event.frame().len());
            }
            position = event.event().at;
            if hears {
                self.sessions[id.index].tell(position);
                self.push_event(id, &event);
            }
        }
        self.sessions[id.index].stand(Standing::Reading(Some(position)));
        debug_assert!(position.seq < head.seq, "the ring covers the head");
        self.ask_for_page(id);
    }

    /// From now on every batch is given at once, after this place: it is the worker's head, or ahead of it when a cursor
    /// names what another worker has dispatched and this one has not. A mark says so, and that all before was given.
    fn turn_live(&mut self, id: SessionId, after: Position) {
        let Some(session) = self.session(id) else { return };
        session.stand(Standing::Live(after));
        session.past_until = session.outbox.given() + session.outbox.bytes() as u64;
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

    /// Refuses a read that could not be handed on: too many are waiting. The client may ask again.
    pub fn handle_unread(&mut self, request: &ReadRequest) {
        let id = request.session;
        match &request.purpose {
            Purpose::History(past) => self.refuse_past(id, past),
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
