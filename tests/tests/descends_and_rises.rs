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
