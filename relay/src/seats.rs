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
//! **A session that was told to close gives its seat to others, and is counted until its connection ends**: it holds what
//! waits for its reader. Where there are too many of these, one goes at once for each that comes.
//!
//! Invariants: one short lock for each log-in and end of a session, none for a frame; of one, a number is written.
//! Not here: connections that have not logged in (`net/strangers.rs`), and how many come from an address
//! (`net/connections.rs`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vigie_proto::chain::Chain;
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
    /// Counts seats: the number of one.
    given: u64,
    keys: HashMap<PublicKey, BTreeMap<u64, Taken>>,
    /// Those who have none any more and are still connected, by its number.
    closing: BTreeMap<u64, Sitter>,
}

impl Table {
    fn remove(&mut self, key: &PublicKey, number: u64) -> Option<Taken> {
        let of_key = self.keys.get_mut(key)?;
        let taken = of_key.remove(&number)?;
        if of_key.is_empty() {
            self.keys.remove(key);
        }
        self.taken -= 1;
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

    /// Of the branch below this key that has most seats, the one that was silent longest. Looks at every seat, 0.3 ms for
    /// ten thousand: asked only where a log-in, which costs as much, would else be refused.
    fn of_fullest_branch(&self, above: &PublicKey) -> Option<(PublicKey, u64)> {
        let mut branches: HashMap<CredentialId, (usize, Timestamp, u64, PublicKey)> = HashMap::new();
        for (key, of_key) in &self.keys {
            for (number, taken) in of_key {
                let Some(branch) = taken.branch_below(above) else { continue };
                let silent = (taken.heard(), *number, *key);
                let (seats, heard, first, whose) =
                    branches.entry(branch).or_insert((0, silent.0, silent.1, silent.2));
                *seats += 1;
                if (silent.0, silent.1) < (*heard, *first) {
                    (*heard, *first, *whose) = silent;
                }
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

    /// So many of the seats are kept from this newcomer. None in a relay of a few.
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
        let own = table.most_silent(&key);
        let vacated = if of_key >= self.per_key_max {
            own.map(|(_, number)| (key, number))
        } else if left > self.kept_from(chain, of_key > 0) {
            None
        } else {
            let silent = own.filter(|(heard, _)| now.since(*heard) >= SILENT_FOR);
            let own = silent.map(|(_, number)| (key, number));
            Some(own.or_else(|| table.of_fullest_branch(&key)).ok_or_else(nearly_full)?)
        };
        let mut go = Vec::new();
        if table.taken + table.closing.len() >= self.connected_max() {
            go.extend(table.closing.pop_first().map(|(_, by)| by));
        }
        go.extend(vacated.and_then(|(key, number)| table.vacate(&key, number)));
        table.taken += 1;
        table.given += 1;
        let number = table.given;
        let heard = Arc::new(AtomicU64::new(now.as_millis()));
        let taken = Taken { by, chain: Arc::clone(chain), heard: Arc::clone(&heard) };
        table.keys.entry(key).or_default().insert(number, taken);
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
mod tests {
    use vigie_proto::chain::{NoVerdicts, Roots};
    use vigie_proto::channel::{Flow, Plane};
    use vigie_proto::credential::{Claims, Credential, Grant, Role};
    use vigie_proto::key::SigningKey;
    use vigie_proto::time::Window;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn sitter(worker: usize) -> Sitter {
        Sitter { worker, session: SessionId::default() }
    }

    struct Person {
        key: SigningKey,
        chain: Arc<Chain>,
    }

    fn claims(seed: u8, delegate: u8) -> (SigningKey, Claims) {
        let key = SigningKey::from_seed(&[seed; 32]).unwrap();
        let at = "fr".parse().unwrap();
        let claims = Claims {
            subject: *key.public(),
            org: "fr".parse().unwrap(),
            name: "fr".to_owned(),
            role: Role::Author,
            grants: vec![Grant { flow: Flow::Alert, at, publish: None, subscribe: true, delegate }],
            plane: Plane::Live,
            valid: Window { from: START, until: after(3_600) },
        };
        (key, claims)
    }

    fn root() -> Person {
        let (key, claims) = claims(200, 7);
        let root = Credential::issue_root(&key, &claims).unwrap();
        let roots = Roots::new([key.public().thumbprint()]);
        let chain = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
        Person { key, chain: Arc::new(chain) }
    }

    impl Person {
        fn appoint(&self, seed: u8, delegate: u8) -> Self {
            let (key, claims) = claims(seed, delegate);
            let chain = Arc::new(self.chain.extend(&self.key, &claims).unwrap());
            Self { key, chain }
        }

        fn enter(
            &self,
            seats: &Arc<Seats>,
            worker: usize,
            now: Timestamp,
        ) -> Result<(Seat, Vec<Sitter>), Refusal> {
            seats.enter(&self.chain, sitter(worker), now)
        }
    }

    fn taken(seats: &Seats) -> usize {
        seats.table().taken
    }

    #[test]
    fn one_more_of_a_key_takes_the_seat_of_the_one_that_was_silent_longest() {
        let seats = Arc::new(Seats::new(1_000, 3));
        let (one, two) = (root().appoint(1, 0), root().appoint(2, 0));
        let enter = |worker, now| one.enter(&seats, worker, now).unwrap();
        let [first, second, third] = [0, 1, 2].map(|number| enter(number, after(number as u64)).0);
        let other = two.enter(&seats, 9, after(2)).unwrap();
        first.note_heard(after(5));
        let (fourth, goes) = enter(3, after(6));
        assert_eq!((goes, taken(&seats)), (vec![sitter(1)], 4));
        // What it gives back is not its own any more.
        drop(second);
        assert_eq!(taken(&seats), 4);
        // The clock need not move for it.
        let (fifth, goes) = enter(4, after(6));
        assert_eq!(goes, [sitter(2)]);
        drop(first);
        assert!(enter(5, after(7)).1.is_empty(), "there was room");
        drop((third, fourth, fifth, other));
        let table = seats.table();
        let left = (table.taken, table.keys.len(), table.closing.len());
        assert_eq!(left, (0, 0, 0), "what is gone takes no memory");
    }

    #[test]
    fn the_last_seats_are_for_keys_that_have_none_and_most_of_them_for_who_may_revoke() {
        let seats = Arc::new(Seats::new(64, 1_000));
        let (root, nation) = (root(), root().appoint(100, 6));
        let thief = nation.appoint(1, 1);
        let mut held: Vec<_> = (0..60).map(|_| thief.enter(&seats, 0, START).unwrap().0).collect();
        // Four are left, and kept.
        let refused = thief.enter(&seats, 0, after(9)).unwrap_err();
        assert_eq!(refused.code, Code::TooManySessions);
        assert!(refused.to_string().contains("come again in 10 s"), "{refused}");
        let leaf = nation.appoint(2, 0);
        held.extend([&leaf, &root.appoint(3, 0)].map(|who| who.enter(&seats, 0, START).unwrap().0));
        assert!(root.appoint(4, 0).enter(&seats, 0, START).is_err(), "the last two are for who may delegate");
        held.push(nation.appoint(5, 1).enter(&seats, 0, START).unwrap().0);
        assert!(
            nation.appoint(6, 1).enter(&seats, 0, START).is_err(),
            "the last is for who is right below a root"
        );
        held.push(root.appoint(7, 1).enter(&seats, 0, START).unwrap().0);
        assert!(root.appoint(8, 1).enter(&seats, 0, START).is_err(), "there are no more");
        assert_eq!(taken(&seats), 64);
        // A phone whose line has died comes in its own place, where nothing else is left.
        for (number, of) in held.iter().enumerate() {
            of.note_heard(after(number as u64));
        }
        assert!(leaf.enter(&seats, 0, after(69)).is_err(), "its session has said something 9 s ago");
        let (back, goes) = leaf.enter(&seats, 0, after(70)).unwrap();
        assert_eq!((goes.len(), taken(&seats)), (1, 64));
        held.push(back);
    }

    #[test]
    fn who_stands_above_others_takes_a_seat_of_the_branch_that_has_most() {
        let seats = Arc::new(Seats::new(8, 1_000));
        let root = root();
        let (nation, other) = (root.appoint(100, 6), root.appoint(101, 6));
        let (region, quiet) = (nation.appoint(102, 5), nation.appoint(103, 5));
        let mut held = Vec::new();
        for (worker, who) in [
            &quiet.appoint(1, 0),
            &quiet.appoint(2, 0),
            &region.appoint(3, 2),
            &region.appoint(4, 2).appoint(5, 1),
            &region.appoint(6, 2),
            &other.appoint(7, 0),
            &other.appoint(8, 0),
            &other.appoint(9, 0),
        ]
        .into_iter()
        .enumerate()
        {
            held.push(who.enter(&seats, worker, after(worker as u64)).unwrap().0);
        }
        // The one of the fullest branch that was silent longest, not the one of all.
        held[2].note_heard(after(9));
        let (first, goes) = nation.enter(&seats, 20, after(9)).unwrap();
        assert_eq!((goes, taken(&seats)), (vec![sitter(3)], 8));
        // Of two of the same size the one that has the longest silence.
        let (second, goes) = nation.enter(&seats, 21, after(9)).unwrap();
        assert_eq!(goes, [sitter(0)]);
        let (third, goes) = region.enter(&seats, 22, after(9)).unwrap();
        assert_eq!(goes, [sitter(4)]);
        assert!(region.appoint(10, 3).enter(&seats, 23, after(9)).is_err(), "it stands above nobody here");
        let (fourth, goes) = root.enter(&seats, 24, after(9)).unwrap();
        assert_eq!(goes, [sitter(1)], "of all below the nation, itself too");
        drop((held, first, second, third, fourth));
        assert_eq!(taken(&seats), 0);
    }

    #[test]
    fn sessions_that_close_leave_their_seats_and_go_where_they_are_too_many() {
        let seats = Arc::new(Seats::new(2, 2));
        let nation = root().appoint(100, 6);
        let mut held = Vec::new();
        for number in 0..CLOSING_MIN + 2 {
            let (seat, goes) = nation.enter(&seats, number, START).unwrap();
            assert!(goes.is_empty(), "{number}: there is room");
            seat.vacate();
            held.push(seat);
        }
        assert_eq!(taken(&seats), 0);
        assert_eq!(nation.enter(&seats, 90, START).unwrap().1, [sitter(0)], "the first of those that close");
        // Those whose connections have ended make room by themselves.
        held.drain(..2);
        let (_seat, goes) = nation.enter(&seats, 91, START).unwrap();
        assert!(goes.is_empty());
        assert_eq!(taken(&seats), 1);
    }

    #[test]
    fn a_relay_of_a_few_keeps_no_seat() {
        let seats = Arc::new(Seats::new(2, 2));
        let root = root();
        let [one, two] = [(); 2].map(|()| root.appoint(1, 0).enter(&seats, 0, START).unwrap());
        assert!(root.appoint(2, 1).enter(&seats, 0, START).is_err());
        drop((one, two));
    }
}
