//! A revocation bites: its target is out within a second and says nothing more, also after a restart; readers are told
//! before anything else, and take back what came since.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vigie_client::proto::frame::Start;
use vigie_client::{Delivery, Disowned, Live, Subscription};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, Reason, Statement, Target};
use vigie_proto::severity::Severity::Minor;
use vigie_proto::time::Timestamp;
use vigie_relay::server::Relay;
use vigie_tests::raw::{Came, Raw};
use vigie_tests::soon;
use vigie_tests::world::{Person, World, appoint, grant, has_passed, now};

const PARIS: &str = "alert/fr.idf.75.paris";

/// A revocation of somebody's credential by somebody else.
fn revoke(by: &Person, target: &Person, from: Timestamp, number: u64) -> String {
    let target = Target::Credential(target.chain.leaf().id());
    let statement = Statement { target, from, number, reason: Some(Reason::KeyCompromise) };
    revocation::sign(&by.key, by.chain.leaf(), &statement)
}

async fn send_revocation(raw: &mut Raw, jws: &str) -> Value {
    raw.send(&json!({"op": "revoke", "n": 99, "jws": jws}).to_string()).await;
    raw.answer(99).await
}

/// The next frame that is about what is said or revoked.
async fn told(raw: &mut Raw) -> Value {
    loop {
        let frame = raw.frame().await;
        if !["mark", "chain", "reach", "subscribed"].map(Value::from).contains(&frame["op"]) {
            return frame;
        }
    }
}

/// What a log-in is answered with.
async fn try_log_in(world: &World, relay: &Relay, person: &Person) -> Value {
    let mut raw = Raw::connect(world, relay.local_addr()).await;
    let login = raw.login_frame(person).await;
    raw.send(&login).await;
    raw.frame().await
}

async fn disowned(subscription: &mut Subscription<Live>) -> Disowned {
    loop {
        match soon(subscription.next()).await.expect("the subscription goes on") {
            Delivery::Disowned(disowned) => return disowned,
            Delivery::CaughtUp(_) => {}
            other => panic!("expected what is disowned, got {other:?}"),
        }
    }
}

#[tokio::test]
async fn who_is_revoked_is_out_within_a_second_and_says_nothing_more() {
    let world = World::new();
    let relay = world.relay();
    let at = relay.local_addr();
    let live = &world.live;
    // Someone below the one that is revoked, and someone beside him.
    let delegate = appoint(
        &live.region,
        "fr.etat.idf.nord",
        vec![grant(vigie_proto::channel::Flow::Alert, "fr.idf", Some(Minor), 1)],
    );
    let below = appoint(
        &delegate,
        "fr.etat.idf.nord",
        vec![grant(vigie_proto::channel::Flow::Alert, "fr.idf.75.paris", Some(Minor), 0)],
    );
    let mut target = Raw::log_in(&world, at, &delegate).await;
    let mut child = Raw::log_in(&world, at, &below).await;
    let mut beside = Raw::log_in(&world, at, &live.town).await;
    let mut nation = Raw::log_in(&world, at, &live.nation).await;
    child.subscribe(&[PARIS], None).await;
    let before = child.publish(&below.say(PARIS, "avant", Minor)).await;
    assert_eq!(before["op"], "receipt");
    // Nobody revokes beside himself, nor above: it changes nothing.
    let idle = send_revocation(&mut beside, &revoke(&live.town, &delegate, now(), 1)).await;
    assert_eq!(idle["op"], "revoked", "{idle}");
    assert_eq!(child.publish(&below.say(PARIS, "encore", Minor)).await["op"], "receipt");
    let revocation = revoke(&live.nation, &delegate, now(), 1);
    let answer = send_revocation(&mut nation, &revocation).await;
    let since = Instant::now();
    assert_eq!(answer["op"], "revoked", "{answer}");
    for session in [&mut target, &mut child] {
        loop {
            match soon(session.next()).await {
                Came::Closed(number, reason) => {
                    assert_eq!((number, &*reason), (1008, Code::SessionRevoked.as_str()));
                    break;
                }
                Came::Frame(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    let again = send_revocation(&mut nation, &revocation).await;
    assert_eq!(again["admitted"], answer["admitted"], "the same bytes get the first answer");
    for person in [&delegate, &below] {
        let refused = try_log_in(&world, &relay, person).await;
        assert_eq!(refused["code"], Code::Revoked.as_str(), "{refused}");
        assert_eq!(refused["credential"], delegate.chain.leaf().id().to_string());
    }
    assert_eq!(beside.publish(&live.town.say(PARIS, "à côté", Minor)).await["op"], "receipt");
    relay.stop(Duration::ZERO).unwrap();
    // A restart forgets nothing.
    let relay = world.relay();
    assert_eq!(try_log_in(&world, &relay, &below).await["code"], Code::Revoked.as_str());
    let mut nation = Raw::log_in(&world, relay.local_addr(), &live.nation).await;
    let again = send_revocation(&mut nation, &revocation).await;
    assert_eq!(again["admitted"], answer["admitted"]);
}

#[tokio::test]
async fn who_is_revoked_and_takes_nothing_loses_the_connection_all_the_same() {
    let world = World::new();
    let relay = world.relay();
    let (town, nation) = (&world.live.town, &world.live.nation);
    let mut deaf = Raw::log_in(&world, relay.local_addr(), town).await;
    deaf.subscribe(&[PARIS], None).await;
    let mut author = Raw::log_in(&world, relay.local_addr(), nation).await;
    // More than the sockets between them hold.
    let text = "é".repeat(45_000);
    for number in 0..40 {
        let message = nation.say("alert/fr", &format!("{number} {text}"), Minor);
        assert_eq!(author.publish(&message).await["op"], "receipt");
    }
    let answer = send_revocation(&mut author, &revoke(nation, town, now(), 1)).await;
    assert_eq!(answer["op"], "revoked", "{answer}");
    let since = Instant::now();
    soon(async {
        while relay.status().connections > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    println!("gone after {:?}", since.elapsed());
    drop(deaf);
}

#[tokio::test]
async fn a_reader_is_told_before_any_event_and_only_of_what_it_lacks() {
    let world = World::new();
    let relay = world.relay();
    let at = relay.local_addr();
    let live = &world.live;
    let mut nation = Raw::log_in(&world, at, &live.nation).await;
    let mut town = Raw::log_in(&world, at, &live.town).await;
    town.publish(&live.town.say(PARIS, "un", Minor)).await;
    drop(town);
    for (number, target) in [(1, &live.elsewhere), (2, &live.town)] {
        let jws = revoke(&live.nation, target, now(), number);
        assert_eq!(send_revocation(&mut nation, &jws).await["op"], "revoked");
    }
    let mut reader = Raw::log_in(&world, at, &live.region).await;
    reader.send(&json!({"op": "subscribe", "n": 1, "channels": [PARIS], "after": "start"}).to_string()).await;
    let given = [told(&mut reader).await, told(&mut reader).await, told(&mut reader).await];
    assert_eq!([&given[0]["op"], &given[1]["op"], &given[2]["op"]], ["revocation", "revocation", "event"]);
    assert_eq!([&given[0]["count"], &given[1]["count"]], [1, 2]);
    assert_eq!(given[1]["seq"], 1, "after the first message");
    // One who holds the first is given the second; one of the other plane, none.
    let mut again = Raw::connect(&world, at).await;
    let held = json!({"log": given[0]["log"], "count": 1}).to_string();
    let login = again.login_frame(&live.region).await;
    again.send(&login.replacen('{', &format!(r#"{{"revocations":{held},"#), 1)).await;
    assert_eq!(again.frame().await["op"], "welcome");
    assert_eq!(told(&mut again).await["count"], 2);
    let mut drill = Raw::log_in(&world, at, &world.exercise.nation).await;
    let channel = "exercise/alert/fr";
    drill
        .send(&json!({"op": "subscribe", "n": 1, "channels": [channel], "after": "start"}).to_string())
        .await;
    let jws = world.exercise.nation.say(channel, "exercice", Minor);
    drill.send(&json!({"op": "publish", "n": 2, "jws": jws}).to_string()).await;
    assert_eq!(told(&mut drill).await["op"], "receipt");
}

#[tokio::test]
async fn what_came_since_is_disowned_also_when_it_was_shown() {
    let world = World::new();
    let relay = world.relay();
    let at = relay.local_addr();
    let live = &world.live;
    let reader = world.client::<Live>(at, &live.region);
    let mut heard = reader.subscribe(vec![PARIS.parse().unwrap()], Start::Here);
    assert!(matches!(soon(heard.next()).await, Some(Delivery::CaughtUp(_))));
    let mut town = Raw::log_in(&world, at, &live.town).await;
    let mut ids = Vec::new();
    let mut from = Timestamp::EPOCH;
    for text in ["avant", "depuis"] {
        let receipt = town.publish(&live.town.say(PARIS, text, Minor)).await;
        from = Timestamp::from_millis(receipt["admitted"].as_u64().unwrap());
        ids.push(receipt["id"].as_str().unwrap().to_owned());
        match soon(heard.next()).await {
            Some(Delivery::Message(message)) => assert_eq!(message.id().to_string(), *ids.last().unwrap()),
            other => panic!("{other:?}"),
        }
        // The next one is admitted later.
        has_passed(from).await;
    }
    let mut nation = Raw::log_in(&world, at, &live.nation).await;
    let jws = revoke(&live.nation, &live.town, from, 1);
    assert_eq!(send_revocation(&mut nation, &jws).await["op"], "revoked");
    let taken_back = disowned(&mut heard).await;
    assert_eq!((taken_back.id.to_string(), taken_back.given_before), (ids[1].clone(), true));
    assert_eq!((taken_back.from, taken_back.reason), (from, Some(Reason::KeyCompromise)));
    assert_eq!(taken_back.credential, live.town.chain.leaf().id());
    // One who was away: what was before stands, what was since is never shown as a message.
    let away = world.client::<Live>(at, &live.region);
    let mut heard = away.subscribe(vec![PARIS.parse().unwrap()], Start::Beginning);
    match soon(heard.next()).await {
        Some(Delivery::Message(message)) => assert_eq!(message.id().to_string(), ids[0]),
        other => panic!("{other:?}"),
    }
    let never_shown = disowned(&mut heard).await;
    assert_eq!((never_shown.id.to_string(), never_shown.given_before), (ids[1].clone(), false));
    let page = soon(away.history(vec![PARIS.parse().unwrap()], None, 10)).await.unwrap();
    let kinds: Vec<_> = page.deliveries.iter().map(|it| matches!(it, Delivery::Disowned(_))).collect();
    assert_eq!(kinds, [false, true], "history judges as subscriptions do");
}

/// What a root signed on a machine without a network is brought by somebody who may do nothing himself.
#[tokio::test]
async fn somebody_else_may_bring_a_revocation_with_its_issuers_chain_and_nothing_else() {
    let world = World::new();
    let relay = world.relay();
    let live = &world.live;
    let mut bearer = Raw::log_in(&world, relay.local_addr(), &live.town).await;
    let jws = revoke(&live.root, &live.region, now(), 1);
    let chain = |person: &Person| -> Vec<String> {
        person.chain.links().iter().map(|link| link.token().to_string()).collect()
    };
    let ask =
        |n: u64, chain: Vec<String>| json!({"op": "revoke", "n": n, "jws": jws, "chain": chain}).to_string();
    for (n, given, code) in [
        (1, Vec::new(), Code::NotAuthor),
        (2, chain(&live.region), Code::UnknownCredential),
        (3, chain(&world.exercise.root), Code::WrongPlane),
        (4, chain(&live.region)[1..].to_vec(), Code::UnknownRoot),
    ] {
        bearer.send(&ask(n, given)).await;
        assert_eq!(bearer.answer(n).await["code"], code.as_str(), "{n}");
    }
    let mut region = Raw::log_in(&world, relay.local_addr(), &live.region).await;
    bearer.send(&ask(5, chain(&live.root))).await;
    assert_eq!(bearer.answer(5).await["op"], "revoked");
    assert_eq!(told(&mut region).await["op"], "revocation");
    assert_eq!(told(&mut region).await["code"], Code::SessionRevoked.as_str());
    // It is as its issuer's: sent by him it has the same answer, and a restart knows it.
    drop((bearer, region));
    relay.stop(Duration::from_secs(5)).unwrap();
    let relay = world.relay();
    let mut root = Raw::log_in(&world, relay.local_addr(), &live.root).await;
    assert_eq!(send_revocation(&mut root, &jws).await["op"], "revoked");
    assert_eq!(try_log_in(&world, &relay, &live.region).await["code"], Code::Revoked.as_str());
}
