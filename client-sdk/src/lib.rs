//! The SDK of Vigie: connect, publish, subscribe, resume, verify.
//!
//! ```text
//! publish     Client ──► draft ──► driver ──► dial ──► relay        a Receipt: it is on the relay's disk
//! subscribe   relay ──► dial ──► subscription ──► reader ──► Delivery   verified here, again
//! ```
//!
//! - [`Client`] publishes: [`Client::publish`] gives a [`Receipt`] once the message is on the relay's disk, or says
//!   that nothing left this machine, or that the answer is unknown and the same bytes are to be sent again.
//! - [`Subscription`] hears: a stream of [`Delivery`], verified against the pinned roots and nobody else, resumed by
//!   itself after every cut.
//! - [`Verified`] is a message that this crate verified; nothing else can make one, and a `Verified<Live>` is another
//!   type than a `Verified<Exercise>`.
//! - [`Client::revoke`] ends a credential or a key; [`Client::revocations`] asks what relays know as ended.
//! - [`Context`] reads relays, roots and identities from a folder. It is where most programs begin.
//! - [`proto`] is what is said: channels, messages, severities, refusals with their sentences in English and French. Its
//!   pages are there when it is documented too: `cargo doc -p vigie-client -p vigie-proto --no-deps`.
//!
//! Whole programs are in the folder `examples`: a listener, a unit in the field, and a dispatch console that leads an
//! incident from its alert to its cancel.
//!
//! What decides is without I/O ([`Reader`]) or in [`vigie_proto`]; the rest moves bytes. `dial` and `tls`
//! know WebSocket and TLS. Needs a tokio runtime with time and I/O enabled; never installs a process-wide TLS provider.
//!
//! On disk it keeps only what it is asked to: the cursors of durable subscriptions in a [`CursorStore`], and messages
//! that wait for a relay in an [`Outbox`].
#![warn(missing_docs, clippy::exhaustive_enums, clippy::exhaustive_structs)]

// Suggested reading order is that of the groups below.

// What is delivered, and how it is judged.
mod delivery;
mod plane;
mod reader;
mod verified;

// Who one is, and whom one trusts.
mod context;
mod identity;

// A line to a relay.
mod backoff;
mod connect;
mod dial;
mod heard;
mod link;
mod tls;
mod url;

// What is kept on disk. (The outbox is below: it also sends.)
mod store;

// What an application does with it.
mod client;
mod commits;
mod draft;
mod driver;
mod history;
mod outbox;
mod publish;
mod revoke;
mod subscription;

mod clock;

pub mod cap;
pub mod pem;
pub mod settings;
pub mod trust_files;

/// The examples of the README, so that they compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use vigie_proto as proto;

pub use client::{Client, ClientConfig, ConfigError};
pub use context::{Context, ContextError};
pub use delivery::{Delivery, Disowned, Gap, Suspect};
#[cfg(feature = "echo")]
#[doc(hidden)]
pub use dial::echo::echo;
pub use draft::{Draft, MalformedMessage, SignedMessage};
pub use history::{HistoryError, Page};
pub use identity::{CredentialEnd, Identity, IdentityError};
pub use link::{LinkError, LinkState, LinkStates};
pub use outbox::{
    OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX, Outbox, OutboxDamage, OutboxDriver, OutboxEntry, OutboxError,
    OutboxState, Queued,
};
pub use plane::{Exercise, Live, OnPlane};
pub use publish::{PublishError, Reach, Receipt, ReplaceFault};
pub use reader::Reader;
pub use revoke::{GivenRevocation, RevocationReceipt, RevocationsAt, RevokeError, RevokedAt};
pub use store::{CursorStore, StoreError};
pub use subscription::{EndReason, Subscription};
pub use tls::{TlsCertificateError, TlsRoots, TlsRootsError};
pub use url::{MalformedRelayUrl, RelayUrl};
pub use verified::{Author, Verified};
