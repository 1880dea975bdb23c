//! A folder of this machine's own files: closed to others, locked by one holder, each file replaced in one step.
//!
//! The door to the file system for everything that the SDK writes. Invariant: what [`Folder::replace`] returns for is on
//! disk under its name, whole; after an error the old content or the new stands there, whole. A failed sync is never
//! tried again on the same descriptor: each call opens its own.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::StoreError;

/// Cursors say what someone hears, unsent messages what someone is about to say: nobody else's business.
#[cfg(unix)]
const FILE_MODE: u32 = 0o600;
#[cfg(unix)]
const FOLDER_MODE: u32 = 0o700;

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// Held until dropped, or until the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Folder {
    /// Opens the folder, creating it durably, with those above it, where it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let folder = Self { path: path.to_owned() };
        let failed = |source| StoreError::Io { path: path.to_owned(), source };
        if !path.is_dir() {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, FOLDER_MODE);
            builder.create(path).map_err(failed)?;
            // Those above it that are new are entries too.
            for made in path.ancestors().skip(1) {
                let made = if made.as_os_str().is_empty() { Path::new(".") } else { made };
                // What is above and not ours may be closed to us; then it was there before.
                if sync_folder(made).is_err_and(|error| error.kind() != io::ErrorKind::PermissionDenied) {
                    return Err(failed(io::Error::other("the folder above could not be synced")));
                }
            }
        }
        Ok(folder)
    }

    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn failed(&self, name: &str) -> impl Fn(io::Error) -> StoreError + use<> {
        let path = self.path_of(name);
        move |source| StoreError::Io { path: path.clone(), source }
    }

    /// Takes the lock of this name, without waiting.
    pub(crate) fn lock(&self, name: &str) -> Result<Lock, StoreError> {
        let path = self.path_of(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        close_to_others(&mut options);
        let file = options.open(&path).map_err(self.failed(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(StoreError::Io { path, source }),
        }
    }

    /// The content of a file; `None` when there is no file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.path_of(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name)(error)),
        }
    }

    /// Puts a file in the place of another, or where there was none, in one step, and syncs file and folder.
    /// Returns it open for appending.
    pub(crate) fn replace(&self, name: &str, content: &[u8]) -> Result<File, StoreError> {
        let new = format!("{name}.new");
        let step = || {
            // What a crash left behind.
            match fs::remove_file(self.path_of(&new)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mut options = OpenOptions::new();
            options.append(true).create_new(true);
            close_to_others(&mut options);
            let mut file = options.open(self.path_of(&new))?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(self.path_of(&new), self.path_of(name))?;
            sync_folder(&self.path)?;
            Ok(file)
        };
        step().map_err(self.failed(name))
    }

    /// Moves a file aside under the first free name of `name.N`, so that it can be looked at.
    pub(crate) fn keep_aside(&self, name: &str, content: &[u8]) -> Result<PathBuf, StoreError> {
        /// More than anyone lets pile up before looking.
        const KEPT_MAX: u32 = 1_000;
        let free = (1..=KEPT_MAX).map(|number| format!("{name}.{number}"));
        let free = free.into_iter().find(|one| !self.path_of(one).exists());
        let free = free.ok_or_else(|| self.failed(name)(io::ErrorKind::AlreadyExists.into()))?;
        self.replace(&free, content)?;
        Ok(self.path_of(&free))
    }
}

fn close_to_others(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, FILE_MODE);
    // Elsewhere access is governed by lists that the standard library does not show.
    #[cfg(not(unix))]
    let _ = options;
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file; renaming is durable there by the file system's own means, if at all.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("a/b")).unwrap();
        let held = folder.lock("lock").unwrap();
        assert!(matches!(folder.lock("lock"), Err(StoreError::InUse { .. })));
        drop(held);
        folder.lock("lock").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn files_belong_to_their_owner_alone_and_leftovers_do_not_stand_in_the_way() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("own")).unwrap();
        fs::write(folder.path_of("file.new"), "half").unwrap();
        folder.replace("file", b"one").unwrap();
        folder.replace("file", b"two").unwrap();
        assert_eq!(folder.read("file").unwrap().unwrap(), b"two");
        assert_eq!(folder.read("other").unwrap(), None);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path_of("file")), 0o600);
        assert_eq!(mode(&folder.path), 0o700);
        assert!(!folder.path_of("file.new").exists());
    }
}
