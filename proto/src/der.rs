//! The walker of DER by which certificates (`certificate.rs`) and their revocation lists (`revocation_list.rs`) are read: one
//! element after the other, and the two moments between which something is valid.
//!
//! It believes nothing: a length past the end, a form that is not known or a date that is none gives `None`. It goes no deeper
//! than it is told to, and copies nothing.

use std::time::Duration;

use crate::time::{Timestamp, Window};

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;

/// Two moments, one behind the other, and what follows.
pub(crate) fn window(times: &[u8]) -> Option<(Window, &[u8])> {
    let (tag, from, rest) = element(times)?;
    let from = moment(tag, from)?;
    let (tag, until, rest) = element(rest)?;
    // The last second is good to its end.
    Some((Window { from, until: moment(tag, until)?.plus(Duration::from_secs(1)) }, rest))
}

/// Tag, content, and what follows.
pub(crate) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Content of an element with this tag, and what follows.
pub(crate) fn expect(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    element(der).filter(|found| found.0 == tag).map(|(_, content, rest)| (content, rest))
}

/// `YYMMDDHHMMSSZ` up to 2049, `YYYYMMDDHHMMSSZ` from then on (RFC 5280, section 4.1.2.5).
fn moment(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let digits = text.strip_suffix(b"Z")?;
    let pair = |at: usize| {
        let pair: [u8; 2] = digits.get(at..at + 2)?.try_into().ok()?;
        let [tens, ones] = pair.map(|digit| u64::from(digit.wrapping_sub(b'0')));
        (tens < 10 && ones < 10).then_some(tens * 10 + ones)
    };
    let (year, at) = match (tag, digits.len()) {
        (UTC_TIME, 12) => (pair(0).map(|year| if year < 50 { 2_000 + year } else { 1_900 + year })?, 2),
        (GENERALIZED_TIME, 14) => (pair(0)? * 100 + pair(2)?, 4),
        _ => return None,
    };
    let (month, day) = (pair(at)?, pair(at + 2)?);
    let (hour, minute, second) = (pair(at + 4)?, pair(at + 6)?, pair(at + 8)?);
    let sane = year >= 1_970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !sane || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp::EPOCH.plus(Duration::from_secs(seconds)))
}

/// Days since 1970-01-01, by years that begin in March, so that the leap day comes last.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    // From 0000-03-01 to 1970-01-01 it is 719,468 days.
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let at = |tag, text: &[u8]| moment(tag, text).map(|at| at.as_millis() / 1_000);
        assert_eq!(at(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(at(UTC_TIME, b"000229000000Z"), Some(951_782_400));
        assert_eq!(at(UTC_TIME, b"260601080000Z"), Some(1_780_300_800));
        assert_eq!(at(UTC_TIME, b"491231235959Z"), Some(2_524_607_999));
        assert_eq!(at(GENERALIZED_TIME, b"20500101000000Z"), Some(2_524_608_000));
        assert_eq!(at(GENERALIZED_TIME, b"99991231235959Z"), Some(253_402_300_799));
        for wrong in
            [&b"261301000000Z"[..], b"2606010800Z", b"260601080000", b"26060108000xZ", b"691231000000Z", b""]
        {
            assert_eq!(at(UTC_TIME, wrong), None, "{wrong:?}");
        }
        assert_eq!(at(GENERALIZED_TIME, b"260601080000Z"), None);
    }
}
