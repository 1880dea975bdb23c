//! Who hears what, against a model that walks the tree of places step by step instead of comparing texts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use proptest::sample::select;
use vigie_proto::channel::{Channel, Filter, Flow, Plane};
use vigie_proto::severity::Severity;

/// Names of which one is a prefix of another.
const SEGMENTS: [&str; 4] = ["a", "ab", "b", "a-b"];

type Place = Vec<&'static str>;

fn any_place() -> impl Strategy<Value = Place> {
    prop::collection::vec(select(&SEGMENTS[..]), 1..5)
}

/// A place near another, so that relatives are common: cut, kept or prolonged.
fn two_places() -> impl Strategy<Value = (Place, Place)> {
    (any_place(), any_place(), 0..5_usize).prop_map(|(first, second, shared)| {
        let shared = shared.min(first.len());
        let mut other = first[..shared].to_vec();
        other.extend(second.into_iter().take(4 - other.len().min(4)));
        (first, other)
    })
}

/// Climbs from a place to the root; whether it meets the other one.
fn meets_on_the_way_up(from: &Place, wanted: &Place) -> bool {
    let mut place = from.clone();
    while !place.is_empty() {
        if place == *wanted {
            return true;
        }
        place.pop();
    }
    false
}

/// The table of PROTOCOL.md, part 3.
fn model(flow: Flow, subtree: bool, stands: &Place, addressed: &Place, severity: Severity) -> bool {
    let concerns = meets_on_the_way_up(stands, addressed);
    let is_below = meets_on_the_way_up(addressed, stands);
    match (flow, subtree) {
        (Flow::Alert, false) => concerns,
        (Flow::Alert, true) => concerns || is_below,
        (Flow::Signal, false) => {
            stands == addressed || (is_below && [Severity::Severe, Severity::Extreme].contains(&severity))
        }
        (Flow::Signal, true) => is_below,
    }
}

fn text(plane: Plane, flow: Flow, place: &Place) -> String {
    let plane = if plane == Plane::Exercise { "exercise/" } else { "" };
    format!("{plane}{flow}/{}", place.join("."))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_192))]

    #[test]
    fn a_filter_takes_what_the_model_takes(
        (stands, addressed) in two_places(),
        planes in (select(&[Plane::Live, Plane::Exercise][..]), select(&[Plane::Live, Plane::Exercise][..])),
        flows in (select(&[Flow::Alert, Flow::Signal][..]), select(&[Flow::Alert, Flow::Signal][..])),
        subtree in any::<bool>(),
        severity in select(&Severity::ALL[..]),
    ) {
        let filter = text(planes.0, flows.0, &stands) + if subtree { ".**" } else { "" };
        let channel = text(planes.1, flows.1, &addressed);
        let taken = filter.parse::<Filter>().unwrap().takes(&channel.parse::<Channel>().unwrap(), severity);
        let same = planes.0 == planes.1 && flows.0 == flows.1;
        let expected = same && model(flows.0, subtree, &stands, &addressed, severity);
        prop_assert_eq!(taken, expected, "{} {} {}", filter, channel, severity);
    }
}
