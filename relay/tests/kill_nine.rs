//! Nothing acknowledged is lost: the real relay is killed at random moments under four publishers, and beside them a
//! client that queues on its disk is killed too. Every id with a receipt is given exactly once, in the order of the log,
//! to a reader who lives through it and to one who comes after; and every message that the client took over.
//!
//! `VIGIE_KILLS` is how many kills of both there are in all; without it 100. The long form:
//! `VIGIE_KILLS=10000 cargo test --release -p vigie-relay --test kill_nine -- --nocapture`
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]
#![allow(clippy::print_stderr, reason = "what the relay says belongs to the output of the test")]
#![allow(clippy::print_stdout, reason = "what a run came to belongs to its output")]
#![cfg(unix)]

mod kills;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::time::timeout;
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::channel::Filter;
use vigie_client::proto::frame::Start;
use vigie_client::proto::id::MessageId;
use vigie_client::proto::severity::Severity;
use vigie_client::{Client, Context, Delivery, Draft, Live, Subscription};

use kills::{DEADLINE, Killed, Moments, Queue};

const KILLS: u32 = 100;
/// After so many a deployment is judged and another one begins: a journal that only grows would make starts slow, and
/// kills few.
const KILLS_OF_ONE: u32 = 100;
const PUBLISHERS: usize = 4;
/// From the moment that the relay listens to the kill.
const LIFE_MAX: Duration = Duration::from_millis(300);
/// Every so many kills another one comes before, while the relay is still starting.
const EARLY_EVERY: u32 = 4;
/// From the spawn of the process to an early kill: about what a start takes.
const EARLY_MAX: Duration = Duration::from_millis(20);
/// From the start of the client to its kill.
const CLIENT_LIFE_MAX: Duration = Duration::from_millis(1_000);

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

fn check(reader: &str, given: &[(u64, MessageId)], receipts: &BTreeMap<u64, MessageId>) {
    assert!(given.is_sorted_by(|a, b| a.0 < b.0), "{reader}: the order of the log, each place once");
    let by_place: BTreeMap<_, _> = given.iter().copied().collect();
    let ids: BTreeSet<_> = by_place.values().collect();
    assert_eq!(ids.len(), given.len(), "{reader}: an id was given twice");
    for (seq, id) in receipts {
        assert_eq!(by_place.get(seq), Some(id), "{reader}: acknowledged at {seq}");
    }
}

/// What was killed.
#[derive(Default)]
struct Kills {
    relays: u32,
    /// Of these, while they started.
    starting: u32,
    clients: u32,
    receipts: usize,
    queued: usize,
}

/// A deployment under load, with kills of both sides.
struct Deployment {
    place: PathBuf,
    address: String,
    moments: Moments,
    clients_killed: Arc<AtomicU32>,
}

impl Deployment {
    /// Kills the relay until there were so many kills in all; gives the relay that lives on.
    async fn kill(&mut self, mut relay: Killed, wanted: u32, kills: &mut Kills) -> Killed {
        let mut rounds = 0_u32;
        while kills.relays + self.clients_killed.load(Ordering::Relaxed) < wanted {
            self.moments.wait(LIFE_MAX).await;
            drop(relay);
            kills.relays += 1;
            if rounds.is_multiple_of(EARLY_EVERY) {
                let starting = kills::spawn_relay(&self.place, &self.address);
                self.moments.wait(EARLY_MAX).await;
                drop(starting);
                kills.relays += 1;
                kills.starting += 1;
            }
            rounds += 1;
            let (place, listen) = (self.place.clone(), self.address.clone());
            let started = tokio::task::spawn_blocking(move || kills::start_relay(&place, &listen));
            (relay, _) = started.await.unwrap();
        }
        relay
    }
}

/// Runs one deployment to its end.
async fn kill_and_judge(wanted: u32) -> Kills {
    let folder = tempfile::tempdir().unwrap();
    let place = kills::init(folder.path());
    let (relay, address) = kills::first_relay(&place);
    let context = Context::open(&place).unwrap();
    let town = context.client::<Live>("town").unwrap();
    let filter = || -> Vec<Filter> { vec!["alert/fr.idf.75.paris".parse().unwrap()] };
    let mut living_through = town.subscribe(filter(), Start::Beginning);
    let (stop, clients_killed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|name| {
            let client = context.client::<Live>("nation").unwrap();
            tokio::spawn(publish(client, name, Arc::clone(&stop)))
        })
        .collect();
    let moments = Moments::new();
    let client = {
        let (place, mut moments) = (place.clone(), moments.apart());
        let (stop, killed) = (Arc::clone(&stop), Arc::clone(&clients_killed));
        tokio::spawn(async move {
            let mut queue = Queue::default();
            while !stop.load(Ordering::Relaxed) {
                queue.run_and_kill(&place, &mut moments, CLIENT_LIFE_MAX).await;
                killed.store(queue.kills, Ordering::Relaxed);
            }
            queue
        })
    };
    let (told, last) = tokio::sync::oneshot::channel();
    let reader = tokio::spawn(async move { collect(&mut living_through, last).await });
    let mut kills = Kills::default();
    let mut deployment = Deployment { place: place.clone(), address, moments, clients_killed };
    let begun = Instant::now();
    let relay = deployment.kill(relay, wanted, &mut kills).await;
    let killing = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut receipts = BTreeMap::new();
    for publisher in publishers {
        for (seq, id) in timeout(DEADLINE, publisher).await.unwrap().unwrap() {
            assert_eq!(receipts.insert(seq, id), None, "two receipts name place {seq}");
        }
    }
    let queue = timeout(DEADLINE, client).await.unwrap().unwrap();
    let (&last_place, _) = receipts.last_key_value().expect("something was published");
    told.send(last_place).unwrap();
    let given_through = timeout(DEADLINE, reader).await.unwrap().unwrap();
    let given_after = read_up_to(&mut town.subscribe(filter(), Start::Beginning), last_place).await;
    check("living through", &given_through, &receipts);
    check("coming after", &given_after, &receipts);
    queue.judge(&place).await;
    println!("{killing:.0?} of kills, {:.0?} of catching up and judging", begun.elapsed() - killing);
    drop(relay);
    Kills { clients: queue.kills, receipts: receipts.len(), queued: queue.told.len(), ..kills }
}

#[tokio::test]
async fn client_that_is_killed() {
    kills::live_as_client().await;
}

#[tokio::test]
async fn every_receipt_is_kept_through_a_hundred_kills() {
    let wanted = std::env::var("VIGIE_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let mut all = Kills::default();
    while all.relays + all.clients < wanted {
        let one = kill_and_judge(KILLS_OF_ONE.min(wanted - all.relays - all.clients)).await;
        all.relays += one.relays;
        all.starting += one.starting;
        all.clients += one.clients;
        all.receipts += one.receipts;
        all.queued += one.queued;
        println!(
            "{} kills: {} of the relay, {} of these while it started, and {} of clients; {} receipts, {} messages \
             queued",
            all.relays + all.clients,
            all.relays,
            all.starting,
            all.clients,
            all.receipts,
            all.queued,
        );
    }
    let meant = all.relays > wanted / 3 && all.clients > wanted / 20 && all.receipts > wanted as usize;
    assert!(meant && all.queued > wanted as usize / 4, "too little happened to mean anything");
}
