//! What is known as revoked: by the relays of the context, by a journal on this machine, and by what was signed in this
//! context itself, whether a relay has it yet or not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use vigie_client::{Exercise, Live, OnPlane, RevokeError};
use vigie_proto::chain::{Chain, NoVerdicts};
use vigie_proto::channel::Plane;
use vigie_proto::id::{CredentialId, RevocationId};
use vigie_proto::revocation::{self, InForce, Revocations};

use super::kept;
use super::revoke::client_of;
use crate::cli::duration;
use crate::cli::exit::{Failure, refusal_text};
use crate::cli::journal;
use crate::cli::judge::Judge;
use crate::cli::screen::{Screen, escape};
use crate::cli::session::Session;
use crate::journal::Record;

/// Where to ask.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sources {
    #[arg(long)]
    pub(in crate::cli) relay: bool,
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) journal: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s")]
    pub(in crate::cli) wait: std::time::Duration,
}

impl Sources {
    /// Whether a journal was named; the settings alone name one too.
    pub(super) fn journal_of(&self) -> Option<(Option<&Path>, Option<&Path>)> {
        let (dir, config) = (self.journal.as_deref(), self.config.as_deref());
        (dir.is_some() || config.is_some()).then_some((dir, config))
    }

    /// What the journal knows as revoked, if one was named.
    pub(super) fn of_journal(&self, session: Session<'_>) -> Result<Known, Failure> {
        let mut known = Known::default();
        if let Some((dir, config)) = self.journal_of() {
            known.is_asked = true;
            of_journal(session, dir, config, &mut known)?;
        }
        Ok(known)
    }

    /// What they know as revoked, on these planes.
    pub(super) fn revocations(&self, session: Session<'_>, planes: &[Plane]) -> Result<Known, Failure> {
        let mut known = self.of_journal(session)?;
        if self.relay {
            known.is_asked = true;
            for plane in planes {
                match plane {
                    Plane::Live => of_relays::<Live>(session, self.wait, &mut known)?,
                    Plane::Exercise => of_relays::<Exercise>(session, self.wait, &mut known)?,
                }
            }
        }
        Ok(known)
    }
}

/// What is known as revoked.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) revocations: Revocations,
    /// Whether anybody was asked: none known and nobody asked are two things.
    pub(super) is_asked: bool,
    /// Signed here, and not told by whoever was asked, if anybody was.
    kept_only: Vec<RevocationId>,
}

impl Known {
    /// Whether it was told by somebody who was asked: where it was not, it may hold nowhere yet.
    pub(super) fn is_told(&self, revocation: RevocationId) -> bool {
        self.is_asked && !self.kept_only.contains(&revocation)
    }

    /// Takes what was signed in this context under a link of one of these chains. Who signed it has decided: that it was not
    /// sent yet, or could not be, makes nothing good again. Where somebody was asked and does not have it, that is told:
    /// there, its target still speaks.
    pub(super) fn add_kept<'c>(
        &mut self,
        session: Session<'_>,
        chains: impl Iterator<Item = &'c Chain>,
    ) -> Result<(), Failure> {
        let kept = kept::all_here(session)?;
        if kept.is_empty() {
            return Ok(());
        }
        let roots = session.context()?.roots().clone();
        let mut issuers: BTreeMap<CredentialId, Arc<Chain>> = BTreeMap::new();
        for chain in chains {
            for (index, link) in chain.links().iter().enumerate() {
                let above = chain.links()[..=index].iter().map(|link| &**link.token());
                // What does not verify was told where its chain was read.
                if !issuers.contains_key(&link.id())
                    && let Ok(chain) = Chain::verify(above, &roots, &NoVerdicts)
                {
                    issuers.insert(link.id(), Arc::new(chain));
                }
            }
        }
        for one in &kept {
            let Some(issuer) = issuers.get(&one.issuer()) else { continue };
            match revocation::verify(one.token(), issuer) {
                Ok(verified) => {
                    if !self.revocations.contains(one) {
                        self.kept_only.push(one.id());
                    }
                    self.revocations.insert(InForce::from(&verified));
                }
                Err(refusal) => {
                    let why = refusal_text(session.screen.lang, &refusal);
                    session.screen.warn(&session.screen.lang.revocation_unfit(one.id(), why));
                }
            }
        }
        if self.is_asked && !self.kept_only.is_empty() {
            let all = self.kept_only.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            session.screen.warn(&session.screen.lang.revoked_here_only(all));
        }
        Ok(())
    }
}

fn of_relays<P: OnPlane>(
    session: Session<'_>,
    wait: std::time::Duration,
    known: &mut Known,
) -> Result<(), Failure> {
    let screen = session.screen.on(P::PLANE);
    let identity = session.identity(&session.context()?, P::PLANE)?;
    let client = client_of::<P>(session, identity, wait)?;
    for at in session.block_on(async { Ok(client.revocations().await) })? {
        match at.given {
            Ok(given) => given.iter().for_each(|one| known.revocations.insert(one.in_force())),
            Err(error) => screen.warn(&screen.lang.relay_told_nothing(&at.relay, why(&screen, &error))),
        }
        if at.suspects > 0 {
            screen.warn(&screen.lang.relay_gave_suspects(&at.relay, at.suspects));
        }
    }
    Ok(())
}

pub(super) fn why(screen: &Screen, error: &RevokeError) -> String {
    match error {
        RevokeError::Refused(refusal) => refusal_text(screen.lang, refusal),
        RevokeError::NotSent(link) | RevokeError::Unknown(link) => escape(&screen.lang.link_error(link)),
        other => escape(&other.to_string()),
    }
}

/// Also beside a relay that writes it.
fn of_journal(
    session: Session<'_>,
    dir: Option<&Path>,
    config: Option<&Path>,
    known: &mut Known,
) -> Result<(), Failure> {
    let screen = session.screen;
    let mut judge = Judge::new(session.context()?.roots().clone());
    let mut found = Vec::new();
    journal::walk(screen, dir, config, &mut |record| {
        match record {
            // What is wrong with one is told where it is needed.
            Record::Credential { id, jws } => drop(judge.credential(*id, jws)),
            Record::Revocation(revocation) => found.push(revocation.clone()),
            Record::Message(_) | Record::Carried(_) | Record::Forked(_) => {}
        }
        Ok(())
    })?;
    for record in &found {
        match judge.revocation(record) {
            Ok(verified) => known.revocations.insert(InForce::from(&verified)),
            Err(unfit) => {
                let refusal = vigie_proto::refusal::Refusal::from(unfit);
                screen.warn(&screen.lang.revocation_unfit(record.id, refusal_text(screen.lang, &refusal)));
            }
        }
    }
    Ok(())
}
