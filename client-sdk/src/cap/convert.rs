//! The table by which CAP 1.0 and 1.1, and what issuers of 1.2 still write as if it were older, become CAP 1.2.
//!
//! Read by `tree` (which elements are left out) and `build` (all the rest). Each row that is used is told as a warning
//! with its code; what no row can fill is refused by `build`, with the flag that supplies it. An independent program
//! (`tests/python/cap_compare.py`) holds input and export against its own copy of these rules.

use vigie_proto::cap::is_date_time;

use super::options::Zone;
use super::version::Version;
use super::warning::WarningCode;

/// What a row does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The elements are those of the namespace of CAP 1.2.
    Namespace,
    /// One value becomes another.
    Replace { from: &'static str, to: &'static str },
    /// A missing element gets a value.
    Fill(&'static str),
    /// The element is left out.
    LeaveOut,
    /// Text `key=value` becomes `valueName` and `value`, split at the first `=`.
    Split,
    /// A time of XML Schema becomes a time of CAP.
    Time,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    /// The latest version of the file for which it is done.
    pub(super) up_to: Version,
    pub(super) element: &'static str,
    pub(super) rule: Rule,
    pub(super) code: WarningCode,
}

pub(super) const CONVERSIONS: &[Conversion] = &[
    Conversion {
        up_to: Version::V1_1,
        element: "alert",
        rule: Rule::Namespace,
        code: WarningCode::OlderVersion,
    },
    // CAP 1.1 and 1.2, section 3.2.2: "the deprecated value of Very Likely should be treated as equivalent to Likely".
    Conversion {
        up_to: Version::V1_2,
        element: "certainty",
        rule: Rule::Replace { from: "Very Likely", to: "Likely" },
        code: WarningCode::ValueConverted,
    },
    // Optional before 1.2. RFC 2046, section 4.5.1: what is sent without knowing more is an octet stream.
    Conversion {
        up_to: Version::V1_1,
        element: "mimeType",
        rule: Rule::Fill("application/octet-stream"),
        code: WarningCode::ValueFilled,
    },
    // Of 1.0 only, taken out of CAP since: a secret that proves the sender must not be signed and sent on.
    Conversion {
        up_to: Version::V1_0,
        element: "password",
        rule: Rule::LeaveOut,
        code: WarningCode::PasswordDropped,
    },
    // Texts in 1.0; some issuers of later versions still write them so.
    Conversion {
        up_to: Version::V1_2,
        element: "eventCode",
        rule: Rule::Split,
        code: WarningCode::PairConverted,
    },
    Conversion {
        up_to: Version::V1_2,
        element: "parameter",
        rule: Rule::Split,
        code: WarningCode::PairConverted,
    },
    Conversion {
        up_to: Version::V1_2,
        element: "geocode",
        rule: Rule::Split,
        code: WarningCode::PairConverted,
    },
    // Any dateTime of XML Schema before 1.2: with `Z`, with a fraction of a second.
    Conversion { up_to: Version::V1_2, element: "sent", rule: Rule::Time, code: WarningCode::TimeConverted },
    Conversion {
        up_to: Version::V1_2,
        element: "effective",
        rule: Rule::Time,
        code: WarningCode::TimeConverted,
    },
    Conversion { up_to: Version::V1_2, element: "onset", rule: Rule::Time, code: WarningCode::TimeConverted },
    Conversion {
        up_to: Version::V1_2,
        element: "expires",
        rule: Rule::Time,
        code: WarningCode::TimeConverted,
    },
];

/// The rows for an element of a file of this version.
pub(super) fn rows(version: Version, element: &str) -> impl Iterator<Item = &'static Conversion> {
    CONVERSIONS.iter().filter(move |row| row.element == element && version <= row.up_to)
}

/// What became of a time that is not written as CAP writes times.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// The same moment, to the second, as CAP writes it.
    Converted(String),
    /// As before, with the zone that the caller supplied.
    Supplied(String),
    /// Good but for a zone, and none was supplied.
    WithoutZone,
    /// No time.
    Malformed,
}

/// `YYYY-MM-DDThh:mm:ss`.
const TO_SECONDS: usize = 19;

/// Reads a dateTime of XML Schema that CAP does not take: `Z` becomes `-00:00` (as CAP wants UTC to be written), a
/// fraction of a second goes, an offset gets its colon.
pub(super) fn time(text: &str, supplied: Option<&Zone>) -> Time {
    let Some((seconds, rest)) = text.split_at_checked(TO_SECONDS) else { return Time::Malformed };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|character: char| character.is_ascii_digit());
            if zone.len() == fraction.len() {
                return Time::Malformed;
            }
            zone
        }
        None => rest,
    };
    let with = |zone: &str| Some(format!("{seconds}{zone}")).filter(|time| is_date_time(time));
    match zone {
        "" => match (with("-00:00"), supplied) {
            (None, _) => Time::Malformed,
            (Some(_), None) => Time::WithoutZone,
            (Some(_), Some(zone)) => with(zone.as_str()).map_or(Time::Malformed, Time::Supplied),
        },
        "Z" => with("-00:00").map_or(Time::Malformed, Time::Converted),
        zone => {
            let colon = match zone.split_at_checked(3) {
                Some((hours, minutes)) if zone.len() == 5 => with(&format!("{hours}:{minutes}")),
                _ => None,
            };
            with(zone).or(colon).map_or(Time::Malformed, Time::Converted)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_xml_schema_become_times_of_cap() {
        let converted = |text: &str| Time::Converted(text.to_owned());
        for (text, expected) in [
            ("2003-06-11T20:56:00Z", converted("2003-06-11T20:56:00-00:00")),
            ("2003-06-11T20:56:00.123Z", converted("2003-06-11T20:56:00-00:00")),
            ("2003-06-11T20:56:00.5+02:00", converted("2003-06-11T20:56:00+02:00")),
            ("2003-06-11T20:56:00-0700", converted("2003-06-11T20:56:00-07:00")),
            ("2003-06-11T20:56:00", Time::WithoutZone),
            ("2003-06-11T20:56:00.5", Time::WithoutZone),
            ("2003-06-31T20:56:00", Time::Malformed),
            ("2003-06-31T20:56:00Z", Time::Malformed),
            ("2003-06-11T20:56:00.Z", Time::Malformed),
            ("2003-06-11T20:56:00z", Time::Malformed),
            ("2003-06-11T20:56:00+99:99", Time::Malformed),
            ("2003-06-11T20:56:00+é:0", Time::Malformed),
            ("2003-06-11 20:56:00Z", Time::Malformed),
            ("2003-06-11", Time::Malformed),
            ("hier à midi, ou presque", Time::Malformed),
            ("", Time::Malformed),
        ] {
            assert_eq!(time(text, None), expected, "{text}");
        }
        let zone: Zone = "+02:00".parse().unwrap();
        let supplied = Time::Supplied("2003-06-11T20:56:00+02:00".to_owned());
        assert_eq!(time("2003-06-11T20:56:00", Some(&zone)), supplied);
        let own = converted("2003-06-11T20:56:00-00:00");
        assert_eq!(time("2003-06-11T20:56:00Z", Some(&zone)), own, "what the file says stays");
    }

    #[test]
    fn rows_are_for_versions_up_to_theirs() {
        let found = |version, element| rows(version, element).count();
        assert_eq!((found(Version::V1_0, "password"), found(Version::V1_1, "password")), (1, 0));
        assert_eq!((found(Version::V1_1, "mimeType"), found(Version::V1_2, "mimeType")), (1, 0));
        assert_eq!(found(Version::V1_2, "certainty"), 1);
        assert_eq!(found(Version::V1_0, "headline"), 0);
    }
}
