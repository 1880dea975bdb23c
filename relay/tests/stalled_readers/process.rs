//! The real relay as a process, and what the system says that it uses.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vigie_client::Context;

/// A relay of its own trust, killed when it is dropped.
pub(crate) struct Relay {
    child: Child,
    folder: tempfile::TempDir,
    address: String,
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

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
        let (child, address) = run(&place, "127.0.0.1:0");
        Self { child, folder, address }
    }

    /// Stops it as its operator does, and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }

    /// As a power cut ends it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts the stopped one again, at the same address.
    pub(crate) fn start_again(&mut self) {
        (self.child, _) = run(&self.place(), &self.address);
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn place(&self) -> PathBuf {
        self.folder.path().join("essai")
    }

    pub(crate) fn context(&self) -> Context {
        Context::open(self.place()).unwrap()
    }

    pub(crate) fn usage(&self) -> Usage {
        let of = |file: &str| {
            let path = Path::new("/proc").join(self.child.id().to_string()).join(file);
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
fn run(place: &Path, listen: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(["relay", "run", "--listen", listen, "--config"])
        .arg(place.join("vigie.toml"))
        .env("VIGIE_LOG", "error")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // What it found in its journal comes first.
    let told = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("vigie: listening on "));
    let address = told.expect("the relay says where it listens").rsplit(' ').next().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    // What it says later must be taken from it, or it would wait for a reader.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| println!("relay: {line}")));
    (child, address)
}

/// What the system says that all TCP sockets hold.
pub(crate) fn tcp_memory() -> String {
    let all = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    all.lines().find(|line| line.starts_with("TCP:")).unwrap_or("unknown").to_owned() + " (mem in pages)"
}
