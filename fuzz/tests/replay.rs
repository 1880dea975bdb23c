//! The fuzz targets without a fuzzer: the seeds in the tree, and the same damaged.
//!
//! `VIGIE_FUZZ_CASES`: how many damaged inputs for each target; `VIGIE_FUZZ_SEED`: others than those of every day.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::print_stdout, reason = "what a failing input was, and how many were taken")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use vigie_fuzz::mutate::Random;
use vigie_fuzz::{Outcome, TARGETS, Target};

/// Damaged inputs for each target, unless the variable says otherwise: a second or two.
const CASES: usize = 1_000;

/// What one target's seeds may take in the tree.
const SEEDS_BYTES_MAX: usize = 24 * 1024;

/// How often an input is damaged again before it begins anew: so many changes lie between it and a seed.
const STEPS: usize = 2;

fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder("seeds").join(target.name)).unwrap();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    };
    let mut seeds: Vec<_> = files.map(|entry| read(entry.unwrap().path())).collect();
    seeds.sort();
    seeds
}

/// Runs a target; where a property does not hold, says on which input.
fn run(target: &Target, input: &[u8]) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).unwrap_or_else(|panic| {
        println!("{}: {:?}", target.name, String::from_utf8_lossy(input));
        println!("as bytes: {input:?}");
        resume_unwind(panic)
    })
}

#[test]
fn every_target_takes_some_of_its_seeds_and_refuses_others() {
    for target in TARGETS {
        let seeds = seeds(target);
        let outcomes: BTreeMap<&str, Outcome> =
            seeds.iter().map(|(name, seed)| (name.as_str(), run(target, seed))).collect();
        for wanted in [Outcome::Taken, Outcome::Refused] {
            assert!(outcomes.values().any(|outcome| *outcome == wanted), "{}: {outcomes:?}", target.name);
        }
        let bytes: usize = seeds.iter().map(|(_, seed)| seed.len()).sum();
        assert!(bytes <= SEEDS_BYTES_MAX, "{}: {bytes} bytes of seeds", target.name);
    }
}

/// One test a target, for whoever wants only one.
macro_rules! damaged {
    ($($target:ident)*) => {
        mod whatever_becomes_of_a_seed_every_property_holds {
            $(#[test]
            fn $target() {
                super::judge_damaged(stringify!($target));
            })*
        }
        const DAMAGED: &[&str] = &[$(stringify!($target)),*];
    };
}

damaged! {
    upgrade client_frame server_frame json jws message chain revocation rotation channel requests record segment cap_xml
    config
}

fn judge_damaged(name: &str) {
    let variable = |name| std::env::var(name).ok().map(|value| value.parse::<usize>().unwrap());
    let cases = variable("VIGIE_FUZZ_CASES").unwrap_or(CASES);
    let taken = damaged(Target::named(name), cases, variable("VIGIE_FUZZ_SEED").unwrap_or(0) as u64);
    println!("{name}: {taken} of {cases} taken");
    // Damage that is always found out would try nothing behind the first check.
    assert!(taken > 0, "{name}: none of {cases} taken");
}

/// How many damaged inputs of a target were taken.
fn damaged(target: &Target, cases: usize, first: u64) -> usize {
    let seeds = seeds(target);
    let mut random = Random::new(first);
    let mut taken = 0;
    for _ in 0..cases.div_ceil(STEPS) {
        let mut input = seeds[random.below(seeds.len())].1.clone();
        for _ in 0..STEPS {
            target.mutate(&mut input, &mut random);
            taken += usize::from(run(target, &input) == Outcome::Taken);
        }
    }
    taken
}

/// A target that is not in every list would be forgotten by one of those who run them.
#[test]
fn targets_programs_and_seeds_are_the_same() {
    let names = |of: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder(of)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("seeds"), targets);
    assert_eq!(DAMAGED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), targets);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("\nname = \"{name}\"\n")), "{name} has no program");
        let program = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(program.contains(&format!("vigie_fuzz::fuzz!({name});")), "{program}");
    }
}

/// The sums of the ledger are those of its runs, and every run is of a target.
#[test]
fn the_ledger_adds_up() {
    let ledger = fs::read_to_string(folder("LEDGER.md")).unwrap();
    let rows = |of: &str| -> Vec<Vec<String>> {
        let (_, part) = ledger.split_once(&format!("\n## {of}\n")).unwrap();
        let part = part.split("\n## ").next().unwrap();
        let lines = part.lines().filter(|line| line.starts_with("| ") && !line.contains("executions"));
        lines.map(|line| line.trim_matches(['|', ' ']).split(" | ").map(str::to_owned).collect()).collect()
    };
    let number = |cell: &str| cell.replace(',', "").parse::<u64>().unwrap();
    let mut runs: BTreeMap<String, u64> = BTreeMap::new();
    for run in rows("Runs") {
        assert!(TARGETS.iter().any(|target| target.name == run[2]), "{run:?}");
        *runs.entry(run[2].clone()).or_default() += number(&run[3]);
    }
    let all = runs.values().sum();
    runs.insert("all".to_owned(), all);
    let sums: BTreeMap<String, u64> =
        rows("Sums").iter().map(|row| (row[0].trim_matches('*').to_owned(), number(&row[1]))).collect();
    assert_eq!(sums, runs);
}
