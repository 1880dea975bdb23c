//! Runs the real binary in folders of its own, with nothing of the environment of whoever runs the tests.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

#[allow(dead_code, reason = "each suite of tests uses a part of it")]
#[path = "../support_relay/mod.rs"]
pub(crate) mod support_relay;

pub(crate) use support_relay::Running;

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
        let running =
            Running::start(&mut command(&["relay", "run", "--config", &config, "--listen", listen]));
        (running.address().to_owned(), running)
    }

    /// Starts the relay on a free port, with more arguments; the context stays as it is.
    #[allow(dead_code, reason = "each suite of tests uses a part of it")]
    pub(crate) fn relay_with(&self, more: &[&str]) -> Running {
        Running::start(&mut self.relay_command(more))
    }

    /// What starts it so.
    #[allow(dead_code, reason = "each suite of tests uses a part of it")]
    pub(crate) fn relay_command(&self, more: &[&str]) -> Command {
        let config = self.path("vigie.toml");
        command(&[&["relay", "run", "--config", &config, "--listen", "127.0.0.1:0"], more].concat())
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
