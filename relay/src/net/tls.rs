//! The relay's door to rustls: TLS 1.3 by *ring*, nothing else; and the certificate that clients are shown, which may
//! be renewed while the relay runs. What clients must show where mutual TLS is on: `client_auth.rs`.
//!
//! A connection takes what is shown when its handshake begins and keeps it: the binding that its log-in proof must sign is
//! that of the certificate that this very client saw. So a renewal ends no session and refuses no log-in under way.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, ServerConfig};
use tokio::sync::watch;
use vigie_proto::certificate::validity;
use vigie_proto::login::Binding;
use vigie_proto::time::{Timestamp, Window};

use super::client_auth::{ClientAuth, Clients};
use crate::server::RelayError;

/// A certificate and its key, ready to be shown.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) binding: Binding,
    /// Of the certificate in the chain that ends first; `None` where that cannot be read.
    pub(crate) valid: Option<Window>,
    /// What clients must show in turn; `None` where they need not.
    pub(crate) clients: Option<Arc<Clients>>,
}

impl Shown {
    /// # Errors
    /// There is no certificate, the key does not fit it, or one of them is of a kind that TLS 1.3 does not take.
    pub(crate) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        clients: Option<Arc<Clients>>,
    ) -> Result<Self, RelayError> {
        let binding = Binding::of_certificate(chain.first().ok_or(RelayError::NoCertificate)?);
        let valid = chain.iter().filter_map(|link| validity(link)).min_by_key(|valid| valid.until);
        let certified = CertifiedKey::from_der(chain, key, &provider())?;
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        Ok(Self { config: server_config(resolver, clients.as_deref())?, binding, valid, clients })
    }

    /// The same certificate, and other clients.
    fn to_others(&self, clients: Arc<Clients>) -> Result<Self, RelayError> {
        let config = server_config(Arc::clone(&self.config.cert_resolver), Some(&clients))?;
        Ok(Self { config, clients: Some(clients), ..self.clone() })
    }
}

/// What is shown now. One lock for each handshake, held for as long as it takes to copy two pointers.
pub(crate) struct Tls {
    shown: Mutex<Shown>,
    /// Held from before a renewal reads what is shown until what it made of that is shown: of two at once, each would put
    /// back what the other had replaced.
    renewing: Mutex<()>,
    /// Names that clients dial; empty where something else shows its certificate to clients.
    names: Vec<String>,
    /// What was to take the place of what is shown could not be used.
    refused: AtomicBool,
    /// The same of what clients must show.
    clients_refused: AtomicBool,
    /// What clients must show is another now.
    clients_renewed: watch::Sender<()>,
}

impl Tls {
    pub(crate) fn new(shown: Shown, names: Vec<String>) -> Self {
        let clients_renewed = watch::Sender::new(());
        let (refused, clients_refused) = (AtomicBool::new(false), AtomicBool::new(false));
        let (shown, renewing) = (Mutex::new(shown), Mutex::new(()));
        Self { shown, renewing, names, refused, clients_refused, clients_renewed }
    }

    /// Tells from now on when clients must show something else.
    pub(crate) fn clients_renewed(&self) -> watch::Receiver<()> {
        self.clients_renewed.subscribe()
    }

    /// For a handshake that begins.
    pub(crate) fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the last renewal of either was refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed) || self.clients_refused.load(Ordering::Relaxed)
    }

    pub(crate) fn note_clients_refused(&self) {
        self.clients_refused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn note_refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Shows this from now on, or goes on with what was shown.
    ///
    /// # Errors
    /// Those of [`Shown::new`]; or clients would refuse it now, for its time or its names.
    pub(crate) fn renew(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        now: Timestamp,
    ) -> Result<Option<Window>, RelayError> {
        let _alone = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        self.note_refused();
        let named = chain.first().is_some_and(|leaf| self.names.is_empty() || self.is_for_us(leaf));
        let new = Shown::new(chain, key, self.shown().clients)?;
        if new.valid.is_some_and(|valid| !valid.contains(now)) {
            return Err(RelayError::CertificateUnfit { why: "it has ended, or its time has not come" });
        }
        if !named {
            return Err(RelayError::CertificateUnfit { why: "it is for none of the names in `names`" });
        }
        let valid = new.valid;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = new;
        self.refused.store(false, Ordering::Relaxed);
        Ok(valid)
    }

    /// Asks clients for this from now on, and has those judged again who are there; or goes on as before.
    ///
    /// # Errors
    /// Those of [`Clients::new`]; it would refuse everybody, for its time; or a revocation list is older than that in force.
    pub(crate) fn renew_clients(&self, auth: &ClientAuth, now: Timestamp) -> Result<(), RelayError> {
        let _alone = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        self.note_clients_refused();
        let clients = Clients::new(auth)?;
        let is_over = |valid: Option<Window>| valid.is_some_and(|valid| !valid.contains(now));
        if is_over(clients.authority) || is_over(clients.list) {
            let why = "an authority or a revocation list has ended, or its time has not come".to_owned();
            return Err(RelayError::ClientAuthUnfit { why });
        }
        let shown = self.shown();
        if let Some(before) = &shown.clients {
            clients.may_follow(before)?;
        }
        let new = shown.to_others(Arc::new(clients))?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = new;
        self.clients_refused.store(false, Ordering::Relaxed);
        self.clients_renewed.send_replace(());
        Ok(())
    }

    fn is_for_us(&self, leaf: &CertificateDer<'_>) -> bool {
        let Ok(leaf) = ParsedCertificate::try_from(leaf) else { return false };
        let names =
            self.names.iter().filter_map(|name| ServerName::try_from(name.trim_matches(['[', ']'])).ok());
        names.into_iter().any(|name| verify_server_name(&leaf, &name).is_ok())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("names", &self.names).finish_non_exhaustive()
    }
}

/// What does the arithmetic of TLS: *ring*, and with the feature `pq` the hybrid key exchange X25519MLKEM768 of aws-lc before
/// those of *ring*, for what is recorded today and broken in years. It is always named: with two providers in a program, the
/// default panics.
pub(super) fn provider() -> Arc<CryptoProvider> {
    #[cfg_attr(not(feature = "pq"), expect(unused_mut, reason = "nothing is added"))]
    let mut provider = rustls::crypto::ring::default_provider();
    #[cfg(feature = "pq")]
    provider.kx_groups.insert(0, rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768);
    Arc::new(provider)
}

/// Makes the TLS configuration.
fn server_config(
    certificate: Arc<dyn ResolvesServerCert>,
    clients: Option<&Clients>,
) -> Result<Arc<ServerConfig>, Error> {
    let verifier = clients.map_or_else(WebPkiClientVerifier::no_client_auth, |it| Arc::clone(&it.verifier));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certificate);
    // WebSocket over HTTP/2 is not spoken here, so a client is not led to try.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Sessions last for hours: resumption would save little, and a store of 256 is of no use when thousands return. And it
    // would take a client certificate for good that was revoked since.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
