//! A full disk: what may use the reserve goes through, the rest waits for room, and both without losing anything.

use super::*;

/// A journal with its reserve, on a disk that has room for a few segments.
fn on_a_small_disk(segments: u64) -> (SimDisk, Journal<SimDisk>) {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    journal.keep_reserve().unwrap();
    disk.set_room(Some(segments * SEGMENT));
    (disk, journal)
}

/// Appends until there is no room; gives the first sequence that found none.
fn fill(journal: &mut Journal<SimDisk>, mut next: u64) -> u64 {
    loop {
        match journal.append(&messages(next..=next)) {
            Ok(()) => next += 1,
            Err(JournalError::Full { .. }) => return next,
            Err(error) => panic!("{error}"),
        }
    }
}

fn is_full(result: &Result<(), JournalError>) -> bool {
    matches!(result, Err(error) if error.is_retryable())
}

#[test]
fn urgent_batches_go_through_where_others_wait() {
    let (disk, mut journal) = on_a_small_disk(4);
    let mut next = fill(&mut journal, 1);
    let (filled_to, mut urgent) = (next, 0);
    loop {
        let result = journal.append_urgent(&messages(next..=next));
        if is_full(&result) {
            break;
        }
        result.unwrap();
        (next, urgent) = (next + 1, urgent + 1);
        assert!(is_full(&journal.append(&messages(next..=next))), "the room is not for others");
        assert!(is_full(&journal.keep_reserve()));
    }
    // 4 KiB of reserve, and here each message has a small segment of its own.
    assert!(urgent >= 3, "{urgent} on the reserve");
    assert!(disk.used() <= 4 * SEGMENT);
    drop(journal);
    let (mut journal, seen) = open(&disk);
    assert_eq!(seen, messages(1..=next - 1));
    assert!(is_full(&journal.append(&messages(next..=next))), "also after a start");
    disk.set_room(None);
    journal.append(&messages(next..=next)).unwrap();
    journal.keep_reserve().unwrap();
    assert_eq!(disk.content("reserve").unwrap().len() as u64, SEGMENT);
    assert!(filled_to > 10);
}

#[test]
fn room_goes_to_the_reserve_first() {
    let (disk, mut journal) = on_a_small_disk(4);
    let next = fill(&mut journal, 1);
    journal.append_urgent(&messages(next..=next)).unwrap();
    disk.set_room(Some(disk.used() + SEGMENT));
    // Enough for a segment, and then there would be no reserve.
    assert!(is_full(&journal.append(&messages(next + 1..=next + 1))));
    assert_eq!(disk.content("reserve").unwrap().len() as u64, SEGMENT);
    disk.set_room(Some(disk.used() + SEGMENT));
    journal.append(&messages(next + 1..=next + 1)).unwrap();
    drop(journal);
    assert_eq!(open(&disk).1, messages(1..=next + 1));
}

#[test]
fn with_room_an_urgent_batch_is_like_any_other() {
    let (disk, mut journal) = filled(4);
    journal.keep_reserve().unwrap();
    let reserve = disk.content("reserve").unwrap().len();
    let before = disk.operations().len();
    journal.append_urgent(&messages(5..=6)).unwrap();
    assert_eq!(disk.operations()[before..], [Operation::Write, Operation::Sync]);
    journal.append_urgent(&messages(7..=20)).unwrap();
    assert_eq!(disk.content("reserve").unwrap().len(), reserve);
}

#[test]
fn a_full_disk_without_a_byte_left_still_recovers() {
    let (disk, mut journal) = on_a_small_disk(4);
    let next = fill(&mut journal, 1);
    disk.set_room(Some(disk.used()));
    // No footer: the start must copy the last batch, for which only the reserve has room.
    drop(journal);
    let (mut journal, seen) = open(&disk);
    assert_eq!(seen, messages(1..=next - 1));
    assert!(matches!(journal.recovery(), Recovery::Unclean { copied: 1, .. }));
    journal.append_urgent(&messages(next..=next)).unwrap();
    journal.close().unwrap();
    assert_eq!(open(&disk).1, messages(1..=next));
}

#[test]
fn a_reserve_that_a_crash_left_half_made_is_completed() {
    let (disk, mut journal) = filled(2);
    disk.set_content("reserve", vec![0; 100]);
    journal.keep_reserve().unwrap();
    assert_eq!(disk.content("reserve").unwrap().len() as u64, SEGMENT);
    let calls = disk.operations().len();
    journal.keep_reserve().unwrap();
    assert_eq!(disk.operations().len(), calls, "whole is whole");
}
