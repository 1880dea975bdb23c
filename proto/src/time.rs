//! Moments on the wire: whole milliseconds since the Unix epoch (UTC), as JSON integers.
//!
//! Nothing here reads a clock: `now` is always an argument.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. From 0 to 2^53 − 1 on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Before every other moment.
    pub const EPOCH: Self = Self(0);
    /// After every moment that can stand on the wire.
    pub const FAR_FUTURE: Self = Self((1 << 53) - 1);

    /// Wraps a number of milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The number of milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This much later, at most [`Timestamp::FAR_FUTURE`].
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)).min(Self::FAR_FUTURE.0))
    }

    /// This much earlier, at least [`Timestamp::EPOCH`].
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A duration in whole milliseconds, as frames and statuses tell it; what is longer than 64 bits can say is as long as they can.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// When something holds: from `from` (included) until `until` (excluded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "an interval has two ends")]
pub struct Window {
    /// The first moment in it.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Window {
    /// Whether the moment lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// What lies in both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    /// Whether `inner` lies in this one.
    pub fn covers(&self, inner: &Self) -> bool {
        self.from <= inner.from && inner.until <= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn moments_stay_on_the_wire() {
        let second = Duration::from_secs(1);
        assert_eq!(Timestamp::FAR_FUTURE.as_millis(), 9_007_199_254_740_991);
        assert_eq!((at(5_000).plus(second), at(5_000).minus(second)), (at(6_000), at(4_000)));
        assert_eq!(at(999).minus(second), Timestamp::EPOCH);
        assert_eq!(Timestamp::FAR_FUTURE.minus(second).plus(second * 2), Timestamp::FAR_FUTURE);
        assert_eq!(at(1).plus(Duration::MAX), Timestamp::FAR_FUTURE);
        assert_eq!((at(5_000).since(at(4_000)), at(4_000).since(at(5_000))), (second, Duration::ZERO));
    }

    #[test]
    fn a_window_has_its_first_moment_and_not_its_last() {
        let window = |from, until| Window { from: at(from), until: at(until) };
        let middle = window(10, 20);
        assert_eq!([9, 10, 19, 20].map(|moment| middle.contains(at(moment))), [false, true, true, false]);
        for (inner, is_covered, in_both) in [
            (window(10, 20), true, window(10, 20)),
            (window(11, 19), true, window(11, 19)),
            (window(9, 20), false, window(10, 20)),
            (window(10, 21), false, window(10, 20)),
            (window(12, 25), false, window(12, 20)),
        ] {
            assert_eq!(middle.covers(&inner), is_covered, "{inner:?}");
            assert_eq!(middle.intersect(&inner), in_both);
            assert_eq!(inner.intersect(&middle), in_both);
        }
    }
}
