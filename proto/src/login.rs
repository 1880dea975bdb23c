//! The log-in proof: I hold this key, now, on this connection, and I meant to dial this relay.
//!
//! The relay sends a nonce; the client signs the relay's name as it dialled it, the nonce, its credential (`kid`) and
//! a binding to the TLS certificate that it saw. So a proof is of no use on another connection, at another relay, or
//! through something in the middle with another certificate. No client clock is involved.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::chain::Chain;
use crate::id::{CredentialId, Nonce, sha256};
use crate::json::{self, JsonError};
use crate::jws::{self, Kind, Token, Typ};
use crate::key::SigningKey;
use crate::limits::NONCE_LIFETIME;
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

/// What ties a proof to the TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "bound or not; the relay's setting says whether `none` passes")]
pub enum Binding {
    /// SHA-256 of the server's certificate (DER) as the client saw it.
    Certificate([u8; 32]),
    /// TLS ends somewhere before the relay. Passes only where the relay's operator allows it.
    None,
}

impl Binding {
    /// Binds to a certificate, given in DER.
    pub fn of_certificate(der: &[u8]) -> Self {
        Self::Certificate(sha256(der))
    }

    fn to_text(self) -> String {
        match self {
            Self::Certificate(hash) => URL_SAFE_NO_PAD.encode(hash),
            Self::None => "none".to_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    relay: String,
    nonce: Nonce,
    binding: String,
}

/// What a relay holds a proof against.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what is compared is what is signed")]
pub struct Expected<'a> {
    /// The names that the relay answers to.
    pub relay_names: &'a [String],
    /// The nonce of this connection, not used before.
    pub nonce: Nonce,
    /// When the nonce was given, or earlier.
    pub nonce_given: Timestamp,
    /// The binding of this connection.
    pub binding: Binding,
    /// Whether a proof without binding passes.
    pub unbound_passes: bool,
}

/// Signs a proof. `relay` is the host name or address as dialled, in lower case, without the port.
pub fn sign(
    key: &SigningKey,
    chain_leaf: CredentialId,
    plane: crate::channel::Plane,
    relay: &str,
    nonce: Nonce,
    binding: Binding,
) -> String {
    let payload = Payload { relay: relay.to_owned(), nonce, binding: binding.to_text() };
    let bytes = serde_json::to_vec(&payload).expect("a payload has text keys and no failing serialiser");
    jws::sign(key, chain_leaf.as_bytes(), Typ::new(Kind::Login, plane), &bytes)
}

/// Judges a proof under a chain that was found good. The signature is the last thing looked at.
///
/// # Errors
/// `proof_invalid`, `wrong_plane`, `proof_replayed`, `wrong_relay_name` or `binding_mismatch`.
pub fn check(proof: &str, chain: &Chain, expected: &Expected<'_>, now: Timestamp) -> Result<(), Refusal> {
    let invalid = |detail: String| Refusal::new(Code::ProofInvalid, detail);
    let token = Token::parse(proof, Kind::Login).map_err(|refusal| invalid(refusal.to_string()))?;
    if token.typ.plane != chain.plane() {
        return Err(Refusal::new(Code::WrongPlane, "the proof and the credential differ"));
    }
    if token.kid != *chain.leaf().id().as_bytes() {
        return Err(invalid("`kid` is not the last credential of the chain".to_owned()));
    }
    let payload: Payload = json::parse_signed(&token.payload).map_err(|error| match error {
        JsonError::Malformed(detail)
        | JsonError::Duplicate(detail)
        | JsonError::Unknown(detail)
        | JsonError::Shape(detail) => invalid(detail),
    })?;
    let nonce = payload.nonce;
    #[cfg(feature = "sabotage")]
    let nonce =
        if crate::sabotage::Sabotage::LoginProofNonceReused.is_planted() { expected.nonce } else { nonce };
    if nonce != expected.nonce || now.since(expected.nonce_given) > NONCE_LIFETIME {
        return Err(Code::ProofReplayed.into());
    }
    if !expected.relay_names.contains(&payload.relay) {
        return Err(Code::WrongRelayName.into());
    }
    let passes = if payload.binding == Binding::None.to_text() {
        // Asked first: a relay that knows no certificate must not take `none` for a match.
        expected.unbound_passes
    } else {
        payload.binding == expected.binding.to_text()
    };
    if !passes {
        return Err(Code::BindingMismatch.into());
    }
    token.check_signature(chain.key()).map_err(|_| Code::ProofInvalid.into())
}
