//! A reader that was away, or slow, is given what it missed: once, in order, and it is told what cannot be given.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::time::Duration;

use serde_json::Value;
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::severity::Severity::Moderate;
use vigie_proto::time::Timestamp;
use vigie_relay::server::Relay;
use vigie_tests::raw::Raw;
use vigie_tests::world::World;

const GRACE: Duration = Duration::ZERO;

async fn publish_many(world: &World, relay: &Relay, from: u64, to: u64) {
    let mut nation = Raw::log_in(world, relay.local_addr(), &world.live.nation).await;
    for number in from..=to {
        let receipt =
            nation.publish(&world.live.nation.say("alert/fr", &format!("n° {number}"), Moderate)).await;
        assert_eq!((&receipt["op"], &receipt["seq"]), (&"receipt".into(), &number.into()), "{receipt}");
    }
}

async fn events(reader: &mut Raw, from: u64, to: u64) -> Value {
    let mut last = Value::Null;
    for number in from..=to {
        last = reader.event().await;
        assert_eq!(last["seq"], number);
    }
    last
}

fn cursor(relay: &Relay, event: &Value) -> Cursor {
    Cursor {
        log: relay.log(),
        seq: Sequence::new(event["seq"].as_u64().unwrap()),
        admitted: Timestamp::from_millis(event["admitted"].as_u64().unwrap()),
    }
}

#[tokio::test]
async fn a_cursor_resumes_just_after_it_also_on_a_relay_that_was_restarted() {
    let world = World::new();
    let relay = world.relay();
    publish_many(&world, &relay, 1, 5).await;
    let mut town = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    let answer = town.subscribe(&["alert/fr.idf.75.paris"], Some("start")).await;
    assert_eq!(
        (&answer["op"], &answer["seq"], &answer["head"]),
        (&"subscribed".into(), &0.into(), &5.into())
    );
    let third = events(&mut town, 1, 3).await;
    let after = cursor(&relay, &third);
    let log = relay.log();
    drop(town);
    relay.stop(GRACE).unwrap();

    let relay = world.relay();
    assert_eq!(relay.log(), log);
    publish_many(&world, &relay, 6, 6).await;
    let mut town = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    let answer = town.subscribe(&["alert/fr.idf.75.paris"], Some(&after.to_string())).await;
    assert_eq!(answer["seq"], 3);
    events(&mut town, 4, 6).await;
    publish_many(&world, &relay, 7, 7).await;
    events(&mut town, 7, 7).await;
}

#[tokio::test]
async fn a_cursor_that_means_nothing_here_is_a_gap_and_then_what_there_is() {
    let world = World::new();
    let relay = world.relay();
    publish_many(&world, &relay, 1, 3).await;
    let mut town = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    town.subscribe(&["alert/fr"], None).await;
    let now = vigie_tests::world::now();
    let foreign = Cursor { log: LogId::from_bytes([7; 16]), seq: Sequence::new(2), admitted: now };
    let ahead = Cursor { log: relay.log(), seq: Sequence::new(900), admitted: now };
    let restored = Cursor { log: relay.log(), seq: Sequence::new(2), admitted: Timestamp::from_millis(5) };
    for (cursor, reason) in [(foreign, "other_log"), (ahead, "ahead"), (restored, "other_log")] {
        let mut town = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
        town.send(&format!(
            r#"{{"op":"subscribe","n":1,"channels":["alert/fr.idf.75.paris"],"after":"{cursor}"}}"#
        ))
        .await;
        let gap = town.frame().await;
        assert_eq!((&gap["op"], &gap["reason"]), (&"gap".into(), &reason.into()), "{gap}");
        assert_eq!(gap["from"], cursor.to_string());
        assert_eq!(town.frame().await["op"], "subscribed");
        // All three were admitted within the last five minutes.
        events(&mut town, 1, 3).await;
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_loses_nothing_and_holds_nobody_up() {
    let world = World::new();
    let mut config = world.config("journal");
    // Small bounds, so that the outbox, the ring and the journal all have their part.
    config.outbox_bytes_max = 8 * 1024;
    config.ring_bytes_max = 32 * 1024;
    config.workers = 2;
    let relay = world.relay_with(config);
    let mut slow = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    let mut quick = Raw::log_in(&world, relay.local_addr(), &world.live.region).await;
    slow.subscribe(&["alert/fr.idf.75.paris"], None).await;
    quick.subscribe(&["alert/fr.idf"], None).await;
    // More than what two sockets can hold: the slow one turns behind.
    let text = "é".repeat(20_000);
    let mut nation = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    const MESSAGES: u64 = 300;
    for number in 1..=MESSAGES {
        let receipt =
            nation.publish(&world.live.nation.say("alert/fr", &format!("{number} {text}"), Moderate)).await;
        assert_eq!(receipt["seq"], number);
        assert_eq!(quick.event().await["seq"], number);
    }
    events(&mut slow, 1, MESSAGES).await;
    publish_many(&world, &relay, MESSAGES + 1, MESSAGES + 3).await;
    events(&mut slow, MESSAGES + 1, MESSAGES + 3).await;
}

#[tokio::test]
async fn history_is_given_in_pages_and_moves_no_cursor() {
    let world = World::new();
    let relay = world.relay();
    publish_many(&world, &relay, 1, 7).await;
    let mut town = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    let mut after = "start".to_owned();
    let mut seen = Vec::new();
    for n in 1.. {
        town.send(&format!(
            r#"{{"op":"history","n":{n},"channels":["alert/fr.idf.75.paris"],"after":"{after}","limit":3}}"#
        ))
        .await;
        let page = loop {
            let frame = town.frame().await;
            match frame["op"].as_str() {
                Some("past") => seen.push(frame["seq"].as_u64().unwrap()),
                Some("chain") => {}
                _ => break frame,
            }
        };
        assert_eq!((&page["op"], &page["re"]), (&"page".into(), &n.into()), "{page}");
        after = page["next"].as_str().unwrap().to_owned();
        if page["end"] == true {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_subscription_that_is_replaced_at_once_goes_on_from_where_the_first_began() {
    let world = World::new();
    let relay = world.relay();
    publish_many(&world, &relay, 1, 4).await;
    let mut town = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    // Read in one turn: the second comes before the journal was read for the first.
    town.send_at_once(&[
        r#"{"op":"subscribe","n":1,"channels":["signal/fr.idf.75.paris"],"after":"start"}"#,
        r#"{"op":"subscribe","n":2,"channels":["alert/fr.idf.75.paris"]}"#,
    ])
    .await;
    for n in [1, 2] {
        let answer = town.frame().await;
        assert_eq!((&answer["op"], &answer["re"]), (&"subscribed".into(), &n.into()), "{answer}");
    }
    let last = events(&mut town, 1, 4).await;
    // And once more, from here: nothing is given twice.
    town.subscribe(&["alert/fr.idf.75.paris", "signal/fr.idf.75.paris"], None).await;
    publish_many(&world, &relay, 5, 5).await;
    assert_eq!(events(&mut town, 5, 5).await["seq"].as_u64(), last["seq"].as_u64().map(|seq| seq + 1));
}
