//! What a thread does when it begins and then every so often: whether it is due.
//!
//! Asked by the timer task of a worker. A plain struct without a clock; it wakes nobody.

use std::time::{Duration, Instant};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Every {
    pause: Duration,
    /// `None` before the first time.
    next: Option<Instant>,
}

impl Every {
    pub(super) const fn new(pause: Duration) -> Self {
        Self { pause, next: None }
    }

    /// Whether it is due now. Then it is not for as long as the pause, whatever came too late before.
    #[must_use]
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.next.is_none_or(|next| now >= next);
        if is_due {
            self.next = Some(now + self.pause);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_at_once_and_then_once_in_each_pause() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let mut every = Every::new(second);
        let mut is_due_at = |ms| every.is_due(begin + Duration::from_millis(ms));
        assert_eq!([0, 0, 1, 999, 1_000].map(&mut is_due_at), [true, false, false, false, true]);
        // What was late is not made up for.
        assert_eq!([1_999, 5_500, 5_500, 6_499, 6_500].map(is_due_at), [false, true, false, false, true]);
    }
}
