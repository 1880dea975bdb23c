//! What the whole-system tests share: a small world with its own trust, a relay in it, and a client that speaks the
//! protocol by hand.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

pub mod world;
pub mod raw;
pub mod client_auth;
pub mod sim;

use std::time::Duration;

/// How long a test waits for something that must happen. Ten times what a loaded machine was seen to take.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Runs a future to its end within [`DEADLINE`].
///
/// # Panics
/// When it takes longer.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("this should have happened by now")
}
