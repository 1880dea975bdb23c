//! No stranger can exhaust the relay: what one costs in memory and processor time, at each stage of a log-in that it does
//! not finish and for each attack, and how long those who come to log in wait beside them.
//!
//! The relay runs in a process of its own, whose allocator counts; the system counts its processor time. Its bounds are
//! those of a relay that was told nothing: half-open strangers come from many addresses of loopback, each below the share
//! of one. For ten thousand at each stage, where the bound of all is lifted:
//!
//! ```sh
//! VIGIE_STRANGERS=10000 cargo test -p vigie-relay --test strangers half_open -- --nocapture
//! ```
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::print_stdout, reason = "figures are what it is for")]
#![cfg(target_os = "linux")]

mod attacks;
mod counted;
mod peer;

use std::time::{Duration, Instant};

use attacks::{ATTACKS, Given, TOO_MUCH_FOR_HTTP, UNCOUNTED, spoilt};
use counted::{Relay, Usage};
use futures_util::StreamExt as _;
use peer::{Peer, UPGRADE, Way, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vigie_client::Identity;
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::channel::Plane;
use vigie_client::proto::severity::Severity;
use vigie_client::{Draft, Live};

/// What is promised of one who has not logged in: what the relay holds for it.
const STRANGER_BYTES: u64 = 48 * 1024;
/// What tables may have grown by beside that: they keep the room of as many as there ever were, about 1 KB each.
const TABLES_BYTES: u64 = 4 * 1024 * 1024;
/// What is promised of one from its first byte to its end, of all that was allocated meanwhile: the most is that of who
/// sends each byte in a TLS record of its own, 1.2 KB each.
const ALLOCATED_BYTES: u64 = 1024 * 1024;
/// What the system may count beside what is allocated: the allocator gives little of it back.
const SLACK_BYTES: u64 = 16 * 1024 * 1024;
/// What is promised of the processor time of a stranger, from its first byte to its end.
const STRANGER_CPU: Duration = Duration::from_millis(5);
/// What is promised of a log-in beside them. The one in the middle keeps it on a busy machine too.
const LOG_IN: Duration = Duration::from_secs(1);
/// And the slowest: ten times that on a busy machine.
const LOG_IN_WITHIN: Duration = Duration::from_secs(10);
/// From accept to the end of a stranger: 10 s to log in, 2 s to take its leave, and what a busy machine takes.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// What an honest log-in may cost less than one was measured to, on a busy machine.
const UNSTEADY: Duration = Duration::from_millis(1);

/// How many may be there at once where nothing was set, in all and from one address (ARCHITECTURE.md, bounds).
const STRANGERS_MAX: usize = 2_048;
const STRANGERS_PER_ADDRESS_MAX: usize = 64;

/// Attacks of each kind.
const REPEATED: usize = 100;

fn strangers() -> usize {
    std::env::var("VIGIE_STRANGERS").map_or(2_000, |count| count.parse().unwrap())
}

struct Stage {
    relay: Relay,
    way: Way,
    town: Identity,
}

impl Stage {
    fn new(name: &str) -> Self {
        // The newcomers beside them want a place too.
        let room = strangers() + 40;
        let relay = Relay::start(name, (room > STRANGERS_MAX).then_some(room));
        let way = Way::new(relay.address(), &relay.place().join("tls/ca.pem"));
        let town = relay.context().identity("town", Plane::Live).unwrap();
        Self { relay, way, town }
    }

    /// What an honest log-in costs the relay: processor time, and bytes that it allocates.
    async fn honest(&self) -> (Duration, u64) {
        let before = self.relay.usage();
        for _ in 0..REPEATED {
            drop(self.way.logged_in(0, &self.town).await);
        }
        each(before, self.relay.usage(), REPEATED)
    }

    /// Until it holds no more than this again, and no stranger is there.
    async fn is_quiet(&self, held: u64) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < GONE_WITHIN {
            let usage = self.relay.usage();
            if usage.strangers == 0 && usage.held <= held {
                return true;
            }
            tokio::task::yield_now().await;
        }
        false
    }

    /// Until as many as attacked are counted, by the code for too many bytes where it must be that one. Workers show what
    /// they count a few times a second. One that does not wait for its end may be gone before it is heard: half will do.
    async fn is_counted(&self, begun: Usage, too_much: bool) -> bool {
        let since = Instant::now();
        while since.elapsed() < GONE_WITHIN {
            let usage = self.relay.usage();
            let counted = usage.counted - begun.counted;
            if counted >= REPEATED as u64 / 2
                && (!too_much || usage.too_many_bytes - begun.too_many_bytes == REPEATED as u64)
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// New clients log in; the slowest and the one in the middle.
    async fn newcomers(&self, count: usize) -> (Duration, Duration) {
        let mut took = Vec::new();
        for _ in 0..count {
            let begun = Instant::now();
            drop(self.way.logged_in(0, &self.town).await);
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        (took[count / 2], took[count - 1])
    }
}

fn each(before: Usage, after: Usage, count: usize) -> (Duration, u64) {
    let cpu = (after.cpu - before.cpu) / u32::try_from(count).unwrap();
    (cpu, (after.allocated - before.allocated) / count as u64)
}

/// No test of its own: the relay of the others, in a process that they start.
#[test]
fn the_relay_of_the_others() {
    counted::serve();
}

/// Where a stranger stops.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Tcp,
    HalfHello,
    Tls,
    HalfRequest,
    Upgraded,
    HalfLogin,
}

const STOPS: [Stop; 6] =
    [Stop::Tcp, Stop::HalfHello, Stop::Tls, Stop::HalfRequest, Stop::Upgraded, Stop::HalfLogin];

/// One that goes so far and waits.
enum Waiting {
    Plain(tokio::net::TcpStream),
    Tls(Box<Peer>),
}

impl Waiting {
    async fn new(stage: &Stage, stop: Stop, number: usize) -> Self {
        let way = &stage.way;
        let plain = async |bytes: &[u8]| {
            let mut stream = way.tcp(number).await;
            stream.write_all(bytes).await.unwrap();
            Self::Plain(stream)
        };
        let over_tls = async |request: &str| {
            let mut stream = way.tls(number).await;
            stream.write_all(request.as_bytes()).await.unwrap();
            Self::Tls(Box::new(Peer { stream }))
        };
        match stop {
            Stop::Tcp => plain(b"").await,
            // A record of 512 bytes, and half of it.
            Stop::HalfHello => {
                plain(&[&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 250]].concat()).await
            }
            Stop::Tls => over_tls("").await,
            Stop::HalfRequest => over_tls(&UPGRADE[..UPGRADE.len() / 2]).await,
            Stop::Upgraded => Self::Tls(Box::new(way.upgraded(number).await)),
            Stop::HalfLogin => {
                let mut peer = way.upgraded(number).await;
                let login = peer.login(&stage.town).await;
                let whole = frame(0x81, login.as_bytes());
                peer.send(&whole[..whole.len() / 2]).await;
                Self::Tls(Box::new(peer))
            }
        }
    }

    async fn ended(&mut self) {
        match self {
            Self::Plain(stream) => while stream.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {},
            Self::Tls(peer) => {
                let mut buffer = [0; 4096];
                while peer.stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
            }
        }
    }
}

/// Each stage at a relay of its own: what one has freed, the next would take without growing.
#[tokio::test]
async fn half_open_strangers_cost_little_and_keep_nobody_waiting() {
    let count = strangers();
    for stop in STOPS {
        let stage = Stage::new("strangers");
        let (honest, _) = stage.honest().await;
        let before = stage.relay.usage();
        let begun = Instant::now();
        let waiting: Vec<_> = futures_util::stream::iter(0..count)
            .map(|number| Waiting::new(&stage, stop, 60 + number))
            .buffer_unordered(16)
            .collect()
            .await;
        let came = begun.elapsed();
        // Who logs in beside them is served after all that they have sent by now.
        let (middle, slowest) = stage.newcomers(20).await;
        let after = stage.relay.usage();
        let held = after.held.saturating_sub(before.held);
        let resident = after.resident.saturating_sub(before.resident);
        let (cpu, allocated) = each(before, after, count);
        println!(
            "{stop:?}: {count} came in {came:?}; each holds {} bytes (resident {}), of {allocated} allocated, and took {cpu:?} \
             (an honest log-in {honest:?}); log-ins beside them {middle:?}, slowest {slowest:?}",
            held / count as u64,
            resident / count as u64
        );
        assert_eq!(after.replaced, 0, "{stop:?}: there was room for all");
        assert!(held <= count as u64 * STRANGER_BYTES + TABLES_BYTES, "{stop:?}: {held} bytes");
        assert!(resident <= count as u64 * STRANGER_BYTES + SLACK_BYTES, "{stop:?}: {resident} bytes");
        assert!(allocated <= ALLOCATED_BYTES, "{stop:?}: {allocated} bytes");
        assert!(cpu <= STRANGER_CPU, "{stop:?}: {cpu:?}");
        assert!(middle <= LOG_IN && slowest <= LOG_IN_WITHIN, "{stop:?}: {middle:?}, slowest {slowest:?}");
        drop(waiting);
    }
}

/// More than there is room for, from one address and from many: those who wait go, and who logs in is never one of them.
#[tokio::test]
async fn past_the_bound_who_waits_longest_goes_and_a_newcomer_logs_in() {
    let relay = Relay::start("bound", None);
    let way = Way::new(relay.address(), &relay.place().join("tls/ca.pem"));
    let town = relay.context().identity("town", Plane::Live).unwrap();
    let stage = Stage { relay, way, town };
    let (_, honest) = stage.honest().await;
    let quiet = stage.relay.usage();
    // One number is one address; of those that count up 60 share one.
    let one = |number| Waiting::new(&stage, Stop::Upgraded, number);
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(one(60).await);
    }
    let after = stage.relay.usage();
    assert_eq!((after.strangers, after.replaced), (STRANGERS_PER_ADDRESS_MAX as u64, 36));
    let more = futures_util::stream::iter(120..2_620).map(one).buffer_unordered(16);
    waiting.extend(more.collect::<Vec<_>>().await);
    let full = stage.relay.usage();
    let gone = 100 + 2_500 - STRANGERS_MAX;
    assert_eq!((full.strangers, full.replaced), (STRANGERS_MAX as u64, gone as u64));
    let held = full.held - quiet.held;
    assert!(held <= STRANGERS_MAX as u64 * STRANGER_BYTES + TABLES_BYTES, "{held}");
    let (middle, slowest) = stage.newcomers(20).await;
    println!(
        "{STRANGERS_MAX} of 2,600 hold {held} bytes, {gone} had to go; log-ins beside them {middle:?}, slowest {slowest:?}; an \
         honest log-in allocates {honest} bytes"
    );
    assert!(middle <= LOG_IN && slowest <= LOG_IN_WITHIN, "{middle:?}, slowest {slowest:?}");
    drop(waiting);
    let given_back = stage.is_quiet(quiet.held + TABLES_BYTES).await;
    assert!(given_back, "{:?}, before {quiet:?}", stage.relay.usage());
}

#[tokio::test]
async fn no_stranger_is_kept_past_its_time_wherever_it_stopped() {
    let stage = Stage::new("gone");
    let begun = Instant::now();
    let mut waiting = Vec::new();
    for number in 0..300 {
        waiting.push(Waiting::new(&stage, STOPS[number % STOPS.len()], 60 + number).await);
    }
    let came = begun.elapsed();
    for stranger in &mut waiting {
        tokio::time::timeout(GONE_WITHIN, stranger.ended()).await.expect("it is gone");
    }
    println!("300 at all stages came in {came:?} and were gone {:?} after the first", begun.elapsed());
    assert!(begun.elapsed() <= came + GONE_WITHIN, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_attack_costs_the_relay_no_more_than_a_few_honest_log_ins() {
    let stage = Stage::new("attacks");
    let (honest, honest_bytes) = stage.honest().await;
    println!("an honest log-in costs {honest:?} of processor time and allocates {honest_bytes} bytes");
    let quiet = stage.relay.usage();
    for (number, (what, attack)) in ATTACKS.iter().enumerate() {
        let begun = stage.relay.usage();
        for turn in 0..REPEATED {
            // Each from another address than the one before, as a flood comes.
            let number = 60 * (1 + number) + turn % 60;
            attack(Given { way: &stage.way, number, who: &stage.town }).await;
        }
        let (cpu, allocated) = each(begun, stage.relay.usage(), REPEATED);
        let (middle, slowest) = stage.newcomers(3).await;
        if *what != UNCOUNTED {
            let counted = stage.is_counted(begun, *what == TOO_MUCH_FOR_HTTP).await;
            assert!(counted, "{what}: {:?}, before {begun:?}", stage.relay.usage());
        }
        println!("{what}: {cpu:?} and {allocated} bytes each; a log-in beside it {slowest:?}");
        assert!(cpu <= STRANGER_CPU, "{what}: {cpu:?}");
        assert!(cpu <= honest * 3 + UNSTEADY, "{what}: {cpu:?}, honest {honest:?}");
        assert!(allocated <= ALLOCATED_BYTES, "{what}: {allocated} bytes");
        assert!(allocated <= honest_bytes * 10, "{what}: {allocated} bytes, honest {honest_bytes}");
        assert!(middle <= LOG_IN && slowest <= LOG_IN_WITHIN, "{what}: {middle:?}, slowest {slowest:?}");
    }
    assert!(stage.is_quiet(quiet.held + TABLES_BYTES).await, "{:?}, before {quiet:?}", stage.relay.usage());
    let after = stage.relay.usage();
    println!(
        "after {} attacks it holds {} bytes, before {}",
        ATTACKS.len() * REPEATED,
        after.held,
        quiet.held
    );
    assert!(after.resident.saturating_sub(quiet.resident) <= SLACK_BYTES, "{after:?}");
}

/// One who may log in, and floods.
#[tokio::test]
async fn bad_signatures_at_full_speed_leave_others_theirs() {
    const BAD: usize = 5_000;
    const HONEST: usize = 100;
    let stage = Stage::new("signatures");
    let (honest_log_in, _) = stage.honest().await;
    let client = stage.relay.context().client::<Live>("nation").unwrap();
    let signed = |text: String| {
        let channel = "alert/fr".parse().unwrap();
        let draft = Draft::line(channel, Severity::Moderate, text, "fr-FR", Urgency::Expected);
        client.sign(draft).unwrap().token().to_string()
    };
    let nation = stage.relay.context().identity("nation", Plane::Live).unwrap();
    let mut author = stage.way.logged_in(0, &nation).await;
    let mut flooder = stage.way.logged_in(0, &nation).await;
    let bad = spoilt(&signed("mauvaise signature".to_owned()));
    let before = stage.relay.usage();
    let flood = tokio::spawn(async move {
        // A hundred are said before the answers are read: the relay reads no more of one who does not read.
        for hundred in 0..BAD / 100 {
            for number in 0..100 {
                let n = hundred * 100 + number;
                flooder.say(&format!(r#"{{"op":"publish","n":{n},"jws":"{bad}"}}"#)).await;
            }
            for number in 0..100 {
                let n = (hundred * 100 + number) as u64;
                assert_eq!(flooder.answer(n).await["code"], "bad_signature");
            }
        }
    });
    let mut took = Vec::new();
    for n in 0..HONEST {
        let jws = signed(format!("n° {n}"));
        let begun = Instant::now();
        author.say(&format!(r#"{{"op":"publish","n":{n},"jws":"{jws}"}}"#)).await;
        assert_eq!(author.answer(n as u64).await["op"], "receipt");
        took.push(begun.elapsed());
    }
    flood.await.unwrap();
    let after = stage.relay.usage();
    took.sort_unstable();
    let (each, allocated) = each(before, after, BAD + HONEST);
    let grown = after.held.saturating_sub(before.held);
    println!(
        "{BAD} bad signatures: {each:?} and {allocated} bytes each (an honest log-in {honest_log_in:?}); receipts beside them {:?}, slowest {:?}; \
         grown by {grown} bytes",
        took[HONEST / 2],
        took[HONEST - 1]
    );
    assert!(each <= honest_log_in * 2 + UNSTEADY, "{each:?}");
    let (middle, slowest) = (took[HONEST / 2], took[HONEST - 1]);
    assert!(middle <= LOG_IN && slowest <= LOG_IN_WITHIN, "{middle:?}, slowest {slowest:?}");
    assert!(grown <= TABLES_BYTES, "{grown}");
}
