//! `vigie journal export`: what `vigie verify` reads.

use crate::desk::{Author, HOUR, journal, object, of_type, say, stop, with_messages};
use crate::support::{Place, finish};

#[test]
fn an_export_verifies_and_ends_where_the_log_does() {
    let place = with_messages(7);
    let export = journal(&place, &["export"]).ended(0);
    let lines = export.objects();
    assert_eq!(of_type(&lines, "message").len(), 7);
    assert_eq!(lines[0]["type"], "credential");
    let ends: Vec<_> = lines[lines.len() - 2..].iter().map(|line| &line["type"]).collect();
    assert_eq!(ends, ["caught_up", "export"]);
    let check = finish(place.command(&["verify", "-", "--json"]), &export.out).ended(0);
    assert_eq!(object(&check, "verified")["live"], 7);
    // The same as a reader's.
    let relay = place.relay();
    let heard = crate::desk::heard(&place, "0", 7);
    for (ours, theirs) in of_type(&lines, "message").iter().zip(of_type(&heard, "message")) {
        assert_eq!(*ours, theirs);
    }
    stop(relay);
}

#[test]
fn a_part_is_what_was_asked_for() {
    let place = Place::new();
    let relay = place.relay();
    say(&place, 3);
    let field = Author::of(&place, "field");
    for number in 0..3 {
        field.say("signal/fr.idf.75.paris", &number.to_string(), HOUR);
    }
    place.vigie(&["pub", "alert/fr", "essai", "--as", "nation", "--exercise"]).ended(0);
    stop(relay);
    let places = |args: &[&str]| {
        let lines = journal(&place, &[&["export"], args].concat()).ended(0).objects();
        of_type(&lines, "message").iter().map(|one| one["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(places(&[]), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(places(&["--from", "3", "--to", "5"]), [3, 4, 5]);
    assert_eq!(places(&["--channel", "alert/fr"]), [1, 2, 3]);
    assert_eq!(places(&["--channel", "alert/fr", "--exercise"]), [7]);
    assert_eq!(places(&["--channel", "signal/fr.**", "--from", "5"]), [5, 6]);
    assert_eq!(places(&["--channel", "signal/fr", "--channel", "alert/fr.**"]), [1, 2, 3]);
    assert!(journal(&place, &["export", "--channel", "fr"]).ended(2).err.contains("is no channel"));
}

#[test]
fn a_file_appears_whole_is_for_its_owner_and_replaces_nothing() {
    let place = with_messages(3);
    let file = place.path("veille.jsonl");
    journal(&place, &["export", "-o", &file]).ended(0);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    place.vigie(&["verify", &file]).ended(0);
    assert!(!std::fs::exists(format!("{file}.part")).unwrap());
    let again = journal(&place, &["export", "-o", &file]).ended(1);
    assert!(again.err.contains("veille.jsonl"), "{again:?}");
    let french = journal(&place, &["export", "-o", &file, "--lang", "fr"]).ended(1);
    assert!(french.err.starts_with("erreur : impossible d'écrire"), "{french:?}");
}

#[test]
fn what_does_not_verify_is_exported_as_such() {
    let place = with_messages(3);
    let stranger = "A".repeat(43);
    let journal_folder = place.path("journal");
    let ran = place.vigie(&["journal", "export", &journal_folder, "--root", &stranger]).ended(6);
    let lines = ran.objects();
    assert_eq!(of_type(&lines, "message").len(), 3);
    assert!(of_type(&lines, "message").iter().all(|one| one["verified"] == false), "{ran:?}");
    assert!(ran.err.contains("message 2 does not verify"), "{ran:?}");
    let bare = crate::support::vigie(&["journal", "export", &journal_folder]).ended(2);
    assert!(bare.err.contains("--root"), "{bare:?}");
}

/// The last line says what was asked for, and `vigie verify` holds the others against it.
#[test]
fn the_last_line_tells_a_part_from_the_whole_and_a_line_that_was_touched() {
    let place = with_messages(6);
    let whole = journal(&place, &["export"]).ended(0).out;
    let end = whole.lines().last().unwrap();
    let told: serde_json::Value = serde_json::from_str(end).unwrap();
    assert_eq!((&told["type"], &told["left_out"]), (&"export".into(), &0.into()), "{told}");
    assert_eq!(
        told["held"],
        serde_json::json!({ "messages": 6, "credentials": 2, "carried": 0, "revocations": 0 }),
        "{told}"
    );
    let verify = |text: &str| finish(place.command(&["verify", "-", "--json"]), text);
    assert_eq!(object(&verify(&whole).ended(0), "verified")["whole"], true);

    let part = journal(&place, &["export", "--from", "2", "--to", "4"]).ended(0).out;
    let told: serde_json::Value = serde_json::from_str(part.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&told["left_out"], &told["asked"]["from"], &told["asked"]["to"]),
        (&3.into(), &2.into(), &4.into())
    );
    assert_eq!(object(&verify(&part).ended(0), "verified")["whole"], false);
    let said = finish(place.command(&["verify", "-"]), &part).ended(0).out;
    assert!(said.contains("--from 2 --to 4") && said.contains("3 message(s)"), "{said}");

    let lines: Vec<&str> = whole.lines().collect();
    let messages: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at].contains(r#""type":"message""#)).collect();
    let mut less = lines.clone();
    less.remove(messages[3]);
    let told = verify(&less.join("\n")).ended(6);
    assert!(told.err.contains("6 said, 5 found"), "{told:?}");
    let mut spaced = lines.clone();
    let other = spaced[messages[0]].replacen(r#""verified":true"#, r#""verified": true"#, 1);
    spaced[messages[0]] = &other;
    assert!(verify(&spaced.join("\n")).ended(6).err.contains("changed or moved"));
    let more = [&lines[..], &lines[..1]].concat();
    assert!(verify(&more.join("\n")).ended(6).err.contains("behind the one that ends"));
    // Two parts in one file are judged one after the other, and are not the whole.
    let parts = [&["export", "--to", "2"][..], &["export", "--from", "4"]]
        .map(|part| journal(&place, part).ended(0).out)
        .concat();
    let told = object(&verify(&parts).ended(0), "verified");
    assert_eq!((&told["live"], &told["whole"]), (&5.into(), &false.into()), "{told}");
    // One of `sub --json` has no such line; without it nothing is said of the whole.
    let without = lines[..lines.len() - 1].join("\n");
    assert!(object(&verify(&without).ended(0), "verified")["whole"].is_null());
}
