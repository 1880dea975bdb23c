//! A journal folder that is taken away from under a relay: it acknowledges nothing that the next start would not find, and
//! touches nothing of what is in its place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

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

/// Whether no thread of this process runs, or ever will before it is told to.
fn stands_still(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|thread| thread.unwrap().path());
    let state = |thread: PathBuf| {
        let status = fs::read_to_string(thread.join("status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("State:"))?.trim().chars().next()
    };
    // One that ended since the listing has no state.
    threads.filter_map(state).all(|state| matches!(state, 'T' | 'Z' | 'X'))
}

/// Holds the relay where it is, so that nobody but others can change a file.
fn held<T>(relay: &Running, act: impl FnOnce() -> T) -> T {
    relay.signal("-STOP");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !stands_still(relay.pid()) {
        assert!(Instant::now() < deadline, "a relay that was asked to does not stand still");
        std::thread::yield_now();
    }
    let outcome = act();
    relay.signal("-CONT");
    outcome
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
fn a_segment_that_was_put_elsewhere_gets_no_receipts() {
    let place = with_messages(1);
    let (folder, aside) = (place.dir().join("journal"), place.dir().join("aside.vigie"));
    let relay = place.relay();
    let newest = segments(&folder).pop().unwrap();
    fs::rename(&newest, &aside).unwrap();
    ends(&place, relay);
    fs::rename(&aside, &newest).unwrap();
    assert!(messages(&place) >= 1);
}

/// Two relays on one folder, and neither harms what the other acknowledged.
#[test]
fn a_relay_whose_lock_was_removed_leaves_the_folder_to_the_next() {
    let place = with_messages(1);
    let folder = place.dir().join("journal");
    let first = place.relay();
    let author = Author::of(&place, "nation");
    assert_eq!(author.say("alert/fr", "avant", HOUR), 2);
    fs::remove_file(folder.join("lock")).unwrap();
    let second = held(&first, || place.relay());
    assert_eq!(Author::of(&place, "nation").say("alert/fr", "au second", HOUR), 3);
    assert_eq!(author.try_say("alert/fr", "perdu", Duration::from_secs(5)), None);
    let (code, said) = first.ended();
    assert_eq!(code, 10, "{said}");
    assert!(said.contains("was moved, replaced or removed"), "{said}");
    let heard = crate::desk::heard(&place, "0", 3);
    assert_eq!(of_type(&heard, "message").len(), 3);
    stop(second);
    assert_eq!(messages(&place), 3);
}

#[test]
fn an_import_in_the_place_of_the_folder_is_left_alone() {
    let place = with_messages(2);
    place.edit("vigie.toml", "# segment_bytes = 67108864", "segment_bytes = 65536");
    let (folder, aside) = (place.dir().join("journal"), place.dir().join("journal.old"));
    let backup = place.path("copy");
    journal(&place, &["backup", &backup]).ended(0);
    let relay = place.relay();
    held(&relay, || {
        let before = content(&folder);
        journal(&place, &["import", &backup]).ended(1);
        assert_eq!(content(&folder), before);
    });
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
