//! A disk in memory that forgets what was not synced: a test seam.
//!
//! For tests of whatever is built on the journal; no relay keeps messages on it. It remembers apart what programs see
//! (the page cache) and what is durable. [`SimDisk::crash`] gives the disk as a machine could find it after a power
//! cut: all that was synced, and of the rest any subset:
//! - each unsynced write is kept, lost, or torn at sectors of 512 bytes, whichever came first;
//! - each change of a name (create, rename, remove) that no sync of the directory followed is kept or lost on its own.
//!
//! A failed sync of a file behaves as on Linux: what it should have written stays readable and is not durable, and the
//! next sync succeeds without it. Not so for names: file systems that cannot write their metadata stop writing at all.
//!
//! Deterministic: the same calls and seeds give the same disks. There is no thread, clock or random source in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use super::salvage::bad_sector;
use super::storage::{Storage, StorageFile};
use crate::sync::{Mutex, MutexGuard};

mod crash;

pub use crash::Damage;
use crash::{Chance, Change, NameChange, SimContent};

/// What is read from a disk at least.
const PAGE_BYTES: u64 = 4096;

/// A simulated folder. Clones are the same folder.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// A call that changes something. Reading is not counted: a crash before or after it is the same crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Storage::create_new`]
    Create,
    /// [`StorageFile::write_all_at`]
    Write,
    /// [`StorageFile::preallocate`]
    Preallocate,
    /// [`StorageFile::truncate`]
    Truncate,
    /// [`StorageFile::sync_data`]
    Sync,
    /// [`Storage::rename`]
    Rename,
    /// [`Storage::remove`]
    Remove,
    /// [`Storage::sync_directory`]
    SyncDirectory,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<SimContent>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
    locked: BTreeSet<String>,
    operations: Vec<Operation>,
    fail_at: Option<(usize, io::ErrorKind)>,
    power_off_at: Option<usize>,
    power_is_off: bool,
    sync_does_nothing: bool,
    room: Option<u64>,
    read_bytes: u64,
    unreadable: BTreeMap<usize, Range<u64>>,
    damage: Damage,
}

/// How a counted call goes on.
enum Course {
    Normal,
    /// Its effect may be there, and it reports a failure.
    Fails(io::Error),
}

impl SimDisk {
    /// An empty folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counted calls so far, in order. The first has number 1 in [`SimDisk::fail_at`] and
    /// [`SimDisk::power_off_at`].
    pub fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    /// Lets one call fail: a write after half of its bytes, a sync as on Linux (see the module).
    pub fn fail_at(&self, call: usize, kind: io::ErrorKind) {
        self.state().fail_at = Some((call, kind));
    }

    /// Cuts the power during this call: it may have had its effect or not, it and all later calls fail.
    pub fn power_off_at(&self, call: usize) {
        self.state().power_off_at = Some(call);
    }

    /// Makes every sync succeed and do nothing, as a lying disk would or a journal that forgets to sync: to show that a
    /// test would notice.
    pub fn dangerous_ignore_syncs(&self) {
        self.state().sync_does_nothing = true;
    }

    /// Lets the files together be no larger than this: what does not fit fails with
    /// [`io::ErrorKind::StorageFull`]. `None` is no bound.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.state().room = bytes;
    }

    /// How much has been read since this disk was made.
    pub fn read_bytes(&self) -> u64 {
        self.state().read_bytes
    }

    /// The length of all files together.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// What the crash that made this disk did.
    pub fn damage(&self) -> Damage {
        self.state().damage
    }

    /// The disk as it may be found after a power cut now. This one is left as it is.
    pub fn crash(&self, seed: u64) -> Self {
        let state = self.state();
        let mut chance = Chance::new(seed);
        let mut damage = Damage::default();
        let mut names = state.durable_names.clone();
        for change in &state.unsynced_names {
            if chance.keeps_whole() {
                damage.reordered += u64::from(damage.lost_names > 0);
                damage.reordered_metadata += u64::from(damage.lost_names > 0);
                change.apply(&mut names);
            } else {
                damage.lost_names += 1;
            }
        }
        let files: Vec<_> = state.files.iter().map(|file| file.crash(&mut chance, &mut damage)).collect();
        let crashed = State {
            files,
            durable_names: names.clone(),
            names,
            sync_does_nothing: state.sync_does_nothing,
            room: state.room,
            damage,
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(crashed)) }
    }

    /// The same folder for a process started anew on a machine that kept running: the page cache is as it was, faults
    /// and locks are gone.
    pub fn restart(&self) -> Self {
        let state = self.state();
        let restarted = State {
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            unsynced_names: state.unsynced_names.clone(),
            sync_does_nothing: state.sync_does_nothing,
            room: state.room,
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(restarted)) }
    }

    /// The content of a file, as programs see it.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|file| state.files[*file].seen.clone())
    }

    /// Replaces or creates a file, durably and uncounted: damage done from outside.
    pub fn set_content(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let content = SimContent { durable: bytes.clone(), seen: bytes, unsynced: Vec::new() };
        if let Some(file) = state.names.get(name).copied() {
            state.files[file] = content;
        } else {
            state.files.push(content);
            let file = state.files.len() - 1;
            state.names.insert(name.to_owned(), file);
            state.durable_names.insert(name.to_owned(), file);
        }
    }

    /// Lets reads of the page of a file that holds this byte fail as those of a bad sector do, until
    /// [`SimDisk::restart`].
    pub fn make_unreadable(&self, name: &str, byte: u64) {
        let mut state = self.state();
        let page = byte / PAGE_BYTES * PAGE_BYTES;
        if let Some(file) = state.names.get(name).copied() {
            state.unreadable.insert(file, page..page + PAGE_BYTES);
        }
    }

    /// Removes a file, durably and uncounted: damage done from outside.
    pub fn delete(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check_power(&self) -> io::Result<()> {
        if self.power_is_off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn begin(&mut self, operation: Operation) -> io::Result<Course> {
        self.check_power()?;
        self.operations.push(operation);
        let number = self.operations.len();
        if self.power_off_at == Some(number) {
            self.power_is_off = true;
            return Ok(Course::Fails(io::Error::other("the power went off")));
        }
        match self.fail_at {
            Some((at, kind)) if at == number => Ok(Course::Fails(io::Error::from(kind))),
            Some(_) | None => Ok(Course::Normal),
        }
    }

    fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].seen.len() as u64).sum()
    }

    /// Whether a file may be `bytes` long.
    fn check_room(&self, file: usize, bytes: u64) -> io::Result<()> {
        let growth = bytes.saturating_sub(self.files[file].seen.len() as u64);
        if growth > 0 && self.room.is_some_and(|room| self.used() + growth > room) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }
}

impl Storage for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn names(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        state.check_power()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create_new(&self, name: &str) -> io::Result<SimFile> {
        let mut state = self.state();
        if state.names.contains_key(name) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let course = state.begin(Operation::Create)?;
        let cut = state.power_is_off;
        if cut || matches!(course, Course::Normal) {
            state.files.push(SimContent::default());
            let file = state.files.len() - 1;
            state.change_name(NameChange::Create { name: name.to_owned(), file });
        }
        course.end()?;
        Ok(SimFile { disk: self.clone(), file: state.files.len() - 1 })
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        let state = self.state();
        state.check_power()?;
        Ok(SimFile { disk: self.clone(), file: state.find(name)? })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = state.find(from)?;
        let course = state.begin(Operation::Rename)?;
        if state.power_is_off || matches!(course, Course::Normal) {
            state.change_name(NameChange::Rename { from: from.to_owned(), to: to.to_owned(), file });
        }
        course.end()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.find(name)?;
        let course = state.begin(Operation::Remove)?;
        if state.power_is_off || matches!(course, Course::Normal) {
            state.change_name(NameChange::Remove { name: name.to_owned() });
        }
        course.end()
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        let course = state.begin(Operation::SyncDirectory)?;
        if !state.sync_does_nothing && !state.power_is_off {
            // After a failure the names stay unsynced, and a later sync covers them.
            if matches!(course, Course::Normal) {
                for change in std::mem::take(&mut state.unsynced_names) {
                    change.apply(&mut state.durable_names);
                }
            }
        }
        course.end()
    }

    fn lock(&self, name: &str) -> io::Result<SimLock> {
        let mut state = self.state();
        state.check_power()?;
        if state.locked.insert(name.to_owned()) {
            Ok(SimLock { disk: self.clone(), name: name.to_owned() })
        } else {
            Err(io::Error::from(io::ErrorKind::WouldBlock))
        }
    }
}

/// The lock of a [`SimDisk`].
#[derive(Debug)]
pub struct SimLock {
    disk: SimDisk,
    name: String,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.name);
    }
}

/// An open file of a [`SimDisk`].
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl StorageFile for SimFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_power()?;
        state.read_bytes += buffer.len() as u64;
        let seen = &state.files[self.file].seen;
        let start = index(offset);
        let bytes = start.checked_add(buffer.len()).and_then(|end| seen.get(start..end));
        let bad = |range: &Range<u64>| range.start < offset + buffer.len() as u64 && offset < range.end;
        if state.unreadable.get(&self.file).is_some_and(bad) {
            return Err(bad_sector());
        }
        buffer.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let course = state.begin(Operation::Write)?;
        state.check_room(self.file, offset + bytes.len() as u64)?;
        let half = !state.power_is_off && matches!(course, Course::Fails(_));
        let bytes = if half { &bytes[..bytes.len() / 2] } else { bytes };
        state.files[self.file].change(Change::Write { offset: index(offset), bytes: bytes.to_vec() });
        course.end()
    }

    fn size(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.check_power()?;
        Ok(state.files[self.file].seen.len() as u64)
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let course = state.begin(Operation::Preallocate)?;
        state.check_room(self.file, bytes)?;
        if state.power_is_off || matches!(course, Course::Normal) {
            state.files[self.file].change(Change::Extend { to: index(bytes) });
        }
        course.end()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let course = state.begin(Operation::Truncate)?;
        if state.power_is_off || matches!(course, Course::Normal) {
            state.files[self.file].change(Change::Truncate { to: index(bytes) });
        }
        course.end()
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let course = state.begin(Operation::Sync)?;
        if !state.sync_does_nothing && !state.power_is_off {
            let file = &mut state.files[self.file];
            let changes = std::mem::take(&mut file.unsynced);
            if matches!(course, Course::Normal) {
                for change in changes {
                    change.apply(&mut file.durable);
                }
            }
        }
        course.end()
    }
}

impl Course {
    fn end(self) -> io::Result<()> {
        match self {
            Self::Normal => Ok(()),
            Self::Fails(error) => Err(error),
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
