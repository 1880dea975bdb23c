//! Segments of a journal, written from the description in `relay/src/journal/segment.rs` and `frame.rs` and not by that
//! code: any field may be what it must not be, with a right checksum over it.

use crc32c::{crc32c, crc32c_append};
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{Storage as _, StorageFile as _};

/// Bytes before the first frame.
pub const HEADER_BYTES: usize = 128;

/// The log of all segments here.
pub const LOG: [u8; 16] = [7; 16];

const MARK_MAGIC: [u8; 8] = *b"\xF5Vigie\xFA\xFE";

/// Kinds of frames.
pub const MARK: u8 = 1;

/// A segment that is being made.
#[derive(Debug, Clone)]
pub struct Image {
    /// What it says of itself.
    pub header: Header,
    /// Header and frames.
    pub bytes: Vec<u8>,
}

/// The header of a segment.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// 1, 2, 3 and so on, as in the name.
    pub index: u64,
    /// The lowest sequence that it may hold.
    pub base: u64,
    /// Of the last message before it.
    pub admitted: u64,
    /// Where the segment before ends.
    pub previous_end: u64,
    /// The oldest segment of the journal.
    pub oldest: u64,
    /// What was reserved; `None`: as long as it becomes.
    pub capacity: Option<u64>,
}

impl Image {
    /// Begins one.
    pub fn new(header: Header) -> Self {
        Self { header, bytes: vec![0; HEADER_BYTES] }
    }

    /// Its name.
    pub fn name(&self) -> String {
        format!("{:020}.vigie", self.header.index)
    }

    /// Adds a frame, in its place.
    pub fn frame(&mut self, kind: u8, sequence: u64, body: &[u8]) {
        let mut header = [0; 20];
        header[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        header[8..16].copy_from_slice(&sequence.to_le_bytes());
        header[16] = kind;
        let crc = crc32c_append(crc32c(&LOG), &self.header.index.to_le_bytes());
        let crc = crc32c_append(crc, &(self.bytes.len() as u64).to_le_bytes());
        let crc = crc32c_append(crc32c_append(crc, &header[..4]), &header[8..]);
        header[4..8].copy_from_slice(&crc32c_append(crc, body).to_le_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(body);
    }

    /// Adds a mark: 1 a batch follows, 2 nothing, 3 the next segment.
    pub fn mark(&mut self, sequence: u64, purpose: u8) {
        let mut body = [0; 24];
        body[..8].copy_from_slice(&MARK_MAGIC);
        body[8..16].copy_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        body[16] = purpose;
        self.frame(MARK, sequence, &body);
    }

    /// Writes the header, with its checksum.
    pub fn close(&mut self) {
        let capacity = self.header.capacity.unwrap_or(self.bytes.len() as u64);
        let Header { index, base, admitted, previous_end, oldest, .. } = self.header;
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(b"\x89VIGIE\r\n");
        header[8] = 1;
        header[16..32].copy_from_slice(&LOG);
        for (place, field) in [index, base, admitted, previous_end, oldest, capacity].into_iter().enumerate()
        {
            header[32 + 8 * place..40 + 8 * place].copy_from_slice(&field.to_le_bytes());
        }
        let crc = crc32c_append(crc32c(&header[..12]), &header[16..]);
        header[12..16].copy_from_slice(&crc.to_le_bytes());
        self.bytes[..HEADER_BYTES].copy_from_slice(&header);
    }
}

/// A disk with these files, all synced.
pub fn disk<'f>(files: impl IntoIterator<Item = (String, &'f [u8])>) -> SimDisk {
    let disk = SimDisk::new();
    for (name, bytes) in files {
        // Two segments of one number: the first counts.
        let Ok(file) = disk.create_new(&name) else { continue };
        file.write_all_at(bytes, 0).and_then(|()| file.sync_data()).expect("a disk in memory");
    }
    disk.sync_directory().expect("a disk in memory");
    disk
}

/// All files of a disk but the lock, by name.
pub fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let mut names = disk.names().expect("a disk in memory");
    names.sort();
    names.retain(|name| name != "lock");
    let read = |name: String| {
        let file = disk.open(&name).expect("a name that was listed");
        let size = usize::try_from(file.size().expect("a disk in memory")).expect("a small file");
        let mut bytes = vec![0; size];
        file.read_exact_at(&mut bytes, 0).expect("as long as it says");
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}
