//! The revocations in force, as workers know them: those on disk.
//!
//! Written by the sequencer after each sync that brought some, read by workers at log-in, when a chain is given to a
//! session, and when revocations are given to readers. A lock off the fan-out path, held for a look-up.

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use vigie_proto::admit::Stored;
use vigie_proto::chain::Chain;
use vigie_proto::channel::Plane;
use vigie_proto::frame::ServerFrame;
use vigie_proto::id::LogId;
use vigie_proto::refusal::Refusal;
use vigie_proto::revocation::{InForce, KnownRevocations, Revocations};

/// Revocations in force: at about 2 KiB each in memory, 128 MiB. Past it they are refused with `full`. How it is shared is
/// the sequencer's: each subtree has a share, exercises have one, and roots a reserve.
pub const REVOCATIONS_MAX: usize = 65_536;

/// A revocation on disk, and the frame that tells it.
#[derive(Debug)]
pub struct StoredRevocation {
    /// Counts the revocations of the log, from 1.
    pub count: u64,
    /// The place after which it holds, and when it was admitted.
    pub stored: Stored,
    /// What it says, and whom it meets.
    pub in_force: InForce,
    /// The text of the `revocation` frame.
    pub frame: Bytes,
}

impl StoredRevocation {
    /// With its ready frame.
    pub fn new(log: LogId, count: u64, stored: Stored, in_force: InForce) -> Self {
        let Stored { seq, admitted } = stored;
        let jws = (&**in_force.revocation().token()).into();
        let frame = ServerFrame::Revocation { log, count, seq, admitted, jws }.to_text().into();
        Self { count, stored, in_force, frame }
    }

    /// The plane of those who are told.
    pub fn plane(&self) -> Plane {
        self.in_force.revocation().plane()
    }
}

/// What one sync brought, in the order of the log; shared by all workers.
pub type SharedRevocations = Arc<[Arc<StoredRevocation>]>;

#[derive(Debug, Default)]
struct Known {
    in_force: Revocations,
    /// By count, which rises.
    live: Vec<Arc<StoredRevocation>>,
    exercise: Vec<Arc<StoredRevocation>>,
}

impl Known {
    fn of(&self, plane: Plane) -> &[Arc<StoredRevocation>] {
        match plane {
            Plane::Live => &self.live,
            Plane::Exercise => &self.exercise,
        }
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct StoredRevocations(RwLock<Known>);

impl KnownRevocations for StoredRevocations {
    fn refusal_of(&self, chain: &Chain) -> Option<Refusal> {
        self.read().in_force.refusal_of(chain)
    }
}

impl StoredRevocations {
    /// The count of the last one of this plane; 0 when there is none.
    pub fn last(&self, plane: Plane) -> u64 {
        self.read().of(plane).last().map_or(0, |last| last.count)
    }

    /// How many hold, of [`REVOCATIONS_MAX`].
    pub fn len(&self) -> usize {
        self.read().in_force.len()
    }

    /// Whether none holds.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next one of this plane after this count.
    pub fn after(&self, plane: Plane, count: u64) -> Option<Arc<StoredRevocation>> {
        let known = self.read();
        let of_plane = known.of(plane);
        of_plane.get(of_plane.partition_point(|one| one.count <= count)).map(Arc::clone)
    }

    /// Looks at all of them; whoever does must not take long.
    pub(crate) fn look<R>(&self, at: impl FnOnce(&Revocations) -> R) -> R {
        at(&self.read().in_force)
    }

    /// These are on disk now; their counts are above all others. What they outdo goes, and what one was before the chain of
    /// its issuer came back.
    pub(crate) fn put(&self, new: &[Arc<StoredRevocation>]) {
        let mut known = self.write();
        let Known { in_force, live, exercise } = &mut *known;
        for one in new {
            let revocation = one.in_force.revocation();
            if in_force.remove(revocation).is_some() {
                let of_plane = if one.plane() == Plane::Live { &mut *live } else { &mut *exercise };
                of_plane.retain(|known| known.in_force.revocation().id() != revocation.id());
            }
            in_force.insert(one.in_force.clone());
            match one.plane() {
                Plane::Live => live.push(Arc::clone(one)),
                Plane::Exercise => exercise.push(Arc::clone(one)),
            }
            for gone in in_force.keep_furthest_own(&one.in_force) {
                let of_plane = if gone.plane() == Plane::Live { &mut *live } else { &mut *exercise };
                of_plane.retain(|known| known.in_force.revocation().id() != gone.id());
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
