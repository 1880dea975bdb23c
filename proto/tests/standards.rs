//! Figures of the RFCs that this protocol stands on, as far as they concern what can be seen from outside: RFC 8037
//! (Ed25519 in JOSE) and RFC 7638 (thumbprints). Those of RFC 8032 are beside the code that signs, in `src/key.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use vigie_proto::channel::Plane;
use vigie_proto::credential::{Claims, Credential, Role};
use vigie_proto::jws::{Kind, Token};
use vigie_proto::key::{PublicKey, SigningKey};
use vigie_proto::refusal::Code;
use vigie_proto::time::{Timestamp, Window};

/// RFC 8037, appendix A.1 and A.2.
const D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn decode<const N: usize>(text: &str) -> [u8; N] {
    URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
}

/// RFC 7638, section 3: SHA-256 over the required members, in the order of their names, without white space.
fn thumbprint(members: &[(&str, &str)]) -> String {
    let sorted: BTreeMap<&str, &str> = members.iter().copied().collect();
    URL_SAFE_NO_PAD.encode(digest(&SHA256, serde_json::to_string(&sorted).unwrap().as_bytes()))
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    // Section 3.1: an RSA key, which is none of ours; it shows that the rule above is that of the RFC.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj\
             hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ\
             vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK\
             nqDKgw";
    let rsa = thumbprint(&[("kty", "RSA"), ("n", n), ("e", "AQAB")]);
    assert_eq!(rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // RFC 8037, appendix A.3.
    let key = PublicKey::from_bytes(decode(X)).unwrap();
    assert_eq!(key.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    for seed in 1..=32 {
        let key = *SigningKey::from_seed(&[seed; 32]).unwrap().public();
        let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
        let expected = thumbprint(&[("x", &x), ("kty", "OKP"), ("crv", "Ed25519")]);
        assert_eq!(key.thumbprint().to_string(), expected);
    }
}

#[test]
fn a_key_is_written_as_in_rfc_8037() {
    let key = SigningKey::from_seed(&decode(D)).unwrap();
    assert_eq!(*key.public(), PublicKey::from_bytes(decode(X)).unwrap());
    let claims = Claims {
        subject: *key.public(),
        org: "fr".parse().unwrap(),
        name: String::new(),
        role: Role::Author,
        grants: Vec::new(),
        plane: Plane::Live,
        valid: Window { from: Timestamp::EPOCH, until: Timestamp::FAR_FUTURE },
    };
    let root = Credential::issue_root(&key, &claims).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(root.token().split('.').nth(1).unwrap()).unwrap();
    let expected = format!(r#"{{"sub":{{"crv":"Ed25519","kty":"OKP","x":"{X}"}},"#);
    assert!(payload.starts_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&payload));
}

/// Appendix A.4: a sound signature, over a header that says neither what is stated nor under whose authority.
#[test]
fn the_jws_of_rfc_8037_is_signed_well_and_no_token_of_ours() {
    let jws = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
               hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let (signed, signature) = jws.rsplit_once('.').unwrap();
    assert!(PublicKey::from_bytes(decode(X)).unwrap().verifies(signed.as_bytes(), &decode(signature)));
    for kind in [Kind::Message, Kind::Credential, Kind::Login] {
        assert_eq!(Token::parse(jws, kind).unwrap_err().code, Code::MalformedToken);
    }
}
