//! What a worker does because time passes: marks, and the end of what took too long, expired or went silent.

use std::time::Duration;

use vigie_proto::frame::ServerFrame;
use vigie_proto::limits::STALE_MARK_INTERVALS_TENTHS;
use vigie_proto::refusal::Code;
use vigie_proto::time::Timestamp;

use super::session::Stage;
use super::{SessionId, Worker};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

/// From the decision to close to the end of the connection. A peer that takes what it is told drop by drop would else
/// hold its place for ever; an honest one on a bad line reads an outbox of 256 KiB in this time at 9 KiB/s.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(30);

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
        let Some(session) = self.session(id) else { return Timestamp::FAR_FUTURE };
        let last_heard = session.last_heard;
        let state = match &session.stage {
            Stage::LoggedIn(state) => state,
            Stage::AwaitLogin(_) => return self.end(id, Code::LoginTimeout),
            Stage::Closing => {
                session.overdue = true;
                self.wake(id);
                return Timestamp::FAR_FUTURE;
            }
        };
        #[cfg(feature = "sabotage")]
        let last_heard = if Sabotage::HalfOpenKept.is_planted() { now } else { last_heard };
        let (ends, interval) = (state.ends(), state.mark_interval());
        if now >= ends {
            return self.end(id, Code::SessionExpired);
        }
        if now.since(last_heard) > interval * STALE_MARK_INTERVALS_TENTHS / 10 {
            return self.end(id, Code::Unresponsive);
        }
        self.push_mark(id, now);
        now.plus(interval).min(ends)
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
                session.outbox.push_text(text.into());
            }
        }
        session.outbox.push_ping();
        self.wake(id);
    }
}
