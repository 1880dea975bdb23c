//! Whoever may ask how the relay is learns it, in numbers and in red; and learns nothing else, and harms nobody.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vigie_proto::severity::Severity::Moderate;
use vigie_proto::time::Timestamp;
use vigie_relay::clock::{Clock, ShiftedTime, TimeSource};
use vigie_relay::config::RelayConfig;
use vigie_relay::health::{CONNECTIONS_MAX, HEAD_BYTES_MAX, REQUEST_WITHIN};
use vigie_relay::server::Relay;
use vigie_tests::raw::{Came, Raw, tls};
use vigie_tests::soon;
use vigie_tests::world::World;

const GRACE: Duration = Duration::ZERO;

/// A relay that answers for its health on a free port.
fn relay(world: &World, change: impl FnOnce(&mut RelayConfig)) -> Relay {
    let mut config = world.config("journal");
    config.health = Some(TcpListener::bind("127.0.0.1:0").unwrap());
    change(&mut config);
    world.relay_with(config)
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Sends the bytes, and reads until the other side closes.
async fn send(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A relay that has heard enough may close before it has read all of it.
    let _ = soon(stream.write_all(request.as_bytes())).await;
    let mut bytes = Vec::new();
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

async fn get(relay: &Relay, path: &str) -> Answer {
    send(relay.health_addr().unwrap(), &format!("GET {path} HTTP/1.1\r\nhost: relay\r\n\r\n")).await
}

async fn status(relay: &Relay) -> Value {
    let answer = get(relay, "/status").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("content-type: application/json"), "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// Asks until the status is as wanted. What the threads show is a moment old.
async fn until(relay: &Relay, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let asked = tokio::time::timeout(vigie_tests::DEADLINE, async {
        loop {
            last = status(relay).await;
            if wanted(&last) {
                return;
            }
        }
    });
    let outcome = asked.await;
    assert!(outcome.is_ok(), "{last:#}");
    last
}

async fn until_ready(relay: &Relay) -> Value {
    until(relay, |status| status["ready"] == true).await
}

#[tokio::test]
async fn the_numbers_are_those_of_the_clients() {
    let world = World::new();
    let relay = relay(&world, |config| config.workers = 2);
    let sound = until_ready(&relay).await;
    assert_eq!(get(&relay, "/livez").await.body, "live\n");
    assert_eq!((&sound["live"], &sound["clock"]), (&true.into(), &"ok".into()));
    assert_eq!((&sound["reasons"], &sound["damage"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert_eq!(sound["log"], relay.log().to_string());
    assert_eq!(sound["threads"].as_array().unwrap().len(), 3, "two workers and the journal");
    assert_eq!((&sound["journal"]["head_seq"], &sound["journal"]["first_seq"]), (&0.into(), &1.into()));
    assert_eq!(sound["connections"], 0);
    until(&relay, |status| status["warnings"] == Value::Array(vec![])).await;

    let mut town = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    let stranger = Raw::connect(&world, relay.local_addr()).await;
    until(&relay, |status| {
        status["connections"] == 2
            && status["sessions"]
                == serde_json::json!({"strangers": 1, "logged_in": 1, "live": 0, "behind": 0, "closing": 0})
    })
    .await;
    town.subscribe(&["alert/fr.idf.75.paris"], None).await;
    let mut nation = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    let said = world.live.nation.say("alert/fr", "Bonjour", Moderate);
    assert_eq!(nation.publish(&said).await["op"], "receipt");
    assert_eq!(nation.publish(&said).await["op"], "receipt", "the same again");
    // What breaks a rule of its session never reaches the journal.
    let forbidden = world.live.town.say("alert/fr", "Au nom de la nation", Moderate);
    assert_eq!(town.publish(&forbidden).await["op"], "refused");
    let after =
        until(&relay, |status| status["sessions"]["live"] == 1 && status["requests_refused"] == 1).await;
    assert_eq!(after["publishes"], serde_json::json!({"receipts": 2, "refused": 0, "batches": 1}));
    assert_eq!((&after["journal"]["head_seq"], &after["journal"]["ids"]), (&1.into(), &1.into()));
    let number = |of: &Value| of.as_u64().unwrap();
    assert!(number(&after["journal"]["bytes"]) > 0 && number(&after["journal"]["segments"]) == 1);
    assert!(number(&after["sync"]["last_us"]) > 0);
    assert!(number(&after["sync"]["worst_minute_us"]) >= number(&after["sync"]["last_us"]));
    assert!(number(&after["journal"]["free_bytes"]) > 0);

    drop((town, stranger));
    let mut liar = Raw::connect(&world, relay.local_addr()).await;
    assert_eq!(liar.frame().await["op"], "challenge");
    liar.send(r#"{"op":"login","chain":[],"proof":"x"}"#).await;
    assert_eq!(liar.frame().await["op"], "refused");
    assert!(matches!(liar.next().await, Came::Closed(..)));
    drop(liar);
    let gone = until(&relay, |status| {
        let left = serde_json::json!({"strangers": 0, "logged_in": 1, "live": 0, "behind": 0, "closing": 0});
        status["connections"] == 1 && status["sessions"] == left && status["logins_refused"] == 1
    })
    .await;
    assert_eq!(gone["requests_refused"], 1, "a log-in is no request");
    let asked = serde_json::to_value(relay.status()).unwrap();
    assert_eq!(asked["publishes"], gone["publishes"], "the library tells what the listener tells");
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_seen_to_be_behind_and_back() {
    let world = World::new();
    let relay = relay(&world, |config| {
        config.workers = 1;
        config.outbox_bytes_max = 8 * 1024;
    });
    let mut slow = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    slow.subscribe(&["alert/fr.idf.75.paris"], None).await;
    until(&relay, |status| status["sessions"]["live"] == 1).await;
    let mut nation = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    let text = "é".repeat(20_000);
    // More than two sockets can hold.
    const MESSAGES: u64 = 300;
    for number in 1..=MESSAGES {
        nation.publish(&world.live.nation.say("alert/fr", &format!("{number} {text}"), Moderate)).await;
    }
    until(&relay, |status| status["sessions"]["behind"] == 1 && status["sessions"]["live"] == 0).await;
    for number in 1..=MESSAGES {
        assert_eq!(slow.event().await["seq"], number);
    }
    until(&relay, |status| status["sessions"]["behind"] == 0 && status["sessions"]["live"] == 1).await;
}

#[derive(Clone, Debug)]
struct Shared(Arc<ShiftedTime>);

impl TimeSource for Shared {
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn wall(&self) -> Timestamp {
        self.0.wall()
    }
}

#[tokio::test]
async fn a_clock_that_jumps_makes_it_not_ready_and_leaves_it_live() {
    let world = World::new();
    let time = Shared(Arc::default());
    let relay = relay(&world, |config| config.clock = Clock::new(Box::new(time.clone())));
    let mut nation = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    until_ready(&relay).await;
    time.0.shift(300_000);
    let red = get(&relay, "/readyz").await;
    assert_eq!(red.status, 503, "{red:?}");
    assert_eq!(red.body.lines().count(), 1, "{red:?}");
    assert!(red.body.starts_with("clock_suspect: "), "{red:?}");
    assert_eq!(get(&relay, "/livez").await.status, 200);
    let told = status(&relay).await;
    assert_eq!((&told["clock"], &told["ready"]), (&"suspect".into(), &false.into()));
    assert_eq!(told["reasons"], serde_json::json!(["clock_suspect"]));
    let refused = nation.publish(&world.live.nation.say("alert/fr", "Bonjour", Moderate)).await;
    assert_eq!(refused["code"], "clock_suspect", "{refused}");
    until(&relay, |status| status["publishes"]["refused"] == 1 && status["requests_refused"] == 1).await;
    time.0.shift(0);
    let green = get(&relay, "/readyz").await;
    assert_eq!((green.status, &*green.body), (200, "ready\n"));
}

/// Changes one byte in the middle of the first message of the oldest segment.
fn damage(journal: &Path) {
    let segments = std::fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    let oldest = segments.filter(|path| path.extension().is_some_and(|end| end == "vigie")).min().unwrap();
    let mut file = OpenOptions::new().read(true).write(true).open(oldest).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    // The channel stands in the record of a message, and in that of no credential.
    let at = bytes.windows(8).position(|window| window == b"alert/fr").unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(&[bytes[at] ^ 1]).unwrap();
}

async fn publish_three(world: &World, relay: &Relay) {
    let mut nation = Raw::log_in(world, relay.local_addr(), &world.live.nation).await;
    for text in ["un", "deux", "trois"] {
        nation.publish(&world.live.nation.say("alert/fr", text, Moderate)).await;
    }
}

#[tokio::test]
async fn damage_is_shown_with_its_place_whether_found_at_the_start_or_by_a_reader() {
    let world = World::new();
    let first = relay(&world, |_| {});
    publish_three(&world, &first).await;
    first.stop(GRACE).unwrap();

    let second = relay(&world, |_| {});
    let sound = until_ready(&second).await;
    assert_eq!((&sound["journal"]["head_seq"], &sound["damage"]), (&3.into(), &Value::Array(vec![])));
    damage(&world.journal("journal"));
    assert_eq!(get(&second, "/readyz").await.body, "ready\n", "nobody has met it");
    let mut town = Raw::log_in(&world, second.local_addr(), &world.live.town).await;
    town.send(r#"{"op":"subscribe","n":1,"channels":["alert/fr.idf.75.paris"],"after":"start"}"#).await;
    let gap = town.frame().await;
    assert_eq!((&gap["op"], &gap["reason"]), (&"gap".into(), &"damaged".into()), "{gap}");
    let met = status(&second).await;
    assert_eq!(met["warnings"], serde_json::json!(["journal_damaged"]));
    assert_eq!((&met["ready"], &met["damage"][0]["found"]), (&true.into(), &"reading".into()));
    assert_eq!(met["damage"][0]["after_seq"], 0);
    let place = |status: &Value| {
        let damage = &status["damage"][0];
        assert_eq!(status["damage"].as_array().unwrap().len(), 1, "{status:#}");
        (damage["segment"].clone(), damage["offset"].clone())
    };
    let place_met = place(&met);
    second.stop(GRACE).unwrap();

    let third = relay(&world, |_| {});
    let found = until_ready(&third).await;
    assert_eq!((&found["damage"][0]["found"], place(&found)), (&"at_start".into(), place_met));
    assert_eq!(third.journal_damage().len(), 1);
    let told = get(&third, "/readyz").await;
    assert_eq!(told.status, 200, "it serves all else, so nobody is better off without it");
    assert!(told.body.starts_with("ready\nwarning journal_damaged: "), "{told:?}");
    // A reader that meets what is known adds nothing.
    let mut town = Raw::log_in(&world, third.local_addr(), &world.live.town).await;
    assert_eq!(town.subscribe(&["alert/fr.idf.75.paris"], Some("start")).await["op"], "subscribed");
    assert_eq!(place(&status(&third).await), place(&found));
}

#[tokio::test]
async fn only_small_requests_of_the_right_kind_are_answered() {
    let world = World::new();
    let relay = relay(&world, |_| {});
    let address = relay.health_addr().unwrap();
    let huge = format!("GET /livez HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(HEAD_BYTES_MAX));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 404),
        ("GET /numbers HTTP/1.1\r\n\r\n", 404),
        ("GET /livez/ HTTP/1.1\r\n\r\n", 404),
        ("POST /status HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", 405),
        ("HEAD /livez HTTP/1.1\r\n\r\n", 405),
        ("DELETE /status HTTP/1.1\r\n\r\n", 405),
        ("GET /livez HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", 400),
        ("GET /livez HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("\x16\x03\x01\r\n\r\n", 400),
        (&huge, 431),
        (&many, 431),
        ("GET /livez?verbose HTTP/1.1\r\n\r\n", 200),
    ] {
        let answer = send(address, request).await;
        assert_eq!(answer.status, status, "{} of {answer:?}", &request[..request.len().min(60)]);
        assert!(status != 405 || answer.head.contains("allow: get"), "{answer:?}");
    }
    // Two requests in a row: one connection, one answer.
    let twice = send(address, &"GET /livez HTTP/1.1\r\n\r\n".repeat(2)).await;
    assert_eq!((twice.status, &*twice.body), (200, "live\n"));
    // And nothing of it on the port of clients.
    let mut stream = tls(&world, relay.local_addr()).await;
    stream.write_all(b"GET /status HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut text = String::new();
    let _ = soon(stream.read_to_string(&mut text)).await;
    assert!(text.starts_with("HTTP/1.1 404") && text.contains("not_found"), "{text}");
}

#[tokio::test]
async fn who_holds_connections_is_cut_off_and_hinders_no_client() {
    let world = World::new();
    let relay = relay(&world, |_| {});
    let address = relay.health_addr().unwrap();
    let began = tokio::time::Instant::now();
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nx: ").await.unwrap();
        held.push(stream);
    }
    let mut one_more = TcpStream::connect(address).await.unwrap();
    let mut text = String::new();
    soon(one_more.read_to_string(&mut text)).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 503 "), "{text:?}");
    assert!(began.elapsed() < REQUEST_WITHIN, "refused for its number and not for the time");
    // Clients come and go meanwhile.
    let mut nation = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    let receipt = nation.publish(&world.live.nation.say("alert/fr", "Bonjour", Moderate)).await;
    assert_eq!(receipt["op"], "receipt");
    // One byte now and then does not keep a connection.
    let mut closed = Vec::new();
    let mut dripping = held.pop().unwrap();
    loop {
        let dripped = dripping.write_all(b"a").await;
        let read = tokio::time::timeout(Duration::from_millis(200), dripping.read_to_end(&mut closed)).await;
        if dripped.is_err() || read.is_ok() {
            break;
        }
        assert!(began.elapsed() < 4 * REQUEST_WITHIN, "it was not cut off");
    }
    for mut stream in held {
        let _ = soon(stream.read_to_end(&mut closed)).await;
    }
    assert!(began.elapsed() >= REQUEST_WITHIN, "they had their time");
    until_ready(&relay).await;
}

#[tokio::test]
async fn nothing_of_what_is_said_and_by_whom_is_shown() {
    let world = World::new();
    let relay = relay(&world, |_| {});
    let mut town = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    town.subscribe(&["alert/fr.idf.75.paris"], None).await;
    let mut nation = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    let said = world.live.nation.say("alert/fr", "Canari jaune", Moderate);
    let receipt = nation.publish(&said).await;
    let shown = until(&relay, |status| status["journal"]["head_seq"] == 1).await.to_string();
    let rest =
        format!("{:?}{:?}{:?}", get(&relay, "/livez").await, get(&relay, "/readyz").await, relay.status());
    let mut secrets = vec![
        "anari".to_owned(),
        "alert/".to_owned(),
        "paris".to_owned(),
        "fr.".to_owned(),
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
        relay.local_addr().port().to_string(),
        receipt["id"].as_str().unwrap().to_owned(),
        said,
        world.folder().to_str().unwrap().to_owned(),
    ];
    for person in [&world.live.root, &world.live.nation, &world.live.town] {
        secrets.push(person.chain.leaf().id().to_string());
        secrets.push(person.key.public().thumbprint().to_string());
    }
    for secret in secrets {
        assert!(!shown.contains(&secret) && !rest.contains(&secret), "{secret} is in {shown} or {rest}");
    }
}

#[tokio::test]
async fn it_tells_of_the_stop_until_the_relay_is_gone() {
    let world = World::new();
    let relay = relay(&world, |_| {});
    let address = relay.health_addr().unwrap();
    until_ready(&relay).await;
    // Someone who does not leave keeps the relay in its grace.
    let _stays = tls(&world, relay.local_addr()).await;
    until(&relay, |status| status["connections"] == 1).await;
    let stopping = tokio::task::spawn_blocking(move || relay.stop(Duration::from_secs(1)));
    let stopped = loop {
        let answer = send(address, "GET /readyz HTTP/1.1\r\n\r\n").await;
        if answer.status == 503 {
            break answer;
        }
    };
    assert!(stopped.body.starts_with("stopping: "), "{stopped:?}");
    stopping.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn a_relay_without_the_listener_has_a_status_all_the_same() {
    let world = World::new();
    let relay = world.relay();
    assert_eq!(relay.health_addr(), None);
    assert_eq!(relay.status().log, relay.log());
}
