//! A relay that a test plays by hand, over TLS on loopback: it does the log-in by the book and then says what it is
//! told to say. And the trust that it takes: a root and an author.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "shared by several tests"
)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use vigie_client::proto::chain::{Chain, NoVerdicts, Roots};
use vigie_client::proto::channel::{Flow, Plane};
use vigie_client::proto::credential::{Claims, Credential, Grant, Role};
use vigie_client::proto::frame::{ClientFrame, RequestNumber, ServerFrame};
use vigie_client::proto::id::{LogId, Nonce, Sequence};
use vigie_client::proto::key::SigningKey;
use vigie_client::proto::login::Binding;
use vigie_client::proto::revocation::Revocations;
use vigie_client::proto::session::relay::{AwaitLogin, Rules};
use vigie_client::proto::severity::Severity;
use vigie_client::proto::time::{Timestamp, Window};
use vigie_client::{Client, ClientConfig, Draft, Identity, Live, RelayUrl, SignedMessage, TlsRoots};

pub const LOG: LogId = LogId::from_bytes([7; 16]);
/// Longer than any step takes on a slow machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fails the test instead of hanging.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes in time")
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::EPOCH.plus(since)
}

/// A root, and an author in Paris who may do everything there.
pub struct Trust {
    seed: u8,
    pub root: SigningKey,
    pub key: Arc<SigningKey>,
    pub chain: Arc<Chain>,
    pub roots: Roots,
}

impl Trust {
    pub fn new(seed: u8) -> Self {
        Self::on(Plane::Live, seed)
    }

    pub fn on(plane: Plane, seed: u8) -> Self {
        let root = SigningKey::from_seed(&[seed; 32]).unwrap();
        let key = Arc::new(SigningKey::from_seed(&[seed + 1; 32]).unwrap());
        // Read once: a child ends no later than its parent.
        let now = now();
        let claims = |subject: &SigningKey, at: &str, delegate| Claims {
            subject: *subject.public(),
            org: "fr".parse().unwrap(),
            name: at.to_owned(),
            role: Role::Author,
            grants: [Flow::Alert, Flow::Signal]
                .map(|flow| Grant {
                    flow,
                    at: at.parse().unwrap(),
                    publish: Some(Severity::Severe),
                    subscribe: true,
                    delegate,
                })
                .to_vec(),
            plane,
            valid: Window {
                from: now.minus(Duration::from_secs(3_600)),
                until: now.plus(Duration::from_secs(3_600)),
            },
        };
        let top = Credential::issue_root(&root, &claims(&root, "fr", 1)).unwrap();
        let roots = Roots::new([root.public().thumbprint()]);
        let chain = Chain::verify([&**top.token()], &roots, &NoVerdicts).unwrap();
        let chain = chain.extend(&root, &claims(&key, "fr.idf.75.paris", 0)).unwrap();
        Self { seed, root, key, chain: Arc::new(chain), roots }
    }

    /// The same key under a credential of its own that was issued later: with another name.
    pub fn renewed(&self) -> Self {
        let root = Arc::new(SigningKey::from_seed(&[self.seed; 32]).unwrap());
        let [top, leaf] = self.chain.links() else { panic!("root and author") };
        let top = Chain::verify([&**top.token()], &self.roots, &NoVerdicts).unwrap();
        let mut claims = leaf.claims().clone();
        claims.name = "renewed".to_owned();
        let chain = Arc::new(top.extend(&root, &claims).unwrap());
        let root = SigningKey::from_seed(&[self.seed; 32]).unwrap();
        Self { seed: self.seed, root, key: Arc::clone(&self.key), chain, roots: self.roots.clone() }
    }

    pub fn identity(&self) -> Identity {
        Identity::new(Arc::clone(&self.key), Arc::clone(&self.chain)).unwrap()
    }

    /// A client of these relays, all certified by themselves.
    pub fn config(&self, relays: &[&FakeRelay]) -> ClientConfig {
        let pem: String = relays.iter().map(|relay| relay.tls_pem.as_str()).collect();
        let urls = relays.iter().map(|relay| relay.url()).collect();
        let tls_roots = TlsRoots::from_pem(pem.as_bytes()).unwrap();
        ClientConfig::new(urls, tls_roots, self.roots.clone(), self.identity())
    }

    pub fn client(&self, relays: &[&FakeRelay]) -> Client<Live> {
        Client::new(self.config(relays)).unwrap()
    }
}

pub fn draft(text: &str) -> Draft {
    let channel = "signal/fr.idf.75.paris".parse().unwrap();
    Draft::line(channel, Severity::Minor, text, "fr-FR", vigie_client::proto::cap::Urgency::Immediate)
}

pub struct FakeRelay {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    certificate: Vec<u8>,
    tls_pem: String,
    rules: Rules,
    mark_ms: u64,
}

impl FakeRelay {
    pub async fn start(trust: &Trust) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(tls)),
            certificate: certificate.to_vec(),
            tls_pem: made.cert.pem(),
            rules: Rules::new(trust.roots.clone(), vec!["localhost".to_owned()]),
            mark_ms: 5_000,
        }
    }

    /// The interval between marks that it tells in `welcome`.
    pub fn with_mark_ms(mut self, mark_ms: u64) -> Self {
        self.mark_ms = mark_ms;
        self
    }

    pub fn url(&self) -> RelayUrl {
        format!("wss://localhost:{}", self.listener.local_addr().unwrap().port()).parse().unwrap()
    }

    pub async fn accept_tls(&self) -> TlsStream<TcpStream> {
        let (tcp, _) = soon(self.listener.accept()).await.unwrap();
        soon(self.acceptor.accept(tcp)).await.unwrap()
    }

    /// Takes a client that does not trust this relay's certificate.
    pub async fn refused_tls(&self) {
        let (tcp, _) = soon(self.listener.accept()).await.unwrap();
        assert!(soon(self.acceptor.accept(tcp)).await.is_err());
    }

    /// Takes a client as far as `welcome`.
    pub async fn accept(&self) -> Session {
        self.try_accept().await.expect("the log-in is good")
    }

    /// Takes a client as far as the upgrade: nothing was said yet.
    pub async fn accept_upgrade(&self) -> Session {
        let tls = self.accept_tls().await;
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let agree = |request: &Request, mut response: Response| {
            assert_eq!(request.headers()["sec-websocket-protocol"], "vigie.v1");
            let protocol = HeaderValue::from_static("vigie.v1");
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        Session { socket: soon(tokio_tungstenite::accept_hdr_async(tls, agree)).await.unwrap() }
    }

    /// Takes a client; `None` when it was refused, as it was told.
    pub async fn try_accept(&self) -> Option<Session> {
        let mut session = self.accept_upgrade().await;
        let binding = Binding::of_certificate(&self.certificate);
        let waiting = AwaitLogin::new(Nonce::from_bytes([9; 32]), binding, now());
        session.send(waiting.challenge()).await;
        let login = session.receive().await;
        match waiting.handle_frame(&login, &self.rules, &NoVerdicts, &Revocations::default(), now()) {
            Ok(_) => {
                let (head, mark_ms) = (Sequence::START, self.mark_ms);
                session.send(ServerFrame::Welcome { log: LOG, head, now: now(), mark_ms, relay: None }).await;
                Some(session)
            }
            Err(rejection) => {
                session.send(rejection.to_frame()).await;
                None
            }
        }
    }
}

/// One client, logged in. Dropping it cuts the line.
pub struct Session {
    pub socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl Session {
    pub async fn send(&mut self, frame: ServerFrame<'_>) {
        soon(self.socket.send(Message::text(frame.to_text()))).await.unwrap();
    }

    /// The next frame of the client; signs of life are passed over.
    pub async fn receive(&mut self) -> String {
        loop {
            let message =
                soon(self.socket.next()).await.expect("the line is open").expect("the line is whole");
            if let Message::Text(text) = message {
                return text.to_string();
            }
            assert!(message.is_ping() || message.is_pong(), "unexpected {message:?}");
        }
    }

    /// Checks that the client has said nothing more: what it answers to a ping comes after all that it said before.
    pub async fn nothing_more_came(&mut self) {
        let asked = Bytes::from_static(b"anything else?");
        soon(self.socket.send(Message::Ping(asked.clone()))).await.unwrap();
        loop {
            let message =
                soon(self.socket.next()).await.expect("the line is open").expect("the line is whole");
            if message == Message::Pong(asked.clone()) {
                return;
            }
            assert!(message.is_ping() || message.is_pong(), "{message:?}");
        }
    }

    /// The next frame, which must be a publish: its number and its message.
    pub async fn receive_publish(&mut self) -> (RequestNumber, SignedMessage) {
        let text = self.receive().await;
        let ClientFrame::Publish { n, jws } = ClientFrame::parse(&text).unwrap() else {
            panic!("expected a publish: {text}")
        };
        (n, SignedMessage::from_token(&*jws).unwrap())
    }

    /// The next frame, which must be a chain: its number and its links.
    pub async fn receive_chain(&mut self) -> (RequestNumber, Vec<String>) {
        let text = self.receive().await;
        let ClientFrame::Chain { n, chain } = ClientFrame::parse(&text).unwrap() else {
            panic!("expected a chain: {text}")
        };
        (n, chain.into_iter().map(Into::into).collect())
    }

    /// The next frame, which must be a subscribe: its number and where it begins.
    pub async fn receive_subscribe(&mut self) -> (RequestNumber, Option<String>) {
        let text = self.receive().await;
        let ClientFrame::Subscribe { n, after, .. } = ClientFrame::parse(&text).unwrap() else {
            panic!("expected a subscribe: {text}")
        };
        (n, after.map(Into::into))
    }

    pub async fn receipt(&mut self, re: RequestNumber, message: &SignedMessage, seq: u64) {
        let (id, seq) = (message.id(), Sequence::new(seq));
        self.send(ServerFrame::Receipt { re, id, log: LOG, seq, admitted: now() }).await;
    }

    pub async fn refuse(&mut self, re: Option<RequestNumber>, code: &str) {
        let (code, detail) = (code.into(), "because".into());
        self.send(ServerFrame::Refused { re, code, detail, credential: None }).await;
    }

    /// Answers a subscription and gives the author's chain.
    pub async fn subscribed(&mut self, re: RequestNumber, seq: u64, trust: &Trust) {
        let seq = Sequence::new(seq);
        self.send(ServerFrame::Subscribed { re, log: LOG, seq, head: seq }).await;
        let chain = trust.chain.links().iter().map(|link| (&**link.token()).into()).collect();
        self.send(ServerFrame::Chain { chain, re: None }).await;
    }

    pub async fn event(&mut self, seq: u64, message: &SignedMessage) {
        let jws = (&**message.token()).into();
        self.send(ServerFrame::Event { seq: Sequence::new(seq), admitted: now(), jws }).await;
    }

    pub async fn mark(&mut self, seq: u64) {
        let seq = Sequence::new(seq);
        let (admitted, now) = (now(), now());
        self.send(ServerFrame::Mark { log: LOG, seq, admitted, head: seq, now }).await;
    }

    /// Waits until the client has left; the close code that it gave, if it gave one.
    pub async fn left(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(Ok(message)) = soon(self.socket.next()).await {
            if let Message::Close(Some(close)) = message {
                code = Some(close.code.into());
            }
        }
        code
    }
}
