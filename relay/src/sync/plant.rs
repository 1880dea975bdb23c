//! Bugs that the model must find, and rare things that it must meet: what says that a model which finds nothing has
//! looked.
//!
//! Kept for each thread of the system: a run of the model has one, on which shuttle plays all threads of the relay.

use std::cell::Cell;

/// Which bug is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// Too many batches wait: they go, and their head with them.
    JumpWithoutHead,
    /// Too many batches wait: their head comes to them, not in their place.
    BatchesKeptAtJump,
    /// A worker is woken before its letter is there.
    NotifyBeforePush,
    /// After a jump the ring still has what came before it, and a hole.
    RingKeptAtJump,
    /// A session turns live one event too late.
    LiveOneEventLate,
    /// A page is believed past what its worker has dispatched.
    PagePastHead,
    /// A page that was read for a subscription is given to the one that replaced it.
    PageOfReplaced,
    /// Whoever takes from a full outbox is not given more.
    BehindForgotten,
}

/// What happens seldom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rare {
    /// Too many batches waited for a worker.
    Jump,
    /// A session turned live ahead of its worker.
    LiveAhead,
    /// A page was cut at the head of its worker.
    PageCut,
    /// A page came for a subscription that was replaced.
    Replaced,
}

thread_local! {
    static PLANTED: Cell<Option<Plant>> = const { Cell::new(None) };
    static MET: Cell<[u64; 4]> = const { Cell::new([0; 4]) };
}

/// Plants a bug on this thread, or none, and forgets what was met.
#[cfg(test)]
pub(crate) fn choose(plant: Option<Plant>) {
    PLANTED.set(plant);
    MET.set([0; 4]);
}

/// Whether it is the planted one.
pub(crate) fn planted(plant: Plant) -> bool {
    PLANTED.get() == Some(plant)
}

/// Counts it.
pub(crate) fn meet(rare: Rare) {
    let mut met = MET.get();
    met[rare as usize] += 1;
    MET.set(met);
}

/// How often it was met.
#[cfg(test)]
pub(crate) fn met(rare: Rare) -> u64 {
    MET.get()[rare as usize]
}
