//! A [`Storage`] that measures how long the one below it takes to sync.
//!
//! Around the disk and not in the journal, which reads no clock.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::SyncTimes;
use crate::journal::{Storage, StorageFile};

/// Passes everything on, and notes the time of each [`StorageFile::sync_data`].
#[derive(Clone, Debug)]
pub(crate) struct TimedStorage<S> {
    below: S,
    times: Arc<SyncTimes>,
}

impl<S> TimedStorage<S> {
    pub(crate) const fn new(below: S, times: Arc<SyncTimes>) -> Self {
        Self { below, times }
    }
}

/// A file of a [`TimedStorage`].
#[derive(Debug)]
pub(crate) struct TimedFile<F> {
    below: F,
    times: Arc<SyncTimes>,
}

impl<S: Storage> TimedStorage<S> {
    fn timed(&self, below: S::File) -> TimedFile<S::File> {
        TimedFile { below, times: Arc::clone(&self.times) }
    }
}

impl<S: Storage> Storage for TimedStorage<S> {
    type File = TimedFile<S::File>;
    type Lock = S::Lock;

    fn names(&self) -> io::Result<Vec<String>> {
        self.below.names()
    }

    fn create_new(&self, name: &str) -> io::Result<Self::File> {
        self.below.create_new(name).map(|file| self.timed(file))
    }

    fn open(&self, name: &str) -> io::Result<Self::File> {
        self.below.open(name).map(|file| self.timed(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.below.rename(from, to)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.below.rename_new(from, to)
    }

    fn check_place(&self) -> io::Result<()> {
        self.below.check_place()
    }

    fn check_named(&self, name: &str, file: &Self::File) -> io::Result<()> {
        self.below.check_named(name, &file.below)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.below.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.below.sync_directory()
    }

    fn lock(&self, name: &str) -> io::Result<Self::Lock> {
        self.below.lock(name)
    }
}

impl<F: StorageFile> StorageFile for TimedFile<F> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.below.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.below.write_all_at(bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.below.size()
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.below.preallocate(bytes)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.below.truncate(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        let began = Instant::now();
        let synced = self.below.sync_data();
        self.times.note(began.elapsed());
        synced
    }
}
