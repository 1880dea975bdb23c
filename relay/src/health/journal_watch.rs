//! The journal thread's side of its gauge: what it counts, and how often it looks at what is dearer to know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Gauge, JournalNumbers};
use crate::journal::{DirStorage, Storage};
use crate::sequencer::{Committed, Sequencer};

/// How often the sizes of the journal and of its disk are looked at. Asking the file system costs microseconds, or, where
/// it hangs, everything: so it is the journal thread that asks, which hangs then anyway, and is seen to.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Owned by the journal thread.
#[derive(Debug)]
pub(crate) struct JournalWatch {
    gauge: Arc<Gauge<JournalNumbers>>,
    numbers: JournalNumbers,
    /// The folder of the journal, to ask for the room on its disk.
    folder: Option<DirStorage>,
    looked: Option<Instant>,
}

impl JournalWatch {
    pub(crate) fn new(gauge: Arc<Gauge<JournalNumbers>>, folder: Option<DirStorage>) -> Self {
        Self { numbers: gauge.numbers(), gauge, folder, looked: None }
    }

    /// For a journal that nobody asks about.
    #[cfg(test)]
    pub(crate) fn unseen() -> Self {
        Self::new(Arc::new(Gauge::new(Instant::now(), JournalNumbers::default())), None)
    }

    /// A batch was settled, and is about to be told.
    pub(crate) fn settled<S: Storage>(&mut self, sequencer: &Sequencer<S>, committed: &Committed) {
        let receipts = committed.answers.iter().filter(|answer| answer.outcome.is_ok()).count();
        self.numbers.receipts += receipts as u64;
        self.numbers.refused += (committed.answers.len() - receipts) as u64;
        self.numbers.batches += u64::from(committed.batch.is_some());
        self.numbers.look(sequencer);
        self.gauge.show(self.numbers);
    }

    /// The thread moves; looks at sizes when it did not lately.
    pub(crate) fn look<S: Storage>(&mut self, sequencer: &Sequencer<S>) {
        self.numbers.look(sequencer);
        let now = Instant::now();
        if self.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK_EVERY) {
            self.looked = Some(now);
            self.numbers.look_at_sizes(sequencer);
            self.numbers.free_bytes = self.folder.as_ref().and_then(|folder| folder.free_bytes().ok());
        }
        self.gauge.show(self.numbers);
    }
}

#[cfg(test)]
mod tests {
    use vigie_proto::id::LogId;
    use vigie_proto::time::Timestamp;

    use super::*;
    use crate::journal::JournalConfig;
    use crate::journal::sim_disk::SimDisk;

    #[test]
    fn a_full_disk_is_seen_while_nothing_is_published_and_so_is_room_again() {
        let disk = SimDisk::new();
        let mut config = JournalConfig::new();
        (config.segment_bytes, config.reserve_bytes) = (64 * 1024, 16 * 1024);
        let mut sequencer =
            Sequencer::open(disk.clone(), config, LogId::from_bytes([7; 16]), Timestamp::EPOCH, 1).unwrap();
        let gauge = Arc::new(Gauge::new(Instant::now(), JournalNumbers::default()));
        let mut watch = JournalWatch::new(Arc::clone(&gauge), None);
        let mut rested = |room| {
            disk.set_room(room);
            sequencer.rest().unwrap();
            watch.looked = None;
            watch.look(&sequencer);
            let numbers = gauge.numbers();
            (numbers.full, numbers.usage.reserve_whole)
        };
        assert_eq!(rested(Some(0)), (true, false));
        assert_eq!(rested(Some(0)), (true, false), "as long as there is none");
        assert_eq!(rested(None), (false, true));
        let numbers = gauge.numbers();
        assert_eq!((numbers.usage.segments, numbers.usage.bytes), (1, 64 * 1024));
        assert!(gauge.silence().is_some());
    }
}
