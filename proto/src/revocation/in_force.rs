//! Revocations that were admitted: whom they meet, and how long they hold.
//!
//! The same for the journal thread, for workers and for readers. Nothing here verifies a signature: what comes in was
//! found good by [`verify`](super::verify).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Revocation, Target, VerifiedRevocation};
use crate::chain::Chain;
use crate::credential::Credential;
use crate::id::{CredentialId, KeyId};
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

/// A revocation that was admitted: what is needed to apply it.
#[derive(Clone, Debug)]
pub struct InForce {
    revocation: Arc<Revocation>,
    /// Not known when its issuer's chain is not.
    issuer_key: Option<KeyId>,
    /// The key of the root above its issuer; not known when its issuer's chain is not.
    root: Option<KeyId>,
    /// Whether the issuer is a root.
    by_root: bool,
    until: Timestamp,
}

impl InForce {
    /// Takes a revocation that was found good, with its issuer's chain, root first. Where that chain was lost (links that
    /// end in another credential, or none) it still meets all below its issuer's credential, and does not end.
    pub fn new(revocation: Arc<Revocation>, chain: &[Arc<Credential>]) -> Self {
        let issuer = chain.last().filter(|issuer| issuer.id() == revocation.issuer);
        let issuer_key = issuer.map(|issuer| issuer.key_id());
        // To the end of the root, and not of the issuer: its key may live on in another credential, and what was
        // admitted since `from` is given by relays as long as they keep it.
        let root = chain.first().filter(|_| issuer.is_some());
        let until = match revocation.statement.target {
            // A key may be certified again by whoever has not heard, and a root is pinned by its key: it ends for good.
            Target::Key(_) => Timestamp::FAR_FUTURE,
            Target::Credential(_) => root.map_or(Timestamp::FAR_FUTURE, |root| root.claims().valid.until),
        };
        let by_root = issuer.is_some() && chain.len() == 1;
        Self { revocation, issuer_key, root: root.map(|root| root.key_id()), by_root, until }
    }

    /// What is in force.
    pub const fn revocation(&self) -> &Arc<Revocation> {
        &self.revocation
    }

    /// Whether its issuer gave up what it is signed under: this credential, or its key.
    pub fn is_own(&self) -> bool {
        match self.revocation.statement.target {
            Target::Credential(id) => self.revocation.issuer == id,
            Target::Key(key) => self.issuer_key == Some(key),
        }
    }

    /// Whether whoever heeds this one heeds the other too: both are of one plane, and stand under one root. One of another
    /// plane meets nobody here, and one under another root is nothing to those who do not trust that.
    fn is_heeded_with(&self, other: &Self) -> bool {
        self.revocation.plane == other.revocation.plane && self.root.is_some() && self.root == other.root
    }

    /// When it need not be remembered any more: that of a key never, that of a credential when the root above its issuer
    /// ends.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// The link of this chain that it ends, if it may: its issuer holds the key of that link, or of one above it. The key
    /// counts, not the credential under which it was signed: an issuer whose own was renewed still ends what stands under
    /// the old one.
    pub fn meets<'c>(&self, chain: &'c Chain) -> Option<&'c Arc<Credential>> {
        if self.revocation.plane != chain.plane() {
            return None;
        }
        let links = chain.links();
        if self.meets_succession(chain.succession().before()) {
            return links.first();
        }
        #[cfg(feature = "sabotage")]
        if crate::sabotage::Sabotage::RevocationTakesTheIssuer.is_planted() {
            return links.iter().find(|link| link.id() == self.revocation.issuer);
        }
        links.iter().enumerate().find_map(|(depth, link)| {
            let named = match self.revocation.statement.target {
                Target::Credential(id) => link.id() == id,
                Target::Key(key) => link.key_id() == key,
            };
            let above = || {
                links[..depth].iter().any(|above| {
                    above.id() == self.revocation.issuer || Some(above.key_id()) == self.issuer_key
                })
            };
            let by_root_before = || {
                self.by_root && self.issuer_key.is_some_and(|key| chain.succession().before().contains(&key))
            };
            // By its id where its chain was lost: its key is not known then.
            let itself = Some(link.key_id()) == self.issuer_key || link.id() == self.revocation.issuer;
            let may = itself || above() || by_root_before();
            (named && may).then_some(link)
        })
    }

    /// Whether it ends one of the roots by which the root of a chain is trusted, as if each stood above the next: by the
    /// key of that root, or by a root before it. Roots are keys: a revocation of one credential of theirs does not.
    fn meets_succession(&self, before: &[KeyId]) -> bool {
        #[cfg(feature = "sabotage")]
        if crate::sabotage::Sabotage::RotationOutlivesRevocation.is_planted() {
            return false;
        }
        let Target::Key(ended) = self.revocation.statement.target else { return false };
        before.iter().enumerate().any(|(place, root)| {
            let above =
                || self.by_root && before[..place].iter().any(|above| Some(*above) == self.issuer_key);
            *root == ended && (Some(*root) == self.issuer_key || above())
        })
    }
}

impl From<&VerifiedRevocation> for InForce {
    fn from(verified: &VerifiedRevocation) -> Self {
        Self::new(Arc::clone(&verified.revocation), verified.chain.links())
    }
}

/// What a chain that is revoked is refused by.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Revoked<'s> {
    /// The revocation; of several the one that reaches back furthest.
    pub by: &'s Arc<Revocation>,
    /// The credential of the chain that it ends.
    pub link: CredentialId,
}

impl Revoked<'_> {
    /// What was admitted from this moment on is disowned.
    pub fn from(&self) -> Timestamp {
        self.by.statement.from
    }

    /// The refusal of anything under the chain.
    pub fn refusal(&self) -> Refusal {
        Refusal::new(Code::Revoked, format!("by revocation {}", self.by.id)).by(self.link)
    }
}

/// Revocations in force. Bounded by its owner. A look-up costs two for each link of a chain, and no signature.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    by_target: BTreeMap<Target, Vec<InForce>>,
    /// How many are signed under each credential.
    by_issuer: BTreeMap<CredentialId, usize>,
    len: usize,
}

impl Revocations {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, by what they end.
    pub fn all(&self) -> impl Iterator<Item = &InForce> {
        self.by_target.values().flatten()
    }

    /// Whether it is there.
    pub fn contains(&self, revocation: &Revocation) -> bool {
        let same = |known: &InForce| known.revocation.id == revocation.id;
        self.by_target.get(&revocation.statement.target).is_some_and(|known| known.iter().any(same))
    }

    /// The credentials under which they are signed.
    pub fn issuers(&self) -> impl Iterator<Item = CredentialId> {
        self.by_issuer.keys().copied()
    }

    /// When one that is there need not be remembered any more.
    pub fn until(&self, revocation: &Revocation) -> Option<Timestamp> {
        let known = self.by_target.get(&revocation.statement.target)?;
        known.iter().find(|known| known.revocation.id == revocation.id).map(InForce::until)
    }

    /// Puts one in, once.
    pub fn insert(&mut self, new: InForce) {
        if self.contains(&new.revocation) {
            return;
        }
        let Revocation { issuer, statement, .. } = &*new.revocation;
        *self.by_issuer.entry(*issuer).or_default() += 1;
        self.by_target.entry(statement.target).or_default().push(new);
        self.len += 1;
    }

    /// Of those by which the target of `new` was given up by its own holder, on the plane and under the root of `new`, keeps
    /// the one that reaches back furthest: whom the others meet, it meets, and whoever heeds one of them heeds it. So they
    /// take one place, however many the holder of a stolen key signs. Gives those that were taken out.
    pub fn keep_furthest_own(&mut self, new: &InForce) -> Vec<Arc<Revocation>> {
        let mut own: Vec<_> = self.own_beside(new).map(Arc::clone).collect();
        own.sort_by_key(|one| (one.statement.from, one.id));
        let others = own.split_off(own.len().min(1));
        others.iter().for_each(|one| self.remove(one));
        others
    }

    /// When `new` gives up what its issuer holds: those that gave up the same, on its plane and under its root.
    pub fn own_beside<'s>(&'s self, new: &'s InForce) -> impl Iterator<Item = &'s Arc<Revocation>> {
        let of_target = self.by_target.get(&new.revocation.statement.target).into_iter().flatten();
        let own = of_target.filter(|one| new.is_own() && one.is_own() && one.is_heeded_with(new));
        own.map(|one| &one.revocation)
    }

    /// Takes one out that was put in too early: it did not get into the log.
    pub fn remove(&mut self, revocation: &Revocation) {
        let Revocation { id, issuer, statement, .. } = revocation;
        let Some(known) = self.by_target.get_mut(&statement.target) else { return };
        let before = known.len();
        known.retain(|one| one.revocation.id != *id);
        let taken = before - known.len();
        if known.is_empty() {
            self.by_target.remove(&statement.target);
        }
        self.len -= taken;
        if taken > 0
            && let Some(count) = self.by_issuer.get_mut(issuer)
        {
            *count -= 1;
            if *count == 0 {
                self.by_issuer.remove(issuer);
            }
        }
    }

    /// Whether a chain is revoked, and by which.
    pub fn revoked(&self, chain: &Chain) -> Option<Revoked<'_>> {
        let met = self.meeting(chain).map(|(one, link)| Revoked { by: &one.revocation, link });
        met.min_by_key(|revoked| (revoked.from(), revoked.by.id))
    }

    /// By which revocation `issuer` may not give up what he holds from this moment on: by that of somebody above him, whose
    /// `from` is final, or by one by which he, or a root itself, gave up what it holds already, from no later on. What he
    /// gave up under another root keeps him from nothing: those who trust this one only do not heed it.
    pub(crate) fn forbids_own(&self, issuer: &Chain, from: Timestamp) -> Option<Revoked<'_>> {
        let root = issuer.links().first().map(|root| root.key_id());
        let leaf = issuer.leaf();
        let is_his =
            |one: &InForce| one.issuer_key == Some(leaf.key_id()) || one.revocation.issuer == leaf.id();
        let forbids = |one: &InForce| {
            let no_later = one.revocation.statement.from <= from;
            match (one.is_own(), is_his(one)) {
                (true, true) => no_later && one.root == root,
                (true, false) => no_later || !one.by_root,
                (false, _) => true,
            }
        };
        let met = self.meeting(issuer).filter(|(one, _)| forbids(one));
        met.map(|(one, link)| Revoked { by: &one.revocation, link })
            .min_by_key(|revoked| (revoked.from(), revoked.by.id))
    }

    /// Those that end this chain, and the link that each ends.
    fn meeting<'s, 'c>(
        &'s self,
        chain: &'c Chain,
    ) -> impl Iterator<Item = (&'s InForce, CredentialId)> + use<'s, 'c> {
        let of = |target| self.by_target.get(&target).into_iter().flatten();
        let before = chain.succession().before().iter().flat_map(move |root| of(Target::Key(*root)));
        let links = chain.links().iter();
        links
            .flat_map(move |link| of(Target::Credential(link.id())).chain(of(Target::Key(link.key_id()))))
            .chain(before)
            .filter_map(move |one| Some((one, one.meets(chain)?.id())))
    }
}

/// What knows the revocations in force: a set of them, or a table that several threads share.
pub trait KnownRevocations {
    /// Why this chain is not good any more: `revoked`, by the credential that is. `None` when it is good.
    fn refusal_of(&self, chain: &Chain) -> Option<Refusal>;
}

impl KnownRevocations for Revocations {
    fn refusal_of(&self, chain: &Chain) -> Option<Refusal> {
        self.revoked(chain).map(|revoked| revoked.refusal())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::chain::{NoVerdicts, Roots};
    use crate::channel::{Flow, Plane};
    use crate::credential::{Claims, Grant, Role};
    use crate::key::SigningKey;
    use crate::revocation::{self, Statement};
    use crate::time::Window;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn root() -> (SigningKey, Chain) {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let claims = Claims {
            subject: *key.public(),
            org: "fr".parse().unwrap(),
            name: "root".to_owned(),
            role: Role::Author,
            grants: vec![Grant {
                flow: Flow::Alert,
                at: "fr".parse().unwrap(),
                publish: None,
                subscribe: true,
                delegate: 1,
            }],
            plane: Plane::Live,
            valid: Window { from: NOW, until: NOW.plus(Duration::from_secs(3_600)) },
        };
        let credential = Credential::issue_root(&key, &claims).unwrap();
        let roots = Roots::new([key.public().thumbprint()]);
        let chain = Chain::verify([&**credential.token()], &roots, &NoVerdicts).unwrap();
        (key, chain)
    }

    fn own(key: &SigningKey, chain: &Chain, target: Target) -> Arc<Revocation> {
        let statement = Statement { target, from: NOW, number: 1, reason: None };
        Arc::new(Revocation::parse(&revocation::sign(key, chain.leaf(), &statement)).unwrap())
    }

    #[test]
    fn what_is_taken_out_leaves_nothing() {
        let (key, chain) = root();
        let new = own(&key, &chain, Target::Key(chain.leaf().key_id()));
        let mut revocations = Revocations::default();
        revocations.insert(InForce::new(Arc::clone(&new), chain.links()));
        revocations.remove(&new);
        assert!(
            revocations.is_empty() && revocations.by_target.is_empty() && revocations.by_issuer.is_empty()
        );
    }

    #[test]
    fn one_whose_chain_was_lost_still_ends_its_issuer_and_outdoes_nobody() {
        let (key, chain) = root();
        for target in [Target::Key(chain.leaf().key_id()), Target::Credential(chain.leaf().id())] {
            let new = own(&key, &chain, target);
            let lost = InForce::new(Arc::clone(&new), &[]);
            assert_eq!(lost.meets(&chain).map(|link| link.id()), Some(chain.leaf().id()), "{target:?}");
            let mut revocations = Revocations::default();
            revocations.insert(lost.clone());
            assert!(revocations.keep_furthest_own(&lost).is_empty());
            assert_eq!(revocations.own_beside(&InForce::new(new, chain.links())).count(), 0, "{target:?}");
        }
    }
}
