//! Where a log comes from when it did not begin empty, and what marks a copy that must not be gone on with.
//!
//! Both stand in the journal as frames of kinds that older versions do not know, so that those refuse the folder and do
//! not skip what is said here. A log that was imported holds its [`ForkedFrom`] behind
//! what was imported (the last one counts, those before it are of the log that was imported); retention carries it on. A copy
//! ends in a segment that holds its [`BackupMark`]: two relays that went on from the same place under the same identity
//! would give one place of one log to two messages.

use vigie_proto::id::{LogId, Sequence};
use vigie_proto::time::Timestamp;

use super::record::number;

/// The log that this one was imported from, and how far that one had come then.
///
/// In the file 32 bytes: log, sequence, admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a log and a place in it")]
pub struct ForkedFrom {
    /// The old log.
    pub log: LogId,
    /// The last place of the old log that was imported.
    pub seq: Sequence,
    /// When that message was admitted.
    pub admitted: Timestamp,
}

/// This folder is a copy, for `import` and not for a relay to go on with.
///
/// In the file 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BackupMark {
    /// When the copy was made.
    pub(super) made: Timestamp,
}

impl ForkedFrom {
    pub(super) const BYTES: usize = 16 + 8 + 8;

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.log.as_bytes());
        out.extend_from_slice(&self.seq.get().to_le_bytes());
        out.extend_from_slice(&self.admitted.as_millis().to_le_bytes());
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (log, rest) = body.split_first_chunk::<16>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let admitted = rest.first_chunk::<8>().filter(|_| rest.len() == 8)?;
        Some(Self {
            log: LogId::from_bytes(*log),
            seq: Sequence::new(number(seq)?),
            admitted: Timestamp::from_millis(number(admitted)?),
        })
    }
}

impl BackupMark {
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.made.as_millis().to_le_bytes());
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let made = body.first_chunk::<8>().filter(|_| body.len() == 8)?;
        Some(Self { made: Timestamp::from_millis(number(made)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is() {
        let from = ForkedFrom {
            log: LogId::from_bytes([3; 16]),
            seq: Sequence::new(7),
            admitted: Timestamp::from_millis(1_000),
        };
        let mut body = Vec::new();
        from.encode(&mut body);
        assert_eq!((body.len(), ForkedFrom::decode(&body)), (ForkedFrom::BYTES, Some(from)));
        assert_eq!(ForkedFrom::decode(&body[1..]), None);
        body.push(0);
        assert_eq!(ForkedFrom::decode(&body), None);
        let mark = BackupMark { made: Timestamp::from_millis(9) };
        let mut body = Vec::new();
        mark.encode(&mut body);
        assert_eq!(BackupMark::decode(&body), Some(mark));
        assert_eq!(BackupMark::decode(&body[1..]), None);
    }
}
