//! Who may certify the relays' TLS, and what a failed handshake means to people.
//!
//! Together with `dial` the only place that knows rustls. The provider is always given explicitly, and nothing is
//! installed for the whole process. TLS tells which relay one talks to; what a message is worth is decided by its
//! chain, never by TLS.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use vigie_proto::certificate;
use vigie_proto::time::Window;

use crate::pem;

/// The authorities that certify the relays' TLS, and what is shown to a relay that asks for a certificate in turn. Nothing
/// of the system's is added.
#[derive(Clone)]
pub struct TlsRoots {
    roots: Arc<RootCertStore>,
    client: Option<Arc<CertifiedKey>>,
}

/// The text names no usable authority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no usable TLS authority: {why}; give PEM with at least one CERTIFICATE, such as the relay's tls/ca.pem"
)]
#[non_exhaustive]
pub struct TlsRootsError {
    /// What is wrong.
    pub why: String,
}

/// A client certificate or its key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client certificate cannot be used: {why}; give PEM of the certificate and of its own key")]
#[non_exhaustive]
pub struct TlsCertificateError {
    /// What is wrong.
    pub why: String,
}

/// What does the arithmetic of TLS: *ring*, and with the feature `pq` the hybrid key exchange X25519MLKEM768 of aws-lc before
/// those of *ring*, for what is recorded today and broken in years. It is always named: with two providers in a program, the
/// default panics.
fn provider() -> Arc<CryptoProvider> {
    #[cfg_attr(not(feature = "pq"), expect(unused_mut, reason = "nothing is added"))]
    let mut provider = rustls::crypto::ring::default_provider();
    #[cfg(feature = "pq")]
    provider.kx_groups.insert(0, rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768);
    Arc::new(provider)
}

impl TlsRoots {
    /// Reads PEM (RFC 7468); what is no certificate is skipped.
    ///
    /// # Errors
    /// [`TlsRootsError`] when there is none, or one that cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsRootsError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|error| TlsRootsError { why: pem::fault(&error).to_owned() })?;
            store.add(certificate).map_err(|error| TlsRootsError { why: error.to_string() })?;
        }
        if store.is_empty() {
            return Err(TlsRootsError { why: "there is no certificate in it".to_owned() });
        }
        Ok(Self { roots: Arc::new(store), client: None })
    }

    /// Shows this certificate to relays that ask for one (mutual TLS): PEM of the client's own, then what certifies it, and
    /// PEM of its private key. One that is renewed is shown by a new client.
    ///
    /// # Errors
    /// [`TlsCertificateError`] when one cannot be read, or they do not go together.
    pub fn with_client_certificate(self, chain: &[u8], key: &[u8]) -> Result<Self, TlsCertificateError> {
        let wrong = |why: &dyn fmt::Display| TlsCertificateError { why: why.to_string() };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(&pem::fault(&error)))?;
        if chain.is_empty() {
            return Err(wrong(&"there is no certificate in it"));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| wrong(&format!("its key: {}", pem::fault(&error))))?;
        let client = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| wrong(&error))?;
        Ok(Self { client: Some(Arc::new(client)), ..self })
    }

    /// What is shown of it, in DER: the client's own certificate first. Empty where none is shown.
    pub fn client_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.client.iter().flat_map(|client| &client.cert).map(|certificate| &**certificate)
    }

    /// When what is shown is good, to warn before it ends: of the certificate that ends first. `None` where nothing is shown, or
    /// its times cannot be read.
    pub fn client_certificates_valid(&self) -> Option<Window> {
        self.client_certificates().filter_map(certificate::validity).min_by_key(|valid| valid.until)
    }

    /// What connects by TLS 1.3, trusting these authorities.
    pub(crate) fn connector(&self) -> TlsConnector {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has suites of TLS 1.3")
            .with_root_certificates(Arc::clone(&self.roots));
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(client))))
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // The log-in proof is bound to the server's certificate. A resumed handshake shows the one of the first, so
        // after a rotation the proof would be refused as if something stood in between.
        config.resumption = Resumption::disabled();
        TlsConnector::from(Arc::new(config))
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsRoots({}, client certificate: {})", self.roots.len(), self.client.is_some())
    }
}

/// What a failed handshake with `host` means: what, why, and what to do next.
pub(crate) fn explain(error: &io::Error, host: &str) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are told in rustls' own words")]
    match inner.or_else(|| error.source().and_then(|source| source.downcast_ref())) {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            // A bad signature is that of an authority that was made anew under its old name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the certificate is signed by no authority of the given TLS roots; \
                 add the authority (CA) that certified this relay, or check that it is the right relay"
                    .to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the certificate is not for {host}; dial the relay by a name in its certificate")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired; its operator must renew it, or the clock of this machine is wrong"
                    .to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet; check the clock of this machine".to_owned()
            }
            other => format!("the certificate is not acceptable: {other}"),
        },
        Some(rustls::Error::AlertReceived(alert)) => refused(*alert),
        Some(other) => other.to_string(),
        None => error.to_string(),
    }
}

/// Why the relay ended the handshake.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others have nothing to do with certificates")]
fn refused(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the relay asks for a client certificate and was shown none; get one from its operator, and name it and \
             its key in context.toml as `tls_certificate` and `tls_key`"
        }
        AlertDescription::CertificateRevoked => {
            "the relay says that the client certificate was revoked; get another one from who issued it"
        }
        AlertDescription::CertificateExpired => {
            "the relay says that the client certificate has expired or is not valid yet; have it renewed, or check \
             the clocks"
        }
        AlertDescription::UnknownCA => {
            "the relay cannot trace the client certificate to an authority whose revocation list is up to date; show \
             the one that its operator issued, or tell the operator that the list may have ended"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => {
            "the relay does not take the client certificate; get one for client authentication from its operator"
        }
        other => return rustls::Error::AlertReceived(other).to_string(),
    }
    .to_owned()
}
