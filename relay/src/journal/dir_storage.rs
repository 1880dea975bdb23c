//! A folder of a real file system as [`Storage`].
//!
//! Called by the journal thread for writes and by readers for reads. Knows the system calls and their traps; knows
//! nothing of segments. Does not create parent folders and does not judge permissions.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{CWD, Dir, FallocateFlags, FlockOperation, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::file_id::FileId;
use super::storage::{Storage, StorageFile};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

/// Messages may be restricted in who may read them, so the files belong to the relay's account alone.
const FILE_MODE: u32 = 0o600;

/// Zeros are written in pieces of this size where the file system cannot preallocate.
const ZERO_BYTES: usize = 256 * 1024;

/// A folder of a real file system.
#[derive(Debug, Clone)]
pub struct DirStorage {
    dir: Arc<OpenDir>,
}

#[derive(Debug)]
struct OpenDir {
    path: PathBuf,
    // Opened once: the folder that is synced is the one that was opened, whatever is renamed above it. Files are found by
    // path, so before a name changes, and before a batch counts, the path must still lead here.
    handle: File,
    id: FileId,
    // While somebody holds it, it must be the one that others find: a lock on a file without a name keeps nobody out.
    lock: Mutex<Weak<HeldLock>>,
}

impl DirStorage {
    /// Opens a folder that exists.
    ///
    /// A missing folder is an error ([`io::ErrorKind::NotFound`]) and not an empty journal. That is no proof that its disk
    /// is mounted: the mount point is there without it. For that see
    /// [`NewJournal::OnlyWhereMarked`](super::NewJournal::OnlyWhereMarked).
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_path_buf();
        let handle = File::open(&path)?;
        if !repeated(|| handle.metadata())?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        let id = FileId::of(&handle)?;
        Ok(Self { dir: Arc::new(OpenDir { path, handle, id, lock: Mutex::default() }) })
    }

    /// What its disk has left for an account without privileges, in bytes.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let told = rustix::fs::fstatvfs(&self.dir.handle)?;
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    }

    /// Creates the folder (its parent must exist) durably, or opens it when it is there already.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        match std::fs::create_dir(path) {
            Ok(()) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Self::open(path)
    }

    fn path_of(&self, name: &str) -> PathBuf {
        self.dir.path.join(name)
    }
}

/// The names of what is in an open folder, in no order.
pub(super) fn names_in(folder: &File) -> io::Result<Vec<String>> {
    // Not `std::fs::read_dir`: it panics when the disk fails at the closing of the folder, which nothing depends on.
    let mut names = Vec::new();
    let mut entries = repeated(|| Ok(Dir::read_from(folder)?))?;
    while let Some(entry) = entries.read() {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name != "." && name != "..");
    Ok(names)
}

impl Storage for DirStorage {
    type File = DirFile;
    type Lock = DirLock;

    fn names(&self) -> io::Result<Vec<String>> {
        names_in(&self.dir.handle)
    }

    fn create_new(&self, name: &str) -> io::Result<DirFile> {
        self.check_place()?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(FILE_MODE);
        DirFile::new(options.open(self.path_of(name))?)
    }

    fn open(&self, name: &str) -> io::Result<DirFile> {
        DirFile::new(OpenOptions::new().read(true).write(true).open(self.path_of(name))?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check_place()?;
        repeated(|| std::fs::rename(self.path_of(from), self.path_of(to)))
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.check_place()?;
        let (from, to) = (self.path_of(from), self.path_of(to));
        let renamed =
            rustix::io::retry_on_intr(|| renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE));
        match renamed {
            // The file system does not know this, or the kernel is older: then a look must do.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if repeated(|| to.try_exists())? {
                    return Err(io::Error::from(io::ErrorKind::AlreadyExists));
                }
                repeated(|| std::fs::rename(&from, &to))
            }
            other => Ok(other?),
        }
    }

    fn check_place(&self) -> io::Result<()> {
        self.dir.id.check_at(&self.dir.path)?;
        let held = self.dir.lock.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        held.map_or(Ok(()), |held| held.id.check_at(&held.path))
    }

    fn check_named(&self, name: &str, file: &DirFile) -> io::Result<()> {
        file.id.check_at(&self.path_of(name))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check_place()?;
        repeated(|| std::fs::remove_file(self.path_of(name)))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.dir.handle.sync_all()
    }

    fn lock(&self, name: &str) -> io::Result<DirLock> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
        let path = self.path_of(name);
        let file = options.open(&path)?;
        let id = FileId::of(&file)?;
        #[cfg(feature = "sabotage")]
        if Sabotage::LockNotTaken.is_planted() {
            return Ok(DirLock { _held: Arc::new(HeldLock { _file: file, path, id }) });
        }
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive))?;
        // An import may have put another folder here meanwhile, or somebody removed the file: a lock on one that nobody
        // else opens keeps nobody out.
        let held = Arc::new(HeldLock { _file: file, path, id });
        *self.dir.lock.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&held);
        self.check_place()?;
        Ok(DirLock { _held: held })
    }
}

/// An open file of a [`DirStorage`].
#[derive(Debug)]
pub struct DirFile {
    file: File,
    id: FileId,
}

impl DirFile {
    fn new(file: File) -> io::Result<Self> {
        Ok(Self { id: FileId::of(&file)?, file })
    }
}

impl StorageFile for DirFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        // Repeats on EINTR and continues after a short read.
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(feature = "sabotage")]
        if Sabotage::EintrIsEnd.is_planted() {
            return crate::sabotage::write_once(&self.file, bytes, offset);
        }
        // Repeats on EINTR and continues after a short write.
        self.file.write_all_at(bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(repeated(|| self.file.metadata())?.len())
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        let reserved = rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes)
        });
        match reserved {
            Err(Errno::OPNOTSUPP) => fill_with_zeros(&self.file, bytes),
            other => Ok(other?),
        }
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        // fdatasync, repeated on EINTR only.
        self.file.sync_data()
    }
}

/// Repeats a call that was interrupted, where the standard library does not: it does for opening, reading, writing,
/// syncing and shortening.
fn repeated<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// For file systems that cannot preallocate (some network ones): only what lies after the present end is written.
fn fill_with_zeros(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; ZERO_BYTES];
    let mut at = repeated(|| file.metadata())?.len();
    while at < bytes {
        let piece = usize::try_from(bytes - at).map_or(ZERO_BYTES, |left| left.min(ZERO_BYTES));
        file.write_all_at(&zeros[..piece], at)?;
        at += piece as u64;
    }
    Ok(())
}

/// The `flock` on a lock file: it ends with the process, however that ends.
#[derive(Debug)]
pub struct DirLock {
    _held: Arc<HeldLock>,
}

#[derive(Debug)]
struct HeldLock {
    _file: File,
    path: PathBuf,
    id: FileId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::PlaceLost;

    fn folder() -> (tempfile::TempDir, DirStorage) {
        let dir = tempfile::tempdir().unwrap();
        let storage = DirStorage::open(dir.path()).unwrap();
        (dir, storage)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (_dir, storage) = folder();
        let file = storage.create_new("a").unwrap();
        file.preallocate(1000).unwrap();
        file.write_all_at(b"hello", 500).unwrap();
        file.sync_data().unwrap();
        storage.sync_directory().unwrap();
        let file = storage.open("a").unwrap();
        let mut read = [1; 7];
        file.read_exact_at(&mut read, 499).unwrap();
        assert_eq!(&read, b"\0hello\0");
        assert_eq!(file.size().unwrap(), 1000);
        file.truncate(600).unwrap();
        assert_eq!(file.size().unwrap(), 600);
        assert_eq!(file.read_exact_at(&mut read, 595).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn zeros_do_as_well_as_a_reservation() {
        let (_dir, storage) = folder();
        let file = storage.create_new("a").unwrap();
        file.write_all_at(b"hello", 0).unwrap();
        fill_with_zeros(&file.file, ZERO_BYTES as u64 + 10).unwrap();
        assert_eq!(file.size().unwrap(), ZERO_BYTES as u64 + 10);
        let mut read = [1; 7];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"hello\0\0");
    }

    #[test]
    fn names_are_exclusive_renamed_and_removed() {
        let (_dir, storage) = folder();
        storage.create_new("a").unwrap();
        assert_eq!(storage.create_new("a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        storage.rename("a", "b").unwrap();
        assert_eq!(storage.names().unwrap(), ["b"]);
        storage.remove("b").unwrap();
        assert!(storage.names().unwrap().is_empty());
        assert_eq!(storage.open("b").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_lock_has_one_holder() {
        let (dir, storage) = folder();
        let held = storage.lock("lock").unwrap();
        let other = DirStorage::open(dir.path()).unwrap();
        assert_eq!(other.lock("lock").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        other.lock("lock").unwrap();
    }

    #[test]
    fn a_name_that_is_taken_is_not_given() {
        let (_dir, storage) = folder();
        storage.create_new("a").unwrap();
        storage.create_new("b").unwrap();
        assert_eq!(storage.rename_new("a", "b").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        storage.rename_new("a", "c").unwrap();
    }

    #[test]
    fn a_folder_that_was_replaced_is_not_changed() {
        let parent = tempfile::tempdir().unwrap();
        let (path, aside) = (parent.path().join("journal"), parent.path().join("journal.old"));
        let storage = DirStorage::create(&path).unwrap();
        let file = storage.create_new("a").unwrap();
        storage.check_place().unwrap();
        storage.check_named("a", &file).unwrap();
        std::fs::rename(&path, &aside).unwrap();
        assert!(PlaceLost::caused(&storage.check_place().unwrap_err()));
        let other = DirStorage::create(&path).unwrap();
        other.create_new("a").unwrap();
        for refused in [
            storage.create_new("b").map(drop),
            storage.rename("a", "b"),
            storage.rename_new("a", "b"),
            storage.remove("a"),
            storage.lock("lock").map(drop),
        ] {
            assert!(PlaceLost::caused(&refused.unwrap_err()));
        }
        assert!(other.names().unwrap().contains(&"a".to_owned()));
        assert!(PlaceLost::caused(&storage.check_named("a", &file).unwrap_err()));
    }

    #[test]
    fn a_file_that_was_moved_replaced_or_removed_is_not_named() {
        let (dir, storage) = folder();
        let file = storage.create_new("a").unwrap();
        storage.check_named("a", &file).unwrap();
        std::fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        assert!(PlaceLost::caused(&storage.check_named("a", &file).unwrap_err()));
        storage.create_new("a").unwrap();
        assert!(PlaceLost::caused(&storage.check_named("a", &file).unwrap_err()));
        storage.check_named("b", &file).unwrap();
        storage.remove("b").unwrap();
        assert!(PlaceLost::caused(&storage.check_named("b", &file).unwrap_err()));
    }

    #[test]
    fn a_lock_that_others_do_not_find_ends_its_holder() {
        let (dir, storage) = folder();
        let held = storage.lock("lock").unwrap();
        storage.create_new("a").unwrap();
        std::fs::remove_file(dir.path().join("lock")).unwrap();
        assert!(PlaceLost::caused(&storage.check_place().unwrap_err()));
        let other = DirStorage::open(dir.path()).unwrap();
        let second = other.lock("lock").unwrap();
        assert!(PlaceLost::caused(&storage.remove("a").unwrap_err()));
        other.check_place().unwrap();
        // Without a lock there is none to lose.
        drop(held);
        storage.check_place().unwrap();
        drop(second);
    }

    #[test]
    fn a_missing_folder_is_not_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        assert_eq!(DirStorage::open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        DirStorage::create(&path).unwrap();
        DirStorage::create(&path).unwrap();
        DirStorage::open(&path).unwrap();
    }
}
