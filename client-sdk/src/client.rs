//! The handle of an application: publish, subscribe, look back.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use vigie_proto::chain::Roots;
use vigie_proto::channel::{Filter, Plane};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::Start;
use vigie_proto::limits::{MARK_INTERVAL, MESSAGE_BYTES_MAX};
use vigie_proto::refusal::Refusal;
use vigie_proto::revocation::{Statement, VerifiedRevocation};

use crate::backoff::{self, Backoff};
use crate::clock;
use crate::commits::Commits;
use crate::connect::Connector;
use crate::dial::Dialler;
use crate::draft::{Draft, SignedMessage};
use crate::driver::{Abandoned, Command, Driver, Failed, IN_FLIGHT_MAX};
use crate::history::{self, HistoryError, Page};
use crate::identity::{CredentialEnd, Identity};
use crate::link::{LinkError, LinkState, LinkStates, StateBoard, StateLamp};
use crate::outbox::PublishChain;
use crate::plane::OnPlane;
use crate::publish::{PublishError, Reach, Receipt};
use crate::reader::Reader;
use crate::revoke::{self, RevocationsAt, RevokedAt};
use crate::store::{CursorStore, StoreError};
use crate::subscription::Subscription;
use crate::tls::TlsRoots;
use crate::url::RelayUrl;

/// From the call to the receipt, unless set otherwise: a person waits for it.
const DEADLINE: Duration = Duration::from_secs(30);
/// Longest deadline: later than any message lives.
const DEADLINE_MAX: Duration = Duration::from_secs(8 * 24 * 3_600);

/// What a client needs to know. All fields are public; [`ClientConfig::new`] takes those without a default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The relays, at least one. Readers use one at a time, tried in this order; publishes go to all of them.
    pub relays: Vec<RelayUrl>,
    /// The authorities that certify the relays' TLS.
    pub tls_roots: TlsRoots,
    /// The pinned roots that readers trust; nobody else is.
    pub roots: Roots,
    /// Who logs in and signs. Of the client's plane.
    pub identity: Identity,
    /// From a call to its answer, the wait for a line included; at most 8 days. Default 30 s.
    pub deadline: Duration,
    /// How often the relay shows that a line lives; 2.4 of them without a sign and it is given up. From 1 to 300 s,
    /// long for phones that save their battery. Default 5 s.
    pub mark_interval: Duration,
}

impl ClientConfig {
    /// With the defaults of the other fields.
    pub const fn new(relays: Vec<RelayUrl>, tls_roots: TlsRoots, roots: Roots, identity: Identity) -> Self {
        Self { relays, tls_roots, roots, identity, deadline: DEADLINE, mark_interval: MARK_INTERVAL }
    }
}

/// The parts of a configuration do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no relay.
    #[error("no relay is named: name at least one, such as wss://localhost:7443")]
    NoRelay,
    /// The identity is of the other plane.
    #[error("a client of the {client} plane cannot use an identity of the {identity} plane")]
    WrongPlane {
        /// That of the client.
        client: Plane,
        /// That of the identity.
        identity: Plane,
    },
}

/// A client of one identity on one plane. Cheap to clone; all clones share one publishing session for each relay, which
/// is opened by the first publish and closed when the last clone is dropped. Each subscription has a session of its own.
#[derive(Clone, Debug)]
pub struct Client<P> {
    shared: Arc<Shared>,
    plane: PhantomData<fn() -> P>,
}

#[derive(Debug)]
struct Shared {
    config: ClientConfig,
    dialler: Arc<Dialler>,
    /// One for each relay, in their order.
    publishers: Vec<Publisher>,
    board: Arc<StateBoard>,
}

/// The way to the publishing session of one relay.
#[derive(Debug)]
struct Publisher {
    /// Set by the first publish, which is inside a runtime for sure.
    driver: OnceLock<mpsc::Sender<Command>>,
    in_flight: Arc<Semaphore>,
}

impl Publisher {
    fn new() -> Self {
        Self { driver: OnceLock::new(), in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)) }
    }
}

/// A publish to one relay: what of a [`Command`] the caller decides.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) message: SignedMessage,
    pub(crate) chain: Option<PublishChain>,
    pub(crate) deadline: Instant,
    pub(crate) sent: Option<oneshot::Sender<()>>,
    pub(crate) abandoned: Abandoned,
    pub(crate) reach: Option<oneshot::Sender<Reach>>,
}

impl<P: OnPlane> Client<P> {
    /// A client. Returns at once: nothing is connected before it is needed, and being offline is no error.
    ///
    /// # Errors
    /// [`ConfigError`] when the parts do not go together.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        if config.relays.is_empty() {
            return Err(ConfigError::NoRelay);
        }
        if config.identity.plane() != P::PLANE {
            return Err(ConfigError::WrongPlane { client: P::PLANE, identity: config.identity.plane() });
        }
        let dialler = Dialler::new(&config.tls_roots, config.identity.clone(), config.mark_interval);
        let shared = Shared {
            dialler: Arc::new(dialler),
            publishers: config.relays.iter().map(|_| Publisher::new()).collect(),
            board: StateBoard::new(config.relays.len()),
            config,
        };
        Ok(Self { shared: Arc::new(shared), plane: PhantomData })
    }

    /// What it was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    /// The credentials that this client speaks and hears under which end within 30, 7 or 1 days, or have ended. Each is
    /// also a `tracing` warning whenever a line is opened and it has come closer to its end since the last one.
    pub fn ends_soon(&self) -> Vec<CredentialEnd> {
        self.shared.config.identity.ends_soon(clock::now())
    }

    /// How the publishing session is doing now; with several relays, how the best of them is.
    pub fn state(&self) -> LinkState {
        self.states().now()
    }

    /// How the publishing session is doing, as it changes; with several relays, how the best of them is.
    pub fn states(&self) -> LinkStates {
        LinkStates(self.shared.board.subscribe())
    }

    /// Signs a draft with the clock of this machine, and checks it as the relay will. Nothing is sent.
    ///
    /// # Errors
    /// [`PublishError::Refused`] with the rule that refuses it, [`PublishError::TooLarge`], [`PublishError::Replaces`].
    pub fn sign(&self, draft: Draft) -> Result<SignedMessage, PublishError> {
        draft.sign(&self.shared.config.identity, clock::now())
    }

    /// Signs and publishes: [`Client::sign`], then [`Client::publish_signed`].
    ///
    /// **Cancel safety**: as [`Client::publish_signed`], but the message is lost with the future, and so is its id: nobody can
    /// send the same one again to learn what became of it, and the draft published again is another message. Who may stop
    /// waiting signs first.
    ///
    /// # Errors
    /// Any [`PublishError`].
    pub async fn publish(&self, draft: Draft) -> Result<Receipt, PublishError> {
        let message = self.sign(draft)?;
        self.publish_signed(&message).await
    }

    /// Publishes; the receipt comes when the message is on the relay's disk. Over a broken line it is sent again by
    /// itself until the deadline. Sending the same message twice is safe: the first receipt comes back.
    ///
    /// With several relays it goes to all of them, and this returns with the first receipt. The others are tried on, in
    /// the background, until they have it, the message expires, or the last clone of the client is dropped; what must
    /// reach all of them through a restart belongs in an [`crate::Outbox`]. A refusal is told when no relay stored it.
    ///
    /// 32 are in flight to each relay at once; further callers wait for their turn, within their deadline. A relay whose
    /// 32 places are taken when another gives the receipt is left out.
    ///
    /// **Cancel safety**: dropping the future stops the wait; a message that the session has taken over is sent all
    /// the same, until the deadline or until the last clone of the client is dropped.
    ///
    /// # Errors
    /// Any [`PublishError`]: `Refused` and `TooLarge` need another message, `NotSent` and `Unknown` need the same one
    /// again.
    pub async fn publish_signed(&self, message: &SignedMessage) -> Result<Receipt, PublishError> {
        self.send(message, false).await.map(|(receipt, _)| receipt)
    }

    /// As [`Client::publish_signed`], and then waits up to `wait` for the relay's hint on how many sessions it handed
    /// the message to. `None` when no hint came: the receipt holds all the same.
    ///
    /// **Cancel safety**: as [`Client::publish_signed`]. Dropped while it waits for the hint, the message is stored, and the
    /// receipt is lost with the future: the same message published again gives it again.
    ///
    /// # Errors
    /// As [`Client::publish_signed`].
    pub async fn publish_with_reach(
        &self,
        message: &SignedMessage,
        wait: Duration,
    ) -> Result<(Receipt, Option<Reach>), PublishError> {
        let (receipt, reach) = self.send(message, true).await?;
        let Some(reach) = reach else { return Ok((receipt, None)) };
        let reach = tokio::time::timeout(wait, reach).await;
        Ok((receipt, reach.ok().and_then(Result::ok)))
    }

    async fn send(
        &self,
        message: &SignedMessage,
        wants_reach: bool,
    ) -> Result<(Receipt, Option<oneshot::Receiver<Reach>>), PublishError> {
        if message.token().len() > MESSAGE_BYTES_MAX {
            return Err(PublishError::TooLarge { max: MESSAGE_BYTES_MAX });
        }
        let deadline = self.deadline();
        let left = message.expires().map_or(Duration::ZERO, |expires| expires.since(clock::now()));
        let until = (Instant::now() + left).max(deadline);
        let stored = Arc::new(AtomicBool::new(false));
        let mut attempts: FuturesUnordered<_> = (0..self.shared.publishers.len())
            .map(|relay| {
                let (told, reach) = wants_reach.then(oneshot::channel).unzip();
                let abandoned = match self.shared.publishers.len() {
                    1 => Abandoned::GoesOn,
                    _ => Abandoned::Spreads { stored: Arc::clone(&stored), until },
                };
                let message = message.clone();
                let order = Order { message, chain: None, deadline, sent: None, abandoned, reach: told };
                async move { self.publish_at(relay, order).await.map(|receipt| (receipt, reach)) }
            })
            .collect();
        let mut failed = None;
        while let Some(outcome) = attempts.next().await {
            match outcome {
                Ok(answered) => {
                    stored.store(true, Ordering::Relaxed);
                    return Ok(answered);
                }
                Err(Failed { error, .. }) => failed = Some(graver(failed, error)),
            }
        }
        Err(failed.unwrap_or(PublishError::NotSent(LinkError::Stopped)))
    }

    /// Publishes to one relay, by its place in the list.
    ///
    /// **Cancel safety**: as its `abandoned` says.
    pub(crate) async fn publish_at(&self, relay: usize, order: Order) -> Result<Receipt, Failed> {
        let publisher = &self.shared.publishers[relay];
        let Order { message, chain, deadline, sent, abandoned, reach } = order;
        let turn = tokio::time::timeout_at(deadline, Arc::clone(&publisher.in_flight).acquire_owned()).await;
        let Ok(Ok(permit)) = turn else { return Err(PublishError::NotSent(LinkError::Crowded).into()) };
        let (answer, answered) = oneshot::channel();
        let unknown = || PublishError::Unknown { message: message.clone() }.into();
        let message = message.clone();
        let command = Command { message, chain, deadline, answer, sent, abandoned, reach, _permit: permit };
        // The channel holds as many as there are permits, so it is never full; closed it is without its runtime.
        let driver = publisher.driver.get_or_init(|| self.start_driver(relay));
        driver.try_send(command).map_err(|_| PublishError::NotSent(LinkError::Stopped))?;
        answered.await.unwrap_or_else(|_| Err(unknown()))
    }

    fn start_driver(&self, relay: usize) -> mpsc::Sender<Command> {
        let (commands, taken) = mpsc::channel(IN_FLIGHT_MAX);
        let Shared { config, dialler, board, .. } = &*self.shared;
        let backoff = Backoff::new(vec![config.relays[relay].clone()], backoff::seed());
        let connector = Connector::new(Arc::clone(dialler), backoff, board.lamp(relay));
        // Owned by the client's handles: it ends when `commands` is dropped with the last of them.
        tokio::spawn(Driver::new(taken, connector, config.identity.chain().leaf().id()).run());
        commands
    }

    /// For a session that uses one relay at a time.
    fn connector(&self, lamp: StateLamp) -> Connector {
        let backoff = Backoff::new(self.shared.config.relays.clone(), backoff::seed());
        Connector::new(Arc::clone(&self.shared.dialler), backoff, lamp)
    }

    /// Hears messages, on a session of its own, from `start` on: [`Start::Here`] is now, [`Start::Beginning`] is all
    /// that the log has, [`Start::After`] goes on after a cursor. Returns at once; being offline is no error. The
    /// subscription outlives the client.
    ///
    /// What the identity may not hear, or too many filters (256), ends the subscription with the relay's refusal.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn subscribe(&self, filters: Vec<Filter>, start: Start) -> Subscription<P> {
        self.start_subscription(filters, start, Commits::default())
    }

    /// As [`Client::subscribe`], and goes on after a restart: behind the cursor that was last committed under this
    /// name, or from `first_start` while none was. With [`Start::Here`] what comes before the first commit may be
    /// missed by a restart: commit the first [`crate::Delivery::CaughtUp`].
    ///
    /// What is given is given at least once: what came after the last commit comes again after a restart, under the
    /// same id; within the process each id comes once. A handler that keeps its effect and the id together acts once.
    ///
    /// `name` is 1 to 64 lower-case letters, digits and hyphens; live and exercise are apart. It is held by one
    /// subscription at a time, across processes.
    ///
    /// # Errors
    /// [`StoreError`]: the name, another holder, or a file that does not read back; that is never taken for none.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn subscribe_durable(
        &self,
        name: &str,
        filters: Vec<Filter>,
        first_start: Start,
        store: &CursorStore,
    ) -> Result<Subscription<P>, StoreError> {
        let (file, committed) = store.hold(name, P::PLANE)?;
        let start = committed.map_or(first_start, Start::After);
        Ok(self.start_subscription(filters, start, Commits::on_disk(file, committed)))
    }

    fn start_subscription(&self, filters: Vec<Filter>, start: Start, commits: Commits) -> Subscription<P> {
        let board = StateBoard::new(1);
        let connector = self.connector(board.lamp(0));
        let config = &self.shared.config;
        let reader = Reader::new(config.roots.clone(), config.identity.org().clone(), filters, start);
        Subscription::start(reader, connector, board.subscribe(), commits)
    }

    /// One page of older messages, oldest first: at most `limit` (1 to 256) after a cursor, or from the beginning with
    /// `None`. On a session of its own; moves no cursor of a subscription.
    ///
    /// **Cancel safety**: dropping the future drops the page; ask again.
    ///
    /// # Errors
    /// [`HistoryError`]: the relay refused, or none was reached within the deadline.
    pub async fn history(
        &self,
        filters: Vec<Filter>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<P>, HistoryError> {
        let config = &self.shared.config;
        let deadline = self.deadline();
        let connector = self.connector(StateBoard::new(1).lamp(0));
        history::fetch(config, filters, after, limit, connector, deadline).await
    }

    /// Signs that a credential or a key ends, under the identity's own credential. Nothing is sent.
    ///
    /// `number` counts the revocations under this credential, for people who look for one that is missing; no relay refuses
    /// one for it, whatever order they come in. Whoever revokes keeps what it signed until all relays have it. Whom it
    /// meets is judged where it is applied: a credential below the identity's own, or one of the identity's own key; one
    /// beside or above it meets nothing.
    ///
    /// # Errors
    /// [`Refusal`]: the rule by which no relay would take it.
    pub fn sign_revocation(&self, statement: &Statement) -> Result<VerifiedRevocation, Refusal> {
        revoke::sign(&self.shared.config.identity, statement)
    }

    /// Sends revocations to **every** relay of the list, in this order, and tells what each relay answered. It holds at
    /// a relay from its receipt on; relays do not pass it on to each other, so send the same again to those that gave
    /// none. Sending it twice is safe: the first receipt comes back.
    ///
    /// Whoever signed it: what somebody signed on a machine without a network, any participant of its plane can carry. It
    /// comes from [`Client::sign_revocation`], or from [`revocation::verify`](vigie_proto::revocation::verify) under its
    /// issuer's chain. On a session of its own to each relay, all at the same time, within the deadline.
    ///
    /// **Cancel safety**: dropping the future stops at once; what was handed to a line may hold all the same. Send it
    /// again.
    pub async fn revoke(&self, revocations: &[VerifiedRevocation]) -> Vec<RevokedAt> {
        let (own, deadline) = (self.shared.config.identity.chain().leaf().id(), self.deadline());
        join_all(self.ways().map(|way| revoke::send(way, own, revocations, deadline))).await
    }

    /// Asks every relay of the list which revocations it has in force on this plane; each is verified here. On a session
    /// of its own to each relay, all at the same time, within the deadline.
    ///
    /// **Cancel safety**: dropping the future drops the answers; ask again.
    pub async fn revocations(&self) -> Vec<RevocationsAt> {
        let (config, deadline) = (&self.shared.config, self.deadline());
        let own = config.identity.chain().leaf().id();
        join_all(self.ways().map(|way| revoke::fetch(way, &config.roots, own, P::PLANE, deadline))).await
    }

    /// To every relay one.
    fn ways(&self) -> impl Iterator<Item = revoke::Way> {
        let way = |relay: &RelayUrl| {
            let backoff = Backoff::new(vec![relay.clone()], backoff::seed());
            let lamp = StateBoard::new(1).lamp(0);
            let connector = Connector::new(Arc::clone(&self.shared.dialler), backoff, lamp);
            revoke::Way { relay: relay.clone(), connector }
        };
        self.shared.config.relays.iter().map(way)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.shared.config.deadline.min(DEADLINE_MAX)
    }
}

/// Which of two failures at two relays is told: what may be in a log first, then what a rule refuses for good, then what
/// may come to be later.
fn graver(known: Option<PublishError>, other: PublishError) -> PublishError {
    let rank = |error: &PublishError| match error {
        PublishError::Unknown { .. } => 0,
        PublishError::TooLarge { .. } | PublishError::Replaces(_) => 1,
        PublishError::Refused(refusal) if !refusal.code.is_temporary() => 2,
        PublishError::Refused(_) => 3,
        PublishError::NotSent(_) => 4,
    };
    match known {
        Some(known) if rank(&known) <= rank(&other) => known,
        Some(_) | None => other,
    }
}
