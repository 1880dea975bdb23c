//! `vigie trust`: ending keys, renewing them, and asking who may do what, as those who answer for it use it.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a reason that is new fails the test")]
#![cfg(unix)]

#[path = "cli_suite/support.rs"]
mod support;

#[path = "cli_trust/door.rs"]
mod door;
#[path = "cli_trust/ends.rs"]
mod ends;
#[path = "cli_trust/explain.rs"]
mod explain;
#[path = "cli_trust/files.rs"]
mod files;
#[path = "cli_trust/list.rs"]
mod list;
#[path = "cli_trust/lost.rs"]
mod lost;
#[path = "cli_trust/revoke.rs"]
mod revoke;
#[path = "cli_trust/roots.rs"]
mod roots;
#[path = "cli_trust/rotate.rs"]
mod rotate;
