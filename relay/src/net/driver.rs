//! Moves frames between the WebSocket of one connection and its session.
//!
//! It waits for reading and writing apart, so that a peer that does not read is still heard. Whatever a peer sends, what
//! it costs in one turn is bounded, and of the pongs that it is owed one waits at most. The WebSocket library reads; all
//! that is written, its close frames too, goes past it ([`Writer`]).

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream as _, StreamExt as _};
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use vigie_proto::refusal::Code;

use super::frame_head::Violation;
use crate::net::gate::Gate;
use crate::net::inlet::Inlet;
use crate::net::read_waker::ReadWaker;
use crate::net::sessions::Sessions;
use crate::net::turns::{TurnWait, Work};
use crate::net::writer::Writer;
use crate::worker::SessionId;

/// TLS over a socket that counts what a stranger sends. Boxed once: it has more than a kilobyte, and goes through HTTP and
/// two WebSockets on its way to a session.
pub(super) type Tls = Box<TlsStream<Inlet<TcpStream>>>;

pub(super) type Socket = WebSocketStream<Gate<Tls>>;

/// Messages read in one turn before others have theirs: each may cost a signature check of 55 µs.
const READS_PER_TURN: usize = 4;

/// Batches written in one turn: a reader that catches up over a fast line would else keep the worker to itself until it
/// is done.
const WRITES_PER_TURN: usize = 2;

/// What is read and forgotten of a peer that was told why it is closed, or that has closed, so that it learns it: more than a window that it
/// may have filled meanwhile.
const UNREAD_BYTES_MAX: usize = 256 * 1024;

/// How a phase of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The log-in is good; its `welcome` has not been written yet.
    LoggedIn,
    /// A close frame was written, or the answer to the peer's is to be.
    Closing,
    /// The peer or the network ended it.
    Ended,
}

/// How much of what waited was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    All,
    Some,
}

/// Moves frames between a socket and its session.
pub(super) struct Driver<'a, S> {
    local: &'a Rc<S>,
    id: SessionId,
    socket: Socket,
    writer: Writer,
    /// The payload of a ping, until its pong can be written.
    pong: Option<Bytes>,
    /// Nothing more is read: the connection ends once everything is written.
    deaf: bool,
    /// The peer has ended its half and said no close: it is given what it is owed, and the connection ends.
    half_closed: bool,
    /// The peer's close frame came: its answer is all that is still written.
    answer: Option<Option<u16>>,
    /// After an error in reading, or the peer's close: what is still read and forgotten before the end.
    unread: Option<usize>,
    /// Read, and not judged yet: it waits for its turn.
    held: Option<Message>,
    /// Nothing is read until answers that piled up have left.
    piled_up: bool,
    /// What waits to read waits with this one. `None` until the first turn.
    reading: Option<ReadWaker>,
    turn: TurnWait,
    /// The wait for a turn in which it may write what is of the past.
    write_turn: TurnWait,
}

impl<'a, S: Sessions> Driver<'a, S> {
    /// `first` is written before anything else: the bytes of HTTP that the peer waits for, or none.
    pub(super) fn new(local: &'a Rc<S>, id: SessionId, socket: Socket, first: Bytes) -> Self {
        Self {
            local,
            id,
            socket,
            writer: Writer::beginning_with(first),
            pong: None,
            deaf: false,
            half_closed: false,
            answer: None,
            unread: None,
            held: None,
            piled_up: false,
            reading: None,
            turn: TurnWait::default(),
            write_turn: TurnWait::default(),
        }
    }

    /// What is below the WebSocket. What was not written yet is in the session's outbox.
    pub(super) fn into_stream(self) -> Gate<Tls> {
        debug_assert!(self.writer.is_empty(), "a challenge fits into a batch");
        self.socket.into_inner()
    }

    /// The connection that it drives.
    pub(super) fn tcp(&mut self) -> &TcpStream {
        self.socket.get_mut().stream_mut().get_ref().0.socket()
    }

    /// Reads, then writes, as far as the socket goes. Ready when the phase ends.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, until_logged_in: bool) -> Poll<Turn> {
        let reading = self.reading(cx);
        if self.local.is_overdue(self.id) {
            return Poll::Ready(Turn::Ended);
        }
        if !self.deaf
            && reading.take()
            && let Poll::Ready(turn) = self.poll_read(&mut reading.context(), until_logged_in)
        {
            return Poll::Ready(turn);
        }
        match self.poll_write(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(Turn::Ended),
            Poll::Ready(Ok(Written::All)) if self.half_closed => {
                if self.local.is_answered(self.id) {
                    return Poll::Ready(Turn::Closing);
                }
            }
            Poll::Ready(Ok(Written::All)) if self.deaf => return Poll::Ready(Turn::Closing),
            Poll::Ready(Ok(Written::All | Written::Some)) | Poll::Pending => {}
        }
        if self.deaf {
            // It may have been given its turn meanwhile: that is for others.
            (self.held, self.turn) = (None, TurnWait::default());
        } else if self.piled_up && self.local.may_read(self.id) {
            // What was not read because answers had piled up is read in the next turn.
            reading.context().waker().wake_by_ref();
        }
        self.reading = Some(reading);
        Poll::Pending
    }

    /// The waker for reading; a new one where this is the first turn, or another task's.
    fn reading(&mut self, cx: &Context<'_>) -> ReadWaker {
        self.reading.take().filter(|reading| reading.is_of(cx.waker())).unwrap_or_else(|| {
            self.local.set_waker(self.id, cx.waker());
            ReadWaker::of(cx.waker())
        })
    }

    /// Reads until it waits for the peer, for its turn, or for what has piled up: `cx` is woken for the first two.
    fn poll_read(&mut self, cx: &mut Context<'_>, until_logged_in: bool) -> Poll<Turn> {
        self.piled_up = false;
        for _ in 0..READS_PER_TURN {
            // Who waits for a turn takes it, whatever has piled up: a turn that is given and not taken is lost to all others.
            if self.held.is_none() && !self.local.may_read(self.id) {
                self.piled_up = true;
                return Poll::Pending;
            }
            let next = match self.held.take() {
                Some(held) => Poll::Ready(Some(Ok(held))),
                None => Pin::new(&mut self.socket).poll_next(cx),
            };
            if let Some(turn) = self.note_heard() {
                return Poll::Ready(turn);
            }
            if self.deaf {
                return Poll::Pending;
            }
            match next {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(message @ Message::Text(_))))
                    if self.poll_turn(cx, until_logged_in).is_pending() =>
                {
                    self.held = Some(message);
                    return Poll::Pending;
                }
                Poll::Ready(None) => return Poll::Ready(Turn::Ended),
                Poll::Ready(Some(Ok(Message::Text(_))))
                    if until_logged_in && self.socket.get_mut().has_more(cx) =>
                {
                    // A client is silent from its proof to `welcome`: whatever it asks for by then is not judged.
                    self.local.handle_violation(self.id, Code::NotLoggedIn);
                    self.deaf = true;
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(message))) => {
                    if let Some(turn) = self.handle_message(message) {
                        return Poll::Ready(turn);
                    }
                }
                Poll::Ready(Some(Err(error))) => return self.handle_error(&error),
            }
            if until_logged_in && self.local.is_logged_in(self.id) {
                return Poll::Ready(Turn::LoggedIn);
            }
        }
        // More may be there; others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready when a frame may be judged in this turn of the worker.
    fn poll_turn(&mut self, cx: &mut Context<'_>, is_stranger: bool) -> Poll<()> {
        let work = if is_stranger { Work::Stranger } else { Work::Check };
        self.turn.poll(self.local.turns(work), cx)
    }

    /// Ready when it may write in this turn of the worker: the past waits for the present.
    fn poll_write_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.local.catches_up(self.id) {
            return self.write_turn.poll(self.local.turns(Work::CatchUp), cx);
        }
        self.write_turn = TurnWait::default();
        Poll::Ready(())
    }

    /// What came beside messages: signs of life, pings, the end.
    fn note_heard(&mut self) -> Option<Turn> {
        let heard = self.socket.get_mut().take_heard();
        if heard.anything {
            self.local.handle_pong(self.id, heard.pong);
        }
        if heard.controls > 0 && !self.local.handle_controls(self.id, heard.controls) {
            self.go_deaf();
        }
        if self.deaf {
            return None;
        }
        self.pong = heard.ping.or_else(|| self.pong.take());
        if heard.ended {
            if !self.local.is_logged_in(self.id) {
                return Some(Turn::Ended);
            }
            self.local.handle_half_close(self.id);
            (self.deaf, self.half_closed) = (true, true);
        }
        None
    }

    fn handle_message(&mut self, message: Message) -> Option<Turn> {
        match message {
            Message::Text(text) => {
                let is_stranger = !self.local.is_logged_in(self.id);
                let links = self.local.handle_frame(self.id, &text);
                // A step of strangers is reckoned with all links of a log-in.
                if !is_stranger {
                    self.local.turns(Work::Check).charge(links);
                }
            }
            Message::Binary(bytes) => self.local.handle_binary(self.id, bytes),
            Message::Close(frame) => {
                self.answer = Some(frame.map(|frame| answer_to(frame.code)));
                // A pong that is on its way would else reset the connection, and the answer be lost with it.
                self.unread = Some(UNREAD_BYTES_MAX);
                return Some(Turn::Closing);
            }
            // The gate keeps them; the last never comes from a socket.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        None
    }

    /// Tells what can be told; the rest ends at once. After an error nothing more can be read.
    fn handle_error(&mut self, error: &Error) -> Poll<Turn> {
        let Some(code) = code_of(error) else {
            tracing::debug!(%error, "connection ended");
            return Poll::Ready(Turn::Ended);
        };
        tracing::debug!(%error, "the peer broke the protocol");
        self.local.handle_violation(self.id, code);
        self.go_deaf();
        Poll::Pending
    }

    /// The peer is told why; what it still sends is read and forgotten.
    fn go_deaf(&mut self) {
        self.deaf = true;
        self.pong = None;
        self.unread = Some(UNREAD_BYTES_MAX);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Written>> {
        for write in 0..WRITES_PER_TURN {
            let stream = self.socket.get_mut();
            std::task::ready!(self.writer.poll_sent(stream, cx))?;
            if write == 0 {
                std::task::ready!(self.poll_write_turn(cx));
            }
            let stream = self.socket.get_mut();
            // Not before the one before it has left: a peer that does not read has one waiting, whatever it asks.
            let pong = self.pong.take();
            let mut batch = self.local.batch();
            let mut more = false;
            let wrote = self.writer.write(stream, cx, &mut batch, |batch| {
                pong.iter().for_each(|payload| batch.pong(payload));
                more = self.local.give_output(self.id, batch);
            })?;
            self.deaf |= batch.closes();
            if !wrote || !more && self.writer.is_empty() {
                return self.writer.poll_sent(self.socket.get_mut(), cx).map_ok(|()| Written::All);
            }
        }
        // More waits; others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(Written::Some))
    }

    /// Ends the connection: answers the peer's close, or waits for the answer to ours.
    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.local.is_overdue(self.id) {
            return Poll::Ready(());
        }
        if self.answer.is_some() || !self.writer.is_empty() {
            let _ = std::task::ready!(self.poll_last_word(cx));
        }
        if self.unread.is_none() {
            std::task::ready!(self.poll_answer(cx));
        }
        let stream = self.socket.get_mut();
        let _ = std::task::ready!(Pin::new(&mut *stream).poll_shutdown(cx));
        let Some(left) = &mut self.unread else { return Poll::Ready(()) };
        stream.stream_mut().get_mut().0.poll_forget(cx, left)
    }

    /// Writes what is left of a frame, and after it the answer to the peer's close.
    fn poll_last_word(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.answer.is_some() || !self.writer.is_empty() {
            let stream = self.socket.get_mut();
            std::task::ready!(self.writer.poll_sent(stream, cx))?;
            let answer = self.answer.take();
            self.writer.write(stream, cx, &mut self.local.batch(), |batch| {
                answer.iter().for_each(|code| batch.close(*code, ""));
            })?;
        }
        self.writer.poll_sent(self.socket.get_mut(), cx)
    }

    /// Ready when the peer has answered the close, or said its own, or is gone.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS_PER_TURN {
            match self.socket.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Pending if !self.socket.get_mut().take_heard().ended => return Poll::Pending,
                Poll::Ready(Some(Err(_)) | None) | Poll::Pending => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// How an error in reading is told; `None` where nobody is left to be told.
fn code_of(error: &Error) -> Option<Code> {
    if let Error::Io(error) = error {
        let violation = error.get_ref().and_then(|inner| inner.downcast_ref::<Violation>());
        let is_too_much = error.kind() == ErrorKind::QuotaExceeded;
        return match violation {
            Some(violation) => Some(violation.code),
            None => is_too_much.then_some(Code::TooManyBytes),
        };
    }
    if let Error::Capacity(CapacityError::MessageTooLong { .. }) = error {
        Some(Code::FrameTooLarge)
    } else if let Error::Utf8(_) = error {
        Some(Code::NotUnicode)
    } else if let Error::Protocol(_) = error {
        Some(Code::BrokenWebsocket)
    } else {
        None
    }
}

/// The code that answers a close with this one: RFC 6455, section 5.5.1, and 1002 for one that may not be sent.
fn answer_to(code: CloseCode) -> u16 {
    if code.is_allowed() { code.into() } else { CloseCode::Protocol.into() }
}

// Needs a certificate, which is made by what the command line brings.
#[cfg(test)]
#[cfg(feature = "cli")]
mod tests;
