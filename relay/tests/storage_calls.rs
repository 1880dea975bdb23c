//! Every storage system call of a workload × EIO, ENOSPC, EINTR, killed before it, killed after it, on the real binary.
//!
//! A run without faults tells which calls there are. Then there is one run for each call and fault: whatever happens,
//! nothing is acknowledged at or after the failure, a failed disk ends the relay with its own exit code, an interrupted
//! call is repeated unnoticed; and the relay that starts afterwards has all that was acknowledged, in its place, once,
//! in the same log.
//!
//! `VIGIE_CALLS=10` repeats the publishes ten times, for a long run.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::print_stdout, reason = "what a run came to belongs to its output")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

#[path = "storage_calls/calls.rs"]
mod calls;
#[path = "storage_calls/case.rs"]
mod case;
#[expect(dead_code, reason = "shared with the trace of receipts")]
#[path = "support_strace/mod.rs"]
mod support;
#[path = "storage_calls/workload.rs"]
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use calls::{Fault, On, Target, targets};
use case::{Case, Outcome, Report, baseline, shown};
use support::Place;
use workload::Workload;

/// Runs at a time: a run mostly waits for the disk and for the journal to rest.
const RUNS: usize = 4;

/// The classes of calls that the workload must have, or it shows nothing.
const CLASSES: &[(&str, On)] = &[
    ("openat", On::Folder),
    ("getdents64", On::Folder),
    ("fsync", On::Folder),
    ("openat", On::Lock),
    ("flock", On::Lock),
    ("openat", On::Segment),
    ("pread64", On::Segment),
    ("pwrite64", On::Segment),
    ("fdatasync", On::Segment),
    ("ftruncate", On::Segment),
    ("unlink", On::Segment),
    ("close", On::Segment),
    ("openat", On::Unfinished),
    ("fallocate", On::Unfinished),
    ("pwrite64", On::Unfinished),
    ("fdatasync", On::Unfinished),
    ("renameat2", On::Unfinished),
    ("statx", On::Folder),
    ("statx", On::Lock),
    ("statx", On::Segment),
    ("unlink", On::Unfinished),
    ("openat", On::Reserve),
    ("fallocate", On::Reserve),
    ("fdatasync", On::Reserve),
    ("unlink", On::Marker),
];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
#[cfg_attr(
    not(vigie_strace),
    ignore = "needs strace with leave to trace processes, and prlimit; see CONTRIBUTING.md"
)]
fn every_storage_call_may_fail_or_be_the_last() {
    let place = Place::new();
    let workload = Workload::new(&place);
    let observe = |name: &str| {
        let node = workload.node(&place, name);
        let seen = runtime().block_on(baseline(&place, &workload, &node));
        (targets(&node.traced(), &node.journal, &seen.moments), seen.states)
    };
    let ((calls, states), (again, states_again)) = std::thread::scope(|scope| {
        let other = scope.spawn(|| observe("without-2"));
        (observe("without-1"), other.join().unwrap())
    });
    assert_eq!(states, states_again, "two runs go through the same states");
    let differs: BTreeSet<&Target> = calls.symmetric_difference(&again).collect();
    assert!(differs.is_empty(), "two runs make the same calls: {differs:#?}");
    let met: BTreeSet<(&str, On)> = calls.iter().map(|call| (&*call.name, call.on)).collect();
    for class in CLASSES {
        assert!(met.contains(class), "the workload has no {class:?}, only {met:#?}");
    }
    let cases: Vec<(&Target, Fault)> =
        calls.iter().flat_map(|call| call.faults().iter().map(move |fault| (call, *fault))).collect();
    println!("{} calls, {} cases", calls.len(), cases.len());
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..RUNS {
            scope.spawn(|| {
                let runtime = runtime();
                while let n = next.fetch_add(1, Ordering::Relaxed)
                    && let Some((target, fault)) = cases.get(n).copied()
                {
                    let case = Case { place: &place, workload: &workload, states: &states, target, fault };
                    let report = runtime.block_on(case.run(&format!("case-{n}")));
                    if let Err(error) = &report {
                        // Told at once: all cases take a minute.
                        println!("wrong: {}: {error}", shown(target, fault));
                    }
                    done.lock().unwrap().push((target, fault, report));
                }
            });
        }
    });
    judge(&done.into_inner().unwrap(), cases.len());
}

/// Cases, and receipts in them.
type Outcomes = BTreeMap<Outcome, (usize, usize)>;

type Done<'t> = (&'t Target, Fault, Result<Report, String>);

fn judge(done: &[Done<'_>], cases: usize) {
    let mut table: BTreeMap<(&str, Fault), Outcomes> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (target, fault, report) in done {
        match report {
            Ok(report) => {
                let row = table.entry((&target.name, *fault)).or_default();
                let (cases, receipts) = row.entry(report.outcome).or_default();
                *cases += 1;
                *receipts += report.receipts;
            }
            Err(error) => wrong.push(format!("{}: {error}", shown(target, *fault))),
        }
    }
    println!("{:<12} {:<11} outcomes: cases (receipts in them)", "call", "fault");
    for ((name, fault), outcomes) in &table {
        let outcomes: Vec<String> = outcomes
            .iter()
            .map(|(outcome, (cases, receipts))| format!("{outcome:?} {cases} ({receipts})"))
            .collect();
        println!("{name:<12} {:<11} {}", format!("{fault:?}"), outcomes.join(", "));
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(done.len(), cases);
    let outcomes: BTreeSet<(Fault, Outcome)> = table
        .iter()
        .flat_map(|((_, fault), outcomes)| outcomes.keys().map(|outcome| (*fault, *outcome)))
        .collect();
    for class in [
        (Fault::Eio, Outcome::Completed),
        (Fault::Eio, Outcome::Stopped),
        (Fault::Enospc, Outcome::Completed),
        (Fault::Enospc, Outcome::Stopped),
        (Fault::Eintr, Outcome::Completed),
        (Fault::KillBefore, Outcome::Killed),
        (Fault::KillAfter, Outcome::Killed),
    ] {
        assert!(outcomes.contains(&class), "no case of {class:?}");
    }
}
