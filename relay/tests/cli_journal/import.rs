//! `vigie journal import`: what comes in, what does not, and what a kill leaves.

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::desk::{
    Author, HOUR, content, empty_journal, heard, journal, object, of_type, segments, stop, with_messages,
};
use crate::support::Place;

/// A place with `count` messages exported to a file, and an empty journal.
fn exported(count: usize) -> (Place, String) {
    let place = with_messages(count);
    let file = place.path("export.jsonl");
    journal(&place, &["export", "-o", &file]).ended(0);
    empty_journal(&place);
    (place, file)
}

fn lines(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write(place: &Place, name: &str, lines: &[Value]) -> String {
    let path = place.path(name);
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    path
}

fn is_empty(place: &Place) -> bool {
    let names: Vec<String> =
        content(&place.dir().join("journal")).into_iter().map(|(name, _)| name).collect();
    names.iter().all(|name| name == "lock")
}

/// Nothing is left beside the journal either.
fn nothing_left(place: &Place) {
    assert!(is_empty(place));
    assert!(!place.dir().join(".journal.vigie-import").exists());
}

#[test]
fn an_export_becomes_a_new_log_and_a_replay_gets_its_receipt_there() {
    let (place, file) = exported(6);
    let imported = object(&journal(&place, &["import", &file, "--json"]).ended(0), "import");
    let old = lines(&file);
    assert_eq!((&imported["messages"], &imported["refused"]), (&6.into(), &0.into()));
    assert_eq!(imported["from_log"], of_type(&old, "message")[0]["log"]);
    assert_eq!(imported["from_seq"], 6);
    let told = object(&journal(&place, &["verify", "--json"]).ended(0), "journal");
    assert_eq!((&told["messages"], &told["log"]), (&6.into(), &imported["log"]));
    let relay = place.relay();
    let new = heard(&place, "0", 6);
    for (old, new) in of_type(&old, "message").iter().zip(of_type(&new, "message")) {
        assert_eq!((&old["id"], &old["seq"], &old["admitted"]), (&new["id"], &new["seq"], &new["admitted"]));
    }
    // The same signed bytes again: the receipt of the new log, at the old place.
    let (log, seq, admitted) =
        crate::desk::replay(&place, of_type(&old, "message")[2]["jws"].as_str().unwrap());
    assert_eq!((Value::from(log), seq), (imported["log"].clone(), 3));
    assert_eq!(Value::from(admitted), of_type(&old, "message")[2]["admitted"]);
    stop(relay);
}

#[test]
fn both_languages_say_what_was_done() {
    let (place, file) = exported(2);
    let english = journal(&place, &["import", &file]).ended(0).out;
    assert!(english.starts_with("IMPORTED  2 message(s)") && english.contains("comes from log"), "{english}");
    let full = journal(&place, &["import", &file]).ended(1).err;
    assert!(full.contains("not empty"), "{full}");
    std::fs::remove_dir_all(place.dir().join("journal")).unwrap();
    journal(&place, &["import", &file]).ended(3);
    std::fs::create_dir(place.dir().join("journal")).unwrap();
    let french = journal(&place, &["import", &file, "--lang", "fr"]).ended(0).out;
    assert!(french.starts_with("IMPORTÉ  2 message(s)") && french.contains("vient du log"), "{french}");
}

#[test]
fn a_journal_in_use_or_in_being_is_left_alone() {
    let (place, file) = exported(2);
    let relay = place.relay();
    Author::of(&place, "nation").say("alert/fr", "vivant", HOUR);
    let told = journal(&place, &["import", &file]).ended(1);
    assert!(told.err.contains("not empty"), "{told:?}");
    stop(relay);
    let before = content(&place.dir().join("journal"));
    journal(&place, &["import", &file]).ended(1);
    assert_eq!(content(&place.dir().join("journal")), before);
}

/// Flips a byte in the middle of a token.
fn flipped(jws: &str) -> String {
    let mut bytes = jws.as_bytes().to_vec();
    let middle = bytes.len() - 60;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_no_relay_would_have_admitted_does_not_come_in() {
    let (place, file) = exported(4);
    let good = lines(&file);
    let at: Vec<usize> = (0..good.len()).filter(|at| good[*at]["type"] == "message").collect();
    let changed = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut lines = good.clone();
        change(&mut lines);
        lines
    };
    let leaf = good[at[0]]["author"]["credential"].clone();
    let cases: [(&str, Vec<Value>); 9] = [
        (
            "bad_signature",
            changed(&|lines| {
                let jws = flipped(lines[at[1]]["jws"].as_str().unwrap());
                lines[at[1]]["jws"] = jws.into();
            }),
        ),
        (
            "expired",
            changed(&|lines| {
                for line in &at[1..] {
                    let later = lines[*line]["admitted"].as_u64().unwrap() + 8 * 86_400_000;
                    lines[*line]["admitted"] = later.into();
                }
            }),
        ),
        (
            "sent_in_future",
            changed(&|lines| {
                lines[at[0]]["admitted"] = (lines[at[0]]["admitted"].as_u64().unwrap() - 600_000).into();
            }),
        ),
        (
            "unknown_credential",
            changed(&|lines| {
                lines.retain(|line| line["type"] != "credential" || line["id"] != leaf);
            }),
        ),
        ("does not come after", changed(&|lines| lines.swap(at[1], at[2]))),
        (
            "stands at",
            changed(&|lines| {
                let mut twice = lines[at[3]].clone();
                twice["seq"] = 5.into();
                lines.insert(at[3] + 1, twice);
            }),
        ),
        (
            "is not what was signed",
            changed(&|lines| {
                lines[at[1]]["id"] = lines[at[0]]["id"].clone();
            }),
        ),
        (
            "cut short",
            changed(&|lines| {
                lines.truncate(at[2]);
            }),
        ),
        (
            "a gap",
            changed(&|lines| {
                let gap = serde_json::json!({ "type": "gap", "reason": "damaged", "from": null, "to": null });
                lines.insert(at[1], gap);
            }),
        ),
    ];
    for (named, lines) in cases {
        assert_ne!(lines, good, "{named}");
        let file = write(&place, "tampered.jsonl", &lines);
        let told = journal(&place, &["import", &file]).ended(6);
        let named = if named == "a gap" { "refused: line" } else { named };
        assert!(told.err.contains(named) && told.err.contains("nothing was imported"), "{named}: {told:?}");
        nothing_left(&place);
    }
    let two = changed(&|lines| lines[at[2]]["log"] = "A".repeat(22).into());
    let told = journal(&place, &["import", &write(&place, "two.jsonl", &two)]).ended(6);
    assert!(told.err.contains("another log"), "{told:?}");
    nothing_left(&place);
}

#[test]
fn what_is_refused_is_left_out_and_listed_when_asked_for() {
    let (place, file) = exported(5);
    let mut bad = lines(&file);
    let at: Vec<usize> = (0..bad.len()).filter(|at| bad[*at]["type"] == "message").collect();
    let jws = flipped(bad[at[2]]["jws"].as_str().unwrap());
    bad[at[2]]["jws"] = jws.into();
    let file = write(&place, "tampered.jsonl", &bad);
    let ran = journal(&place, &["import", &file, "--skip-refused", "--json"]).ended(8);
    let refused = object(&ran, "refused");
    assert_eq!((&refused["code"], &refused["seq"]), (&"bad_signature".into(), &3.into()));
    assert_eq!(refused["place"], format!("line {}", at[2] + 1));
    assert_eq!(
        (&object(&ran, "import")["messages"], &object(&ran, "import")["refused"]),
        (&4.into(), &1.into())
    );
    let told = object(&journal(&place, &["verify", "--json"]).ended(0), "journal");
    assert_eq!((&told["messages"], &told["last"]), (&4.into(), &5.into()), "places stay, with a hole");
}

#[test]
fn a_damaged_backup_is_not_taken_for_a_whole_one() {
    let place = with_messages(9);
    journal(&place, &["backup", &place.path("copie")]).ended(0);
    crate::desk::damage(&segments(&place.dir().join("copie"))[0], b"alert/fr", 2);
    empty_journal(&place);
    let told = journal(&place, &["import", &place.path("copie")]).ended(6);
    assert!(told.err.contains("cannot be read"), "{told:?}");
    nothing_left(&place);
    let ran = journal(&place, &["import", &place.path("copie"), "--skip-refused"]).ended(8);
    assert!(ran.out.contains("refused: segment"), "{ran:?}");
    journal(&place, &["verify"]).ended(0);
}

/// Whatever moment it is killed at, the folder is empty or holds the whole.
#[test]
fn a_killed_import_leaves_nothing_or_the_whole() {
    let (place, file) = exported(60);
    // Long enough to be killed in the middle: each message again under the places that follow is no message, so the file
    // is as it is, and the moments are many and short.
    let folder = place.dir().join("journal");
    let (mut empty, mut whole) = (0, 0);
    for step in 0..40_u32 {
        let config = place.path("vigie.toml");
        let mut command = place.command(&["journal", "import", &file, "--config", &config]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // The moment of the kill is the input of this test: from the start to well behind the end.
        std::thread::park_timeout(Duration::from_micros(u64::from(step) * 1_500));
        let _ = child.kill();
        let _ = child.wait();
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        if is_empty(&place) {
            assert!(!out.contains("IMPORTED"), "it said that it was done: {out}");
            empty += 1;
            continue;
        }
        let told = object(&journal(&place, &["verify", "--json"]).ended(0), "journal");
        assert_eq!(told["messages"], 60);
        whole += 1;
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
    }
    assert!(empty > 0 && whole > 0, "{empty} empty, {whole} whole");
    // What the killed ones left beside is in nobody's way.
    journal(&place, &["import", &file]).ended(0);
    assert!(!Path::new(&place.path(".journal.vigie-import")).exists());
}
