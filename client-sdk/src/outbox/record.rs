//! The form of an outbox on disk: a header, then records, each framed with its length and CRC-32C. No I/O.
//!
//! A record is JSON, so that a person can read what waits. Each frame begins with a marker: what follows a damaged place
//! is found again, and nothing readable is lost with it.

use serde::{Deserialize, Serialize};
use vigie_proto::channel::Plane;
use vigie_proto::id::{CredentialId, KeyId, LogId, MessageId, Sequence};
use vigie_proto::limits::MESSAGE_BYTES_MAX;
use vigie_proto::time::Timestamp;

const MAGIC: &[u8; 8] = b"VIGIEOBX";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 16;
const MARKER: &[u8; 4] = b"VGOB";
/// Marker, length and checksum.
const FRAME_HEAD_BYTES: usize = 12;
/// The largest message and, generously, everything that is kept beside it.
const RECORD_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 64 * 1024;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Record {
    /// Whose outbox it is; the first record of a file.
    Owner { key: KeyId, plane: Plane },
    /// A chain under which messages after it were signed, root first.
    Chain { credential: CredentialId, links: Vec<String> },
    /// A message was taken over.
    Queued(Box<QueuedRecord>),
    /// It was handed to a line: from then on it may be in a log.
    Sent { id: MessageId },
    /// A relay has it on its disk.
    Stored { id: MessageId, relay: String, log: LogId, seq: Sequence, admitted: Timestamp },
    /// A relay refused it for good.
    Refused { id: MessageId, relay: String, code: String, detail: String, credential: Option<CredentialId> },
    /// Its time ran out before any relay had it.
    Expired { id: MessageId },
    /// The application wants it to be tried again.
    Retried { id: MessageId },
    /// The application gave it up.
    Dropped { id: MessageId },
}

/// A message and what is to be known of it without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueuedRecord {
    /// Rises from message to message: the order of sending.
    pub(super) number: u64,
    pub(super) id: MessageId,
    pub(super) credential: CredentialId,
    pub(super) queued: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) channel: String,
    pub(super) title: String,
    pub(super) replaces: Vec<MessageId>,
    /// The signed bytes; absent once every relay has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) jws: Option<String>,
}

pub(super) fn header() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

pub(super) fn append_frame(bytes: &mut Vec<u8>, record: &Record) {
    let payload = serde_json::to_vec(record).expect("a record has text keys and no failing serialiser");
    let length = u32::try_from(payload.len()).expect("a record is bounded by the largest message");
    bytes.extend(MARKER);
    bytes.extend(length.to_le_bytes());
    bytes.extend(checksum(length, &payload).to_le_bytes());
    bytes.extend(payload);
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), payload)
}

/// Why nothing of a file is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Damaged,
    Newer { version: u32 },
}

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) records: Vec<Record>,
    /// Bytes that are of no record, and where the first of them is.
    pub(super) lost: Option<Lost>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) at: usize,
    pub(super) bytes: usize,
    /// Whether nothing readable follows: what a crash in the middle of a write leaves.
    pub(super) is_tail: bool,
}

pub(super) fn scan(bytes: &[u8]) -> Result<Scanned, Unreadable> {
    let head = bytes.get(..HEADER_BYTES).ok_or(Unreadable::Damaged)?;
    let (signed, sum) = head.split_at(HEADER_BYTES - 4);
    if &signed[..MAGIC.len()] != MAGIC || sum != crc32c::crc32c(signed).to_le_bytes() {
        return Err(Unreadable::Damaged);
    }
    let version = signed[MAGIC.len()..].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
    if version > VERSION {
        return Err(Unreadable::Newer { version });
    }
    let (mut records, mut lost, mut at) = (Vec::new(), None::<Lost>, HEADER_BYTES);
    while at < bytes.len() {
        if let Some((record, length)) = frame(&bytes[at..]) {
            records.push(record);
            at += length;
        } else {
            let next = bytes[at + 1..].windows(MARKER.len()).position(|window| window == MARKER);
            let skipped = next.map_or(bytes.len() - at, |next| next + 1);
            lost.get_or_insert(Lost { at, bytes: 0, is_tail: false }).bytes += skipped;
            at += skipped;
        }
    }
    // A loss in the middle is damage, whatever the tail looks like.
    if let Some(lost) = &mut lost {
        lost.is_tail = lost.at + lost.bytes == bytes.len();
    }
    Ok(Scanned { records, lost })
}

/// The frame at the beginning of these bytes, and its length.
fn frame(bytes: &[u8]) -> Option<(Record, usize)> {
    let head = bytes.get(..FRAME_HEAD_BYTES)?;
    let length = u32::from_le_bytes(head[4..8].try_into().ok()?);
    let size = usize::try_from(length).ok().filter(|size| *size <= RECORD_BYTES_MAX)?;
    let payload = bytes.get(FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + size)?;
    if &head[..4] != MARKER || head[8..] != checksum(length, payload).to_le_bytes() {
        return None;
    }
    Some((serde_json::from_slice(payload).ok()?, FRAME_HEAD_BYTES + size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let id = |byte| MessageId::from_bytes([byte; 32]);
        vec![
            Record::Owner { key: KeyId::from_bytes([1; 32]), plane: Plane::Exercise },
            Record::Chain { credential: CredentialId::from_bytes([2; 32]), links: vec!["a.b.c".to_owned()] },
            Record::Queued(Box::new(QueuedRecord {
                number: 7,
                id: id(3),
                credential: CredentialId::from_bytes([2; 32]),
                queued: Timestamp::from_millis(5),
                expires: Timestamp::from_millis(9),
                channel: "exercise/alert/fr".to_owned(),
                title: "crue VGOB".to_owned(),
                replaces: vec![id(4)],
                jws: Some("d.e.f".to_owned()),
            })),
            Record::Sent { id: id(3) },
            Record::Refused {
                id: id(3),
                relay: "wss://a:1".to_owned(),
                code: "expired".to_owned(),
                detail: String::new(),
                credential: None,
            },
        ]
    }

    fn file(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = header();
        let mut ends = vec![bytes.len()];
        for record in records {
            append_frame(&mut bytes, record);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn wherever_a_file_is_cut_the_whole_records_before_it_are_read() {
        let (bytes, ends) = file(&records());
        for cut in 0..=bytes.len() {
            let scanned = scan(&bytes[..cut]);
            if cut < HEADER_BYTES {
                assert_eq!(scanned, Err(Unreadable::Damaged));
                continue;
            }
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let lost = cut - ends[whole];
            let lost = (lost > 0).then_some(Lost { at: ends[whole], bytes: lost, is_tail: true });
            assert_eq!(scanned, Ok(Scanned { records: records()[..whole].to_vec(), lost }), "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_record_and_is_told() {
        let (bytes, ends) = file(&records());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                let Ok(scanned) = scan(&bad) else {
                    assert!(at < HEADER_BYTES, "byte {at}");
                    continue;
                };
                let hit = ends.iter().filter(|end| **end <= at).count() - 1;
                let mut rest = records();
                rest.remove(hit);
                assert_eq!(scanned.records, rest, "bit {bit} of byte {at}");
                let lost = scanned.lost.unwrap();
                assert_eq!((lost.at, lost.bytes), (ends[hit], ends[hit + 1] - ends[hit]));
                assert_eq!(lost.is_tail, hit + 1 == records().len());
            }
        }
    }

    #[test]
    fn a_later_version_is_told_as_such() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        assert_eq!(scan(&bytes), Err(Unreadable::Newer { version: 2 }));
    }
}
