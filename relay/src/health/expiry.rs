//! How long a certificate or a credential is still good, and when to warn of its end: 30, 7 and 1 days before.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vigie_proto::time::{Timestamp, Window};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// When to warn, the earliest first: 30 days, 7, and 1.
pub const WARN_BEFORE: [(Duration, Notice); 3] =
    [(DAY.saturating_mul(30), Notice::Month), (DAY.saturating_mul(7), Notice::Week), (DAY, Notice::Day)];

/// How close the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// Of [`Status`](super::Status): until when something is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Validity {
    /// The first moment when it is not good any more.
    pub ends: Timestamp,
    /// Seconds left; 0 when it has ended.
    pub left_s: u64,
    /// How close that is.
    pub notice: Notice,
}

impl Validity {
    /// What is said of this now.
    pub fn of(valid: Window, now: Timestamp) -> Self {
        Self { ends: valid.until, left_s: valid.until.since(now).as_secs(), notice: Notice::of(valid, now) }
    }
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
        assert_eq!(Validity::of(year, days(399)).left_s, 86_400);
    }
}
