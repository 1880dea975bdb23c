//! What a log says to some is said to them only, also after it was exported, imported or copied.

use crate::desk::{PATIENCE, empty_journal, journal, object, stop};
use crate::support::Place;

/// The severities of what somebody hears up to the message for everybody.
fn heard(place: &Place, name: &str, count: &str) -> Vec<String> {
    let at = if name == "town" { "alert/fr.idf.75.paris" } else { "alert/fr.idf" };
    let listen = ["sub", at, "--as", name, "--after", "0", "--json", "--count", count, "--wait", PATIENCE];
    let objects = place.vigie(&listen).ended(0).objects();
    let messages = objects.iter().filter(|one| one["type"] == "message");
    messages.map(|one| one["label"]["tlp"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_label_holds_after_every_way_a_log_can_go() {
    let place = Place::new();
    let relay = place.relay();
    for label in [
        &["--label", "TLP:AMBER+STRICT", "--audience", "fr.interieur.idf"][..],
        &["--label", "TLP:AMBER", "--audience", "fr.interieur.idf"],
        &["--label", "TLP:GREEN"],
    ] {
        place.vigie(&[&["pub", "alert/fr", "x", "--as", "nation"], label].concat()).ended(0);
    }
    stop(relay);
    let export = place.path("export.jsonl");
    journal(&place, &["export", "-o", &export]).ended(0);
    let old = empty_journal(&place);
    for source in [&export, old.to_str().unwrap()] {
        journal(&place, &["import", source]).ended(0);
        let told = object(&journal(&place, &["verify", "--json"]).ended(0), "journal");
        assert_eq!((&told["messages"], &told["suspects"]), (&3.into(), &0.into()), "{told}");
        let relay = place.relay();
        assert_eq!(heard(&place, "region", "3"), ["TLP:AMBER+STRICT", "TLP:AMBER", "TLP:GREEN"]);
        assert_eq!(heard(&place, "town", "2"), ["TLP:AMBER", "TLP:GREEN"]);
        stop(relay);
        std::fs::remove_dir_all(place.dir().join("journal")).unwrap();
        std::fs::create_dir(place.dir().join("journal")).unwrap();
    }
}
