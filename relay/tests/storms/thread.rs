//! A thread for some of the clients of a test, so that they do not delay those who are measured.

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with a runtime, gone when it is dropped.
pub(crate) struct Thread {
    pub(crate) handle: Handle,
    _runs: oneshot::Sender<()>,
}

impl Thread {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (runs, ended) = oneshot::channel();
        std::thread::spawn(move || runtime.block_on(ended));
        Self { handle, _runs: runs }
    }
}
