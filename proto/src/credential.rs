//! A credential: this key, of this organisation, may do this, there, up to that severity, until then.
//!
//! It is a token of its own `typ`. Its issuer is named by `kid` and again by `parent`; a root has no parent and its
//! `kid` is the thumbprint of its own key. What a credential may claim is judged against the one above it, in
//! [`crate::chain`].

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::channel::{Flow, Jurisdiction, Plane};
use crate::id::{CredentialId, KeyId};
use crate::json;
use crate::jws::{self, Kind, Token, Typ};
use crate::key::{Jwk, PublicKey, SigningKey};
use crate::limits::{CREDENTIAL_BYTES_MAX, GRANTS_MAX, NAME_BYTES_MAX};
use crate::refusal::{Code, Refusal};
use crate::severity::Severity;
use crate::time::{Timestamp, Window};

/// What its holder is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Publishes, subscribes, or issues credentials.
    #[default]
    Author,
    /// Runs a relay. It neither publishes nor logs in, until relays federate.
    Relay,
}

impl Role {
    fn is_author(&self) -> bool {
        *self == Self::Author
    }
}

/// One right: a flow in a subtree of the territories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a grant is these dimensions; a new one is a new protocol version"
)]
pub struct Grant {
    /// Alerts or signals.
    #[serde(deserialize_with = "json::word")]
    pub flow: Flow,
    /// The place, and all below it.
    pub at: Jurisdiction,
    /// May publish, up to this severity. Absent: may not.
    #[serde(default, deserialize_with = "json::present_word", skip_serializing_if = "Option::is_none")]
    pub publish: Option<Severity>,
    /// May subscribe at any place of the subtree, and hear what is heard there. Default: may not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub subscribe: bool,
    /// How many levels of credentials may stand below on this grant. Default 0: it cannot be passed on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delegate: u8,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u8) -> bool {
    *value == 0
}

impl Grant {
    /// Whether this grant, held by an issuer, lets it issue `child`: no wider in any dimension, one level less deep.
    pub fn covers(&self, child: &Self) -> bool {
        #[cfg(feature = "sabotage")]
        let child = &crate::sabotage::narrowed(child, self);
        self.flow == child.flow
            && self.at.contains(&child.at)
            && child.publish <= self.publish
            && child.subscribe <= self.subscribe
            && self.delegate.checked_sub(1).is_some_and(|left| child.delegate <= left)
    }
}

/// What a credential says, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "issuers fill in every member; a new one is a new protocol version"
)]
pub struct Claims {
    /// The key that is spoken of.
    pub subject: PublicKey,
    /// The organisation of its holder, a dotted id below that of the issuer.
    pub org: Jurisdiction,
    /// Free text for people, at most 64 bytes. Never shown without organisation and place.
    pub name: String,
    /// Author or relay.
    pub role: Role,
    /// The rights, at most 16.
    pub grants: Vec<Grant>,
    /// The one plane it is good for.
    pub plane: Plane,
    /// When it is good.
    pub valid: Window,
}

/// The payload, in the order in which it is emitted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    #[serde(deserialize_with = "json::object")]
    sub: Jwk,
    org: Jurisdiction,
    name: String,
    #[serde(default, deserialize_with = "json::word", skip_serializing_if = "Role::is_author")]
    role: Role,
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    parent: Option<CredentialId>,
    #[serde(deserialize_with = "json::objects")]
    grants: Vec<Grant>,
    #[serde(deserialize_with = "json::word")]
    plane: Plane,
    not_before: Timestamp,
    expires: Timestamp,
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    ext: Option<json::Ext>,
}

impl Payload {
    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a payload has text keys and no failing serialiser")
    }
}

/// Who issued a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a credential is a root or has a parent")]
pub enum Issuer {
    /// Its own key: it is a root.
    Itself(KeyId),
    /// The holder of this credential.
    Parent(CredentialId),
}

/// A credential whose form is sound. Believe it only as a link of a [`crate::chain::Chain`].
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    id: CredentialId,
    /// The thumbprint of the subject's key, which revocations name it by.
    key_id: KeyId,
    issuer: Issuer,
    claims: Claims,
    token: Arc<str>,
}

impl Credential {
    /// Reads a credential; its signature is not judged.
    ///
    /// # Errors
    /// `credential_too_large`, `malformed_token`, `wrong_type`, `malformed_credential`, `unknown_member`,
    /// `duplicate_member`, `key_refused` or `wrong_plane`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > CREDENTIAL_BYTES_MAX {
            return Err(Code::CredentialTooLarge.into());
        }
        let token = Token::parse(text, Kind::Credential)?;
        Self::from_token(&token, text)
    }

    pub(crate) fn from_token(token: &Token<'_>, text: &str) -> Result<Self, Refusal> {
        let id = CredentialId::from_bytes(token.id);
        let payload: Payload = json::parse_signed(&token.payload)
            .map_err(|error| error.refusal(Code::MalformedCredential).by(id))?;
        let malformed = |detail: &'static str| Refusal::new(Code::MalformedCredential, detail).by(id);
        let key = payload.sub.key_bytes().ok_or_else(|| malformed("`sub.x` is 32 bytes in base64url"))?;
        if payload.plane != token.typ.plane {
            return Err(Refusal::new(Code::WrongPlane, "`typ` and `plane` of the credential differ").by(id));
        }
        let subject = PublicKey::from_bytes(key).map_err(|_| Refusal::from(Code::KeyRefused).by(id))?;
        let key_id = subject.thumbprint();
        let issuer = match payload.parent {
            None if token.kid == *key_id.as_bytes() => Issuer::Itself(key_id),
            None => {
                return Err(malformed("without `parent` it is a root, whose `kid` is its own thumbprint"));
            }
            Some(parent) if token.kid == *parent.as_bytes() => Issuer::Parent(parent),
            Some(_) => return Err(malformed("`parent` and `kid` differ")),
        };
        if payload.name.len() > NAME_BYTES_MAX {
            return Err(malformed("`name` has more than 64 bytes"));
        }
        if payload.grants.len() > GRANTS_MAX {
            return Err(malformed("more than 16 grants"));
        }
        let claims = Claims {
            subject,
            org: payload.org,
            name: payload.name,
            role: payload.role,
            grants: payload.grants,
            plane: payload.plane,
            valid: Window { from: payload.not_before, until: payload.expires },
        };
        Ok(Self { id, key_id, issuer, claims, token: text.into() })
    }

    /// Signs a root: a credential that stands on its own key.
    ///
    /// # Errors
    /// `bad_signature` when the claims speak of another key; else as [`Credential::parse`]: what could not be read
    /// back is not issued.
    pub fn issue_root(key: &SigningKey, claims: &Claims) -> Result<Self, Refusal> {
        if key.public() != &claims.subject {
            return Err(Refusal::new(Code::BadSignature, "a root is signed by the key that it speaks of"));
        }
        Self::issue(key, claims, None)
    }

    /// Signs a credential below `parent`, with the key that `parent` speaks of. Whether it fits inside the parent is
    /// judged when the chain is; see [`crate::chain::Chain::extend`] for both at once.
    ///
    /// # Errors
    /// As [`Credential::parse`]: what could not be read back is not issued.
    pub fn issue_below(key: &SigningKey, claims: &Claims, parent: &Self) -> Result<Self, Refusal> {
        Self::issue(key, claims, Some(parent.id))
    }

    fn issue(key: &SigningKey, claims: &Claims, parent: Option<CredentialId>) -> Result<Self, Refusal> {
        let payload = Payload {
            sub: Jwk::from(&claims.subject),
            org: claims.org.clone(),
            name: claims.name.clone(),
            role: claims.role,
            parent,
            grants: claims.grants.clone(),
            plane: claims.plane,
            not_before: claims.valid.from,
            expires: claims.valid.until,
            ext: None,
        };
        let bytes = payload.to_bytes();
        let kid = parent.map_or_else(|| *claims.subject.thumbprint().as_bytes(), |id| *id.as_bytes());
        Self::parse(&jws::sign(key, &kid, Typ::new(Kind::Credential, claims.plane), &bytes))
    }

    /// SHA-256 of the signing input.
    pub const fn id(&self) -> CredentialId {
        self.id
    }

    /// The thumbprint of the key that it speaks of.
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Who issued it.
    pub const fn issuer(&self) -> Issuer {
        self.issuer
    }

    /// What it says.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The signed bytes as they were received: what is forwarded and kept.
    pub const fn token(&self) -> &Arc<str> {
        &self.token
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}
