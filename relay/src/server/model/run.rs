//! One run of the model: a relay on a disk in memory, its threads under the scheduler, from the first message to the end.
//!
//! What runs is the relay's own: the journal thread, the readers of pages, the letters of each worker, and all that they
//! call. In place of TLS connections there are [`Visitor`]s; in place of the machine's clock, one that only they move.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rustls::ServerConfig;
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::thread;
use tokio::sync::{Notify, watch};
use vigie_proto::id::{LogId, Nonce, Sequence};
use vigie_proto::login::Binding;
use vigie_proto::session::relay::Rules;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::VerifiedMessage;

use super::cast::{BEGIN, Cast, MESSAGES_MAX};
use super::notes::{Note, judge};
use super::visitor::Visitor;
use crate::chains::SharedVerdicts;
use crate::clock::{Clock, TimeSource};
use crate::health::JournalWatch;
use crate::journal::sim_disk::SimDisk;
use crate::journal::{JournalConfig, JournalReader};
use crate::net::inlet::StrangerBytes;
use crate::net::tls::{Shown, Tls};
use crate::sequencer::{Sequencer, Statement, Submission, Ticket};
use crate::server::inbox::{BATCHES_MAX, Inbox, Letter};
use crate::server::journal_thread;
use crate::server::page_readers::{PAGE_READERS, read_pages};
use crate::server::submissions::{self, Submitted, Submitter};
use crate::server::worker_thread::{Local, Parts, call, read_letters};
use crate::sync::Mutex;
use crate::sync::mpsc::{Receiver, SyncSender, sync_channel};
use crate::worker::{Pages, ReadRequest, Worker, WorkerConfig};

pub(super) const RELAY: &str = "relay.model";
pub(super) const BINDING: Binding = Binding::Certificate([7; 32]);

const LOG: LogId = LogId::from_bytes([7; 16]);
const WORKERS: usize = 2;
const VISITORS: usize = 3;
const AUTHORS: usize = 2;

/// Few, so that authors meet the bound.
const SUBMISSIONS_MAX: usize = 4;

/// The clocks of the machine. They stand still unless they are moved.
#[derive(Clone, Debug, Default)]
pub(super) struct Time {
    steps: Arc<AtomicU64>,
}

impl Time {
    /// Moves by one interval between marks, twice at most: a third one could take a busy session for a dead one.
    pub(super) fn step(&self) {
        let _ = self
            .steps
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |steps| (steps < 2).then_some(steps + 1));
    }
}

impl TimeSource for Time {
    fn monotonic(&self) -> Duration {
        super::visitor::MARK_INTERVAL * u32::try_from(self.steps.load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }

    fn wall(&self) -> Timestamp {
        BEGIN.plus(self.monotonic())
    }
}

/// What all visitors see of a run.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) cast: Arc<Cast>,
    pub(super) time: Time,
    /// So few reads may wait that some are refused, and their sessions closed.
    pub(super) refuses_reads: bool,
    /// The sequence of the last message.
    pub(super) last: u64,
    published: watch::Sender<u64>,
    done: SyncSender<()>,
    berths: Vec<Vec<Berth>>,
}

/// Where a worker finds a visitor that comes to it.
#[derive(Debug, Default)]
struct Berth {
    visitor: std::sync::Mutex<Option<Visitor>>,
    arrived: Notify,
}

impl Berth {
    fn put(&self, visitor: Visitor) {
        *self.visitor.lock().unwrap_or_else(PoisonError::into_inner) = Some(visitor);
        self.arrived.notify_one();
    }
}

impl Shared {
    /// A visitor has been given the last message.
    pub(super) fn one_is_done(&self) {
        self.done.send(()).expect("the run waits for it");
    }

    /// Waits until more is published, and a little longer.
    pub(super) async fn stall(&self) {
        let mut published = self.published.subscribe();
        let until = (*published.borrow() + thread_rng().gen_range(1..=6)).min(self.last);
        let _ = published.wait_for(|published| *published >= until).await;
        for _ in 0..thread_rng().gen_range(0..10) {
            tokio::task::yield_now().await;
        }
    }
}

/// The bounds of a run: small in most, so that what happens at them does happen.
struct Bounds {
    messages: usize,
    outbox_bytes_max: usize,
    ring_bytes_max: usize,
    reads_max: usize,
    segment_bytes: u64,
}

impl Bounds {
    fn draw() -> Self {
        let mut chance = thread_rng();
        Self {
            messages: chance.gen_range(1..=MESSAGES_MAX),
            outbox_bytes_max: [1, 3_000, 256 * 1024][chance.gen_range(0..3)],
            ring_bytes_max: [1, 3_000, 4 * 1024 * 1024][chance.gen_range(0..3)],
            reads_max: [1, 64, 64][chance.gen_range(0..3)],
            segment_bytes: [4 * 1024, 64 * 1024][chance.gen_range(0..2)],
        }
    }
}

/// The parts of a relay that are not threads yet.
struct Stage {
    sequencer: Sequencer<SimDisk>,
    submissions: Submitted,
    submit: Submitter,
    reads: Receiver<(usize, ReadRequest)>,
    part: Parts,
}

fn assemble(cast: &Cast, bounds: &Bounds, time: &Time) -> Stage {
    let clock = Arc::new(Clock::new(Box::new(time.clone())));
    let mut config = JournalConfig::new();
    config.segment_bytes = bounds.segment_bytes;
    config.reserve_bytes = 0;
    let sequencer = Sequencer::open(SimDisk::new(), config, LOG, clock.steady(), WORKERS).expect("it opens");
    let rules = Arc::new(Rules::new(cast.roots.clone(), vec![RELAY.to_owned()]));
    let (submit, submissions) = submissions::queue(SUBMISSIONS_MAX);
    let (ask, reads) = sync_channel(bounds.reads_max);
    let part = Parts {
        config: WorkerConfig {
            outbox_bytes_max: bounds.outbox_bytes_max,
            ring_bytes_max: bounds.ring_bytes_max,
            ..WorkerConfig::new(0, rules, sequencer.log())
        },
        chains: sequencer.chains(),
        revocations: sequencer.revocations(),
        verdicts: Arc::<SharedVerdicts>::default(),
        head: sequencer.head(),
        inboxes: (0..WORKERS).map(|_| Arc::default()).collect(),
        submissions: submit.clone(),
        reads: ask,
        tls: tls(),
        stranger_bytes: StrangerBytes::default(),
        origins: Vec::new(),
        clock,
    };
    Stage { sequencer, submissions, submit, reads, part }
}

/// No connection ever asks for it.
fn tls() -> Arc<Tls> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
    let shown = Shown { config: Arc::new(config), binding: BINDING, valid: None, clients: None };
    Arc::new(Tls::new(shown, Vec::new()))
}

/// Runs it once, and judges it.
///
/// # Panics
/// A promise was broken; the scheduler panics too when all threads wait for each other.
pub(super) fn run(cast: &Arc<Cast>) {
    let bounds = Bounds::draw();
    let time = Time::default();
    let Stage { sequencer, submissions, submit, reads, part } = assemble(cast, &bounds, &time);
    let journal = sequencer.journal().reader();
    let inboxes = part.inboxes.clone();
    let (done, all_done) = sync_channel(VISITORS);
    let shared = Arc::new(Shared {
        cast: Arc::clone(cast),
        time,
        refuses_reads: bounds.reads_max < VISITORS,
        last: bounds.messages as u64 + 1,
        published: watch::Sender::new(0),
        done,
        berths: (0..WORKERS).map(|_| (0..VISITORS).map(|_| Berth::default()).collect()).collect(),
    });
    let notes = board(&shared);
    let ticket = |worker| ticket(&part, worker);
    let tickets: Vec<_> = (0..AUTHORS).map(|author| ticket(author % WORKERS)).collect();
    let mut threads = page_readers(&journal, reads, &inboxes);
    for index in 0..WORKERS {
        let part = Parts { config: WorkerConfig { index, ..part.config.clone() }, ..part.clone() };
        let shared = Arc::clone(&shared);
        threads.push(thread::spawn(move || run_worker(part, &shared)));
    }
    let (told, clock) = (inboxes.clone(), Arc::clone(&part.clock));
    threads.push(thread::spawn(move || {
        journal_thread::run(sequencer, &submissions, &told, &clock, JournalWatch::unseen())
            .expect("the disk is whole");
    }));
    drop(part);
    publish(&shared, bounds.messages, &tickets, &submit, &inboxes);
    // Once the workers are gone too, the journal thread ends.
    drop(submit);
    for _ in 0..VISITORS {
        all_done.recv().expect("visitors hold the other end");
    }
    for inbox in &inboxes {
        inbox.put(Letter::Stop);
    }
    for thread in threads {
        thread.join().expect("a thread of the relay panicked");
    }
    let page = journal.read_after(Sequence::START, usize::MAX).expect("the disk is whole");
    let mut messages = page.messages;
    while (messages.len() as u64) < shared.last {
        let after = messages.last().expect("there is a message").seq;
        messages.extend(journal.read_after(after, usize::MAX).expect("the disk is whole").messages);
    }
    for notes in notes {
        let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(wrong) = judge(&notes, &messages, cast) {
            panic!("{wrong}\n{:#?}", Tale(&notes));
        }
    }
}

/// What is to be judged in the end, by visitor.
type Notes = Arc<std::sync::Mutex<Vec<Note>>>;

/// All notes but what was signed.
struct Tale<'a>(&'a [Note]);

impl std::fmt::Debug for Tale<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|note| format!("{note:?}").chars().take(160).collect::<String>()))
            .finish()
    }
}

/// Visitors come to some worker.
fn board(shared: &Shared) -> Vec<Notes> {
    let board = |number: usize| {
        let visitor = Visitor::new();
        let notes = Arc::clone(&visitor.notes);
        shared.berths[thread_rng().gen_range(0..WORKERS)][number].put(visitor);
        notes
    };
    (0..VISITORS).map(board).collect()
}

/// Somebody who publishes: whoever is the first session of a worker gets the receipts.
fn ticket(part: &Parts, worker: usize) -> Ticket {
    let verdicts = Arc::<SharedVerdicts>::clone(&part.verdicts);
    let mut stand_in = Worker::new(
        part.config.clone(),
        Arc::clone(&part.chains),
        Arc::clone(&part.revocations),
        verdicts,
        part.head,
    );
    let session = stand_in.accept(Nonce::from_bytes([0; 32]), BINDING, BEGIN);
    Ticket { worker, session, re: 1 }
}

fn page_readers(
    journal: &JournalReader<SimDisk>,
    reads: Receiver<(usize, ReadRequest)>,
    inboxes: &[Arc<Inbox>],
) -> Vec<thread::JoinHandle<()>> {
    let reads = Arc::new(Mutex::new(reads));
    let pages = Pages::new(journal.clone());
    let reader = |_| {
        let (pages, reads, inboxes) = (pages.clone(), Arc::clone(&reads), inboxes.to_vec());
        thread::spawn(move || read_pages(&pages, &reads, &inboxes))
    };
    (0..PAGE_READERS).map(reader).collect()
}

/// Some authors at once, and then the last message.
fn publish(
    shared: &Arc<Shared>,
    messages: usize,
    tickets: &[Ticket],
    submit: &Submitter,
    inboxes: &[Arc<Inbox>],
) {
    let authors: Vec<_> = (0..AUTHORS)
        .map(|author| {
            let (shared, submit, ticket) = (Arc::clone(shared), submit.clone(), tickets[author]);
            let inboxes = inboxes.to_vec();
            thread::spawn(move || {
                for message in shared.cast.messages[..messages].iter().skip(author).step_by(AUTHORS) {
                    say(&submit, ticket, message);
                    shared.published.send_modify(|published| *published += 1);
                    inboxes.iter().for_each(|inbox| assert_bounded(inbox));
                }
            })
        })
        .collect();
    for author in authors {
        author.join().expect("an author panicked");
    }
    say(submit, tickets[0], shared.cast.last());
    shared.published.send_modify(|published| *published += 1);
    inboxes.iter().for_each(|inbox| assert_bounded(inbox));
}

/// Hands it to the journal thread, as soon as there is room.
fn say(submit: &Submitter, ticket: Ticket, message: &VerifiedMessage) {
    let statement = Statement::Message(Box::new(message.clone()));
    let mut verified = vec![Submission { ticket, statement }];
    loop {
        verified = submit.submit(verified);
        if verified.is_empty() {
            return;
        }
        thread::yield_now();
    }
}

/// Events in memory stay few, however long a worker is away. Answers and pages are bounded by who asks.
fn assert_bounded(inbox: &Inbox) {
    let [batches, jumps, _] = inbox.waiting();
    assert!(batches <= BATCHES_MAX && jumps <= 1, "{batches} batches and {jumps} jumps wait for a worker");
}

/// A worker's thread: its letters, and the visitors that come to it.
fn run_worker(part: Parts, shared: &Arc<Shared>) {
    let index = part.config.index;
    let local = std::rc::Rc::new(Local::new(part));
    let letters: LocalBoxFuture<'_, ()> = read_letters(std::rc::Rc::clone(&local)).boxed_local();
    let calls: LocalBoxFuture<'_, ()> = call(std::rc::Rc::clone(&local)).boxed_local();
    let mut tasks: FuturesUnordered<_> = [letters, calls]
        .into_iter()
        .chain((0..VISITORS).map(|number| host(&local, index, number, shared).boxed_local()))
        .collect();
    shuttle::future::block_on(tasks.next());
    // What was given too much is still to be taken.
    for _ in 0..VISITORS {
        let _ = tasks.next().now_or_never();
    }
}

/// Serves one visitor whenever it comes to this worker.
async fn host(local: &std::rc::Rc<Local>, index: usize, number: usize, shared: &Shared) {
    let berth = &shared.berths[index][number];
    loop {
        berth.arrived.notified().await;
        let Some(mut visitor) = berth.visitor.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            continue;
        };
        visitor.visit(local, shared).await;
        shared.berths[thread_rng().gen_range(0..WORKERS)][number].put(visitor);
    }
}
