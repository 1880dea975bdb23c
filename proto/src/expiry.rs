//! When to say that a credential or certificate ends soon: 30 days, 7 and 1 before.
//!
//! Relay, SDK and command line warn by this one rule. Every link of a chain is looked at, and not its leaf alone: what
//! stands above is renewed by somebody else, who may be asked in time.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chain::Chain;
use crate::credential::Credential;
use crate::time::{Timestamp, Window};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// When to warn, the earliest first: 30 days, 7, and 1.
pub const WARN_BEFORE: [(Duration, Notice); 3] =
    [(DAY.saturating_mul(30), Notice::Month), (DAY.saturating_mul(7), Notice::Week), (DAY, Notice::Day)];

/// How close an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Notice {
    /// Nobody need look.
    None,
    /// Within 30 days. Not told of what was good for less than twice as long from the start: a credential that is renewed
    /// every month would always be near its end.
    Month,
    /// Within 7 days.
    Week,
    /// Within a day.
    Day,
    /// It is over.
    Ended,
}

impl Notice {
    /// How close the end of this is now.
    pub fn of(valid: Window, now: Timestamp) -> Self {
        if now >= valid.until {
            return Self::Ended;
        }
        let (left, whole) = (valid.until.since(now), valid.until.since(valid.from));
        let due = |(before, _): &&(Duration, Self)| left <= *before && before.saturating_mul(2) <= whole;
        WARN_BEFORE.iter().rev().find(due).map_or(Self::None, |(_, notice)| *notice)
    }

    /// Whether the end is near and has not come.
    pub const fn is_warning(self) -> bool {
        matches!(self, Self::Month | Self::Week | Self::Day)
    }
}

/// The links of a chain that end soon or have ended, root first, each with when it is good and how close its end is. A
/// root that hands over is good until the moment at which it has.
pub fn ends(chain: &Chain, now: Timestamp) -> impl Iterator<Item = (&Arc<Credential>, Window, Notice)> {
    let root = chain.root_window();
    let told = chain.links().iter().enumerate().map(move |(depth, link)| {
        let valid = link.claims().valid;
        let valid = if depth == 0 { valid.intersect(&root) } else { valid };
        (link, valid, Notice::of(valid, now))
    });
    told.filter(|(_, _, notice)| *notice != Notice::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_thirty_seven_and_one_day_before_and_what_lives_a_month_only_from_seven() {
        let days = |days: u32| Timestamp::EPOCH.plus(DAY.saturating_mul(days));
        let ms = Duration::from_millis(1);
        let year = Window { from: days(0), until: days(400) };
        for (at, notice) in [
            (days(0), Notice::None),
            (days(370).minus(ms), Notice::None),
            (days(370), Notice::Month),
            (days(393).minus(ms), Notice::Month),
            (days(393), Notice::Week),
            (days(399).minus(ms), Notice::Week),
            (days(399), Notice::Day),
            (days(400).minus(ms), Notice::Day),
            (days(400), Notice::Ended),
        ] {
            assert_eq!(Notice::of(year, at), notice, "{at:?}");
        }
        let month = Window { from: days(0), until: days(30) };
        assert_eq!(Notice::of(month, days(0)), Notice::None);
        assert_eq!(Notice::of(month, days(22)), Notice::None);
        assert_eq!(Notice::of(month, days(23)), Notice::Week);
        let day = Window { from: days(0), until: days(1) };
        assert_eq!(Notice::of(day, days(0)), Notice::None);
    }
}
