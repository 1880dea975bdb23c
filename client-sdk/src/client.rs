//! The handle of an application: publish, subscribe, look back.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use vigie_proto::chain::Roots;
use vigie_proto::channel::{Filter, Plane};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::Start;
use vigie_proto::limits::{MARK_INTERVAL, MESSAGE_BYTES_MAX};

use crate::backoff::{self, Backoff};
use crate::clock;
use crate::commits::Commits;
use crate::connect::Connector;
use crate::dial::Dialler;
use crate::draft::{Draft, SignedMessage};
use crate::driver::{Command, Driver, IN_FLIGHT_MAX};
use crate::history::{self, HistoryError, Page};
use crate::identity::Identity;
use crate::link::{LinkError, LinkState, LinkStates};
use crate::plane::OnPlane;
use crate::publish::{PublishError, Reach, Receipt};
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
    /// The relays, at least one, in the order in which they are tried. One is used at a time.
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

/// A client of one identity on one plane. Cheap to clone; all clones share one publishing session, which is opened by
/// the first publish and closed when the last clone is dropped. Each subscription has a session of its own.
#[derive(Clone, Debug)]
pub struct Client<P> {
    shared: Arc<Shared>,
    plane: PhantomData<fn() -> P>,
}

#[derive(Debug)]
struct Shared {
    config: ClientConfig,
    dialler: Arc<Dialler>,
    /// Set by the first publish, which is inside a runtime for sure.
    driver: OnceLock<mpsc::Sender<Command>>,
    in_flight: Arc<Semaphore>,
    state: watch::Sender<LinkState>,
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
            config,
            dialler: Arc::new(dialler),
            driver: OnceLock::new(),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            state: watch::Sender::new(LinkState::Idle),
        };
        Ok(Self { shared: Arc::new(shared), plane: PhantomData })
    }

    /// What it was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    /// How the publishing session is doing now.
    pub fn state(&self) -> LinkState {
        self.shared.state.borrow().clone()
    }

    /// How the publishing session is doing, as it changes.
    pub fn states(&self) -> LinkStates {
        LinkStates(self.shared.state.subscribe())
    }

    /// Signs a draft with the clock of this machine, and checks it as the relay will. Nothing is sent.
    ///
    /// # Errors
    /// [`PublishError::Refused`] with the rule that refuses it, [`PublishError::TooLarge`].
    pub fn sign(&self, draft: Draft) -> Result<SignedMessage, PublishError> {
        draft.sign(&self.shared.config.identity, clock::now())
    }

    /// Signs and publishes: [`Client::sign`], then [`Client::publish_signed`].
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
    /// 32 are in flight at once; further callers wait for their turn, within their deadline.
    ///
    /// **Cancel safety**: dropping the future stops the wait; a message that the session has taken over is sent all
    /// the same, until the deadline or until the last clone of the client is dropped.
    ///
    /// # Errors
    /// Any [`PublishError`]: `Refused` and `TooLarge` need another message, `NotSent` and `Unknown` need the same one
    /// again.
    pub async fn publish_signed(&self, message: &SignedMessage) -> Result<Receipt, PublishError> {
        self.send(message, None).await
    }

    /// As [`Client::publish_signed`], and then waits up to `wait` for the relay's hint on how many sessions it handed
    /// the message to. `None` when no hint came: the receipt holds all the same.
    ///
    /// # Errors
    /// As [`Client::publish_signed`].
    pub async fn publish_with_reach(
        &self,
        message: &SignedMessage,
        wait: Duration,
    ) -> Result<(Receipt, Option<Reach>), PublishError> {
        let (told, reach) = oneshot::channel();
        let receipt = self.send(message, Some(told)).await?;
        let reach = tokio::time::timeout(wait, reach).await;
        Ok((receipt, reach.ok().and_then(Result::ok)))
    }

    async fn send(
        &self,
        message: &SignedMessage,
        reach: Option<oneshot::Sender<Reach>>,
    ) -> Result<Receipt, PublishError> {
        if message.token().len() > MESSAGE_BYTES_MAX {
            return Err(PublishError::TooLarge { max: MESSAGE_BYTES_MAX });
        }
        let shared = &self.shared;
        let deadline = Instant::now() + shared.config.deadline.min(DEADLINE_MAX);
        let turn = tokio::time::timeout_at(deadline, Arc::clone(&shared.in_flight).acquire_owned()).await;
        let Ok(Ok(permit)) = turn else { return Err(PublishError::NotSent(LinkError::Crowded)) };
        let (answer, answered) = oneshot::channel();
        let command = Command { message: message.clone(), deadline, answer, reach, _permit: permit };
        // The channel holds as many as there are permits, so it is never full; closed it is without its runtime.
        let driver = shared.driver.get_or_init(|| self.start_driver());
        driver.try_send(command).map_err(|_| PublishError::NotSent(LinkError::Stopped))?;
        answered.await.unwrap_or_else(|_| Err(PublishError::Unknown { message: message.clone() }))
    }

    fn start_driver(&self) -> mpsc::Sender<Command> {
        let (commands, taken) = mpsc::channel(IN_FLIGHT_MAX);
        let connector = self.connector(self.shared.state.clone());
        // Owned by the client's handles: it ends when `commands` is dropped with the last of them.
        tokio::spawn(Driver::new(taken, connector).run());
        commands
    }

    fn connector(&self, state: watch::Sender<LinkState>) -> Connector {
        let backoff = Backoff::new(self.shared.config.relays.clone(), backoff::seed());
        Connector::new(Arc::clone(&self.shared.dialler), backoff, state)
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
        let state = watch::Sender::new(LinkState::Idle);
        let connector = self.connector(state.clone());
        Subscription::start(self.shared.config.roots.clone(), filters, start, connector, &state, commits)
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
        let deadline = Instant::now() + config.deadline.min(DEADLINE_MAX);
        let connector = self.connector(watch::Sender::new(LinkState::Idle));
        history::fetch(config.roots.clone(), filters, after, limit, connector, deadline).await
    }
}
