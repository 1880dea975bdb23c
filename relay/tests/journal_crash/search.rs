//! The search: the power is cut at every call of a run, each disk that may be found is judged, and goes on to be cut in
//! its recovery.
//!
//! The same workload and number give the same search, whatever runs beside it.

use std::collections::HashSet;
use std::hash::{Hash as _, Hasher as _};

use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{JournalError, Record, Storage as _};

use super::model::{Promise, Theme, Workload, open, run};
use super::tally::{Class, Fingerprint, Tally};

/// Crashes in a row: the first in the workload, then three in the recovery from the one before.
pub(crate) const DEPTH_MAX: usize = 4;

/// How far a search goes.
#[derive(Clone, Copy)]
pub(crate) struct Reach {
    /// Crashes for each call, by depth.
    pub(crate) crashes: [u64; DEPTH_MAX],
    /// Below the first depth, calls of the workload that are tried after those of the recovery.
    pub(crate) calls_after_recovery: usize,
}

/// A disk on which a search stands, and how it came there.
struct At<'a> {
    disk: &'a SimDisk,
    promise: &'a Promise,
    depth: usize,
    /// How many starts in a row were cut short before this one.
    recoveries_cut: usize,
}

/// A search through what may become of one workload.
pub(crate) struct Search<'a> {
    workload: &'a Workload,
    reach: Reach,
    /// Makes the crashes of two searches differ.
    number: u64,
    /// Disks with what is promised of them.
    met: HashSet<u64>,
    /// Disks alone.
    disks: HashSet<u64>,
    tally: Tally,
}

impl<'a> Search<'a> {
    pub(crate) fn new(workload: &'a Workload, reach: Reach, number: u64) -> Self {
        let (met, disks) = (HashSet::new(), HashSet::new());
        Self { workload, reach, number, met, disks, tally: Tally::default() }
    }

    /// Searches from `disk` on. Gives what was met, and the numbers of all different disks.
    pub(crate) fn run(mut self, disk: &SimDisk, promise: &Promise) -> Result<(Tally, HashSet<u64>), String> {
        self.crash_everywhere(&At { disk, promise, depth: 0, recoveries_cut: 0 })?;
        self.tally.cases = self.met.len() as u64;
        Ok((self.tally, self.disks))
    }

    /// Cuts the power at every call, judges what is found, and goes on from there one deeper.
    fn crash_everywhere(&mut self, at: &At<'_>) -> Result<(), String> {
        let workload = self.workload;
        let calls_of = |most: usize, run: &dyn Fn(&SimDisk)| {
            let copy = at.disk.restart();
            copy.power_off_at(most);
            run(&copy);
            copy.operations().len().min(most)
        };
        let of_recovery = calls_of(usize::MAX, &|copy| drop(open(copy)));
        // Deeper down it is the recovery that is of interest: the workload after it was met above.
        let most = if at.depth == 0 { usize::MAX } else { of_recovery + self.reach.calls_after_recovery };
        let calls = calls_of(most, &|copy| drop(run(copy, workload, at.promise.clone())));
        for call in 1..=calls {
            let cut = at.disk.restart();
            cut.power_off_at(call);
            let promise = run(&cut, workload, at.promise.clone())?;
            let in_recovery = at.depth > 0 && call <= of_recovery;
            let recoveries_cut = if in_recovery { at.recoveries_cut + 1 } else { 0 };
            for _ in 0..self.reach.crashes[at.depth] {
                let seed = (self.number << 32) + self.tally.made;
                let place = |problem| format!("depth {}, call {call}, seed {seed}: {problem}", at.depth);
                let image = cut.crash(seed);
                self.tally.made += 1;
                let next = At { disk: &image, promise: &promise, depth: at.depth + 1, recoveries_cut };
                self.go_on(&next).map_err(place)?;
            }
        }
        Ok(())
    }

    /// Judges an image, and crashes the recovery from it.
    fn go_on(&mut self, at: &At<'_>) -> Result<(), String> {
        let disk = fingerprint(at.disk);
        // The same disk with the same promise was judged before, and so was all that follows from it.
        if !self.met.insert(fingerprint_of_case(disk, at.promise)) {
            return Ok(());
        }
        self.disks.insert(disk);
        self.tally.note_damage(at.depth - 1, at.disk.damage());
        self.tally.note(Class::CutInRecovery, at.recoveries_cut >= 1);
        self.tally.note(Class::CutInSecondRecovery, at.recoveries_cut >= 2);
        self.tally.note(Class::CutInThirdRecovery, at.recoveries_cut >= 3);
        judge(at.disk, self.workload, at.promise, &mut self.tally)?;
        if at.depth < DEPTH_MAX && self.reach.crashes[at.depth] > 0 {
            self.crash_everywhere(at)?;
        }
        Ok(())
    }
}

/// Opens an image as it was found. This start is none of the story: nothing more is promised after it.
pub(crate) fn judge(
    image: &SimDisk,
    workload: &Workload,
    promise: &Promise,
    tally: &mut Tally,
) -> Result<(), String> {
    let found = image.restart();
    let (mut journal, mut seen) = open(&found);
    if journal.as_ref().is_err_and(JournalError::is_retryable) {
        // There is really no room: nothing may be lost, and somebody makes some.
        tally.note(Class::DiskFull, true);
        found.set_room(None);
        (journal, seen) = open(&found.restart());
    }
    let journal = journal.map_err(|error| format!("does not open: {error}"))?;
    let there = promise.judge(&journal, &seen, &workload.all)?;
    promise.judge_reading(&journal, &seen)?;
    tally.note(Class::KeptUnacknowledged, there > promise.records);
    tally.note(Class::Removed, journal.first_seq().get() > 1);
    tally.note(Class::Carried, seen.iter().any(|one| matches!(one, Record::Carried(_))));
    tally.note(Class::Damaged, !journal.damage().is_empty());
    let reserve = found.content("reserve").map_or(0, |bytes| bytes.len());
    tally.note(Class::ReserveUsed, workload.theme == Theme::Reserve && reserve < 3 * 1024);
    Ok(())
}

/// What is on a disk, as a number.
fn fingerprint(disk: &SimDisk) -> u64 {
    let mut hasher = Fingerprint::default();
    for name in disk.names().unwrap() {
        hasher.write(name.as_bytes());
        hasher.write(&disk.content(&name).unwrap());
    }
    hasher.finish()
}

/// The same with what is promised of it.
fn fingerprint_of_case(disk: u64, promise: &Promise) -> u64 {
    let mut hasher = Fingerprint::default();
    hasher.write_u64(disk);
    promise.hash(&mut hasher);
    hasher.finish()
}
