//! Revoking: which revocations are in the log, and what of a new one becomes.
//!
//! The sequencer's own view: it is ahead of what workers see ([`StoredRevocations`]) by the batch that is not synced yet,
//! so that a message behind a revocation in one batch is refused.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::admit::{RevocationAdmission, Stored, admit_revocation};
use vigie_proto::credential::Credential;
use vigie_proto::id::{CredentialId, LogId, RevocationId};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{InForce, Revocation, Revocations, Target, VerifiedRevocation};
use vigie_proto::time::Timestamp;

use super::copies::is_apart;
use super::shares::Shares;
use crate::chains::StoredChains;
use crate::journal::{RevocationRecord, WritePlace};
use crate::revocations::{REVOCATIONS_MAX, StoredRevocation, StoredRevocations};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Revoking {
    log: LogId,
    in_force: Revocations,
    places: HashMap<RevocationId, Stored>,
    shares: Shares,
    /// The count of the last one.
    last: u64,
    /// When the last one was admitted.
    last_admitted: Timestamp,
    stored: Arc<StoredRevocations>,
    /// Those of the batch under way whose issuer's chain was lost and came back, as they were.
    mending: HashMap<RevocationId, InForce>,
    /// How many hold whose issuer's chain is lost.
    without_chain: u64,
    /// Written once so far, up to this place at the latest; in the order of writing.
    alone: VecDeque<(Arc<StoredRevocation>, WritePlace)>,
}

/// Whoever has given up what he holds does so again, from earlier on, only after so long: each is told to the whole plane,
/// with its chain, and takes no room that could run out. Its holder waits once; a thief has 60 an hour.
const FURTHER_AFTER: Duration = Duration::from_secs(60);

/// Second copies that one batch brings along: a few KiB, and their issuers' chains.
const COPIES_IN_BATCH: usize = 4;

/// A revocation that enters the log.
#[derive(Debug)]
pub(super) enum Decided {
    /// It has this place already.
    Known(Stored),
    /// It takes its place with this batch.
    Fresh(Arc<StoredRevocation>),
}

impl Revoking {
    /// Rebuilds it from what the journal holds, in any order, some of it twice; `here` is where it goes on.
    pub(super) fn rebuild(
        log: LogId,
        mut records: Vec<RevocationRecord>,
        chains: &StoredChains,
        here: WritePlace,
    ) -> Self {
        let mut revoking = Self {
            log,
            in_force: Revocations::default(),
            places: HashMap::new(),
            shares: Shares::new(REVOCATIONS_MAX),
            last: 0,
            last_admitted: Timestamp::EPOCH,
            stored: Arc::default(),
            mending: HashMap::new(),
            without_chain: 0,
            alone: VecDeque::new(),
        };
        #[cfg(feature = "sabotage")]
        if crate::sabotage::Sabotage::RevocationNotKeptAtRestart.is_planted() {
            records.clear();
        }
        records.sort_by_key(|record| record.count);
        let twice: HashSet<u64> =
            records.windows(2).filter(|two| two[0].count == two[1].count).map(|two| two[0].count).collect();
        records.dedup_by_key(|record| record.count);
        // One whose chain came back has a second count: the first one was given to readers who could not verify it.
        let counts: HashMap<RevocationId, u64> =
            records.iter().map(|record| (record.id, record.count)).collect();
        let mut found = Vec::new();
        for record in records {
            revoking.last = record.count;
            revoking.last_admitted = revoking.last_admitted.max(record.admitted);
            if counts.get(&record.id) != Some(&record.count) {
                continue;
            }
            let read = std::str::from_utf8(&record.jws).ok().and_then(|jws| Revocation::parse(jws).ok());
            let Some(revocation) = read else {
                tracing::error!(id = %record.id, "a revocation in the journal cannot be read: it does not hold");
                continue;
            };
            let links = chains.links(record.issuer).unwrap_or_default();
            let in_force = InForce::new(Arc::new(revocation), &links);
            let stored = Stored { seq: record.seq, admitted: record.admitted };
            found.push(Arc::new(StoredRevocation::new(log, record.count, stored, in_force)));
        }
        for one in &found {
            let links = chains.links(one.in_force.revocation().issuer()).unwrap_or_default();
            revoking.note(one, &links);
        }
        revoking.stored.put(&found);
        let alone = found.iter().filter(|one| !twice.contains(&one.count));
        revoking.alone = alone.map(|one| (Arc::clone(one), here)).collect();
        revoking.forget_outdone(&found);
        revoking
    }

    /// Those on disk, for the workers.
    pub(super) fn stored(&self) -> Arc<StoredRevocations> {
        Arc::clone(&self.stored)
    }

    /// All in the log, those of the batch under way included.
    pub(super) fn in_force(&self) -> &Revocations {
        &self.in_force
    }

    /// When the last one was admitted: nothing is admitted earlier.
    pub(super) fn last_admitted(&self) -> Timestamp {
        self.last_admitted
    }

    /// Where it stands, if it is in the log.
    pub(super) fn find(&self, id: &RevocationId) -> Option<Stored> {
        self.places.get(id).copied()
    }

    /// Whether it holds, and the chain of its issuer was lost.
    pub(super) fn lacks_chain(&self, id: &RevocationId) -> bool {
        self.in_force.lacks_chain(id)
    }

    /// How many hold whose issuer's chain is lost: they meet fewer than they should, and no reader can verify them.
    pub(super) const fn without_chain(&self) -> u64 {
        self.without_chain
    }

    /// Takes one that [lacks](Self::lacks_chain) the chain of its issuer with that chain. It was admitted long ago, so it
    /// keeps its place and is judged no more; it is counted anew, so that readers are told again. `None` when it lacks none.
    fn mend(&mut self, new: &VerifiedRevocation) -> Option<Arc<StoredRevocation>> {
        let revocation = new.revocation();
        let id = revocation.id();
        let place = self.find(&id).filter(|_| self.lacks_chain(&id))?;
        let before = self.in_force.remove(revocation)?;
        self.shares.release(&id);
        self.mending.insert(id, before);
        self.without_chain -= 1;
        self.last += 1;
        let one = Arc::new(StoredRevocation::new(self.log, self.last, place, InForce::from(new)));
        self.note(&one, new.chain().links());
        Some(one)
    }

    /// Decides on one. It holds from here on, also for the rest of its batch.
    pub(super) fn decide(&mut self, new: &VerifiedRevocation, place: Stored) -> Result<Decided, Refusal> {
        if let Some(one) = self.mend(new) {
            return Ok(Decided::Fresh(one));
        }
        let id = new.revocation().id();
        if let RevocationAdmission::Known = admit_revocation(new, place.admitted, &self.in_force)?
            && let Some(stored) = self.find(&id)
        {
            return Ok(Decided::Known(stored));
        }
        #[cfg(feature = "sabotage")]
        if crate::sabotage::Sabotage::RevocationLowerNumberDropped.is_planted() {
            let (issuer, number) = (new.revocation().issuer(), new.revocation().statement().number);
            let mut known = self.in_force.all().map(InForce::revocation).filter(|one| one.issuer() == issuer);
            if known.any(|one| one.statement().number >= number) {
                return Ok(Decided::Known(place));
            }
        }
        // One for each root that is trusted, so past the bound too.
        let gives_up_root = new.is_own() && new.chain().links().len() == 1 && names_key(new.revocation());
        if !gives_up_root {
            self.shares.judge(new.chain(), new.is_own())?;
        }
        let in_force = InForce::from(new);
        self.judge_pace(&in_force, place.admitted)?;
        let count = self.last + 1;
        let one = Arc::new(StoredRevocation::new(self.log, count, place, in_force));
        (self.last, self.last_admitted) = (count, place.admitted);
        self.note(&one, new.chain().links());
        Ok(Decided::Fresh(one))
    }

    fn judge_pace(&self, new: &InForce, at: Timestamp) -> Result<(), Refusal> {
        let before = self.in_force.own_beside(new).filter_map(|one| self.find(&one.id()));
        let Some(last) = before.map(|stored| stored.admitted).max() else { return Ok(()) };
        let again = last.plus(FURTHER_AFTER);
        if at >= again {
            return Ok(());
        }
        let seconds = again.since(at).as_secs().saturating_add(1);
        let detail = format!("it is given up already: from earlier on, come back in {seconds} s");
        Err(Refusal::new(Code::RateLimited, detail))
    }

    fn note(&mut self, one: &Arc<StoredRevocation>, issuer: &[Arc<Credential>]) {
        self.put(one.in_force.clone(), one.stored, issuer);
    }

    fn put(&mut self, in_force: InForce, place: Stored, issuer: &[Arc<Credential>]) {
        let revocation = in_force.revocation();
        // What is one's own has its place beside one's share, and counts for those above.
        let counted = &issuer[..issuer.len().saturating_sub(usize::from(in_force.is_own()))];
        self.shares.take(revocation.id(), revocation.plane(), revocation.issuer(), counted);
        self.places.insert(revocation.id(), place);
        let id = revocation.id();
        self.in_force.insert(in_force);
        self.without_chain += u64::from(self.in_force.lacks_chain(&id));
    }

    /// They are on disk, before this place.
    pub(super) fn settle(&mut self, new: &[Arc<StoredRevocation>], here: WritePlace) {
        if !new.is_empty() {
            self.stored.put(new);
            if !self.mending.is_empty() {
                self.alone.retain(|(one, _)| !self.mending.contains_key(&one.in_force.revocation().id()));
                self.mending.clear();
            }
            self.alone.extend(new.iter().map(|one| (Arc::clone(one), here)));
            self.forget_outdone(new);
        }
    }

    /// Whoever has given up what he holds from earlier on now has said no more before: the new ones take the places.
    fn forget_outdone(&mut self, new: &[Arc<StoredRevocation>]) {
        for one in new {
            for gone in self.in_force.keep_furthest_own(&one.in_force) {
                self.places.remove(&gone.id());
                self.shares.release(&gone.id());
                self.alone.retain(|(known, _)| known.in_force.revocation().id() != gone.id());
            }
        }
    }

    /// Those that a batch written here brings along a second time; the oldest first.
    pub(super) fn copies_due(&self, here: WritePlace) -> impl Iterator<Item = &Arc<StoredRevocation>> {
        let due = self.alone.iter().take_while(move |(_, there)| is_apart(*there, here));
        due.take(COPIES_IN_BATCH).map(|(one, _)| one)
    }

    /// So many of them are on disk twice now.
    pub(super) fn copied(&mut self, copies: usize) {
        self.alone.drain(..copies);
    }

    /// They were not written: the last ones that were decided on.
    pub(super) fn withdraw(&mut self, new: &[Arc<StoredRevocation>]) {
        for one in new {
            let revocation = one.in_force.revocation();
            self.places.remove(&revocation.id());
            self.shares.release(&revocation.id());
            self.in_force.remove(revocation);
            self.last = self.last.min(one.count - 1);
            if let Some(before) = self.mending.remove(&revocation.id()) {
                self.put(before, one.stored, &[]);
            }
        }
    }

    /// Whether retention must carry it on: all that hold, and the last one always, which says how many there were. What its
    /// issuer outdid holds no more.
    pub(super) fn is_needed(&self, record: &RevocationRecord) -> bool {
        // One that could not be read when the relay started is kept for a version that can.
        let read = std::str::from_utf8(&record.jws).ok().and_then(|jws| Revocation::parse(jws).ok());
        record.count == self.last || read.is_none_or(|revocation| self.in_force.contains(&revocation))
    }

    /// The credentials that they are signed under.
    pub(super) fn issuers(&self) -> impl Iterator<Item = CredentialId> {
        self.in_force.issuers()
    }
}

fn names_key(revocation: &Revocation) -> bool {
    matches!(revocation.statement().target, Target::Key(_))
}
