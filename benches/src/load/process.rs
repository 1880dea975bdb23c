//! What the system says of the server: CPU time, write calls, memory. Linux only.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

/// A process that is measured.
#[derive(Clone, Debug)]
pub struct Process {
    folder: PathBuf,
}

/// Counters of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time of all its threads that are alive, user and system, in nanoseconds.
    pub cpu_ns: u64,
    /// Calls of `write`, `writev` and their like. Not those of `send` and `sendmsg`, which the kernel does not count here.
    pub writes: u64,
}

impl Process {
    /// # Errors
    /// There is no such process.
    pub fn new(id: u32) -> anyhow::Result<Self> {
        let process = Self { folder: PathBuf::from(format!("/proc/{id}")) };
        process.usage().with_context(|| format!("process {id}"))?;
        Ok(process)
    }

    /// # Errors
    /// The process has ended, or is somebody else's.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        let mut cpu_ns = 0;
        for thread in fs::read_dir(self.folder.join("task"))? {
            // A thread may end meanwhile.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            cpu_ns += text.split(' ').next().context("no CPU time")?.trim().parse::<u64>()?;
        }
        let io = fs::read_to_string(self.folder.join("io"))?;
        let writes = field(&io, "syscw:").context("no write calls")?;
        Ok(Usage { cpu_ns, writes })
    }

    /// Resident memory, in KiB.
    ///
    /// # Errors
    /// The process has ended.
    pub fn resident_kib(&self) -> anyhow::Result<u64> {
        field(&fs::read_to_string(self.folder.join("status"))?, "VmRSS:").context("no resident memory")
    }
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
