//! Frames: how a segment is cut into pieces that are either whole and in their place, or not there.
//!
//! ```text
//! offset  0   u32  length of the body
//!         4   u32  CRC-32C over: log, segment index, offset of the frame, and all of the frame but this field
//!         8   u64  sequence: of a message its own, of anything else that of the last message before it
//!        16   u8   kind
//!        17   3 B  zero
//!        20   body
//! ```
//! Numbers are little-endian. The log, the index of the segment and the offset stand in the CRC and not in the file: a
//! frame that was written to another place, or copied from another segment or log, is not a frame there.
//!
//! A preallocated tail reads as zeros, and no kind is zero, so it is never a frame. A CRC finds what a disk did; it is
//! no defence against a forger, which is what the signatures inside are for.
//!
//! Used by the writer, recovery and readers. Knows nothing of what records mean.

use std::io;

use vigie_proto::id::LogId;

use super::salvage::read_around;
use super::storage::StorageFile;

/// Bytes before the body.
pub(super) const HEADER_BYTES: usize = 20;

/// No body is longer: the largest message (256 KiB) and its fields (less than 5 KiB, most of it for an audience of 16
/// organisations with the longest names). Checked before any allocation.
pub(super) const BODY_BYTES_MAX: usize = 261 * 1024;

/// Behind a gap of more than this, this much is read: a usual message and its neighbour, one page of the system.
const CHUNK_FAR_BYTES: usize = 4 * 1024;

/// Opens the body of a mark. Not ASCII, as signed tokens and channels are, so that the search for a mark in damaged
/// bytes does not stop at what a message says.
const MARK_MAGIC: [u8; 8] = *b"\xF5Vigie\xFA\xFE";

/// Body of a mark: magic, the offset below which all is synced (its own), purpose, zeros.
const MARK_BODY_BYTES: usize = 24;

/// A mark in the file.
pub(super) const MARK_BYTES: usize = HEADER_BYTES + MARK_BODY_BYTES;

/// The highest kind that this version knows.
pub(super) const KIND_MAX: u8 = 8;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Mark,
    Credential,
    /// A message for everyone whom its channel reaches.
    Message,
    Revocation,
    /// The id of a message that retention has removed.
    Carried,
    /// Where an imported log comes from.
    Forked,
    /// This folder is a copy.
    Backup,
    /// A message for those whom its label names.
    Restricted,
    /// Written by newer versions.
    Unknown(u8),
}

impl Kind {
    fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Mark,
            2 => Self::Credential,
            3 => Self::Message,
            4 => Self::Revocation,
            5 => Self::Carried,
            6 => Self::Forked,
            7 => Self::Backup,
            KIND_MAX => Self::Restricted,
            other => Self::Unknown(other),
        }
    }

    /// Whether it is a message, and so has a place of its own in the log.
    pub(super) const fn is_message(self) -> bool {
        matches!(self, Self::Message | Self::Restricted)
    }

    fn as_byte(self) -> u8 {
        match self {
            Self::Mark => 1,
            Self::Credential => 2,
            Self::Message => 3,
            Self::Revocation => 4,
            Self::Carried => 5,
            Self::Forked => 6,
            Self::Backup => 7,
            Self::Restricted => KIND_MAX,
            Self::Unknown(byte) => byte,
        }
    }
}

/// Why a mark was written. Each says as well: everything before me was synced before I was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A batch of records follows, in the same write.
    Batch,
    /// Nothing follows for now: written when idle and at a clean close.
    Footer,
    /// The log goes on in the next segment.
    Continued,
}

/// The segment that frames belong to: what makes their CRC one of this place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home {
    seed: u32,
}

impl Home {
    pub(super) fn new(log: LogId, index: u64) -> Self {
        let seed = crc32c::crc32c(log.as_bytes());
        Self { seed: crc32c::crc32c_append(seed, &index.to_le_bytes()) }
    }

    fn crc(self, offset: u64, header: &[u8; HEADER_BYTES], body: &[u8]) -> u32 {
        let crc = crc32c::crc32c_append(self.seed, &offset.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &header[..4]);
        let crc = crc32c::crc32c_append(crc, &header[8..]);
        crc32c::crc32c_append(crc, body)
    }

    /// Appends to `out` a frame that will stand at `offset` of the segment; `body` writes its body.
    pub(super) fn put(
        self,
        out: &mut Vec<u8>,
        offset: u64,
        kind: Kind,
        sequence: u64,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        body(out);
        let length = out.len() - start - HEADER_BYTES;
        let length = u32::try_from(length).expect("callers check the record against BODY_BYTES_MAX");
        let (header, body) = out[start..].split_first_chunk_mut::<HEADER_BYTES>().expect("resized above");
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[8..16].copy_from_slice(&sequence.to_le_bytes());
        header[16] = kind.as_byte();
        let crc = self.crc(offset, header, body);
        header[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Appends a mark that will stand at `offset`.
    pub(super) fn put_mark(self, out: &mut Vec<u8>, offset: u64, sequence: u64, purpose: Purpose) {
        self.put(out, offset, Kind::Mark, sequence, |body| {
            body.extend_from_slice(&MARK_MAGIC);
            body.extend_from_slice(&offset.to_le_bytes());
            let purpose = match purpose {
                Purpose::Batch => 1,
                Purpose::Footer => 2,
                Purpose::Continued => 3,
            };
            body.extend_from_slice(&[purpose, 0, 0, 0, 0, 0, 0, 0]);
        });
    }
}

/// A whole frame, in its place.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) offset: u64,
    pub(super) kind: Kind,
    pub(super) sequence: u64,
    pub(super) body: &'a [u8],
}

impl Frame<'_> {
    /// The offset after this frame.
    pub(super) fn end(&self) -> u64 {
        self.offset + (HEADER_BYTES + self.body.len()) as u64
    }

    /// Reads the body as that of a mark.
    pub(super) fn purpose(&self) -> Option<Purpose> {
        let (magic, rest) = self.body.split_first_chunk::<8>()?;
        let (synced_to, rest) = rest.split_first_chunk::<8>()?;
        if *magic != MARK_MAGIC || u64::from_le_bytes(*synced_to) != self.offset {
            return None;
        }
        match rest {
            [1, 0, 0, 0, 0, 0, 0, 0] => Some(Purpose::Batch),
            [2, 0, 0, 0, 0, 0, 0, 0] => Some(Purpose::Footer),
            [3, 0, 0, 0, 0, 0, 0, 0] => Some(Purpose::Continued),
            _ => None,
        }
    }
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Step<'a> {
    Frame(Frame<'a>),
    /// Exactly at the limit.
    End,
    /// No whole frame begins at this offset.
    Broken {
        offset: u64,
        why: &'static str,
    },
}

/// Reads frames one after another, through a buffer.
pub(super) struct FrameReader<'f, F> {
    file: &'f F,
    home: Home,
    buffer: Vec<u8>,
    /// Start of the unread bytes in `buffer`.
    unread: usize,
    /// Offset in the file of the first unread byte.
    offset: u64,
    /// Nothing at or after this offset is read.
    limit: u64,
    /// The disk could not read a part of what is in `buffer`.
    holes: bool,
    /// How much is read at once.
    chunk: usize,
    /// The same where one frame after the other is read.
    chunk_near: usize,
}

impl<'f, F: StorageFile> FrameReader<'f, F> {
    /// Reads frames in `[offset, limit)`; a frame must begin at `offset`.
    pub(super) fn new(file: &'f F, home: Home, offset: u64, limit: u64, chunk: usize) -> Self {
        let (buffer, unread, holes) = (Vec::new(), 0, false);
        Self { file, home, buffer, unread, offset, limit, holes, chunk, chunk_near: chunk }
    }

    /// The next frame. After [`Step::Broken`] it stays where it is.
    pub(super) fn step(&mut self) -> io::Result<Step<'_>> {
        let offset = self.offset;
        if offset == self.limit {
            return Ok(Step::End);
        }
        let broken = |why, holes: bool| {
            Ok(Step::Broken { offset, why: if holes { "the disk cannot read it" } else { why } })
        };
        if !self.fill(HEADER_BYTES)? {
            return broken("cut off in a frame header", self.holes);
        }
        let header = *self.buffer[self.unread..].first_chunk::<HEADER_BYTES>().expect("filled above");
        let [l0, l1, l2, l3, c0, c1, c2, c3, s0, s1, s2, s3, s4, s5, s6, s7, kind, _, _, _] = header;
        if kind == 0 {
            return broken("no frame", self.holes);
        }
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > BODY_BYTES_MAX {
            return broken("impossible length", self.holes);
        }
        if !self.fill(HEADER_BYTES + length)? {
            return broken("cut off in a frame", self.holes);
        }
        let start = self.unread + HEADER_BYTES;
        let end = start + length;
        let is_whole =
            self.home.crc(offset, &header, &self.buffer[start..end]) == u32::from_le_bytes([c0, c1, c2, c3]);
        #[cfg(feature = "sabotage")]
        let is_whole = is_whole || crate::sabotage::Sabotage::CrcNotChecked.is_planted();
        if !is_whole {
            return broken("wrong checksum", self.holes);
        }
        self.unread = end;
        self.offset = offset + (HEADER_BYTES + length) as u64;
        Ok(Step::Frame(Frame {
            offset,
            kind: Kind::from_byte(kind),
            sequence: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            body: &self.buffer[start..end],
        }))
    }

    /// Goes on at a later frame. What is in the buffer is not read again; what is far away is read in small pieces.
    pub(super) fn skip_to(&mut self, offset: u64) {
        let skipped = usize::try_from(offset - self.offset).unwrap_or(usize::MAX);
        let have = self.buffer.len() - self.unread;
        if skipped <= have {
            self.unread += skipped;
        } else {
            self.buffer.clear();
            self.unread = 0;
            self.chunk = if skipped - have > CHUNK_FAR_BYTES { CHUNK_FAR_BYTES } else { self.chunk_near };
        }
        self.offset = offset;
    }

    /// Makes `bytes` unread bytes available; `false` when the limit comes before.
    fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        let have = self.buffer.len() - self.unread;
        if have >= bytes {
            return Ok(true);
        }
        let left = usize::try_from(self.limit - self.offset).unwrap_or(usize::MAX);
        if left < bytes {
            return Ok(false);
        }
        self.buffer.drain(..self.unread);
        self.unread = 0;
        self.buffer.resize(bytes.max(self.chunk).min(left), 0);
        match read_around(self.file, &mut self.buffer[have..], self.offset + have as u64) {
            Ok(holes) => self.holes = holes || (self.holes && have > 0),
            Err(error) => {
                self.buffer.truncate(have);
                return Err(error);
            }
        }
        Ok(true)
    }
}

/// What lies behind the last whole frame of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// A mark that is whole and in its place: what comes before it was synced once, and is damaged now.
    pub(super) mark: Option<u64>,
    /// Up to the last byte that is not zero.
    pub(super) used_bytes: u64,
    /// The disk cannot read a part of it.
    pub(super) holes: bool,
}

/// Looks through `[from, limit)`, where no frame begins at `from`.
pub(super) fn inspect_tail<F: StorageFile>(
    file: &F,
    home: Home,
    from: u64,
    limit: u64,
    chunk: usize,
) -> io::Result<Tail> {
    let mut tail = Tail { mark: None, used_bytes: 0, holes: false };
    let mut buffer = Vec::new();
    let mut at = from;
    while at < limit {
        // Each look overlaps the next by a mark less one byte, so that none is cut in two.
        let left = usize::try_from(limit - at).unwrap_or(usize::MAX);
        buffer.resize(left.min(chunk + MARK_BYTES - 1), 0);
        tail.holes |= read_around(file, &mut buffer, at)?;
        if let Some(last) = buffer.iter().rposition(|byte| *byte != 0) {
            tail.used_bytes = at - from + last as u64 + 1;
            for (place, bytes) in buffer.windows(MARK_BYTES).enumerate() {
                if bytes[HEADER_BYTES..].starts_with(&MARK_MAGIC) && is_mark(file, home, at + place as u64)? {
                    tail.mark = Some(at + place as u64);
                    return Ok(tail);
                }
            }
        }
        at += chunk as u64;
    }
    Ok(tail)
}

fn is_mark<F: StorageFile>(file: &F, home: Home, offset: u64) -> io::Result<bool> {
    let limit = offset + MARK_BYTES as u64;
    match FrameReader::new(file, home, offset, limit, MARK_BYTES).step()? {
        Step::Frame(frame) => Ok(frame.kind == Kind::Mark && frame.purpose().is_some()),
        Step::End | Step::Broken { .. } => Ok(false),
    }
}

#[cfg(test)]
mod tests;
