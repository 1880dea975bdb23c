//! Sockets: from a TCP connection to frames of a session, and back.
//!
//! `accept.rs` takes connections and deals them out to workers; there `connection.rs` drives one connection through
//! TLS (`tls.rs`, `certificate.rs`), the upgrade (`upgrade.rs`) and the frames of its session, one at a time until log-in (`gate.rs`). One deadline covers all of it up to
//! log-in. Nothing here decides anything about messages.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod gate;
pub(crate) mod tls;
pub(crate) mod certificate;
pub(crate) mod upgrade;
