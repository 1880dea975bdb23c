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

pub(crate) fn lines(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write(place: &Place, name: &str, lines: &[Value]) -> String {
    let path = place.path(name);
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    path
}

/// Writes lines with a last one that says they are as they were written: for what is judged behind that.
pub(crate) fn counted(place: &Place, name: &str, lines: &[Value]) -> String {
    let (end, rest) = lines.split_last().unwrap();
    let text: String = rest.iter().map(|line| format!("{line}\n")).collect();
    let mut end = end.clone();
    let count = |kind: &str| Value::from(rest.iter().filter(|line| line["type"] == kind).count());
    let members = [
        ("messages", "message"),
        ("credentials", "credential"),
        ("carried", "carried"),
        ("revocations", "revocation"),
    ];
    for (member, kind) in members {
        end["held"][member] = count(kind);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    end["sha256"] = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    let path = place.path(name);
    std::fs::write(&path, format!("{text}{end}\n")).unwrap();
    path
}

fn is_empty(place: &Place) -> bool {
    let names: Vec<String> =
        content(&place.dir().join("journal")).into_iter().map(|(name, _)| name).collect();
    names.iter().all(|name| name == "lock" || name == "begin-here")
}

/// Nothing is left beside the journal either.
pub(crate) fn nothing_left(place: &Place) {
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
    crate::support::vigie(&["journal", "new", &place.path("journal")]).ended(0);
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
pub(crate) fn flipped(jws: &str) -> String {
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
    let file = counted(&place, "tampered.jsonl", &bad);
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

/// Each of these was IMPORTED once, with code 0 and messages missing.
#[test]
fn an_export_that_is_not_as_it_was_written_does_not_come_in() {
    let (place, file) = exported(6);
    let text = std::fs::read_to_string(&file).unwrap();
    let good: Vec<&str> = text.lines().collect();
    let at: Vec<usize> = (0..good.len()).filter(|at| good[*at].contains(r#""type":"message""#)).collect();
    let without = |gone: usize| {
        let mut lines = good.clone();
        lines.remove(gone);
        lines
    };
    let shown = good[at[2]].replacen("alerte 3", "alerte 9", 1);
    let mut edited = good.clone();
    edited[at[2]] = &shown;
    let mut moved = good.clone();
    moved.swap(at[5], at[5] + 1);
    let mut more = good.clone();
    more.insert(0, good[0]);
    let credential = (0..at[0]).next_back().unwrap();
    let cases = [
        ("6 said, 5 found", without(at[3])),
        ("6 said, 5 found", without(at[5])),
        ("was changed or moved", edited),
        ("was changed or moved", moved),
        ("2 said, 3 found", more),
        ("was changed or moved", without(good.len() - 2)),
        ("cut short", without(good.len() - 1)),
        ("unknown_credential", without(credential)),
        ("cut short", [&good[..], &good[at[5]..=at[5]]].concat()),
    ];
    for (named, lines) in cases {
        let touched = place.path("touched.jsonl");
        std::fs::write(&touched, lines.join("\n") + "\n").unwrap();
        let told = journal(&place, &["import", &touched]).ended(6);
        let named = if lines.len() > good.len() && named == "cut short" { "refused: line" } else { named };
        assert!(told.err.contains(named), "{named}: {told:?}");
        nothing_left(&place);
        // A part is another matter.
        journal(&place, &["import", &touched, "--partial"]).ended(6);
        nothing_left(&place);
    }
    let told = journal(&place, &["import", &place.path("touched.jsonl"), "--lang", "fr"]).ended(6);
    assert!(told.err.contains("refusé"), "{told:?}");
    journal(&place, &["import", &file]).ended(0);
}

#[test]
fn a_part_comes_in_when_asked_for_and_says_what_it_leaves_out() {
    let place = with_messages(9);
    for (asked, held) in [
        (&["--from", "3", "--to", "5"][..], &[3, 4, 5][..]),
        (&["--to", "4"], &[1, 2, 3, 4]),
        (&["--channel", "alert/ml"], &[]),
        (&["--channel", "alert/fr"], &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ] {
        let file = place.path(&format!("{}.jsonl", asked.concat().replace('/', "-")));
        let old = journal(&place, &[&["export", "-o", &file], asked].concat()).ended(0);
        let aside = empty_journal(&place);
        let told = journal(&place, &["import", &file]).ended(6);
        let left_out = 9 - held.len();
        assert!(told.err.contains(&asked.join(" ")) && told.err.contains("--partial"), "{told:?} {old:?}");
        assert!(told.err.contains(&format!("{left_out} message(s) of the log are not in it")), "{told:?}");
        nothing_left(&place);
        let ran = journal(&place, &["import", &file, "--partial", "--json"]).ended(0);
        let import = object(&ran, "import");
        assert_eq!((&import["messages"], &import["left_out"]), (&held.len().into(), &left_out.into()));
        assert_eq!(import["from_seq"], held.last().copied().unwrap_or(0), "{import}");
        let places: Vec<u64> = of_type(&journal(&place, &["export"]).ended(0).objects(), "message")
            .iter()
            .map(|one| one["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(places, held, "places stay");
        std::fs::remove_dir_all(place.dir().join("journal")).unwrap();
        std::fs::rename(aside, place.dir().join("journal")).unwrap();
    }
}

/// How one message is erased where the law demands it: what stands before it and what stands behind it, in one file.
#[test]
fn two_parts_in_one_file_leave_out_the_message_between_them() {
    let place = with_messages(6);
    let parts = [&["export", "--to", "3"][..], &["export", "--from", "5"]]
        .map(|part| journal(&place, part).ended(0).out);
    empty_journal(&place);
    let file = place.path("parts.jsonl");
    std::fs::write(&file, parts.concat()).unwrap();
    journal(&place, &["import", &file]).ended(6);
    nothing_left(&place);
    // Out of order, or one of them cut: no part of anything.
    std::fs::write(place.path("back.jsonl"), [&*parts[1], &*parts[0]].concat()).unwrap();
    assert!(
        journal(&place, &["import", &place.path("back.jsonl"), "--partial"])
            .ended(6)
            .err
            .contains("come after")
    );
    let cut = parts[1].lines().next().unwrap();
    std::fs::write(place.path("cut.jsonl"), format!("{}{cut}\n", parts[0])).unwrap();
    journal(&place, &["import", &place.path("cut.jsonl"), "--partial"]).ended(6);
    nothing_left(&place);
    let import = object(&journal(&place, &["import", &file, "--partial", "--json"]).ended(0), "import");
    assert_eq!(
        (&import["messages"], &import["left_out"], &import["from_seq"]),
        (&5.into(), &1.into(), &6.into())
    );
}

/// Who comes with a place of the old log is told that this is another, and is given all there is.
#[test]
fn a_reader_of_a_log_made_of_a_part_is_told_that_it_is_another_log() {
    let place = with_messages(6);
    let file = place.path("part.jsonl");
    let all = journal(&place, &["export"]).ended(0).objects();
    journal(&place, &["export", "--from", "3", "-o", &file]).ended(0);
    empty_journal(&place);
    let said = journal(&place, &["import", &file, "--partial"]).ended(0).out;
    assert!(said.contains("in part: 2 message(s)"), "{said}");
    let relay = place.relay();
    let cursor = of_type(&all, "message")[4]["cursor"].as_str().unwrap();
    let heard = heard(&place, cursor, 4);
    assert_eq!(of_type(&heard, "gap")[0]["reason"], "other_log", "{heard:?}");
    let places: Vec<&Value> = of_type(&heard, "message").iter().map(|one| &one["seq"]).collect();
    assert_eq!(places, [3, 4, 5, 6]);
    // A new message gets the next place.
    assert_eq!(Author::of(&place, "nation").say("alert/fr", "la suite", HOUR), 7);
    stop(relay);
}

/// The message is gone from both logs, its id is not: a replay gets its receipt, and no second place.
#[test]
fn ids_of_removed_messages_come_along() {
    let (place, file) = exported(3);
    let mut carried = lines(&file);
    let gone = carried.iter().position(|line| line["type"] == "message").unwrap();
    let (old, token) = (carried[gone].clone(), carried[gone]["jws"].as_str().unwrap().to_owned());
    carried[gone] = serde_json::json!({
        "type": "carried", "id": old["id"], "seq": 1, "admitted": old["admitted"],
        "expires": old["admitted"].as_u64().unwrap() + 3_600_000, "credential": old["author"]["credential"],
    });
    let mut endless = carried.clone();
    endless[gone]["expires"] = (old["admitted"].as_u64().unwrap() * 2).into();
    let told = journal(&place, &["import", &counted(&place, "endless.jsonl", &endless)]).ended(6);
    assert!(told.err.contains("no message can have had"), "{told:?}");
    nothing_left(&place);
    let file = counted(&place, "carried.jsonl", &carried);
    let import = object(&journal(&place, &["import", &file, "--json"]).ended(0), "import");
    assert_eq!((&import["messages"], &import["carried"]), (&2.into(), &1.into()));
    // An export of this journal has it again, and one of a part of it too.
    for part in [&[][..], &["--from", "3"]] {
        let again = journal(&place, &[&["export"], part].concat()).ended(0).objects();
        assert_eq!(of_type(&again, "carried"), [&carried[gone]]);
    }
    let export = journal(&place, &["export"]).ended(0).out;
    crate::support::finish(place.command(&["verify", "-"]), &export).ended(0);
    let relay = place.relay();
    let (_, seq, admitted) = crate::desk::replay(&place, &token);
    assert_eq!((seq, Value::from(admitted)), (1, old["admitted"].clone()));
    stop(relay);
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
