//! The relay's time: a wall clock that cannot jump unseen.
//!
//! Timers and sessions run on [`Clock::steady`], which runs with the monotonic clock and follows the wall clock slowly,
//! never in a step: so a jump ends no session. Only `admitted` comes from [`Clock::admission`], which refuses
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

/// How fast the steady time may follow the wall clock: 1 in 100. A drifting clock is followed, since the worst crystal
/// drifts a hundred times less; a step of a minute moves no timer by more than a hundredth of what it waits.
const SLEW_DIVISOR: u32 = 100;

/// The steady time at the last look.
#[derive(Debug, Clone, Copy)]
struct Steady {
    /// The monotonic clock then.
    monotonic: Duration,
    /// Since the Unix epoch.
    time: Duration,
}

/// The relay's clock, shared by all its threads.
#[derive(Debug)]
pub struct Clock {
    source: Box<dyn TimeSource>,
    steady: Mutex<Steady>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Box::new(MachineTime::default()))
    }
}

impl Clock {
    /// Believes the wall clock once, now.
    pub fn new(source: Box<dyn TimeSource>) -> Self {
        let time = Duration::from_millis(source.wall().as_millis());
        let steady = Steady { monotonic: source.monotonic(), time };
        Self { source, steady: Mutex::new(steady) }
    }

    /// Now, for timers and sessions: no step of the wall clock, large or small, moves it.
    pub fn steady(&self) -> Timestamp {
        self.read().0
    }

    /// Now, for `admitted`: what the wall clock says.
    ///
    /// # Errors
    /// `clock_suspect` (retryable) while the wall clock is more than 120 s from the steady time: it lasts until the wall
    /// clock is back, or the relay is restarted by someone who has looked. A row of smaller steps comes to the same.
    pub fn admission(&self) -> Result<Timestamp, Refusal> {
        let (_, wall, apart) = self.read();
        if apart > CLOCK_SKEW_MAX { Err(Code::ClockSuspect.into()) } else { Ok(wall) }
    }

    /// The steady time, the wall clock, and how far they are apart.
    fn read(&self) -> (Timestamp, Timestamp, Duration) {
        let mut steady = self.steady.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (monotonic, wall) = (self.source.monotonic(), self.source.wall());
        let passed = monotonic.saturating_sub(steady.monotonic);
        let wall_time = Duration::from_millis(wall.as_millis());
        let mut time = steady.time.saturating_add(passed);
        let apart = time.abs_diff(wall_time);
        // A clock that is not believed is not followed either.
        if apart <= CLOCK_SKEW_MAX {
            let correction = apart.min(passed / SLEW_DIVISOR);
            time = if wall_time > time {
                time.saturating_add(correction)
            } else {
                time.saturating_sub(correction)
            };
        }
        *steady = Steady { monotonic: steady.monotonic.max(monotonic), time };
        (Timestamp::EPOCH.plus(time), wall, apart)
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

    #[test]
    fn a_step_that_is_believed_moves_no_timer_and_a_row_of_them_is_not_believed() {
        let source = Shared(Arc::default());
        let clock = Clock::new(Box::new(source.clone()));
        let before = clock.steady();
        for step in [60_000, -60_000, 119_000] {
            source.0.shift(step);
            let wall = clock.admission().unwrap();
            assert!(
                wall.since(before).max(before.since(wall)) >= Duration::from_secs(59),
                "{step}: admitted by the wall"
            );
            let now = clock.steady();
            assert!(now >= before && now.since(before) < Duration::from_secs(30), "{step}: no timer moves");
        }
        source.0.shift(238_000);
        assert_eq!(clock.admission().unwrap_err().code, Code::ClockSuspect);
    }
}
