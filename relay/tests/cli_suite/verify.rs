//! What `vigie verify` does not take for an export.

use crate::support::{Place, Ran, finish};

const PATIENCE: &str = "20s";

/// A relay with one message, and what its reader exported.
fn exported(place: &Place) -> String {
    let _relay = place.relay();
    place.vigie(&["pub", "alert/fr", "Crue de la Seine", "--as", "nation"]).ended(0);
    let sub =
        ["sub", "alert/fr", "--as", "nation", "--after", "0", "--count", "1", "--wait", PATIENCE, "--json"];
    place.vigie(&sub).ended(0).out
}

fn verify(place: &Place, text: &str, more: &[&str]) -> Ran {
    finish(place.command(&[&["verify", "-"], more].concat()), text)
}

/// A line that a reader marks as suspect, on the plane, after the one message.
fn suspect(export: &str, plane: &str) -> String {
    let message: serde_json::Value = serde_json::from_str(export.lines().last().unwrap()).unwrap();
    serde_json::json!({
        "type": "message", "verified": false, "code": "bad_signature", "detail": "a\u{1b}[2J", "log": message["log"],
        "seq": message["seq"], "admitted": message["admitted"], "cursor": message["cursor"], "plane": plane,
        "jws": "x",
    })
    .to_string()
}

#[test]
fn what_is_not_known_does_not_pass() {
    let place = Place::new();
    let export = exported(&place);
    verify(&place, &export, &[]).ended(0);
    let lines = export.lines().count();
    let (last, next) = (lines, lines + 1);
    for (bad, line, named) in [
        (format!("{export}{{\"type\":\"order\",\"text\":\"evacuate\"}}\n"), next, "`order`"),
        (format!("{export}{{\"type\":\"gap\",\"verified\":true}}\n"), next, "`gap`"),
        (format!("{export}{{\"text\":\"evacuate\"}}\n"), next, "`type`"),
        (export.replace("\"verified\":true", "\"verified\":true,\"urgent\":true"), last, "`urgent`"),
        (export.replace("\"author\":{", "\"author\":{\"rank\":\"prefect\","), last, "`rank`"),
        (export.replace("\"expired\":false", "\"expired\":\"no\""), last, "expected a boolean"),
        (export.replace("\"expired\":false,", ""), last, "`expired`"),
        (export.replacen("\"type\":\"credential\"", "\"type\":\"credential\",\"rank\":1", 1), 1, "`rank`"),
        (
            export.clone() + "{\"type\":\"gap\",\"reason\":\"none\",\"from\":null,\"to\":null}\n",
            next,
            "`none`",
        ),
        (
            export.clone() + "{\"type\":\"gap\",\"reason\":\"removed\",\"from\":\"x\",\"to\":null}\n",
            next,
            "cursor",
        ),
        (export.clone() + "{\"type\":\"caught_up\",\"cursor\":\"x\"}\n", next, "cursor"),
    ] {
        assert_ne!(bad, export);
        let told = verify(&place, &bad, &[]).ended(6).err;
        assert!(
            told.contains(&format!("line {line} does not verify")) && told.contains(named),
            "{named}: {told}"
        );
    }
}

#[test]
fn an_export_without_a_verified_message_is_no_success() {
    let place = Place::new();
    let export = exported(&place);
    let credentials: String = export
        .lines()
        .filter(|line| line.contains("\"credential\","))
        .map(|line| format!("{line}\n"))
        .collect();
    for nothing in [String::new(), "\n".to_owned(), credentials, suspect(&export, "live")] {
        for more in [&[][..], &["--json"]] {
            let told = verify(&place, &nothing, more).ended(6);
            assert!(told.err.contains("nothing is verified"), "{told:?}");
            assert!(!told.out.contains("VERIFIED:"), "{told:?}");
        }
    }
}

#[test]
fn suspects_are_shown_and_counted_as_such_and_so_is_what_nobody_signed() {
    let place = Place::new();
    let export = exported(&place);
    let message: serde_json::Value = serde_json::from_str(export.lines().last().unwrap()).unwrap();
    let caught_up = serde_json::json!({ "type": "caught_up", "cursor": message["cursor"] });
    let gap = r#"{"type":"gap","reason":"removed","from":null,"to":null}"#;
    let (live, exercise) = (suspect(&export, "live"), suspect(&export, "exercise"));
    let all = format!("{export}{live}\n{exercise}\n{caught_up}\n{gap}\n");
    let counted = verify(&place, &all, &["--json"]).ended(0).objects();
    assert_eq!(counted.len(), 1);
    for (kind, count) in
        [("live", 1), ("exercise", 0), ("expired", 0), ("suspects", 2), ("gaps", 1), ("other", 1)]
    {
        assert_eq!(counted[0][kind], count, "{kind}");
    }
    let shown = verify(&place, &all, &[]).ended(0).out;
    let lines: Vec<&str> = shown.lines().collect();
    let first = export.lines().count() + 1;
    assert!(
        lines[0].starts_with(&format!("NOT VERIFIED  line {first}, sequence 1: bad_signature")),
        "{shown}"
    );
    assert!(lines[1].starts_with(&format!("EXERCISE NOT VERIFIED  line {}", first + 1)), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(lines[2].starts_with("VERIFIED: 1 live"), "{shown}");
    assert!(lines[3].contains("2 suspect(s) NOT verified, 1 gap(s), 1 other"), "{shown}");
    // Credentials that no message needs were not verified by anything.
    let needed = counted[0]["credentials"].clone();
    let own = place.vigie(&["trust", "show", "town", "--json"]).ended(0).objects().pop().unwrap();
    let unused = serde_json::json!({ "type": "credential", "id": own["id"], "jws": own["jws"] });
    let counted = verify(&place, &format!("{export}{unused}\n"), &["--json"]).ended(0).objects();
    assert_eq!((&counted[0]["credentials"], &counted[0]["other"]), (&needed, &1.into()));
}
