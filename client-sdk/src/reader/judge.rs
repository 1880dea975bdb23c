//! The judgement on one event, the same for live, catch-up and history: verified, or the rule that it breaks.

use std::marker::PhantomData;
use std::sync::Arc;

use vigie_proto::chain::{Chain, Roots};
use vigie_proto::channel::{Filter, Jurisdiction};
use vigie_proto::cursor::Cursor;
use vigie_proto::id::MessageId;
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{self, InForce, Revocations};
use vigie_proto::rotation::Rotation;
#[cfg(feature = "sabotage")]
use vigie_proto::sabotage::Sabotage;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::{ClaimedMessage, VerifiedMessage};

use super::chains::Chains;
use crate::delivery::{Disowned, Suspect};
use crate::plane::OnPlane;
use crate::verified::Verified;

/// Revocations kept: as many as a relay has in force. What is given past it is told as suspect.
const REVOCATIONS_MAX: usize = 65_536;

/// What events are held against: the pinned roots, what was asked for, and the chains and revocations given so far.
#[derive(Debug)]
pub(crate) struct Judge<P> {
    roots: Roots,
    /// Whose reader it is.
    org: Jurisdiction,
    filters: Vec<Filter>,
    chains: Chains,
    revocations: Revocations,
    plane: PhantomData<fn() -> P>,
}

impl<P: OnPlane> Judge<P> {
    pub(crate) fn new(roots: Roots, org: Jurisdiction, filters: Vec<Filter>) -> Self {
        Self {
            roots,
            org,
            filters,
            chains: Chains::default(),
            revocations: Revocations::default(),
            plane: PhantomData,
        }
    }

    pub(crate) fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Takes a chain from a `chain` frame, root first.
    pub(crate) fn learn(&mut self, tokens: &[&str]) {
        self.chains.learn(tokens, &self.roots);
    }

    /// Takes a rotation of a root. Whether it is new, and counts: then what was known of chains does not.
    pub(crate) fn learn_rotation(&mut self, token: &str) -> Result<Option<Arc<Rotation>>, Refusal> {
        let rotation = Rotation::parse(token)?;
        if rotation.plane() != P::PLANE {
            return Err(Refusal::new(Code::WrongPlane, "a rotation of the other plane"));
        }
        if !self.roots.learn(rotation)? {
            return Ok(None);
        }
        self.chains = Chains::default();
        Ok(self.roots.rotations().last().cloned())
    }

    /// Takes a revocation, under a chain that was given before. Whether it is new.
    pub(crate) fn learn_revocation(&mut self, token: &str, admitted: Timestamp) -> Result<bool, Refusal> {
        let chain = self.chains.find(revocation::claimed_issuer(token)?)?;
        if chain.plane() != P::PLANE {
            return Err(Refusal::new(Code::WrongPlane, "a revocation of the other plane"));
        }
        let verified = revocation::verify(token, &chain)?;
        verified.judge_admitted(admitted)?;
        if self.revocations.contains(verified.revocation()) {
            return Ok(false);
        }
        if self.revocations.len() >= REVOCATIONS_MAX {
            return Err(Refusal::new(Code::Full, "more revocations than are kept"));
        }
        let new = InForce::from(&verified);
        self.revocations.insert(new.clone());
        self.revocations.keep_furthest_own(&new);
        Ok(self.revocations.contains(verified.revocation()))
    }

    /// Whether a message under this chain, admitted then, is disowned.
    pub(crate) fn disowns(
        &self,
        id: MessageId,
        chain: &Chain,
        admitted: Timestamp,
        cursor: Cursor,
    ) -> Option<Disowned> {
        let revoked = self.revocations.revoked(chain)?;
        #[cfg(feature = "sabotage")]
        let admitted = if Sabotage::FromIgnoredInDisowned.is_planted() { revoked.from() } else { admitted };
        if admitted < revoked.from() {
            return None;
        }
        Some(Disowned {
            id,
            admitted,
            credential: revoked.link,
            revocation: revoked.by.id(),
            token: Arc::clone(revoked.by.token()),
            from: revoked.from(),
            reason: revoked.by.statement().reason,
            given_before: false,
            cursor,
        })
    }

    /// Judges what the relay gave as the message at `cursor`.
    pub(crate) fn judge(&self, token: &str, cursor: Cursor, now: Timestamp) -> Result<Verified<P>, Suspect> {
        match self.verify(token, cursor.admitted) {
            Ok(signed) => Ok(Verified::new(signed, cursor, now)),
            Err(refusal) => Err(suspect(&refusal, token, cursor)),
        }
    }

    fn verify(&self, token: &str, admitted: Timestamp) -> Result<VerifiedMessage, Refusal> {
        let claimed = ClaimedMessage::read(token)?;
        let chain = self.chains.find(claimed.credential())?;
        if chain.plane() != P::PLANE {
            let detail = format!("a credential of the {} plane in a {} session", chain.plane(), P::PLANE);
            return Err(Refusal::new(Code::WrongPlane, detail).by(chain.leaf().id()));
        }
        // The message is then of this plane too: `verify` holds it against its chain.
        let signed = claimed.verify(&chain, MESSAGE_LIFETIME_MAX)?;
        signed.judge_admitted(admitted)?;
        let message = signed.message();
        if !self.filters.iter().any(|filter| filter.takes(&message.channel, message.severity)) {
            return Err(Refusal::new(Code::NotSubscribed, format!("channel {}", message.channel)));
        }
        if !message.label.audience().takes(&self.org) {
            return Err(Refusal::new(Code::NotInAudience, format!("label {}", message.label)));
        }
        Ok(signed)
    }
}

/// Puts what was refused into the form in which it is shown.
pub(super) fn suspect(refusal: &Refusal, token: &str, cursor: Cursor) -> Suspect {
    let detail = if refusal.detail.is_empty() { refusal.code.english() } else { &refusal.detail };
    Suspect {
        code: refusal.code,
        detail: detail.to_owned(),
        token: Arc::from(token),
        seq: cursor.seq,
        admitted: cursor.admitted,
        cursor,
    }
}
