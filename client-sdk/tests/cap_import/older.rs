//! CAP 1.0 and 1.1, envelopes, what a caller supplies, and everything that is wrong in one go.

use vigie_client::cap::{
    ALERTS_MAX, Examined, ImportError, ImportOptions, Version, examine, import, import_all, import_with,
};
use vigie_proto::cap::{Category, Certainty, Scope, ValuePair};

use crate::fixtures::warnings;
use crate::{fixture, good, one_info};

fn pair(name: &str, value: &str) -> ValuePair {
    ValuePair { value_name: name.to_owned(), value: value.to_owned() }
}

#[test]
fn cap_1_0_becomes_1_2_by_the_table() {
    let imported = import(&fixture("cap-1.0.xml")).unwrap();
    assert_eq!(imported.version, Version::V1_0);
    let alert = &imported.alert;
    assert_eq!(alert.sent, "2004-09-30T09:15:00-00:00");
    let info = &alert.info[0];
    assert_eq!(info.expires.as_deref(), Some("2004-10-01T09:15:00+02:00"));
    assert_eq!(info.certainty, Certainty::Likely);
    assert_eq!(info.event_code, [pair("national", "SIS")]);
    let parameters = [pair("Magnitude", "3.4 Ml"), pair("Formule", "a=b+c"), pair("Profondeur", "11 km")];
    assert_eq!(info.parameter, parameters);
    assert_eq!(info.area[0].geocode, [pair("INSEE", "88383"), pair("ZONE", "")]);
    assert_eq!(info.resource[0].mime_type, "application/octet-stream");
    assert_eq!(info.resource[1].mime_type, "image/png");
    assert!(!serde_json::to_string(alert).unwrap().contains("mot-de-passe"), "a password goes nowhere");
}

#[test]
fn cap_1_1_becomes_1_2_by_the_table() {
    let imported = import(&fixture("cap-1.1.xml")).unwrap();
    assert_eq!(imported.version, Version::V1_1);
    let info = &imported.alert.info[0];
    assert_eq!(imported.alert.sent, "2009-05-04T12:00:00-00:00");
    assert_eq!(info.effective.as_deref(), Some("2009-05-04T12:00:00-00:00"));
    assert_eq!(info.resource[0].mime_type, "application/octet-stream");
    assert_eq!(info.area[0].altitude.as_deref(), Some("environ 300"), "what is written is kept");
}

#[test]
fn what_the_table_cannot_fill_the_caller_supplies() {
    type Set = fn(&mut ImportOptions);
    let cases: [(&str, &str, Set); 5] = [
        ("bad/cap-1.0-no-scope.xml", "scope", |options| options.scope = Some(Scope::Public)),
        ("bad/cap-1.0-no-category.xml", "category", |options| options.category = Some(Category::Fire)),
        ("bad/cap-1.0-no-key.xml", "valueName", |options| options.value_name = Some("niveau".to_owned())),
        ("bad/missing-mime-type.xml", "mimeType", |options| options.mime_type = Some("image/png".to_owned())),
        ("bad/no-zone.xml", "sent", |options| options.zone = "+02:00".parse().ok()),
    ];
    for (name, element, set) in cases {
        let bytes = fixture(name);
        assert!(import(&bytes).is_err(), "{name}");
        let mut options = ImportOptions::default();
        set(&mut options);
        let imported = import_with(&bytes, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let told = warnings(&imported);
        assert!(told.iter().any(|row| row.ends_with(&format!("supplied {element}"))), "{name}: {told:?}");
        assert_eq!(imported.alert.validate(), Ok(()), "{name}");
    }
}

#[test]
fn what_is_supplied_replaces_nothing_that_a_file_says() {
    let mut options = ImportOptions::default();
    options.scope = Some(Scope::Private);
    options.category = Some(Category::Other);
    options.value_name = Some("autre".to_owned());
    options.zone = "+09:00".parse().ok();
    for name in ["crue-seine.xml", "cap-1.0.xml"] {
        assert_eq!(import_with(&fixture(name), &options).unwrap().alert, good(name), "{name}");
    }
    options.mime_type = Some("image/gif".to_owned());
    let resources = import_with(&fixture("cap-1.0.xml"), &options).unwrap().alert.info.remove(0).resource;
    assert_eq!(
        (resources[0].mime_type.as_str(), resources[1].mime_type.as_str()),
        ("image/gif", "image/png")
    );
}

#[test]
fn blank_texts_supply_nothing() {
    let mut options = ImportOptions::default();
    options.mime_type = Some(" ".to_owned());
    options.value_name = Some(String::new());
    for name in ["bad/missing-mime-type.xml", "bad/cap-1.0-no-key.xml"] {
        assert!(import_with(&fixture(name), &options).is_err(), "{name}");
    }
}

/// Identifier, version and signatures of each alert, or the code of its error.
fn all(name: &str) -> Vec<Result<(String, Version, usize), &'static str>> {
    let found = import_all(&fixture(name), &ImportOptions::default()).unwrap();
    let brief = |one: Result<vigie_client::cap::Imported, ImportError>| {
        one.map(|one| (one.alert.identifier, one.version, one.signatures)).map_err(|error| error.code())
    };
    found.into_iter().map(brief).collect()
}

#[test]
fn an_envelope_gives_the_alerts_inside_and_a_bad_one_holds_up_no_other() {
    let one = |identifier: &str, version, signatures| Ok((identifier.to_owned(), version, signatures));
    assert_eq!(
        all("envelopes/list.xml"),
        [
            one("L-1", Version::V1_2, 0),
            one("L-2", Version::V1_1, 0),
            Err("bad_code"),
            one("L-4", Version::V1_2, 1)
        ]
    );
    assert_eq!(all("envelopes/atom-two.xml"), [one("A-1", Version::V1_2, 0), one("A-3", Version::V1_0, 0)]);
    assert_eq!(all("edxl-de.xml"), [one("X-2", Version::V1_2, 0)]);
    assert_eq!(all("crue-seine.xml").len(), 1);
}

#[test]
fn warnings_stay_with_their_alert() {
    let found = import_all(&fixture("envelopes/atom-two.xml"), &ImportOptions::default()).unwrap();
    let told: Vec<_> = found.iter().map(|one| warnings(one.as_ref().unwrap())).collect();
    assert_eq!(told[0], ["5 in_envelope feed"]);
    assert_eq!(told[1], ["28 in_envelope feed", "28 older_version alert"]);
}

#[test]
fn alerts_and_depth_of_an_envelope_are_bounded() {
    let alert = "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'/>";
    let list = |count: usize| format!("<alerts>{}</alerts>", alert.repeat(count)).into_bytes();
    let all = |bytes: &[u8]| import_all(bytes, &ImportOptions::default());
    assert_eq!(all(&list(ALERTS_MAX)).unwrap().len(), ALERTS_MAX);
    assert_eq!(all(&list(ALERTS_MAX + 1)).unwrap_err().code(), "too_many_alerts");

    let inside = String::from_utf8(one_info("")).unwrap();
    let nested =
        |levels: usize| format!("{}{inside}{}", "<e>".repeat(levels), "</e>".repeat(levels)).into_bytes();
    assert!(all(&nested(16)).unwrap()[0].is_ok());
    assert_eq!(all(&nested(17)).unwrap_err().code(), "too_deep");
}

#[test]
fn an_examination_lists_all_that_is_wrong_by_line() {
    let bytes = String::from_utf8(fixture("prose-faults.xml")).unwrap();
    let bytes =
        bytes.replace("<status>Actual</status>", "<status>Réel</status>").replace("<urgency>", "<urgency>?");
    let [one] = &examine(bytes.as_bytes(), &ImportOptions::default()).unwrap()[..] else {
        panic!("one alert")
    };
    let Examined { alert, warnings, .. } = one;
    let faults: Vec<_> = alert.as_ref().unwrap_err().iter().map(|fault| (fault.line, fault.code())).collect();
    assert_eq!(faults, [(6, "bad_code"), (14, "bad_code")]);
    assert_eq!(warnings.len(), 14, "all the warnings of the file that is only careless");
    assert!(!one.is_conformant());
}

#[test]
fn a_note_or_a_conversion_is_no_breach() {
    let conformant = |name: &str| {
        let found = examine(&fixture(name), &ImportOptions::default()).unwrap();
        found.iter().all(Examined::is_conformant)
    };
    for name in
        ["crue-seine.xml", "atom-feed.xml", "edxl-de.xml", "envelopes/atom-two.xml", "two-signatures.xml"]
    {
        assert!(conformant(name), "{name}");
    }
    for name in [
        "wrong-order.xml",
        "utc-with-z.xml",
        "empty-elements.xml",
        "prose-faults.xml",
        "foreign-elements.xml",
        "embedded-faults.xml",
        "bad/no-zone.xml",
    ] {
        assert!(!conformant(name), "{name}");
    }
}
