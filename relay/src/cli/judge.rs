//! Judges the messages of a log or of an export once more: the same `verify` as relay and SDK, under the chains that it
//! gives itself.
//!
//! Used by `vigie verify` and by `vigie journal`: what the one writes, the other takes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::credential::{Credential, Issuer};
use vigie_proto::id::CredentialId;
use vigie_proto::limits::{CHAIN_LINKS_MAX, MESSAGE_LIFETIME_MAX};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{self, VerifiedRevocation, claimed_issuer};
use vigie_proto::rotation::Rotation;
use vigie_proto::verify::{ClaimedMessage, VerifiedMessage};

use crate::chains::STORED_CREDENTIALS_MAX;
use crate::journal::{JournalError, MessageRecord, Met, Record, RevocationRecord, Storage, Survey};

/// A relay has at most half as many on disk at a time; a log that lived long has had others. Some 256 MiB.
pub(super) const CREDENTIALS_MAX: usize = 2 * STORED_CREDENTIALS_MAX;

/// Why something is not taken.
#[derive(Debug)]
pub(super) enum Unfit {
    Refused(Refusal),
    /// What stands beside the signed bytes under this name is not what was signed.
    Differs(&'static str),
    /// A link of its chain was not given.
    NotGiven(CredentialId),
    /// [`CREDENTIALS_MAX`] others are known.
    TooMany,
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// With a code, for programs.
impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Refused(refusal) => refusal,
            Unfit::Differs(what) => {
                Self::new(Code::MalformedMessage, format!("`{what}` is not what was signed"))
            }
            Unfit::NotGiven(id) => Self::new(Code::UnknownCredential, format!("{id} is not given")),
            Unfit::TooMany => Self::new(Code::Full, format!("more than {CREDENTIALS_MAX} credentials")),
        }
    }
}

/// Knows the credentials that a log has given so far.
#[derive(Debug)]
pub(super) struct Judge {
    roots: Roots,
    credentials: HashMap<CredentialId, Arc<Credential>>,
    /// Of what was verified.
    chains: BTreeMap<CredentialId, Arc<Chain>>,
    /// Links of chains that were verified.
    used: HashSet<CredentialId>,
    max: usize,
}

impl Judge {
    pub(super) fn new(roots: Roots) -> Self {
        Self::with_max(roots, CREDENTIALS_MAX)
    }

    fn with_max(roots: Roots, max: usize) -> Self {
        Self { roots, credentials: HashMap::new(), chains: BTreeMap::new(), used: HashSet::new(), max }
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

    /// Rotations of roots that count, for whoever has the same pins.
    pub(super) fn rotations(&self) -> impl Iterator<Item = &Arc<Rotation>> {
        self.roots.rotations()
    }

    /// Takes a rotation that an export gives. `None` when it is known, or does not count beside those that were installed.
    pub(super) fn rotation(&mut self, jws: &str) -> Result<Option<Arc<Rotation>>, Refusal> {
        if !self.roots.learn(Rotation::parse(jws)?)? {
            return Ok(None);
        }
        // When their root is one may have changed.
        self.chains.clear();
        Ok(self.roots.rotations().last().cloned())
    }

    /// Takes note of a credential. Its signature is checked with the first chain that needs it.
    pub(super) fn credential(&mut self, id: CredentialId, jws: &[u8]) -> Result<(), Unfit> {
        let credential = Credential::parse(text(jws)?)?;
        if credential.id() != id {
            return Err(Unfit::Differs("id"));
        }
        if self.credentials.len() >= self.max && !self.credentials.contains_key(&id) {
            return Err(Unfit::TooMany);
        }
        // The first one stays: a copy with another signature must not push out what was checked.
        self.credentials.entry(id).or_insert_with(|| Arc::new(credential));
        Ok(())
    }

    /// Judges signed bytes: form, signature, chain, inside its grant. Not when they were admitted.
    pub(super) fn message(&mut self, jws: &[u8]) -> Result<VerifiedMessage, Unfit> {
        let jws = text(jws)?;
        let claimed = ClaimedMessage::read(jws)?;
        let chain = self.chain(claimed.credential())?;
        Ok(claimed.verify(&chain, MESSAGE_LIFETIME_MAX)?)
    }

    /// A revocation under its issuer's chain, and whether what stands beside the signed bytes says the same.
    pub(super) fn revocation(&mut self, record: &RevocationRecord) -> Result<VerifiedRevocation, Unfit> {
        let jws = text(&record.jws)?;
        let chain = self.chain(claimed_issuer(jws)?)?;
        let verified = revocation::verify(jws, &chain)?;
        verified.judge_admitted(record.admitted)?;
        let revocation = verified.revocation();
        if revocation.id() != record.id || revocation.issuer() != record.issuer {
            return Err(Unfit::Differs("id"));
        }
        Ok(verified)
    }

    /// As [`Judge::message`], and whether what stands beside the signed bytes says the same, and `admitted` is inside
    /// their window.
    pub(super) fn record(&mut self, record: &MessageRecord) -> Result<VerifiedMessage, Unfit> {
        let signed = self.message(&record.jws)?;
        same(record, &signed)?;
        signed.judge_admitted(record.admitted)?;
        Ok(signed)
    }

    /// The credentials that were given, in order.
    pub(super) fn given(&self) -> Vec<CredentialId> {
        let mut given: Vec<CredentialId> = self.credentials.keys().copied().collect();
        given.sort();
        given
    }

    /// How many credentials something that was verified stands on, and how many were given besides.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.used.len() as u64, (self.credentials.len() - self.used.len()) as u64)
    }

    /// The chain that ends in this credential, put together from the links that were given.
    pub(super) fn chain(&mut self, leaf: CredentialId) -> Result<Arc<Chain>, Unfit> {
        if let Some(chain) = self.chains.get(&leaf) {
            return Ok(Arc::clone(chain));
        }
        let mut links = Vec::new();
        let mut next = Some(leaf);
        while let Some(id) = next {
            let link = self.credentials.get(&id).ok_or(Unfit::NotGiven(id))?;
            next = match link.issuer() {
                Issuer::Parent(parent) if links.len() < CHAIN_LINKS_MAX => Some(parent),
                Issuer::Parent(_) | Issuer::Itself(_) => None,
            };
            links.push(Arc::clone(link));
        }
        let tokens = links.iter().rev().map(|link| &**link.token());
        let chain = Arc::new(Chain::verify(tokens, &self.roots, &NoVerdicts)?);
        self.used.extend(chain.links().iter().map(|link| link.id()));
        self.chains.insert(leaf, Arc::clone(&chain));
        Ok(chain)
    }
}

/// What the journal notes beside the signed bytes must be what was signed.
pub(super) fn same(record: &MessageRecord, signed: &VerifiedMessage) -> Result<(), Unfit> {
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
    } else if record.audience != *message.label.audience() {
        "audience"
    } else {
        return Ok(());
    };
    Err(Unfit::Differs(what))
}

fn text(jws: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(jws).map_err(|_| Refusal::from(Code::MalformedToken))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vigie_proto::cap::{Alert, Headline, Urgency};
    use vigie_proto::channel::Plane;
    use vigie_proto::id::{MessageId, Sequence};
    use vigie_proto::key::SigningKey;
    use vigie_proto::label::{Audience, Label, Tlp};
    use vigie_proto::message::{Content, Message};
    use vigie_proto::severity::Severity;
    use vigie_proto::time::Timestamp;
    use vigie_proto::verify::{sign, verify};

    use super::super::authority::make_root;
    use super::*;

    fn credential(seed: u8) -> Arc<Credential> {
        let key = SigningKey::from_seed(&[seed; 32]).unwrap();
        let now = Timestamp::from_millis(1_800_000_000_000);
        let root = make_root(&key, &"fr".parse().unwrap(), "nation", Plane::Live, now).unwrap();
        Arc::clone(root.leaf())
    }

    fn signed() -> VerifiedMessage {
        let key = SigningKey::from_seed(&[5; 32]).unwrap();
        let sent = Timestamp::from_millis(1_800_000_000_000);
        let chain = make_root(&key, &"fr".parse().unwrap(), "nation", Plane::Live, sent).unwrap();
        let cap = Alert::from_headline(&Headline {
            plane: Plane::Live,
            identifier: "1",
            sender: "fr",
            sent: "2027-01-15T09:00:00+01:00",
            language: "fr-FR",
            text: "Crue",
            severity: Severity::Minor,
            urgency: Urgency::Expected,
            area: "fr",
            restriction: None,
        });
        let message = Message {
            channel: "alert/fr".parse().unwrap(),
            sent,
            expires: sent.plus(std::time::Duration::from_secs(60)),
            severity: Severity::Minor,
            label: Label::new(Tlp::Amber, ["fr.a".parse().unwrap()]).unwrap(),
            replaces: Vec::new(),
            content: Content { cap, original: None },
        };
        let token = sign(&key, chain.leaf().id(), &message);
        verify(&token, &Arc::new(chain), MESSAGE_LIFETIME_MAX).unwrap()
    }

    /// Otherwise a journal that was tampered with would serve a message to others than its author named.
    #[test]
    fn all_that_stands_beside_the_signed_bytes_is_held_against_them() {
        let signed = signed();
        let said = signed.message();
        let good = MessageRecord {
            seq: Sequence::new(1),
            admitted: said.sent,
            expires: said.expires,
            id: signed.id(),
            credential: signed.credential(),
            severity: said.severity,
            channel: said.channel.clone(),
            audience: said.label.audience().clone(),
            jws: Bytes::copy_from_slice(signed.token().as_bytes()),
        };
        assert!(same(&good, &signed).is_ok());
        let named = |org: &str, strict| Audience::named([org.parse().unwrap()], strict).unwrap();
        for (record, what) in [
            (MessageRecord { id: MessageId::from_bytes([1; 32]), ..good.clone() }, "id"),
            (MessageRecord { credential: CredentialId::from_bytes([1; 32]), ..good.clone() }, "credential"),
            (MessageRecord { expires: said.sent, ..good.clone() }, "expires"),
            (MessageRecord { severity: Severity::Severe, ..good.clone() }, "severity"),
            (MessageRecord { channel: "alert/fr.a".parse().unwrap(), ..good.clone() }, "channel"),
            (MessageRecord { audience: Audience::EVERYONE, ..good.clone() }, "audience"),
            (MessageRecord { audience: named("fr", false), ..good.clone() }, "audience"),
            (MessageRecord { audience: named("fr.a", true), ..good }, "audience"),
        ] {
            let found = same(&record, &signed);
            assert!(matches!(found, Err(Unfit::Differs(found)) if found == what), "{what}: {found:?}");
        }
    }

    /// An export gives a credential again where its reader had forgotten that it was given.
    #[test]
    fn a_known_credential_is_taken_at_the_bound_and_a_new_one_is_not() {
        let mut judge = Judge::with_max(Roots::new([]), 2);
        let all = [1, 2, 3].map(credential);
        let mut give = |at: usize| judge.credential(all[at].id(), all[at].token().as_bytes());
        for at in [0, 1, 0, 1] {
            give(at).unwrap();
        }
        assert!(matches!(give(2), Err(Unfit::TooMany)));
        give(1).unwrap();
        assert_eq!(judge.counts(), (0, 2));
    }
}
