//! How fast publishes may come: each credential has a rate, exercises together have one, and so has all that comes where
//! the operator says what the relay takes. Chains that sessions bring, and the revocations under them, have a rate of their
//! own for each credential.
//!
//! A worker asks `Pace::take` for a message that it has verified, and `Pace::take_chain` before it checks a chain, with its
//! own time: a test decides what time it is.
//! What is refused is told as `rate_limited`, with when it may be sent again (`Held`), and is counted against none of
//! these. The last fifth of each burst is for cancels, replacements and urgent messages: while an author floods, all that
//! comes back is for these first.
//!
//! One `Bucket` for a credential, whatever workers its sessions are on: an atomic number, no lock. The table of buckets
//! is looked at when a session logs in, and holds those in use or not yet full again; so it grows no faster than log-ins
//! come, and logging in anew gives nobody a new burst.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vigie_proto::channel::Plane;
use vigie_proto::id::CredentialId;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

/// Publishes a second of one credential: an operator with a finger on the key, and a gateway for a region, stay far below.
pub const PUBLISHES_PER_CREDENTIAL: u32 = 50;

/// `chain` and `revoke` frames a second of one credential: each may cost nine signature checks, so all of them 25 ms of a
/// core at most. A client gives a few chains after each log-in; who revokes hundreds at once does so within seconds.
pub const CHAINS_PER_CREDENTIAL: u32 = 50;

/// Publishes a second that a relay is meant for where nobody says: on one core, checking 2,000 signatures takes a tenth of
/// a second.
pub const PUBLISHES: u32 = 2_000;

/// The share of exercises in that is one in so many.
pub const EXERCISE_SHARE: u32 = 4;

/// One in so many of a burst is for what may use the reserve.
const RESERVED_SHARE: u64 = 5;

/// Buckets that the table holds before it first looks for those that nobody needs.
const TIDY_FROM: usize = 1_024;

/// So many a second, and as many at once after a second of rest. At most a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    micros_each: u64,
    burst_micros: u64,
}

impl Rate {
    fn per_second(publishes: u32) -> Self {
        let micros_each = 1_000_000 / u64::from(publishes.clamp(1, 1_000_000));
        Self { micros_each, burst_micros: micros_each * u64::from(publishes.max(1)) }
    }
}

/// What was published lately, as the time until which it is paid for (the generic cell rate algorithm), in microseconds.
#[derive(Debug, Default)]
struct Bucket(AtomicU64);

impl Bucket {
    /// Counts one more.
    ///
    /// # Errors
    /// How long there is no room for it, if nothing else comes.
    fn take(&self, rate: Rate, reserve: bool, now: Timestamp) -> Result<(), Duration> {
        let now = now.as_millis() * 1_000;
        let burst =
            if reserve { rate.burst_micros } else { rate.burst_micros - rate.burst_micros / RESERVED_SHARE };
        // A burst of one is one, whatever is reserved of it.
        let burst = burst.max(rate.micros_each);
        let after = |until: u64| until.max(now) + rate.micros_each;
        let paid = |until: u64| (after(until) - now <= burst).then(|| after(until));
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid) {
            Ok(_) => Ok(()),
            Err(until) => Err(Duration::from_micros(after(until) - now - burst)),
        }
    }

    /// One that was counted did not come after all.
    fn give_back(&self, rate: Rate) {
        let less = |until: u64| Some(until.saturating_sub(rate.micros_each));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn is_full(&self, now: Timestamp) -> bool {
        self.0.load(Ordering::Relaxed) <= now.as_millis() * 1_000
    }
}

/// What a credential published lately, and which chains its sessions brought.
#[derive(Debug, Default)]
struct Buckets {
    publishes: Bucket,
    chains: Bucket,
}

#[derive(Debug)]
struct Table {
    buckets: HashMap<CredentialId, Arc<Buckets>>,
    tidy_from: usize,
}

/// Of one credential.
#[derive(Clone, Copy, Debug)]
struct Limits {
    publishes: Rate,
    chains: Rate,
}

/// The rates of a relay, shared by its workers.
#[derive(Debug)]
pub struct Rates {
    credential: Option<Limits>,
    exercises: Option<(Rate, Arc<Bucket>)>,
    relay: Option<(Rate, Arc<Bucket>)>,
    table: Mutex<Table>,
}

impl Rates {
    /// So many publishes and so many chains a second for each credential, and `publishes` in all; for all exercises together
    /// a quarter of that, of [`PUBLISHES`] where there is no bound.
    pub fn new(publishes_per_credential: u32, chains_per_credential: u32, publishes: Option<u32>) -> Self {
        let exercises = Rate::per_second(publishes.unwrap_or(PUBLISHES) / EXERCISE_SHARE);
        let relay = publishes.map(|publishes| (Rate::per_second(publishes), Arc::default()));
        let each = Limits {
            publishes: Rate::per_second(publishes_per_credential),
            chains: Rate::per_second(chains_per_credential),
        };
        let exercises = Some((exercises, Arc::default()));
        Self { credential: Some(each), exercises, relay, ..Self::unlimited() }
    }

    /// No limits: for workers that are driven by hand.
    pub fn unlimited() -> Self {
        let table = Table { buckets: HashMap::new(), tidy_from: TIDY_FROM };
        Self { credential: None, exercises: None, relay: None, table: Mutex::new(table) }
    }

    /// What a session that logs in under this credential is held to.
    pub(crate) fn pace(&self, credential: CredentialId, plane: Plane, now: Timestamp) -> Pace {
        let credential = self.credential.map(|limits| (limits, self.buckets(credential, now)));
        let exercises = self.exercises.clone().filter(|_| plane == Plane::Exercise);
        Pace { credential, exercises, relay: self.relay.clone() }
    }

    fn buckets(&self, credential: CredentialId, now: Timestamp) -> Arc<Buckets> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.buckets.len() >= table.tidy_from {
            let rested = |of: &Buckets| of.publishes.is_full(now) && of.chains.is_full(now);
            table.buckets.retain(|_, of| Arc::strong_count(of) > 1 || !rested(of));
            table.tidy_from = TIDY_FROM.max(2 * table.buckets.len());
        }
        Arc::clone(table.buckets.entry(credential).or_default())
    }
}

/// Why a publish is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) by: HeldBy,
    /// How long there is no room for it, if nothing else comes.
    pub(crate) wait: Duration,
}

/// The rate that holds it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldBy {
    /// That of its credential.
    Credential,
    /// That of all exercises.
    Exercises,
    /// That of all that comes.
    Relay,
}

impl From<Held> for Refusal {
    fn from(held: Held) -> Self {
        let of = match held.by {
            HeldBy::Credential => "this credential",
            HeldBy::Exercises => "all exercises",
            HeldBy::Relay => "the relay",
        };
        let millis = held.wait.as_micros().div_ceil(1_000);
        Self::new(Code::RateLimited, format!("the rate of {of}: send again in {millis} ms"))
    }
}

/// What one session is held to.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    credential: Option<(Limits, Arc<Buckets>)>,
    exercises: Option<(Rate, Arc<Bucket>)>,
    relay: Option<(Rate, Arc<Bucket>)>,
}

impl Pace {
    /// Whether a message may be published now; counts it if so. `reserve` says that it may use the reserve.
    ///
    /// # Errors
    /// It may not; nothing is counted.
    pub(crate) fn take(&self, reserve: bool, now: Timestamp) -> Result<(), Held> {
        let credential = self.credential.as_ref().map(|(limits, of)| (limits.publishes, &of.publishes));
        // Who floods is held to his own rate first, so that what is refused him takes no room of the others.
        let rates = [
            (HeldBy::Credential, credential),
            (HeldBy::Exercises, self.exercises.as_ref().map(|(rate, bucket)| (*rate, &**bucket))),
            (HeldBy::Relay, self.relay.as_ref().map(|(rate, bucket)| (*rate, &**bucket))),
        ];
        for (at, (by, rate)) in rates.iter().enumerate() {
            let Some((rate, bucket)) = rate else { continue };
            if let Err(wait) = bucket.take(*rate, reserve, now) {
                rates[..at]
                    .iter()
                    .filter_map(|(_, rate)| *rate)
                    .for_each(|(rate, bucket)| bucket.give_back(rate));
                return Err(Held { by: *by, wait });
            }
        }
        Ok(())
    }

    /// Whether a chain may be checked now; counts it if so. The last fifth is for those of revocations.
    ///
    /// # Errors
    /// It may not; nothing is counted.
    pub(crate) fn take_chain(&self, revokes: bool, now: Timestamp) -> Result<(), Held> {
        let Some((limits, of)) = &self.credential else { return Ok(()) };
        let by = HeldBy::Credential;
        of.chains.take(limits.chains, revokes, now).map_err(|wait| Held { by, wait })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: CredentialId = CredentialId::from_bytes([1; 32]);
    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn after(millis: u64) -> Timestamp {
        START.plus(Duration::from_millis(millis))
    }

    fn taken(pace: &Pace, reserve: bool, now: Timestamp) -> usize {
        (0..10_000).take_while(|_| pace.take(reserve, now).is_ok()).count()
    }

    #[test]
    fn a_second_of_rest_allows_a_burst_of_which_a_fifth_is_reserved() {
        let rates = Rates::new(50, 30, None);
        let pace = rates.pace(ONE, Plane::Live, START);
        assert_eq!(taken(&pace, false, START), 40);
        assert_eq!(taken(&pace, true, START), 10);
        // What comes back is for the reserve first.
        assert_eq!(taken(&pace, false, after(199)), 0);
        assert_eq!(taken(&pace, true, after(199)), 9);
        assert_eq!(taken(&pace, false, after(200)), 0);
        assert_eq!(taken(&pace, false, after(2_000)), 40);
        // A clock that stands or goes back gives nothing, and does no harm.
        assert_eq!(taken(&pace, false, START), 0);
    }

    #[test]
    fn sessions_of_a_credential_share_its_rate_and_logging_in_again_gives_no_burst() {
        let rates = Rates::new(50, 30, None);
        let (one, same) = (rates.pace(ONE, Plane::Live, START), rates.pace(ONE, Plane::Live, START));
        let other = rates.pace(CredentialId::from_bytes([2; 32]), Plane::Live, START);
        assert_eq!((taken(&one, false, START), taken(&same, false, START)), (40, 0));
        drop((one, same));
        for number in 0..5_000_u16 {
            let id = [&number.to_be_bytes()[..], &[9; 30]].concat();
            drop(rates.pace(CredentialId::from_bytes(id.try_into().unwrap()), Plane::Live, START));
        }
        assert!(rates.table.lock().unwrap().buckets.len() <= TIDY_FROM, "the unused are forgotten");
        assert_eq!(taken(&rates.pace(ONE, Plane::Live, after(19)), false, after(19)), 0);
        assert_eq!(taken(&other, false, START), 40);
    }

    #[test]
    fn chains_have_a_rate_of_their_own_whose_last_fifth_is_for_revocations() {
        let rates = Rates::new(50, 30, None);
        let (one, same) = (rates.pace(ONE, Plane::Live, START), rates.pace(ONE, Plane::Live, START));
        let brought = |pace: &Pace, revokes, now| {
            (0..1_000).take_while(|_| pace.take_chain(revokes, now).is_ok()).count()
        };
        assert_eq!((brought(&one, false, START), brought(&same, false, START)), (24, 0));
        assert_eq!((brought(&same, true, START), brought(&one, true, START)), (6, 0));
        assert_eq!(taken(&one, false, START), 40, "a publish is none");
        drop((one, same));
        let again = rates.pace(ONE, Plane::Live, after(1));
        assert_eq!(brought(&again, true, after(1)), 0, "logging in again gives none");
        assert_eq!(brought(&again, false, after(2_000)), 24);
    }

    #[test]
    fn exercises_have_a_quarter_together_and_live_messages_are_not_held_to_it() {
        let rates = Rates::new(1_000, 30, Some(400));
        let pace = |number, plane| rates.pace(CredentialId::from_bytes([number; 32]), plane, START);
        let (one, two) = (pace(1, Plane::Exercise), pace(2, Plane::Exercise));
        assert_eq!(taken(&one, false, START), 80);
        assert_eq!((taken(&two, false, START), taken(&two, true, START)), (0, 20));
        assert_eq!(taken(&pace(3, Plane::Live), false, START), 320 - 100, "and count for all that comes");
        let rates = Rates::new(1_000, 30, None);
        let pace = |number, plane| rates.pace(CredentialId::from_bytes([number; 32]), plane, START);
        assert_eq!(taken(&pace(1, Plane::Exercise), false, START), 400, "a quarter of what it is meant for");
        let live: usize = (2..10).map(|number| taken(&pace(number, Plane::Live), false, START)).sum();
        assert_eq!(live, 8 * 800, "there is no bound for all");
    }

    #[test]
    fn what_the_relay_takes_in_all_is_shared_and_what_it_refuses_counts_for_nobody() {
        let rates = Rates::new(50, 30, Some(100));
        let pace = |number| rates.pace(CredentialId::from_bytes([number; 32]), Plane::Live, START);
        let [one, two, three] = [1, 2, 3].map(pace);
        assert_eq!([&one, &two, &three].map(|pace| taken(pace, false, START)), [40, 40, 0]);
        let refused = three.take(false, START).unwrap_err();
        assert_eq!(refused, Held { by: HeldBy::Relay, wait: Duration::from_millis(10) });
        assert!(Refusal::from(refused).to_string().contains("the relay: send again in 10 ms"));
        assert_eq!(one.take(false, START).unwrap_err().by, HeldBy::Credential);
        // Urgent ones pass, until their part is taken too.
        assert_eq!([&three, &two].map(|pace| taken(pace, true, START)), [20, 0]);
        // What was refused by the relay was counted for no credential: all of it is there as soon as there is room.
        let then = START.plus(refused.wait + Duration::from_secs(1));
        assert_eq!(taken(&three, false, then), 40);
        // At the moment that was told there is room, and not before.
        let wait = one.take(false, START).unwrap_err().wait;
        assert!(one.take(false, START.plus(wait - Duration::from_millis(1))).is_err());
    }

    #[test]
    fn without_limits_there_are_none() {
        assert_eq!(taken(&Rates::unlimited().pace(ONE, Plane::Exercise, START), false, START), 10_000);
    }
}
