//! What a worker makes of the line to a peer, below its frames: pings and pongs, and a peer that has ended its half.

use std::time::Duration;

use vigie_proto::refusal::Code;
use vigie_proto::time::Timestamp;

use super::session::Stage;
use super::{SessionId, Worker};

/// One ping or pong, on average: a relay asks for one a second at most, and a client that asks as often is in a hurry.
const CONTROL_EVERY: Duration = Duration::from_millis(50);

/// Pings and pongs at once. A client that was away answers all that waited for it: one a second in the time of the largest
/// messages on the slowest line.
const CONTROLS_AT_ONCE: u32 = 200;

impl Worker {
    /// The peer showed that it is there: a pong with the number of its [`Output::Ping`](super::Output::Ping); 0 for any
    /// other sign of life.
    pub fn handle_pong(&mut self, id: SessionId, number: u64, now: Timestamp) {
        if let Some(session) = self.session(id) {
            session.note_heard(now);
            session.come_through = session.come_through.max(number.min(session.outbox.given()));
        }
    }

    /// So many pings and pongs came. False when they are too many: the peer is told and closed.
    pub fn handle_controls(&mut self, id: SessionId, controls: u32, now: Timestamp) -> bool {
        let Some(session) = self.session(id) else { return true };
        session.controls_until = session.controls_until.max(now).plus(CONTROL_EVERY * controls);
        let is_flood = session.controls_until.since(now) > CONTROL_EVERY * CONTROLS_AT_ONCE;
        if is_flood {
            self.handle_violation(id, Code::TooManyPings);
        }
        !is_flood
    }

    /// The peer has ended its half of the connection without a close frame: it is given what it has asked for and what is
    /// on its way, and no more alerts.
    pub fn handle_half_close(&mut self, id: SessionId) {
        if let Some(session) = self.session(id) {
            session.subscription = None;
            self.topics.leave(id.index);
        }
    }

    /// Whether the peer has an answer to all that it asked. One that has ended its half is heard of no more, and ends as
    /// `unresponsive` where the disk takes too long.
    pub fn is_answered(&self, id: SessionId) -> bool {
        let session = self.sessions.get(id.index).filter(|session| session.generation == id.generation);
        session.is_none_or(|session| {
            let is_owed = session.in_flight > 0 || session.reading_history;
            !matches!(session.stage, Stage::LoggedIn(_)) || !is_owed && session.outbox.bytes() == 0
        })
    }
}
