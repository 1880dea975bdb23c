//! What a delivery costs in write calls of the real relay: one where a message is alone, few where many are under way.
//!
//! Counted by the system (`syscw`), so that no load of the machine changes what is counted for a lone message. Beside a write
//! for each reader there are some for all of them: to the journal, to wake the workers, the receipt and its reach.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::print_stdout, reason = "the figures belong to the output of the test")]

#[allow(dead_code, reason = "some of it is for readers that stall")]
#[path = "stalled_readers/line.rs"]
mod line;
#[allow(dead_code, reason = "some of it is for readers that stall")]
#[path = "stalled_readers/process.rs"]
mod process;

use std::time::Duration;

use tokio::sync::mpsc;
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::channel::Plane;
use vigie_client::proto::severity::Severity;
use vigie_client::{Client, Draft, Live};

use line::{Came, Line, Tap, Tls};
use process::Relay;

const READERS: usize = 800;
/// One after the other, each when the one before has come to all.
const LONE: usize = 10;
/// Sent without waiting for a receipt: as many as a session may have under way.
const TOGETHER: usize = 32;
const ROUNDS: usize = 3;
/// What a delivery may cost where a message is alone, with its share of those.
const LONE_MAX: f64 = 1.02;
/// Where many are under way the promise is 0.1: `vigie-benches` holds it without sockets. How many of them come to the relay
/// at once is the machine's affair; on one that is busy they may come in small parts.
const TOGETHER_MAX: f64 = 0.5;
const DEADLINE: Duration = Duration::from_secs(60);

struct Stage {
    relay: Relay,
    author: Line,
    client: Client<Live>,
    /// A token for each event that a reader is given.
    given: mpsc::Receiver<()>,
}

async fn read(mut line: Line, given: mpsc::Sender<()>) {
    loop {
        match line.next().await {
            Came::Text(text) if text.starts_with(r#"{"op":"event""#) => {
                if given.send(()).await.is_err() {
                    return;
                }
            }
            Came::Text(_) => {}
            Came::Ended(why) => panic!("a reader was cut: {why}"),
        }
    }
}

impl Stage {
    async fn new() -> Self {
        let relay = Relay::start("writes", "publishes_per_credential_max = 1000");
        let context = relay.context();
        let tls = Tls::new(&relay.place().join("tls/ca.pem"));
        let town = context.identity("town", Plane::Live).unwrap();
        let (tell, given) = mpsc::channel(READERS);
        for _ in 0..READERS {
            let mut line = Line::log_in(&tls, relay.address(), &town, None, &Tap::open()).await;
            line.subscribe("alert/fr.idf.75.paris").await;
            tokio::spawn(read(line, tell.clone()));
        }
        let nation = context.identity("nation", Plane::Live).unwrap();
        let author = Line::log_in(&tls, relay.address(), &nation, None, &Tap::open()).await;
        let client = context.client::<Live>("nation").unwrap();
        let mut stage = Self { relay, author, client, given };
        // The first brings its chain to each reader.
        stage.deliver(1).await;
        stage
    }

    /// Publishes so many at once; gives the write calls from the first to the last delivery and receipt.
    async fn deliver(&mut self, messages: usize) -> u64 {
        let signed: Vec<_> = (0..messages)
            .map(|number| {
                let (channel, text) = ("alert/fr".parse().unwrap(), format!("n° {number}"));
                let draft = Draft::line(channel, Severity::Severe, text, "fr-FR", Urgency::Expected);
                self.client.sign(draft).unwrap().token().to_owned()
            })
            .collect();
        let before = self.relay.usage().writes;
        for message in &signed {
            self.author.ask_publish(message).await.unwrap();
        }
        let all = async {
            let mut receipts = 0;
            while receipts < messages {
                match self.author.next().await {
                    Came::Text(text) if text.starts_with(r#"{"op":"receipt""#) => receipts += 1,
                    Came::Text(_) => {}
                    Came::Ended(why) => panic!("the author was cut: {why}"),
                }
            }
            for _ in 0..messages * READERS {
                self.given.recv().await.unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, all).await.expect("all have heard by now");
        self.relay.usage().writes - before
    }
}

#[tokio::test]
async fn a_lone_message_is_one_write_for_each_reader_and_many_share_theirs() {
    let mut stage = Stage::new().await;
    let mut lone = 0;
    for _ in 0..LONE {
        lone += stage.deliver(1).await;
    }
    let lone = lone as f64 / (LONE * READERS) as f64;
    let mut together = 0;
    for _ in 0..ROUNDS {
        together += stage.deliver(TOGETHER).await;
    }
    let together = together as f64 / (ROUNDS * TOGETHER * READERS) as f64;
    println!("writes for each of {READERS} readers: {lone:.3} alone, {together:.3} of {TOGETHER} under way");
    assert!((1.0..=LONE_MAX).contains(&lone), "{lone}");
    assert!(together <= TOGETHER_MAX, "{together}");
}
