//! The small grammars: channels, filters, places, cursors and ids; and who hears what, by the table of PROTOCOL.md.
//!
//! A text a line.

use vigie_proto::channel::{Channel, Filter, Flow, Jurisdiction, Plane};
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{LogId, MessageId};
use vigie_proto::severity::Severity;

use crate::{Outcome, plant};

/// More say nothing new.
const LINES_MAX: usize = 6;

/// Channels and filters.
pub fn channel(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else { return Outcome::Passed };
    let (mut channels, mut filters) = (Vec::new(), Vec::new());
    for line in text.split('\n').take(LINES_MAX) {
        let same = |written: Option<String>| {
            assert!(
                written.as_deref().is_none_or(|written| written == line),
                "{line:?} is written {written:?}"
            );
            written.is_some()
        };
        assert_eq!(
            same(line.parse().ok().map(|place: Jurisdiction| place.to_string())),
            is_place(line),
            "{line:?}"
        );
        assert_eq!(same(line.parse().ok().map(|one: Channel| one.to_string())), is_channel(line), "{line:?}");
        let is_filter = is_channel(line) || line.strip_suffix(".**").is_some_and(is_channel);
        assert_eq!(same(line.parse().ok().map(|one: Filter| one.to_string())), is_filter, "{line:?}");
        same(line.parse().ok().map(|cursor: Cursor| cursor.to_string()));
        same(line.parse().ok().map(|id: MessageId| id.to_string()));
        same(line.parse().ok().map(|id: LogId| id.to_string()));
        channels.extend(line.parse::<Channel>());
        filters.extend(line.parse::<Filter>());
    }
    for (filter, channel) in filters.iter().flat_map(|filter| channels.iter().map(move |to| (filter, to))) {
        let mut before = false;
        for severity in Severity::ALL {
            let takes = filter.takes(channel, severity);
            assert_eq!(takes, hears(filter, channel, severity), "{filter} {channel} {severity}");
            assert!(takes || !before, "{filter} hears {channel} and not when it is graver");
            before = takes;
        }
    }
    plant::inside("channel", || {
        let is_met = |filter: &Filter| filter.subtree && filter.channel.at.as_str().matches('.').count() == 6;
        channels.iter().any(|one| one.plane == Plane::Exercise) && filters.iter().any(is_met)
    });
    if filters.is_empty() { Outcome::Refused } else { Outcome::Taken }
}

/// Part 3 of PROTOCOL.md: the grammar.
fn is_place(text: &str) -> bool {
    let segments: Vec<&str> = text.split('.').collect();
    let letters =
        |one: &str| one.chars().all(|letter| "abcdefghijklmnopqrstuvwxyz0123456789-".contains(letter));
    segments.len() <= 8 && segments.iter().all(|one| (1..=32).contains(&one.len()) && letters(one))
}

fn is_channel(text: &str) -> bool {
    let rest = text.strip_prefix("exercise/").unwrap_or(text);
    let place = rest.strip_prefix("alert/").or_else(|| rest.strip_prefix("signal/"));
    place.is_some_and(is_place)
}

/// Part 3 of PROTOCOL.md: who hears what.
fn hears(filter: &Filter, channel: &Channel, severity: Severity) -> bool {
    let is_in = |inner: &Jurisdiction, outer: &Jurisdiction| {
        inner == outer || inner.as_str().starts_with(&format!("{}.", outer.as_str()))
    };
    let (stands, addressed) = (&filter.channel.at, &channel.at);
    (filter.channel.plane, filter.channel.flow) == (channel.plane, channel.flow)
        && match (channel.flow, filter.subtree) {
            (Flow::Alert, false) => is_in(stands, addressed),
            (Flow::Alert, true) => is_in(stands, addressed) || is_in(addressed, stands),
            (Flow::Signal, false) => {
                stands == addressed
                    || (matches!(severity, Severity::Severe | Severity::Extreme) && is_in(addressed, stands))
            }
            (Flow::Signal, true) => is_in(addressed, stands),
        }
}
