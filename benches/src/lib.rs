//! What the benches share: fixtures for criterion, the floor, and the load generator that compares relays with it.
//!
//! Method and results: `benches/README.md`.

mod fixture;
pub mod floor;
pub mod hall;
pub mod load;
pub mod trust;
pub mod websocket;

pub use fixture::{Fixture, NOW};
