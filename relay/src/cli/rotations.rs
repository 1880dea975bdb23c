//! Pinned roots, and the files of rotations that are installed beside them: for settings and for arguments alike.

use std::path::PathBuf;

use vigie_client::trust_files::{RotationsError, install_rotations};
use vigie_proto::chain::Roots;
use vigie_proto::id::KeyId;
use vigie_proto::limits::ROOTS_MAX;

use super::exit::{Exit, Failure, refusal_text};
use super::files;
use super::text::Lang;

/// Pins roots and installs rotations, one a line of each file, in whatever order.
pub(super) fn pin(lang: Lang, pinned: &[KeyId], rotations: &[PathBuf]) -> Result<Roots, Failure> {
    if pinned.len() > ROOTS_MAX {
        return Err(Failure::new(Exit::Configuration, lang.too_many_roots(ROOTS_MAX)));
    }
    let mut roots = Roots::new(pinned.iter().copied());
    install_rotations(&mut roots, rotations).map_err(|error| match error {
        RotationsError::Refused { path, refusal } => {
            let text = lang.rotation_refused(path.display(), refusal_text(lang, &refusal));
            Failure::new(Exit::Configuration, text)
        }
        RotationsError::Unreadable { path, source } => files::cannot_read(lang, &path, &source),
        other => Failure::new(Exit::Configuration, other.to_string()),
    })?;
    Ok(roots)
}
