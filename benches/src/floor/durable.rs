//! The least that a durable publish costs: one thread takes all that waits, one write, one `fdatasync`, then all receipts.

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::Context as _;
use bytes::Bytes;
use tokio::sync::mpsc;

/// Messages that wait for the disk: as the relay's `submissions_max`.
const WAITING_MAX: usize = 4_096;
/// Messages of one write.
const BATCH_MAX: usize = 1_024;
/// Reserved when the file is made, as the relay does: a write into it needs no change of the file's length.
const RESERVED_BYTES: u64 = 512 * 1024 * 1024;

/// A message and who wants to know.
type Append = (Bytes, mpsc::Sender<[u8; 8]>);

/// A file that is written from one end to the other by a thread of its own.
#[derive(Debug)]
pub(super) struct File {
    appends: SyncSender<Append>,
}

impl File {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::create(path)?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVED_BYTES)?;
        file.sync_all()?;
        let (appends, waiting) = sync_channel(WAITING_MAX);
        std::thread::Builder::new().name("floor-file".to_owned()).spawn(move || write(file, &waiting))?;
        Ok(Self { appends })
    }

    /// Once the message is on disk, its first eight bytes are sent back.
    pub(super) fn append(&self, message: Bytes, done: mpsc::Sender<[u8; 8]>) -> anyhow::Result<()> {
        self.appends.try_send((message, done)).context("too much waits for the disk")
    }
}

fn write(mut file: std::fs::File, waiting: &Receiver<Append>) {
    let mut batch = Vec::new();
    while let Ok(first) = waiting.recv() {
        let appends: Vec<Append> = std::iter::once(first).chain(waiting.try_iter()).take(BATCH_MAX).collect();
        batch.clear();
        appends.iter().for_each(|(message, _)| batch.extend_from_slice(message));
        if file.write_all(&batch).and_then(|()| file.sync_data()).is_err() {
            // Nothing is acknowledged any more, and whoever waits gives up.
            return;
        }
        for (message, done) in appends {
            let mut receipt = [0; 8];
            receipt.iter_mut().zip(message).for_each(|(to, from)| *to = from);
            // A publisher that takes no receipts loses them.
            let _ = done.try_send(receipt);
        }
    }
}
