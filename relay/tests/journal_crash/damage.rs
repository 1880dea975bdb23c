//! Damage: flipped bits, sectors, whole segments.

use std::cell::Cell;

use vigie_proto::id::{LogId, Sequence};
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{
    Journal, JournalConfig, JournalError, MessageRecord, ReadError, Record, Storage as _,
};

use super::model::{Chance, Workload, all_records, open, run};

/// How many records the last step of the fixed workload appends.
const LAST_BATCH: usize = 3;

/// Judges a start on a damaged disk: what is not there is told, by the journal and to readers, and all else is. Gives
/// whether something is lost.
pub(crate) fn judge_damaged(
    journal: &Journal<SimDisk>,
    seen: &[Record],
    all: &[Record],
) -> Result<bool, String> {
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

/// Damage to a journal at rest: the start refuses, or what is lost is told and all else is there.
#[test]
fn no_flipped_bit_of_a_closed_journal_costs_a_record_in_silence() {
    let (disk, workload) = (SimDisk::new(), Workload::fixed());
    let all = &workload.all[..];
    run(&disk, &workload, workload.start().1).unwrap();
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

/// A closed journal of exactly 64 KiB, in four segments, and what was written to it.
fn of_64_kib() -> (SimDisk, Vec<Record>) {
    let (disk, all) = (SimDisk::new(), all_records(240));
    let mut journal = open_large(&disk).0.unwrap();
    let mut written = 0;
    for batch in all.chunks(5) {
        journal.append(batch).unwrap();
        written += batch.len();
        let used = disk.content(disk.names().unwrap().last().unwrap()).unwrap();
        let free = used.iter().rev().take_while(|byte| **byte == 0).count();
        if disk.names().unwrap().len() == 4 && free < 6_000 {
            break;
        }
    }
    journal.close().unwrap();
    assert_eq!((disk.used(), disk.names().unwrap().len()), (64 * 1024, 4));
    (disk.restart(), all[..written].to_vec())
}

fn open_large(disk: &SimDisk) -> (Result<Journal<SimDisk>, JournalError>, Vec<Record>) {
    let mut config = JournalConfig::new();
    config.segment_bytes = 16 * 1024;
    let mut seen = Vec::new();
    let journal = Journal::open(disk.clone(), config, LogId::from_bytes([3; 16]), &mut |record| {
        seen.push(record.clone());
        Ok(())
    });
    (journal, seen)
}

/// Each of the 524,288 bits of a journal of 64 KiB, or every seventh.
#[test]
fn no_flipped_bit_of_64_kib_costs_a_record_in_silence() {
    let all_bits = std::env::var("VIGIE_FLIPS").is_ok_and(|text| text == "all");
    let step = if all_bits { 1 } else { 7 };
    let (disk, all) = of_64_kib();
    let (mut refused, mut harmless, mut told) = (0, 0, 0);
    for name in disk.names().unwrap() {
        let bytes = disk.content(&name).unwrap();
        for bit in (0..bytes.len() * 8).step_by(step) {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            disk.set_content(&name, damaged);
            match open_large(&disk.restart()) {
                (Ok(journal), seen) => match judge_damaged(&journal, &seen, &all) {
                    Ok(true) => told += 1,
                    Ok(false) => harmless += 1,
                    Err(problem) => panic!("{name}, bit {bit}: {problem}"),
                },
                (Err(JournalError::Damaged { .. } | JournalError::NewerFormat { .. }), _) => refused += 1,
                (Err(error), _) => panic!("{name}, bit {bit}: {error}"),
            }
        }
        disk.set_content(&name, bytes);
    }
    println!("{} flips: {refused} refused, {harmless} harmless, {told} told", refused + harmless + told);
    assert!(refused > 0 && harmless > 0 && told > 40_000);
    assert!(!all_bits || refused + harmless + told == 524_288);
}

/// Segments that are cut short, exchanged, doubled or gone: refused, or told, and never a wrong byte.
#[test]
fn no_segment_out_of_its_place_costs_a_record_in_silence() {
    let (disk, all) = of_64_kib();
    let names = disk.names().unwrap();
    let contents: Vec<_> = names.iter().map(|name| disk.content(name).unwrap()).collect();
    let (mut refused, mut told) = (0, 0);
    let mut judge = |change: &dyn Fn(&SimDisk), what: &str| {
        let disk = disk.restart();
        change(&disk);
        match open_large(&disk) {
            (Ok(journal), seen) => {
                let lost = judge_damaged(&journal, &seen, &all);
                let lost = lost.unwrap_or_else(|problem| panic!("{what}: {problem}"));
                // Behind the content of an old segment nothing can be lost.
                assert!(lost || what.contains("cut at 1"), "{what}: nobody misses anything");
                told += u64::from(lost);
            }
            (Err(_), _) => refused += 1,
        }
    };
    for (number, name) in names.iter().enumerate() {
        judge(&|disk| disk.delete(name), &format!("{name} gone"));
        for length in (0..16 * 1024).step_by(97) {
            let cut = contents[number][..length].to_vec();
            judge(&|disk| disk.set_content(name, cut.clone()), &format!("{name} cut at {length}"));
        }
        for (other, bytes) in contents.iter().enumerate().filter(|(other, _)| *other != number) {
            judge(&|disk| disk.set_content(name, bytes.clone()), &format!("{other} doubled as {name}"));
            let exchange = |disk: &SimDisk| {
                disk.set_content(name, bytes.clone());
                disk.set_content(&names[other], contents[number].clone());
            };
            judge(&exchange, &format!("{other} and {name} exchanged"));
        }
    }
    println!("{refused} refused, {told} told");
    // What concerns the newest is refused, the rest is lived with.
    assert!(refused >= 169 && told > 400, "{refused} {told}");
}

/// The same for damage of up to two sectors anywhere before the footer: random bytes, zeros, bytes from elsewhere.
#[test]
fn no_damage_of_a_closed_journal_costs_a_record_in_silence() {
    let (disk, workload) = (SimDisk::new(), Workload::fixed());
    let all = &workload.all[..];
    run(&disk, &workload, workload.start().1).unwrap();
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
    run(&disk, &workload, workload.start().1).unwrap();
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
    run(&disk, &workload, workload.start().1).unwrap();
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
