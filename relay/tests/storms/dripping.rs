//! Three of ten readers take what they are given drop by drop: the others hear as soon as they would without them, and
//! those are not cut, and lose nothing.
//!
//! Two relays, one with the dripping readers and one without them, are published to in turn, round after round in one
//! run, so that what else the machine does hits both alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::channel::Plane;
use vigie_client::proto::severity::Severity;
use vigie_client::{Client, Draft, Identity, Live};

use crate::line::{Came, Line, Tap, Tls};
use crate::process::Relay;
use crate::spread::Spread;
use crate::thread::Thread;
use crate::{ALONE, asked};

/// Of ten readers.
const DRIPPING: usize = 3;
/// What one that drips takes at once: a few segments, for TCP opens its window for no less.
const DROP_BYTES: usize = 4 * 1024;
/// What the system holds for it.
const RECEIVE_BYTES: usize = 16 * 1024;
/// They take their drops in turns, so many at once, each again after as many turns as there are groups: two drops a second.
const GROUPS: usize = 10;
const DROP_EVERY: Duration = Duration::from_millis(50);
/// Published before the first round, to put them behind: past an outbox, what the system holds and the ring.
const LARGE_MESSAGES: u64 = 120;
const LARGE_BYTES: usize = 5 * 1024;
const RING_BYTES: usize = 512 * 1024;
/// Published to each relay in a round.
const MESSAGES_PER_ROUND: u32 = 40;
/// Ten thousand deliveries a second.
const PACE_PER_READER: Duration = Duration::from_micros(100);
/// What the p99 of the others may grow by. Promised is 1.5, which the printed figure is held against; asserted is twice
/// that, since on a machine that is shared a p99 measures the machine.
const RATIO_MAX: f64 = 3.0;
/// And what such a machine adds to either: a few turns of its scheduler.
const UNSTEADY: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(120);

/// What a reader needs to know of the test.
#[derive(Clone)]
struct Told {
    /// The place of the last message that it was given.
    given: Arc<AtomicU64>,
    arrivals: Option<mpsc::Sender<(u64, Instant)>>,
    /// Who has been given so many is done.
    target: watch::Receiver<u64>,
}

async fn listen(mut line: Line, mut told: Told) {
    let mut given = 0;
    while given < *told.target.borrow_and_update() {
        let text = tokio::select! {
            came = line.next() => match came {
                Came::Text(text) => text,
                Came::Ended(why) => panic!("a reader was cut: {why}"),
            },
            _ = told.target.changed() => continue,
        };
        let seq = text.strip_prefix(r#"{"op":"event","seq":"#).and_then(|rest| rest.split(',').next());
        let Some(seq) = seq else { continue };
        given += 1;
        assert_eq!(seq.parse(), Ok(given), "in order, each once");
        told.given.store(given, Ordering::Relaxed);
        if let Some(arrivals) = &told.arrivals {
            arrivals.send((given, Instant::now())).await.expect("the test listens");
        }
    }
}

/// One relay, its author and its readers.
struct Side {
    relay: Relay,
    author: Line,
    client: Client<Live>,
    who: Arc<Identity>,
    published: u64,
    healthy: usize,
    arrivals: mpsc::Receiver<(u64, Instant)>,
    readers: Vec<JoinHandle<()>>,
    target: watch::Sender<u64>,
}

impl Side {
    async fn start(name: &str, healthy: usize, thread: &Thread) -> Self {
        let settings = format!("publishes_per_credential_max = 1000\nring_bytes_max = {RING_BYTES}");
        let relay = Relay::start(name, &settings);
        let context = relay.context();
        let tls = Tls::new(&relay.place().join("tls/ca.pem"));
        let nation = context.identity("nation", Plane::Live).unwrap();
        let author = Line::log_in(&tls, relay.address(), &nation, None, &Tap::open()).await;
        let (tell, arrivals) = mpsc::channel(healthy * MESSAGES_PER_ROUND as usize);
        let (target, given) = watch::channel(u64::MAX);
        let client = context.client("nation").unwrap();
        let who = Arc::new(context.identity("town", Plane::Live).unwrap());
        let (published, readers) = (0, Vec::new());
        let mut side = Self { relay, author, client, who, published, healthy, arrivals, readers, target };
        let told = Told { given: Arc::default(), arrivals: Some(tell), target: given };
        for _ in 0..healthy {
            side.connect(thread, None, Tap::open(), told.clone()).await;
        }
        side
    }

    async fn connect(&mut self, thread: &Thread, receive_bytes: Option<usize>, tap: Tap, told: Told) {
        let tls = Tls::new(&self.relay.place().join("tls/ca.pem"));
        let (address, who) = (self.relay.address().to_owned(), Arc::clone(&self.who));
        let connected = thread.handle.spawn(async move {
            let mut line = Line::log_in(&tls, &address, &who, receive_bytes, &tap).await;
            line.subscribe("alert/fr.idf.75.paris").await;
            line
        });
        let line = timeout(DEADLINE, connected).await.unwrap().unwrap();
        self.readers.push(thread.handle.spawn(listen(line, told)));
    }

    /// Publishes at a pace, and gives how long each healthy reader waited for each message since it was due.
    async fn round(&mut self, count: u32, bytes: usize, pace: Duration) -> Spread {
        let (first, start) = (self.published + 1, Instant::now());
        let mut due = interval(pace);
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..count {
            due.tick().await;
            self.published += 1;
            let text = format!("n° {} {}", self.published, "x".repeat(bytes));
            let channel = "alert/fr".parse().unwrap();
            let draft = Draft::line(channel, Severity::Moderate, text, "fr-FR", Urgency::Expected);
            let receipt = self.author.publish(self.client.sign(draft).unwrap().token()).await;
            assert!(receipt.contains(&format!("\"seq\":{},", self.published)), "{receipt}");
        }
        let mut waited = Vec::new();
        for _ in 0..self.healthy * count as usize {
            let came = timeout(DEADLINE, self.arrivals.recv()).await.expect("all are given");
            let (seq, at) = came.unwrap();
            let due = start + pace * u32::try_from(seq - first).unwrap();
            waited.push(at.saturating_duration_since(due));
        }
        Spread::of(waited)
    }
}

/// Lets the dripping readers take a drop, again and again, while it is told to.
async fn drip(taps: Vec<Tap>, mut on: watch::Receiver<bool>) {
    let mut turns = interval(DROP_EVERY);
    for tap in taps.iter().cycle() {
        if on.wait_for(|on| *on).await.is_err() {
            return;
        }
        turns.tick().await;
        tap.let_through(DROP_BYTES);
    }
}

fn median(rounds: &[Spread], of: impl Fn(&Spread) -> Duration) -> Duration {
    let mut all: Vec<_> = rounds.iter().map(of).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

#[tokio::test]
async fn three_of_ten_readers_that_drip_do_not_delay_the_others() {
    let _alone = ALONE.lock().await;
    let count = asked("VIGIE_DRIPPING_READERS", 100);
    let rounds = asked("VIGIE_DRIPPING_ROUNDS", 9);
    let healthy = count - count * DRIPPING / 10;
    let [hears, drips] = [Thread::new(), Thread::new()];
    let mut with = Side::start("with", healthy, &hears).await;
    let mut without = Side::start("without", healthy, &hears).await;
    let taps: Vec<_> = (0..GROUPS).map(|_| Tap::open()).collect();
    let given: Vec<_> = (healthy..count).map(|_| Arc::<AtomicU64>::default()).collect();
    for (number, given) in given.iter().enumerate() {
        let told = Told { given: Arc::clone(given), arrivals: None, target: with.target.subscribe() };
        let tap = taps[number % GROUPS].clone();
        with.connect(&drips, Some(RECEIVE_BYTES), tap, told).await;
    }
    taps.iter().for_each(Tap::shut);
    let (dripping, on) = watch::channel(true);
    let drops = drips.handle.spawn(drip(taps.clone(), on));
    for _ in 0..LARGE_MESSAGES {
        with.round(1, LARGE_BYTES, DROP_EVERY).await;
        without.round(1, LARGE_BYTES, DROP_EVERY).await;
    }

    let pace = PACE_PER_READER * u32::try_from(count).unwrap();
    let (mut slow, mut quick) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        // Who goes first changes; nothing drips while the other relay is measured.
        for side in [round % 2, (round + 1) % 2] {
            dripping.send_replace(side == 0);
            let (side, spreads) = if side == 0 { (&mut with, &mut slow) } else { (&mut without, &mut quick) };
            spreads.push(side.round(MESSAGES_PER_ROUND, 600, pace).await);
        }
        println!("round {round}: with them {}, without {}", slow[round - 1], quick[round - 1]);
    }
    let given = || given.iter().map(|given| given.load(Ordering::Relaxed));
    let (least, most) = (given().min().unwrap(), given().max().unwrap());
    let p99 = |rounds: &[Spread]| median(rounds, |spread| spread.p99);
    let [slow, quick] = [p99(&slow), p99(&quick)];
    let ratio = slow.as_secs_f64() / quick.as_secs_f64();
    println!(
        "{healthy} readers beside {} that drip: p99 {:.1?}, without them {:.1?}: {ratio:.2} times; those were given {least} to \
         {most} of {} messages by now",
        count - healthy,
        slow,
        quick,
        with.published
    );
    assert!(least > 0 && most < LARGE_MESSAGES, "they drip: {least} to {most}");
    assert!(
        slow <= quick.mul_f64(RATIO_MAX) + UNSTEADY,
        "p99 of the others: {slow:?}, without them {quick:?}"
    );

    // They read again, and nobody was cut.
    drop(dripping);
    drops.abort();
    with.target.send_replace(with.published);
    without.target.send_replace(without.published);
    taps.iter().for_each(Tap::open_again);
    for reader in with.readers.into_iter().chain(without.readers) {
        timeout(DEADLINE, reader).await.expect("everything is given to everybody").unwrap();
    }
}
