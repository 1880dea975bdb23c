//! What a worker does because time passes: marks, and the end of what took too long, expired or went silent.

use std::time::Duration;

use vigie_proto::frame::ServerFrame;
use vigie_proto::limits::STALE_MARK_INTERVALS_TENTHS;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

use super::calls::Call;
use super::session::{Called, Stage};
use super::{SessionId, Worker};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

/// From the decision to close to the end of the connection. A peer that takes what it is told drop by drop would else
/// hold its place for ever; an honest one on a bad line reads an outbox of 256 KiB in this time at 9 KiB/s.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(30);

/// The slowest line that is waited for, in bytes a second: a phone at the edge of a 2G cell. What was given and not
/// answered for yet may take this long before the ping behind it is even seen, and the pong can come.
const SLOWEST_LINE: u64 = 1024;

/// The most that is waited for on that account: two messages of the largest kind, about what a socket holds.
const ON_ITS_WAY_MAX: u64 = 512 * 1024;

impl Worker {
    /// When [`Worker::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Sends marks, and ends what took too long, expired or went silent.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.last_now = now;
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                return;
            }
            let next = self.handle_deadline(id, now);
            self.deadlines.remove(&(deadline, id));
            self.set_deadline(id, next);
        }
    }

    fn handle_deadline(&mut self, id: SessionId, now: Timestamp) -> Timestamp {
        let looks = self.visit(id, now);
        let Some(session) = self.session(id) else { return Timestamp::FAR_FUTURE };
        if session.outbox.bytes() > 0 {
            // The socket takes no more. Whether the peer acknowledges any of it, TCP knows: it is dropped after 30 s without
            // (`taking.rs`). The pong that is missing may stand behind all that.
            session.last_heard = now;
        }
        let pace = session.pace_seen().map_or(SLOWEST_LINE, |pace| pace.min(SLOWEST_LINE));
        let on_its_way = (session.outbox.given() - session.come_through).min(ON_ITS_WAY_MAX);
        let (last_heard, next_mark, visit) = (session.last_heard, session.next_mark, session.next_visit());
        let state = match &session.stage {
            Stage::LoggedIn(state) => state,
            Stage::AwaitLogin(_) => return self.end(id, Code::LoginTimeout),
            Stage::Closing => {
                self.drop_now(id);
                return Timestamp::FAR_FUTURE;
            }
        };
        #[cfg(feature = "sabotage")]
        let last_heard = if Sabotage::HalfOpenKept.is_planted() { now } else { last_heard };
        let (ends, interval) = (state.ends(), state.mark_interval());
        #[cfg(feature = "sabotage")]
        let ends = if Sabotage::ExpiredSessionStays.is_planted() { Timestamp::FAR_FUTURE } else { ends };
        if now >= ends {
            // As by a revocation: what waits is not for one whose time is over.
            return self.end_at_once(id, &Refusal::from(Code::SessionExpired));
        }
        let silent_from = last_heard.plus(may_be_silent_for(interval, on_its_way, pace));
        // Not before TCP has said that it took nothing either: that counts as a sign of life.
        if now > silent_from && !looks {
            return self.end(id, Code::Unresponsive);
        }
        let mut next = next_mark;
        if now >= next_mark {
            self.push_mark(id, now);
            next = now.plus(interval);
            if let Some(session) = self.session(id) {
                session.next_mark = next;
            }
        }
        let soon = Duration::from_millis(1);
        next.min(ends).min(visit).min(silent_from.plus(soon)).max(now.plus(soon))
    }

    /// It was told to close and has not taken it: its connection is dropped, whatever it still has to write.
    pub(super) fn drop_now(&mut self, id: SessionId) {
        let Some(session) = self.session(id) else { return };
        session.overdue = true;
        // Whether or not it was called before: a driver whose socket takes nothing has not come back since.
        session.called = Called::Not;
        self.call(id, Call::Urgent);
    }

    /// Tells why and closes; the next deadline is that of the close.
    fn end(&mut self, id: SessionId, code: Code) -> Timestamp {
        self.handle_violation(id, code);
        self.last_now.plus(CLOSE_WITHIN)
    }

    pub(super) fn set_deadline(&mut self, id: SessionId, at: Timestamp) {
        let Some(session) = self.session(id) else { return };
        let before = std::mem::replace(&mut session.deadline, at);
        self.deadlines.remove(&(before, id));
        self.deadlines.insert((at, id));
    }

    /// Says where the session stands, and asks whether it is there.
    pub(super) fn push_mark(&mut self, id: SessionId, now: Timestamp) {
        let (log, head, bound) = (self.config.log, self.head, self.config.outbox_bytes_max);
        let Some(session) = self.session(id) else { return };
        if let Some(at) = session.position(head) {
            #[cfg(feature = "sabotage")]
            let at = if Sabotage::MarkTooFar.is_planted() { head.max(at) } else { at };
            let head = head.max(at).seq;
            let mark = ServerFrame::Mark { log, seq: at.seq, admitted: at.admitted, head, now };
            // Without room the events that wait say as much: the next mark follows them.
            let text = mark.to_text();
            if session.outbox.has_room(text.len(), bound) {
                session.outbox.push_mark(text.into());
            }
        }
        session.outbox.push_ping();
        if let Some(watch) = &mut session.watch {
            watch.pinged = true;
        }
        self.call(id, Call::Plain);
    }
}

/// How long nothing may come from a peer: 2.4 mark intervals, since each mark goes with a ping, and the time that what is
/// on its way to it takes on the slowest line, or at the pace at which it was seen to take things, in bytes a second. So
/// one that asked for marks every 300 s, to save its battery, is found to be gone after 12 minutes; with the 5 s by default,
/// after 12 s.
fn may_be_silent_for(interval: Duration, on_its_way: u64, pace: u64) -> Duration {
    interval * STALE_MARK_INTERVALS_TENTHS / 10 + Duration::from_millis(on_its_way * 1_000 / pace)
}
