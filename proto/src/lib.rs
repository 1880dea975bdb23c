//! What Vigie says: channels, messages, credentials, frames, and sessions as pure state machines.
//!
//! This crate decides; [`vigie-relay`] and [`vigie-client`] move bytes. There is no I/O here, no async, no clock
//! and no randomness: time and random bytes are arguments, so that one relay with many clients can run in a single
//! thread under a seed.
//!
//! Three functions are the only way in or out, the same code in relay and SDK:
//! - [`verify::verify`]: form, signature, chain, inside its grant;
//! - [`admit::admit`]: at the entry only, once per log;
//! - [`hear::may_hear`]: at the exit, on every delivery of every path.
//!
//! The wire is described in [`protocol`], with byte-exact samples that a test reads.
//!
//! Suggested reading order is the order of the modules below.
//!
//! [`vigie-relay`]: https://docs.rs/vigie-relay
//! [`vigie-client`]: https://docs.rs/vigie-client
#![warn(missing_docs, clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod id;
pub mod time;
pub mod severity;
pub mod channel;
pub mod refusal;
pub mod json;
pub mod key;
mod test_keys;
pub mod jws;
pub mod credential;
pub mod rotation;
pub mod roots;
pub mod chain;
pub mod expiry;
mod der;
pub mod certificate;
pub mod revocation_list;
pub mod cap;
pub mod label;
pub mod message;
pub mod verify;
pub mod revocation;
pub mod admit;
pub mod hear;
pub mod explain;
pub mod login;
pub mod cursor;
pub mod frame;
pub mod session;
pub mod limits;
#[cfg(feature = "sabotage")]
pub mod sabotage;

/// The wire protocol, as one document for people who write their own client.
#[doc = include_str!("../PROTOCOL.md")]
pub mod protocol {}
