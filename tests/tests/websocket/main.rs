//! Whatever a peer says below the frames, it is told why it is closed, costs little, and nobody else notices.
//!
//! Over real TLS, with frames made by hand. Beside each of them two others go on: an author who publishes and a reader
//! who is given it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

mod frames;
mod others;
mod violations;
mod opening;
mod floods;
mod halves;
