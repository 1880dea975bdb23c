//! Where the roots that count are named: the settings themselves, and the files of rotations.

use std::path::{Path, PathBuf};

use super::File;

/// The settings, and the rotations beside them: both may change while the relay runs.
#[derive(Clone, Debug)]
pub(in crate::cli) struct RootFiles {
    pub(in crate::cli) settings: PathBuf,
    pub(in crate::cli) rotations: Vec<PathBuf>,
}

impl RootFiles {
    pub(super) fn new(settings: &Path, base: &Path, file: &File) -> Self {
        let rotations = file.rotations.iter().flatten().map(|path| base.join(path)).collect();
        Self { settings: settings.to_path_buf(), rotations }
    }

    pub(in crate::cli) fn all(&self) -> Vec<PathBuf> {
        [&self.settings].into_iter().chain(&self.rotations).cloned().collect()
    }
}
