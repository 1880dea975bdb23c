//! Damage that a journal lives with: what is lost is told, what follows is served, and nothing is overwritten.

use std::time::Duration;

use super::super::retention::Retention;
use super::*;

/// Opens a damaged journal and judges it: what it shows, what its readers get, and what it says is lost must be all that
/// was written, each exactly once. Gives what is lost.
fn lives_with(disk: &SimDisk, all: &[Record]) -> (Journal<SimDisk>, Vec<DamagedRange>) {
    let (journal, seen) = open(disk);
    let damage = journal.damage().to_vec();
    let is_lost =
        |number: u64| damage.iter().any(|range| range.after.get() < number && number < range.next.get());
    let expected: Vec<_> = all.iter().filter(|record| !is_lost(sequence_of(record))).cloned().collect();
    assert_eq!(seen, expected);
    let reader = journal.reader();
    let (mut at, mut got, mut gaps) = (seq(0), Vec::new(), Vec::new());
    while at < reader.head() {
        match reader.read_after(at, 700) {
            Ok(page) => {
                got.extend(page.messages.into_iter().map(Record::Message));
                assert!(page.end > at);
                at = page.end;
            }
            Err(ReadError::Damaged { after, next, .. }) => {
                assert_eq!(after, at);
                assert!(next.get() > at.get() + 1, "a gap moves the reader on");
                gaps.push((after, next));
                at = seq(next.get() - 1);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(got, expected);
    let lost: Vec<_> = damage.iter().map(|range| (range.after, range.next)).collect();
    assert_eq!(
        gaps,
        lost.into_iter().filter(|(after, next)| next.get() > after.get() + 1).collect::<Vec<_>>()
    );
    (journal, damage)
}

fn sequence_of(record: &Record) -> u64 {
    match record {
        Record::Message(message) => message.seq.get(),
        Record::Credential { .. } | Record::Revocation(_) | Record::Carried(_) | Record::Forked(_) => 0,
    }
}

/// Forty messages in batches of two, closed; and the number of segments.
fn closed() -> (SimDisk, u64) {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let count = disk.names().unwrap().len() as u64;
    assert!(count >= 4);
    (disk.restart(), count)
}

#[test]
fn damage_costs_the_batch_it_hits_and_publishing_goes_on() {
    let (disk, count) = closed();
    for index in 1..=count {
        let disk = disk.restart();
        let name = file_name(index);
        let mut bytes = disk.content(&name).unwrap();
        bytes[1000] ^= 1;
        disk.set_content(&name, bytes.clone());
        let (mut journal, damage) = lives_with(&disk, &messages(1..=40));
        let [range] = &damage[..] else { panic!("segment {index}: {damage:?}") };
        assert_eq!(range.segment, name);
        assert!(range.next.get() - range.after.get() <= 3, "at most the two messages of a batch: {range:?}");
        journal.append(&messages(41..=42)).unwrap();
        journal.close().unwrap();
        let kept = disk.content(&name).unwrap();
        assert_eq!(kept[..1200], bytes[..1200], "nothing is written over what is damaged");
        // Another start finds the same, and what was published since.
        let (_, again) = lives_with(&disk, &messages(1..=42));
        assert_eq!(again, damage);
    }
}

#[test]
fn a_segment_that_is_cut_short_is_told_wherever_it_ends() {
    let (disk, _) = closed();
    let whole = disk.content(&file_name(1)).unwrap();
    let mut between_frames = 0;
    // Over more than a batch: the mark, and its messages.
    for end in 128..1_400 {
        let disk = disk.restart();
        disk.set_content(&file_name(1), whole[..end].to_vec());
        let (journal, seen) = open(&disk);
        let [lost] = journal.damage() else { panic!("{end}: {:?}", journal.damage()) };
        assert_eq!(
            (&*lost.segment, lost.after.get() + 1),
            (&*file_name(1), lost.next.get() - (40 - seen.len() as u64))
        );
        between_frames += usize::from(lost.what == "shorter than it was made");
    }
    assert!(between_frames >= 4, "{between_frames}");
}

#[test]
fn a_segment_that_is_missing_is_a_gap_until_it_is_put_back() {
    let (disk, count) = closed();
    for index in 1..count {
        let disk = disk.restart();
        let name = file_name(index);
        let whole = disk.content(&name).unwrap();
        disk.delete(&name);
        let (mut journal, damage) = lives_with(&disk, &messages(1..=40));
        assert_eq!(damage.len(), 1);
        assert_eq!((&*damage[0].segment, damage[0].what), (&*name, "missing"));
        journal.append(&messages(41..=42)).unwrap();
        journal.close().unwrap();
        assert!(disk.content(&name).is_none(), "nothing takes its place");
        disk.set_content(&name, whole);
        let (_, damage) = lives_with(&disk, &messages(1..=42));
        assert_eq!(damage, []);
    }
}

#[test]
fn several_segments_in_a_row_are_one_gap() {
    let (disk, _) = closed();
    let header = |disk: &SimDisk, index| {
        let mut bytes = disk.content(&file_name(index)).unwrap();
        bytes[50] ^= 1;
        disk.set_content(&file_name(index), bytes);
    };
    header(&disk, 2);
    disk.delete(&file_name(3));
    let (_, damage) = lives_with(&disk, &messages(1..=40));
    let [range] = &damage[..] else { panic!("{damage:?}") };
    assert_eq!((&*range.segment, range.offset), (&*file_name(2), 12));
}

#[test]
fn a_segment_of_something_else_is_a_gap_and_is_kept() {
    let (disk, _) = closed();
    let (first, second) = (disk.content(&file_name(1)).unwrap(), disk.content(&file_name(2)).unwrap());
    let other = SimDisk::new();
    let (mut journal, _) = open_with(&other, LogId::from_bytes([8; 16])).unwrap();
    for batch in messages(1..=40).chunks(2) {
        journal.append(batch).unwrap();
    }
    let foreign = other.content(&file_name(2)).unwrap();
    let others =
        [first.clone(), foreign, Vec::new(), second[..100].to_vec(), second[..600].to_vec(), vec![0; 4096]];
    for bytes in others {
        let disk = disk.restart();
        disk.set_content(&file_name(2), bytes.clone());
        let (journal, damage) = lives_with(&disk, &messages(1..=40));
        assert_eq!((damage.len(), &*damage[0].segment), (1, &*file_name(2)));
        journal.close().unwrap();
        assert_eq!(disk.content(&file_name(2)).unwrap(), bytes);
    }
    let swapped = disk.restart();
    swapped.set_content(&file_name(1), second);
    swapped.set_content(&file_name(2), first);
    let (_, damage) = lives_with(&swapped, &messages(1..=40));
    assert_eq!((damage.len(), damage[0].after), (1, seq(0)));
}

/// A damaged batch at the very end, proven by the footer behind it: its messages are lost, their places are not.
#[test]
fn places_that_are_lost_at_the_end_are_not_given_again() {
    let (disk, count) = closed();
    let name = file_name(count);
    let mut bytes = disk.content(&name).unwrap();
    let footer = bytes.iter().rposition(|byte| *byte != 0).unwrap() - 43;
    bytes[footer - 100] ^= 1;
    disk.set_content(&name, bytes);
    let (mut journal, damage) = lives_with(&disk, &messages(1..=40));
    assert_eq!((damage[0].next, journal.last_seq()), (seq(41), seq(40)));
    assert!(matches!(journal.append(&messages(40..=40)), Err(JournalError::OutOfOrder { .. })));
    journal.append(&messages(41..=41)).unwrap();
    drop(journal);
    lives_with(&disk, &messages(1..=41));
}

/// Messages of 300 bytes in batches of two, over three segments of sixteen pages.
fn in_large_segments() -> (SimDisk, JournalConfig) {
    let disk = SimDisk::new();
    let config = JournalConfig { segment_bytes: 64 * 1024, ..JournalConfig::new() };
    let mut journal = Journal::open(disk.clone(), config.clone(), LOG, &mut |_| Ok(())).unwrap();
    for batch in messages(1..=400).chunks(2) {
        journal.append(batch).unwrap();
    }
    journal.close().unwrap();
    assert!(disk.names().unwrap().len() >= 3);
    (disk, config)
}

/// A bad sector kept a relay from starting, and a reader from ever getting past it.
#[test]
fn what_the_disk_cannot_read_is_damage_and_all_else_is_served() {
    let (closed, config) = in_large_segments();
    for page in 0..16_u64 {
        // Found at a start; and met while running.
        for before in [true, false] {
            let disk = closed.restart();
            let bad = || disk.make_unreadable(&file_name(1), page * 4_096);
            if before {
                bad();
            }
            let open = Journal::open(disk.clone(), config.clone(), LOG, &mut |_| Ok(()));
            let mut journal = open.unwrap();
            bad();
            let (reader, mut at, mut read, mut gaps) = (journal.reader(), seq(0), 0, Vec::new());
            while at < journal.last_seq() {
                match reader.read_after(at, 10_000) {
                    Ok(page) => {
                        read += page.messages.len();
                        at = page.end;
                    }
                    Err(ReadError::Damaged { next, what, .. }) => {
                        gaps.push(what);
                        at = seq(next.get() - 1);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(!gaps.is_empty() && gaps.len() <= 2, "page {page}: {gaps:?}");
            assert!(gaps[0].contains("the disk cannot read"), "{gaps:?}");
            assert_eq!(journal.damage().len(), usize::from(before), "page {page}");
            // As much as lies in a page, unless a start finds no header.
            let (lost, most) = (400 - read, if before && page == 0 { 200 } else { 16 });
            assert!((1..=most).contains(&lost), "page {page}: {lost} lost");
            journal.append(&messages(401..=402)).unwrap();
        }
    }
}

/// What cannot be read at the very end may have been acknowledged: it must not be taken for torn, and cut.
#[test]
fn an_end_that_the_disk_cannot_read_is_not_cut() {
    let (closed, config) = in_large_segments();
    let newest = closed.names().unwrap().into_iter().filter(|name| name.ends_with(".vigie")).max().unwrap();
    let content = closed.content(&newest).unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let disk = closed.restart();
    disk.make_unreadable(&newest, end);
    let before = disk.operations().len();
    let refused = Journal::open(disk.clone(), config, LOG, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(refused, JournalError::Storage { .. }), "{refused}");
    assert_eq!(
        (disk.operations().len(), disk.content(&newest)),
        (before, Some(content)),
        "nothing was changed"
    );
}

/// Only a credential is lost: no message is missing, and it is told all the same.
#[test]
fn a_lost_credential_is_told() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    journal.append(&messages(1..=2)).unwrap();
    journal.append(&[credential(1)]).unwrap();
    journal.append(&messages(3..=4)).unwrap();
    journal.close().unwrap();
    let mut bytes = disk.content(&file_name(1)).unwrap();
    let place = bytes.windows(100).position(|window| window == [b'1'; 100]).unwrap();
    bytes[place] ^= 1;
    disk.set_content(&file_name(1), bytes);
    let (_, damage) = lives_with(&disk.restart(), &messages(1..=4));
    assert_eq!((damage.len(), damage[0].after, damage[0].next), (1, seq(2), seq(3)));
}

#[test]
fn retention_keeps_a_damaged_segment_under_another_name() {
    let (disk, _) = closed();
    let mut bytes = disk.content(&file_name(1)).unwrap();
    bytes[1000] ^= 1;
    disk.set_content(&file_name(1), bytes);
    let config =
        JournalConfig { segment_bytes: SEGMENT, retain_age: Duration::from_secs(1), ..JournalConfig::new() };
    let mut asked = Vec::new();
    let mut journal = Journal::open(disk.clone(), config, LOG, &mut |_| Ok(())).unwrap();
    let now = message(25, 0).admitted.plus(Duration::from_millis(1_001));
    while journal
        .retain(now, &mut |record, _| {
            asked.push(sequence_of(record));
            false
        })
        .unwrap()
        != Retention::Nothing
    {}
    let first = journal.first_seq().get();
    let lost = &journal.damage()[0];
    assert!(first > lost.next.get());
    let expected: Vec<_> =
        (1..first).filter(|number| !(lost.after.get() + 1..lost.next.get()).contains(number)).collect();
    assert_eq!(asked, expected, "what is behind the damage may be needed too");
    journal.close().unwrap();
    let names = disk.names().unwrap();
    assert!(names.contains(&format!("{}.damaged", file_name(1))), "{names:?}");
    assert!(!names.contains(&file_name(1)) && !names.contains(&file_name(2)), "{names:?}");
}

/// The newest segment says which is the oldest, so what is older was given up, and a crash came before it was removed.
#[test]
fn what_was_given_up_goes_at_the_next_start_and_is_kept_where_it_is_damaged() {
    for is_damaged in [false, true] {
        let (disk, _) = closed();
        let mut first = disk.content(&file_name(1)).unwrap();
        first[1000] ^= u8::from(is_damaged);
        let retain_age = Duration::from_secs(1);
        let config = JournalConfig { segment_bytes: SEGMENT, retain_age, ..JournalConfig::new() };
        let mut journal = Journal::open(disk.clone(), config, LOG, &mut |_| Ok(())).unwrap();
        let now = message(25, 0).admitted.plus(Duration::from_millis(1_001));
        while journal.retain(now, &mut |_, _| false).unwrap() != Retention::Nothing {}
        journal.close().unwrap();
        let disk = disk.restart();
        assert!(disk.content(&file_name(1)).is_none());
        disk.set_content(&file_name(1), first);
        open(&disk).0.close().unwrap();
        let names = disk.names().unwrap();
        assert!(!names.contains(&file_name(1)), "{names:?}");
        assert_eq!(names.contains(&format!("{}.damaged", file_name(1))), is_damaged, "{names:?}");
    }
}
