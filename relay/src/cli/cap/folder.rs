//! A folder of CAP files for other systems to pick up: each alert whole or not there, none ever replaced.
//!
//! Used by `sub --cap-dir` and `cap to-xml --dir`. A file is written under a name that begins with a full stop, synced,
//! and then linked to its name, which fails if that name is taken; so a reader of the folder never sees a part, and
//! what another program put there stays. Names come from ids only: nothing an author writes reaches the file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use vigie_client::cap::export;
use vigie_proto::cap::Alert;
use vigie_proto::channel::Plane;
use vigie_proto::id::MessageId;

use super::super::exit::{Exit, Failure};
use super::super::files;
use super::super::text::Lang;

/// Stands in the name of each file that is no live alert, in the language of those who must not mistake it.
const EXERCISE: &str = "EXERCICE-";
/// A draft goes nowhere, but may be converted.
const DRAFT: &str = "BROUILLON-";

#[derive(Debug)]
pub(in crate::cli) struct CapFolder {
    path: PathBuf,
}

impl CapFolder {
    /// Makes the folder if it is not there.
    pub(in crate::cli) fn open(lang: Lang, path: &Path) -> Result<Self, Failure> {
        let made = fs::create_dir_all(path);
        made.map_err(|error| Failure::new(Exit::Failure, lang.cannot_write(path.display(), error)))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Writes the alert of a message, named after its id. `Some` is why an alert cannot be written as XML, which says
    /// nothing about the next one.
    pub(in crate::cli) fn write_message(
        &self,
        lang: Lang,
        id: MessageId,
        plane: Plane,
        alert: &Alert,
    ) -> Result<Option<String>, Failure> {
        let mark = match plane {
            Plane::Live => "",
            Plane::Exercise => EXERCISE,
        };
        self.write(lang, &format!("{mark}vigie-{id}.xml"), alert)
    }

    /// Writes an alert that is no message, named after the hash of its XML.
    pub(super) fn write_alert(&self, lang: Lang, alert: &Alert) -> Result<Option<String>, Failure> {
        let mark = match alert.plane() {
            Some(Plane::Live) => "",
            Some(Plane::Exercise) => EXERCISE,
            None => DRAFT,
        };
        match export(alert) {
            Ok(xml) => {
                let hash = files::sha256_text(xml.as_bytes());
                self.put(lang, &format!("{mark}cap-{hash}.xml"), &xml).map(|()| None)
            }
            Err(error) => Ok(Some(error.to_string())),
        }
    }

    fn write(&self, lang: Lang, name: &str, alert: &Alert) -> Result<Option<String>, Failure> {
        match export(alert) {
            Ok(xml) => self.put(lang, name, &xml).map(|()| None),
            Err(error) => Ok(Some(error.to_string())),
        }
    }

    fn put(&self, lang: Lang, name: &str, xml: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        let failed = |error| Failure::new(Exit::Failure, lang.cannot_write(path.display(), error));
        put_new(&self.path, name, xml).map_err(failed)
    }
}

/// A name that is taken is taken by the same alert: names are hashes.
fn put_new(folder: &Path, name: &str, content: &str) -> io::Result<()> {
    let path = folder.join(name);
    if path.try_exists()? {
        return Ok(());
    }
    let unfinished = folder.join(format!(".{name}.{}", std::process::id()));
    // Left by a crash, or put there for us to follow: in both cases not ours to write into.
    if let Err(error) = fs::remove_file(&unfinished)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
    let written = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&unfinished, &path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let removed = fs::remove_file(&unfinished);
    linked?;
    removed?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_put_whole_once_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        put_new(folder.path(), "a.xml", "premier").unwrap();
        put_new(folder.path(), "a.xml", "second").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("a.xml")).unwrap(), "premier");
        assert_eq!(names(folder.path()), ["a.xml"], "nothing unfinished stays");
        assert!(put_new(&folder.path().join("none"), "a.xml", "x").is_err());
    }

    #[test]
    fn what_a_crash_left_unfinished_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = folder.path().join(format!(".a.xml.{}", std::process::id()));
        fs::write(&unfinished, "un début, plus long que ce qui suit").unwrap();
        put_new(folder.path(), "a.xml", "entier").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("a.xml")).unwrap(), "entier");
        assert_eq!(names(folder.path()), ["a.xml"]);
    }
}
