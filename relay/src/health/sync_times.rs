//! How long the disk takes to sync: the last time, and the worst of the last minute.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A minute, and the part of one that has begun.
const SLOTS: usize = 7;

/// The worst is kept for each of these, so it is that of the last 60 to 70 seconds.
const SLOT: Duration = Duration::from_secs(10);

/// The bounds of the histogram: from a disk with a buffer of its own to one that hangs.
pub const SYNC_WITHIN: [Duration; 12] = {
    const fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }
    [
        us(100),
        us(250),
        us(500),
        us(1_000),
        us(2_500),
        us(5_000),
        us(10_000),
        us(25_000),
        us(100_000),
        us(500_000),
        us(2_000_000),
        us(10_000_000),
    ]
};

/// Of [`Status`](super::Status): how long the disk takes to make something durable (`fdatasync`), in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SyncStatus {
    /// The last time.
    pub last_us: u64,
    /// The longest of the last minute; 0 when there was none.
    pub worst_minute_us: u64,
    /// How often, since the start.
    #[serde(default)]
    pub count: u64,
    /// All of them together.
    #[serde(default)]
    pub total_us: u64,
    /// How many took at most as long as each of [`SYNC_WITHIN`], the longer ones including the shorter ones.
    #[serde(default)]
    pub within: Vec<u64>,
}

/// Times of syncs. Written by the thread that syncs, read by anyone.
#[derive(Debug)]
pub(crate) struct SyncTimes {
    began: Instant,
    last_us: AtomicU64,
    /// Each the number of its ten seconds (upper half, counted from 1) and the worst in them in microseconds (lower
    /// half, 71 minutes at most).
    worst: [AtomicU64; SLOTS],
    total_us: AtomicU64,
    /// By the first of [`SYNC_WITHIN`] that was kept; the last is for those that kept none.
    counts: [AtomicU64; SYNC_WITHIN.len() + 1],
}

impl SyncTimes {
    pub(crate) const fn new(began: Instant) -> Self {
        Self {
            began,
            last_us: AtomicU64::new(0),
            worst: [const { AtomicU64::new(0) }; SLOTS],
            total_us: AtomicU64::new(0),
            counts: [const { AtomicU64::new(0) }; SYNC_WITHIN.len() + 1],
        }
    }

    /// A sync took so long, and ends now.
    pub(super) fn note(&self, took: Duration) {
        self.note_at(self.began.elapsed(), took);
    }

    /// All that is known of them.
    pub(super) fn status(&self) -> SyncStatus {
        let (last_us, worst_minute_us) = self.at(self.began.elapsed());
        let mut within: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        for index in 1..within.len() {
            within[index] += within[index - 1];
        }
        let count = within.pop().unwrap_or_default();
        SyncStatus {
            last_us,
            worst_minute_us,
            count,
            total_us: self.total_us.load(Ordering::Relaxed),
            within,
        }
    }

    fn note_at(&self, at: Duration, took: Duration) {
        let (number, us) = (number(at), u64::from(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)));
        self.last_us.store(us, Ordering::Relaxed);
        self.total_us.fetch_add(us, Ordering::Relaxed);
        let bucket = SYNC_WITHIN.iter().position(|within| took <= *within).unwrap_or(SYNC_WITHIN.len());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
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
        let sums = times.status();
        assert_eq!((sums.count, sums.total_us), (5, 9_000 + 700_000 + 2_000 + 3_000 + 1_000));
        assert_eq!(sums.within, [0, 0, 0, 1, 2, 3, 4, 4, 4, 4, 5, 5], "each with those below it");
        times.note_at(second(500), second(1 << 40));
        assert_eq!(times.at(second(500)).1, u64::from(u32::MAX));
    }
}
