//! From the address of a relay to an open, logged-in line: TCP, TLS 1.3, WebSocket, log-in, under one deadline.
//!
//! The one door to tokio-tungstenite and tokio-rustls. Called by the publishing driver, by each subscription and by
//! history; each owns its [`Line`]. Invariants: a line is never handed out before the relay said `welcome`; writing
//! never keeps a line from being read; one that is given up while it is open is closed with a code.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_util::{Sink as _, Stream as _};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message, Utf8Bytes};
use vigie_proto::expiry::Notice;
use vigie_proto::frame::HeldRevocations;
use vigie_proto::limits::{FRAME_BYTES_MAX, SUBPROTOCOL};
use vigie_proto::login::Binding;
use vigie_proto::session::client::{Dialled, Login, LoginEnded, Step, Welcomed};
use vigie_proto::time::Window;

use crate::clock;
use crate::heard::Heard;
use crate::identity::{CredentialEnd, Identity};
use crate::link::LinkError;
use crate::tls::{TlsRoots, explain};
use crate::url::RelayUrl;

/// From the first packet to `welcome`: what the relay allows for log-in.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);

const DAY_SECONDS: u64 = 24 * 3_600;

/// Allocated and zeroed at once for each line; frames are small.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// One full TLS record.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Room for three of the largest frames; one at a time is written.
const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// A sentence of an HTTP answer longer than this is cut: it may be a page of something that is no relay.
const SAID_CHARS_MAX: usize = 300;

/// What is the same for all lines of a client.
pub(crate) struct Dialler {
    tls: TlsConnector,
    identity: Identity,
    mark_interval: Duration,
    /// What was last told of the ends of the identity's credentials.
    told: Mutex<Vec<CredentialEnd>>,
    /// When the certificate that is shown is good, and what was last told of its end.
    certificate: Option<(Window, Mutex<Notice>)>,
}

impl std::fmt::Debug for Dialler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialler").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Dialler {
    pub(crate) fn new(roots: &TlsRoots, identity: Identity, mark_interval: Duration) -> Self {
        let certificate = roots.client_certificates_valid().map(|valid| (valid, Mutex::new(Notice::None)));
        Self { tls: roots.connector(), identity, mark_interval, told: Mutex::default(), certificate }
    }

    /// Says what has come closer to its end since it was last told.
    fn tell_ends(&self) {
        let now = clock::now();
        let ends = self.identity.ends_soon(now);
        let told =
            std::mem::replace(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner), ends.clone());
        for CredentialEnd { credential, ends, notice } in ends.iter().filter(|end| !told.contains(end)) {
            let left = ends.since(now).as_secs() / DAY_SECONDS;
            tracing::warn!(
                credential = %credential.id(), org = %credential.claims().org, ?notice, days_left = left,
                "a credential ends soon, or has ended: have it renewed"
            );
        }
        if let Some((valid, told)) = &self.certificate {
            let notice = Notice::of(*valid, now);
            let before = std::mem::replace(&mut *told.lock().unwrap_or_else(PoisonError::into_inner), notice);
            if notice != before && notice != Notice::None {
                let left = valid.until.since(now).as_secs() / DAY_SECONDS;
                tracing::warn!(
                    ?notice,
                    days_left = left,
                    "the client certificate, or one above it, ends soon, or has ended: have it renewed"
                );
            }
        }
    }

    /// Opens a line and logs in; `held` is what need not be given again. Cancel safe: what was begun is dropped.
    pub(crate) async fn dial(
        &self,
        relay: &RelayUrl,
        held: Option<HeldRevocations>,
    ) -> Result<(Line, Welcomed), LinkError> {
        self.tell_ends();
        match tokio::time::timeout(DIAL_DEADLINE, self.open(relay, held)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(LinkError::TimedOut { relay: relay.clone() }),
        }
    }

    async fn open(
        &self,
        relay: &RelayUrl,
        held: Option<HeldRevocations>,
    ) -> Result<(Line, Welcomed), LinkError> {
        let (tls, binding) = self.connect(relay).await?;
        let mut line = upgrade(tls, relay).await?;
        let mut login = Login::new(Dialled {
            key: Arc::clone(self.identity.key()),
            chain: Arc::clone(self.identity.chain()),
            relay: relay.host().to_owned(),
            binding,
            mark_interval: self.mark_interval,
            revocations: held,
        });
        loop {
            let Incoming::Text(text) = line.next().await? else { continue };
            match login.handle_frame(&text) {
                Ok(Step::Send(text)) => line.queue(text),
                Ok(Step::Open(welcomed)) => return Ok((line, welcomed)),
                Ok(Step::Wait) => {}
                Err(ended) => return Err(login_ended(ended, &mut line)),
            }
        }
    }

    async fn connect(&self, relay: &RelayUrl) -> Result<(TlsStream<Heard>, Binding), LinkError> {
        let tls = shake_hands(&self.tls, relay).await?;
        let binding = Binding::of_certificate(certificate(&tls, relay)?);
        Ok((tls, binding))
    }
}

impl TlsRoots {
    /// The certificate (DER) that a relay shows now, good in the eyes of these authorities: to see when it ends. Opens a
    /// connection of its own, and logs in as nobody. Cancel safe.
    ///
    /// # Errors
    /// [`LinkError`]: no connection, no TLS, or not within 10 s.
    pub async fn certificate_of(&self, relay: &RelayUrl) -> Result<Vec<u8>, LinkError> {
        let connector = self.connector();
        let tls = tokio::time::timeout(DIAL_DEADLINE, shake_hands(&connector, relay)).await;
        let tls = tls.map_err(|_| LinkError::TimedOut { relay: relay.clone() })??;
        Ok(certificate(&tls, relay)?.to_vec())
    }
}

async fn shake_hands(connector: &TlsConnector, relay: &RelayUrl) -> Result<TlsStream<Heard>, LinkError> {
    let unreachable =
        |source: std::io::Error| LinkError::Connect { relay: relay.clone(), source: Arc::new(source) };
    let tcp = TcpStream::connect((relay.host(), relay.port())).await.map_err(unreachable)?;
    // A frame that waits for more to come is an alert that waits.
    tcp.set_nodelay(true).map_err(unreachable)?;
    let failed = |why: String| LinkError::Tls { relay: relay.clone(), why };
    let name = ServerName::try_from(relay.host().to_owned()).map_err(|error| failed(error.to_string()))?;
    connector.connect(name, Heard::new(tcp)).await.map_err(|error| failed(explain(&error, relay.host())))
}

fn certificate<'a>(
    tls: &'a TlsStream<Heard>,
    relay: &RelayUrl,
) -> Result<&'a CertificateDer<'static>, LinkError> {
    let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let none = || LinkError::Tls { relay: relay.clone(), why: "the relay showed no certificate".to_owned() };
    shown.ok_or_else(none)
}

async fn upgrade(tls: TlsStream<Heard>, relay: &RelayUrl) -> Result<Line, LinkError> {
    let violation = |what: String| LinkError::Violation { relay: relay.clone(), what };
    let mut request =
        format!("{relay}/").into_client_request().map_err(|error| violation(error.to_string()))?;
    let offered = HeaderValue::from_static(SUBPROTOCOL);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, offered.clone());
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let upgraded = tokio_tungstenite::client_async_with_config(request, tls, Some(config)).await;
    let (socket, response) = upgraded.map_err(|error| upgrade_failed(error, relay))?;
    let farewell = Some(CloseCode::Normal);
    let mut line = Line { socket, queue: VecDeque::new(), unflushed: false, relay: relay.clone(), farewell };
    if response.headers().get(SEC_WEBSOCKET_PROTOCOL) != Some(&offered) {
        return Err(line.violation(format!("it did not agree to the subprotocol {SUBPROTOCOL}")));
    }
    Ok(line)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are told in the library's own words")]
fn upgrade_failed(error: WsError, relay: &RelayUrl) -> LinkError {
    let relay = relay.clone();
    match error {
        WsError::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            let said = String::from_utf8_lossy(body);
            let said = said.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
            LinkError::Http {
                relay,
                status: response.status().as_u16(),
                said: said.take(SAID_CHARS_MAX).collect(),
            }
        }
        // With TLS 1.3 the relay's alert comes after our side of the handshake is done.
        WsError::Io(error) => LinkError::Tls { why: explain(&error, relay.host()), relay },
        other => LinkError::Violation { relay, what: other.to_string() },
    }
}

fn login_ended(ended: LoginEnded, line: &mut Line) -> LinkError {
    let relay = line.relay.clone();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "no other is a breach, now or later: a relay of a later version"
    )]
    match ended {
        LoginEnded::Refused(refusal) => LinkError::Refused { relay, refusal },
        LoginEnded::Violation(_) => line.violation(ended.to_string()),
        other => LinkError::Violation { relay, what: other.to_string() },
    }
}

/// What came over a line.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A frame.
    Text(Utf8Bytes),
    /// A sign of life without content.
    Alive,
}

/// An open WebSocket. What is queued is written while the line is read, and neither waits for the other.
///
/// Dropping it closes it, with 1002 where the relay broke the protocol ([`Line::violation`]) and 1000 otherwise, also where
/// the future that owned it was dropped; what is queued is not sent any more. The close leaves if the line takes it at once.
#[derive(Debug)]
pub(crate) struct Line {
    socket: WebSocketStream<TlsStream<Heard>>,
    /// Bounded by its owner, which queues answers to nothing: requests in flight only.
    queue: VecDeque<Message>,
    unflushed: bool,
    relay: RelayUrl,
    /// The code to close with; `None` once the last word was said, or nobody is there to hear it.
    farewell: Option<CloseCode>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(code) = self.farewell.take() {
            self.say_end(&mut Context::from_waker(Waker::noop()), Some(code));
        }
    }
}

impl Line {
    pub(crate) fn relay(&self) -> &RelayUrl {
        &self.relay
    }

    /// Takes a frame to write. It leaves as [`Line::next`] is polled.
    pub(crate) fn queue(&mut self, text: String) {
        self.queue.push_back(Message::text(text));
    }

    /// Asks the relay for a sign of life, unless what was queued before still waits.
    pub(crate) fn queue_ping(&mut self) {
        if self.queue.is_empty() {
            self.queue.push_back(Message::Ping(Bytes::new()));
        }
    }

    /// Gives a sign of life (RFC 6455, section 5.5.3, allows it unasked), unless what was queued before still waits.
    pub(crate) fn queue_pong(&mut self) {
        if self.queue.is_empty() {
            self.queue.push_back(Message::Pong(Bytes::new()));
        }
    }

    /// Writes what is queued and waits for what comes.
    ///
    /// Cancel safe: nothing queued and nothing received is lost.
    pub(crate) async fn next(&mut self) -> Result<Incoming, LinkError> {
        poll_fn(|cx| {
            let written = self.poll_write(cx);
            // Read even when writing failed: the relay may have said why before it closed.
            match self.poll_read(cx) {
                Poll::Ready(read) => Poll::Ready(read),
                Poll::Pending => match written {
                    Poll::Ready(Err(error)) => Poll::Ready(Err(self.lost(&error))),
                    Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                },
            }
        })
        .await
    }

    /// When anything last came: a part of a frame is a sign of life.
    pub(crate) fn heard(&self) -> Instant {
        self.socket.get_ref().get_ref().0.last()
    }

    /// As [`Line::next`], as long as anything comes: [`LinkError::Stale`] once nothing did for this long.
    ///
    /// Cancel safe; the silence counts from the call.
    pub(crate) async fn next_within(&mut self, silence: Duration) -> Result<Incoming, LinkError> {
        let begun = Instant::now();
        loop {
            let stale_at = self.heard().max(begun) + silence;
            if Instant::now() >= stale_at {
                return Err(LinkError::Stale { relay: self.relay.clone() });
            }
            if let Ok(incoming) = tokio::time::timeout_at(stale_at, self.next()).await {
                return incoming;
            }
        }
    }

    /// Writes what is queued without reading. Cancel safe.
    pub(crate) async fn write(&mut self) -> Result<(), LinkError> {
        poll_fn(|cx| self.poll_write(cx)).await.map_err(|error| self.lost(&error))
    }

    /// What the relay said breaks the protocol, and it is told so: the line is to be dropped, which closes it with 1002.
    /// What breaks that of WebSocket [`Line::next`] closes by itself.
    pub(crate) fn violation(&mut self, what: String) -> LinkError {
        self.farewell = Some(CloseCode::Protocol);
        LinkError::Violation { relay: self.relay.clone(), what }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WsError>> {
        while !self.queue.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_ready(cx))?;
            if let Some(message) = self.queue.pop_front() {
                self.unflushed = true;
                Pin::new(&mut self.socket).start_send(message)?;
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, LinkError>> {
        let read = ready!(Pin::new(&mut self.socket).poll_next(cx));
        let lost = |what: String| LinkError::Lost { relay: self.relay.clone(), what };
        let violation = |what: String| LinkError::Violation { relay: self.relay.clone(), what };
        let breach = read.as_ref().and_then(breach);
        let ended = match read {
            Some(Ok(Message::Text(text))) => return Poll::Ready(Ok(Incoming::Text(text))),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                return Poll::Ready(Ok(Incoming::Alive));
            }
            Some(Ok(Message::Binary(_))) => violation("a binary frame was received".to_owned()),
            Some(Ok(Message::Close(Some(close)))) => {
                lost(format!("closed with code {} {:?}", u16::from(close.code), close.reason.as_str()))
            }
            Some(Ok(Message::Close(None))) | None => lost("closed".to_owned()),
            Some(Err(error)) if breach.is_some() => violation(error.to_string()),
            Some(Err(error)) => lost(error.to_string()),
        };
        self.farewell = None;
        self.say_end(cx, breach);
        Poll::Ready(Err(ended))
    }

    /// The last word, of a few bytes, as far as the line takes it at once: nobody reads on. The answer to the relay's close
    /// (RFC 6455, section 5.5.1) was made ready by the library; what we close, a breach of the protocol too, has a code.
    fn say_end(&mut self, cx: &mut Context<'_>, code: Option<CloseCode>) {
        let mut socket = Pin::new(&mut self.socket);
        if let Some(code) = code
            && socket.as_mut().poll_ready(cx).is_ready()
        {
            let _ = socket.as_mut().start_send(closing(code));
        }
        let _ = socket.poll_flush(cx);
    }

    fn lost(&self, error: &WsError) -> LinkError {
        LinkError::Lost { relay: self.relay.clone(), what: error.to_string() }
    }
}

fn closing(code: CloseCode) -> Message {
    let reason = if code == CloseCode::Normal { "" } else { "protocol error" };
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

/// With which code a line is closed on which this came (RFC 6455, section 7.4.1): the relay broke the protocol of WebSocket,
/// or speaks in binary. `None` where it did not, or where the line was cut.
fn breach(read: &Result<Message, WsError>) -> Option<CloseCode> {
    match read {
        Ok(Message::Binary(_)) => Some(CloseCode::Protocol),
        Err(WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => None,
        Err(WsError::Protocol(_)) => Some(CloseCode::Protocol),
        Err(WsError::Utf8(_)) => Some(CloseCode::Invalid),
        Err(WsError::Capacity(_)) => Some(CloseCode::Size),
        _ => None,
    }
}

#[cfg(feature = "echo")]
pub(crate) mod echo;
#[cfg(test)]
mod tests;
