//! A scheduler under which now and then one thread stays away for long, as on a busy machine.
//!
//! Any thread may be next at each step, but for one that sleeps: it is not chosen while another can go on. Queues run
//! full in front of it, and what it was about to tell is known to some long before it is to others.

use shuttle::scheduler::{DataSource as _, RandomDataSource, Schedule, Scheduler, Task, TaskId};

/// One step in so many, another thread falls asleep.
const ASLEEP_ONE_IN: u64 = 32;

/// It sleeps for fewer steps than this.
const STEPS_ASLEEP_MAX: u64 = 400;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Sleeper {
    /// What the runs draw; begun anew for each, so that its schedule can be played again.
    data: RandomDataSource,
    /// Chooses threads.
    threads: RandomDataSource,
    runs_left: usize,
    asleep: Option<TaskId>,
    steps_asleep: u64,
}

impl Sleeper {
    pub(super) fn new(seed: u64, runs: usize) -> Self {
        let chance = || RandomDataSource::initialize(seed);
        Self { data: chance(), threads: chance(), runs_left: runs, asleep: None, steps_asleep: 0 }
    }

    /// One of them, each as likely.
    fn pick(&mut self, tasks: &[TaskId]) -> Option<TaskId> {
        let count = u64::try_from(tasks.len()).ok().filter(|count| *count > 0)?;
        usize::try_from(self.threads.next_u64() % count).ok().map(|place| tasks[place])
    }
}

impl Scheduler for Sleeper {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.runs_left = self.runs_left.checked_sub(1)?;
        let seed = self.data.reinitialize();
        self.threads = RandomDataSource::initialize(!seed);
        (self.asleep, self.steps_asleep) = (None, 0);
        Some(Schedule::new(seed))
    }

    fn next_task(&mut self, runnable: &[&Task], _current: Option<TaskId>, _yields: bool) -> Option<TaskId> {
        let runnable: Vec<_> = runnable.iter().map(|task| task.id()).collect();
        self.steps_asleep = self.steps_asleep.saturating_sub(1);
        if self.steps_asleep == 0 {
            self.asleep = None;
            if self.threads.next_u64().is_multiple_of(ASLEEP_ONE_IN) {
                self.asleep = self.pick(&runnable);
                self.steps_asleep = self.threads.next_u64() % STEPS_ASLEEP_MAX;
            }
        }
        let awake: Vec<_> = runnable.iter().copied().filter(|task| Some(*task) != self.asleep).collect();
        self.pick(&awake).or(self.asleep)
    }

    fn next_u64(&mut self) -> u64 {
        self.data.next_u64()
    }
}
