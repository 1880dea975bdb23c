//! What an integrator gets from the SDK, against the real relay: receipts, verified deliveries, and a line that comes
//! back by itself.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

use std::time::Duration;

use vigie_client::proto::cap::Urgency;
use vigie_client::proto::channel::Filter;
use vigie_client::proto::frame::Start;
use vigie_client::{Delivery, Draft, Exercise, Live, OnPlane, PublishError, Subscription, Verified};
use vigie_proto::refusal::Code;
use vigie_proto::severity::Severity::{self, Extreme, Minor, Severe};
use vigie_tests::soon;
use vigie_tests::world::World;

fn line(channel: &str, severity: Severity, text: &str) -> Draft {
    Draft::line(channel.parse().unwrap(), severity, text, "fr-FR", Urgency::Immediate)
}

fn filters(texts: &[&str]) -> Vec<Filter> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn message<P: OnPlane>(subscription: &mut Subscription<P>) -> Verified<P> {
    loop {
        match soon(subscription.next()).await.expect("the subscription goes on") {
            Delivery::Message(message) => return message,
            Delivery::CaughtUp(_) => {}
            other => panic!("expected a message, got {other:?}"),
        }
    }
}

async fn caught_up<P: OnPlane>(subscription: &mut Subscription<P>) {
    assert!(matches!(soon(subscription.next()).await, Some(Delivery::CaughtUp(_))));
}

#[tokio::test]
async fn a_receipt_means_that_entitled_readers_get_it_verified() {
    let world = World::new();
    let relay = world.relay();
    let at = relay.local_addr();
    let nation = world.client::<Live>(at, &world.live.nation);
    let town = world.client::<Live>(at, &world.live.town);
    let mut heard = town.subscribe(filters(&["alert/fr.idf.75.paris"]), Start::Here);
    caught_up(&mut heard).await;
    let receipt = soon(nation.publish(line("alert/fr", Extreme, "Alerte nationale"))).await.unwrap();
    let message = message(&mut heard).await;
    assert_eq!((message.id(), message.seq(), message.log()), (receipt.id, receipt.seq, receipt.log));
    assert_eq!(message.message().content.cap.headline("fr"), Some("Alerte nationale"));
    assert_eq!(message.author().org.as_str(), "fr.etat");
    assert!(!message.expired());
}

#[tokio::test]
async fn an_exercise_reaches_the_exercise_and_no_live_reader() {
    let world = World::new();
    let relay = world.relay();
    let at = relay.local_addr();
    let drill = world.client::<Exercise>(at, &world.exercise.nation);
    let nation = world.client::<Live>(at, &world.live.nation);
    let (town, town_drill) =
        (world.client::<Live>(at, &world.live.town), world.client(at, &world.exercise.town));
    let mut live = town.subscribe(filters(&["alert/fr.idf.75.paris"]), Start::Here);
    let mut exercise: Subscription<Exercise> =
        town_drill.subscribe(filters(&["exercise/alert/fr.idf.75.paris"]), Start::Here);
    caught_up(&mut live).await;
    caught_up(&mut exercise).await;
    let first = soon(drill.publish(line("exercise/alert/fr", Severe, "Exercice"))).await.unwrap();
    let second = soon(nation.publish(line("alert/fr", Minor, "Bulletin"))).await.unwrap();
    assert_eq!(message(&mut exercise).await.id(), first.id);
    // The order of the log is that of delivery: had the exercise been given, it would have come first.
    assert_eq!(message(&mut live).await.id(), second.id);
}

#[tokio::test]
async fn a_refusal_says_which_rule_and_stops_nothing_else() {
    let world = World::new();
    let relay = world.relay();
    let town = world.client::<Live>(relay.local_addr(), &world.live.town);
    let Err(PublishError::Refused(refusal)) = soon(town.publish(line("alert/fr", Minor, "Trop haut"))).await
    else {
        panic!("a town does not speak to the nation");
    };
    assert_eq!(refusal.code, Code::OutOfJurisdiction);
    soon(town.publish(line("alert/fr.idf.75.paris", Minor, "À sa place"))).await.unwrap();
}

#[tokio::test]
async fn reader_and_author_come_back_by_themselves_after_a_restart() {
    let world = World::new();
    let relay = world.relay();
    let at = relay.local_addr();
    let nation = world.client::<Live>(at, &world.live.nation);
    let mut heard = world
        .client::<Live>(at, &world.live.town)
        .subscribe(filters(&["alert/fr.idf.75.paris"]), Start::Here);
    caught_up(&mut heard).await;
    let first = soon(nation.publish(line("alert/fr", Minor, "Avant"))).await.unwrap();
    relay.stop(Duration::from_secs(5)).unwrap();
    let relay = World::relay_at(at, world.config("journal"));
    let second = soon(nation.publish(line("alert/fr", Minor, "Après"))).await.unwrap();
    assert_eq!(message(&mut heard).await.id(), first.id);
    assert_eq!(message(&mut heard).await.id(), second.id);
    assert_eq!((relay.log(), second.seq.get()), (first.log, 2));
}
