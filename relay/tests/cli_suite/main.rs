//! The real binary, run as its users run it.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

mod support;
mod bench;
mod offline;
mod online;
mod replaces;
mod third_party;
mod verify;
