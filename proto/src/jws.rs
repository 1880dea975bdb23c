//! Signed tokens: JWS in compact form (RFC 7515), Ed25519 only (RFC 8037), one profile.
//!
//! The header has exactly `alg`, `kid` and `typ`. `typ` separates kinds, planes and versions, so that a credential
//! can never be read as a message, nor an exercise as live. The key decides the algorithm, never the token. What is
//! verified and forwarded are the bytes received; nothing is ever serialised again.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::channel::Plane;
use crate::id::sha256;
use crate::json::{self, JsonError};
use crate::key::{PublicKey, SIGNATURE_BYTES, SigningKey};
use crate::refusal::{Code, Refusal};

/// What a token states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// One author's statement on one channel.
    Message,
    /// This key, of this organisation, may do this, there.
    Credential,
    /// I hold this key, now, on this connection.
    Login,
    /// A credential or key ends.
    Revocation,
    /// A root hands over to another.
    Rotation,
}

/// The `typ` of a token: kind, plane and version in one word, such as `vigie-message-live-v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "kind and plane are all that typ says; the version is the crate's"
)]
pub struct Typ {
    /// What it states.
    pub kind: Kind,
    /// Where it is valid.
    pub plane: Plane,
}

impl Typ {
    /// A type.
    pub const fn new(kind: Kind, plane: Plane) -> Self {
        Self { kind, plane }
    }

    /// The word in the header.
    pub const fn as_str(self) -> &'static str {
        match (self.kind, self.plane) {
            (Kind::Message, Plane::Live) => "vigie-message-live-v1",
            (Kind::Message, Plane::Exercise) => "vigie-message-exercise-v1",
            (Kind::Credential, Plane::Live) => "vigie-credential-live-v1",
            (Kind::Credential, Plane::Exercise) => "vigie-credential-exercise-v1",
            (Kind::Login, Plane::Live) => "vigie-login-live-v1",
            (Kind::Login, Plane::Exercise) => "vigie-login-exercise-v1",
            (Kind::Revocation, Plane::Live) => "vigie-revocation-live-v1",
            (Kind::Revocation, Plane::Exercise) => "vigie-revocation-exercise-v1",
            (Kind::Rotation, Plane::Live) => "vigie-rotation-live-v1",
            (Kind::Rotation, Plane::Exercise) => "vigie-rotation-exercise-v1",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Kind::Message, Kind::Credential, Kind::Login, Kind::Revocation, Kind::Rotation]
            .into_iter()
            .flat_map(|kind| [Plane::Live, Plane::Exercise].map(|plane| Self { kind, plane }))
            .find(|typ| typ.as_str() == text)
    }
}

impl fmt::Display for Typ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

/// A token whose form is sound and whose signature is not judged yet: it must not be believed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Token<'a> {
    /// Kind and plane it claims.
    pub typ: Typ,
    /// Which credential (or, for a root and for a rotation, which key) it claims to be signed by.
    pub kid: [u8; 32],
    /// SHA-256 over the signing input: the id of the message or credential.
    pub id: [u8; 32],
    /// The decoded payload.
    pub payload: Vec<u8>,
    signing_input: &'a str,
    signature: [u8; SIGNATURE_BYTES],
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("typ", &self.typ).finish_non_exhaustive()
    }
}

fn malformed(detail: &'static str) -> Refusal {
    Refusal::new(Code::MalformedToken, detail)
}

impl<'a> Token<'a> {
    /// Reads a token of the given kind. The caller has bounded its length.
    ///
    /// # Errors
    /// `malformed_token`, `duplicate_member`, `unknown_member` (in the header), or `wrong_type`.
    pub fn parse(text: &'a str, kind: Kind) -> Result<Self, Refusal> {
        let (signing_input, signature) =
            text.rsplit_once('.').ok_or_else(|| malformed("expected three parts"))?;
        let (header, payload) =
            signing_input.split_once('.').ok_or_else(|| malformed("expected three parts"))?;
        if payload.contains('.') {
            return Err(malformed("expected three parts"));
        }
        let decode =
            |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("not canonical base64url"));
        let header = decode(header)?;
        let (typ, kid) = read_header(&header)?;
        if typ.kind != kind {
            return Err(Refusal::new(Code::WrongType, format!("the token is a {typ}")));
        }
        let payload = decode(payload)?;
        let signature =
            decode(signature)?.try_into().map_err(|_| malformed("an Ed25519 signature has 64 bytes"))?;
        Ok(Self { typ, kid, id: sha256(signing_input.as_bytes()), payload, signing_input, signature })
    }

    /// Whether this key signed it.
    ///
    /// # Errors
    /// `bad_signature`.
    pub fn check_signature(&self, key: &PublicKey) -> Result<(), Refusal> {
        if key.verifies(self.signing_input.as_bytes(), &self.signature) {
            Ok(())
        } else {
            Err(Code::BadSignature.into())
        }
    }
}

fn read_header(bytes: &[u8]) -> Result<(Typ, [u8; 32]), Refusal> {
    let header_error = |error: JsonError| match error {
        JsonError::Duplicate(detail) => Refusal::new(Code::DuplicateMember, detail),
        JsonError::Malformed(detail) | JsonError::Shape(detail) | JsonError::Unknown(detail) => {
            Refusal::new(Code::MalformedToken, detail)
        }
    };
    json::check(bytes).map_err(header_error)?;
    // One spelling of names and values: other parsers read them without unescaping.
    if bytes.contains(&b'\\') {
        return Err(malformed("escapes in the header"));
    }
    let header: Header<'_> = serde_json::from_slice(bytes).map_err(|error| {
        let detail = error.to_string();
        let code =
            if detail.starts_with("unknown field") { Code::UnknownMember } else { Code::MalformedToken };
        Refusal::new(code, detail)
    })?;
    // `EdDSA` (RFC 8037) is what is emitted, `Ed25519` (RFC 9864) names the same algorithm.
    if !matches!(header.alg, "EdDSA" | "Ed25519") {
        return Err(malformed("`alg` is EdDSA or Ed25519"));
    }
    let typ = Typ::parse(header.typ).ok_or_else(|| Refusal::new(Code::WrongType, "unknown `typ`"))?;
    let mut kid = [0; 32];
    match URL_SAFE_NO_PAD.decode_slice(header.kid, &mut kid) {
        Ok(32) => Ok((typ, kid)),
        Ok(_) | Err(_) => Err(malformed("`kid` is 32 bytes in base64url")),
    }
}

/// Signs a payload. The bytes are fixed: header members in alphabetical order, no white space.
pub(crate) fn sign(key: &SigningKey, kid: &[u8; 32], typ: Typ, payload: &[u8]) -> String {
    let kid = URL_SAFE_NO_PAD.encode(kid);
    let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}"}}"#);
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        sign(&key, &[1; 32], Typ::new(Kind::Message, Plane::Live), b"{}")
    }

    fn with_header(header: &str) -> String {
        let token = token();
        let (_, rest) = token.split_once('.').unwrap();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
    }

    fn code(text: &str) -> Code {
        Token::parse(text, Kind::Message).unwrap_err().code
    }

    #[test]
    fn only_the_one_profile_is_read() {
        let kid = URL_SAFE_NO_PAD.encode([1; 32]);
        let typ = "vigie-message-live-v1";
        assert!(Token::parse(&token(), Kind::Message).is_ok());
        assert!(
            Token::parse(
                &with_header(&format!(r#"{{"typ":"{typ}","kid":"{kid}","alg":"Ed25519"}}"#)),
                Kind::Message
            )
            .is_ok()
        );
        for (header, expected) in [
            (format!(r#"{{"alg":"none","kid":"{kid}","typ":"{typ}"}}"#), Code::MalformedToken),
            (format!(r#"{{"alg":"eddsa","kid":"{kid}","typ":"{typ}"}}"#), Code::MalformedToken),
            (format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"{typ}"}}"#), Code::MalformedToken),
            (format!(r#"{{"alg":"EdDSA","kid":"../x","typ":"{typ}"}}"#), Code::MalformedToken),
            (format!(r#"{{"alg":"EdDSA","typ":"{typ}"}}"#), Code::MalformedToken),
            (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"JWT"}}"#), Code::WrongType),
            (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"vigie-credential-live-v1"}}"#), Code::WrongType),
            (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"vigie-revocation-live-v1"}}"#), Code::WrongType),
            (format!(r#"["EdDSA","{kid}","{typ}"]"#), Code::MalformedToken),
            (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}","crit":["exp"]}}"#), Code::UnknownMember),
            (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"{typ}","jwk":{{}}}}"#), Code::UnknownMember),
            (
                format!(r#"{{"alg":"EdDSA","alg":"EdDSA","kid":"{kid}","typ":"{typ}"}}"#),
                Code::DuplicateMember,
            ),
        ] {
            assert_eq!(code(&with_header(&header)), expected, "{header}");
        }
    }

    #[test]
    fn other_spellings_of_the_same_bytes_are_refused() {
        let good = token();
        for wrong in [
            format!("{good}="),
            format!("{good}."),
            format!(" {good}"),
            good.replacen('.', "..", 1),
            good.replace('-', "+"),
            good.rsplit_once('.').unwrap().0.to_owned(),
            // Two spare bits follow the 64 bytes of a signature: the last character is one of A, Q, g, w.
            format!("{}x", &good[..good.len() - 1]),
        ] {
            if wrong != good {
                assert_eq!(code(&wrong), Code::MalformedToken, "{wrong}");
            }
        }
    }

    #[test]
    fn the_signature_covers_header_and_payload() {
        let good = token();
        let key = *SigningKey::from_seed(&[7; 32]).unwrap().public();
        Token::parse(&good, Kind::Message).unwrap().check_signature(&key).unwrap();
        let forged = good.replacen(".e30.", ".e30K.", 1);
        assert_ne!(forged, good);
        if let Ok(token) = Token::parse(&forged, Kind::Message) {
            assert_eq!(token.check_signature(&key).unwrap_err().code, Code::BadSignature);
        }
    }
}
