//! A folder that is only looked at: a journal that a relay may be writing, or a copy of one.
//!
//! Opens every file for reading, takes no lock, and refuses whatever would change a byte or a name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::dir_storage::names_in;
use super::storage::{Storage, StorageFile};

/// A folder of a real file system as [`Storage`], without a way to change it.
#[derive(Debug, Clone)]
pub struct ReadOnlyDir {
    path: PathBuf,
}

impl ReadOnlyDir {
    /// Opens a folder that exists.
    ///
    /// # Errors
    /// It does not exist, is no folder, or may not be read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        names_in(&File::open(&path)?)?;
        Ok(Self { path: path.as_ref().to_path_buf() })
    }
}

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Storage for ReadOnlyDir {
    type File = ReadOnlyFile;
    type Lock = ();

    fn names(&self) -> io::Result<Vec<String>> {
        names_in(&File::open(&self.path)?)
    }

    fn create_new(&self, _: &str) -> io::Result<ReadOnlyFile> {
        refused()
    }

    fn open(&self, name: &str) -> io::Result<ReadOnlyFile> {
        Ok(ReadOnlyFile { file: File::open(self.path.join(name))? })
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        refused()
    }

    fn sync_directory(&self) -> io::Result<()> {
        refused()
    }

    fn lock(&self, _: &str) -> io::Result<()> {
        refused()
    }
}

/// An open file of a [`ReadOnlyDir`].
#[derive(Debug)]
pub struct ReadOnlyFile {
    file: File,
}

impl StorageFile for ReadOnlyFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        refused()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn preallocate(&self, _: u64) -> io::Result<()> {
        refused()
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        refused()
    }

    fn sync_data(&self) -> io::Result<()> {
        refused()
    }
}
