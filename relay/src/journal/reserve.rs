//! The reserve: room on the disk that only urgent batches may use.
//!
//! A file that holds nothing but space, beside the segments. When the disk is full an urgent batch takes as much of it
//! as a small segment needs; everything else is refused until there is room again, and the reserve is whole. The
//! last part of it is left for recovery, which must copy the last batch when the relay stops before there is room.
//!
//! Nothing depends on its content or on its being there, so a crash may leave it in any state.

use super::error::is_no_space;
use super::segment::NotMade;
use super::storage::{Storage, StorageFile};

/// Default of `JournalConfig::reserve_bytes`: thirty of the largest messages, or some thousand usual ones, which is more
/// cancels and urgent messages than come before somebody has made room.
pub const RESERVE_BYTES: u64 = 8 * 1024 * 1024;

/// Its file.
pub(super) const NAME: &str = "reserve";

/// Makes the reserve `bytes` long. Without room it stays as it was.
pub(super) fn keep<S: Storage>(storage: &S, bytes: u64) -> Result<(), NotMade> {
    let doing = "reserve room for urgent messages";
    let failed = |source| NotMade::Failed { doing, source };
    let file = match storage.open(NAME) {
        Ok(file) => file,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            storage.create_new(NAME).map_err(|source| sort(bytes, doing, source))?
        }
        Err(source) => return Err(failed(source)),
    };
    let size = file.size().map_err(failed)?;
    if size >= bytes {
        return Ok(());
    }
    match file.preallocate(bytes).and_then(|()| file.sync_data()) {
        Ok(()) => Ok(()),
        Err(source) => {
            // A part of it may have been found. It is needed elsewhere more.
            file.truncate(size).map_err(failed)?;
            Err(sort(bytes, doing, source))
        }
    }
}

/// Gives back up to `bytes` of it to the file system, but leaves `keep`; says how much it gave.
pub(super) fn give<S: Storage>(storage: &S, bytes: u64, keep: u64) -> Result<u64, NotMade> {
    let failed = |source| NotMade::Failed { doing: "use the room for urgent messages", source };
    let file = match storage.open(NAME) {
        Ok(file) => file,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(failed(source)),
    };
    let size = file.size().map_err(failed)?;
    let given = size.saturating_sub(keep).min(bytes);
    if given > 0 {
        // Synced: some file systems let go of blocks only then.
        file.truncate(size - given).and_then(|()| file.sync_data()).map_err(failed)?;
    }
    Ok(given)
}

fn sort(bytes: u64, doing: &'static str, source: std::io::Error) -> NotMade {
    if is_no_space(&source) { NotMade::Full { bytes, source } } else { NotMade::Failed { doing, source } }
}
