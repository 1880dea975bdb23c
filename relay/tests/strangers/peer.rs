//! A peer that says what it likes over TLS, byte by byte, from an address of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vigie_client::Identity;
use vigie_client::proto::id::Nonce;
use vigie_client::proto::login::{self, Binding};

/// What something that must happen may take.
const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(SOON, future).await.expect("this should have happened by now")
}

/// The request that becomes a WebSocket.
pub(crate) const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: vigie.v1\r\n\r\n";

/// Where the relay is, and trust in its certificate.
#[derive(Clone)]
pub(crate) struct Way {
    relay: SocketAddr,
    tls: TlsConnector,
}

impl Way {
    pub(crate) fn new(relay: &str, roots_pem: &Path) -> Self {
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
        Self { relay: relay.parse().unwrap(), tls: TlsConnector::from(Arc::new(config)) }
    }

    /// The address of the `number`th stranger: 60 share one, below the share of strangers of an address.
    fn address(number: usize) -> Ipv4Addr {
        let place = u16::try_from(1 + number / 60).unwrap().to_be_bytes();
        Ipv4Addr::new(127, 1, place[0], place[1])
    }

    pub(crate) async fn tcp(&self, number: usize) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((Self::address(number), 0).into()).unwrap();
        let stream = soon(socket.connect(self.relay)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(crate) async fn tls(&self, number: usize) -> TlsStream<TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        soon(self.tls.connect(name, self.tcp(number).await)).await.unwrap()
    }

    /// Upgraded, its challenge not read.
    pub(crate) async fn upgraded(&self, number: usize) -> Peer {
        let mut stream = self.tls(number).await;
        stream.write_all(UPGRADE.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(stream.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        Peer { stream }
    }

    /// Logged in.
    pub(crate) async fn logged_in(&self, number: usize, who: &Identity) -> Peer {
        let mut peer = self.upgraded(number).await;
        let login = peer.login(who).await;
        peer.say(&login).await;
        let welcome = peer.next().await.expect("welcome");
        assert_eq!(welcome["op"], "welcome", "{welcome}");
        peer
    }
}

/// A WebSocket.
pub(crate) struct Peer {
    pub(crate) stream: TlsStream<TcpStream>,
}

/// A frame with a mask of zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | length as u8),
        Ok(length) => {
            frame.push(0xfe);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0xff);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

impl Peer {
    /// Bytes as they are; whether they were taken.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        soon(self.stream.write_all(bytes)).await.is_ok()
    }

    pub(crate) async fn say(&mut self, text: &str) -> bool {
        self.send(&frame(0x81, text.as_bytes())).await
    }

    /// The next text; `None` when the relay has closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let head = [soon(self.stream.read_u8()).await.ok()?, soon(self.stream.read_u8()).await.ok()?];
            let length = match head[1] {
                126 => u64::from(self.stream.read_u16().await.ok()?),
                127 => self.stream.read_u64().await.ok()?,
                length => u64::from(length),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            soon(self.stream.read_exact(&mut payload)).await.ok()?;
            match head[0] {
                0x81 => return serde_json::from_slice(&payload).ok(),
                0x88 => {
                    // Answered, or the relay would wait for it.
                    self.send(&frame(0x88, &payload)).await;
                    return None;
                }
                // Pings of the relay are answered, or it would take this for gone.
                0x89 => self.send(&frame(0x8a, &payload)).await,
                _ => true,
            };
        }
    }

    /// The answer to a request.
    pub(crate) async fn answer(&mut self, n: u64) -> Value {
        loop {
            let frame = self.next().await.expect("an answer");
            if frame["re"] == n {
                return frame;
            }
        }
    }

    /// Until the relay closes.
    pub(crate) async fn ended(&mut self) {
        let mut buffer = [0; 4096];
        while soon(self.stream.read(&mut buffer)).await.is_ok_and(|bytes| bytes > 0) {}
    }

    /// The frame that answers the challenge.
    pub(crate) async fn login(&mut self, who: &Identity) -> String {
        let chain = who.chain();
        let links: Vec<_> = chain.links().iter().map(|link| link.token().to_string()).collect();
        self.login_with(who, &links).await
    }

    /// The same with another chain: its proof is good all the same.
    pub(crate) async fn login_with(&mut self, who: &Identity, links: &[String]) -> String {
        let challenge = self.next().await.expect("the challenge");
        let nonce: Nonce = challenge["nonce"].as_str().unwrap().parse().unwrap();
        let binding = Binding::of_certificate(&self.stream.get_ref().1.peer_certificates().unwrap()[0]);
        let chain = who.chain();
        let proof = login::sign(who.key(), chain.leaf().id(), chain.plane(), "localhost", nonce, binding);
        serde_json::json!({"op": "login", "chain": links, "proof": proof}).to_string()
    }
}
