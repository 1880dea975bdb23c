//! Whether a peer takes what it is given, as TCP tells it.
//!
//! A peer that drips, however slowly, answers a ping only when it has read what stands before it: from above TCP it looks
//! like one that is gone. So where something has waited for a while, TCP is asked how many bytes were acknowledged
//! ([`Effect::Look`]): while they become more the peer is there, when they do not for 30 s it is dropped.
//!
//! Linux has a rule for this, `TCP_USER_TIMEOUT`, and it cuts who drips: while the window is closed it counts until the whole
//! of the next segment fits into it, up to 64 KiB, and does not see the drops. It is off for a session that is watched here.
//!
//! Called by the deadlines (`deadlines.rs`), which come every [`LOOK_EVERY`] for this. A session whose pongs come costs no look.

use std::time::Duration;

use vigie_proto::time::{Timestamp, millis};

use super::session::{Session, Stage};
use super::{Effect, SessionId, Worker};

/// What TCP knows of the line to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "an answer is these two")]
pub struct Taken {
    /// Bytes that the peer has acknowledged, ever.
    pub acknowledged: u64,
    /// Bytes that it has not, sent or not.
    pub waiting: u64,
}

/// Bytes wait, and the peer acknowledged none for this long: it is gone, or takes nothing.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// From one visit to the next, or the interval of marks where that is shorter. At the first one after bytes were given they
/// may be too new to ask, so who is gone is found two of these later than promised, at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// One that turns behind and live again, time after time, is visited no more often than this.
const HURRY_EVERY: Duration = Duration::from_secs(1);

/// In bytes a second: one segment in 30 s. Who takes less is not told from one who takes nothing.
const PACE_MIN: u64 = 48;

/// What is known of a session that is watched.
#[derive(Debug)]
pub(super) struct Watch {
    every: Duration,
    /// When it was visited last, and when it is to be again.
    visited: Timestamp,
    next: Timestamp,
    /// What it had been given by the last visit.
    noted: u64,
    /// Up to here all that it was given is acknowledged.
    through: u64,
    /// A ping was put into its outbox, and nothing has come since.
    pub(super) pinged: bool,
    /// Bytes wait: so many were acknowledged when that was last seen to be more than before, or first looked at, and when
    /// that was.
    moved: Option<(u64, Timestamp)>,
    /// At which it was last seen to take what waits, in bytes a second, until its pongs come in time again.
    pace: Option<u64>,
}

impl Watch {
    fn new(every: Duration, now: Timestamp) -> Self {
        let (moved, pace) = (None, None);
        Self { every, visited: now, next: now.plus(every), noted: 0, through: 0, pinged: false, moved, pace }
    }
}

impl Session {
    /// Whether TCP is to be asked now: something has waited since the last visit, or as far as is known.
    fn is_late(&mut self, now: Timestamp) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        if now < watch.next {
            return false;
        }
        let through = watch.through.max(self.come_through);
        let is_silent = self.last_heard < watch.visited;
        // With bytes in the outbox the socket takes no more.
        let is_late = self.outbox.bytes() > 0
            || through < watch.noted
            || is_silent && (watch.pinged || through < self.outbox.given());
        if self.come_through >= watch.noted {
            watch.pace = None;
        }
        (watch.visited, watch.noted, watch.next) = (now, self.outbox.given(), now.plus(watch.every));
        if !is_late {
            watch.moved = None;
        }
        is_late
    }

    /// TCP was asked, and said this if it knew. Whether the peer is gone.
    fn note_taken(&mut self, taken: Option<Taken>, now: Timestamp) -> bool {
        let given = self.outbox.given();
        let Some(watch) = &mut self.watch else { return false };
        let before = watch.moved;
        let pace = match (before, taken) {
            (Some((before, since)), Some(taken)) if taken.acknowledged > before => {
                let time = millis(now.since(since));
                Some(((taken.acknowledged - before) * 1_000 / time.max(1)).max(PACE_MIN))
            }
            (None, _) | (_, None | Some(_)) => None,
        };
        if taken.is_some_and(|taken| taken.waiting == 0) {
            (watch.through, watch.pinged, watch.moved) = (given, false, None);
        } else if before.is_none() || pace.is_some() {
            watch.moved = Some((taken.map_or(0, |taken| taken.acknowledged), now));
        }
        let since = watch.moved.map_or(now, |(_, at)| at);
        watch.next = watch.next.min(since.plus(UNACKNOWLEDGED_MAX)).max(now);
        if pace.is_some() {
            watch.pace = pace;
            // As good as a pong, which may stand behind all that waits. Not where nothing does: the system of a peer that
            // hangs takes pings for it.
            self.note_heard(now);
        }
        now.since(since) >= UNACKNOWLEDGED_MAX
    }

    /// It has just turned behind: what waits for it is looked at from now on, and not from the next visit.
    fn hurry(&mut self, now: Timestamp) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        let first = watch.visited.plus(HURRY_EVERY).max(now);
        let is_sooner = watch.moved.is_none() && first < watch.next;
        if is_sooner {
            watch.next = first;
        }
        is_sooner
    }

    /// How slowly it takes things, as far as that was seen.
    pub(super) fn pace_seen(&self) -> Option<u64> {
        self.watch.as_ref()?.pace
    }

    /// When it is to be visited for this.
    pub(super) fn next_visit(&self) -> Timestamp {
        self.watch.as_ref().map_or(Timestamp::FAR_FUTURE, |watch| watch.next)
    }
}

impl Worker {
    /// TCP can be asked about the line of this session: from now on it is, and nobody else ends it for what waits.
    pub fn watch(&mut self, id: SessionId, now: Timestamp) {
        let Some(session) = self.session(id) else { return };
        let Stage::LoggedIn(state) = &session.stage else { return };
        let every = state.mark_interval().min(LOOK_EVERY);
        let watch = session.watch.insert(Box::new(Watch::new(every, now)));
        let at = session.deadline.min(watch.next);
        self.set_deadline(id, at);
    }

    /// The answer to an [`Effect::Look`]; `None` where the system did not tell.
    pub fn handle_taken(&mut self, id: SessionId, taken: Option<Taken>, now: Timestamp) {
        let Some(session) = self.session(id) else { return };
        if session.note_taken(taken, now) {
            tracing::debug!(session = id.index, "acknowledged nothing for too long");
            return self.drop_now(id);
        }
        let at = session.deadline.min(session.next_visit());
        self.set_deadline(id, at);
    }

    /// Looks soon at one that takes too little: it has just turned behind.
    pub(super) fn visit_soon(&mut self, id: SessionId) {
        let now = self.last_now;
        if let Some(session) = self.session(id)
            && session.hurry(now)
        {
            let at = session.deadline.min(session.next_visit());
            self.set_deadline(id, at);
        }
    }

    /// Asks how the line stands, where something waits on it; whether it was asked.
    pub(super) fn visit(&mut self, id: SessionId, now: Timestamp) -> bool {
        let is_late = self.session(id).is_some_and(|session| session.is_late(now));
        if is_late {
            self.effects.push_back(Effect::Look(id));
        }
        is_late
    }
}
