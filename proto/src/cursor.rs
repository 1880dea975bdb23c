//! A cursor: all that concerns me up to here was given to me. Opaque to applications.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::id::{LogId, Sequence};
use crate::limits::JSON_INTEGER_MAX;
use crate::time::Timestamp;

/// A place in a log, with the time of admission there, so that it still means something in another log.
///
/// As text: base64url of version (1 byte, value 1), log (16), sequence (8, big-endian) and admitted (8, big-endian).
/// Both numbers are at most 2^53 − 1, as in frames; at sequence 0 nothing was admitted, so `admitted` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "these three are the cursor")]
pub struct Cursor {
    /// Which log.
    pub log: LogId,
    /// Up to and with this sequence.
    pub seq: Sequence,
    /// When the message at `seq` was admitted; the epoch at the place before the first.
    pub admitted: Timestamp,
}

const VERSION: u8 = 1;
const BYTES: usize = 1 + LogId::LEN + 8 + 8;

/// The text is no cursor of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor that a relay gave")]
#[non_exhaustive]
pub struct MalformedCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; BYTES];
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(self.log.as_bytes());
        bytes[17..25].copy_from_slice(&self.seq.get().to_be_bytes());
        bytes[25..].copy_from_slice(&self.admitted.as_millis().to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = MalformedCursor;

    fn from_str(text: &str) -> Result<Self, MalformedCursor> {
        let mut bytes = [0; BYTES];
        if !matches!(URL_SAFE_NO_PAD.decode_slice(text, &mut bytes), Ok(BYTES)) || bytes[0] != VERSION {
            return Err(MalformedCursor);
        }
        let log = bytes[1..17].try_into().map_err(|_| MalformedCursor)?;
        let number = |range: std::ops::Range<usize>| -> Result<u64, MalformedCursor> {
            Ok(u64::from_be_bytes(bytes[range].try_into().map_err(|_| MalformedCursor)?))
        };
        let (seq, admitted) = (number(17..25)?, number(25..33)?);
        // The place before the first message has one spelling, whatever log it is in.
        let is_place = seq <= JSON_INTEGER_MAX && admitted <= JSON_INTEGER_MAX && (seq > 0 || admitted == 0);
        if !is_place {
            return Err(MalformedCursor);
        }
        let (seq, admitted) = (Sequence::new(seq), Timestamp::from_millis(admitted));
        Ok(Self { log: LogId::from_bytes(log), seq, admitted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = Cursor {
            log: LogId::from_bytes([9; 16]),
            seq: Sequence::new(JSON_INTEGER_MAX),
            admitted: Timestamp::from_millis(1_763_766_000_123),
        };
        let text = cursor.to_string();
        assert_eq!(text.parse(), Ok(cursor));
        for wrong in [String::new(), "0".to_owned(), format!("{text}A"), text.replacen("AQ", "Ag", 1)] {
            assert_eq!(wrong.parse::<Cursor>(), Err(MalformedCursor), "{wrong}");
        }
    }
}
