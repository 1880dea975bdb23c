//! One credential cannot keep the others out: it has its share of sessions, the last seats are kept for those who have
//! none, and whoever stands above it comes in and revokes it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::id::{LogId, Nonce};
use vigie_proto::login::{self, Binding};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, Reason, Statement, Target};
use vigie_proto::session::relay::Rules;
use vigie_proto::severity::Severity::{Extreme, Minor};
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::event::Position;
use vigie_relay::health::Warning;
use vigie_relay::server::Relay;
use vigie_relay::worker::{Worker, WorkerConfig};
use vigie_tests::raw::{Came, Raw, login_with};
use vigie_tests::soon;
use vigie_tests::world::{Person, World, appoint, grant, now};

const PARIS: &str = "alert/fr.idf.75.paris";

async fn comes_in(world: &World, relay: &Relay, person: &Person) -> Raw {
    Raw::try_log_in(world, relay.local_addr(), person).await.unwrap()
}

/// The code that refuses its log-in.
async fn is_refused(world: &World, relay: &Relay, person: &Person) -> String {
    let told = Raw::try_log_in(world, relay.local_addr(), person).await.unwrap_err();
    told["code"].as_str().unwrap().to_owned()
}

/// Until then no session of theirs passes for silent, or gone.
async fn speak(sessions: &mut [Raw], spoke: &mut Instant) {
    if spoke.elapsed() > Duration::from_secs(3) {
        for raw in sessions {
            raw.subscribe(&[PARIS], None).await;
        }
        *spoke = Instant::now();
    }
}

async fn revoke(by: &Person, line: &mut Raw, target: &Person) {
    let target = Target::Credential(target.chain.leaf().id());
    let statement = Statement { target, from: now(), number: 1, reason: Some(Reason::KeyCompromise) };
    let jws = revocation::sign(&by.key, by.chain.leaf(), &statement);
    line.send(&json!({"op": "revoke", "n": 99, "jws": jws}).to_string()).await;
    assert_eq!(line.answer(99).await["op"], "revoked");
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
        speak(&mut held, &mut spoke).await;
        match Raw::try_log_in(&world, relay.local_addr(), &thief).await {
            Ok(raw) => held.push(raw),
            Err(told) => break told,
        }
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
    assert_eq!(is_refused(&world, &relay, &leaf(3)).await, Code::TooManySessions.as_str());
    let mut nation = comes_in(&world, &relay, &live.nation).await;
    assert_eq!(nation.publish(&live.nation.say(PARIS, "évacuez", Extreme)).await["op"], "receipt");
    revoke(&live.nation, &mut nation, &thief).await;
    for raw in &mut held {
        assert_eq!(end(raw).await, (1008, Code::SessionRevoked.as_str().to_owned()));
    }
    assert_eq!(is_refused(&world, &relay, &thief).await, Code::Revoked.as_str());

    // And there is room again.
    for number in 3..20 {
        others.push(comes_in(&world, &relay, &leaf(number)).await);
    }
    soon(async { while is_warned(&relay) {} }).await;
    drop((others, knocks, nation));
    relay.stop(Duration::ZERO).unwrap();
}

/// With a stolen credential that may delegate twice there are as many keys as seats, and each of them may delegate.
#[tokio::test]
async fn who_makes_keys_without_end_is_revoked_by_somebody_above() {
    const MAX: usize = 64;
    let world = World::new();
    let mut config = world.config("journal");
    (config.connections_max, config.workers) = (MAX, 2);
    let relay = world.relay_with(config);
    let (root, live) = (&world.live.root, &world.live);
    let mut bordeaux = comes_in(&world, &relay, &live.elsewhere).await;
    let may_delegate = vec![grant(Flow::Alert, "fr.idf.75.paris", Some(Minor), 1)];
    let made = |number| appoint(&live.region, &format!("fr.etat.idf.n{number}"), may_delegate.clone());
    let (mut held, mut spoke) = (Vec::new(), Instant::now());
    let refused = loop {
        speak(&mut held, &mut spoke).await;
        match Raw::try_log_in(&world, relay.local_addr(), &made(held.len())).await {
            Ok(raw) => held.push(raw),
            Err(told) => break told,
        }
        assert!(held.len() < MAX, "they have all seats");
    };
    // All but that of Bordeaux, and one.
    assert_eq!((&refused["code"], held.len()), (&Code::TooManySessions.as_str().into(), MAX - 2));
    // That one is for somebody whom a root has appointed: he can bring what was signed off line.
    let prefect = |number| appoint(root, &format!("fr.prefet{number}"), may_delegate.clone());
    let mut bearer = comes_in(&world, &relay, &prefect(1)).await;
    assert_eq!(is_refused(&world, &relay, &prefect(2)).await, Code::TooManySessions.as_str());

    // No seat is left, and who stands above gets in all the same, more than once, in the place of one of theirs.
    for raw in held.iter_mut().chain([&mut bordeaux]) {
        raw.subscribe(&[PARIS], None).await;
    }
    let mut nation = comes_in(&world, &relay, &live.nation).await;
    let _console = comes_in(&world, &relay, &live.nation).await;
    let mut of_root = comes_in(&world, &relay, root).await;
    for mut thrown_out in held.drain(..3) {
        assert_eq!(end(&mut thrown_out).await, (1013, Code::TooManySessions.as_str().to_owned()));
    }
    for stays in [&mut bordeaux, &mut bearer, &mut of_root] {
        // Whatever it is told, it is there.
        stays.subscribe(&["alert/fr.naq.33.bordeaux"], None).await;
    }
    assert_eq!(nation.publish(&live.nation.say(PARIS, "évacuez", Extreme)).await["op"], "receipt");
    revoke(&live.nation, &mut nation, &live.region).await;
    for raw in &mut held {
        assert_eq!(end(raw).await, (1008, Code::SessionRevoked.as_str().to_owned()));
    }
    assert_eq!(is_refused(&world, &relay, &made(99)).await, Code::Revoked.as_str());
    comes_in(&world, &relay, &prefect(2)).await;
    relay.stop(Duration::ZERO).unwrap();
}

/// Sessions of one key that throw each other out, and take no leave: they have no seat, and hold their connections.
#[tokio::test]
async fn sessions_that_close_keep_nobody_out() {
    let world = World::new();
    let mut config = world.config("journal");
    (config.connections_max, config.sessions_per_key_max, config.strangers_max) = (8, 2, 4);
    let relay = world.relay_with(config);
    let mut held = Vec::new();
    for _ in 0..80 {
        held.push(comes_in(&world, &relay, &world.live.town).await);
        // The seats, the room for those that close, and strangers, some of whom were told to go.
        let open = relay.status().connections;
        assert!(open <= 8 + 16 + 2 * 4, "{open} connections are open");
    }
    let mut nation = comes_in(&world, &relay, &world.live.nation).await;
    revoke(&world.live.nation, &mut nation, &world.live.town).await;
    let refusals = relay.status().refusals;
    assert_eq!(refusals.get(Code::TooManyConnections.as_str()), None, "{refusals:?}");
    drop(held);
    relay.stop(Duration::ZERO).unwrap();
}

/// Its seat may go in the moment in which it ends by itself.
#[test]
fn a_session_that_closes_already_is_refused_no_second_time_when_its_place_goes() {
    let world = World::new();
    let (town, at) = (&world.live.town, now());
    let rules = Rules::new(world.roots(), vec!["localhost".to_owned()]);
    let config = WorkerConfig::new(0, Arc::new(rules), LogId::from_bytes([1; 16]));
    let verdicts = Arc::<SharedVerdicts>::default();
    let mut worker = Worker::new(config, Arc::default(), Arc::default(), verdicts, Position::default());
    let (nonce, binding) = (Nonce::from_bytes([3; 32]), Binding::Certificate([9; 32]));
    let session = worker.accept(nonce, binding, at);
    worker.handle_unseated(session, at);
    let proof = login::sign(&town.key, town.chain.leaf().id(), Plane::Live, "localhost", nonce, binding);
    worker.handle_frame(session, &login_with(town, &proof), at);
    assert!(worker.is_logged_in(session), "a stranger has no seat to lose");
    worker.handle_violation(session, Code::Unresponsive);
    let before = worker.counts();
    assert!(!worker.is_overdue(session), "it is given what waits");
    assert_eq!((before.closing, before.logged_in), (1, 0));
    worker.handle_unseated(session, at);
    assert!(worker.is_overdue(session), "it is dropped for the one that comes");
    assert_eq!(worker.counts(), before, "nothing was refused");
}
