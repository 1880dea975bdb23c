//! The names in a folder that matter to the journal. Who reads them: recovery at a start, a survey, a copy.

use super::beginning::MARKER_NAME;
use super::error::JournalError;
use super::reserve;
use super::segment::{FileName, file_name, unfinished_name};
use super::storage::Storage;

/// The names that matter.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// Ascending.
    pub(super) segments: Vec<u64>,
    pub(super) unfinished: Vec<u64>,
    pub(super) look_alikes: Vec<String>,
    /// Whether there is a reserve, which only a journal makes.
    reserve: bool,
    /// Whether somebody said that a new journal may begin here.
    pub(super) marked: bool,
}

impl Folder {
    pub(super) fn list<S: Storage>(storage: &S) -> Result<Self, JournalError> {
        let mut folder = Self::default();
        for name in storage.names().map_err(JournalError::storage("list the folder"))? {
            match FileName::parse(&name) {
                FileName::Segment(index) => folder.segments.push(index),
                FileName::Unfinished(index) => folder.unfinished.push(index),
                FileName::LooksLikeOne => folder.look_alikes.push(name),
                FileName::Other if name == reserve::NAME => folder.reserve = true,
                FileName::Other if name == MARKER_NAME => folder.marked = true,
                FileName::Other => {}
            }
        }
        folder.segments.sort_unstable();
        Ok(folder)
    }

    /// What shows, in a folder without segments, that there was a journal. An unfinished first segment does not: a crash
    /// leaves it where the very first start was about to begin.
    pub(super) fn past(&self) -> Option<String> {
        let unfinished = self.unfinished.iter().find(|index| **index != 1);
        let reserve = || self.reserve.then(|| reserve::NAME.to_owned());
        let unfinished = unfinished.map(|index| unfinished_name(*index));
        unfinished.or_else(|| self.look_alikes.first().cloned()).or_else(reserve)
    }

    /// Anything at all of a journal.
    pub(super) fn any_part(&self) -> Option<String> {
        let segment = self.segments.first().map(|index| file_name(*index));
        segment
            .or_else(|| self.past())
            .or_else(|| self.unfinished.first().map(|index| unfinished_name(*index)))
    }
}
