//! The threads that read pages of the journal for those who are behind, so that a slow disk delays nobody else.
//!
//! They take requests of all workers in turn and put the replies into the inbox of the worker that asked. A read brings at
//! most half an outbox, and a session has one for its subscription and one for a page of history: so replies that wait need
//! no bound of their own.

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::inbox::{Inbox, Letter};
use super::spawn;
use crate::journal::Storage;
use crate::sync::Mutex;
use crate::sync::mpsc::Receiver;
use crate::worker::{Pages, ReadRequest};

/// Two, so that one long read (a cursor looked up, a page far back) does not hold up all others.
pub(super) const PAGE_READERS: usize = 2;

/// Reads that may wait, over all workers: past it a session is told to come back later.
pub(super) const READS_MAX: usize = 16_384;

/// Starts them; they end when all workers have let go of the queue.
pub(super) fn spawn_all<S: Storage>(
    pages: Pages<S>,
    reads: Receiver<(usize, ReadRequest)>,
    inboxes: &[Arc<Inbox>],
    fail: &watch::Sender<bool>,
) -> std::io::Result<Vec<JoinHandle<std::io::Result<()>>>> {
    let reads = Arc::new(Mutex::new(reads));
    let reader = |index: usize| {
        let (pages, reads, inboxes) = (pages.clone(), Arc::clone(&reads), inboxes.to_vec());
        spawn(&format!("pages-{index}"), fail, move || {
            read_pages(&pages, &reads, &inboxes);
            Ok(())
        })
    };
    (0..PAGE_READERS).map(reader).collect()
}

/// Reads what is asked for until the workers have let go of the queue.
pub(super) fn read_pages<S: Storage>(
    pages: &Pages<S>,
    reads: &Mutex<Receiver<(usize, ReadRequest)>>,
    inboxes: &[Arc<Inbox>],
) {
    loop {
        let next = reads.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((worker, request)) = next else { return };
        let session = request.session();
        let reply = pages.read(request).map_err(|error| (session, error));
        inboxes[worker].put(Letter::Reply(Box::new(reply)));
    }
}
