//! What a relay judges by, as its threads share it: fixed at the start but for the roots, which may be read again while it
//! runs.
//!
//! [`SharedRules::trust`] is called by the owner of the relay. From then on the journal thread admits nothing under a root
//! that is not trusted any more, whatever was verified before ([`SharedRules::judge`]); workers are given the new rules by
//! letter, and end the sessions that they leave without a root.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use vigie_proto::chain::{Chain, Roots};
use vigie_proto::channel::Plane;
use vigie_proto::id::KeyId;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{KnownRevocations, VerifiedRevocation};
use vigie_proto::session::relay::Rules;
use vigie_proto::time::{Timestamp, Window};

/// Every refusal of [`SharedRules::judge`] and [`SharedRules::renew`]: with those of `admit`, the rows of the table of entries
/// in PROTOCOL.md.
pub const REFUSALS: [Code; 5] =
    [Code::UnknownRoot, Code::RootEnded, Code::CredentialNotYetValid, Code::CredentialExpired, Code::Revoked];

/// A root that hands over, or was handed to and hands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndingRoot {
    /// Its thumbprint.
    pub root: KeyId,
    /// On which plane it ends.
    pub plane: Plane,
    /// When it is one.
    pub valid: Window,
}

/// The roots that have said when they end, where that is still to come: the first first. Bounded as rotations are.
pub fn ending_roots(roots: &Roots, now: Timestamp) -> Vec<EndingRoot> {
    let all = roots.all().map(|(root, plane, how)| EndingRoot { root, plane, valid: how.window() });
    let mut ending: Vec<_> =
        all.filter(|one| now < one.valid.until && one.valid.until < Timestamp::FAR_FUTURE).collect();
    ending.sort_by_key(|one| (one.valid.until, one.root));
    ending
}

/// See the module's documentation. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct SharedRules(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    now: RwLock<Arc<Rules>>,
    /// The roots are not those of the start: what was verified is looked at again.
    renewed: AtomicBool,
    /// What was to take the place of the roots could not be used.
    refused: AtomicBool,
}

impl SharedRules {
    /// Those of the start.
    pub fn new(rules: Rules) -> Self {
        Self(Arc::new(Shared {
            now: RwLock::new(Arc::new(rules)),
            renewed: AtomicBool::new(false),
            refused: AtomicBool::new(false),
        }))
    }

    /// Those of this moment.
    pub fn now(&self) -> Arc<Rules> {
        Arc::clone(&self.0.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Trusts these roots from now on, and no others.
    pub fn trust(&self, roots: Roots) -> Arc<Rules> {
        let mut now = self.0.now.write().unwrap_or_else(PoisonError::into_inner);
        let new = Arc::new(Rules { roots, ..Rules::clone(&now) });
        *now = Arc::clone(&new);
        self.0.renewed.store(true, Ordering::Release);
        self.0.refused.store(false, Ordering::Relaxed);
        new
    }

    /// Whether a chain that was verified before still leads to a trusted root, and is good at this moment by it: no
    /// revocation meets it as it is trusted now.
    ///
    /// # Errors
    /// `unknown_root`, those of [`Chain::judge`], or `revoked`.
    pub fn judge(
        &self,
        chain: &Chain,
        at: Timestamp,
        revocations: &dyn KnownRevocations,
    ) -> Result<(), Refusal> {
        if !self.0.renewed.load(Ordering::Acquire) {
            return Ok(());
        }
        let chain = chain.under(&self.now().roots)?;
        chain.judge(at)?;
        revocations.refusal_of(&chain).map_or(Ok(()), Err)
    }

    /// A revocation that was verified before, as its issuer is trusted now: to be decided on like any other. `None` where the
    /// roots are those of the start.
    ///
    /// # Errors
    /// `unknown_root`.
    pub fn renew(&self, new: &VerifiedRevocation) -> Result<Option<VerifiedRevocation>, Refusal> {
        if !self.0.renewed.load(Ordering::Acquire) {
            return Ok(None);
        }
        new.under(&self.now().roots).map(Some)
    }

    /// New roots could not be used: those before stay.
    pub(crate) fn note_refused(&self) {
        self.0.refused.store(true, Ordering::Relaxed);
    }

    /// Whether the last renewal was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }
}
