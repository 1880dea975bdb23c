//! What a worker holds of one session.

use std::sync::Arc;

use vigie_proto::chain::Chain;
use vigie_proto::hear::Reader;
use vigie_proto::id::{CredentialId, Sequence};
use vigie_proto::session::relay::{AwaitLogin, LoggedIn};
use vigie_proto::time::Timestamp;

use super::calls::Call;
use super::outbox::Outbox;
use super::page::ReadFrom;
use super::taking::Watch;
use crate::event::Position;
use crate::rates::Pace;
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::seats::Seat;

#[derive(Debug)]
pub(super) enum Stage {
    AwaitLogin(AwaitLogin),
    // Boxed: a stranger costs less memory than an author.
    LoggedIn(Box<LoggedIn>),
    /// It was told why and is being closed: nothing more is heard or said.
    Closing,
}

/// How a subscription is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// From each batch, as it comes, what lies after this place. It was given everything up to there, or up to the
    /// worker's head where that is later: a cursor from another worker may be ahead of this one.
    Live(Position),
    /// From the ring or the journal, after this place.
    Behind(Position),
    /// The journal is being read after this place (unknown while the first read finds it).
    Reading(Option<Position>),
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) reader: Reader,
    pub(super) standing: Standing,
    /// While it is not live, up to where the reader knows that he was given everything: the last event given to him, the
    /// end of a gap, or where he began. Not past `standing`, which depends on messages that he may not hear.
    pub(super) told: Position,
    /// Counts the subscriptions of the session: a page read for an earlier one is dropped.
    pub(super) number: u64,
    /// Where it begins, until the journal has said which place that is.
    pub(super) begins: Option<ReadFrom>,
    /// Length of the next event, when it is known that it found no room: nothing is given before there is, and half of the
    /// outbox is free. Else 0.
    pub(super) next_bytes: usize,
    /// The requests to answer once that is known: this one, and those that it replaced before theirs was. At most
    /// [`UNANSWERED_MAX`].
    pub(super) unanswered: Vec<u64>,
}

/// Subscribe requests that may wait for the same answer.
pub(super) const UNANSWERED_MAX: usize = 8;

/// Whether the driver of a session knows that there is output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// There is none.
    Not,
    /// It stands in the line of those to be called.
    Waits(Call),
    /// It was called and has not come yet, or has come and not taken all.
    Comes,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) generation: u64,
    pub(super) stage: Stage,
    pub(super) outbox: Outbox,
    pub(super) subscription: Option<Subscription>,
    pub(super) subscriptions: u64,
    /// The count of the last revocation that was put into the outbox, or that it holds by itself.
    pub(super) revocations_given: u64,
    /// How fast it may publish; without limits before log-in, when it publishes nothing.
    pub(super) pace: Pace,
    /// Its seat, from its log-in until it is told to close; then its place among those that close.
    pub(super) seat: Option<Seat>,
    /// Publishes that wait for the disk.
    pub(super) in_flight: usize,
    /// A page is being read for a subscription: one at a time, also when the subscription is replaced meanwhile.
    pub(super) reading: bool,
    /// A page of history is being read.
    pub(super) reading_history: bool,
    /// The relay stops: nothing more is read, and the session is closed once its publishes are answered.
    pub(super) leaving: bool,
    /// It was told to close, and did not in time.
    pub(super) overdue: bool,
    /// The chain that it had logged in under, once it is being closed.
    pub(super) closing_under: Option<Arc<Chain>>,
    /// When anything last came from the peer.
    pub(super) last_heard: Timestamp,
    /// Of the bytes that it was given, those that a pong has answered for: the rest may still be on its way.
    pub(super) come_through: u64,
    /// What TCP told of its line, where it can be asked. Boxed: a stranger has none.
    pub(super) watch: Option<Box<Watch>>,
    /// Until when the pings and pongs that came are paid for.
    pub(super) controls_until: Timestamp,
    /// When the next mark is due.
    pub(super) next_mark: Timestamp,
    /// Where it stands in the worker's deadlines.
    pub(super) deadline: Timestamp,
    /// The credential of the last event: its chain was given. Most events are of one author, and this is here where all else
    /// of a delivery is.
    last_credential: Option<CredentialId>,
    /// The last event that a look-up met it for.
    pub(super) last_met: Sequence,
    /// In bytes that it is given since it began: what comes before this was put into its outbox while it was behind.
    pub(super) past_until: u64,
    /// Whether its driver is to take output.
    pub(super) called: Called,
}

impl Session {
    pub(super) fn new(generation: u64, stage: Stage, now: Timestamp, deadline: Timestamp) -> Self {
        Self {
            generation,
            stage,
            outbox: Outbox::default(),
            subscription: None,
            subscriptions: 0,
            revocations_given: 0,
            pace: Pace::default(),
            seat: None,
            in_flight: 0,
            reading: false,
            reading_history: false,
            leaving: false,
            overdue: false,
            closing_under: None,
            last_heard: now,
            come_through: 0,
            watch: None,
            controls_until: now,
            next_mark: Timestamp::FAR_FUTURE,
            deadline,
            last_credential: None,
            last_met: Sequence::START,
            past_until: 0,
            called: Called::Not,
        }
    }

    /// Something came from the peer.
    pub(super) fn note_heard(&mut self, now: Timestamp) {
        self.last_heard = now;
        if let Some(watch) = &mut self.watch {
            watch.pinged = false;
        }
        if let Some(seat) = &self.seat {
            seat.note_heard(now);
        }
    }

    pub(super) fn reader(&self) -> Option<&Reader> {
        self.subscription.as_ref().map(|subscription| &subscription.reader)
    }

    pub(super) fn standing(&self) -> Option<Standing> {
        self.subscription.as_ref().map(|subscription| subscription.standing)
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.standing(), Some(Standing::Live(_)))
    }

    pub(super) fn stand(&mut self, standing: Standing) {
        if let Some(subscription) = &mut self.subscription {
            subscription.standing = standing;
        }
    }

    /// A live session was given everything up to this place; what follows will be read back.
    pub(super) fn turn_behind(&mut self, after: Position) {
        self.stand(Standing::Behind(after));
        self.tell(after);
    }

    /// The reader knows that he was given everything up to this place.
    pub(super) fn tell(&mut self, at: Position) {
        if let Some(subscription) = &mut self.subscription {
            subscription.told = at;
        }
    }

    /// The next event is so long and found no room.
    pub(super) fn await_room(&mut self, bytes: usize) {
        if let Some(subscription) = &mut self.subscription {
            subscription.next_bytes = bytes;
        }
    }

    /// The room that the next event needs, as far as is known.
    pub(super) fn awaited_room(&self) -> usize {
        self.subscription.as_ref().map_or(0, |subscription| subscription.next_bytes)
    }

    /// Up to where it was given everything, as its peer may be told; `head` is the worker's. `None` while it is looked up
    /// where it begins.
    pub(super) fn position(&self, head: Position) -> Option<Position> {
        let subscription = self.subscription.as_ref()?;
        #[cfg(feature = "sabotage")]
        if Sabotage::MarkTellsWhatIsHidden.is_planted()
            && let Standing::Behind(at) | Standing::Reading(Some(at)) = subscription.standing
        {
            return Some(at);
        }
        match subscription.standing {
            Standing::Live(after) => Some(head.max(after)),
            Standing::Behind(_) | Standing::Reading(Some(_)) => Some(subscription.told),
            Standing::Reading(None) => None,
        }
    }

    /// Whether an event that is dispatched now lies before the place from which the session is served.
    pub(super) fn was_given(&self, event: Sequence) -> bool {
        match self.standing() {
            Some(Standing::Live(at) | Standing::Behind(at) | Standing::Reading(Some(at))) => event <= at.seq,
            Some(Standing::Reading(None)) | None => false,
        }
    }

    /// The links down to this credential, where it is one of those that the session logged in with.
    pub(super) fn own_chain(&self, credential: CredentialId) -> Option<Vec<Arc<str>>> {
        let Stage::LoggedIn(state) = &self.stage else { return None };
        let links = state.chain().links();
        let leaf = links.iter().position(|link| link.id() == credential)?;
        Some(links[..=leaf].iter().map(|link| Arc::clone(link.token())).collect())
    }

    /// Notes that the chain of this credential is about to be given; whether it must be.
    pub(super) fn needs_chain(&mut self, credential: CredentialId) -> bool {
        if self.last_credential == Some(credential) {
            return false;
        }
        match &mut self.stage {
            Stage::LoggedIn(state) => {
                self.last_credential = Some(credential);
                state.needs_chain(credential)
            }
            Stage::AwaitLogin(_) | Stage::Closing => false,
        }
    }

    /// Nothing more is heard of it. What waits is still written, as long as its chain is good.
    pub(super) fn close(&mut self) {
        if let Stage::LoggedIn(state) = std::mem::replace(&mut self.stage, Stage::Closing) {
            self.closing_under = Some(Arc::clone(state.chain()));
        }
        self.subscription = None;
        self.past_until = 0;
        // It has its time to take the end, and no less.
        self.watch = None;
        if let Some(seat) = &self.seat {
            seat.vacate();
        }
    }
}
