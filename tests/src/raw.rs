//! A client that speaks the protocol by hand, so that it can also speak it wrongly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use vigie_proto::id::Nonce;
use vigie_proto::login::{self, Binding};

use crate::soon;
use crate::world::{Person, World};

/// A WebSocket to a relay, and what log-in needs to know of it.
#[derive(Debug)]
pub struct Raw {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    /// The binding of this connection.
    pub binding: Binding,
    /// The number of the last request.
    pub n: u64,
}

/// How a connection ended, or what came.
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    /// A frame.
    Frame(Value),
    /// A close frame: its code and reason.
    Closed(u16, String),
    /// The connection is gone.
    Gone,
}

impl Came {
    /// What came, unless it is a mark or a ping.
    fn of(next: Option<Result<Message, Error>>) -> Option<Self> {
        match next {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                (frame["op"] != "mark").then_some(Self::Frame(frame))
            }
            Some(Ok(Message::Close(Some(close)))) => {
                Some(Self::Closed(close.code.into(), close.reason.to_string()))
            }
            Some(Ok(_)) => None,
            Some(Err(_)) | None => Some(Self::Gone),
        }
    }

    /// The frame.
    ///
    /// # Panics
    /// When it is none.
    pub fn frame(self) -> Value {
        match self {
            Self::Frame(frame) => frame,
            Self::Closed(..) | Self::Gone => panic!("expected a frame, got {self:?}"),
        }
    }
}

/// A TLS connection to the relay, as a client of this world makes it.
pub async fn tls(world: &World, address: SocketAddr) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(world.tls_root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

impl Raw {
    /// Connects and upgrades; the challenge has not been read.
    pub async fn connect(world: &World, address: SocketAddr) -> Self {
        Self::upgrade(world, address, &HeaderMap::new()).await.unwrap()
    }

    /// Connects with other headers in the upgrade request.
    ///
    /// # Errors
    /// The relay did not upgrade.
    pub async fn upgrade(
        world: &World,
        address: SocketAddr,
        headers: &HeaderMap,
    ) -> Result<Self, Box<Error>> {
        Self::upgrade_over(tls(world, address).await, headers).await
    }

    /// Upgrades a connection that stands already, with other headers.
    ///
    /// # Errors
    /// The relay did not upgrade.
    pub async fn upgrade_over(stream: TlsStream<TcpStream>, headers: &HeaderMap) -> Result<Self, Box<Error>> {
        let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        let mut request = "wss://localhost/".into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("vigie.v1"));
        request.headers_mut().extend(headers.clone());
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.map_err(Box::new)?;
        Ok(Self { socket, binding: Binding::of_certificate(&certificate), n: 0 })
    }

    /// Connects and logs in.
    pub async fn log_in(world: &World, address: SocketAddr, person: &Person) -> Self {
        let mut raw = Self::connect(world, address).await;
        raw.log_in_as(person).await;
        raw
    }

    /// Connects and logs in, where the relay has a seat.
    ///
    /// # Errors
    /// The frame that refuses it.
    pub async fn try_log_in(world: &World, address: SocketAddr, person: &Person) -> Result<Self, Value> {
        let mut raw = Self::connect(world, address).await;
        let login = raw.login_frame(person).await;
        raw.send(&login).await;
        let told = raw.frame().await;
        if told["op"] == "welcome" { Ok(raw) } else { Err(told) }
    }

    /// Logs in on a connection of which nothing has been read.
    pub async fn log_in_as(&mut self, person: &Person) {
        let login = self.login_frame(person).await;
        self.send(&login).await;
        let welcome = self.frame().await;
        assert_eq!(welcome["op"], "welcome", "{welcome}");
    }

    /// Reads the challenge and makes the frame that answers it.
    pub async fn login_frame(&mut self, person: &Person) -> String {
        let challenge = self.frame().await;
        assert_eq!(challenge["op"], "challenge");
        let nonce: Nonce = challenge["nonce"].as_str().unwrap().parse().unwrap();
        let (chain, key) = (&person.chain, &person.key);
        let proof = login::sign(key, chain.leaf().id(), chain.plane(), "localhost", nonce, self.binding);
        login_with(person, &proof)
    }

    /// Sends a text frame.
    pub async fn send(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    /// Sends any WebSocket message.
    pub async fn send_message(&mut self, message: Message) {
        // A relay that has closed already tells so when it is read from.
        let _ = soon(self.socket.send(message)).await;
    }

    /// The connection below the WebSocket, to say what no library says.
    pub fn stream(&mut self) -> &mut TlsStream<TcpStream> {
        self.socket.get_mut()
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        // A relay that has closed already tells so when it is read from.
        let _ = soon(self.stream().write_all(bytes)).await;
    }

    /// The next of anything, marks and pongs too; `None` at the end.
    pub async fn next_message(&mut self) -> Option<Message> {
        soon(self.socket.next()).await.and_then(Result::ok)
    }

    /// Sends text frames in one write, without waiting for what is answered to the first.
    pub async fn send_at_once(&mut self, texts: &[&str]) {
        for text in texts {
            self.socket.feed(Message::text(*text)).await.unwrap();
        }
        let _ = soon(self.socket.flush()).await;
    }

    /// The next frame that is no mark, or how the connection ended.
    pub async fn next(&mut self) -> Came {
        loop {
            if let Some(came) = Came::of(soon(self.socket.next()).await) {
                return came;
            }
        }
    }

    /// As [`Raw::next`], with a deadline of its own; `None` when nothing came by then.
    pub async fn next_within(&mut self, time: Duration) -> Option<Came> {
        tokio::time::timeout(time, async {
            loop {
                if let Some(came) = Came::of(self.socket.next().await) {
                    return came;
                }
            }
        })
        .await
        .ok()
    }

    /// The next frame that is no mark.
    pub async fn frame(&mut self) -> Value {
        self.next().await.frame()
    }

    /// Publishes, and returns what is answered, past chains and events that come before it.
    pub async fn publish(&mut self, jws: &str) -> Value {
        self.n += 1;
        let n = self.n;
        self.send(&format!(r#"{{"op":"publish","n":{n},"jws":"{jws}"}}"#)).await;
        self.answer(n).await
    }

    /// Subscribes, and waits until the subscription stands.
    pub async fn subscribe(&mut self, channels: &[&str], after: Option<&str>) -> Value {
        self.n += 1;
        let n = self.n;
        let mut frame = serde_json::json!({"op": "subscribe", "n": n, "channels": channels});
        if let Some(after) = after {
            frame["after"] = after.into();
        }
        self.send(&frame.to_string()).await;
        self.answer(n).await
    }

    /// The answer to a request.
    pub async fn answer(&mut self, n: u64) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["re"] == n {
                return frame;
            }
        }
    }

    /// The next event; chains and reach before it are passed over.
    pub async fn event(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["op"] == "event" {
                return frame;
            }
            assert!(
                matches!(frame["op"].as_str(), Some("chain" | "reach" | "gap" | "subscribed")),
                "{frame}"
            );
        }
    }
}

/// A log-in frame with this proof.
pub fn login_with(person: &Person, proof: &str) -> String {
    let chain: Vec<_> = person.chain.links().iter().map(|link| link.token().to_string()).collect();
    serde_json::json!({"op": "login", "chain": chain, "proof": proof}).to_string()
}
