//! When the journal rests, and when it makes a step of retention: told of each sync and each silence by the journal thread.
//!
//! It rests once nothing was published for a moment. At rest it lets go of what is old, a step at a time as long as more is
//! due, and looks again now and then. Where publishes never pause it does both all the same, seldom enough to cost little.
//!
//! A plain struct without a clock. Does not touch the journal, and does not know what is due.

use std::time::{Duration, Instant};

/// After this long without a publish the journal rests. Short, since until then the last batch is proven by nothing
/// after it; long enough not to pay a second sync for each of a row of lone publishes.
const REST_AFTER: Duration = Duration::from_millis(10);

/// A journal at rest looks this often whether something has become old enough to go: ages are counted in days.
const RETAIN_EVERY: Duration = Duration::from_secs(60);

/// A journal at rest shows this often that its thread moves, and looks for room again where there was none.
const MOVE_EVERY: Duration = Duration::from_secs(1);

/// Where publishes never pause that long, it is done once in so many syncs: a step costs about as much as a few of them.
const SYNCS_WITHOUT_REST_MAX: u32 = 256;

/// And as long as more is due to go, after so much was written, in bytes of events: a quarter of what a step lets go, so
/// that the journal shrinks also where publishes never pause.
const WRITTEN_WITHOUT_REST_MAX: usize = 1024 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Cadence {
    /// Since the journal last rested; less than [`SYNCS_WITHOUT_REST_MAX`].
    syncs: u32,
    /// Bytes of events, since the journal last rested.
    written: usize,
    /// It has rested since the last sync.
    at_rest: bool,
    /// What the last step of retention said.
    more_is_due: bool,
    /// When that was.
    stepped: Instant,
}

impl Cadence {
    /// Of a journal that was opened now: it has not rested yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { syncs: 0, written: 0, at_rest: false, more_is_due: false, stepped: now }
    }

    /// How long the thread waits for a publish.
    pub(super) const fn wait(&self) -> Duration {
        if !self.at_rest {
            REST_AFTER
        } else if self.more_is_due {
            Duration::ZERO
        } else {
            MOVE_EVERY
        }
    }

    /// A batch of so many bytes of events is on disk and told. Says whether the journal is to rest and to make a step of
    /// retention before the next one.
    #[must_use]
    pub(super) const fn handle_sync(&mut self, written: usize) -> bool {
        self.at_rest = false;
        self.syncs += 1;
        self.written += written;
        let is_due = self.syncs >= SYNCS_WITHOUT_REST_MAX
            || (self.more_is_due && self.written >= WRITTEN_WITHOUT_REST_MAX);
        if is_due {
            (self.syncs, self.written) = (0, 0);
        }
        is_due
    }

    /// Nothing came for as long as [`Cadence::wait`] says: the journal is to rest. Says whether a step of retention is due
    /// too.
    #[must_use]
    pub(super) fn handle_silence(&mut self, now: Instant) -> bool {
        (self.syncs, self.written) = (0, 0);
        let is_first = !std::mem::replace(&mut self.at_rest, true);
        is_first || self.more_is_due || now >= self.stepped + RETAIN_EVERY
    }

    /// A step of retention was made, and said whether another one is due.
    pub(super) const fn handle_step(&mut self, more_is_due: bool, now: Instant) {
        (self.more_is_due, self.stepped) = (more_is_due, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MIB: usize = 1024 * 1024;

    #[test]
    fn it_rests_ten_milliseconds_after_a_publish_and_moves_each_second() {
        let now = Instant::now();
        let mut cadence = Cadence::new(now);
        for _ in 0..2 {
            assert_eq!(cadence.wait(), Duration::from_millis(10));
            assert!(cadence.handle_silence(now), "what became old meanwhile goes at once");
            cadence.handle_step(false, now);
            assert_eq!(cadence.wait(), SECOND);
            assert!(!cadence.handle_silence(now + SECOND));
            assert_eq!(cadence.wait(), SECOND);
            assert!(!cadence.handle_sync(1));
        }
    }

    #[test]
    fn at_rest_it_looks_each_minute_and_goes_on_at_once_while_more_is_due() {
        let now = Instant::now();
        let mut cadence = Cadence::new(now);
        assert!(cadence.handle_silence(now));
        for _ in 0..3 {
            cadence.handle_step(true, now);
            assert_eq!(cadence.wait(), Duration::ZERO);
            assert!(cadence.handle_silence(now));
        }
        cadence.handle_step(false, now);
        assert!(!cadence.handle_silence(now + 59 * SECOND));
        for minute in 1..4 {
            assert!(cadence.handle_silence(now + minute * 60 * SECOND));
            cadence.handle_step(false, now + minute * 60 * SECOND);
            assert!(!cadence.handle_silence(now + minute * 60 * SECOND + 59 * SECOND));
        }
    }

    #[test]
    fn where_publishes_never_pause_it_rests_once_in_256_syncs() {
        let mut cadence = Cadence::new(Instant::now());
        for round in 0..3 {
            for sync in 1..256 {
                assert!(
                    !cadence.handle_sync(MIB),
                    "{round}, {sync}: nothing more is due, however much is written"
                );
            }
            assert!(cadence.handle_sync(0), "{round}");
            cadence.handle_step(false, Instant::now());
        }
        for _ in 0..255 {
            assert!(!cadence.handle_sync(0));
        }
        assert!(cadence.handle_silence(Instant::now()));
        assert!(!cadence.handle_sync(0), "it rested meanwhile");
    }

    #[test]
    fn where_publishes_never_pause_and_more_is_due_a_step_is_made_for_each_mib() {
        let mut cadence = Cadence::new(Instant::now());
        cadence.handle_step(true, Instant::now());
        for _ in 0..3 {
            assert!(!cadence.handle_sync(MIB - 1));
            assert!(cadence.handle_sync(1));
            cadence.handle_step(true, Instant::now());
        }
        assert!(!cadence.handle_sync(MIB - 1));
        assert!(cadence.handle_silence(Instant::now()));
        assert!(!cadence.handle_sync(1), "a step was made meanwhile");
    }
}
