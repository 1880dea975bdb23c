//! The workload: a journal that makes a start do all that a start may have to do, and publishes that make it turn to
//! new segments in every way and remove an old one. The same bytes for every run, so that every run makes the same calls.
//!
//! ```text
//! start      reads segments 2 to 4, removes the marker of a new journal (left by a crash), removes 1 (given up before a crash) and an unfinished one, copies the tail of 4,
//!            which nothing proves, into 5
//! at rest    footer, reserve made
//! publish 1  into 5; at rest the next segment is prepared
//! publish 2  into 6, which was prepared; at rest retention carries a credential out of 2, begins 7, removes 2
//! publish 3  into 7
//! publish 4  too large for what is left of 7: prepares 8 and goes there; at rest 9 is prepared
//! stop       footer, 9 removed again, all closed
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vigie_client::proto::cap::Urgency;
use vigie_client::proto::id::{LogId, MessageId, Sequence};
use vigie_client::proto::label::Audience;
use vigie_client::proto::severity::Severity;
use vigie_client::proto::time::Timestamp;
use vigie_client::{Draft, SignedMessage};
use vigie_relay::journal::{DirStorage, Journal, JournalConfig, MessageRecord, Record, Retention};

use crate::support::{Node, Place};

/// Of the relay: the least that it takes.
const SEGMENT_BYTES: u64 = 65_536;
/// Between what the journal takes before and after the second publish.
const RETAIN_BYTES: u64 = 180_000;
/// Two of these fill a segment: a line stands twice in its message.
const TEXT_BYTES: usize = 9_800;
/// More than is left beside one of the others, and more than half a segment.
const LARGE_TEXT_BYTES: usize = 14_500;
/// Where no reader of these tests listens: messages of the past, whose dates are made up.
const ELSEWHERE: &str = "alert/fr.idf.92";
/// How often the publishes are repeated; more than once for the long form.
const ROUNDS: &str = "VIGIE_CALLS";

/// A journal to begin with, and what is published on it.
pub(crate) struct Workload {
    files: Vec<(String, Vec<u8>)>,
    pub(crate) log: LogId,
    /// What a reader of the town must always be given, whatever happens: it was acknowledged before.
    pub(crate) before: BTreeMap<u64, MessageId>,
    pub(crate) publishes: Vec<SignedMessage>,
}

/// The settings for it.
pub(crate) fn settings() -> String {
    format!(
        "segment_bytes = {SEGMENT_BYTES}\nretain_bytes = {RETAIN_BYTES}\nworkers = 1\nretry_hint = \"20ms\"\nstop_grace = \"5s\""
    )
}

fn sign(place: &Place, author: &str, channel: &str, bytes: usize, name: &str) -> SignedMessage {
    let text = format!("{name} {}", "x".repeat(bytes));
    let client = place.client(author, "localhost:1");
    let channel = channel.parse().unwrap();
    client.sign(Draft::line(channel, Severity::Moderate, text, "fr-FR", Urgency::Expected)).unwrap()
}

/// The chain of an author, as the relay stores it.
fn chain(place: &Place, author: &str) -> Vec<Record> {
    let identity = place.context().identity(author, vigie_client::proto::channel::Plane::Live).unwrap();
    let links = identity.chain().links().iter();
    links
        .map(|link| Record::Credential { id: link.id(), jws: link.token().as_bytes().to_vec().into() })
        .collect()
}

/// Builds the journal, message by message.
struct Builder<'p> {
    place: &'p Place,
    next: u64,
    now: Timestamp,
}

impl Builder<'_> {
    /// The record of a message that was admitted so long ago, and expires that long after its admission.
    fn record(
        &mut self,
        author: &str,
        message: &SignedMessage,
        channel: &str,
        ago: u64,
        life: u64,
    ) -> Record {
        let identity =
            self.place.context().identity(author, vigie_client::proto::channel::Plane::Live).unwrap();
        let admitted = self.now.minus(Duration::from_secs(ago));
        let record = MessageRecord {
            seq: Sequence::new(self.next),
            admitted,
            expires: admitted.plus(Duration::from_secs(life)),
            id: message.id(),
            credential: identity.chain().leaf().id(),
            severity: Severity::Moderate,
            channel: channel.parse().unwrap(),
            audience: Audience::EVERYONE,
            jws: message.token().as_bytes().to_vec().into(),
        };
        self.next += 1;
        Record::Message(record)
    }
}

impl Workload {
    pub(crate) fn new(place: &Place) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = Timestamp::from_millis(now.as_millis().try_into().unwrap());
        let mut builder = Builder { place, next: 1, now };
        let mut config = JournalConfig::new();
        (config.segment_bytes, config.retain_bytes) = (SEGMENT_BYTES, 0);
        let log = LogId::from_bytes([7; 16]);
        let storage = DirStorage::open(dir.path()).unwrap();
        let mut journal = Journal::open(storage, config, log, &mut |_| Ok(())).unwrap();
        let old = |name: &str, author: &str| sign(place, author, ELSEWHERE, TEXT_BYTES, name);
        let (day, hour) = (24 * 3_600, 3_600);
        // Segments 1 and 2: of yesterday and of an hour ago, all of it expired.
        for (name, author, ago, with_chain) in [
            ("hier 1", "nation", day, true),
            ("hier 2", "nation", day, false),
            ("tantôt 1", "nation", hour, false),
            ("tantôt 2", "region", hour, true),
        ] {
            let message = old(name, author);
            let mut records = if with_chain { chain(place, author) } else { Vec::new() };
            records.push(builder.record(author, &message, ELSEWHERE, ago, 60));
            journal.append(&records).unwrap();
        }
        // Segment 3: of now.
        let lasting = sign(place, "region", "alert/fr.idf", TEXT_BYTES, "durable");
        let mut before = BTreeMap::from([(builder.next, lasting.id())]);
        journal.append(&[builder.record("region", &lasting, "alert/fr.idf", 0, day)]).unwrap();
        // Segment 1 goes, and comes back: as if a crash had come before its removal.
        let first = dir.path().join(segment(1));
        let given_up = std::fs::read(&first).unwrap();
        let two_hours_ago = now.minus(Duration::from_secs(2 * hour));
        let is_credential = |record: &Record| matches!(record, Record::Credential { .. });
        let carry = |journal: &mut Journal<_>| {
            journal.retain(two_hours_ago, &mut |record, _| is_credential(record)).unwrap()
        };
        assert_eq!(carry(&mut journal), Retention::More);
        assert_eq!(carry(&mut journal), Retention::Removed { segments: 1 });
        std::fs::write(&first, given_up).unwrap();
        // Segment 4: a batch that nothing proves.
        let tail = sign(place, "nation", "alert/fr", TEXT_BYTES, "fin");
        before.insert(builder.next, tail.id());
        journal.append(&[builder.record("nation", &tail, "alert/fr", 0, day)]).unwrap();
        drop(journal);
        std::fs::write(dir.path().join(format!("{}.new", segment(5))), "unfinished").unwrap();
        let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        });
        Self { files: files.collect(), log, before, publishes: publishes(place) }
    }

    /// A relay's folder with a copy of the journal.
    pub(crate) fn node(&self, place: &Place, name: &str) -> Node {
        let node = place.node(name, &settings());
        for (name, bytes) in &self.files {
            std::fs::write(node.journal.join(name), bytes).unwrap();
        }
        node
    }
}

fn publishes(place: &Place) -> Vec<SignedMessage> {
    let rounds = std::env::var(ROUNDS).map_or(1, |rounds| rounds.parse().expect("VIGIE_CALLS is a number"));
    let sizes = [TEXT_BYTES, TEXT_BYTES, TEXT_BYTES, LARGE_TEXT_BYTES];
    let sizes = sizes.iter().cycle().take(rounds * sizes.len());
    sizes
        .enumerate()
        .map(|(n, bytes)| sign(place, "nation", "alert/fr", *bytes, &format!("n° {n}")))
        .collect()
}

fn segment(index: u64) -> String {
    format!("{index:020}.vigie")
}

/// What can be seen of a journal from outside: of each file its name and size, and of the two newest segments where
/// their content ends. Equal for two runs that have come equally far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen(Vec<(String, u64, u64)>);

impl Seen {
    pub(crate) fn of(journal: &Path) -> Self {
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        let newest: Vec<PathBuf> = names
            .iter()
            .filter(|path| path.extension().is_some_and(|end| end == "vigie"))
            .take(2)
            .cloned()
            .collect();
        // A file may be renamed or removed between the listing and the look at it: then another look follows.
        let look = |path: &PathBuf| {
            let size = std::fs::metadata(path).map_or(0, |file| file.len());
            let end = if newest.contains(path) { content_end(path) } else { 0 };
            (path.file_name().unwrap().to_str().unwrap().to_owned(), size, end)
        };
        Self(names.iter().map(look).collect())
    }
}

fn content_end(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}
