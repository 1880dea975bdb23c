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

/// Four messages, and behind them one more frame: whole, wherever it comes from.
fn with_one_more(kind: frame::Kind, sequence: u64, body: &[u8]) -> SimDisk {
    let (disk, journal) = filled(4);
    drop(journal);
    let disk = disk.restart();
    let mut bytes = disk.content(&file_name(1)).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut more = Vec::new();
    frame::Home::new(LOG, 1).put(&mut more, end as u64, kind, sequence, |out| {
        if kind == frame::Kind::Mark {
            frame::Home::new(LOG, 1).put_mark(out, end as u64, sequence, frame::Purpose::Footer);
            // Only what it says: the frame around it is made here.
            out.drain(frame::HEADER_BYTES..2 * frame::HEADER_BYTES);
        } else {
            out.extend_from_slice(body);
        }
    });
    bytes[end..end + more.len()].copy_from_slice(&more);
    disk.set_content(&file_name(1), bytes);
    disk
}

fn body_of(record: &Record) -> Vec<u8> {
    let mut body = Vec::new();
    record.encode(&mut body);
    body
}

/// Whole frames that were never written one behind the other are no damage of a disk, but a mixture: they are refused.
#[test]
fn what_has_no_place_behind_what_is_before_it_is_refused() {
    let revocation = Record::Revocation(RevocationRecord {
        count: 1,
        seq: seq(4),
        admitted: Timestamp::from_millis(1_040),
        id: vigie_proto::id::RevocationId::from_bytes([1; 32]),
        issuer: vigie_proto::id::CredentialId::from_bytes([2; 32]),
        jws: bytes::Bytes::from_static(b"revocation"),
    });
    let carried = Record::Carried(CarriedId::from(&message(1, 0)));
    let forked = Record::Forked(ForkedFrom {
        log: LogId::from_bytes([8; 16]),
        seq: seq(1),
        admitted: Timestamp::EPOCH,
    });
    let kinds = [
        (frame::Kind::Mark, Vec::new()),
        (frame::Kind::Credential, body_of(&credential(1))),
        (frame::Kind::Revocation, body_of(&revocation)),
        (frame::Kind::Carried, body_of(&carried)),
        (frame::Kind::Forked, body_of(&forked)),
        (frame::Kind::Backup, 9_u64.to_le_bytes().to_vec()),
    ];
    for (kind, body) in &kinds {
        for sequence in [3, 5] {
            let error = refused(&with_one_more(*kind, sequence, body));
            assert!(
                matches!(error, JournalError::Damaged { what: "out of order", .. }),
                "{kind:?} {sequence}: {error}"
            );
        }
        match open_with(&with_one_more(*kind, 4, body), LOG) {
            Ok(_) => assert_ne!(*kind, frame::Kind::Backup),
            Err(error) => assert!(matches!(error, JournalError::Backup { .. }), "{kind:?}: {error}"),
        }
    }
    // A message comes behind the last one, and not before it in time.
    let at = |millis| {
        body_of(&Record::Message(MessageRecord { admitted: Timestamp::from_millis(millis), ..message(5, 3) }))
    };
    for (sequence, admitted, is_good) in [
        (5, 1_040, true),
        (9, 1_041, true),
        (JSON_INTEGER_MAX, 1_041, true),
        (4, 1_041, false),
        (3, 1_041, false),
        (5, 1_039, false),
    ] {
        let disk = with_one_more(frame::Kind::Message, sequence, &at(admitted));
        if is_good {
            let (journal, seen) = open(&disk);
            assert_eq!(
                (seen.len(), journal.last_seq(), journal.last_admitted()),
                (5, seq(sequence), Timestamp::from_millis(admitted))
            );
        } else {
            let error = refused(&disk);
            assert!(matches!(error, JournalError::Damaged { what: "out of order", .. }), "{error}");
        }
    }
}

/// Behind damage a mark says how far the log had come: never less far than what is before it.
#[test]
fn a_mark_behind_damage_that_goes_back_is_refused() {
    let (disk, journal) = filled(4);
    drop(journal);
    for (sequence, next) in
        [(3, None), (4, Some(5)), (8, Some(9)), (JSON_INTEGER_MAX, Some(JSON_INTEGER_MAX + 1))]
    {
        let disk = disk.restart();
        let mut bytes = disk.content(&file_name(1)).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        bytes[end] = 1;
        let mut mark = Vec::new();
        frame::Home::new(LOG, 1).put_mark(&mut mark, end as u64 + 9, sequence, frame::Purpose::Footer);
        bytes[end + 9..end + 9 + mark.len()].copy_from_slice(&mark);
        disk.set_content(&file_name(1), bytes);
        match next {
            Some(next) => {
                let (journal, _) = open(&disk);
                let [range] = journal.damage() else { panic!("{:?}", journal.damage()) };
                assert_eq!((range.after, range.next), (seq(4), seq(next)));
            }
            None => {
                let error = refused(&disk);
                assert!(matches!(error, JournalError::Damaged { what: "out of order", .. }), "{error}");
            }
        }
    }
}

/// A start looks for no number past the last: what it copied there would be lost, with all the rest.
#[test]
fn a_last_segment_that_none_can_follow_is_refused_where_one_must() {
    let (index, capacity) = (JSON_INTEGER_MAX, 4096);
    let written = |purpose| {
        let disk = SimDisk::new();
        let home = frame::Home::new(LOG, index);
        let header = segment::Header {
            log: LOG,
            index,
            base: 1,
            admitted: 0,
            previous_end: 0,
            oldest: index,
            capacity,
        };
        let mut bytes = header.encode();
        let begin = bytes.len() as u64;
        home.put_mark(&mut bytes, begin, 0, purpose);
        let at = bytes.len() as u64;
        if purpose == frame::Purpose::Batch {
            let message = Record::Message(message(1, 1));
            home.put(&mut bytes, at, frame::Kind::Message, 1, |body| message.encode(body));
        }
        bytes.resize(capacity as usize, 0);
        disk.set_content(&file_name(index), bytes);
        disk
    };
    assert!(matches!(refused(&written(frame::Purpose::Batch)), JournalError::Damaged { offset: 32, .. }));
    let clean = written(frame::Purpose::Footer);
    let (mut journal, _) = open(&clean);
    let full = (1..=40).find_map(|number| journal.append(&messages(number..=number)).err());
    assert!(matches!(full, Some(JournalError::Full { .. })), "{full:?}");
    drop(journal);
    assert!(matches!(refused(&clean), JournalError::Damaged { offset: 32, .. }));
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

/// Two copies of one journal that went their own ways have the same log: their segments must not be mixed, whether they
/// have come to another place or to the same one at another time.
#[test]
fn segments_of_two_histories_are_not_mixed() {
    let write = |last_of_first: MessageRecord| {
        let (disk, mut journal) = filled(6);
        let end = Record::Message(last_of_first);
        for batch in
            [messages(7..=8), messages(9..=10), [messages(11..=11), vec![end]].concat(), messages(14..=15)]
        {
            journal.append(&batch).unwrap();
        }
        journal.close().unwrap();
        disk
    };
    let same_time = MessageRecord { seq: seq(13), ..message(12, 300) };
    let same_place = MessageRecord { admitted: message(13, 300).admitted, ..message(12, 300) };
    for end in [message(13, 300), same_time, same_place] {
        let (one, other) = (write(message(12, 300)), write(end));
        assert_eq!(one.names().unwrap().len(), 3);
        one.set_content(&file_name(2), other.content(&file_name(2)).unwrap());
        let error = refused(&one);
        assert!(
            matches!(error, JournalError::Damaged { what: "does not continue the segment before", .. }),
            "{error}"
        );
    }
}
