//! A running relay: threads, queues and sockets around the sequencer and the workers.
//!
//! [`Relay::start`] takes a listener that is bound already, so that tests, embedding programs and the binary share one
//! door. Every thread has an owner here that can stop it and waits for it. Stopping is a sequence: stop accepting, tell
//! clients when to come back, drain within a grace period, then sync and close the journal.

mod cadence;
mod every;
pub(crate) mod inbox;
mod health_thread;
mod journal_thread;
mod page_readers;
pub(crate) mod submissions;
mod verified;
mod renewal;
pub(crate) mod worker_thread;
#[cfg(test)]
#[cfg(feature = "model")]
mod model;
// Not with the model, outside of which its queues panic.
#[cfg(test)]
#[cfg(not(feature = "model"))]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use vigie_proto::id::LogId;
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::session::relay::Rules;

use crate::clock::Clock;
use crate::config::RelayConfig;
use crate::door::{Door, Judge};
use crate::event::Position;
use crate::health::{Health, Origin, Status, SyncTimes, TimedStorage};
use crate::journal::{DamagedRange, DirStorage, JournalError, Recovery, Storage};
use crate::net::accept::accept;
use crate::net::client_auth::Clients;
use crate::net::connections::Connections;
use crate::net::floods;
use crate::net::strangers::Strangers;
use crate::net::tls::{Shown, Tls};
use crate::own_credential::SharedCredential;
use crate::rates::Rates;
use crate::seats::Seats;
use crate::sequencer::Sequencer;
use crate::server::submissions::Submitted;
use crate::sync::mpsc::{Receiver, sync_channel};
use crate::trust::SharedRules;
use crate::worker::{Pages, ReadRequest, WorkerConfig};
use health_thread::HealthThread;
use inbox::{Inbox, Letter};
use page_readers::READS_MAX;
use worker_thread::Parts;

/// Why a relay did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The TLS key does not fit the certificate, or is of a kind that TLS 1.3 does not take.
    #[error(
        "the TLS certificate or key cannot be used: {0}; check `tls_chain` and `tls_key` in the configuration"
    )]
    Tls(#[from] rustls::Error),
    /// No TLS certificate was given.
    #[error("no TLS certificate is given; check `tls_chain` in the configuration")]
    NoCertificate,
    /// Clients would refuse this certificate.
    #[error("the new TLS certificate cannot be used: {why}; the one before stays")]
    CertificateUnfit {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Clients cannot be judged by these authorities and revocation lists.
    #[error("the client authorities or their revocation lists cannot be used: {why}")]
    ClientAuthUnfit {
        /// What is wrong with them.
        why: String,
    },
    /// The folder of the journal could not be opened.
    #[error(
        "the journal folder {path} cannot be opened ({source}); if its disk is not mounted, mount it; for a new \
         relay, make the folder with `vigie journal new`"
    )]
    JournalFolder {
        /// Which folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The journal could not be opened, or failed while running.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The clock is before the last message of the journal: new messages would be misdated.
    #[error(
        "the clock stands {behind:?} before the last message of the journal; set the clock right, then start again"
    )]
    ClockBehindJournal {
        /// How far.
        behind: Duration,
    },
    /// The listener or a thread could not be set up.
    #[error("could not set up the relay: {0}")]
    System(#[from] std::io::Error),
}

impl RelayError {
    /// Whether the disk failed: whatever has no receipt must be sent again, and the relay must be looked at.
    pub fn is_storage_failure(&self) -> bool {
        use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
        match self {
            Self::Journal(error) => {
                matches!(
                    error,
                    JournalError::Storage { .. }
                        | JournalError::Moved
                        | JournalError::Poisoned
                        | JournalError::Full { .. }
                )
            }
            // The wrong folder is named, or its disk is not mounted: no failure of a disk.
            Self::JournalFolder { source, .. } => {
                ![NotFound, NotADirectory, PermissionDenied].contains(&source.kind())
            }
            Self::Tls(_)
            | Self::NoCertificate
            | Self::CertificateUnfit { .. }
            | Self::ClientAuthUnfit { .. }
            | Self::ClockBehindJournal { .. }
            | Self::System(_) => false,
        }
    }
}

/// A running relay. Dropping it stops it without grace.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    log: LogId,
    health: Arc<Health>,
    tls: Arc<Tls>,
    own: SharedCredential,
    rules: SharedRules,
    health_listener: Option<HealthThread>,
    door: Option<Door>,
    retry_hint: Duration,
    stop_accepting: watch::Sender<bool>,
    inboxes: Vec<Arc<Inbox>>,
    connections: Arc<Connections>,
    journal: Option<JoinHandle<Result<(), JournalError>>>,
    others: Vec<JoinHandle<std::io::Result<()>>>,
    failed: watch::Receiver<bool>,
}

impl Relay {
    /// Opens the journal and begins to serve.
    ///
    /// # Errors
    /// [`RelayError`]; nothing runs then.
    pub fn start(listener: TcpListener, mut config: RelayConfig) -> Result<Self, RelayError> {
        let address = listener.local_addr()?;
        let (stop_accepting, stop) = watch::channel(false);
        let (fail, failed) = watch::channel(false);
        let retry_hint = config.retry_hint;
        let seats = Arc::new(Seats::new(config.connections_max, config.sessions_per_key_max));
        let (strangers_max, of_address) = (config.strangers_max, config.connections_per_address_max);
        let connections = Connections::new(Arc::clone(&seats), strangers_max, of_address);
        let own = SharedCredential::new(config.relay_credential.take());
        let strangers = Arc::new(Strangers::new(config.strangers_max, config.strangers_per_address_max));
        let (health_listener, folder) = (config.health.take(), DirStorage::open(&config.journal).ok());
        let journal_folder = config.operators_door.then(|| config.journal.clone());
        let Assembled { sequencer, submissions, reads, parts, clock, syncs, tls, rules } =
            assemble(config, own.clone(), seats)?;
        let log = sequencer.log();
        let connections = Arc::new(connections);
        let health = Arc::new(Health::new(Origin {
            sequencer: &sequencer,
            syncs,
            clock: Arc::clone(&clock),
            workers: parts.len(),
            connections: Arc::clone(&connections),
            tls: Arc::clone(&tls),
            credential: own.clone(),
            rules: rules.clone(),
            strangers: Arc::clone(&strangers),
            ended: failed.clone(),
        }));
        let inboxes = parts.first().map_or_else(Vec::new, |part| part.inboxes.clone());
        let door =
            journal_folder.and_then(|folder| open_door(&folder, &sequencer, parts.first()?, &clock, &rules));
        let mut others =
            page_readers::spawn_all(Pages::new(sequencer.journal().reader()), reads, &inboxes, &fail)?;
        for part in parts {
            let name = format!("worker-{}", part.config.index);
            let (gauge, issuers) = (health.worker(part.config.index), health.issuers());
            let shown = worker_thread::Shown { gauge, issuers };
            others.push(spawn(&name, &fail, move || worker_thread::run(part, shown))?);
        }
        let watched = (Arc::clone(&health), folder);
        let journal = spawn_journal(sequencer, submissions, inboxes.clone(), clock, &fail, watched)?;
        let (letters, counted) = (inboxes.clone(), Arc::clone(&connections));
        let (watched, counts) = (Arc::clone(&connections), Arc::clone(&health));
        others.push(spawn("accept", &fail, move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    ended = accept(listener, letters, counted, strangers, stop) => ended,
                    () = floods::watch(&watched, || counts.refusals()) => Ok(()),
                }
            })
        })?);
        let journal = Some(journal);
        // Without it the relay is as good: alerts do not wait for someone who wants to know how they go.
        let not_told =
            |error: &std::io::Error| tracing::error!(%error, "the relay runs without its health listener");
        let spawn_health = |listener| HealthThread::spawn(listener, &health).inspect_err(not_told).ok();
        let health_listener = health_listener.and_then(spawn_health);
        Ok(Self {
            address,
            log,
            health,
            tls,
            own,
            rules,
            health_listener,
            door,
            retry_hint,
            stop_accepting,
            inboxes,
            connections,
            journal,
            others,
            failed,
        })
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The identity of its log.
    pub const fn log(&self) -> LogId {
        self.log
    }

    /// What its journal could not read at the start although it was on disk once: empty for a sound one. Readers get a
    /// gap `damaged` there, and all else.
    pub fn journal_damage(&self) -> &[DamagedRange] {
        self.health.damage_found()
    }

    /// How it found its journal at the start: whether the last run was cut short, and what that cost.
    pub fn recovery(&self) -> Recovery {
        self.health.recovery()
    }

    /// Where it answers for its health; `None` where [`RelayConfig::health`] is none.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.health_listener.as_ref().map(|listener| listener.address)
    }

    /// How it is: what `GET /status` of the health listener tells. Makes no thread of the relay wait.
    pub fn status(&self) -> Status {
        self.health.status()
    }

    /// Waits until the journal fails or a thread of the relay panics; for ever when neither happens. Then call
    /// [`Relay::stop`] for the error, and exit.
    /// Cancel safe.
    pub async fn failed(&self) {
        let mut failed = self.failed.clone();
        if failed.wait_for(|failed| *failed).await.is_err() {
            // The journal thread ended without failing: the relay is being stopped by someone else.
            std::future::pending::<()>().await;
        }
    }

    /// Stops: accepts no more, tells clients when to come back, gives them what waits for them within `grace`, and
    /// closes the journal. Blocks meanwhile.
    ///
    /// # Errors
    /// What the journal failed with, now or before.
    pub fn stop(mut self, grace: Duration) -> Result<(), RelayError> {
        self.shut_down(grace)
    }

    fn shut_down(&mut self, grace: Duration) -> Result<(), RelayError> {
        let Some(journal) = self.journal.take() else { return Ok(()) };
        self.health.note_stopping();
        self.stop_accepting.send_replace(true);
        for inbox in &self.inboxes {
            inbox.put(Letter::Shutdown(self.retry_hint));
        }
        let left = self.connections.wait_until_none(grace);
        if left > 0 {
            tracing::warn!(left, "connections were cut at the end of the grace period");
        }
        // While the journal is locked: a socket at its place is ours until then.
        if let Some(door) = self.door.take() {
            door.close();
        }
        for inbox in &self.inboxes {
            inbox.put(Letter::Stop);
        }
        let ended: Vec<_> = self.others.drain(..).map(join).collect();
        // The workers have let go of the queue, so the journal thread drains it and ends, whatever became of them.
        let journal = join(journal);
        // The last to go: it has told until here that the relay stops.
        if let Some(listener) = self.health_listener.take() {
            listener.stop();
        }
        journal??;
        for outcome in ended {
            outcome??;
        }
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down(Duration::ZERO) {
            tracing::error!(%error, "the relay did not stop cleanly");
        }
    }
}

/// Everything that threads are given, before any of them runs.
struct Assembled {
    sequencer: Sequencer<TimedStorage<DirStorage>>,
    submissions: Submitted,
    reads: Receiver<(usize, ReadRequest)>,
    parts: Vec<Parts>,
    clock: Arc<Clock>,
    syncs: Arc<SyncTimes>,
    tls: Arc<Tls>,
    rules: SharedRules,
}

fn assemble(config: RelayConfig, own: SharedCredential, seats: Arc<Seats>) -> Result<Assembled, RelayError> {
    // Where something else ends TLS in front of the relay, its certificate is seen by that alone.
    let names = if config.unbound_passes { Vec::new() } else { config.names.clone() };
    let clients = config.client_auth.as_ref().map(Clients::new).transpose()?.map(Arc::new);
    let tls = Arc::new(Tls::new(Shown::new(config.tls_chain, config.tls_key, clients)?, names));
    let clock = Arc::new(config.clock);
    let workers = config.workers.max(1);
    // Not made here: where the journal's disk is not mounted, an empty one must not begin in its place. Whether one may
    // begin in a folder that is there: `JournalConfig::new_journal`.
    let storage = DirStorage::open(&config.journal)
        .map_err(|source| RelayError::JournalFolder { path: config.journal.clone(), source })?;
    let syncs = Arc::new(SyncTimes::new(Instant::now()));
    let storage = TimedStorage::new(storage, Arc::clone(&syncs));
    let mut sequencer =
        Sequencer::open(storage, config.journal_config, new_log_id()?, clock.steady(), workers)?;
    sequencer.set_bytes_in_force_max(config.bytes_in_force_max);
    not_before_journal(&clock, sequencer.head())?;
    let rules = SharedRules::new(Rules {
        roots: config.roots,
        relay_names: config.names,
        unbound_passes: config.unbound_passes,
        lifetime_max: config.lifetime_max,
        login_timeout: config.login_timeout,
        subscriptions_max: config.subscriptions_max,
        mark_interval_max: config.mark_interval_max,
    });
    sequencer.set_rules(rules.clone());
    let (submit, submissions) = submissions::queue(config.submissions_max);
    let (ask, reads) = sync_channel(READS_MAX);
    let part = Parts {
        config: WorkerConfig {
            relay: own,
            outbox_bytes_max: config.outbox_bytes_max,
            ring_bytes_max: config.ring_bytes_max,
            seats,
            rates: Arc::new(Rates::new(
                config.publishes_per_credential_max,
                config.chains_per_credential_max,
                config.publishes_max,
            )),
            ..WorkerConfig::new(0, rules.now(), sequencer.log())
        },
        chains: sequencer.chains(),
        revocations: sequencer.revocations(),
        verdicts: Arc::default(),
        head: sequencer.head(),
        inboxes: (0..workers).map(|_| Arc::default()).collect(),
        submissions: submit,
        reads: ask,
        tls: Arc::clone(&tls),
        origins: config.origins,
        stranger_bytes: config.stranger_bytes,
        clock: Arc::clone(&clock),
    };
    let for_worker = |index| Parts { config: WorkerConfig { index, ..part.config.clone() }, ..part.clone() };
    let parts = (0..workers).map(for_worker).collect();
    Ok(Assembled { sequencer, submissions, reads, parts, clock, syncs, tls, rules })
}

/// Without it the relay is as good: alerts do not wait for someone who wants to know who hears them.
fn open_door<S: Storage>(
    folder: &Path,
    sequencer: &Sequencer<S>,
    part: &Parts,
    clock: &Arc<Clock>,
    rules: &SharedRules,
) -> Option<Door> {
    let judge = Judge {
        rules: rules.clone(),
        clock: Arc::clone(clock),
        chains: Arc::clone(&part.chains),
        verdicts: Arc::clone(&part.verdicts),
        revocations: Arc::clone(&part.revocations),
        journal: sequencer.journal().reader(),
    };
    let not_told =
        |error: &std::io::Error| tracing::warn!(%error, "the relay runs without its operators' door");
    Door::open(folder, judge, part.inboxes.clone()).inspect_err(not_told).ok()
}

fn new_log_id() -> std::io::Result<LogId> {
    let random = ring::rand::SystemRandom::new();
    let id: [u8; 16] = ring::rand::generate(&random)
        .map_err(|_| std::io::Error::other("the system gives no random numbers"))?
        .expose();
    Ok(LogId::from_bytes(id))
}

/// New messages must not be dated before those in the log.
fn not_before_journal(clock: &Clock, head: Position) -> Result<(), RelayError> {
    let behind = head.admitted.since(clock.steady());
    if behind > CLOCK_SKEW_MAX { Err(RelayError::ClockBehindJournal { behind }) } else { Ok(()) }
}

/// Tells the owner of the relay when the thread that holds it panics: a relay that lacks one of its threads looks alive
/// and is not.
struct PanicWatch(watch::Sender<bool>);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.send_replace(true);
        }
    }
}

fn spawn<R: Send + 'static>(
    name: &str,
    fail: &watch::Sender<bool>,
    work: impl FnOnce() -> R + Send + 'static,
) -> std::io::Result<JoinHandle<R>> {
    let watch = PanicWatch(fail.clone());
    std::thread::Builder::new().name(format!("vigie-{name}")).spawn(move || {
        let _watch = watch;
        work()
    })
}

fn join<R>(thread: JoinHandle<R>) -> std::io::Result<R> {
    thread.join().map_err(|_| std::io::Error::other("a thread of the relay panicked"))
}

/// Runs the journal; when it fails, everyone is told, and the owner of the relay.
fn spawn_journal<S: Storage>(
    sequencer: Sequencer<S>,
    submissions: Submitted,
    inboxes: Vec<Arc<Inbox>>,
    clock: Arc<Clock>,
    fail: &watch::Sender<bool>,
    (health, folder): (Arc<Health>, Option<DirStorage>),
) -> std::io::Result<JoinHandle<Result<(), JournalError>>> {
    let told = fail.clone();
    spawn("journal", fail, move || {
        let outcome = journal_thread::run(sequencer, &submissions, &inboxes, &clock, health.journal(folder));
        if let Err(error) = &outcome {
            tracing::error!(%error, "the journal failed: nothing without a receipt is stored");
            health.note_journal_failure();
            for inbox in &inboxes {
                inbox.put(Letter::Failed);
            }
            told.send_replace(true);
        }
        outcome
    })
}
