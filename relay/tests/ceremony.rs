//! certs/CEREMONY.md and its French twin, followed step by step: each command as it stands there, each file as it is
//! shown, each line that is promised. Before the part on theft, what the ceremony was for: a message under the new root is
//! verified, years later, by who has pinned only the old one. After it, the thief is out.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

#[path = "cli_suite/support.rs"]
#[allow(dead_code, reason = "each suite of tests uses a part of it")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Ran, Running, command, finish, vigie};

/// The machines of the page: what stands before the `$`.
const MACHINES: [&str; 4] = ["offline", "nation", "relay", "reader"];

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A command of a machine, and the lines that it shows, in their order.
    Run { command: String, shows: Vec<String> },
    /// A file with its content, in which `PAPER-LINE-N` stands for a thumbprint.
    Write { file: String, content: String },
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../certs").join(name)).unwrap()
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match kind {
            "console" => console(&block, &mut steps),
            "toml" => {
                let file = block[0].strip_prefix("# ").unwrap().to_owned();
                steps.push(Step::Write { file, content: block[1..].join("\n") });
            }
            other => panic!("a block of {other:?}, which nobody follows"),
        }
    }
    steps
}

fn console(block: &[&str], steps: &mut Vec<Step>) {
    for line in block {
        let typed = line.split_once("$ ").filter(|(machine, _)| MACHINES.contains(machine));
        match (typed, steps.last_mut()) {
            (Some((_, command)), _) => {
                steps.push(Step::Run { command: command.to_owned(), shows: Vec::new() });
            }
            (None, Some(Step::Run { shows, .. })) => shows.push((*line).to_owned()),
            (None, _) => panic!("shown by no command: {line}"),
        }
    }
}

/// Whether a line is what the page shows, where `…` is whatever stands there.
fn is_shown(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut open = false;
    for part in parts {
        let Some(at) = (if part.is_empty() { Some(rest.len()) } else { rest.find(part) }) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        open = true;
    }
    rest.is_empty() || (open && pattern.ends_with('…'))
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    for (pattern, line, shown) in [
        ("a … c", "a b c", true),
        ("a … c", "a b c d", false),
        ("a …", "a b", true),
        ("a", "a", true),
        ("a", "a b", false),
        ("…good…", "all is good here", true),
        ("…good…", "all is well", false),
    ] {
        assert_eq!(is_shown(pattern, line), shown, "{pattern:?} {line:?}");
    }
}

/// A table on which all machines stand.
struct Table {
    folder: tempfile::TempDir,
    /// In the locale of the page.
    locale: &'static str,
    /// Thumbprints, as they were written down.
    paper: Vec<String>,
}

impl Table {
    fn new(locale: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // What the page takes as given: the relay has a TLS certificate, and readers know who certifies it.
        let given = folder.path().join("given");
        vigie(&["init", given.to_str().unwrap()]).ended(0);
        for (from, to) in [
            ("relay/tls.pem", "relay/tls.pem"),
            ("relay/tls.key.pem", "relay/tls.key.pem"),
            ("tls/ca.pem", "reader/ca.pem"),
            ("tls/ca.pem", "nation/ca.pem"),
        ] {
            let to = folder.path().join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            // With its mode.
            fs::copy(given.join(from), to).unwrap();
        }
        fs::remove_dir_all(given).unwrap();
        Self { folder, locale, paper: Vec::new() }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn follow(&mut self, step: &Step) {
        match step {
            Step::Run { command, shows } => self.run(command, shows),
            Step::Write { file, content } => fs::write(self.path(file), self.filled(content)).unwrap(),
        }
    }

    /// Puts in what was written down.
    fn filled(&self, text: &str) -> String {
        let paper = self.paper.iter().enumerate();
        let filled = paper.fold(text.to_owned(), |text, (line, thumbprint)| {
            text.replace(&format!("PAPER-LINE-{}", line + 1), thumbprint)
        });
        assert!(!filled.contains("PAPER-LINE"), "nothing was written down for it: {filled}");
        filled
    }

    fn run(&mut self, typed: &str, shows: &[String]) {
        let typed = self.filled(typed);
        // What is said to the relay is said while it runs.
        if ["vigie pub", "vigie trust send"].iter().any(|start| typed.starts_with(start)) {
            self.with_relay(|| self.typed(&typed, shows));
            return;
        }
        let out = self.typed(&typed, shows);
        if typed.starts_with("vigie trust root new") {
            let word = if self.locale == "C" { "thumbprint" } else { "empreinte" };
            let read = out.lines().find_map(|line| line.split_once(word)).unwrap().1.trim();
            self.paper.push(read.to_owned());
        }
    }

    /// The relay of the ceremony runs meanwhile, where the context of the nation looks for it.
    fn with_relay<R>(&self, act: impl FnOnce() -> R) -> R {
        let settings = self.path("relay/vigie.toml");
        let settings = settings.to_str().unwrap();
        let run = ["relay", "run", "--config", settings, "--listen", "127.0.0.1:0", "--health", "off"];
        let relay = Running::start(&mut command(&run));
        let context = self.path("nation/context.toml");
        let text = fs::read_to_string(&context).unwrap();
        fs::write(&context, text.replace("7443", relay.address().rsplit(':').next().unwrap())).unwrap();
        let done = act();
        fs::write(&context, text).unwrap();
        done
    }

    /// Returns its data.
    fn typed(&self, typed: &str, shows: &[String]) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_vigie")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", typed]).current_dir(self.folder.path());
        for name in ["VIGIE_CONTEXT", "VIGIE_AS", "VIGIE_CONFIG", "VIGIE_LOG", "LC_MESSAGES", "LANG"] {
            shell.env_remove(name);
        }
        let output = shell.env("PATH", path).env("LC_ALL", self.locale).output().unwrap();
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{typed}\n{out}{err}");
        // Data, then talk.
        let mut lines = out.lines().chain(err.lines());
        for shown in shows {
            assert!(lines.any(|line| is_shown(shown, line)), "{typed}\nshows no more: {shown}\n{out}{err}");
        }
        out
    }

    /// The relay of the ceremony runs, the nation speaks, and what it said is exported.
    fn is_good_for_something(&self) {
        let text = |file: &str| self.path(file).to_str().unwrap().to_owned();
        let settings = text("relay/vigie.toml");
        // Beside the keys of the nation: as the last one of the readers.
        fs::copy(self.path("reader/context.toml"), self.path("nation/context.toml")).unwrap();
        fs::copy(self.path("reader/rotation-live"), self.path("nation/rotation-live")).unwrap();
        self.with_relay(|| self.nation(&["pub", "alert/fr", "Essai"]).ended(0));
        let (journal, export) = (text("relay/journal"), text("export.jsonl"));
        vigie(&["journal", "export", &journal, "--config", &settings, "-o", &export]).ended(0);
        for (pinned, code) in [(&self.paper[0], 0), (&self.paper[2], 0), (&self.paper[1], 6)] {
            vigie(&["verify", &export, "--root", pinned]).ended(code);
        }
        // Without the rotation that it carries, nobody knows from the old root that there is a new one.
        let lines = fs::read_to_string(&export).unwrap();
        let kept =
            |line: &&str| !line.contains(r#""type":"rotation""#) && !line.contains(r#""type":"export""#);
        let without: Vec<&str> = lines.lines().filter(kept).collect();
        assert_eq!(lines.lines().count(), without.len() + 2);
        let verify = |more: &[&str]| {
            let args: Vec<&str> =
                ["verify", "-", "--root", &self.paper[0]].into_iter().chain(more.iter().copied()).collect();
            finish(command(&args), &without.join("\n")).code
        };
        assert_eq!((verify(&[]), verify(&["--rotation", &text("carry/rotation-live")])), (6, 0));
    }

    /// `vigie`, as the nation.
    fn nation(&self, args: &[&str]) -> Ran {
        let context = self.path("nation");
        vigie(&[args, &["--context", context.to_str().unwrap(), "--as", "nation"]].concat())
    }

    /// Who has the stolen root's key and all below it says nothing more, and the nation does.
    fn is_rid_of_the_thief(&self) {
        let (mine, stolen) = (self.path("nation/identities/nation/live.chain"), "carry/nation-live-2.chain");
        let good = fs::read(&mine).unwrap();
        self.with_relay(|| self.nation(&["pub", "alert/fr", "Nous"]).ended(0));
        fs::copy(self.path(stolen), &mine).unwrap();
        let refused = self.with_relay(|| self.nation(&["pub", "alert/fr", "Le voleur"]));
        assert!(refused.code == 5 && refused.err.contains("revoked"), "{refused:?}");
        fs::write(mine, good).unwrap();
    }
}

/// Follows the page up to the part on theft, and then that.
fn follow(name: &str, locale: &'static str, between: impl FnOnce(&Table)) -> Table {
    let mut table = Table::new(locale);
    let page = page(name);
    let (life, theft) = page.split_once("\n## 7. ").unwrap();
    let (life, theft) = (steps(life), steps(theft));
    assert!(life.len() > 30 && theft.len() > 12, "{} and {} steps", life.len(), theft.len());
    life.iter().for_each(|step| table.follow(step));
    between(&table);
    theft.iter().for_each(|step| table.follow(step));
    table
}

#[test]
fn the_ceremony_is_as_it_is_written() {
    let table = follow("CEREMONY.md", "C", Table::is_good_for_something);
    table.is_rid_of_the_thief();
    // What was said under the stolen root since then is taken back.
    let listen = ["sub", "alert/fr", "--after", "0", "--count", "2", "--wait", "20s"];
    let heard = table.with_relay(|| table.nation(&listen).ended(0));
    let of = |text: &str| heard.out.lines().find(|line| line.contains(text)).unwrap_or_default();
    assert!(heard.out.contains("DISOWNED") && of("Nous").contains("VERIFIED"), "{heard:?}");
}

#[test]
fn the_ceremony_is_as_it_is_written_in_french() {
    follow("CEREMONIE.md", "fr_FR.UTF-8", |_| {}).is_rid_of_the_thief();
}

/// Two people may each hold a page of their own language.
#[test]
fn both_pages_are_the_same_ceremony() {
    let typed = |name: &str| -> Vec<String> {
        let told = |step: Step| match step {
            Step::Run { command, shows } => format!("{command} {}", shows.len()),
            Step::Write { file, content } => format!("{file}\n{content}"),
        };
        steps(&page(name)).into_iter().map(told).collect()
    };
    assert_eq!(typed("CEREMONY.md"), typed("CEREMONIE.md"));
    let boxes = |name: &str| page(name).matches("- [ ] ").count();
    assert_eq!(boxes("CEREMONY.md"), boxes("CEREMONIE.md"));
}

/// The secrets are where the page says, and closed to others.
#[test]
fn keys_are_on_two_media_and_nowhere_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let table = follow("CEREMONY.md", "C", |_| {});
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    let mut open = vec![table.folder.path().to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if fs::read_to_string(&path).is_ok_and(|text| text.contains("PRIVATE KEY")) {
                let name = path.strip_prefix(table.folder.path()).unwrap().display().to_string();
                found.insert(name, path.metadata().unwrap().permissions().mode() & 0o777);
            }
        }
    }
    assert!(found.values().all(|mode| *mode == 0o600), "{found:?}");
    let roots: Vec<&str> = found.keys().map(String::as_str).filter(|name| name.contains("root-")).collect();
    let expected = [
        "blue/root-exercise.key.pem",
        "blue/root-live.key.pem",
        "green/root-live.key.pem",
        "red/root-exercise.key.pem",
        "red/root-live.key.pem",
        "white/root-live.key.pem",
    ];
    assert_eq!(roots, expected);
}
