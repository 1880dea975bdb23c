//! Certificates for clients of a relay that asks for them, and the list of those that were revoked.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};

/// Certificates for clients, as an operator makes them by a tool of his choice.
pub(crate) struct Clients {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Clients {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// PEM of the authority.
    pub(crate) fn authority(&self) -> String {
        self.issuer.pem()
    }

    /// PEM of the certificate number 1 and of its key. It ends within a week.
    pub(crate) fn certificate(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["console".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(1));
        let days = |days: u64| Duration::from_secs(days * 86_400);
        params.not_before = (SystemTime::now() - days(300)).into();
        params.not_after = (SystemTime::now() + days(5)).into();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(crate) fn list(&self, number: u64, revoked: &[u64]) -> String {
        let now = SystemTime::now();
        let one = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: (now - Duration::from_secs(3_600)).into(),
            next_update: (now + Duration::from_secs(90 * 86_400)).into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}
