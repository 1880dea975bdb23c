//! `labels.json`: whom a label lets hear; and messages of `messages.json` whose fault is their label.

use serde::Serialize;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Channel, Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::hear::{Reader, Said, may_hear};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Tlp;
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

#[derive(Serialize)]
pub(crate) struct Heard {
    pub(crate) label: Label,
    /// Of the reader, whose place and plane are those of the message.
    pub(crate) org: &'static str,
    pub(crate) heard: bool,
}

#[derive(Clone, Serialize)]
pub(crate) struct Label {
    pub(crate) tlp: Tlp,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) audience: Vec<&'static str>,
}

/// Near each other on purpose: one above, one below, one that only begins like another.
const ORGS: [&str; 6] = ["fr", "fr.a", "fr.a.x", "fr.a-b", "fr.ab", "fr.b"];

pub(crate) fn heard() -> Vec<Heard> {
    const ALL: &[&str] = &ORGS;
    [
        (Tlp::Clear, &[][..], ALL),
        (Tlp::Green, &[], ALL),
        (Tlp::Green, &["fr.a"], &["fr.a", "fr.a.x"]),
        (Tlp::Amber, &["fr.a"], &["fr.a", "fr.a.x"]),
        (Tlp::Amber, &["fr.a", "fr.a-b", "fr.b"], &["fr.a", "fr.a.x", "fr.a-b", "fr.b"]),
        (Tlp::Amber, &["fr"], ALL),
        (Tlp::AmberStrict, &["fr.a"], &["fr.a"]),
        (Tlp::AmberStrict, &["fr", "fr.a.x"], &["fr", "fr.a.x"]),
        (Tlp::Red, &["fr.a"], &["fr.a"]),
        (Tlp::Red, &["fr.ab", "fr.b"], &["fr.ab", "fr.b"]),
        (Tlp::Red, &["fr"], &["fr"]),
    ]
    .into_iter()
    .flat_map(|(tlp, audience, heard_by)| {
        let label = Label { tlp, audience: audience.to_vec() };
        ORGS.map(|org| Heard { label: label.clone(), org, heard: heard_by.contains(&org) })
    })
    .collect()
}

/// Name of a message, its label, the verdict, and the sound one that it is repaired to.
pub(crate) type Form = (&'static str, String, &'static str, Option<&'static str>);

/// Labels in a message that is sound otherwise.
pub(crate) fn forms() -> Vec<Form> {
    let many = |count: usize| {
        let orgs: Vec<_> = (10..10 + count).map(|number| format!(r#""fr.o{number}""#)).collect();
        format!(r#"{{"tlp":"TLP:RED","audience":[{}]}}"#, orgs.join(","))
    };
    let with = |tlp: &str, audience: &str| format!(r#"{{"tlp":"TLP:{tlp}","audience":{audience}}}"#);
    let alone = |tlp: &str| format!(r#"{{"tlp":"TLP:{tlp}"}}"#);
    let (ok, bad) = ("ok", "malformed_message");
    vec![
        ("label-clear", alone("CLEAR"), ok, None),
        ("label-green-for-one", with("GREEN", r#"["fr.sante"]"#), ok, None),
        ("label-amber", with("AMBER", r#"["fr.interieur","fr.sante"]"#), ok, None),
        ("label-amber-strict", with("AMBER+STRICT", r#"["fr.interieur"]"#), ok, None),
        ("label-strict-above-and-below", with("AMBER+STRICT", r#"["fr.a","fr.a-b","fr.a.b"]"#), ok, None),
        ("label-red", with("RED", r#"["fr.sante"]"#), ok, None),
        ("label-for-16", many(16), ok, None),
        ("label-clear-for-one", with("CLEAR", r#"["fr.sante"]"#), bad, Some("label-clear")),
        ("label-amber-for-nobody", alone("AMBER"), bad, Some("label-amber")),
        ("label-amber-strict-for-nobody", alone("AMBER+STRICT"), bad, Some("label-amber-strict")),
        ("label-red-for-nobody", alone("RED"), bad, Some("label-red")),
        ("label-for-17", many(17), bad, Some("label-for-16")),
        ("audience-empty", with("GREEN", "[]"), bad, Some("label-green-for-one")),
        ("audience-null", with("GREEN", "null"), bad, Some("label-green-for-one")),
        ("audience-text", with("GREEN", r#""fr.sante""#), bad, Some("label-green-for-one")),
        ("audience-upper-case", with("GREEN", r#"["fr.Sante"]"#), bad, Some("label-green-for-one")),
        ("audience-not-sorted", with("AMBER", r#"["fr.sante","fr.interieur"]"#), bad, Some("label-amber")),
        ("audience-twice-the-same", with("RED", r#"["fr.sante","fr.sante"]"#), bad, Some("label-red")),
        ("audience-covered", with("AMBER", r#"["fr.a","fr.a-b","fr.a.b"]"#), bad, Some("label-amber")),
        (
            "audience-covered-green",
            with("GREEN", r#"["fr.sante","fr.sante.ars"]"#),
            bad,
            Some("label-green-for-one"),
        ),
    ]
}

/// A reader of this organisation who hears every alert.
fn reader_of(org: &str) -> Reader {
    let key = SigningKey::from_seed(&[0x5A; 32]).unwrap();
    let grant =
        Grant { flow: Flow::Alert, at: "fr".parse().unwrap(), publish: None, subscribe: true, delegate: 0 };
    let claims = Claims {
        subject: *key.public(),
        org: org.parse().unwrap(),
        name: String::new(),
        role: Role::Author,
        grants: vec![grant],
        plane: Plane::Live,
        valid: Window { from: Timestamp::EPOCH, until: Timestamp::FAR_FUTURE },
    };
    let root = Credential::issue_root(&key, &claims).unwrap();
    let roots = Roots::new([key.public().thumbprint()]);
    let chain = Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap();
    Reader::new(&chain, vec!["alert/fr.**".parse().unwrap()]).unwrap()
}

#[test]
fn labels_let_hear_whom_the_vectors_say() {
    let channel: Channel = "alert/fr".parse().unwrap();
    for Heard { label: written, org, heard } in heard() {
        let orgs = written.audience.iter().map(|org| org.parse().unwrap());
        let label = vigie_proto::label::Label::new(written.tlp, orgs).unwrap();
        assert_eq!(serde_json::to_value(&label).unwrap(), serde_json::to_value(&written).unwrap());
        let said = Said { channel: &channel, severity: Severity::Minor, audience: label.audience() };
        assert_eq!(may_hear(&reader_of(org), said), heard, "{label}: {org}");
    }
}
