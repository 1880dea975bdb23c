//! Damage that a journal lives with: located, kept, told to readers as a gap and to the operator.
//!
//! Found at a start, in segments that others follow or before the last mark of the newest. The bytes stay as they are:
//! nothing is written into a damaged segment in front of its end, and retention renames it instead of removing it.

use vigie_proto::id::Sequence;

/// A part of the journal that cannot be read, though it was on disk once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedRange {
    /// File name. More segments after it may be lost as well, up to `next`.
    pub segment: String,
    /// Where in the file.
    pub offset: u64,
    /// What was found there.
    pub what: &'static str,
    /// The last sequence before it.
    pub after: Sequence,
    /// No message between `after` and this sequence can be given. Right behind `after` when only credentials or carried
    /// ids are lost.
    pub next: Sequence,
}

impl DamagedRange {
    pub(super) fn new(segment: String, offset: u64, what: &'static str, after: u64, next: u64) -> Self {
        Self { segment, offset, what, after: Sequence::new(after), next: Sequence::new(next) }
    }

    pub(super) fn up_to(self, next: u64) -> Self {
        Self { next: Sequence::new(next), ..self }
    }
}
