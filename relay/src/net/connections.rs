//! How many connections are open, in all and from each address, and what becomes of one more.
//!
//! In all, sessions have a bound ([`Seats`]), those that close another beside it, and those who have not logged in a third
//! (`strangers.rs`): so who only knocks takes no seat, and **who has every seat leaves room to knock**, and to be judged
//! by who he is. The bound on all is the sum of these and is not met but by who comes and goes faster than connections end.
//!
//! The accepting thread asks for each newcomer; what it got is given back when the connection ends, on its worker. One
//! short lock for each, none for a frame.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vigie_proto::refusal::Code;

use super::floods::Ended;
use super::network::Network;
use crate::seats::Seats;

/// A stranger that has to go for another takes its time to: so many times as many as there may be are still connected.
const STRANGERS_CONNECTED: usize = 2;

/// Past a bound a newcomer is told so, which takes a handshake; past so many times the bound it is dropped unheard.
const TOLD_UP_TO: usize = 2;

#[derive(Debug, Default)]
struct Open {
    all: usize,
    /// Of each address that has any.
    networks: HashMap<Network, usize>,
    /// Those that never logged in, since they were last taken.
    ended: Ended,
}

/// Counts open connections, and tells a stopping relay when none is left.
#[derive(Debug)]
pub(crate) struct Connections {
    seats: Arc<Seats>,
    strangers_max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
    none_left: Condvar,
    dropped: AtomicU64,
}

/// What a newcomer gets.
#[derive(Debug)]
pub(crate) enum Entry {
    /// It is served.
    Served(ConnectionGuard),
    /// It must be told to come back later, and why.
    Told(ConnectionGuard, Code),
    /// There is no room to tell it either.
    Dropped,
}

impl Connections {
    pub(crate) fn new(seats: Arc<Seats>, strangers_max: usize, per_address_max: usize) -> Self {
        Self {
            seats,
            strangers_max,
            per_address_max,
            open: Mutex::default(),
            none_left: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open().all
    }

    /// How many sessions there may be.
    pub(crate) fn sessions_max(&self) -> usize {
        self.seats.max()
    }

    /// How many were dropped unheard, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether there is room for one more from this address.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Entry {
        let network = Network::of(address);
        let mut open = self.open();
        let of_network = open.networks.get(&network).copied().unwrap_or_default();
        let is_past = |times: usize| of_network >= times.saturating_mul(self.per_address_max);
        let strangers_max = self.strangers_max.saturating_mul(STRANGERS_CONNECTED);
        let all_max = self.seats.connected_max().saturating_add(strangers_max);
        let full = if is_past(1) {
            Some(Code::TooManyFromAddress)
        } else {
            (open.all >= all_max).then_some(Code::TooManyConnections)
        };
        let is_far_past = is_past(TOLD_UP_TO) || open.all >= all_max.saturating_mul(TOLD_UP_TO);
        if is_far_past {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            open.ended.note(network);
            return Entry::Dropped;
        }
        open.all += 1;
        open.networks.insert(network, of_network + 1);
        drop(open);
        let guard = ConnectionGuard { connections: Arc::clone(self), network, logged_in: false };
        match full {
            Some(code) => Entry::Told(guard, code),
            None => Entry::Served(guard),
        }
    }

    /// Those that ended before they had logged in, since this was last called.
    pub(super) fn take_ended(&self) -> Ended {
        std::mem::take(&mut self.open().ended)
    }

    /// Waits until none is open, at most this long; how many are open then.
    pub(crate) fn wait_until_none(&self, at_most: Duration) -> usize {
        let waited = self.none_left.wait_timeout_while(self.open(), at_most, |open| open.all > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.all
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    connections: Arc<Connections>,
    network: Network,
    logged_in: bool,
}

impl ConnectionGuard {
    /// It is no stranger.
    pub(crate) const fn note_logged_in(&mut self) {
        self.logged_in = true;
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.all = open.all.saturating_sub(1);
        if !self.logged_in {
            open.ended.note(self.network);
        }
        if let Some(of_network) = open.networks.get_mut(&self.network) {
            *of_network -= 1;
            if *of_network == 0 {
                open.networks.remove(&self.network);
            }
        }
        if open.all == 0 {
            self.connections.none_left.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(sessions: usize, per_address: usize) -> Arc<Connections> {
        Arc::new(Connections::new(Arc::new(Seats::new(sessions, sessions)), 1, per_address))
    }

    fn enter(connections: &Arc<Connections>, address: &str) -> Entry {
        connections.enter(address.parse().unwrap())
    }

    #[test]
    fn one_address_is_told_and_then_dropped_while_others_are_served() {
        let connections = connections(100, 2);
        let mut held = Vec::new();
        for _ in 0..2 {
            let Entry::Served(guard) = enter(&connections, "192.0.2.1") else { panic!("there is room") };
            held.push(guard);
        }
        for _ in 0..2 {
            let Entry::Told(guard, Code::TooManyFromAddress) = enter(&connections, "192.0.2.1") else {
                panic!("it is told")
            };
            held.push(guard);
        }
        assert!(matches!(enter(&connections, "192.0.2.1"), Entry::Dropped));
        assert!(matches!(enter(&connections, "::ffff:192.0.2.1"), Entry::Dropped), "the same address");
        assert!(matches!(enter(&connections, "192.0.2.2"), Entry::Served(_)), "and given back at once");
        assert_eq!((connections.count(), connections.dropped()), (4, 2));
        held.clear();
        assert_eq!(connections.count(), 0);
        assert!(connections.open().networks.is_empty(), "what is gone takes no memory");
        assert!(matches!(enter(&connections, "192.0.2.1"), Entry::Served(_)));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let connections = connections(100, 1);
        let _held = enter(&connections, "2001:db8::1");
        assert!(matches!(enter(&connections, "2001:db8::2"), Entry::Told(..)));
        assert!(matches!(enter(&connections, "2001:db8:0:1::1"), Entry::Served(_)));
    }

    #[test]
    fn all_addresses_together_are_bounded_where_seats_and_strangers_are_not_met() {
        let connections = connections(0, 5);
        let all_max = connections.seats.connected_max() + 2;
        let mut held = Vec::new();
        for number in 0..2 * all_max {
            let entry = enter(&connections, &format!("192.0.2.{number}"));
            let told = matches!(entry, Entry::Told(_, Code::TooManyConnections));
            let served = matches!(entry, Entry::Served(_));
            assert_eq!((served, told), (number < all_max, number >= all_max), "{number}: {entry:?}");
            held.push(entry);
        }
        assert!(matches!(enter(&connections, "192.0.2.99"), Entry::Dropped));
        assert_eq!(connections.wait_until_none(Duration::ZERO), 2 * all_max);
    }
}
