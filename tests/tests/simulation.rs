//! What is promised holds for a relay with many clients under power cuts at any moment, failing, full and damaged disks,
//! retention, restored journals, cut links, slow readers, killed clients, clocks that step, and people who are revoked in
//! the middle of it all: a thousand simulations, each from one number.
//!
//! `VIGIE_SIM_SEEDS=N` runs more or fewer (`A..B` those from A up to B), `VIGIE_SIM_SEED=n` exactly one and tells what it
//! did.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "in a test an unwrap is an assertion; a report is read by people"
)]

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use vigie_tests::sim::coverage::Coverage;
use vigie_tests::sim::{Outcome, Plant, run};

/// Seeds of a usual run.
const SEEDS: u64 = 1_000;

/// Violations told of a failing seed: the first one matters, the others often follow from it.
const TOLD_MAX: usize = 8;

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

/// The seeds to run.
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("VIGIE_SIM_SEEDS") else { return 0..SEEDS };
    text.split_once("..").map_or_else(|| 0..number(&text), |(from, to)| number(from)..number(to))
}

fn told(seed: u64, outcome: &Outcome) -> String {
    let violations: Vec<_> = outcome.violations.iter().take(TOLD_MAX).map(ToString::to_string).collect();
    format!(
        "seed {seed} broke {} promises:\n  {}\nreplay: VIGIE_SIM_SEED={seed} cargo test -p vigie-tests --test simulation promises -- --nocapture",
        outcome.violations.len(),
        violations.join("\n  "),
    )
}

#[test]
fn promises_hold_under_every_seed() {
    if let Ok(seed) = std::env::var("VIGIE_SIM_SEED") {
        return tell_all(number(&seed));
    }
    let (seeds, next) = (seeds(), AtomicU64::new(seeds().start));
    let found: Mutex<(Coverage, Vec<u64>)> = Mutex::default();
    // Seeds know nothing of each other: each core takes the next one.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed < seeds.end) {
                    let outcome = run(seed, Plant::None);
                    let (coverage, failed) = &mut *found.lock().unwrap();
                    coverage.add(&outcome.coverage);
                    if !outcome.violations.is_empty() {
                        eprintln!("{}", told(seed, &outcome));
                        failed.push(seed);
                    }
                }
            });
        }
    });
    let (coverage, mut failed) = found.into_inner().unwrap();
    failed.sort_unstable();
    eprintln!("{coverage}");
    assert!(failed.is_empty(), "promises were broken under {} seeds: {failed:?}", failed.len());
    let all = seeds.end - seeds.start >= SEEDS;
    assert!(!all || coverage.missing().is_empty(), "never met: {:?}", coverage.missing());
}

fn tell_all(seed: u64) {
    let outcome = run(seed, Plant::None);
    for record in &outcome.history.records {
        eprintln!("{} {:?}", record.at.as_millis(), record.did);
    }
    eprintln!("{}", outcome.coverage);
    assert!(outcome.violations.is_empty(), "{}", told(seed, &outcome));
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 17, 42] {
        let (first, second) = (run(seed, Plant::None), run(seed, Plant::None));
        assert!(first.history.records.len() > 100, "seed {seed} does something");
        assert_eq!(first.history.hash(), second.history.hash(), "seed {seed}");
        assert_eq!(first.coverage, second.coverage, "seed {seed}");
    }
    assert_ne!(run(3, Plant::None).history.hash(), run(4, Plant::None).history.hash());
}
