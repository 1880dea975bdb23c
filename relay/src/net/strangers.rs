//! Who is connected and has not logged in: bounded in all and for each address.
//!
//! The accepting thread gives every newcomer a [`Place`]; its worker says when it has completed a stage (TLS, upgrade),
//! and lets go of the place at log-in or at the end. When there is no place, the stranger that has gone longest without
//! completing a stage loses its own: of the newcomer's address when that has its share, else of all. So who only waits
//! keeps nobody out, and who logs in as fast as a phone does is never the one to go.
//!
//! Handshakes under way, and those that wait for their first turn, are counted for the operator.
//!
//! Invariants: one short lock for each stage of a stranger, none for a session. Order is counted, not timed: no clock.
//! What it does not do: bound those who are logged in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::network::Network;

#[derive(Debug)]
struct Waiting {
    network: Network,
    /// Told when it must go.
    go: oneshot::Sender<()>,
}

/// Strangers by when they last completed a stage, those who did so longest ago first.
#[derive(Debug, Default)]
struct Table {
    stages: u64,
    waiting: BTreeMap<u64, Waiting>,
    networks: HashMap<Network, BTreeSet<u64>>,
}

impl Table {
    fn insert(&mut self, waiting: Waiting) -> u64 {
        self.stages += 1;
        self.networks.entry(waiting.network).or_default().insert(self.stages);
        self.waiting.insert(self.stages, waiting);
        self.stages
    }

    fn remove(&mut self, stage: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&stage)?;
        if let Some(stages) = self.networks.get_mut(&waiting.network) {
            stages.remove(&stage);
            if stages.is_empty() {
                self.networks.remove(&waiting.network);
            }
        }
        Some(waiting)
    }
}

/// The bounds, and who is there.
#[derive(Debug)]
pub(crate) struct Strangers {
    max: usize,
    per_address_max: usize,
    table: Mutex<Table>,
    replaced: AtomicU64,
    handshakes: AtomicU64,
    waiting: AtomicU64,
}

impl Strangers {
    pub(crate) fn new(max: usize, per_address_max: usize) -> Self {
        Self {
            max,
            per_address_max,
            table: Mutex::default(),
            replaced: AtomicU64::new(0),
            handshakes: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.table().waiting.len()
    }

    /// How many there may be.
    pub(crate) const fn max(&self) -> usize {
        self.max
    }

    /// How many had to go for a newcomer, since the start.
    pub(crate) fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Relaxed)
    }

    /// How many are in their handshakes: TLS, or the upgrade.
    pub(crate) fn handshakes(&self) -> u64 {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// Of those, how many wait for the first turn of their worker.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// One more waits for its first turn.
    pub(crate) fn wait(self: &Arc<Self>) -> FirstTurn {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        FirstTurn { strangers: Arc::clone(self) }
    }

    /// A place for a newcomer, and what resolves when it has to go for another. Always gives one.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> (Place, oneshot::Receiver<()>) {
        let network = Network::of(address);
        let (go, told) = oneshot::channel();
        let mut table = self.table();
        let of_network = table.networks.get(&network).filter(|stages| stages.len() >= self.per_address_max);
        let of_all = || table.waiting.keys().next().filter(|_| table.waiting.len() >= self.max);
        let slowest = of_network.and_then(BTreeSet::first).or_else(of_all).copied();
        let gone = slowest.and_then(|stage| table.remove(stage));
        let stage = table.insert(Waiting { network, go });
        drop(table);
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        if let Some(gone) = gone {
            self.replaced.fetch_add(1, Ordering::Relaxed);
            // It may have ended by itself meanwhile.
            let _ = gone.go.send(());
        }
        (Place { strangers: Arc::clone(self), stage, in_handshake: true }, told)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stranger's place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    strangers: Arc<Strangers>,
    stage: u64,
    in_handshake: bool,
}

impl Place {
    /// It has completed a stage.
    pub(crate) fn note_stage(&mut self) {
        let mut table = self.strangers.table();
        if let Some(waiting) = table.remove(self.stage) {
            self.stage = table.insert(waiting);
        }
    }

    /// It has completed the last stage before its log-in.
    pub(crate) fn note_upgraded(&mut self) {
        self.end_handshake();
        self.note_stage();
    }

    fn end_handshake(&mut self) {
        if std::mem::take(&mut self.in_handshake) {
            self.strangers.handshakes.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end_handshake();
        self.strangers.table().remove(self.stage);
    }
}

/// One that waits for its first turn; dropped when it has it.
#[derive(Debug)]
pub(crate) struct FirstTurn {
    strangers: Arc<Strangers>,
}

impl Drop for FirstTurn {
    fn drop(&mut self) {
        self.strangers.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn must_go(told: &mut oneshot::Receiver<()>) -> bool {
        told.try_recv().is_ok()
    }

    #[test]
    fn who_has_not_moved_for_longest_goes_for_a_newcomer() {
        let strangers = Arc::new(Strangers::new(3, 3));
        let [mut first, mut second, mut third] =
            [1, 2, 3].map(|last| strangers.enter(IpAddr::from([192, 0, 2, last])));
        first.0.note_stage();
        let mut fourth = strangers.enter(address("192.0.2.4"));
        assert!(must_go(&mut second.1) && !must_go(&mut first.1) && !must_go(&mut third.1));
        // It has no place to give back, nor to keep.
        second.0.note_stage();
        drop(second);
        assert_eq!((strangers.count(), strangers.replaced()), (3, 1));
        drop(third);
        let mut fifth = strangers.enter(address("192.0.2.5"));
        assert!(!must_go(&mut first.1) && !must_go(&mut fourth.1), "there was room");
        fifth.0.note_upgraded();
        assert_eq!(strangers.handshakes(), 3 - 1);
        drop((first, fourth, fifth));
        assert_eq!((strangers.count(), strangers.table().networks.len()), (0, 0));
        assert_eq!(strangers.handshakes(), 0);
    }

    #[test]
    fn an_address_that_has_its_share_pays_for_its_own_newcomers() {
        let strangers = Arc::new(Strangers::new(100, 2));
        let mut other = strangers.enter(address("192.0.2.9"));
        for (one, again, newcomer) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("192.0.2.2", "::ffff:192.0.2.2", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:0:8000::"),
        ] {
            let (mut one, mut again) = (strangers.enter(address(one)), strangers.enter(address(again)));
            let newcomer = strangers.enter(address(newcomer));
            assert!(must_go(&mut one.1) && !must_go(&mut again.1) && !must_go(&mut other.1));
            drop((one, again, newcomer));
        }
        let _one = strangers.enter(address("2001:db8::1"));
        let mut two = strangers.enter(address("2001:db8::2"));
        let _neighbour = strangers.enter(address("2001:db8:0:1::1"));
        assert!(!must_go(&mut two.1), "another network");
    }
}
