//! Pinned roots, and the files of rotations that are installed beside them: for settings and for arguments alike.

use std::path::PathBuf;

use vigie_proto::chain::Roots;
use vigie_proto::id::KeyId;
use vigie_proto::limits::ROOTS_MAX;

use super::exit::{Exit, Failure, Outcome, refusal_text};
use super::files;
use super::text::Lang;

/// Pins roots and installs rotations, one a line of each file, in whatever order.
pub(super) fn pin(lang: Lang, pinned: &[KeyId], rotations: &[PathBuf]) -> Result<Roots, Failure> {
    if pinned.len() > ROOTS_MAX {
        return Err(Failure::new(Exit::Configuration, lang.too_many_roots(ROOTS_MAX)));
    }
    let mut roots = Roots::new(pinned.iter().copied());
    install(lang, &mut roots, rotations)?;
    Ok(roots)
}

fn install(lang: Lang, roots: &mut Roots, paths: &[PathBuf]) -> Outcome {
    let mut tokens: Vec<(&PathBuf, String)> = Vec::new();
    for path in paths {
        tokens.extend(files::read_chain(lang, path)?.into_iter().map(|token| (path, token)));
    }
    roots.install(tokens.iter().map(|(_, token)| token.as_str())).map_err(|(place, refusal)| {
        let path = tokens.get(place).map_or_else(String::new, |(path, _)| path.display().to_string());
        Failure::new(Exit::Configuration, lang.rotation_refused(path, refusal_text(lang, &refusal)))
    })
}
