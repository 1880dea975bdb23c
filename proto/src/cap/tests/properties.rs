//! Any alert, even one that says nothing or says what XML cannot: JSON gives it back, and judging it does not fail.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,12}", Just(String::new()), Just("\u{0}\"\\\u{2028}\n".to_owned())]
}

fn some_text() -> impl Strategy<Value = Option<String>> {
    option::of(text())
}

fn any_pairs() -> impl Strategy<Value = Vec<ValuePair>> {
    proptest::collection::vec(
        (text(), text()).prop_map(|(value_name, value)| ValuePair { value_name, value }),
        0..3,
    )
}

fn any_resource() -> impl Strategy<Value = Resource> {
    (text(), text(), some_text(), some_text(), some_text(), some_text()).prop_map(
        |(resource_desc, mime_type, size, uri, deref_uri, digest)| Resource {
            resource_desc,
            mime_type,
            size,
            uri,
            deref_uri,
            digest,
        },
    )
}

fn any_area() -> impl Strategy<Value = Area> {
    let texts = || proptest::collection::vec(text(), 0..3);
    (text(), texts(), texts(), any_pairs(), some_text(), some_text()).prop_map(
        |(area_desc, polygon, circle, geocode, altitude, ceiling)| Area {
            area_desc,
            polygon,
            circle,
            geocode,
            altitude,
            ceiling,
        },
    )
}

fn any_info() -> impl Strategy<Value = Info> {
    let codes = (
        proptest::collection::vec(select(Category::ALL), 1..3),
        proptest::collection::vec(select(ResponseType::ALL), 0..3),
        select(Urgency::ALL),
        select(Severity::ALL),
        select(Certainty::ALL),
    );
    let texts = proptest::collection::vec(some_text(), 11);
    let parts = (
        text(),
        any_pairs(),
        any_pairs(),
        proptest::collection::vec(any_resource(), 0..2),
        proptest::collection::vec(any_area(), 0..2),
    );
    (codes, texts, parts).prop_map(|(codes, texts, parts)| {
        let (category, response_type, urgency, severity, certainty) = codes;
        let (event, event_code, parameter, resource, area) = parts;
        let mut texts = texts.into_iter().map(|text| text.filter(|text| !text.is_empty()));
        let mut next = || texts.next().flatten();
        Info {
            language: next(),
            category,
            event,
            response_type,
            urgency,
            severity,
            certainty,
            audience: next(),
            event_code,
            effective: next(),
            onset: next(),
            expires: next(),
            sender_name: next(),
            headline: next(),
            description: next(),
            instruction: next(),
            web: next(),
            contact: next(),
            parameter,
            resource,
            area,
        }
    })
}

fn any_alert() -> impl Strategy<Value = Alert> {
    let codes = (select(Status::ALL), select(MsgType::ALL), select(Scope::ALL));
    let required = (text(), text(), text());
    let optional = (some_text(), some_text(), some_text(), some_text(), some_text(), some_text());
    let repeated = (proptest::collection::vec(text(), 0..3), proptest::collection::vec(any_info(), 0..3));
    (codes, required, optional, repeated).prop_map(|(codes, required, optional, (code, info))| {
        let (status, msg_type, scope) = codes;
        let (identifier, sender, sent) = required;
        let (source, restriction, addresses, note, references, incidents) = optional;
        Alert {
            identifier,
            sender,
            sent,
            status,
            msg_type,
            source,
            scope,
            restriction,
            addresses,
            code,
            note,
            references,
            incidents,
            info,
        }
    })
}

proptest! {
    #[test]
    fn any_alert_survives_json(alert in any_alert()) {
        let text = serde_json::to_string(&alert).unwrap();
        let again: Alert = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&again, &alert);
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), text);
    }

    #[test]
    fn any_alert_can_be_judged(alert in any_alert(), lang in ".{0,6}") {
        prop_assert_eq!(alert.severity_floor().is_none(), alert.info.is_empty());
        prop_assert_eq!(alert.headline(&lang).is_none(), alert.info.is_empty());
        // Times of random text never pass.
        prop_assert!(alert.validate().is_err());
    }

    #[test]
    fn any_text_for_a_time_does_not_panic(text in ".{0,40}") {
        let _ = is_date_time(&text);
    }
}
