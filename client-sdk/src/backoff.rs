//! Which relay to try next, and how long to wait before it.
//!
//! Full jitter: the wait is drawn evenly between zero and a ceiling that doubles from 0.5 to 60 s. After a relay
//! restarts, a hundred thousand clients must not come back in the same instant.

use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::url::RelayUrl;

/// Ceiling of the first wait: a short cut heals unnoticed.
const CEILING_FIRST: Duration = Duration::from_millis(500);
/// Ceiling of all later waits: after a long one a relay is found within a minute.
const CEILING_LAST: Duration = Duration::from_secs(60);
/// Longest wait that a relay's hint is honoured for: a relay must not be able to send its readers away for good.
const HINT_MAX: Duration = Duration::from_secs(300);

/// A small generator (`SplitMix64`, Steele et al. 2014): spreads waits, and keeps no secret.
#[derive(Debug)]
struct Jitter(u64);

impl Jitter {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn up_to(&mut self, ceiling: Duration) -> Duration {
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.next() % nanos.saturating_add(1))
    }
}

/// The relays in turn, with the waits between tries.
#[derive(Debug)]
pub(crate) struct Backoff {
    /// At least one.
    relays: Vec<RelayUrl>,
    /// Index into `relays`.
    at: usize,
    /// Tries since the last steady line.
    tries: u32,
    jitter: Jitter,
}

impl Backoff {
    /// Over the relays in the order given, with waits drawn from `seed`.
    ///
    /// # Panics
    /// Without a relay.
    pub(crate) fn new(relays: Vec<RelayUrl>, seed: u64) -> Self {
        assert!(!relays.is_empty(), "at least one relay");
        Self { relays, at: 0, tries: 0, jitter: Jitter(seed) }
    }

    /// The relay to try now.
    pub(crate) fn relay(&self) -> &RelayUrl {
        &self.relays[self.at]
    }

    pub(crate) fn relays(&self) -> usize {
        self.relays.len()
    }

    /// Which try since the last steady line comes now, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.tries.saturating_add(1)
    }

    /// A line was good for a while: start afresh.
    pub(crate) fn handle_steady(&mut self) {
        self.tries = 0;
    }

    /// No line came to be: the next relay's turn, after this wait. `hint` is the wait that the relay asked for; it is
    /// kept when there is no other relay to go to.
    pub(crate) fn handle_failed(&mut self, hint: Option<Duration>) -> Duration {
        self.at = (self.at + 1) % self.relays.len();
        self.wait(hint)
    }

    /// An open line was lost: the same relay again, for its log is the one we know; after this wait.
    pub(crate) fn handle_lost(&mut self) -> Duration {
        self.wait(None)
    }

    fn wait(&mut self, hint: Option<Duration>) -> Duration {
        let doubled = CEILING_FIRST.saturating_mul(1 << self.tries.min(16));
        self.tries = self.tries.saturating_add(1);
        let jitter = self.jitter.up_to(doubled.min(CEILING_LAST));
        match hint {
            Some(hint) if self.relays.len() == 1 => hint.min(HINT_MAX) + jitter,
            Some(_) | None => jitter,
        }
    }
}

/// A seed from the system's randomness.
pub(crate) fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness the waits are merely predictable, which harms nobody.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relays(count: usize) -> Vec<RelayUrl> {
        (0..count).map(|number| format!("wss://relay-{number}").parse().unwrap()).collect()
    }

    #[test]
    fn waits_grow_to_a_minute_and_spread_from_zero() {
        let mut longest = [Duration::ZERO; 10];
        let mut shortest = [Duration::MAX; 10];
        for seed in 0..200 {
            let mut backoff = Backoff::new(relays(1), seed);
            for step in 0..10 {
                let wait = backoff.handle_failed(None);
                longest[step] = longest[step].max(wait);
                shortest[step] = shortest[step].min(wait);
            }
        }
        for step in 0..10 {
            let ceiling = CEILING_FIRST.saturating_mul(1 << step).min(CEILING_LAST);
            assert!(longest[step] <= ceiling && longest[step] > ceiling.mul_f64(0.9), "step {step}");
            assert!(shortest[step] < ceiling.mul_f64(0.1), "step {step}");
        }
    }

    #[test]
    fn a_steady_line_starts_afresh_and_a_seed_replays() {
        let mut backoff = Backoff::new(relays(1), 7);
        let first: Vec<_> = (0..8).map(|_| backoff.handle_lost()).collect();
        backoff.handle_steady();
        assert!(backoff.handle_lost() <= CEILING_FIRST);
        let mut again = Backoff::new(relays(1), 7);
        assert_eq!(first, (0..8).map(|_| again.handle_lost()).collect::<Vec<_>>());
    }

    #[test]
    fn failures_go_round_the_list_and_a_lost_line_does_not() {
        let mut backoff = Backoff::new(relays(3), 1);
        let mut tried = vec![backoff.relay().host().to_owned()];
        backoff.handle_lost();
        tried.push(backoff.relay().host().to_owned());
        for _ in 0..3 {
            backoff.handle_failed(None);
            tried.push(backoff.relay().host().to_owned());
        }
        assert_eq!(tried, ["relay-0", "relay-0", "relay-1", "relay-2", "relay-0"]);
    }

    #[test]
    fn the_hint_of_the_only_relay_is_kept_within_reason() {
        let hint = Duration::from_secs(20);
        let wait = Backoff::new(relays(1), 3).handle_failed(Some(hint));
        assert!(wait >= hint && wait <= hint + CEILING_FIRST);
        assert!(Backoff::new(relays(2), 3).handle_failed(Some(hint)) <= CEILING_FIRST);
        let far = Backoff::new(relays(1), 3).handle_failed(Some(Duration::MAX));
        assert!(far <= HINT_MAX + CEILING_FIRST);
    }
}
