//! The numbers that one thread of the relay shows: it alone writes them, anyone reads them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use vigie_proto::id::Sequence;

use crate::event::Position;
use crate::journal::{Storage, Usage};
use crate::sequencer::Sequencer;

/// What a thread shows, and when it was last seen moving.
///
/// Writing never waits: while somebody reads, what is shown stays as it is until the next time.
// Two lines of memory to each thread: processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Gauge<T> {
    began: Instant,
    /// Milliseconds since `began`, plus one; zero before the first beat.
    beat_ms: AtomicU64,
    numbers: Mutex<T>,
}

impl<T: Copy> Gauge<T> {
    pub(crate) const fn new(began: Instant, numbers: T) -> Self {
        Self { began, beat_ms: AtomicU64::new(0), numbers: Mutex::new(numbers) }
    }

    /// The thread moves.
    pub(crate) fn beat(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.beat_ms.store(since + 1, Ordering::Relaxed);
    }

    /// The thread moves, and this is how it stands.
    pub(crate) fn show(&self, numbers: T) {
        match self.numbers.try_lock() {
            Ok(mut shown) => *shown = numbers,
            Err(TryLockError::Poisoned(shown)) => *shown.into_inner() = numbers,
            Err(TryLockError::WouldBlock) => {}
        }
        self.beat();
    }

    pub(super) fn numbers(&self) -> T {
        *self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long the thread has not moved; `None` before it did for the first time.
    pub(super) fn silence(&self) -> Option<Duration> {
        let beat = Duration::from_millis(self.beat_ms.load(Ordering::Relaxed).checked_sub(1)?);
        Some(self.began.elapsed().saturating_sub(beat))
    }
}

/// What the journal thread shows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JournalNumbers {
    pub(crate) head: Position,
    /// The lowest sequence that the journal may have.
    pub(crate) first_seq: Sequence,
    pub(crate) usage: Usage,
    /// Bytes that its disk has left; `None` where the system does not tell.
    pub(crate) free_bytes: Option<u64>,
    pub(crate) full: bool,
    pub(crate) ids: usize,
    pub(crate) bytes_in_force: u64,
    pub(crate) bytes_in_force_max: u64,
    pub(crate) revocations: usize,
    pub(crate) revocations_lost: u64,
    pub(crate) receipts: u64,
    pub(crate) refused: u64,
    pub(crate) batches: u64,
}

impl JournalNumbers {
    /// What costs nothing to know.
    pub(super) fn look<S: Storage>(&mut self, sequencer: &Sequencer<S>) {
        self.head = sequencer.head();
        self.full = sequencer.is_full();
        self.ids = sequencer.ids_in_force();
        (self.bytes_in_force, self.bytes_in_force_max) = sequencer.bytes_in_force();
        self.revocations = sequencer.revocations().len();
        self.revocations_lost = sequencer.revocations_lost();
    }

    /// What means to look at each segment.
    pub(super) fn look_at_sizes<S: Storage>(&mut self, sequencer: &Sequencer<S>) {
        self.first_seq = sequencer.journal().first_seq();
        self.usage = sequencer.journal().usage();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_and_a_reader_never_holds_the_thread_up() {
        let gauge = Gauge::new(Instant::now(), 1);
        assert_eq!((gauge.numbers(), gauge.silence()), (1, None), "it has not moved yet");
        gauge.show(2);
        assert_eq!(gauge.numbers(), 2);
        assert!(gauge.silence().is_some_and(|silence| silence < Duration::from_secs(60)));
        let reader = gauge.numbers.lock().unwrap();
        gauge.show(3);
        drop(reader);
        assert_eq!(gauge.numbers(), 2, "left for the next time");
        gauge.show(4);
        assert_eq!(gauge.numbers(), 4);
    }
}
