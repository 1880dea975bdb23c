//! Messages that wait on this machine's disk for a relay: for whoever is often without network.
//!
//! ```text
//! enqueue ──► sign once ──► record, sync ──► Queued        the application may end, or be killed, from here on
//!                               │
//!                drive: one sender a relay, in order ──► Client's session ──► receipt ──► record
//! ```
//!
//! A message is signed when it is taken over, so its id is the same however often it is sent, and a relay knows it again.
//! What was taken over is sent after any crash; what happened to it is recorded without a sync of its own, because to
//! forget a receipt costs one more send that is answered with the same receipt.
//!
//! What it does not do: it does not sign anew what expired, and it does not reorder: an urgent message waits behind
//! those before it.

mod file;
mod ledger;
mod record;
mod sender;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::channel::Plane;
use vigie_proto::id::{CredentialId, KeyId, MessageId};
use vigie_proto::refusal::Refusal;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::VerifiedMessage;

use self::file::OutboxFile;
use self::ledger::Ledger;
use self::record::{QueuedRecord, Record, Unreadable};
pub use self::sender::OutboxDriver;
use crate::client::Client;
use crate::clock;
use crate::draft::Draft;
use crate::plane::OnPlane;
use crate::publish::{PublishError, Receipt};
use crate::store::{Folder, Lock, StoreError};

/// Messages that wait, refused ones included: days of a busy unit in the field.
pub const OUTBOX_MESSAGES_MAX: usize = 4_096;
/// Their bytes: kept in memory too, on a phone.
pub const OUTBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Enough of a headline to know a message by.
const TITLE_CHARS_MAX: usize = 120;

/// Why an outbox did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The message cannot be signed so: change it.
    #[error(transparent)]
    Message(#[from] PublishError),
    /// The disk. What was to be taken over is not; after a crash it may turn up and be sent all the same. Trying again is
    /// safe: a new file is written then.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outbox holds as many messages or bytes as it may. Send or drop some.
    #[error("the outbox is full: {messages} messages with {bytes} bytes wait; send or drop some")]
    Full {
        /// That wait, refused ones included.
        messages: usize,
        /// Of signed messages.
        bytes: usize,
    },
    /// The folder is the outbox of another key or plane.
    #[error("{} is the outbox of another key or plane: use a folder for each", path.display())]
    OtherOwner {
        /// The folder.
        path: PathBuf,
    },
    /// It holds no message of this id.
    #[error("the outbox has no message {id}")]
    Unknown {
        /// The id.
        id: MessageId,
    },
    /// A relay has it: it can be replaced by another message, but not taken back.
    #[error("message {id} is stored at a relay already: publish one that replaces it")]
    AlreadyStored {
        /// The id.
        id: MessageId,
    },
    /// Only a refused message is tried again; all others are tried anyway.
    #[error("message {id} was not refused, so there is nothing to try again")]
    NotRefused {
        /// The id.
        id: MessageId,
    },
}

/// A message is on this machine's disk, signed, and will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queued {
    /// Its id, the same wherever it arrives.
    pub id: MessageId,
    /// When it ends: what no relay has by then is refused as expired.
    pub expires: Timestamp,
}

/// What became of a message so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutboxState {
    /// On this machine's disk only.
    Queued,
    /// Handed to a line, without an answer yet: it may be in a log.
    Sent,
    /// On a relay's disk; the first receipt.
    Stored(Receipt),
    /// Refused for good by every relay, or expired. It waits for [`Outbox::retry`] or [`Outbox::drop`].
    Refused(Refusal),
    /// It replaces a message that is refused or held, and waits for what becomes of that one.
    Held {
        /// The message that it waits for.
        by: MessageId,
    },
}

use OutboxState as State;

/// A message in an outbox, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxEntry {
    /// Its id.
    pub id: MessageId,
    /// Where it is addressed, with its plane.
    pub channel: String,
    /// Its headline, cut after 120 characters; free text.
    pub title: String,
    /// When it was taken over, by this machine's clock.
    pub queued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// What became of it.
    pub state: OutboxState,
    /// How many relays have it on their disk.
    pub relays_stored: usize,
    /// How many relays it is for.
    pub relays: usize,
}

use OutboxEntry as Entry;

/// Something in the file was not readable when it was opened. Everything else was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxDamage {
    /// Where in the file the first unreadable byte was.
    pub at: usize,
    /// How many bytes were unreadable.
    pub bytes: usize,
    /// Whether it was the end of the file: what a crash leaves of a message that was not taken over yet. Anything else
    /// is damage, and a message may be missing.
    pub is_tail: bool,
    /// The file as it was, kept to be looked at.
    pub kept_at: PathBuf,
}

/// The outbox of one key on one plane, in a folder. Cheap to clone; all clones are one. Nothing is sent before
/// [`Outbox::drive`].
#[derive(Clone, Debug)]
pub struct Outbox<P: OnPlane> {
    client: Client<P>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Locked before `ledger` by whoever writes, and while the disk is waited for.
    file: Mutex<OutboxFile>,
    /// Locked for moments only.
    ledger: Mutex<Ledger>,
    changed: watch::Sender<()>,
    /// Why no relay lets this client in, if so.
    shut_out: Mutex<Option<Refusal>>,
    damage: Option<OutboxDamage>,
    _lock: Lock,
}

impl<P: OnPlane> Outbox<P> {
    /// Opens the folder, creating it where it is missing. Waits for the disk: outside async code, or at the start.
    ///
    /// The client signs, and its relays are those that each message is for. A client with a renewed credential of the
    /// same key opens the same outbox: messages in it go out under the credential that they were signed under, whose
    /// chain is kept beside them.
    ///
    /// # Errors
    /// [`OutboxError::Store`], in particular [`StoreError::InUse`] and [`StoreError::Damaged`];
    /// [`OutboxError::OtherOwner`].
    pub fn open(dir: impl AsRef<Path>, client: &Client<P>) -> Result<Self, OutboxError> {
        let config = client.config();
        let relays = config.relays.iter().map(ToString::to_string).collect();
        let key = config.identity.key().public().thumbprint();
        let shared = Shared::open(dir.as_ref(), key, P::PLANE, relays)?;
        Ok(Self { client: client.clone(), shared: Arc::new(shared) })
    }

    /// What was not readable when it was opened, if anything. Show it: a message may be missing.
    pub fn damage(&self) -> Option<&OutboxDamage> {
        self.shared.damage.as_ref()
    }

    /// Signs a message and returns when it is on this machine's disk. The same draft signed in the same millisecond is
    /// the same message, and is kept once.
    ///
    /// **Cancel safety**: dropped, the message may be taken over or not; [`Outbox::entries`] tells.
    ///
    /// # Errors
    /// [`OutboxError::Message`], [`OutboxError::Full`], [`OutboxError::Store`].
    pub async fn enqueue(&self, draft: Draft) -> Result<Queued, OutboxError> {
        let this = self.clone();
        on_disk(move || this.enqueue_blocking(draft)).await
    }

    /// As [`Outbox::enqueue`], for a thread that may wait for the disk: never within async code.
    ///
    /// # Errors
    /// As [`Outbox::enqueue`].
    pub fn enqueue_blocking(&self, draft: Draft) -> Result<Queued, OutboxError> {
        let now = clock::now();
        let signed = draft.sign_verified(&self.client.config().identity, now)?;
        self.take_over(&signed, now)
    }

    /// As [`Outbox::enqueue_blocking`], for a message that [`Client::sign`] made with the same identity.
    ///
    /// # Errors
    /// As [`Outbox::enqueue`].
    pub fn enqueue_signed_blocking(&self, message: &crate::SignedMessage) -> Result<Queued, OutboxError> {
        let chain = self.client.config().identity.chain();
        let lifetime = vigie_proto::limits::MESSAGE_LIFETIME_MAX;
        let signed = vigie_proto::verify::verify(message.token(), chain, lifetime);
        self.take_over(&signed.map_err(PublishError::Refused)?, clock::now())
    }

    fn take_over(&self, signed: &VerifiedMessage, now: Timestamp) -> Result<Queued, OutboxError> {
        let queued = Queued { id: signed.id(), expires: signed.message().expires };
        self.shared.take_over(signed, now)?;
        Ok(queued)
    }

    /// All messages in the order of sending. Those that every relay has are shown until 64 more are.
    pub fn entries(&self) -> Vec<OutboxEntry> {
        self.shared.ledger().entries()
    }

    /// What became of a message; `None` when it is not known here (any more).
    pub fn state(&self, id: MessageId) -> Option<OutboxState> {
        self.shared.ledger().state(id)
    }

    /// A message as it was signed, for [`Draft::replacing`]; `None` when its bytes are kept no longer, every relay having
    /// them.
    pub fn signed(&self, id: MessageId) -> Option<VerifiedMessage> {
        let work = self.shared.ledger().signed(id)?;
        let links = work.chain.iter().map(String::as_str);
        let chain = Chain::verify(links, &self.client.config().roots, &NoVerdicts).ok()?;
        let lifetime = vigie_proto::limits::MESSAGE_LIFETIME_MAX;
        vigie_proto::verify::verify(work.message.token(), &Arc::new(chain), lifetime).ok()
    }

    /// Why no relay lets this client in, if so: messages stay queued, and a client with a renewed credential can open
    /// this outbox.
    pub fn shut_out(&self) -> Option<Refusal> {
        self.shared.shut_out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until nothing is queued or sent: everything is stored, refused or held.
    ///
    /// Cancel safe.
    pub async fn idle(&self) {
        self.until(|| self.is_idle()).await;
    }

    /// As [`Outbox::idle`], and until every relay has answered for what another one stored.
    ///
    /// Cancel safe.
    pub async fn spread(&self) {
        self.until(|| self.is_idle() && !self.shared.ledger().has_work(clock::now())).await;
    }

    fn is_idle(&self) -> bool {
        self.shared.ledger().is_idle()
    }

    /// Waits until a message is stored, refused, held or gone, and returns which.
    ///
    /// Cancel safe.
    pub async fn settled(&self, id: MessageId) -> Option<OutboxState> {
        self.until(|| !matches!(self.state(id), Some(State::Queued | State::Sent))).await;
        self.state(id)
    }

    async fn until(&self, condition: impl Fn() -> bool) {
        let mut changed = self.shared.changed.subscribe();
        while !condition() {
            if changed.changed().await.is_err() {
                // The sender lives in `shared`, which we hold.
                return;
            }
        }
    }

    /// Tries a refused message again, and lets go of what it held. Returns when that is on disk.
    ///
    /// **Cancel safety**: dropped once it was polled, it goes on beside: it may be done or not; [`Outbox::state`] tells, and
    /// to try again is safe: [`OutboxError::NotRefused`] where it was done.
    ///
    /// # Errors
    /// [`OutboxError::Unknown`], [`OutboxError::NotRefused`], [`OutboxError::Store`].
    pub async fn retry(&self, id: MessageId) -> Result<(), OutboxError> {
        let shared = Arc::clone(&self.shared);
        on_disk(move || {
            shared.write(true, |ledger| match ledger.state(id) {
                None => Err(OutboxError::Unknown { id }),
                Some(State::Refused(_)) => Ok(vec![Record::Retried { id }]),
                Some(State::Queued | State::Sent | State::Stored(_) | State::Held { .. }) => {
                    Err(OutboxError::NotRefused { id })
                }
            })
        })
        .await
    }

    /// Gives a message up, and lets go of what it held. Returns when that is on disk, with the state that it had: one
    /// that was [`OutboxState::Sent`] may be in a log all the same.
    ///
    /// **Cancel safety**: dropped once it was polled, it goes on beside: the message may be given up or not, and the state that
    /// it had is lost; [`Outbox::state`] is `None` once it is.
    ///
    /// # Errors
    /// [`OutboxError::Unknown`], [`OutboxError::AlreadyStored`], [`OutboxError::Store`].
    pub async fn drop(&self, id: MessageId) -> Result<OutboxState, OutboxError> {
        let shared = Arc::clone(&self.shared);
        on_disk(move || {
            let mut was = State::Queued;
            shared.write(true, |ledger| match ledger.state(id) {
                None => Err(OutboxError::Unknown { id }),
                Some(State::Stored(_)) => Err(OutboxError::AlreadyStored { id }),
                Some(state) => {
                    was = state;
                    Ok(vec![Record::Dropped { id }])
                }
            })?;
            Ok(was)
        })
        .await
    }

    /// Sends what waits, in order, to each relay, for as long as the driver lives: also what is queued later.
    ///
    /// One driver at a time: two would send everything twice, which harms nobody.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn drive(&self) -> OutboxDriver {
        OutboxDriver::start(self.clone())
    }
}

impl Shared {
    fn open(dir: &Path, key: KeyId, plane: Plane, relays: Vec<String>) -> Result<Self, OutboxError> {
        let folder = Folder::open(dir)?;
        let lock = folder.lock("lock")?;
        let mut ledger = Ledger::new(key, plane, relays);
        let damage = read(&folder, &mut ledger, &Record::Owner { key, plane })?;
        let file = OutboxFile::create(folder, &ledger.to_records())?;
        Ok(Self {
            file: Mutex::new(file),
            ledger: Mutex::new(ledger),
            changed: watch::Sender::new(()),
            shut_out: Mutex::new(None),
            damage,
            _lock: lock,
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_over(&self, signed: &VerifiedMessage, now: Timestamp) -> Result<(), OutboxError> {
        let message = signed.message();
        let title = message.content.cap.headline("").unwrap_or_default();
        let record = QueuedRecord {
            // Given by the ledger.
            number: 0,
            id: signed.id(),
            credential: signed.credential(),
            queued: now,
            expires: message.expires,
            channel: message.channel.to_string(),
            title: title.chars().take(TITLE_CHARS_MAX).collect(),
            replaces: message.replaces.clone(),
            jws: Some(signed.token().to_string()),
        };
        let chain = signed.chain().links().iter().map(|link| link.token().to_string()).collect();
        self.write(true, |ledger| match ledger.state(signed.id()) {
            Some(_) => Ok(Vec::new()),
            None => ledger.admit(record, chain),
        })
    }

    /// Decides what to record, writes it, and only then takes it for true.
    fn write(
        &self,
        synced: bool,
        decide: impl FnOnce(&mut Ledger) -> Result<Vec<Record>, OutboxError>,
    ) -> Result<(), OutboxError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let records = decide(&mut self.ledger())?;
        if records.is_empty() {
            return Ok(());
        }
        if file.needs_rewrite() {
            let known = self.ledger().to_records();
            file.rewrite(&known)?;
        }
        file.append(&records, synced)?;
        let mut ledger = self.ledger();
        records.into_iter().for_each(|record| ledger.apply(record));
        drop(ledger);
        self.changed.send_replace(());
        Ok(())
    }

    /// Notes what happened. True whether the disk takes it or not: forgotten by a crash, it happens again.
    fn note(&self, record: &Record) {
        let written = self.write(false, |_| Ok(vec![record.clone()]));
        if let Err(error) = written {
            tracing::warn!(%error, "what became of a message could not be written");
            self.ledger().apply(record.clone());
            self.changed.send_replace(());
        }
    }

    fn set_shut_out(&self, refusal: Option<Refusal>) {
        *self.shut_out.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
        self.changed.send_replace(());
    }
}

/// Reads the file, if there is one, into the ledger. What is not readable is kept aside before anything is written.
fn read(folder: &Folder, ledger: &mut Ledger, owner: &Record) -> Result<Option<OutboxDamage>, OutboxError> {
    let Some(bytes) = folder.read(file::NAME)? else { return Ok(None) };
    let path = || folder.path_of(file::NAME);
    let scanned = record::scan(&bytes).map_err(|unreadable| match unreadable {
        Unreadable::Damaged => StoreError::Damaged { path: path(), why: "its header is wrong".to_owned() },
        Unreadable::Newer { version } => StoreError::Newer { path: path(), version },
    })?;
    let is_other = |record: &Record| matches!(record, Record::Owner { .. }) && record != owner;
    if scanned.records.iter().any(is_other) {
        return Err(OutboxError::OtherOwner { path: path() });
    }
    let damage = match scanned.lost {
        None => None,
        Some(lost) => {
            let kept_at = folder.keep_aside(file::NAME, &bytes)?;
            let record::Lost { at, bytes, is_tail } = lost;
            Some(OutboxDamage { at, bytes, is_tail, kept_at })
        }
    };
    scanned.records.into_iter().for_each(|record| ledger.apply(record));
    Ok(damage)
}

/// Runs what waits for the disk beside the runtime.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OutboxError> + Send + 'static,
) -> Result<T, OutboxError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Stopped.into()),
        },
    }
}

/// Which chain a message needs that is not that of the session.
#[derive(Clone, Debug)]
pub(crate) struct PublishChain {
    pub(crate) credential: CredentialId,
    /// Root first.
    pub(crate) links: Arc<[String]>,
}
