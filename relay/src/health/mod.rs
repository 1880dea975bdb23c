//! How the relay is, for people and machines: what is counted, what is red, and a plain HTTP listener that tells it.
//!
//! Where it sits: beside the data path and never in it. The threads of the relay put plain numbers into a `Gauge`: a
//! worker a few times a second, the journal thread once a batch and once a second. `Health` puts them together as a
//! [`Status`] when somebody asks: through `Relay::status`, or through the listener, a thread of its own.
//!
//! Invariants: no lock is taken and no atomic touched for a delivery; whoever asks makes no thread of
//! the relay wait; nothing of a message, credential, key, id or address is ever part of a [`Status`].
//!
//! The numbers are each true, but not of the same moment: between a publish and the next look of a worker they differ.
//!
//! What it does not do: keep a history, count for each client, or change anything. There is no way from it to the
//! listener of clients, nor back.
//!
//! # What it is asked
//!
//! | request | 200 | 503 |
//! |---|---|---|
//! | `GET /livez` | all threads moved within [`LIVE_WITHIN`] | a line for each that did not: restart the relay |
//! | `GET /readyz` | messages are taken and given | a line for each reason why not: a code, `: `, a sentence |
//! | `GET /metrics` | the numbers of the same [`Status`] for Prometheus: [`metrics`] | never |
//! | `GET /status` | a [`Status`] as JSON | never |
//!
//! Names and meaning of all members are those of [`Status`]. Codes of reasons and warnings: [`Reason`] and [`Warning`].

mod clients;
mod codes;
pub mod expiry;
mod gauge;
mod issuers;
mod journal_watch;
pub mod metrics;
pub(crate) mod listener;
mod recovery;
mod status;
mod sync_times;
mod timed_storage;

use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use vigie_proto::id::LogId;
use vigie_proto::time::{Timestamp, millis};

use crate::clock::Clock;
use crate::journal::{DAMAGE_MET_MAX, DamageMet, DamagedRange, DirStorage, Recovery, Storage};
use crate::net::connections::Connections;
use crate::net::strangers::Strangers;
use crate::net::tls::Tls;
use crate::own_credential::SharedCredential;
use crate::revocations::REVOCATIONS_MAX;
use crate::sequencer::{IDS_IN_FORCE_MAX, Sequencer};
use crate::trust::{SharedRules, ending_roots};
use crate::worker::{EndingIssuer, RefusalCounts, WorkerCounts};

pub use clients::{HeldBackStatus, SessionStatus, StrangerStatus, UnheardStatus};
pub use codes::{Reason, Warning};
use expiry::Validity;
pub(crate) use gauge::{Gauge, JournalNumbers};
pub(crate) use issuers::Issuers;
pub(crate) use journal_watch::JournalWatch;
pub use listener::{CONNECTIONS_MAX, HEAD_BYTES_MAX, REQUEST_WITHIN};
pub use recovery::{RecoveryFound, RecoveryStatus};
use status::Facts;
pub use status::{
    ClockState, Damage, Found, JournalStatus, LIVE_WITHIN, PublishStatus, READY_WITHIN, Status, ThreadStatus,
};
pub(crate) use sync_times::SyncTimes;
pub use sync_times::{SYNC_WITHIN, SyncStatus};
pub(crate) use timed_storage::TimedStorage;

/// What the threads of a relay show, for whoever asks.
#[derive(Debug)]
pub(crate) struct Health {
    began: Instant,
    started: Timestamp,
    log: LogId,
    clock: Arc<Clock>,
    connections: Arc<Connections>,
    tls: Arc<Tls>,
    credential: SharedCredential,
    rules: SharedRules,
    strangers: Arc<Strangers>,
    workers: Vec<Arc<Gauge<WorkerCounts>>>,
    issuers: Arc<Issuers>,
    journal: Arc<Gauge<JournalNumbers>>,
    syncs: Arc<SyncTimes>,
    recovery: Recovery,
    damage_found: Vec<DamagedRange>,
    damage_met: Arc<DamageMet>,
    journal_failed: AtomicBool,
    stopping: AtomicBool,
    /// Told when the journal fails or a thread panics.
    ended: watch::Receiver<bool>,
}

/// What [`Health`] is made of.
pub(crate) struct Origin<'a, S: Storage> {
    pub(crate) sequencer: &'a Sequencer<S>,
    pub(crate) syncs: Arc<SyncTimes>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) workers: usize,
    pub(crate) connections: Arc<Connections>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) credential: SharedCredential,
    pub(crate) rules: SharedRules,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) ended: watch::Receiver<bool>,
}

impl Health {
    pub(crate) fn new<S: Storage>(origin: Origin<'_, S>) -> Self {
        let Origin {
            sequencer,
            syncs,
            clock,
            workers,
            connections,
            strangers,
            tls,
            credential,
            rules,
            ended,
        } = origin;
        let began = Instant::now();
        let mut numbers = JournalNumbers::default();
        numbers.look(sequencer);
        numbers.look_at_sizes(sequencer);
        Self {
            began,
            started: clock.steady(),
            log: sequencer.log(),
            clock,
            connections,
            tls,
            credential,
            rules,
            strangers,
            workers: (0..workers).map(|_| Arc::new(Gauge::new(began, WorkerCounts::default()))).collect(),
            issuers: Arc::new(Issuers::new(workers)),
            journal: Arc::new(Gauge::new(began, numbers)),
            syncs,
            recovery: sequencer.journal().recovery(),
            damage_found: sequencer.journal().damage().to_vec(),
            damage_met: sequencer.journal().reader().damage_met(),
            journal_failed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            ended,
        }
    }

    /// Where the worker shows its numbers.
    pub(crate) fn worker(&self, index: usize) -> Arc<Gauge<WorkerCounts>> {
        Arc::clone(&self.workers[index])
    }

    /// Where workers show which credentials end soon.
    pub(crate) fn issuers(&self) -> Arc<Issuers> {
        Arc::clone(&self.issuers)
    }

    /// Those, each once, the one that ends first first.
    pub(crate) fn ending_issuers(&self) -> Vec<EndingIssuer> {
        self.issuers.all()
    }

    /// For the journal thread, whose journal lies in this folder.
    pub(crate) fn journal(&self, folder: Option<DirStorage>) -> JournalWatch {
        JournalWatch::new(Arc::clone(&self.journal), folder)
    }

    /// What the journal could not read at the start.
    pub(crate) fn damage_found(&self) -> &[DamagedRange] {
        &self.damage_found
    }

    /// How the journal was found at the start.
    pub(crate) fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// The disk failed.
    pub(crate) fn note_journal_failure(&self) {
        self.journal_failed.store(true, Ordering::Relaxed);
    }

    /// The relay was asked to stop.
    pub(crate) fn note_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The relay's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.steady()
    }

    fn counted(&self) -> WorkerCounts {
        self.workers.iter().map(|worker| worker.numbers()).fold(WorkerCounts::default(), Add::add)
    }

    /// What was refused since the start, by code.
    pub(crate) fn refusals(&self) -> RefusalCounts {
        self.counted().refusals
    }

    /// How the relay is now.
    pub(crate) fn status(&self) -> Status {
        let facts = Facts { stopping: self.stopping.load(Ordering::Relaxed), ended: *self.ended.borrow() };
        let now = self.now();
        let clock = if self.clock.admission().is_ok() { ClockState::Ok } else { ClockState::Suspect };
        let numbers = self.journal.numbers();
        let workers = self.counted();
        let (damage, damage_left_out) = self.damage();
        let shown = self.tls.shown();
        let clients = shown.clients.as_deref();
        let root =
            ending_roots(&self.rules.now().roots, now).first().map(|root| Validity::of(root.valid, now));
        let issuers = self.ending_issuers();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            log: self.log,
            started: self.started,
            uptime_ms: millis(self.began.elapsed()),
            live: false,
            ready: false,
            reasons: Vec::new(),
            warnings: Vec::new(),
            clock,
            journal: self.journal_status(&numbers),
            sync: self.syncs.status(),
            publishes: PublishStatus {
                receipts: numbers.receipts,
                refused: numbers.refused,
                batches: numbers.batches,
            },
            held_back: HeldBackStatus {
                credential: workers.held_back.credential,
                exercises: workers.held_back.exercises,
                relay: workers.held_back.relay,
            },
            connections: self.connections.count() as u64,
            connections_max: self.connections.sessions_max() as u64,
            strangers: StrangerStatus {
                open: self.strangers.count() as u64,
                handshakes: self.strangers.handshakes(),
                waiting: self.strangers.waiting(),
                max: self.strangers.max() as u64,
                replaced: self.strangers.replaced(),
            },
            sessions: SessionStatus {
                strangers: workers.strangers,
                logged_in: workers.logged_in,
                live: workers.live,
                behind: workers.behind,
                closing: workers.closing,
            },
            requests_refused: workers.requests_refused,
            logins_refused: workers.logins_refused,
            jumps: workers.jumps,
            refusals: workers
                .refusals
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(code, count)| (code.as_str().to_owned(), count))
                .collect(),
            unheard: UnheardStatus {
                no_room: self.connections.dropped(),
                tls: workers.tls_failed,
                http: workers.http_failed,
            },
            deliveries: workers.deliveries,
            delivered_bytes: workers.delivered_bytes,
            certificate: shown.valid.map(|valid| Validity::of(valid, now)),
            certificate_refused: self.tls.is_refused(),
            client_authority: clients.and_then(|it| it.authority).map(|valid| Validity::of(valid, now)),
            client_list: clients.and_then(|it| it.list).map(|valid| Validity::of(valid, now)),
            credential: self.credential.validity(now),
            root,
            issuer: issuers.first().map(|issuer| Validity::of(issuer.valid, now)),
            issuers_ending: issuers.len() as u64,
            roots_refused: self.rules.is_refused(),
            threads: self.threads(),
            damage,
            damage_left_out,
        }
        .judged(facts)
    }

    fn journal_status(&self, numbers: &JournalNumbers) -> JournalStatus {
        JournalStatus {
            head_seq: numbers.head.seq,
            head_admitted: numbers.head.admitted,
            first_seq: numbers.first_seq,
            segments: numbers.usage.segments as u64,
            bytes: numbers.usage.bytes,
            free_bytes: numbers.free_bytes,
            reserve_whole: numbers.usage.reserve_whole,
            full: numbers.full,
            failed: self.journal_failed.load(Ordering::Relaxed),
            ids: numbers.ids as u64,
            ids_max: IDS_IN_FORCE_MAX as u64,
            bytes_in_force: numbers.bytes_in_force,
            bytes_in_force_max: numbers.bytes_in_force_max,
            revocations: numbers.revocations as u64,
            revocations_max: REVOCATIONS_MAX as u64,
            revocations_lost: numbers.revocations_lost,
            recovery: Some(self.recovery.into()),
        }
    }

    /// What was found at the start, and what readers met and was not known by then; bounded, and whether that left any
    /// out.
    fn damage(&self) -> (Vec<Damage>, bool) {
        let (met, left_out) = self.damage_met.ranges();
        let place = |range: &DamagedRange| (range.segment.clone(), range.offset);
        let is_new =
            |range: &&DamagedRange| !self.damage_found.iter().any(|found| place(found) == place(range));
        let found =
            self.damage_found.iter().take(DAMAGE_MET_MAX).map(|range| Damage::new(Found::AtStart, range));
        let met = met.iter().filter(is_new).map(|range| Damage::new(Found::Reading, range));
        (found.chain(met).collect(), left_out || self.damage_found.len() > DAMAGE_MET_MAX)
    }

    fn threads(&self) -> Vec<ThreadStatus> {
        let one = |name, silence: Option<Duration>| ThreadStatus { name, silent_ms: silence.map(millis) };
        let workers = self.workers.iter().enumerate();
        let workers = workers.map(|(index, gauge)| one(format!("worker-{index}"), gauge.silence()));
        workers.chain([one("journal".to_owned(), self.journal.silence())]).collect()
    }
}
