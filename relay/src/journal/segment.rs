//! Segments: the files that the journal is cut into, and how one comes into being.
//!
//! ```text
//! 00000000000000000001.vigie      a segment: header, frames, zeros up to its capacity
//! 00000000000000000002.vigie.new  one that is being prepared: no part of the journal yet
//! 00000000000000000001.vigie.damaged  no part of the journal any more, and kept for whoever wants to look
//! reserve                         room for urgent batches, see `reserve.rs`
//! begin-here                      a new journal may begin here, see `beginning.rs`
//! lock
//! ```
//! Header, 128 bytes, little-endian:
//! ```text
//! offset  0   8 B  magic
//!         8   u32  format version
//!        12   u32  CRC-32C of all other bytes of the header
//!        16  16 B  log
//!        32   u64  index: 1, 2, 3 and so on, as in the file name
//!        40   u64  base: the lowest sequence that it may hold
//!        48   u64  admitted of the last message before it, in milliseconds
//!        56   u64  where the content of the segment before ends; bytes after that are no part of the log
//!        64   u64  the index of the oldest segment that belonged to the journal when this one was made
//!        72   u64  capacity: the length that was reserved before the file got its name
//!        80  48 B  zero
//! ```
//! Invariants: a file gets its final name only once its header, its capacity and any records it is born with are synced;
//! the name is synced before anything else happens. So a crash leaves a whole new segment or none, and the one renaming
//! also says, in one step, where the segment before ends.

use std::io;
use std::sync::Arc;

use vigie_proto::id::LogId;
use vigie_proto::limits::JSON_INTEGER_MAX;

use super::error::{JournalError, is_no_space};
use super::frame::Home;
use super::salvage::read_around;
use super::storage::{Storage, StorageFile};

/// Bytes before the first frame.
pub(super) const HEADER_BYTES: u64 = 128;

/// The only format so far. A change that this version would misread counts it up.
pub(super) const FORMAT_VERSION: u32 = 1;

/// Not text, and damaged by every transfer that takes it for text.
const MAGIC: [u8; 8] = *b"\x89VIGIE\r\n";

const SUFFIX: &str = ".vigie";
const UNFINISHED_SUFFIX: &str = ".vigie.new";

/// The file that a running relay keeps locked.
pub(super) const LOCK_NAME: &str = "lock";

/// The socket of the operators' door, which is no part of the journal: one who was killed leaves it behind.
pub(crate) const DOOR_NAME: &str = "door.sock";

/// What the name of a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileName {
    Segment(u64),
    Unfinished(u64),
    /// Not a name that the journal gives, but it contains its suffix: perhaps a segment that was moved aside.
    LooksLikeOne,
    Other,
}

impl FileName {
    pub(super) fn parse(name: &str) -> Self {
        let index = |digits: &str| {
            digits.parse().ok().filter(|index| digits.len() == 20 && *index <= JSON_INTEGER_MAX)
        };
        if let Some(index) = name.strip_suffix(SUFFIX).and_then(index) {
            Self::Segment(index)
        } else if let Some(index) = name.strip_suffix(UNFINISHED_SUFFIX).and_then(index) {
            Self::Unfinished(index)
        } else if name.contains(SUFFIX) {
            Self::LooksLikeOne
        } else {
            Self::Other
        }
    }
}

pub(super) fn file_name(index: u64) -> String {
    format!("{index:020}{SUFFIX}")
}

pub(super) fn unfinished_name(index: u64) -> String {
    format!("{index:020}{UNFINISHED_SUFFIX}")
}

/// What a segment says of itself. The layout and the meaning of the fields are in the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) log: LogId,
    pub(super) index: u64,
    pub(super) base: u64,
    pub(super) admitted: u64,
    pub(super) previous_end: u64,
    pub(super) oldest: u64,
    pub(super) capacity: u64,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(self.log.as_bytes());
        for field in [self.index, self.base, self.admitted, self.previous_end, self.oldest, self.capacity] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.resize(HEADER_BYTES as usize, 0);
        let crc = checksum(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of the segment that is named by `index`.
    pub(super) fn decode(index: u64, bytes: &[u8; HEADER_BYTES as usize]) -> Result<Self, JournalError> {
        let damaged = |offset, what| JournalError::Damaged { segment: file_name(index), offset, what };
        let (magic, rest) = bytes.split_first_chunk::<8>().expect("128 bytes");
        let (version, rest) = rest.split_first_chunk::<4>().expect("128 bytes");
        let (crc, rest) = rest.split_first_chunk::<4>().expect("128 bytes");
        let (log, rest) = rest.split_first_chunk::<16>().expect("128 bytes");
        if *magic != MAGIC {
            return Err(damaged(0, "no segment header"));
        }
        let version = u32::from_le_bytes(*version);
        if version > FORMAT_VERSION {
            // Judged before the checksum: a newer format may have another.
            return Err(JournalError::NewerFormat {
                segment: file_name(index),
                what: "format version",
                found: version,
                known: FORMAT_VERSION,
            });
        }
        if checksum(bytes) != u32::from_le_bytes(*crc) || version == 0 {
            return Err(damaged(12, "wrong checksum of the header"));
        }
        let mut fields = rest
            .chunks_exact(8)
            .map(|field| u64::from_le_bytes(*field.first_chunk::<8>().expect("chunks of eight bytes")));
        let mut field = || fields.next().unwrap_or_default();
        let header = Self {
            log: LogId::from_bytes(*log),
            index: field(),
            base: field(),
            admitted: field(),
            previous_end: field(),
            oldest: field(),
            capacity: field(),
        };
        if header.index != index {
            return Err(damaged(32, "another segment under this name"));
        }
        if header.is_possible() { Ok(header) } else { Err(damaged(32, "numbers that no journal comes to")) }
    }

    /// Whether a relay can have written these numbers: a checksum does not keep out what would overflow.
    fn is_possible(&self) -> bool {
        self.index <= JSON_INTEGER_MAX
            && (1..=JSON_INTEGER_MAX + 1).contains(&self.base)
            && self.admitted <= JSON_INTEGER_MAX
            && (1..=self.index).contains(&self.oldest)
            && self.capacity >= HEADER_BYTES
    }
}

/// What an error of the disk becomes when a segment is read.
pub(super) fn reading() -> impl FnOnce(io::Error) -> JournalError {
    JournalError::storage("read a segment")
}

fn checksum(header: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..])
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) file: Arc<F>,
    pub(super) header: Header,
    pub(super) home: Home,
}

impl<F: StorageFile> Segment<F> {
    pub(super) fn new(file: F, header: Header) -> Self {
        let home = Home::new(header.log, header.index);
        Self { file: Arc::new(file), header, home }
    }

    /// Opens a segment that has its final name, and judges its header.
    pub(super) fn open<S: Storage<File = F>>(storage: &S, index: u64) -> Result<Self, JournalError> {
        let doing = "open a segment";
        let file = storage.open(&file_name(index)).map_err(JournalError::storage(doing))?;
        let size = file.size().map_err(JournalError::storage(doing))?;
        if size < HEADER_BYTES {
            let what = "cut off in the header";
            return Err(JournalError::Damaged { segment: file_name(index), offset: size, what });
        }
        let mut bytes = [0; HEADER_BYTES as usize];
        let holes = read_around(&file, &mut bytes, 0).map_err(reading())?;
        if holes {
            let what = "the disk cannot read the header";
            return Err(JournalError::Damaged { segment: file_name(index), offset: 0, what });
        }
        let header = Header::decode(index, &bytes)?;
        Ok(Self::new(file, header))
    }

    pub(super) fn name(&self) -> String {
        file_name(self.header.index)
    }

    /// Whether the next start would find it: see [`PlaceLost`](super::PlaceLost).
    pub(super) fn check_found<S: Storage<File = F>>(&self, storage: &S) -> io::Result<()> {
        storage.check_place()?;
        storage.check_named(&self.name(), &self.file)
    }
}

/// Removes a segment that goes, or only its name when damage in it may be worth a look.
pub(super) fn remove<S: Storage>(storage: &S, segment: &Segment<S::File>, damaged: bool) -> io::Result<()> {
    let name = segment.name();
    if damaged { storage.rename(&name, &format!("{name}.damaged")) } else { storage.remove(&name) }
}

/// Why there is no new segment.
#[derive(Debug)]
pub(super) enum NotMade {
    /// No room, and the journal is as it was.
    Full { bytes: u64, source: io::Error },
    /// The disk failed: what it holds now is not known.
    Failed { doing: &'static str, source: io::Error },
}

impl From<NotMade> for JournalError {
    fn from(not_made: NotMade) -> Self {
        match not_made {
            NotMade::Full { bytes, source } => Self::Full { bytes, source },
            NotMade::Failed { doing, source } => Self::storage(doing)(source),
        }
    }
}

/// Reserves the space of a segment under a name that does not count yet.
#[derive(Debug)]
pub(super) struct Prepared<F> {
    file: F,
    index: u64,
    capacity: u64,
}

impl<F: StorageFile> Prepared<F> {
    /// Leaves nothing behind when there is no room, on the disk or among the numbers that a start looks for.
    pub(super) fn new<S>(storage: &S, index: u64, capacity: u64) -> Result<Self, NotMade>
    where
        S: Storage<File = F>,
    {
        if index > JSON_INTEGER_MAX {
            let source = io::Error::new(io::ErrorKind::StorageFull, "no segment has a higher number");
            return Err(NotMade::Full { bytes: capacity, source });
        }
        discard(storage, index)?;
        let doing = "reserve the next segment";
        let file = storage
            .create_new(&unfinished_name(index))
            .map_err(|source| give_up(storage, index, capacity, doing, source))?;
        // Synced here, so that the sync at the switch has only the header to write.
        file.preallocate(capacity)
            .and_then(|()| file.sync_data())
            .map_err(|source| give_up(storage, index, capacity, doing, source))?;
        Ok(Self { file, index, capacity })
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Makes it a segment: header and first content synced, then named, then the name synced.
    pub(super) fn install<S>(self, storage: &S, header: Header, content: &[u8]) -> Result<Segment<F>, NotMade>
    where
        S: Storage<File = F>,
    {
        let mut bytes = header.encode();
        bytes.extend_from_slice(content);
        self.file.write_all_at(&bytes, 0).and_then(|()| self.file.sync_data()).map_err(|source| {
            give_up(storage, self.index, self.capacity, "write the next segment", source)
        })?;
        let failed = |source| NotMade::Failed { doing: "name the next segment", source };
        storage.rename_new(&unfinished_name(self.index), &file_name(self.index)).map_err(failed)?;
        #[cfg(feature = "sabotage")]
        if crate::sabotage::Sabotage::DirectoryNotSynced.is_planted() {
            return Ok(Segment::new(self.file, header));
        }
        storage.sync_directory().map_err(failed)?;
        Ok(Segment::new(self.file, header))
    }
}

/// Removes what an earlier try left.
pub(super) fn discard<S: Storage>(storage: &S, index: u64) -> Result<(), NotMade> {
    match storage.remove(&unfinished_name(index)) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(NotMade::Failed { doing: "remove an unfinished segment", source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Before the renaming nothing depends on the new file: without room it is removed and all is as before.
fn give_up<S: Storage>(
    storage: &S,
    index: u64,
    bytes: u64,
    doing: &'static str,
    source: io::Error,
) -> NotMade {
    if !is_no_space(&source) {
        return NotMade::Failed { doing, source };
    }
    match discard(storage, index) {
        Ok(()) => NotMade::Full { bytes, source },
        Err(worse) => worse,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sim_disk::SimDisk;
    use super::*;

    fn header() -> Header {
        Header {
            log: LogId::from_bytes([5; 16]),
            index: 3,
            base: 17,
            admitted: 1_000,
            previous_end: 900,
            oldest: 1,
            capacity: 4096,
        }
    }

    fn bytes() -> [u8; 128] {
        *header().encode().first_chunk().unwrap()
    }

    /// Format 1, to the byte: a journal written today is read by every later version.
    #[test]
    fn the_header_stands_as_described() {
        let bytes = bytes();
        assert_eq!(&bytes[..12], b"\x89VIGIE\r\n\x01\0\0\0");
        assert_eq!(bytes[16..32], [5; 16]);
        let fields: Vec<u8> =
            [3_u64, 17, 1_000, 900, 1, 4096].iter().flat_map(|field| field.to_le_bytes()).collect();
        assert_eq!(bytes[32..80], fields[..]);
        assert_eq!(bytes[80..], [0; 48]);
        assert_eq!(Header::decode(3, &bytes).unwrap(), header());
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_an_error() {
        for bit in 0..128 * 8 {
            let mut flipped = bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = Header::decode(3, &flipped).unwrap_err();
            let newer = matches!(error, JournalError::NewerFormat { .. });
            assert!(newer || matches!(error, JournalError::Damaged { .. }), "bit {bit}: {error}");
        }
    }

    #[test]
    fn numbers_that_no_journal_comes_to_are_damage() {
        let far = u64::MAX;
        for wrong in [
            Header { base: 0, ..header() },
            Header { base: far, ..header() },
            Header { admitted: far, ..header() },
            Header { oldest: 0, ..header() },
            Header { oldest: 4, ..header() },
            Header { capacity: 127, ..header() },
        ] {
            let found = Header::decode(3, wrong.encode().first_chunk().unwrap());
            assert!(matches!(found, Err(JournalError::Damaged { offset: 32, .. })), "{wrong:?}");
        }
        let last = Header {
            base: JSON_INTEGER_MAX + 1,
            admitted: JSON_INTEGER_MAX,
            oldest: 3,
            capacity: 128,
            ..header()
        };
        assert_eq!(Header::decode(3, last.encode().first_chunk().unwrap()).unwrap(), last);
        let index = JSON_INTEGER_MAX + 1;
        let past = Header { index, ..header() };
        assert!(Header::decode(index, past.encode().first_chunk().unwrap()).is_err());
        let before = Header { index: index - 1, ..header() };
        assert_eq!(Header::decode(index - 1, before.encode().first_chunk().unwrap()).unwrap(), before);
    }

    #[test]
    fn format_0_is_none() {
        let mut zero = bytes();
        zero[8] = 0;
        let crc = checksum(&zero);
        zero[12..16].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(Header::decode(3, &zero), Err(JournalError::Damaged { offset: 12, .. })));
    }

    #[test]
    fn a_segment_is_a_header_at_least() {
        let disk = SimDisk::new();
        let least = Header { capacity: HEADER_BYTES, ..header() };
        let prepared = Prepared::new(&disk, 3, HEADER_BYTES).unwrap();
        assert_eq!(prepared.capacity(), HEADER_BYTES);
        prepared.install(&disk, least.clone(), b"").unwrap();
        assert_eq!(Segment::open(&disk, 3).unwrap().header, least);
        disk.set_content(&file_name(3), least.encode()[..127].to_vec());
        let cut = Segment::open(&disk, 3).unwrap_err();
        assert!(
            matches!(cut, JournalError::Damaged { offset: 127, what: "cut off in the header", .. }),
            "{cut}"
        );
    }

    #[test]
    fn a_newer_format_and_a_wrong_name_are_said() {
        let mut newer = bytes();
        newer[8] = 2;
        assert!(matches!(
            Header::decode(3, &newer),
            Err(JournalError::NewerFormat { what: "format version", found: 2, known: 1, .. })
        ));
        assert!(matches!(Header::decode(4, &bytes()), Err(JournalError::Damaged { offset: 32, .. })));
    }

    #[test]
    fn names_are_read_strictly() {
        for (name, means) in [
            ("00000000000000000012.vigie", FileName::Segment(12)),
            ("00000000000000000012.vigie.new", FileName::Unfinished(12)),
            ("12.vigie", FileName::LooksLikeOne),
            ("18446744073709551615.vigie", FileName::LooksLikeOne),
            ("00000000000000000012.vigie.bak", FileName::LooksLikeOne),
            ("lock", FileName::Other),
            ("lost+found", FileName::Other),
        ] {
            assert_eq!(FileName::parse(name), means, "{name}");
        }
        assert_eq!(file_name(12), "00000000000000000012.vigie");
    }

    #[test]
    fn without_room_nothing_is_left() {
        // Calls: create, preallocate, sync.
        for call in 1..=3 {
            let disk = SimDisk::new();
            disk.fail_at(call, io::ErrorKind::StorageFull);
            assert!(matches!(Prepared::new(&disk, 1, 4096), Err(NotMade::Full { bytes: 4096, .. })));
            assert!(disk.names().unwrap().is_empty(), "call {call}");
            Prepared::new(&disk, 1, 4096).unwrap();
        }
    }

    #[test]
    fn a_failing_disk_is_not_a_full_one() {
        for call in 1..=7 {
            let disk = SimDisk::new();
            disk.fail_at(call, io::ErrorKind::Other);
            let made = Prepared::new(&disk, 1, 4096)
                .and_then(|prepared| prepared.install(&disk, Header { index: 1, ..header() }, b""));
            assert!(matches!(made, Err(NotMade::Failed { .. })), "call {call}");
        }
    }
}
