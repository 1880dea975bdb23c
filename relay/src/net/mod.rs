//! Sockets: from a TCP connection to frames of a session, and back.
//!
//! `accept.rs` takes connections, bounds them in all and from an address (`connections.rs`, `network.rs`) and those of
//! strangers (`strangers.rs`), and deals them out to workers; there `connection.rs` drives one connection through TLS
//! (`tls.rs`, `client_auth.rs`) and the upgrade (`upgrade.rs`), and `driver.rs` moves the frames of its
//! session (`sessions.rs`). What comes in is looked at one by one below the WebSocket (`gate.rs`, `frame_head.rs`), what goes out is
//! batched and written past it (`writer.rs`, `batch.rs`). Until log-in one deadline covers all of it,
//! and below TLS the bytes are counted (`inlet.rs`).
//! What a flood looks like is told to the log (`floods.rs`). What is costly is spread over turns (`turns.rs`).
//! Whether a peer takes what it is given is asked of TCP (`lines.rs`, `tcp_states.rs`). Nothing here decides anything about messages.

pub(crate) mod accept;
pub mod batch;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod driver;
#[cfg(feature = "echo")]
#[doc(hidden)]
pub mod echo;
pub(crate) mod floods;
pub(crate) mod frame_head;
pub(crate) mod gate;
pub(crate) mod inlet;
pub(crate) mod lines;
pub(crate) mod network;
mod read_waker;
pub(crate) mod sessions;
pub(crate) mod strangers;
mod tcp_states;
pub(crate) mod tls;
pub(crate) mod client_auth;
pub(crate) mod turns;
pub(crate) mod upgrade;
mod writer;
