//! What the SDK keeps on disk: committed cursors, and below the outbox.
//!
//! Everything kept is written by this machine for itself. It is synced before anyone is told that it is kept, carries a
//! checksum and a version, and belongs to its owner alone (mode 0600). What does not read back is an error that names
//! the file, never an empty beginning.

mod cursor_store;
mod folder;

pub(crate) use self::cursor_store::CursorFile;
pub use self::cursor_store::CursorStore;
pub(crate) use self::folder::{Folder, Lock};

use std::io;
use std::path::PathBuf;

/// Why something kept on disk cannot be used. Each says which file, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The name of a durable subscription becomes the name of a file.
    #[error("{name:?} is no name for a durable subscription: 1 to 64 lower-case letters, digits and hyphens")]
    Name {
        /// The name.
        name: String,
    },
    /// Another subscription or process holds it: two would overwrite each other.
    #[error("{} is in use by another process or another part of this one: close that first", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// It is not what was written. Nothing was changed.
    #[error("{} is damaged ({why}): nothing in it is used; look at the disk, then move the file away to begin anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        why: String,
    },
    /// A later version of this program wrote it. Nothing was changed.
    #[error("{} is of a later version ({version}): update this program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The system refused to read, write or sync. What was to be kept may or may not be.
    #[error("{}: {source}; check the disk, its free space, and that the folder belongs to you", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The runtime stopped before the disk was written.
    #[error("the runtime stopped before the disk was written")]
    Stopped,
}
