//! `vigie journal backup`, beside a relay that publishes, begins segments and removes old ones; and the way back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::desk::{
    Author, HOUR, content, empty_journal, heard, journal, object, of_type, refused_relay, say, segments,
    stop, with_messages,
};
use crate::support::{Place, Ran, vigie};

fn backup(place: &Place, to: &str) -> Ran {
    journal(place, &["backup", &place.path(to), "--json"])
}

fn verified(place: &Place, folder: &str) -> serde_json::Value {
    object(&journal(place, &["verify", &place.path(folder), "--json"]).ended(0), "journal")
}

/// The round trip of an operator: copy while messages come, make a new log of it, run on it.
#[test]
fn a_backup_becomes_a_new_log_that_readers_are_given_whole() {
    let place = Place::new();
    let relay = place.relay();
    say(&place, 50);
    let going = AtomicBool::new(true);
    let made = std::thread::scope(|scope| {
        let author = Author::of(&place, "nation");
        let publishing = scope.spawn({
            let going = &going;
            move || {
                while going.load(Ordering::Relaxed) {
                    author.say("alert/fr", "pendant la sauvegarde", HOUR);
                }
            }
        });
        let made = backup(&place, "copie").ended(0);
        going.store(false, Ordering::Relaxed);
        publishing.join().unwrap();
        made
    });
    let made = object(&made, "backup");
    let last = made["last"].as_u64().unwrap();
    assert!(last >= 50, "{made}");
    let copy = verified(&place, "copie");
    assert_eq!(
        (&copy["last"], &copy["messages"], &copy["suspects"]),
        (&last.into(), &last.into(), &0.into())
    );
    assert!(!copy["backup_made"].is_null(), "{copy}");
    let before = heard(&place, "0", usize::try_from(last).unwrap());
    let before = of_type(&before, "message");
    stop(relay);

    empty_journal(&place);
    let imported = journal(&place, &["import", &place.path("copie"), "--json"]).ended(0);
    let imported = object(&imported, "import");
    assert_eq!((&imported["messages"], &imported["from_log"]), (&last.into(), &made["log"]));
    assert_ne!(imported["log"], made["log"]);
    let stats = object(&journal(&place, &["stats", "--json"]).ended(0), "journal_stats");
    assert_eq!(
        (&stats["forked_from"]["log"], &stats["forked_from"]["seq"]),
        (&made["log"], &serde_json::json!(last))
    );

    let relay = place.relay();
    let after = heard(&place, "0", before.len());
    let after = of_type(&after, "message");
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(new["verified"], true);
        for member in ["id", "seq", "admitted", "jws"] {
            assert_eq!(old[member], new[member]);
        }
        assert_ne!(old["log"], new["log"]);
    }
    // Who comes with a place in the old log is told so, and loses nothing.
    let cursor = before[before.len() - 1]["cursor"].as_str().unwrap();
    let resumed = heard(&place, cursor, before.len());
    assert_eq!(of_type(&resumed, "gap")[0]["reason"], "other_log", "{resumed:?}");
    assert_eq!(of_type(&resumed, "message").len(), before.len(), "all is younger than five minutes");
    // It goes on where the old one ended.
    assert_eq!(Author::of(&place, "nation").say("alert/fr", "ensuite", HOUR), last + 1);
    stop(relay);
}

#[test]
fn no_relay_goes_on_in_a_backup() {
    let place = with_messages(2);
    backup(&place, "copie").ended(0);
    let aside = empty_journal(&place);
    std::fs::remove_dir(place.dir().join("journal")).unwrap();
    std::fs::rename(place.dir().join("copie"), place.dir().join("journal")).unwrap();
    let before = content(&place.dir().join("journal"));
    let told = refused_relay(&place).ended(1);
    assert!(told.err.contains("backup") && told.err.contains("vigie journal import"), "{told:?}");
    let after = content(&place.dir().join("journal"));
    assert_eq!(
        after.iter().filter(|(name, _)| name != "lock").collect::<Vec<_>>(),
        before.iter().collect::<Vec<_>>()
    );
    assert!(journal(&place, &["backup", &place.path("encore")]).ended(1).err.contains("is a backup already"));
    assert!(aside.exists());
}

#[test]
fn nothing_is_overwritten_and_both_languages_say_what_was_done() {
    let place = with_messages(2);
    std::fs::create_dir(place.dir().join("copie")).unwrap();
    std::fs::write(place.dir().join("copie/diary.txt"), "x").unwrap();
    assert!(backup(&place, "copie").ended(2).err.contains("not empty"));
    assert_eq!(content(&place.dir().join("copie")).len(), 1);
    let english = journal(&place, &["backup", &place.path("a")]).ended(0).out;
    assert!(english.starts_with("BACKED UP  log ") && english.contains("up to message 2"), "{english}");
    let french = journal(&place, &["backup", &place.path("b"), "--lang", "fr"]).ended(0).out;
    assert!(french.starts_with("SAUVEGARDÉ  log ") && french.contains("jusqu'au message 2"), "{french}");
    assert!(vigie(&["journal", "backup", &place.path("c")]).ended(2).err.contains("--config"));
}

/// After a `kill -9` nothing proves the last batch any more, and it has its receipt: the copy has it.
#[test]
fn what_a_killed_relay_acknowledged_last_is_in_the_copy() {
    let place = Place::new();
    let relay = place.relay();
    let author = Author::of(&place, "nation");
    for number in 0..5 {
        author.say("alert/fr", &number.to_string(), HOUR);
    }
    let (_, _) = relay.stop("-KILL");
    assert_eq!(object(&backup(&place, "copie").ended(0), "backup")["last"], 5);
    assert_eq!(verified(&place, "copie")["messages"], 5);
}

/// Stops whoever publishes, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Segments of 64 KiB with three messages each, which expire while the copies are made.
#[test]
fn rotation_and_retention_go_on_while_it_is_copied() {
    let place = Place::new();
    let settings = place.dir().join("vigie.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{text}\nsegment_bytes = 65536\nretain_bytes = 131072\n")).unwrap();
    let relay = place.relay();
    let (going, stored) = (AtomicBool::new(true), AtomicU64::new(0));
    let author = Author::of(&place, "nation");
    let publish = || {
        // One that expires before it is stored, on a slow machine, is not counted.
        if let Some(seq) = author.try_say("alert/fr", &"x".repeat(15_000), Duration::from_secs(1)) {
            stored.store(seq, Ordering::Relaxed);
        }
    };
    while stored.load(Ordering::Relaxed) < 10 {
        publish();
    }
    let firsts = std::thread::scope(|scope| {
        let _stop = Stop(&going);
        scope.spawn(|| {
            while going.load(Ordering::Relaxed) {
                (0..5).for_each(|_| publish());
                // A relay removes old segments when nothing comes for 10 ms.
                std::thread::park_timeout(Duration::from_millis(40));
            }
        });
        let mut firsts = BTreeSet::new();
        for number in 0..200 {
            let before = stored.load(Ordering::Relaxed);
            let name = format!("copie-{number}");
            let made = object(&backup(&place, &name).ended(0), "backup");
            let copy = verified(&place, &name);
            let (first, last) = (copy["first"].as_u64().unwrap(), copy["last"].as_u64().unwrap());
            assert!(last >= before, "{last} of {before} acknowledged: {made}");
            assert_eq!(copy["messages"].as_u64().unwrap(), last + 1 - first, "nothing is missing: {copy}");
            assert_eq!((&copy["damage"], &copy["suspects"]), (&0.into(), &0.into()));
            std::fs::remove_dir_all(place.dir().join(name)).unwrap();
            firsts.insert(first);
            if firsts.len() > 1 {
                break;
            }
        }
        firsts
    });
    assert!(firsts.len() > 1, "retention removed something meanwhile: {firsts:?}");
    assert!(segments(&place.dir().join("journal")).len() > 1);
    stop(relay);
}

#[test]
fn a_damaged_journal_is_copied_as_far_as_it_can_be_read_and_told() {
    let place = with_messages(9);
    let [segment] = &segments(&place.dir().join("journal"))[..] else { panic!("one segment") };
    crate::desk::damage(segment, b"alert/fr", 2);
    let ran = backup(&place, "copie").ended(12);
    assert!(ran.err.contains("DAMAGED  segment") && object(&ran, "backup")["damage"] == 1, "{ran:?}");
    let there = journal(&place, &["verify", &place.path("copie"), "--json"]).ended(12);
    let here = journal(&place, &["verify", "--json"]).ended(12);
    assert_eq!(object(&there, "damage"), object(&here, "damage"));
}

/// Neither inside the other, by whatever name: nothing is made, nothing is changed.
#[test]
fn a_backup_inside_the_journal_or_around_it_is_refused() {
    let place = with_messages(2);
    let folder = place.dir().join("journal");
    let before = content(&folder);
    std::os::unix::fs::symlink(&folder, place.dir().join("lien")).unwrap();
    for dest in
        ["journal/copie", "journal/a/b", "journal", ".", "lien/copie", "lien", "copie/../journal/copie"]
    {
        let told = backup(&place, dest).ended(2);
        assert!(told.err.contains("one inside the other"), "{dest}: {told:?}");
        assert_eq!(content(&folder), before, "{dest}");
    }
    let french = journal(&place, &["backup", &place.path("journal/copie"), "--lang", "fr"]).ended(2);
    assert!(french.err.contains("l'un dans l'autre"), "{french:?}");
    // A name that only begins the same is beside it.
    backup(&place, "journal.copie").ended(0);
}
