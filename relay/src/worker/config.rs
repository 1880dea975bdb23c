//! The settings of a worker, each with its default and its reason.

use std::sync::Arc;

use vigie_proto::id::LogId;
use vigie_proto::session::relay::Rules;

use crate::own_credential::SharedCredential;
use crate::rates::Rates;
use crate::seats::Seats;

/// Publishes and revocations of one session that may wait for the disk; past it `busy`. A sync takes some milliseconds and
/// serves all that wait, so an author who waits for it with 32 at a time is held to his rate, 50 a second, and not to this:
/// no setting would make it better. Thousands of sessions that all have so many still meet `submissions_max` before memory.
pub const IN_FLIGHT_MAX: usize = 32;

/// What may wait for one session, in bytes, by default: about 200 alerts for a reader that pauses, and 10,000 stalled readers
/// stay under 2.5 GiB.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024;

/// Recent events that a worker keeps for those who are behind, in bytes, by default: a short pause needs no disk.
pub const RING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a worker is made of; the same for all of a relay but `index`.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Which worker it is.
    pub index: usize,
    /// What sessions are judged by.
    pub rules: Arc<Rules>,
    /// The log of the relay.
    pub log: LogId,
    /// The relay's own credential, told in `welcome`.
    pub relay: SharedCredential,
    /// What may wait for one session, in bytes (or one frame where that is larger). Default
    /// [`OUTBOX_BYTES_MAX`].
    pub outbox_bytes_max: usize,
    /// Recent events kept for those who are behind, in bytes. Default [`RING_BYTES_MAX`].
    pub ring_bytes_max: usize,
    /// Publishes of one session that may wait for the disk. Default [`IN_FLIGHT_MAX`]; a test may have less.
    pub in_flight_max: usize,
    /// How fast publishes may come, over all workers. Default without limits.
    pub rates: Arc<Rates>,
    /// Who has a session, over all workers. Default without limits.
    pub seats: Arc<Seats>,
}

impl WorkerConfig {
    /// With the defaults.
    pub fn new(index: usize, rules: Arc<Rules>, log: LogId) -> Self {
        Self {
            index,
            rules,
            log,
            relay: SharedCredential::default(),
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            ring_bytes_max: RING_BYTES_MAX,
            in_flight_max: IN_FLIGHT_MAX,
            rates: Arc::new(Rates::unlimited()),
            seats: Arc::new(Seats::unlimited()),
        }
    }
}
