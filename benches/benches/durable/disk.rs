//! The disk alone, and the journal alone.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use vigie_client::SignedMessage;
use vigie_proto::id::LogId;
use vigie_relay::journal::{DirStorage, Journal, JournalConfig, Storage as _, StorageFile as _};
use vigie_tests::world::{Person, now};

use crate::figures::Times;
use crate::messages;

/// More than a run writes; reserved first, as the journal does.
const FILE_BYTES: u64 = 256 * 1024 * 1024;

/// A file that is written from one end to the other.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    position: u64,
}

impl Disk {
    pub(crate) fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let reserved = DirStorage::open(folder).unwrap().create_new("alone").unwrap();
        reserved.preallocate(FILE_BYTES).unwrap();
        reserved.sync_data().unwrap();
        let file = File::options().write(true).open(folder.join("alone")).unwrap();
        Self { file, position: 0 }
    }

    /// Writes and syncs so many bytes, `calls` times.
    pub(crate) fn run(&mut self, bytes: usize, calls: usize) -> Times {
        let (mut times, content) = (Times::default(), vec![b'v'; bytes]);
        for _ in 0..calls {
            times.time(|| {
                self.file.write_all_at(&content, self.position).unwrap();
                self.file.sync_data().unwrap();
            });
            self.position = (self.position + bytes as u64) % (FILE_BYTES - bytes as u64);
        }
        times
    }
}

/// A journal without anything around it.
pub(crate) struct Alone<'a> {
    journal: Journal<DirStorage>,
    folder: PathBuf,
    author: &'a Person,
}

impl<'a> Alone<'a> {
    pub(crate) fn new(folder: &Path, author: &'a Person) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self { journal: open(folder), folder: folder.to_owned(), author }
    }

    /// Appends the messages in batches of this size.
    pub(crate) fn run(&mut self, messages: &[SignedMessage], batch: usize) -> Times {
        let mut times = Times::default();
        for messages in messages.chunks(batch) {
            let (next, now) = (self.journal.last_seq().next().get(), now().max(self.journal.last_admitted()));
            let record = |(seq, message)| messages::record(self.author, message, seq, now);
            let records: Vec<_> = (next..).zip(messages).map(record).collect();
            times.time(|| self.journal.append(&records).unwrap());
        }
        times
    }

    /// How many bytes such a batch is on disk.
    pub(crate) fn bytes_of(&mut self, messages: &[SignedMessage]) -> usize {
        let before = self.used();
        self.run(messages, messages.len());
        self.used() - before
    }

    /// Up to the last byte that is not zero, of the only segment.
    fn used(&self) -> usize {
        let names = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let segment = names.filter(|path| path.extension().is_some_and(|end| end == "vigie")).max().unwrap();
        std::fs::read(segment).unwrap().iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
    }
}

/// Opens the journal of a folder, whatever is in it.
pub(crate) fn open(folder: &Path) -> Journal<DirStorage> {
    let storage = DirStorage::open(folder).unwrap();
    Journal::open(storage, JournalConfig::new(), LogId::from_bytes([7; 16]), &mut |_| Ok(())).unwrap()
}
