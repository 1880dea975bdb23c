//! Latencies by the million: buckets that grow with what they hold, 64 to each doubling, so that a percentile is off by
//! less than 1.6 %.

use std::time::Duration;

/// Buckets to each doubling.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.ilog2();
/// Up to 2^44 nanoseconds, almost five hours; what is longer counts as that.
const DOUBLINGS: u32 = 44;

/// How often each latency occurred.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; bucket(1 << DOUBLINGS) + 1], max_ns: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).min(1 << DOUBLINGS);
        self.counts[bucket(ns)] += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What so many of a thousand did not exceed, in microseconds; 0 when there is none.
    pub fn per_mille(&self, per_mille: u64) -> f64 {
        let wanted = (self.count() * per_mille).div_ceil(1_000).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0.0, |bucket| micros(upper(bucket).min(self.max_ns)))
    }

    /// The longest, in microseconds.
    pub fn max(&self) -> f64 {
        micros(self.max_ns)
    }
}

#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

/// Below `STEPS` each value has its own; from there on, `STEPS` to each doubling.
fn bucket(ns: u64) -> usize {
    let doublings = ns.max(1).ilog2().saturating_sub(STEP_BITS);
    usize::try_from(u64::from(doublings) * STEPS + (ns >> doublings)).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    ((bucket - doublings * STEPS + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_whose_upper_end_is_at_most_a_sixty_fourth_above_it() {
        for ns in (0..2_000).chain((0..44).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1])) {
            let upper = upper(bucket(ns));
            assert!(upper >= ns && upper - ns <= ns / STEPS, "{ns} in a bucket up to {upper}");
            assert_eq!(bucket(upper), bucket(ns));
        }
    }

    #[test]
    fn percentiles_are_those_of_what_was_counted() {
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|micros| histogram.add(Duration::from_micros(micros)));
        for (per_mille, micros) in [(500, 500.0), (990, 990.0), (1_000, 1_000.0)] {
            let found = histogram.per_mille(per_mille);
            assert!(found >= micros && found <= micros * 1.017, "{per_mille}: {found}");
        }
        assert_eq!((histogram.count(), histogram.max()), (1_000, 1_000.0));
    }
}
