//! Who hears what, on text: `alert` descends, `signal` rises. Written anew on purpose, from the table of the protocol.

use vigie_proto::severity::Severity;

struct Parts<'a> {
    exercise: bool,
    flow: &'a str,
    place: &'a str,
}

fn parts(text: &str) -> Parts<'_> {
    let (exercise, rest) = match text.strip_prefix("exercise/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (flow, place) = rest.split_once('/').unwrap_or((rest, ""));
    Parts { exercise, flow, place }
}

/// Whether `below` lies strictly below `above`.
fn is_below(below: &str, above: &str) -> bool {
    below.len() > above.len() && below.starts_with(above) && below.as_bytes()[above.len()] == b'.'
}

/// Whether a reader with this filter is to be given a message on this channel.
pub(super) fn hears(filter: &str, channel: &str, severity: Severity) -> bool {
    let (filter, subtree) = filter.strip_suffix(".**").map_or((filter, false), |filter| (filter, true));
    let (at, to) = (parts(filter), parts(channel));
    if at.exercise != to.exercise || at.flow != to.flow {
        return false;
    }
    let here = at.place == to.place;
    let message_from_below = is_below(to.place, at.place);
    let message_from_above = is_below(at.place, to.place);
    match at.flow {
        "alert" => here || message_from_above || (subtree && message_from_below),
        "signal" => {
            let grave = matches!(severity, Severity::Severe | Severity::Extreme);
            here || (message_from_below && (subtree || grave))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::hears;
    use vigie_proto::severity::Severity::{Minor, Severe};

    #[test]
    fn the_model_says_what_the_table_says() {
        for (filter, channel, severity, heard) in [
            ("alert/fr.idf", "alert/fr", Minor, true),
            ("alert/fr.idf", "alert/fr.idf.75", Severe, false),
            ("alert/fr.idf.**", "alert/fr.idf.75", Minor, true),
            ("alert/fr.id", "alert/fr.idf", Minor, false),
            ("signal/fr", "signal/fr.idf", Minor, false),
            ("signal/fr", "signal/fr.idf", Severe, true),
            ("signal/fr.**", "signal/fr.idf", Minor, true),
            ("signal/fr.idf", "signal/fr", Severe, false),
            ("alert/fr", "exercise/alert/fr", Severe, false),
            ("exercise/alert/fr.idf", "exercise/alert/fr", Minor, true),
        ] {
            assert_eq!(hears(filter, channel, severity), heard, "{filter} {channel} {severity}");
        }
    }
}
