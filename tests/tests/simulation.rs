//! What is promised holds for a relay with many clients under power cuts, failing disks, cut links, slow readers and
//! clocks that step: a hundred simulations, each from one number.
//!
//! `VIGIE_SIM_SEEDS=N` runs more or fewer, `VIGIE_SIM_SEED=n` exactly one and tells what it did.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "in a test an unwrap is an assertion; a report is read by people"
)]

use vigie_tests::sim::coverage::Coverage;
use vigie_tests::sim::{Outcome, Plant, run};

/// Seeds of a usual run.
const SEEDS: u64 = 100;

/// Violations told of a failing seed: the first one matters, the others often follow from it.
const TOLD_MAX: usize = 8;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
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
    let one = number_from("VIGIE_SIM_SEED");
    let seeds = one.map_or_else(|| 0..number_from("VIGIE_SIM_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let all = one.is_none() && seeds.end >= SEEDS;
    let mut coverage = Coverage::default();
    let mut failed = Vec::new();
    for seed in seeds {
        let outcome = run(seed, Plant::None);
        if one.is_some() {
            for record in &outcome.history.records {
                eprintln!("{} {:?}", record.at.as_millis(), record.did);
            }
        }
        if !outcome.violations.is_empty() {
            eprintln!("{}", told(seed, &outcome));
            failed.push(seed);
        }
        coverage.add(&outcome.coverage);
    }
    eprintln!("{coverage}");
    assert!(failed.is_empty(), "promises were broken under {} seeds: {failed:?}", failed.len());
    assert!(!all || coverage.missing().is_empty(), "never met: {:?}", coverage.missing());
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
