//! Records: what the journal keeps, and how it stands in a frame.
//!
//! The journal keeps the signed bytes untouched and beside them only what is needed to find, order and expire them; it
//! verifies nothing. That was done before `append`, and its verdict stands with the record.

use std::io::Write as _;

use bytes::Bytes;
use vigie_proto::channel::Channel;
use vigie_proto::id::{CredentialId, MessageId, RevocationId, Sequence};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::frame::{BODY_BYTES_MAX, HEADER_BYTES};
use super::origin::ForkedFrom;

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
    /// The signed bytes, as the author sent them.
    pub jws: Bytes,
}

impl Record {
    /// What it takes in the file, at most; `None` when it is larger than a frame may be.
    pub(super) fn frame_bytes_max(&self) -> Option<usize> {
        let body = match self {
            Self::Credential { jws, .. } => CredentialId::LEN + jws.len(),
            Self::Message(message) => MESSAGE_FIXED_BYTES + CHANNEL_BYTES_MAX + message.jws.len(),
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
        out.extend_from_slice(&self.jws);
    }

    /// Reads only `admitted`, which every search needs.
    pub(super) fn peek_admitted(body: &[u8]) -> Option<Timestamp> {
        body.first_chunk::<8>().map(|millis| Timestamp::from_millis(u64::from_le_bytes(*millis)))
    }

    /// Reads the body of a message frame. `None` when it is none: its checksum was right, so it was written so.
    pub(super) fn decode(sequence: u64, body: &[u8]) -> Option<Self> {
        let (admitted, rest) = body.split_first_chunk::<8>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (id, rest) = rest.split_first_chunk::<32>()?;
        let (credential, rest) = rest.split_first_chunk::<32>()?;
        let (severity, rest) = rest.split_first()?;
        let (channel_bytes, rest) = rest.split_first_chunk::<2>()?;
        let (channel, jws) = rest.split_at_checked(usize::from(u16::from_le_bytes(*channel_bytes)))?;
        Some(Self {
            seq: Sequence::new(sequence),
            admitted: Timestamp::from_millis(u64::from_le_bytes(*admitted)),
            expires: Timestamp::from_millis(u64::from_le_bytes(*expires)),
            id: MessageId::from_bytes(*id),
            credential: CredentialId::from_bytes(*credential),
            severity: Severity::ALL.into_iter().find(|known| severity_byte(*known) == *severity)?,
            channel: std::str::from_utf8(channel).ok()?.parse().ok()?,
            // Copied: a small message must not keep a whole read buffer alive.
            jws: Bytes::copy_from_slice(jws),
        })
    }
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
            count: u64::from_le_bytes(*count),
            seq: Sequence::new(u64::from_le_bytes(*seq)),
            admitted: Timestamp::from_millis(u64::from_le_bytes(*admitted)),
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
            seq: Sequence::new(u64::from_le_bytes(*seq)),
            admitted: Timestamp::from_millis(u64::from_le_bytes(*admitted)),
            expires: Timestamp::from_millis(u64::from_le_bytes(*expires)),
            id: MessageId::from_bytes(*id),
            credential: CredentialId::from_bytes(*credential),
        })
    }
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
pub(super) mod tests {
    use super::*;

    /// A message that can be told from every other by its sequence.
    pub(in super::super) fn message(seq: u64, jws_bytes: usize) -> MessageRecord {
        let mut id = [0xAB; 32];
        id[..8].copy_from_slice(&seq.to_le_bytes());
        let severity = usize::try_from(seq % 4).unwrap();
        MessageRecord {
            seq: Sequence::new(seq),
            admitted: Timestamp::from_millis(1_000 + seq * 10),
            expires: Timestamp::from_millis(100_000 + seq),
            id: MessageId::from_bytes(id),
            credential: CredentialId::from_bytes([9; 32]),
            severity: Severity::ALL[severity],
            channel: "exercise/alert/fr.idf".parse().unwrap(),
            jws: Bytes::from(vec![b'a' + u8::try_from(seq % 26).unwrap(); jws_bytes]),
        }
    }

    pub(in super::super) fn credential(number: u8) -> Record {
        Record::Credential {
            id: CredentialId::from_bytes([number; 32]),
            jws: Bytes::from(vec![b'0' + number % 10; 400]),
        }
    }

    #[test]
    fn a_message_comes_back_as_it_was() {
        for seq in 1..=4 {
            let written = message(seq, 300);
            let mut body = Vec::new();
            Record::Message(written.clone()).encode(&mut body);
            assert_eq!(MessageRecord::peek_admitted(&body), Some(written.admitted));
            assert_eq!(MessageRecord::decode(seq, &body), Some(written));
        }
    }

    #[test]
    fn a_credential_comes_back_as_it_was() {
        let mut body = Vec::new();
        credential(3).encode(&mut body);
        assert_eq!(decode_credential(&body), Some(credential(3)));
    }

    #[test]
    fn a_revocation_comes_back_as_it_was() {
        let revocation = RevocationRecord {
            count: 3,
            seq: Sequence::new(7),
            admitted: Timestamp::from_millis(1_000),
            id: RevocationId::from_bytes([4; 32]),
            issuer: CredentialId::from_bytes([5; 32]),
            jws: Bytes::from_static(b"revocation"),
        };
        let record = Record::Revocation(revocation.clone());
        let mut body = Vec::new();
        record.encode(&mut body);
        assert_eq!(record.frame_bytes_max(), Some(HEADER_BYTES + body.len()));
        assert_eq!(RevocationRecord::decode(&body), Some(revocation));
        assert_eq!(RevocationRecord::decode(&body[..REVOCATION_FIXED_BYTES - 1]), None);
    }

    #[test]
    fn a_carried_id_comes_back_as_it_was() {
        let carried = CarriedId::from(&message(7, 0));
        let mut body = Vec::new();
        Record::Carried(carried.clone()).encode(&mut body);
        assert_eq!(body.len(), CARRIED_BYTES);
        assert_eq!(CarriedId::decode(&body), Some(carried));
        assert_eq!(CarriedId::decode(&body[1..]), None);
        body.push(0);
        assert_eq!(CarriedId::decode(&body), None);
    }

    #[test]
    fn a_short_or_foreign_body_is_no_message() {
        let mut body = Vec::new();
        Record::Message(message(1, 0)).encode(&mut body);
        for cut in 0..body.len() {
            assert_eq!(MessageRecord::decode(1, &body[..cut]), None, "cut {cut}");
        }
        body[80] = 9;
        assert_eq!(MessageRecord::decode(1, &body), None, "no such severity");
    }

    #[test]
    fn the_largest_message_fits_and_a_larger_body_does_not() {
        let mut largest = message(1, vigie_proto::limits::MESSAGE_BYTES_MAX);
        let deep = format!("exercise/signal/{}", vec!["a".repeat(32); 8].join("."));
        largest.channel = deep.parse().unwrap();
        let record = Record::Message(largest);
        let mut body = Vec::new();
        record.encode(&mut body);
        assert!(record.frame_bytes_max().unwrap() >= HEADER_BYTES + body.len());
        assert_eq!(Record::Message(message(1, BODY_BYTES_MAX)).frame_bytes_max(), None);
    }
}
