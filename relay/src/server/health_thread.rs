//! The thread of the health listener, and its end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::join;
use crate::health::{Health, listener};

/// Owned by the relay.
#[derive(Debug)]
pub(super) struct HealthThread {
    pub(super) address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl HealthThread {
    pub(super) fn spawn(listener: TcpListener, health: &Arc<Health>) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let thread = listener::spawn(listener, Arc::clone(health), stopped)?;
        Ok(Self { address, stop, thread })
    }

    pub(super) fn stop(self) {
        self.stop.send_replace(true);
        // What goes wrong here has cost nobody a message.
        if let Err(error) = join(self.thread).and_then(|outcome| outcome) {
            tracing::warn!(%error, "the health listener ended badly");
        }
    }
}
