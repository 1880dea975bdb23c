//! The TLS authority of a trial deployment, and the relay's certificate. The one door to rcgen's certificates.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use vigie_proto::time::Timestamp;

use crate::cli::authority::DELEGATING_LIFETIME;
use crate::cli::time::{DAY, calendar_day};

/// Files in PEM.
pub(super) struct Made {
    pub(super) ca: String,
    pub(super) ca_key: String,
    pub(super) relay: String,
    pub(super) relay_key: String,
}

/// Makes an authority for ten years, and under it a certificate for these names and addresses for 400 days.
pub(super) fn make(names: &[&str], now: Timestamp) -> Result<Made, Error> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name = common_name("Vigie trial TLS authority");
    // It may certify servers, not other authorities.
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut ca, now, now.plus(DAY.saturating_mul(3_650)));
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let ca_key_pem = ca_key.serialize_pem();
    let issuer = Issuer::new(ca, ca_key);

    let relay_key = KeyPair::generate()?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut relay = CertificateParams::new(names)?;
    relay.distinguished_name = common_name("Vigie trial relay");
    relay.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    relay.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    relay.use_authority_key_identifier_extension = true;
    valid(&mut relay, now, now.plus(DELEGATING_LIFETIME));
    Ok(Made {
        relay: relay.signed_by(&relay_key, &issuer)?.pem(),
        relay_key: relay_key.serialize_pem(),
        ca: ca_pem,
        ca_key: ca_key_pem,
    })
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// Whole days: from the day before, since a clock a little slow may already stand after midnight UTC elsewhere.
fn valid(params: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let date = |(year, month, day)| rcgen::date_time_ymd(year, month, day);
    params.not_before = date(calendar_day(from.minus(DAY)));
    params.not_after = date(calendar_day(until));
}
