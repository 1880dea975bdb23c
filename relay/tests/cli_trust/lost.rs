//! A revocation whose every copy on disk is damaged: whom it ended is let in again, and nobody may overlook that.

use std::path::PathBuf;

use serde_json::Value;

use crate::roots::{Relay, point};
use crate::support::Place;

const NEXT: &str = "alert/fr.idf.92.nanterre";

/// Changes a byte in the middle of each place where the text stands in the journal, and back; how many there are.
fn damage(place: &Place, text: &str) -> usize {
    let at = text.len() / 2;
    let mut places = 0;
    let files: Vec<PathBuf> =
        std::fs::read_dir(place.path("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in files.into_iter().filter(|file| file.is_file()) {
        let mut bytes = std::fs::read(&file).unwrap();
        let around = |bytes: &[u8]| {
            bytes[..at] == text.as_bytes()[..at] && bytes[at + 1..] == text.as_bytes()[at + 1..]
        };
        let found: Vec<usize> = (0..bytes.len().saturating_sub(text.len()))
            .filter(|from| around(&bytes[*from..*from + text.len()]))
            .collect();
        places += found.len();
        found.iter().for_each(|from| bytes[from + at] ^= 1);
        if !found.is_empty() {
            std::fs::write(file, bytes).unwrap();
        }
    }
    places
}

fn is_told(relay: &Relay) -> bool {
    let status = relay.status();
    let told = status["warnings"].as_array().unwrap().iter().any(|warning| warning == "revocations_lost");
    assert_eq!(told, status["journal"]["revocations_lost"].as_u64().unwrap() > 0);
    told
}

#[test]
fn it_is_red_in_the_status_until_the_journal_has_it_again() {
    let place = Place::new();
    let speaks = |who: &str, channel: &str| {
        place.vigie(&["pub", channel, "Crue", "--as", who, "--severity", "minor"]).code
    };
    let start = || {
        let relay = Relay::start(&place);
        point(&place, &relay);
        relay
    };
    let relay = start();
    assert_eq!(speaks("neighbour", NEXT), 0);
    place.vigie(&["trust", "revoke", "neighbour", "--as", "region"]).ended(0);
    assert_eq!((speaks("neighbour", NEXT), speaks("town", "alert/fr.idf.75.paris")), (5, 0));
    assert!(!is_told(&relay));
    relay.end();
    let file = place.path("export.jsonl");
    place.vigie(&["journal", "export", &place.path("journal"), "-o", &file]).ended(0);
    let export = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let jws = |one: &Value| one["jws"].as_str().unwrap().to_owned();
    let revocation = lines.iter().find(|one| one["type"] == "revocation").map(jws).unwrap();
    let copies = damage(&place, &revocation);
    assert!(copies > 0);
    let relay = start();
    assert!(is_told(&relay), "{}", relay.status());
    let shown = relay.shown();
    assert!(shown.contains("revocations_lost") && shown.contains("vigie trust send"), "{shown}");
    // It fails open: that is what the operator is told for.
    assert_eq!(speaks("neighbour", NEXT), 0);
    relay.end();
    // The bytes as they were, as from a second copy of the file.
    assert_eq!(damage(&place, &revocation), copies);
    let relay = start();
    assert!(!is_told(&relay), "{}", relay.status());
    assert_eq!(speaks("neighbour", NEXT), 5);
    relay.end();
}
