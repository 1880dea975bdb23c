//! The real relay as a process of its own, killed when it is dropped: shared by the suites that run the binary.
//!
//! A thread takes what it says on stderr, or it would wait for a reader. What it said is looked at line by line as it comes,
//! and told where the test fails.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Far longer than a start takes, and than two looks of a relay at its files; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Its first word to the world. Stable: scripts read the address from it. What it found in its journal may come before.
const LISTENING: &str = "vigie: listening on ";
/// The next one, where it has such a listener.
const HEALTH: &str = "vigie: health on ";
/// Behind both, in any language.
const DETAILS: &str = "; log ";

/// A relay that runs.
pub(crate) struct Running {
    child: Child,
    address: String,
    said: Arc<Said>,
    taking: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Said {
    so_far: Mutex<SoFar>,
    more: Condvar,
}

#[derive(Default)]
struct SoFar {
    /// Each with its end.
    lines: Vec<String>,
    ended: bool,
}

impl Running {
    /// Runs a command that is `vigie relay run`, until it says where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Said::default());
        let taken = Arc::clone(&said);
        let taking = std::thread::spawn(move || {
            loop {
                let mut line = String::new();
                let ended = stderr.read_line(&mut line).expect("a relay says Unicode") == 0;
                let mut so_far = taken.so_far.lock().unwrap();
                so_far.ended = ended;
                so_far.lines.extend((!ended).then_some(line));
                taken.more.notify_all();
                if ended {
                    return;
                }
            }
        });
        let mut running = Self { child, address: String::new(), said, taking: Some(taking) };
        running.address = running.wait_for(LISTENING).strip_prefix(LISTENING).unwrap().to_owned();
        assert!(running.address.starts_with("127.0.0.1:"), "{}", running.address);
        running
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The URL of its health listener, if it has one.
    pub(crate) fn health(&self) -> Option<String> {
        let told = |line: &str| line.starts_with(HEALTH) || line.contains(DETAILS);
        let line = self.wait_until("where its health is", |lines| {
            let mut lines = lines.iter().skip_while(|line| !line.starts_with(LISTENING));
            lines.find(|line| told(line)).cloned()
        });
        line.trim().strip_prefix(HEALTH).map(str::to_owned)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap().success());
    }

    /// The first line that it said with these words in it, without its end; waits until there is one.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let line = self.wait_until(words, |lines| lines.iter().find(|line| line.contains(words)).cloned());
        line.trim_end().to_owned()
    }

    fn wait_until<T>(&self, what: &str, find: impl Fn(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut so_far = self.said.so_far.lock().unwrap();
        loop {
            if let Some(found) = find(&so_far.lines) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let said = || so_far.lines.concat();
            assert!(!so_far.ended, "it ended and never said {what:?}: {}", said());
            assert!(!left.is_zero(), "it never said {what:?}: {}", said());
            so_far = self.said.more.wait_timeout(so_far, left).unwrap().0;
        }
    }

    /// Waits until it ends.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// As a power cut ends it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.wait();
    }

    /// Asks it to stop; returns its exit code and all that it said.
    pub(crate) fn stop(self, signal: &str) -> (i32, String) {
        self.signal(signal);
        self.ended()
    }

    /// Waits until it ends by itself; returns its exit code and all that it said.
    pub(crate) fn ended(mut self) -> (i32, String) {
        let code = self.wait().code().unwrap_or(-1);
        self.taking.take().unwrap().join().unwrap();
        (code, self.said.so_far.lock().unwrap().lines.concat())
    }
}

impl Drop for Running {
    #[allow(clippy::print_stderr, reason = "what the relay said belongs to the output of a test that fails")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let so_far = self.said.so_far.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("the relay said: {}", so_far.lines.concat());
        }
    }
}
