//! What a relay does when everybody comes at once: readers after a restart, authors past its capacity, readers that take
//! drop by drop. The real binary, over TLS, each promise with the figures that were measured.
//!
//! The short forms take some seconds each. For the long ones, on a machine that does nothing else:
//!
//! ```sh
//! VIGIE_STORM_READERS=10000 cargo test --release -p vigie-relay --test storms reconnect -- --nocapture
//! VIGIE_OVERLOAD_SECONDS=60 cargo test --release -p vigie-relay --test storms past -- --nocapture
//! VIGIE_DRIPPING_READERS=1000 cargo test --release -p vigie-relay --test storms drip -- --nocapture
//! ```
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::print_stdout, reason = "figures are what it is for")]
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "some of it is for the stalled readers")]
#[path = "../stalled_readers/line.rs"]
mod line;
#[allow(dead_code, reason = "some of it is for the stalled readers")]
#[path = "../stalled_readers/process.rs"]
mod process;
mod dripping;
mod overload;
mod reader;
mod reconnect;
mod spread;
mod thread;

use tokio::sync::Mutex;

/// One storm at a time: each is measured, and two cores have no room for four.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A number from the environment, where there is one.
fn asked(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
