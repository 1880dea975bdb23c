//! Many connections to one server, and the loop that attends to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use mio::{Events, Interest, Poll, Token};
use rustls::ClientConfig;

use super::line::{Line, SCRATCH_BYTES};
use super::member::{Hub, Member, Stage};
use super::peer::{Peer, Role};
use super::tally::{Schedule, Tally};
use super::tls::client_config;
use crate::trust::RELAY_NAME;
use crate::websocket::put_client_head;

/// Events that are taken from the system at once.
const EVENTS_MAX: usize = 1_024;
/// Connections that are being set up at once: below what a relay takes of strangers from one address.
const SETTING_UP_MAX: usize = 32;
/// A server that sets up no connection for so long will set up none.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nothing arrives any more when nothing has for so long.
const SILENCE: Duration = Duration::from_millis(1_500);

/// Connections to one server.
pub struct Crowd {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    config: Arc<ClientConfig>,
    members: Vec<Member>,
    hub: Hub,
    /// The number of the next message.
    next: u64,
    /// Why the first connection ended.
    error: Option<anyhow::Error>,
    ended: u64,
}

impl std::fmt::Debug for Crowd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crowd").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

impl Crowd {
    /// No connection yet.
    ///
    /// # Errors
    /// The system gives no event queue.
    pub fn new(address: SocketAddr, peer: Box<dyn Peer>) -> anyhow::Result<Self> {
        let (scratch, certificate) = (vec![0; SCRATCH_BYTES], Vec::new());
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            address,
            config: client_config()?,
            members: Vec::new(),
            hub: Hub { peer, tally: Tally::default(), scratch, certificate },
            next: 0,
            error: None,
            ended: 0,
        })
    }

    /// Sets up so many connections, and gives the index of the first.
    ///
    /// # Errors
    /// One of them could not be set up, or the server takes too long.
    pub fn connect(&mut self, role: Role, count: usize) -> anyhow::Result<usize> {
        let (first, ended) = (self.members.len(), self.ended);
        let mut ready = 0;
        let mut progress = Instant::now();
        while ready < count {
            let begun = self.members.len() - first;
            for _ in begun..count.min(ready + SETTING_UP_MAX) {
                self.open(role, self.members.len() - first)?;
            }
            self.turn()?;
            if self.ended > ended {
                let error = self.error.take().unwrap_or_else(|| anyhow::anyhow!("unknown"));
                return Err(error.context(format!("after {ready} of {count} connections")));
            }
            let now_ready =
                self.members[first..].iter().filter(|member| member.stage == Stage::Ready).count();
            if now_ready > ready {
                (ready, progress) = (now_ready, Instant::now());
            } else if progress.elapsed() > PATIENCE {
                bail!("only {ready} of {count} connections are set up");
            }
        }
        Ok(first)
    }

    fn open(&mut self, role: Role, number: usize) -> anyhow::Result<()> {
        let mut line = Line::connect(self.address, &self.config, RELAY_NAME)?;
        let index = self.members.len();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(line.socket_mut(), Token(index), interest)?;
        self.members.push(Member::new(line, role, number, index));
        Ok(())
    }

    /// Attends to every socket that is ready, without waiting for one.
    ///
    /// # Errors
    /// The system's event queue fails.
    pub fn turn(&mut self) -> anyhow::Result<()> {
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        for event in &self.events {
            let Some(member) = self.members.get_mut(event.token().0) else { continue };
            if member.stage == Stage::Ended {
                continue;
            }
            if let Err(error) = member.attend(&mut self.hub) {
                member.stage = Stage::Ended;
                self.ended += 1;
                self.error.get_or_insert(error);
            }
        }
        Ok(())
    }

    /// Turns for so long.
    ///
    /// # Errors
    /// Those of [`turn`](Self::turn).
    pub fn turn_for(&mut self, time: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.turn()?;
        }
        Ok(())
    }

    /// Turns until so much was delivered, or nothing comes any more. Gives what is missing.
    ///
    /// # Errors
    /// Those of [`turn`](Self::turn).
    pub fn settle(&mut self, delivered: u64) -> anyhow::Result<u64> {
        let begun = Instant::now();
        while self.delivered() < delivered {
            let last = self.hub.tally.last.map_or(begun, |last| last.max(begun));
            if last.elapsed() > SILENCE {
                break;
            }
            self.turn()?;
        }
        Ok(delivered.saturating_sub(self.delivered()))
    }

    /// Makes messages that a publisher will need.
    ///
    /// # Errors
    /// Those of the peer.
    pub fn prepare(&mut self, role: Role, count: u64) -> anyhow::Result<()> {
        self.hub.peer.prepare(role, count)
    }

    /// Publishes the next messages on a connection, in one write; gives the number after the last.
    ///
    /// # Errors
    /// The publisher's connection has ended, or no message is left.
    pub fn publish(&mut self, index: usize, count: u64) -> anyhow::Result<u64> {
        let member = &mut self.members[index];
        if member.stage != Stage::Ready {
            let why = self.error.take().unwrap_or_else(|| anyhow::anyhow!("unknown"));
            return Err(why.context("the publisher's connection has ended"));
        }
        let (mut said, mut message) = (Vec::new(), Vec::new());
        for number in self.next..self.next + count {
            message.clear();
            self.hub.peer.publish(member.role, member.number, number, &mut message)?;
            put_client_head(self.hub.peer.opcode(), message.len(), &mut said);
            said.extend_from_slice(&message);
        }
        self.next += count;
        member.published += count;
        member.line.say(&said).context("publishing")?;
        member.line.flush()?;
        Ok(self.next)
    }

    /// Counts latencies from now on, from when messages are meant to be sent; `None` ends it.
    pub fn expect(&mut self, every: Option<(Instant, Duration)>) {
        let first = self.next;
        self.hub.tally.schedule = every.map(|(start, interval)| Schedule { first, start, interval });
        if every.is_some() {
            self.hub.tally.latency = super::Histogram::default();
        }
    }

    /// Of the messages since [`expect`](Self::expect).
    pub const fn latency(&self) -> &super::Histogram {
        &self.hub.tally.latency
    }

    /// The number of the next message.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Deliveries so far, over all connections.
    pub const fn delivered(&self) -> u64 {
        self.hub.tally.delivered
    }

    /// How many messages a publisher may send now, where the server bounds what it has not acknowledged.
    pub fn sendable(&self, index: usize) -> u64 {
        let acknowledged = self.hub.tally.acknowledged.get(&index).copied().unwrap_or(0);
        let unacknowledged = self.members[index].published.saturating_sub(acknowledged);
        self.hub.peer.unacknowledged_max().saturating_sub(unacknowledged)
    }

    /// How many publishers can have so many messages under way together.
    pub fn publishers_for(&self, messages: u64) -> u64 {
        messages.div_ceil(self.hub.peer.unacknowledged_max())
    }

    /// How many messages can be made ready.
    pub fn prepared_max(&self) -> u64 {
        self.hub.peer.prepared_max()
    }

    /// Messages that were skipped, and those that came twice or late, over all connections.
    pub const fn out_of_order(&self) -> (u64, u64) {
        (self.hub.tally.skipped, self.hub.tally.repeated)
    }

    /// What authors were acknowledged since this was last asked: index of the connection, number of the message.
    pub fn take_receipts(&mut self) -> Vec<(usize, u64)> {
        std::mem::take(&mut self.hub.tally.receipts)
    }

    /// Connections that ended by themselves.
    pub const fn ended(&self) -> u64 {
        self.ended
    }

    /// Why the first of them did.
    pub fn take_error(&mut self) -> Option<anyhow::Error> {
        self.error.take()
    }

    /// Ends all connections.
    pub fn disconnect(&mut self) {
        self.members.clear();
    }
}
