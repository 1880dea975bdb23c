//! The stream under a WebSocket: until log-in it hands out one frame at a time.
//!
//! After log-in the WebSocket is made anew with larger limits, and whatever the old one had read ahead would be lost
//! with it. So [`Gate`] gives it no byte past the frame that it is reading, and [`Gate::has_more`] tells whether the
//! peer has said more than its log-in. Once opened, everything passes.
//!
//! Not here: what the bytes mean beyond the length of a frame (RFC 6455, section 5.2), and any bound: the WebSocket has
//! those.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Two bytes, an extended length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;

/// Bytes of frames, from a peer that may not have logged in.
#[derive(Debug)]
pub(crate) struct Gate<S> {
    stream: S,
    /// Read with the upgrade request, before anything from the stream.
    ahead: Bytes,
    /// What is known of the header of the frame that is being read.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    /// What is left of its payload.
    payload_left: u64,
    is_open: bool,
}

impl<S> Gate<S> {
    /// What is below.
    pub(crate) const fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: AsyncRead + Unpin> Gate<S> {
    /// One frame at a time.
    pub(crate) fn new(stream: S, ahead: Bytes) -> Self {
        let header = [0; HEADER_BYTES_MAX];
        Self { stream, ahead, header, header_bytes: 0, payload_left: 0, is_open: false }
    }

    /// From now on everything passes. Call it between two frames.
    pub(crate) const fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Whether something came after the frame that was just read. Call it between two frames, and only if the stream is
    /// to be given up when it says yes: it may take a byte.
    pub(crate) fn has_more(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        matches!(self.poll_stream(cx, &mut byte), Poll::Ready(Ok(())) if !byte.filled().is_empty())
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let bytes = self.ahead.len().min(into.remaining());
        into.put_slice(&self.ahead[..bytes]);
        self.ahead.advance(bytes);
        Poll::Ready(Ok(()))
    }

    /// How far the present frame, or what is known of its header, goes on.
    fn left(&self) -> u64 {
        if self.is_open {
            u64::MAX
        } else if self.payload_left > 0 {
            self.payload_left
        } else {
            (header_length(&self.header, self.header_bytes) - self.header_bytes) as u64
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        if self.is_open {
            return;
        }
        if self.payload_left > 0 {
            self.payload_left -= bytes.len() as u64;
            return;
        }
        let end = self.header_bytes + bytes.len();
        self.header[self.header_bytes..end].copy_from_slice(bytes);
        self.header_bytes = end;
        if end == header_length(&self.header, end) {
            self.payload_left = payload_length(&self.header);
            self.header_bytes = 0;
        }
    }
}

/// Bytes of the length that follows the first two bytes.
const fn extended_length(header: &[u8; HEADER_BYTES_MAX]) -> usize {
    match header[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

/// As far as can be told from so many bytes of it.
const fn header_length(header: &[u8; HEADER_BYTES_MAX], known: usize) -> usize {
    if known < 2 {
        return 2;
    }
    let mask = if header[1] & 0x80 == 0 { 0 } else { 4 };
    2 + extended_length(header) + mask
}

fn payload_length(header: &[u8; HEADER_BYTES_MAX]) -> u64 {
    match extended_length(header) {
        0 => u64::from(header[1] & 0x7f),
        bytes => header[2..2 + bytes].iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = usize::try_from(self.left()).unwrap_or(usize::MAX).min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        std::task::ready!(self.poll_stream(cx, &mut part))?;
        let bytes = part.filled().len();
        self.note(part.filled());
        buf.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Frames of every form of length, masked and not.
    fn frames() -> Vec<Vec<u8>> {
        let frame = |header: &[u8], payload: usize| [header, &vec![7; payload]].concat();
        vec![
            frame(&[0x81, 0x80, 1, 2, 3, 4], 0),
            frame(&[0x81, 0x85, 1, 2, 3, 4], 5),
            frame(&[0x89, 0x05], 5),
            frame(&[0x81, 0xfe, 0x01, 0x00, 1, 2, 3, 4], 256),
            frame(&[0x81, 0xff, 0, 0, 0, 0, 0, 0x01, 0x00, 0x01, 1, 2, 3, 4], 65_537),
            frame(&[0x81, 0x7e, 0x00, 0x7e], 126),
        ]
    }

    fn read(gate: &mut Gate<&[u8]>, at_most: usize) -> Vec<u8> {
        let mut buffer = vec![0; at_most];
        let mut buffer = ReadBuf::new(&mut buffer);
        let read = Pin::new(gate).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
        assert!(matches!(read, Poll::Ready(Ok(()))));
        buffer.filled().to_vec()
    }

    #[test]
    fn no_read_goes_past_the_end_of_a_frame() {
        let all = frames().concat();
        for (ahead, at_most) in [(0, 4_096), (0, 1), (3, 4_096), (300, 7), (all.len(), 100_000)] {
            let mut gate = Gate::new(&all[ahead..], Bytes::copy_from_slice(&all[..ahead]));
            for frame in frames() {
                let mut got = Vec::new();
                while got.len() < frame.len() {
                    got.extend(read(&mut gate, at_most));
                }
                assert_eq!(got, frame, "{ahead} bytes ahead, {at_most} at most");
            }
            assert!(read(&mut gate, 1).is_empty());
        }
    }

    #[test]
    fn what_follows_a_frame_is_noticed_and_an_open_gate_lets_all_pass() {
        let cx = &mut Context::from_waker(Waker::noop());
        let two = [&[0x81, 0x01, 7][..], &[0x89, 0x00]].concat();
        for ahead in 0..two.len() {
            let mut gate = Gate::new(&two[ahead..], Bytes::copy_from_slice(&two[..ahead]));
            let mut got = Vec::new();
            while got.len() < 3 {
                got.extend(read(&mut gate, 16));
            }
            let mut open = Gate::new(&two[3..], Bytes::new()).open();
            assert_eq!(read(&mut open, 16), two[3..]);
            assert!(gate.has_more(cx));
        }
        assert!(!Gate::new(&[][..], Bytes::new()).has_more(cx));
    }
}
