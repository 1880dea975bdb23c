//! More is published than a relay is set to take: what it takes stays what it is set to, the rest is refused for now with
//! what to do, memory does not grow with what is offered, what is urgent passes, and soon after all is as before.
//!
//! A refused message is sent again with the same bytes until it is accepted: at the end each was accepted, and is given
//! once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::frame::{FromRelay, ServerFrame};
use vigie_client::proto::refusal::Code;
use vigie_client::proto::severity::Severity;
use vigie_client::{Context, Draft, Exercise, Live, OnPlane};

use crate::line::{Came, Line, Tap, Tls};
use crate::process::Relay;
use crate::spread::Spread;
use crate::{ALONE, asked};

/// Who publish, each at its place.
const AUTHORS: [(&str, &str); 5] = [
    ("nation", "fr"),
    ("region", "fr.idf"),
    ("town", "fr.idf.75.paris"),
    ("neighbour", "fr.idf.92.nanterre"),
    ("elsewhere", "fr.naq.33.bordeaux"),
];
/// What the relay is set to take, and what it is offered, both a second.
const CAPACITY: u32 = 500;
const OFFERED: u32 = 5_000;
/// What is urgent, a second, by an author who is past its rate or beside exercises that are past theirs.
const URGENT: u32 = 5;
/// Refused messages that an author sends again before it has more to say.
const KEPT_MAX: usize = 64;
/// What is offered and answered is counted by rounds. In the first more is accepted, as after any rest; and where the
/// machine was too busy to offer twice the capacity in one, that was no overload.
const ROUND: Duration = Duration::from_secs(1);
/// Past so many times the rounds that are wanted the machine is too busy for this test.
const ROUNDS_MOST: usize = 5;
/// What is promised of what is accepted meanwhile.
const GOODPUT_MIN: f64 = 0.8;
/// What the relay may grow by: 4,096 publishes that wait for the disk, what two workers keep of the last ones, the ids and
/// places of a minute of accepted ones, and what an allocator does not give back.
const GROWTH_MAX: u64 = 48 * 1024 * 1024;
/// What is promised is ten seconds; ten times that on a busy machine.
const RECOVERED_WITHIN: Duration = Duration::from_secs(100);
/// As before is an answer within so many times what it took before, or within this where that is less.
const AS_BEFORE: u32 = 10;
const AS_BEFORE_LEAST: Duration = Duration::from_millis(100);
/// Past it a publish is not answered.
const DEADLINE: Duration = Duration::from_secs(60);

type Sign = Box<dyn Fn(u64) -> Arc<str> + Send>;

fn sign<P: OnPlane>(context: &Context, (who, place): (&str, &str), severity: Severity) -> Sign {
    let client = context.client::<P>(who).unwrap();
    let channel = format!("{}alert/{place}", prefix::<P>());
    Box::new(move |number| {
        let text = format!("n° {number} {}", "x".repeat(600));
        let channel = channel.parse().unwrap();
        let draft = Draft::line(channel, severity, text, "fr-FR", Urgency::Immediate);
        Arc::clone(client.sign(draft).unwrap().token())
    })
}

fn prefix<P: OnPlane>() -> String {
    let exercise = P::PLANE == Exercise::PLANE;
    if exercise { "exercise/".to_owned() } else { String::new() }
}

/// What became of what was offered in a while.
#[derive(Default)]
struct Answers {
    offered: usize,
    /// How long after it was due to be sent the receipt came.
    accepted: Vec<Duration>,
    refused: BTreeMap<Code, usize>,
}

impl Answers {
    fn add(&mut self, other: Self) {
        self.offered += other.offered;
        self.accepted.extend(other.accepted);
        for (code, times) in other.refused {
            *self.refused.entry(code).or_default() += times;
        }
    }

    fn took(&self) -> Spread {
        Spread::of(self.accepted.iter().copied())
    }
}

/// One who publishes at a rate, whatever is answered.
struct Author {
    line: Line,
    sign: Sign,
    signed: u64,
    /// Refused, to be sent again.
    kept: VecDeque<Arc<str>>,
    /// By the number of the request: the message, and when it was due.
    asked: HashMap<u64, (Arc<str>, Instant)>,
    /// By the place in the log.
    stored: BTreeMap<u64, Arc<str>>,
}

impl Author {
    async fn new<P: OnPlane>(relay: &Relay, who: (&str, &str), severity: Severity) -> Self {
        let line = log_in::<P>(relay, who.0).await;
        let sign = sign::<P>(&relay.context(), who, severity);
        let (kept, asked, stored) = (VecDeque::new(), HashMap::new(), BTreeMap::new());
        Self { line, sign, signed: 0, kept, asked, stored }
    }

    /// Publishes so many a second for so long, and waits for all answers.
    async fn offer(&mut self, per_second: u32, time: Duration) -> Answers {
        let mut answers = Answers::default();
        let until = Instant::now() + time;
        let mut due = interval(Duration::from_secs(1) / per_second);
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            let on = Instant::now() < until;
            if !on && self.asked.is_empty() {
                return answers;
            }
            tokio::select! {
                came = timeout(DEADLINE, self.line.next()) => {
                    let Came::Text(text) = came.expect("every publish is answered") else { panic!("cut") };
                    self.note(&text, &mut answers);
                }
                due = due.tick(), if on => {
                    answers.offered += 1;
                    self.publish(due.into_std()).await;
                }
            }
        }
    }

    async fn publish(&mut self, due: Instant) {
        let again = if self.kept.len() < KEPT_MAX { None } else { self.kept.pop_front() };
        let message = again.unwrap_or_else(|| {
            self.signed += 1;
            (self.sign)(self.signed)
        });
        let n = self.line.ask_publish(&message).await.unwrap();
        self.asked.insert(n, (message, due));
    }

    fn note(&mut self, text: &str, answers: &mut Answers) {
        let FromRelay::Known(frame) = ServerFrame::parse(text).unwrap() else { panic!("{text}") };
        #[expect(clippy::wildcard_enum_match_arm, reason = "reach and marks are no answers")]
        match frame {
            ServerFrame::Receipt { re, seq, .. } => {
                let (message, due) = self.asked.remove(&re).expect("answered once");
                answers.accepted.push(due.elapsed());
                assert_eq!(self.stored.insert(seq.get(), message), None, "a place of its own");
            }
            ServerFrame::Refused { re, code, detail, .. } => {
                let code: Code = code.parse().unwrap();
                assert!(code != Code::RateLimited || detail.contains("send again in "), "{text}");
                assert!(code.is_temporary(), "{text}");
                let (message, _) = self.asked.remove(&re.unwrap()).expect("answered once");
                self.kept.push_back(message);
                *answers.refused.entry(code).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Sends what was refused until nothing is left of it.
    async fn finish(&mut self) {
        while let Some(message) = self.kept.pop_front() {
            let n = self.line.ask_publish(&message).await.unwrap();
            self.asked.insert(n, (message, Instant::now()));
            while !self.asked.is_empty() {
                let Came::Text(text) = self.line.next().await else { panic!("cut") };
                self.note(&text, &mut Answers::default());
            }
        }
    }
}

async fn log_in<P: OnPlane>(relay: &Relay, who: &str) -> Line {
    let tls = Tls::new(&relay.place().join("tls/ca.pem"));
    let who = relay.context().identity(who, P::PLANE).unwrap();
    Line::log_in(&tls, relay.address(), &who, None, &Tap::open()).await
}

/// All offer the same, each on a task of its own; the last is the one with what is urgent.
async fn offer_all(authors: &mut Vec<Author>, per_second: u32, time: Duration) -> (Answers, Answers) {
    let mut offering = JoinSet::new();
    for (number, mut author) in std::mem::take(authors).into_iter().enumerate() {
        offering.spawn(async move {
            let ordinary = per_second / u32::try_from(AUTHORS.len()).unwrap();
            let rate = if number < AUTHORS.len() { ordinary } else { URGENT };
            let answers = author.offer(rate, time).await;
            (number, author, answers)
        });
    }
    let mut all = offering.join_all().await;
    all.sort_unstable_by_key(|(number, ..)| *number);
    let (mut ordinary, mut urgent) = (Answers::default(), Answers::default());
    for (number, author, answers) in all {
        authors.push(author);
        if number < AUTHORS.len() { ordinary.add(answers) } else { urgent.add(answers) }
    }
    (ordinary, urgent)
}

/// The most memory that it has while something is done.
async fn peak<F: Future>(relay: &Relay, doing: F) -> (F::Output, u64) {
    let mut look = interval(Duration::from_millis(100));
    let mut peak = 0;
    tokio::pin!(doing);
    loop {
        tokio::select! {
            done = &mut doing => return (done, peak),
            _ = look.tick() => peak = peak.max(relay.usage().resident),
        }
    }
}

/// Offers half of what the relay takes until all of it is accepted, at best as soon as before.
async fn below_capacity(authors: &mut Vec<Author>, before: Option<Spread>) -> (Duration, Spread) {
    let as_before = before.map_or(DEADLINE, |before| (before.p99 * AS_BEFORE).max(AS_BEFORE_LEAST));
    let started = Instant::now();
    loop {
        let begun = started.elapsed();
        assert!(begun <= RECOVERED_WITHIN, "it has not recovered");
        let (answers, _) = offer_all(authors, CAPACITY / 2, ROUND).await;
        let took = answers.took();
        println!("after {begun:.1?} at half of it: {took}, refused {:?}", answers.refused);
        if answers.refused.is_empty() && took.p99 <= as_before {
            return (begun, took);
        }
    }
}

/// What became of all that was offered past the capacity.
#[derive(Default)]
struct Flood {
    ordinary: Answers,
    urgent: Answers,
    /// Parts of the capacity that were accepted, one of each round that was an overload.
    goodput: Vec<f64>,
}

impl Flood {
    async fn of(authors: &mut Vec<Author>, rounds: usize) -> Self {
        let mut flood = Self::default();
        for round in 0..=rounds * ROUNDS_MOST {
            let begun = Instant::now();
            let (ordinary, urgent) = offer_all(authors, OFFERED, ROUND).await;
            let capacity = f64::from(CAPACITY) * begun.elapsed().as_secs_f64();
            if round > 0 && ordinary.offered as f64 >= 2.0 * capacity {
                flood.goodput.push(ordinary.accepted.len() as f64 / capacity);
            }
            flood.ordinary.add(ordinary);
            flood.urgent.add(urgent);
            if flood.goodput.len() == rounds {
                break;
            }
        }
        assert_eq!(flood.goodput.len(), rounds, "rounds of overload");
        flood.goodput.sort_unstable_by(f64::total_cmp);
        flood
    }
}

/// Each message that was accepted is given once, where its receipt says, and nothing else is.
async fn check<P: OnPlane>(relay: &Relay, stored: &BTreeMap<u64, Arc<str>>) {
    let mut line = log_in::<P>(relay, "nation").await;
    line.subscribe_after(&format!("{}alert/fr.**", prefix::<P>()), "start").await.unwrap();
    let mut left = stored.clone();
    while !left.is_empty() {
        let came = timeout(DEADLINE, line.next()).await.expect("all are given");
        let Came::Text(text) = came else { panic!("cut") };
        if let FromRelay::Known(ServerFrame::Event { seq, jws, .. }) = ServerFrame::parse(&text).unwrap() {
            let message = left.remove(&seq.get()).expect("it was accepted, and is given once");
            assert_eq!(*message, *jws);
        }
    }
}

async fn overload<P: OnPlane>(what: &str, settings: &str) {
    let rounds = asked("VIGIE_OVERLOAD_SECONDS", 5);
    let relay = Relay::start("overload", settings);
    let mut authors = Vec::new();
    for who in AUTHORS {
        authors.push(Author::new::<P>(&relay, who, Severity::Moderate).await);
    }
    authors.push(Author::new::<Live>(&relay, AUTHORS[0], Severity::Extreme).await);

    let (_, quiet) = below_capacity(&mut authors, None).await;
    let (before, begun) = (relay.usage(), Instant::now());
    let (flood, peak) = peak(&relay, Flood::of(&mut authors, rounds)).await;
    let time = begun.elapsed();
    let (recovered, _) = below_capacity(&mut authors, Some(quiet)).await;

    let Flood { ordinary, urgent, goodput } = flood;
    let (median, mean) = (goodput[rounds / 2], goodput.iter().sum::<f64>() / rounds as f64);
    let growth = peak.saturating_sub(before.resident);
    println!(
        "{what}: {} offered in {time:.1?}, refused {:?}; goodput {:.0} % of {CAPACITY}/s in the middle second, {:.0} in the \
         worst, {:.0} in all; accepted after {}, before {quiet}; urgent after {}; {} KiB more; recovered after \
         {recovered:.1?}; CPU {:.1?}",
        ordinary.offered,
        ordinary.refused,
        median * 100.0,
        goodput[0] * 100.0,
        mean * 100.0,
        ordinary.took(),
        urgent.took(),
        growth / 1024,
        relay.usage().cpu - before.cpu
    );
    assert!((GOODPUT_MIN..=1.2).contains(&median), "{goodput:?}");
    assert!(ordinary.refused.contains_key(&Code::RateLimited), "{:?}", ordinary.refused);
    // Nothing but a disk that stands still for seconds holds back what is urgent.
    assert!(!urgent.refused.contains_key(&Code::RateLimited), "{:?}", urgent.refused);
    assert!(growth <= GROWTH_MAX, "{} KiB", growth / 1024);

    let mut stored = BTreeMap::new();
    for author in &mut authors {
        author.finish().await;
    }
    let mut urgent = authors.pop().unwrap().stored;
    for author in &mut authors {
        stored.append(&mut author.stored);
    }
    if P::PLANE == Live::PLANE {
        stored.append(&mut urgent);
    } else {
        check::<Live>(&relay, &urgent).await;
    }
    let signed: BTreeSet<_> = stored.values().collect();
    assert_eq!(signed.len(), stored.len(), "each is stored once");
    check::<P>(&relay, &stored).await;
}

/// Authors within the rates of their credentials, and past what the relay is set to take in all.
#[tokio::test]
async fn authors_past_what_the_relay_takes_are_told_to_send_again_and_urgent_alerts_pass() {
    let _alone = ALONE.lock().await;
    overload::<Live>("relay", "publishes_per_credential_max = 10000\npublishes_max = 500").await;
}

/// Authors past the rate of their credentials: five of a hundred a second each.
#[tokio::test]
async fn authors_past_their_rate_are_told_to_send_again_and_the_relay_stays_as_it_is() {
    let _alone = ALONE.lock().await;
    overload::<Live>("authors", "publishes_per_credential_max = 100").await;
}

/// Exercises past their quarter of what a relay is meant for, beside live alerts.
#[tokio::test]
async fn exercises_past_their_share_are_told_to_send_again_and_live_alerts_pass() {
    let _alone = ALONE.lock().await;
    overload::<Exercise>("exercises", "publishes_per_credential_max = 2000\npublishes_max = 2000").await;
}
