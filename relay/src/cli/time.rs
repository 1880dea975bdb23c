//! The clock of this machine, and moments as people read them.

use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use vigie_proto::time::Timestamp;

/// A day of 24 hours, as lifetimes count them.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Now. Before 1970 it is the epoch.
pub(super) fn now() -> Timestamp {
    Timestamp::EPOCH.plus(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// A moment of these days, in the zone of this machine: `dd/mm HH:MM:SS`.
pub(super) fn local(at: Timestamp) -> String {
    format(at, "%d/%m %H:%M:%S")
}

/// A moment of any year, in the zone of this machine: `yyyy-mm-dd HH:MM`.
pub(super) fn date(at: Timestamp) -> String {
    format(at, "%Y-%m-%d %H:%M")
}

fn format(at: Timestamp, form: &str) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(moment) => moment.to_zoned(TimeZone::system()).strftime(form).to_string(),
        // Beyond the year 9999.
        Err(_) => format!("{millis} ms"),
    }
}

/// Year, month and day in UTC, as certificates are dated.
pub(super) fn calendar_day(at: Timestamp) -> (i32, u8, u8) {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let day =
        jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_zoned(TimeZone::UTC);
    let part = |number: i8| u8::try_from(number).unwrap_or(1);
    (i32::from(day.year()), part(day.month()), part(day.day()))
}

/// A CAP dateTime (RFC 3339 but for UTC, which CAP writes `-00:00`) as a moment; `None` when it is none.
pub(super) fn of_cap(text: &str) -> Option<Timestamp> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(u64::try_from(moment.as_millisecond()).ok()?))
}

/// A date and time (RFC 3339; without a zone it is that of this machine) as a moment; `None` when it is none.
pub(super) fn of_people(text: &str) -> Option<Timestamp> {
    let civil =
        || Some(text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(TimeZone::system()).ok()?.timestamp());
    let moment: jiff::Timestamp = text.parse().ok().or_else(civil)?;
    Some(Timestamp::from_millis(u64::try_from(moment.as_millisecond()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_cap_times_are_those_of_the_calendar() {
        assert_eq!(calendar_day(Timestamp::EPOCH), (1970, 1, 1));
        assert_eq!(calendar_day(Timestamp::from_millis(951_782_400_000)), (2000, 2, 29));
        assert_eq!(of_cap("2026-06-01T10:00:00+02:00"), Some(Timestamp::from_millis(1_780_300_800_000)));
        assert_eq!(of_cap("2026-06-01T08:00:00-00:00"), Some(Timestamp::from_millis(1_780_300_800_000)));
        assert_eq!(of_cap("demain"), None);
    }
}
