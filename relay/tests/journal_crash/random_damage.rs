//! Random damage to a closed journal of 1 MiB in many segments.
//!
//! Whatever is done to it: it is refused with the file named, or it opens, serves no wrong byte, and tells what is lost
//! and where. One thing no single disk can tell: a tail that is gone together with the marks that prove it. So what lies
//! behind the last whole mark of the newest segment may be cut, and nothing else; how often that was met is counted.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use vigie_proto::id::{CredentialId, LogId, MessageId, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{Journal, JournalConfig, JournalError, MessageRecord, Record, Storage as _};

use super::damage::judge_damaged;
use super::model::Chance;

/// Without a word from outside.
const TRIALS: u64 = 2_000;
const SEGMENT_BYTES: usize = 64 * 1024;
const SEGMENTS: usize = 16;
const SECTOR_BYTES: usize = 512;
/// The identity of the journal, in each byte.
const LOG: u8 = 3;
/// In the body of each mark; the mark begins with a frame header of 20 bytes, and is 44 bytes long.
const MARK_MAGIC: [u8; 8] = *b"\xF5Vigie\xFA\xFE";
const MARK_MAGIC_AT: usize = 20;
const MARK_BYTES: usize = 44;

/// What is done to a journal.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Flips,
    Burst,
    ZeroedSectors,
    SwappedSectors,
    /// As they were some time ago.
    StaleSectors,
    StaleSegment,
    TruncatedSegment,
    SwappedSegments,
    DuplicatedSegment,
    MissingSegment,
    /// Of a journal with another identity.
    ForeignSegment,
}

const KINDS: [Kind; 11] = [
    Kind::Flips,
    Kind::Burst,
    Kind::ZeroedSectors,
    Kind::SwappedSectors,
    Kind::StaleSectors,
    Kind::StaleSegment,
    Kind::TruncatedSegment,
    Kind::SwappedSegments,
    Kind::DuplicatedSegment,
    Kind::MissingSegment,
    Kind::ForeignSegment,
];

/// How it ended.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Refused,
    /// Something is lost, and told.
    Told,
    /// Nothing is lost.
    Harmless,
    /// What no whole mark proves is gone.
    TailCut,
}

const OUTCOMES: [Outcome; 4] = [Outcome::Refused, Outcome::Told, Outcome::Harmless, Outcome::TailCut];

/// Files of a folder, by name in order.
type Files = Vec<(String, Vec<u8>)>;

/// A journal, how it came to be, and another one of the same shape.
struct Sample {
    all: Vec<Record>,
    whole: Files,
    /// The folder after some of the batches.
    earlier: Vec<Files>,
    foreign: Files,
    /// For each mark of the newest segment: where it stands, and how many records it proves.
    marks: Vec<(usize, usize)>,
}

fn open(disk: &SimDisk, log: u8) -> (Result<Journal<SimDisk>, JournalError>, Vec<Record>) {
    let mut config = JournalConfig::new();
    config.segment_bytes = SEGMENT_BYTES as u64;
    let mut seen = Vec::new();
    let journal = Journal::open(disk.clone(), config, LogId::from_bytes([log; 16]), &mut |record| {
        seen.push(record.clone());
        Ok(())
    });
    (journal, seen)
}

fn files(disk: &SimDisk) -> Files {
    let names = disk.names().unwrap().into_iter();
    names.map(|name| (name.clone(), disk.content(&name).unwrap())).collect()
}

/// For everyone, and now and then for some.
fn audience(number: u64) -> Audience {
    if !number.is_multiple_of(5) {
        return Audience::EVERYONE;
    }
    Audience::named([format!("fr.o{}", number % 90).parse().unwrap()], number.is_multiple_of(2)).unwrap()
}

fn record(number: u64, chance: &mut Chance) -> Record {
    let mut id = [1; 32];
    id[..8].copy_from_slice(&number.to_le_bytes());
    if number.is_multiple_of(23) {
        return Record::Credential { id: CredentialId::from_bytes(id), jws: Bytes::from(vec![b'c'; 400]) };
    }
    Record::Message(MessageRecord {
        seq: Sequence::new(number + 1),
        admitted: Timestamp::from_millis(1_000 + number),
        expires: Timestamp::from_millis(9_000_000),
        id: MessageId::from_bytes(id),
        credential: CredentialId::from_bytes([1; 32]),
        severity: Severity::Severe,
        channel: "alert/fr.idf".parse().unwrap(),
        audience: audience(number),
        jws: (0..200 + chance.below(2_000)).map(|_| b'a' + u8::try_from(chance.below(26)).unwrap()).collect(),
    })
}

impl Sample {
    fn new() -> Self {
        let (whole, all, earlier, batches) = Self::write(LOG);
        let (foreign, ..) = Self::write(LOG + 1);
        let (_, newest) = whole.last().unwrap();
        let places = (0..newest.len() - MARK_BYTES)
            .filter(|place| newest[place + MARK_MAGIC_AT..].starts_with(&MARK_MAGIC))
            .collect::<Vec<_>>();
        // The last one is the footer, which proves all; the others stand in front of their batch.
        let proves = batches[batches.len() + 1 - places.len()..].iter().copied().chain([all.len()]);
        let marks = places.iter().copied().zip(proves).collect();
        Self { all, whole, earlier, foreign, marks }
    }

    /// Writes 1 MiB. Gives the files, the records, the files as they were at times, and how many records came before
    /// each batch.
    fn write(log: u8) -> (Files, Vec<Record>, Vec<Files>, Vec<usize>) {
        let (disk, mut chance) = (SimDisk::new(), Chance(7));
        let mut journal = open(&disk, log).0.unwrap();
        let (mut all, mut earlier, mut batches) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let batch: Vec<_> = (0..1 + chance.below(8) as u64)
                .map(|number| record(all.len() as u64 + number, &mut chance))
                .collect();
            journal.append(&batch).unwrap();
            batches.push(all.len());
            all.extend(batch);
            let newest = disk.names().unwrap().pop().unwrap();
            let used = disk.content(&newest).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
            if disk.names().unwrap().len() == SEGMENTS && used > SEGMENT_BYTES / 2 {
                break;
            }
            match chance.below(12) {
                0 => journal.write_footer().unwrap(),
                1 => earlier.push(files(&disk)),
                _ => {}
            }
        }
        journal.close().unwrap();
        let whole = files(&disk);
        assert_eq!(whole.iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), 1024 * 1024);
        (whole, all, earlier, batches)
    }

    /// So many records are proven by a mark that is still whole in the newest segment.
    fn proven(&self, files: &Files) -> usize {
        let (name, whole) = self.whole.last().unwrap();
        let Some((_, newest)) = files.iter().find(|(one, _)| one == name) else { return 0 };
        let is_whole =
            |place: usize| newest.get(place..place + MARK_BYTES) == Some(&whole[place..place + MARK_BYTES]);
        self.marks.iter().rev().find(|(place, _)| is_whole(*place)).map_or(0, |(_, records)| *records)
    }

    fn damage(&self, files: &mut Files, kind: Kind, chance: &mut Chance) {
        // The newest more often than its share: its end is what a start judges hardest.
        let one = if chance.below(4) == 0 { files.len() - 1 } else { chance.below(files.len()) };
        let other = (one + 1 + chance.below(files.len() - 1)) % files.len();
        let name = files[one].0.clone();
        let bytes = &mut files[one].1;
        if bytes.len() < 2 * SECTOR_BYTES {
            return;
        }
        let sectors = bytes.len() / SECTOR_BYTES;
        let first = chance.below(sectors);
        let run = SECTOR_BYTES * (1 + chance.below(8.min(sectors - first)));
        let start = first * SECTOR_BYTES;
        match kind {
            Kind::Flips => {
                for _ in 0..1 + chance.below(8) {
                    let bit = chance.below(bytes.len() * 8);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
            Kind::Burst => {
                let start = chance.below(bytes.len());
                let end = bytes.len().min(start + 1 + chance.below(4_096));
                bytes[start..end].fill_with(|| u8::try_from(chance.below(256)).unwrap());
            }
            Kind::ZeroedSectors => bytes[start..start + run].fill(0),
            Kind::SwappedSectors => {
                let mine: [u8; SECTOR_BYTES] = *bytes[start..].first_chunk().unwrap();
                let there = SECTOR_BYTES * chance.below((files[other].1.len() / SECTOR_BYTES).max(1));
                let Some(theirs) = files[other].1.get(there..there + SECTOR_BYTES).map(<[u8]>::to_vec) else {
                    return;
                };
                files[other].1[there..there + SECTOR_BYTES].copy_from_slice(&mine);
                files[one].1[start..start + SECTOR_BYTES].copy_from_slice(&theirs);
            }
            Kind::StaleSectors | Kind::StaleSegment => {
                let then = &self.earlier[chance.below(self.earlier.len())];
                let then = then.iter().find(|(then, _)| *then == name).map(|(_, bytes)| bytes);
                let length = bytes.len();
                let range = if let Kind::StaleSegment = kind { 0..length } else { start..start + run };
                // Before it was written a sector was zero.
                match then.and_then(|then| then.get(range.clone())) {
                    Some(then) => bytes[range].copy_from_slice(then),
                    None => bytes[range].fill(0),
                }
            }
            Kind::TruncatedSegment => bytes.truncate(chance.below(bytes.len())),
            Kind::SwappedSegments => {
                let moved = std::mem::take(&mut files[other].1);
                let moved = std::mem::replace(&mut files[one].1, moved);
                files[other].1 = moved;
            }
            Kind::DuplicatedSegment => files[one].1 = files[other].1.clone(),
            Kind::MissingSegment => drop(files.remove(one)),
            Kind::ForeignSegment => {
                if let Some((_, foreign)) = self.foreign.iter().find(|(one, _)| *one == name) {
                    files[one].1.clone_from(foreign);
                }
            }
        }
    }

    /// Damages a copy, opens it and judges.
    fn try_once(&self, trial: u64) -> Result<(Kind, Outcome), String> {
        let mut chance = Chance(trial);
        let mut files = self.whole.clone();
        let kind = KINDS[chance.below(KINDS.len())];
        self.damage(&mut files, kind, &mut chance);
        // One in four meets something else as well.
        if chance.below(4) == 0 {
            let another = KINDS[chance.below(KINDS.len())];
            self.damage(&mut files, another, &mut chance);
        }
        let disk = SimDisk::new();
        for (name, bytes) in &files {
            disk.set_content(name, bytes.clone());
        }
        let (journal, seen) = open(&disk, LOG);
        let journal = match journal {
            Ok(journal) => journal,
            Err(error) => return self.judge_refusal(&error).map(|()| (kind, Outcome::Refused)),
        };
        self.judge_places(&journal, &files)?;
        let whole = judge_damaged(&journal, &seen, &self.all);
        if let Ok(lost) = whole {
            return Ok((kind, if lost { Outcome::Told } else { Outcome::Harmless }));
        }
        let last = seen.last().and_then(|last| self.all.iter().rposition(|one| one == last));
        let there = last.map_or(0, |last| last + 1).max(self.proven(&files));
        if there == self.all.len() {
            return Err(whole.unwrap_err());
        }
        judge_damaged(&journal, &seen, &self.all[..there]).map(|_| (kind, Outcome::TailCut))
    }

    /// A refusal names a file of this journal.
    fn judge_refusal(&self, error: &JournalError) -> Result<(), String> {
        let said = error.to_string();
        let is_named = self.whole.iter().any(|(name, _)| said.contains(name));
        if is_named { Ok(()) } else { Err(format!("refused without a place: {said}")) }
    }

    /// Damage is told at places where something was done, and nowhere else.
    fn judge_places(&self, journal: &Journal<SimDisk>, files: &Files) -> Result<(), String> {
        // The two newest segments are of another journal: it is that one now, and all of this one is told as lost.
        if journal.log() != LogId::from_bytes([LOG; 16]) {
            return Ok(());
        }
        let changed: BTreeSet<&str> = self
            .whole
            .iter()
            .filter(|(name, bytes)| !files.iter().any(|(one, now)| one == name && now == bytes))
            .map(|(name, _)| name.as_str())
            .collect();
        let misplaced = journal.damage().iter().find(|range| !changed.contains(range.segment.as_str()));
        misplaced.map_or(Ok(()), |range| Err(format!("{range:?} is told, and only {changed:?} are damaged")))
    }
}

#[test]
fn no_random_damage_of_1_mib_costs_a_record_in_silence() {
    let trials = std::env::var("VIGIE_DAMAGE_TRIALS").map_or(TRIALS, |text| text.parse().unwrap());
    let (sample, start, next) = (Sample::new(), Instant::now(), AtomicU64::new(0));
    let counts = [const { [const { AtomicU64::new(0) }; OUTCOMES.len()] }; KINDS.len()];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let trial = next.fetch_add(1, Ordering::Relaxed);
                    if trial >= trials {
                        return;
                    }
                    match sample.try_once(trial) {
                        Ok((kind, outcome)) => {
                            counts[kind as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
                        }
                        Err(problem) => {
                            next.store(trials, Ordering::Relaxed);
                            panic!("trial {trial}: {problem}");
                        }
                    }
                }
            });
        }
    });
    println!(
        "{trials} times in {:.0?}, {} records in {SEGMENTS} segments",
        start.elapsed(),
        sample.all.len()
    );
    let count =
        |kind: Kind, outcome: Outcome| counts[kind as usize][outcome as usize].load(Ordering::Relaxed);
    for kind in KINDS {
        let all = OUTCOMES.map(|outcome| format!("{outcome:?} {}", count(kind, outcome)));
        println!("{kind:?}: {}", all.join(", "));
        assert!(count(kind, Outcome::Told) > 0, "{kind:?}: none was told");
    }
    for outcome in OUTCOMES {
        assert!(KINDS.iter().any(|kind| count(*kind, outcome) > 0), "{outcome:?}: none");
    }
}
