//! The real relay as a process, and what the system says that it uses.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vigie_client::Context;

#[allow(dead_code, reason = "each suite of tests uses a part of it")]
#[path = "../support_relay/mod.rs"]
mod support_relay;

use support_relay::Running;

/// A relay of its own trust, killed when it is dropped.
pub(crate) struct Relay {
    running: Running,
    folder: tempfile::TempDir,
}

/// What it has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    /// Bytes that it read from files.
    pub(crate) read: u64,
    /// Its calls of `write` and the like.
    pub(crate) writes: u64,
    /// Processor time.
    pub(crate) cpu: Duration,
}

impl Relay {
    /// With more settings than those of `vigie init`.
    pub(crate) fn start(name: &str, more: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(name).tempdir().unwrap();
        let place = folder.path().join("essai");
        let made = Command::new(env!("CARGO_BIN_EXE_vigie")).arg("init").arg(&place).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings = place.join("vigie.toml");
        let text = std::fs::read_to_string(&settings).unwrap();
        // One that is started again would take the port of health that all others want.
        // All readers share a key.
        let text = format!("{text}\n{more}\nsessions_per_key_max = 20000\nhealth = {{ listen = \"off\" }}\n");
        std::fs::write(&settings, text).unwrap();
        let running = run(&place, "127.0.0.1:0");
        Self { running, folder }
    }

    /// Stops it as its operator does, and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        self.running.signal("-TERM");
        let ended = self.running.wait();
        assert!(ended.success(), "{ended}");
    }

    /// As a power cut ends it.
    pub(crate) fn kill(&mut self) {
        self.running.kill();
    }

    /// Starts the stopped one again, at the same address.
    pub(crate) fn start_again(&mut self) {
        self.running = run(&self.place(), self.running.address());
    }

    pub(crate) fn address(&self) -> &str {
        self.running.address()
    }

    pub(crate) fn place(&self) -> PathBuf {
        self.folder.path().join("essai")
    }

    pub(crate) fn context(&self) -> Context {
        Context::open(self.place()).unwrap()
    }

    pub(crate) fn usage(&self) -> Usage {
        let of = |file: &str| {
            let path = Path::new("/proc").join(self.running.pid().to_string()).join(file);
            std::fs::read_to_string(path).unwrap()
        };
        let number = |text: &str, name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        // After the name, which may hold anything: fields 14 and 15 are ticks of 10 ms in user and system.
        let stat = of("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Usage {
            resident: number(&of("status"), "VmRSS:") * 1024,
            read: number(&of("io"), "rchar:"),
            writes: number(&of("io"), "syscw:"),
            cpu: Duration::from_millis(ticks * 10),
        }
    }
}

/// Runs a relay until it says where it listens.
fn run(place: &Path, listen: &str) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
    command.args(["relay", "run", "--listen", listen, "--config"]).arg(place.join("vigie.toml"));
    Running::start(command.env("VIGIE_LOG", "error"))
}

/// What the system says that all TCP sockets hold.
pub(crate) fn tcp_memory() -> String {
    let all = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    all.lines().find(|line| line.starts_with("TCP:")).unwrap_or("unknown").to_owned() + " (mem in pages)"
}
