//! A file that carries revocations to whoever sends them: the chain of an issuer, root first, then what was signed under
//! it, one token a line.

use std::path::Path;
use std::sync::Arc;

use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::credential::Credential;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{self, VerifiedRevocation};

use crate::cli::exit::{Exit, Failure, refusal_text};
use crate::cli::files;
use crate::cli::session::Session;

pub(super) fn to_text(one: &VerifiedRevocation) -> String {
    let links = one.chain().links().iter().map(|link| link.token());
    links.chain([one.revocation().token()]).map(|token| format!("{token}\n")).collect()
}

/// Reads such a file, and verifies all of it from the pinned roots.
pub(super) fn read(session: Session<'_>, path: &Path) -> Result<Vec<VerifiedRevocation>, Failure> {
    let lang = session.screen.lang;
    let context = session.context()?;
    let refused = |refusal: Refusal| Failure::new(Exit::VerificationFailed, refusal_text(lang, &refusal));
    let mut links: Vec<String> = Vec::new();
    let mut chain: Option<Arc<Chain>> = None;
    let mut found = Vec::new();
    for token in files::read_chain(lang, path)? {
        if Credential::parse(&token).is_ok() {
            // Another chain begins.
            if chain.take().is_some() {
                links.clear();
            }
            links.push(token);
            continue;
        }
        let known = match &chain {
            Some(chain) => Arc::clone(chain),
            None if links.is_empty() => return Err(refused(Code::UnknownCredential.into())),
            None => {
                let verified = Chain::verify(links.iter().map(String::as_str), context.roots(), &NoVerdicts);
                Arc::new(verified.map_err(refused)?)
            }
        };
        found.push(revocation::verify(&token, &known).map_err(refused)?);
        chain = Some(known);
    }
    if found.is_empty() {
        return Err(refused(Code::MalformedRevocation.into()));
    }
    Ok(found)
}
