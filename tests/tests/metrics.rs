//! `GET /metrics` says what the table in relay/README.md promises, in the form that Prometheus reads, with the numbers of
//! what clients did.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vigie_client::Live;
use vigie_proto::chain::Roots;
use vigie_proto::channel::Plane;
use vigie_proto::id::CredentialId;
use vigie_proto::refusal::Code;
use vigie_proto::rotation::{self, Handover};
use vigie_proto::severity::Severity::{Moderate, Severe};
use vigie_proto::time::{Timestamp, Window};
use vigie_relay::own_credential::OwnCredential;
use vigie_relay::sequencer::BYTES_IN_FORCE_MAX;
use vigie_relay::server::Relay;
use vigie_tests::client_auth::Authority;
use vigie_tests::raw::{Raw, tls};
use vigie_tests::soon;
use vigie_tests::world::{World, below_an_issuer_who_ends_in, now};

async fn served(relay: &Relay) -> String {
    let mut stream = TcpStream::connect(relay.health_addr().unwrap()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    body.to_owned()
}

/// Types by name, and numbers by name and labels; fails on any line that is not of the form.
fn parsed(text: &str) -> (BTreeMap<String, String>, BTreeMap<String, f64>) {
    let (mut types, mut numbers) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        if line.starts_with("# HELP vigie_") {
            continue;
        }
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            assert_eq!(types.insert(name.to_owned(), kind.to_owned()), None, "twice: {name}");
            continue;
        }
        let (name, number) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let family = name.split('{').next().unwrap();
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end));
        assert!(types.contains_key(of_histogram.unwrap_or(family)), "without a type: {line}");
        assert_eq!(numbers.insert(name.to_owned(), number.parse().unwrap()), None, "twice: {line}");
    }
    (types, numbers)
}

#[tokio::test]
async fn what_is_served_is_what_the_table_lists_and_what_happened() {
    let world = World::new();
    let mut config = world.config("journal");
    config.health = Some(TcpListener::bind("127.0.0.1:0").unwrap());
    let valid = Window { from: Timestamp::EPOCH, until: now().plus(Duration::from_secs(90_000)) };
    config.relay_credential = Some(OwnCredential::new(CredentialId::from_bytes([1; 32]), vec![valid]));
    let relay = world.relay_with(config);
    // A root that hands over, and below it somebody whose issuer ends soon.
    let [root, issuer, leaf] = below_an_issuer_who_ends_in(6);
    let pins = world.roots().pinned().chain([root.key.public().thumbprint()]).collect::<Vec<_>>();
    let mut roots = Roots::new(pins);
    let until = Some(now().plus(Duration::from_secs(3 * 86_400)));
    let handover = Handover { successor: *issuer.key.public(), from: now(), until };
    let rotation = rotation::sign(&root.key, Plane::Live, &handover).unwrap();
    roots.install([&**rotation.token()]).unwrap();
    relay.renew_roots(roots);
    let _leaf = Raw::log_in(&world, relay.local_addr(), &leaf).await;
    let address = relay.local_addr();
    let mut reader = Raw::log_in(&world, address, &world.live.town).await;
    reader.subscribe(&["alert/fr.idf.75.paris"], None).await;
    let mut author = Raw::log_in(&world, address, &world.live.nation).await;
    let mut bytes_in_force = 0;
    for text in ["un", "deux"] {
        let said = world.live.nation.say("alert/fr", text, Moderate);
        bytes_in_force += said.len();
        author.publish(&said).await;
        soon(reader.event()).await;
    }
    let refused = author.publish(&world.live.town.say("alert/fr.idf.75.paris", "d'un autre", Moderate)).await;
    let code = refused["code"].as_str().unwrap().to_owned();
    let mut stranger = Raw::connect(&world, address).await;
    let frame = stranger.login_frame(&World::new().live.town).await;
    stranger.send(&frame).await;
    assert_eq!(stranger.frame().await["code"], "unknown_root");

    // Who never came to be a client: no TLS, a request that is none, and one that is too large.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(&[0xff; 64]).await.unwrap();
    // An alert, or a reset: it ends.
    let _ = soon(plain.read_to_end(&mut Vec::new())).await;
    for request in ["?\r\n\r\n".to_owned(), format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(9_000))] {
        let mut stream = tls(&world, address).await;
        // It may be closed before all of it is written.
        let _ = soon(stream.write_all(request.as_bytes())).await;
        let _ = soon(stream.read_to_end(&mut Vec::new())).await;
    }

    // What only a relay with mutual TLS tells; those who are there already go on.
    relay.renew_client_auth(&Authority::new("clients").auth(&[])).unwrap();

    // Workers show their numbers a few times a second.
    let (types, numbers) = soon(async {
        loop {
            let (types, numbers) = parsed(&served(&relay).await);
            let counted = ["vigie_logins_refused_total", "vigie_requests_refused_total"];
            let unheard = |why| numbers[&format!("vigie_unheard_total{{why=\"{why}\"}}")];
            // What comes right behind the handshake may still be counted with it, and 9,000 bytes are too many for that.
            let too_much = numbers["vigie_refusals_total{code=\"too_many_bytes\"}"];
            if [unheard("tls"), unheard("http") + too_much, unheard("no_room")] == [1.0, 2.0, 0.0]
                && numbers["vigie_deliveries_total"] == 2.0
                && counted.iter().all(|name| numbers[*name] == 1.0)
                && numbers["vigie_issuers_ending"] == 1.0
            {
                return (types, numbers);
            }
        }
    })
    .await;
    let table: BTreeMap<String, String> = include_str!("../../relay/README.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `vigie_"))
        .map(|row| row.split_once("` | ").unwrap())
        .map(|(name, rest)| (format!("vigie_{name}"), rest.split(" |").next().unwrap().to_owned()))
        .collect();
    assert_eq!(types, table);
    assert_eq!(numbers["vigie_receipts_total"], 2.0);
    assert_eq!(numbers["vigie_journal_head_sequence"], 2.0);
    assert_eq!([numbers["vigie_ids"], numbers["vigie_bytes_in_force"]], [2.0, bytes_in_force as f64]);
    assert_eq!(numbers["vigie_bytes_in_force_max"], BYTES_IN_FORCE_MAX as f64);
    assert_eq!(numbers["vigie_sessions{state=\"live\"}"], 1.0);
    assert_eq!(numbers[&format!("vigie_refusals_total{{code=\"{code}\"}}")], 1.0);
    assert_eq!(numbers["vigie_refusals_total{code=\"unknown_root\"}"], 1.0);
    assert!(numbers["vigie_delivered_bytes_total"] > 1_000.0 && numbers["vigie_sync_seconds_count"] >= 2.0);
    assert!(numbers["vigie_sync_seconds_bucket{le=\"+Inf\"}"] == numbers["vigie_sync_seconds_count"]);
    assert!((80_000.0..=90_000.0).contains(&numbers["vigie_credential_left_seconds"]));
    assert!(numbers["vigie_certificate_left_seconds"] > 86_400.0);
    assert!((250_000.0..=259_200.0).contains(&numbers["vigie_root_left_seconds"]));
    assert!((518_000.0..=518_460.0).contains(&numbers["vigie_issuer_left_seconds"]));
    let codes: BTreeSet<String> =
        Code::ALL.iter().map(|code| format!("vigie_refusals_total{{code=\"{}\"}}", code.as_str())).collect();
    let served: BTreeSet<String> =
        numbers.keys().filter(|name| name.starts_with("vigie_refusals_total")).cloned().collect();
    assert_eq!(served, codes, "every code, whether it happened or not");
    assert_eq!(numbers["vigie_strangers_max"], 2_048.0);
    assert_eq!([numbers["vigie_handshakes"], numbers["vigie_handshakes_waiting"]], [0.0, 0.0]);
    every_limit_is_a_setting_with_a_code_and_a_metric(&types);
    relay.stop(Duration::ZERO).unwrap();
}

fn every_limit_is_a_setting_with_a_code_and_a_metric(types: &BTreeMap<String, String>) {
    let readme = include_str!("../../relay/README.md");
    let settings = include_str!("../../packaging/vigie.toml");
    let (_, table) = readme.split_once("<!-- table: limits -->\n").unwrap();
    let rows: Vec<_> = table.split_once("<!-- end -->").unwrap().0.lines().skip(2).collect();
    assert!(rows.len() >= 10, "{}", rows.len());
    let mut named = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.split(" | ").map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        let [_, set, codes, metrics] = cells.try_into().unwrap();
        for setting in set {
            assert!(settings.contains(&format!("\n# {setting} = ")), "{setting}: {row}");
            named.insert(setting);
        }
        for code in codes {
            assert!(Code::ALL.iter().any(|known| known.as_str() == code), "{code}: {row}");
        }
        let metrics: Vec<_> = metrics.collect();
        assert!(!metrics.is_empty() && metrics.iter().all(|name| types.contains_key(*name)), "{row}");
    }
    let is_bound = |line: &str| line.strip_prefix("# ").and_then(|line| line.split_once("_max = ")).is_some();
    let set = settings.lines().filter(|line| is_bound(line));
    let set: BTreeSet<_> = set.map(|line| line[2..].split(' ').next().unwrap()).collect();
    // What each worker keeps of recent events is no limit on anybody.
    assert_eq!(set.difference(&named).copied().collect::<Vec<_>>(), ["ring_bytes_max"]);
}

/// Handshakes are counted while they last, and not after.
#[tokio::test]
async fn handshakes_under_way_are_seen_until_they_end() {
    let world = World::new();
    let relay = world.relay();
    let seen = || {
        let strangers = relay.status().strangers;
        (strangers.open, strangers.handshakes, strangers.waiting)
    };
    let plain = TcpStream::connect(relay.local_addr()).await.unwrap();
    let over_tls = tls(&world, relay.local_addr()).await;
    let upgraded = Raw::connect(&world, relay.local_addr()).await;
    soon(async {
        while seen() != (3, 2, 0) {
            tokio::task::yield_now().await
        }
    })
    .await;
    let mut logs_in = Raw::upgrade_over(over_tls, &Default::default()).await.unwrap();
    logs_in.log_in_as(&world.live.town).await;
    soon(async {
        while seen() != (2, 1, 0) {
            tokio::task::yield_now().await
        }
    })
    .await;
    drop((plain, upgraded));
    soon(async {
        while seen() != (0, 0, 0) {
            tokio::task::yield_now().await
        }
    })
    .await;
    relay.stop(Duration::ZERO).unwrap();
}

/// What the relay takes in all, a second: live messages too, and urgent ones last.
#[tokio::test]
async fn what_is_held_back_is_counted_by_the_rate_that_did_and_urgent_messages_pass() {
    let world = World::new();
    let mut config = world.config("journal");
    config.health = Some(TcpListener::bind("127.0.0.1:0").unwrap());
    config.publishes_max = Some(5);
    let relay = world.relay_with(config);
    let nation = &world.live.nation;
    let mut author = Raw::log_in(&world, relay.local_addr(), nation).await;
    let refused = loop {
        let said = author.publish(&nation.say("alert/fr", &author.n.to_string(), Moderate)).await;
        if said["op"] == "refused" {
            break said;
        }
    };
    assert!(author.n > 4, "four fifths of five: {}", author.n);
    let detail = refused["detail"].as_str().unwrap();
    assert!(refused["code"] == "rate_limited" && detail.contains("the relay: send again in "), "{refused}");
    let urgent = author.publish(&nation.say("alert/fr", "urgent", Severe)).await;
    assert_eq!(urgent["op"], "receipt", "{urgent}");
    soon(async {
        loop {
            let (_, numbers) = parsed(&served(&relay).await);
            let held = |by| numbers[&format!("vigie_publishes_held_back_total{{by=\"{by}\"}}")];
            if [held("credential"), held("exercises"), held("relay")] == [0.0, 0.0, 1.0] {
                break;
            }
        }
    })
    .await;
    relay.stop(Duration::ZERO).unwrap();
}

/// Of a log in which nobody has spoken, which so has the chain of nobody: who only asks what is revoked, as the commands
/// with `--relay` do, is no case for whoever watches refusals.
#[tokio::test]
async fn who_asks_what_is_revoked_is_counted_as_no_refusal() {
    let world = World::new();
    let mut config = world.config("journal");
    config.health = Some(TcpListener::bind("127.0.0.1:0").unwrap());
    // One counts for all: what is told of the last was told of the first.
    config.workers = 1;
    let relay = world.relay_with(config);
    for _ in 0..3 {
        let told = world.client::<Live>(relay.local_addr(), &world.live.town).revocations().await;
        assert!(told.iter().all(|at| at.given.as_ref().is_ok_and(Vec::is_empty)), "{told:?}");
    }
    let mut curious = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    // Its own, and one above it, which it has shown itself.
    for person in [&world.live.town, &world.live.region] {
        let id = person.chain.leaf().id();
        curious.send(&json!({"op": "credential", "n": 1, "id": id.to_string()}).to_string()).await;
        let answer = curious.frame().await;
        assert_eq!(answer["op"], "chain", "{answer}");
        assert_eq!(answer["chain"].as_array().unwrap().len(), person.chain.links().len());
    }
    curious.send(&json!({"op": "credential", "n": 2, "id": "A".repeat(43)}).to_string()).await;
    assert_eq!(curious.frame().await["code"], "unknown_credential");
    let refusals = soon(async {
        loop {
            let (_, numbers) = parsed(&served(&relay).await);
            if numbers["vigie_requests_refused_total"] > 0.0 {
                return numbers;
            }
        }
    })
    .await;
    assert_eq!(refusals["vigie_requests_refused_total"], 1.0);
    assert_eq!(refusals["vigie_refusals_total{code=\"unknown_credential\"}"], 1.0);
    relay.stop(Duration::ZERO).unwrap();
}
