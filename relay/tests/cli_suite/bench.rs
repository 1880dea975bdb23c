//! `vigie bench`, short: every measurement counts all that was due and loses nothing, leaves nothing behind, tells the
//! command and the machine, and loads no other machine unasked.

use serde_json::Value;

use crate::support::{Place, command, finish, vigie};

/// Every measurement, as short as it can be, with what it should count: asked, expected.
const CASES: [(&[&str], u64, u64); 4] = [
    (&["fanout", "--readers", "3", "--rate", "5", "--seconds", "1"], 5, 15),
    (&["publish", "--authors", "2", "--rate", "10", "--seconds", "1"], 10, 10),
    (&["connect", "--rate", "5", "--seconds", "1"], 5, 5),
    (&["resume", "--readers", "3", "--messages", "4"], 4, 12),
];

fn assert_whole(figures: &Value, case: &str, asked: u64, expected: u64) {
    assert_eq!((&figures["type"], &figures["case"]), (&"bench".into(), &case.into()));
    for (member, count) in [("asked", asked), ("expected", expected), ("came", expected), ("lost", 0)] {
        assert_eq!(figures[member], count, "{member}: {figures}");
    }
    assert_eq!(figures["failed"], serde_json::json!({}));
    let latency = |member: &str| figures["latency_ms"][member].as_f64().unwrap();
    let ordered = ["p50", "p90", "p99", "p999", "max"].map(latency);
    assert!(ordered[0] > 0.0 && ordered.is_sorted(), "{figures}");
    assert!(figures["command"].as_str().unwrap().contains(case));
    assert!(figures["machine"]["cores"].as_u64().unwrap() > 0);
}

#[test]
fn each_measurement_on_a_relay_of_its_own_counts_everything_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    for (arguments, asked, expected) in CASES {
        let mut command = command(&[&["bench"], arguments, &["--json"]].concat());
        command.env("TMPDIR", temporary.path());
        let ran = finish(command, "").ended(0);
        let figures = &ran.objects()[0];
        assert_whole(figures, arguments[0], asked, expected);
        assert_eq!(figures["relay"], Value::Null);
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
fn a_relay_of_the_context_is_loaded_on_the_exercise_plane_alone() {
    let place = Place::new();
    let _relay = place.relay();
    for (arguments, asked, expected) in CASES {
        let ran = place.vigie(&[&["bench"], arguments, &["--as", "town", "--json"]].concat()).ended(0);
        let figures = &ran.objects()[0];
        assert_whole(figures, arguments[0], asked, expected);
        assert!(figures["relay"].as_str().unwrap().starts_with("wss://127.0.0.1"), "{figures}");
        assert_eq!(figures["channel"], "exercise/alert/fr.idf.75.paris");
    }
    let live = place.vigie(&[
        "sub",
        "alert/fr.idf.75.paris",
        "--as",
        "town",
        "--after",
        "0",
        "--json",
        "--wait",
        "1s",
    ]);
    assert!(!live.out.contains("vigie bench"), "{live:?}");
}

#[test]
fn another_machine_is_not_loaded_unasked_and_nothing_without_end_is_begun() {
    let place = Place::new();
    place.edit("context.toml", "wss://localhost:7443", "wss://relay.example:7443");
    let refused = place.vigie(&["bench", "connect", "--as", "town"]).ended(2);
    assert!(refused.err.contains("--remote"), "{refused:?}");
    let refused =
        vigie(&["bench", "fanout", "--readers", "5000", "--rate", "1000", "--seconds", "600"]).ended(2);
    assert!(refused.err.contains("2000000"), "{refused:?}");
    vigie(&["bench", "fanout", "--readers", "5001"]).ended(2);
}

#[test]
fn figures_are_told_in_both_languages() {
    for (lang, word) in [("en", "asked"), ("fr", "demandé")] {
        let ran = vigie(&["bench", "publish", "--rate", "5", "--seconds", "1", "--lang", lang]).ended(0);
        assert!(ran.out.contains(word) && ran.out.contains("p99"), "{ran:?}");
    }
}
