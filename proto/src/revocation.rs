//! A revocation: this credential, or this key, ends.
//!
//! A token of its own `typ`, signed under the issuer's credential. Whether the issuer may is judged where it is applied:
//! a revocation meets a chain when one of the links is its target, and the issuer's key is that of this link or of one
//! above it in the same chain. So a chain and a revocation are all that is needed, and nobody can revoke beside or above
//! himself: such a statement meets nothing.
//!
//! The order of the log decides, never `sent`: after a revocation nothing under a chain that it meets is admitted. What
//! was admitted before `from` stays valid; what was admitted since is disowned by readers.

mod in_force;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chain::{Chain, Roots};
use crate::channel::Plane;
use crate::credential::Credential;
use crate::id::{CredentialId, KeyId, RevocationId};
use crate::json;
use crate::jws::{self, Kind, Token, Typ};
use crate::key::SigningKey;
use crate::limits::{CLOCK_SKEW_MAX, JSON_INTEGER_MAX, REVOCATION_BYTES_MAX};
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

pub use in_force::{InForce, KnownRevocations, Revocations, Revoked};

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a chain is made of credentials and their keys")]
pub enum Target {
    /// This credential, and all below it.
    Credential(CredentialId),
    /// Every credential that speaks of this key, as far as the issuer stands above it or holds the key itself.
    Key(KeyId),
}

/// Why, in the words of RFC 5280, section 5.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Reason {
    /// Somebody else has the private key, or may have it.
    KeyCompromise,
    /// What the credential says of its holder is not so any more.
    AffiliationChanged,
    /// Another credential takes its place.
    Superseded,
    /// It is not needed any more.
    CessationOfOperation,
    /// What it grants was taken back.
    PrivilegeWithdrawn,
}

impl Reason {
    /// All of them, in the order of RFC 5280.
    pub const ALL: [Self; 5] = [
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The word of the standard and of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyCompromise => "keyCompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What an issuer states.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "issuers fill in every member; a new one is a new protocol version"
)]
pub struct Statement {
    /// What ends.
    pub target: Target,
    /// Since when it is not to be believed: what was admitted from this moment on is disowned. At most 120 s after the
    /// revocation is admitted; as far back as the issuer wants.
    pub from: Timestamp,
    /// Counts the revocations under one credential, from 1; up to 2^53 − 1. It lets people see that one is missing, and
    /// refuses nothing: machines without a network that sign under the same credential count each for itself.
    pub number: u64,
    /// Why, for people.
    pub reason: Option<Reason>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetMember {
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    credential: Option<CredentialId>,
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    key: Option<KeyId>,
}

/// The payload, in the order in which it is emitted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    #[serde(deserialize_with = "json::object")]
    target: TargetMember,
    from: Timestamp,
    number: u64,
    #[serde(default, deserialize_with = "json::present_word", skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    ext: Option<json::Ext>,
}

/// A revocation whose form is sound. Believe it only once [`verify`] has.
#[derive(Clone, PartialEq, Eq)]
pub struct Revocation {
    id: RevocationId,
    issuer: CredentialId,
    plane: Plane,
    statement: Statement,
    token: Arc<str>,
}

impl Revocation {
    /// Reads a revocation; its signature is not judged.
    ///
    /// # Errors
    /// `malformed_revocation`, `malformed_token`, `wrong_type`, `unknown_member` or `duplicate_member`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        parse(text).map(|(revocation, _)| revocation)
    }

    /// SHA-256 of the signing input.
    pub const fn id(&self) -> RevocationId {
        self.id
    }

    /// The credential that it is signed under.
    pub const fn issuer(&self) -> CredentialId {
        self.issuer
    }

    /// The plane of its issuer; it says nothing on the other one.
    pub const fn plane(&self) -> Plane {
        self.plane
    }

    /// What it states.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The signed bytes as they were received: what is forwarded and kept.
    pub const fn token(&self) -> &Arc<str> {
        &self.token
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation")
            .field("id", &self.id)
            .field("issuer", &self.issuer)
            .field("statement", &self.statement)
            .finish_non_exhaustive()
    }
}

fn parse(text: &str) -> Result<(Revocation, Token<'_>), Refusal> {
    let malformed = |detail: String| Refusal::new(Code::MalformedRevocation, detail);
    if text.len() > REVOCATION_BYTES_MAX {
        return Err(malformed(format!("it is larger than {REVOCATION_BYTES_MAX} bytes")));
    }
    let token = Token::parse(text, Kind::Revocation)?;
    let payload: Payload =
        json::parse_signed(&token.payload).map_err(|error| error.refusal(Code::MalformedRevocation))?;
    let target = match (payload.target.credential, payload.target.key) {
        (Some(credential), None) => Target::Credential(credential),
        (None, Some(key)) => Target::Key(key),
        (None, None) | (Some(_), Some(_)) => {
            return Err(malformed("`target` names one credential or one key".to_owned()));
        }
    };
    if payload.number == 0 {
        return Err(malformed("`number` counts from 1".to_owned()));
    }
    let revocation = Revocation {
        id: RevocationId::from_bytes(token.id),
        issuer: CredentialId::from_bytes(token.kid),
        plane: token.typ.plane,
        statement: Statement { target, from: payload.from, number: payload.number, reason: payload.reason },
        token: text.into(),
    };
    Ok((revocation, token))
}

/// Signs a revocation under a credential; the bytes are fixed by PROTOCOL.md. The caller gives the private key that the
/// credential speaks of; [`verify`] tells whether it is.
pub fn sign(key: &SigningKey, issuer: &Credential, statement: &Statement) -> String {
    let target = match statement.target {
        Target::Credential(id) => TargetMember { credential: Some(id), key: None },
        Target::Key(id) => TargetMember { credential: None, key: Some(id) },
    };
    let payload = Payload {
        target,
        from: statement.from,
        number: statement.number.min(JSON_INTEGER_MAX),
        reason: statement.reason,
        ext: None,
    };
    let bytes = serde_json::to_vec(&payload).expect("a payload has text keys and no failing serialiser");
    jws::sign(key, issuer.id().as_bytes(), Typ::new(Kind::Revocation, issuer.claims().plane), &bytes)
}

/// Reads which credential a revocation claims to be signed under, so that its chain can be found. Nothing is believed.
///
/// # Errors
/// As [`Revocation::parse`].
pub fn claimed_issuer(token: &str) -> Result<CredentialId, Refusal> {
    Revocation::parse(token).map(|revocation| revocation.issuer)
}

/// A revocation whose form and signature were found good under its issuer's chain, by [`verify`] only.
#[derive(Clone, Debug)]
pub struct VerifiedRevocation {
    revocation: Arc<Revocation>,
    chain: Arc<Chain>,
}

impl VerifiedRevocation {
    /// What was verified.
    pub const fn revocation(&self) -> &Arc<Revocation> {
        &self.revocation
    }

    /// The chain of its issuer.
    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// The same as its issuer is trusted by other roots. No signature is checked again.
    ///
    /// # Errors
    /// `unknown_root`.
    pub fn under(&self, roots: &Roots) -> Result<Self, Refusal> {
        let chain = Arc::new(self.chain.under(roots)?);
        Ok(Self { revocation: Arc::clone(&self.revocation), chain })
    }

    /// Whether its issuer gives up what it is signed under: this credential, or its key.
    pub fn is_own(&self) -> bool {
        let leaf = self.chain.leaf();
        match self.revocation.statement.target {
            Target::Credential(id) => leaf.id() == id,
            Target::Key(key) => leaf.key_id() == key,
        }
    }

    /// Whether it may be (or may have been) admitted at this moment. What is one's [own](Self::is_own) is given up after
    /// the root has handed over too: nobody else can take back what a thief said under it.
    ///
    /// # Errors
    /// `sent_in_future` when `from` lies more than 120 s ahead; `root_ended`, `credential_not_yet_valid` or
    /// `credential_expired`, of its issuer's chain.
    pub fn judge_admitted(&self, admitted: Timestamp) -> Result<(), Refusal> {
        if admitted < self.revocation.statement.from.minus(CLOCK_SKEW_MAX) {
            return Err(Refusal::new(Code::SentInFuture, "`from` of the revocation"));
        }
        if self.is_own() { self.chain.judge_but_root_end(admitted) } else { self.chain.judge(admitted) }
    }
}

/// Judges a revocation under the chain of its issuer.
///
/// # Errors
/// What is wrong first: form (as [`Revocation::parse`]), `unknown_credential`, `wrong_plane`, `bad_signature`.
pub fn verify(token: &str, chain: &Arc<Chain>) -> Result<VerifiedRevocation, Refusal> {
    let (revocation, parsed) = parse(token)?;
    let leaf = chain.leaf();
    if revocation.issuer != leaf.id() {
        return Err(Code::UnknownCredential.into());
    }
    if revocation.plane != chain.plane() {
        return Err(Refusal::new(Code::WrongPlane, "`typ` and credential differ").by(leaf.id()));
    }
    parsed.check_signature(chain.key())?;
    Ok(VerifiedRevocation { revocation: Arc::new(revocation), chain: Arc::clone(chain) })
}
