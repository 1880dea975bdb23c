//! Power cuts.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;

use vigie_relay::journal::Storage as _;
use vigie_relay::journal::sim_disk::{Damage, Operation, SimDisk};

use super::model::{Promise, Theme, Workload, open, run};

/// How far a search goes.
#[derive(Clone, Copy)]
struct Search {
    /// Crashes for each call, by depth.
    crashes: [u64; 3],
    /// Below the first depth, calls of the workload that are tried after those of the recovery.
    calls_after_recovery: usize,
}

/// What the images were. Whatever is zero was not proved.
#[derive(Debug, Default)]
struct Tally {
    /// Found, also those that had been found before.
    found: u64,
    by_depth: [u64; 3],
    lost: u64,
    torn: u64,
    reordered: u64,
    lost_names: u64,
    kept_unacknowledged: u64,
    cut_in_recovery: u64,
    /// Retention had removed something.
    removed: u64,
    /// Ids were carried on.
    carried: u64,
    /// The reserve was not whole.
    reserve_used: u64,
    /// The disk was full.
    full: u64,
    /// There was damage.
    damaged: u64,
    distinct: HashSet<u64>,
}

impl Tally {
    fn count(&mut self, depth: usize, damage: Damage) {
        self.by_depth[depth] += 1;
        self.lost += u64::from(damage.lost > 0);
        self.torn += u64::from(damage.torn > 0);
        self.reordered += u64::from(damage.reordered > 0);
        self.lost_names += u64::from(damage.lost_names > 0);
    }

    fn classes(&self) -> [(&'static str, u64); 14] {
        [
            ("one deep", self.by_depth[0]),
            ("two deep", self.by_depth[1]),
            ("three deep", self.by_depth[2]),
            ("lost", self.lost),
            ("torn", self.torn),
            ("reordered", self.reordered),
            ("lost names", self.lost_names),
            ("kept unacknowledged", self.kept_unacknowledged),
            ("cut in recovery", self.cut_in_recovery),
            ("removed", self.removed),
            ("carried", self.carried),
            ("reserve used", self.reserve_used),
            ("full", self.full),
            ("damaged", self.damaged),
        ]
    }
}

/// What is on a disk and what is promised of it, as a number.
fn fingerprint(disk: &SimDisk, workload: &Workload, promise: &Promise) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{promise:?} {:?}", workload.steps).hash(&mut hasher);
    for name in disk.names().unwrap() {
        let bytes = disk.content(&name).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        (name, bytes.len(), &bytes[..used]).hash(&mut hasher);
    }
    hasher.finish()
}

/// Cuts the power at every call of a run on `disk`, judges what is found, and goes on from there one deeper.
fn crash_everywhere(
    disk: &SimDisk,
    workload: &Workload,
    promise: &Promise,
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
    let of_run = calls_of(&|copy| drop(run(copy, workload, promise.clone())));
    // Deeper down it is the recovery that is of interest: the workload after it was met above.
    let calls = if depth == 0 { of_run } else { of_run.min(of_recovery + search.calls_after_recovery) };
    for call in 1..=calls {
        let cut = disk.restart();
        cut.power_off_at(call);
        let promise = run(&cut, workload, promise.clone())?;
        for _ in 0..search.crashes[depth] {
            let seed = tally.found;
            let image = cut.crash(seed);
            tally.found += 1;
            // The same disk with the same promise was judged before, and so was all that follows from it.
            if !tally.distinct.insert(fingerprint(&image, workload, &promise)) {
                continue;
            }
            tally.count(depth, image.damage());
            let at = |problem| format!("depth {depth}, call {call}, seed {seed}: {problem}");
            let mut promise = promise.clone();
            promise.records =
                judge(&image, workload, &promise, depth > 0 && call <= of_recovery, tally).map_err(at)?;
            if depth + 1 < search.crashes.len() && search.crashes[depth + 1] > 0 {
                crash_everywhere(&image, workload, &promise, depth + 1, search, tally).map_err(at)?;
            }
        }
    }
    Ok(())
}

/// Opens an image as it was found. Gives how many records it must have when it is opened again: those that were promised,
/// as this start is none of the story.
fn judge(
    image: &SimDisk,
    workload: &Workload,
    promise: &Promise,
    in_recovery: bool,
    tally: &mut Tally,
) -> Result<usize, String> {
    let found = image.restart();
    let (mut journal, mut seen) = open(&found);
    if journal.as_ref().is_err_and(vigie_relay::journal::JournalError::is_retryable) {
        // There is really no room: nothing may be lost, and somebody makes some.
        tally.full += 1;
        found.set_room(None);
        (journal, seen) = open(&found.restart());
    }
    let journal = journal.map_err(|error| format!("does not open: {error}"))?;
    let there = promise.judge(&journal, &seen, &workload.all)?;
    promise.judge_reading(&journal, &seen)?;
    tally.kept_unacknowledged += u64::from(there > promise.records);
    tally.cut_in_recovery += u64::from(in_recovery);
    tally.removed += u64::from(journal.first_seq().get() > 1);
    tally.carried +=
        u64::from(seen.iter().any(|one| matches!(one, vigie_relay::journal::Record::Carried(_))));
    tally.damaged += u64::from(!journal.damage().is_empty());
    let reserve = found.content("reserve").map_or(0, |bytes| bytes.len());
    tally.reserve_used += u64::from(workload.theme == Theme::Reserve && reserve < 3 * 1024);
    Ok(promise.records)
}

/// All that is done to a disk: the fixed workload and 24 others, new ones each round.
fn workloads(round: u64) -> Vec<Workload> {
    let themes =
        [Theme::Plain, Theme::Retention, Theme::Retention, Theme::Reserve, Theme::Damaged, Theme::Missing];
    let seeds = (0..4).map(|seed| round * 4 + seed);
    let others = seeds.flat_map(|seed| themes.map(|theme| Workload::random(theme, seed)));
    std::iter::once(Workload::fixed()).chain(others).collect()
}

#[test]
fn no_acknowledged_record_is_lost_in_three_crashes() {
    let wanted = std::env::var("VIGIE_CRASH_IMAGES").map_or(100_000, |text| text.parse().unwrap());
    let search = Search { crashes: [8, 3, 2], calls_after_recovery: 2 };
    let mut tally = Tally::default();
    let (mut round, mut run) = (0, 0);
    // The first round is done in full, whatever is wanted, so that no workload is left out.
    while round == 0 || tally.distinct.len() < wanted {
        for (number, workload) in workloads(round).iter().enumerate() {
            if round > 0 && tally.distinct.len() >= wanted {
                break;
            }
            let (disk, promise) = workload.start();
            let judged = crash_everywhere(&disk, workload, &promise, 0, search, &mut tally);
            let steps = &workload.steps;
            judged.unwrap_or_else(|problem| {
                panic!("round {round}, workload {number} ({:?}): {problem}\n{steps:?}", workload.theme)
            });
            run += 1;
        }
        round += 1;
    }
    println!("{} different images of {} found, {run} workloads", tally.distinct.len(), tally.found);
    for (class, count) in tally.classes() {
        println!("{class}: {count}");
        // A search that did not meet one of these would prove less than it says.
        assert!(count > 0, "{class}: none");
    }
    assert!(run >= 20);
}

/// The workloads must reach what they are meant to reach.
#[test]
fn the_workloads_use_every_call_and_several_segments() {
    let (disk, workload) = (SimDisk::new(), Workload::fixed());
    assert_eq!(run(&disk, &workload, workload.start().1).unwrap().records, workload.all.len());
    assert!(disk.operations().iter().filter(|operation| **operation == Operation::Rename).count() >= 4);
    let mut met = HashSet::new();
    for workload in workloads(0) {
        let (disk, promise) = workload.start();
        run(&disk, &workload, promise).unwrap();
        met.extend(disk.operations());
    }
    for operation in [
        Operation::Create,
        Operation::Write,
        Operation::Preallocate,
        Operation::Truncate,
        Operation::Sync,
        Operation::Rename,
        Operation::Remove,
        Operation::SyncDirectory,
    ] {
        assert!(met.contains(&operation), "{operation:?}");
    }
}

/// A call that fails while the machine keeps running, then a new process on the same page cache, then a power cut.
#[test]
fn a_failed_call_a_new_start_and_a_crash_lose_nothing() {
    let mut failed_syncs = 0;
    for workload in workloads(0) {
        let (start, promised) = workload.start();
        let whole = start.restart();
        run(&whole, &workload, promised.clone()).unwrap();
        for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
            for call in 1..=whole.operations().len() {
                let at = |problem: String| format!("{:?}, call {call}, {kind}: {problem}", workload.theme);
                let disk = start.restart();
                disk.fail_at(call, kind);
                let promise = run(&disk, &workload, promised.clone()).map_err(at).unwrap();
                failed_syncs += u64::from(disk.operations().get(call - 1) == Some(&Operation::Sync));
                let disk = disk.restart();
                let promise = run(&disk, &workload, promise).map_err(at).unwrap();
                for seed in 0..4 {
                    judge(&disk.crash(seed), &workload, &promise, false, &mut Tally::default())
                        .map_err(at)
                        .unwrap();
                }
            }
        }
    }
    assert!(failed_syncs > 200, "{failed_syncs}");
}

/// Checks the checker: on a disk whose syncs do nothing, as for a journal that forgets to sync, it must find a loss.
#[test]
fn a_journal_that_does_not_sync_would_be_caught() {
    let search = Search { crashes: [6, 0, 0], calls_after_recovery: 0 };
    for workload in [Workload::fixed(), Workload::random(Theme::Retention, 1)] {
        let (disk, promise) = workload.start();
        disk.dangerous_ignore_syncs();
        let found = crash_everywhere(&disk, &workload, &promise, 0, search, &mut Tally::default());
        assert!(found.is_err(), "nothing was noticed");
    }
}
