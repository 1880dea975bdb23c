//! The socket under TLS: it counts what a stranger sends, and ends what is too much.
//!
//! A stranger can make TLS, HTTP and WebSocket keep only what it has sent, so one count below all three bounds them all:
//! [`StrangerBytes::before_tls`] until the handshake is done, [`StrangerBytes::before_login`] until log-in, then no
//! bound. Past it reading fails with [`ErrorKind::QuotaExceeded`], writing goes on, so that the peer can be told.
//!
//! It also sees to it that TLS makes no allocation above 16 KiB for a stranger. rustls asks for 4 KiB more than it holds of
//! a record, doubling its buffer: so a record up to 12 KiB is handed over as it comes, with what comes behind it, the few
//! bytes that a log-in frame of 12 KiB puts on top of that all at once, and a longer record is too much.
//!
//! Not here: what the bytes mean beyond the length of a TLS record (RFC 8446, section 5.1).

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

/// Type, version, length.
const HEADER_BYTES: usize = 5;

/// So much of a record is handed over as it comes: with 4 KiB more it is 16 KiB.
const AS_IT_COMES_BYTES: usize = 12 * 1024;

/// What may follow that: the header of the record, that of a WebSocket frame, and what encryption adds, are 30 bytes.
const REST_BYTES_MAX: usize = 64;

/// What a stranger may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there are these two stages")]
pub struct StrangerBytes {
    /// Until the TLS handshake is done. Default 8 KiB: a first message with post-quantum keys has 2 KiB, a chain of
    /// client certificates 3 to 5.
    pub before_tls: usize,
    /// In all until log-in. Default 24 KiB: a handshake, a request of up to 8 KiB and a log-in of up to 12 KiB.
    pub before_login: usize,
}

impl Default for StrangerBytes {
    fn default() -> Self {
        Self { before_tls: 8 * 1024, before_login: 24 * 1024 }
    }
}

/// A record of which a part was handed over.
#[derive(Debug, Default)]
struct Record {
    header: [u8; HEADER_BYTES],
    given: usize,
}

impl Record {
    /// Its length with its header, once that is known.
    fn length(&self) -> Option<usize> {
        let length = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        (self.given >= HEADER_BYTES).then_some(HEADER_BYTES + length)
    }

    /// How far it may be read now.
    fn left(&self) -> usize {
        match self.length() {
            None => HEADER_BYTES - self.given,
            Some(length) if self.given < AS_IT_COMES_BYTES => length.min(AS_IT_COMES_BYTES) - self.given,
            Some(length) => length - self.given,
        }
    }

    /// What was read may end anywhere in the 12 KiB of a record that are handed over as they come, and in a later record.
    fn note(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (of_this, rest) = bytes.split_at(self.left().min(bytes.len()));
            self.note_part(of_this);
            bytes = rest;
        }
    }

    /// `bytes` lies in a header, or behind one in its record.
    fn note_part(&mut self, bytes: &[u8]) {
        let end = self.given + bytes.len();
        if let Some(part) = self.header.get_mut(self.given..end) {
            part.copy_from_slice(bytes);
        }
        self.given = end;
        if self.length() == Some(end) {
            self.given = 0;
        }
    }

    fn is_too_long(&self) -> bool {
        self.length().is_some_and(|length| length > AS_IT_COMES_BYTES + REST_BYTES_MAX)
    }
}

/// What is left for a stranger, and where it is in its present record.
#[derive(Debug)]
struct Count {
    left: usize,
    record: Record,
    /// The end of a long record, as far as it has come: handed over when it is whole.
    rest: [u8; REST_BYTES_MAX],
    rest_bytes: usize,
}

/// A socket, from a stranger until [`Inlet::open`] is called.
#[derive(Debug)]
pub(crate) struct Inlet<S> {
    stream: S,
    count: Option<Count>,
    limits: StrangerBytes,
    is_exceeded: bool,
}

fn too_much() -> io::Error {
    io::Error::new(ErrorKind::QuotaExceeded, "more than a stranger may send")
}

impl<S> Inlet<S> {
    /// Counts from the first byte on.
    pub(crate) fn new(stream: S, limits: StrangerBytes) -> Self {
        let count = Count {
            left: limits.before_tls,
            record: Record::default(),
            rest: [0; REST_BYTES_MAX],
            rest_bytes: 0,
        };
        let count = Some(count);
        #[cfg(feature = "sabotage")]
        let count = count.filter(|_| !Sabotage::StrangerBytesUncounted.is_planted());
        Self { stream, count, limits, is_exceeded: false }
    }

    /// The socket itself.
    pub(crate) const fn socket(&self) -> &S {
        &self.stream
    }

    /// Whether more came than may. Who reads through others learns it here: they may take the error for an end.
    pub(crate) const fn is_exceeded(&self) -> bool {
        self.is_exceeded
    }

    /// The TLS handshake is done.
    pub(crate) const fn note_tls(&mut self) {
        if let Some(count) = &mut self.count {
            let sent = self.limits.before_tls - count.left;
            count.left = self.limits.before_login.saturating_sub(sent);
        }
    }

    /// It is no stranger any more. Call it between two messages of the peer: what was held of a record is lost.
    pub(crate) fn open(&mut self) {
        self.count = None;
    }
}

impl<S: AsyncRead + Unpin> Inlet<S> {
    /// Reads at most `room` bytes into `into`, within the count.
    fn poll_count(
        stream: &mut S,
        left: &mut usize,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if *left == 0 {
            let mut probe = [0];
            let mut probe = ReadBuf::new(&mut probe);
            ready!(Pin::new(stream).poll_read(cx, &mut probe))?;
            return Poll::Ready(if probe.filled().is_empty() { Ok(()) } else { Err(too_much()) });
        }
        let room = into.remaining().min(*left);
        let mut part = ReadBuf::new(into.initialize_unfilled_to(room));
        ready!(Pin::new(stream).poll_read(cx, &mut part))?;
        let bytes = part.filled().len();
        *left -= bytes;
        into.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Inlet<S> {
    /// Reads and forgets what comes, while there is any of `left`. A socket that is dropped with bytes unread resets the
    /// connection, and what was written last is lost with it.
    pub(crate) fn poll_forget(&mut self, cx: &mut Context<'_>, left: &mut usize) -> Poll<()> {
        let mut buffer = [0; 1024];
        while *left > 0 {
            let mut part = ReadBuf::new(&mut buffer);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part));
            if read.is_err() || part.filled().is_empty() {
                break;
            }
            *left = left.saturating_sub(part.filled().len());
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> Inlet<S> {
    fn poll_within(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, count, .. } = self;
        let Some(Count { left, record, rest, rest_bytes }) = count else {
            return Pin::new(stream).poll_read(cx, buf);
        };
        if record.is_too_long() {
            return Poll::Ready(Err(too_much()));
        }
        if record.given < AS_IT_COMES_BYTES {
            // A whole flight in one read, and not a call for each header and each record.
            let room = (AS_IT_COMES_BYTES - record.given).min(buf.remaining());
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
            ready!(Self::poll_count(stream, left, cx, &mut part))?;
            record.note(part.filled());
            let bytes = part.filled().len();
            buf.advance(bytes);
            return Poll::Ready(Ok(()));
        }
        let wanted = record.left();
        while *rest_bytes < wanted {
            let mut part = ReadBuf::new(&mut rest[*rest_bytes..wanted]);
            ready!(Self::poll_count(stream, left, cx, &mut part))?;
            if part.filled().is_empty() {
                // The end: TLS sees that the record is not whole.
                return Poll::Ready(Ok(()));
            }
            *rest_bytes += part.filled().len();
        }
        // TLS always has room for 4 KiB.
        if buf.remaining() < wanted {
            return Poll::Ready(Err(too_much()));
        }
        buf.put_slice(&rest[..wanted]);
        record.note(&rest[..wanted]);
        *rest_bytes = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Inlet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(self.poll_within(cx, buf));
        self.is_exceeded |= read.as_ref().is_err_and(|error| error.kind() == ErrorKind::QuotaExceeded);
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Inlet<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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

    const LIMITS: StrangerBytes = StrangerBytes { before_tls: 8 * 1024, before_login: 24 * 1024 };

    fn record(payload: usize) -> Vec<u8> {
        let length = u16::try_from(payload).unwrap().to_be_bytes();
        [&[0x17, 3, 3], &length[..], &vec![7; payload]].concat()
    }

    /// One read into room for so many bytes.
    fn read(inlet: &mut Inlet<&[u8]>, room: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; room];
        let mut buffer = ReadBuf::new(&mut buffer);
        match Pin::new(inlet).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
            Poll::Ready(outcome) => outcome.map(|()| buffer.filled().to_vec()),
            Poll::Pending => panic!("a slice is always ready"),
        }
    }

    /// Reads as rustls does, and says how much it would have allocated at most.
    fn read_all(inlet: &mut Inlet<&[u8]>) -> (Vec<u8>, usize, Option<ErrorKind>) {
        let (mut all, mut held, mut most): (Vec<u8>, Vec<u8>, _) = (Vec::new(), Vec::new(), 0);
        loop {
            most = most.max((held.len() + 4_096).next_power_of_two());
            match read(inlet, 4_096) {
                Ok(bytes) if bytes.is_empty() => return (all, most, None),
                Ok(bytes) => held.extend(bytes),
                Err(error) => return (all, most, Some(error.kind())),
            }
            let length = |held: &[u8]| HEADER_BYTES + usize::from(u16::from_be_bytes([held[3], held[4]]));
            while held.len() >= HEADER_BYTES && held.len() >= length(&held) {
                all.extend(held.drain(..length(&held)));
            }
        }
    }

    #[test]
    fn a_handshake_has_8_kib_and_no_byte_more() {
        let hello = record(8 * 1024 - HEADER_BYTES);
        let (all, _, error) = read_all(&mut Inlet::new(&hello, LIMITS));
        assert_eq!((all.len(), error), (8 * 1024, None));
        let more = [&hello[..], &[0x17]].concat();
        assert_eq!(read_all(&mut Inlet::new(&more, LIMITS)).2, Some(ErrorKind::QuotaExceeded));
    }

    #[test]
    fn until_log_in_there_are_24_kib_in_all_and_then_no_bound() {
        let some = [record(6 * 1024), record(6 * 1024), record(6 * 1024), record(6 * 1024)].concat();
        let all = [&some[..24 * 1024], &some[24 * 1024..], &record(16 * 1024)].concat();
        let mut inlet = Inlet::new(&all[..], LIMITS);
        let mut got = 0;
        // What comes behind the handshake with its last record counts as well.
        while got <= 6 * 1024 {
            got += read(&mut inlet, 3_000).unwrap().len();
        }
        inlet.note_tls();
        got += read(&mut inlet, 2 * (6 * 1024 + HEADER_BYTES) - got).unwrap().len();
        let (bytes, most, error) = read_all(&mut inlet);
        assert!(got + bytes.len() < 24 * 1024 && most <= 16 * 1024);
        assert_eq!(error, Some(ErrorKind::QuotaExceeded));
        inlet.open();
        assert_eq!(read(&mut inlet, 4_096).unwrap().len(), 4_096);
    }

    /// Three records in one packet take one call, as TLS asks for more than any of them has.
    #[test]
    fn what_came_together_is_read_together_wherever_records_end() {
        let sent =
            [record(1), record(700), record(0), record(12_000), record(12 * 1024 + 20), record(9)].concat();
        for room in [1, 4, 5, 6, 100, 4_096, 20_000] {
            let mut inlet = Inlet::new(&sent[..], StrangerBytes { before_tls: 30_000, before_login: 30_000 });
            let (mut all, mut calls) = (Vec::new(), 0);
            // The end of a long record needs room.
            while let Ok(bytes) = read(&mut inlet, room.max(if calls > 0 { 64 } else { 0 }))
                && !bytes.is_empty()
            {
                (all, calls) = ([all, bytes].concat(), calls + 1);
            }
            assert_eq!(all, sent, "{room}");
            assert!(room < 4_096 || calls <= 9, "{calls} calls with room for {room}");
        }
    }

    #[test]
    fn no_record_makes_tls_hold_more_than_16_kib() {
        for (payload, fits) in
            [(12 * 1024 - 5, true), (12 * 1024 - 4, true), (12 * 1024 + 30, true), (16_384, false)]
        {
            let sent = record(payload);
            let mut inlet = Inlet::new(&sent[..], LIMITS);
            inlet.note_tls();
            let (all, most, error) = read_all(&mut inlet);
            assert!(most <= 16 * 1024, "{most} bytes for a record of {payload}");
            assert_eq!((all == sent, error.is_none()), (fits, fits), "{payload}");
        }
    }
}
