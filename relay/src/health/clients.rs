//! What a [`Status`] says of clients, and of those who did not get to be any.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::Status;

/// Of [`Status`]: sessions by what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionStatus {
    /// Upgraded and not logged in yet.
    pub strangers: u64,
    /// Logged in.
    pub logged_in: u64,
    /// Of those, how many are given each message as it comes.
    pub live: u64,
    /// Of those, how many are given older messages from the journal first.
    pub behind: u64,
    /// Told to close, and still connected: they are given what waits for them, and have no seat any more.
    #[serde(default)]
    pub closing: u64,
}

/// Of [`Status`]: how many publishes and revocations each rate has held back (`rate_limited`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeldBackStatus {
    /// That of one credential.
    pub credential: u64,
    /// That of all exercises.
    pub exercises: u64,
    /// That of all that comes.
    pub relay: u64,
}

/// Of [`Status`]: connections that have not logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StrangerStatus {
    /// How many there are.
    pub open: u64,
    /// Of those, how many are in their handshakes: TLS, or the upgrade.
    #[serde(default)]
    pub handshakes: u64,
    /// Of those, how many wait for the first turn of their worker.
    #[serde(default)]
    pub waiting: u64,
    /// Past so many one is closed for each that comes.
    pub max: u64,
    /// How many were closed for one that came, in all or for their address, since the start.
    pub replaced: u64,
}

/// Of [`Status`]: connections that ended before anybody could be told a code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnheardStatus {
    /// Dropped at once: twice as many as may be were there, in all or of their address.
    pub no_room: u64,
    /// Their TLS handshake failed, or they left in it.
    pub tls: u64,
    /// Their HTTP request could not be read (400), or was too large (431).
    pub http: u64,
}
