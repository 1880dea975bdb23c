//! CAP's dateTime: one spelling of a moment, checked against the calendar, never converted.

/// Whether `text` is a CAP dateTime: `YYYY-MM-DDThh:mm:ss` with an offset `+hh:mm` or `-hh:mm`, of a day and an hour
/// that exist.
///
/// As XML Schema has it: years from 0001, no leap second, `24:00:00` for the end of a day, offsets up to 14:00. As CAP
/// has it: no fraction of a second and no `Z` (UTC is written `-00:00`).
pub fn is_date_time(text: &str) -> bool {
    parse(text.as_bytes()).is_some()
}

fn parse(text: &[u8]) -> Option<()> {
    let &[
        y0,
        y1,
        y2,
        y3,
        b'-',
        mo0,
        mo1,
        b'-',
        d0,
        d1,
        b'T',
        h0,
        h1,
        b':',
        mi0,
        mi1,
        b':',
        s0,
        s1,
        sign,
        oh0,
        oh1,
        b':',
        om0,
        om1,
    ] = text
    else {
        return None;
    };
    let year = number(&[y0, y1, y2, y3])?;
    let month = number(&[mo0, mo1])?;
    let day = number(&[d0, d1])?;
    let time = (number(&[h0, h1])?, number(&[mi0, mi1])?, number(&[s0, s1])?);
    let offset = (number(&[oh0, oh1])?, number(&[om0, om1])?);

    let date_exists = year >= 1 && (1..=days_in(year, month)).contains(&day);
    let time_exists = matches!(time, (0..=23, 0..=59, 0..=59) | (24, 0, 0));
    let offset_exists = matches!(sign, b'+' | b'-') && matches!(offset, (0..=13, 0..=59) | (14, 0));
    (date_exists && time_exists && offset_exists).then_some(())
}

fn number(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0')))
}

/// 0 for a month that does not exist.
fn days_in(year: u16, month: u16) -> u16 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::is_date_time;

    #[test]
    fn accepts_what_cap_accepts() {
        for text in [
            "2026-06-01T10:00:00+02:00",
            "2026-06-01T10:00:00-00:00",
            "2026-06-01T10:00:00+00:00",
            "2024-02-29T23:59:59-07:00",
            "2000-02-29T00:00:00+14:00",
            "2026-12-31T24:00:00-14:00",
            "0001-01-01T00:00:00+13:59",
        ] {
            assert!(is_date_time(text), "{text}");
        }
    }

    #[test]
    fn refuses_other_spellings_and_moments_that_do_not_exist() {
        for text in [
            "",
            "2026-06-01",
            "2026-06-01T10:00:00",
            "2026-06-01T10:00:00Z",
            "2026-06-01T10:00:00.5+02:00",
            "2026-06-01 10:00:00+02:00",
            "2026-06-01t10:00:00+02:00",
            "2026-06-01T10:00:00,02:00",
            "2026-06-01T10:00:00+0200",
            "2026-06-01T10:00:00+02:00 ",
            " 2026-06-01T10:00:00+02:00",
            "2026-6-01T10:00:00+02:000",
            "2026-06-01T10:00:00\u{2212}02:00",
            "٢٠٢٦-06-01T10:00:00+02:00",
            "0000-06-01T10:00:00+02:00",
            "2026-00-01T10:00:00+02:00",
            "2026-13-01T10:00:00+02:00",
            "2026-06-00T10:00:00+02:00",
            "2026-06-31T10:00:00+02:00",
            "2026-02-29T10:00:00+01:00",
            "1900-02-29T10:00:00+01:00",
            "2026-06-01T24:00:01+02:00",
            "2026-06-01T25:00:00+02:00",
            "2026-06-01T10:60:00+02:00",
            "2026-06-01T10:00:60+02:00",
            "2026-06-01T10:00:00+14:01",
            "2026-06-01T10:00:00+15:00",
            "2026-06-01T10:00:00+02:60",
        ] {
            assert!(!is_date_time(text), "{text}");
        }
    }
}
