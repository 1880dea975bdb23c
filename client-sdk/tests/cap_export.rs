//! CAP export keeps its promise: whatever the model says, the XML says, and reading it gives the same model again.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use vigie_client::cap::{ExportError, ImportOptions, examine, export, export_list, import, import_all};
use vigie_proto::cap::{
    Alert, Area, Category, Certainty, Fault, Info, MsgType, Resource, ResponseType, Scope, Severity, Status,
    Urgency, ValuePair,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cap")
}

fn good(name: &str) -> Alert {
    import(&fs::read(folder().join(name)).unwrap()).unwrap().alert
}

/// All that XML can carry, rich in what is special to it: markup, white space, references, empty texts.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        4 => "[a-zà-ÿ]{1,6}",
        1 => select(vec![
            " ", "\n", "\t", "\r", "\r\n", "\u{a0}", "\u{2028}", "\u{85}", "&", "<", ">", "\"", "'", "]]>", "<![CDATA[",
            "&amp;", "&#10;", "<!--", "-->", "<?vigie exact?>", "?>", "</value>", "é", "漢", "🔥", "\u{202e}", "\u{fffd}",
            "=", "-00:00",
        ]).prop_map(str::to_owned),
    ];
    vec(pieces, 0..5).prop_map(|pieces| pieces.concat())
}

/// A text that an alert cannot do without.
fn said() -> impl Strategy<Value = String> {
    text().prop_filter("says something", |text| !text.trim().is_empty())
}

fn time() -> impl Strategy<Value = String> {
    select(vec!["2026-06-01T10:00:00+02:00", "2026-02-28T24:00:00-00:00", "0001-01-01T00:00:00+14:00"])
        .prop_map(str::to_owned)
}

fn pair() -> impl Strategy<Value = ValuePair> {
    (said(), text()).prop_map(|(value_name, value)| ValuePair { value_name, value })
}

prop_compose! {
    fn resource()(
        (resource_desc, mime_type) in (said(), said()),
        (size, uri, deref_uri, digest) in
            (option::of(text()), option::of(text()), option::of(text()), option::of(text())),
    ) -> Resource {
        Resource { resource_desc, mime_type, size, uri, deref_uri, digest }
    }
}

prop_compose! {
    fn area()(
        area_desc in text(),
        polygon in vec(text(), 0..3),
        circle in vec(text(), 0..3),
        geocode in vec(pair(), 0..3),
        (altitude, ceiling) in (option::of(text()), option::of(text())),
    ) -> Area {
        Area { area_desc, polygon, circle, geocode, altitude, ceiling }
    }
}

prop_compose! {
    fn info()(
        (language, event, audience) in (option::of(text()), said(), option::of(text())),
        category in vec(select(Category::ALL), 1..3),
        response_type in vec(select(ResponseType::ALL), 0..3),
        (urgency, severity, certainty) in
            (select(Urgency::ALL), select(Severity::ALL), select(Certainty::ALL)),
        (effective, onset, expires) in (option::of(time()), option::of(time()), option::of(time())),
        (sender_name, headline, description, instruction, web, contact) in (
            option::of(text()), option::of(text()), option::of(text()), option::of(text()), option::of(text()),
            option::of(text()),
        ),
        (event_code, parameter) in (vec(pair(), 0..3), vec(pair(), 0..3)),
        resource in vec(resource(), 0..2),
        area in vec(area(), 0..3),
    ) -> Info {
        Info {
            language, category, event, response_type, urgency, severity, certainty, audience, event_code, effective,
            onset, expires, sender_name, headline, description, instruction, web, contact, parameter, resource, area,
        }
    }
}

prop_compose! {
    fn alert()(
        (identifier, sender, sent) in (said(), said(), time()),
        (status, msg_type, scope) in (select(Status::ALL), select(MsgType::ALL), select(Scope::ALL)),
        (source, restriction, addresses, note, references, incidents) in (
            option::of(text()), option::of(text()), option::of(text()), option::of(text()), option::of(text()),
            option::of(text()),
        ),
        code in vec(text(), 0..3),
        info in vec(info(), 0..3),
    ) -> Alert {
        Alert {
            identifier, sender, sent, status, msg_type, source, scope, restriction, addresses, code, note, references,
            incidents, info,
        }
    }
}

proptest! {
    #[test]
    fn any_model_becomes_xml_and_the_same_model_again(alert in alert()) {
        let xml = export(&alert).unwrap();
        let imported = import(xml.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{xml}"));
        prop_assert_eq!(&imported.alert, &alert, "{}", xml);
        prop_assert_eq!(export(&imported.alert).unwrap(), xml);
    }
}

#[test]
fn every_fixture_comes_back_equal_and_without_a_new_warning() {
    let mut checked = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let name = path.display();
        let first = import(&fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let xml = export(&first.alert).unwrap();
        let second = import(xml.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(second.alert, first.alert, "{name}");
        for warning in &second.warnings {
            let before =
                first.warnings.iter().any(|one| one.code == warning.code && one.element == warning.element);
            assert!(before, "{name}: new {warning}");
        }
        checked += 1;
    }
    assert!(checked > 30, "{checked} files");
}

#[test]
fn the_xml_of_a_model_is_fixed() {
    let mut alert = good("prefix.xml");
    alert.sender = " espace ".to_owned();
    alert.note = Some(String::new());
    alert.info[0].description = Some("a < b & c > d\r\n  e".to_owned());
    let expected = fs::read_to_string(folder().join("exported.txt")).unwrap();
    assert_eq!(export(&alert).unwrap(), expected);
}

#[test]
fn a_list_gives_its_alerts_back() {
    let alerts = [good("crue-seine.xml"), good("bamako-inondation.xml"), good("crue-seine.xml")];
    let xml = export_list(&alerts).unwrap();
    let found = import_all(xml.as_bytes(), &ImportOptions::default()).unwrap();
    let found: Vec<Alert> = found.into_iter().map(|one| one.unwrap().alert).collect();
    assert_eq!(found, alerts);
}

#[test]
fn what_is_no_alert_or_no_text_of_xml_is_not_written() {
    let mut alert = good("crue-seine.xml");
    alert.sent = "hier".to_owned();
    assert!(matches!(export(&alert), Err(ExportError::Fault(_))));

    for character in ['\0', '\u{1b}', '\u{fffe}'] {
        let mut alert = good("crue-seine.xml");
        alert.info[0].headline = Some(format!("a{character}b"));
        let error = export(&alert).unwrap_err();
        let fault = Fault::Character { element: "headline", code_point: u32::from(character) };
        assert_eq!(error, ExportError::Fault(fault));
    }
}

/// The shortest JSON for the longest XML: one polygon of three bytes makes an element of more than forty.
#[test]
fn the_largest_alert_of_a_message_is_read_back() {
    let mut alert = good("crue-seine.xml");
    let area = Area { polygon: vec![String::new(); 256], ..alert.info[0].area[0].clone() };
    let bare = Area { geocode: Vec::new(), ..area };
    alert.info[0].area = vec![bare; 250];
    assert!(serde_json::to_vec(&alert).unwrap().len() > 190_000);
    let xml = export(&alert).unwrap();
    assert_eq!(import(xml.as_bytes()).unwrap().alert, alert);

    let mut alert = good("crue-seine.xml");
    alert.info[0].description = Some("&".repeat(256 * 1024));
    assert_eq!(import(export(&alert).unwrap().as_bytes()).unwrap().alert, alert);
}

#[test]
fn an_exported_alert_is_as_conformant_as_its_source() {
    for name in ["crue-seine.xml", "atom-feed.xml", "seveso-iso-8859-1.xml", "wrong-order.xml"] {
        let xml = export(&good(name)).unwrap();
        let found = examine(xml.as_bytes(), &ImportOptions::default()).unwrap();
        assert!(found[0].is_conformant(), "{name}: {:?}", found[0].warnings);
    }
}
