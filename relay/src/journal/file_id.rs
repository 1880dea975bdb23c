//! Which file a name leads to, asked without any other trace on it.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::retry_on_intr;

use super::storage::PlaceLost;

/// Which file this is, whatever its name. Not given to another one while it is open.
///
/// Asked for its number alone: since version 6.13, Linux gives a file whose times somebody has read new ones at its next
/// write (multigrain timestamps), and an `fdatasync` then writes its inode too. Asked with its times after each batch, a
/// durable append took half as long again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: (u32, u32),
    inode: u64,
}

impl FileId {
    /// Of an open file or folder. Whatever a look fails with, here and below, is of no kind of its own: no caller may take it
    /// for a file that is missing or for a disk that is full, and go on.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let found = retry_on_intr(|| statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::INO));
        let found = found.map_err(io::Error::other)?;
        Ok(Self { device: (found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino })
    }

    fn at(path: &Path) -> io::Result<Self> {
        let found = retry_on_intr(|| statx(CWD, path, AtFlags::empty(), StatxFlags::INO))?;
        Ok(Self { device: (found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino })
    }

    /// Whether this path leads to it: an error that [`PlaceLost::caused`] otherwise.
    pub(super) fn check_at(self, path: &Path) -> io::Result<()> {
        match Self::at(path) {
            Ok(found) if found == self => Ok(()),
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(io::Error::other(error))
            }
            Ok(_) | Err(_) => Err(PlaceLost.into()),
        }
    }
}
