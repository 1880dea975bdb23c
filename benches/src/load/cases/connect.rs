//! What a connection costs the server: TCP, TLS, upgrade and log-in, some dozen at a time; and what it keeps of an idle one.

use std::time::Duration;

use serde::Serialize;

use super::{Span, as_f64};
use crate::load::peer::Role;
use crate::load::{Crowd, Process};

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    /// Connections that were measured.
    pub connections: u64,
    /// CPU of the server for one, in microseconds.
    pub cpu_us: f64,
    /// Connections in a second; the load generator may be what limits them.
    pub per_second: f64,
    /// The share of a core that the server used.
    pub load: f64,
    /// Resident memory for each idle connection, in KiB.
    pub resident_kib_each: f64,
}

/// What a server has to come to rest.
const REST: Duration = Duration::from_secs(1);

/// Opens `warm` connections first, so that the server has seen every identity, and closes them; then `connections`.
///
/// # Errors
/// The server refuses, or cannot be looked at.
pub fn run(crowd: &mut Crowd, server: &Process, warm: usize, connections: u64) -> anyhow::Result<Report> {
    crowd.connect(Role::Guest, warm)?;
    crowd.disconnect();
    crowd.turn_for(REST)?;
    let empty = server.resident_kib()?;
    let span = Span::begin(server)?;
    crowd.connect(Role::Guest, usize::try_from(connections)?)?;
    let used = span.end(server)?;
    crowd.turn_for(REST)?;
    let resident = server.resident_kib()?.saturating_sub(empty);
    Ok(Report {
        connections,
        cpu_us: used.cpu_us / as_f64(connections),
        per_second: as_f64(connections) / used.seconds,
        load: used.cpu_us / 1e6 / used.seconds,
        resident_kib_each: as_f64(resident) / as_f64(connections),
    })
}
