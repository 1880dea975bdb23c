//! Where a new journal may begin.
//!
//! A folder without segments is not always that of a new relay: its disk may not be mounted, or somebody has removed
//! what was in it. A log that begins there would hide the old one, and give its places again. So a relay that is told
//! [`NewJournal::OnlyWhereMarked`] begins only where a person has said so, by a marker in the folder ([`mark_new`]), and
//! where nothing shows that there was a journal before. The marker is removed, durably, before the first append; a crash
//! in between leaves it beside a segment, and segments win.

use std::path::Path;

use super::dir_storage::DirStorage;
use super::error::JournalError;
use super::folder::Folder;
use super::storage::{Storage, StorageFile as _};

/// The marker: whoever looks into the folder sees what it is for.
pub(super) const MARKER_NAME: &str = "begin-here";

/// For whoever opens it.
const MARKER_TEXT: &str = "A relay may begin a new journal in this folder; it then removes this file.\n\
     Un relais peut commencer un nouveau journal dans ce dossier ; il ôte alors ce fichier.\n";

/// Whether a journal may begin in a folder that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NewJournal {
    /// In any folder that has nothing of a journal. For whoever makes the folder and opens it in one go: a test, a
    /// program that embeds a relay and knows that its disk is there.
    #[default]
    Allowed,
    /// Only where [`mark_new`] was called, and nothing but its marker (and a lock) is there. For a relay that is started
    /// again and again, perhaps before its disk is mounted: what `vigie relay run` does.
    OnlyWhereMarked,
}

impl NewJournal {
    /// Whether a journal may begin here; a folder that has one is always good.
    pub(super) fn judge(self, folder: &Folder) -> Result<(), JournalError> {
        if self == Self::Allowed || !folder.segments.is_empty() {
            return Ok(());
        }
        let left = folder.past();
        if folder.marked && left.is_none() { Ok(()) } else { Err(JournalError::NotBegun { left }) }
    }
}

/// Says that a new journal may begin in this folder, durably; makes the folder when it is missing (its parent must
/// exist). Said twice is said once.
///
/// # Errors
/// [`JournalError::NotEmpty`]: it has something of a journal. [`JournalError::Storage`].
pub fn mark_new(path: &Path) -> Result<(), JournalError> {
    let doing = "mark the folder of a new journal";
    let storage = DirStorage::create(path).map_err(JournalError::storage(doing))?;
    let folder = Folder::list(&storage)?;
    if let Some(name) = folder.any_part() {
        return Err(JournalError::NotEmpty { name });
    }
    if folder.marked {
        return Ok(());
    }
    let marker = storage.create_new(MARKER_NAME).map_err(JournalError::storage(doing))?;
    let written = marker.write_all_at(MARKER_TEXT.as_bytes(), 0).and_then(|()| marker.sync_data());
    written.and_then(|()| storage.sync_directory()).map_err(JournalError::storage(doing))
}

/// Takes the marker away, once there is a segment whose name is synced.
pub(super) fn unmark<S: Storage>(storage: &S, folder: &Folder) -> Result<(), JournalError> {
    if !folder.marked {
        return Ok(());
    }
    let removed = storage.remove(MARKER_NAME).and_then(|()| storage.sync_directory());
    removed.map_err(JournalError::storage("remove the marker of a new journal"))
}
