//! The relay in a process of its own whose allocator counts: this very test program, started a second time. So what the
//! strangers of the first one allocate is not among what is counted.
//!
//! The two speak by lines: for each that the relay reads it says what it has allocated and how many strangers it has.

#![allow(clippy::print_stderr, reason = "the line between the two processes")]

use std::alloc::System;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use vigie_client::Context;
use vigie_relay::config::RelayConfig;
use vigie_relay::server;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Where the relay of the second process finds its trust.
const PLACE: &str = "VIGIE_STRANGERS_PLACE";
/// How many strangers it takes, where that is not what a relay takes by default.
const MAX: &str = "VIGIE_STRANGERS_MAX";

/// A relay of its own trust, gone when it is dropped.
pub(crate) struct Relay {
    child: Child,
    line: Mutex<(ChildStdin, BufReader<ChildStderr>)>,
    folder: tempfile::TempDir,
    address: String,
}

/// What it has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Bytes that were ever allocated.
    pub(crate) allocated: u64,
    /// Bytes that are.
    pub(crate) held: u64,
    /// Resident memory, in bytes: what the system says.
    pub(crate) resident: u64,
    /// Processor time of all threads, to the nanosecond.
    pub(crate) cpu: Duration,
    /// Connections that have not logged in.
    pub(crate) strangers: u64,
    /// How many were closed for one that came.
    pub(crate) replaced: u64,
    /// What was counted of connections that ended badly: refusals of any code, and those that never came to have one.
    pub(crate) counted: u64,
    /// Of those, `too_many_bytes`.
    pub(crate) too_many_bytes: u64,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Relay {
    /// With the bounds of a relay that was told nothing, or room for so many strangers.
    pub(crate) fn start(name: &str, strangers_max: Option<usize>) -> Self {
        let folder = tempfile::Builder::new().prefix(name).tempdir().unwrap();
        let place = folder.path().join("essai");
        let made = Command::new(env!("CARGO_BIN_EXE_vigie")).arg("init").arg(&place).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_relay_of_the_others", "--nocapture"]).env(PLACE, &place);
        if let Some(max) = strangers_max {
            command.env(MAX, max.to_string());
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut address = String::new();
        said.read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        let line = Mutex::new((child.stdin.take().unwrap(), said));
        Self { child, line, folder, address }
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
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.0.write_all(b"\n").unwrap();
        let mut told = String::new();
        line.1.read_line(&mut told).unwrap();
        let told: Vec<u64> = told.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let [allocated, held, strangers, replaced, counted, too_many_bytes] = told[..] else {
            panic!("{told:?}")
        };
        let of = Path::new("/proc").join(self.child.id().to_string());
        let status = std::fs::read_to_string(of.join("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident: u64 = resident.split_whitespace().next().unwrap().parse().unwrap();
        let (resident, cpu) = (resident * 1024, cpu(&of));
        Usage { allocated, held, resident, cpu, strangers, replaced, counted, too_many_bytes }
    }
}

/// Nanoseconds that each thread was on a processor: threads of the relay live as long as it does.
fn cpu(process: &Path) -> Duration {
    let threads = std::fs::read_dir(process.join("task")).unwrap();
    let on = threads.filter_map(|thread| {
        let line = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(on.sum())
}

/// In the second process: a relay until nobody asks any more. In the first, nothing.
pub(crate) fn serve() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let place = Path::new(&place);
    let context = Context::open(place).unwrap();
    let pem = |file: &str| std::fs::read(place.join(file)).unwrap();
    let chain = CertificateDer::pem_slice_iter(&pem("relay/tls.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&pem("relay/tls.key.pem")).unwrap();
    let names = vec!["localhost".to_owned()];
    let mut config = RelayConfig::new(names, chain, key, context.roots().clone(), place.join("journal"));
    config.publishes_per_credential_max = 1_000;
    if let Ok(max) = std::env::var(MAX) {
        config.strangers_max = max.parse().unwrap();
        config.connections_max = 2 * config.strangers_max;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = server::Relay::start(listener, config).unwrap();
    eprintln!("{}", relay.local_addr());
    for _ in std::io::stdin().lines() {
        let counted = COUNTING.stats();
        let status = relay.status();
        let strangers = &status.strangers;
        let held = counted.bytes_allocated - counted.bytes_deallocated;
        let too_much = status.refusals.get("too_many_bytes").copied().unwrap_or_default();
        let ended = status.refusals.values().sum::<u64>() + status.unheard.tls + status.unheard.http;
        let allocated = counted.bytes_allocated;
        eprintln!("{allocated} {held} {} {} {ended} {too_much}", strangers.open, strangers.replaced);
    }
}
