//! The roots that a reader or relay trusts: those that it has pinned, and whom they hand over to.
//!
//! A [`Rotation`] counts only when a root that is trusted here has signed it, on the plane that it names. So nobody but the
//! holder of a pinned root's key can add to what is pinned, and what he adds binds only those who pinned that root.
//!
//! What follows from the rotations held is a function of the set, not of the order in which they came:
//! - a root that a rotation of a trusted root names is trusted from that rotation's `from` on, at most
//!   [`ROTATION_HOPS_MAX`] steps from a pinned one;
//! - a root ends at the earliest `until` that it has stated itself, and states nothing from then on;
//! - both are windows like that of a credential, judged by the same [`Chain::judge`](crate::chain::Chain::judge).
//!
//! What it does not do: it judges no revocation. A chain says by which roots its own is trusted
//! ([`Succession`]), and a revocation of one of their keys meets it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::channel::Plane;
use crate::id::KeyId;
use crate::limits::{ROTATION_HOPS_MAX, ROTATIONS_MAX};
use crate::refusal::{Code, Refusal};
use crate::rotation::Rotation;
use crate::test_keys;
use crate::time::{Timestamp, Window};

/// The roots that a reader or relay trusts: nobody else, and not the relay.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    pinned: BTreeSet<KeyId>,
    held: Vec<Held>,
    /// Every root that is trusted, with how it comes to be; made anew with each rotation.
    trusted: BTreeMap<(KeyId, Plane), Succession>,
    test_keys_pass: bool,
}

#[derive(Clone, Debug)]
struct Held {
    rotation: Arc<Rotation>,
    /// By whoever chose the pins, and not by a relay.
    installed: bool,
}

/// How a root comes to be trusted, and when it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    before: Arc<[KeyId]>,
    window: Window,
}

impl Succession {
    /// The roots that handed over to it, the pinned one first, at most [`ROTATION_HOPS_MAX`]; none for a pinned root.
    pub fn before(&self) -> &[KeyId] {
        &self.before
    }

    /// When it is a root for whoever pinned the first: since it was handed to, until it ends itself.
    pub const fn window(&self) -> Window {
        self.window
    }
}

/// For what a root states of itself; it is on the plane of the statement.
const PLANES: [Plane; 2] = [Plane::Live, Plane::Exercise];

impl Roots {
    /// Pins roots by the RFC 7638 thumbprint of their key. A root is of one plane; pin one for each.
    pub fn new(pinned: impl IntoIterator<Item = KeyId>) -> Self {
        Self::pinning(pinned, false)
    }

    /// Roots whose private keys are published, for the vectors of PROTOCOL.md and nothing else: with them anyone can
    /// forge anything. Relay, SDK and command line have no way to call this.
    pub fn dangerous_test_only(pinned: impl IntoIterator<Item = KeyId>) -> Self {
        Self::pinning(pinned, true)
    }

    fn pinning(pinned: impl IntoIterator<Item = KeyId>, test_keys_pass: bool) -> Self {
        let pinned = pinned.into_iter().collect();
        let mut roots = Self { pinned, test_keys_pass, ..Self::default() };
        roots.settle();
        roots
    }

    /// The pinned thumbprints, in order.
    pub fn pinned(&self) -> impl Iterator<Item = KeyId> {
        self.pinned.iter().copied()
    }

    pub(crate) const fn test_keys_pass(&self) -> bool {
        self.test_keys_pass
    }

    /// The rotations that count here, each after those that lead to the root that signed it: in this order another, with
    /// the same pins, can [learn](Self::learn) them one by one.
    pub fn rotations(&self) -> impl Iterator<Item = &Arc<Rotation>> {
        self.held.iter().map(|held| &held.rotation)
    }

    /// How a root is trusted on a plane, if it is.
    pub fn succession(&self, root: KeyId, plane: Plane) -> Option<&Succession> {
        self.trusted.get(&(root, plane))
    }

    /// Every root that is trusted on a plane, with how it comes to be. A pinned one is of both, as long as nobody has said more.
    pub fn all(&self) -> impl Iterator<Item = (KeyId, Plane, &Succession)> {
        self.trusted.iter().map(|((root, plane), how)| (*root, *plane, how))
    }

    /// Takes the rotations that were installed with the pins, in whatever order.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be taken, and its place in the list: as [`Rotation::parse`]; `test_key`;
    /// `unknown_root` when no trusted root has signed it; `full` past [`ROTATIONS_MAX`].
    pub fn install<'a>(&mut self, tokens: impl IntoIterator<Item = &'a str>) -> Result<(), (usize, Refusal)> {
        let mut waiting: Vec<(usize, &str)> = tokens.into_iter().enumerate().collect();
        loop {
            let before = waiting.len();
            let mut early = Vec::new();
            let mut first = None;
            for (place, token) in waiting {
                match Rotation::parse(token).and_then(|rotation| self.take(rotation, true)) {
                    Ok(_) => {}
                    Err(refusal) if refusal.code == Code::UnknownRoot => {
                        early.push((place, token));
                        first.get_or_insert((place, refusal));
                    }
                    Err(refusal) => return Err((place, refusal)),
                }
            }
            match first {
                None => return Ok(()),
                Some(refused) if early.len() == before => return Err(refused),
                Some(_) => waiting = early,
            }
        }
    }

    /// Takes a rotation that somebody else gave, such as a relay. Whether it is new, and counts.
    ///
    /// One by a root of which a rotation was installed does not count: whoever has stolen the key of a root that was left
    /// behind cannot lead astray those who were told by hand where it leads.
    ///
    /// # Errors
    /// `test_key`; `unknown_root` when no trusted root has signed it, which is no offence: it is meant for those who pinned
    /// another one; `full` past [`ROTATIONS_MAX`].
    pub fn learn(&mut self, rotation: Rotation) -> Result<bool, Refusal> {
        self.take(rotation, false)
    }

    fn take(&mut self, rotation: Rotation, installed: bool) -> Result<bool, Refusal> {
        if self.held.iter().any(|held| held.rotation.token() == rotation.token()) {
            return Ok(false);
        }
        if !self.test_keys_pass {
            let keys = [rotation.root(), &rotation.handover().successor];
            if keys.into_iter().any(test_keys::is_published) {
                return Err(Code::TestKey.into());
            }
        }
        if self.succession(rotation.root_id(), rotation.plane()).is_none() {
            let detail = format!("the rotation is by the root {}", rotation.root_id());
            return Err(Refusal::new(Code::UnknownRoot, detail));
        }
        let same_root = |held: &Held| {
            held.rotation.root_id() == rotation.root_id() && held.rotation.plane() == rotation.plane()
        };
        if !installed && self.held.iter().any(|held| held.installed && same_root(held)) {
            return Ok(false);
        }
        if self.held.len() >= ROTATIONS_MAX {
            return Err(Refusal::new(Code::Full, "more rotations than are kept"));
        }
        self.held.push(Held { rotation: Arc::new(rotation), installed });
        self.settle();
        Ok(true)
    }

    /// Finds every root that is trusted, from the pinned ones down.
    fn settle(&mut self) {
        self.trusted.clear();
        for plane in PLANES {
            for root in self.pinned.clone() {
                let window = Window { from: Timestamp::EPOCH, until: self.end(root, plane) };
                self.trusted.insert((root, plane), Succession { before: Arc::default(), window });
            }
            let mut last: BTreeMap<KeyId, Succession> = self.of(plane);
            for _ in 0..ROTATION_HOPS_MAX {
                last = self.step(&last, plane);
                self.trusted.extend(last.iter().map(|(root, how)| ((*root, plane), how.clone())));
            }
        }
    }

    fn of(&self, plane: Plane) -> BTreeMap<KeyId, Succession> {
        let here = self.trusted.iter().filter(|((_, of), _)| *of == plane);
        here.map(|((root, _), how)| (*root, how.clone())).collect()
    }

    /// The roots that those of the last step hand over to and that were not reached before: the shortest way to each. Of
    /// several the one that begins first counts, then the one from the lowest thumbprint.
    fn step(&self, last: &BTreeMap<KeyId, Succession>, plane: Plane) -> BTreeMap<KeyId, Succession> {
        let mut next: BTreeMap<KeyId, Succession> = BTreeMap::new();
        for (root, how) in last {
            for rotation in self.by(*root, plane) {
                let (successor, stated) = (rotation.successor_id(), rotation.handover());
                // What a root states from its own end on, it states no more as a root.
                if self.trusted.contains_key(&(successor, plane)) || stated.from >= how.window.until {
                    continue;
                }
                let from = stated.from.max(how.window.from);
                if next.get(&successor).is_none_or(|other| from < other.window.from) {
                    let before = how.before.iter().copied().chain([*root]).collect();
                    let window = Window { from, until: self.end(successor, plane) };
                    next.insert(successor, Succession { before, window });
                }
            }
        }
        next
    }

    fn by(&self, root: KeyId, plane: Plane) -> impl Iterator<Item = &Rotation> {
        let all = self.held.iter().map(|held| &*held.rotation);
        all.filter(move |rotation| rotation.root_id() == root && speaks_on(rotation, plane))
    }

    /// When this root ends, by its own word.
    fn end(&self, root: KeyId, plane: Plane) -> Timestamp {
        let stated = self.by(root, plane).filter_map(|rotation| rotation.handover().until);
        stated.min().unwrap_or(Timestamp::FAR_FUTURE)
    }
}

/// A rotation says nothing on the other plane.
fn speaks_on(rotation: &Rotation, plane: Plane) -> bool {
    #[cfg(feature = "sabotage")]
    if crate::sabotage::Sabotage::RotationPlaneIgnored.is_planted() {
        return true;
    }
    rotation.plane() == plane
}
