//! A folder of segments: any headers, frames, marks, tails and damage.
//!
//! The input is a list of steps, a byte each with its arguments.

use vigie_proto::id::{CredentialId, MessageId, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::limits::JSON_INTEGER_MAX;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{JournalError, MessageRecord, Record};

use super::journal;
use crate::disk::{Header, Image, disk, files};
use crate::{Outcome, plant};

/// Segments of one folder.
const SEGMENTS_MAX: usize = 4;

/// Bytes of one segment: the shapes are what counts.
const SEGMENT_BYTES_MAX: usize = 8 * 1024;

/// Steps of one folder.
const STEPS_MAX: usize = 64;

/// What is left of the input.
struct Steps<'d>(&'d [u8]);

impl Steps<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn small(&mut self) -> u64 {
        u64::from(self.byte().unwrap_or(0))
    }

    /// A place in a segment.
    fn place(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte().unwrap_or(0), self.byte().unwrap_or(0)]))
    }

    /// A number: small, near the edges, or eight bytes.
    fn number(&mut self) -> u64 {
        match self.byte().unwrap_or(0) {
            251 => u64::MAX - self.small(),
            252 => (1 << 53) - 1 + self.small(),
            253 => u64::from_le_bytes(std::array::from_fn(|_| self.byte().unwrap_or(0))),
            254 => 128 + self.small(),
            255 => self.place() as u64,
            small => u64::from(small),
        }
    }
}

/// The folder that is being made.
struct Folder {
    done: Vec<(String, Vec<u8>)>,
    image: Image,
    sequence: u64,
    admitted: u64,
    /// What happens to the bytes of the segment when it is whole.
    damage: Vec<(usize, Option<u8>)>,
}

fn header(index: u64) -> Header {
    Header { index, base: 1, admitted: 0, previous_end: 0, oldest: 1, capacity: None }
}

impl Folder {
    fn finish(&mut self, next: Header) {
        let mut image = std::mem::replace(&mut self.image, Image::new(next));
        image.close();
        for (place, byte) in self.damage.drain(..) {
            match byte {
                Some(byte) => {
                    if let Some(hit) = image.bytes.get_mut(place) {
                        *hit ^= byte;
                    }
                }
                None => image.bytes.truncate(place),
            }
        }
        self.done.push((image.name(), image.bytes));
    }

    /// The next segment, as it follows this one.
    fn go_on(&mut self) {
        let (end, before) = (self.image.bytes.len() as u64, self.image.header);
        self.image.mark(self.sequence, 3);
        self.finish(Header {
            index: before.index.saturating_add(1),
            base: self.sequence.wrapping_add(1),
            admitted: self.admitted,
            previous_end: end,
            ..before
        });
    }

    fn step(&mut self, step: u8, steps: &mut Steps<'_>) {
        match step % 12 {
            0 => self.image.mark(self.sequence, 1 + step / 12 % 3),
            1 => {
                self.sequence = self.sequence.wrapping_add(1 + steps.small());
                self.message(steps.small());
            }
            2 => self.image.frame(2, self.sequence, &[&[2; 32][..], b"credential"].concat()),
            3 => {
                let (kind, length) = (steps.byte().unwrap_or(0), steps.small());
                let body: Vec<u8> = (0..length).map_while(|_| steps.byte()).collect();
                self.image.frame(kind, self.sequence, &body);
            }
            4 => self.image.bytes.extend(std::iter::repeat_n(0, steps.place() % 2048)),
            5 => {
                let length = steps.small();
                self.image.bytes.extend((0..length).map_while(|_| steps.byte()).collect::<Vec<u8>>());
            }
            6 => self.damage.push((steps.place(), Some(steps.byte().unwrap_or(1)))),
            7 => self.damage.push((steps.place(), None)),
            8 => self.go_on(),
            9 => {
                let value = steps.number();
                let header = &mut self.image.header;
                match step / 12 % 6 {
                    0 => header.index = value,
                    1 => header.base = value,
                    2 => header.admitted = value,
                    3 => header.previous_end = value,
                    4 => header.oldest = value,
                    _ => header.capacity = Some(value.min(1 << 20)),
                }
            }
            10 => self.sequence = steps.number(),
            _ => self.admitted = steps.number(),
        }
    }

    /// A message that is good but for where it stands.
    fn message(&mut self, length: u64) {
        self.admitted = self.admitted.wrapping_add(1);
        let mut body = Vec::new();
        for field in [self.admitted, self.admitted.wrapping_add(1000)] {
            body.extend_from_slice(&field.to_le_bytes());
        }
        body.extend_from_slice(&[3; 64]);
        body.extend_from_slice(b"\x02\x08\0alert/fr");
        body.extend(std::iter::repeat_n(b'm', usize::try_from(length).unwrap_or(0)));
        self.image.frame(3, self.sequence, &body);
    }
}

/// Whether it has the segment with the last number that there is: what has a higher one is none.
fn has_last(disk: &SimDisk) -> bool {
    let last = format!("{JSON_INTEGER_MAX:020}");
    files(disk).iter().any(|(name, _)| name.starts_with(&last))
}

/// A folder.
pub fn segment(data: &[u8]) -> Outcome {
    let mut folder = Folder {
        done: Vec::new(),
        image: Image::new(header(1)),
        sequence: 0,
        admitted: 0,
        damage: Vec::new(),
    };
    let mut steps = Steps(data);
    for _ in 0..STEPS_MAX {
        let Some(step) = steps.byte() else { break };
        if folder.image.bytes.len() < SEGMENT_BYTES_MAX && folder.done.len() < SEGMENTS_MAX {
            folder.step(step, &mut steps);
        }
    }
    folder.finish(header(1));
    let disk = disk(folder.done.iter().map(|(name, bytes)| (name.clone(), &**bytes)));
    let Some(records) = journal::judge(&disk) else { return Outcome::Refused };
    let Ok(mut opened) = journal::open(&disk) else { panic!("opened a moment ago") };
    plant::inside("segment", || opened.damage == 2);
    // It goes on: one more message, and it is there at the next start.
    let last = opened.journal.last_seq().get();
    if last == JSON_INTEGER_MAX {
        return Outcome::Taken;
    }
    let one = MessageRecord {
        seq: Sequence::new(last + 1),
        admitted: opened.journal.last_admitted(),
        expires: Timestamp::FAR_FUTURE,
        id: MessageId::from_bytes([5; 32]),
        credential: CredentialId::from_bytes([6; 32]),
        severity: Severity::Minor,
        channel: "signal/fr".parse().expect("a channel"),
        audience: Audience::EVERYONE,
        jws: Vec::from("one more").into(),
    };
    match opened.journal.append(&[Record::Message(one.clone())]) {
        Ok(_) => {}
        Err(JournalError::Full { .. }) => {
            assert!(has_last(&disk), "there is room in the end");
            return Outcome::Taken;
        }
        Err(error) => panic!("a disk in memory: {error}"),
    }
    drop(opened);
    let again = match journal::open(&disk) {
        // It was not closed, and there is no number for a copy of what it kept last.
        Err(JournalError::Damaged { .. }) if has_last(&disk) => return Outcome::Taken,
        again => again.expect("it was appended to"),
    };
    assert_eq!(again.records.last(), Some(&Record::Message(one)));
    assert_eq!(again.records.len(), records.len() + 1);
    Outcome::Taken
}
