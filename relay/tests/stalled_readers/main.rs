//! A thousand readers that stall cost the relay little, cost the others nothing that can be felt, and lose nothing.
//!
//! Two relays, the real binary: one that a thousand readers listen to who take a few bytes now and then, and one without
//! them. Fifty healthy readers listen to each. Both are published to in turn, round after round in one run, so that what
//! else the machine does hits both alike; from the send of a publish to its arrival at each healthy reader is measured.
//! Then the stalled ones read again, and each is given everything, once, in order, on the line that it has had all along.
//!
//! The short form takes about a minute. `VIGIE_STALLED_ROUNDS` (default 9) makes it longer.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::print_stdout, reason = "the figures belong to the output of the test")]

#[allow(dead_code, reason = "some of it is for the storms")]
mod line;
#[allow(dead_code, reason = "some of it is for the storms")]
mod process;
mod slow;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::channel::Plane;
use vigie_client::proto::severity::Severity;
use vigie_client::{Client, Context, Draft, Live};

use line::{Came, Line, Tap, Tls};
use process::{Relay, Usage};

/// Readers that stall.
const STALLED: usize = 1_000;
/// Readers that do not, of each relay.
const HEALTHY: usize = 50;
/// What one that stalls takes at once. Less would not do: TCP opens its window again only for a segment or so, and who has
/// not opened it for 30 s is a peer that takes nothing, and is closed. All that the system holds for it, so that each sip
/// opens it, on a slow machine too.
const SIP_BYTES: usize = RECEIVE_BYTES;
/// What the system holds for it.
const RECEIVE_BYTES: usize = 16 * 1024;
/// They sip in turns, so many at once, and each comes again after as many turns as there are groups: 2 s, so that a
/// reader has a line of 8 KiB/s.
const GROUPS: usize = 20;
const SIP_EVERY: Duration = Duration::from_millis(100);
/// Published before the first round: past what an outbox, a socket and the relay's ring can hold.
const LARGE_MESSAGES: u64 = 50;
const LARGE_BYTES: usize = 20 * 1024;
/// Published to each relay in a round.
const MESSAGES_PER_ROUND: u64 = 150;
/// From one publish to the next, in a round.
const PACE: Duration = Duration::from_millis(6);
/// The ring of a worker in this test: the default of 4 MiB would ask for three times as much to be published.
const RING_BYTES: usize = 512 * 1024;
/// The relay's defaults: what may wait for a session, and what the system may hold for it (twice its send buffer).
const OUTBOX_BYTES: usize = 256 * 1024;
const SOCKET_BYTES: usize = 2 * 128 * 1024;
/// What the p99 of the others may grow by. The promise is 1.5, which the printed figure is held against; asserted is twice
/// that, since on a machine that is shared a p99 measures the machine.
const RATIO_MAX: f64 = 3.0;
/// For one step of the test on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("this should have happened by now")
}

/// What was published, in the order of the log: the place 1 is the first.
type Published = Arc<std::sync::RwLock<Vec<Arc<str>>>>;

/// One relay, its author and its healthy readers.
struct Side {
    relay: Relay,
    author: Line,
    client: Client<Live>,
    published: Published,
    arrivals: mpsc::Receiver<(u64, Instant)>,
    readers: Vec<JoinHandle<()>>,
}

/// Checks that an event is the next one, to the byte.
fn check_event(text: &str, given: &mut u64, published: &Published) {
    let seq = text.strip_prefix(r#"{"op":"event","seq":"#).and_then(|rest| rest.split(',').next());
    let Some(seq) = seq else { return };
    *given += 1;
    assert_eq!(seq.parse::<u64>().unwrap(), *given, "in order, each once");
    // The publish may be answered after the event has come: then there is nothing to compare with yet.
    let message = published.read().unwrap().get(usize::try_from(*given - 1).unwrap()).cloned();
    if let Some(message) = message {
        assert!(text.strip_suffix("\"}").is_some_and(|text| text.ends_with(&*message)), "to the byte");
    }
}

async fn listen(mut line: Line, published: Published, arrivals: mpsc::Sender<(u64, Instant)>) {
    let mut given = 0;
    loop {
        match line.next().await {
            Came::Text(text) => {
                let before = given;
                check_event(&text, &mut given, &published);
                if given > before && arrivals.send((given, Instant::now())).await.is_err() {
                    return;
                }
            }
            Came::Ended(why) => panic!("a healthy reader was cut: {why}"),
        }
    }
}

impl Side {
    async fn start(name: &str) -> (Self, Tls, Context) {
        let relay = Relay::start(
            name,
            &format!("publishes_per_credential_max = 1000\nring_bytes_max = {RING_BYTES}"),
        );
        let context = relay.context();
        let tls = Tls::new(&relay.place().join("tls/ca.pem"));
        let nation = context.identity("nation", Plane::Live).unwrap();
        let client = context.client::<Live>("nation").unwrap();
        let author = Line::log_in(&tls, relay.address(), &nation, None, &Tap::open()).await;
        let (tell, arrivals) = mpsc::channel(16 * HEALTHY);
        let published = Published::default();
        let town = context.identity("town", Plane::Live).unwrap();
        let mut readers = Vec::new();
        for _ in 0..HEALTHY {
            let mut line = Line::log_in(&tls, relay.address(), &town, None, &Tap::open()).await;
            line.subscribe("alert/fr.idf.75.paris").await;
            readers.push(tokio::spawn(listen(line, Arc::clone(&published), tell.clone())));
        }
        (Self { relay, author, client, published, arrivals, readers }, tls, context)
    }

    /// Publishes one message and waits until all healthy readers have it; how long each of them waited.
    async fn publish(&mut self, bytes: usize) -> Vec<Duration> {
        let number = self.published.read().unwrap().len() as u64 + 1;
        let text = format!("n° {number} {}", "x".repeat(bytes));
        let draft =
            Draft::line("alert/fr".parse().unwrap(), Severity::Moderate, text, "fr-FR", Urgency::Expected);
        let message = self.client.sign(draft).unwrap();
        self.published.write().unwrap().push(Arc::clone(message.token()));
        let begun = Instant::now();
        let receipt = soon(self.author.publish(message.token())).await;
        assert!(receipt.contains(&format!("\"seq\":{number},")), "{receipt}");
        let mut waited = Vec::with_capacity(HEALTHY);
        for _ in 0..HEALTHY {
            let (seq, at) = soon(self.arrivals.recv()).await.expect("the readers live");
            assert_eq!(seq, number);
            waited.push(at - begun);
        }
        waited
    }

    async fn round(&mut self) -> Spread {
        let mut waited = Vec::new();
        let mut pace = tokio::time::interval(PACE);
        for _ in 0..MESSAGES_PER_ROUND {
            pace.tick().await;
            waited.extend(self.publish(600).await);
        }
        Spread::of(waited)
    }
}

/// How long it took.
#[derive(Clone, Copy, Debug)]
struct Spread {
    p50: Duration,
    p99: Duration,
}

impl Spread {
    fn of(mut waited: Vec<Duration>) -> Self {
        waited.sort_unstable();
        let at = |percent: usize| waited[(waited.len() - 1) * percent / 100];
        Self { p50: at(50), p99: at(99) }
    }
}

fn median(rounds: &[Spread], of: impl Fn(&Spread) -> Duration) -> Duration {
    let mut all: Vec<_> = rounds.iter().map(of).collect();
    all.sort_unstable();
    all[all.len() / 2]
}

/// Readers that take what their tap lets through, in a thread of their own: what they do must not delay those who
/// measure.
struct Stalled {
    taps: Vec<Tap>,
    /// Ends the thread when it is dropped.
    _runs: tokio::sync::oneshot::Sender<()>,
    given: Arc<Vec<AtomicUsize>>,
    readers: Vec<JoinHandle<()>>,
    target: watch::Sender<u64>,
}

impl Stalled {
    async fn connect(tls: &Tls, context: &Context, side: &Side) -> Self {
        let taps: Vec<_> = (0..GROUPS).map(|_| Tap::open()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (runs, ended) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || runtime.block_on(ended));
        let town = Arc::new(context.identity("town", Plane::Live).unwrap());
        let given: Arc<Vec<_>> = Arc::new((0..STALLED).map(|_| AtomicUsize::new(0)).collect());
        let (target, _) = watch::channel(u64::MAX);
        let mut readers = Vec::new();
        for index in 0..STALLED {
            let (tls, town, address) = (tls.clone(), Arc::clone(&town), side.relay.address().to_owned());
            let tap = taps[index % GROUPS].clone();
            let log_in = handle.spawn(async move {
                let mut line = Line::log_in(&tls, &address, &town, Some(RECEIVE_BYTES), &tap).await;
                line.subscribe("alert/fr.idf.75.paris").await;
                line
            });
            let mut line = soon(log_in).await.unwrap();
            let (published, given) = (Arc::clone(&side.published), Arc::clone(&given));
            let mut target = target.subscribe();
            readers.push(handle.spawn(async move {
                let mut count = 0;
                while count < *target.borrow_and_update() {
                    let came = tokio::select! {
                        came = line.next() => came,
                        _ = target.changed() => continue,
                    };
                    match came {
                        Came::Text(text) => check_event(&text, &mut count, &published),
                        Came::Ended(why) => panic!("a slow reader was cut: {why}"),
                    }
                    given[index].store(usize::try_from(count).unwrap(), Ordering::Relaxed);
                }
            }));
        }
        Self { taps, _runs: runs, given, readers, target }
    }

    fn least_and_most(&self) -> (usize, usize) {
        let given = || self.given.iter().map(|given| given.load(Ordering::Relaxed));
        (given().min().unwrap(), given().max().unwrap())
    }
}

/// Lets the stalled readers take a little, again and again, while it is told to.
async fn sip(taps: Vec<Tap>, mut on: watch::Receiver<bool>) {
    let mut turns = tokio::time::interval(SIP_EVERY);
    for tap in taps.iter().cycle() {
        if on.wait_for(|on| *on).await.is_err() {
            return;
        }
        turns.tick().await;
        tap.let_through(SIP_BYTES);
    }
}

fn kib(bytes: u64) -> u64 {
    bytes / 1024
}

#[tokio::test]
async fn a_thousand_stalled_readers_cost_little_and_lose_nothing() {
    let rounds: usize = std::env::var("VIGIE_STALLED_ROUNDS").map_or(9, |rounds| rounds.parse().unwrap());
    let (mut with, tls, context) = Side::start("with").await;
    let (mut without, _, _) = Side::start("without").await;
    let begun = Instant::now();
    let alone = with.relay.usage();
    let stalled = Stalled::connect(&tls, &context, &with).await;
    let connected = with.relay.usage();
    println!("connected {STALLED} in {:?}", begun.elapsed());

    stalled.taps.iter().for_each(Tap::shut);
    let (sipping, on) = watch::channel(true);
    let sips = tokio::spawn(sip(stalled.taps.clone(), on));
    for _ in 0..LARGE_MESSAGES {
        with.publish(LARGE_BYTES).await;
        without.publish(LARGE_BYTES).await;
    }
    let (least, most) = stalled.least_and_most();
    let behind: usize = with.published.read().unwrap()[most..].iter().map(|message| message.len()).sum();
    assert!(
        behind > OUTBOX_BYTES + RING_BYTES + SOCKET_BYTES,
        "all are far behind: the first by {behind} bytes"
    );
    println!(
        "stalled ones were given {least} to {most} of {LARGE_MESSAGES} messages of {} KiB",
        LARGE_BYTES / 1024
    );

    let (mut slow, mut quick) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        // Who goes first changes; the stalled take nothing while the other relay is measured.
        for side in [round % 2, (round + 1) % 2] {
            sipping.send_replace(side == 0);
            if side == 0 { slow.push(with.round().await) } else { quick.push(without.round().await) }
        }
        println!("round {round}: with {:?}, without {:?}", slow[round - 1], quick[round - 1]);
    }
    let full = with.relay.usage();
    println!("kernel, whole machine: {}", process::tcp_memory());
    let (least, most) = stalled.least_and_most();
    println!("stalled ones were given {least} to {most} messages by now");
    let (p50, p99) = (|spread: &Spread| spread.p50, |spread: &Spread| spread.p99);
    let ratio = median(&slow, p99).as_secs_f64() / median(&quick, p99).as_secs_f64();
    println!(
        "healthy readers: p50 {:?} with, {:?} without; p99 {:?} with, {:?} without; ratio {ratio:.2}",
        median(&slow, p50),
        median(&quick, p50),
        median(&slow, p99),
        median(&quick, p99)
    );

    // They read again.
    drop(sipping);
    sips.abort();
    let total = with.published.read().unwrap().len() as u64;
    let resumed = Instant::now();
    stalled.target.send_replace(total);
    stalled.taps.iter().for_each(Tap::open_again);
    let mut peak = full.resident;
    for reader in stalled.readers {
        soon(reader).await.unwrap();
        peak = peak.max(with.relay.usage().resident);
    }
    let after = with.relay.usage();
    let owed = with.published.read().unwrap().iter().map(|message| message.len() as u64).sum::<u64>();
    let read = after.read - full.read;
    println!(
        "all {STALLED} were given {total} messages ({} KiB) each, in {:?}; {} KiB were read from the journal, CPU {:?}",
        kib(owed),
        resumed.elapsed(),
        kib(read),
        after.cpu - full.cpu
    );
    // Not a thousand times what they were given.
    assert!(read <= 4 * owed, "{} KiB read for {} KiB", kib(read), kib(owed));
    report_memory(&alone, &connected, &full, peak);
    for reader in with.readers.iter().chain(&without.readers) {
        assert!(!reader.is_finished(), "a healthy reader was cut");
    }
    assert!(ratio <= RATIO_MAX, "p99 of the others: {ratio:.2} times");
}

fn report_memory(alone: &Usage, connected: &Usage, full: &Usage, peak: u64) {
    let each = |bytes: u64| kib(bytes / STALLED as u64);
    println!(
        "relay resident: {} KiB alone, {} KiB with them connected ({} KiB each), {} KiB with them stalled ({} KiB \
         more each), {} KiB at most while they caught up",
        kib(alone.resident),
        kib(connected.resident),
        each(connected.resident - alone.resident),
        kib(full.resident),
        each(full.resident.saturating_sub(connected.resident)),
        kib(peak)
    );
    // At one place they share what waits for them; at a thousand places it would be the outbox of each.
    let more_each = full.resident.saturating_sub(connected.resident) / STALLED as u64;
    assert!(more_each <= OUTBOX_BYTES as u64, "{} KiB each", kib(more_each));
    let caught_up_each = peak.saturating_sub(connected.resident) / STALLED as u64;
    assert!(caught_up_each <= OUTBOX_BYTES as u64, "{} KiB each while they catch up", kib(caught_up_each));
}
