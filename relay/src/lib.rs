//! The Vigie relay as a library.
//!
//! The way of one alert through it: [`net`] accepts and upgrades; a [`worker`] owns the session, judges its frames with
//! `vigie_proto` and submits messages; the [`sequencer`], on the journal thread, admits, orders and makes them durable
//! in the [`journal`]; every worker then walks the batch and its [`topic`] table and fills outboxes, which [`net`]
//! writes. Nothing flows backwards.
//!
//! [`sequencer`], [`worker`] and [`journal`] are plain values driven by calls; [`server`] puts threads, sockets and
//! clocks around them.
#![warn(missing_docs)]

pub mod net;
mod slab;
mod sync;
pub mod worker;
pub mod topic;
pub mod event;
pub mod chains;
pub mod revocations;
pub mod sequencer;
pub mod journal;
pub mod clock;
pub mod rates;
pub mod seats;
pub mod own_credential;
pub mod trust;
pub mod health;
mod door;
pub mod config;
pub mod server;
#[cfg(feature = "sabotage")]
pub mod sabotage;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
