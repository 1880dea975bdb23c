//! Takes connections and deals them out to the workers in turn.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::net::strangers::{Place, Strangers};
use crate::server::inbox::{Inbox, Letter};

/// After a failed accept (no descriptors left, say): the next try comes this much later, not at once and for ever.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Counts open connections, and tells a stopping relay when none is left.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<usize>,
    none_left: Condvar,
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, usize> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        *self.open()
    }

    /// Waits until none is open, at most this long; how many are open then.
    pub(crate) fn wait_until_none(&self, at_most: Duration) -> usize {
        let waited = self.none_left.wait_timeout_while(self.open(), at_most, |open| *open > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct ConnectionGuard(Arc<Connections>);

impl ConnectionGuard {
    fn new(connections: &Arc<Connections>) -> Self {
        *connections.open() += 1;
        Self(Arc::clone(connections))
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let mut open = self.0.open();
        *open = open.saturating_sub(1);
        if *open == 0 {
            self.0.none_left.notify_all();
        }
    }
}

/// A connection that was just accepted.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) stream: TcpStream,
    pub(crate) place: Place,
    /// Resolves when it has to go for another.
    pub(crate) must_go: oneshot::Receiver<()>,
    /// It must be told to come back later.
    pub(crate) full: bool,
    pub(crate) guard: ConnectionGuard,
}

/// Accepts until `stop` says so.
pub(crate) async fn accept(
    listener: TcpListener,
    workers: Vec<Arc<Inbox>>,
    connections: Arc<Connections>,
    connections_max: usize,
    strangers: Arc<Strangers>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut turn = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let (stream, from) = match accepted.and_then(|(stream, from)| Ok((stream.into_std()?, from.ip()))) {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Past the bound a newcomer is told so with a 503; far past it, it is dropped unheard.
        let open = connections.count();
        if open >= connections_max.saturating_mul(2) {
            continue;
        }
        let full = open >= connections_max;
        let guard = ConnectionGuard::new(&connections);
        let (place, must_go) = strangers.enter(from);
        let newcomer = Newcomer { stream, place, must_go, full, guard };
        workers[turn].put(Letter::Connection(newcomer));
        turn = (turn + 1) % workers.len();
    }
}
