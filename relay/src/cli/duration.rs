//! Lengths of time as people write them on a command line: `500ms`, `30s`, `10m`, `24h`, `7d`.

use std::time::Duration;

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a number and a unit, such as 500ms, 30s, 10m, 24h or 7d")]
pub(super) struct MalformedDuration;

/// Reads one number with one unit. Zero is a length too.
pub(super) fn parse(text: &str) -> Result<Duration, MalformedDuration> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).ok_or(MalformedDuration)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| MalformedDuration)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(MalformedDuration),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or(MalformedDuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_a_number_and_a_unit() {
        for (text, millis) in
            [("500ms", 500), ("0s", 0), ("30s", 30_000), ("10m", 600_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "5", "s", "-1s", "1.5h", "5 s", "1h30m", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(parse(text), Err(MalformedDuration), "{text}");
        }
    }
}
