//! `vigie pub --replaces`: an update of what is not for everyone goes to those who may have that, and to nobody else.
//!
//! Once it was `TLP:CLEAR` by default: it took no effect, and told those who may not have the first message its id.

use serde_json::Value;

use crate::support::{Place, Ran};

const CHANNEL: &str = "alert/fr.idf";
/// Longer than any step takes; only a failing test waits for it.
const PATIENCE: &str = "60s";
/// Of no message.
const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const RED: [&str; 4] = ["--label", "TLP:RED", "--audience", "fr.interieur"];

fn publish(place: &Place, name: &str, more: &[&str]) -> Ran {
    place.vigie(&[&["pub", CHANNEL, "essai", "--as", name, "--json", "--wait", PATIENCE], more].concat())
}

fn id(ran: &Ran) -> String {
    ran.objects()[0]["id"].as_str().unwrap().to_owned()
}

fn heard(place: &Place, name: &str, count: &str, json: bool) -> String {
    let listen = ["sub", CHANNEL, "--as", name, "--after", "0", "--count", count, "--wait", PATIENCE];
    place.vigie(&[&listen[..], if json { &["--json"] } else { &[] }].concat()).ended(0).out
}

#[test]
fn an_update_takes_label_and_audience_of_what_it_replaces() {
    let place = Place::new();
    let _relay = place.relay();
    let red =
        id(&publish(&place, "nation", &[&RED[..], &["--severity", "Severe", "--expires", "48h"]].concat())
            .ended(0));
    let update = publish(&place, "nation", &["--replaces", &red]).ended(0);
    assert!(!update.err.contains("change nothing"), "{update:?}");
    let open = id(&publish(&place, "nation", &[]).ended(0));

    let shown = heard(&place, "region", "1", true);
    assert!(shown.contains(&open) && !shown.contains(&red), "it is told whom it may not hear: {shown}");
    let shown = heard(&place, "nation", "3", false);
    assert!(shown.contains("takes effect on") && !shown.contains("WITHOUT EFFECT"), "{shown}");

    // Who hears it is told whether it is said anew or over: once every line was a CAP Alert.
    publish(&place, "nation", &["--replaces", &red, "--cancel"]).ended(0);
    let said: Vec<_> = heard(&place, "nation", "4", true)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|object| object["type"] == "message")
        .map(|object| object["content"]["cap"]["msgType"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, ["Alert", "Update", "Alert", "Cancel"]);
    assert!(publish(&place, "nation", &["--cancel"]).ended(2).err.contains("--replaces"), "cancels nothing");

    // What is asked for on purpose and goes to others is refused, in both languages.
    for wider in [
        &["--label", "TLP:CLEAR"][..],
        &["--label", "TLP:AMBER", "--audience", "fr.interieur"],
        &["--label", "TLP:RED", "--audience", "fr.interieur,fr.sante"],
    ] {
        let both = [&["--replaces", &red], wider].concat();
        let refused = publish(&place, "nation", &both).ended(2);
        assert!(refused.err.contains(&red) && refused.err.contains("wider label"), "{refused:?}");
    }
    let french = ["--replaces", &red, "--label", "TLP:CLEAR", "--lang", "fr"];
    assert!(publish(&place, "nation", &french).ended(2).err.contains("étiquette plus large"));
    // A narrower one tells nobody and changes nothing, which is told for a line of text as for a CAP.
    let narrower = ["--replaces", &open, "--label", "TLP:GREEN", "--severity", "Minor", "--expires", "1h"];
    let told = publish(&place, "nation", &narrower).ended(0).err;
    for why in ["less severe than", "labelled otherwise", "expires before"] {
        assert!(told.contains(why), "{why}: {told}");
    }
}

#[test]
fn what_is_not_found_is_replaced_only_with_a_label() {
    let place = Place::new();
    let _relay = place.relay();
    // Its own author does not hear it.
    let amber = ["--label", "TLP:AMBER", "--audience", "fr.sante"];
    let apart = id(&publish(&place, "nation", &amber).ended(0));
    for unknown in [NONE, &*apart] {
        let refused = publish(&place, "nation", &["--replaces", unknown]).ended(2);
        assert!(refused.err.contains(unknown) && refused.err.contains("--label"), "{refused:?}");
        let refused = publish(&place, "nation", &["--replaces", unknown, "--lang", "fr"]).ended(2);
        assert!(refused.err.contains("n'a été trouvé"), "{refused:?}");
    }
    let said = publish(&place, "nation", &[&["--replaces", &apart], &amber[..]].concat()).ended(0);
    assert!(said.err.contains("was not found"), "{said:?}");
    // On another channel it would be told those who hear that one.
    let elsewhere = ["pub", "alert/fr", "essai", "--as", "nation", "--replaces", &apart, "--wait", PATIENCE];
    place.vigie(&elsewhere).ended(2);
}

#[test]
fn what_waits_in_the_queue_is_replaced_from_there() {
    let place = Place::new();
    let queued = |more: &[&str], code| {
        let publish = ["pub", CHANNEL, "essai", "--as", "nation", "--json", "--offline", "--wait", "1ms"];
        place.vigie(&[&publish, more].concat()).ended(code)
    };
    let red = id(&queued(&RED, 8));
    let refused = queued(&["--replaces", &red, "--label", "TLP:GREEN"], 2);
    assert!(refused.err.contains("wider label"), "{refused:?}");
    queued(&["--replaces", NONE], 2);
    queued(&["--replaces", &red], 8);
    let _relay = place.relay();
    place.vigie(&["queue", "send", "--as", "nation", "--wait", PATIENCE]).ended(0);
    assert!(heard(&place, "nation", "2", false).contains("takes effect on"));
}
