//! The chains that a relay knows: those on disk, and the verdicts on those it has seen.
//!
//! Off the fan-out path, so sharded maps serve both. No guard of them outlives its statement.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dashmap::DashMap;
use vigie_proto::chain::{Chain, TokenHash, Verdicts};
use vigie_proto::credential::{Credential, Issuer};
use vigie_proto::frame::ServerFrame;
use vigie_proto::id::CredentialId;
use vigie_proto::limits::CHAIN_LINKS_MAX;

/// Credentials on disk: at about 2 KiB each with their frame, 128 MiB. Past it, publishes under a credential that is
/// not on disk yet are refused with `full`; those under one that is go on.
///
/// Below one credential there may be half as many as below the one above it: who may delegate, and floods the relay with
/// credentials of its own making, leaves as much again to its neighbours.
pub const STORED_CREDENTIALS_MAX: usize = 65_536;

/// Of each bound a sixteenth is left for cancels and what is urgent.
const RESERVE: usize = 16;

/// Chains that retention removed and that are still given with what was read before: at most 10 KiB each. More than the
/// messages of a ring speak under, unless each brings its own.
const RETIRED_MAX: usize = 1_024;

/// Verdicts kept, in two generations: as many as two links for each of 10,000 sessions.
const VERDICTS_MAX: usize = 20_000;

/// The credentials that stand in the journal, and so are served as long as the messages under them.
#[derive(Debug, Default)]
pub struct StoredChains {
    credentials: DashMap<CredentialId, Stored>,
    frames: DashMap<CredentialId, Bytes>,
    /// How many are on disk below each, at any depth.
    below: DashMap<CredentialId, usize>,
    /// Ready frames of chains that retention removed, the oldest first.
    retired: Mutex<VecDeque<(CredentialId, Bytes)>>,
}

#[derive(Debug)]
struct Stored {
    credential: Arc<Credential>,
    /// Those above it, nearest first, as they were on disk when it came.
    above: Box<[CredentialId]>,
}

impl StoredChains {
    /// Whether the credential is on disk.
    pub fn contains(&self, id: &CredentialId) -> bool {
        self.credentials.contains_key(id)
    }

    /// How many are on disk.
    pub fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Whether none is on disk.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }

    /// Whether the links of this chain that are not on disk may come, when `planned` others come before them.
    pub fn has_room(&self, chain: &Chain, planned: usize, reserve: bool) -> bool {
        self.has_room_of(STORED_CREDENTIALS_MAX, chain, planned, reserve)
    }

    fn has_room_of(&self, max: usize, chain: &Chain, planned: usize, reserve: bool) -> bool {
        let missing = chain.links().iter().filter(|link| !self.contains(&link.id())).count();
        let bound = |max: usize| if reserve { max } else { max - max / RESERVE };
        let fits = |stored: usize, max: usize| stored + planned + missing <= bound(max);
        let below = |link: &Arc<Credential>| self.below.get(&link.id()).map_or(0, |count| *count);
        let by_depth =
            || chain.links().iter().enumerate().all(|(depth, link)| fits(below(link), max >> depth));
        missing == 0 || (fits(self.len(), max) && by_depth())
    }

    /// The credential is on disk now.
    pub fn insert(&self, credential: Arc<Credential>) {
        let id = credential.id();
        if self.contains(&id) {
            return;
        }
        let above: Box<[_]> = match credential.issuer() {
            Issuer::Itself(_) => Box::default(),
            Issuer::Parent(parent) => self.upwards(parent).collect(),
        };
        for link in &above {
            *self.below.entry(*link).or_default() += 1;
        }
        self.credentials.insert(id, Stored { credential, above });
    }

    /// Retention removed the last messages under these credentials. Those that wait in a ring or in a page that was read
    /// before are given all the same, and not without their chain.
    pub fn retire(&self, ids: impl IntoIterator<Item = CredentialId>) {
        let ids: Vec<_> = ids.into_iter().collect();
        let frames: Vec<_> = ids.iter().filter_map(|id| Some((*id, self.frame(*id)?))).collect();
        let mut retired = self.retired();
        retired.extend(frames);
        let over = retired.len().saturating_sub(RETIRED_MAX);
        retired.drain(..over);
        drop(retired);
        ids.iter().for_each(|id| self.remove(id));
    }

    fn retired(&self) -> MutexGuard<'_, VecDeque<(CredentialId, Bytes)>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No record on disk needs the credential any more.
    pub fn remove(&self, id: &CredentialId) {
        self.frames.remove(id);
        let Some((_, Stored { above, .. })) = self.credentials.remove(id) else { return };
        for link in &above {
            if let Some(mut count) = self.below.get_mut(link) {
                *count = count.saturating_sub(1);
            }
            self.below.remove_if(link, |_, count| *count == 0);
        }
    }

    /// The links from the root down to this credential.
    pub fn links(&self, leaf: CredentialId) -> Option<Vec<Arc<Credential>>> {
        let mut links = Vec::new();
        let mut next = leaf;
        while links.len() < CHAIN_LINKS_MAX {
            let credential = self.credentials.get(&next).map(|entry| Arc::clone(&entry.credential))?;
            let issuer = credential.issuer();
            links.push(credential);
            match issuer {
                Issuer::Itself(_) => {
                    links.reverse();
                    return Some(links);
                }
                Issuer::Parent(parent) => next = parent,
            }
        }
        None
    }

    /// The links from the root down to this credential, as they were received.
    pub fn chain(&self, leaf: CredentialId) -> Option<Vec<Arc<str>>> {
        Some(self.links(leaf)?.iter().map(|link| Arc::clone(link.token())).collect())
    }

    /// All that are on disk, in no particular order.
    pub(crate) fn all(&self) -> Vec<Arc<Credential>> {
        self.credentials.iter().map(|entry| Arc::clone(&entry.credential)).collect()
    }

    /// The ids from this credential up to the root, as far as they are on disk.
    pub fn upwards(&self, leaf: CredentialId) -> impl Iterator<Item = CredentialId> {
        let above = |id: &CredentialId| match self.credentials.get(id)?.credential.issuer() {
            Issuer::Parent(parent) => Some(parent),
            Issuer::Itself(_) => None,
        };
        std::iter::successors(Some(leaf), above).take(CHAIN_LINKS_MAX)
    }

    /// The ready `chain` frame for this credential.
    pub fn frame(&self, leaf: CredentialId) -> Option<Bytes> {
        if let Some(frame) = self.frames.get(&leaf).map(|entry| entry.clone()) {
            return Some(frame);
        }
        let Some(links) = self.chain(leaf) else {
            return self.retired().iter().find(|(id, _)| *id == leaf).map(|(_, frame)| frame.clone());
        };
        let chain = links.iter().map(|link| (&**link).into()).collect();
        let frame = Bytes::from(ServerFrame::Chain { chain, re: None }.to_text());
        self.frames.insert(leaf, frame.clone());
        Some(frame)
    }
}

/// Signature verdicts, shared by all workers. Times are judged at each use, so nothing here can go stale.
///
/// In two generations: what is asked for moves to the young one, and when that has its half the old one is forgotten. So
/// one who brings chains without end makes nobody cold who was seen within the last half.
#[derive(Debug)]
pub struct SharedVerdicts {
    half: usize,
    generations: [DashMap<TokenHash, Arc<Credential>>; 2],
    /// Which of them is young: its parity.
    young: AtomicUsize,
    /// How many went into it. Two threads that pass the bound at once let it have a few more, and no harm is done.
    kept: AtomicUsize,
}

impl Default for SharedVerdicts {
    fn default() -> Self {
        Self::with_max(VERDICTS_MAX)
    }
}

impl SharedVerdicts {
    fn with_max(max: usize) -> Self {
        Self {
            half: max / 2,
            generations: Default::default(),
            young: AtomicUsize::new(0),
            kept: AtomicUsize::new(0),
        }
    }

    /// The young generation, and the old one.
    fn generations(&self) -> [&DashMap<TokenHash, Arc<Credential>>; 2] {
        let [even, odd] = &self.generations;
        if self.young.load(Ordering::Acquire).is_multiple_of(2) { [even, odd] } else { [odd, even] }
    }

    /// As [`Verdicts::find`], and nothing is kept longer for it.
    pub(crate) fn peek(&self, token: &TokenHash) -> Option<Arc<Credential>> {
        let mut generations = self.generations().into_iter();
        generations.find_map(|kept| kept.get(token).map(|entry| Arc::clone(&entry)))
    }

    /// Every credential that is kept, in no particular order; one that is in both generations twice.
    pub(crate) fn all(&self) -> Vec<Arc<Credential>> {
        let each = |kept: &DashMap<TokenHash, Arc<Credential>>| -> Vec<Arc<Credential>> {
            kept.iter().map(|entry| Arc::clone(&entry)).collect()
        };
        self.generations.iter().flat_map(each).collect()
    }
}

impl Verdicts for SharedVerdicts {
    fn find(&self, token: &TokenHash) -> Option<Arc<Credential>> {
        let [young, old] = self.generations();
        if let Some(found) = young.get(token).map(|entry| Arc::clone(&entry)) {
            return Some(found);
        }
        let found = old.get(token).map(|entry| Arc::clone(&entry))?;
        self.keep(*token, &found);
        Some(found)
    }

    fn keep(&self, token: TokenHash, credential: &Arc<Credential>) {
        if self.kept.fetch_add(1, Ordering::AcqRel) + 1 == self.half {
            // Only one thread counts to exactly this many.
            self.generations()[1].clear();
            self.young.fetch_add(1, Ordering::AcqRel);
            self.kept.store(0, Ordering::Release);
        }
        self.generations()[0].insert(token, Arc::clone(credential));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vigie_proto::chain::{NoVerdicts, Roots};
    use vigie_proto::channel::{Flow, Plane};
    use vigie_proto::credential::{Claims, Grant, Role};
    use vigie_proto::key::SigningKey;
    use vigie_proto::time::{Timestamp, Window};

    use super::*;

    fn claims(key: &SigningKey, name: &str, delegate: u8) -> Claims {
        Claims {
            subject: *key.public(),
            org: "fr".parse().unwrap(),
            name: name.to_owned(),
            role: Role::Author,
            grants: vec![Grant {
                flow: Flow::Alert,
                at: "fr".parse().unwrap(),
                publish: None,
                subscribe: true,
                delegate,
            }],
            plane: Plane::Live,
            valid: Window { from: Timestamp::EPOCH, until: Timestamp::EPOCH.plus(Duration::from_secs(60)) },
        }
    }

    fn store(stored: &StoredChains, chain: &Chain) {
        chain.links().iter().for_each(|link| stored.insert(Arc::clone(link)));
    }

    /// A region that issues credentials without end took the place of everyone, those already known and urgent alerts
    /// included.
    #[test]
    fn who_floods_with_credentials_leaves_room_to_others() {
        const MAX: usize = 64;
        let [root, nation, region, other] =
            [1, 2, 3, 4].map(|seed| SigningKey::from_seed(&[seed; 32]).unwrap());
        let roots = Roots::new([root.public().thumbprint()]);
        let credential = Credential::issue_root(&root, &claims(&root, "root", 4)).unwrap();
        let chain = Chain::verify([&**credential.token()], &roots, &NoVerdicts).unwrap();
        let national = chain.extend(&root, &claims(&nation, "nation", 3)).unwrap();
        let regional = national.extend(&nation, &claims(&region, "region", 2)).unwrap();
        let elsewhere = national.extend(&nation, &claims(&other, "elsewhere", 2)).unwrap();
        let stored = StoredChains::default();
        store(&stored, &regional);
        store(&stored, &elsewhere);
        let below = |key: &SigningKey, chain: &Chain, number: usize| {
            chain.extend(key, &claims(key, &number.to_string(), 0)).unwrap()
        };
        let mut flood = 0;
        while stored.has_room_of(MAX, &below(&region, &regional, flood), 0, false) {
            store(&stored, &below(&region, &regional, flood));
            flood += 1;
            assert!(flood < MAX);
        }
        assert_eq!(flood, 15, "a quarter, less a sixteenth of it");
        assert!(stored.has_room_of(MAX, &below(&region, &regional, flood), 0, true), "its own cancel");
        assert!(stored.has_room_of(MAX, &below(&other, &elsewhere, 0), 0, false), "its neighbour");
        assert!(stored.has_room_of(1, &regional, 0, false), "what is on disk needs no room");
        let last = below(&region, &regional, flood - 1);
        stored.remove(&last.leaf().id());
        assert!(stored.has_room_of(MAX, &last, 0, false), "what goes makes room");
    }

    /// All verdicts were forgotten at once when there were too many: one who brought chains without end made everybody's
    /// log-in a cold one, again and again.
    #[test]
    fn who_brings_chains_without_end_makes_nobody_cold_who_comes_back() {
        const MAX: usize = 64;
        let root = SigningKey::from_seed(&[1; 32]).unwrap();
        let credential = Arc::new(Credential::issue_root(&root, &claims(&root, "root", 4)).unwrap());
        let verdicts = SharedVerdicts::with_max(MAX);
        let token = |number: usize| -> TokenHash { std::array::from_fn(|at| number.to_be_bytes()[at % 8]) };
        let regular = token(usize::MAX);
        verdicts.keep(regular, &credential);
        for number in 0..100 * MAX {
            verdicts.keep(token(number), &credential);
            let kept: usize = verdicts.generations.iter().map(DashMap::len).sum();
            assert!(kept <= MAX, "{kept}");
            if number % (MAX / 4) == 0 {
                assert!(verdicts.find(&regular).is_some(), "cold after {number}");
            }
        }
        assert!(verdicts.find(&token(0)).is_none(), "and who does not is forgotten");
    }
}
