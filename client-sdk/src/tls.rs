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
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// The authorities that certify the relays' TLS. Nothing of the system's is added.
#[derive(Clone)]
pub struct TlsRoots(Arc<RootCertStore>);

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

impl TlsRoots {
    /// Reads PEM (RFC 7468); what is no certificate is skipped.
    ///
    /// # Errors
    /// [`TlsRootsError`] when there is none, or one that cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsRootsError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| TlsRootsError { why: error.to_string() })?;
            store.add(certificate).map_err(|error| TlsRootsError { why: error.to_string() })?;
        }
        if store.is_empty() {
            return Err(TlsRootsError { why: "there is no certificate in it".to_owned() });
        }
        Ok(Self(Arc::new(store)))
    }

    /// What connects by TLS 1.3, trusting these authorities.
    pub(crate) fn connector(&self) -> TlsConnector {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has suites of TLS 1.3")
            .with_root_certificates(Arc::clone(&self.0))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // The log-in proof is bound to the server's certificate. A resumed handshake shows the one of the first, so
        // after a rotation the proof would be refused as if something stood in between.
        config.resumption = Resumption::disabled();
        TlsConnector::from(Arc::new(config))
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsRoots({})", self.0.len())
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
        Some(other) => other.to_string(),
        None => error.to_string(),
    }
}
