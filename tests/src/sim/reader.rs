//! A reading client, and a record of all that came to it over the wire: the SDK's own `Reader` behind a link, or one that
//! speaks the protocol by hand, and so may replace its subscription and ask for history.

use std::sync::Arc;
use std::time::Duration;

use vigie_client::{Delivery, Exercise, Live, OnPlane, Reader};
use vigie_proto::chain::Roots;
use vigie_proto::channel::{Jurisdiction, Plane};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{ClientFrame, GapReason, HeldRevocations, ServerFrame, Start};
use vigie_proto::id::{LogId, Sequence};

use super::client::{Surroundings, millis};
use super::coverage::Coverage;
use super::history::{Did, History, ReaderId};
use super::network::Millis;
use super::random::Chance;

#[derive(Debug)]
enum Reads {
    Live(Reader<Live>),
    Exercise(Reader<Exercise>),
    ByHand(ByHand),
}

/// A reader that speaks the protocol by hand: it keeps its cursor as the SDK does.
#[derive(Debug, Default)]
struct ByHand {
    number: u64,
    /// `subscribed` has come on this session, for this log.
    log: Option<LogId>,
    position: Option<Cursor>,
    /// When it will replace its subscription or ask for history.
    acts_at: Millis,
    /// The request for a page that waits for its end.
    page: Option<u64>,
    next_page: Option<Cursor>,
}

/// What a reader may ask to hear.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// On which plane.
    pub plane: Plane,
    /// For which organisation.
    pub org: Jurisdiction,
    /// Sets of filters: the first is asked for first.
    pub sets: Vec<Vec<String>>,
    /// Whether it reads by the SDK.
    pub by_sdk: bool,
    /// From where.
    pub start: Start,
}

/// A program that reads. Started anew, it is another with the cursor of the one before.
#[derive(Debug)]
pub struct ReadingClient {
    id: ReaderId,
    wishes: Wishes,
    filters: Vec<String>,
    roots: Roots,
    reads: Reads,
    /// A mark of this session said that nothing is left to give.
    caught_up: bool,
    /// Up to where its program has handled what it was given, and said so to its disk.
    committed: Option<Cursor>,
    /// The last revocation that it was given.
    told: Option<HeldRevocations>,
}

impl ReadingClient {
    /// A program that begins somewhere.
    pub fn new(id: ReaderId, wishes: Wishes, roots: &Roots, history: &mut History) -> Self {
        let Wishes { plane, by_sdk, start, .. } = wishes;
        history.note(Did::Reads { reader: id, plane, org: wishes.org.to_string(), by_sdk });
        let (org, filters) = (wishes.org.clone(), wishes.sets[0].clone());
        let parsed = filters.iter().map(|filter| filter.parse().unwrap()).collect();
        let reads = match plane {
            _ if !by_sdk => Reads::ByHand(ByHand::default()),
            Plane::Live => Reads::Live(Reader::new(roots.clone(), org, parsed, start)),
            Plane::Exercise => Reads::Exercise(Reader::new(roots.clone(), org, parsed, start)),
        };
        Self {
            id,
            wishes,
            filters,
            roots: roots.clone(),
            reads,
            caught_up: false,
            committed: None,
            told: None,
        }
    }

    /// The program ends, and one begins that knows the cursor and nothing else. Now and then what it knows is not true
    /// of this log: that is how the log looks when it was restored from an old copy.
    ///
    /// Killed, it knows the cursor that it committed last; ended in order, the last one.
    pub fn start_anew(
        &mut self,
        id: ReaderId,
        tally: &mut Coverage,
        chance: &mut Chance,
        history: &mut History,
    ) {
        history.note(Did::Left { reader: self.id });
        let restored = chance.below(6);
        let killed = chance.one_in(2);
        let known = if killed { self.committed } else { self.cursor() };
        tally.reader_kills += u64::from(known.is_some() && known != self.cursor());
        let start = match known {
            None => self.wishes.start,
            Some(Cursor { log, seq, admitted }) if restored == 0 => {
                Start::After(Cursor { log, seq: Sequence::new(seq.get() + 1_000), admitted })
            }
            Some(Cursor { log, seq, admitted }) if restored == 1 && seq > Sequence::START => {
                Start::After(Cursor { log, seq, admitted: admitted.plus(Duration::from_millis(1)) })
            }
            Some(cursor) => Start::After(cursor),
        };
        *self = Self::new(id, Wishes { start, ..self.wishes.clone() }, &self.roots, history);
        self.committed = if let Start::After(cursor) = start { Some(cursor) } else { None };
    }

    /// Where it stands.
    pub const fn cursor(&self) -> Option<Cursor> {
        match &self.reads {
            Reads::Live(reader) => reader.cursor(),
            Reads::Exercise(reader) => reader.cursor(),
            Reads::ByHand(reader) => reader.position,
        }
    }

    /// Whether it stands there, on a session that is up. When the message there was admitted is not looked at: a cursor
    /// that is wrong in that is not found out once retention has removed the message.
    pub fn stands_at(&self, head: Cursor) -> bool {
        self.caught_up && self.cursor().is_some_and(|cursor| (cursor.log, cursor.seq) == (head.log, head.seq))
    }

    /// The revocations that it says it holds: one that speaks by hand asks for all of them every time.
    pub const fn held_revocations(&self) -> Option<HeldRevocations> {
        match &self.reads {
            Reads::Live(reader) => reader.held_revocations(),
            Reads::Exercise(reader) => reader.held_revocations(),
            Reads::ByHand(_) => None,
        }
    }

    /// Whether it was given the last revocation of its plane, which has this count in this log; 0 when there is none.
    pub fn has_learned(&self, log: LogId, count: u64) -> bool {
        count == 0 || self.told.is_some_and(|told| told.log == log && told.count >= count)
    }

    /// The plane it reads.
    pub const fn plane(&self) -> Plane {
        self.wishes.plane
    }

    /// A session is open.
    pub fn handle_open(&mut self, around: &mut Surroundings<'_>) -> String {
        let start = self.cursor().map_or(self.wishes.start, Start::After);
        match start {
            Start::Here => {}
            Start::Beginning => around.tally.from_start += 1,
            Start::After(_) => around.tally.resumed += 1,
        }
        self.note_asked(true, start, around);
        match &mut self.reads {
            Reads::Live(reader) => reader.handle_open(),
            Reads::Exercise(reader) => reader.handle_open(),
            Reads::ByHand(reader) => {
                (reader.log, reader.page, reader.next_page) = (None, None, None);
                reader.acts_at = millis(around.history.now) + around.chance.within(0..=10_000);
                reader.subscribe(&self.filters, start)
            }
        }
    }

    fn note_asked(&mut self, new_session: bool, start: Start, around: &mut Surroundings<'_>) {
        self.caught_up = false;
        let filters = self.filters.clone();
        around.history.note(Did::Asked { reader: self.id, new_session, filters, start });
    }

    /// When it wants to act by itself, while it is logged in.
    pub const fn next_tick(&self) -> Option<Millis> {
        match &self.reads {
            Reads::ByHand(reader) => Some(reader.acts_at),
            Reads::Live(_) | Reads::Exercise(_) => None,
        }
    }

    /// It replaces its subscription, or asks for a page of history. `calm`: it leaves its subscription alone.
    pub fn tick(&mut self, calm: bool, around: &mut Surroundings<'_>) -> Vec<String> {
        let now = millis(around.history.now);
        let Reads::ByHand(reader) = &mut self.reads else { return Vec::new() };
        if reader.acts_at > now {
            return Vec::new();
        }
        reader.acts_at = now + around.chance.within(1..=8_000);
        if calm || around.chance.one_in(2) {
            return self.ask_for_page(around).into_iter().collect();
        }
        self.filters.clone_from(around.chance.pick(&self.wishes.sets));
        let start = if around.chance.one_in(5) { Start::Beginning } else { Start::Here };
        around.tally.replaced_subscriptions += 1;
        self.note_asked(false, start, around);
        let Reads::ByHand(reader) = &mut self.reads else { return Vec::new() };
        vec![reader.subscribe(&self.filters, start)]
    }

    fn ask_for_page(&mut self, around: &mut Surroundings<'_>) -> Option<String> {
        let Reads::ByHand(reader) = &mut self.reads else { return None };
        if reader.page.is_some() {
            return None;
        }
        let limit = *around.chance.pick(&[1, 5, 256]);
        let start = reader.next_page.take().map_or(Start::Beginning, Start::After);
        let filters = around.chance.pick(&self.wishes.sets).clone();
        reader.number += 1;
        reader.page = Some(reader.number);
        let frame = ClientFrame::History {
            n: reader.number,
            channels: filters.iter().map(|filter| filter.as_str().into()).collect(),
            after: start.to_after()?.into(),
            limit,
        }
        .to_text();
        around.history.note(Did::AskedPast { reader: self.id, filters, start, limit: limit as usize });
        Some(frame)
    }

    /// A frame came. False when the link is of no use any more.
    pub fn handle_frame(&mut self, frame: ServerFrame<'_>, around: &mut Surroundings<'_>) -> bool {
        self.note_wire(&frame, around);
        let id = self.id;
        let goes_on = match &mut self.reads {
            Reads::Live(reader) => note_shown(id, reader, frame, around),
            Reads::Exercise(reader) => note_shown(id, reader, frame, around),
            Reads::ByHand(reader) => reader.handle_frame(&frame),
        };
        if around.chance.one_in(8) {
            self.committed = self.cursor();
        }
        goes_on
    }

    /// Its name in the history.
    pub const fn id(&self) -> ReaderId {
        self.id
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
                around.tally.exercise_events_given += u64::from(self.plane() == Plane::Exercise);
                Did::Given { reader, seq: *seq, admitted: *admitted, token: Arc::from(&**jws) }
            }
            ServerFrame::Mark { log, seq, admitted, head, .. } => {
                let cursor = Cursor { log: *log, seq: *seq, admitted: *admitted };
                self.caught_up |= seq == head;
                Did::Marked { reader, cursor, head: *head }
            }
            ServerFrame::Gap { re, reason, from, to } => {
                match reason {
                    GapReason::OtherLog => around.tally.gaps_other_log += 1,
                    GapReason::Ahead => around.tally.gaps_ahead += 1,
                    GapReason::Removed => around.tally.gaps_removed += 1,
                    GapReason::Damaged => around.tally.gaps_damaged += 1,
                    _ => {}
                }
                around.tally.gaps_in_pages += u64::from(re.is_some());
                let (from, to) = (from.parse().ok(), to.parse().ok());
                Did::GapTold { reader, reason: *reason, in_page: re.is_some(), from, to }
            }
            ServerFrame::Revocation { log, count, seq, admitted, jws } => {
                around.tally.revocations_told += 1;
                self.told = Some(HeldRevocations { log: *log, count: *count });
                let (log, count, seq, admitted) = (*log, *count, *seq, *admitted);
                Did::ToldRevoked { reader, log, count, seq, admitted, token: Arc::from(&**jws) }
            }
            ServerFrame::Past { seq, admitted, jws, .. } => {
                around.tally.past_given += 1;
                Did::Past { reader, seq: *seq, admitted: *admitted, token: Arc::from(&**jws) }
            }
            ServerFrame::Page { next, end, .. } => {
                around.tally.pages += 1;
                Did::PageEnded { reader, next: next.parse().ok(), end: *end }
            }
            ServerFrame::Refused { code, .. } => match code.parse() {
                Ok(code) => Did::ReaderRefused { reader, code },
                Err(_) => return,
            },
            _ => return,
        };
        around.history.note(did);
    }
}

impl ByHand {
    fn subscribe(&mut self, filters: &[String], start: Start) -> String {
        self.number += 1;
        let channels = filters.iter().map(|filter| filter.as_str().into()).collect();
        ClientFrame::Subscribe { n: self.number, channels, after: start.to_after().map(Into::into) }.to_text()
    }

    /// False when the link is of no use any more.
    fn handle_frame(&mut self, frame: &ServerFrame<'_>) -> bool {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other frames do not move a cursor")]
        match frame {
            ServerFrame::Subscribed { log, .. } => self.log = Some(*log),
            ServerFrame::Event { seq, admitted, .. } => {
                self.position = self.log.map(|log| Cursor { log, seq: *seq, admitted: *admitted });
            }
            ServerFrame::Mark { log, seq, admitted, .. } => {
                self.position = Some(Cursor { log: *log, seq: *seq, admitted: *admitted });
            }
            ServerFrame::Page { re, next, end } if self.page == Some(*re) => {
                self.page = None;
                self.next_page = if *end { None } else { next.parse().ok() };
            }
            ServerFrame::Refused { re: Some(re), .. } if self.page == Some(*re) => self.page = None,
            ServerFrame::Refused { .. } => return false,
            _ => {}
        }
        true
    }
}

/// Writes down what the SDK makes of a frame. False when the link is of no use any more.
fn note_shown<P: OnPlane>(
    id: ReaderId,
    reader: &mut Reader<P>,
    frame: ServerFrame<'_>,
    around: &mut Surroundings<'_>,
) -> bool {
    let refused = matches!(&frame, ServerFrame::Refused { re, .. } if *re == Some(reader.request()));
    let history = &mut *around.history;
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
            Delivery::Disowned(disowned) => {
                let (id_of_message, given_before) = (disowned.id, disowned.given_before);
                around.tally.disowned_later += u64::from(given_before);
                around.tally.disowned_at_once += u64::from(!given_before);
                history.note(Did::Disowned { reader: id, id: id_of_message, given_before });
            }
            Delivery::Suspect(suspect) => {
                let token = Arc::clone(&suspect.token);
                history.note(Did::Suspected { reader: id, code: suspect.code, token });
            }
            _ => {}
        }
    }
    !refused
}
