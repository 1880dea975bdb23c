//! The keys and chains that an identity had before: kept beside the present ones, numbered from 1, so that its history
//! stays with its name. `PLANE.N.key.pem` (mode 0600), `PLANE.N.pub.pem`, `PLANE.N.chain`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::id::{CredentialId, KeyId};
use vigie_proto::time::Timestamp;

use crate::cli::exit::{Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::{files, identity};

/// One key before the present one.
#[derive(Debug, Serialize)]
pub(super) struct Former {
    pub(super) number: u32,
    pub(super) key: KeyId,
    pub(super) credential: CredentialId,
    /// Whether it is the present key too: then only its chain is a former one, and nobody may revoke it as if it were old.
    pub(super) is_present_key: bool,
    /// When its last credential begins and ends.
    pub(super) not_before: Timestamp,
    pub(super) expires: Timestamp,
}

/// The files of one number, or of the present with none.
pub(super) fn file(
    session: Session<'_>,
    name: &str,
    plane: Plane,
    number: u32,
    what: &str,
) -> Result<PathBuf, Failure> {
    identity::file(session, name, plane, &format!("{number}.{what}"))
}

/// All of an identity on a plane, the oldest first. One whose chain cannot be read ends the list: it is for people.
pub(super) fn all(session: Session<'_>, name: &str, plane: Plane) -> Result<Vec<Former>, Failure> {
    let mut found = Vec::new();
    let lang = session.screen.lang;
    let present = identity::file(session, name, plane, "chain")?;
    let present = files::read_chain(lang, &present).ok().and_then(|chain| leaf(&chain));
    for number in 1.. {
        let path = file(session, name, plane, number, "chain")?;
        if !path.is_file() {
            break;
        }
        let Some(leaf) = leaf(&files::read_chain(lang, &path)?) else { break };
        let valid = leaf.claims().valid;
        found.push(Former {
            number,
            key: leaf.key_id(),
            credential: leaf.id(),
            is_present_key: present.as_ref().is_some_and(|present| present.key_id() == leaf.key_id()),
            not_before: valid.from,
            expires: valid.until,
        });
    }
    Ok(found)
}

fn leaf(tokens: &[String]) -> Option<Credential> {
    tokens.last().and_then(|token| Credential::parse(token).ok())
}

/// Gives the present key and chain, whose credential this is, a second name under a number, which it returns. The same
/// again after a crash.
pub(super) fn keep(
    session: Session<'_>,
    name: &str,
    plane: Plane,
    present: CredentialId,
) -> Result<u32, Failure> {
    let lang = session.screen.lang;
    if let Some(last) = all(session, name, plane)?.pop().filter(|last| last.credential == present) {
        return Ok(last.number);
    }
    let number = next(session, name, plane)?;
    // The chain last: by it what was kept is known to be whole.
    for what in ["key.pem", "pub.pem", "chain"] {
        let from = identity::file(session, name, plane, what)?;
        let to = file(session, name, plane, number, what)?;
        if from.exists() {
            fs::hard_link(&from, &to).map_err(|error| files::cannot_write(lang, &to, &error))?;
        }
    }
    sync(session, &identity::file(session, name, plane, "chain")?)?;
    Ok(number)
}

/// Syncs the folder of these files.
pub(super) fn sync(session: Session<'_>, file: &Path) -> Outcome {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| files::cannot_write(session.screen.lang, folder, &error))
}

/// The first number that no file has.
fn next(session: Session<'_>, name: &str, plane: Plane) -> Result<u32, Failure> {
    let mut number = 1;
    while file(session, name, plane, number, "chain")?.exists()
        || file(session, name, plane, number, "key.pem")?.exists()
    {
        number += 1;
    }
    Ok(number)
}
