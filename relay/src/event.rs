//! An event: an admitted message as a ready frame, the same bytes for every reader.
//!
//! Made once, by the sequencer when it admits or by a page of the journal when it is read back; shared by reference
//! from there to the sockets.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use vigie_proto::channel::Channel;
use vigie_proto::frame::ServerFrame;
use vigie_proto::hear::Said;
use vigie_proto::id::{CredentialId, MessageId, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use crate::journal::MessageRecord;
use crate::sequencer::Ticket;

/// A place in the log, with the time of admission there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The sequence; 0 before the first.
    pub seq: Sequence,
    /// When the message there was admitted; the epoch before the first.
    pub admitted: Timestamp,
}

/// An admitted message, and the frame that tells it.
#[derive(Debug)]
pub struct Event {
    /// Where it stands in the log, and since when.
    pub at: Position,
    /// The message.
    pub id: MessageId,
    /// The credential that it speaks under: its chain goes before it.
    pub credential: CredentialId,
    /// How grave.
    pub severity: Severity,
    /// Whether it asks for action now or soon, is grave and no exercise: who hears it is served first. Not known, and `false`, of what was
    /// read back from the journal.
    pub urgent: bool,
    /// Where it is addressed.
    pub channel: Channel,
    /// For whom it is by name.
    pub audience: Audience,
    /// The text of the `event` frame.
    pub frame: Bytes,
}

impl<'e> From<&'e Event> for Said<'e> {
    fn from(event: &'e Event) -> Self {
        Self { channel: &event.channel, severity: event.severity, audience: &event.audience }
    }
}

impl From<MessageRecord> for Event {
    fn from(record: MessageRecord) -> Self {
        // A record holds the JWS as text; bytes that are none were damaged past what the checksum sees. Asked first, since
        // what replaces them looks at each byte.
        let jws = std::str::from_utf8(&record.jws)
            .map_or_else(|_| String::from_utf8_lossy(&record.jws), Cow::Borrowed);
        let frame = ServerFrame::Event { seq: record.seq, admitted: record.admitted, jws };
        let frame = frame.to_text().into();
        Self {
            at: Position { seq: record.seq, admitted: record.admitted },
            id: record.id,
            credential: record.credential,
            severity: record.severity,
            urgent: false,
            channel: record.channel,
            audience: record.audience,
            frame,
        }
    }
}

/// What one sync made durable, handed to every worker.
#[derive(Debug)]
pub struct Batch {
    /// In the order of the log; at least one.
    pub events: Vec<(Arc<Event>, Reach)>,
}

impl Batch {
    /// The last place in it.
    pub fn head(&self) -> Position {
        self.events.last().expect("a batch has at least one event").0.at
    }
}

/// Counts, over all workers, the sessions that an event was handed to. One atomic per worker and event, none per
/// delivery.
#[derive(Debug)]
pub struct Reach {
    author: Ticket,
    live: AtomicU64,
    behind: AtomicU64,
    workers_left: AtomicUsize,
}

/// What an author is told about the reach of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReachReport {
    /// Who asked.
    pub author: Ticket,
    /// The message.
    pub id: MessageId,
    /// Sessions that are given it now.
    pub live: u64,
    /// Sessions that will be given it when they have caught up.
    pub behind: u64,
}

impl Reach {
    /// Counts for this author, until so many workers have reported.
    pub fn new(author: Ticket, workers: usize) -> Self {
        Self {
            author,
            live: AtomicU64::new(0),
            behind: AtomicU64::new(0),
            workers_left: AtomicUsize::new(workers),
        }
    }

    /// One worker has counted its sessions; the last one gets the sum.
    pub fn add(&self, id: MessageId, live: u64, behind: u64) -> Option<ReachReport> {
        self.live.fetch_add(live, Ordering::Relaxed);
        self.behind.fetch_add(behind, Ordering::Relaxed);
        // Release and acquire: the last one sees the sums of all others.
        (self.workers_left.fetch_sub(1, Ordering::AcqRel) == 1).then(|| ReachReport {
            author: self.author,
            id,
            live: self.live.load(Ordering::Relaxed),
            behind: self.behind.load(Ordering::Relaxed),
        })
    }
}

/// Shared by the journal thread and all workers.
pub type SharedBatch = Arc<Batch>;
