//! Who has a seat: sessions that are logged in, bounded in all and for each key.
//!
//! A worker asks `Seats::enter` for each log-in that it has found good, and lets go of the `Seat` when the connection
//! ends. So nobody is counted, nor has to go, for one who could not prove its key.
//!
//! **Of one key there are so many, and one more takes the place of the one that was silent longest**, on whatever worker.
//! A newcomer that is refused instead would be the phone whose line has died and whose old session is not known to be
//! dead; and a thief of the key could keep its owner out for good by sitting still. This way round the owner always gets
//! in, and what a thief throws out comes back, with its cursor.
//!
//! **The last seats are kept for those who have none**: half of them for those who may delegate, a quarter for those of
//! them who stand right below a root. There a key that has a seat gets another only in the place of one that has been
//! silent for `SILENT_FOR`; consoles that are at work do not throw each other out.
//!
//! **Where no seat is left for somebody who stands above others here, he takes one of theirs**, of the branch below him
//! that has most. Who may delegate makes as many keys as he likes, and each of them is one that has no seat: no share of
//! the seats is out of a thief's reach but by who stands above him. So whoever may revoke what fills the relay gets in,
//! and gains nothing by it that the revocation would not give him.
//!
//! **Past a quarter of the seats, exercises have theirs on loan**: where no seat is left for a live session, the exercise
//! that was silent longest goes. A drill may have the whole relay while nothing happens; no live authority stands above
//! its keys, so nobody could revoke them to get in.
//!
//! **A session that was told to close gives its seat to others, and is counted until its connection ends**: it holds what
//! waits for its reader. Where there are too many of these, one goes at once for each that comes.
//!
//! Invariants: one short lock for each log-in and end of a session, none for a frame; of one, a number is written.
//! Not here: connections that have not logged in (`net/strangers.rs`), and how many come from an address
//! (`net/connections.rs`).

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vigie_proto::chain::Chain;
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::id::CredentialId;
use vigie_proto::key::PublicKey;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::worker::SessionId;

/// Sessions of one key: a control room with a console on every desk shares one, and a person has three devices. A relay
/// with the default of seats is not full before 79 keys are stolen.
pub const SESSIONS_PER_KEY: usize = 128;

/// One in so many of the seats is kept for those who have none.
const KEPT_SHARE: usize = 16;

/// No more are kept than this: so many authorities do not come at the same moment, and revoke within seconds.
const KEPT_MAX: usize = 256;

/// One in so many of the seats is the exercises' own.
const EXERCISE_SHARE: usize = 4;

/// The root, and one that it has appointed itself: nobody but a root makes such keys.
const LINKS_RIGHT_BELOW_A_ROOT: usize = 2;

/// Beside the seats there is room for one in so many sessions that close: what waits for a reader on a bad line is
/// still given to it.
const CLOSING_SHARE: usize = 4;

/// As much room for them at least, in a relay of a few seats.
const CLOSING_MIN: usize = 16;

/// A session that says nothing for so long has missed two of the marks that clients ask for by default.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sitter {
    /// Its worker.
    pub worker: usize,
    /// Which of its sessions.
    pub session: SessionId,
}

#[derive(Debug)]
struct Taken {
    by: Sitter,
    chain: Arc<Chain>,
    /// When anything last came from it, in milliseconds.
    heard: Arc<AtomicU64>,
}

impl Taken {
    fn heard(&self) -> Timestamp {
        Timestamp::from_millis(self.heard.load(Ordering::Relaxed))
    }

    fn is_exercise(&self) -> bool {
        self.chain.plane() == Plane::Exercise
    }

    fn links_above(&self) -> &[Arc<Credential>] {
        let links = self.chain.links();
        &links[..links.len() - 1]
    }

    /// The credential right below this key in its chain, where its own stands below that key.
    fn branch_below(&self, above: &PublicKey) -> Option<CredentialId> {
        let links = self.chain.links();
        let stands = links.iter().position(|link| &link.claims().subject == above)?;
        links.get(stands + 1).map(|below| below.id())
    }
}

#[derive(Debug, Default)]
struct Table {
    taken: usize,
    /// Of those, the ones of exercises.
    exercises: usize,
    /// How many seats there are below each key.
    above: HashMap<PublicKey, usize>,
    /// Counts seats: the number of one.
    given: u64,
    keys: HashMap<PublicKey, BTreeMap<u64, Taken>>,
    /// Those who have none any more and are still connected, by its number.
    closing: BTreeMap<u64, Sitter>,
}

impl Table {
    fn insert(&mut self, taken: Taken) -> u64 {
        self.given += 1;
        self.taken += 1;
        self.exercises += usize::from(taken.is_exercise());
        for link in taken.links_above() {
            *self.above.entry(link.claims().subject).or_default() += 1;
        }
        self.keys.entry(*taken.chain.key()).or_default().insert(self.given, taken);
        self.given
    }

    fn remove(&mut self, key: &PublicKey, number: u64) -> Option<Taken> {
        let of_key = self.keys.get_mut(key)?;
        let taken = of_key.remove(&number)?;
        if of_key.is_empty() {
            self.keys.remove(key);
        }
        self.taken -= 1;
        self.exercises -= usize::from(taken.is_exercise());
        for link in taken.links_above() {
            if let Entry::Occupied(mut seats) = self.above.entry(link.claims().subject) {
                *seats.get_mut() -= 1;
                if *seats.get() == 0 {
                    seats.remove();
                }
            }
        }
        Some(taken)
    }

    /// Its session is to close: the seat is another's.
    fn vacate(&mut self, key: &PublicKey, number: u64) -> Option<Sitter> {
        let by = self.remove(key, number)?.by;
        self.closing.insert(number, by);
        Some(by)
    }

    /// The seat of this key that was silent longest, and since when.
    fn most_silent(&self, key: &PublicKey) -> Option<(Timestamp, u64)> {
        self.keys.get(key)?.iter().map(|(number, taken)| (taken.heard(), *number)).min()
    }

    /// All seats, with their keys and numbers.
    fn all(&self) -> impl Iterator<Item = (PublicKey, u64, &Taken)> {
        self.keys.iter().flat_map(|(key, seats)| seats.iter().map(|(number, taken)| (*key, *number, taken)))
    }

    /// Of the exercises the one that was silent longest, where they have more seats than are their own. Looks at every
    /// seat, like [`Table::of_fullest_branch`]: for each log-in until they have no more.
    fn on_loan(&self, own: usize) -> Option<(PublicKey, u64)> {
        let exercises = || self.all().filter(|(.., taken)| taken.is_exercise());
        let most_silent = || {
            exercises().map(|(key, number, taken)| (taken.heard(), number, key)).min_by_key(|it| (it.0, it.1))
        };
        (self.exercises > own).then(most_silent)?.map(|(_, number, key)| (key, number))
    }

    /// Of the branch below the key of this chain that has most seats, the one that was silent longest. Looks at every seat,
    /// but only where there are any below, for a log-in that would else be refused.
    fn of_fullest_branch(&self, chain: &Chain) -> Option<(PublicKey, u64)> {
        let (above, plane) = (chain.key(), chain.plane());
        self.above.get(above)?;
        let mut branches: HashMap<CredentialId, (usize, Timestamp, u64, PublicKey)> = HashMap::new();
        // Whoever has a key of both planes gets no further by the one than its revocations there reach.
        for (key, number, taken) in self.all().filter(|(.., taken)| taken.chain.plane() == plane) {
            let Some(branch) = taken.branch_below(above) else { continue };
            let silent = (taken.heard(), number, key);
            let (seats, heard, first, whose) =
                branches.entry(branch).or_insert((0, silent.0, silent.1, silent.2));
            *seats += 1;
            if (silent.0, silent.1) < (*heard, *first) {
                (*heard, *first, *whose) = silent;
            }
        }
        let fullest = branches
            .into_values()
            .max_by_key(|(seats, heard, number, _)| (*seats, Reverse(*heard), Reverse(*number)));
        fullest.map(|(_, _, number, key)| (key, number))
    }
}

/// The seats of a relay, shared by its workers.
#[derive(Debug)]
pub struct Seats {
    max: usize,
    per_key_max: usize,
    table: Mutex<Table>,
}

impl Seats {
    /// So many in all, and of one key: one at least.
    pub fn new(max: usize, per_key_max: usize) -> Self {
        Self { max, per_key_max: per_key_max.max(1), table: Mutex::default() }
    }

    /// No bounds: for workers that are driven by hand.
    pub fn unlimited() -> Self {
        Self::new(usize::MAX, usize::MAX)
    }

    /// How many there are.
    pub const fn max(&self) -> usize {
        self.max
    }

    /// How many sessions may be connected: those who have a seat, and those that close.
    pub(crate) fn connected_max(&self) -> usize {
        self.max.saturating_add((self.max / CLOSING_SHARE).max(CLOSING_MIN))
    }

    /// So many seats are the exercises' own.
    const fn exercises_own(&self) -> usize {
        self.max / EXERCISE_SHARE
    }

    /// So many of the seats are kept from this newcomer, who has one already or comes for one on loan. None in a relay of a few.
    fn kept_from(&self, chain: &Chain, has_seat: bool) -> usize {
        let kept = (self.max / KEPT_SHARE).min(KEPT_MAX);
        #[cfg(feature = "sabotage")]
        if Sabotage::SeatsKeptForNobody.is_planted() {
            return 0;
        }
        let may_delegate = chain.leaf().claims().grants.iter().any(|grant| grant.delegate > 0);
        if has_seat {
            kept
        } else if !may_delegate {
            kept / 2
        } else if chain.links().len() > LINKS_RIGHT_BELOW_A_ROOT {
            kept / 4
        } else {
            0
        }
    }

    /// A seat for a session of this chain, and which others must go for it: one that closes, where there are too many of
    /// these, and the one whose seat it is given.
    ///
    /// # Errors
    /// `too_many_sessions`, with when to come again.
    pub(crate) fn enter(
        self: &Arc<Self>,
        chain: &Arc<Chain>,
        by: Sitter,
        now: Timestamp,
    ) -> Result<(Seat, Vec<Sitter>), Refusal> {
        let key = *chain.key();
        let mut table = self.table();
        let of_key = table.keys.get(&key).map_or(0, BTreeMap::len);
        let left = self.max.saturating_sub(table.taken);
        // Looked for only where one must go: it is a look at all seats of the key.
        let own = || table.most_silent(&key);
        let is_exercise = chain.plane() == Plane::Exercise;
        let is_loan = is_exercise && table.exercises >= self.exercises_own();
        let vacated = if of_key >= self.per_key_max {
            own().map(|(_, number)| (key, number))
        } else if left > self.kept_from(chain, of_key > 0 || is_loan) {
            None
        } else {
            let silent = own().filter(|(heard, _)| now.since(*heard) >= SILENT_FOR);
            let own = silent.map(|(_, number)| (key, number));
            let on_loan = || if is_exercise { None } else { table.on_loan(self.exercises_own()) };
            Some(own.or_else(on_loan).or_else(|| table.of_fullest_branch(chain)).ok_or_else(nearly_full)?)
        };
        let mut go = Vec::new();
        if table.taken + table.closing.len() >= self.connected_max() {
            go.extend(table.closing.pop_first().map(|(_, by)| by));
        }
        go.extend(vacated.and_then(|(key, number)| table.vacate(&key, number)));
        let heard = Arc::new(AtomicU64::new(now.as_millis()));
        let number = table.insert(Taken { by, chain: Arc::clone(chain), heard: Arc::clone(&heard) });
        drop(table);
        Ok((Seat { seats: Arc::clone(self), key, number, heard }, go))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nearly_full() -> Refusal {
    let seconds = SILENT_FOR.as_secs();
    Refusal::new(Code::TooManySessions, format!("the relay is nearly full: come again in {seconds} s"))
}

/// The seat of one session, or the place of one that closes; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    key: PublicKey,
    number: u64,
    heard: Arc<AtomicU64>,
}

impl Seat {
    /// Something came from it.
    pub(crate) fn note_heard(&self, now: Timestamp) {
        self.heard.store(now.as_millis(), Ordering::Relaxed);
    }

    /// Its session is to close: others may have it.
    pub(crate) fn vacate(&self) {
        self.seats.table().vacate(&self.key, self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.seats.table();
        // It may have gone to another already.
        table.remove(&self.key, self.number);
        table.closing.remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
