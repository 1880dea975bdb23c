//! Power cuts at every call to the disk, also while recovering from one, up to three deep.
//!
//! The journal runs on a simulated disk that forgets what was not synced. After each cut the disk is opened as it may be
//! found, and judged: it opens; every acknowledged record is there; nothing is there that was not given to it, in another
//! order or changed. What was shown by a start that succeeded counts as acknowledged from then on.
//!
//! Whether this would notice a journal that does not sync is tested too, at the end.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::cell::Cell;
use std::io;

use bytes::Bytes;
use vigie_proto::id::{CredentialId, LogId, MessageId, Sequence};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_relay::journal::sim_disk::{Damage, Operation, SimDisk};
use vigie_relay::journal::{Journal, JournalConfig, JournalError, MessageRecord, ReadError, Record, Storage};

const LOG: LogId = LogId::from_bytes([3; 16]);

/// Small, so that a short workload has several segments.
const SEGMENT_BYTES: u64 = 3 * 1024;

/// A step of the workload. Records are numbered by their place in the list of all records.
#[derive(Clone, Copy)]
enum Step {
    /// Append so many records.
    Append(usize),
    Footer,
    Prepare,
    CloseAndOpen,
}

use Step::{Append, CloseAndOpen, Footer, Prepare};

/// What is done when nothing goes wrong: small and large batches, a rotation with and without a prepared segment, idle
/// moments, and clean stops.
const STEPS: [Step; 16] = [
    Append(1),
    Append(3),
    Footer,
    Append(2),
    Prepare,
    Append(4),
    Append(1),
    CloseAndOpen,
    Append(2),
    Append(3),
    CloseAndOpen,
    Footer,
    Append(1),
    Prepare,
    Append(4),
    Append(3),
];

/// How many records the last step appends.
const LAST_BATCH: usize = 3;

/// What is done to a journal.
struct Workload {
    steps: Vec<Step>,
    all: Vec<Record>,
}

impl Workload {
    fn fixed() -> Self {
        Self { steps: STEPS.to_vec(), all: all_records() }
    }

    /// Other batches in another order, under a seed.
    fn random(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let step = |_| match chance.below(8) {
            0 => Footer,
            1 => Prepare,
            2 => CloseAndOpen,
            _ => Append(1 + chance.below(4)),
        };
        Self { steps: (0..14).map(step).collect(), all: all_records() }
    }
}

/// Decisions under a seed (xorshift after a multiplication, so that neighbouring seeds differ).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 29;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Messages of several sectors and of less than one, holes in the sequence, credentials.
fn all_records() -> Vec<Record> {
    let mut seq = 0;
    let record = |number: u8| {
        if number.is_multiple_of(5) {
            let id = CredentialId::from_bytes([number; 32]);
            return Record::Credential { id, jws: Bytes::from(vec![number; 150]) };
        }
        seq += if number.is_multiple_of(7) { 4 } else { 1 };
        let jws_bytes = if number.is_multiple_of(3) { 900 } else { 120 };
        Record::Message(MessageRecord {
            seq: Sequence::new(seq),
            admitted: Timestamp::from_millis(1_000 + seq),
            expires: Timestamp::from_millis(9_000),
            id: MessageId::from_bytes([number; 32]),
            credential: CredentialId::from_bytes([1; 32]),
            severity: Severity::Severe,
            channel: "alert/fr.idf".parse().unwrap(),
            jws: Bytes::from(vec![b'a' + number; jws_bytes]),
        })
    };
    (0..24).map(record).collect()
}

fn open(disk: &SimDisk) -> (Result<Journal<SimDisk>, JournalError>, Vec<Record>) {
    let mut seen = Vec::new();
    let mut config = JournalConfig::new();
    config.segment_bytes = SEGMENT_BYTES;
    let journal = Journal::open(disk.clone(), config, LOG, &mut |record| {
        seen.push(record.clone());
        Ok(())
    });
    (journal, seen)
}

/// Judges what a start showed against what was promised; gives how many records there are.
fn judge(seen: &[Record], all: &[Record], promised: usize) -> Result<usize, String> {
    if all.get(..seen.len()) != Some(seen) {
        return Err("something was changed, invented or put in another order".to_owned());
    }
    if seen.len() < promised {
        return Err(format!("{promised} records were acknowledged, {} are there", seen.len()));
    }
    Ok(seen.len())
}

/// Judges what readers get against what the start showed.
fn judge_reading(journal: &Journal<SimDisk>, seen: &[Record]) -> Result<(), String> {
    let reader = journal.reader();
    let (mut at, mut got) = (Sequence::START, Vec::new());
    while at < reader.head() {
        let page = reader.read_after(at, 1000).map_err(|error| error.to_string())?;
        got.extend(page.messages.into_iter().map(Record::Message));
        at = page.end;
    }
    let shown = seen.iter().filter(|record| matches!(record, Record::Message(_)));
    if shown.eq(&got) { Ok(()) } else { Err("readers get something else than what is there".to_owned()) }
}

/// Judges a start on a damaged disk: what is not there is told, by the journal and to readers, and all else is. Gives
/// whether something is lost.
fn judge_damaged(journal: &Journal<SimDisk>, seen: &[Record], all: &[Record]) -> Result<bool, String> {
    let damage = journal.damage();
    let is_told = |message: &MessageRecord| {
        damage.iter().any(|range| range.after < message.seq && message.seq < range.next)
    };
    let mut shown = seen.iter();
    let mut lost = false;
    for record in all {
        let told = match record {
            Record::Message(message) => is_told(message),
            // A credential has no place of its own: it stands between two messages.
            _ => !damage.is_empty() && !seen.contains(record),
        };
        lost |= told;
        if !told && shown.next() != Some(record) {
            return Err(format!("lost in silence or changed: {record:?}"));
        }
    }
    if shown.next().is_some() {
        return Err("something was invented".to_owned());
    }
    let reader = journal.reader();
    let (mut at, mut got, mut gaps) = (Sequence::START, Vec::new(), Vec::new());
    while at < reader.head() {
        match reader.read_after(at, 1000) {
            Ok(page) => {
                got.extend(page.messages.into_iter().map(Record::Message));
                at = page.end;
            }
            Err(ReadError::Damaged { after, next, .. }) if after == at && next > at.next() => {
                gaps.push((after, next));
                at = Sequence::new(next.get() - 1);
            }
            Err(error) => return Err(format!("a reader is stuck: {error}")),
        }
    }
    if !seen.iter().filter(|record| matches!(record, Record::Message(_))).eq(&got) {
        return Err("readers get something else than what is there".to_owned());
    }
    let in_a_gap = |message: &MessageRecord| {
        gaps.iter().any(|(after, next)| *after < message.seq && message.seq < *next)
    };
    let all_told = all.iter().all(|record| match record {
        Record::Message(message) => in_a_gap(message) == is_told(message),
        _ => true,
    });
    if all_told { Ok(lost) } else { Err("readers are told of other gaps than there are".to_owned()) }
}

/// Runs the workload, from the start of the process until its end or a failure. Gives how many records are promised by
/// then.
fn run(disk: &SimDisk, workload: &Workload, promised: usize) -> Result<usize, String> {
    let all = &workload.all[..];
    let (opened, seen) = open(disk);
    let Ok(mut journal) = opened else { return Ok(promised) };
    let mut done = judge(&seen, all, promised)?;
    for step in &workload.steps {
        let result = match *step {
            Append(count) => {
                let batch = &all[done..all.len().min(done + count)];
                journal.append(batch).map(|()| done += batch.len())
            }
            Footer => journal.write_footer(),
            Prepare => journal.prepare_next(),
            CloseAndOpen => {
                if journal.close().is_err() {
                    return Ok(done);
                }
                let (opened, seen) = open(disk);
                let Ok(opened) = opened else { return Ok(done) };
                journal = opened;
                if judge(&seen, all, done)? != done {
                    return Err("a close brought new records".to_owned());
                }
                Ok(())
            }
        };
        if result.is_err() {
            return Ok(done);
        }
    }
    Ok(done)
}

/// How far the search goes.
#[derive(Clone, Copy)]
struct Search {
    /// Crashes for each call, by depth.
    crashes: [u64; 3],
    /// Below the first depth, calls of the workload that are tried after those of the recovery.
    calls_after_recovery: usize,
}

#[derive(Debug, Default)]
struct Tally {
    by_depth: [u64; 3],
    lost: u64,
    torn: u64,
    reordered: u64,
    lost_names: u64,
    kept_unacknowledged: u64,
    cut_in_recovery: u64,
}

impl Tally {
    fn count(&mut self, depth: usize, damage: Damage) {
        self.by_depth[depth] += 1;
        self.lost += u64::from(damage.lost > 0);
        self.torn += u64::from(damage.torn > 0);
        self.reordered += u64::from(damage.reordered > 0);
        self.lost_names += u64::from(damage.lost_names > 0);
    }

    fn images(&self) -> u64 {
        self.by_depth.iter().sum()
    }
}

/// Cuts the power at every call of a run on `disk`, judges what is found, and goes on from there one deeper.
fn crash_everywhere(
    disk: &SimDisk,
    workload: &Workload,
    promised: usize,
    depth: usize,
    search: Search,
    tally: &mut Tally,
) -> Result<(), String> {
    let calls_of = |run: &dyn Fn(&SimDisk)| {
        let copy = disk.restart();
        run(&copy);
        copy.operations().len()
    };
    let of_recovery = calls_of(&|copy| drop(open(copy)));
    let of_run = calls_of(&|copy| drop(run(copy, workload, promised)));
    // Deeper down it is the recovery that is of interest: the workload after it was met above.
    let calls = if depth == 0 { of_run } else { of_run.min(of_recovery + search.calls_after_recovery) };
    for call in 1..=calls {
        let cut = disk.restart();
        cut.power_off_at(call);
        let promised = run(&cut, workload, promised)?;
        for _ in 0..search.crashes[depth] {
            let seed = tally.images();
            let image = cut.crash(seed);
            tally.count(depth, image.damage());
            let at = |problem| format!("depth {depth}, call {call}, seed {seed}: {problem}");
            let (journal, seen) = open(&image.restart());
            let journal = journal.map_err(|error| at(format!("does not open: {error}")))?;
            let there = judge(&seen, &workload.all, promised).map_err(at)?;
            judge_reading(&journal, &seen).map_err(at)?;
            tally.kept_unacknowledged += u64::from(there > promised);
            tally.cut_in_recovery += u64::from(depth > 0 && call <= of_recovery);
            if depth + 1 < search.crashes.len() && search.crashes[depth + 1] > 0 {
                crash_everywhere(&image, workload, promised, depth + 1, search, tally).map_err(at)?;
            }
        }
    }
    Ok(())
}

#[test]
fn no_acknowledged_record_is_lost_in_three_crashes() {
    let search = Search { crashes: [6, 2, 2], calls_after_recovery: 3 };
    let mut tally = Tally::default();
    crash_everywhere(&SimDisk::new(), &Workload::fixed(), 0, 0, search, &mut tally).unwrap();
    println!("{tally:?}");
    // A search that did not meet one of these would prove less than it says.
    let met = [tally.lost, tally.torn, tally.reordered, tally.lost_names];
    let met = met.into_iter().chain([tally.kept_unacknowledged, tally.cut_in_recovery]).chain(tally.by_depth);
    assert!(met.min() > Some(100), "{tally:?}");
}

#[test]
fn no_acknowledged_record_is_lost_whatever_the_workload() {
    let search = Search { crashes: [2, 1, 0], calls_after_recovery: 2 };
    let mut tally = Tally::default();
    for seed in 0..60 {
        let workload = Workload::random(seed);
        let judged = crash_everywhere(&SimDisk::new(), &workload, 0, 0, search, &mut tally);
        judged.unwrap_or_else(|problem| panic!("workload {seed}: {problem}"));
    }
    println!("{tally:?}");
    assert!(tally.images() > 20_000 && tally.torn > 1_000, "{tally:?}");
}

/// The workload must reach what it is meant to reach.
#[test]
fn the_workload_uses_every_call_and_several_segments() {
    let (disk, workload) = (SimDisk::new(), Workload::fixed());
    let all = &workload.all[..];
    assert_eq!(run(&disk, &workload, 0), Ok(all.len()));
    let operations = disk.operations();
    for operation in [
        Operation::Create,
        Operation::Write,
        Operation::Preallocate,
        Operation::Sync,
        Operation::Rename,
        Operation::SyncDirectory,
    ] {
        assert!(operations.contains(&operation), "{operation:?}");
    }
    assert!(operations.iter().filter(|operation| **operation == Operation::Rename).count() >= 4);
}

/// A call that fails while the machine keeps running, then a new process on the same page cache, then a power cut.
#[test]
fn a_failed_call_a_new_start_and_a_crash_lose_nothing() {
    let workload = Workload::fixed();
    let all = &workload.all[..];
    let whole = SimDisk::new();
    run(&whole, &workload, 0).unwrap();
    let mut failed_syncs = 0;
    for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
        for call in 1..=whole.operations().len() {
            let disk = SimDisk::new();
            disk.fail_at(call, kind);
            let promised = run(&disk, &workload, 0).unwrap();
            failed_syncs += u64::from(disk.operations()[call - 1] == Operation::Sync);
            let disk = disk.restart();
            let promised = run(&disk, &workload, promised).unwrap();
            assert!(promised > 0);
            for seed in 0..20 {
                let (journal, seen) = open(&disk.crash(seed));
                journal.unwrap_or_else(|error| panic!("call {call}, {kind}, seed {seed}: {error}"));
                judge(&seen, all, promised)
                    .unwrap_or_else(|problem| panic!("call {call}, {kind}: {problem}"));
            }
        }
    }
    assert!(failed_syncs > 20);
}

/// Damage to a journal at rest: the start refuses, or what is lost is told and all else is there.
#[test]
fn no_flipped_bit_of_a_closed_journal_costs_a_record_in_silence() {
    let (disk, workload) = (SimDisk::new(), Workload::fixed());
    let all = &workload.all[..];
    run(&disk, &workload, 0).unwrap();
    let disk = disk.restart();
    open(&disk).0.unwrap().close().unwrap();
    let (refused, harmless, told) = (Cell::new(0), Cell::new(0), Cell::new(0));
    for_each_flip(&disk, |place| match open(&disk.restart()) {
        (Ok(journal), seen) => {
            let lost = judge_damaged(&journal, &seen, all);
            let lost = lost.unwrap_or_else(|problem| panic!("{place}: {problem}"));
            let counted = if lost { &told } else { &harmless };
            counted.set(counted.get() + 1);
        }
        (Err(error), _) => {
            let said = matches!(error, JournalError::Damaged { .. } | JournalError::NewerFormat { .. });
            assert!(said, "{place}: {error}");
            refused.set(refused.get() + 1);
        }
    });
    println!("{} refused, {} harmless, {} told", refused.get(), harmless.get(), told.get());
    // Refused: the header of the newest segment, and versions that look newer.
    assert!(refused.get() < 2_000 && harmless.get() > 1_000 && told.get() > 50_000);
}

/// The same for damage of up to two sectors anywhere before the footer: random bytes, zeros, bytes from elsewhere.
#[test]
fn no_damage_of_a_closed_journal_costs_a_record_in_silence() {
    let (disk, workload) = (SimDisk::new(), Workload::fixed());
    let all = &workload.all[..];
    run(&disk, &workload, 0).unwrap();
    let disk = disk.restart();
    open(&disk).0.unwrap().close().unwrap();
    let names: Vec<_> = disk.names().unwrap();
    let (mut chance, mut told, mut refused) = (Chance(1), 0, 0);
    for trial in 0..20_000 {
        let name = &names[chance.below(names.len())];
        let whole = disk.content(name).unwrap();
        // What reaches into the footer may look like a torn last batch.
        let footer = whole.iter().rposition(|byte| *byte != 0).unwrap() - 43;
        let start = chance.below(footer);
        let end = footer.min(start + 1 + chance.below(1024));
        let mut damaged = whole.clone();
        match chance.below(3) {
            0 => damaged[start..end].fill(0),
            1 => damaged[start..end].fill_with(|| u8::try_from(chance.below(256)).unwrap()),
            _ => damaged.copy_within(0..end - start, start),
        }
        disk.set_content(name, damaged);
        match open(&disk.restart()) {
            (Ok(journal), seen) => {
                let lost = judge_damaged(&journal, &seen, all);
                told += u64::from(lost.unwrap_or_else(|problem| panic!("trial {trial}: {problem}")));
            }
            (Err(_), _) => refused += 1,
        }
        disk.set_content(name, whole);
    }
    println!("{refused} refused, {told} told");
    assert!(told > 10_000 && refused < 2_000, "{refused} refused, {told} told");
}

/// Without a footer the last batch cannot be told from a torn one; all before it can.
#[test]
fn after_an_unclean_stop_a_flipped_bit_costs_at_most_the_last_batch() {
    let (disk, workload) = (SimDisk::new(), Workload::fixed());
    let all = &workload.all[..];
    run(&disk, &workload, 0).unwrap();
    let disk = disk.restart();
    let cut = Cell::new(0);
    for_each_flip(&disk, |place| {
        if let (Ok(journal), seen) = open(&disk.restart()) {
            let whole = judge_damaged(&journal, &seen, all);
            let last = all.len() - LAST_BATCH;
            let there = seen.iter().filter(|record| all[last..].contains(record)).count();
            let some = judge_damaged(&journal, &seen, &all[..last + there]);
            assert!(whole.is_ok() || some.is_ok(), "{place}: {whole:?} {some:?}");
            cut.set(cut.get() + u64::from(whole.is_err()));
        }
    });
    assert!(cut.get() > 0, "the doubt that the footer ends");
}

/// Flips under an open journal: readers get what was written, or an error.
#[test]
fn a_reader_never_gets_a_wrong_byte() {
    let (disk, workload) = (SimDisk::new(), Workload::fixed());
    let all = &workload.all[..];
    run(&disk, &workload, 0).unwrap();
    let disk = disk.restart();
    let (journal, errors) = (open(&disk).0.unwrap(), Cell::new(0));
    let reader = journal.reader();
    let messages: Vec<_> = all
        .iter()
        .filter_map(|record| if let Record::Message(message) = record { Some(message) } else { None })
        .collect();
    for_each_flip(&disk, |place| {
        let mut at = Sequence::START;
        while at < reader.head() {
            match reader.read_after(at, 100_000) {
                Ok(page) => {
                    // Exactly what was written between the two positions: nothing wrong, and nothing left out.
                    let within =
                        messages.iter().filter(|message| at < message.seq && message.seq <= page.end);
                    assert!(within.copied().eq(&page.messages), "{place}");
                    at = page.end;
                }
                Err(ReadError::Damaged { next, .. }) => {
                    assert!(next > at.next() || next > reader.head(), "{place}");
                    at = Sequence::new(next.get() - 1);
                    errors.set(errors.get() + 1);
                }
                Err(error) => panic!("{place}: {error}"),
            }
        }
    });
    assert!(errors.get() > 50_000);
}

/// Flips each bit of each segment in turn.
fn for_each_flip(disk: &SimDisk, mut judge: impl FnMut(&str)) {
    for name in disk.names().unwrap() {
        let bytes = disk.content(&name).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            disk.set_content(&name, damaged);
            judge(&format!("{name}, bit {bit}"));
        }
        disk.set_content(&name, bytes);
    }
}

/// Checks the checker: on a disk whose syncs do nothing, as for a journal that forgets to sync, it must find a loss.
#[test]
fn a_journal_that_does_not_sync_would_be_caught() {
    let disk = SimDisk::new();
    disk.dangerous_ignore_syncs();
    let search = Search { crashes: [6, 0, 0], calls_after_recovery: 0 };
    let found = crash_everywhere(&disk, &Workload::fixed(), 0, 0, search, &mut Tally::default());
    assert!(found.is_err(), "nothing was noticed");
}
