//! Frames are whole and in their place, or they are not there; and no more is read than is needed.

use std::sync::Mutex;

use super::super::sim_disk::SimDisk;
use super::super::storage::Storage;
use super::*;

const START: u64 = 100;

fn home() -> Home {
    Home::new(LogId::from_bytes([7; 16]), 1)
}

/// A mark, a message of `length` bytes and a footer, from `START`.
fn sample(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    home().put_mark(&mut out, START, 4, Purpose::Batch);
    let at = START + out.len() as u64;
    home().put(&mut out, at, Kind::Message, 5, |body| body.resize(body.len() + length, b'm'));
    let at = START + out.len() as u64;
    home().put_mark(&mut out, at, 5, Purpose::Footer);
    out
}

fn file(bytes: &[u8]) -> impl StorageFile + use<> {
    let file = SimDisk::new().create_new("f").unwrap();
    file.write_all_at(bytes, START).unwrap();
    file
}

fn steps(file: &impl StorageFile, home: Home, limit: u64, chunk: usize) -> Vec<String> {
    let mut reader = FrameReader::new(file, home, START, limit, chunk);
    let mut seen = Vec::new();
    loop {
        match reader.step().unwrap() {
            Step::Frame(frame) => seen.push(format!(
                "{:?} {} {} {:?}",
                frame.kind,
                frame.sequence,
                frame.body.len(),
                frame.purpose()
            )),
            Step::End => {
                seen.push("end".to_owned());
                return seen;
            }
            Step::Broken { why, .. } => {
                seen.push(why.to_owned());
                return seen;
            }
        }
    }
}

#[test]
fn frames_come_back_whatever_the_chunk() {
    let bytes = sample(1000);
    let file = file(&bytes);
    for chunk in [1, 7, 64, 4096] {
        assert_eq!(
            steps(&file, home(), START + bytes.len() as u64, chunk),
            ["Mark 4 24 Some(Batch)", "Message 5 1000 None", "Mark 5 24 Some(Footer)", "end"]
        );
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    let bytes = sample(40);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let seen = steps(&file(&flipped), home(), START + bytes.len() as u64, 64);
        assert_ne!(seen.last().unwrap(), "end", "bit {bit}");
    }
    for cut in 1..bytes.len() {
        let file = file(&bytes);
        let whole = steps(&file, home(), START + cut as u64, 64);
        assert!(whole.len() <= 3, "cut {cut}: {whole:?}");
    }
}

#[test]
fn a_frame_is_one_only_at_home() {
    let bytes = sample(40);
    let file = file(&bytes);
    let limit = START + bytes.len() as u64;
    for other in [Home::new(LogId::from_bytes([8; 16]), 1), Home::new(LogId::from_bytes([7; 16]), 2)] {
        assert_eq!(steps(&file, other, limit, 64), ["wrong checksum"]);
    }
    let moved = SimDisk::new().create_new("f").unwrap();
    moved.write_all_at(&bytes, START + 1).unwrap();
    let mut reader = FrameReader::new(&moved, home(), START + 1, limit + 1, 64);
    assert!(matches!(reader.step().unwrap(), Step::Broken { why: "wrong checksum", .. }));
}

#[test]
fn zeros_and_impossible_lengths_are_no_frame() {
    assert_eq!(steps(&file(&[0; 200]), home(), START + 200, 64), ["no frame"]);
    let mut bytes = sample(40);
    bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(steps(&file(&bytes), home(), START + 64, 64), ["impossible length"]);
}

#[test]
fn a_mark_in_the_tail_is_found_wherever_it_stands() {
    let mut bytes = sample(200);
    bytes[0] ^= 1;
    bytes.resize(1000, 0);
    let footer = START + (MARK_BYTES + HEADER_BYTES + 200) as u64;
    for chunk in [1, 13, 44, 50, 4096] {
        let tail = inspect_tail(&file(&bytes), home(), START, START + 1000, chunk).unwrap();
        assert_eq!(tail.mark, Some(footer), "chunk {chunk}");
    }
    // The same bytes without the footer: torn, and nothing proves that they were ever whole.
    bytes.truncate(MARK_BYTES + HEADER_BYTES + 200);
    bytes.resize(1000, 0);
    let tail = inspect_tail(&file(&bytes), home(), START, START + 1000, 64).unwrap();
    assert_eq!(tail, Tail { mark: None, used_bytes: (MARK_BYTES + HEADER_BYTES + 200) as u64, holes: false });
}

#[test]
fn the_longest_body_is_whole_and_a_longer_one_impossible() {
    for (length, seen) in [
        (BODY_BYTES_MAX, format!("Message 1 {BODY_BYTES_MAX} None")),
        (BODY_BYTES_MAX + 1, "impossible length".to_owned()),
    ] {
        let mut bytes = Vec::new();
        home().put(&mut bytes, START, Kind::Message, 1, |body| body.resize(body.len() + length, b'm'));
        let seen_first = steps(&file(&bytes), home(), START + bytes.len() as u64, 4096).swap_remove(0);
        assert_eq!(seen_first, seen);
    }
}

#[test]
fn a_mark_says_its_own_place_and_why_it_was_written() {
    for purpose in [Purpose::Batch, Purpose::Footer, Purpose::Continued] {
        let mut bytes = Vec::new();
        home().put_mark(&mut bytes, START, 4, purpose);
        let of = |offset, body: &[u8]| Frame { offset, kind: Kind::Mark, sequence: 4, body }.purpose();
        let body = &bytes[HEADER_BYTES..];
        assert_eq!(of(START, body), Some(purpose));
        assert_eq!(of(START + 1, body), None, "of another place");
        for place in 0..body.len() {
            let mut wrong = body.to_vec();
            wrong[place] ^= 0x80;
            assert_eq!(of(START, &wrong), None, "byte {place}");
            assert_eq!(of(START, &body[..place]), None, "cut to {place}");
        }
    }
}

/// A message may say what a mark says: it proves nothing.
#[test]
fn only_a_mark_is_a_mark() {
    let mut mark = Vec::new();
    home().put_mark(&mut mark, START + 1, 4, Purpose::Footer);
    let like_a_mark = |kind, body: &[u8]| {
        let mut bytes = vec![1];
        home().put(&mut bytes, START + 1, kind, 4, |out| out.extend_from_slice(body));
        inspect_tail(&file(&bytes), home(), START, START + bytes.len() as u64, 64).unwrap().mark
    };
    let body = &mark[HEADER_BYTES..];
    assert_eq!(like_a_mark(Kind::Mark, body), Some(START + 1));
    assert_eq!(like_a_mark(Kind::Message, body), None);
    let longer_than_the_file = {
        let mut bytes = vec![1];
        home().put(&mut bytes, START + 1, Kind::Message, 4, |out| {
            out.extend_from_slice(body);
            out.resize(out.len() + 1_000, b'm');
        });
        bytes.truncate(1 + mark.len());
        inspect_tail(&file(&bytes), home(), START, START + bytes.len() as u64, 64).unwrap().mark
    };
    assert_eq!(longer_than_the_file, None);
    let mut for_nothing = body.to_vec();
    for_nothing[16] = 9;
    assert_eq!(like_a_mark(Kind::Mark, &for_nothing), None);
}

/// Notes what is read: where, and how much.
struct Watched<F> {
    file: F,
    reads: Mutex<Vec<(u64, usize)>>,
}

impl<F: StorageFile> Watched<F> {
    fn new(file: F) -> Self {
        Self { file, reads: Mutex::default() }
    }

    fn note(&self, offset: u64, bytes: usize) {
        self.reads.lock().unwrap().push((offset, bytes));
    }

    fn take(&self) -> Vec<(u64, usize)> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }
}

impl<F: StorageFile> StorageFile for Watched<F> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.note(offset, buffer.len());
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn preallocate(&self, bytes: u64) -> io::Result<()> {
        self.file.preallocate(bytes)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[test]
fn what_is_near_is_read_in_large_pieces_and_what_is_far_in_small_ones() {
    const CHUNK: usize = 65_536;
    const FAR: u64 = CHUNK_FAR_BYTES as u64;
    let (mut bytes, length) = (Vec::new(), 1_000_u64);
    for number in 0..400 {
        let at = START + bytes.len() as u64;
        home().put(&mut bytes, at, Kind::Message, number, |body| body.resize(body.len() + 1_000, b'm'));
    }
    let file = Watched::new(file(&bytes));
    let frame = |number: u64| START + number * (HEADER_BYTES as u64 + length);
    let limit = START + bytes.len() as u64;
    let first_chunk = || {
        let mut frames = FrameReader::new(&file, home(), START, limit, CHUNK);
        assert!(matches!(frames.step().unwrap(), Step::Frame(Frame { sequence: 0, .. })));
        assert_eq!(file.take(), [(START, CHUNK)]);
        frames
    };
    // What is in the buffer is not read again.
    let mut frames = first_chunk();
    for number in [10, 11, 63] {
        frames.skip_to(frame(number));
        assert!(matches!(frames.step().unwrap(), Step::Frame(Frame { sequence, .. }) if sequence == number));
    }
    assert_eq!(file.take(), []);
    for (gap, chunk) in
        [(0, CHUNK), (1, CHUNK), (FAR, CHUNK), (FAR + 1, CHUNK_FAR_BYTES), (100_000, CHUNK_FAR_BYTES)]
    {
        let mut frames = first_chunk();
        let to = START + CHUNK as u64 + gap;
        frames.skip_to(to);
        frames.step().unwrap();
        assert_eq!(file.take(), [(to, chunk)], "gap {gap}");
    }
    // Behind a far one what is near is read in large pieces again.
    let mut frames = first_chunk();
    frames.skip_to(frame(200));
    frames.step().unwrap();
    frames.skip_to(frame(206));
    assert!(matches!(frames.step().unwrap(), Step::Frame(Frame { sequence: 206, .. })));
    assert_eq!(file.take(), [(frame(200), CHUNK_FAR_BYTES), (frame(206), CHUNK)]);
}

/// A mark that lies across two looks is in one of them whole.
#[test]
fn looks_at_a_tail_overlap_by_a_mark_less_one_byte() {
    let file = Watched::new(file(&[1; 300]));
    let tail = inspect_tail(&file, home(), START, START + 300, 100).unwrap();
    assert_eq!(tail, Tail { mark: None, used_bytes: 300, holes: false });
    let look = 100 + MARK_BYTES - 1;
    assert_eq!(file.take(), [(START, look), (START + 100, look), (START + 200, 100)]);
}

#[test]
fn what_the_disk_cannot_read_is_told_so_and_nothing_else_is() {
    const PAGE: u64 = 4096;
    let disk = SimDisk::new();
    let file = disk.create_new("f").unwrap();
    // The first byte of its length lies in a page that cannot be read, and the rest of the frame in sound ones.
    let mut bytes = Vec::new();
    home().put(&mut bytes, PAGE - 1, Kind::Message, 1, |body| body.resize(body.len() + 600, b'm'));
    file.write_all_at(&bytes, PAGE - 1).unwrap();
    let torn = 2 * PAGE;
    file.write_all_at(&[9; 100], torn).unwrap();
    disk.make_unreadable("f", 0);
    let why = |frames: &mut FrameReader<'_, _>| {
        let Step::Broken { why, .. } = frames.step().unwrap() else { panic!("a whole frame") };
        why
    };
    let mut frames = FrameReader::new(&file, home(), PAGE - 1, torn + 100, 1);
    assert_eq!(why(&mut frames), "the disk cannot read it");
    frames.skip_to(torn);
    assert_eq!(why(&mut frames), "impossible length");
    let tail = inspect_tail(&file, home(), PAGE - 1, torn + 100, 4096).unwrap();
    assert!(tail.holes);
    assert!(!inspect_tail(&file, home(), PAGE, torn + 100, 4096).unwrap().holes);
}
