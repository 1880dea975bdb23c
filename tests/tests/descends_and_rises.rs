//! Alerts descend, signals rise: who hears what, over real TLS sockets.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use vigie_proto::severity::Severity::{Extreme, Minor, Severe};
use vigie_tests::raw::Raw;
use vigie_tests::world::World;

#[tokio::test]
async fn a_national_alert_reaches_every_town_and_a_regional_one_its_own() {
    let world = World::new();
    let relay = world.relay();
    let at = relay.local_addr();
    let mut nation = Raw::log_in(&world, at, &world.live.nation).await;
    let mut region = Raw::log_in(&world, at, &world.live.region).await;
    let mut town = Raw::log_in(&world, at, &world.live.town).await;
    let mut elsewhere = Raw::log_in(&world, at, &world.live.elsewhere).await;
    town.subscribe(&["alert/fr.idf.75.paris"], None).await;
    elsewhere.subscribe(&["alert/fr.naq.33.bordeaux"], None).await;

    let national = world.live.nation.say("alert/fr", "Alerte nationale", Extreme);
    let receipt = nation.publish(&national).await;
    assert_eq!(receipt["op"], "receipt", "{receipt}");
    assert_eq!(receipt["seq"], 1);
    let regional = world.live.region.say("alert/fr.idf", "Alerte régionale", Severe);
    assert_eq!(region.publish(&regional).await["seq"], 2);
    let last = world.live.nation.say("alert/fr", "Fin d'alerte", Minor);
    assert_eq!(nation.publish(&last).await["seq"], 3);

    for (seq, jws) in [(1, &national), (2, &regional), (3, &last)] {
        let event = town.event().await;
        assert_eq!((&event["seq"], &event["jws"]), (&seq.into(), &jws.as_str().into()));
    }
    for (seq, jws) in [(1, &national), (3, &last)] {
        let event = elsewhere.event().await;
        assert_eq!((&event["seq"], &event["jws"]), (&seq.into(), &jws.as_str().into()));
    }
    let again = nation.publish(&national).await;
    assert_eq!((&again["op"], &again["seq"]), (&"receipt".into(), &1.into()));
    relay.stop(std::time::Duration::from_secs(5)).unwrap();
}

/// What is grave in the street reaches region and nation at once; the rest is heard in its place, and by whoever watches
/// that place from above. No neighbour hears any of it.
#[tokio::test]
async fn a_signal_is_heard_in_its_place_and_a_severe_one_also_above() {
    let world = World::new();
    let relay = world.relay();
    let at = relay.local_addr();
    let live = &world.live;
    let mut readers = Vec::new();
    for (person, filter, hears) in [
        (&live.town, "signal/fr.idf.75.paris", vec![1, 2, 3]),
        (&live.region, "signal/fr.idf", vec![2, 4]),
        (&live.region, "signal/fr.idf.**", vec![1, 2, 3, 4, 6]),
        (&live.nation, "signal/fr", vec![2, 5]),
        (&live.neighbour, "signal/fr.idf.92.nanterre", vec![6]),
        (&live.elsewhere, "signal/fr.naq.33.bordeaux", vec![7]),
    ] {
        let mut reader = Raw::log_in(&world, at, person).await;
        assert_eq!(reader.subscribe(&[filter], None).await["op"], "subscribed", "{filter}");
        readers.push((filter, reader, hears));
    }
    let mut field = Raw::log_in(&world, at, &live.field).await;
    let mut nation = Raw::log_in(&world, at, &live.nation).await;
    for (seq, severity) in [(1, Minor), (2, Severe)] {
        let signal = live.field.say("signal/fr.idf.75.paris", "Fumée", severity);
        assert_eq!(field.publish(&signal).await["seq"], seq);
    }
    // One more in each place: whoever is given it next was not given what came before.
    let places = ["fr.idf.75.paris", "fr.idf", "fr", "fr.idf.92.nanterre", "fr.naq.33.bordeaux"];
    for (seq, place) in (3..).zip(places) {
        let last = live.nation.say(&format!("signal/{place}"), "Fin", Minor);
        assert_eq!(nation.publish(&last).await["seq"], seq);
    }
    for (filter, mut reader, hears) in readers {
        for seq in hears {
            assert_eq!(reader.event().await["seq"], seq, "{filter}");
        }
    }
    relay.stop(std::time::Duration::from_secs(5)).unwrap();
}
