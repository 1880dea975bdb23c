//! Where a journal begins, and what a start does when the disk fails under it.

use super::super::beginning::MARKER_NAME;
use super::super::segment::unfinished_name;
use super::super::{reserve, storage::Storage as _};
use super::*;

/// A relay that is started again and again.
fn start(disk: &SimDisk) -> Result<Journal<SimDisk>, JournalError> {
    let new_journal = NewJournal::OnlyWhereMarked;
    let config = JournalConfig { segment_bytes: SEGMENT, new_journal, ..JournalConfig::new() };
    Journal::open(disk.clone(), config, LOG, &mut |_| Ok(()))
}

fn marked() -> SimDisk {
    let disk = SimDisk::new();
    disk.set_content(MARKER_NAME, b"yes".to_vec());
    disk
}

#[test]
fn a_journal_begins_only_where_somebody_said_so() {
    let empty = SimDisk::new();
    assert!(matches!(start(&empty), Err(JournalError::NotBegun { left: None })));
    assert_eq!(empty.names().unwrap(), [""; 0], "the disk may not be mounted: nothing is written");
    let disk = marked();
    assert_eq!(start(&disk).unwrap().recovery(), Recovery::Created);
    for seed in 0..8 {
        assert_eq!(disk.crash(seed).content(MARKER_NAME), None, "said once");
    }
    // Where there is a journal it need not be said, and what a crash left of it goes.
    let disk = disk.restart();
    drop(start(&disk).unwrap());
    let disk = disk.restart();
    disk.set_content(MARKER_NAME, b"yes".to_vec());
    drop(start(&disk).unwrap());
    assert_eq!(disk.content(MARKER_NAME), None);
}

#[test]
fn where_something_of_a_journal_is_left_no_other_begins() {
    let second = unfinished_name(2);
    assert_eq!(second, "00000000000000000002.vigie.new");
    for name in [reserve::NAME, &second, "00000000000000000001.vigie.bak"] {
        let disk = marked();
        disk.set_content(name, vec![1; 10]);
        let before = disk.names().unwrap();
        let Err(JournalError::NotBegun { left: Some(left) }) = start(&disk) else { panic!("{name}") };
        assert_eq!((&*left, disk.names().unwrap()), (name, before));
    }
    let disk = marked();
    disk.set_content(&unfinished_name(1), vec![1; 10]);
    disk.set_content("lost+found", Vec::new());
    assert!(start(&disk).is_ok(), "the first start of all was cut short");
}

#[test]
fn a_folder_is_marked_for_a_new_journal_and_one_that_has_something_of_a_journal_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    for _ in 0..2 {
        mark_new(&path).unwrap();
        assert!(std::fs::read_to_string(path.join(MARKER_NAME)).unwrap().contains("new journal"));
    }
    std::fs::remove_file(path.join(MARKER_NAME)).unwrap();
    for name in [file_name(1), unfinished_name(1), unfinished_name(2), reserve::NAME.to_owned()] {
        std::fs::write(path.join(&name), "").unwrap();
        let Err(JournalError::NotEmpty { name: left }) = mark_new(&path) else { panic!("{name}") };
        assert_eq!(left, name);
        assert!(!path.join(MARKER_NAME).exists());
        std::fs::remove_file(path.join(&name)).unwrap();
    }
}

#[test]
fn a_start_during_which_any_call_to_the_disk_fails_is_none() {
    let (disk, journal) = filled(20);
    drop(journal);
    // What the segment after the last one was cut short as, and a marker that a crash left.
    let last = disk.names().unwrap().iter().filter(|name| name.ends_with(".vigie")).count() as u64;
    disk.set_content(&unfinished_name(last + 1), vec![1; 10]);
    disk.set_content(MARKER_NAME, b"yes".to_vec());
    let mut failed = Vec::new();
    for call in 1.. {
        let disk = disk.restart();
        disk.fail_at(call, io::ErrorKind::Other);
        let started = open_with(&disk, LOG);
        let Some(what) = disk.operations().get(call - 1).copied() else {
            assert!(started.is_ok());
            break;
        };
        assert!(started.is_err(), "{what:?}, call {call}");
        failed.push(what);
    }
    for what in [Operation::Remove, Operation::SyncDirectory, Operation::Write, Operation::Sync] {
        assert!(failed.contains(&what), "{failed:?}");
    }
}

#[test]
fn what_is_written_to_a_segment_that_has_lost_its_name_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let storage = DirStorage::open(dir.path()).unwrap();
    let config = JournalConfig { segment_bytes: 64 * 1024, ..JournalConfig::new() };
    let mut journal = Journal::open(storage, config, LOG, &mut |_| Ok(())).unwrap();
    journal.append(&messages(1..=1)).unwrap();
    std::fs::rename(dir.path().join(file_name(1)), dir.path().join("elsewhere")).unwrap();
    assert!(matches!(journal.append(&messages(2..=2)), Err(JournalError::Moved)));
    assert!(journal.is_poisoned());
}

#[test]
fn a_start_that_finds_no_room_at_all_says_so() {
    let (disk, journal) = filled(4);
    drop(journal);
    disk.set_room(Some(disk.used()));
    assert!(disk.content(reserve::NAME).is_none(), "there is no reserve to take from");
    let error = open_with(&disk, LOG).unwrap_err();
    assert!(matches!(error, JournalError::Full { .. }), "{error}");
    disk.set_room(None);
    assert_eq!(open(&disk.restart()).1, messages(1..=4));
}

#[test]
fn a_segment_that_a_start_leaves_keeps_no_more_room_than_it_uses() {
    let (disk, journal) = filled(4);
    drop(journal);
    let disk = disk.restart();
    let bytes = disk.content(&file_name(1)).unwrap();
    assert_eq!(bytes.len() as u64, SEGMENT);
    let (journal, seen) = open(&disk);
    assert_eq!((journal.recovery(), seen), (Recovery::Unclean { copied: 2, cut_bytes: 0 }, messages(1..=4)));
    let left = disk.content(&file_name(1)).unwrap();
    assert!(
        left.len() < bytes.len()
            && left.iter().rposition(|byte| *byte != 0).is_some_and(|last| left.len() - last < 64)
    );
}
