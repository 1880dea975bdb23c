//! Pages of the journal, for sessions that are behind: read on other threads, and shared by readers at the same place.
//!
//! A worker asks with a [`ReadRequest`]; a thread beside it reads with [`Pages::read`] and brings the [`ReadReply`]
//! back. What is read for a subscription is made into ready events once, and kept for a while: whoever then asks for the
//! same channels from a place inside that page costs no read, no encoding and no copy of it. Since each goes on from the
//! end of the page that it was given, those who began near each other soon ask for the very same pages.
//!
//! Pages of history are not shared: they are asked for by hand, one at a time.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use vigie_proto::channel::Channel;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{GapReason, ServerFrame};
use vigie_proto::hear::{Reader, may_hear};
use vigie_proto::id::Sequence;
use vigie_proto::limits::FOREIGN_CURSOR_OVERLAP;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::SessionId;
use crate::event::{Event, Position};
use crate::journal::{JournalReader, MessageRecord, ReadError, Storage};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::sync::{Mutex, MutexGuard};

/// Pages kept for others, in bytes of their events, over the whole relay: 64 pages of the default size, so that as many
/// groups of readers, each at a place of its own, are served from memory. With the pages that outboxes still hold this is
/// all that readers who are behind cost beside their outboxes.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Pages kept at most: near the head they are small, and each look-up passes all of them.
const KEPT_MAX: usize = 256;

/// What an event costs beside its frame, about: its channel, ids and references.
const EVENT_BYTES: usize = 256;

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// After this place of this log.
    After(Position),
    /// Where a reader's cursor says, if it means this log.
    Cursor(Cursor),
    /// At the first message that the log has.
    Beginning,
}

/// What a read is for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    Subscription { number: u64, reader: Reader },
    History { re: u64, reader: Reader, limit: u32 },
}

/// A read of the journal, on behalf of a session.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    pub(super) session: SessionId,
    pub(super) purpose: Purpose,
    pub(super) from: ReadFrom,
    pub(super) max_bytes: usize,
}

impl ReadRequest {
    /// The session that it is read for.
    pub const fn session(&self) -> SessionId {
        self.session
    }
}

/// What was read.
#[derive(Debug)]
pub struct ReadReply {
    pub(super) session: SessionId,
    /// Ranges that cannot be given, in order: where a cursor means no place here, and what is lost right after.
    pub(super) gaps: Vec<Gap>,
    /// The place that what was found comes after.
    pub(super) after: Position,
    pub(super) found: Found,
}

#[derive(Debug)]
pub(super) enum Found {
    /// For the subscription of this number. The page may begin before `after`.
    Page { number: u64, page: Arc<Page> },
    /// For a request of history; all there is up to `end`.
    History { re: u64, reader: Reader, limit: u32, messages: Vec<MessageRecord>, end: Position },
}

/// Events in a row, as ready frames.
#[derive(Debug)]
pub(super) struct Page {
    /// Ascending.
    events: Vec<Arc<Event>>,
    /// The events are all there is up to here.
    pub(super) end: Position,
}

impl Page {
    /// The events after this place.
    pub(super) fn after(&self, seq: Sequence) -> &[Arc<Event>] {
        &self.events[self.events.partition_point(|event| event.at.seq <= seq)..]
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.frame.len() + EVENT_BYTES).sum()
    }
}

/// A page that others may use.
#[derive(Debug)]
struct Kept {
    /// What it was read for: nothing that this reader could hear is missing in it.
    reader: Reader,
    /// The place that it comes after.
    after: Sequence,
    page: Arc<Page>,
}

/// The pages that were used last, the latest at the back.
#[derive(Debug, Default)]
struct Recent {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Recent {
    /// The page that holds what this reader hears after this place, and leads furthest.
    fn find(&mut self, reader: &Reader, after: Sequence) -> Option<Arc<Page>> {
        let covers = |kept: &Kept| kept.after <= after && after < kept.page.end.seq && kept.reader == *reader;
        let covering = self.kept.iter().enumerate().filter(|(_, kept)| covers(kept));
        let (index, _) = covering.max_by_key(|(_, kept)| kept.page.end.seq)?;
        let used = self.kept.remove(index)?;
        let page = Arc::clone(&used.page);
        self.kept.push_back(used);
        Some(page)
    }

    fn keep(&mut self, kept: Kept) {
        self.bytes += kept.page.bytes();
        self.kept.push_back(kept);
        while (self.bytes > KEPT_BYTES_MAX || self.kept.len() > KEPT_MAX)
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.page.bytes();
        }
    }
}

/// Reads pages of one journal. Cheap to clone; all clones share what was read. Two that miss the same page at the same
/// time both read it: as many reads as there are threads for it, not as there are readers.
#[derive(Debug)]
pub struct Pages<S: Storage> {
    journal: JournalReader<S>,
    recent: Arc<Mutex<Recent>>,
}

impl<S: Storage> Clone for Pages<S> {
    fn clone(&self) -> Self {
        Self { journal: self.journal.clone(), recent: Arc::clone(&self.recent) }
    }
}

impl<S: Storage> Pages<S> {
    /// Pages of this journal.
    pub fn new(journal: JournalReader<S>) -> Self {
        Self { journal, recent: Arc::default() }
    }

    /// Reads a page, or finds it among those that others were given. Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed while reading; damage is no error but a gap.
    pub fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        let ReadRequest { session, purpose, from, max_bytes } = request;
        let (after, gap) = begin(&self.journal, from)?;
        let gaps = Vec::from_iter(gap);
        match purpose {
            Purpose::History { re, reader, limit } => {
                let read = self.read_fresh(&reader, from, after, gaps, max_bytes)?;
                let found = Found::History { re, reader, limit, messages: read.messages, end: read.end };
                Ok(ReadReply { session, gaps: read.gaps, after: read.after, found })
            }
            Purpose::Subscription { number, reader } => {
                // Not in the condition: the lock would be held while the disk is read.
                let kept = self.recent().find(&reader, after.seq);
                if let Some(page) = kept {
                    return Ok(ReadReply { session, gaps, after, found: Found::Page { number, page } });
                }
                let Read { gaps, after, removed, messages, end } =
                    self.read_fresh(&reader, from, after, gaps, max_bytes)?;
                let events = messages.iter().map(|record| Arc::new(Event::from(record))).collect();
                let page = Arc::new(Page { events, end });
                // A reader at a place that was removed must be told so: it finds no page.
                let after_removed = after.seq.max(removed);
                if after_removed < end.seq {
                    self.recent().keep(Kept { reader, after: after_removed, page: Arc::clone(&page) });
                }
                Ok(ReadReply { session, gaps, after, found: Found::Page { number, page } })
            }
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_fresh(
        &self,
        reader: &Reader,
        from: ReadFrom,
        mut after: Position,
        mut gaps: Vec<Gap>,
        max_bytes: usize,
    ) -> Result<Read, ReadError> {
        let journal = &self.journal;
        // Damage and retention lead on to a place whose time nobody knows any more.
        let mut skip = |after: &mut Position, reason, to: Sequence| {
            let to = Position { seq: to.max(after.seq), admitted: after.admitted };
            gaps.push(Gap::new(reason, journal, *after, to));
            *after = to;
        };
        // What could be heard at any severity: messages on other channels are not even read.
        let wants = |channel: &Channel| may_hear(reader, channel, Severity::Extreme);
        match journal.read_after_on(after.seq, max_bytes, &wants) {
            Ok(page) => {
                let removed = Sequence::new(page.first_available.get().saturating_sub(1));
                if after.seq < removed && from != ReadFrom::Beginning {
                    skip(&mut after, GapReason::Removed, removed);
                }
                let end = Position { seq: page.end, admitted: page.end_admitted };
                Ok(Read { gaps, after, removed, messages: page.messages, end })
            }
            Err(ReadError::Damaged { next, segment, offset, what, .. }) => {
                tracing::error!(
                    segment,
                    offset,
                    what,
                    "a part of the journal is damaged: a reader is given a gap"
                );
                skip(&mut after, GapReason::Damaged, Sequence::new(next.get().saturating_sub(1)));
                Ok(Read { gaps, after, removed: Sequence::START, messages: Vec::new(), end: after })
            }
            Err(error) => Err(error),
        }
    }
}

/// What came from the journal.
struct Read {
    gaps: Vec<Gap>,
    after: Position,
    /// What lies up to here, retention has removed.
    removed: Sequence,
    messages: Vec<MessageRecord>,
    end: Position,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    reason: GapReason,
    from: Cursor,
    to: Cursor,
}

/// Finds the place to begin, and what is lost where a cursor does not mean a place of this log.
fn begin<S: Storage>(
    journal: &JournalReader<S>,
    from: ReadFrom,
) -> Result<(Position, Option<Gap>), ReadError> {
    let cursor = match from {
        ReadFrom::After(position) => return Ok((position, None)),
        ReadFrom::Beginning => return Ok((Position::default(), None)),
        ReadFrom::Cursor(cursor) => cursor,
    };
    let here = Position { seq: cursor.seq, admitted: cursor.admitted };
    #[cfg(feature = "sabotage")]
    let here = if Sabotage::DuplicateOnResume.is_planted() {
        Position { seq: Sequence::new(here.seq.get().saturating_sub(1)), ..here }
    } else {
        here
    };
    let reason = if cursor.log != journal.log() {
        GapReason::OtherLog
    } else if cursor.seq > journal.head() {
        GapReason::Ahead
    } else {
        match journal.admitted_at(cursor.seq) {
            // The place before the first message, or one that retention removed: `read` tells which.
            Ok(None) => return Ok((here, None)),
            Ok(Some(admitted)) if admitted == cursor.admitted => return Ok((here, None)),
            // The same number with another time: the log was restored from a copy, and went on differently.
            Ok(Some(_)) => GapReason::OtherLog,
            Err(ReadError::Damaged { .. }) => return Ok((here, None)),
            Err(error) => return Err(error),
        }
    };
    let seq = journal.first_after(cursor.admitted.minus(FOREIGN_CURSOR_OVERLAP))?;
    let admitted = journal.admitted_at(seq)?.unwrap_or(Timestamp::EPOCH);
    let to = Position { seq, admitted };
    Ok((to, Some(Gap { reason, from: cursor, to: cursor_at(journal, to) })))
}

fn cursor_at<S: Storage>(journal: &JournalReader<S>, at: Position) -> Cursor {
    Cursor { log: journal.log(), seq: at.seq, admitted: at.admitted }
}

impl Gap {
    fn new<S: Storage>(reason: GapReason, journal: &JournalReader<S>, from: Position, to: Position) -> Self {
        Self { reason, from: cursor_at(journal, from), to: cursor_at(journal, to) }
    }

    /// As told in a subscription, or in the page of history that answers `re`.
    pub(super) fn to_text(self, re: Option<u64>) -> String {
        let (from, to) = (self.from.to_string().into(), self.to.to_string().into());
        ServerFrame::Gap { re, reason: self.reason, from, to }.to_text()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vigie_proto::chain::{Chain, NoVerdicts, Roots};
    use vigie_proto::channel::{Flow, Plane};
    use vigie_proto::credential::{Claims, Credential, Grant, Role};
    use vigie_proto::id::{CredentialId, LogId, MessageId};
    use vigie_proto::key::SigningKey;
    use vigie_proto::time::Window;

    use super::*;
    use crate::journal::sim_disk::SimDisk;
    use crate::journal::{Journal, JournalConfig, Record};

    const LOG: LogId = LogId::from_bytes([7; 16]);

    fn message(seq: u64) -> Record {
        Record::Message(MessageRecord {
            seq: Sequence::new(seq),
            admitted: Timestamp::from_millis(1_000_000 + seq),
            expires: Timestamp::from_millis(9_000_000),
            id: MessageId::from_bytes([u8::try_from(seq).unwrap(); 32]),
            credential: CredentialId::from_bytes([9; 32]),
            severity: Severity::Minor,
            channel: "alert/fr".parse().unwrap(),
            jws: Bytes::from(vec![b'x'; 300]),
        })
    }

    /// Twenty messages, one a batch, with this byte of the oldest file wrong.
    fn damaged_at(byte: usize) -> Journal<SimDisk> {
        let disk = SimDisk::new();
        let mut config = JournalConfig::new();
        config.segment_bytes = 4096;
        let open =
            |disk: &SimDisk| Journal::open(disk.clone(), config.clone(), LOG, &mut |_| Ok(())).unwrap();
        let mut journal = open(&disk);
        for seq in 1..=20 {
            journal.append(&[message(seq)]).unwrap();
        }
        journal.close().unwrap();
        let disk = disk.restart();
        let oldest = disk.names().unwrap().into_iter().min().unwrap();
        let mut bytes = disk.content(&oldest).unwrap();
        bytes[byte] ^= 1;
        disk.set_content(&oldest, bytes);
        open(&disk)
    }

    /// Somebody who hears every alert.
    fn reader() -> Reader {
        reader_of("alert/fr.**")
    }

    fn reader_of(filter: &str) -> Reader {
        let key = SigningKey::from_seed(&[0xA7; 32]).unwrap();
        let grant =
            |flow| Grant { flow, at: "fr".parse().unwrap(), publish: None, subscribe: true, delegate: 0 };
        let claims = Claims {
            subject: *key.public(),
            org: "fr.etat".parse().unwrap(),
            name: "etat".to_owned(),
            role: Role::Author,
            grants: vec![grant(Flow::Alert), grant(Flow::Signal)],
            plane: Plane::Live,
            valid: Window { from: Timestamp::EPOCH, until: Timestamp::from_millis(u64::from(u32::MAX)) },
        };
        let root = Credential::issue_root(&key, &claims).unwrap();
        let roots = Roots::new([key.public().thumbprint()]);
        let chain = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
        Reader::new(&chain, vec![filter.parse().unwrap()]).unwrap()
    }

    fn ask(pages: &Pages<SimDisk>, from: ReadFrom, max_bytes: usize) -> ReadReply {
        let purpose = Purpose::Subscription { number: 1, reader: reader() };
        let session = SessionId { index: 0, generation: 0 };
        pages.read(ReadRequest { session, purpose, from, max_bytes }).unwrap()
    }

    fn page(reply: &ReadReply) -> &Arc<Page> {
        match &reply.found {
            Found::Page { page, .. } => page,
            Found::History { .. } => panic!("no history was asked for"),
        }
    }

    fn read_from(journal: &Journal<SimDisk>, from: ReadFrom) -> ReadReply {
        ask(&Pages::new(journal.reader()), from, 1_000_000)
    }

    /// Reasons, and the places that each gap leads from and to.
    fn told(reply: &ReadReply) -> Vec<(&'static str, u64, u64)> {
        reply.gaps.iter().map(|gap| (gap.reason.as_str(), gap.from.seq.get(), gap.to.seq.get())).collect()
    }

    #[test]
    fn a_cursor_that_leads_into_damage_is_told_both() {
        let journal = damaged_at(200);
        let cursor = |log, seq, admitted| {
            let admitted = Timestamp::from_millis(admitted);
            ReadFrom::Cursor(Cursor { log, seq: Sequence::new(seq), admitted })
        };
        let foreign = LogId::from_bytes([8; 16]);
        for (from, reason, seq) in
            [(cursor(foreign, 5, 1_000_005), "other_log", 5), (cursor(LOG, 90, 1_000_090), "ahead", 90)]
        {
            let reply = read_from(&journal, from);
            assert_eq!(told(&reply), [(reason, seq, 0), ("damaged", 0, 1)]);
            assert_eq!(reply.gaps[0].to, reply.gaps[1].from, "one leads to the other");
            assert_eq!((reply.after.seq, page(&reply).end.seq), (Sequence::new(1), Sequence::new(1)));
            let next = read_from(&journal, ReadFrom::After(reply.after));
            assert_eq!((told(&next), page(&next).events[0].at.seq), (vec![], Sequence::new(2)));
        }
        // From the start nothing was lost but what is damaged.
        assert_eq!(told(&read_from(&journal, ReadFrom::Beginning)), [("damaged", 0, 1)]);
    }

    #[test]
    fn a_cursor_of_this_log_in_front_of_damage_is_told_the_damage_only() {
        let journal = damaged_at(200);
        let start = Cursor { log: LOG, seq: Sequence::START, admitted: Timestamp::EPOCH };
        assert_eq!(told(&read_from(&journal, ReadFrom::Cursor(start))), [("damaged", 0, 1)]);
    }

    /// Twenty messages, one a batch, all whole.
    fn whole() -> Journal<SimDisk> {
        let mut journal = Journal::open(SimDisk::new(), JournalConfig::new(), LOG, &mut |_| Ok(())).unwrap();
        for seq in 1..=20 {
            journal.append(&[message(seq)]).unwrap();
        }
        journal
    }

    fn at(seq: u64) -> ReadFrom {
        ReadFrom::After(Position { seq: Sequence::new(seq), admitted: Timestamp::EPOCH })
    }

    fn numbers(reply: &ReadReply) -> Vec<u64> {
        page(reply).after(reply.after.seq).iter().map(|event| event.at.seq.get()).collect()
    }

    #[test]
    fn readers_at_the_same_place_share_a_page_and_meet_at_its_end() {
        let journal = whole();
        let pages = Pages::new(journal.reader());
        let first = ask(&pages, at(2), 4 * 300);
        assert_eq!(numbers(&first), [3, 4, 5, 6]);
        // Another thread, at the same place, then inside the page.
        let same = ask(&pages.clone(), at(2), 4 * 300);
        let inside = ask(&pages, at(4), 4 * 300);
        assert!([&same, &inside].iter().all(|reply| Arc::ptr_eq(page(reply), page(&first))));
        assert_eq!(numbers(&inside), [5, 6]);
        // Before it and at its end there is something else to read.
        for (from, expected) in [(1, [2, 3, 4, 5]), (6, [7, 8, 9, 10])] {
            let reply = ask(&pages, at(from), 4 * 300);
            assert!(!Arc::ptr_eq(page(&reply), page(&first)));
            assert_eq!(numbers(&reply), expected);
        }
    }

    #[test]
    fn a_page_that_reached_the_head_is_read_again_when_the_head_has_moved() {
        let mut journal = whole();
        let pages = Pages::new(journal.reader());
        assert_eq!(numbers(&ask(&pages, at(18), 10_000)), [19, 20]);
        journal.append(&[message(21)]).unwrap();
        // What was known is given at once, and leads to the rest.
        assert_eq!(numbers(&ask(&pages, at(19), 10_000)), [20]);
        assert_eq!(numbers(&ask(&pages, at(20), 10_000)), [21]);
        assert_eq!(numbers(&ask(&pages, at(18), 10_000)), [19, 20]);
    }

    #[test]
    fn those_who_listen_to_something_else_do_not_share() {
        let journal = whole();
        let pages = Pages::new(journal.reader());
        let all = ask(&pages, at(0), 10_000);
        let mut request = ReadRequest {
            session: SessionId { index: 1, generation: 0 },
            purpose: Purpose::Subscription { number: 1, reader: reader_of("signal/fr") },
            from: at(0),
            max_bytes: 10_000,
        };
        let none = pages.read(request.clone()).unwrap();
        assert_eq!((numbers(&all).len(), numbers(&none).len()), (20, 0));
        assert_eq!(page(&none).end.seq, Sequence::new(20));
        request.session.index = 2;
        assert!(Arc::ptr_eq(page(&pages.read(request).unwrap()), page(&none)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut recent = Recent::default();
        let event = |seq: u64, bytes| {
            let Record::Message(record) = message(seq) else { unreachable!("it makes messages") };
            Arc::new(Event { frame: vec![b'x'; bytes].into(), ..Event::from(&record) })
        };
        let kept = |place: u64, bytes| {
            let events = vec![event(place % 250 + 1, bytes)];
            let end = Position { seq: Sequence::new(place + 1), admitted: Timestamp::EPOCH };
            Kept { reader: reader(), after: Sequence::new(place), page: Arc::new(Page { events, end }) }
        };
        for (bytes, places) in [(0, 1_000), (1024 * 1024, 20)] {
            for place in 0..places {
                recent.keep(kept(place, bytes));
                let sum: usize = recent.kept.iter().map(|kept| kept.page.bytes()).sum();
                assert_eq!(recent.bytes, sum);
                assert!(recent.bytes <= KEPT_BYTES_MAX && recent.kept.len() <= KEPT_MAX);
                assert!(recent.find(&reader(), Sequence::new(place)).is_some(), "the last one is there");
            }
        }
        assert_eq!(recent.kept.len(), 7, "eight would pass the bound by what they cost beside their frames");
    }
}
