//! A reading client: the SDK's own `Reader` behind a link, and a record of all that came over the wire.

use std::sync::Arc;
use std::time::Duration;

use vigie_client::{Delivery, Exercise, Live, OnPlane, Reader};
use vigie_proto::chain::Roots;
use vigie_proto::channel::Plane;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{GapReason, ServerFrame, Start};
use vigie_proto::id::Sequence;

use super::client::Surroundings;
use super::history::{Did, History, ReaderId};
use super::random::Chance;

#[derive(Debug)]
enum OfPlane {
    Live(Reader<Live>),
    Exercise(Reader<Exercise>),
}

/// A program that reads. Started anew, it is another with the cursor of the one before.
#[derive(Debug)]
pub struct ReadingClient {
    id: ReaderId,
    plane: Plane,
    filters: Vec<String>,
    roots: Roots,
    start: Start,
    reader: OfPlane,
    /// A mark of this session said that nothing is left to give.
    caught_up: bool,
}

impl ReadingClient {
    /// A program that begins somewhere.
    pub fn new(
        id: ReaderId,
        plane: Plane,
        filters: &[String],
        roots: &Roots,
        start: Start,
        history: &mut History,
    ) -> Self {
        history.note(Did::Reads { reader: id, plane, filters: filters.to_vec() });
        let parsed = filters.iter().map(|filter| filter.parse().unwrap()).collect();
        let reader = match plane {
            Plane::Live => OfPlane::Live(Reader::new(roots.clone(), parsed, start)),
            Plane::Exercise => OfPlane::Exercise(Reader::new(roots.clone(), parsed, start)),
        };
        Self { id, plane, filters: filters.to_vec(), roots: roots.clone(), start, reader, caught_up: false }
    }

    /// The program ends, and one begins that knows the cursor and nothing else. Now and then what it knows is not true
    /// of this log: that is how the log looks when it was restored from an old copy.
    pub fn start_anew(&mut self, id: ReaderId, chance: &mut Chance, history: &mut History) {
        history.note(Did::Left { reader: self.id });
        let restored = chance.below(6);
        let start = match self.cursor() {
            None => self.start,
            Some(Cursor { log, seq, admitted }) if restored == 0 => {
                Start::After(Cursor { log, seq: Sequence::new(seq.get() + 1_000), admitted })
            }
            Some(Cursor { log, seq, admitted }) if restored == 1 => {
                Start::After(Cursor { log, seq, admitted: admitted.plus(Duration::from_millis(1)) })
            }
            Some(cursor) => Start::After(cursor),
        };
        *self = Self::new(id, self.plane, &self.filters, &self.roots, start, history);
    }

    /// Where it stands.
    pub const fn cursor(&self) -> Option<Cursor> {
        match &self.reader {
            OfPlane::Live(reader) => reader.cursor(),
            OfPlane::Exercise(reader) => reader.cursor(),
        }
    }

    /// Whether it stands there, on a session that is up.
    pub fn stands_at(&self, head: Cursor) -> bool {
        self.caught_up && self.cursor() == Some(head)
    }

    /// The plane it reads.
    pub const fn plane(&self) -> Plane {
        self.plane
    }

    /// A session is open.
    pub fn handle_open(&mut self, around: &mut Surroundings<'_>) -> String {
        let start = self.cursor().map_or(self.start, Start::After);
        match start {
            Start::Here => {}
            Start::Beginning => around.tally.from_start += 1,
            Start::After(_) => around.tally.resumed += 1,
        }
        self.caught_up = false;
        around.history.note(Did::Asked { reader: self.id, start });
        match &mut self.reader {
            OfPlane::Live(reader) => reader.handle_open(),
            OfPlane::Exercise(reader) => reader.handle_open(),
        }
    }

    /// A frame came. False when the link is of no use any more.
    pub fn handle_frame(&mut self, frame: ServerFrame<'_>, around: &mut Surroundings<'_>) -> bool {
        let request = match &self.reader {
            OfPlane::Live(reader) => reader.request(),
            OfPlane::Exercise(reader) => reader.request(),
        };
        if let ServerFrame::Refused { re, .. } = &frame
            && *re == Some(request)
        {
            return false;
        }
        self.note_wire(&frame, around);
        let (id, history) = (self.id, &mut *around.history);
        match &mut self.reader {
            OfPlane::Live(reader) => note_shown(id, reader, frame, history),
            OfPlane::Exercise(reader) => note_shown(id, reader, frame, history),
        }
        true
    }

    fn note_wire(&mut self, frame: &ServerFrame<'_>, around: &mut Surroundings<'_>) {
        let reader = self.id;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other frames are not about what a reader is given"
        )]
        let did = match frame {
            ServerFrame::Subscribed { log, seq, .. } => Did::Subscribed { reader, log: *log, seq: *seq },
            ServerFrame::Event { seq, admitted, jws } => {
                around.tally.events_given += 1;
                around.tally.exercise_events_given += u64::from(self.plane == Plane::Exercise);
                Did::Given { reader, seq: *seq, admitted: *admitted, token: Arc::from(&**jws) }
            }
            ServerFrame::Mark { log, seq, admitted, head, .. } => {
                let cursor = Cursor { log: *log, seq: *seq, admitted: *admitted };
                self.caught_up |= seq == head;
                Did::Marked { reader, cursor, head: *head }
            }
            ServerFrame::Gap { reason, from, to } => {
                match reason {
                    GapReason::OtherLog => around.tally.gaps_other_log += 1,
                    GapReason::Ahead => around.tally.gaps_ahead += 1,
                    _ => {}
                }
                Did::GapTold { reader, reason: *reason, from: from.parse().ok(), to: to.parse().ok() }
            }
            _ => return,
        };
        around.history.note(did);
    }
}

fn note_shown<P: OnPlane>(
    id: ReaderId,
    reader: &mut Reader<P>,
    frame: ServerFrame<'_>,
    history: &mut History,
) {
    for delivery in reader.handle_frame(frame, history.now) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "gaps are noted from the wire; later kinds do not occur"
        )]
        match delivery {
            Delivery::Message(message) => history.note(Did::Shown {
                reader: id,
                plane: P::PLANE,
                token: Arc::from(message.token()),
                cursor: message.cursor(),
            }),
            Delivery::Suspect(suspect) => history.note(Did::Suspected { reader: id, code: suspect.code }),
            _ => {}
        }
    }
}
