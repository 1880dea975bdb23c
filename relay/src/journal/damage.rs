//! Damage that a journal lives with: located, kept, told to readers as a gap and to the operator.
//!
//! Found at a start, in segments that others follow or before the last mark of the newest. The bytes stay as they are:
//! nothing is written into a damaged segment in front of its end, and retention renames it instead of removing it.
//! What readers meet later, while the journal is open, is kept in [`DamageMet`].

use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// Places that are kept of what readers met. A disk that rots faster than this needs no longer list to be replaced.
pub const DAMAGE_MET_MAX: usize = 256;

/// Damage that readers met since the journal was opened, each place once; kept until it is closed. Locked only when
/// damage is met and when it is shown.
#[derive(Debug, Default)]
pub struct DamageMet {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    ranges: Vec<DamagedRange>,
    left_out: bool,
}

impl DamageMet {
    pub(super) fn note(&self, met: &DamagedRange) {
        let mut places = self.places();
        let same = |known: &&mut DamagedRange| (&known.segment, known.offset) == (&met.segment, met.offset);
        if let Some(known) = places.ranges.iter_mut().find(same) {
            // Each reader tells it from where it stood; the one that came nearest knows best what is lost.
            known.after = known.after.max(met.after);
        } else if places.ranges.len() < DAMAGE_MET_MAX {
            places.ranges.push(met.clone());
        } else {
            places.left_out = true;
        }
    }

    /// What was met, in the order of meeting, [`DAMAGE_MET_MAX`] places at most; and whether there were more.
    pub fn ranges(&self) -> (Vec<DamagedRange>, bool) {
        let places = self.places();
        (places.ranges.clone(), places.left_out)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_once_and_only_so_many() {
        let met = DamageMet::default();
        let at = |offset, after| DamagedRange {
            segment: "1.seg".to_owned(),
            offset,
            what: "checksum",
            after: Sequence::new(after),
            next: Sequence::new(9),
        };
        for after in [3, 5, 4] {
            met.note(&at(100, after));
        }
        assert_eq!(met.ranges(), (vec![at(100, 5)], false));
        for offset in 0..DAMAGE_MET_MAX as u64 {
            assert!(!met.ranges().1);
            met.note(&at(1_000 + offset, 5));
        }
        let (ranges, left_out) = met.ranges();
        assert_eq!((ranges.len(), left_out), (DAMAGE_MET_MAX, true));
    }
}
