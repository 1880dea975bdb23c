//! A journal folder that is taken away from under a relay: it acknowledges nothing that the next start would not find, and
//! touches nothing of what is in its place.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::desk::{Author, HOUR, content, journal, object, of_type, segments, stop, with_messages};
use crate::support::{Place, Running};

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// Says something that must get no receipt, and waits for the end of the relay.
fn ends(place: &Place, relay: Running) {
    let sent = place.vigie(&["pub", "alert/fr", "perdu", "--as", "nation", "--wait", "5s"]);
    assert_ne!(sent.code, 0, "{sent:?}");
    let (code, said) = relay.ended();
    assert_eq!(code, 10, "{said}");
    assert!(said.contains("was moved, replaced or removed") && said.contains("must be sent again"), "{said}");
}

fn messages(place: &Place) -> u64 {
    object(&journal(place, &["verify", "--json"]).ended(0), "journal")["messages"].as_u64().unwrap()
}

#[test]
fn a_copy_in_the_place_of_the_folder_gets_no_receipts() {
    let place = with_messages(1);
    let (folder, base) = (place.dir().join("journal"), place.dir().join("base"));
    copy(&folder, &base);
    let relay = place.relay();
    fs::remove_dir_all(&folder).unwrap();
    copy(&base, &folder);
    let put = content(&folder);
    ends(&place, relay);
    assert_eq!(content(&folder), put);
    assert_eq!(messages(&place), 1);
    stop(place.relay());
}

#[test]
fn a_segment_that_was_removed_gets_no_receipts() {
    let place = with_messages(1);
    let (folder, base) = (place.dir().join("journal"), place.dir().join("base"));
    copy(&folder, &base);
    let relay = place.relay();
    for segment in segments(&folder) {
        fs::remove_file(&segment).unwrap();
        fs::copy(base.join(segment.file_name().unwrap()), &segment).unwrap();
    }
    ends(&place, relay);
    assert_eq!(messages(&place), 1);
}

#[test]
fn an_import_in_the_place_of_the_folder_is_left_alone() {
    let place = with_messages(2);
    place.edit("vigie.toml", "# segment_bytes = 67108864", "segment_bytes = 65536");
    let (folder, aside) = (place.dir().join("journal"), place.dir().join("journal.old"));
    let backup = place.path("copy");
    journal(&place, &["backup", &backup]).ended(0);
    let relay = place.relay();
    let before = content(&folder);
    journal(&place, &["import", &backup]).ended(1);
    assert_eq!(content(&folder), before);
    fs::rename(&folder, &aside).unwrap();
    fs::create_dir(&folder).unwrap();
    journal(&place, &["import", &backup]).ended(0);
    let imported = content(&folder);
    ends(&place, relay);
    assert_eq!(content(&folder), imported);
    assert_eq!(messages(&place), 2);
    let relay = place.relay();
    assert_eq!(Author::of(&place, "nation").say("alert/fr", "après", HOUR), 3);
    let heard = crate::desk::heard(&place, "0", 3);
    assert_eq!(of_type(&heard, "message").len(), 3);
    stop(relay);
}
