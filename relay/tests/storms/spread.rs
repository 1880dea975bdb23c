//! Many durations as the few that are told.

use std::fmt;
use std::time::Duration;

/// How long it took the one in the middle, the one of a hundred, and the slowest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Spread {
    /// All zero of nothing.
    pub(crate) fn of(took: impl IntoIterator<Item = Duration>) -> Self {
        let mut took: Vec<_> = took.into_iter().collect();
        took.sort_unstable();
        let Some(&max) = took.last() else { return Self::default() };
        let at = |percent: usize| took[(took.len() - 1) * percent / 100];
        Self { count: took.len(), p50: at(50), p99: at(99), max }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50, p99, max } = self;
        write!(f, "p50 {p50:.1?}, p99 {p99:.1?}, most {max:.1?} ({count})")
    }
}
