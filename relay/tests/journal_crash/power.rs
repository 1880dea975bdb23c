//! Power cuts.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use vigie_relay::journal::sim_disk::{Operation, SimDisk};

use super::model::{Step, Theme, Workload, run};
use super::search::{Reach, Search, judge};
use super::tally::{CLASSES, Tally};

/// Without a word from outside; it takes seconds.
const IMAGES: usize = 100_000;

/// So many workloads are searched in full, whatever is wanted, so that none is left out: the fixed one and four of each
/// theme.
const WORKLOADS_MIN: u64 = 25;

/// A long search says so often how far it is.
const IMAGES_BETWEEN_WORDS: usize = 1_000_000;

const REACH: Reach = Reach { crashes: [4, 2, 1, 1], calls_after_recovery: 2 };

/// All that is done to a disk, by number: first the fixed workload, then others for ever.
fn numbered(number: u64) -> Workload {
    let themes =
        [Theme::Plain, Theme::Retention, Theme::Retention, Theme::Reserve, Theme::Damaged, Theme::Missing];
    let Some(other) = number.checked_sub(1) else { return Workload::fixed() };
    let count = themes.len() as u64;
    // Two themes that are the same have different seeds.
    Workload::random(themes[usize::try_from(other % count).unwrap()], other)
}

/// A search through many workloads on all cores.
struct Campaign {
    wanted: usize,
    next: AtomicU64,
    has_failed: AtomicBool,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    tally: Tally,
    /// Different disks of all workloads: 64 bits each, whatever else was met.
    disks: HashSet<u64>,
    workloads: u64,
    problem: Option<String>,
}

impl Campaign {
    fn run(wanted: usize) -> Found {
        let campaign = Self {
            wanted,
            next: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            found: Mutex::new(Found::default()),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| while campaign.search_next() {});
            }
        });
        campaign.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches the next workload; `false` when there is nothing more to do.
    fn search_next(&self) -> bool {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let is_enough = || self.found().disks.len() >= self.wanted;
        if self.has_failed.load(Ordering::Relaxed) || number >= WORKLOADS_MIN && is_enough() {
            return false;
        }
        let workload = numbered(number);
        let (disk, promise) = workload.start();
        let searched = Search::new(&workload, REACH, number).run(&disk, &promise);
        let mut found = self.found();
        match searched {
            Ok((tally, disks)) => found.take(&tally, disks),
            Err(problem) => {
                self.has_failed.store(true, Ordering::Relaxed);
                let (theme, steps) = (workload.theme, &workload.steps);
                found.problem = Some(format!("workload {number} ({theme:?}): {problem}\n{steps:?}"));
            }
        }
        true
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    fn take(&mut self, tally: &Tally, disks: HashSet<u64>) {
        let before = self.disks.len() / IMAGES_BETWEEN_WORDS;
        self.tally.add(tally);
        self.disks.extend(disks);
        self.workloads += 1;
        if self.disks.len() / IMAGES_BETWEEN_WORDS > before {
            println!("{} different images so far, {} workloads", self.disks.len(), self.workloads);
        }
    }
}

#[test]
fn no_acknowledged_record_is_lost_in_four_crashes() {
    let wanted = std::env::var("VIGIE_CRASH_IMAGES").map_or(IMAGES, |text| text.parse().unwrap());
    let start = Instant::now();
    let Found { tally, disks, workloads, problem } = Campaign::run(wanted);
    let took = start.elapsed();
    assert_eq!(problem, None);
    println!(
        "{} different images of {workloads} workloads in {took:.0?}; {} with what was promised of them, {} made",
        disks.len(),
        tally.cases,
        tally.made,
    );
    for class in CLASSES {
        println!("{class:?}: {}", tally.count(class));
        assert!(tally.count(class) > 0, "{class:?}: none");
    }
    assert!(disks.len() >= wanted && workloads >= WORKLOADS_MIN);
}

/// The workloads must reach what they are meant to reach.
#[test]
fn the_workloads_use_every_call_and_several_segments() {
    let (disk, workload) = (SimDisk::new(), Workload::fixed());
    assert_eq!(run(&disk, &workload, workload.start().1).unwrap().records, workload.all.len());
    assert!(disk.operations().iter().filter(|operation| **operation == Operation::Rename).count() >= 4);
    let mut met = HashSet::new();
    let (mut rotates, mut retires, mut recovers) = (0, 0, 0);
    for number in 0..WORKLOADS_MIN {
        let workload = numbered(number);
        let (disk, promise) = workload.start();
        run(&disk, &workload, promise).unwrap();
        let count = |wanted| disk.operations().iter().filter(|operation| **operation == wanted).count();
        rotates += u64::from(count(Operation::Rename) >= 2);
        retires += u64::from(count(Operation::Remove) > 0 && workload.steps.contains(&Step::Retain));
        recovers += u64::from(workload.steps.contains(&Step::CloseAndOpen));
        met.extend(disk.operations());
    }
    println!(
        "of {WORKLOADS_MIN} workloads {rotates} rotate, {retires} retire, {recovers} start again by themselves"
    );
    assert!(rotates >= 20 && retires >= 8 && recovers >= 15);
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
    for workload in (0..WORKLOADS_MIN).map(numbered) {
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
                    judge(&disk.crash(seed), &workload, &promise, &mut Tally::default()).map_err(at).unwrap();
                }
            }
        }
    }
    assert!(failed_syncs > 200, "{failed_syncs}");
}

/// Checks the checker: on a disk whose syncs do nothing, as for a journal that forgets to sync, it must find a loss.
#[test]
fn a_journal_that_does_not_sync_would_be_caught() {
    let reach = Reach { crashes: [6, 0, 0, 0], calls_after_recovery: 0 };
    for workload in [Workload::fixed(), Workload::random(Theme::Retention, 1)] {
        let (disk, promise) = workload.start();
        disk.dangerous_ignore_syncs();
        assert!(Search::new(&workload, reach, 0).run(&disk, &promise).is_err(), "nothing was noticed");
    }
}
