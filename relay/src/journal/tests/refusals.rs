//! Folders that are not opened: each with its reason, and nothing in them is changed.

use super::*;

#[test]
fn one_relay_at_a_time() {
    let (disk, journal) = filled(2);
    assert!(matches!(refused(&disk), JournalError::InUse));
    drop(journal);
    open(&disk);
}

#[test]
fn a_missing_segment_is_missed_wherever_it_was() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let count = disk.names().unwrap().len() as u64;
    assert!(count >= 4);
    for index in 1..=count {
        let disk = disk.restart();
        disk.delete(&file_name(index));
        let error = refused(&disk);
        let JournalError::MissingSegment { segment } = &error else { panic!("segment {index}: {error}") };
        assert_eq!(*segment, file_name(index));
    }
}

#[test]
fn segments_that_are_not_those_of_this_place_are_refused() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let (first, second) = (disk.content(&file_name(1)).unwrap(), disk.content(&file_name(2)).unwrap());

    let swapped = disk.restart();
    swapped.set_content(&file_name(1), second.clone());
    swapped.set_content(&file_name(2), first.clone());
    assert!(matches!(refused(&swapped), JournalError::Damaged { offset: 32, .. }));

    let duplicated = disk.restart();
    duplicated.set_content(&file_name(2), first);
    assert!(matches!(refused(&duplicated), JournalError::Damaged { offset: 32, .. }));

    let other = SimDisk::new();
    let (mut journal, _) = open_with(&other, LogId::from_bytes([8; 16])).unwrap();
    for batch in messages(1..=40).chunks(2) {
        journal.append(batch).unwrap();
    }
    let foreign = disk.restart();
    foreign.set_content(&file_name(2), other.content(&file_name(2)).unwrap());
    let error = refused(&foreign);
    let JournalError::ForeignSegment { segment, expected, found } = &error else { panic!("{error}") };
    assert_eq!((segment, *expected, *found), (&file_name(2), LOG, LogId::from_bytes([8; 16])));

    for bytes in [Vec::new(), second[..100].to_vec(), second[..600].to_vec(), vec![0; second.len()]] {
        let cut = disk.restart();
        cut.set_content(&file_name(2), bytes);
        assert!(matches!(refused(&cut), JournalError::Damaged { .. }));
    }
}

#[test]
fn a_newer_version_is_refused_before_the_first_write() {
    let (disk, journal) = filled(4);
    journal.close().unwrap();
    let mut bytes = disk.content(&file_name(1)).unwrap();
    bytes[8] = 2;
    disk.set_content(&file_name(1), bytes);
    assert!(matches!(refused(&disk), JournalError::NewerFormat { found: 2, known: 1, .. }));
}

#[test]
fn unknown_record_kinds_are_refused_and_not_skipped() {
    let (disk, journal) = filled(4);
    drop(journal);
    for kind in [4, 6] {
        let disk = disk.restart();
        let mut bytes = disk.content(&file_name(1)).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let home = frame::Home::new(LOG, 1);
        let mut newer = Vec::new();
        home.put(&mut newer, end as u64, frame::Kind::Unknown(kind), 4, |body| body.push(1));
        bytes[end..end + newer.len()].copy_from_slice(&newer);
        disk.set_content(&file_name(1), bytes);
        let error = refused(&disk);
        let JournalError::NewerFormat { found, .. } = error else { panic!("{error}") };
        assert_eq!(found, u32::from(kind));
    }
}

#[test]
fn what_looks_like_a_journal_never_becomes_a_new_one() {
    for name in ["00000000000000000001.vigie.bak", "1.vigie", "00000000000000000002.vigie.new"] {
        let disk = SimDisk::new();
        disk.set_content(name, vec![1, 2, 3]);
        assert!(matches!(refused(&disk), JournalError::Unrecognised { .. }), "{name}");
    }
    for bytes in [Vec::new(), vec![0; 4096], b"not a segment".repeat(100)] {
        let disk = SimDisk::new();
        disk.set_content(&file_name(1), bytes);
        assert!(matches!(refused(&disk), JournalError::Damaged { .. }));
    }
    let disk = SimDisk::new();
    disk.set_content("lost+found", Vec::new());
    disk.set_content("00000000000000000001.vigie.new", vec![0; 10]);
    assert_eq!(open(&disk).0.recovery(), Recovery::Created, "a first start that was cut short");
}

/// Two copies of one journal that went their own ways have the same log: their segments must not be mixed.
#[test]
fn segments_of_two_histories_are_not_mixed() {
    let write = |last_of_second: u64| {
        let (disk, mut journal) = filled(6);
        for batch in [
            messages(7..=8),
            messages(9..=10),
            [messages(11..=11), messages(last_of_second..=last_of_second)].concat(),
            messages(14..=15),
        ] {
            journal.append(&batch).unwrap();
        }
        journal.close().unwrap();
        disk
    };
    let (one, other) = (write(12), write(13));
    assert_eq!(one.names().unwrap().len(), 3);
    one.set_content(&file_name(2), other.content(&file_name(2)).unwrap());
    let error = refused(&one);
    assert!(
        matches!(error, JournalError::Damaged { what: "does not continue the segment before", .. }),
        "{error}"
    );
}
