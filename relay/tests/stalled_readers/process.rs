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
        std::fs::write(&settings, format!("{text}\npublishes_per_credential_max = 1000\n{more}\n")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vigie"))
            .args(["relay", "run", "--listen", "127.0.0.1:0", "--config"])
            .arg(&settings)
            .env("VIGIE_LOG", "error")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().expect("the relay says where it listens").unwrap();
        // What it says later must be taken from it, or it would wait for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| println!("relay: {line}")));
        let address = first.rsplit(' ').next().unwrap().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{first}");
        Self { child, folder, address }
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
            cpu: Duration::from_millis(ticks * 10),
        }
    }
}

/// What the system says that all TCP sockets hold.
pub(crate) fn tcp_memory() -> String {
    let all = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    all.lines().find(|line| line.starts_with("TCP:")).unwrap_or("unknown").to_owned() + " (mem in pages)"
}
