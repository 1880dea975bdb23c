//! The revocations that were signed here, kept on disk before they are sent: `DIR/revocations/ISSUER.jws`, one a line.
//!
//! Two reasons: the revocations under a credential count up, also when no relay could be asked in between; and a relay
//! that was away can be sent what it lacks, byte for byte. Held by one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use vigie_proto::id::CredentialId;
use vigie_proto::revocation::Revocation;

use crate::cli::exit::{Exit, Failure};
use crate::cli::files;
use crate::cli::session::Session;

/// Below the context.
const FOLDER: &str = "revocations";
/// Thousands of revocations under one credential: a larger file is another file.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// All that was signed here, under whichever credential; nothing is verified. Read without the lock: nobody is kept from
/// signing, and a line that is being written counts the next time.
pub(super) fn all_here(session: Session<'_>) -> Result<Vec<Revocation>, Failure> {
    let lang = session.screen.lang;
    let folder = session.folder()?.join(FOLDER);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(files::cannot_read(lang, &folder, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| files::cannot_read(lang, &folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "jws") {
            let bytes = files::read_bounded(lang, &path, FILE_BYTES_MAX)?;
            let text = String::from_utf8_lossy(&bytes);
            found.extend(text.lines().filter_map(|line| Revocation::parse(line.trim()).ok()));
        }
    }
    Ok(found)
}

/// What was signed under one credential.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    file: File,
    issuer: CredentialId,
    /// By their numbers.
    revocations: Vec<Revocation>,
}

impl Kept {
    /// Opens the file and locks it until dropped.
    pub(super) fn open(session: Session<'_>, issuer: CredentialId) -> Result<Self, Failure> {
        let lang = session.screen.lang;
        let folder = session.folder()?.join(FOLDER);
        files::create_folder(lang, &folder)?;
        let path = folder.join(format!("{issuer}.jws"));
        let failed = |error: &io::Error| files::cannot_write(lang, &path, error);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(Exit::Failure, lang.revocations_in_use(path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        if file.metadata().map_err(|error| failed(&error))?.len() > FILE_BYTES_MAX {
            return Err(Failure::new(
                Exit::Configuration,
                lang.file_too_large(path.display(), FILE_BYTES_MAX),
            ));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| failed(&error))?;
        let mut kept = Self { path: path.clone(), file, issuer, revocations: Vec::new() };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match Revocation::parse(line.trim()) {
                Ok(one) if one.issuer() == issuer => kept.put(one),
                // Synced before it is sent: what is no whole line never left this machine.
                Ok(_) | Err(_) => session.screen.warn(&lang.revocation_line_passed_over(path.display())),
            }
        }
        Ok(kept)
    }

    fn put(&mut self, one: Revocation) {
        if self.revocations.iter().all(|known| known.id() != one.id()) {
            self.revocations.push(one);
            self.revocations.sort_by_key(|one| one.statement().number);
        }
    }

    /// All, by their numbers.
    pub(super) fn all(&self) -> &[Revocation] {
        &self.revocations
    }

    /// The highest number that was used here.
    pub(super) fn last_number(&self) -> u64 {
        self.revocations.last().map_or(0, |last| last.statement().number)
    }

    /// Puts one on disk; when this returns it may be sent.
    pub(super) fn add(&mut self, session: Session<'_>, one: &Revocation) -> Result<(), Failure> {
        debug_assert_eq!(one.issuer(), self.issuer);
        if self.revocations.iter().any(|known| known.id() == one.id()) {
            return Ok(());
        }
        let step = || -> io::Result<()> {
            let mut file = &self.file;
            // A line that a crash cut off must not swallow this one.
            let torn = file.seek(SeekFrom::End(0))? > 0 && {
                file.seek(SeekFrom::End(-1))?;
                let mut last = [0];
                file.read_exact(&mut last)?;
                last != *b"\n"
            };
            let line = format!("{}{}\n", if torn { "\n" } else { "" }, one.token());
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
            File::open(self.path.parent().unwrap_or(&self.path))?.sync_all()
        };
        step().map_err(|error| files::cannot_write(session.screen.lang, &self.path, &error))?;
        self.put(one.clone());
        Ok(())
    }
}
