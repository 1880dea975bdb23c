//! Nothing acknowledged is lost: the real relay is killed fifty times at random moments under four publishers. Every id
//! with a receipt is given exactly once, in the order of the log, to a reader who lives through it and to one who comes
//! after.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]
#![allow(clippy::print_stderr, reason = "what the relay says belongs to the output of the test")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::frame::Start;
use vigie_client::proto::id::MessageId;
use vigie_client::proto::severity::Severity;
use vigie_client::{Client, Context, Delivery, Draft, Live, Subscription};

const KILLS: u32 = 50;
const PUBLISHERS: usize = 4;
/// From the moment that the relay listens to the kill.
const LIFE_MS_MAX: u64 = 300;
/// Every so many kills another one comes before, while the relay is still starting.
const EARLY_EVERY: u32 = 4;
/// From the spawn of the process to an early kill: about what a start takes.
const EARLY_MS_MAX: u64 = 20;
const DEADLINE: Duration = Duration::from_secs(120);

/// The relay, killed when it is dropped.
struct Relay(Child);

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(folder: &Path, listen: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(["relay", "run", "--listen", listen, "--config"])
        .arg(folder.join("vigie.toml"))
        .env("VIGIE_LOG", "error")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Starts the relay and waits until it names its address.
fn start(folder: &Path, listen: &str) -> (Relay, String) {
    let mut child = spawn(folder, listen);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.next().expect("the relay says where it listens").unwrap();
    // What it says later must be taken from it, or it would wait for a reader.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("relay: {line}")));
    let address = first.rsplit(' ').next().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{first}");
    (Relay(child), address)
}

/// Publishes one message after another until told to stop; what has a receipt, by its place in the log.
async fn publish(client: Client<Live>, name: usize, stop: Arc<AtomicBool>) -> BTreeMap<u64, MessageId> {
    let mut receipts = BTreeMap::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let text = format!("auteur {name}, n° {number}");
        let channel = "alert/fr".parse().unwrap();
        let draft = Draft::line(channel, Severity::Moderate, text, "fr-FR", Urgency::Expected);
        let message = client.sign(draft).unwrap();
        let receipt = loop {
            match client.publish_signed(&message).await {
                Ok(receipt) => break receipt,
                // Sent again, with the same bytes: it is either known or new.
                Err(error) if error.is_temporary() => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(receipt.id, message.id());
        assert_eq!(receipts.insert(receipt.seq.get(), receipt.id), None, "two receipts name one place");
    }
    receipts
}

/// What a reader was given up to this place, in order of delivery.
async fn read_up_to(subscription: &mut Subscription<Live>, last: u64) -> Vec<(u64, MessageId)> {
    let mut given = Vec::new();
    while given.last().is_none_or(|(seq, _)| *seq < last) {
        match timeout(DEADLINE, subscription.next()).await.expect("the reader is given the rest").unwrap() {
            Delivery::Message(message) => given.push((message.seq().get(), message.id())),
            Delivery::CaughtUp(_) => {}
            other => panic!("neither suspect nor gap: {other:?}"),
        }
    }
    given
}

fn check(reader: &str, given: &[(u64, MessageId)], receipts: &BTreeMap<u64, MessageId>) {
    assert!(given.is_sorted_by(|a, b| a.0 < b.0), "{reader}: the order of the log, each place once");
    let by_place: BTreeMap<_, _> = given.iter().copied().collect();
    let ids: std::collections::BTreeSet<_> = by_place.values().collect();
    assert_eq!(ids.len(), given.len(), "{reader}: an id was given twice");
    for (seq, id) in receipts {
        assert_eq!(by_place.get(seq), Some(id), "{reader}: acknowledged at {seq}");
    }
}

/// Xorshift: moments that differ from run to run, and can be read in its output.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test]
async fn every_receipt_is_kept_through_fifty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("essai");
    let made = Command::new(env!("CARGO_BIN_EXE_vigie")).arg("init").arg(&place).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (mut relay, address) = start(&place, "127.0.0.1:0");
    let port = address.rsplit(':').next().unwrap();
    let context_file = place.join("context.toml");
    let context = std::fs::read_to_string(&context_file).unwrap();
    std::fs::write(&context_file, context.replace("localhost:7443", &format!("localhost:{port}"))).unwrap();
    let context = Context::open(&place).unwrap();
    let town = context.client::<Live>("town").unwrap();
    let filter = || vec!["alert/fr.idf.75.paris".parse().unwrap()];
    let mut living_through = town.subscribe(filter(), Start::Beginning);
    let stop = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|name| {
            let client = context.client::<Live>("nation").unwrap();
            tokio::spawn(publish(client, name, Arc::clone(&stop)))
        })
        .collect();
    let mut random = u64::from(std::process::id()) | 1;
    println!("kills at moments from seed {random}");
    let (told, last) = tokio::sync::oneshot::channel();
    let reader = tokio::spawn(async move { collect(&mut living_through, last).await });
    for kill in 0..KILLS {
        // Not to wait for something: the moment of the kill is the input of this test.
        tokio::time::sleep(Duration::from_millis(next(&mut random) % LIFE_MS_MAX)).await;
        drop(relay);
        if kill % EARLY_EVERY == 0 {
            let starting = Relay(spawn(&place, &address));
            tokio::time::sleep(Duration::from_millis(next(&mut random) % EARLY_MS_MAX)).await;
            drop(starting);
        }
        let (folder, listen) = (place.clone(), address.clone());
        (relay, _) = tokio::task::spawn_blocking(move || start(&folder, &listen)).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let mut receipts = BTreeMap::new();
    for publisher in publishers {
        for (seq, id) in timeout(DEADLINE, publisher).await.unwrap().unwrap() {
            assert_eq!(receipts.insert(seq, id), None, "two receipts name place {seq}");
        }
    }
    let (&last_place, _) = receipts.last_key_value().expect("something was published");
    told.send(last_place).unwrap();
    let given_through = timeout(DEADLINE, reader).await.unwrap().unwrap();
    let given_after = read_up_to(&mut town.subscribe(filter(), Start::Beginning), last_place).await;
    println!("{KILLS} kills, {} receipts, {} places", receipts.len(), last_place);
    assert!(receipts.len() > 100, "too little was published to mean anything: {}", receipts.len());
    check("living through", &given_through, &receipts);
    check("coming after", &given_after, &receipts);
    drop(relay);
}

/// Reads while the kills go on, then up to the place that is told at the end.
async fn collect(
    subscription: &mut Subscription<Live>,
    mut last: tokio::sync::oneshot::Receiver<u64>,
) -> Vec<(u64, MessageId)> {
    let mut given = Vec::new();
    let last = loop {
        tokio::select! {
            told = &mut last => break told.unwrap(),
            delivery = subscription.next() => match delivery.unwrap() {
                Delivery::Message(message) => given.push((message.seq().get(), message.id())),
                Delivery::CaughtUp(_) => {}
                other => panic!("neither suspect nor gap: {other:?}"),
            },
        }
    };
    if given.last().is_none_or(|(seq, _)| *seq < last) {
        given.extend(read_up_to(subscription, last).await);
    }
    given
}
