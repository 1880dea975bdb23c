//! The hand-over between behind and live, modelled: the threads of a relay under a scheduler that tries how they may
//! come between each other.
//!
//! Two workers, the journal thread, the readers of pages and a few readers and authors run on the relay's own code,
//! whose locks and queues are shuttle's (see [`crate::sync`]). Messages come from two authors at once; sessions begin at
//! the start, here or at a cursor, fall behind on tiny outboxes, replace their subscription, are refused a read, are cut
//! and come back to another worker, ahead of it or not; and so few batches may wait that workers jump. In the end each
//! reader was given what it may hear, once and in order, no mark had said too much, nobody was cut off for being slow
//! (`notes.rs`), and no more events wait for a worker than may. When all threads wait for each other the scheduler says
//! so: nothing is published any more by then, so that is a wake-up that was lost.
//!
//! Three schedulers, of which each finds other things soon: one chooses any thread at each step; one (PCT) keeps to
//! priorities and changes them a few times; under one, threads fall asleep (`sleeper.rs`). What they choose depends on the
//! seed alone:
//!
//! ```text
//! cargo test -p vigie-relay --lib --no-default-features --features model server::model::
//! ```
//!
//! - `VIGIE_MODEL_ITERATIONS`: runs of each scheduler; by default [`ITERATIONS`].
//! - `VIGIE_MODEL_SEED`: another seed.
//! - `VIGIE_MODEL_SCHEDULE`: plays the run again whose schedule a failure has printed.
//!
//! What is not in it: sockets and timers of tokio, weak memory (shuttle's threads see each other's writes at once; all
//! that is shared is behind locks), retention, and a disk that fails: those have the simulation in `tests`.

mod cast;
mod notes;
mod run;
mod sleeper;
mod visitor;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use crate::sync::{Plant, Rare, choose, met};
use cast::Cast;
use sleeper::Sleeper;

/// Runs of each scheduler: about ten seconds. Each planted bug is found within it by two schedulers at least.
const ITERATIONS: usize = 4_000;

/// How often PCT changes its priorities in a run at most.
const PCT_DEPTH: usize = 5;

/// Of each thread; the workers' calls are deep, and pages that are never touched cost nothing.
const STACK_BYTES: usize = 512 * 1024;

/// Every run ends long before. One that does not is one that never ends: somebody asks and asks.
const STEPS_MAX: usize = 200_000;

const SEED: u64 = 1;

/// All that may be planted.
const PLANTS: [Plant; 8] = [
    Plant::JumpWithoutHead,
    Plant::BatchesKeptAtJump,
    Plant::NotifyBeforePush,
    Plant::RingKeptAtJump,
    Plant::LiveOneEventLate,
    Plant::PagePastHead,
    Plant::PageOfReplaced,
    Plant::BehindForgotten,
];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().expect("a whole number"))
}

fn iterations() -> usize {
    usize::try_from(number("VIGIE_MODEL_ITERATIONS", ITERATIONS as u64)).expect("it fits")
}

fn config(print: bool) -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.failure_persistence = if print { FailurePersistence::Print } else { FailurePersistence::None };
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    config
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Any,
    Priorities,
    Sleeper,
}

impl Choice {
    const ALL: [Self; 3] = [Self::Any, Self::Priorities, Self::Sleeper];

    /// Makes so many runs under this scheduler.
    fn explore(self, seed: u64, runs: usize, print: bool) {
        match self {
            Self::Any => explore(RandomScheduler::new_from_seed(seed, runs), print),
            Self::Priorities => explore(PctScheduler::new_from_seed(seed, PCT_DEPTH, runs), print),
            Self::Sleeper => explore(Sleeper::new(seed, runs), print),
        }
    }
}

fn explore(scheduler: impl Scheduler + 'static, print: bool) {
    let cast = Arc::new(Cast::new());
    Runner::new(scheduler, config(print)).run(move || run::run(&cast));
}

#[test]
fn every_reader_is_given_all_once_whatever_the_order_of_threads() {
    choose(None);
    if let Ok(schedule) = std::env::var("VIGIE_MODEL_SCHEDULE") {
        return explore(ReplayScheduler::new_from_encoded(&schedule), true);
    }
    let (seed, runs) = (number("VIGIE_MODEL_SEED", SEED), iterations());
    for choice in Choice::ALL {
        println!("{runs} runs, {choice:?}, seed {seed}");
        choice.explore(seed, runs, true);
    }
    for rare in [Rare::Jump, Rare::LiveAhead, Rare::PageCut, Rare::Replaced] {
        println!("{rare:?}: {}", met(rare));
        assert!(met(rare) >= runs as u64 / 1_000, "{rare:?} is met too seldom to be tried");
    }
}

/// A model that finds nothing wrong must be one that would.
#[test]
fn each_planted_bug_is_found() {
    for plant in PLANTS {
        let found: Vec<_> =
            Choice::ALL.iter().filter_map(|choice| Some((choice, find(plant, *choice)?))).collect();
        for (choice, wrong) in &found {
            println!("{plant:?}, {choice:?}: {}", wrong.lines().next().unwrap_or_default());
        }
        assert!(!found.is_empty(), "{plant:?} was not found");
    }
}

/// What is wrong with it, if the runs of CI find out.
fn find(plant: Plant, choice: Choice) -> Option<String> {
    choose(Some(plant));
    let explored = catch_unwind(AssertUnwindSafe(|| choice.explore(SEED, ITERATIONS, false)));
    choose(None);
    let panic = explored.err()?;
    Some(panic.downcast::<String>().map_or_else(|_| "panicked".to_owned(), |text| *text))
}
