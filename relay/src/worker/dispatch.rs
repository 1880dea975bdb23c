//! Dispatch: each event of a batch goes to the live sessions that hear it, in the order of the log.
//!
//! Called with what the journal thread has put on disk. Nothing is locked here, and nothing atomic touched for a delivery:
//! an event is wrapped once per worker, and outboxes hold worker-local references to it. A session without room turns
//! behind, just before the event; `catch_up.rs` gives it what follows.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use vigie_proto::hear::{Said, may_hear};
use vigie_proto::id::Sequence;
#[cfg(feature = "sabotage")]
use vigie_proto::refusal::Code;
use vigie_proto::time::Timestamp;

use super::calls::Call;
use super::ring::Ring;
use super::{Effect, SessionId, Worker};
use crate::event::{Event, Position, SharedBatch};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
#[cfg(feature = "model")]
use crate::sync::{Plant, planted};

impl Worker {
    /// A batch is on disk: gives each event to the live sessions that hear it, in the order of the log.
    pub fn handle_batch(&mut self, batch: &SharedBatch, now: Timestamp) {
        self.last_now = now;
        for (event, reach) in &batch.events {
            let local = Rc::new(LocalEvent(Arc::clone(event)));
            let (live, behind) = self.dispatch(&local);
            self.ring.push(local);
            self.head = event.at;
            if let Some(report) = reach.add(event.id, live, behind) {
                self.effects.push_back(Effect::Reach(report));
            }
        }
    }

    /// The queue from the journal was full: events up to this place were not handed over. Live sessions turn behind.
    pub fn handle_jump(&mut self, head: Position) {
        self.counts.jumps += 1;
        let live: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.is_live())
            .map(|(index, session)| SessionId { index, generation: session.generation })
            .collect();
        let left_at = self.head;
        let ring = Ring::new(self.config.ring_bytes_max, head.seq);
        #[cfg(feature = "model")]
        let ring =
            if planted(Plant::RingKeptAtJump) { std::mem::replace(&mut self.ring, ring) } else { ring };
        self.ring = ring;
        self.head = head;
        for id in live {
            if let Some(session) = self.session(id)
                && let Some(position) = session.position(left_at)
            {
                session.turn_behind(position);
            }
            self.catch_up(id);
        }
    }

    /// Gives one event; returns how many live sessions took it and how many will find it later.
    fn dispatch(&mut self, event: &Rc<LocalEvent>) -> (u64, u64) {
        let seq = event.event().at.seq;
        let mut audience = std::mem::take(&mut self.audience);
        let sessions = &mut self.sessions;
        self.topics.audience(&event.event().channel, event.event().severity, |index| {
            // A session that hears it by several filters is met several times, and hears it once.
            let session = &mut sessions[index];
            if session.last_met != seq {
                session.last_met = seq;
                audience.push(SessionId { index, generation: session.generation });
            }
        });
        #[cfg(feature = "sabotage")]
        audience.extend(self.sabotaged_audience(event));
        let (mut live, mut behind) = (0, 0);
        for id in audience.drain(..) {
            if self.hears(id, event) && !self.sessions[id.index].was_given(seq) {
                if self.offer_live(id, event) { live += 1 } else { behind += 1 }
            }
        }
        self.audience = audience;
        (live, behind)
    }

    pub(super) fn hears(&self, id: SessionId, event: &Rc<LocalEvent>) -> bool {
        #[cfg(feature = "sabotage")]
        if crate::sabotage::is_for_all(event) {
            return true;
        }
        let said = Said::from(event.event());
        #[cfg(feature = "sabotage")]
        let said = Sabotage::LabelNotLookedAtLive.unlabelled(said);
        self.sessions[id.index].reader().is_some_and(|reader| may_hear(reader, said))
    }

    /// Puts the event into the outbox of a live session; one without room turns behind, just before it.
    fn offer_live(&mut self, id: SessionId, event: &Rc<LocalEvent>) -> bool {
        let head = self.head;
        let bound = self.config.outbox_bytes_max;
        let session = &mut self.sessions[id.index];
        if !session.is_live() {
            return false;
        }
        if !session.outbox.has_room(event.event().frame.len(), bound) {
            #[cfg(feature = "sabotage")]
            if Sabotage::SlowReaderSkipped.is_planted() {
                return true;
            }
            session.turn_behind(session.position(head).unwrap_or(head));
            self.visit_soon(id);
            #[cfg(feature = "sabotage")]
            if Sabotage::SlowReaderDropped.is_planted() {
                self.handle_violation(id, Code::GoingAway);
            }
            return false;
        }
        self.push_event(id, event);
        true
    }

    /// Puts the event into the outbox, its chain first when the session does not have it.
    pub(super) fn push_event(&mut self, id: SessionId, event: &Rc<LocalEvent>) {
        let credential = event.event().credential;
        let session = &mut self.sessions[id.index];
        let needs_chain = session.needs_chain(credential);
        #[cfg(feature = "sabotage")]
        let needs_chain = needs_chain && !Sabotage::ChainNotGiven.is_planted();
        if needs_chain && let Some(frame) = self.chains.frame(credential) {
            session.outbox.push_text(frame);
        }
        session.outbox.push_event(Rc::clone(event));
        self.call(id, if event.event().urgent { Call::Urgent } else { Call::Plain });
    }

    /// All who wrongly hear this event and were not met yet.
    #[cfg(feature = "sabotage")]
    fn sabotaged_audience(&mut self, event: &Rc<LocalEvent>) -> Vec<SessionId> {
        if !crate::sabotage::is_for_all(event) {
            return Vec::new();
        }
        let all: Vec<_> = self.sessions.iter().map(|(index, _)| index).collect();
        let seq = event.seq();
        all.into_iter()
            .filter_map(|index| {
                let session = &mut self.sessions[index];
                let new = session.subscription.is_some() && session.last_met != seq;
                session.last_met = seq;
                new.then_some(SessionId { index, generation: session.generation })
            })
            .collect()
    }
}

/// An event, wrapped once per worker: what outboxes and the ring hold references to, without an atomic for each. It
/// keeps its own bytes alive and nothing else of the batch that it came in.
#[derive(Debug)]
pub(crate) struct LocalEvent(pub(super) Arc<Event>);

impl LocalEvent {
    pub(crate) fn event(&self) -> &Event {
        &self.0
    }

    pub(super) fn frame(&self) -> &Bytes {
        &self.0.frame
    }

    pub(super) fn seq(&self) -> Sequence {
        self.0.at.seq
    }
}
