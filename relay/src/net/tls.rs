//! The relay's door to rustls: TLS 1.3 by *ring*, nothing else.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;

/// Makes the TLS configuration.
///
/// # Errors
/// The key does not fit the certificate, or one of them is of a kind that TLS 1.3 does not take.
pub(crate) fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    // The provider is always named: with two of them in a program, the default panics.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // WebSocket over HTTP/2 is not spoken here, so a client is not led to try.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Sessions last for hours: resumption would save little, and a store of 256 is of no use when thousands return.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
