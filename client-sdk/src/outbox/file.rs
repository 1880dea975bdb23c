//! The file of an outbox: records are appended and synced; now and then it is written anew without what is over.
//!
//! Invariants:
//! - What [`OutboxFile::append`] returned for with `synced` is on disk.
//! - After a failed write or sync that descriptor is never used again: the next append first writes everything that is
//!   known to a new file, syncs it, and puts it in the place of the old one.
//! - What was read at the start counts only once it stands in a new, synced file: that it can be read does not say that
//!   it is on disk.

use std::fs::File;
use std::io::{self, Write as _};

use super::record::{self, Record};
use crate::store::{Folder, StoreError};

/// The file is written anew when it has grown by this much and is twice as large as what is left of it.
const REWRITE_BYTES_MIN: u64 = 1024 * 1024;

pub(super) const NAME: &str = "outbox.log";

#[derive(Debug)]
pub(super) struct OutboxFile {
    folder: Folder,
    /// None after a failure.
    file: Option<File>,
    bytes: u64,
    /// How large it was when it was last written anew.
    bytes_at_rewrite: u64,
    #[cfg(feature = "sabotage")]
    held: Vec<u8>,
    #[cfg(test)]
    pub(super) fault: std::cell::Cell<Option<Fault>>,
}

/// What fails next, once.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Half is written.
    Write,
    /// All is written, and not synced.
    Sync,
}

impl OutboxFile {
    /// Puts a new file with these records in the place of the old one, if there is one.
    pub(super) fn create(folder: Folder, records: &[Record]) -> Result<Self, StoreError> {
        let mut this = Self {
            folder,
            file: None,
            bytes: 0,
            bytes_at_rewrite: 0,
            #[cfg(feature = "sabotage")]
            held: Vec::new(),
            #[cfg(test)]
            fault: std::cell::Cell::default(),
        };
        this.rewrite(records)?;
        Ok(this)
    }

    /// Whether [`OutboxFile::rewrite`] is due before the next append.
    pub(super) fn needs_rewrite(&self) -> bool {
        self.file.is_none() || self.bytes > (2 * self.bytes_at_rewrite).max(REWRITE_BYTES_MIN)
    }

    /// Writes these records, which are all that is known, to a new file. On an error the old one stands.
    pub(super) fn rewrite(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let mut content = record::header();
        for record in records {
            record::append_frame(&mut content, record);
        }
        // Whatever happens, the old descriptor is done with: its name may stand for the new file already.
        self.file = None;
        self.file = Some(self.folder.replace(NAME, &content)?);
        self.bytes = content.len() as u64;
        self.bytes_at_rewrite = self.bytes;
        Ok(())
    }

    /// Appends records; with `synced`, returns when they are on disk.
    pub(super) fn append(&mut self, records: &[Record], synced: bool) -> Result<(), StoreError> {
        let mut content = Vec::new();
        for record in records {
            record::append_frame(&mut content, record);
        }
        #[cfg(feature = "sabotage")]
        if vigie_proto::sabotage::Sabotage::OutboxForgets.is_planted() {
            self.held.append(&mut content);
            if synced {
                return Ok(());
            }
            content = std::mem::take(&mut self.held);
        }
        // Taken out: it comes back only if everything went well.
        let step = self.file.take().ok_or_else(|| io::Error::other("an earlier write failed"));
        let step = step.and_then(|mut file| {
            #[cfg(test)]
            if self.is_planted(Fault::Write) {
                file.write_all(&content[..content.len() / 2])?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            file.write_all(&content)?;
            #[cfg(test)]
            if synced && self.is_planted(Fault::Sync) {
                return Err(io::Error::other("planted"));
            }
            if synced {
                file.sync_data()?;
            }
            Ok(file)
        });
        self.file = Some(step.map_err(self.folder.failed(NAME))?);
        self.bytes += content.len() as u64;
        Ok(())
    }

    #[cfg(test)]
    fn is_planted(&self, fault: Fault) -> bool {
        let planted = self.fault.get() == Some(fault);
        if planted {
            self.fault.set(None);
        }
        planted
    }
}
