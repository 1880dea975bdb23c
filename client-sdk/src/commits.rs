//! How far the application of one subscription got: in memory, and for a durable one on disk before it is told so.

use std::sync::{Arc, Mutex, PoisonError};

use vigie_proto::cursor::Cursor;

use crate::store::{CursorFile, StoreError};

#[derive(Debug, Default)]
pub(crate) struct Commits {
    last: Mutex<Option<Cursor>>,
    /// Its lock is held while the disk is written: commits are kept in the order in which they came.
    file: Option<Mutex<CursorFile>>,
}

impl Commits {
    pub(crate) fn on_disk(file: CursorFile, committed: Option<Cursor>) -> Self {
        Self { last: Mutex::new(committed), file: Some(Mutex::new(file)) }
    }

    pub(crate) fn last(&self) -> Option<Cursor> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn commit_blocking(&self, cursor: Cursor) -> Result<(), StoreError> {
        let Some(file) = &self.file else {
            self.note(cursor);
            return Ok(());
        };
        let file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write(&cursor)?;
        self.note(cursor);
        Ok(())
    }

    pub(crate) async fn commit(this: &Arc<Self>, cursor: Cursor) -> Result<(), StoreError> {
        if this.file.is_none() {
            return this.commit_blocking(cursor);
        }
        let commits = Arc::clone(this);
        match tokio::task::spawn_blocking(move || commits.commit_blocking(cursor)).await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(StoreError::Stopped),
            },
        }
    }

    fn note(&self, cursor: Cursor) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor);
    }
}
