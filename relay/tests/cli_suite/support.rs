//! Runs the real binary in folders of its own, with nothing of the environment of whoever runs the tests.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The objects on stdout, one a line.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:?}")))
            .collect()
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// `vigie` in English, with no context and no colour.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
    for name in ["VIGIE_CONTEXT", "VIGIE_AS", "VIGIE_CONFIG", "VIGIE_LOG", "LC_MESSAGES", "LANG", "NO_COLOR"]
    {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn vigie(args: &[&str]) -> Ran {
    finish(command(args), "")
}

pub(crate) fn finish(mut command: Command, input: &str) -> Ran {
    let mut child = command.spawn().unwrap();
    // It may end without having read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A deployment made by `vigie init`.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        vigie(&["init", place.dir().to_str().unwrap()]).ended(0);
        // Tests say many things at once.
        place.edit(
            "vigie.toml",
            "# publishes_per_credential_max = 50",
            "publishes_per_credential_max = 1000000",
        );
        place
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("place")
    }

    pub(crate) fn path(&self, below: &str) -> String {
        self.dir().join(below).to_str().unwrap().to_owned()
    }

    /// A command in this context.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.env("VIGIE_CONTEXT", self.dir());
        command
    }

    pub(crate) fn vigie(&self, args: &[&str]) -> Ran {
        finish(self.command(args), "")
    }

    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.dir().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in {file}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Starts the relay on a free port and points the context at it.
    pub(crate) fn relay(&self) -> Running {
        let (address, relay) = self.start("vigie.toml", "127.0.0.1:0");
        set_relay(&self.dir(), &address);
        relay
    }

    /// Starts a relay with these settings at an address, which it gives back; the context stays as it is.
    pub(crate) fn start(&self, config: &str, listen: &str) -> (String, Running) {
        let config = self.path(config);
        let mut child = command(&["relay", "run", "--config", &config, "--listen", listen]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        // What it found in its journal may come before.
        let mut said = String::new();
        let address = loop {
            let before = said.len();
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it does not listen: {said}");
            if let Some(address) = said[before..].strip_prefix("vigie: listening on ") {
                break address.trim();
            }
        };
        let address = address.to_owned();
        let running = Running {
            child,
            rest: Some(std::thread::spawn(move || {
                let mut rest = String::new();
                let _ = lines.read_to_string(&mut rest);
                rest
            })),
        };
        (address, running)
    }
}

/// Points the context in this folder at a relay.
pub(crate) fn set_relay(dir: &Path, address: &str) {
    let path = dir.join("context.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| {
        if line.starts_with("relays = ") {
            format!("relays = [\"wss://{address}\"]")
        } else {
            line.to_owned()
        }
    });
    std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
}

/// A relay that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    rest: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Asks it to stop; returns its exit code and what it said after it listened.
    pub(crate) fn stop(self, signal: &str) -> (i32, String) {
        self.signal(signal);
        self.ended()
    }

    /// Waits until it ends by itself.
    pub(crate) fn ended(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.rest.take().unwrap().join().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
