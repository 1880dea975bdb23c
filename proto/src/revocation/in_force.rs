//! Revocations that were admitted: whom they meet. They hold for good: the key of an issuer may stand above the target under
//! another credential than the one that he signed under, and nobody knows how long that one is good.
//!
//! The same for the journal thread, for workers and for readers. Nothing here verifies a signature: what comes in was
//! found good by [`verify`](super::verify).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Revocation, Target, VerifiedRevocation};
use crate::chain::Chain;
use crate::credential::Credential;
use crate::id::{CredentialId, KeyId, RevocationId};
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
}

impl InForce {
    /// Takes a revocation that was found good, with its issuer's chain, root first. Where that chain was lost (links that
    /// end in another credential, or none) it still meets all below its issuer's credential.
    pub fn new(revocation: Arc<Revocation>, chain: &[Arc<Credential>]) -> Self {
        let issuer = chain.last().filter(|issuer| issuer.id() == revocation.issuer);
        let issuer_key = issuer.map(|issuer| issuer.key_id());
        let root = chain.first().filter(|_| issuer.is_some()).map(|root| root.key_id());
        let by_root = issuer.is_some() && chain.len() == 1;
        Self { revocation, issuer_key, root, by_root }
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

/// Of one target, by the key of their issuer: whoever signs many that meet nobody makes no look-up longer.
type OfTarget = BTreeMap<(Option<KeyId>, RevocationId), InForce>;

/// Revocations in force. Bounded by its owner. A look-up costs two for each link of a chain, one for each link above those
/// that are named, and no signature.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    by_target: BTreeMap<Target, OfTarget>,
    /// Of each the key of its issuer, where it is known.
    keys: BTreeMap<RevocationId, Option<KeyId>>,
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
        self.by_target.values().flat_map(BTreeMap::values)
    }

    /// Whether it is there.
    pub fn contains(&self, revocation: &Revocation) -> bool {
        self.keys.contains_key(&revocation.id)
    }

    /// The credentials under which they are signed.
    pub fn issuers(&self) -> impl Iterator<Item = CredentialId> {
        self.by_issuer.keys().copied()
    }

    /// Puts one in, once.
    pub fn insert(&mut self, new: InForce) {
        if self.contains(&new.revocation) {
            return;
        }
        let Revocation { issuer, statement, .. } = &*new.revocation;
        *self.by_issuer.entry(*issuer).or_default() += 1;
        let (key, id) = (new.issuer_key, new.revocation.id);
        self.keys.insert(id, key);
        self.by_target.entry(statement.target).or_default().insert((key, id), new);
        self.len += 1;
    }

    /// Of those by which the target of `new` was given up by its own holder, on the plane and under the root of `new`, keeps
    /// the one that reaches back furthest: whom the others meet, it meets, and whoever heeds one of them heeds it. So they
    /// take one place, however many the holder of a stolen key signs. Gives those that were taken out.
    pub fn keep_furthest_own(&mut self, new: &InForce) -> Vec<Arc<Revocation>> {
        let mut own: Vec<_> = self.own_beside(new).map(Arc::clone).collect();
        own.sort_by_key(|one| (one.statement.from, one.id));
        let others = own.split_off(own.len().min(1));
        others.iter().for_each(|one| drop(self.remove(one)));
        others
    }

    /// When `new` gives up what its issuer holds: those that gave up the same, on its plane and under its root.
    pub fn own_beside<'s>(&'s self, new: &'s InForce) -> impl Iterator<Item = &'s Arc<Revocation>> {
        let of_target = self.signed_by(new.revocation.statement.target, new.issuer_key);
        let own = of_target.filter(|one| new.is_own() && one.is_own() && one.is_heeded_with(new));
        own.map(|one| &one.revocation)
    }

    /// Whether it is there, and the chain of its issuer was lost: it meets fewer than it should, and nobody can verify it.
    pub fn lacks_chain(&self, id: &RevocationId) -> bool {
        self.keys.get(id).is_some_and(Option::is_none)
    }

    /// Takes one out, if it is there: it did not get into the log, or it is put in anew with the chain that it lacked.
    pub fn remove(&mut self, revocation: &Revocation) -> Option<InForce> {
        let Revocation { id, issuer, statement, .. } = revocation;
        let key = self.keys.remove(id)?;
        let mut gone = None;
        if let Some(of_target) = self.by_target.get_mut(&statement.target) {
            gone = of_target.remove(&(key, *id));
            if of_target.is_empty() {
                self.by_target.remove(&statement.target);
            }
        }
        self.len -= 1;
        if let Some(count) = self.by_issuer.get_mut(issuer) {
            *count -= 1;
            if *count == 0 {
                self.by_issuer.remove(issuer);
            }
        }
        gone
    }

    /// Whether a chain is revoked, and by which.
    pub fn revoked(&self, chain: &Chain) -> Option<Revoked<'_>> {
        let met = self.meeting(chain).map(|(one, link)| Revoked { by: &one.revocation, link });
        met.min_by_key(|revoked| (revoked.from(), revoked.by.id))
    }

    /// By which revocation `issuer` may not give up what he holds from this moment on: by that of somebody above him, whose
    /// `from` is final, or by one by which he, or the root of his chain itself, gave up what it holds already, from no later
    /// on. What he gave up under another root keeps him from nothing: those who trust this one only do not heed it.
    pub(crate) fn forbids_own(&self, issuer: &Chain, from: Timestamp) -> Option<Revoked<'_>> {
        let (root, leaf) = (issuer.links().first(), issuer.leaf());
        let is_his =
            |one: &InForce| one.issuer_key == Some(leaf.key_id()) || one.revocation.issuer == leaf.id();
        let forbids = |one: &InForce, ended: CredentialId| {
            let no_later = one.revocation.statement.from <= from;
            match (one.is_own(), is_his(one)) {
                (true, true) => no_later && one.root == root.map(|root| root.key_id()),
                // Under whichever of its credentials a root gave up its key: nobody stands above who could correct that.
                (true, false) => no_later || Some(ended) != root.map(|root| root.id()),
                (false, _) => true,
            }
        };
        let met = self.meeting(issuer).filter(|(one, ended)| forbids(one, *ended));
        met.map(|(one, link)| Revoked { by: &one.revocation, link })
            .min_by_key(|revoked| (revoked.from(), revoked.by.id))
    }

    /// Those that end this chain, and the link that each ends; perhaps more than once.
    fn meeting<'s, 'c>(
        &'s self,
        chain: &'c Chain,
    ) -> impl Iterator<Item = (&'s InForce, CredentialId)> + use<'s, 'c> {
        self.candidates(chain).filter_map(move |one| Some((one, one.meets(chain)?.id())))
    }

    /// Those that may end this chain: they name a link of it, and their issuer stands there too.
    fn candidates<'s, 'c>(&'s self, chain: &'c Chain) -> impl Iterator<Item = &'s InForce> + use<'s, 'c> {
        let (links, before) = (chain.links(), chain.succession().before());
        // Only who holds the key of a link or of one above it may end it, and those whose key was lost.
        let roots = || before.iter().copied().map(Some).chain([None]);
        let of_before = before
            .iter()
            .flat_map(move |root| roots().flat_map(move |issuer| self.signed_by(Target::Key(*root), issuer)));
        let of_links = links.iter().enumerate().flat_map(move |(depth, link)| {
            [Target::Credential(link.id()), Target::Key(link.key_id())].into_iter().flat_map(move |target| {
                let is_named = self.by_target.contains_key(&target);
                let above = links[..=depth].iter().map(|link| Some(link.key_id())).chain(roots());
                above.filter(move |_| is_named).flat_map(move |issuer| self.signed_by(target, issuer))
            })
        });
        of_links.chain(of_before)
    }

    fn signed_by(&self, target: Target, issuer: Option<KeyId>) -> impl Iterator<Item = &InForce> {
        const FIRST: RevocationId = RevocationId::from_bytes([0; 32]);
        const LAST: RevocationId = RevocationId::from_bytes([0xff; 32]);
        let of_target = self.by_target.get(&target).into_iter();
        of_target.flat_map(move |of| of.range((issuer, FIRST)..=(issuer, LAST))).map(|(_, one)| one)
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

    fn root(seed: u8) -> (SigningKey, Chain) {
        let key = SigningKey::from_seed(&[seed; 32]).unwrap();
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
        let (key, chain) = root(7);
        let new = own(&key, &chain, Target::Key(chain.leaf().key_id()));
        let mut revocations = Revocations::default();
        revocations.insert(InForce::new(Arc::clone(&new), chain.links()));
        revocations.remove(&new);
        assert!(
            revocations.is_empty() && revocations.by_target.is_empty() && revocations.by_issuer.is_empty()
        );
    }

    #[test]
    fn each_is_there_once_until_it_need_not_be_and_each_issuer_as_long_as_one_of_his_is() {
        let ((key, chain), (other, theirs)) = (root(7), root(8));
        let of_key = own(&key, &chain, Target::Key(chain.leaf().key_id()));
        let of_credential = own(&key, &chain, Target::Credential(chain.leaf().id()));
        let of_theirs = own(&other, &theirs, Target::Key(theirs.leaf().key_id()));
        let stranger = own(&other, &theirs, Target::Credential(theirs.leaf().id()));
        let lost = own(&other, &theirs, Target::Key(chain.leaf().key_id()));
        let mut revocations = Revocations::default();
        for _ in 0..2 {
            revocations.insert(InForce::new(Arc::clone(&of_key), chain.links()));
            revocations.insert(InForce::new(Arc::clone(&of_credential), chain.links()));
            revocations.insert(InForce::new(Arc::clone(&of_theirs), theirs.links()));
            revocations.insert(InForce::new(Arc::clone(&lost), &[]));
        }
        assert_eq!((revocations.len(), revocations.is_empty()), (4, false));
        let mut all: Vec<_> = revocations.all().map(|one| one.revocation().id()).collect();
        let mut expected = [&of_key, &of_credential, &of_theirs, &lost].map(|one| one.id());
        all.sort_unstable();
        expected.sort_unstable();
        assert_eq!(all, expected);
        assert!(revocations.contains(&of_theirs) && !revocations.contains(&stranger));
        assert!(revocations.lacks_chain(&lost.id()));
        assert!(!revocations.lacks_chain(&of_key.id()) && !revocations.lacks_chain(&stranger.id()));
        let issuers = |of: &Revocations| of.issuers().collect::<std::collections::BTreeSet<_>>();
        let (ours, theirs) = (chain.leaf().id(), theirs.leaf().id());
        assert_eq!(issuers(&revocations), [ours, theirs].into());
        assert!(revocations.remove(&stranger).is_none());
        assert_eq!(revocations.remove(&of_key).unwrap().revocation(), &of_key);
        assert_eq!((revocations.len(), issuers(&revocations)), (3, [ours, theirs].into()));
        assert_eq!(revocations.remove(&of_credential).unwrap().revocation(), &of_credential);
        assert_eq!(issuers(&revocations), [theirs].into());
        assert!(revocations.refusal_of(&chain).is_none());
    }

    #[test]
    fn of_those_who_give_up_the_same_the_one_that_reaches_back_furthest_stays() {
        let (key, chain) = root(7);
        let target = Target::Key(chain.leaf().key_id());
        let at = |seconds| {
            let from = NOW.plus(Duration::from_secs(seconds));
            let statement = Statement { target, from, number: 1, reason: None };
            Arc::new(Revocation::parse(&revocation::sign(&key, chain.leaf(), &statement)).unwrap())
        };
        let all = [at(2), at(1), at(3)];
        let mut revocations = Revocations::default();
        all.iter().for_each(|one| revocations.insert(InForce::new(Arc::clone(one), chain.links())));
        let new = InForce::new(Arc::clone(&all[2]), chain.links());
        assert_eq!(revocations.own_beside(&new).count(), 3);
        let out: Vec<_> = revocations.keep_furthest_own(&new).iter().map(|one| one.id()).collect();
        assert_eq!(out, [all[0].id(), all[2].id()]);
        assert!(revocations.len() == 1 && revocations.contains(&all[1]));
        let revoked = revocations.revoked(&chain).unwrap();
        assert_eq!((revoked.from(), revoked.link), (NOW.plus(Duration::from_secs(1)), chain.leaf().id()));
        assert_eq!(revocations.refusal_of(&chain).unwrap().code, Code::Revoked);
    }

    /// However many name a target: only those are gone through whose issuer stands in the chain, or has no known key.
    #[test]
    fn others_who_name_a_target_make_no_look_up_longer() {
        let (key, chain) = root(7);
        let target = Target::Key(chain.leaf().key_id());
        let mut revocations = Revocations::default();
        revocations.insert(InForce::new(own(&key, &chain, target), chain.links()));
        let (stranger, theirs) = root(8);
        for number in 1..=100 {
            let statement = Statement { target, from: NOW, number, reason: None };
            let other = Revocation::parse(&revocation::sign(&stranger, theirs.leaf(), &statement)).unwrap();
            revocations.insert(InForce::new(Arc::new(other), theirs.links()));
        }
        assert_eq!((revocations.len(), revocations.candidates(&chain).count()), (101, 1));
        assert!(revocations.revoked(&chain).is_some() && revocations.revoked(&theirs).is_none());
    }

    #[test]
    fn one_whose_chain_was_lost_still_ends_its_issuer_and_outdoes_nobody() {
        let (key, chain) = root(7);
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
