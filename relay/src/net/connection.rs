//! One connection on its worker: TLS, upgrade, log-in, then frames in and out until it ends.
//!
//! A single task owns the socket and waits for reading and writing apart, so that a peer that does not read is still
//! heard. The session itself lives in the [`Worker`](crate::worker::Worker); this only moves its bytes.

use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use vigie_proto::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_LOGIN, LOGIN_TIMEOUT};
use vigie_proto::login::Binding;
use vigie_proto::refusal::{Code, Ends};

use crate::net::accept::Newcomer;
use crate::net::gate::Gate;
use crate::net::inlet::Inlet;
use crate::net::strangers::Place;
use crate::net::tls::Shown;
use crate::net::turns::Turns;
use crate::net::upgrade::upgrade;
use crate::server::worker_thread::Local;
use crate::worker::{Output, SessionId};

/// TLS over a socket that counts what a stranger sends.
type Tls = TlsStream<Inlet<TcpStream>>;

type Socket = WebSocketStream<Gate<Tls>>;

/// What is taken from an outbox at once: one full TLS record.
const WRITE_BYTES: usize = 16 * 1024;

/// Frames read in one turn before others have theirs: each may cost a signature check of 55 µs.
const READS_PER_TURN: usize = 4;

/// Times that an outbox is taken from in one turn: a reader that catches up over a fast line would else keep the worker
/// to itself until it is done.
const WRITES_PER_TURN: usize = 8;

/// After a close frame the peer may still send its own; then the socket is dropped.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// What is read and forgotten of a peer that was told why it is closed, so that it learns it: more than a window that it
/// may have filled meanwhile.
const UNREAD_BYTES_MAX: usize = 256 * 1024;

/// Bytes that wait for an acknowledgement for longer than this: the peer is gone.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// What the system may hold of one connection, unsent or not acknowledged; Linux takes twice as much to account for its
/// own overhead. Left to itself it goes up to 4 MiB, which a thousand readers that stall would fill. Enough for 1.2 MB/s
/// to a reader 100 ms away.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// The limits of a WebSocket, set on purpose: the library's own would reserve 128 KiB a connection, take frames of
/// 16 MiB and let writes grow for ever.
fn websocket_config(frame_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(WRITE_BYTES)
        // Over the write buffer and the largest frame: a frame is only handed over when the buffer has drained.
        .max_write_buffer_size(WRITE_BYTES + 2 * FRAME_BYTES_MAX)
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max))
}

/// Serves a connection to its end.
pub(crate) async fn serve(local: Rc<Local>, newcomer: Newcomer) {
    let Newcomer { stream, mut place, mut must_go, full, guard: _guard } = newcomer;
    let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) else { return };
    // One deadline from accept to log-in: the session tells whom it can tell, this ends the rest.
    let accepted = local.now();
    let deadline = tokio::time::Instant::now() + LOGIN_TIMEOUT;
    // Boxed: what HTTP takes is not kept by a session.
    let opening = Box::pin(tokio::time::timeout_at(deadline, open(&local, stream, &mut place, full)));
    let opened = tokio::select! {
        biased;
        Ok(()) = &mut must_go => return local.count_refusal(Code::TooManyStrangers),
        opened = opening => opened,
    };
    let Ok(Some((socket, binding))) = opened else { return };
    place.note_stage();
    let Some(id) = local.open_session(binding, accepted) else { return };
    let _guard = SessionGuard { local: &local, id };
    let mut logging_in =
        Box::pin(tokio::time::timeout_at(deadline + CLOSE_GRACE, log_in(&local, id, socket)));
    let logged_in = tokio::select! {
        biased;
        Ok(()) = &mut must_go => {
            // It may have logged in at this very moment: then it is no stranger, and stays.
            if !local.is_logged_in(id) {
                local.handle_violation(id, Code::TooManyStrangers);
            }
            timeout(CLOSE_GRACE, logging_in).await.ok().and_then(Result::ok).flatten()
        }
        logged_in = &mut logging_in => logged_in.ok().flatten(),
    };
    drop(place);
    let Some(socket) = logged_in else { return };
    let mut driver = Driver::new(&local, id, socket);
    let closed = std::future::poll_fn(|cx| driver.poll(cx, false)).await;
    if closed == Turn::Closing {
        let _ = timeout(CLOSE_GRACE, std::future::poll_fn(|cx| driver.poll_closed(cx))).await;
    }
}

/// The open WebSocket, and the binding to the certificate that this client was shown.
async fn open(
    local: &Rc<Local>,
    stream: TcpStream,
    place: &mut Place,
    full: bool,
) -> Option<(Socket, Binding)> {
    set_options(&stream).ok()?;
    let Shown { config, binding, .. } = local.tls.shown();
    let acceptor = TlsAcceptor::from(config);
    let stream = Inlet::new(stream, local.stranger_bytes);
    let mut tls = match in_turns(&local.stranger_turns, acceptor.accept(stream)).await {
        Ok(tls) => tls,
        Err(error) => {
            tracing::debug!(%error, "no TLS");
            if error.kind() == ErrorKind::QuotaExceeded {
                local.count_refusal(Code::TooManyBytes);
            }
            return None;
        }
    };
    tls.get_mut().0.note_tls();
    place.note_stage();
    let (stream, read_ahead) = upgrade(tls, &local.upgrade_rules, full).await?;
    let config = websocket_config(FRAME_BYTES_MAX_BEFORE_LOGIN);
    let gate = Gate::new(stream, read_ahead);
    Some((WebSocketStream::from_raw_socket(gate, Role::Server, Some(config)).await, binding))
}

/// Takes a permit for each step.
async fn in_turns<F: Future>(turns: &Turns, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        turns.take().await;
        let mut stepped = false;
        let step = std::future::poll_fn(|cx| {
            if std::mem::replace(&mut stepped, true) {
                // Woken: there may be more to do.
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        });
        if let Some(output) = step.await {
            return output;
        }
    }
}

fn set_options(stream: &TcpStream) -> std::io::Result<()> {
    // An alert leaves at once; what waits is batched above.
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))
}

/// Speaks until the log-in is judged, then takes the stream back with the larger limits. The gate let nothing past the
/// log-in frame, so nothing read ahead is lost with the old buffers.
async fn log_in(local: &Rc<Local>, id: SessionId, socket: Socket) -> Option<Socket> {
    let mut driver = Driver::new(local, id, socket);
    match std::future::poll_fn(|cx| driver.poll(cx, true)).await {
        Turn::LoggedIn => {
            let mut stream = driver.socket.into_inner().open();
            stream.stream_mut().get_mut().0.open();
            let config = websocket_config(FRAME_BYTES_MAX);
            Some(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await)
        }
        Turn::Closing => {
            let _ = timeout(CLOSE_GRACE, std::future::poll_fn(|cx| driver.poll_closed(cx))).await;
            None
        }
        Turn::Ended => None,
    }
}

/// Gives the session back when the connection ends, however it ends.
struct SessionGuard<'a> {
    local: &'a Rc<Local>,
    id: SessionId,
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        self.local.close_session(self.id);
    }
}

/// How a phase of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The log-in is good; its `welcome` has not been written yet.
    LoggedIn,
    /// A close frame was written.
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
struct Driver<'a> {
    local: &'a Rc<Local>,
    id: SessionId,
    socket: Socket,
    /// Taken from the outbox, not handed to the socket yet; in order.
    pending: std::collections::VecDeque<Output>,
    /// Nothing more is read: the connection ends once everything is written.
    deaf: bool,
    /// After an error in reading: what is still read and forgotten before the end.
    unread: Option<usize>,
    /// Read, and not judged yet: it waits for its turn.
    held: Option<Message>,
    turn: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl<'a> Driver<'a> {
    fn new(local: &'a Rc<Local>, id: SessionId, socket: Socket) -> Self {
        Self {
            local,
            id,
            socket,
            pending: std::collections::VecDeque::new(),
            deaf: false,
            unread: None,
            held: None,
            turn: None,
        }
    }

    /// Reads, then writes, as far as the socket goes. Ready when the phase ends.
    fn poll(&mut self, cx: &mut Context<'_>, until_logged_in: bool) -> Poll<Turn> {
        self.local.set_waker(self.id, cx.waker());
        if self.local.is_overdue(self.id) {
            return Poll::Ready(Turn::Ended);
        }
        let readable = self.local.may_read(self.id);
        if readable
            && !self.deaf
            && let Poll::Ready(turn) = self.poll_read(cx, until_logged_in)
        {
            return Poll::Ready(turn);
        }
        match self.poll_write(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(Turn::Ended),
            Poll::Ready(Ok(Written::All)) if self.deaf => return Poll::Ready(Turn::Closing),
            Poll::Ready(Ok(Written::All | Written::Some)) | Poll::Pending => {}
        }
        if !readable && self.local.may_read(self.id) {
            // What was not read because answers had piled up is read in the next turn.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, until_logged_in: bool) -> Poll<Turn> {
        for _ in 0..READS_PER_TURN {
            let next = match self.held.take() {
                Some(held) => Poll::Ready(Some(Ok(held))),
                None => Pin::new(&mut self.socket).poll_next(cx),
            };
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
        let turns = if is_stranger { &self.local.stranger_turns } else { &self.local.check_turns };
        if self.turn.is_none() && turns.try_take() {
            return Poll::Ready(());
        }
        let turns = Rc::clone(turns);
        let turn = self.turn.get_or_insert_with(|| Box::pin(async move { turns.take().await }));
        std::task::ready!(turn.as_mut().poll(cx));
        self.turn = None;
        Poll::Ready(())
    }

    fn handle_message(&self, message: Message) -> Option<Turn> {
        match message {
            Message::Text(text) => self.local.handle_frame(self.id, &text),
            Message::Binary(_) => self.local.handle_violation(self.id, Code::NotText),
            Message::Ping(_) => self.local.handle_pong(self.id, 0),
            Message::Pong(payload) => {
                let number = payload.as_ref().try_into().map_or(0, u64::from_be_bytes);
                self.local.handle_pong(self.id, number);
            }
            Message::Close(_) => return Some(Turn::Ended),
            Message::Frame(_) => {}
        }
        None
    }

    /// Tells what can be told; the rest ends at once. After an error nothing more can be read.
    fn handle_error(&mut self, error: &Error) -> Poll<Turn> {
        let code = if let Error::Capacity(CapacityError::MessageTooLong { .. }) = error {
            Code::FrameTooLarge
        } else if let Error::Utf8(_) = error {
            Code::NotJson
        } else if matches!(error, Error::Io(error) if error.kind() == ErrorKind::QuotaExceeded) {
            Code::TooManyBytes
        } else {
            tracing::debug!(%error, "connection ended");
            return Poll::Ready(Turn::Ended);
        };
        self.local.handle_violation(self.id, code);
        self.deaf = true;
        self.unread = Some(UNREAD_BYTES_MAX);
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<Written, Error>> {
        let mut written = 0;
        let mut all = Written::All;
        loop {
            if self.pending.is_empty() && written >= WRITES_PER_TURN {
                // More may wait; others have their turn first.
                all = Written::Some;
                cx.waker().wake_by_ref();
                break;
            }
            if self.pending.is_empty() {
                written += 1;
                self.pending.extend(self.local.take_output(self.id, WRITE_BYTES));
            }
            if self.pending.is_empty() {
                break;
            }
            std::task::ready!(Pin::new(&mut self.socket).poll_ready(cx))?;
            if let Some(output) = self.pending.pop_front() {
                self.deaf |= matches!(output, Output::Close(_));
                Pin::new(&mut self.socket).start_send(to_message(output))?;
            }
        }
        Pin::new(&mut self.socket).poll_flush(cx).map_ok(|()| all)
    }

    /// Waits for the peer to close its side.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(_)) = std::task::ready!(self.socket.poll_next_unpin(cx)) {}
        let _ = std::task::ready!(self.socket.poll_close_unpin(cx));
        let Some(left) = &mut self.unread else { return Poll::Ready(()) };
        let stream = self.socket.get_mut();
        let _ = std::task::ready!(Pin::new(&mut *stream).poll_shutdown(cx));
        stream.stream_mut().get_mut().0.poll_forget(cx, left)
    }
}

fn to_message(output: Output) -> Message {
    match output {
        // Frames are made by serde_json from text: always UTF-8.
        Output::Text(bytes) => Message::Text(Utf8Bytes::try_from(bytes).unwrap_or_default()),
        Output::Ping(number) => Message::Ping(number.to_be_bytes().to_vec().into()),
        Output::Close(code) => {
            let number = match code.ends() {
                Ends::Close(number) => number,
                Ends::Request | Ends::Http(_) => 1008,
            };
            Message::Close(Some(CloseFrame { code: CloseCode::from(number), reason: code.as_str().into() }))
        }
    }
}
