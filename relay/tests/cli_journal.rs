//! `vigie journal`: what an operator does with a relay's log, on the real binary.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

#[path = "cli_suite/support.rs"]
mod support;

#[path = "cli_journal/backup.rs"]
mod backup;
#[path = "cli_journal/begin.rs"]
mod begin;
#[path = "cli_journal/desk.rs"]
mod desk;
#[path = "cli_journal/export.rs"]
mod export;
#[path = "cli_journal/import.rs"]
mod import;
#[path = "cli_journal/labels.rs"]
mod labels;
#[path = "cli_journal/moved.rs"]
mod moved;
#[path = "cli_journal/revocations.rs"]
mod revocations;
#[path = "cli_journal/verify.rs"]
mod verify;
