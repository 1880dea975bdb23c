//! Revocations in an export: who is out stays out where it is imported, and `vigie verify` says who is disowned.

use serde_json::Value;
use vigie_proto::revocation::Revocation;

use crate::desk::{HOUR, empty_journal, journal, object, of_type, stop};
use crate::import::{counted, flipped, lines, nothing_left};
use crate::support::{Place, Ran, finish};

const TOWN: &str = "alert/fr.idf.75.paris";

fn say(place: &Place, who: &str, text: &str) -> Ran {
    place.vigie(&["pub", TOWN, text, "--as", who, "--severity", "minor", "--json"])
}

fn revoke(place: &Place, who: &str, from: &str) -> Value {
    let ran = place.vigie(&["trust", "revoke", who, "--as", "nation", "--from", from, "--json"]).ended(0);
    object(&ran, "revocation")
}

/// Two messages of the town, which is revoked back to before both, two of the nation around that, and one end of the field.
fn revoked() -> (Place, String) {
    let place = Place::new();
    let relay = place.relay();
    say(&place, "town", "un").ended(0);
    say(&place, "nation", "deux").ended(0);
    say(&place, "town", "trois").ended(0);
    revoke(&place, "town", "1h");
    say(&place, "town", "refusé").ended(5);
    say(&place, "nation", "quatre").ended(0);
    revoke(&place, "field", "1h");
    stop(relay);
    let file = place.path("export.jsonl");
    journal(&place, &["export", "-o", &file]).ended(0);
    (place, file)
}

fn seqs(lines: &[Value], kind: &str) -> Vec<u64> {
    of_type(lines, kind).iter().map(|one| one["seq"].as_u64().unwrap()).collect()
}

fn position(lines: &[Value], is: impl Fn(&Value) -> bool) -> usize {
    lines.iter().position(is).unwrap()
}

#[test]
fn each_stands_once_at_its_place_behind_the_credentials_of_its_issuer() {
    let (place, file) = revoked();
    let all = lines(&file);
    assert_eq!((seqs(&all, "revocation"), seqs(&all, "message")), (vec![3, 4], vec![1, 2, 3, 4]));
    let [first, second] = of_type(&all, "revocation")[..] else { panic!("{all:?}") };
    assert_eq!((&first["count"], &second["count"]), (&1.into(), &2.into()));
    let at = position(&all, |line| line == first);
    assert!(position(&all, |line| line["type"] == "message" && line["seq"] == 3) < at);
    assert!(at < position(&all, |line| line["type"] == "message" && line["seq"] == 4));
    assert!(position(&all, |line| line["type"] == "credential" && line["id"] == first["issuer"]) < at);
    assert_eq!(all.last().unwrap()["held"]["revocations"], 2);
    // They are of the whole log: a part has them too, with the credentials that they need.
    for part in [&["--to", "1"][..], &["--from", "4"], &["--channel", "alert/fr"]] {
        let part = journal(&place, &[&["export"], part].concat()).ended(0).out;
        let given: Vec<Value> = part.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(seqs(&given, "revocation"), [3, 4]);
        finish(place.command(&["verify", "-"]), &part).ended(0);
    }
}

#[test]
fn who_is_out_stays_out_and_numbers_go_on() {
    let (place, file) = revoked();
    empty_journal(&place);
    let told = journal(&place, &["import", &file]).ended(0).out;
    assert!(told.contains("2 revocation(s) came along"), "{told}");
    let again = journal(&place, &["export"]).ended(0).objects();
    let tokens = |lines: &[Value]| -> Vec<Value> {
        of_type(lines, "revocation").iter().map(|one| one["jws"].clone()).collect()
    };
    assert_eq!(tokens(&again), tokens(&lines(&file)));
    assert_eq!(seqs(&again, "revocation"), [3, 4]);
    let relay = place.relay();
    assert!(say(&place, "town", "encore").ended(5).err.contains("revoked"));
    place.vigie(&["pub", "signal/fr.idf.75.paris", "x", "--as", "field", "--severity", "minor"]).ended(5);
    let heard = place.vigie(&["sub", TOWN, "--as", "region", "--after", "0", "--count", "2", "--json"]);
    let heard = heard.ended(0);
    assert_eq!(seqs(&heard.objects(), "message"), [2, 4], "{heard:?}");
    assert_eq!(of_type(&heard.objects(), "disowned").len(), 2);
    assert_eq!(revoke(&place, "region", "0s")["number"], 3);
    stop(relay);
    let third = journal(&place, &["export"]).ended(0).objects();
    let counts: Vec<&Value> = of_type(&third, "revocation").iter().map(|one| &one["count"]).collect();
    assert_eq!(counts, [1, 2, 3]);
}

/// How one message is erased: each part gives all revocations, also those that hold behind what follows it.
#[test]
fn parts_in_one_file_let_each_hold_once_from_its_own_place() {
    let (place, _) = revoked();
    let parts = [&["export", "--to", "1"][..], &["export", "--from", "3"]]
        .map(|part| journal(&place, part).ended(0).out)
        .concat();
    let verified = object(&finish(place.command(&["verify", "-", "--json"]), &parts).ended(0), "verified");
    assert_eq!((&verified["revocations"], &verified["disowned"]), (&2.into(), &2.into()), "{verified}");
    empty_journal(&place);
    let file = place.path("parts.jsonl");
    std::fs::write(&file, parts).unwrap();
    let import = object(&journal(&place, &["import", &file, "--partial", "--json"]).ended(0), "import");
    assert_eq!((&import["messages"], &import["revocations"]), (&3.into(), &2.into()), "{import}");
    // A log that ends before they held there has them at its end.
    let first = journal(&place, &["export", "--to", "1"]).ended(0).out;
    std::fs::remove_dir_all(place.dir().join("journal")).unwrap();
    std::fs::create_dir(place.dir().join("journal")).unwrap();
    std::fs::write(&file, first).unwrap();
    journal(&place, &["import", &file, "--partial"]).ended(0);
    let again = journal(&place, &["export"]).ended(0).objects();
    assert_eq!((seqs(&again, "message"), seqs(&again, "revocation")), (vec![1], vec![1, 1]));
    let relay = place.relay();
    say(&place, "town", "encore").ended(5);
    stop(relay);
}

#[test]
fn one_that_was_altered_or_moved_is_refused_and_nothing_comes_in() {
    let (place, file) = revoked();
    let good = lines(&file);
    empty_journal(&place);
    let at = position(&good, |line| line["type"] == "revocation");
    let changed = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut lines = good.clone();
        change(&mut lines);
        lines
    };
    let other = |member: &'static str, value: Value| changed(&move |lines| lines[at][member] = value.clone());
    let later = good[at]["admitted"].as_u64().unwrap();
    let cases: [(&str, bool, Vec<Value>); 8] = [
        ("signature", true, other("jws", flipped(good[at]["jws"].as_str().unwrap()).into())),
        ("is not what was signed", true, other("id", good[at + 2]["id"].clone())),
        ("is not what was signed", true, other("issuer", good[position(&good, |line| {
            line["type"] == "message" && line["seq"] == 1
        })]["author"]["credential"].clone())),
        ("from", true, other("admitted", (later - 24 * HOUR.as_millis() as u64).into())),
        ("surplus", true, other("surplus", 1.into())),
        ("behind 3", false, other("seq", 1.into())),
        (
            "revoked",
            false,
            changed(&|lines| {
                let mut line = lines.remove(at);
                line["seq"] = 2.into();
                let third = position(lines, |line| line["type"] == "message" && line["seq"] == 3);
                lines.insert(third, line);
            }),
        ),
        ("behind 4", false, changed(&|lines| {
            let line = lines.remove(at);
            lines.insert(lines.len() - 2, line);
        })),
    ];
    for (named, verify_too, lines) in cases {
        assert_ne!(lines, good, "{named}");
        let file = counted(&place, "tampered.jsonl", &lines);
        let told = journal(&place, &["import", &file]).ended(6);
        assert!(told.err.contains(named) && told.err.contains("nothing was imported"), "{named}: {told:?}");
        nothing_left(&place);
        if verify_too {
            let told = place.vigie(&["verify", &file]).ended(6);
            assert!(told.err.contains("line "), "{named}: {told:?}");
        }
    }
    // One byte, and nothing counted anew.
    let text = std::fs::read_to_string(&file).unwrap();
    let bent = flipped(good[at]["jws"].as_str().unwrap());
    std::fs::write(&file, text.replace(good[at]["jws"].as_str().unwrap(), &bent)).unwrap();
    journal(&place, &["import", &file]).ended(6);
    place.vigie(&["verify", &file]).ended(6);
    nothing_left(&place);
}

#[test]
fn verify_tells_who_is_disowned_in_both_languages() {
    let (place, file) = revoked();
    let told = place.vigie(&["verify", &file, "--json"]).ended(0);
    let disowned = told.objects();
    let disowned = of_type(&disowned, "disowned");
    let all = lines(&file);
    assert_eq!(disowned.iter().map(|one| one["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3]);
    for one in &disowned {
        let line = &all[one["line"].as_u64().unwrap() as usize - 1];
        assert_eq!((&one["id"], &one["admitted"]), (&line["id"], &line["admitted"]));
        assert_eq!(one["revocation"], of_type(&all, "revocation")[0]["id"]);
    }
    let verified = object(&told, "verified");
    let counts = ["live", "revocations", "disowned", "disowned_told"].map(|member| verified[member].as_u64());
    assert_eq!(counts, [Some(4), Some(2), Some(2), Some(0)], "{verified}");
    let said = place.vigie(&["verify", &file]).ended(0).out;
    assert_eq!(said.matches("is not to be believed").count(), 2, "{said}");
    assert!(said.contains("2 revocation(s) verified; 2 of the messages DISOWNED"), "{said}");
    let said = place.vigie(&["verify", &file, "--lang", "fr"]).ended(0).out;
    assert_eq!(said.matches("n'est pas à croire").count(), 2, "{said}");
    assert!(said.contains("2 révocation(s) vérifiée(s)"), "{said}");
}

/// What a reader wrote down of a revocation has its signed bytes, and not its issuer's chain: it is shown if it says what
/// these say, and proves nothing.
#[test]
fn what_a_reader_was_told_to_disown_is_no_bad_line() {
    let (place, _) = revoked();
    let relay = place.relay();
    let heard =
        place.vigie(&["sub", TOWN, "--as", "region", "--after", "0", "--count", "2", "--json"]).ended(0).out;
    stop(relay);
    let told = finish(place.command(&["verify", "-", "--json"]), &heard).ended(0);
    let verified = object(&told, "verified");
    assert_eq!((&verified["disowned_told"], &verified["disowned"]), (&2.into(), &0.into()), "{verified}");
    let said = finish(place.command(&["verify", "-"]), &heard).ended(0).out;
    assert_eq!(said.matches("as the reader wrote it").count(), 2, "{said}");
    let parsed = heard.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    for line in parsed.filter(|line| line["type"] == "disowned") {
        let revocation = Revocation::parse(line["revocation_jws"].as_str().unwrap()).unwrap();
        assert_eq!(line["revocation"], revocation.id().to_string());
        assert_eq!(line["from"], revocation.statement().from.as_millis());
        // Another moment than was signed.
        let mut moved = line.clone();
        moved["from"] = (revocation.statement().from.as_millis() + 1).into();
        let told = finish(place.command(&["verify", "-"]), &moved.to_string()).ended(6);
        assert!(told.err.contains("`from`"), "{}", told.err);
    }
    let more = heard.replace("\"given_before\":", "\"rank\":1,\"given_before\":");
    assert!(finish(place.command(&["verify", "-"]), &more).ended(6).err.contains("`rank`"));
}
