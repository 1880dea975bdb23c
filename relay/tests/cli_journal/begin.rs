//! A journal that is gone is not begun anew: only a person says that there is a new one.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::desk::{content, empty_journal, journal, object, refused_relay, segments, stop, with_messages};
use crate::support::{Place, finish, vigie};

const MARKER: &str = "begin-here";

fn log(place: &Place) -> Value {
    object(&journal(place, &["verify", "--json"]).ended(0), "journal")["log"].clone()
}

fn names(folder: &Path) -> Vec<String> {
    content(folder).into_iter().map(|(name, _)| name).collect()
}

/// Refused, and nothing was written, not even a lock.
#[track_caller]
fn refuses(place: &Place, says: &str) {
    let before = content(&place.dir().join("journal"));
    let told = refused_relay(place).ended(3).err;
    for part in [says, "mount it", "vigie journal import", "vigie journal new"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert_eq!(content(&place.dir().join("journal")), before);
}

#[test]
fn segments_that_were_removed_are_missed() {
    let place = with_messages(1);
    let folder = place.dir().join("journal");
    for segment in segments(&folder) {
        fs::remove_file(segment).unwrap();
    }
    // Made when a relay rests, and this one may have been stopped before.
    fs::write(folder.join("reserve"), "").unwrap();
    refuses(&place, "there is still reserve");
    // No mark makes that good, neither one from before nor one made now.
    fs::write(folder.join(MARKER), "").unwrap();
    refuses(&place, "there is still reserve");
    assert!(vigie(&["journal", "new", folder.to_str().unwrap()]).ended(1).err.contains("reserve"));
}

/// What is left where a disk is not mounted.
#[test]
fn an_empty_folder_is_no_new_relay() {
    let place = with_messages(2);
    let log_before = log(&place);
    let aside = empty_journal(&place);
    refuses(&place, "there is no journal in");
    let config = place.path("vigie.toml");
    let mut french = place.command(&["relay", "run", "--config", &config, "--listen", "127.0.0.1:0"]);
    french.env("LC_ALL", "fr_FR.UTF-8");
    let told = finish(french, "").ended(3).err;
    assert!(told.contains("il n'y a pas de journal dans") && told.contains("montez-le"), "{told}");
    // The disk is mounted again.
    fs::remove_dir(place.dir().join("journal")).unwrap();
    fs::rename(aside, place.dir().join("journal")).unwrap();
    stop(place.relay());
    assert_eq!(log(&place), log_before);
}

#[test]
fn a_new_journal_begins_where_that_was_said() {
    let place = Place::new();
    let folder = place.dir().join("journal");
    assert_eq!(names(&folder), [MARKER]);
    let text = fs::read_to_string(folder.join(MARKER)).unwrap();
    assert!(text.contains("A relay may begin") && text.contains("Un relais peut commencer"), "{text}");
    stop(place.relay());
    let first = log(&place);
    assert!(!names(&folder).contains(&MARKER.to_owned()), "{:?}", names(&folder));
    assert!(vigie(&["journal", "new", folder.to_str().unwrap()]).ended(1).err.contains("vigie"));
    stop(place.relay());
    assert_eq!(log(&place), first);
    // Elsewhere, said by hand, and said twice.
    fs::rename(&folder, place.dir().join("old")).unwrap();
    let said = vigie(&["journal", "new", folder.to_str().unwrap()]).ended(0).out;
    assert!(said.starts_with("READY"), "{said}");
    vigie(&["journal", "new", folder.to_str().unwrap(), "--json"]).ended(0);
    stop(place.relay());
    assert_ne!(log(&place), first);
}

/// Between the first segment and the removal of the mark.
#[test]
fn a_mark_that_a_crash_left_beside_a_journal_goes() {
    let place = with_messages(1);
    let (folder, before) = (place.dir().join("journal"), log(&place));
    fs::write(folder.join(MARKER), "").unwrap();
    stop(place.relay());
    assert_eq!(log(&place), before);
    assert!(!folder.join(MARKER).exists());
    // Before the first segment: the next start begins again.
    let other = Place::new();
    let unfinished = other.dir().join("journal/00000000000000000001.vigie.new");
    fs::write(&unfinished, "x").unwrap();
    stop(other.relay());
    assert_eq!(segments(&other.dir().join("journal")).len(), 1);
    assert!(!unfinished.exists());
}

#[test]
fn an_import_takes_a_folder_that_is_marked_for_a_new_journal() {
    let place = with_messages(3);
    let backup = place.path("copy");
    journal(&place, &["backup", &backup]).ended(0);
    empty_journal(&place);
    vigie(&["journal", "new", &place.path("journal")]).ended(0);
    journal(&place, &["import", &backup]).ended(0);
    assert!(!place.dir().join("journal").join(MARKER).exists());
    let imported = log(&place);
    stop(place.relay());
    assert_eq!(log(&place), imported);
}
