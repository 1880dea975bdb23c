//! One load generator for every server of the comparison, so that all are asked the same in the same way.
//!
//! It is one thread that never sleeps: a server that had to wake it would pay for it. It counts what is delivered by a
//! number at the head of each message, checks that every reader is given every message once and in order, and reads what
//! the server used from the system. What is peculiar to a server is in [`peer`].

pub mod cases;
pub mod costs;
mod crowd;
mod histogram;
mod line;
mod member;
pub mod peer;
mod process;
mod tally;
mod tls;

pub use crowd::Crowd;
pub use histogram::Histogram;
pub use process::{Process, Usage};
