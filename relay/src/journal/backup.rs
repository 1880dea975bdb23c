//! A backup: the segments of a journal copied as they are while a relay writes it, and closed so that no relay goes on
//! in the copy.
//!
//! Takes a [`Survey`], which holds every file open: what retention removes or a rotation adds meanwhile changes nothing.
//! Damaged bytes are copied as they are.
//!
//! The copy counts only once it is whole: files are written and synced under names that no journal has, then one more
//! segment is made that ends it and says what it is, and only then the files are given their names. A copy that a crash
//! cut short is refused by a relay and by an import.

use vigie_proto::id::Sequence;
use vigie_proto::time::Timestamp;

use super::error::JournalError;
use super::frame::{Home, Kind, MARK_BYTES, Purpose};
use super::origin::BackupMark;
use super::recovery::Origin;
use super::segment::{HEADER_BYTES, Prepared, reading};
use super::storage::{Storage, StorageFile};
use super::survey::{Survey, Surveyed};

/// Behind the name of a file that is not whole yet. It looks like a part of a journal, so nothing new begins beside it.
const PART_SUFFIX: &str = ".part";

/// Copied at once.
const PIECE_BYTES: usize = 1024 * 1024;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// Files of the journal.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The last place in the copy.
    pub last: Sequence,
}

impl<S: Storage> Survey<S> {
    /// Copies what was surveyed into an empty folder, at the time `made`. On `Ok` all of it is on disk there.
    ///
    /// # Errors
    /// [`JournalError::Storage`] and [`JournalError::Full`]: what was copied so far is no journal and no backup.
    pub fn copy_to<D: Storage>(
        &self,
        source: &S,
        target: &D,
        made: Timestamp,
    ) -> Result<Copied, JournalError> {
        let mut copied = Copied { segments: 0, bytes: 0, last: self.last_seq() };
        let mut names = Vec::new();
        let mut ends = self.segments.iter().skip(1).map(|next| (next.segment.header.index, next));
        for one in &self.segments {
            let next = ends.next().map(|(_, next)| next);
            names.push(one.segment.name());
            let (file, to) = (&*one.segment.file, self.copied_to(one, next)?);
            copied.bytes += copy(file, to, target, &one.segment.name(), |file| match next {
                Some(_) => Ok(()),
                None => self.close(one, file),
            })?;
        }
        for name in self.unreadable(source)? {
            let file = source.open(&name).map_err(reading())?;
            let size = file.size().map_err(reading())?;
            copied.bytes += copy(&file, size, target, &name, |_| Ok(()))?;
            names.push(name);
        }
        copied.segments = names.len();
        self.seal(target, made)?;
        for name in &names {
            target
                .rename_new(&part(name), name)
                .map_err(JournalError::storage("name a file of the backup"))?;
        }
        target.sync_directory().map_err(JournalError::storage("sync the folder of the backup"))?;
        Ok(copied)
    }

    /// Up to where a segment is copied: with the mark behind its end, where there is one.
    fn copied_to(
        &self,
        one: &Surveyed<S::File>,
        next: Option<&Surveyed<S::File>>,
    ) -> Result<u64, JournalError> {
        let size = one.segment.file.size().map_err(reading())?;
        let follows = |next: &&Surveyed<S::File>| next.segment.header.index == one.segment.header.index + 1;
        Ok(match next {
            None => one.end,
            Some(next) => next_end(next).filter(|_| follows(&next)).map_or(size, |end| end.min(size)),
        })
    }

    /// Says at the end of the newest segment that another one follows.
    fn close<F: StorageFile>(&self, one: &Surveyed<S::File>, file: &F) -> Result<(), JournalError> {
        let mut mark = Vec::new();
        one.segment.home.put_mark(&mut mark, one.end, self.progress.last, Purpose::Continued);
        file.write_all_at(&mark, one.end).map_err(writing())
    }

    /// Makes the segment that ends the copy.
    fn seal<D: Storage>(&self, target: &D, made: Timestamp) -> Result<(), JournalError> {
        let Some(newest) = self.segments.last() else { return Err(JournalError::NoJournal) };
        let (old, last) = (&newest.segment.header, self.progress.last);
        let index = old.index + 1;
        let home = Home::new(old.log, index);
        let mut content = Vec::new();
        let at = |content: &Vec<u8>| HEADER_BYTES + content.len() as u64;
        home.put_mark(&mut content, HEADER_BYTES, last, Purpose::Batch);
        let offset = at(&content);
        home.put(&mut content, offset, Kind::Backup, last, |body| BackupMark { made }.encode(body));
        let offset = at(&content);
        home.put_mark(&mut content, offset, last, Purpose::Footer);
        let prepared = Prepared::new(target, index, at(&content))?;
        let header = Origin::after(old, newest.end).header(self.progress, at(&content));
        prepared.install(target, header, &content)?;
        Ok(())
    }
}

/// Where the segment before ends, with the mark there.
fn next_end<F>(next: &Surveyed<F>) -> Option<u64> {
    next.segment.header.previous_end.checked_add(MARK_BYTES as u64)
}

/// Copies the first `bytes` of a file and syncs them.
fn copy<F: StorageFile, D: Storage>(
    from: &F,
    bytes: u64,
    target: &D,
    name: &str,
    finish: impl FnOnce(&D::File) -> Result<(), JournalError>,
) -> Result<u64, JournalError> {
    let file = target.create_new(&part(name)).map_err(writing())?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = 0;
    while at < bytes {
        let length = usize::try_from(bytes - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        from.read_exact_at(&mut piece[..length], at).map_err(reading())?;
        file.write_all_at(&piece[..length], at).map_err(writing())?;
        at += length as u64;
    }
    finish(&file)?;
    file.sync_data().map_err(JournalError::storage("sync the backup"))?;
    Ok(bytes)
}

fn part(name: &str) -> String {
    format!("{name}{PART_SUFFIX}")
}

fn writing() -> impl FnOnce(std::io::Error) -> JournalError {
    JournalError::storage("write the backup")
}
