//! Folders that are not opened: each with its reason, and nothing in them is changed.

use vigie_proto::limits::JSON_INTEGER_MAX;

use super::*;

#[test]
fn one_relay_at_a_time() {
    let (disk, journal) = filled(2);
    assert!(matches!(refused(&disk), JournalError::InUse));
    drop(journal);
    open(&disk);
}

#[test]
fn without_its_newest_segment_a_journal_is_not_opened() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let newest = disk.names().unwrap().len() as u64;
    disk.delete(&file_name(newest));
    let error = refused(&disk);
    let JournalError::MissingSegment { segment } = &error else { panic!("{error}") };
    assert_eq!(*segment, file_name(newest));
}

#[test]
fn a_newest_segment_alone_proves_nothing() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let newest = disk.names().unwrap().len() as u64;
    for index in 1..newest {
        disk.delete(&file_name(index));
    }
    assert!(matches!(refused(&disk), JournalError::MissingSegment { .. }));
    let other = SimDisk::new();
    let (mut journal, _) = open_with(&other, LogId::from_bytes([8; 16])).unwrap();
    journal.append(&messages(1..=2)).unwrap();
    disk.set_content(&file_name(1), other.content(&file_name(1)).unwrap());
    assert!(matches!(refused(&disk), JournalError::ForeignSegment { .. }));
}

/// The last segment is the end of the journal: without its header or its length nothing can be added safely.
#[test]
fn a_damaged_end_is_refused() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let newest = file_name(disk.names().unwrap().len() as u64);
    let whole = disk.content(&newest).unwrap();
    for bytes in [Vec::new(), whole[..100].to_vec(), whole[..600].to_vec(), vec![0; whole.len()]] {
        let cut = disk.restart();
        cut.set_content(&newest, bytes);
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

/// With a right checksum over it, behind whole frames and behind damage: it is told, and nothing overflows.
#[test]
fn a_place_that_no_log_comes_to_is_damage() {
    let (disk, journal) = filled(4);
    drop(journal);
    let home = frame::Home::new(LOG, 1);
    for (sequence, behind) in [(u64::MAX, 0), (JSON_INTEGER_MAX + 1, 0), (u64::MAX, 9)] {
        let disk = disk.restart();
        let mut bytes = disk.content(&file_name(1)).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1 + behind;
        let mut far = Vec::new();
        if behind > 0 {
            bytes[end - 1] = 1;
            home.put_mark(&mut far, end as u64, sequence, frame::Purpose::Batch);
        } else {
            let message = Record::Message(message(5, 3));
            home.put(&mut far, end as u64, frame::Kind::Message, sequence, |body| message.encode(body));
        }
        bytes[end..end + far.len()].copy_from_slice(&far);
        disk.set_content(&file_name(1), bytes);
        assert!(matches!(refused(&disk), JournalError::Damaged { .. }), "{sequence} {behind}");
    }
}

#[test]
fn unknown_record_kinds_are_refused_and_not_skipped() {
    let (disk, journal) = filled(4);
    drop(journal);
    for kind in [9, 10] {
        let disk = disk.restart();
        let mut bytes = disk.content(&file_name(1)).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let home = frame::Home::new(LOG, 1);
        let mut newer = Vec::new();
        home.put(&mut newer, end as u64, frame::Kind::Unknown(kind), 4, |body| body.push(1));
        bytes[end..end + newer.len()].copy_from_slice(&newer);
        disk.set_content(&file_name(1), bytes);
        let error = refused(&disk);
        let JournalError::NewerFormat { found, known, .. } = error else { panic!("{error}") };
        assert_eq!((found, known), (u32::from(kind), 8));
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
