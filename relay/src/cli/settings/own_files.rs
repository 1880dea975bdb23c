//! The relay's own key and chain, as files.

use std::path::PathBuf;
use std::sync::Arc;

use vigie_client::Identity;
use vigie_proto::chain::{Chain, Roots};
use vigie_proto::credential::Role;

use crate::cli::exit::{Exit, Failure};
use crate::cli::text::Lang;

/// Where the relay's own key and chain lie, which may be renewed while it runs.
#[derive(Clone, Debug)]
pub(in crate::cli) struct OwnFiles {
    pub(in crate::cli) key: PathBuf,
    pub(in crate::cli) chain: PathBuf,
    pub(in crate::cli) roots: Roots,
}

impl OwnFiles {
    /// Reads both; whether the chain is in time is not judged here.
    pub(in crate::cli) fn read(&self, lang: Lang) -> Result<Arc<Chain>, Failure> {
        let wrong = |text: String| Failure::new(Exit::Configuration, text);
        let identity = Identity::load(&self.key, &self.chain, &self.roots)
            .map_err(|error| wrong(lang.identity_error(&error)))?;
        if identity.chain().leaf().claims().role != Role::Relay {
            return Err(wrong(lang.not_a_relay_credential(self.chain.display())));
        }
        Ok(Arc::clone(identity.chain()))
    }
}
