//! A rotation: this root hands over to that one.
//!
//! A token of its own `typ`, signed with the private key of the root that hands over; its `kid` is that root's
//! thumbprint, by which it is pinned. It carries both public keys, so nothing else is needed to judge it. Whether the root
//! that signed it is trusted is not judged here but by [`Roots`](crate::roots::Roots), which alone acts on it.
//!
//! It has no number: what follows from several is a function of the set, whatever order they came in, so an old one put in
//! again changes nothing.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::channel::Plane;
use crate::id::{KeyId, RotationId};
use crate::json;
use crate::jws::{self, Kind, Token, Typ};
use crate::key::{Jwk, PublicKey, SigningKey};
use crate::limits::ROTATION_BYTES_MAX;
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

/// What a root states of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "who signs fills in every member; a new one is a new protocol version"
)]
pub struct Handover {
    /// The key that is a root too, for whoever trusts the one that signs.
    pub successor: PublicKey,
    /// From this moment on.
    pub from: Timestamp,
    /// When the one that signs stops being a root: nothing under it is good from this moment on. What was admitted before
    /// stays good. Absent: it goes on beside its successor, until its own credential ends.
    pub until: Option<Timestamp>,
}

/// The payload, in the order in which it is emitted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    #[serde(deserialize_with = "json::object")]
    root: Jwk,
    #[serde(deserialize_with = "json::object")]
    successor: Jwk,
    from: Timestamp,
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    ext: Option<json::Ext>,
}

impl Payload {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a payload has text keys and no failing serialiser")
    }
}

/// A rotation whose form and signature are sound. It says nothing to whoever does not trust the root that signed it.
#[derive(Clone, PartialEq, Eq)]
pub struct Rotation {
    id: RotationId,
    plane: Plane,
    root: PublicKey,
    root_id: KeyId,
    successor_id: KeyId,
    handover: Handover,
    token: Arc<str>,
}

impl Rotation {
    /// Reads a rotation and checks that the root that it names has signed it.
    ///
    /// # Errors
    /// `malformed_rotation`, `malformed_token`, `wrong_type`, `unknown_member`, `duplicate_member`, `key_refused` or
    /// `bad_signature`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let (rotation, token) = read(text)?;
        let signed = token.check_signature(&rotation.root);
        #[cfg(feature = "sabotage")]
        let signed = signed.or_else(|refusal| {
            let skipped = crate::sabotage::Sabotage::RotationSignatureSkipped.is_planted();
            if skipped { Ok(()) } else { Err(refusal) }
        });
        signed.map(|()| rotation)
    }

    /// SHA-256 of the signing input.
    pub const fn id(&self) -> RotationId {
        self.id
    }

    /// The plane on which it says something; nothing on the other one.
    pub const fn plane(&self) -> Plane {
        self.plane
    }

    /// The key of the root that hands over.
    pub const fn root(&self) -> &PublicKey {
        &self.root
    }

    /// Its thumbprint, by which it is pinned.
    pub const fn root_id(&self) -> KeyId {
        self.root_id
    }

    /// The thumbprint of the successor.
    pub const fn successor_id(&self) -> KeyId {
        self.successor_id
    }

    /// What is stated.
    pub const fn handover(&self) -> &Handover {
        &self.handover
    }

    /// The signed bytes as they were received: what is given on and kept.
    pub const fn token(&self) -> &Arc<str> {
        &self.token
    }
}

impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation")
            .field("id", &self.id)
            .field("plane", &self.plane)
            .field("root", &self.root_id)
            .field("successor", &self.successor_id)
            .field("from", &self.handover.from)
            .field("until", &self.handover.until)
            .finish_non_exhaustive()
    }
}

/// Form only: with the token, whose signature is not judged.
fn read(text: &str) -> Result<(Rotation, Token<'_>), Refusal> {
    let malformed = |detail: String| Refusal::new(Code::MalformedRotation, detail);
    if text.len() > ROTATION_BYTES_MAX {
        return Err(malformed(format!("it is larger than {ROTATION_BYTES_MAX} bytes")));
    }
    let token = Token::parse(text, Kind::Rotation)?;
    let payload: Payload =
        json::parse_signed(&token.payload).map_err(|error| error.refusal(Code::MalformedRotation))?;
    let key = |jwk: &Jwk| {
        let bytes = jwk.key_bytes().ok_or_else(|| malformed("`x` is 32 bytes in base64url".to_owned()))?;
        PublicKey::from_bytes(bytes).map_err(|_| Refusal::from(Code::KeyRefused))
    };
    let (root, successor) = (key(&payload.root)?, key(&payload.successor)?);
    let (root_id, successor_id) = (root.thumbprint(), successor.thumbprint());
    if token.kid != *root_id.as_bytes() {
        return Err(malformed("`kid` is the thumbprint of `root`".to_owned()));
    }
    if root_id == successor_id {
        return Err(malformed("`successor` is another key than `root`".to_owned()));
    }
    if payload.until.is_some_and(|until| until <= payload.from) {
        return Err(malformed("`until` is after `from`".to_owned()));
    }
    let rotation = Rotation {
        id: RotationId::from_bytes(token.id),
        plane: token.typ.plane,
        root,
        root_id,
        successor_id,
        handover: Handover { successor, from: payload.from, until: payload.until },
        token: text.into(),
    };
    Ok((rotation, token))
}

/// Signs a rotation with the key of the root that hands over; the bytes are fixed by PROTOCOL.md. What could not be read
/// back is not signed.
///
/// # Errors
/// As [`Rotation::parse`].
pub fn sign(key: &SigningKey, plane: Plane, handover: &Handover) -> Result<Rotation, Refusal> {
    let payload = Payload {
        root: Jwk::from(key.public()),
        successor: Jwk::from(&handover.successor),
        from: handover.from,
        until: handover.until,
        ext: None,
    };
    let kid = key.public().thumbprint();
    Rotation::parse(&jws::sign(key, kid.as_bytes(), Typ::new(Kind::Rotation, plane), &payload.to_bytes()))
}
