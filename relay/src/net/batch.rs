//! Frames on their way out of one session: ready WebSocket bytes, as many as are written at once.
//!
//! Each frame gets its head here and is copied once, into a buffer that belongs to the worker and not to the session:
//! idle connections hold none. What does not fit of the last frame is not copied, and goes first into the next batch.

use bytes::Bytes;
use vigie_proto::refusal::{Code, Ends};

use crate::worker::Outlet;

/// Written at once: four TLS records of full length, all that TLS takes before it has sent some. Batching is what makes a
/// delivery cheap, by a factor of ten; above this size there is little more to gain.
pub const BATCH_BYTES: usize = 64 * 1024;

/// Of a head without a mask, RFC 6455, section 5.2: two bytes and a length of eight.
const HEAD_BYTES_MAX: usize = 10;

/// Of the reason in a close frame: 125 bytes less the code's two, RFC 6455, section 5.5.
const REASON_BYTES_MAX: usize = 123;

/// A close that says that a rule was broken, RFC 6455, section 7.4.1.
const POLICY: u16 = 1008;

/// The kinds of frames that a relay sends, RFC 6455, section 5.2.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Opcode {
    Text = 0x1,
    #[cfg(feature = "echo")]
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xa,
}

/// What is written at once.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    rest: Bytes,
    closes: bool,
}

impl Default for Batch {
    /// Empty, with all the room that it will ever take.
    fn default() -> Self {
        Self { bytes: Vec::with_capacity(BATCH_BYTES + HEAD_BYTES_MAX), rest: Bytes::new(), closes: false }
    }
}

impl Batch {
    /// Begins with what was left of the last one.
    pub fn begin(&mut self, mut rest: Bytes) {
        self.bytes.clear();
        let fits = rest.split_to(rest.len().min(BATCH_BYTES));
        self.bytes.extend_from_slice(&fits);
        (self.rest, self.closes) = (rest, false);
    }

    /// Ready to be written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether a close frame is in it: nothing may follow.
    pub const fn closes(&self) -> bool {
        self.closes
    }

    /// What goes before the next batch when only so many of its bytes could be written.
    pub fn take_rest(&mut self, written: usize) -> Bytes {
        let rest = std::mem::take(&mut self.rest);
        match self.bytes.get(written..) {
            None | Some([]) => rest,
            Some(unwritten) => [unwritten, &rest].concat().into(),
        }
    }

    /// The answer to a ping.
    pub fn pong(&mut self, payload: &Bytes) {
        self.frame(Opcode::Pong, payload);
    }

    /// A close frame; without a code where the peer gave none.
    pub fn close(&mut self, code: Option<u16>, reason: &str) {
        let mut payload = code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec());
        payload.extend(reason.bytes().take(REASON_BYTES_MAX));
        self.frame(Opcode::Close, &payload.into());
        self.closes = true;
    }

    /// A binary message. No session is ever given one.
    #[cfg(feature = "echo")]
    pub(super) fn binary(&mut self, bytes: &Bytes) {
        self.frame(Opcode::Binary, bytes);
    }

    fn frame(&mut self, opcode: Opcode, payload: &Bytes) {
        let (head, head_bytes) = head(opcode, payload.len());
        let head = &head[..head_bytes];
        if !self.rest.is_empty() {
            // Little goes out in one piece with what has filled the batch: a chain before its revocation.
            self.rest = [&self.rest, head, payload].concat().into();
            return;
        }
        self.bytes.extend_from_slice(head);
        let fits = payload.len().min(BATCH_BYTES.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(&payload[..fits]);
        self.rest = payload.slice(fits..);
    }
}

impl Outlet for Batch {
    fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || !self.rest.is_empty()
    }

    fn text(&mut self, text: &Bytes) {
        self.frame(Opcode::Text, text);
    }

    fn ping(&mut self, number: u64) {
        self.frame(Opcode::Ping, &Bytes::copy_from_slice(&number.to_be_bytes()));
    }

    fn close(&mut self, code: Code) {
        let number = match code.ends() {
            Ends::Close(number) => number,
            Ends::Request | Ends::Http(_) => POLICY,
        };
        self.close(Some(number), code.as_str());
    }
}

/// The head of a whole frame, and its length.
fn head(opcode: Opcode, payload: usize) -> ([u8; HEAD_BYTES_MAX], usize) {
    const FINAL: u8 = 0x80;
    let mut head = [0; HEAD_BYTES_MAX];
    head[0] = FINAL | opcode as u8;
    let length = (payload as u64).to_be_bytes();
    match payload {
        0..=125 => {
            head[1] = length[7];
            (head, 2)
        }
        126..=0xffff => {
            head[1] = 126;
            head[2..4].copy_from_slice(&length[6..]);
            (head, 4)
        }
        _ => {
            head[1] = 127;
            head[2..].copy_from_slice(&length);
            (head, HEAD_BYTES_MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that batches hold, `step` bytes of each written before the next one begins.
    fn written(outputs: &[Bytes], step: usize) -> (Vec<u8>, usize) {
        let (mut batch, mut all, mut batches) = (Batch::default(), Vec::new(), 0);
        let (mut outputs, mut rest) = (outputs.iter(), Bytes::new());
        loop {
            batch.begin(std::mem::take(&mut rest));
            while !batch.is_full()
                && let Some(output) = outputs.next()
            {
                batch.text(output);
            }
            if batch.bytes().is_empty() {
                return (all, batches);
            }
            assert!(batch.bytes().len() <= BATCH_BYTES + HEAD_BYTES_MAX);
            let taken = batch.bytes().len().min(step);
            all.extend_from_slice(&batch.bytes()[..taken]);
            rest = batch.take_rest(taken);
            batches += 1;
        }
    }

    /// The payloads of the whole text frames, as a client reads them.
    fn read(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        while let [0x81, short, after @ ..] = bytes {
            let extended = match short {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let (length, after) = after.split_at(extended);
            let length = match extended {
                0 => usize::from(*short),
                _ => length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
            };
            let (payload, after) = after.split_at(length);
            payloads.push(payload.to_vec());
            bytes = after;
        }
        assert!(bytes.is_empty());
        payloads
    }

    fn text(bytes: usize) -> Bytes {
        Bytes::from(vec![b'a' + u8::try_from(bytes % 26).unwrap(); bytes])
    }

    #[test]
    fn frames_of_every_length_come_whole_and_in_order_whatever_is_written_at_once() {
        let lengths = [0, 1, 125, 126, 127, 1_024, 65_525, 65_526, 65_535, 65_536, 262_144, 3, 200_000, 7];
        let texts: Vec<_> = lengths.into_iter().map(text).collect();
        for step in [1_000, BATCH_BYTES - 1, BATCH_BYTES, usize::MAX] {
            assert_eq!(read(&written(&texts, step).0), texts, "{step} at once");
        }
    }

    #[test]
    fn small_frames_fill_a_batch() {
        let texts: Vec<_> = (0..1_000).map(|_| text(1_020)).collect();
        let (bytes, batches) = written(&texts, usize::MAX);
        assert_eq!((bytes.len(), batches), (1_024_000, 16));
    }

    #[test]
    fn control_frames_say_what_they_are() {
        let mut batch = Batch::default();
        batch.begin(Bytes::new());
        batch.pong(&Bytes::from_static(b"ab"));
        batch.ping(7);
        assert!(!batch.closes());
        Outlet::close(&mut batch, Code::GoingAway);
        assert!(batch.closes());
        let close = "going_away".as_bytes();
        let mut expected = vec![0x8a, 2, b'a', b'b', 0x89, 8, 0, 0, 0, 0, 0, 0, 0, 7];
        expected.extend([0x88, 2 + u8::try_from(close.len()).unwrap(), 0x03, 0xe9]);
        expected.extend(close);
        assert_eq!(batch.bytes(), expected);
    }

    #[test]
    fn what_follows_a_frame_that_fills_the_batch_is_not_lost() {
        let mut batch = Batch::default();
        batch.begin(Bytes::new());
        batch.text(&text(100_000));
        batch.text(&text(5));
        let mut all = batch.bytes().to_vec();
        let rest = batch.take_rest(all.len());
        all.extend_from_slice(&rest);
        assert_eq!(read(&all).len(), 2);
    }
}
