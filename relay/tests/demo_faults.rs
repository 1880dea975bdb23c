//! The demo cannot pass while false: with one bug planted on purpose in its relay, it fails and names the expectations
//! that broke; without one, it holds.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::process::{Command, Output, Stdio};

use vigie_relay::cli::demo::Counts;
use vigie_relay::sabotage::{Sabotage, VARIABLE};

fn play(sabotage: Option<Sabotage>, lang: &str) -> Output {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_vigie"));
    demo.args(["demo", "--once", "--json", "--lang", lang]).stdin(Stdio::null()).env_remove(VARIABLE);
    demo.envs(sabotage.map(|bug| (VARIABLE, bug.name()))).output().unwrap()
}

/// The names of the expectations that broke.
fn broken_by(sabotage: Option<Sabotage>) -> Vec<String> {
    let output = play(sabotage, "en");
    let told = String::from_utf8(output.stderr).unwrap();
    let broken = |line: &str| {
        let told = line.strip_prefix("warning: expectation broken: ")?;
        Some(told.split_once(" (").expect("what was seen instead").0.to_owned())
    };
    let broken: Vec<String> = told.lines().filter_map(broken).collect();
    assert_eq!(output.status.code(), Some(i32::from(!broken.is_empty())), "{told}");
    let sums: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sums["ok"], broken.is_empty(), "{sums}");
    broken
}

/// All of `named` broke, and nothing that `may` does not allow.
fn assert_broken(sabotage: Sabotage, named: &[&str], may: impl Fn(&str) -> bool) {
    let broken = broken_by(Some(sabotage));
    for name in named {
        assert!(broken.iter().any(|one| one == name), "{name:?} is not among {broken:#?}");
    }
    let others: Vec<&String> = broken.iter().filter(|name| !may(name)).collect();
    assert!(others.is_empty(), "{sabotage} also broke {others:#?}");
}

#[test]
fn without_a_bug_all_holds() {
    assert_eq!(broken_by(None), Vec::<String>::new());
}

#[test]
fn a_relay_that_does_not_check_signatures_is_named() {
    let named = [
        "refusals/forged: must be refused with bad_signature",
        "refusals/tampered: must be refused with bad_signature",
        "refusals/forged: town must not hear",
        "log/all: town must find again what it heard",
    ];
    assert_broken(Sabotage::SignatureOff, &named, |name| {
        ["refusals/forged", "refusals/tampered", "log/"].iter().any(|may| name.starts_with(may))
    });
}

#[test]
fn a_relay_that_gives_signals_to_neighbours_is_named() {
    let named = ["signals/minor: neighbour must not hear", "signals/severe: neighbour must not hear"];
    assert_broken(Sabotage::NeighbourHears, &named, |name| {
        name.starts_with("signals/") && name.ends_with("must not hear")
    });
}

#[test]
fn a_relay_that_gives_exercises_to_live_readers_is_named() {
    let named = ["nation", "region", "town", "neighbour", "elsewhere", "field"]
        .map(|who| format!("exercise/drill: {who} must not hear"));
    assert_broken(Sabotage::ExerciseLive, &named.each_ref().map(|name| &**name), |name| {
        name.contains("/drill:") || name.contains("/exercise-fence:")
    });
}

#[test]
fn a_relay_that_gives_receipts_for_nothing_is_named() {
    let named = [
        "national/national: nation must hear",
        "national/fence: town must hear",
        "log/all: town must find again what it heard",
    ];
    let broken = broken_by(Some(Sabotage::ReceiptWithoutStore));
    for name in named {
        assert!(broken.iter().any(|one| one == name), "{name:?} is not among {broken:#?}");
    }
    // The receipt itself is the bug; after the first scene nothing can be proved any more.
    assert!(!broken.contains(&"national/national: must be receipted".to_owned()));
    assert!(broken.len() < Counts::promised().expectations);
}

#[test]
fn what_broke_is_named_in_french_too() {
    let output = play(Some(Sabotage::NeighbourHears), "fr");
    let told = String::from_utf8(output.stderr).unwrap();
    let named = "attente non tenue : signals/minor: neighbour must not hear";
    assert!(told.lines().any(|line| line.contains(named)), "{told}");
}

#[test]
fn an_unknown_bug_is_no_bug_that_goes_unnoticed() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_vigie"));
    let output = demo.args(["demo", "--once"]).env(VARIABLE, "none-such").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("unknown sabotage"), "{told}");
}
