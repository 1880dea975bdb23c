//! `vigie journal verify` and `stats`.

use crate::desk::{content, damage, journal, object, say, segments, stop, with_messages};
use crate::support::{Place, vigie};

#[test]
fn a_sound_journal_is_told_so_in_both_languages_and_nothing_is_touched() {
    let place = with_messages(5);
    let folder = place.dir().join("journal");
    let before = content(&folder);
    let told = object(&journal(&place, &["verify", "--json"]).ended(0), "journal");
    for (member, value) in [
        ("sound", serde_json::json!(true)),
        ("messages", 5.into()),
        ("first", 1.into()),
        ("last", 5.into()),
        ("damage", 0.into()),
        ("suspects", 0.into()),
        ("signatures", true.into()),
        ("format", 1.into()),
        ("tail", serde_json::json!({ "records": 0, "bytes": 0 })),
        ("backup_made", serde_json::Value::Null),
    ] {
        assert_eq!(told[member], value, "{member}: {told}");
    }
    let english = journal(&place, &["verify"]).ended(0).out;
    assert!(
        english.contains("5 message(s), places 1 to 5") && english.contains("\nSOUND  0 damaged"),
        "{english}"
    );
    let french = journal(&place, &["verify", "--lang", "fr"]).ended(0).out;
    assert!(
        french.contains("5 message(s), places 1 à 5") && french.contains("\nSAIN  0 endroit"),
        "{french}"
    );
    assert_eq!(content(&folder), before);
    // Without roots the bytes are judged, and it is said that the signatures are not.
    let bare = vigie(&["journal", "verify", folder.to_str().unwrap()]).ended(0).out;
    assert!(bare.contains("signatures were not checked"), "{bare}");
    let stranger = "A".repeat(43);
    let suspect =
        vigie(&["journal", "verify", folder.to_str().unwrap(), "--root", &stranger, "--json"]).ended(6);
    assert_eq!(object(&suspect, "journal")["suspects"], 5);
    assert_eq!(suspect.objects()[0]["code"], "unknown_root", "{suspect:?}");
}

#[test]
fn it_can_be_looked_at_beside_a_running_relay() {
    let place = Place::new();
    let relay = place.relay();
    say(&place, 3);
    for _ in 0..3 {
        let told = object(&journal(&place, &["verify", "--json"]).ended(0), "journal");
        assert_eq!((&told["messages"], &told["sound"]), (&3.into(), &true.into()));
    }
    say(&place, 1);
    stop(relay);
}

#[test]
fn one_byte_of_damage_is_named_with_what_it_costs() {
    let place = with_messages(9);
    let [segment] = &segments(&place.dir().join("journal"))[..] else { panic!("one segment") };
    // The body of a message in the middle begins with its channel, behind fields of a fixed size.
    let bytes = std::fs::read(segment).unwrap();
    let channels: Vec<usize> = (0..bytes.len() - 8).filter(|at| &bytes[*at..at + 8] == b"alert/fr").collect();
    let middle = channels[channels.len() / 2];
    let mut damaged = bytes;
    damaged[middle] ^= 1;
    std::fs::write(segment, damaged).unwrap();
    let ran = journal(&place, &["verify", "--json"]).ended(12);
    let (range, told) = (object(&ran, "damage"), object(&ran, "journal"));
    assert_eq!(range["segment"], "00000000000000000001.vigie");
    let offset = range["offset"].as_u64().unwrap();
    assert!(offset < middle as u64 && middle as u64 - offset < 200, "{range}");
    let (after, next) = (range["after"].as_u64().unwrap(), range["next"].as_u64().unwrap());
    assert_eq!(told["messages"].as_u64().unwrap(), 9 - (next - after - 1), "{ran:?}");
    assert!(next > after + 1 && told["sound"] == false, "{ran:?}");
    let english = journal(&place, &["verify"]).ended(12).out;
    assert!(english.contains("DAMAGED  segment 00000000000000000001.vigie at byte"), "{english}");
    let french = journal(&place, &["verify", "--lang", "fr"]).ended(12).out;
    assert!(french.contains("ABÎMÉ  segment 00000000000000000001.vigie, octet"), "{french}");
    // What an export says of it.
    let ran = journal(&place, &["export"]).ended(12);
    assert!(ran.err.contains("DAMAGED  segment"), "{ran:?}");
    let gap = object(&ran, "gap");
    assert_eq!(gap["reason"], "damaged");
    let from: vigie_client::proto::cursor::Cursor = gap["from"].as_str().unwrap().parse().unwrap();
    assert_eq!(from.seq.get(), after, "{gap}");
    journal(&place, &["stats"]).ended(12);
}

#[test]
fn a_torn_tail_is_told_and_is_no_damage() {
    let place = Place::new();
    let relay = place.relay();
    say(&place, 2);
    let (_, _) = relay.stop("-KILL");
    let [segment] = &segments(&place.dir().join("journal"))[..] else { panic!("one segment") };
    let mut bytes = std::fs::read(segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes[end + 44..end + 54].fill(0x2A);
    std::fs::write(segment, bytes).unwrap();
    let ran = journal(&place, &["verify", "--json"]).ended(0);
    let told = object(&ran, "journal");
    assert!(told["tail"]["bytes"].as_u64().unwrap() >= 10, "{told}");
    assert!(journal(&place, &["verify"]).ended(0).out.contains("No damage"), "{ran:?}");
}

#[test]
fn what_no_relay_would_start_on_is_told_with_the_same_code() {
    let place = with_messages(2);
    let folder = place.dir().join("journal");
    let [segment] = &segments(&folder)[..] else { panic!("one segment") };
    damage(segment, b"VIGIE", 20);
    assert!(journal(&place, &["verify"]).ended(12).err.contains("header"));
    std::fs::remove_file(segment).unwrap();
    assert!(journal(&place, &["verify"]).ended(1).err.contains("no journal"));
    assert!(vigie(&["journal", "verify", "/nowhere"]).ended(3).err.contains("/nowhere"));
    assert!(vigie(&["journal", "verify"]).ended(2).err.contains("--config"));
}

#[test]
fn figures_are_those_of_what_was_published() {
    let place = Place::new();
    let relay = place.relay();
    say(&place, 3);
    for severity in ["Minor", "Severe"] {
        let text =
            ["pub", "signal/fr.idf.75.paris", "x", "--as", "field", "--severity", severity, "--exercise"];
        place.vigie(&text).ended(0);
    }
    stop(relay);
    let told = object(&journal(&place, &["stats", "--json"]).ended(0), "journal_stats");
    assert_eq!(
        told["by_kind"],
        serde_json::json!({ "live/alert": { "Moderate": 3 }, "exercise/signal": { "Minor": 1, "Severe": 1 } })
    );
    for (member, value) in [("messages", 5), ("first", 1), ("last", 5), ("ids_in_force", 5), ("segments", 1)]
    {
        assert_eq!(told[member], value, "{member}: {told}");
    }
    assert!(
        told["first_admitted"].as_u64() <= told["last_admitted"].as_u64() && told["due"].is_null(),
        "{told}"
    );
    let reserve = std::fs::metadata(place.dir().join("journal/reserve")).map_or(0, |file| file.len());
    assert_eq!((&told["reserve_bytes"], &told["forked_from"]), (&reserve.into(), &serde_json::Value::Null));
    assert!(journal(&place, &["stats"]).ended(0).out.contains("live/alert: Moderate 3"));
    assert!(journal(&place, &["stats", "--lang", "fr"]).ended(0).out.contains("5 identifiant(s) en vigueur"));
}

/// Zeroes a segment from this byte on, as a page does that never reached the disk.
fn lose_from(segment: &std::path::Path, at: usize) {
    let mut bytes = std::fs::read(segment).unwrap();
    bytes[at..].fill(0);
    std::fs::write(segment, bytes).unwrap();
}

/// The last record goes with what closed the journal: nobody can tell that from a batch that was never whole, and it is
/// said that nobody can. The relay says so at its start too.
#[test]
fn an_end_that_is_lost_with_what_closed_it_is_told_to_be_unproven() {
    let place = with_messages(4);
    let told = object(&journal(&place, &["verify", "--json"]).ended(0), "journal");
    assert_eq!((&told["closing"], &told["proven"]), (&"closed".into(), &4.into()), "{told}");
    let whole = journal(&place, &["verify"]).ended(0).out;
    assert!(!whole.contains("not closed cleanly"), "{whole}");

    let [segment] = &segments(&place.dir().join("journal"))[..] else { panic!("one segment") };
    let bytes = std::fs::read(segment).unwrap();
    let last = bytes.windows(8).rposition(|window| window == b"alert/fr").unwrap();
    lose_from(segment, last + 100);
    let told = object(&journal(&place, &["verify", "--json"]).ended(0), "journal");
    assert_eq!((&told["closing"], &told["sound"]), (&"unclean".into(), &true.into()), "{told}");
    assert_eq!((&told["proven"], &told["last"]), (&3.into(), &3.into()), "{told}");
    let english = journal(&place, &["verify"]).ended(0).out;
    assert!(english.contains("not closed cleanly: what lay behind message 3 cannot be proven"), "{english}");
    let french = journal(&place, &["verify", "--lang", "fr"]).ended(0).out;
    assert!(french.contains("pas été fermé proprement"), "{french}");

    let (_, said) = place.relay().stop("-TERM");
    assert!(
        said.contains("WARN") && said.contains("not closed cleanly") && said.contains("cut_bytes="),
        "{said}"
    );
    let (_, said) = place.relay().stop("-TERM");
    assert!(!said.contains("not closed cleanly") && said.contains("INFO"), "{said}");
}

/// The verdict is the same whether anybody reads it: `vigie journal verify | head -1` must not say that all is well.
#[test]
fn a_pipe_that_is_closed_early_does_not_make_a_damaged_journal_sound() {
    let place = with_messages(3);
    let [segment] = &segments(&place.dir().join("journal"))[..] else { panic!("one segment") };
    let unread = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command =
            place.command(&[&["journal"], args, &["--config", &place.path("vigie.toml")]].concat());
        command.stdout(writer).status().unwrap().code()
    };
    assert_eq!(unread(&["verify"]), Some(0));
    let stranger = "A".repeat(43);
    assert_eq!(unread(&["verify", "--root", &stranger]), Some(6));
    damage(segment, b"alert/fr", 2);
    for args in [&["verify"][..], &["verify", "--json"], &["stats"], &["export"]] {
        assert_eq!(unread(args), Some(12), "{args:?}");
    }
    assert_eq!(unread(&["backup", &place.path("copie")]), Some(12));
}
