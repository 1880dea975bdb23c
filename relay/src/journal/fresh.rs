//! A journal folder that comes into being whole or not at all: for an import, which takes long and may be killed.
//!
//! The journal is written in a folder beside the empty one that the relay is told to use, and takes its place by one
//! renaming. Until then that one is empty (but for the marker of a new journal, where it has one) and locked, so that no
//! relay begins a journal in it. The operators' door of a relay that was killed there goes.
//!
//! Against a relay that starts meanwhile, in this order:
//! 1. The empty folder is locked, then listed again. A relay that comes later finds the lock taken; one that came before
//!    has it, or has left a segment.
//! 2. The marker goes, so a relay that finds the folder without a lock (from 3 on) begins nothing there.
//! 3. The lock file goes, while its lock is held, and the renaming fails if anybody has made a new one.
//! 4. After the renaming, a relay that had opened the old folder or the old lock file has one that is in no place any
//!    more: it compares both with what is there once it has the lock, and ends ([`PlaceLost`](super::PlaceLost)).
//!
//! A relay whose folder was moved away while it runs is not seen from here. It ends at its next batch, before it names
//! or acknowledges anything.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use super::beginning::MARKER_NAME;
use super::dir_storage::{DirLock, DirStorage};
use super::error::JournalError;
use super::segment::{DOOR_NAME, FileName, LOCK_NAME};
use super::storage::Storage as _;

/// The folder beside, hidden and with a name that nobody else gives.
const SUFFIX: &str = ".vigie-import";

/// A folder that will be the journal's. Dropped before [`FreshFolder::put_in_place`], it leaves the old one empty.
#[derive(Debug)]
pub struct FreshFolder {
    place: PathBuf,
    beside: PathBuf,
    parent: PathBuf,
    in_place: bool,
    /// The empty folder as it was found.
    storage: DirStorage,
    _lock: DirLock,
}

impl FreshFolder {
    /// Takes the lock of an empty folder that exists, and makes a new one beside it. What a killed import left there
    /// is removed first.
    ///
    /// # Errors
    /// [`JournalError::InUse`], [`JournalError::NotEmpty`], [`JournalError::MountPoint`], and [`JournalError::Storage`].
    pub fn beside(place: &Path) -> Result<Self, JournalError> {
        let opening = || JournalError::storage("open the journal folder");
        let place = place.canonicalize().map_err(opening())?;
        let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
            return Err(JournalError::MountPoint);
        };
        let parent = parent.to_path_buf();
        let storage = DirStorage::open(&place).map_err(opening())?;
        let found = fs::metadata(&place).map_err(opening())?;
        if found.dev() != fs::metadata(&parent).map_err(opening())?.dev() {
            return Err(JournalError::MountPoint);
        }
        let is_other = |name: &String| {
            name != LOCK_NAME && name != MARKER_NAME && !(name == DOOR_NAME && is_socket(&place.join(name)))
        };
        let names = storage.names().map_err(opening())?;
        if let Some(name) = names.into_iter().find(is_other) {
            return Err(JournalError::NotEmpty { name });
        }
        let lock = storage.lock(LOCK_NAME).map_err(|source| {
            let in_use = source.kind() == io::ErrorKind::WouldBlock;
            if in_use { JournalError::InUse } else { JournalError::storage("lock the folder")(source) }
        })?;
        // A relay may have begun a journal between the first look and the lock.
        let names = storage.names().map_err(opening())?;
        if let Some(name) = names.into_iter().find(is_other) {
            return Err(JournalError::NotEmpty { name });
        }
        remove_door(&place).map_err(JournalError::storage("remove the socket that a relay left behind"))?;
        let beside = parent.join(format!(".{}{SUFFIX}", name.to_string_lossy()));
        clear(&beside)?;
        let made = fs::create_dir(&beside).and_then(|()| fs::set_permissions(&beside, found.permissions()));
        made.map_err(JournalError::storage("make a folder beside the journal's"))?;
        Ok(Self { place, beside, parent, in_place: false, storage, _lock: lock })
    }

    /// Where to write the journal.
    pub fn path(&self) -> &Path {
        &self.beside
    }

    /// Puts the folder in the place of the empty one; on `Ok` that is durable. The journal in it must be closed.
    ///
    /// # Errors
    /// [`JournalError::Storage`]: the old folder is as empty as it was, perhaps without its marker, or the new one is in
    /// its place.
    pub fn put_in_place(mut self) -> Result<(), JournalError> {
        let doing = "put the imported journal in its place";
        self.hand_over().map_err(JournalError::storage(doing))?;
        self.storage.check_place().map_err(JournalError::storage(doing))?;
        // First of all: should the rest fail or not come, no relay begins a journal in what is left.
        match fs::remove_file(self.place.join(MARKER_NAME)) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(JournalError::storage(doing))?,
        }
        // Held until the end: who opens the old folder now and makes a lock of its own makes the renaming fail.
        fs::remove_file(self.place.join(LOCK_NAME)).map_err(JournalError::storage(doing))?;
        fs::rename(&self.beside, &self.place).map_err(JournalError::storage(doing))?;
        self.in_place = true;
        File::open(&self.parent).and_then(|parent| parent.sync_all()).map_err(JournalError::storage(doing))
    }

    /// Whoever owns the empty folder owns what takes its place: an import is often run by another account than the
    /// relay.
    fn hand_over(&self) -> io::Result<()> {
        let owner = fs::metadata(&self.place)?;
        let give = |path: &Path| {
            let now = fs::metadata(path)?;
            if (now.uid(), now.gid()) == (owner.uid(), owner.gid()) {
                return Ok(());
            }
            chown(path, Some(owner.uid()), Some(owner.gid()))?;
            File::open(path)?.sync_all()
        };
        for entry in fs::read_dir(&self.beside)? {
            give(&entry?.path())?;
        }
        give(&self.beside)?;
        File::open(&self.beside)?.sync_all()
    }
}

impl Drop for FreshFolder {
    fn drop(&mut self) {
        if !self.in_place {
            // What cannot be removed now is removed by the next import.
            let _ = clear(&self.beside);
        }
    }
}

/// Removes what an import left; nothing that is not a part of a journal.
fn clear(beside: &Path) -> Result<(), JournalError> {
    let doing = "remove what an earlier import left";
    let entries = match fs::read_dir(beside) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(JournalError::storage(doing))?,
    };
    for entry in entries {
        let entry = entry.map_err(JournalError::storage(doing))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != LOCK_NAME
            && !matches!(FileName::parse(&name), FileName::Segment(_) | FileName::Unfinished(_))
        {
            return Err(JournalError::NotEmpty { name: entry.path().display().to_string() });
        }
        fs::remove_file(entry.path()).map_err(JournalError::storage(doing))?;
    }
    fs::remove_dir(beside).map_err(JournalError::storage(doing))
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Whoever has the lock knows that no relay runs here: the socket of one that was killed is of no use to anybody, and the
/// folder could not be replaced while it is there.
fn remove_door(folder: &Path) -> io::Result<()> {
    let door = folder.join(DOOR_NAME);
    if is_socket(&door) { fs::remove_file(door) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("journal");
        fs::create_dir(&place).unwrap();
        (dir, place)
    }

    fn names(path: &Path) -> Vec<String> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn it_appears_whole_or_leaves_nothing() {
        let (dir, place) = empty();
        let fresh = FreshFolder::beside(&place).unwrap();
        assert!(matches!(FreshFolder::beside(&place), Err(JournalError::InUse)));
        fs::write(fresh.path().join("00000000000000000001.vigie"), "x").unwrap();
        drop(fresh);
        assert_eq!((names(dir.path()), names(&place)), (vec!["journal".to_owned()], vec!["lock".to_owned()]));
        let fresh = FreshFolder::beside(&place).unwrap();
        fs::write(fresh.path().join("00000000000000000001.vigie"), "x").unwrap();
        fresh.put_in_place().unwrap();
        assert_eq!(names(&place), ["00000000000000000001.vigie"]);
        assert!(matches!(FreshFolder::beside(&place), Err(JournalError::NotEmpty { .. })));
    }

    #[test]
    fn what_a_killed_import_left_goes_and_nothing_else_does() {
        let (dir, place) = empty();
        let left = dir.path().join(".journal.vigie-import");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("00000000000000000001.vigie.new"), "x").unwrap();
        drop(FreshFolder::beside(&place).unwrap());
        fs::create_dir(&left).unwrap();
        fs::write(left.join("diary.txt"), "x").unwrap();
        assert!(matches!(FreshFolder::beside(&place), Err(JournalError::NotEmpty { .. })));
        assert_eq!(names(&left), ["diary.txt"]);
    }

    /// The operators' door of a relay that was killed; something else of that name is somebody's.
    #[test]
    fn the_socket_that_a_killed_relay_left_is_nothing_of_a_journal() {
        let (_dir, place) = empty();
        let door = place.join(DOOR_NAME);
        fs::write(&door, "mine").unwrap();
        assert!(matches!(FreshFolder::beside(&place), Err(JournalError::NotEmpty { .. })));
        fs::remove_file(&door).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&door).unwrap());
        let fresh = FreshFolder::beside(&place).unwrap();
        fs::write(fresh.path().join("00000000000000000001.vigie"), "x").unwrap();
        fresh.put_in_place().unwrap();
        assert_eq!(names(&place), ["00000000000000000001.vigie"]);
    }

    /// A relay that was started between the removal of the lock and the renaming has the folder for itself.
    #[test]
    fn it_does_not_take_the_place_of_a_folder_in_use() {
        let (_dir, place) = empty();
        let fresh = FreshFolder::beside(&place).unwrap();
        fs::write(place.join("00000000000000000001.vigie"), "x").unwrap();
        assert!(fresh.put_in_place().is_err());
        assert_eq!(names(&place), ["00000000000000000001.vigie"]);
    }
}
