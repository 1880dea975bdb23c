//! When an X.509 certificate is valid, to warn before it ends, and whose it is: all that relay, SDK and command line read of
//! one themselves. Lists of those that are revoked: `revocation_list.rs`.
//!
//! It walks (`der.rs`) the outer fields of RFC 5280, section 4.1, as far as it must and believes nothing: what is not as it
//! should be gives `None`, and no warning then. Whether a certificate is good is decided by rustls, at each client.

use crate::der::{SEQUENCE, element, expect, window};
use crate::time::Window;

/// `version`, which a certificate of version 1 lacks.
const VERSION: u8 = 0xa0;

/// From the first moment of a certificate (DER) to the one after its last; `None` when that cannot be read.
pub fn validity(der: &[u8]) -> Option<Window> {
    let (validity, _) = expect(SEQUENCE, after_issuer(der)?)?;
    window(validity).map(|(window, _)| window)
}

/// The name (DER) of whom a certificate speaks.
pub fn subject(der: &[u8]) -> Option<&[u8]> {
    let (_, fields) = expect(SEQUENCE, after_issuer(der)?)?;
    expect(SEQUENCE, fields).map(|(subject, _)| subject)
}

/// What follows the issuer of a certificate: its validity, then its subject.
fn after_issuer(der: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = expect(SEQUENCE, der)?;
    let (mut fields, _) = expect(SEQUENCE, certificate)?;
    if let Some((_, rest)) = expect(VERSION, fields) {
        fields = rest;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::{GENERALIZED_TIME, UTC_TIME};

    #[test]
    fn a_certificate_tells_its_time_and_one_that_is_cut_tells_none() {
        let wrap = |tag: u8, content: &[&[u8]]| {
            let content = content.concat();
            // The long form of a length, as any real certificate needs it.
            [vec![tag, 0x82], u16::try_from(content.len()).unwrap().to_be_bytes().to_vec(), content].concat()
        };
        let times = [wrap(UTC_TIME, &[b"260601000000Z"]), wrap(GENERALIZED_TIME, &[b"20510101000000Z"])];
        let validity_field = wrap(SEQUENCE, &[&times[0], &times[1]]);
        for version in [wrap(VERSION, &[&[2, 1, 2]]), Vec::new()] {
            let fields: [&[u8]; 5] =
                [&version, &[2, 1, 9], &wrap(SEQUENCE, &[]), &wrap(SEQUENCE, &[b"issuer"]), &validity_field];
            let der = wrap(SEQUENCE, &[&wrap(SEQUENCE, &fields)]);
            let valid = validity(&der).unwrap();
            assert_eq!(valid.from.as_millis(), 1_780_272_000_000);
            assert_eq!(valid.until.as_millis(), 2_556_144_001_000);
            for cut in 0..der.len() {
                assert_eq!(validity(&der[..cut]), None, "{cut} bytes");
            }
        }
    }
}
