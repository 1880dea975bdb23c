//! Takes connections and deals them out to the workers in turn.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use vigie_proto::refusal::Code;

use crate::net::connections::{ConnectionGuard, Connections, Entry};
use crate::net::strangers::{FirstTurn, Place, Strangers};
use crate::server::inbox::{Inbox, Letter};

/// After a failed accept (no descriptors left, say): the next try comes this much later, not at once and for ever.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the system has taken and this thread has not. A relay that was away gets its clients back within a
/// second, and without room here the first packet of a newcomer is dropped and comes again a second later: the 128 of the
/// standard library are gone in a moment. The system has a bound of its own (`net.core.somaxconn`, 4,096).
const BACKLOG: i32 = 4_096;

/// Newcomers that wait for the first turn of their worker. More are left to the system: when all clients come back at
/// once, those who wait for nothing but the relay would pass for slow strangers, and each be sent away for the next. It
/// is a part of the strangers in all, since whoever had a first turn waits for others beside them.
const WAITING_MAX: usize = 256;

/// A connection that was just accepted.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) stream: TcpStream,
    pub(crate) place: Place,
    /// Resolves when it has to go for another.
    pub(crate) must_go: oneshot::Receiver<()>,
    /// It must be told to come back later, and why.
    pub(crate) full: Option<Code>,
    /// Let go of at its first turn.
    pub(crate) waiting: Option<Waiting>,
    pub(crate) guard: ConnectionGuard,
}

/// A newcomer that waits for the first turn of its worker.
#[derive(Debug)]
pub(crate) struct Waiting {
    _permit: OwnedSemaphorePermit,
    _counted: FirstTurn,
}

/// Accepts until `stop` says so.
pub(crate) async fn accept(
    listener: TcpListener,
    workers: Vec<Arc<Inbox>>,
    connections: Arc<Connections>,
    strangers: Arc<Strangers>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    socket2::SockRef::from(&listener).listen(BACKLOG)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let waiting = Arc::new(Semaphore::new(WAITING_MAX.min(strangers.max().div_ceil(2))));
    let next = async || (Arc::clone(&waiting).acquire_owned().await.ok(), listener.accept().await);
    let mut turn = 0;
    loop {
        let (waiting, accepted) = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => return Ok(()),
            next = next() => next,
        };
        let (stream, from) = match accepted.and_then(|(stream, from)| Ok((stream.into_std()?, from.ip()))) {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (guard, full) = match connections.enter(from) {
            Entry::Served(guard) => (guard, None),
            Entry::Told(guard, code) => (guard, Some(code)),
            Entry::Dropped => continue,
        };
        let (place, must_go) = strangers.enter(from);
        let waiting = waiting.map(|permit| Waiting { _permit: permit, _counted: strangers.wait() });
        let newcomer = Newcomer { stream, place, must_go, full, waiting, guard };
        workers[turn].put(Letter::Connection(newcomer));
        turn = (turn + 1) % workers.len();
    }
}
