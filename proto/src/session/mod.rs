//! Sessions as plain values: a frame and the time go in, what to do comes out. No socket, no task, no clock.
//!
//! The order of the states is in the types: [`relay::AwaitLogin`] is consumed by a good log-in and becomes
//! [`relay::LoggedIn`], so that nothing that needs an author can be asked of a stranger. [`client::Login`] is the
//! other side.

pub mod client;
pub mod relay;
