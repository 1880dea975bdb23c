//! Whose end is meant: a name, a chain file, a credential's id, a key.

use std::path::Path;
use std::sync::Arc;

use vigie_client::{Context, Identity};
use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::id::{CredentialId, KeyId};
use vigie_proto::revocation::Target;

use super::args::TrustRevoke;
use crate::cli::exit::{Exit, Failure, refusal_text};
use crate::cli::screen::escape;
use crate::cli::session::Session;
use crate::cli::{files, identity};

/// What is to end, and what this context knows of it.
pub(super) struct Meant {
    pub(super) target: Target,
    /// A chain in which it is a link, if one is known here.
    pub(super) chain: Option<Arc<Chain>>,
    /// The identity of this context that was named.
    pub(super) name: Option<String>,
}

impl Meant {
    pub(super) fn find(session: Session<'_>, args: &TrustRevoke, plane: Plane) -> Result<Self, Failure> {
        match (&args.key, &args.target) {
            (Some(key), _) => Self::of_key(session, key, plane),
            (None, target) => {
                Self::of_text(session, target.as_deref().unwrap_or_default(), args.keep_key, plane)
            }
        }
    }

    fn of_text(session: Session<'_>, text: &str, keep_key: bool, plane: Plane) -> Result<Self, Failure> {
        let lang = session.screen.lang;
        let path = Path::new(text);
        if path.is_file() {
            return Self::of_chain(read(session, path)?, None, keep_key, plane, session);
        }
        let context = session.context()?;
        let names = context.identities().map_err(|error| session.context_failed(&error))?;
        if names.iter().any(|name| name == text) {
            let path = identity::file(session, text, plane, "chain")?;
            if !path.is_file() {
                // Nothing was issued to it on this plane, so nothing is to be ended but, if anything, its key.
                return Err(Failure::new(
                    Exit::Configuration,
                    lang.nothing_to_end(escape(text), path.display()),
                ));
            }
            return Self::of_chain(read(session, &path)?, Some(text), keep_key, plane, session);
        }
        match text.parse::<CredentialId>() {
            Ok(id) => {
                let chain = find_chain(&context, plane, |link| link.id() == id);
                Ok(Self { target: Target::Credential(id), chain, name: None })
            }
            Err(_) => Err(match context.identity(text, plane) {
                Err(error) => session.context_failed(&error),
                Ok(_) => Failure::new(Exit::Usage, lang.no_chain(escape(text))),
            }),
        }
    }

    fn of_chain(
        chain: Arc<Chain>,
        name: Option<&str>,
        keep_key: bool,
        plane: Plane,
        session: Session<'_>,
    ) -> Result<Self, Failure> {
        if chain.plane() != plane {
            return Err(Failure::new(Exit::Usage, session.screen.lang.chain_of_other_plane(chain.plane())));
        }
        let leaf = chain.leaf();
        let target = if keep_key { Target::Credential(leaf.id()) } else { Target::Key(leaf.key_id()) };
        Ok(Self { target, name: name.map(str::to_owned), chain: Some(chain) })
    }

    fn of_key(session: Session<'_>, text: &str, plane: Plane) -> Result<Self, Failure> {
        let path = Path::new(text);
        let key = match text.parse::<KeyId>() {
            Ok(key) if !path.is_file() => key,
            Ok(_) | Err(_) => files::read_public_key(session.screen.lang, path)?.thumbprint(),
        };
        let chain = find_chain(&session.context()?, plane, |link| link.key_id() == key);
        Ok(Self { target: Target::Key(key), chain, name: None })
    }

    /// The link that is the target.
    pub(super) fn link(&self) -> Option<&Arc<Credential>> {
        let named = |link: &&Arc<Credential>| match self.target {
            Target::Credential(id) => link.id() == id,
            Target::Key(key) => link.key_id() == key,
        };
        self.chain.as_ref()?.links().iter().find(named)
    }
}

fn read(session: Session<'_>, path: &Path) -> Result<Arc<Chain>, Failure> {
    let (lang, roots) = (session.screen.lang, session.context()?.roots().clone());
    let tokens = files::read_chain(lang, path)?;
    let chain = Chain::verify(tokens.iter().map(String::as_str), &roots, &NoVerdicts);
    chain.map(Arc::new).map_err(|refusal| {
        Failure::new(
            Exit::VerificationFailed,
            lang.chain_refused(path.display(), refusal_text(lang, &refusal)),
        )
    })
}

/// Among the identities of the context, one whose chain has such a link. Those that cannot be read are passed over.
fn find_chain(context: &Context, plane: Plane, wanted: impl Fn(&Credential) -> bool) -> Option<Arc<Chain>> {
    let names = context.identities().unwrap_or_default();
    let identities = names.iter().filter_map(|name| context.identity(name, plane).ok());
    let chains = identities.map(|identity: Identity| Arc::clone(identity.chain()));
    chains.into_iter().find(|chain| chain.links().iter().any(|link| wanted(link)))
}
