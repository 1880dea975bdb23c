//! The revocations of a folder, in the order in which they were admitted.
//!
//! Retention writes what still holds behind what is there, and each is written twice: so where one stands in the files
//! says nothing of what it was admitted before. Its own place does.

use std::collections::VecDeque;

use vigie_proto::id::Sequence;

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
        found.sort_by_key(|(_, record)| (record.count, record.id));
        found.dedup_by(|(_, copy), (_, first)| copy.count == first.count && copy.id == first.id);
        Ok(Self(found.into()))
    }

    /// The next one that holds before this place.
    pub(super) fn before(&mut self, seq: Sequence) -> Option<(String, RevocationRecord)> {
        self.0.pop_front_if(|(_, record)| record.seq < seq)
    }
}
