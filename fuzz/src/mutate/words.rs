//! The words of each target: those of the protocol, and what its reader stumbles over.

mod json;
mod text;

pub(crate) use self::json::{CHAINS, FRAMES, HEADERS, JSON, MESSAGES, REQUESTS, REVOCATIONS, ROTATIONS};
pub(crate) use self::text::{CAP, CHANNELS, HTTP, RECORDS, SETTINGS, STEPS};

/// What stands in for a word, a string, a number, a member, a line.
pub type Words = &'static [&'static str];
