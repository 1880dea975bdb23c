//! One connection on its worker: TLS, upgrade, log-in, then frames in and out until it ends.
//!
//! A single task owns the socket; its frames are moved by the [`Driver`]. The session itself lives in the
//! [`Worker`](crate::worker::Worker).

use std::io::ErrorKind;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use rustls::Error;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use vigie_proto::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_LOGIN};
use vigie_proto::login::Binding;
use vigie_proto::refusal::Code;

use crate::net::accept::{Newcomer, Waiting};
use crate::net::client_auth::Guest;
use crate::net::driver::{Driver, Socket, Tls, Turn};
use crate::net::gate::Gate;
use crate::net::inlet::Inlet;
use crate::net::sessions::Sessions as _;
use crate::net::strangers::Place;
use crate::net::tls::Shown;
use crate::net::turns::Turns;
use crate::net::upgrade::{Upgraded, upgrade};
use crate::server::worker_thread::Local;
use crate::worker::SessionId;

/// After a close frame the peer may still send its own; then the socket is dropped.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Bytes that wait for an acknowledgement for longer than this: the peer is gone. Of strangers, of connections that were
/// let go, and where TCP does not tell how a session stands; else the worker has a rule that sees who drips.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// What the system may hold of one connection, unsent or not acknowledged; Linux takes twice as much to account for its
/// own overhead. Left to itself it goes up to 4 MiB, which a thousand readers that stall would fill. Enough for 1.2 MB/s
/// to a reader 100 ms away.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// What is read of a socket at once. Sessions say little: an idle one holds this much, and a large frame is read into a
/// buffer of its own.
const READ_BUFFER_BYTES: usize = 1024;

/// A WebSocket with limits set on purpose: the library's own would reserve 128 KiB a connection and take frames of 16 MiB.
/// It writes nothing here.
pub(super) async fn websocket(stream: Gate<Tls>, frame_bytes_max: usize) -> Socket {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(frame_bytes_max))
        .max_frame_size(Some(frame_bytes_max));
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await
}

/// Serves a connection to its end. Each part of it is boxed, and gone before the next: a session keeps nothing of what
/// TLS, HTTP and log-in took.
pub(crate) async fn serve(local: Rc<Local>, newcomer: Newcomer) {
    let Newcomer { stream, place, must_go, full, waiting, mut guard } = newcomer;
    let arrived = Arrived { stream, full, waiting };
    if let Some(entered) = Box::pin(enter(&local, arrived, place, must_go)).await {
        guard.note_logged_in();
        Box::pin(talk(&local, entered)).await;
    }
}

/// A connection on which nothing was done yet; the rest of a [`Newcomer`] outlives its opening.
struct Arrived {
    stream: std::net::TcpStream,
    full: Option<Code>,
    waiting: Option<Waiting>,
}

/// A session that has logged in.
struct Entered<'a> {
    guard: SessionGuard<'a>,
    socket: Socket,
    /// Where clients must show a certificate.
    guest: Option<Guest>,
}

/// From accept to log-in, under one deadline: the session tells whom it can tell, this ends the rest.
async fn enter(
    local: &Rc<Local>,
    arrived: Arrived,
    mut place: Place,
    mut must_go: oneshot::Receiver<()>,
) -> Option<Box<Entered<'_>>> {
    let accepted = local.now();
    let deadline = tokio::time::Instant::now() + local.login_timeout;
    let opening = Box::pin(tokio::time::timeout_at(deadline, open(local, arrived, &mut place)));
    let opened = tokio::select! {
        biased;
        Ok(()) = &mut must_go => {
            local.count_refusal(Code::TooManyStrangers);
            return None;
        }
        opened = opening => opened,
    };
    let Ok(opened) = opened else {
        local.count_refusal(Code::LoginTimeout);
        return None;
    };
    let Opened { socket, answer, binding, guest } = opened?;
    place.note_upgraded();
    let id = local.open_session(binding, accepted)?;
    let guard = SessionGuard { local, id };
    let logging_in = log_in(local, id, socket, answer);
    let mut logging_in = Box::pin(tokio::time::timeout_at(deadline + CLOSE_GRACE, logging_in));
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
    Some(Box::new(Entered { guard, socket: logged_in?, guest }))
}

/// From log-in to the end.
async fn talk(local: &Rc<Local>, entered: Box<Entered<'_>>) {
    let Entered { guard, socket, guest } = *entered;
    let mut driver = Driver::new(local, guard.id, socket, Bytes::new());
    let is_watched = watch(local, guard.id, driver.tcp());
    let refused = async {
        match guest {
            Some(guest) => unborne(local, guest).await,
            None => std::future::pending().await,
        }
    };
    let closed = tokio::select! {
        biased;
        closed = std::future::poll_fn(|cx| driver.poll(cx, false)) => Some(closed),
        () = refused => None,
    };
    let closed = match closed {
        Some(closed) => closed,
        None => {
            local.handle_unborne(guard.id);
            std::future::poll_fn(|cx| driver.poll(cx, false)).await
        }
    };
    if closed == Turn::Closing {
        let _ = timeout(CLOSE_GRACE, std::future::poll_fn(|cx| driver.poll_closed(cx))).await;
    }
    if is_watched {
        // What the system holds of it when it is dropped, it holds no longer than this.
        let _ = socket2::SockRef::from(driver.tcp()).set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
    }
}

/// Waits until a client's certificate is no good any more. Judging it takes its turn like any check of a signature.
async fn unborne(local: &Rc<Local>, mut guest: Guest) {
    loop {
        guest.wait(local.clock.steady()).await;
        local.check_turns.take().await;
        if !guest.is_borne(&local.tls) {
            return;
        }
    }
}

/// A WebSocket on which nothing has been said.
struct Opened {
    socket: Socket,
    /// What is to be written first: the answer to its upgrade.
    answer: Bytes,
    /// To the certificate that this client was shown.
    binding: Binding,
    /// Where clients must show one.
    guest: Option<Guest>,
}

async fn open(local: &Rc<Local>, arrived: Arrived, place: &mut Place) -> Option<Opened> {
    let Arrived { stream, full, waiting } = arrived;
    // It comes from a listener that does not block, and so does not block either.
    let stream = TcpStream::from_std(stream).ok()?;
    set_options(&stream).ok()?;
    let renewed = local.tls.clients_renewed();
    let Shown { config, binding, clients, .. } = local.tls.shown();
    let acceptor = TlsAcceptor::from(config);
    let stream = Inlet::new(stream, local.stranger_bytes);
    let handshake = acceptor.accept(stream).into_fallible();
    let mut tls = match in_turns(&local.stranger_turns, handshake, waiting).await {
        Ok(tls) => Box::new(tls),
        Err((error, stream)) => {
            tracing::debug!(%error, "no TLS");
            dismiss(local, &error, stream).await;
            return None;
        }
    };
    tls.get_mut().0.note_tls();
    place.note_stage();
    let shown = tls.get_ref().1.peer_certificates();
    let guest = clients.and(shown).map(|shown| Guest::new(shown, renewed));
    let is_exceeded = |tls: &Tls| tls.get_ref().0.is_exceeded();
    let upgraded = upgrade(tls, &local.upgrade_rules, full, is_exceeded).await?;
    let Upgraded { stream, read_ahead, answer } = upgraded;
    let gate = Gate::new(stream, read_ahead, FRAME_BYTES_MAX_BEFORE_LOGIN);
    let socket = websocket(gate, FRAME_BYTES_MAX_BEFORE_LOGIN).await;
    Some(Opened { socket, answer, binding, guest })
}

/// Counts a handshake that failed. TLS has told the client why where it could; in TLS 1.3 the client is done before it is
/// judged, and what it has sent meanwhile is read and forgotten, so that it learns it.
async fn dismiss(local: &Rc<Local>, error: &std::io::Error, mut stream: Inlet<TcpStream>) {
    if error.kind() == ErrorKind::QuotaExceeded {
        return local.count_refusal(Code::TooManyBytes);
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let is_certificate = matches!(inner, Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented));
    if !is_certificate {
        local.tls_failed.set(local.tls_failed.get() + 1);
    } else {
        local.count_refusal(Code::ClientCertificateRefused);
        let mut left = local.stranger_bytes.before_login;
        let farewell = async {
            let _ = stream.shutdown().await;
            std::future::poll_fn(|cx| stream.poll_forget(cx, &mut left)).await;
        };
        let _ = timeout(CLOSE_GRACE, farewell).await;
    }
}

/// Takes a permit for each step. At the first, `waiting` is over.
async fn in_turns<F: Future>(turns: &Turns, future: F, mut waiting: Option<Waiting>) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        turns.take().await;
        drop(waiting.take());
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

pub(super) fn set_options(stream: &TcpStream) -> std::io::Result<()> {
    // An alert leaves at once; what waits is batched above.
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))
}

/// Has the worker watch whether the peer takes what it is given, and Linux no more, where that is possible.
fn watch(local: &Rc<Local>, id: SessionId, stream: &TcpStream) -> bool {
    local.watch(id, stream) && socket2::SockRef::from(stream).set_tcp_user_timeout(None).is_ok()
}

/// Answers the upgrade and speaks until the log-in is judged, then takes the stream back with the larger limits. The gate
/// let nothing past the log-in frame, so nothing read ahead is lost with the old buffers.
async fn log_in(local: &Rc<Local>, id: SessionId, socket: Socket, answer: Bytes) -> Option<Socket> {
    let mut driver = Driver::new(local, id, socket, answer);
    match std::future::poll_fn(|cx| driver.poll(cx, true)).await {
        Turn::LoggedIn => {
            let mut stream = driver.into_stream().open(FRAME_BYTES_MAX);
            stream.stream_mut().get_mut().0.open();
            Some(websocket(stream, FRAME_BYTES_MAX).await)
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
