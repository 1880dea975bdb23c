//! `admit`: whether a verified message enters the log, at this moment. At the entry only, once per log.
//!
//! Called by the relay's journal thread, which alone decides order, with `admitted` as now. Its verdict stands with
//! the record and is never asked for again.

use crate::id::{MessageId, Sequence};
use crate::refusal::{Code, Refusal};
use crate::revocation::{Revocations, VerifiedRevocation};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::time::Timestamp;
use crate::verify::VerifiedMessage;

/// Where and when a message entered the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a place in a log and its time")]
pub struct Stored {
    /// Its position.
    pub seq: Sequence,
    /// The relay's time then.
    pub admitted: Timestamp,
}

/// The ids that are in the log, or earlier in the batch that is being decided.
pub trait KnownIds {
    /// Where this message is, if it is.
    fn find(&self, id: &MessageId) -> Option<Stored>;
}

/// What `admit` decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a message is in the log, or it is new")]
pub enum Admission {
    /// It is in the log already: the first receipt stands, whatever has expired since.
    Known(Stored),
    /// It takes the next sequence.
    Fresh,
}

/// Every refusal that [`admit`] can give: the rows of the table of entries in PROTOCOL.md. A test goes through times,
/// windows, roots that hand over and revocations, and holds it against what comes out and against the codes that are written
/// in what `admit` asks.
pub const REFUSALS: [Code; 6] = [
    Code::Revoked,
    Code::SentInFuture,
    Code::Expired,
    Code::RootEnded,
    Code::CredentialNotYetValid,
    Code::CredentialExpired,
];

/// Every refusal that [`admit_revocation`] can give, as [`REFUSALS`].
pub const REVOCATION_REFUSALS: [Code; 5] = [
    Code::Revoked,
    Code::SentInFuture,
    Code::RootEnded,
    Code::CredentialNotYetValid,
    Code::CredentialExpired,
];

/// Decides on one message. A revocation that stands before it in the log ends its chain, whatever `sent` says.
///
/// # Errors
/// One of [`REFUSALS`]: `revoked`, by the credential that is; `sent_in_future`, `expired`, `root_ended`,
/// `credential_not_yet_valid` or `credential_expired`, at `admitted`.
pub fn admit(
    message: &VerifiedMessage,
    admitted: Timestamp,
    known: &dyn KnownIds,
    revocations: &Revocations,
) -> Result<Admission, Refusal> {
    if let Some(stored) = known.find(&message.id()) {
        return Ok(Admission::Known(stored));
    }
    let revoked = revocations.revoked(message.chain());
    #[cfg(feature = "sabotage")]
    let revoked = revoked.filter(|revoked| {
        let is_late = message.message().sent >= revoked.from();
        !Sabotage::RevocationCheckedAtTheDoorOnly.is_planted()
            && (is_late || !Sabotage::SentTrustedInRevocation.is_planted())
    });
    if let Some(revoked) = revoked {
        return Err(revoked.refusal());
    }
    message.judge_admitted(admitted)?;
    Ok(Admission::Fresh)
}

/// What [`admit_revocation`] decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a revocation is in the log, or it is new")]
pub enum RevocationAdmission {
    /// It is in the log already: the first answer stands.
    Known,
    /// It holds from here on.
    Fresh,
}

/// Decides on one revocation. Whom it meets is judged where it is applied. Revocations only ever add, so in which order those
/// of one issuer come makes no difference, and their numbers refuse nothing.
///
/// Whoever is revoked already by himself, or whose root gave itself up, may still [give up](VerifiedRevocation::is_own) what
/// he holds, from earlier on than it is ended: so a thief who ended a stolen key from a later moment does not keep its
/// holder from disowning what came before. Where somebody above has ended him, that one's moment stands: a thief does not
/// disown what his victim said before it.
///
/// # Errors
/// One of [`REVOCATION_REFUSALS`]: `revoked` when its issuer is; `sent_in_future`, `root_ended` (but for what is its issuer's
/// own), `credential_not_yet_valid` or `credential_expired`, at `admitted`.
pub fn admit_revocation(
    verified: &VerifiedRevocation,
    admitted: Timestamp,
    revocations: &Revocations,
) -> Result<RevocationAdmission, Refusal> {
    let revocation = verified.revocation();
    if revocations.contains(revocation) {
        return Ok(RevocationAdmission::Known);
    }
    let chain = verified.chain();
    let forbidden = if verified.is_own() {
        revocations.forbids_own(chain, revocation.statement().from)
    } else {
        revocations.revoked(chain)
    };
    if let Some(revoked) = forbidden {
        return Err(revoked.refusal());
    }
    verified.judge_admitted(admitted)?;
    Ok(RevocationAdmission::Fresh)
}
