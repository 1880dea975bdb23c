//! What a worker does when the relay stops: tells each session when to come back, gives it what it is owed, closes it.
//!
//! Readers that are all told the same come back within half a second of it, ten thousand of them to a relay that has room
//! for two thousand strangers: most are turned away, and what their handshakes cost is lost. So they are told to come one
//! after another. What is not done here: to spread those whose relay was killed; their own waits do (PROTOCOL.md, part 2).

use std::time::Duration;

use vigie_proto::frame::ServerFrame;
use vigie_proto::refusal::Code;
use vigie_proto::time::millis;

use super::{SessionId, Worker};

/// From one session of a worker to the next, when they are told to come back: a log-in takes about a quarter of it of a
/// core, which also serves those who are back.
const RETURN_EVERY: Duration = Duration::from_millis(1);

/// Sessions that are told to come one after another; the next is told the same as the first. So nobody is kept away by
/// more than 10 s, and a worker has so many only where the operator gave it more connections than by default.
const RETURNS_MAX: u32 = 10_000;

/// When the session of this number, from 0, is to come back.
fn returns_after(retry: Duration, number: u32) -> Duration {
    retry.saturating_add(RETURN_EVERY * (number % RETURNS_MAX))
}

impl Worker {
    /// The relay stops: every session is told when to come back, none before `retry`, is heard no more, and is closed
    /// once it has been given what waits, the answers to what it has published included.
    pub fn handle_shutdown(&mut self, retry: Duration) {
        self.going_away = Some(retry);
        for (id, number) in self.all_sessions().into_iter().zip(0..) {
            self.send_away(id, returns_after(retry, number));
        }
    }

    pub(super) fn send_away(&mut self, id: SessionId, retry: Duration) {
        self.push_text(id, ServerFrame::GoingAway { retry_ms: millis(retry) }.to_text());
        let Some(session) = self.session(id) else { return };
        session.leaving = true;
        self.close_if_answered(id);
    }

    /// Closes a session that is leaving, unless the disk still owes it an answer.
    pub(super) fn close_if_answered(&mut self, id: SessionId) {
        if self.session(id).is_some_and(|session| session.leaving && session.in_flight == 0) {
            self.close(id, Code::GoingAway);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_told_to_come_back_one_after_another_and_none_is_kept_away() {
        let retry = Duration::from_secs(2);
        assert_eq!(returns_after(retry, 0), retry);
        assert_eq!(returns_after(retry, 2_000), Duration::from_secs(4));
        assert_eq!(returns_after(retry, RETURNS_MAX - 1), Duration::from_millis(11_999));
        assert_eq!(returns_after(retry, RETURNS_MAX), retry);
        assert_eq!(returns_after(Duration::MAX, 1), Duration::MAX);
    }
}
