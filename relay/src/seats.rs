//! Who has a seat: sessions that are logged in, bounded in all and for each key.
//!
//! A worker asks `Seats::enter` for each log-in that it has found good, and lets go of the `Seat` when the session
//! ends. So nobody is counted, nor has to go, for one who could not prove its key.
//!
//! **Of one key there are so many, and one more takes the place of the one that was silent longest**, on whatever worker.
//! A newcomer that is refused instead would be the phone whose line has died and whose old session is not known to be
//! dead; and a thief of the key could keep its owner out for good by sitting still. This way round the owner always gets
//! in, and what a thief throws out comes back, with its cursor.
//!
//! **The last seats are kept for those who have none**, half of them for those who may pass on what they may: whoever is
//! above can always come and revoke what fills the relay. There a key that has a seat gets another only in the place of
//! one that has been silent for `SILENT_FOR`; consoles that are at work do not throw each other out.
//!
//! Invariants: one short lock for each log-in and end of a session, none for a frame; of one, a number is written.
//! Not here: connections that have not logged in (`net/strangers.rs`), and how many come from an address
//! (`net/connections.rs`).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vigie_proto::chain::Chain;
use vigie_proto::key::PublicKey;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

use crate::worker::SessionId;

/// Sessions of one key: a control room with a console on every desk shares one, and a person has three devices. A relay
/// with the default of seats is not full before 79 keys are stolen.
pub const SESSIONS_PER_KEY: usize = 128;

/// One in so many of the seats is kept for those who have none.
const KEPT_SHARE: usize = 16;

/// No more are kept than this: so many authorities do not come at the same moment, and revoke within seconds.
const KEPT_MAX: usize = 256;

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
    /// When anything last came from it, in milliseconds.
    heard: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Table {
    taken: usize,
    /// Counts seats: the number of one.
    given: u64,
    keys: HashMap<PublicKey, BTreeMap<u64, Taken>>,
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

    /// The seat of this key that was silent longest, and since when.
    fn most_silent(&self, key: &PublicKey) -> Option<(u64, Timestamp)> {
        let heard = |(number, taken): (&u64, &Taken)| {
            (Timestamp::from_millis(taken.heard.load(Ordering::Relaxed)), *number)
        };
        self.keys.get(key)?.iter().map(heard).min().map(|(at, number)| (number, at))
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

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.table().taken
    }

    /// The last so many are kept. None in a relay of a few.
    fn kept(&self) -> usize {
        (self.max / KEPT_SHARE).min(KEPT_MAX)
    }

    /// A seat for a session of this chain, and which other one must go for it.
    ///
    /// # Errors
    /// `too_many_sessions`, with when to come again.
    pub(crate) fn enter(
        self: &Arc<Self>,
        chain: &Chain,
        by: Sitter,
        now: Timestamp,
    ) -> Result<(Seat, Option<Sitter>), Refusal> {
        let may_delegate = chain.leaf().claims().grants.iter().any(|grant| grant.delegate > 0);
        self.enter_with(*chain.key(), may_delegate, by, now)
    }

    fn enter_with(
        self: &Arc<Self>,
        key: PublicKey,
        may_delegate: bool,
        by: Sitter,
        now: Timestamp,
    ) -> Result<(Seat, Option<Sitter>), Refusal> {
        let kept = self.kept();
        let mut table = self.table();
        let of_key = table.keys.get(&key).map_or(0, BTreeMap::len);
        let left = self.max.saturating_sub(table.taken);
        let goes = if of_key >= self.per_key_max {
            table.most_silent(&key).map(|(number, _)| number)
        } else if left > kept || (of_key == 0 && left > if may_delegate { 0 } else { kept / 2 }) {
            None
        } else {
            let silent = table.most_silent(&key).filter(|(_, heard)| now.since(*heard) >= SILENT_FOR);
            Some(silent.ok_or_else(nearly_full)?.0)
        };
        let goes = goes.and_then(|number| table.remove(&key, number)).map(|taken| taken.by);
        table.taken += 1;
        table.given += 1;
        let number = table.given;
        let heard = Arc::new(AtomicU64::new(now.as_millis()));
        table.keys.entry(key).or_default().insert(number, Taken { by, heard: Arc::clone(&heard) });
        drop(table);
        Ok((Seat { seats: Arc::clone(self), key, number, heard }, goes))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nearly_full() -> Refusal {
    let seconds = SILENT_FOR.as_secs();
    Refusal::new(Code::TooManySessions, format!("the relay is nearly full: come again in {seconds} s"))
}

/// The seat of one session; given back when it is dropped.
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
}

impl Drop for Seat {
    fn drop(&mut self) {
        // It may have gone to another already.
        self.seats.table().remove(&self.key, self.number);
    }
}

#[cfg(test)]
mod tests {
    use vigie_proto::key::SigningKey;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn key(number: u8) -> PublicKey {
        *SigningKey::from_seed(&[number; 32]).unwrap().public()
    }

    fn sitter(worker: usize) -> Sitter {
        Sitter { worker, session: SessionId::default() }
    }

    #[test]
    fn one_more_of_a_key_takes_the_seat_of_the_one_that_was_silent_longest() {
        let seats = Arc::new(Seats::new(1_000, 3));
        let enter = |worker, now| seats.enter_with(key(1), false, sitter(worker), now).unwrap();
        let [first, second, third] = [0, 1, 2].map(|number| enter(number, after(number as u64)).0);
        let other = seats.enter_with(key(2), false, sitter(9), after(2)).unwrap();
        first.note_heard(after(5));
        let (fourth, goes) = enter(3, after(6));
        assert_eq!((goes, seats.taken()), (Some(sitter(1)), 4));
        // What it gives back is not its own any more.
        drop(second);
        assert_eq!(seats.taken(), 4);
        // The clock need not move for it.
        let (fifth, goes) = enter(4, after(6));
        assert_eq!(goes, Some(sitter(2)));
        drop(first);
        assert_eq!(enter(5, after(7)).1, None, "there was room");
        drop((third, fourth, fifth, other));
        assert_eq!((seats.taken(), seats.table().keys.len()), (0, 0), "what is gone takes no memory");
    }

    #[test]
    fn the_last_seats_are_for_keys_that_have_none_and_half_of_them_for_who_may_delegate() {
        let seats = Arc::new(Seats::new(64, 1_000));
        let enter = |number, may_delegate, now| seats.enter_with(key(number), may_delegate, sitter(0), now);
        let mut held: Vec<_> = (0..60).map(|_| enter(1, true, START).unwrap().0).collect();
        // Four are left, and kept.
        let refused = enter(1, true, after(9)).unwrap_err();
        assert_eq!(refused.code, Code::TooManySessions);
        assert!(refused.to_string().contains("come again in 10 s"), "{refused}");
        held.extend([2, 3].map(|number| enter(number, false, START).unwrap().0));
        assert!(enter(4, false, START).is_err(), "the last two are for who may delegate");
        held.extend([5, 6].map(|number| enter(number, true, START).unwrap().0));
        assert!(enter(7, true, START).is_err(), "there are no more");
        assert_eq!(seats.taken(), 64);
        // A phone whose line has died comes in its own place, where nothing else is left.
        for (number, of) in held.iter().enumerate() {
            of.note_heard(after(number as u64));
        }
        assert!(enter(2, false, after(69)).is_err(), "its session has said something 9 s ago");
        let (back, goes) = enter(2, false, after(70)).unwrap();
        assert!(goes.is_some());
        assert_eq!(seats.taken(), 64);
        held.push(back);
    }

    #[test]
    fn a_relay_of_a_few_keeps_no_seat() {
        let seats = Arc::new(Seats::new(2, 2));
        let [one, two] = [(); 2].map(|()| seats.enter_with(key(1), false, sitter(0), START).unwrap());
        assert!(seats.enter_with(key(2), true, sitter(0), START).is_err());
        drop((one, two));
    }
}
