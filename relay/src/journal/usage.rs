//! What a journal takes on its disk: for the operator.

use super::storage::Storage;
use super::writer::{Journal, Reserve};

/// The room that a journal takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Segments that hold records.
    pub segments: usize,
    /// Bytes reserved or written for segments, the next one included if it is prepared; without the reserve.
    pub bytes: u64,
    /// Whether the room that is kept for urgent batches is all there. Not so before
    /// [`Journal::keep_reserve`] was called for the first time, nor while a full disk lives on it.
    pub reserve_whole: bool,
}

impl<S: Storage> Journal<S> {
    /// What it takes on its disk now. Looks at each segment in memory and at no file.
    pub fn usage(&self) -> Usage {
        let older = self.index.retained();
        let next = self.next.as_ref().map_or(0, |prepared| prepared.capacity());
        Usage {
            segments: older.len() + 1,
            bytes: older.iter().map(|one| one.end).sum::<u64>() + self.current.header.capacity + next,
            reserve_whole: self.reserve == Reserve::Whole,
        }
    }
}
