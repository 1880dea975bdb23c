//! What is done to a journal, and what must then be there: the judge of all crashes and all damage.

use bytes::Bytes;
use vigie_proto::id::{CredentialId, LogId, MessageId, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{
    CarriedId, Journal, JournalConfig, JournalError, MessageRecord, ReadError, Record, Retention,
    Storage as _,
};

const LOG: LogId = LogId::from_bytes([3; 16]);

/// Small, so that a short workload has several segments.
const SEGMENT_BYTES: u64 = 3 * 1024;

/// Messages that are older than so many milliseconds go; one is admitted each millisecond, more or less.
const RETAIN_MS: u64 = 8;

/// A step of a workload. Records are numbered by their place in the list of all records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Append so many records.
    Append(usize),
    /// The same, with the reserve.
    Urgent(usize),
    Footer,
    Prepare,
    KeepReserve,
    /// Retention, to its end, as if the last message were just admitted.
    Retain,
    /// So much is left on the disk.
    Room(u64),
    /// The disk is large again.
    AllRoom,
    CloseAndOpen,
}

use Step::{AllRoom, Append, CloseAndOpen, Footer, KeepReserve, Prepare, Retain, Room, Urgent};

/// What a random workload does beside appending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Theme {
    Plain,
    Retention,
    Reserve,
    /// A batch in an old segment is damaged before it begins.
    Damaged,
    /// An old segment is gone before it begins.
    Missing,
}

/// What is done to a journal.
pub(crate) struct Workload {
    pub(crate) steps: Vec<Step>,
    pub(crate) all: Vec<Record>,
    pub(crate) theme: Theme,
    /// How many records are on the disk before it begins.
    before: usize,
}

/// What a run has promised, and what it was allowed to give up.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Promise {
    /// So many records, from the first on, were acknowledged or shown by a start.
    pub(crate) records: usize,
    /// The first sequence that retention may not remove.
    kept_from: u64,
    /// Ranges that were damaged before, both ends not in them.
    lost: Vec<(Sequence, Sequence)>,
}

impl Workload {
    /// Small and large batches, a rotation with and without a prepared segment, idle moments, clean stops.
    pub(crate) fn fixed() -> Self {
        let steps = vec![
            Append(1),
            Append(3),
            Footer,
            Append(2),
            Prepare,
            Append(4),
            Append(1),
            CloseAndOpen,
            Append(2),
            Append(3),
            CloseAndOpen,
            Footer,
            Append(1),
            Prepare,
            Append(4),
            Append(3),
        ];
        Self { steps, all: all_records(24), theme: Theme::Plain, before: 0 }
    }

    pub(crate) fn random(theme: Theme, seed: u64) -> Self {
        let mut chance = Chance(seed);
        let mut step = || match (theme, chance.below(12)) {
            (_, 0) => Footer,
            (_, 1) => Prepare,
            (_, 2) => CloseAndOpen,
            (Theme::Retention | Theme::Damaged | Theme::Missing, 3..=4) => Retain,
            (Theme::Reserve, 3) => KeepReserve,
            (Theme::Reserve, 4) => Room(chance.below(700) as u64),
            (Theme::Reserve, 5) => AllRoom,
            (Theme::Reserve, 6..=8) => Urgent(1 + chance.below(2)),
            _ => Append(1 + chance.below(4)),
        };
        let mut steps: Vec<_> = (0..16).map(|_| step()).collect();
        if theme == Theme::Reserve {
            // Half of them have no reserve when the disk is full: a start may find no room for its copy.
            if chance.below(2) == 0 {
                steps.splice(0..0, [KeepReserve, Append(3), Room(500)]);
            } else {
                steps.splice(0..0, [Append(3), Room(0)]);
            }
        }
        let before = if matches!(theme, Theme::Damaged | Theme::Missing) { 20 } else { 0 };
        let count = 30 + before;
        Self { steps, all: all_records(u8::try_from(count).unwrap()), theme, before }
    }

    /// The disk on which it begins, and what is promised of it.
    pub(crate) fn start(&self) -> (SimDisk, Promise) {
        let disk = SimDisk::new();
        let mut promise = Promise { records: self.before, kept_from: 1, lost: Vec::new() };
        if self.before == 0 {
            return (disk, promise);
        }
        let mut journal = open(&disk).0.unwrap();
        for batch in self.all[..self.before].chunks(2) {
            journal.append(batch).unwrap();
        }
        journal.close().unwrap();
        let names = disk.names().unwrap();
        let (name, bytes) = (&names[1], disk.content(&names[1]).unwrap());
        if self.theme == Theme::Missing {
            disk.delete(name);
        } else {
            let mut bytes = bytes;
            bytes[700] ^= 1;
            disk.set_content(name, bytes);
        }
        let disk = disk.restart();
        let journal = open(&disk.restart()).0.unwrap();
        promise.lost = journal.damage().iter().map(|range| (range.after, range.next)).collect();
        assert!(!promise.lost.is_empty() && names.len() > 2);
        (disk, promise)
    }
}

/// Decisions under a seed (xorshift after a multiplication, so that neighbouring seeds differ).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 29;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Messages of several sectors and of less than one, holes in the sequence, credentials.
pub(crate) fn all_records(count: u8) -> Vec<Record> {
    let mut seq = 0;
    let record = |number: u8| {
        if number.is_multiple_of(5) {
            let id = CredentialId::from_bytes([number; 32]);
            return Record::Credential { id, jws: Bytes::from(vec![number; 150]) };
        }
        seq += if number.is_multiple_of(7) { 4 } else { 1 };
        let jws_bytes = if number.is_multiple_of(3) { 900 } else { 120 };
        Record::Message(MessageRecord {
            seq: Sequence::new(seq),
            admitted: Timestamp::from_millis(1_000 + seq),
            expires: Timestamp::from_millis(9_000),
            id: MessageId::from_bytes([number; 32]),
            credential: CredentialId::from_bytes([1; 32]),
            severity: Severity::Severe,
            channel: "alert/fr.idf".parse().unwrap(),
            audience: Audience::EVERYONE,
            jws: Bytes::from(vec![b'a' + number % 26; jws_bytes]),
        })
    };
    (0..count).map(record).collect()
}

/// What retention is told: ids of two messages in three are in force for ever, half of the credentials are needed.
fn is_needed(record: &Record) -> bool {
    match record {
        Record::Credential { id, .. } => id.as_bytes()[0].is_multiple_of(2),
        Record::Message(message) => !message.seq.get().is_multiple_of(3),
        Record::Carried(_) => true,
        _ => false,
    }
}

pub(crate) fn open(disk: &SimDisk) -> (Result<Journal<SimDisk>, JournalError>, Vec<Record>) {
    let mut seen = Vec::new();
    let mut config = JournalConfig::new();
    config.segment_bytes = SEGMENT_BYTES;
    config.retain_age = std::time::Duration::from_millis(RETAIN_MS);
    let journal = Journal::open(disk.clone(), config, LOG, &mut |record| {
        seen.push(record.clone());
        Ok(())
    });
    (journal, seen)
}

pub(crate) fn as_message(record: &Record) -> Option<&MessageRecord> {
    if let Record::Message(message) = record { Some(message) } else { None }
}

impl Promise {
    fn is_lost(&self, message: &MessageRecord) -> bool {
        self.lost.iter().any(|(after, next)| *after < message.seq && message.seq < *next)
    }

    /// Judges what a start showed; gives how many records there are.
    pub(crate) fn judge(
        &self,
        journal: &Journal<SimDisk>,
        seen: &[Record],
        all: &[Record],
    ) -> Result<usize, String> {
        let first = journal.first_seq();
        if first.get() > self.kept_from {
            return Err(format!("{first:?} is the first, {} had to stay", self.kept_from));
        }
        let place = |record: &Record| all.iter().position(|one| one == record);
        // Credentials that are carried on, and carried ids, stand somewhere behind where they were.
        let removes = self.kept_from > 1;
        let mut there = 0;
        for record in seen.iter().filter(|record| !matches!(record, Record::Carried(_))) {
            let place = place(record).ok_or("something was changed or invented")?;
            there = there.max(place + 1);
        }
        if there < self.records {
            // The last records may all be removed, or lost.
            let gone = all[there..self.records].iter().all(|record| match as_message(record) {
                Some(message) => message.seq < first || self.is_lost(message),
                None => removes || !self.lost.is_empty(),
            });
            if !gone {
                return Err(format!("{} records were acknowledged, {there} are there", self.records));
            }
            there = self.records;
        }
        let stays = |message: &&MessageRecord| message.seq >= first && !self.is_lost(message);
        let expected = all[..there].iter().filter_map(as_message).filter(stays);
        if !expected.eq(seen.iter().filter_map(as_message)) {
            return Err("messages are missing, twice or in another order".to_owned());
        }
        if !removes && self.lost.is_empty() && seen != &all[..there] {
            return Err("records are in another order".to_owned());
        }
        for record in &all[..there] {
            let kept = match record {
                Record::Message(message) => {
                    let carried = Record::Carried(CarriedId::from(message));
                    message.seq >= first
                        || self.is_lost(message)
                        || !is_needed(record)
                        || seen.contains(&carried)
                }
                _ => !self.lost.is_empty() || (removes && !is_needed(record)) || seen.contains(record),
            };
            if !kept {
                return Err(format!("retention forgot {record:?}"));
            }
        }
        let true_ids = |record: &Record| match record {
            Record::Carried(carried) => {
                all[..there].iter().filter_map(as_message).any(|message| CarriedId::from(message) == *carried)
            }
            _ => true,
        };
        if seen.iter().all(true_ids) { Ok(there) } else { Err("a carried id is of no message".to_owned()) }
    }

    /// Judges what readers get against what the start showed.
    pub(crate) fn judge_reading(&self, journal: &Journal<SimDisk>, seen: &[Record]) -> Result<(), String> {
        let reader = journal.reader();
        let (mut at, mut got) = (Sequence::START, Vec::new());
        while at < reader.head() {
            match reader.read_after(at, 1000) {
                Ok(page) => {
                    got.extend(page.messages);
                    at = page.end;
                }
                Err(ReadError::Damaged { next, .. }) if next > at.next() && !self.lost.is_empty() => {
                    at = Sequence::new(next.get() - 1);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        let shown = seen.iter().filter_map(as_message);
        if shown.eq(&got) { Ok(()) } else { Err("readers get something else than what is there".to_owned()) }
    }
}

/// Runs the workload, from the start of the process until its end or a failure. Gives what is promised by then.
pub(crate) fn run(disk: &SimDisk, workload: &Workload, mut promise: Promise) -> Result<Promise, String> {
    let all = &workload.all[..];
    let (opened, seen) = open(disk);
    let Ok(mut journal) = opened else { return Ok(promise) };
    promise.records = promise.judge(&journal, &seen, all)?;
    for step in &workload.steps {
        let next = |count: usize| &all[promise.records..all.len().min(promise.records + count)];
        let mut appended = 0;
        let result = match *step {
            Append(count) => {
                appended = next(count).len();
                journal.append(next(count))
            }
            Urgent(count) => {
                appended = next(count).len();
                journal.append_urgent(next(count))
            }
            Footer => journal.write_footer(),
            Prepare => journal.prepare_next(),
            KeepReserve => journal.keep_reserve(),
            Retain => {
                let now = journal.last_admitted();
                // Allowed from the moment it is asked for.
                let stays =
                    |message: &&MessageRecord| message.admitted.as_millis() + RETAIN_MS >= now.as_millis();
                let kept = all[..promise.records].iter().filter_map(as_message).find(stays);
                let kept = kept.map_or_else(|| journal.last_seq().next().get(), |message| message.seq.get());
                promise.kept_from = promise.kept_from.max(kept);
                retain(&mut journal, now)
            }
            Room(bytes) => {
                disk.set_room(Some(disk.used() + bytes));
                Ok(())
            }
            AllRoom => {
                disk.set_room(None);
                Ok(())
            }
            CloseAndOpen => {
                if journal.close().is_err() {
                    return Ok(promise);
                }
                let (opened, seen) = open(disk);
                let Ok(opened) = opened else { return Ok(promise) };
                journal = opened;
                if promise.judge(&journal, &seen, all)? != promise.records {
                    return Err("a close brought new records".to_owned());
                }
                Ok(())
            }
        };
        match result {
            Ok(()) => promise.records += appended,
            Err(error) if error.is_retryable() => {}
            Err(_) => return Ok(promise),
        }
    }
    Ok(promise)
}

fn retain(journal: &mut Journal<SimDisk>, now: Timestamp) -> Result<(), JournalError> {
    while journal.retain(now, &mut |record, _| is_needed(record))? != Retention::Nothing {}
    Ok(())
}
