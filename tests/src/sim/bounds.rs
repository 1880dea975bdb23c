//! The bounds of a simulated relay, roomy or drawn under the seed.

use std::time::Duration;

use vigie_relay::journal::{JournalConfig, RETAIN_AGE, RETAIN_BYTES};

use super::random::Chance;

/// Workers of a relay at most.
pub const WORKERS_MAX: usize = 3;

/// The bounds of a relay: small in many simulations, so that what happens at them does happen.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Workers.
    pub workers: usize,
    /// See [`vigie_relay::worker::WorkerConfig`].
    pub outbox_bytes_max: usize,
    /// See [`vigie_relay::worker::WorkerConfig`].
    pub ring_bytes_max: usize,
    /// See [`vigie_relay::worker::WorkerConfig`].
    pub in_flight_max: usize,
    /// Batches that may wait for a worker.
    pub batches_max: usize,
    /// Publishes that may wait for the sequencer.
    pub submissions_max: usize,
    /// Reads that may wait.
    pub reads_max: usize,
    /// Publishes in one sync.
    pub batch_messages_max: usize,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// See [`JournalConfig`].
    pub retain_age: Duration,
    /// See [`JournalConfig`].
    pub retain_bytes: u64,
    /// A journal at rest looks this often whether something may go.
    pub retain_every: Duration,
}

impl Bounds {
    /// One worker, and room for everything.
    pub const fn roomy() -> Self {
        Self {
            workers: 1,
            outbox_bytes_max: 256 * 1024,
            ring_bytes_max: 4 * 1024 * 1024,
            in_flight_max: 32,
            batches_max: 64,
            submissions_max: 64,
            reads_max: 64,
            batch_messages_max: 64,
            segment_bytes: 256 * 1024,
            retain_age: RETAIN_AGE,
            retain_bytes: RETAIN_BYTES,
            retain_every: Duration::from_secs(60),
        }
    }

    /// Under the seed.
    pub fn new(chance: &mut Chance) -> Self {
        Self {
            workers: chance.below(WORKERS_MAX) + 1,
            outbox_bytes_max: *chance.pick(&[2_000, 4_000, 10_000, 256 * 1024]),
            ring_bytes_max: *chance.pick(&[1, 3_000, 12_000, 4 * 1024 * 1024]),
            in_flight_max: *chance.pick(&[1, 4, 32]),
            batches_max: *chance.pick(&[1, 2, 64]),
            submissions_max: *chance.pick(&[2, 64]),
            reads_max: *chance.pick(&[1, 64, 64]),
            batch_messages_max: *chance.pick(&[1, 4, 64]),
            segment_bytes: *chance.pick(&[4 * 1024, 16 * 1024, 256 * 1024]),
            retain_age: *chance.pick(&[RETAIN_AGE, Duration::from_secs(3), Duration::from_secs(15)]),
            retain_bytes: *chance.pick(&[RETAIN_BYTES, 12 * 1024, 40 * 1024]),
            retain_every: Duration::from_millis(*chance.pick(&[500, 4_000])),
        }
    }

    /// The settings of the journal.
    pub fn journal(&self) -> JournalConfig {
        let mut config = JournalConfig::new();
        config.segment_bytes = self.segment_bytes;
        config.retain_age = self.retain_age;
        config.retain_bytes = self.retain_bytes;
        config
    }
}
