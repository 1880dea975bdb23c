//! `vigie relay status`, and the health listener of `vigie relay run`, as an operator meets them.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

#[path = "cli_suite/support.rs"]
mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;
use support::{Place, Running, command, vigie};

/// A relay, and where it tells of its health.
struct Relay {
    running: Running,
    health: Option<String>,
}

impl Relay {
    fn start(place: &Place, more: &[&str]) -> Self {
        let running = place.relay_with(more);
        let health = running.health();
        Self { running, health }
    }

    fn url(&self) -> &str {
        self.health.as_deref().unwrap()
    }

    /// What it said up to the end; it is killed for that.
    fn said(self) -> String {
        self.running.stop("-KILL").1
    }
}

/// What the relay says once all its threads have moved.
fn ready(url: &str, more: &[&str]) -> support::Ran {
    let asked = || vigie(&[&["relay", "status", "--url", url], more].concat());
    // It starts in some milliseconds; each command takes as long.
    let ran = (0..1_000).map(|_| asked()).find(|ran| ran.code != 11 && !ran.out.contains("reserve_used"));
    ran.unwrap_or_else(|| panic!("{:?}", asked()))
}

#[test]
fn a_sound_relay_is_shown_in_both_languages_and_as_json() {
    let place = Place::new();
    let relay = Relay::start(&place, &[]);
    let english = ready(relay.url(), &[]).ended(0);
    let labels = ["READY", "vigie 0", "Journal", "Disk", "Sync", "Messages", "Sessions", "Refused", "Good"];
    assert_eq!(english.out.lines().count(), labels.len(), "{english:?}");
    for (line, label) in english.out.lines().zip(labels) {
        assert!(line.starts_with(label), "{line}");
    }
    assert!(
        english.out.contains("no message yet") && english.out.contains(" MB in 1 file(s)"),
        "{english:?}"
    );
    assert!(english.out.contains("0 connection(s) of 10000") && english.err.is_empty(), "{english:?}");
    let french = ready(relay.url(), &["--lang", "fr"]).ended(0);
    let labels =
        ["PRÊT", "vigie 0", "Journal", "Disque", "Écriture", "Messages", "Sessions", "Refus", "Validité"];
    assert_eq!(french.out.lines().count(), labels.len(), "{french:?}");
    for (line, label) in french.out.lines().zip(labels) {
        assert!(line.starts_with(label), "{line}");
    }
    assert!(french.out.contains(" Mo en 1 fichier(s)"), "{french:?}");
    let json = ready(&format!("{}/", relay.url()), &["--json"]).ended(0);
    let told = &json.objects()[0];
    assert_eq!((&told["type"], &told["ready"]), (&"status".into(), &true.into()));
    assert_eq!(
        (&told["version"], &told["journal"]["head_seq"]),
        (&env!("CARGO_PKG_VERSION").into(), &0.into())
    );
}

#[test]
fn the_settings_say_where_to_ask_and_need_no_key_for_that() {
    let place = Place::new();
    let relay = Relay::start(&place, &[]);
    ready(relay.url(), &[]).ended(0);
    let address = relay.url().strip_prefix("http://").unwrap();
    place.edit("vigie.toml", "# health = { listen = \"127.0.0.1:7480\" }", "[health]\nlisten = \"HERE\"");
    place.edit("vigie.toml", "HERE", address);
    std::fs::remove_file(place.path("relay/tls.key.pem")).unwrap();
    let config = place.path("vigie.toml");
    let asked = |config: &str| vigie(&["relay", "status", "--config", config, "--json"]);
    assert_eq!(asked(&config).ended(0).objects()[0]["type"], "status");
    let mut from_environment = command(&["relay", "status"]);
    from_environment.env("VIGIE_CONFIG", &config);
    support::finish(from_environment, "").ended(0);
    for (from, to, code, told) in [
        (address, "off", 3, "off"),
        ("off", "127.0.0.1:0", 2, "--url"),
        ("127.0.0.1:0", "nowhere", 3, "`health.listen`"),
        ("listen = \"nowhere\"", "lisen = \"off\"", 3, "`health.listen`"),
    ] {
        place.edit("vigie.toml", from, to);
        let ran = asked(&config).ended(code);
        assert!(ran.err.contains(told), "{ran:?}");
    }
    asked(&place.path("no.toml")).ended(3);
    for wrong in ["127.0.0.1:1", "https://127.0.0.1:1", "http://127.0.0.1", "http://a b:1"] {
        let ran = vigie(&["relay", "status", "--url", wrong]).ended(2);
        assert!(ran.err.contains("http://HOST:PORT"), "{ran:?}");
    }
}

#[test]
fn where_nobody_or_somebody_else_answers_it_says_what_to_do() {
    let place = Place::new();
    let relay = Relay::start(&place, &[]);
    let url = relay.url().to_owned();
    drop(relay);
    for (lang, told) in [("en", "the relay does not run"), ("fr", "le relais ne tourne pas")] {
        let ran = vigie(&["relay", "status", "--url", &url, "--lang", lang]).ended(4);
        assert!(ran.out.is_empty() && ran.err.contains(told) && ran.err.contains("--config"), "{ran:?}");
    }
    for (answer, why) in [
        ("", "not HTTP"),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "another status"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "missing field"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", "cut"),
    ] {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", other.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = other.accept().unwrap();
            // Read to the end of the request: closing on unread bytes would reset the connection.
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            request.find(|line| line.as_ref().unwrap().is_empty()).unwrap().unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let ran = vigie(&["relay", "status", "--url", &url]).ended(4);
        answering.join().unwrap();
        assert!(ran.err.contains("no health listener of Vigie") && ran.err.contains(why), "{ran:?}");
    }
}

/// What is red comes before all numbers, and the exit code says so.
#[test]
fn damage_is_shown_first_in_both_languages() {
    let place = Place::new();
    let running = place.relay();
    place.vigie(&["pub", "alert/fr", "Crue", "--as", "nation"]).ended(0);
    running.stop("-TERM");
    let segments = std::fs::read_dir(place.path("journal")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments.filter(|path| path.extension().is_some_and(|end| end == "vigie")).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(8).position(|window| window == b"alert/fr").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let relay = Relay::start(&place, &[]);
    let name = segment.file_name().unwrap().to_str().unwrap();
    for (lang, look, found) in
        [("en", "LOOK journal_damaged", "at the start"), ("fr", "À VOIR journal_damaged", "au démarrage")]
    {
        let ran = ready(relay.url(), &["--lang", lang]).ended(0);
        let lines: Vec<&str> = ran.out.lines().collect();
        assert!(lines[1].trim_start().starts_with(look), "{ran:?}");
        assert!(lines[2].contains(name) && lines[2].contains(found), "{ran:?}");
    }
}

#[test]
fn a_health_port_that_is_taken_keeps_no_relay_from_running() {
    let place = Place::new();
    let first = Relay::start(&place, &["--health", "127.0.0.1:0"]);
    let taken = first.url().strip_prefix("http://").unwrap();
    let other = Place::new();
    let second = Relay::start(&other, &["--health", taken]);
    assert_eq!(second.health, None);
    // It runs: the relay that answers on the port is the first one.
    let first_log = ready(first.url(), &["--json"]).objects()[0]["log"].clone();
    let told = second.said();
    assert!(told.contains("ERROR") && told.contains("without its health listener"), "in the log: {told}");
    assert!(
        told.contains("warning: the relay runs, but") && told.contains("--health"),
        "on the screen: {told}"
    );
    assert!(!told.contains(first_log.as_str().unwrap()));

    let silent = Relay::start(&other, &["--health", "off"]);
    assert_eq!(silent.health, None);
    drop(silent);
    let open = Relay::start(&other, &["--health", "0.0.0.0:0"]);
    ready(&open.url().replace("0.0.0.0", "127.0.0.1"), &[]).ended(0);
    assert!(open.said().contains("in plain text and to whoever can reach it"));
    let config = other.path("vigie.toml");
    let checked = vigie(&["relay", "run", "--config", &config, "--check", "--health", "0.0.0.0:1"]).ended(0);
    assert!(checked.err.contains("in plain text"), "{checked:?}");
    vigie(&["relay", "run", "--config", &config, "--check", "--health", "7480"]).ended(2);
}

/// `vigie relay status | head -1` must not say that a relay is ready that is not.
#[test]
fn a_pipe_that_is_closed_early_makes_no_relay_ready() {
    let answers = |code: i32, change: &dyn Fn(&mut Value)| {
        let place = Place::new();
        let relay = Relay::start(&place, &[]);
        let mut status = ready(relay.url(), &["--json"]).objects().remove(0);
        change(&mut status);
        let body = status.to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4_096];
            assert!(stream.read(&mut asked).unwrap() > 0);
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
        });
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = command(&["relay", "status", "--url", &url]).stdout(writer).status().unwrap();
        answering.join().unwrap();
        assert_eq!(ran.code(), Some(code));
    };
    answers(0, &|_| {});
    answers(11, &|status| {
        status["ready"] = false.into();
        status["reasons"] = serde_json::json!(["journal_full"]);
    });
}

/// What a start cut from the end of the journal is shown, and a clean start shows nothing of it.
#[test]
fn a_start_that_cut_something_says_so() {
    let place = Place::new();
    let running = place.relay();
    place.vigie(&["pub", "alert/fr", "Crue", "--as", "nation"]).ended(0);
    running.stop("-TERM");
    let segments = std::fs::read_dir(place.path("journal")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments.filter(|path| path.extension().is_some_and(|end| end == "vigie")).min().unwrap();
    let recovery =
        |relay: &Relay| ready(relay.url(), &["--json"]).objects()[0]["journal"]["recovery"].clone();
    let relay = Relay::start(&place, &[]);
    assert_eq!(recovery(&relay), serde_json::json!({ "found": "clean", "copied": 0, "cut_bytes": 0 }));
    assert!(!ready(relay.url(), &[]).out.contains("cut"));
    drop(relay);
    let mut bytes = std::fs::read(&segment).unwrap();
    let last = bytes.windows(8).rposition(|window| window == b"alert/fr").unwrap();
    bytes[last + 100..].fill(0);
    std::fs::write(&segment, bytes).unwrap();
    let relay = Relay::start(&place, &[]);
    let found = recovery(&relay);
    assert_eq!(found["found"], "unclean");
    assert!(found["cut_bytes"].as_u64().unwrap() > 100, "{found}");
    let shown = ready(relay.url(), &[]).out;
    assert!(shown.contains(&format!("its start cut {} byte(s)", found["cut_bytes"])), "{shown}");
    assert!(ready(relay.url(), &["--lang", "fr"]).out.contains("son démarrage a coupé"));
}
