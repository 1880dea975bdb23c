//! A relay is stopped and started again, and all its readers come back at once: each is resumed from its cursor soon, is
//! given everything once, and an urgent alert does not wait for those who still come.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::channel::Plane;
use vigie_client::proto::severity::Severity;
use vigie_client::{Client, Draft, Identity, Live};

use crate::line::{Line, Tls};
use crate::process::Relay;
use crate::reader::{Reader, Resumed, Schedule, Seen, Stage, Waits};
use crate::spread::Spread;
use crate::thread::Thread;
use crate::{ALONE, asked};

/// One of so many readers lives on a thread of its own, and is the one whose waits count: on that of the others an alert
/// waits for the handshakes of the test itself.
const WATCHED_ONE_IN: usize = 20;
/// Who connect at once at first.
const AT_ONCE: usize = 48;
/// Alerts come as fast as makes ten thousand deliveries a second.
const EVERY_PER_READER: Duration = Duration::from_micros(100);
/// Alerts before the relay goes, and after the last has come back.
const QUIET_ALERTS: u64 = 10;
/// What is promised, from the moment the relay listens again.
const RESUMED_WITHIN: Duration = Duration::from_secs(30);
/// What is promised is a second. Ten times that on a busy machine.
const URGENT_WITHIN: Duration = Duration::from_secs(10);
/// For what has no promise.
const DEADLINE: Duration = Duration::from_secs(180);

/// Publishes an alert whenever one is due, until it is told to stop, each until it is accepted.
struct Author {
    stage: Arc<Stage>,
    client: Client<Live>,
    who: Identity,
    line: Option<Line>,
    waits: Waits,
}

impl Author {
    async fn run(mut self, stop: watch::Receiver<bool>) {
        let schedule = *self.stage.schedule.get().unwrap();
        for seq in 1.. {
            tokio::time::sleep_until(schedule.due(seq).into()).await;
            if *stop.borrow() {
                return;
            }
            let text = format!("n° {seq} {}", "x".repeat(600));
            let channel = "alert/fr".parse().unwrap();
            let draft = Draft::line(channel, Severity::Extreme, text, "fr-FR", Urgency::Immediate);
            let message = self.client.sign(draft).unwrap();
            self.stage.published.write().unwrap().push(Arc::clone(message.token()));
            while !self.is_accepted(seq, message.token()).await {
                tokio::time::sleep(self.waits.next(Duration::ZERO)).await;
            }
        }
    }

    async fn is_accepted(&mut self, seq: u64, message: &str) -> bool {
        let Stage { tls, address, .. } = &*self.stage;
        if self.line.is_none() {
            let connected = Line::try_log_in(tls, address, &self.who, Ipv4Addr::LOCALHOST).await;
            self.line = connected.ok();
        }
        let Some(line) = &mut self.line else { return false };
        match line.try_publish(message).await {
            Ok(answer) if answer.starts_with(r#"{"op":"receipt""#) => {
                assert!(answer.contains(&format!("\"seq\":{seq},")), "{answer}");
                true
            }
            // Refused by a relay that goes, or cut: sent again, and known if it was on disk.
            Ok(_) | Err(_) => {
                self.line = None;
                false
            }
        }
    }
}

/// Who has resumed, as it is told.
struct Watch(mpsc::Receiver<Resumed>);

impl Watch {
    /// Waits until all have resumed once more on a line after the first `lines`.
    async fn all(&mut self, readers: usize, lines: u32) -> HashMap<usize, Resumed> {
        let mut all = HashMap::new();
        let until = tokio::time::Instant::now() + DEADLINE;
        while all.len() < readers {
            let Ok(resumed) = tokio::time::timeout_at(until, self.0.recv()).await else {
                panic!("{} of {readers} have resumed", all.len());
            };
            let resumed = resumed.unwrap();
            if resumed.lines >= lines {
                all.entry(resumed.reader).or_insert(resumed);
            }
        }
        all
    }
}

/// The readers, connected.
struct Crowd {
    stage: Arc<Stage>,
    watch: Watch,
    target: watch::Sender<u64>,
    readers: Vec<JoinHandle<Seen>>,
    _threads: [Thread; 2],
}

impl Crowd {
    async fn connect(relay: &Relay, count: usize) -> Self {
        let (tell, resumed) = mpsc::channel(1_024);
        let (target, given) = watch::channel(u64::MAX);
        let stage = Arc::new(Stage {
            tls: Tls::new(&relay.place().join("tls/ca.pem")),
            address: relay.address().to_owned(),
            who: relay.context().identity("town", Plane::Live).unwrap(),
            published: RwLock::default(),
            schedule: OnceLock::new(),
            door: Semaphore::new(AT_ONCE),
            resumed: tell,
            target: given,
        });
        let threads = [Thread::new(), Thread::new()];
        let spawn = |number| {
            let thread = &threads[usize::from(number % WATCHED_ONE_IN == 0)];
            thread.handle.spawn(Reader::new(Arc::clone(&stage), number).run())
        };
        let readers = (0..count).map(spawn).collect();
        let mut watch = Watch(resumed);
        watch.all(count, 0).await;
        Self { stage, watch, target, readers, _threads: threads }
    }

    /// Everybody is given what was published, and tells what it saw.
    async fn end(self) -> Vec<Seen> {
        self.target.send_replace(self.stage.published.read().unwrap().len() as u64);
        let mut seen = Vec::new();
        for reader in self.readers {
            let ended = tokio::time::timeout(DEADLINE, reader).await;
            seen.push(ended.expect("everything is given to everybody").unwrap());
        }
        seen
    }
}

/// Waits until so many alerts were published.
async fn published(stage: &Stage, count: u64) {
    tokio::time::sleep_until(stage.schedule.get().unwrap().due(count + 1).into()).await;
}

#[tokio::test]
async fn all_readers_reconnect_at_once_and_lose_nothing() {
    storm(Relay::stop).await;
}

/// As after a power cut: nobody was told when to come back.
#[tokio::test]
async fn all_readers_of_a_killed_relay_reconnect_at_once_and_lose_nothing() {
    storm(Relay::kill).await;
}

/// `end` ends the relay before it is started again.
async fn storm(end: fn(&mut Relay)) {
    let _alone = ALONE.lock().await;
    let count = asked("VIGIE_STORM_READERS", 2_000);
    // The last sixteenth is kept for those who have no session; these share a key.
    let seats = count + count / 8 + 100;
    let mut relay = Relay::start("storm", &format!("connections_max = {seats}"));
    let begun = Instant::now();
    let mut crowd = Crowd::connect(&relay, count).await;
    let connected = relay.usage();
    println!("{count} readers connected in {:.1?}", begun.elapsed());

    let every = EVERY_PER_READER * u32::try_from(count).unwrap();
    let schedule = *crowd.stage.schedule.get_or_init(|| Schedule { start: Instant::now(), every });
    let (stop, stopped) = watch::channel(false);
    let (client, who) = {
        let context = relay.context();
        (context.client("nation").unwrap(), context.identity("nation", Plane::Live).unwrap())
    };
    let author =
        Author { stage: Arc::clone(&crowd.stage), client, who, line: None, waits: Waits::new(count) };
    let author = tokio::spawn(author.run(stopped));
    published(&crowd.stage, QUIET_ALERTS).await;

    crowd.stage.door.add_permits(count);
    let gone = Instant::now();
    let (relay, away) = tokio::task::spawn_blocking(move || {
        end(&mut relay);
        let away = Instant::now();
        relay.start_again();
        (relay, away)
    })
    .await
    .unwrap();
    let back = Instant::now();
    println!("the relay stopped in {:.1?} and listened again {:.1?} later", away - gone, back - away);
    let resumed = crowd.watch.all(count, 1).await;
    let last = resumed.values().map(|resumed| resumed.at).max().unwrap();
    let took = Spread::of(resumed.values().map(|resumed| resumed.at.saturating_duration_since(back)));
    let mut tries = BTreeMap::new();
    resumed.values().for_each(|resumed| *tries.entry(resumed.tries).or_insert(0) += 1);
    println!("resumed: {took}; readers by times tried: {tries:?}");

    let now = crowd.stage.published.read().unwrap().len() as u64;
    published(&crowd.stage, now + QUIET_ALERTS).await;
    stop.send_replace(true);
    author.await.unwrap();
    let after = relay.usage();
    let total = crowd.stage.published.read().unwrap().len();
    let seen = crowd.end().await;
    println!(
        "all were given {total} alerts once; resident {} KiB before, {} KiB after",
        connected.resident / 1024,
        after.resident / 1024
    );
    let mut problems = BTreeMap::new();
    seen.iter().flat_map(|seen| &seen.problems).for_each(|why| *problems.entry(why).or_insert(0) += 1);
    println!("why they tried again: {problems:?}");

    let of = |readers: &[&Seen], from: Instant, to: Instant| {
        let took = readers.iter().flat_map(|seen| &seen.took);
        let meanwhile = took.filter(|(seq, _)| (from..to).contains(&schedule.due(*seq)));
        Spread::of(meanwhile.map(|(_, took)| *took))
    };
    let watched: Vec<_> = seen.iter().step_by(WATCHED_ONE_IN).collect();
    let urgent = of(&watched, back, last);
    println!("urgent alerts to those who were back, while others came: {urgent}");
    println!(
        "the same in all, the handshakes of the test beside them: {}",
        of(&seen.iter().collect::<Vec<_>>(), back, last)
    );
    println!(
        "before: {}; after: {}",
        of(&watched, schedule.start, gone),
        of(&watched, last, last + DEADLINE)
    );
    assert!(took.max <= RESUMED_WITHIN, "{took}");
    assert!(urgent.count > 0 && urgent.p99 <= URGENT_WITHIN, "{urgent}");
}
