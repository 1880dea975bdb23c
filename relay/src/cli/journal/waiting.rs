//! The revocations of a log that is read, in the order in which they were admitted: for its export and its import.
//!
//! Retention writes what still holds behind what is there, and each is written twice; an export of several parts gives them
//! with each part. So where one stands says nothing of what it was admitted before. Its own place does.

use std::collections::{HashSet, VecDeque};

use vigie_proto::id::{RevocationId, Sequence};

use crate::cli::text::Lang;
use crate::journal::{JournalError, Met, Record, RevocationRecord, Storage, Survey};

/// Those that have not had their turn, each with the words for where it stands.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<(String, RevocationRecord)>);

impl Waiting {
    /// All of a folder, each once. A folder has at most some thousands: as many as a relay keeps in memory.
    pub(super) fn of<S: Storage>(survey: &Survey<S>, lang: Lang) -> Result<Self, JournalError> {
        let mut found = Vec::new();
        survey.walk::<JournalError>(&mut |met| {
            if let Met::Record { record: Record::Revocation(record), segment, offset, .. } = met {
                found.push((lang.record_at(lang.a_revocation(), segment, offset), record));
            }
            Ok(())
        })?;
        // The first copy stays in front of the second.
        found.sort_by_key(|(_, record)| order(record));
        let mut given = HashSet::new();
        found.retain(|(_, record)| given.insert(record.id));
        Ok(Self(found.into()))
    }

    /// Takes one more, in its turn; a copy of one that waits is passed over.
    pub(super) fn put(&mut self, place: String, record: RevocationRecord) {
        let at = self.0.partition_point(|(_, known)| order(known) < order(&record));
        if self.0.get(at).is_none_or(|(_, known)| order(known) != order(&record)) {
            self.0.insert(at, (place, record));
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The next one that holds before this place.
    pub(super) fn before(&mut self, seq: Sequence) -> Option<(String, RevocationRecord)> {
        self.0.pop_front_if(|(_, record)| record.seq < seq)
    }

    /// Those that are left hold from here on: the log that they come into ends here.
    pub(super) fn not_after(&mut self, seq: Sequence) {
        self.0.iter_mut().for_each(|(_, record)| record.seq = record.seq.min(seq));
    }
}

/// By place first: one whose issuer's chain was lost and came back was counted again, and kept its place.
fn order(record: &RevocationRecord) -> (Sequence, u64, RevocationId) {
    (record.seq, record.count, record.id)
}
