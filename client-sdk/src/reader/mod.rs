//! The heart of a subscription, without I/O and without a clock: frames of the relay go in, deliveries come out.
//!
//! Driven by [`crate::Subscription`] over a socket, and by simulations without one. One `Reader` lives as long as the
//! subscription: after a cut, [`Reader::handle_open`] asks the next session to go on where this one ended.
//!
//! Invariants:
//! - Nothing becomes a [`Verified`](crate::Verified) but through the judgement here; the relay is not trusted.
//! - Only events and marks move the cursor, and never backwards within a log. A suspect moves it too: it was given.
//! - Roots are trusted that were pinned, and whom they hand over to by their own signature; nobody else.
//! - A message whose author is revoked is disowned from `from` on, also after it was delivered; what a forged revocation
//!   says changes nothing.
//! - A message is delivered once, by its id, also across logs; a suspect never counts as delivered.
//!
//! What it does not do: it keeps nothing on disk, and cannot notice what a relay withholds.

mod chains;
mod delivered;
mod judge;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use vigie_proto::chain::Roots;
use vigie_proto::channel::{Filter, Jurisdiction};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{ClientFrame, HeldRevocations, RequestNumber, ServerFrame, Start};
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

use self::delivered::Delivered;
pub(crate) use self::judge::Judge;
use self::judge::suspect;
use crate::delivery::{Delivery, Disowned, Gap, Suspect};
use crate::plane::OnPlane;

/// Judges what a relay gives on one subscription, over as many sessions as it takes.
///
/// For each session, in this order: [`Reader::handle_open`] once, whose text is sent to the relay; then
/// [`Reader::handle_frame`] for each frame, in the order in which they came.
#[derive(Debug)]
pub struct Reader<P> {
    judge: Judge<P>,
    /// Where to begin while no event and no mark came.
    start: Start,
    /// The last event or mark.
    position: Option<Cursor>,
    delivered: Delivered,
    /// How far it was given the revocations of the log that it heard last.
    held: Option<HeldRevocations>,
    /// The number of the last `subscribe`; one more for each session.
    number: RequestNumber,
    session: Session,
}

/// What holds for one session only.
#[derive(Debug)]
enum Session {
    /// No session, or its `subscribed` has not come: events and marks are not of this subscription yet.
    AwaitSubscribed {
        /// Events follow this place, if a gap said so already.
        after_gap: Option<Cursor>,
    },
    /// Events flow.
    Subscribed {
        log: LogId,
        /// The last place given: what follows is above it.
        floor: Sequence,
        caught_up: bool,
    },
}

impl<P: OnPlane> Reader<P> {
    /// A reader of an organisation that trusts `roots` and nobody else, hears `filters`, and begins at `start`.
    ///
    /// With [`Start::Here`] it begins at the moment of the first session; should that break before any event or mark
    /// came, at the moment of the next.
    pub fn new(roots: Roots, org: Jurisdiction, filters: Vec<Filter>, start: Start) -> Self {
        Self {
            judge: Judge::new(roots, org, filters),
            start,
            position: None,
            delivered: Delivered::default(),
            held: None,
            number: 0,
            session: Session::AwaitSubscribed { after_gap: None },
        }
    }

    /// A session is open. Returns the `subscribe` frame to send.
    pub fn handle_open(&mut self) -> String {
        self.number += 1;
        self.session = Session::AwaitSubscribed { after_gap: None };
        let start = self.position.map_or(self.start, Start::After);
        ClientFrame::Subscribe {
            n: self.number,
            channels: self.judge.filters().iter().map(|filter| filter.to_string().into()).collect(),
            after: start.to_after().map(Into::into),
        }
        .to_text()
    }

    /// The revocations that need not be given again: for the next log-in.
    pub const fn held_revocations(&self) -> Option<HeldRevocations> {
        self.held
    }

    /// The number of the last `subscribe`: a `refused` with it as `re` speaks of this subscription.
    pub const fn request(&self) -> RequestNumber {
        self.number
    }

    /// Where to go on: the last event or mark. `None` before the first.
    pub const fn cursor(&self) -> Option<Cursor> {
        self.position
    }

    /// Takes a frame. `now` only marks messages that have expired.
    ///
    /// Frames that are not about a subscription, `refused` and `going_away` among them, give nothing: they are the
    /// driver's.
    pub fn handle_frame(&mut self, frame: ServerFrame<'_>, now: Timestamp) -> Vec<Delivery<P>> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other frames are the driver's, now and later"
        )]
        match frame {
            ServerFrame::Subscribed { re, log, seq, .. } if re == self.number => {
                self.handle_subscribed(log, seq);
                Vec::new()
            }
            ServerFrame::Chain { chain, .. } => {
                self.judge.learn(&chain.iter().map(|link| &**link).collect::<Vec<_>>());
                Vec::new()
            }
            ServerFrame::Rotation { jws } => self.handle_rotation(&jws).into_iter().collect(),
            ServerFrame::Revocation { log, count, seq, admitted, jws } => {
                self.handle_revocation(HeldRevocations { log, count }, seq, admitted, &jws)
            }
            ServerFrame::Event { seq, admitted, jws } => {
                self.handle_event(seq, admitted, &jws, now).into_iter().collect()
            }
            ServerFrame::Mark { log, seq, admitted, head, .. } => {
                self.handle_mark(Cursor { log, seq, admitted }, head).into_iter().collect()
            }
            ServerFrame::Gap { re: None, reason, from, to } => {
                let (from, to) = (from.parse().ok(), to.parse().ok());
                self.handle_gap(to);
                vec![Delivery::Gap(Gap { reason, from, to })]
            }
            _ => Vec::new(),
        }
    }

    fn handle_subscribed(&mut self, log: LogId, seq: Sequence) {
        let Session::AwaitSubscribed { after_gap } = self.session else { return };
        // A gap may lead back (another log, or a cursor ahead of it); without one the log goes on where it was.
        let known = after_gap.or(self.position).filter(|cursor| cursor.log == log);
        let floor = known.map_or(seq, |cursor| cursor.seq.max(seq));
        self.session = Session::Subscribed { log, floor, caught_up: false };
    }

    fn handle_gap(&mut self, to: Option<Cursor>) {
        match &mut self.session {
            Session::AwaitSubscribed { after_gap } => *after_gap = to,
            Session::Subscribed { log, floor, .. } => {
                if let Some(to) = to {
                    (*log, *floor) = (to.log, to.seq);
                }
            }
        }
    }

    fn handle_event(
        &mut self,
        seq: Sequence,
        admitted: Timestamp,
        token: &str,
        now: Timestamp,
    ) -> Option<Delivery<P>> {
        let Session::Subscribed { log, floor, .. } = &mut self.session else { return None };
        let cursor = Cursor { log: *log, seq, admitted };
        let rises = seq > *floor;
        if rises {
            *floor = seq;
            self.position = Some(cursor);
        }
        match self.judge.judge(token, cursor, now) {
            Err(suspect) => Some(Delivery::Suspect(suspect)),
            Ok(verified) if self.delivered.contains(verified.id()) => None,
            Ok(_) if !rises => {
                let refusal = Refusal::new(Code::MalformedFrame, "the sequence does not rise: a replay");
                Some(Delivery::Suspect(suspect(&refusal, token, cursor)))
            }
            Ok(verified) => {
                let (id, expires) = (verified.id(), verified.message().expires);
                let disowned = self.judge.disowns(id, verified.chain(), admitted, cursor);
                let chain = disowned.is_none().then(|| Arc::clone(verified.chain()));
                self.delivered.note(id, expires, admitted, chain);
                Some(disowned.map_or(Delivery::Message(verified), Delivery::Disowned))
            }
        }
    }

    /// Takes a rotation of a root. One for those who pinned another root is none of ours; any other that does not verify
    /// changes nothing, and is told.
    fn handle_rotation(&mut self, token: &str) -> Option<Delivery<P>> {
        match self.judge.learn_rotation(token) {
            Ok(new) => new.map(Delivery::Rotation),
            Err(refusal) if refusal.code == Code::UnknownRoot => None,
            Err(refusal) => {
                let place = self.place(LogId::from_bytes([0; 16]));
                Some(Delivery::Suspect(suspect(&refusal, token, place)))
            }
        }
    }

    /// Where the reader stands, for what has no place of its own; at the beginning of `log` when it stands nowhere.
    fn place(&self, log: LogId) -> Cursor {
        let began = if let Start::After(cursor) = self.start { Some(cursor) } else { None };
        let nowhere = Cursor { log, seq: Sequence::START, admitted: Timestamp::EPOCH };
        self.position.or(began).unwrap_or(nowhere)
    }

    /// Takes a revocation, and back what it disowns of what was given. One that does not verify changes nothing.
    fn handle_revocation(
        &mut self,
        held: HeldRevocations,
        seq: Sequence,
        admitted: Timestamp,
        token: &str,
    ) -> Vec<Delivery<P>> {
        let cursor = self.place(held.log);
        match self.judge.learn_revocation(token, admitted) {
            Err(refusal) => {
                vec![Delivery::Suspect(Suspect { seq, admitted, ..suspect(&refusal, token, cursor) })]
            }
            Ok(new) => {
                self.held = Some(held);
                if !new {
                    return Vec::new();
                }
                let judge = &self.judge;
                let disowned = self.delivered.take_back(|id, chain, admitted| {
                    let disowned = judge.disowns(id, chain, admitted, cursor)?;
                    Some(Disowned { given_before: true, ..disowned })
                });
                disowned.into_iter().map(Delivery::Disowned).collect()
            }
        }
    }

    fn handle_mark(&mut self, mark: Cursor, head: Sequence) -> Option<Delivery<P>> {
        let Session::Subscribed { log, floor, caught_up } = &mut self.session else { return None };
        if mark.log != *log || mark.seq < *floor {
            return None;
        }
        *floor = mark.seq;
        self.position = Some(mark);
        if *caught_up || mark.seq < head {
            return None;
        }
        *caught_up = true;
        Some(Delivery::CaughtUp(mark))
    }
}
