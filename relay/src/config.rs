//! What a relay is made of: one plain value, whoever made it (a file, a test, another program).

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use vigie_proto::chain::Roots;
use vigie_proto::limits::{LOGIN_TIMEOUT, MARK_INTERVAL_MAX, MESSAGE_LIFETIME_MAX, SUBSCRIPTIONS_MAX};

use crate::clock::Clock;
use crate::journal::JournalConfig;
pub use crate::net::client_auth::ClientAuth;
pub use crate::net::inlet::StrangerBytes;
use crate::own_credential::OwnCredential;
use crate::rates::{CHAINS_PER_CREDENTIAL, PUBLISHES_PER_CREDENTIAL};
use crate::seats::SESSIONS_PER_KEY;
use crate::sequencer::BYTES_IN_FORCE_MAX;
use crate::worker::{OUTBOX_BYTES_MAX, RING_BYTES_MAX};

/// Settings of a relay. Start from [`RelayConfig::new`] and change what differs.
#[derive(Debug)]
#[non_exhaustive]
pub struct RelayConfig {
    /// The names and addresses that clients dial, lower case, without port: a log-in proof names one of them.
    pub names: Vec<String>,
    /// The TLS certificate of the relay, then what certifies it.
    pub tls_chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub tls_key: PrivateKeyDer<'static>,
    /// What TLS certificates clients must show in turn (mutual TLS). Default none: credentials say who speaks.
    pub client_auth: Option<ClientAuth>,
    /// The pinned roots: who may issue the credentials that count here.
    pub roots: Roots,
    /// The folder of the journal. It must exist. Whether a journal may begin there when it has none is said by
    /// [`JournalConfig::new_journal`]; by default it may.
    pub journal: PathBuf,
    /// How the journal is cut into files, how long it keeps, and whether a new one may begin.
    pub journal_config: JournalConfig,
    /// The relay's own credential, told to clients, and warned of before it ends. Default none.
    pub relay_credential: Option<OwnCredential>,
    /// Threads that own sessions. Default: one for each core, at most 16.
    pub workers: usize,
    /// Web origins whose pages may connect (`https://console.example`). Default none: clients are no web pages.
    pub origins: Vec<String>,
    /// Whether a log-in proof without binding to the TLS certificate passes. Default no; set it only where something
    /// else ends TLS in front of the relay.
    pub unbound_passes: bool,
    /// Longest life of a message. Default and most: 7 days.
    pub lifetime_max: Duration,
    /// What may wait for one session, in bytes. Default 256 KiB.
    pub outbox_bytes_max: usize,
    /// Recent events kept by each worker, in bytes. Default 4 MiB.
    pub ring_bytes_max: usize,
    /// Sessions in all. Default 10,000; past it a newcomer gets `too_many_sessions`. The last sixteenth, 256 at most, is kept
    /// for keys that have none: half of it for those who may delegate, a quarter for those of them right below a root. Where
    /// no seat is left, a key that stands above those of others here takes the seat of one of them. Those who have not logged
    /// in are bounded beside it ([`strangers_max`](Self::strangers_max)), and so are sessions that close: a quarter as many.
    pub connections_max: usize,
    /// The same for one address (IPv6: a /64), logged in or not. Default 5,000, half of all: no one address keeps out the
    /// others, and the phones of a town behind their operator's few addresses have room. As many as
    /// [`connections_max`](Self::connections_max) where all clients come through one address. Past it a newcomer gets 503,
    /// `too_many_from_address`.
    pub connections_per_address_max: usize,
    /// Sessions of one key. Default [`SESSIONS_PER_KEY`], 128: a control room whose consoles share a credential. One more
    /// takes the place of the one that was silent longest, which ends with `too_many_sessions`.
    pub sessions_per_key_max: usize,
    /// From accept to log-in, TLS and upgrade included. Default 10 s, for a phone on a bad network; most 30 s,
    /// [`NONCE_LIFETIME`](vigie_proto::limits::NONCE_LIFETIME). Past it the connection ends, with `login_timeout` where it
    /// can be told.
    pub login_timeout: Duration,
    /// Filters of one session. Default and most: 256; past it `too_many_subscriptions`.
    pub subscriptions_max: usize,
    /// Longest time between the marks of a session. Default and most 300 s, least 1 s: a session that asks for longer gets
    /// this. After 2.4 of it without a sign of life it ends with `unresponsive`.
    pub mark_interval_max: Duration,
    /// Connections that have not logged in, in all. Default 2,048: what comes in a second after a relay was away. Past it
    /// the one that has gone longest without completing a stage (TLS, upgrade) is closed for the newcomer.
    pub strangers_max: usize,
    /// The same for one address (IPv6: a /64). Default 64: a town hall behind one address. More where all clients come
    /// through one.
    pub strangers_per_address_max: usize,
    /// What a stranger may send, counted below TLS; past it the connection ends, with `too_many_bytes` where it can be told.
    pub stranger_bytes: StrangerBytes,
    /// Publishes that wait for the journal thread. Default 4,096: at 256 KiB each at the very worst 1 GiB, at a usual
    /// 2 KiB 8 MiB; past it `busy`.
    pub submissions_max: usize,
    /// Publishes a second of one credential, over all its sessions, and as many at once after a second of rest. Default
    /// [`PUBLISHES_PER_CREDENTIAL`], 50; past it `rate_limited`. The last fifth is for cancels, replacements and what is
    /// urgent.
    pub publishes_per_credential_max: u32,
    /// `chain` and `revoke` frames a second of one credential, as above. Default [`CHAINS_PER_CREDENTIAL`], 50; past it
    /// `rate_limited`. The last fifth is for revocations.
    pub chains_per_credential_max: u32,
    /// Publishes a second that the relay takes in all, and as many at once after a second of rest; past it `rate_limited`,
    /// with when there is room. The last fifth is for cancels, replacements and what is urgent. Exercises get a quarter of
    /// it together. Default none: exercises get a quarter of [`PUBLISHES`](crate::rates::PUBLISHES), 2,000, and live messages
    /// are held to the queue to the disk alone.
    pub publishes_max: Option<u32>,
    /// Signed bytes of messages that have not expired, which retention may not remove. Default
    /// [`BYTES_IN_FORCE_MAX`], 16 GiB; past it `full`. One credential may have a tenth, exercises a quarter.
    pub bytes_in_force_max: u64,
    /// What a stopping relay tells its clients to wait before they come back: the first ones; each worker tells the others
    /// to come one after another, a thousand a second, up to 10 s later. Default 2 s.
    pub retry_hint: Duration,
    /// Where to answer for the relay's health, in plain HTTP: a listener that is bound already, on loopback or a network
    /// of operators ([`health`](crate::health)). Default none.
    pub health: Option<TcpListener>,
    /// Whether to open the operators' door: a socket in the folder of the journal, for whoever runs the relay, by which
    /// `vigie trust explain --door` asks who may hear what. Default no. Where it cannot be opened the relay runs without.
    pub operators_door: bool,
    /// Time. Default: the machine's clocks.
    pub clock: Clock,
}

impl RelayConfig {
    /// A relay with the default settings.
    pub fn new(
        names: Vec<String>,
        tls_chain: Vec<CertificateDer<'static>>,
        tls_key: PrivateKeyDer<'static>,
        roots: Roots,
        journal: PathBuf,
    ) -> Self {
        Self {
            names,
            tls_chain,
            tls_key,
            client_auth: None,
            roots,
            journal,
            journal_config: JournalConfig::new(),
            relay_credential: None,
            workers: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(16)),
            origins: Vec::new(),
            unbound_passes: false,
            lifetime_max: MESSAGE_LIFETIME_MAX,
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            ring_bytes_max: RING_BYTES_MAX,
            connections_max: 10_000,
            connections_per_address_max: 5_000,
            sessions_per_key_max: SESSIONS_PER_KEY,
            login_timeout: LOGIN_TIMEOUT,
            subscriptions_max: SUBSCRIPTIONS_MAX,
            mark_interval_max: MARK_INTERVAL_MAX,
            strangers_max: 2_048,
            strangers_per_address_max: 64,
            publishes_per_credential_max: PUBLISHES_PER_CREDENTIAL,
            chains_per_credential_max: CHAINS_PER_CREDENTIAL,
            publishes_max: None,
            stranger_bytes: StrangerBytes::default(),
            submissions_max: 4_096,
            bytes_in_force_max: BYTES_IN_FORCE_MAX,
            retry_hint: Duration::from_secs(2),
            health: None,
            operators_door: false,
            clock: Clock::default(),
        }
    }
}
