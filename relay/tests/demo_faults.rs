//! The demo cannot pass while false: against relays with one bug each, planted on purpose, it fails and names the
//! expectation that broke; against one without, it holds.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::process::{Command, Stdio};

use vigie_relay::cli::demo::{Counts, rehearse};
use vigie_relay::sabotage::Sabotage;

fn broken_by(sabotage: Sabotage) -> Vec<String> {
    rehearse(sabotage).unwrap()
}

/// All of `named` broke, and nothing that `may` does not allow.
fn assert_broken(sabotage: Sabotage, named: &[&str], may: impl Fn(&str) -> bool) {
    let broken = broken_by(sabotage);
    for name in named {
        assert!(broken.iter().any(|one| one == name), "{name:?} is not among {broken:#?}");
    }
    let others: Vec<&String> = broken.iter().filter(|name| !may(name)).collect();
    assert!(others.is_empty(), "{sabotage:?} also broke {others:#?}");
}

#[test]
fn without_a_bug_all_holds() {
    assert_eq!(broken_by(Sabotage::None), Vec::<String>::new());
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
    let broken = broken_by(Sabotage::ReceiptWithoutStore);
    for name in named {
        assert!(broken.iter().any(|one| one == name), "{name:?} is not among {broken:#?}");
    }
    // The receipt itself is the bug; after the first scene nothing can be proved any more.
    assert!(!broken.contains(&"national/national: must be receipted".to_owned()));
    assert!(broken.len() < Counts::promised().expectations);
}

#[test]
fn the_binary_fails_and_names_each_broken_expectation() {
    for (bug, lang, named) in [
        ("NeighbourHears", "fr", "signals/minor: neighbour must not hear"),
        ("SignatureOff", "en", "refusals/forged: must be refused with bad_signature"),
        ("ExerciseLive", "en", "exercise/drill: nation must not hear"),
    ] {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_vigie"));
        demo.args(["demo", "--once", "--json", "--lang", lang])
            .env("VIGIE_SABOTAGE", bug)
            .stdin(Stdio::null());
        let output = demo.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.lines().any(|line| line.contains(named)), "{told}");
        let sums: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(sums["ok"], false, "{sums}");
    }
}
