//! CAP in and out of the real binary: conversions offline, files in a folder, references that become `replaces`.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

#[allow(dead_code, reason = "shared with the suite of all other commands")]
#[path = "cli_suite/support.rs"]
mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{Place, Ran, command, finish, vigie};

/// Long enough for a busy machine; nothing waits for its end when all is well.
const PATIENCE: &str = "20s";

/// A file of the SDK's own collection.
fn fixture(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../client-sdk/tests/fixtures/cap");
    Path::new(folder).join(name).to_str().unwrap().to_owned()
}

fn to_json(name: &str) -> Ran {
    vigie(&["cap", "to-json", &fixture(name)])
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

#[test]
fn xml_becomes_json_and_cap_1_2_again() {
    let json = to_json("crue-seine.xml").ended(0);
    assert_eq!(json.err, "", "nothing to tell about a good file");
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(fixture("crue-seine.json")).unwrap()).unwrap();
    assert_eq!(json.objects(), [expected]);

    let xml = finish(command(&["cap", "to-xml", "-"]), &json.out).ended(0);
    assert!(
        xml.out.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<alert xmlns=\"urn:oasis:names:tc:")
    );
    assert_eq!(finish(command(&["cap", "to-json", "-"]), &xml.out).ended(0).out, json.out);
    assert_eq!(vigie(&["cap", "to-xml", &fixture("crue-seine.xml")]).ended(0).out, xml.out);
}

#[test]
fn conversions_are_told_with_line_and_element_on_stderr_and_a_password_goes_nowhere() {
    let ran = to_json("cap-1.0.xml").ended(0);
    let told =
        "line 17: certainty: a value of an older CAP; taken as the value that replaced it [value_converted]";
    assert!(ran.err.contains(told), "{}", ran.err);
    assert!(!format!("{}{}", ran.out, ran.err).contains("mot-de-passe"), "{ran:?}");
    let ran = to_json("two-signatures.xml").ended(0);
    assert!(ran.err.contains("2 XML signature(s): present, not checked"), "{}", ran.err);
}

#[test]
fn several_alerts_are_lines_of_json_a_list_of_xml_or_files() {
    let list = fixture("envelopes/list.xml");
    let json = vigie(&["cap", "to-json", &list, &fixture("crue-seine.xml")]).ended(6);
    let identifiers: Vec<Value> = json.objects().iter().map(|alert| alert["identifier"].clone()).collect();
    assert_eq!(identifiers[..3], ["L-1", "L-2", "L-4"], "a bad one holds up no other");
    assert_eq!(identifiers.len(), 4);
    assert!(json.err.contains("line 54: \"Demain\" is not a value that CAP has for urgency"), "{}", json.err);

    let xml = finish(command(&["cap", "to-xml", "-"]), &json.out).ended(0);
    assert_eq!(finish(command(&["cap", "to-json", "-"]), &xml.out).ended(0).out, json.out);

    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("sortie");
    let files = [
        "cap",
        "to-xml",
        "--dir",
        dir.to_str().unwrap(),
        &list,
        &fixture("exercise.xml"),
        &fixture("draft.xml"),
    ];
    assert_eq!(vigie(&files).ended(6).out, "");
    let first = names(&dir);
    let begin = |mark: &str| first.iter().filter(|name| name.starts_with(mark)).count();
    assert_eq!((first.len(), begin("cap-"), begin("EXERCICE-cap-"), begin("BROUILLON-cap-")), (5, 3, 1, 1));
    for name in &first {
        let file = dir.join(name);
        vigie(&["cap", "validate", file.to_str().unwrap()]).ended(0);
        fs::write(&file, "à moi").unwrap();
    }
    vigie(&files).ended(6);
    assert_eq!(names(&dir), first);
    assert!(
        first.iter().all(|name| fs::read_to_string(dir.join(name)).unwrap() == "à moi"),
        "never over another"
    );
}

#[test]
fn what_is_missing_is_supplied_by_the_flag_that_the_refusal_names() {
    for (name, flag, value) in [
        ("bad/cap-1.0-no-scope.xml", "--scope", "public"),
        ("bad/cap-1.0-no-category.xml", "--category", "fire"),
        ("bad/cap-1.0-no-key.xml", "--value-name", "niveau"),
        ("bad/missing-mime-type.xml", "--mime-type", "image/png"),
        ("bad/no-zone.xml", "--zone", "-03:00"),
    ] {
        let refused = to_json(name).ended(6);
        assert!(refused.out.is_empty() && refused.err.contains(&format!("with {flag}")), "{refused:?}");
        let ran = vigie(&["cap", "to-json", flag, value, &fixture(name)]).ended(0);
        assert!(ran.err.contains("[supplied]"), "{ran:?}");
    }
    vigie(&["cap", "to-json", "--zone", "Paris", &fixture("bad/no-zone.xml")]).ended(2);
    vigie(&["cap", "to-json"]).ended(2);
    vigie(&["cap", "to-json", "/nowhere.xml"]).ended(3);
}

#[test]
fn validate_lists_by_line_and_element_and_its_code_says_whether_cap_is_followed() {
    for name in ["crue-seine.xml", "edxl-de.xml", "two-signatures.xml", "envelopes/atom-two.xml"] {
        vigie(&["cap", "validate", &fixture(name)]).ended(0);
    }
    let file = fixture("prose-faults.xml");
    let ran = vigie(&["cap", "validate", &file]).ended(6);
    let line = format!(
        "{file}:25: polygon: the last point is not the first; kept, may not show on a map [rule polygon_not_closed]"
    );
    assert!(ran.out.lines().any(|one| one == line), "{}", ran.out);

    let ran = vigie(&["cap", "validate", "--lang", "fr", &file]).ended(6);
    assert!(ran.out.contains(":25: polygon: le dernier point n'est pas le premier"), "{}", ran.out);

    let objects = vigie(&["cap", "validate", "--json", &fixture("embedded-faults.xml")]).ended(6).objects();
    let found = |code: &str| objects.iter().find(|object| object["code"] == code).unwrap();
    assert_eq!(
        (&found("digest_mismatch")["line"], &found("digest_mismatch")["element"]),
        (&23.into(), &"digest".into())
    );
    let last = objects.last().unwrap();
    assert_eq!(
        (&last["type"], &last["conformant"], &last["usable"]),
        (&"validated".into(), &false.into(), &true.into())
    );

    let objects = vigie(&["cap", "validate", "--json", &fixture("two-signatures.xml")]).ended(0).objects();
    assert_eq!(objects[0]["signatures"], serde_json::json!({"present": 2, "checked": false}));

    let objects = vigie(&["cap", "validate", "--json", &fixture("bad/entity-bomb.xml")]).ended(6).objects();
    assert_eq!((&objects[0]["kind"], &objects[0]["code"]), (&"fault".into(), &"doctype".into()));

    let json = to_json("prose-faults.xml").ended(0).out;
    let ran = finish(command(&["cap", "validate", "-"]), &json).ended(6);
    assert!(ran.out.contains("polygon_not_closed"), "{}", ran.out);
    finish(command(&["cap", "validate", "-"]), "{\"identifier\":1}").ended(6);
}

/// Publishes a CAP file on `alert/fr.idf` as the region; gives the id of the message and what was told.
fn publish(place: &Place, xml: &str, more: &[&str]) -> (String, String) {
    let fixed = ["pub", "alert/fr.idf", "--cap", "-", "--as", "region", "--json", "--wait", PATIENCE];
    let ran = finish(place.command(&[&fixed[..], more].concat()), xml).ended(0);
    (ran.objects()[0]["id"].as_str().unwrap().to_owned(), ran.err)
}

fn heard(place: &Place, count: &str, more: &[&str]) -> Vec<Value> {
    let fixed = [
        "sub",
        "alert/fr.idf",
        "--as",
        "region",
        "--after",
        "0",
        "--count",
        count,
        "--wait",
        PATIENCE,
        "--json",
    ];
    let objects = place.vigie(&[&fixed[..], more].concat()).ended(0).objects();
    objects.into_iter().filter(|object| object["type"] == "message").collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(fixture(name)).unwrap()
}

#[test]
fn each_verified_alert_becomes_a_file_once_and_an_exercise_says_so_in_its_name() {
    let place = Place::new();
    let _relay = place.relay();
    let (first, _) = publish(&place, &read("crue-seine.xml"), &[]);
    let (second, _) = publish(&place, &read("bamako-inondation.xml"), &[]);
    let (exercise, _) = publish(&place, &read("exercise.xml"), &["--exercise"]);
    let dir = place.dir().join("cap");
    let folder = ["--cap-dir", dir.to_str().unwrap()];
    heard(&place, "2", &folder);
    heard(&place, "1", &[&folder[..], &["--exercise"]].concat());
    let mut expected = [
        format!("vigie-{first}.xml"),
        format!("vigie-{second}.xml"),
        format!("EXERCICE-vigie-{exercise}.xml"),
    ];
    expected.sort();
    assert_eq!(names(&dir), expected);
    for (id, name) in [(&first, "crue-seine.xml"), (&second, "bamako-inondation.xml")] {
        let file = dir.join(format!("vigie-{id}.xml"));
        let json = vigie(&["cap", "to-json", file.to_str().unwrap()]).ended(0).out;
        assert_eq!(json, to_json(name).ended(0).out, "{name}");
    }
    let file = dir.join(format!("vigie-{first}.xml"));
    fs::write(&file, "à moi").unwrap();
    heard(&place, "2", &folder);
    assert_eq!(fs::read_to_string(&file).unwrap(), "à moi", "never over another");
    assert_eq!(names(&dir), expected);
}

#[test]
fn references_to_what_the_journal_knows_become_replaces() {
    let place = Place::new();
    let _relay = place.relay();
    let (alert, _) = publish(&place, &read("crue-seine.xml"), &["--expires", "3d", "--label", "tlp:green"]);
    let (update, told) = publish(&place, &read("crue-seine-update.xml"), &[]);
    assert!(told.contains("replaces"), "{told}");
    // Without an info it has no severity of its own: it takes that of what it cancels.
    let (_, told) = publish(&place, &read("crue-seine-cancel.xml"), &[]);
    assert!(!told.contains("change nothing"), "{told}");

    let messages = heard(&place, "3", &[]);
    let payload = |message: &Value| -> Value {
        use base64::Engine as _;
        let part = message["jws"].as_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap())
            .unwrap()
    };
    let said: Vec<Value> = messages.iter().map(payload).collect();
    assert_eq!(said[1]["replaces"], serde_json::json!([alert]));
    let mut both = [alert, update];
    both.sort();
    let mut cancelled: Vec<&str> =
        said[2]["replaces"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    cancelled.sort_unstable();
    assert_eq!(cancelled, both);
    for later in [1, 2] {
        assert_eq!(said[later]["label"], said[0]["label"]);
        assert!(said[later]["expires"].as_u64() >= said[0]["expires"].as_u64(), "{said:?}");
    }
    let shown = place.vigie(&[
        "sub",
        "alert/fr.idf",
        "--as",
        "region",
        "--after",
        "0",
        "--count",
        "3",
        "--wait",
        PATIENCE,
    ]);
    assert_eq!(shown.out.matches("takes effect").count(), 3, "{shown:?}");
}

#[test]
fn references_to_what_the_journal_does_not_know_are_told_and_published_all_the_same() {
    let place = Place::new();
    let _relay = place.relay();
    // Same sender and identifier, another time.
    publish(&place, &read("crue-seine.xml").replace("<sent>2026", "<sent>2025"), &[]);
    let (_, told) = publish(&place, &read("crue-seine-update.xml"), &[]);
    assert!(told.contains("no message of this channel is") && told.contains("--replaces"), "{told}");
    assert_eq!(heard(&place, "2", &[])[1]["content"]["cap"]["msgType"], "Update");
}

#[test]
fn what_an_author_may_not_say_or_hear_is_not_replaced_and_told() {
    let place = Place::new();
    let _relay = place.relay();
    let grant = "alert@fr.idf,publish=Moderate,subscribe";
    place.vigie(&["identity", "new", "adjoint", "--plane", "live"]).ended(0);
    let issue = ["trust", "grant", "--to", "adjoint", "--as", "region", "--org", "fr.interieur.idf"];
    place.vigie(&[&issue[..], &["--name", "Adjoint", "--grant", grant]].concat()).ended(0);
    publish(&place, &read("crue-seine.xml"), &["--severity", "Extreme"]);
    let cancel = read("crue-seine-cancel.xml");
    let publish_as = |channel: &str, name: &str| {
        let args = ["pub", channel, "--cap", "-", "--severity", "Minor", "--as", name, "--wait", PATIENCE];
        finish(place.command(&args), &cancel).ended(0).err
    };
    // Else whoever says the same in graver words could keep the update from being admitted.
    let told = publish_as("alert/fr.idf", "adjoint");
    assert!(told.contains("you may not publish at its severity"), "{told}");
    // Field apps send signals and hear none.
    let told = publish_as("signal/fr.idf.75.paris", "field");
    assert!(told.contains("the references could not be looked up"), "{told}");
}

#[test]
fn a_password_is_not_sent_along_as_evidence() {
    let place = Place::new();
    let _relay = place.relay();
    let (_, told) = publish(&place, &read("cap-1.0.xml"), &[]);
    assert!(told.contains("holds a password"), "{told}");
    publish(&place, &read("cap-1.1.xml"), &[]);
    let messages = heard(&place, "2", &[]);
    assert_eq!(messages[0]["content"]["original"].get("bytes"), None);
    assert!(messages[0]["content"]["original"]["sha256"].is_string());
    assert!(messages[1]["content"]["original"]["bytes"].is_string());
    place.vigie(&["pub", "alert/fr.idf", "texte", "--scope", "public", "--as", "region"]).ended(2);
}
