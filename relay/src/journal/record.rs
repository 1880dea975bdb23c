//! Records: what the journal keeps, and how it stands in a frame.
//!
//! The journal keeps the signed bytes untouched and beside them only what is needed to find, order and expire them; it
//! verifies nothing. That was done before `append`, and its verdict stands with the record.

use std::io::Write as _;

use bytes::Bytes;
use vigie_proto::channel::{Channel, Jurisdiction};
use vigie_proto::hear::Said;
use vigie_proto::id::{CredentialId, MessageId, RevocationId, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::limits::JSON_INTEGER_MAX;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::frame::{BODY_BYTES_MAX, Frame, HEADER_BYTES, Kind};
use super::origin::ForkedFrom;

/// Before the organisations that an audience names: whether those below them are left out, length of the text.
const AUDIENCE_FIXED_BYTES: usize = 1 + 2;

/// Fields of a message before its channel: admitted, expires, id, credential, severity, length of the channel.
const MESSAGE_FIXED_BYTES: usize = 8 + 8 + 32 + 32 + 1 + 2;

/// A carried id: sequence, admitted, expires, id, credential.
const CARRIED_BYTES: usize = 8 + 8 + 8 + 32 + 32;

/// A revocation before its signed bytes: count, sequence, admitted, id, issuer.
const REVOCATION_FIXED_BYTES: usize = 8 + 8 + 8 + 32 + 32;

/// The longest channel as text: plane, flow, and eight segments of 32, with room to spare.
const CHANNEL_BYTES_MAX: usize = 300;

/// Something that the journal keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A credential, on disk before the first message that needs it.
    Credential {
        /// Its id.
        id: CredentialId,
        /// Its signed bytes.
        jws: Bytes,
    },
    /// An admitted message.
    Message(MessageRecord),
    /// An admitted revocation.
    Revocation(RevocationRecord),
    /// What must be known of a message whose segment retention removes while its id is in force.
    Carried(CarriedId),
    /// Where the log comes from, when it was imported.
    Forked(ForkedFrom),
}

/// The id of a message that the journal no longer holds, with what a receipt needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedId {
    /// The place that the message had.
    pub seq: Sequence,
    /// When it was admitted.
    pub admitted: Timestamp,
    /// When it stops to be current.
    pub expires: Timestamp,
    /// Its id.
    pub id: MessageId,
    /// The credential under which it speaks.
    pub credential: CredentialId,
}

/// An admitted revocation. It takes no place in the sequence; it stands between two messages, also when it was carried on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRecord {
    /// Counts the revocations of this log, from 1.
    pub count: u64,
    /// It holds after this place.
    pub seq: Sequence,
    /// When the relay put it in its log.
    pub admitted: Timestamp,
    /// Its id.
    pub id: RevocationId,
    /// The credential that it is signed under.
    pub issuer: CredentialId,
    /// The signed bytes, as the issuer sent them.
    pub jws: Bytes,
}

impl From<&MessageRecord> for CarriedId {
    fn from(message: &MessageRecord) -> Self {
        Self {
            seq: message.seq,
            admitted: message.admitted,
            expires: message.expires,
            id: message.id,
            credential: message.credential,
        }
    }
}

/// An admitted message, at its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// Its place: greater than that of the message before, not always by one.
    pub seq: Sequence,
    /// When the relay put it in its log: not before the message before.
    pub admitted: Timestamp,
    /// When it stops to be current, as its author signed.
    pub expires: Timestamp,
    /// Its id.
    pub id: MessageId,
    /// The credential under which it speaks.
    pub credential: CredentialId,
    /// How grave it is.
    pub severity: Severity,
    /// Where it is addressed.
    pub channel: Channel,
    /// For whom it is by name. Which label named them, the signed bytes say.
    pub audience: Audience,
    /// The signed bytes, as the author sent them.
    pub jws: Bytes,
}

impl<'r> From<&'r MessageRecord> for Said<'r> {
    fn from(record: &'r MessageRecord) -> Self {
        Self { channel: &record.channel, severity: record.severity, audience: &record.audience }
    }
}

impl Record {
    /// What it takes in the file, at most; `None` when it is larger than a frame may be.
    pub(super) fn frame_bytes_max(&self) -> Option<usize> {
        let body = match self {
            Self::Credential { jws, .. } => CredentialId::LEN + jws.len(),
            Self::Message(message) => {
                MESSAGE_FIXED_BYTES
                    + CHANNEL_BYTES_MAX
                    + audience_bytes(&message.audience)
                    + message.jws.len()
            }
            Self::Revocation(revocation) => REVOCATION_FIXED_BYTES + revocation.jws.len(),
            Self::Carried(_) => CARRIED_BYTES,
            Self::Forked(_) => ForkedFrom::BYTES,
        };
        (body <= BODY_BYTES_MAX).then_some(HEADER_BYTES + body)
    }

    /// The size of its signed bytes.
    pub(super) fn jws_bytes(&self) -> usize {
        match self {
            Self::Credential { jws, .. } => jws.len(),
            Self::Message(message) => message.jws.len(),
            Self::Revocation(revocation) => revocation.jws.len(),
            Self::Carried(_) | Self::Forked(_) => 0,
        }
    }

    /// Appends the body of its frame.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Credential { id, jws } => {
                out.extend_from_slice(id.as_bytes());
                out.extend_from_slice(jws);
            }
            Self::Message(message) => message.encode(out),
            Self::Revocation(revocation) => revocation.encode(out),
            Self::Carried(carried) => carried.encode(out),
            Self::Forked(from) => from.encode(out),
        }
    }
}

impl MessageRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.admitted.as_millis().to_le_bytes());
        out.extend_from_slice(&self.expires.as_millis().to_le_bytes());
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.credential.as_bytes());
        out.push(severity_byte(self.severity));
        let length_at = out.len();
        out.extend_from_slice(&[0, 0]);
        write!(out, "{}", self.channel).expect("a vector takes every write");
        let length = u16::try_from(out.len() - length_at - 2).expect("a channel is at most 300 bytes");
        out[length_at..length_at + 2].copy_from_slice(&length.to_le_bytes());
        if !self.audience.is_everyone() {
            encode_audience(&self.audience, out);
        }
        out.extend_from_slice(&self.jws);
    }

    /// Reads only `admitted`, which every search needs.
    pub(super) fn peek_admitted(body: &[u8]) -> Option<Timestamp> {
        body.first_chunk::<8>().map(|millis| Timestamp::from_millis(u64::from_le_bytes(*millis)))
    }

    /// Reads the frame of a message. `None` when it is none: its checksum was right, so it was written so.
    pub(super) fn decode(frame: &Frame<'_>) -> Option<Self> {
        let (admitted, rest) = frame.body.split_first_chunk::<8>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<32>()?;
        let (credential, rest) = rest.split_first_chunk::<32>()?;
        let (severity, rest) = rest.split_first()?;
        let (channel_bytes, rest) = rest.split_first_chunk::<2>()?;
        let (channel, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*channel_bytes)))?;
        let (audience, jws) = match frame.kind {
            Kind::Message => (Audience::EVERYONE, rest),
            Kind::Restricted => decode_audience(rest)?,
            Kind::Mark
            | Kind::Credential
            | Kind::Revocation
            | Kind::Carried
            | Kind::Forked
            | Kind::Backup
            | Kind::Unknown(_) => return None,
        };
        Some(Self {
            seq: Sequence::new(frame.sequence),
            admitted: Timestamp::from_millis(number(admitted)?),
            expires: Timestamp::from_millis(number(expires)?),
            id: MessageId::from_bytes(*id),
            credential: CredentialId::from_bytes(*credential),
            severity: Severity::ALL.into_iter().find(|known| severity_byte(*known) == *severity)?,
            channel: std::str::from_utf8(channel).ok()?.parse().ok()?,
            audience,
            // Copied: a small message must not keep a whole read buffer alive.
            jws: Bytes::copy_from_slice(jws),
        })
    }
}

/// What an audience takes in a record.
fn audience_bytes(audience: &Audience) -> usize {
    let names = audience.orgs().iter().map(|org| org.as_str().len() + 1).sum::<usize>();
    if audience.is_everyone() { 0 } else { AUDIENCE_FIXED_BYTES + names }
}

/// Whether those below are left out, length of the text, organisations with commas between them.
fn encode_audience(audience: &Audience, out: &mut Vec<u8>) {
    out.push(u8::from(audience.is_strict()));
    let names: Vec<_> = audience.orgs().iter().map(Jurisdiction::as_str).collect();
    let names = names.join(",");
    let length = u16::try_from(names.len()).expect("16 organisations of at most 263 bytes");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(names.as_bytes());
}

/// The audience, and what follows it.
fn decode_audience(bytes: &[u8]) -> Option<(Audience, &[u8])> {
    let (strict, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (names, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let names = std::str::from_utf8(names).ok()?.split(',').map(str::parse);
    let orgs = names.collect::<Result<Vec<Jurisdiction>, _>>().ok()?;
    let strict = match strict {
        0 => false,
        1 => true,
        _ => return None,
    };
    let audience = Audience::named(orgs.iter().cloned(), strict).ok()?;
    // One audience has one form, so that what is compared and copied is what was written.
    (audience.orgs() == orgs).then_some((audience, rest))
}

impl RevocationRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.count, self.seq.get(), self.admitted.as_millis()] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.issuer.as_bytes());
        out.extend_from_slice(&self.jws);
    }

    /// Reads the body of the frame of a revocation.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (count, rest) = body.split_first_chunk::<8>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let (admitted, rest) = rest.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<32>()?;
        let (issuer, jws) = rest.split_first_chunk::<32>()?;
        Some(Self {
            count: number(count)?,
            seq: Sequence::new(number(seq)?),
            admitted: Timestamp::from_millis(number(admitted)?),
            id: RevocationId::from_bytes(*id),
            issuer: CredentialId::from_bytes(*issuer),
            jws: Bytes::copy_from_slice(jws),
        })
    }
}

impl CarriedId {
    fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.seq.get(), self.admitted.as_millis(), self.expires.as_millis()] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(self.credential.as_bytes());
    }

    /// Reads the body of the frame of a carried id.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (seq, rest) = body.split_first_chunk::<8>()?;
        let (admitted, rest) = rest.split_first_chunk::<8>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<32>()?;
        let credential = rest.first_chunk::<32>().filter(|_| rest.len() == 32)?;
        Some(Self {
            seq: Sequence::new(number(seq)?),
            admitted: Timestamp::from_millis(number(admitted)?),
            expires: Timestamp::from_millis(number(expires)?),
            id: MessageId::from_bytes(*id),
            credential: CredentialId::from_bytes(*credential),
        })
    }
}

/// A number that can stand on the wire: more no relay has written, and it would overflow where one is added.
pub(super) fn number(bytes: &[u8; 8]) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes)).filter(|number| *number <= JSON_INTEGER_MAX)
}

/// Reads the body of a credential frame.
pub(super) fn decode_credential(body: &[u8]) -> Option<Record> {
    let (id, jws) = body.split_first_chunk::<32>()?;
    Some(Record::Credential { id: CredentialId::from_bytes(*id), jws: Bytes::copy_from_slice(jws) })
}

/// On disk since format 1: numbers are never given a new meaning.
fn severity_byte(severity: Severity) -> u8 {
    match severity {
        Severity::Minor => 1,
        Severity::Moderate => 2,
        Severity::Severe => 3,
        Severity::Extreme => 4,
    }
}

#[cfg(test)]
pub(super) mod tests;
