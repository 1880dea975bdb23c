//! Who hears what, on text: `alert` descends, `signal` rises, a label leaves out. Written anew on purpose, from the tables
//! of the protocol.

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

/// Whether a message under this label is for a reader of this organisation.
pub(super) fn is_for(tlp: &str, audience: &[String], org: &str) -> bool {
    let named = audience.iter().any(|named| named == org);
    let below = audience.iter().any(|named| is_below(org, named));
    match tlp {
        "TLP:CLEAR" => true,
        "TLP:GREEN" => audience.is_empty() || named || below,
        "TLP:AMBER" => named || below,
        _ => named,
    }
}

#[cfg(test)]
mod tests {
    use super::{hears, is_for};
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

    #[test]
    fn a_label_leaves_out_those_whom_it_does_not_name() {
        for (tlp, audience, heard) in [
            ("TLP:CLEAR", "", [true; 4]),
            ("TLP:GREEN", "", [true; 4]),
            ("TLP:GREEN", "fr.a", [false, true, true, false]),
            ("TLP:AMBER", "fr.a", [false, true, true, false]),
            ("TLP:AMBER+STRICT", "fr.a", [false, true, false, false]),
            ("TLP:RED", "fr.a", [false, true, false, false]),
        ] {
            let audience: Vec<_> = (!audience.is_empty()).then(|| audience.to_owned()).into_iter().collect();
            let found = ["fr", "fr.a", "fr.a.x", "fr.ab"].map(|org| is_for(tlp, &audience, org));
            assert_eq!(found, heard, "{tlp}");
        }
    }
}
