//! Who hears what, against a model that walks the tree of places step by step instead of comparing texts; what a reader may
//! ask for, and why it does not hear.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use proptest::sample::select;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Channel, Filter, Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::hear::{Barred, Reader, Said, barred, may_hear};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Audience;
use vigie_proto::limits::SUBSCRIPTIONS_MAX;
use vigie_proto::refusal::Code;
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

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

/// May subscribe to both flows at `fr` and below, on the live plane.
fn chain(role: Role) -> Chain {
    let key = SigningKey::from_seed(&[0x4E; 32]).unwrap();
    let at_fr = |flow| Grant { flow, at: "fr".parse().unwrap(), publish: None, subscribe: true, delegate: 0 };
    let claims = Claims {
        subject: *key.public(),
        org: "fr.a".parse().unwrap(),
        name: "reader".to_owned(),
        role,
        grants: vec![at_fr(Flow::Alert), at_fr(Flow::Signal)],
        plane: Plane::Live,
        valid: Window { from: Timestamp::EPOCH, until: Timestamp::FAR_FUTURE },
    };
    let root = Credential::issue_root(&key, &claims).unwrap();
    let roots = Roots::new([key.public().thumbprint()]);
    Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap()
}

fn filters(texts: &[&str]) -> Vec<Filter> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_reader_asks_for_what_is_granted_on_its_plane_and_not_for_too_much() {
    let author = chain(Role::Author);
    let reader = Reader::new(&author, filters(&["signal/fr.b", "alert/fr", "signal/fr.b"])).unwrap();
    assert_eq!(**reader.filters(), *filters(&["alert/fr", "signal/fr.b"]));
    assert_eq!((reader.org().as_str(), reader.plane()), ("fr.a", Plane::Live));
    let many = |count| (0..count).map(|number| format!("alert/fr.p{number}").parse().unwrap()).collect();
    assert_eq!(Reader::new(&author, many(SUBSCRIPTIONS_MAX)).unwrap().filters().len(), SUBSCRIPTIONS_MAX);
    let relay = chain(Role::Relay);
    for (chain, asked, code) in [
        (&author, vec![], Code::TooManySubscriptions),
        (&author, many(SUBSCRIPTIONS_MAX + 1), Code::TooManySubscriptions),
        (&author, filters(&["alert/fr", "exercise/alert/fr"]), Code::WrongPlane),
        (&author, filters(&["alert/fr", "alert/frx"]), Code::OutOfJurisdiction),
        (&relay, filters(&["alert/fr"]), Code::NotGranted),
    ] {
        assert_eq!(Reader::new(chain, asked).unwrap_err().code, code);
    }
}

#[test]
fn who_does_not_hear_is_told_the_first_reason_and_who_hears_none() {
    let named = |org: &str| Audience::named([org.parse().unwrap()], false).unwrap();
    let (all, ours, others) = (Audience::EVERYONE, named("fr"), named("fr.b"));
    let alerts = ["alert/fr.b"];
    let both = ["alert/fr.b", "signal/fr.b"];
    for (asked, channel, severity, audience, why) in [
        (&both[..], "alert/fr", Severity::Minor, &all, None),
        (&both, "alert/fr.b", Severity::Minor, &ours, None),
        (&both, "signal/fr.b", Severity::Minor, &all, None),
        (&both, "signal/fr.b.c", Severity::Severe, &all, None),
        (&both, "exercise/alert/fr", Severity::Extreme, &all, Some(Barred::Plane)),
        (&alerts, "exercise/signal/fr.c", Severity::Minor, &others, Some(Barred::Plane)),
        (&alerts, "signal/fr.b", Severity::Extreme, &all, Some(Barred::Flow)),
        (&alerts, "signal/fr.c", Severity::Minor, &others, Some(Barred::Flow)),
        (&both, "alert/fr.b.c", Severity::Extreme, &all, Some(Barred::Place)),
        (&both, "signal/fr", Severity::Minor, &others, Some(Barred::Place)),
        (&both, "signal/fr.b.c", Severity::Moderate, &all, Some(Barred::Severity)),
        (&both, "signal/fr.b.c", Severity::Minor, &others, Some(Barred::Severity)),
        (&both, "alert/fr", Severity::Extreme, &others, Some(Barred::Audience)),
        (&both, "signal/fr.b.c", Severity::Severe, &others, Some(Barred::Audience)),
    ] {
        let reader = Reader::new(&chain(Role::Author), filters(asked)).unwrap();
        let channel: Channel = channel.parse().unwrap();
        let said = Said { channel: &channel, severity, audience };
        assert_eq!(barred(&reader, said), why, "{asked:?} {said:?}");
        assert_eq!(may_hear(&reader, said), why.is_none(), "{asked:?} {said:?}");
    }
    assert_eq!(Barred::ALL.map(Barred::as_str), ["plane", "flow", "place", "severity", "audience"]);
}
