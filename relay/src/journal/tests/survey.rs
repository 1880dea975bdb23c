//! Looking at a journal without touching it, and copying it while it is written.

use super::super::survey::{Met, Survey};
use super::*;

const MADE: Timestamp = Timestamp::from_millis(77_000);

fn survey(disk: &SimDisk) -> Survey<SimDisk> {
    Survey::read(disk).unwrap()
}

/// What a walk shows: sequences of messages, and the ranges that are lost.
fn walked(survey: &Survey<SimDisk>) -> (Vec<u64>, Vec<(u64, u64)>) {
    let (mut seen, mut lost) = (Vec::new(), Vec::new());
    let walked = survey.walk::<JournalError>(&mut |met| {
        match met {
            Met::Record { record: Record::Message(message), .. } => seen.push(message.seq.get()),
            Met::Record { .. } => {}
            Met::Damage(range) => lost.push((range.after.get(), range.next.get())),
        }
        Ok(())
    });
    walked.unwrap();
    (seen, lost)
}

#[test]
fn a_look_beside_the_writer_changes_nothing_and_sees_all() {
    let (disk, _journal) = filled(40);
    let before = disk.operations().len();
    let seen = survey(&disk);
    assert_eq!(walked(&seen), ((1..=40).collect(), vec![]));
    assert_eq!(disk.operations().len(), before);
    assert_eq!((seen.log(), seen.last_seq(), seen.first_seq()), (LOG, seq(40), seq(1)));
    assert_eq!(seen.tail(), (2, 0), "the last batch is proven by nothing yet");
    assert!(seen.backup_made().is_none());
}

#[test]
fn a_later_mark_proves_the_tail() {
    let (disk, mut journal) = filled(4);
    let mut seen = survey(&disk);
    assert!(!seen.prove_tail().unwrap());
    journal.write_footer().unwrap();
    assert!(seen.prove_tail().unwrap());
    assert_eq!((seen.tail(), seen.last_seq()), ((0, 0), seq(4)));
    let mut seen = survey(&disk);
    assert!(seen.prove_tail().unwrap(), "nothing is in doubt");
}

#[test]
fn the_whole_tail_is_told_apart_from_bytes_that_are_none() {
    let (disk, journal) = filled(4);
    drop(journal);
    let mut bytes = disk.content(&file_name(1)).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes[end..end + 10].fill(0x2A);
    disk.set_content(&file_name(1), bytes);
    let seen = survey(&disk);
    assert_eq!((seen.tail(), seen.damage()), ((2, 10), &[][..]));
}

#[test]
fn every_byte_that_is_damaged_is_named_in_its_place() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let all: Vec<u64> = (1..=40).collect();
    for offset in (0..4096).step_by(97) {
        let disk = disk.restart();
        let mut bytes = disk.content(&file_name(1)).unwrap();
        if bytes[offset..].iter().all(|byte| *byte == 0) {
            continue;
        }
        bytes[offset] ^= 0x10;
        disk.set_content(&file_name(1), bytes);
        let seen = survey(&disk);
        let (messages, lost) = walked(&seen);
        let told: Vec<_> = seen.damage().iter().map(|range| (range.after.get(), range.next.get())).collect();
        assert_eq!(lost, told, "byte {offset}");
        let missing: Vec<u64> = all.iter().copied().filter(|seq| !messages.contains(seq)).collect();
        let covered: Vec<u64> = told.iter().flat_map(|(after, next)| after + 1..*next).collect();
        assert_eq!(missing, covered, "byte {offset}");
        if let [range] = seen.damage() {
            assert_eq!(range.segment, file_name(1));
            assert!(range.offset <= offset as u64, "byte {offset}: {range:?}");
        }
    }
}

#[test]
fn a_copy_is_whole_says_what_it_is_and_no_relay_goes_on_in_it() {
    let (disk, mut journal) = filled(40);
    journal.write_footer().unwrap();
    let mut seen = survey(&disk);
    assert!(seen.prove_tail().unwrap());
    // What comes after the survey, a change of segment and retention, is not in the copy and takes nothing from it.
    journal.append(&messages(41..=60)).unwrap();
    journal.config.retain_bytes = 0;
    let now = Timestamp::from_millis(10_000_000);
    while journal.retain(now, &mut |_, _| false).unwrap() != Retention::Nothing {}
    assert!(journal.first_seq() > seq(30), "segments are gone");
    let target = SimDisk::new();
    let copied = seen.copy_to(&disk, &target, MADE).unwrap();
    assert_eq!(copied.last, seq(40));
    let target = target.restart();
    let copy = survey(&target);
    assert_eq!(walked(&copy), ((1..=40).collect(), vec![]));
    assert_eq!((copy.backup_made(), copy.log(), copy.tail()), (Some(MADE), LOG, (0, 0)));
    assert!(matches!(refused(&target), JournalError::Backup { log: LOG }));
}

#[test]
fn a_copy_that_a_crash_cut_short_is_neither_a_journal_nor_a_copy() {
    let (disk, mut journal) = filled(40);
    journal.write_footer().unwrap();
    let seen = survey(&disk);
    let whole = SimDisk::new();
    seen.copy_to(&disk, &whole, MADE).unwrap();
    let calls = whole.operations().len();
    for call in 1..=calls {
        let target = SimDisk::new();
        target.fail_at(call, io::ErrorKind::Other);
        assert!(seen.copy_to(&disk, &target, MADE).is_err(), "call {call}");
        let target = target.restart();
        let names = target.names().unwrap();
        if names.iter().all(|name| !name.contains(".vigie")) {
            continue;
        }
        match open_with(&target, LOG) {
            Err(_) => {
                // Refused, or it tells what it lacks; whole where only the last sync failed.
                let told = |copy: &Survey<SimDisk>| !copy.damage().is_empty() || walked(copy).0.len() == 40;
                assert!(
                    Survey::read(&target).is_ok_and(|copy| told(&copy)) || Survey::read(&target).is_err()
                );
            }
            Ok(_) => panic!("call {call}: a relay would go on in {names:?}"),
        }
    }
}

#[test]
fn damage_is_copied_as_it_is() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    disk.delete(&file_name(2));
    let mut bytes = disk.content(&file_name(3)).unwrap();
    bytes[20] ^= 1;
    disk.set_content(&file_name(3), bytes.clone());
    let seen = survey(&disk);
    let target = SimDisk::new();
    seen.copy_to(&disk, &target, MADE).unwrap();
    let copy = survey(&target);
    assert_eq!((walked(&copy), copy.damage()), (walked(&seen), seen.damage()));
    assert_eq!(target.content(&file_name(3)).unwrap(), bytes, "what is left of it can still be looked at");
}

#[test]
fn where_a_log_comes_from_is_found_again_and_carried_on() {
    let from = ForkedFrom { log: LogId::from_bytes([1; 16]), seq: seq(9), admitted: MADE };
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    journal.append(&[Record::Forked(from)]).unwrap();
    for batch in messages(10..=60).chunks(2) {
        journal.append(batch).unwrap();
    }
    journal.config.retain_bytes = 0;
    let now = Timestamp::from_millis(10_000_000);
    let mut asked = |record: &Record, _| matches!(record, Record::Forked(_));
    while journal.retain(now, &mut asked).unwrap() != Retention::Nothing {}
    assert!(journal.first_seq() > seq(30));
    journal.close().unwrap();
    let (_, seen) = open(&disk);
    assert_eq!(seen.iter().filter(|one| **one == Record::Forked(from)).count(), 1);
}

#[test]
fn a_folder_without_a_journal_is_said_to_have_none() {
    assert!(matches!(Survey::read(&SimDisk::new()), Err(JournalError::NoJournal)));
    let disk = SimDisk::new();
    disk.set_content("1.vigie", vec![1]);
    assert!(matches!(Survey::read(&disk), Err(JournalError::Unrecognised { .. })));
}
