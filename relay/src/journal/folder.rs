//! The names in a folder that matter to the journal. Who reads them: recovery at a start, a survey, a copy.

use super::error::JournalError;
use super::segment::FileName;
use super::storage::Storage;

/// The names that matter.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// Ascending.
    pub(super) segments: Vec<u64>,
    pub(super) unfinished: Vec<u64>,
    pub(super) look_alikes: Vec<String>,
}

impl Folder {
    pub(super) fn list<S: Storage>(storage: &S) -> Result<Self, JournalError> {
        let mut folder = Self::default();
        for name in storage.names().map_err(JournalError::storage("list the folder"))? {
            match FileName::parse(&name) {
                FileName::Segment(index) => folder.segments.push(index),
                FileName::Unfinished(index) => folder.unfinished.push(index),
                FileName::LooksLikeOne => folder.look_alikes.push(name),
                FileName::Other => {}
            }
        }
        folder.segments.sort_unstable();
        Ok(folder)
    }
}
