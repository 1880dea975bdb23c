//! What a log is shown of signed things: who and what, and never the signed bytes, which are long and say no more.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Debug;

use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::jws::{Kind, Token};
use vigie_proto::key::SigningKey;
use vigie_proto::label::{Label, Tlp};
use vigie_proto::revocation::{self, Reason, Revocation, Statement, Target};
use vigie_proto::rotation::{self, Handover};
use vigie_proto::time::{Timestamp, Window};

fn shown(of: &impl Debug, told: &[&str], token: &str) {
    let text = format!("{of:?}");
    for part in told {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!text.contains(signature), "{text}");
}

#[test]
fn what_is_signed_is_told_without_its_bytes() {
    let key = |seed| SigningKey::from_seed(&[seed; 32]).unwrap();
    let (root, heir) = (key(0x51), key(0x52));
    let claims = Claims {
        subject: *root.public(),
        org: "fr.etat".parse().unwrap(),
        name: "somebody".to_owned(),
        role: Role::Author,
        grants: vec![Grant {
            flow: Flow::Alert,
            at: "fr".parse().unwrap(),
            publish: None,
            subscribe: true,
            delegate: 0,
        }],
        plane: Plane::Live,
        valid: Window { from: Timestamp::EPOCH, until: Timestamp::from_millis(1_800_000_000_123) },
    };
    let credential = Credential::issue_root(&root, &claims).unwrap();
    let id = credential.id().to_string();
    shown(&credential, &[&id, "fr.etat", "somebody", "1800000000123"], credential.token());
    let token = Token::parse(credential.token(), Kind::Credential).unwrap();
    shown(&token, &["Credential", "Live"], credential.token());

    let (target, from) = (Target::Credential(credential.id()), Timestamp::from_millis(77_000_001));
    let statement = Statement { target, from, number: 41, reason: Some(Reason::Superseded) };
    let signed = revocation::sign(&root, &credential, &statement);
    let revocation = Revocation::parse(&signed).unwrap();
    shown(&revocation, &[&revocation.id().to_string(), &id, "77000001", "41", "Superseded"], &signed);

    let until = Some(Timestamp::from_millis(77_000_002));
    let rotation =
        rotation::sign(&root, Plane::Exercise, &Handover { successor: *heir.public(), from, until }).unwrap();
    let ids =
        [rotation.id().to_string(), rotation.root_id().to_string(), rotation.successor_id().to_string()];
    let told: Vec<&str> =
        ids.iter().map(String::as_str).chain(["Exercise", "77000001", "77000002"]).collect();
    shown(&rotation, &told, rotation.token());
}

#[test]
fn words_stand_in_columns() {
    assert_eq!(format!("{:<9}|{:>7}|", Plane::Live, Flow::Alert), "live     |  alert|");
    assert_eq!(format!("{:<10}|", Tlp::Red), "TLP:RED   |");
    let of_rfc_5280 =
        ["keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"];
    assert_eq!(Reason::ALL.map(Reason::as_str), of_rfc_5280);
    for reason in Reason::ALL {
        assert_eq!(format!("{reason:<30}|"), format!("{:<30}|", reason.as_str()));
    }
    let label = Label::new(Tlp::Amber, ["fr.b", "fr.a"].map(|org| org.parse().unwrap())).unwrap();
    assert_eq!(
        (label.to_string(), Label::GREEN.to_string()),
        ("TLP:AMBER (fr.a, fr.b)".to_owned(), "TLP:GREEN".to_owned())
    );
}
