//! Records of a journal: any body, in a whole frame at its place in a sound segment.
//!
//! The input is a list of frames: kind, how far the sequence goes on, two bytes of length (little-endian), body.

use vigie_relay::journal::Record;
use vigie_relay::journal::sim_disk::SimDisk;

use super::journal;
use crate::disk::{Header, Image, MARK, disk, files};
use crate::{Outcome, plant};

/// More say nothing new.
const FRAMES_MAX: usize = 12;

/// What may be between the first and the last mark.
pub fn record(data: &[u8]) -> Outcome {
    let header = Header { index: 1, base: 1, admitted: 0, previous_end: 0, oldest: 1, capacity: None };
    let mut image = Image::new(header);
    let (mut sequence, mut rest, mut bodies) = (0_u64, data, Vec::new());
    image.mark(sequence, 1);
    while let Some(([kind, by, low, high], after)) = rest.split_first_chunk::<4>() {
        if bodies.len() == FRAMES_MAX {
            break;
        }
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (body, after) = after.split_at(length);
        rest = after;
        // No frame is of kind 0: what was never written reads so.
        if matches!(*kind, 0 | MARK) {
            continue;
        }
        sequence += u64::from(*by);
        image.frame(*kind, sequence, body);
        bodies.push((*kind, body));
    }
    image.mark(sequence, 2);
    image.close();
    let disk = disk([(image.name(), &*image.bytes)]);
    let Some(records) = journal::judge(&disk) else { return Outcome::Refused };
    assert_eq!(records.len(), bodies.len(), "a record is passed over");
    judge_written(&records, &bodies);
    plant::inside("record", || {
        let named =
            |record: &Record| matches!(record, Record::Message(one) if one.audience.orgs().len() == 3);
        records.iter().any(named)
    });
    Outcome::Taken
}

/// Written again, the bodies are the same to the byte.
fn judge_written(records: &[Record], bodies: &[(u8, &[u8])]) {
    let other = SimDisk::new();
    let mut opened = journal::open(&other).expect("an empty disk");
    opened.journal.append(records).expect("what was read can be written");
    let read = journal::open(&other);
    assert!(read.is_err(), "a journal has one holder");
    drop(opened);
    let written: Vec<Vec<u8>> = files(&other).into_iter().map(|(_, bytes)| bytes).collect();
    for (kind, body) in bodies.iter().filter(|(_, body)| !body.is_empty()) {
        // What is reserved and not written are zeros, most of a file.
        let used = |file: &[u8]| file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let end = |file: &[u8]| (used(file) + body.len()).min(file.len());
        let is_there =
            written.iter().any(|file| file[..end(file)].windows(body.len()).any(|part| part == *body));
        assert!(is_there, "a record of kind {kind} is written in another way than it was read");
    }
    assert_eq!(journal::open(&other).expect("what was written opens").records, records);
}
