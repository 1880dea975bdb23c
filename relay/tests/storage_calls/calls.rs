//! Which calls there are, read from a run without faults, and how strace is told to disturb exactly one of them.
//!
//! strace counts for each thread. The calls of the start and of the first rest are named by path and by their number on
//! it: no two threads share one there. Whatever the journal's thread does from the first publish on is reached by
//! attaching to that thread alone, when it is at rest for the first time; so the calls of the start do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::support::{Call, calls};

/// The least that a write of a publish has: marks and carried records are smaller.
const PUBLISH_BYTES_MIN: i64 = 16_000;

/// What touches no stored byte and comes by the clock: the standard library probes a descriptor before it closes it, in
/// debug builds only; health asks now and then how much room is left.
const PROBES: [&str; 3] = ["fcntl", "fstatfs", "statfs"];

/// How the folder, its lock and a segment are looked for again with every batch. A look changes nothing and each is the
/// same code: so many on a path, by the journal's thread once it publishes, stand for all.
const LOOK: &str = "statx";
const LOOKS_MAX: u32 = 3;

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Eio,
    Enospc,
    Eintr,
    /// The process is killed when it enters the call: strace's signal comes before the kernel acts on it.
    KillBefore,
    /// The call is made, its return is held back, and the process is killed meanwhile: no instruction of the thread
    /// follows it.
    KillAfter,
}

impl Fault {
    pub(crate) const ALL: [Self; 5] =
        [Self::Eio, Self::Enospc, Self::Eintr, Self::KillBefore, Self::KillAfter];

    fn injected(self) -> &'static str {
        match self {
            Self::Eio => "error=EIO",
            Self::Enospc => "error=ENOSPC",
            Self::Eintr => "error=EINTR",
            Self::KillBefore => "signal=KILL",
            // Longer than any deadline here, in microseconds.
            Self::KillAfter => "delay_exit=120000000",
        }
    }
}

/// How a call is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// All threads are traced from the start.
    FromStart,
    /// The journal's thread is traced from its first rest.
    Attached,
}

/// What kind of thing a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum On {
    Folder,
    Lock,
    Segment,
    Unfinished,
    Reserve,
    /// That a new journal may begin, beside segments: what a crash leaves.
    Marker,
}

impl On {
    fn of(path: &Path) -> Self {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        match name.as_str() {
            "" | "." => Self::Folder,
            "lock" => Self::Lock,
            "reserve" => Self::Reserve,
            "begin-here" => Self::Marker,
            name if name.ends_with(".new") => Self::Unfinished,
            name if name.ends_with(".vigie") || name.contains(".vigie ") => Self::Segment,
            other => panic!("an unknown file of a journal: {other}"),
        }
    }
}

/// One storage call of the workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) reach: Reach,
    pub(crate) name: String,
    /// Relative to the journal; empty for the folder itself.
    pub(crate) path: PathBuf,
    pub(crate) on: On,
    /// Among the calls of this name on this path, for its thread and reach, from 1.
    pub(crate) ordinal: u32,
    /// Whether it makes the file.
    pub(crate) creates: bool,
    /// Whether the relay was still starting: it does so in its main thread; what others do beside it comes when it comes.
    pub(crate) at_start: bool,
    /// Whether it was asked to stop already.
    pub(crate) at_stop: bool,
    /// So many publishes were on disk before it, and may have a receipt.
    pub(crate) acked_before: usize,
}

impl Target {
    /// What is tried on it: an end of the process before or after a look is one before or after its neighbours.
    pub(crate) fn faults(&self) -> &'static [Fault] {
        if self.name == LOOK { &[Fault::Eio, Fault::Enospc, Fault::Eintr] } else { &Fault::ALL }
    }

    /// What strace is told.
    pub(crate) fn options(&self, journal: &Path, fault: Fault) -> Vec<String> {
        let path =
            if self.path.as_os_str().is_empty() { journal.to_owned() } else { journal.join(&self.path) };
        let inject = format!("inject={}:{}:when={}", self.name, fault.injected(), self.ordinal);
        let mut options = vec!["-ttt".into(), "-y".into(), "-P".into(), path.to_str().unwrap().into()];
        // With the filter in the kernel the tracer is not asked at the entry, and the signal comes too late.
        if self.reach == Reach::FromStart && fault != Fault::KillBefore {
            options.push("--seccomp-bpf".into());
        }
        options.extend(["-e".into(), format!("trace={}", self.name), "-e".into(), inject]);
        options
    }
}

/// When what happened in the run without faults, in seconds.
pub(crate) struct Moments {
    /// The thread that starts the relay.
    pub(crate) main: u32,
    pub(crate) listening: f64,
    pub(crate) first_publish: f64,
    pub(crate) stop: f64,
}

/// Every storage call of a run without faults.
pub(crate) fn targets(traced: &[(u32, String)], journal: &Path, moments: &Moments) -> BTreeSet<Target> {
    let on_journal: Vec<(Call, PathBuf)> = calls(traced)
        .into_iter()
        .filter(|call| !PROBES.contains(&call.name.as_str()))
        .filter_map(|call| {
            let path = call.path_below(journal)?;
            Some((call, path.strip_prefix(journal).unwrap().to_owned()))
        })
        .collect();
    let is_publish = |call: &Call, on| {
        call.name == "pwrite64"
            && on == On::Segment
            && call.result.is_some_and(|bytes| bytes >= PUBLISH_BYTES_MIN)
    };
    let writer =
        on_journal.iter().find(|(call, path)| is_publish(call, On::of(path))).expect("publishes").0.thread;
    let mut targets = BTreeSet::new();
    let mut counted: BTreeMap<(u32, Reach, String, PathBuf), u32> = BTreeMap::new();
    let (mut written, mut stored) = (false, Vec::new());
    for (call, path) in &on_journal {
        let on = On::of(path);
        if call.thread == writer && is_publish(call, on) {
            written = true;
        } else if call.thread == writer && call.name == "fdatasync" && written {
            (written, stored) = (false, [stored, vec![call.begun]].concat());
        }
    }
    for (call, path) in on_journal {
        let on = On::of(&path);
        let at_stop = call.begun >= moments.stop;
        // At the stop a segment is closed by whichever thread lets go of it last.
        let by_any = call.name == "close" && on == On::Segment && at_stop;
        let reach = match call.thread == writer && call.begun >= moments.first_publish && !by_any {
            true => Reach::Attached,
            false => Reach::FromStart,
        };
        let ordinal = counted.entry((call.thread, reach, call.name.clone(), path.clone())).or_default();
        *ordinal += 1;
        if call.name == LOOK && (reach != Reach::Attached || *ordinal > LOOKS_MAX) {
            continue;
        }
        let target = Target {
            reach,
            on,
            ordinal: *ordinal,
            creates: call.rest.contains("O_CREAT"),
            at_start: call.thread == moments.main && call.begun < moments.listening,
            at_stop,
            // The sync of a publish itself does not stand before itself.
            acked_before: stored.iter().filter(|begun| **begun < call.begun).count(),
            name: call.name,
            path,
        };
        assert!(targets.insert(target.clone()), "two threads share {target:?}");
    }
    targets
}
