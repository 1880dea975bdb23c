//! The journal alone: an append of one message and of a batch of 32, with the sync, without it, and the sync by itself.
//!
//! It writes below the folder for temporary files (`TMPDIR`), some 100 MiB at a time. The figures with the sync are those
//! of the disk; `durable.rs` has the same with the relay around it.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must stop")]

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vigie_benches::{Fixture, NOW};
use vigie_proto::id::{LogId, MessageId, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::severity::Severity;
use vigie_relay::journal::{
    DirFile, DirLock, DirStorage, Journal, JournalConfig, MessageRecord, Record, Storage, StorageFile,
};

/// Messages after which a journal begins anew: bounds what lies on the disk.
const MESSAGES_MAX: u64 = 50_000;

/// A message with its head on disk.
const RECORD_BYTES: usize = 1_200;

/// A folder of real files whose content is synced, or not: then what an append costs is left, and nothing is durable.
#[derive(Clone)]
struct Disk {
    folder: DirStorage,
    synced: bool,
}

struct File {
    file: DirFile,
    synced: bool,
}

impl Disk {
    fn with(&self, file: DirFile) -> File {
        File { file, synced: self.synced }
    }
}

impl Storage for Disk {
    type File = File;
    type Lock = DirLock;

    fn names(&self) -> io::Result<Vec<String>> {
        self.folder.names()
    }

    fn create_new(&self, name: &str) -> io::Result<File> {
        self.folder.create_new(name).map(|file| self.with(file))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        self.folder.open(name).map(|file| self.with(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn check_place(&self) -> io::Result<()> {
        self.folder.check_place()
    }

    fn check_named(&self, name: &str, file: &File) -> io::Result<()> {
        self.folder.check_named(name, &file.file)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.folder.sync_directory()
    }

    fn lock(&self, name: &str) -> io::Result<DirLock> {
        self.folder.lock(name)
    }
}

impl StorageFile for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.file.preallocate(bytes)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.synced { self.file.sync_data() } else { Ok(()) }
    }
}

/// A folder that is gone with the bench.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vigie-append-{name}-{}", std::process::id()));
        let folder = Self(path);
        folder.clear();
        folder
    }

    fn clear(&self) {
        let _ = std::fs::remove_dir_all(&self.0);
        std::fs::create_dir_all(&self.0).unwrap();
    }

    fn storage(&self) -> DirStorage {
        DirStorage::open(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A journal that is appended to, and what is appended.
struct Appending {
    journal: Option<Journal<Disk>>,
    folder: Folder,
    synced: bool,
    batch: Vec<Record>,
}

impl Appending {
    fn new(fixture: &Fixture, events: usize, synced: bool) -> Self {
        let jws = Bytes::from(fixture.alert());
        let message = MessageRecord {
            seq: Sequence::new(0),
            admitted: NOW,
            expires: NOW.plus(Duration::from_secs(3_600)),
            id: MessageId::from_bytes([0; 32]),
            credential: fixture.chain.leaf().id(),
            severity: Severity::Severe,
            channel: "alert/fr.idf.94".parse().unwrap(),
            audience: Audience::EVERYONE,
            jws,
        };
        let batch = vec![Record::Message(message); events];
        let folder = Folder::new(if synced { "synced" } else { "unsynced" });
        Self { journal: None, folder, synced, batch }
    }

    /// Only the appends are timed: not that the messages get their places, nor that a journal begins.
    fn run(&mut self, times: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..times {
            let last = self.journal.as_ref().map_or(u64::MAX, |journal| journal.last_seq().get());
            if last >= MESSAGES_MAX {
                self.journal = None;
                self.folder.clear();
                let disk = Disk { folder: self.folder.storage(), synced: self.synced };
                let log = LogId::from_bytes([7; 16]);
                self.journal = Some(Journal::open(disk, JournalConfig::new(), log, &mut |_| Ok(())).unwrap());
            }
            let journal = self.journal.as_mut().unwrap();
            for (record, seq) in self.batch.iter_mut().zip(journal.last_seq().get() + 1..) {
                let Record::Message(message) = record else { continue };
                let mut id = [7; 32];
                id[..8].copy_from_slice(&seq.to_le_bytes());
                (message.seq, message.id) = (Sequence::new(seq), MessageId::from_bytes(id));
            }
            let begun = Instant::now();
            journal.append(&self.batch).unwrap();
            spent += begun.elapsed();
        }
        spent
    }
}

fn append(criterion: &mut Criterion) {
    let fixture = Fixture::default();
    let mut group = criterion.benchmark_group("append");
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for events in [1, 32] {
        group.throughput(Throughput::Elements(events as u64));
        for (name, synced) in [("synced", true), ("without the sync", false)] {
            let mut appending = Appending::new(&fixture, events, synced);
            group.bench_function(BenchmarkId::new(name, events), |bench| {
                bench.iter_custom(|times| appending.run(times))
            });
        }
        group.bench_function(BenchmarkId::new("one write and the sync alone", events), |bench| {
            let folder = Folder::new("alone");
            let file = folder.storage().create_new("alone").unwrap();
            let (content, length) = (vec![b'v'; events * RECORD_BYTES], (events * RECORD_BYTES) as u64);
            // As many as two seconds can take.
            let places = MESSAGES_MAX / events as u64;
            file.preallocate(places * length).unwrap();
            file.sync_data().unwrap();
            let mut place = 0;
            bench.iter(|| {
                file.write_all_at(&content, place * length).unwrap();
                file.sync_data().unwrap();
                place = (place + 1) % places;
            });
        });
    }
    group.finish();
}

criterion_group!(journal, append);
criterion_main!(journal);
