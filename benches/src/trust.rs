//! A relay of its own for a comparison: chain of command, TLS certificate, settings, all in one folder.
//!
//! Keys follow from one random seed that is kept in the folder, so that the load generator finds again who may log in.
//! They are of no use anywhere else, and the folder is thrown away.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rcgen::{CertificateParams, KeyPair};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use vigie_proto::cap::{self, Headline};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::message::{Content, Message};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify;

/// What clients dial.
pub const RELAY_NAME: &str = "localhost";

/// How long credentials hold: longer than any comparison takes.
const LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// Before now, for a clock that is set back a little.
const SLACK: Duration = Duration::from_secs(3_600);
/// How long messages hold.
const EXPIRES: Duration = Duration::from_secs(3_600);

/// Of the root in the table of keys.
const ROOT: u64 = 0;
/// Of the nation in the table of keys.
const NATION: u64 = 1;
/// Of the first reader in the table of keys.
const FIRST_READER: u64 = 1_000;

/// Who is under whom. One root, one nation below it that publishes and appoints readers.
#[derive(Debug)]
pub struct Trust {
    seeds: Seeds,
    nation: Author,
    roots: Roots,
}

/// What the folder keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seeds {
    seed: [u8; 32],
    made_ms: u64,
}

/// A key and its chain.
#[derive(Clone, Debug)]
pub struct Author {
    /// The private key.
    pub key: Arc<SigningKey>,
    /// From the root down to it.
    pub chain: Arc<Chain>,
}

/// The machine's time.
pub fn now() -> Timestamp {
    Timestamp::EPOCH.plus(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}

impl Trust {
    /// Makes it anew in a folder, with the settings of a relay that listens at `listen`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(folder: &Path, listen: SocketAddr, settings: &str) -> anyhow::Result<Self> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
        let trust = Self::from_seeds(Seeds { seed, made_ms: now().as_millis() })?;
        fs::create_dir_all(folder)?;
        fs::write(folder.join("seeds.json"), serde_json::to_string(&trust.seeds)?)?;
        let key = KeyPair::generate()?;
        let names = vec![RELAY_NAME.to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)?.self_signed(&key)?;
        fs::write(folder.join("tls.pem"), certificate.pem())?;
        write_private(&folder.join("tls.key.pem"), &key.serialize_pem())?;
        vigie_relay::journal::mark_new(&folder.join("journal"))?;
        let root = trust.seeds.key(ROOT)?.public().thumbprint();
        let file = format!(
            "listen = \"{listen}\"\nnames = [\"{RELAY_NAME}\", \"127.0.0.1\"]\ntls_chain = \"tls.pem\"\n\
             tls_key = \"tls.key.pem\"\nroots = [\"{root}\"]\njournal = \"journal\"\n\
             health = {{ listen = \"off\" }}\n{settings}"
        );
        fs::write(folder.join("vigie.toml"), file)?;
        Ok(trust)
    }

    /// Reads what [`create`](Self::create) made.
    ///
    /// # Errors
    /// The folder is none of these.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(folder.join("seeds.json"))
            .with_context(|| format!("no trust in {}", folder.display()))?;
        Self::from_seeds(serde_json::from_str(&text)?)
    }

    fn from_seeds(seeds: Seeds) -> anyhow::Result<Self> {
        let key = seeds.key(ROOT)?;
        let credential = Credential::issue_root(&key, &seeds.claims(&key, "fr", "fr", true, 2))?;
        let roots = Roots::new([key.public().thumbprint()]);
        let chain = Chain::verify([&**credential.token()], &roots, &NoVerdicts)?;
        let nation = seeds.key(NATION)?;
        let chain = chain.extend(&key, &seeds.claims(&nation, "fr.etat", "fr", true, 1))?;
        let nation = Author { key: Arc::new(nation), chain: Arc::new(chain) };
        Ok(Self { seeds, nation, roots })
    }

    /// The pinned root.
    pub const fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Who publishes.
    pub const fn author(&self) -> &Author {
        &self.nation
    }

    /// A reader of alerts below the nation; the same for the same number.
    ///
    /// # Errors
    /// None with a good seed.
    pub fn reader(&self, number: u64) -> anyhow::Result<Author> {
        let key = self.seeds.key(FIRST_READER + number)?;
        let claims = self.seeds.claims(&key, "fr.etat.lecteur", "fr", false, 0);
        let chain = self.nation.chain.extend(&self.nation.key, &claims)?;
        Ok(Author { key: Arc::new(key), chain: Arc::new(chain) })
    }
}

impl Seeds {
    fn key(&self, number: u64) -> anyhow::Result<SigningKey> {
        let mut input = self.seed.to_vec();
        input.extend_from_slice(&number.to_be_bytes());
        let seed: [u8; 32] = digest(&SHA256, &input).as_ref().try_into()?;
        Ok(SigningKey::from_seed(&seed)?)
    }

    fn claims(&self, key: &SigningKey, org: &str, at: &str, publishes: bool, delegate: u8) -> Claims {
        let made = Timestamp::from_millis(self.made_ms);
        Claims {
            subject: *key.public(),
            org: org.parse().expect("written here"),
            name: org.to_owned(),
            role: Role::Author,
            grants: vec![Grant {
                flow: Flow::Alert,
                at: at.parse().expect("written here"),
                publish: publishes.then_some(Severity::Extreme),
                subscribe: true,
                delegate,
            }],
            plane: Plane::Live,
            valid: Window { from: made.minus(SLACK), until: made.plus(LIFETIME) },
        }
    }
}

impl Author {
    /// Signs an alert to a channel. `text` makes it another message, and as long as it should be.
    pub fn sign(&self, channel: &str, text: &str) -> String {
        let sent = now();
        let content = cap::Alert::from_headline(&Headline {
            plane: Plane::Live,
            identifier: "1",
            sender: "banc",
            sent: "2027-01-15T09:00:00+01:00",
            language: "fr",
            text,
            severity: Severity::Severe,
            urgency: cap::Urgency::Immediate,
            area: "Paris",
            restriction: None,
        });
        let message = Message {
            channel: channel.parse().expect("written here"),
            sent,
            expires: sent.plus(EXPIRES),
            severity: Severity::Severe,
            label: Label::CLEAR,
            replaces: Vec::new(),
            content: Content { cap: content, original: None },
        };
        verify::sign(&self.key, self.chain.leaf().id(), &message)
    }
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
