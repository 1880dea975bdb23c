//! However little a reader takes, he keeps his line; one who takes nothing loses it after 30 s, dead or alive.
//!
//! Linux has a rule for the second, and cut the first by it: while a window is closed it counts until a whole segment fits
//! into it, which is up to 64 KiB, and does not see what is taken in smaller drops.

use std::time::Duration;

use vigie_client::proto::cap::Urgency;
use vigie_client::proto::channel::Plane;
use vigie_client::proto::severity::Severity;
use vigie_client::{Context, Draft, Live};

use crate::line::{Came, Line, Tap, Tls};
use crate::process::Relay;
use crate::soon;

/// What the system holds for each reader.
const RECEIVE_BYTES: usize = 16 * 1024;
/// What the one who drips takes at once, and how often: 15 KiB in 30 s.
const DROP_BYTES: usize = 512;
const DROP_EVERY: Duration = Duration::from_secs(1);
/// Past the 30 s of the rule and the 5 s within which the relay looks.
const DROPS: usize = 40;
/// Past what an outbox and a socket hold.
const MESSAGES: u64 = 40;
const LARGE_BYTES: usize = 20 * 1024;

async fn reader(relay: &Relay, context: &Context) -> (Line, Tap) {
    let (tls, tap) = (Tls::new(&relay.place().join("tls/ca.pem")), Tap::open());
    let who = context.identity("town", Plane::Live).unwrap();
    let mut line = Line::log_in(&tls, relay.address(), &who, Some(RECEIVE_BYTES), &tap).await;
    line.subscribe("alert/fr.idf.75.paris").await;
    (line, tap)
}

/// The places of the events that come until all have, or until the line ends.
async fn events(mut line: Line) -> (Vec<u64>, Option<String>) {
    let mut given = Vec::new();
    while given.len() < MESSAGES as usize {
        match line.next().await {
            Came::Text(text) => {
                let seq =
                    text.strip_prefix(r#"{"op":"event","seq":"#).and_then(|rest| rest.split(',').next());
                given.extend(seq.map(|seq| seq.parse::<u64>().unwrap()));
            }
            Came::Ended(why) => return (given, Some(why)),
        }
    }
    (given, None)
}

#[tokio::test]
async fn who_drips_keeps_his_line_and_who_takes_nothing_loses_it() {
    let relay = Relay::start("slow", "");
    let context = relay.context();
    let (drips, drops) = reader(&relay, &context).await;
    let (stalls, closed) = reader(&relay, &context).await;
    let (mut vanishes, vanished) = reader(&relay, &context).await;
    [&drops, &closed, &vanished].into_iter().for_each(Tap::shut);
    // From now on its system acknowledges nothing: what comes does not reach it.
    vanishes.vanish();
    let tls = Tls::new(&relay.place().join("tls/ca.pem"));
    let nation = context.identity("nation", Plane::Live).unwrap();
    let mut author = Line::log_in(&tls, relay.address(), &nation, None, &Tap::open()).await;
    let client = context.client::<Live>("nation").unwrap();
    for number in 1..=MESSAGES {
        let text = format!("n° {number} {}", "x".repeat(LARGE_BYTES));
        let draft =
            Draft::line("alert/fr".parse().unwrap(), Severity::Moderate, text, "fr-FR", Urgency::Expected);
        let receipt = author.publish(client.sign(draft).unwrap().token()).await;
        assert!(receipt.contains(&format!("\"seq\":{number},")), "{receipt}");
    }
    let drips = tokio::spawn(events(drips));
    // The pace of the readers is the input of this test.
    let mut turns = tokio::time::interval(DROP_EVERY);
    for _ in 0..DROPS {
        turns.tick().await;
        drops.let_through(DROP_BYTES);
        assert!(!drips.is_finished(), "who drips was cut: {:?}", drips.await);
    }
    // What its system took before it vanished says nothing of now.
    vanishes.come_back();
    vanishes.ask_publish("nothing").await.unwrap();
    [&drops, &closed, &vanished].into_iter().for_each(Tap::open_again);
    let (given, ended) = soon(drips).await.unwrap();
    assert_eq!((given, ended), ((1..=MESSAGES).collect(), None), "all of it, in order, on the same line");
    for (name, line) in [("takes nothing", stalls), ("acknowledges nothing", vanishes)] {
        let (given, ended) = soon(events(line)).await;
        println!("who {name} was given {} messages before the end: {ended:?}", given.len());
        assert!(ended.is_some(), "who {name} has his line");
    }
}
