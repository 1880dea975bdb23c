//! The relay's time: a wall clock that cannot jump unseen.
//!
//! Timers and sessions run on [`Clock::steady`], which follows the monotonic clock and takes small corrections of the
//! wall clock, never a jump: so a jump ends no session. Only `admitted` comes from [`Clock::admission`], which refuses
//! while wall and monotonic clock are apart.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

/// Where time comes from: the machine, or a test.
pub trait TimeSource: Send + Sync + std::fmt::Debug {
    /// Since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
    /// What the machine believes the time is.
    fn wall(&self) -> Timestamp;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct MachineTime {
    started: Instant,
}

impl Default for MachineTime {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl TimeSource for MachineTime {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH.plus(since_epoch)
    }
}

/// The machine's clocks, with an offset of the wall clock that a test moves.
#[derive(Debug, Default)]
pub struct ShiftedTime {
    machine: MachineTime,
    offset_ms: AtomicI64,
}

impl ShiftedTime {
    /// Moves the wall clock from the machine's.
    pub fn shift(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }
}

impl TimeSource for ShiftedTime {
    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }

    fn wall(&self) -> Timestamp {
        let millis = self.machine.wall().as_millis();
        Timestamp::from_millis(millis.saturating_add_signed(self.offset_ms.load(Ordering::Relaxed)))
    }
}

/// Where the wall clock was last believed.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    monotonic: Duration,
    wall: Timestamp,
}

/// The relay's clock, shared by all its threads.
#[derive(Debug)]
pub struct Clock {
    source: Box<dyn TimeSource>,
    anchor: Mutex<Anchor>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Box::new(MachineTime::default()))
    }
}

impl Clock {
    /// Believes the wall clock once, now.
    pub fn new(source: Box<dyn TimeSource>) -> Self {
        let anchor = Anchor { monotonic: source.monotonic(), wall: source.wall() };
        Self { source, anchor: Mutex::new(anchor) }
    }

    /// Now, for timers and sessions.
    pub fn steady(&self) -> Timestamp {
        self.read().0
    }

    /// Now, for `admitted`.
    ///
    /// # Errors
    /// `clock_suspect` (retryable) while the wall clock is more than 120 s from where the monotonic clock says it
    /// should be: it lasts until the wall clock is back, or the relay is restarted by someone who has looked.
    pub fn admission(&self) -> Result<Timestamp, Refusal> {
        let (now, suspect) = self.read();
        if suspect { Err(Code::ClockSuspect.into()) } else { Ok(now) }
    }

    fn read(&self) -> (Timestamp, bool) {
        let mut anchor = self.anchor.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (monotonic, wall) = (self.source.monotonic(), self.source.wall());
        let steady = anchor.wall.plus(monotonic.saturating_sub(anchor.monotonic));
        if wall.since(steady).max(steady.since(wall)) > CLOCK_SKEW_MAX {
            return (steady, true);
        }
        // Followed in small steps: a clock that is slewed by NTP is no clock that jumped.
        *anchor = Anchor { monotonic, wall };
        (wall, false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Debug, Clone)]
    struct Shared(Arc<ShiftedTime>);

    impl TimeSource for Shared {
        fn monotonic(&self) -> Duration {
            self.0.monotonic()
        }
        fn wall(&self) -> Timestamp {
            self.0.wall()
        }
    }

    #[test]
    fn a_jump_suspends_admission_and_moves_no_timer() {
        let source = Shared(Arc::default());
        let clock = Clock::new(Box::new(source.clone()));
        let before = clock.steady();
        for jump in [121_000, -121_000, i64::from(i32::MAX)] {
            source.0.shift(jump);
            assert_eq!(clock.admission().unwrap_err().code, Code::ClockSuspect, "{jump}");
            let now = clock.steady();
            assert!(now.since(before) < Duration::from_secs(60) && before.since(now).is_zero(), "{jump}");
        }
        source.0.shift(100_000);
        assert!(clock.admission().unwrap().since(before) >= Duration::from_secs(99));
    }
}
