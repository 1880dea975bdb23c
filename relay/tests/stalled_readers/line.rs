//! A line to a relay, spoken by hand: cheap enough for a thousand, and as slow as it is told to be.

use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use vigie_client::Identity;
use vigie_client::proto::id::Nonce;
use vigie_client::proto::login::{self, Binding};

/// Trust in a relay's certificate.
#[derive(Clone)]
pub(crate) struct Tls(TlsConnector);

impl Tls {
    pub(crate) fn new(roots_pem: &Path) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(roots_pem).unwrap() {
            roots.add(root.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self(TlsConnector::from(Arc::new(config)))
    }
}

/// What those who share it may take from their sockets: everything, nothing, or so many bytes more each.
#[derive(Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<TapState>>);

#[derive(Default)]
struct TapState {
    /// Bytes that each may take since it was last set; `None` for no bound.
    each: Option<usize>,
    /// Counts how often that was set.
    epoch: usize,
    waiting: Vec<Waker>,
}

impl Tap {
    pub(crate) fn open() -> Self {
        Self::default()
    }

    fn set(&self, change: impl FnOnce(&mut TapState)) {
        let waiting = {
            let mut state = self.0.lock().unwrap();
            change(&mut state);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Nothing more is taken.
    pub(crate) fn shut(&self) {
        self.let_through(0);
    }

    /// Each may take so many bytes now, and no more; what it left of the last time is lost.
    pub(crate) fn let_through(&self, bytes: usize) {
        self.set(|state| {
            state.each = Some(bytes);
            state.epoch += 1;
        });
    }

    pub(crate) fn open_again(&self) {
        self.set(|state| {
            state.each = None;
            state.epoch += 1;
        });
    }
}

/// What the system holds for one that was slow and reads again.
const RECEIVE_BYTES: usize = 256 * 1024;

/// A segment of Ethernet.
const SEGMENT_BYTES: u32 = 1_448;

/// A socket behind a tap.
struct Tapped {
    stream: TcpStream,
    tap: Tap,
    epoch: usize,
    taken: usize,
}

impl AsyncRead for Tapped {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let left = {
            let mut state = this.tap.0.lock().unwrap();
            if this.epoch != state.epoch {
                (this.epoch, this.taken) = (state.epoch, 0);
                if state.each.is_none() {
                    // One that reads again does so as others do.
                    socket2::SockRef::from(&this.stream).set_recv_buffer_size(RECEIVE_BYTES)?;
                }
            }
            let left = state.each.map_or(usize::MAX, |each| each.saturating_sub(this.taken));
            if left == 0 {
                state.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            left
        };
        let mut part = buffer.take(left);
        let polled = Pin::new(&mut this.stream).poll_read(cx, &mut part);
        let bytes = part.filled().len();
        buffer.advance(bytes);
        this.taken += bytes;
        polled
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// What came.
pub(crate) enum Came {
    Text(Utf8Bytes),
    Ended(String),
}

/// A session.
pub(crate) struct Line {
    socket: WebSocketStream<TlsStream<Tapped>>,
    n: u64,
}

impl Line {
    /// Connects and logs in; with `receive_bytes` the system holds no more than about that for it.
    pub(crate) async fn log_in(
        tls: &Tls,
        address: &str,
        who: &Identity,
        receive_bytes: Option<usize>,
        tap: &Tap,
    ) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(u32::try_from(bytes).unwrap()).unwrap();
        }
        Self::over(socket, tls, address, who, tap).await.unwrap()
    }

    /// The same from an address of its own, where the relay may be away or refuse.
    pub(crate) async fn try_log_in(
        tls: &Tls,
        address: &str,
        who: &Identity,
        from: Ipv4Addr,
    ) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((from, 0).into())?;
        Self::over(socket, tls, address, who, &Tap::open()).await
    }

    async fn over(
        socket: TcpSocket,
        tls: &Tls,
        address: &str,
        who: &Identity,
        tap: &Tap,
    ) -> anyhow::Result<Self> {
        // As on a network: with the 64 KiB of loopback a window never opens as wide as a segment.
        socket2::SockRef::from(&socket).set_tcp_mss(SEGMENT_BYTES)?;
        let stream = socket.connect(address.parse()?).await.context("TCP")?;
        stream.set_nodelay(true)?;
        let stream = Tapped { stream, tap: tap.clone(), epoch: 0, taken: 0 };
        let stream = tls.0.connect(ServerName::try_from("localhost")?, stream).await.context("TLS")?;
        let certificate = &stream.get_ref().1.peer_certificates().context("no certificate")?[0];
        let binding = Binding::of_certificate(certificate);
        let mut request = "wss://localhost/".into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("vigie.v1"));
        // Small buffers: there are a thousand of these.
        let config = WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(0);
        let upgraded = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
        let (socket, _) = upgraded.await.context("upgrade")?;
        let mut line = Self { socket, n: 0 };
        line.prove(who, binding).await.context("log-in")?;
        Ok(line)
    }

    async fn prove(&mut self, who: &Identity, binding: Binding) -> anyhow::Result<()> {
        let challenge: serde_json::Value = serde_json::from_str(&self.text().await?)?;
        let nonce: Nonce = challenge["nonce"].as_str().context("no nonce")?.parse()?;
        let chain = who.chain();
        let proof = login::sign(who.key(), chain.leaf().id(), chain.plane(), "localhost", nonce, binding);
        let links: Vec<_> = chain.links().iter().map(|link| link.token().to_string()).collect();
        self.send(serde_json::json!({"op": "login", "chain": links, "proof": proof}).to_string()).await?;
        let welcome = self.text().await?;
        anyhow::ensure!(welcome.starts_with(r#"{"op":"welcome""#), "{welcome}");
        Ok(())
    }

    async fn send(&mut self, text: String) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// The next text, or how the line ended.
    pub(crate) async fn next(&mut self) -> Came {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Came::Text(text),
                Some(Ok(Message::Close(close))) => return Came::Ended(format!("{close:?}")),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Came::Ended(error.to_string()),
                None => return Came::Ended("the end".to_owned()),
            }
        }
    }

    async fn text(&mut self) -> anyhow::Result<Utf8Bytes> {
        match self.next().await {
            Came::Text(text) => Ok(text),
            Came::Ended(why) => anyhow::bail!(why),
        }
    }

    /// Asks, and gives the number of the request, which its answer carries.
    async fn ask(&mut self, frame: impl FnOnce(u64) -> String) -> anyhow::Result<u64> {
        self.n += 1;
        self.send(frame(self.n)).await?;
        Ok(self.n)
    }

    /// The answer to a request; what else comes is passed over.
    async fn answer(&mut self, n: u64) -> anyhow::Result<Utf8Bytes> {
        let mine = format!("\"re\":{n}");
        loop {
            let text = self.text().await?;
            if text.contains(&mine) {
                return Ok(text);
            }
        }
    }

    pub(crate) async fn subscribe(&mut self, channel: &str) {
        let frame = |n| format!(r#"{{"op":"subscribe","n":{n},"channels":["{channel}"]}}"#);
        let n = self.ask(frame).await.unwrap();
        let answer = self.answer(n).await.unwrap();
        assert!(answer.starts_with(r#"{"op":"subscribed""#), "{answer}");
    }

    /// Subscribes from a place on. The answer comes as a text, after what there may be to tell before.
    pub(crate) async fn subscribe_after(&mut self, channel: &str, after: &str) -> anyhow::Result<()> {
        let frame = |n| format!(r#"{{"op":"subscribe","n":{n},"channels":["{channel}"],"after":"{after}"}}"#);
        self.ask(frame).await.map(|_| ())
    }

    /// Publishes, and gives the number of the request: its answer comes as a text.
    pub(crate) async fn ask_publish(&mut self, message: &str) -> anyhow::Result<u64> {
        self.ask(|n| format!(r#"{{"op":"publish","n":{n},"jws":"{message}"}}"#)).await
    }

    /// What comes for it is lost from now on, before its system sees it: nothing is acknowledged.
    pub(crate) fn vanish(&self) {
        // BPF: return 0, which lets nothing through.
        let nothing = socket2::SockFilter::new(0x06, 0, 0, 0);
        socket2::SockRef::from(&self.socket.get_ref().get_ref().0.stream).attach_filter(&[nothing]).unwrap();
    }

    pub(crate) fn come_back(&self) {
        socket2::SockRef::from(&self.socket.get_ref().get_ref().0.stream).detach_filter().unwrap();
    }

    /// Publishes, and waits for the answer.
    pub(crate) async fn try_publish(&mut self, message: &str) -> anyhow::Result<Utf8Bytes> {
        let n = self.ask_publish(message).await?;
        self.answer(n).await
    }

    pub(crate) async fn publish(&mut self, message: &str) -> Utf8Bytes {
        self.try_publish(message).await.unwrap()
    }
}
