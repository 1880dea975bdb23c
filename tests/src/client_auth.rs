//! Certificates of clients, whoever issues them, and whom he has revoked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vigie_relay::config::ClientAuth;

use crate::world::World;

const DAY: Duration = Duration::from_secs(86_400);

/// Whoever certifies clients.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Lists so far: each has the next number.
    lists: AtomicU64,
}

/// What a client shows.
#[derive(Clone, Debug)]
pub struct Certified {
    /// PEM.
    pub chain: String,
    /// PEM.
    pub key: String,
}

impl Authority {
    /// With a name of its own.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, lists: AtomicU64::new(0) }
    }

    /// A certificate with this number.
    pub fn client(&self, serial: u64) -> Certified {
        self.client_with(serial, |_| {})
    }

    /// The same, which `change` may spoil.
    pub fn client_with(&self, serial: u64, change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["console-1".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Certified { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// A revocation list of these numbers that is good until then, newer than those before.
    pub fn list_until(&self, revoked: &[u64], until: SystemTime) -> CertificateRevocationListDer<'static> {
        self.list_with(revoked, until, |_| {})
    }

    /// The same, which `change` may spoil.
    pub fn list_with(
        &self,
        revoked: &[u64],
        until: SystemTime,
        change: impl FnOnce(&mut CertificateRevocationListParams),
    ) -> CertificateRevocationListDer<'static> {
        let mut params = CertificateRevocationListParams {
            this_update: (until - 40 * DAY).into(),
            next_update: until.into(),
            crl_number: SerialNumber::from(self.lists.fetch_add(1, Ordering::Relaxed) + 1),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: (until - 40 * DAY).into(),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut params);
        params.signed_by(&self.issuer).unwrap().der().clone()
    }

    /// One that is good for 35 days.
    pub fn list(&self, revoked: &[u64]) -> CertificateRevocationListDer<'static> {
        self.list_until(revoked, SystemTime::now() + 35 * DAY)
    }

    /// What a relay is told: this authority, and whom it has revoked.
    pub fn auth(&self, revoked: &[u64]) -> ClientAuth {
        ClientAuth::new(vec![self.der()], vec![self.list(revoked)])
    }

    /// Its own certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// The same in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }
}

impl Certified {
    /// A TLS connection that shows it, and would resume if it could.
    ///
    /// # Errors
    /// The handshake failed, as far as the client is told by then.
    pub async fn connect(
        &self,
        world: &World,
        address: SocketAddr,
        resumption: &Resumption,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(world.tls_root.clone()).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.resumption = resumption.clone();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}
