//! Where durable subscriptions keep how far their application got: a small file each.
//!
//! Written by [`crate::Subscription::commit`], read by [`crate::Client::subscribe_durable`]. The file is replaced whole
//! at each commit: `vigie-cursor 1`, the cursor, and the CRC-32C of both lines, as three lines of text.
//!
//! What it does not do: it keeps no ids. After a restart that resumes at another relay, messages of the last five
//! minutes before the cursor may be given again, under the same ids.

use std::path::Path;

use vigie_proto::channel::Plane;
use vigie_proto::cursor::Cursor;

use super::{Folder, Lock, StoreError};

const HEADER: &str = "vigie-cursor";
const VERSION: u32 = 1;
/// Longest name: with plane and ending it fits in a file name everywhere.
const NAME_BYTES_MAX: usize = 64;

/// A folder of committed cursors, one file for each durable subscription and plane. Cheap to clone; several processes
/// may use one folder, each name at one place at a time.
#[derive(Clone, Debug)]
pub struct CursorStore {
    folder: Folder,
}

impl CursorStore {
    /// Opens the folder; creates it, closed to others, where it is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        Ok(Self { folder: Folder::open(dir.as_ref())? })
    }

    /// The file of one durable subscription, held until dropped; and the cursor in it, `None` before the first commit.
    pub(crate) fn hold(&self, name: &str, plane: Plane) -> Result<(CursorFile, Option<Cursor>), StoreError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(allowed) {
            return Err(StoreError::Name { name: name.to_owned() });
        }
        // A subscription belongs to one plane, so two that share a name share nothing else.
        let lock = self.folder.lock(&format!("{plane}.{name}.lock"))?;
        let file =
            CursorFile { folder: self.folder.clone(), name: format!("{plane}.{name}.cursor"), _lock: lock };
        let committed = file.read()?;
        Ok((file, committed))
    }
}

/// The file of one durable subscription.
#[derive(Debug)]
pub(crate) struct CursorFile {
    folder: Folder,
    name: String,
    _lock: Lock,
}

impl CursorFile {
    fn read(&self) -> Result<Option<Cursor>, StoreError> {
        let Some(bytes) = self.folder.read(&self.name)? else { return Ok(None) };
        let path = || self.folder.path_of(&self.name);
        let damaged = |why: &str| StoreError::Damaged { path: path(), why: why.to_owned() };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is no text"))?;
        let (signed, sum) = text
            .strip_suffix('\n')
            .and_then(|text| text.rsplit_once('\n'))
            .ok_or_else(|| damaged("lines are missing"))?;
        if sum != checksum(signed) {
            return Err(damaged("its checksum is wrong"));
        }
        let (header, cursor) = signed.split_once('\n').ok_or_else(|| damaged("lines are missing"))?;
        let version = header.strip_prefix(HEADER).and_then(|rest| rest.trim().parse::<u32>().ok());
        match version {
            Some(VERSION) => cursor.parse().map(Some).map_err(|_| damaged("it holds no cursor")),
            Some(version) if version > VERSION => Err(StoreError::Newer { path: path(), version }),
            Some(_) | None => Err(damaged("it is no file of a cursor")),
        }
    }

    /// Returns when the cursor is on disk.
    pub(crate) fn write(&self, cursor: &Cursor) -> Result<(), StoreError> {
        let signed = format!("{HEADER} {VERSION}\n{cursor}");
        let sum = checksum(&signed);
        self.folder.replace(&self.name, format!("{signed}\n{sum}\n").as_bytes()).map(drop)
    }
}

fn checksum(text: &str) -> String {
    format!("{:08x}", crc32c::crc32c(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use vigie_proto::id::{LogId, Sequence};
    use vigie_proto::time::Timestamp;

    use super::*;

    fn cursor(seq: u64) -> Cursor {
        let admitted = Timestamp::from_millis(1_763_766_000_000 + seq);
        Cursor { log: LogId::from_bytes([3; 16]), seq: Sequence::new(seq), admitted }
    }

    #[test]
    fn what_is_committed_is_read_back_and_planes_and_names_are_apart() {
        let dir = tempfile::tempdir().unwrap();
        let store = CursorStore::open(dir.path()).unwrap();
        let (file, committed) = store.hold("poste-2", Plane::Live).unwrap();
        assert_eq!(committed, None);
        file.write(&cursor(1)).unwrap();
        file.write(&cursor(2)).unwrap();
        assert!(matches!(store.hold("poste-2", Plane::Live), Err(StoreError::InUse { .. })));
        assert_eq!(store.hold("poste-2", Plane::Exercise).unwrap().1, None);
        assert_eq!(store.hold("poste-3", Plane::Live).unwrap().1, None);
        drop(file);
        assert_eq!(store.hold("poste-2", Plane::Live).unwrap().1, Some(cursor(2)));
    }

    #[test]
    fn every_damaged_byte_and_every_cut_is_an_error_and_never_a_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let store = CursorStore::open(dir.path()).unwrap();
        let (file, _) = store.hold("a", Plane::Live).unwrap();
        file.write(&cursor(7)).unwrap();
        drop(file);
        let path = dir.path().join("live.a.cursor");
        let good = std::fs::read(&path).unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            store.hold("a", Plane::Live).map(|(_, committed)| committed)
        };
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(matches!(read(&bad), Err(StoreError::Damaged { .. })), "bit {bit} of byte {at}");
            }
            assert!(matches!(read(&good[..at]), Err(StoreError::Damaged { .. })), "cut at {at}");
        }
        let later = format!("{HEADER} 2\nof another form");
        let later = format!("{later}\n{}\n", checksum(&later));
        assert!(matches!(read(later.as_bytes()), Err(StoreError::Newer { version: 2, .. })));
        assert_eq!(read(&good).unwrap(), Some(cursor(7)));
    }

    #[test]
    fn a_commit_that_crashed_before_its_last_step_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = CursorStore::open(dir.path()).unwrap();
        let (file, _) = store.hold("a", Plane::Live).unwrap();
        file.write(&cursor(7)).unwrap();
        drop(file);
        std::fs::write(dir.path().join("live.a.cursor.new"), "vigie-cur").unwrap();
        let (file, committed) = store.hold("a", Plane::Live).unwrap();
        assert_eq!(committed, Some(cursor(7)));
        file.write(&cursor(8)).unwrap();
        assert_eq!(file.read().unwrap(), Some(cursor(8)));
    }

    #[test]
    fn a_name_leads_to_no_other_place() {
        let dir = tempfile::tempdir().unwrap();
        let store = CursorStore::open(dir.path()).unwrap();
        for name in ["", "..", "a/b", "A", "a b", "é", &"a".repeat(65)] {
            assert!(matches!(store.hold(name, Plane::Live), Err(StoreError::Name { .. })), "{name:?}");
        }
        store.hold(&"a".repeat(64), Plane::Live).unwrap();
    }
}
