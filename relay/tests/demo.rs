//! `vigie demo`, as a newcomer runs it: it holds what it promises, says so in both languages, and leaves nothing
//! behind; a second process that listens in hears what the demo says was heard.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use vigie_relay::cli::demo::{Counts, Seat, audience};

/// The demo's own figure is 5 s on a laptop; a test machine may be busy with everything else.
const FIRST_VERIFIED_WITHIN: Duration = Duration::from_secs(50);

/// For what comes at once unless something is broken.
const PATIENCE: Duration = Duration::from_secs(50);
/// Several times what a demo shows.
const LINES_MAX: usize = 1_024;

fn vigie(temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
    command
        .env("TMPDIR", temporary)
        .env_remove("VIGIE_CONTEXT")
        .env_remove("VIGIE_AS")
        .env_remove("VIGIE_LOG");
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end; its folder must be gone then.
fn once(arguments: &[&str]) -> Output {
    let temporary = tempfile::tempdir().unwrap();
    let output = vigie(temporary.path()).args(["demo", "--once"]).args(arguments).output().unwrap();
    assert_empty(temporary.path());
    output
}

fn assert_empty(folder: &Path) {
    let left: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn assert_good(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The last line, by the table of what must be true.
fn promised() -> Value {
    let mut sums = serde_json::to_value(Counts::promised()).unwrap();
    sums["ok"] = true.into();
    sums
}

#[test]
fn all_that_is_promised_holds_and_is_counted() {
    let output = once(&["--json"]);
    let shown = assert_good(&output);
    assert_eq!(shown.lines().count(), 1, "{shown}");
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), promised());
    let members = ["ok", "published", "delivered", "refused", "suspect", "expectations"];
    let places = members.map(|member| shown.find(&format!("{member:?}:")).expect(member));
    assert!(places.is_sorted(), "{shown}");
}

#[test]
fn it_tells_its_scenes_in_both_languages_and_an_exercise_in_every_line() {
    for (lang, exercise, verified, scenes) in [
        (
            "fr",
            "EXERCICE",
            "VÉRIFIÉ",
            ["nationale", "régionale", "signaux", "EXERCICE", "altéré", "journal", "ment"],
        ),
        (
            "en",
            "EXERCISE",
            "VERIFIED",
            ["national", "regional", "signals", "EXERCISE", "tampered", "log", "lies"],
        ),
    ] {
        let shown = assert_good(&once(&["--lang", lang]));
        let titles: Vec<&str> = (1..=7)
            .map(|n| shown.lines().find(|line| line.starts_with(&format!("{n}. "))).unwrap())
            .collect();
        for (title, word) in titles.iter().zip(scenes) {
            assert!(title.contains(word), "{title}");
        }
        let drill =
            shown.lines().skip_while(|line| !line.starts_with("4. ")).take_while(|line| !line.is_empty());
        let drill: Vec<&str> = drill.collect();
        assert!(drill.len() > 4, "{drill:?}");
        let elsewhere =
            shown.lines().filter(|line| line.contains("exercise/") || line.contains("wrong_plane"));
        for line in drill.into_iter().chain(elsewhere) {
            assert!(line.contains(exercise), "{line}");
        }
        for code in ["bad_signature", "out_of_jurisdiction", "unknown_root", "wrong_plane", "not_subscribed"]
        {
            assert!(shown.contains(code), "{code}");
        }
        assert!(!shown.contains('\x1b'), "no colour in a pipe");
        let first = shown.lines().find(|line| line.contains("ms") && line.contains(verified));
        assert!(first.is_some(), "{shown}");
        let within = first_verified(&shown);
        eprintln!("first verified alert after {within:?}");
        assert!(within < FIRST_VERIFIED_WITHIN, "{within:?}");
    }
}

/// The figure that the demo tells.
fn first_verified(shown: &str) -> Duration {
    let line =
        shown.lines().find(|line| line.starts_with("Première alerte") || line.starts_with("First verified"));
    let words: Vec<&str> = line.expect("the figure is told").split(' ').collect();
    let unit = words.iter().position(|word| *word == "ms").expect("in milliseconds");
    let number: f64 = words[unit - 1].replace(',', ".").parse().unwrap();
    Duration::from_secs_f64(number / 1_000.0)
}

/// What comes, line by line, so that a test that fails does not wait for ever.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (put, lines) = sync_channel(LINES_MAX);
    let mut output = BufReader::new(output).lines().map_while(Result::ok);
    std::thread::spawn(move || output.try_for_each(|line| put.send(line)));
    lines
}

/// What comes until the output ends.
fn ends(output: &Receiver<String>) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match output.recv_timeout(PATIENCE) {
            Ok(line) => told.push(line),
            Err(RecvTimeoutError::Disconnected) => return told,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end: {told:#?}"),
        }
    }
}

/// A demo that stays, ended when it is dropped.
struct Staying(Child);

impl Drop for Staying {
    fn drop(&mut self) {
        // It has ended already where the test got that far.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Staying {
    /// Its standard output.
    fn lines(&mut self) -> Receiver<String> {
        lines(self.0.stdout.take().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent =
            Command::new("sh").args(["-c", &format!("kill -{name} {}", self.0.id())]).status().unwrap();
        assert!(sent.success());
    }

    fn interrupt(&mut self) -> ExitStatus {
        self.signal("INT");
        self.0.wait().unwrap()
    }
}

/// What `vigie sub` hears at a seat, up to where it has caught up: verified messages, and all else that is told of one.
fn listen_in(temporary: &Path, context: &str, seat: Seat) -> (usize, Vec<Value>) {
    let mut command = vigie(temporary);
    command.args([
        "sub",
        "--after",
        "0",
        "--json",
        "--wait",
        "50s",
        "--context",
        context,
        "--as",
        seat.identity,
    ]);
    if seat.exercise {
        command.arg("--exercise");
    }
    let child = command.args(seat.channels).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Staying(child);
    let (mut verified, mut other) = (0, Vec::new());
    let mut caught_up = false;
    for line in BufReader::new(child.0.stdout.take().unwrap()).lines() {
        let value: Value = serde_json::from_str(&line.unwrap()).unwrap();
        match value["type"].as_str().unwrap() {
            "message" if value["verified"] == true => {
                assert_eq!(value["plane"], if seat.exercise { "exercise" } else { "live" });
                verified += 1;
            }
            "credential" => {}
            "caught_up" => {
                caught_up = true;
                break;
            }
            _ => other.push(value),
        }
    }
    if !caught_up {
        let mut told = String::new();
        child.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        panic!("{seat:?} did not catch up: {told}");
    }
    (verified, other)
}

#[test]
fn a_second_process_that_listens_in_agrees_with_its_counts() {
    let temporary = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let child = vigie(temporary.path()).args(["demo", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut demo = Staying(child);
    let lines = demo.lines();
    let next = || serde_json::from_str::<Value>(&lines.recv_timeout(PATIENCE).unwrap()).unwrap();
    let (place, sums) = (next(), next());
    assert!(started.elapsed() < FIRST_VERIFIED_WITHIN);
    assert_eq!(sums, promised());
    let context = place["context"].as_str().unwrap();
    assert!(Path::new(context).starts_with(temporary.path()));
    assert!(place["listen"].as_str().unwrap().starts_with("127.0.0.1:"));

    let mut delivered = 0;
    for seat in audience() {
        let (verified, other) = listen_in(temporary.path(), context, seat);
        assert_eq!(other, Vec::<Value>::new(), "{seat:?}");
        assert!(verified > 0, "{seat:?}");
        delivered += verified;
    }
    assert_eq!(sums["delivered"], delivered);

    assert!(demo.interrupt().success());
    assert_empty(temporary.path());
}

/// The commands that the demo shows are run as they stand; what they say is heard on the stage, an exercise as such.
#[test]
fn the_commands_that_it_shows_work_and_are_heard() {
    let temporary = tempfile::Builder::new().prefix("avec espace ").tempdir().unwrap();
    let child =
        vigie(temporary.path()).args(["demo", "--lang", "fr"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut demo = Staying(child);
    let lines = demo.lines();
    let next = || lines.recv_timeout(PATIENCE).expect("a line in time");
    let shown: Vec<String> =
        std::iter::repeat_with(next).take_while(|line| !line.starts_with("Ctrl-C")).collect();
    let commands: Vec<&String> = shown.iter().filter(|line| line.contains(" --context ")).collect();
    let [sub, alert, signal, drill] = commands[..] else { panic!("{commands:#?}") };

    let run = |command: &str| {
        let output =
            Command::new("sh").args(["-c", command]).env("TMPDIR", temporary.path()).output().unwrap();
        assert_good(&output)
    };
    let heard = run(&format!("{} --count 1 --wait 50s --json", sub.trim()));
    assert!(heard.contains("Tempête exceptionnelle"), "{heard}");

    for (command, text, readers) in [
        (alert, "La Seine monte encore", ["Île-de-France", "Nanterre", "Paris", "terrain"].as_slice()),
        (signal, "Chaussée inondée", &["Paris"]),
        (drill, "appel des équipes", &["EXERCICE (Paris)"]),
    ] {
        run(command);
        let mut left = readers.to_vec();
        while !left.is_empty() {
            let line = next();
            assert!(line.contains("VÉRIFIÉ") && line.contains(text), "{line}");
            assert_eq!(line.starts_with("EXERCICE "), command == drill, "{line}");
            let reader = left.iter().position(|reader| line.contains(&format!("VÉRIFIÉ {reader}")));
            left.remove(reader.unwrap_or_else(|| panic!("{line}: none of {left:?}")));
        }
    }
    assert!(demo.interrupt().success());
    assert_eq!(
        lines.recv_timeout(PATIENCE),
        Err(RecvTimeoutError::Disconnected),
        "nobody else heard anything"
    );
    assert_empty(temporary.path());
}

/// However early it comes, and whoever sends it.
#[test]
fn a_demo_that_is_asked_to_end_removes_its_folder() {
    for signal in ["INT", "TERM", "HUP"] {
        let temporary = tempfile::tempdir().unwrap();
        let mut demo = vigie(temporary.path());
        let demo = demo.arg("demo").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut demo = Staying(demo);
        let shown = demo.lines();
        shown.recv_timeout(PATIENCE).unwrap();
        demo.signal(signal);
        ends(&shown);
        let ended = demo.0.wait().unwrap();
        assert!(ended.code().is_some(), "SIG{signal} must not end it, but ask it to: {ended}");
        assert_empty(temporary.path());
    }
}

/// As with `vigie demo | head -1`. With `--once`: it may have shown all before it notices.
#[test]
fn a_demo_whose_reader_leaves_ends_quietly_and_removes_its_folder() {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = vigie(temporary.path());
    demo.args(["demo", "--once"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = Staying(demo.spawn().unwrap());
    let mut shown = BufReader::new(demo.0.stdout.take().unwrap());
    shown.read_line(&mut String::new()).unwrap();
    drop(shown);
    let told = ends(&lines(demo.0.stderr.take().unwrap()));
    assert!(demo.0.wait().unwrap().success(), "{told:?}");
    assert_eq!(told, Vec::<String>::new());
    assert_empty(temporary.path());
}
