//! A relay with many clients, in one thread, under a seed, in virtual time, on a disk that forgets what was not synced.
//!
//! ```text
//! author.rs ─┐
//! issuer.rs ─┤                                             ┌─ relay.rs: sequencer, workers, queues
//! reader.rs ─┴ client.rs ── network.rs (frames, cut links) ┴─ SimDisk
//!        engine.rs picks the next step of any of them; faults.rs and disasters.rs break things
//!                         │ history.rs: what was done
//!                         └──► checker/: what must hold
//! ```
//!
//! Relay, journal, sessions and the SDK's reader are the real ones, joined at frames above TLS. Everything that happens
//! is picked by one generator of the seed, so a seed replays exactly; nothing reads a clock, and no map in random order is
//! walked. At the end all is healed, and everyone has to catch up.
//!
//! What it does not do: TLS, WebSocket and their limits, threads, more than one relay. The SDK's outbox and cursor store
//! need real files and are not in it: a killed author has what they promise (all it took over, not all its receipts), a
//! killed reader the cursor that it committed last.

pub mod random;
pub mod people;
pub mod author;
pub mod issuer;
pub mod reader;
pub mod client;
pub mod network;
pub mod bounds;
pub mod relay;
pub mod plant;
pub mod cast;
pub mod faults;
mod disasters;
mod sessions;
pub mod engine;

pub mod checker;
pub mod coverage;
pub mod history;

use checker::Violation;
use coverage::Coverage;
use history::History;
pub use plant::Plant;

/// What came of one simulation.
#[derive(Debug)]
pub struct Outcome {
    /// All that was done.
    pub history: History,
    /// What was met.
    pub coverage: Coverage,
    /// What the checker found.
    pub violations: Vec<Violation>,
}

/// Runs one simulation.
pub fn run(seed: u64, plant: Plant) -> Outcome {
    let (history, coverage) = engine::Sim::new(seed, plant).run();
    let violations = checker::judge(&history.records);
    Outcome { history, coverage, violations }
}
