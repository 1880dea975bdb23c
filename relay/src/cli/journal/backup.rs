//! `vigie journal backup`: a copy of the journal while the relay runs, checked before it counts.

use std::path::{Component, Path};
use std::time::{Duration, Instant};

use super::args::JournalBackup;
use super::{damage_text, failed, folder, survey};
use crate::cli::exit::{Exit, Failure, Outcome, heard_or_not};
use crate::cli::files;
use crate::cli::screen::Screen;
use crate::cli::time;
use crate::journal::{DirStorage, ReadOnlyDir, Survey};

/// A running relay proves its last batch within 10 ms, by the next one or by a footer. Where none comes in this time no
/// relay is running, and what is whole behind the last mark is what its next start would keep.
pub(super) const TAIL_PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks at the tail.
pub(super) const TAIL_LOOK: Duration = Duration::from_millis(5);

pub(super) fn run(screen: &Screen, args: &JournalBackup) -> Outcome {
    let lang = screen.lang;
    let (dir, _) = folder(screen, args.journal.as_deref(), args.config.as_deref())?;
    refuse_nested(screen, &dir, &args.dest)?;
    let target = empty_folder(screen, &args.dest)?;
    let (source, mut found) = survey(lang, &dir)?;
    if found.backup_made().is_some() {
        return Err(Failure::new(Exit::Failure, lang.already_a_backup(dir.display())));
    }
    settle_tail(&mut found).map_err(|error| failed(lang, &dir, &error))?;
    let unfinished =
        |failure: Failure| failure.reworded(|why| lang.backup_unfinished(args.dest.display(), why));
    let copied = found
        .copy_to(&source, &target, time::now())
        .map_err(|error| unfinished(failed(lang, &args.dest, &error)))?;
    sync_parent(&args.dest).map_err(|error| unfinished(files::cannot_write(lang, &args.dest, &error)))?;
    // Read back: what is said to be there is there.
    let (_, copy) = survey(lang, &args.dest).map_err(unfinished)?;
    if copy.damage() != found.damage() || copy.last_seq() != found.last_seq() {
        return Err(Failure::new(Exit::Damaged, lang.backup_differs(args.dest.display())));
    }
    heard_or_not(show(screen, &args.dest, &copy, copied.bytes))?;
    if found.damage().is_empty() {
        return Ok(());
    }
    for range in found.damage() {
        screen.warn(&damage_text(screen, range));
    }
    Err(Failure::new(Exit::Damaged, lang.backup_of_damaged(args.dest.display())))
}

fn show(screen: &Screen, dest: &Path, copy: &Survey<ReadOnlyDir>, bytes: u64) -> Outcome {
    let (segments, _) = copy.size();
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "backup", "log": copy.log(), "last": copy.last_seq(), "last_admitted": copy.last_admitted(),
            "segments": segments, "bytes": bytes, "damage": copy.damage().len(), "made": copy.backup_made(),
        }));
    }
    screen.line(&screen.lang.backup_done(dest.display(), copy.log(), copy.last_seq(), bytes))
}

/// Waits for the mark that proves the last batch.
fn settle_tail(found: &mut Survey<ReadOnlyDir>) -> Result<(), crate::journal::JournalError> {
    let deadline = Instant::now() + TAIL_PATIENCE;
    while !found.prove_tail()? && Instant::now() < deadline {
        std::thread::park_timeout(TAIL_LOOK);
    }
    Ok(())
}

/// A copy inside the journal would be copied by the next one, and go with the disk that it is to outlive; and a journal
/// inside the copy would make the folder hold two. Links are followed: what counts is where the bytes go.
fn refuse_nested(screen: &Screen, journal: &Path, dest: &Path) -> Outcome {
    // What is wrong with a journal that cannot be found is said by who reads it.
    let (Ok(inside), Ok(named)) = (journal.canonicalize(), std::path::absolute(dest)) else { return Ok(()) };
    let resolved = named.ancestors().find_map(|there| {
        let mut path = there.canonicalize().ok()?;
        // The rest does not exist yet, so no link can stand in it.
        for part in named.strip_prefix(there).ok()?.components() {
            match part {
                Component::ParentDir => {
                    path.pop();
                }
                Component::Normal(name) => path.push(name),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        Some(path)
    });
    if resolved.is_some_and(|dest| dest.starts_with(&inside) || inside.starts_with(&dest)) {
        let told = screen.lang.backup_inside(dest.display(), journal.display());
        return Err(Failure::new(Exit::Usage, told));
    }
    Ok(())
}

/// Never over something: a folder that is new, or has nothing in it.
fn empty_folder(screen: &Screen, dest: &Path) -> Result<DirStorage, Failure> {
    let lang = screen.lang;
    let cannot = |error: &std::io::Error| files::cannot_write(lang, dest, error);
    if !dest.exists() {
        files::create_folder(lang, dest)?;
    }
    let is_empty = std::fs::read_dir(dest).map_err(|error| cannot(&error))?.next().is_none();
    if !is_empty {
        return Err(Failure::new(Exit::Usage, lang.folder_not_empty(dest.display())));
    }
    DirStorage::open(dest).map_err(|error| cannot(&error))
}

/// Makes the name of the folder durable too.
fn sync_parent(dest: &Path) -> std::io::Result<()> {
    let parent = dest.canonicalize()?;
    let Some(parent) = parent.parent() else { return Ok(()) };
    std::fs::File::open(parent)?.sync_all()
}
