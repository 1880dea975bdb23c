//! The socket of the door: where it lies, who may open it, and when it goes.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::journal::DOOR_NAME;

/// Only who runs the relay, and root.
const MODE: u32 = 0o600;

/// Where the door of a relay with this journal is.
pub(crate) fn path_in(journal: &Path) -> PathBuf {
    journal.join(DOOR_NAME)
}

/// The socket in the folder; its name goes with it.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    /// Device and inode: another one at this name is not ours to remove.
    id: (u64, u64),
    /// Who runs the relay.
    owner: u32,
}

impl Socket {
    /// Begins to listen in the folder of a journal that this relay has locked: a socket that is there is left over from
    /// one that was killed, and goes.
    ///
    /// # Errors
    /// Something that is no socket has its name, its path is longer than the system takes (about 100 bytes), or whatever
    /// the system says.
    pub(super) fn bind(journal: &Path) -> io::Result<(UnixListener, Self)> {
        let path = path_in(journal);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(&path)?,
            Ok(_) => return Err(io::Error::new(ErrorKind::AlreadyExists, "what is there is no socket")),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(&path)?;
        // Until here the mode is that of the process's mask: whoever slips in is looked at by `admits`.
        fs::set_permissions(&path, Permissions::from_mode(MODE))?;
        listener.set_nonblocking(true)?;
        let found = fs::symlink_metadata(&path)?;
        Ok((listener, Self { id: (found.dev(), found.ino()), owner: found.uid(), path }))
    }

    /// Whether somebody with this user number may ask.
    pub(super) const fn admits(&self, user: u32) -> bool {
        user == self.owner || user == 0
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|it| (it.dev(), it.ino()) == self.id);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "the socket of the operators' door was left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn it_is_for_its_owner_replaces_what_was_left_over_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(folder.path());
        // Left behind, as by a relay that was killed.
        drop(UnixListener::bind(&path).unwrap());
        assert!(UnixStream::connect(&path).is_err());
        let (_listener, socket) = Socket::bind(folder.path()).unwrap();
        UnixStream::connect(&path).unwrap();
        let found = fs::symlink_metadata(&path).unwrap();
        assert_eq!(found.mode() & 0o777, 0o600);
        assert!(socket.admits(found.uid()) && socket.admits(0) && !socket.admits(found.uid() + 1));
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_stays_and_so_does_the_socket_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(folder.path());
        fs::write(&path, "mine").unwrap();
        assert_eq!(Socket::bind(folder.path()).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        fs::remove_file(&path).unwrap();
        let (_listener, socket) = Socket::bind(folder.path()).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        let (_other, _stays) = Socket::bind(folder.path()).unwrap();
        drop(socket);
        assert!(path.exists());
    }
}
