//! The stream under a WebSocket: it hands out one frame at a time, and only those that may come.
//!
//! After log-in the WebSocket is made anew with larger limits, and whatever the old one had read ahead would be lost
//! with it. So [`Gate`] gives it no byte past the frame that it is reading, and [`Gate::has_more`] tells whether the
//! peer has said more than its log-in.
//!
//! It judges each head before anything is reserved for its payload (`frame_head.rs`), and keeps pings and pongs to
//! itself: the library would answer each ping with a pong of its own, and let up to half a megabyte of them wait for a
//! peer that does not read. [`Gate::take_heard`] says what came: of several pings the last is to be answered (RFC 6455,
//! section 5.5.3).
//!
//! Invariants: between two waits at most [`FRAMES_PER_WAIT`] frames; the end of the stream is told by
//! [`Heard::ended`] and not to the library, which would not write any more.
//!
//! Not here: what the payloads mean, and how many pings are too many: the worker has a clock.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame_head::{Head, Kind, Order};

/// Frames that are read before others have their turn: empty ones cost next to nothing to send, and the library reads on
/// until it has a whole message.
const FRAMES_PER_WAIT: u32 = 64;

/// What came from the peer since it was last asked for.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Anything at all.
    pub(crate) anything: bool,
    /// Pings and pongs.
    pub(crate) controls: u32,
    /// The payload of the last ping.
    pub(crate) ping: Option<Bytes>,
    /// The highest number that a pong brought back.
    pub(crate) pong: u64,
    /// The peer has ended its half of the connection: nothing more will come.
    pub(crate) ended: bool,
}

/// Where in a frame the stream is.
#[derive(Debug)]
enum Part {
    Head,
    /// A whole head of which so many bytes were handed out.
    GivenHead(usize),
    /// So much of a payload is left.
    Payload(u64),
    /// A ping or a pong; what has come of its payload, masked, and its length.
    Control(Kind, Vec<u8>, usize),
}

/// Bytes of frames.
#[derive(Debug)]
pub(crate) struct Gate<S> {
    stream: S,
    /// Read with the upgrade request, before anything from the stream.
    ahead: Bytes,
    message_bytes_max: usize,
    order: Order,
    head: Head,
    part: Part,
    heard: Heard,
    frames_left: u32,
}

impl<S> Gate<S> {
    /// What is below.
    pub(crate) const fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// What came since this was last asked for. That the peer has ended stays.
    pub(crate) fn take_heard(&mut self) -> Heard {
        let ended = self.heard.ended;
        std::mem::replace(&mut self.heard, Heard { ended, ..Heard::default() })
    }
}

impl<S: AsyncRead + Unpin> Gate<S> {
    /// For messages up to so many bytes.
    pub(crate) fn new(stream: S, ahead: Bytes, message_bytes_max: usize) -> Self {
        Self {
            stream,
            ahead,
            message_bytes_max,
            order: Order::default(),
            head: Head::default(),
            part: Part::Head,
            heard: Heard::default(),
            frames_left: FRAMES_PER_WAIT,
        }
    }

    /// From now on messages may have so many bytes. Call it between two messages.
    pub(crate) const fn open(mut self, message_bytes_max: usize) -> Self {
        self.message_bytes_max = message_bytes_max;
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

    /// Reads at least one byte. Waits for ever when there will be none.
    fn poll_some(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let before = into.filled().len();
        let read = match ready!(self.poll_stream(cx, into)) {
            // Ended below TLS, without a word from TLS: what came before is as good as it was.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            read => read,
        };
        let bytes = into.filled().len() - before;
        self.heard.anything |= bytes > 0;
        self.heard.ended |= read.is_ok() && bytes == 0;
        if self.heard.ended { Poll::Pending } else { Poll::Ready(read.map(|()| bytes)) }
    }

    /// Reads a head to its end and judges it.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.frames_left == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if self.head.bytes().len() >= 2 {
                let kind = self.order.judge(&self.head).map_err(io::Error::other)?;
                if self.head.lacks().is_empty() {
                    self.frames_left -= 1;
                    return Poll::Ready(self.begin(kind));
                }
            }
            let mut head = self.head;
            let mut lacks = ReadBuf::new(head.lacks());
            let bytes = ready!(self.poll_some(cx, &mut lacks))?;
            head.note(bytes);
            self.head = head;
        }
    }

    fn begin(&mut self, kind: Kind) -> io::Result<()> {
        self.part = match kind {
            Kind::Data => {
                self.order.note_data(&self.head, self.message_bytes_max).map_err(io::Error::other)?;
                Part::GivenHead(0)
            }
            Kind::Close => Part::GivenHead(0),
            // At most 125.
            Kind::Ping | Kind::Pong => Part::Control(kind, Vec::new(), self.head.payload() as usize),
        };
        Ok(())
    }

    /// Reads a ping or a pong to its end.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buffer = [0; 125];
        while let Part::Control(kind, payload, length) = &mut self.part {
            let (kind, left) = (*kind, *length - payload.len());
            if left == 0 {
                let payload = std::mem::take(payload);
                self.note_control(kind, payload);
                break;
            }
            let mut part = ReadBuf::new(&mut buffer[..left]);
            ready!(self.poll_some(cx, &mut part))?;
            if let Part::Control(_, payload, _) = &mut self.part {
                payload.extend_from_slice(part.filled());
            }
        }
        Poll::Ready(Ok(()))
    }

    fn note_control(&mut self, kind: Kind, mut payload: Vec<u8>) {
        let mask = self.head.mask();
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        self.heard.controls = self.heard.controls.saturating_add(1);
        if kind == Kind::Ping {
            self.heard.ping = Some(payload.into());
        } else {
            let number = payload.try_into().map_or(0, u64::from_be_bytes);
            self.heard.pong = self.heard.pong.max(number);
        }
        self.next_head();
    }

    fn next_head(&mut self) {
        (self.part, self.head) = (Part::Head, Head::default());
    }

    fn poll_frames(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.part {
                Part::Head => ready!(self.poll_head(cx))?,
                Part::Control(..) => ready!(self.poll_control(cx))?,
                Part::GivenHead(given) => {
                    let head = &self.head.bytes()[given..];
                    let bytes = head.len().min(buf.remaining());
                    buf.put_slice(&head[..bytes]);
                    match (bytes == head.len(), self.head.payload()) {
                        (false, _) => self.part = Part::GivenHead(given + bytes),
                        (true, 0) => self.next_head(),
                        (true, payload) => self.part = Part::Payload(payload),
                    }
                    return Poll::Ready(Ok(()));
                }
                Part::Payload(left) => {
                    let room = usize::try_from(left).unwrap_or(usize::MAX).min(buf.remaining());
                    let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
                    let bytes = ready!(self.poll_some(cx, &mut part))?;
                    buf.advance(bytes);
                    match left - bytes as u64 {
                        0 => self.next_head(),
                        left => self.part = Part::Payload(left),
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.heard.ended || buf.remaining() == 0 {
            return if self.heard.ended { Poll::Pending } else { Poll::Ready(Ok(())) };
        }
        let read = self.poll_frames(cx, buf);
        if read.is_pending() {
            self.frames_left = FRAMES_PER_WAIT;
        }
        read
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

    use vigie_proto::refusal::Code;

    use super::*;
    use crate::net::frame_head::Violation;

    const MAX: usize = 100_000;

    fn frame(header: &[u8], payload: usize) -> Vec<u8> {
        [header, &[1, 2, 3, 4], &vec![7; payload]].concat()
    }

    /// Frames of every form of length.
    fn frames() -> Vec<Vec<u8>> {
        vec![
            frame(&[0x81, 0x80], 0),
            frame(&[0x81, 0x85], 5),
            frame(&[0x81, 0xfe, 0x01, 0x00], 256),
            frame(&[0x81, 0xff, 0, 0, 0, 0, 0, 0x01, 0x00, 0x01], 65_537),
            frame(&[0x81, 0xfe, 0x00, 0x7e], 126),
            frame(&[0x88, 0x82], 2),
        ]
    }

    fn gate(stream: &[u8]) -> Gate<&[u8]> {
        Gate::new(stream, Bytes::new(), MAX)
    }

    fn poll(gate: &mut Gate<&[u8]>, at_most: usize) -> Poll<io::Result<Vec<u8>>> {
        let mut buffer = vec![0; at_most];
        let mut buffer = ReadBuf::new(&mut buffer);
        let read = Pin::new(gate).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
        read.map_ok(|()| buffer.filled().to_vec())
    }

    /// What is handed out until it waits.
    fn read_all(gate: &mut Gate<&[u8]>) -> Result<Vec<u8>, Code> {
        let mut all = Vec::new();
        loop {
            match poll(gate, 64) {
                Poll::Pending => return Ok(all),
                Poll::Ready(Ok(bytes)) => all.extend(bytes),
                Poll::Ready(Err(error)) => {
                    return Err(error.get_ref().unwrap().downcast_ref::<Violation>().unwrap().code);
                }
            }
        }
    }

    #[test]
    fn no_read_goes_past_the_end_of_a_frame() {
        let all = frames().concat();
        for (ahead, at_most) in [(0, 4_096), (0, 1), (3, 4_096), (300, 7), (all.len(), 100_000)] {
            let mut gate = Gate::new(&all[ahead..], Bytes::copy_from_slice(&all[..ahead]), MAX);
            for frame in frames() {
                let mut got = Vec::new();
                while got.len() < frame.len() {
                    let Poll::Ready(Ok(bytes)) = poll(&mut gate, at_most) else { panic!("there is more") };
                    got.extend(bytes);
                }
                assert_eq!(got, frame, "{ahead} bytes ahead, {at_most} at most");
            }
            assert!(poll(&mut gate, 1).is_pending());
            assert!(gate.take_heard().ended);
        }
    }

    #[test]
    fn what_follows_a_frame_is_noticed() {
        let cx = &mut Context::from_waker(Waker::noop());
        let two = [frame(&[0x81, 0x81], 1), frame(&[0x89, 0x80], 0)].concat();
        for ahead in 0..two.len() {
            let mut gate = Gate::new(&two[ahead..], Bytes::copy_from_slice(&two[..ahead]), MAX);
            let mut got = Vec::new();
            while got.len() < 7 {
                let Poll::Ready(Ok(bytes)) = poll(&mut gate, 16) else { panic!("there is more") };
                got.extend(bytes);
            }
            assert!(gate.has_more(cx));
        }
        assert!(!gate(&[]).has_more(cx));
    }

    #[test]
    fn pings_and_pongs_are_kept_wherever_they_stand_and_the_last_ping_counts() {
        let ping = |byte: u8| [&[0x89, 0x82, 0, 0, 0, 0][..], &[byte; 2]].concat();
        let pong =
            |number: u64| [&[0x8a, 0x88, 9, 9, 9, 9][..], &number.to_be_bytes().map(|b| b ^ 9)].concat();
        let (begin, end) = (frame(&[0x01, 0x83], 3), frame(&[0x80, 0x84], 4));
        let all = [ping(1), begin.clone(), pong(7), ping(2), pong(3), end.clone(), ping(3)].concat();
        let mut gate = gate(&all);
        assert_eq!(read_all(&mut gate), Ok([begin, end].concat()));
        let heard = gate.take_heard();
        assert_eq!((heard.controls, heard.pong, heard.ping.as_deref()), (5, 7, Some(&[3, 3][..])));
        assert!(heard.anything && heard.ended);
        let again = gate.take_heard();
        assert!(again.ended && !again.anything && again.ping.is_none());
    }

    #[test]
    fn it_waits_after_so_many_frames_whatever_they_are() {
        for empty in [frame(&[0x89, 0x80], 0), frame(&[0x81, 0x80], 0)] {
            let all = empty.repeat(1_000);
            let mut gate = gate(&all);
            let mut waits = 0;
            while !gate.take_heard().ended {
                let _ = read_all(&mut gate).unwrap();
                waits += 1;
            }
            assert_eq!(waits, 1_000 / FRAMES_PER_WAIT + 1);
        }
    }

    #[test]
    fn what_may_not_come_is_refused_at_its_head() {
        let sound = frame(&[0x81, 0x85], 5);
        for (head, code) in [
            (&[0xc1, 0x85][..], Code::BrokenWebsocket),
            (&[0x83, 0x85], Code::BrokenWebsocket),
            (&[0x81, 0x05], Code::BrokenWebsocket),
            (&[0x80, 0x85], Code::BrokenWebsocket),
            (&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], Code::FrameTooLarge),
        ] {
            let all = [&sound, head].concat();
            assert_eq!(read_all(&mut gate(&all)), Err(code), "{head:x?}");
        }
        let long = frame(&[0x81, 0xfe, 0x01, 0x00], 256);
        assert_eq!(read_all(&mut Gate::new(&long[..], Bytes::new(), 255)), Err(Code::FrameTooLarge));
        assert_eq!(read_all(&mut Gate::new(&long[..], Bytes::new(), 255).open(256)), Ok(long.clone()));
    }
}
