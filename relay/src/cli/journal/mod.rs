//! `vigie journal`: what an operator does with a relay's log besides running it.
//!
//! `verify`, `stats`, `export` and `backup` read through a [`Survey`], beside a running relay as on a folder at rest, and
//! change nothing. `import` alone writes a journal, into an empty folder under the relay's own lock; `new` says where one may
//! begin. Whatever is said of
//! messages is said by the same `verify` and `admit` as in a relay ([`Judge`](super::judge::Judge)).

pub(super) mod args;
mod backup;
mod export;
mod import;
mod lines;
mod new;
mod stats;
mod verify;
mod waiting;

use std::path::{Path, PathBuf};

use vigie_proto::chain::Roots;

use self::args::{JournalCommand, Trust};
use super::exit::{Exit, Failure, Outcome};
use super::rotations;
use super::screen::{Screen, Tone, escape};
use super::session::Session;
use super::settings::Settings;
use super::text::Lang;
use crate::journal::{DamagedRange, JournalConfig, JournalError, Met, ReadOnlyDir, Record, Survey};

pub(super) fn run(session: Session<'_>, command: &JournalCommand) -> Outcome {
    match command {
        JournalCommand::Verify(args) => verify::run(session, args),
        JournalCommand::Stats(args) => stats::run(session.screen, args),
        JournalCommand::Export(args) => export::run(session, args),
        JournalCommand::Import(args) => import::run(session, args),
        JournalCommand::Backup(args) => backup::run(session.screen, args),
        JournalCommand::New(args) => new::run(session.screen, args),
    }
}

/// The folder that was named, or else that of the settings; and how the relay keeps it, where settings say so.
pub(super) fn folder(
    screen: &Screen,
    dir: Option<&Path>,
    config: Option<&Path>,
) -> Result<(PathBuf, JournalConfig), Failure> {
    match (dir, config) {
        (Some(dir), None) => Ok((dir.to_path_buf(), JournalConfig::new())),
        (dir, Some(config)) => {
            let settings = Settings::read(screen, config)?.config;
            let dir = dir.map_or(settings.journal, Path::to_path_buf);
            Ok((dir, settings.journal_config))
        }
        (None, None) => Err(Failure::new(Exit::Usage, screen.lang.which_journal())),
    }
}

/// For other commands: walks over the records of a journal, and changes nothing.
pub(super) fn walk(
    screen: &Screen,
    dir: Option<&Path>,
    config: Option<&Path>,
    take: &mut dyn FnMut(&Record) -> Outcome,
) -> Outcome {
    let lang = screen.lang;
    let (dir, _) = folder(screen, dir, config)?;
    let (_, survey) = survey(lang, &dir)?;
    let walked = survey.walk::<Stopped>(&mut |met| match met {
        Met::Record { record, .. } => Ok(take(&record)?),
        _ => Ok(()),
    });
    walked.map_err(|stopped| stopped.into_failure(lang, &dir))
}

/// Whom to trust; `None` where nobody said.
fn roots(session: Session<'_>, trust: &Trust) -> Result<Option<Roots>, Failure> {
    if !trust.roots.is_empty() {
        return rotations::pin(session.screen.lang, &trust.roots, &trust.rotations).map(Some);
    }
    if let Some(config) = &trust.config {
        return Ok(Some(Settings::read(session.screen, config)?.config.roots));
    }
    match session.global.context {
        Some(_) => Ok(Some(session.context()?.roots().clone())),
        None => Ok(None),
    }
}

/// As [`roots`], for what cannot be done without them.
fn needed_roots(session: Session<'_>, trust: &Trust) -> Result<Roots, Failure> {
    let missing = || Failure::new(Exit::Usage, session.screen.lang.which_roots());
    roots(session, trust)?.ok_or_else(missing)
}

/// Reads and judges a folder that is not to be changed.
fn survey(lang: Lang, dir: &Path) -> Result<(ReadOnlyDir, Survey<ReadOnlyDir>), Failure> {
    let storage = ReadOnlyDir::open(dir).map_err(|error| {
        Failure::new(Exit::Configuration, lang.journal_folder_unreadable(dir.display(), error))
    })?;
    let survey = Survey::read(&storage).map_err(|error| failed(lang, dir, &error))?;
    Ok((storage, survey))
}

/// How what is wrong with a folder ends a command.
pub(super) fn failed(lang: Lang, dir: &Path, error: &JournalError) -> Failure {
    let exit = match error {
        JournalError::NotBegun { .. } => Exit::Configuration,
        JournalError::Damaged { .. }
        | JournalError::MissingSegment { .. }
        | JournalError::ForeignSegment { .. }
        | JournalError::Unrecognised { .. } => Exit::Damaged,
        JournalError::Storage { .. } | JournalError::Moved | JournalError::Poisoned => Exit::Storage,
        JournalError::Full { .. }
        | JournalError::InUse
        | JournalError::NewerFormat { .. }
        | JournalError::Backup { .. }
        | JournalError::NoJournal
        | JournalError::NotEmpty { .. }
        | JournalError::MountPoint
        | JournalError::OutOfOrder { .. }
        | JournalError::TooLarge { .. }
        | JournalError::Visit(_) => Exit::Failure,
    };
    Failure::new(exit, lang.journal_failed(dir.display(), escape(&error.to_string())))
}

/// A walk that failed: for the journal's reasons or for the command's own.
#[derive(Debug)]
enum Stopped {
    Journal(JournalError),
    Command(Failure),
}

impl From<JournalError> for Stopped {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Command(failure)
    }
}

impl Stopped {
    fn into_failure(self, lang: Lang, dir: &Path) -> Failure {
        match self {
            Self::Journal(error) => failed(lang, dir, &error),
            Self::Command(failure) => failure,
        }
    }
}

/// Damage as a line for people.
fn damage_text(screen: &Screen, range: &DamagedRange) -> String {
    let lang = screen.lang;
    let place = lang.damage_line(&range.segment, range.offset, range.what);
    let costs = if range.next.get() > range.after.get() + 1 {
        lang.damage_costs(range.after.next(), range.next.get() - 1)
    } else {
        lang.damage_costs_no_message()
    };
    format!("{}  {place}: {costs}", screen.paint(Tone::Bad, &lang.damaged()))
}
