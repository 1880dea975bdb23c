//! The journal as a whole, on a simulated disk: what it keeps (here), what it refuses, what readers get.
//! Crashes are in `relay/tests/journal_crash.rs`.

mod beginnings;
mod channels;
mod damage;
mod golden;
mod reading;
mod refusals;
mod reserve;
mod retention;
mod survey;

use std::io;

use vigie_proto::id::{LogId, Sequence};
use vigie_proto::time::Timestamp;

use super::record::tests::{credential, message};
use super::segment::file_name;
use super::sim_disk::{Operation, SimDisk};
use super::*;

const LOG: LogId = LogId::from_bytes([7; 16]);
const SEGMENT: u64 = 4096;

fn open_with(disk: &SimDisk, log: LogId) -> Result<(Journal<SimDisk>, Vec<Record>), JournalError> {
    let mut seen = Vec::new();
    let config = JournalConfig { segment_bytes: SEGMENT, ..JournalConfig::new() };
    let journal = Journal::open(disk.clone(), config, log, &mut |record| {
        seen.push(record.clone());
        Ok(())
    })?;
    Ok((journal, seen))
}

fn open(disk: &SimDisk) -> (Journal<SimDisk>, Vec<Record>) {
    open_with(disk, LOG).unwrap()
}

fn refused(disk: &SimDisk) -> JournalError {
    let calls = disk.operations().len();
    let error = open_with(disk, LOG).unwrap_err();
    assert_eq!(disk.operations().len(), calls, "nothing is changed before a refusal");
    error
}

fn messages(range: std::ops::RangeInclusive<u64>) -> Vec<Record> {
    range.map(|seq| Record::Message(message(seq, 300))).collect()
}

/// Batches of two messages, 1 to `last`, over several segments.
fn filled(last: u64) -> (SimDisk, Journal<SimDisk>) {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    for batch in messages(1..=last).chunks(2) {
        journal.append(batch).unwrap();
    }
    (disk, journal)
}

fn sequences(page: &Page) -> Vec<u64> {
    page.messages.iter().map(|message| message.seq.get()).collect()
}

fn seq(number: u64) -> Sequence {
    Sequence::new(number)
}

#[test]
fn a_new_journal_is_empty_and_takes_the_log_it_is_given() {
    let disk = SimDisk::new();
    let (journal, seen) = open(&disk);
    assert_eq!((journal.log(), journal.recovery()), (LOG, Recovery::Created));
    assert_eq!((journal.last_seq(), journal.first_seq()), (Sequence::START, seq(1)));
    assert_eq!(journal.last_admitted(), Timestamp::EPOCH);
    assert!(seen.is_empty());
    drop(journal);
    let (journal, _) = open_with(&disk, LogId::from_bytes([8; 16])).unwrap();
    assert_eq!(journal.log(), LOG, "only an empty folder takes a new log");
}

#[test]
fn records_come_back_in_order_after_a_close() {
    let disk = SimDisk::new();
    let (mut journal, _) = open(&disk);
    let mut all = vec![credential(1)];
    all.extend(messages(1..=3));
    all.push(credential(2));
    all.extend(messages(7..=40));
    for batch in all.chunks(5) {
        journal.append(batch).unwrap();
    }
    journal.close().unwrap();
    let (journal, seen) = open(&disk);
    assert_eq!(journal.recovery(), Recovery::Clean);
    assert_eq!(seen, all);
    assert_eq!((journal.last_seq(), journal.last_admitted()), (seq(40), message(40, 0).admitted));
    assert!(disk.names().unwrap().len() > 3, "several segments");
}

#[test]
fn a_batch_is_one_write_and_one_sync() {
    let (disk, mut journal) = filled(2);
    let before = disk.operations().len();
    journal.append(&messages(3..=4)).unwrap();
    assert_eq!(disk.operations()[before..], [Operation::Write, Operation::Sync]);
    journal.append(&[]).unwrap();
    assert_eq!(disk.operations().len(), before + 2);
}

#[test]
fn a_stop_without_close_copies_the_last_batch_once() {
    let (disk, journal) = filled(4);
    drop(journal);
    let (journal, seen) = open(&disk.restart());
    assert_eq!(seen, messages(1..=4));
    assert_eq!(journal.recovery(), Recovery::Unclean { copied: 2, cut_bytes: 0 });
    // A crash loop without new messages does not eat the disk.
    let disk = disk.restart();
    open(&disk);
    let disk = disk.restart();
    let names = disk.names().unwrap();
    assert_eq!(open(&disk).0.recovery(), Recovery::Clean);
    assert_eq!(disk.names().unwrap(), names);
}

#[test]
fn a_batch_larger_than_a_segment_gets_one_of_its_size() {
    let (disk, mut journal) = filled(2);
    let large = vec![Record::Message(message(3, 200_000)), Record::Message(message(4, 10))];
    journal.append(&large).unwrap();
    journal.append(&messages(5..=6)).unwrap();
    drop(journal);
    let (_, seen) = open(&disk);
    assert_eq!(seen[2..4], large);
    assert_eq!(seen.len(), 6);
}

#[test]
fn misuse_is_refused_and_changes_nothing() {
    let (disk, mut journal) = filled(4);
    let calls = disk.operations().len();
    let late = MessageRecord { admitted: Timestamp::from_millis(5), ..message(5, 10) };
    for wrong in [messages(4..=4), [messages(5..=5), messages(5..=5)].concat(), vec![Record::Message(late)]] {
        assert!(matches!(journal.append(&wrong), Err(JournalError::OutOfOrder { .. })));
    }
    let large = Record::Message(message(5, 300_000));
    assert!(matches!(journal.append(&[large]), Err(JournalError::TooLarge { bytes: 300_000, .. })));
    let many: Vec<_> = (5..80).map(|seq| Record::Message(message(seq, 256 * 1024))).collect();
    assert!(matches!(journal.append(&many), Err(JournalError::TooLarge { .. })));
    assert_eq!(disk.operations().len(), calls);
    journal.append(&messages(5..=5)).unwrap();
}

#[test]
fn a_failed_write_or_sync_poisons_for_good() {
    // From here: a write and a sync in place; then with a rotation create, preallocate, sync, write, sync, rename, sync
    // of the directory, write and sync of the old segment.
    for (last, calls) in [(2, 2), (6, 11)] {
        for call in 1..=calls {
            let (disk, mut journal) = filled(last);
            disk.fail_at(disk.operations().len() + call, io::ErrorKind::Other);
            let error = journal.append(&messages(last + 1..=last + 2)).unwrap_err();
            assert!(matches!(error, JournalError::Storage { .. }), "call {call}: {error}");
            let stopped = disk.operations().len();
            for _ in 0..2 {
                assert!(matches!(journal.append(&messages(90..=91)), Err(JournalError::Poisoned)));
                assert!(matches!(journal.write_footer(), Err(JournalError::Poisoned)));
                assert!(matches!(journal.prepare_next(), Err(JournalError::Poisoned)));
            }
            let page = journal.reader().read_after(seq(0), usize::MAX).unwrap();
            assert!(!page.messages.is_empty() && journal.last_seq() == seq(last));
            assert!(matches!(journal.close(), Err(JournalError::Poisoned)));
            assert_eq!(disk.operations().len(), stopped, "no write and no sync after the failure");
        }
    }
}

/// What a failed sync left in the page cache is readable and not on disk. It counts only after it was copied.
#[test]
fn what_a_failed_sync_left_is_copied_before_it_counts() {
    let (disk, mut journal) = filled(4);
    disk.fail_at(disk.operations().len() + 2, io::ErrorKind::Other);
    journal.append(&messages(5..=6)).unwrap_err();
    drop(journal);
    let disk = disk.restart();
    let (mut journal, seen) = open(&disk);
    assert_eq!(seen, messages(1..=6));
    journal.append(&messages(7..=7)).unwrap();
    for seed in 0..100 {
        assert_eq!(open(&disk.crash(seed)).1, messages(1..=7), "seed {seed}");
    }
}

/// The same for a footer: it was shown, but the journal must not build on it.
#[test]
fn a_footer_that_is_only_in_the_cache_is_not_built_upon() {
    let (disk, journal) = filled(4);
    disk.fail_at(disk.operations().len() + 2, io::ErrorKind::Other);
    journal.close().unwrap_err();
    let disk = disk.restart();
    let (mut journal, _) = open(&disk);
    journal.append(&messages(5..=6)).unwrap();
    journal.append(&messages(7..=7)).unwrap();
    for seed in 0..100 {
        assert_eq!(open(&disk.crash(seed)).1, messages(1..=7), "seed {seed}");
    }
}

#[test]
fn a_full_disk_is_retryable_and_loses_nothing() {
    // The calls of a rotation before the renaming.
    for call in 1..=5 {
        let (disk, mut journal) = filled(6);
        disk.fail_at(disk.operations().len() + call, io::ErrorKind::StorageFull);
        let error = journal.append(&messages(7..=8)).unwrap_err();
        assert!(matches!(error, JournalError::Full { .. }) && error.is_retryable(), "call {call}: {error}");
        assert_eq!(journal.last_seq(), seq(6));
        journal.append(&messages(7..=8)).unwrap();
        drop(journal);
        assert_eq!(open(&disk).1, messages(1..=8));
    }
    // In place it is a failed write like any other: a part may be there.
    let (disk, mut journal) = filled(2);
    disk.fail_at(disk.operations().len() + 1, io::ErrorKind::StorageFull);
    assert!(matches!(journal.append(&messages(3..=4)), Err(JournalError::Storage { .. })));
    assert!(journal.is_poisoned());
}

#[test]
fn a_prepared_segment_is_used_and_a_spare_one_goes_with_the_close() {
    let (disk, mut journal) = filled(6);
    journal.prepare_next().unwrap();
    journal.prepare_next().unwrap();
    let before = disk.operations().len();
    journal.append(&messages(7..=8)).unwrap();
    assert!(!disk.operations()[before..].contains(&Operation::Preallocate));
    journal.prepare_next().unwrap();
    assert_eq!(disk.names().unwrap().len(), 2, "less than half full: not yet");
    journal.append(&messages(9..=10)).unwrap();
    journal.append(&messages(11..=12)).unwrap();
    journal.prepare_next().unwrap();
    assert_eq!(disk.names().unwrap().len(), 3);
    journal.close().unwrap();
    assert_eq!(disk.names().unwrap().len(), 2);
    assert_eq!(open(&disk).1, messages(1..=12));
}

#[test]
fn the_visitor_may_refuse() {
    let (disk, journal) = filled(4);
    drop(journal);
    let config = JournalConfig { segment_bytes: SEGMENT, ..JournalConfig::new() };
    let opened = Journal::open(disk, config, LOG, &mut |_| Err("too many ids".into()));
    assert!(matches!(opened, Err(JournalError::Visit(_))));
}

#[test]
fn it_works_on_a_real_folder() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let mut seen = Vec::new();
        let config = JournalConfig { segment_bytes: 64 * 1024, ..JournalConfig::new() };
        let storage = DirStorage::open(dir.path()).unwrap();
        let journal = Journal::open(storage, config, LOG, &mut |record| {
            seen.push(record.clone());
            Ok(())
        });
        (journal, seen)
    };
    let (journal, _) = start();
    let mut journal = journal.unwrap();
    for batch in messages(1..=500).chunks(20) {
        journal.append(batch).unwrap();
        journal.prepare_next().unwrap();
    }
    assert!(matches!(start().0, Err(JournalError::InUse)));
    drop(journal);
    let (journal, seen) = start();
    assert_eq!(seen, messages(1..=500));
    let journal = journal.unwrap();
    assert_eq!(journal.recovery(), Recovery::Unclean { copied: 20, cut_bytes: 0 });
    assert_eq!(sequences(&journal.reader().read_after(seq(498), 1000).unwrap()), [499, 500]);
    journal.close().unwrap();
    let (journal, seen) = start();
    assert_eq!((journal.unwrap().recovery(), seen.len()), (Recovery::Clean, 500));
}

/// A torn batch may leave a whole record in its place, behind a hole. What is appended later must not run into it.
#[test]
fn what_a_torn_batch_left_behind_a_hole_never_turns_up() {
    let used = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let (disk, mut journal) = filled(2);
    journal.write_footer().unwrap();
    let start = used(&disk.content(&file_name(1)).unwrap());
    journal.append(&messages(3..=4)).unwrap();
    drop(journal);
    // Of the batch its mark and message 3 are lost, message 4 is there. The start overwrites the footer, which is as
    // long as a mark; so a message 3 that is longer by a mark would end where message 4 begins.
    let mut bytes = disk.content(&file_name(1)).unwrap();
    let message_4 = start + frame::MARK_BYTES + (used(&bytes) - start - frame::MARK_BYTES) / 2;
    bytes[start..message_4].fill(0);
    disk.set_content(&file_name(1), bytes);
    let (mut journal, seen) = open(&disk);
    assert_eq!(seen, messages(1..=2));
    let longer = Record::Message(message(3, 300 + frame::MARK_BYTES));
    journal.append(std::slice::from_ref(&longer)).unwrap();
    drop(journal);
    assert_eq!(open(&disk).1, [messages(1..=2), vec![longer]].concat());
}

#[test]
fn a_full_disk_does_not_keep_a_relay_from_starting() {
    let (disk, journal) = filled(4);
    drop(journal);
    let disk = disk.restart();
    // The sync of the folder, the creation of the copy's segment, its reservation.
    disk.fail_at(3, io::ErrorKind::StorageFull);
    let (mut journal, seen) = open(&disk);
    assert_eq!(disk.operations()[2], Operation::Preallocate);
    assert_eq!(seen, messages(1..=4));
    disk.fail_at(disk.operations().len() + 2, io::ErrorKind::StorageFull);
    assert!(matches!(journal.append(&messages(5..=6)), Err(JournalError::Full { .. })));
    assert_eq!(sequences(&journal.reader().read_after(seq(3), 1000).unwrap()), [4]);
    journal.append(&messages(5..=6)).unwrap();
    drop(journal);
    assert_eq!(open(&disk).1, messages(1..=6));
}

#[test]
fn a_footer_is_written_once() {
    let (disk, mut journal) = filled(4);
    journal.write_footer().unwrap();
    let calls = disk.operations().len();
    journal.write_footer().unwrap();
    assert_eq!(disk.operations().len(), calls);
    journal.append(&messages(5..=5)).unwrap();
    journal.write_footer().unwrap();
    assert_eq!(disk.operations().len(), calls + 4);
}
