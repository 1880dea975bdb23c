//! A world of its own for each test: roots, credentials, a TLS authority, all made in memory; relays in temporary folders.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use vigie_client::{Client, ClientConfig, Identity, OnPlane, RelayUrl, TlsRoots};
use vigie_proto::cap::{self, Headline};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Channel, Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::message::{Content, Message};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify;
use vigie_relay::config::RelayConfig;
use vigie_relay::server::Relay;

/// The machine's time.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::EPOCH.plus(since)
}

/// The longest that a test waits for a moment.
const PASSES_WITHIN: Duration = Duration::from_secs(15);

/// Waits until the machine's clock is past this moment.
///
/// # Panics
/// It is too far away for a test, or the clock does not get there in time.
pub async fn has_passed(moment: Timestamp) {
    let begun = std::time::Instant::now();
    while now() <= moment {
        let left = moment.since(now()) + Duration::from_millis(1);
        assert!(begun.elapsed() + left < PASSES_WITHIN, "{left:?} more is longer than a test waits");
        tokio::time::sleep(left).await;
    }
}

/// Someone with a key and a chain, on one plane.
#[derive(Clone, Debug)]
pub struct Person {
    /// The private key.
    pub key: Arc<SigningKey>,
    /// The chain of command above it, and its own credential.
    pub chain: Arc<Chain>,
}

impl Person {
    /// Signs a message.
    pub fn sign(&self, message: &Message) -> String {
        verify::sign(&self.key, self.chain.leaf().id(), message)
    }

    /// Signs a short alert or signal.
    pub fn say(&self, channel: &str, text: &str, severity: Severity) -> String {
        self.sign(&message(channel, text, severity))
    }
}

/// A message with a CAP alert made from a headline.
pub fn message(channel: &str, text: &str, severity: Severity) -> Message {
    let channel: Channel = channel.parse().unwrap();
    let sent = now();
    Message {
        sent,
        expires: sent.plus(Duration::from_secs(3_600)),
        severity,
        label: Label::CLEAR,
        replaces: Vec::new(),
        content: Content { cap: alert(channel.plane, text, severity), original: None },
        channel,
    }
}

/// A CAP alert made from a headline.
pub fn alert(plane: Plane, text: &str, severity: Severity) -> cap::Alert {
    cap::Alert::from_headline(&Headline {
        plane,
        identifier: "essai-1",
        sender: "essais@vigie.example",
        sent: "2026-11-21T12:00:00+01:00",
        language: "fr-FR",
        text,
        severity,
        urgency: cap::Urgency::Immediate,
        area: "Zone d'essai",
        restriction: None,
    })
}

/// A grant of everything in a flow at a place.
pub fn grant(flow: Flow, at: &str, publish: Option<Severity>, delegate: u8) -> Grant {
    Grant { flow, at: at.parse().unwrap(), publish, subscribe: true, delegate }
}

fn fresh_key() -> Arc<SigningKey> {
    let seed: [u8; 32] = ring::rand::generate(&ring::rand::SystemRandom::new()).unwrap().expose();
    Arc::new(SigningKey::from_seed(&seed).unwrap())
}

/// Trust of one plane: a root and those below it.
#[derive(Clone, Debug)]
pub struct Command {
    /// The root.
    pub root: Person,
    /// `fr`.
    pub nation: Person,
    /// `fr.idf`.
    pub region: Person,
    /// `fr.idf.75.paris`.
    pub town: Person,
    /// `fr.idf.92.nanterre`.
    pub neighbour: Person,
    /// `fr.naq.33.bordeaux`.
    pub elsewhere: Person,
    /// Publishes signals up to Severe and hears alerts, Paris.
    pub field: Person,
}

/// The claims of someone at a place, valid from an hour ago for a day.
pub fn claims(plane: Plane, key: &SigningKey, org: &str, grants: Vec<Grant>) -> Claims {
    Claims {
        subject: *key.public(),
        org: org.parse().unwrap(),
        name: org.to_owned(),
        role: Role::Author,
        grants,
        plane,
        valid: Window {
            from: now().minus(Duration::from_secs(3_600)),
            until: now().plus(Duration::from_secs(24 * 3_600)),
        },
    }
}

/// Issues a credential for a fresh key below `above`.
pub fn appoint(above: &Person, org: &str, grants: Vec<Grant>) -> Person {
    let key = fresh_key();
    let mut claims = claims(above.chain.plane(), &key, org, grants);
    claims.valid = claims.valid.intersect(&above.chain.window());
    let chain = above.chain.extend(&above.key, &claims).unwrap();
    Person { key, chain: Arc::new(chain) }
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A root of years, an issuer below it who ends in so many days and a minute, and somebody below him who ends in a day.
pub fn below_an_issuer_who_ends_in(days: u32) -> [Person; 3] {
    let valid = |ago: u32, left: u32| Window {
        from: now().minus(DAY * ago),
        until: now().plus(DAY * left + Duration::from_secs(60)),
    };
    let of = |key: &SigningKey, delegate, valid| Claims {
        valid,
        ..claims(Plane::Live, key, "fr", vec![grant(Flow::Alert, "fr", Some(Severity::Extreme), delegate)])
    };
    let keys = [(); 3].map(|()| fresh_key());
    let root = Credential::issue_root(&keys[0], &of(&keys[0], 2, valid(700, 700))).unwrap();
    let roots = Roots::new([keys[0].public().thumbprint()]);
    let root = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
    let issuer = root.extend(&keys[0], &of(&keys[1], 1, valid(300, days))).unwrap();
    let leaf = issuer.extend(&keys[1], &of(&keys[2], 0, valid(0, days.min(1)))).unwrap();
    let mut chains = [root, issuer, leaf].into_iter();
    keys.map(|key| Person { key, chain: Arc::new(chains.next().unwrap()) })
}

fn everything(at: &str, delegate: u8) -> Vec<Grant> {
    [Flow::Alert, Flow::Signal].map(|flow| grant(flow, at, Some(Severity::Extreme), delegate)).to_vec()
}

impl Command {
    /// A chain of command with fresh keys.
    pub fn new(plane: Plane) -> Self {
        let key = fresh_key();
        let credential =
            Credential::issue_root(&key, &claims(plane, &key, "fr", everything("fr", 4))).unwrap();
        let roots = Roots::new([key.public().thumbprint()]);
        let chain = Chain::verify([&**credential.token()], &roots, &NoVerdicts).unwrap();
        let root = Person { key, chain: Arc::new(chain) };
        let nation = appoint(&root, "fr.etat", everything("fr", 3));
        let region = appoint(&nation, "fr.etat.idf", everything("fr.idf", 2));
        let town = appoint(&region, "fr.etat.idf.paris", everything("fr.idf.75.paris", 0));
        let neighbour = appoint(&region, "fr.etat.idf.nanterre", everything("fr.idf.92.nanterre", 0));
        let elsewhere = appoint(&nation, "fr.etat.naq", everything("fr.naq.33.bordeaux", 0));
        let field = appoint(
            &region,
            "fr.etat.idf.sdis",
            vec![
                Grant {
                    subscribe: false,
                    ..grant(Flow::Signal, "fr.idf.75.paris", Some(Severity::Severe), 0)
                },
                grant(Flow::Alert, "fr.idf.75.paris", None, 0),
            ],
        );
        Self { root, nation, region, town, neighbour, elsewhere, field }
    }
}

/// Two planes of command, a TLS authority, and a folder for relays.
#[derive(Debug)]
pub struct World {
    /// The live plane.
    pub live: Command,
    /// The exercise plane.
    pub exercise: Command,
    /// The authority that certifies relays.
    pub tls_root: CertificateDer<'static>,
    /// The same in PEM.
    pub tls_root_pem: String,
    /// The certificate that relays start with.
    pub tls_chain: Vec<CertificateDer<'static>>,
    tls_key: PrivateKeyDer<'static>,
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Default for World {
    fn default() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names()).unwrap().signed_by(&key, &issuer).unwrap();
        Self {
            live: Command::new(Plane::Live),
            exercise: Command::new(Plane::Exercise),
            tls_root: issuer.der().clone(),
            tls_root_pem: issuer.pem(),
            tls_chain: vec![certificate.der().clone()],
            tls_key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            issuer,
            folder: tempfile::tempdir().unwrap(),
        }
    }
}

/// What relays are dialled by.
fn names() -> Vec<String> {
    vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
}

/// A certificate, those above it, and its key.
pub type TlsPair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl World {
    /// Another certificate for the names of a relay, under the same authority; `change` may spoil it.
    pub fn certificate(&self, change: impl FnOnce(&mut CertificateParams)) -> TlsPair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names()).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// A world with fresh keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key of the certificate that relays start with.
    pub fn tls_key(&self) -> PrivateKeyDer<'static> {
        self.tls_key.clone_key()
    }

    /// The roots of both planes.
    pub fn roots(&self) -> Roots {
        Roots::new([&self.live, &self.exercise].map(|command| command.root.key.public().thumbprint()))
    }

    /// A client of this person, on one plane, that knows the relay at this address.
    pub fn client<P: OnPlane>(&self, address: SocketAddr, person: &Person) -> Client<P> {
        let url: RelayUrl = format!("wss://localhost:{}", address.port()).parse().unwrap();
        let tls = TlsRoots::from_pem(self.tls_root_pem.as_bytes()).unwrap();
        let identity = Identity::new(Arc::clone(&person.key), Arc::clone(&person.chain)).unwrap();
        Client::new(ClientConfig::new(vec![url], tls, self.roots(), identity)).unwrap()
    }

    /// Where the journal of a relay lies.
    pub fn journal(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder that goes with the world.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The usual settings of a relay of this world, which takes publishes as fast as they come: few tests are about
    /// rates.
    pub fn config(&self, journal: &str) -> RelayConfig {
        let key = self.tls_key();
        std::fs::create_dir_all(self.journal(journal)).unwrap();
        let journal = self.journal(journal);
        let mut config = RelayConfig::new(names(), self.tls_chain.clone(), key, self.roots(), journal);
        (config.publishes_per_credential_max, config.publishes_max) = (1_000_000, Some(4_000_000));
        config.chains_per_credential_max = 1_000_000;
        config.sessions_per_key_max = 1_000_000;
        config
    }

    /// A relay on a free port of loopback.
    pub fn relay(&self) -> Relay {
        self.relay_with(self.config("journal"))
    }

    /// A relay with other settings.
    pub fn relay_with(&self, config: RelayConfig) -> Relay {
        Self::relay_at("127.0.0.1:0".parse().unwrap(), config)
    }

    /// A relay at an address: to come back where one was.
    pub fn relay_at(address: SocketAddr, config: RelayConfig) -> Relay {
        Relay::start(TcpListener::bind(address).unwrap(), config).unwrap()
    }
}
