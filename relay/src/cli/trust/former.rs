//! The keys that an identity had before: kept beside the present one, numbered from 1, so that its history stays with its
//! name. `PLANE.N.key.pem` (mode 0600), `PLANE.N.pub.pem`, `PLANE.N.chain`.

use std::path::PathBuf;

use serde::Serialize;
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::id::{CredentialId, KeyId};
use vigie_proto::time::Timestamp;

use crate::cli::exit::Failure;
use crate::cli::session::Session;
use crate::cli::{files, identity};

/// One key before the present one.
#[derive(Debug, Serialize)]
pub(super) struct Former {
    pub(super) number: u32,
    pub(super) key: KeyId,
    pub(super) credential: CredentialId,
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
    for number in 1.. {
        let path = file(session, name, plane, number, "chain")?;
        if !path.is_file() {
            break;
        }
        let tokens = files::read_chain(session.screen.lang, &path)?;
        let Some(leaf) = tokens.last().and_then(|token| Credential::parse(token).ok()) else { break };
        let valid = leaf.claims().valid;
        found.push(Former {
            number,
            key: leaf.key_id(),
            credential: leaf.id(),
            not_before: valid.from,
            expires: valid.until,
        });
    }
    Ok(found)
}

/// The first number that no file has.
pub(super) fn next(session: Session<'_>, name: &str, plane: Plane) -> Result<u32, Failure> {
    let mut number = 1;
    while file(session, name, plane, number, "chain")?.exists()
        || file(session, name, plane, number, "key.pem")?.exists()
    {
        number += 1;
    }
    Ok(number)
}
