//! Bugs planted on purpose in the driver around relay and disk, to see the checker catch them.
//!
//! Nothing of the relay is changed: what it puts out or hears is distorted on its way, it is told a wrong time or bound, or
//! what the disk promises is broken.

use std::time::Duration;

use bytes::Bytes;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{ClientFrame, FromRelay, GapReason, ServerFrame};
use vigie_proto::id::Sequence;
use vigie_proto::time::Timestamp;

use super::bounds::Bounds;
use super::relay::SimRelay;

/// Which bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plant {
    /// None.
    #[default]
    None,
    /// Receipts and events go out before the batch is on disk: a power cut takes the last batch with it.
    ReceiptBeforeAppend,
    /// The first event after a resume is given twice.
    TwiceAfterResume,
    /// The first event after a session turned live is left out.
    SkippedAtHandOver,
    /// Exercise events go to a live reader too.
    ExerciseToLive,
    /// The marks of a session that is behind claim the head.
    MarkTooFar,
    /// Syncs do nothing.
    SyncDoesNothing,
    /// Two events that wait together change places.
    Reordered,
    /// Resuming goes on one place too late.
    ResumedTooLate,
    /// The first message of a page of history is left out.
    PastSkipped,
    /// Retention carries on no ids: after a restart a replay is a new message.
    IdsForgottenAtRetention,
    /// Retention takes what is younger than what is kept.
    RemovedTooEarly,
    /// Once retention has removed something, chains are not served any more.
    ChainNotKeptAtRetention,
    /// Gaps are not told.
    GapNotTold,
    /// A reader that turns behind is closed.
    SlowReaderDropped,
    /// A cursor of another log is taken for one of this log.
    OtherLogTakenForOwn,
    /// What a start cannot read is left out in silence.
    DamageNotTold,
}

/// By how much a planted bug has retention look too far ahead: past the expiry of most messages.
const TOO_FAR: Duration = Duration::from_secs(3_600);

/// The same, for what would have gone soon.
const TOO_EARLY: Duration = Duration::from_secs(5);

impl Plant {
    /// The time by which retention goes.
    pub fn time_of_retention(self, now: Timestamp) -> Timestamp {
        if self == Self::IdsForgottenAtRetention {
            now.plus(TOO_FAR)
        } else if self == Self::RemovedTooEarly {
            now.plus(TOO_EARLY)
        } else {
            now
        }
    }

    /// What the relay makes of a frame.
    pub fn mishear(self, text: String, relay: &SimRelay) -> String {
        if self != Self::OtherLogTakenForOwn {
            return text;
        }
        let Ok(ClientFrame::Subscribe { n, channels, after: Some(after) }) = ClientFrame::parse(&text) else {
            return text;
        };
        let Ok(cursor) = after.parse::<Cursor>() else { return text };
        match relay.own_cursor(cursor.seq) {
            Some(own) if own.log != cursor.log => {
                let after = Some(own.to_string().into());
                ClientFrame::Subscribe { n, channels, after }.to_text()
            }
            Some(_) | None => text,
        }
    }

    /// The bounds by which the relay goes.
    pub fn bounds(self, bounds: &Bounds) -> Bounds {
        if self != Self::IdsForgottenAtRetention {
            return bounds.clone();
        }
        // What goes is right: only what is carried on is not.
        Bounds { retain_age: bounds.retain_age + TOO_FAR, retain_bytes: u64::MAX, ..bounds.clone() }
    }
}

/// What a planted bug keeps of a link.
#[derive(Debug, Default)]
pub struct Planted {
    /// The session asked to go on after a cursor.
    pub resumed: bool,
    done: bool,
    turned_live: bool,
    /// Retention has removed something.
    pub removed: bool,
}

impl Planted {
    /// What becomes of the frames that one write takes from an outbox.
    pub fn distort(&mut self, plant: Plant, mut texts: Vec<Bytes>) -> Vec<Bytes> {
        match plant {
            Plant::None
            | Plant::ReceiptBeforeAppend
            | Plant::ExerciseToLive
            | Plant::SyncDoesNothing
            | Plant::IdsForgottenAtRetention
            | Plant::RemovedTooEarly
            | Plant::SlowReaderDropped
            | Plant::OtherLogTakenForOwn => texts,
            Plant::Reordered => {
                let place = texts.windows(2).position(|pair| is_event(&pair[0]) && is_event(&pair[1]));
                if let Some(place) = place {
                    texts.swap(place, place + 1);
                }
                texts
            }
            Plant::TwiceAfterResume
            | Plant::SkippedAtHandOver
            | Plant::MarkTooFar
            | Plant::ResumedTooLate
            | Plant::PastSkipped
            | Plant::ChainNotKeptAtRetention
            | Plant::GapNotTold
            | Plant::DamageNotTold => {
                texts.into_iter().flat_map(|text| self.distort_one(plant, text)).collect()
            }
        }
    }

    fn distort_one(&mut self, plant: Plant, text: Bytes) -> Vec<Bytes> {
        let words = String::from_utf8_lossy(&text).into_owned();
        let Ok(FromRelay::Known(frame)) = ServerFrame::parse(&words) else { return vec![text] };
        match (plant, frame) {
            (Plant::TwiceAfterResume, ServerFrame::Event { .. }) if self.resumed && !self.done => {
                self.done = true;
                vec![text.clone(), text]
            }
            (Plant::ResumedTooLate, ServerFrame::Event { .. }) if self.resumed && !self.done => {
                self.done = true;
                Vec::new()
            }
            (Plant::PastSkipped, ServerFrame::Past { .. }) if !self.done => {
                self.done = true;
                Vec::new()
            }
            (Plant::ChainNotKeptAtRetention, ServerFrame::Chain { .. }) if self.removed => Vec::new(),
            (Plant::GapNotTold, ServerFrame::Gap { .. }) => Vec::new(),
            (Plant::DamageNotTold, ServerFrame::Gap { reason: GapReason::Damaged, .. }) => Vec::new(),
            (Plant::SkippedAtHandOver, ServerFrame::Mark { seq, head, .. }) => {
                self.turned_live |= seq == head;
                vec![text]
            }
            (Plant::SkippedAtHandOver, ServerFrame::Event { .. }) if self.turned_live && !self.done => {
                self.done = true;
                Vec::new()
            }
            (Plant::MarkTooFar, ServerFrame::Mark { log, seq, admitted, head, now }) if seq < head => {
                let seq = Sequence::new(head.get());
                vec![ServerFrame::Mark { log, seq, admitted, head, now }.to_text().into()]
            }
            _ => vec![text],
        }
    }
}

fn is_event(text: &Bytes) -> bool {
    text.starts_with(br#"{"op":"event""#)
}
