//! Bugs planted on purpose in the driver around relay and disk, to see the checker catch them.
//!
//! Nothing of the relay is changed: what it puts out is distorted on its way to the link, or what the disk promises is
//! broken.

use bytes::Bytes;
use vigie_proto::frame::{FromRelay, ServerFrame};
use vigie_proto::id::Sequence;

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
}

/// What a planted bug keeps of a link.
#[derive(Debug, Default)]
pub struct Planted {
    /// The session asked to go on after a cursor.
    pub resumed: bool,
    done: bool,
    turned_live: bool,
}

impl Planted {
    /// What becomes of the frames that one write takes from an outbox.
    pub fn distort(&mut self, plant: Plant, mut texts: Vec<Bytes>) -> Vec<Bytes> {
        match plant {
            Plant::None | Plant::ReceiptBeforeAppend | Plant::ExerciseToLive | Plant::SyncDoesNothing => {
                texts
            }
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
            | Plant::PastSkipped => {
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
