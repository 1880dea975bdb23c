//! One credential cannot keep the others out: it has its share of sessions, the last seats are kept for those who have
//! none, and whoever stands above it comes in and revokes it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vigie_proto::channel::Flow;
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, Reason, Statement, Target};
use vigie_proto::severity::Severity::{Extreme, Minor};
use vigie_relay::health::Warning;
use vigie_relay::server::Relay;
use vigie_tests::raw::{Came, Raw};
use vigie_tests::soon;
use vigie_tests::world::{Person, World, appoint, grant, now};

const PARIS: &str = "alert/fr.idf.75.paris";

/// What a log-in is told first.
async fn knock(world: &World, relay: &Relay, person: &Person) -> (Raw, Value) {
    let mut raw = Raw::connect(world, relay.local_addr()).await;
    let login = raw.login_frame(person).await;
    raw.send(&login).await;
    let told = raw.frame().await;
    (raw, told)
}

async fn comes_in(world: &World, relay: &Relay, person: &Person) -> Raw {
    let (raw, told) = knock(world, relay, person).await;
    assert_eq!(told["op"], "welcome", "{told}");
    raw
}

/// What a session is closed with.
async fn end(raw: &mut Raw) -> (u16, String) {
    loop {
        match soon(raw.next()).await {
            Came::Closed(number, reason) => return (number, reason),
            Came::Frame(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn is_warned(relay: &Relay) -> bool {
    relay.status().warnings.contains(&Warning::ConnectionsFull)
}

#[tokio::test]
async fn who_comes_back_over_a_dead_line_gets_in_and_the_most_silent_session_of_the_key_goes() {
    let world = World::new();
    let mut config = world.config("journal");
    config.sessions_per_key_max = 3;
    config.workers = 2;
    let relay = world.relay_with(config);
    let town = &world.live.town;
    let mut first = comes_in(&world, &relay, town).await;
    let mut silent = comes_in(&world, &relay, town).await;
    let mut third = comes_in(&world, &relay, town).await;
    let mut neighbour = comes_in(&world, &relay, &world.live.neighbour).await;
    first.subscribe(&[PARIS], None).await;
    let mut newest = comes_in(&world, &relay, town).await;
    assert_eq!(end(&mut silent).await, (1013, Code::TooManySessions.as_str().to_owned()));
    for stays in [&mut first, &mut third, &mut newest] {
        assert_eq!(stays.subscribe(&[PARIS], None).await["op"], "subscribed");
    }
    assert_eq!(neighbour.subscribe(&["alert/fr"], None).await["op"], "refused", "it is there");
    assert_eq!(newest.publish(&town.say(PARIS, "de retour", Minor)).await["op"], "receipt");
    drop(relay);
}

#[tokio::test]
async fn who_fills_the_relay_is_revoked_by_somebody_above() {
    const MAX: usize = 64;
    let world = World::new();
    let mut config = world.config("journal");
    // As many as one key may have: the worst that a stolen one can do.
    (config.connections_max, config.sessions_per_key_max) = (MAX, MAX);
    let relay = world.relay_with(config);
    let live = &world.live;
    let paris = vec![grant(Flow::Alert, "fr.idf.75.paris", Some(Minor), 0)];
    let thief = appoint(&live.region, "fr.etat.idf.terrain", paris.clone());
    let leaf = |number: usize| appoint(&live.region, &format!("fr.etat.idf.n{number}"), paris.clone());
    assert!(!is_warned(&relay));

    let mut held = Vec::new();
    let mut spoke = Instant::now();
    let refused = loop {
        // One that is silent for long would make room.
        if spoke.elapsed() > Duration::from_secs(3) {
            for raw in &mut held {
                Raw::subscribe(raw, &[PARIS], None).await;
            }
            spoke = Instant::now();
        }
        let (raw, told) = knock(&world, &relay, &thief).await;
        if told["op"] != "welcome" {
            break told;
        }
        held.push(raw);
        assert!(held.len() < MAX, "one key has all seats");
    };
    assert_eq!((&refused["code"], held.len()), (&Code::TooManySessions.as_str().into(), MAX - MAX / 16));
    soon(async { while !is_warned(&relay) {} }).await;
    assert!(relay.status().ready, "who has no session still gets in");
    // It knocks as often as it may, too, and does not even try to log in.
    let mut knocks = Vec::new();
    for _ in 0..60 {
        knocks.push(Raw::connect(&world, relay.local_addr()).await);
    }

    // Others get in as well, but not all the way.
    let mut others = vec![comes_in(&world, &relay, &leaf(1)).await, comes_in(&world, &relay, &leaf(2)).await];
    let (_raw, told) = knock(&world, &relay, &leaf(3)).await;
    assert_eq!(told["code"], Code::TooManySessions.as_str(), "{told}");
    let mut nation = comes_in(&world, &relay, &live.nation).await;
    assert_eq!(nation.publish(&live.nation.say(PARIS, "évacuez", Extreme)).await["op"], "receipt");
    let target = Target::Credential(thief.chain.leaf().id());
    let statement = Statement { target, from: now(), number: 1, reason: Some(Reason::KeyCompromise) };
    let jws = revocation::sign(&live.nation.key, live.nation.chain.leaf(), &statement);
    nation.send(&json!({"op": "revoke", "n": 99, "jws": jws}).to_string()).await;
    assert_eq!(nation.answer(99).await["op"], "revoked");
    for raw in &mut held {
        assert_eq!(end(raw).await, (1008, Code::SessionRevoked.as_str().to_owned()));
    }
    let (_raw, told) = knock(&world, &relay, &thief).await;
    assert_eq!(told["code"], Code::Revoked.as_str(), "{told}");

    // And there is room again.
    for number in 3..20 {
        others.push(comes_in(&world, &relay, &leaf(number)).await);
    }
    soon(async { while is_warned(&relay) {} }).await;
    drop((others, knocks, nation));
    relay.stop(Duration::ZERO).unwrap();
}
