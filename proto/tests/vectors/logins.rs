//! `login.json`: log-in proofs, what a relay holds them against, and the verdicts.

use serde::Serialize;

use crate::support::{NOW, SECOND, Then, Token, WARNING, base64url, find, header, sha256};

#[derive(Serialize)]
pub(crate) struct File {
    #[serde(rename = "TEST-ONLY")]
    test_only: bool,
    warning: &'static str,
    pub(crate) tokens: Vec<Token>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Names of tokens of `credentials.json`, root first.
    pub(crate) chain: Vec<String>,
    /// Name of a token of this file.
    pub(crate) proof: String,
    pub(crate) relay_names: Vec<String>,
    /// The nonce of the connection.
    pub(crate) nonce: String,
    pub(crate) nonce_given: u64,
    pub(crate) now: u64,
    /// The relay's certificate in DER, base64url; absent when TLS ends before the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<String>,
    pub(crate) unbound_passes: bool,
    pub(crate) verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repaired: Option<String>,
}

pub(crate) const RELAY: &str = "relay.vigie.example";
/// Stands for a certificate: only its hash counts.
const CERTIFICATE: &[u8] = b"the certificate of the relay, in DER";

pub(crate) fn nonce() -> String {
    base64url(sha256(b"nonce"))
}

pub(crate) fn payload() -> String {
    payload_of(RELAY, &nonce(), &base64url(sha256(CERTIFICATE)))
}

fn payload_of(relay: &str, nonce: &str, binding: &str) -> String {
    format!(r#"{{"relay":"{relay}","nonce":"{nonce}","binding":"{binding}"}}"#)
}

pub(crate) fn build(credentials: &[Token]) -> File {
    let mut file = File { test_only: true, warning: WARNING, tokens: Vec::new(), cases: Vec::new() };
    let kid = find(credentials, "town-live").id.clone();
    let head = header(&kid, "vigie-login-live-v1");
    let good = Token::new("bound", "town-live", head.clone(), payload());
    let unbound = Token::new("unbound", "town-live", head.clone(), payload_of(RELAY, &nonce(), "none"));
    let case = |token: &Token, verdict: &str| Case {
        name: token.name.clone(),
        chain: ["root-live", "nation-live", "town-live"].map(str::to_owned).to_vec(),
        proof: token.name.clone(),
        relay_names: vec!["localhost".to_owned(), RELAY.to_owned()],
        nonce: nonce(),
        nonce_given: NOW,
        now: NOW + SECOND,
        certificate: Some(base64url(CERTIFICATE)),
        unbound_passes: false,
        verdict: verdict.to_owned(),
        repaired: (verdict != "ok").then(|| "bound".to_owned()),
    };
    circumstances(&mut file, &case(&good, "ok"), &case(&unbound, "binding_mismatch"));
    file.tokens.extend([good.clone(), unbound]);
    let stranger = base64url(sha256(b"another nonce"));
    let binding = base64url(sha256(CERTIFICATE));
    for (name, payload, verdict) in [
        ("other-nonce", payload_of(RELAY, &stranger, &binding), "proof_replayed"),
        ("other-relay", payload_of("relay.elsewhere.example", &nonce(), &binding), "wrong_relay_name"),
        ("upper-case-relay", payload_of("Relay.vigie.example", &nonce(), &binding), "wrong_relay_name"),
        ("with-port", payload_of("relay.vigie.example:8443", &nonce(), &binding), "wrong_relay_name"),
        (
            "other-certificate",
            payload_of(RELAY, &nonce(), &base64url(sha256(b"another"))),
            "binding_mismatch",
        ),
        ("unknown-member", payload().replace(r#""nonce""#, r#""extra":1,"nonce""#), "proof_invalid"),
        ("duplicate-member", payload().replace(r#""nonce""#, r#""relay":"x","nonce""#), "proof_invalid"),
        ("nonce-missing", payload_of(RELAY, "", &binding), "proof_invalid"),
    ] {
        let token = Token::new(name, "town-live", head.clone(), payload);
        file.cases.push(case(&token, verdict));
        file.tokens.push(token);
    }
    let other = find(credentials, "nation-live").id.clone();
    for (token, verdict) in [
        (Token::new("signed-by-other-key", "nation-live", head, payload()), "proof_invalid"),
        (
            Token::new("kid-of-parent", "town-live", header(&other, "vigie-login-live-v1"), payload()),
            "proof_invalid",
        ),
        (
            Token::new("typ-of-exercise", "town-live", header(&kid, "vigie-login-exercise-v1"), payload()),
            "wrong_plane",
        ),
        (
            Token::new("typ-of-message", "town-live", header(&kid, "vigie-message-live-v1"), payload()),
            "proof_invalid",
        ),
        (good.then("signature-bit", Then::Flip { part: 2, bit: 200 }), "proof_invalid"),
    ] {
        file.cases.push(case(&token, verdict));
        file.tokens.push(token);
    }
    file
}

/// The same two proofs in other circumstances.
fn circumstances(file: &mut File, bound: &Case, unbound: &Case) {
    let named = |case: &Case, name: &str, verdict: &str, repaired: Option<&str>| Case {
        name: name.to_owned(),
        verdict: verdict.to_owned(),
        repaired: repaired.map(str::to_owned),
        ..case.clone()
    };
    let late = |case: Case, by: u64| Case { now: NOW + by, ..case };
    file.cases.push(bound.clone());
    file.cases.push(late(named(bound, "after-30-s", "ok", None), 30 * SECOND));
    file.cases.push(late(named(bound, "too-late", "proof_replayed", Some("after-30-s")), 30 * SECOND + 1));
    let behind = |case: Case| Case { certificate: None, ..case };
    let allowed = |case: Case| Case { unbound_passes: true, ..case };
    file.cases.push(Case { repaired: Some("unbound-allowed".to_owned()), ..unbound.clone() });
    file.cases.push(allowed(named(unbound, "unbound-allowed", "ok", None)));
    file.cases.push(behind(allowed(named(unbound, "unbound-behind-proxy", "ok", None))));
    file.cases.push(behind(named(
        unbound,
        "unbound-behind-proxy-not-allowed",
        "binding_mismatch",
        Some("unbound-behind-proxy"),
    )));
    file.cases.push(behind(allowed(named(bound, "bound-behind-proxy", "binding_mismatch", Some("bound")))));
}
