//! Judges the messages of a log once more: the same `verify` as relay and SDK, under the chains that the log gives.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::credential::{Credential, Issuer};
use vigie_proto::id::CredentialId;
use vigie_proto::limits::{CHAIN_LINKS_MAX, MESSAGE_LIFETIME_MAX};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{self, VerifiedRevocation, claimed_issuer};
use vigie_proto::verify::{VerifiedMessage, claimed_credential, verify};

use crate::chains::STORED_CREDENTIALS_MAX;
use crate::journal::{JournalError, MessageRecord, Met, Record, RevocationRecord, Storage, Survey};

/// A relay has at most half as many on disk at a time; a log that lived long has had others. Some 256 MiB.
const CREDENTIALS_MAX: usize = 2 * STORED_CREDENTIALS_MAX;

/// Knows the credentials that a log has given so far.
#[derive(Debug)]
pub(super) struct Judge {
    roots: Roots,
    credentials: HashMap<CredentialId, Arc<Credential>>,
    chains: BTreeMap<CredentialId, Arc<Chain>>,
}

impl Judge {
    pub(super) fn new(roots: Roots) -> Self {
        Self { roots, credentials: HashMap::new(), chains: BTreeMap::new() }
    }

    /// Takes note of all credentials of a journal first: those that retention carried on stand behind messages that need
    /// them. What is wrong with one is told where it is met again.
    pub(super) fn learn<S: Storage>(&mut self, survey: &Survey<S>) -> Result<(), JournalError> {
        survey.walk::<JournalError>(&mut |met| {
            if let Met::Record { record: Record::Credential { id, jws }, .. } = met {
                let _ = self.credential(id, &jws);
            }
            Ok(())
        })
    }

    /// Takes note of a credential. Its signature is checked with the first chain that needs it.
    pub(super) fn credential(&mut self, id: CredentialId, jws: &[u8]) -> Result<(), Refusal> {
        let credential = Credential::parse(text(jws)?)?;
        if credential.id() != id {
            return Err(differs("id"));
        }
        if self.credentials.len() >= CREDENTIALS_MAX && !self.credentials.contains_key(&id) {
            return Err(Refusal::new(Code::Full, format!("more than {CREDENTIALS_MAX} credentials")));
        }
        // The first one stays: a copy with another signature must not push out what was checked.
        self.credentials.entry(id).or_insert_with(|| Arc::new(credential));
        Ok(())
    }

    /// Judges signed bytes: form, signature, chain, inside its grant. Not when they were admitted.
    pub(super) fn message(&mut self, jws: &[u8]) -> Result<VerifiedMessage, Refusal> {
        let jws = text(jws)?;
        let chain = self.chain(claimed_credential(jws)?)?;
        verify(jws, &chain, MESSAGE_LIFETIME_MAX)
    }

    /// A revocation under its issuer's chain, and whether what stands beside the signed bytes says the same.
    pub(super) fn revocation(&mut self, record: &RevocationRecord) -> Result<VerifiedRevocation, Refusal> {
        let jws = text(&record.jws)?;
        let chain = self.chain(claimed_issuer(jws)?)?;
        let verified = revocation::verify(jws, &chain)?;
        verified.judge_admitted(record.admitted)?;
        let revocation = verified.revocation();
        if revocation.id() != record.id || revocation.issuer() != record.issuer {
            return Err(differs("id"));
        }
        Ok(verified)
    }

    /// As [`Judge::message`], and whether what stands beside the signed bytes says the same, and `admitted` is inside
    /// their window.
    pub(super) fn record(&mut self, record: &MessageRecord) -> Result<VerifiedMessage, Refusal> {
        let signed = self.message(&record.jws)?;
        same(record, &signed)?;
        signed.judge_admitted(record.admitted)?;
        Ok(signed)
    }

    fn chain(&mut self, leaf: CredentialId) -> Result<Arc<Chain>, Refusal> {
        if let Some(chain) = self.chains.get(&leaf) {
            return Ok(Arc::clone(chain));
        }
        let mut links = Vec::new();
        let mut next = Some(leaf);
        while let Some(id) = next {
            let link = self.credentials.get(&id);
            let link =
                link.ok_or_else(|| Refusal::new(Code::UnknownCredential, format!("{id} is not given")))?;
            next = match link.issuer() {
                Issuer::Parent(parent) if links.len() < CHAIN_LINKS_MAX => Some(parent),
                Issuer::Parent(_) | Issuer::Itself(_) => None,
            };
            links.push(Arc::clone(link));
        }
        let tokens = links.iter().rev().map(|link| &**link.token());
        let chain = Arc::new(Chain::verify(tokens, &self.roots, &NoVerdicts)?);
        self.chains.insert(leaf, Arc::clone(&chain));
        Ok(chain)
    }
}

/// What the journal notes beside the signed bytes must be what was signed.
pub(super) fn same(record: &MessageRecord, signed: &VerifiedMessage) -> Result<(), Refusal> {
    let message = signed.message();
    let what = if record.id != signed.id() {
        "id"
    } else if record.credential != signed.credential() {
        "credential"
    } else if record.expires != message.expires {
        "expires"
    } else if record.severity != message.severity {
        "severity"
    } else if record.channel != message.channel {
        "channel"
    } else {
        return Ok(());
    };
    Err(differs(what))
}

/// Something beside signed bytes is not what was signed.
pub(super) fn differs(what: &str) -> Refusal {
    Refusal::new(Code::MalformedMessage, format!("`{what}` is not what was signed"))
}

fn text(jws: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(jws).map_err(|_| Refusal::from(Code::MalformedToken))
}
