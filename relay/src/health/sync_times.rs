//! How long the disk takes to sync: the last time, and the worst of the last minute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A minute, and the part of one that has begun.
const SLOTS: usize = 7;

/// The worst is kept for each of these, so it is that of the last 60 to 70 seconds.
const SLOT: Duration = Duration::from_secs(10);

/// Times of syncs. Written by the thread that syncs, read by anyone.
#[derive(Debug)]
pub(crate) struct SyncTimes {
    began: Instant,
    last_us: AtomicU64,
    /// Each the number of its ten seconds (upper half, counted from 1) and the worst in them in microseconds (lower
    /// half, 71 minutes at most).
    worst: [AtomicU64; SLOTS],
}

impl SyncTimes {
    pub(crate) const fn new(began: Instant) -> Self {
        Self { began, last_us: AtomicU64::new(0), worst: [const { AtomicU64::new(0) }; SLOTS] }
    }

    /// A sync took so long, and ends now.
    pub(super) fn note(&self, took: Duration) {
        self.note_at(self.began.elapsed(), took);
    }

    /// The last and the worst, in microseconds; zero before the first.
    pub(super) fn last_and_worst_us(&self) -> (u64, u64) {
        self.at(self.began.elapsed())
    }

    fn note_at(&self, at: Duration, took: Duration) {
        let (number, us) = (number(at), u64::from(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)));
        self.last_us.store(us, Ordering::Relaxed);
        // The remainder is below the number of slots. One thread syncs at a time, so nothing is lost in between.
        let slot = &self.worst[(number % SLOTS as u64) as usize];
        let before = slot.load(Ordering::Relaxed);
        if before >> 32 != number || us > before & u64::from(u32::MAX) {
            slot.store(number << 32 | us, Ordering::Relaxed);
        }
    }

    fn at(&self, now: Duration) -> (u64, u64) {
        let oldest = number(now).saturating_sub(SLOTS as u64 - 1);
        let slots = self.worst.iter().map(|slot| slot.load(Ordering::Relaxed));
        let worst = slots.filter(|slot| slot >> 32 >= oldest).map(|slot| slot & u64::from(u32::MAX)).max();
        (self.last_us.load(Ordering::Relaxed), worst.unwrap_or_default())
    }
}

const fn number(at: Duration) -> u64 {
    at.as_secs() / SLOT.as_secs() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_that_of_the_last_minute_and_the_last_is_the_last() {
        let times = SyncTimes::new(Instant::now());
        let (second, ms) = (Duration::from_secs, Duration::from_millis);
        assert_eq!(times.at(second(0)), (0, 0));
        times.note_at(second(1), ms(9));
        times.note_at(second(2), ms(700));
        times.note_at(second(3), ms(2));
        assert_eq!(times.at(second(3)), (2_000, 700_000));
        times.note_at(second(59), ms(3));
        assert_eq!(times.at(second(62)), (3_000, 700_000), "60 seconds ago");
        assert_eq!(times.at(second(75)), (3_000, 3_000), "the 700 ms are older than 70 seconds");
        times.note_at(second(75), ms(1));
        assert_eq!(times.at(second(75)), (1_000, 3_000));
        assert_eq!(times.at(second(500)), (1_000, 0));
        times.note_at(second(500), second(1 << 40));
        assert_eq!(times.at(second(500)).1, u64::from(u32::MAX));
    }
}
