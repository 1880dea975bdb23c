//! Links between clients and the relay: they delay, never reorder what is on one of them, and lose everything under way
//! when they are cut. Each side learns of that in its own time.

use std::collections::VecDeque;

use bytes::Bytes;
use vigie_proto::refusal::Code;

use super::random::Chance;
use super::relay::Seat;

/// Milliseconds since the simulation began.
pub type Millis = u64;

/// What a client reads.
#[derive(Clone, Debug)]
pub enum ToClient {
    /// A text frame.
    Text(Bytes),
    /// A ping, with how much was given before it.
    Ping(u64),
    /// The end, and why.
    Close(Code),
}

/// What a relay reads.
#[derive(Clone, Debug)]
pub enum ToRelay {
    /// A text frame.
    Text(String),
    /// A pong, with what its ping said.
    Pong(u64),
}

/// One direction.
#[derive(Debug)]
pub struct Way<T> {
    frames: VecDeque<(Millis, T)>,
    last_due: Millis,
    cut: bool,
    lost: usize,
}

impl<T> Default for Way<T> {
    fn default() -> Self {
        Self { frames: VecDeque::new(), last_due: 0, cut: false, lost: 0 }
    }
}

impl<T> Way<T> {
    /// Sends something: it arrives after all that was sent before.
    pub fn push(&mut self, item: T, arrives: Millis) {
        if self.cut {
            self.lost += 1;
            return;
        }
        self.last_due = self.last_due.max(arrives);
        self.frames.push_back((self.last_due, item));
    }

    /// When the next arrives.
    pub fn next_due(&self) -> Option<Millis> {
        self.frames.front().map(|(due, _)| *due)
    }

    /// Takes what has arrived.
    pub fn take(&mut self) -> Option<T> {
        self.frames.pop_front().map(|(_, item)| item)
    }

    /// What was sent and not taken, or lost without anyone knowing: what a socket's buffer holds.
    pub fn unacknowledged(&self) -> usize {
        self.frames.len() + self.lost
    }

    fn cut(&mut self) {
        self.lost += self.frames.len();
        self.frames.clear();
        self.cut = true;
    }
}

/// A connection.
#[derive(Debug)]
pub struct Link {
    /// The client, until it knows that this has ended.
    pub client: Option<usize>,
    /// The session, until the relay knows.
    pub seat: Option<Seat>,
    /// To the relay.
    pub up: Way<ToRelay>,
    /// To the client.
    pub down: Way<ToClient>,
    /// When the client learns that it is cut.
    pub client_learns: Option<Millis>,
    /// When the relay learns it.
    pub relay_learns: Option<Millis>,
    /// When the relay last heard of the client.
    pub heard_at: Millis,
    /// The longest silence that the relay met when it looked.
    pub silence: Millis,
    /// What a planted bug keeps.
    pub planted: super::plant::Planted,
    slowest: Millis,
}

impl Link {
    /// A link of its own speed.
    pub fn new(client: usize, seat: Seat, now: Millis, chance: &mut Chance) -> Self {
        Self {
            client: Some(client),
            seat: Some(seat),
            up: Way::default(),
            down: Way::default(),
            client_learns: None,
            relay_learns: None,
            heard_at: now,
            silence: 0,
            planted: super::plant::Planted::default(),
            slowest: *chance.pick(&[1, 30, 400]),
        }
    }

    /// When something sent now arrives.
    pub const fn arrival(&self, now: Millis, chance: &mut Chance) -> Millis {
        now + chance.within(0..=self.slowest)
    }

    /// Cuts both ways.
    pub fn cut(&mut self, now: Millis, chance: &mut Chance) {
        self.up.cut();
        self.down.cut();
        let mut later = || now + *chance.pick(&[0, 50, 3_000, 9_000]);
        self.client_learns.get_or_insert_with(&mut later);
        self.relay_learns.get_or_insert_with(&mut later);
    }

    /// Nobody holds it any more.
    pub const fn is_over(&self) -> bool {
        self.client.is_none() && self.seat.is_none()
    }
}
