//! As much of WebSocket (RFC 6455) as the floor and the load generator need, without a copy where one can be saved.
//!
//! Clients must mask what they send; the mask here is zero, so that the client need not touch the payload. Servers
//! do the same work for it as for any other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// A whole text message.
pub const TEXT: u8 = 1;
/// A whole binary message.
pub const BINARY: u8 = 2;
/// The end.
pub const CLOSE: u8 = 8;
/// A sign of life that must be answered.
pub const PING: u8 = 9;
/// Its answer.
pub const PONG: u8 = 10;

/// Larger than anything that is sent here: NATS puts up to a megabyte into one frame.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The key that the load generator sends: it does not keep the answer from a cache, as a random one would.
pub const CLIENT_KEY: &str = "dmlnaWUgYmVuY2ggMTYgYg==";

/// What a server answers to a key.
pub fn accept_key(key: &str) -> String {
    let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes()))
}

/// Appends the head of a frame as a server sends it.
pub fn put_server_head(opcode: u8, length: usize, out: &mut Vec<u8>) {
    put_head(opcode, length, 0, out);
}

/// Appends the head of a frame as a client sends it, with a mask of zero.
pub fn put_client_head(opcode: u8, length: usize, out: &mut Vec<u8>) {
    put_head(opcode, length, 0x80, out);
    out.extend_from_slice(&[0; 4]);
}

/// Appends a whole frame as a client sends it.
pub fn put_client_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    put_client_head(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

fn put_head(opcode: u8, length: usize, mask: u8, out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match length {
        0..=125 => out.push(mask | u8::try_from(length).unwrap_or(125)),
        126..=0xffff => {
            out.push(mask | 126);
            out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
        _ => {
            out.push(mask | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug)]
struct Head {
    opcode: u8,
    is_last: bool,
    mask: Option<[u8; 4]>,
    /// Of the head itself.
    bytes: usize,
    payload_bytes: usize,
}

impl Head {
    /// `None`: more bytes are needed.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (payload_bytes, rest) = match second & 0x7f {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX), rest)
            }
            short => (usize::from(short), rest),
        };
        let (mask, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            let (mask, rest) = rest.split_first_chunk()?;
            (Some(*mask), rest)
        };
        let head_bytes = bytes.len() - rest.len();
        Some(Self { opcode: first & 15, is_last: first & 0x80 != 0, mask, bytes: head_bytes, payload_bytes })
    }
}

/// Cuts what came into frames; keeps what is not whole yet.
#[derive(Debug, Default)]
pub struct Frames {
    partial: Vec<u8>,
    /// Of a message in several frames.
    begun: Option<(u8, Vec<u8>)>,
}

impl Frames {
    /// Gives each whole message in what came to `hear`, with its opcode.
    ///
    /// # Errors
    /// Those of `hear`, or a frame that is too large.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        hear: &mut dyn FnMut(u8, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while !self.partial.is_empty() && !bytes.is_empty() {
            let wanted = match Head::parse(&self.partial) {
                None => self.partial.len() + 1,
                Some(head) => {
                    anyhow::ensure!(head.payload_bytes <= FRAME_BYTES_MAX, "a frame is too large");
                    head.bytes + head.payload_bytes
                }
            };
            let (taken, rest) = bytes.split_at(bytes.len().min(wanted.saturating_sub(self.partial.len())));
            self.partial.extend_from_slice(taken);
            bytes = rest;
            let Some(head) = Head::parse(&self.partial) else { continue };
            if self.partial.len() >= head.bytes + head.payload_bytes {
                let mut whole = std::mem::take(&mut self.partial);
                self.give(head, &whole[head.bytes..], hear)?;
                whole.clear();
                self.partial = whole;
            }
        }
        while let Some(head) = Head::parse(bytes) {
            let end = head.bytes.saturating_add(head.payload_bytes);
            if bytes.len() < end {
                break;
            }
            self.give(head, &bytes[head.bytes..end], hear)?;
            bytes = &bytes[end..];
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn give(
        &mut self,
        head: Head,
        payload: &[u8],
        hear: &mut dyn FnMut(u8, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let unmasked;
        let payload = match head.mask {
            None => payload,
            Some(mask) => {
                unmasked = unmask(payload, mask);
                &unmasked
            }
        };
        if head.opcode >= CLOSE || (head.is_last && head.opcode != 0) {
            return hear(head.opcode, payload);
        }
        let (opcode, mut message) = self.begun.take().unwrap_or((head.opcode, Vec::new()));
        message.extend_from_slice(payload);
        anyhow::ensure!(message.len() <= FRAME_BYTES_MAX, "a message is too large");
        if head.is_last {
            return hear(opcode, &message);
        }
        self.begun = Some((opcode, message));
        Ok(())
    }
}

fn unmask(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut unmasked = payload.to_vec();
    for bytes in unmasked.chunks_mut(mask.len()) {
        bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    unmasked
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut, the same messages come out.
    #[test]
    fn messages_come_out_whole_wherever_the_stream_is_cut() {
        let mut stream = Vec::new();
        let messages = [(TEXT, 5), (BINARY, 125), (BINARY, 126), (PING, 0), (BINARY, 70_000), (TEXT, 1)];
        for (opcode, length) in messages {
            put_server_head(opcode, length, &mut stream);
            stream.extend(vec![opcode; length]);
        }
        for cut in [1, 2, 3, 7, 100, 1_000, stream.len()] {
            let mut frames = Frames::default();
            let mut heard = Vec::new();
            for part in stream.chunks(cut) {
                let mut hear = |opcode, payload: &[u8]| {
                    assert!(payload.iter().all(|byte| *byte == opcode));
                    heard.push((opcode, payload.len()));
                    Ok(())
                };
                frames.feed(part, &mut hear).unwrap();
            }
            assert_eq!(heard, messages, "cut every {cut}");
        }
    }

    /// The example of RFC 6455, section 5.7: "Hello", masked; then the same in two frames.
    #[test]
    fn masked_and_fragmented_messages_are_read() {
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
        let mut heard = Vec::new();
        let mut frames = Frames::default();
        let mut hear = |opcode, payload: &[u8]| {
            heard.push((opcode, payload.to_vec()));
            Ok(())
        };
        frames.feed(&masked, &mut hear).unwrap();
        frames.feed(&fragments, &mut hear).unwrap();
        assert_eq!(heard, vec![(TEXT, b"Hello".to_vec()); 2]);
    }

    /// The example of RFC 6455, section 1.3.
    #[test]
    fn a_key_is_answered_as_the_standard_says() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
