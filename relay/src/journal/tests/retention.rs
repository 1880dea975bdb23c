//! What goes by age and by size, what is carried on first, and what a reader is told.

use std::time::Duration;

use super::super::retention::Retention;
use super::*;

fn config(age: Duration, bytes: u64) -> JournalConfig {
    JournalConfig { segment_bytes: SEGMENT, retain_age: age, retain_bytes: bytes, ..JournalConfig::new() }
}

fn start(disk: &SimDisk, config: JournalConfig) -> (Journal<SimDisk>, Vec<Record>) {
    let mut seen = Vec::new();
    let journal = Journal::open(disk.restart(), config, LOG, &mut |record| {
        seen.push(record.clone());
        Ok(())
    });
    (journal.unwrap(), seen)
}

/// Takes steps until nothing is due; gives what was asked.
fn retain(journal: &mut Journal<SimDisk>, now: Timestamp, needed: impl Fn(&Record) -> bool) -> Vec<Record> {
    let mut asked = Vec::new();
    let mut needed = |record: &Record, _| {
        asked.push(record.clone());
        needed(record)
    };
    while journal.retain(now, &mut needed).unwrap() != Retention::Nothing {}
    asked
}

/// A time by which messages up to this one are older than a second, and the next is not.
fn a_second_after(number: u64) -> Timestamp {
    message(number, 0).admitted.plus(Duration::from_millis(1_001))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn whole_segments_go_by_age_and_readers_are_told() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let (mut journal, seen) = start(&disk, config(SECOND, u64::MAX));
    let reader = journal.reader();
    assert_eq!(
        journal.retain(a_second_after(1), &mut |_, _| panic!("nothing is due")).unwrap(),
        Retention::Nothing
    );
    let asked = retain(&mut journal, a_second_after(20), |_| false);
    let first = journal.first_seq().get();
    assert!((12..=21).contains(&first), "as much as whole segments allow: {first}");
    assert_eq!(asked, seen[..asked.len()], "each record of what goes, once");
    assert_eq!(asked.len() as u64, first - 1);
    let page = reader.read_after(seq(0), 100_000).unwrap();
    assert_eq!(page.first_available, seq(first));
    assert_eq!(sequences(&page).first(), Some(&first));
    journal.append(&messages(41..=42)).unwrap();
    journal.close().unwrap();
}

#[test]
fn the_removal_outlives_a_start_also_one_that_was_cut_short() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let leftover = disk.content(&file_name(1)).unwrap();
    let disk = disk.restart();
    let mut journal = Journal::open(disk.clone(), config(SECOND, u64::MAX), LOG, &mut |_| Ok(())).unwrap();
    retain(&mut journal, a_second_after(20), |_| false);
    let first = journal.first_seq();
    drop(journal);
    assert!(disk.content(&file_name(1)).is_none());
    // The power was cut between the switch and the removal.
    disk.set_content(&file_name(1), leftover);
    let (journal, seen) = start(&disk, config(SECOND, u64::MAX));
    assert_eq!(journal.first_seq(), first);
    assert_eq!(seen.len() as u64, 41 - first.get());
    drop(journal);
    let disk = disk.restart();
    open(&disk);
    assert!(disk.content(&file_name(1)).is_none());
}

#[test]
fn by_size_nothing_goes_that_has_not_expired() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let size = 3 * SEGMENT;
    let (mut journal, _) = start(&disk, config(Duration::MAX, size));
    retain(&mut journal, Timestamp::from_millis(100_000), |_| false);
    assert_eq!(journal.first_seq(), seq(1), "message 1 expires a millisecond later");
    retain(&mut journal, Timestamp::from_millis(1_000_000), |_| false);
    let first = journal.first_seq().get();
    assert!(first > 1 && first < 40, "{first}");
    // What is left fits, and one segment more would not have.
    let per_segment = 10;
    assert!((40 - first) * 400 < size && (40 - first + per_segment) * 420 > size - SEGMENT, "{first}");
}

#[test]
fn what_is_needed_is_carried_on_again_and_again() {
    let disk = SimDisk::new();
    let mut journal = Journal::open(disk.clone(), config(SECOND, u64::MAX), LOG, &mut |_| Ok(())).unwrap();
    journal.append(&[credential(1), credential(2)]).unwrap();
    for batch in messages(1..=60).chunks(2) {
        journal.append(batch).unwrap();
    }
    let kept = |record: &Record| match record {
        Record::Credential { id, .. } => id.as_bytes()[0] == 1,
        Record::Message(message) => message.seq.get() % 3 == 0,
        Record::Carried(carried) => carried.seq.get() % 6 == 0,
        Record::Revocation(_) | Record::Forked(_) => false,
    };
    retain(&mut journal, a_second_after(25), kept);
    let between = journal.first_seq().get();
    retain(&mut journal, a_second_after(60), kept);
    let messages_then = messages(61..=90);
    for batch in messages_then.chunks(2) {
        journal.append(batch).unwrap();
    }
    retain(&mut journal, a_second_after(90), kept);
    let first = journal.first_seq().get();
    assert!(between > 1 && first > 60, "{between} {first}");
    drop(journal);
    let (_, seen) = start(&disk, config(SECOND, u64::MAX));
    let carried = |record: &Record| match record {
        Record::Carried(carried) => Some(carried.clone()),
        Record::Credential { .. } | Record::Message(_) | Record::Revocation(_) | Record::Forked(_) => None,
    };
    let ids: std::collections::BTreeSet<u64> =
        seen.iter().filter_map(carried).map(|carried| carried.seq.get()).collect();
    assert!((1..first).filter(|number| number % 6 == 0).all(|number| ids.contains(&number)), "{ids:?}");
    assert!(ids.iter().all(|number| number % 3 == 0), "{ids:?}");
    for one in seen.iter().filter_map(carried) {
        assert_eq!(one, CarriedId::from(&message(one.seq.get(), 300)));
    }
    assert!(seen.contains(&credential(1)) && !seen.contains(&credential(2)));
    let stay: Vec<_> = seen.into_iter().filter(|record| matches!(record, Record::Message(_))).collect();
    assert_eq!(stay, messages(first..=90));
}

#[test]
fn an_idle_journal_does_not_make_segments_for_ever() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let disk = disk.restart();
    let mut journal = Journal::open(disk.clone(), config(SECOND, u64::MAX), LOG, &mut |_| Ok(())).unwrap();
    let later = Timestamp::from_millis(10_000_000);
    retain(&mut journal, later, |_| true);
    let calls = disk.operations().len();
    for _ in 0..10 {
        retain(&mut journal, later, |_| true);
    }
    assert_eq!(disk.operations().len(), calls);
    assert!(disk.names().unwrap().len() <= 4, "{:?}", disk.names());
    assert_eq!(journal.last_seq(), seq(40));
}

#[test]
fn a_full_disk_is_relieved_by_retention() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let disk = disk.restart();
    let mut journal = Journal::open(disk.clone(), config(SECOND, u64::MAX), LOG, &mut |_| Ok(())).unwrap();
    while journal.retain(a_second_after(20), &mut |_, _| false).unwrap() == Retention::More
        && disk.content(&file_name(3)).is_none()
    {}
    // The next segment of full size finds no room, a small one does.
    disk.fail_at(disk.operations().len() + 2, io::ErrorKind::StorageFull);
    retain(&mut journal, a_second_after(20), |_| false);
    assert!(journal.first_seq() > seq(1));
    journal.append(&messages(41..=42)).unwrap();
    assert_eq!(sequences(&journal.reader().read_after(seq(40), 1000).unwrap()), [41, 42]);
}

#[test]
fn a_reader_in_a_segment_that_goes_is_not_disturbed() {
    let (disk, journal) = filled(40);
    journal.close().unwrap();
    let (mut journal, _) = start(&disk, config(SECOND, u64::MAX));
    let reader = journal.reader();
    let follower = std::thread::spawn(move || {
        let (mut at, mut gaps) = (seq(0), 0);
        while at < seq(400) {
            let page = reader.read_after(at, 700).unwrap();
            let expected_from = page.first_available.get().max(at.get() + 1);
            gaps += u64::from(expected_from > at.get() + 1);
            if let Some(first) = page.messages.first() {
                assert_eq!(first.seq.get(), expected_from, "a gap is told, and nothing else is missing");
            }
            at = page.end;
        }
        gaps
    });
    for number in 41..=400 {
        journal.append(&messages(number..=number)).unwrap();
        if number % 8 == 0 {
            retain(&mut journal, a_second_after(number - 20), |_| false);
        }
    }
    follower.join().unwrap();
}
