//! The judgement on one event, the same for live, catch-up and history: verified, or the rule that it breaks.

use std::marker::PhantomData;
use std::sync::Arc;

use vigie_proto::chain::Roots;
use vigie_proto::channel::Filter;
use vigie_proto::cursor::Cursor;
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;
use vigie_proto::verify::{self, VerifiedMessage};

use super::chains::Chains;
use crate::delivery::Suspect;
use crate::plane::OnPlane;
use crate::verified::Verified;

/// What events are held against: the pinned roots, what was asked for, and the chains given so far.
#[derive(Debug)]
pub(crate) struct Judge<P> {
    roots: Roots,
    filters: Vec<Filter>,
    chains: Chains,
    plane: PhantomData<fn() -> P>,
}

impl<P: OnPlane> Judge<P> {
    pub(crate) fn new(roots: Roots, filters: Vec<Filter>) -> Self {
        Self { roots, filters, chains: Chains::default(), plane: PhantomData }
    }

    pub(crate) fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// Takes a chain from a `chain` frame, root first.
    pub(crate) fn learn(&mut self, tokens: &[&str]) {
        self.chains.learn(tokens, &self.roots);
    }

    /// Judges what the relay gave as the message at `cursor`.
    pub(crate) fn judge(&self, token: &str, cursor: Cursor, now: Timestamp) -> Result<Verified<P>, Suspect> {
        match self.verify(token, cursor.admitted) {
            Ok(signed) => Ok(Verified::new(signed, cursor, now)),
            Err(refusal) => Err(suspect(&refusal, token, cursor)),
        }
    }

    fn verify(&self, token: &str, admitted: Timestamp) -> Result<VerifiedMessage, Refusal> {
        let chain = self.chains.find(verify::claimed_credential(token)?)?;
        if chain.plane() != P::PLANE {
            let detail = format!("a credential of the {} plane in a {} session", chain.plane(), P::PLANE);
            return Err(Refusal::new(Code::WrongPlane, detail).by(chain.leaf().id()));
        }
        // The message is then of this plane too: `verify` holds it against its chain.
        let signed = verify::verify(token, &chain, MESSAGE_LIFETIME_MAX)?;
        signed.judge_admitted(admitted)?;
        let message = signed.message();
        if !self.filters.iter().any(|filter| filter.takes(&message.channel, message.severity)) {
            return Err(Refusal::new(Code::NotSubscribed, format!("channel {}", message.channel)));
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
