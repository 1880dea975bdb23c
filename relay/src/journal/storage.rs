//! One folder of files, as the journal sees it.
//!
//! The seam between the journal and the disk: the journal speaks to nothing else. [`DirStorage`](super::DirStorage) is a
//! folder of a real file system; [`SimDisk`](super::sim_disk::SimDisk) is one in memory that forgets, at a crash, what was
//! not synced.
//!
//! Contract of every implementation:
//! - A call that was interrupted (`EINTR`) is repeated, and a short read or write is continued, inside; any other
//!   failure is handed out unchanged, and nothing is retried.
//! - Nothing is durable before the sync that covers it has returned `Ok`: [`StorageFile::sync_data`] for the bytes and
//!   the length of one file, [`Storage::sync_directory`] for names. Neither covers for the other.
//! - What was opened is still where it was opened, as far as the implementation can see: see [`PlaceLost`].
//!
//! Not here: paths, permissions, and any knowledge of what the files contain.

use std::io;

/// The folder was moved, replaced or removed while it was open, or the file that is written in it, or its lock: what is
/// written now, no start would find, or somebody else writes there too.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the folder, or a file in it, was moved, replaced or removed while it was open")]
pub struct PlaceLost;

impl PlaceLost {
    /// Whether this error says so.
    pub fn caused(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl From<PlaceLost> for io::Error {
    fn from(lost: PlaceLost) -> Self {
        Self::other(lost)
    }
}

/// A folder of files without subfolders.
///
/// Cheap to clone; all clones are the same folder.
pub trait Storage: Clone + Send + Sync + 'static {
    /// An open file of this folder, for reading and writing.
    type File: StorageFile;
    /// Keeps the folder locked until dropped.
    type Lock: Send + Sync + 'static;

    /// The names of all files, in no particular order.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Creates a file that must not exist yet ([`io::ErrorKind::AlreadyExists`] otherwise).
    fn create_new(&self, name: &str) -> io::Result<Self::File>;

    /// Opens a file that exists.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, in one step; whatever had that name is gone.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// As [`Storage::rename`], where nothing may have the new name. Default: that nothing has it is left to the caller.
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename(from, to)
    }

    /// Whether the folder that was opened is still the one that is found in its place, and the lock that is held on it
    /// the one that others find: an error that [`PlaceLost::caused`] otherwise. Default: neither can be moved.
    fn check_place(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whether the next start would find this file under this name: an error that [`PlaceLost::caused`] otherwise.
    /// Default: it cannot lose it.
    fn check_named(&self, _name: &str, _file: &Self::File) -> io::Result<()> {
        Ok(())
    }

    /// Removes a file; open handles stay readable.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all names as they are now durable.
    fn sync_directory(&self) -> io::Result<()>;

    /// Takes the exclusive lock on the file `name`, creating it when missing. Does not wait:
    /// [`io::ErrorKind::WouldBlock`] when another holder has it.
    fn lock(&self, name: &str) -> io::Result<Self::Lock>;
}

/// An open file. Shared between the one writer and any number of readers.
pub trait StorageFile: Send + Sync + 'static {
    /// Fills `buffer` from `offset`; [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, extending the file when it ends before.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// The length in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Reserves space so that the file has at least `bytes` bytes, zero where nothing was written. A later write inside
    /// them needs no new space.
    fn preallocate(&self, bytes: u64) -> io::Result<()>;

    /// Gives back what lies at and after `bytes`.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Makes the content and the length durable (`fdatasync`).
    ///
    /// After a failure the kernel may hold the lost pages for clean, so that a second call succeeds and proves nothing:
    /// never call it again on a file for which it failed.
    fn sync_data(&self) -> io::Result<()>;
}
