//! `vigie trust revoke` and `send`.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::{Place, Ran};

const TOWN: &str = "alert/fr.idf.75.paris";

fn say(place: &Place, who: &str, text: &str) -> Ran {
    place.vigie(&["pub", TOWN, text, "--as", who, "--severity", "minor", "--json"])
}

fn of_type<'v>(objects: &'v [Value], wanted: &str) -> Vec<&'v Value> {
    objects.iter().filter(|one| one["type"] == wanted).collect()
}

#[test]
fn whoever_stands_above_ends_a_key_and_what_it_said_since_is_disowned() {
    let place = Place::new();
    let relay = place.relay();
    let before = say(&place, "town", "avant").ended(0).objects();
    let revoked = place.vigie(&["trust", "revoke", "town", "--as", "nation", "--reason", "keyCompromise"]);
    let revoked = revoked.ended(0);
    assert!(revoked.out.contains("REVOKED  wss://") && revoked.out.contains("all below end"), "{revoked:?}");
    assert!(revoked.err.contains("vigie trust rotate town"), "{revoked:?}");
    let refused = say(&place, "town", "après").ended(5);
    assert!(refused.err.contains("revoked"), "{refused:?}");
    // A second one, reaching further back, takes the next number; what was said since is taken back.
    let admitted = before[0]["admitted"].as_u64().unwrap();
    let ago = ["trust", "revoke", "town", "--as", "nation", "--from", "1h", "--json", "--lang", "fr"];
    let again = place.vigie(&ago).ended(0).objects();
    let [statement] = of_type(&again, "revocation")[..] else { panic!("{again:?}") };
    assert_eq!(statement["number"], 2);
    assert!(statement["from"].as_u64().unwrap() < admitted);
    let heard = place
        .vigie(&["sub", TOWN, "--as", "region", "--after", "0", "--count", "1", "--wait", "3s"])
        .ended(7);
    assert!(heard.out.contains("DISOWNED") && !heard.out.contains("VERIFIED"), "{heard:?}");
    // It outlives a restart, and the exercise key is another one.
    relay.stop("-TERM");
    let _relay = place.relay();
    say(&place, "town", "encore").ended(5);
    place.vigie(&["pub", TOWN, "essai", "--as", "town", "--exercise", "--severity", "minor"]).ended(0);
}

#[test]
fn the_holder_ends_a_key_of_its_own_and_nobody_ends_one_beside_or_above() {
    let place = Place::new();
    let _relay = place.relay();
    let beside = place.vigie(&["trust", "revoke", "nation", "--as", "town"]).ended(5);
    assert!(
        beside.err.contains("would change nothing") && beside.err.contains("Those who can"),
        "{beside:?}"
    );
    say(&place, "nation", "toujours là").ended(0);
    let own = place.vigie(&["trust", "revoke", "field", "--as", "field"]).ended(0);
    assert!(own.out.contains("REVOKED"), "{own:?}");
    let signal = ["pub", "signal/fr.idf.75.paris", "x", "--as", "field", "--severity", "minor"];
    place.vigie(&signal).ended(5);
    // Whoever is out cannot revoke any more either, but for what is his own: from earlier on, a minute later at the soonest,
    // and somebody else sends it.
    place.vigie(&["trust", "revoke", "field", "--as", "field"]).ended(5);
    let file = place.path("earlier.jws");
    let own = ["trust", "revoke", "field", "--as", "field", "--from", "30m", "--out", &file];
    place.vigie(&own).ended(0);
    let sent = place.vigie(&["trust", "send", &file, "--as", "town"]).ended(5);
    assert!(sent.out.contains("rate_limited") && sent.out.contains("come back in"), "{sent:?}");
}

#[test]
fn whoever_is_revoked_himself_is_told_so_and_that_somebody_else_can_carry_it() {
    let place = Place::new();
    let _relay = place.relay();
    place.vigie(&["trust", "revoke", "field", "--as", "field", "--from", "2h"]).ended(0);
    let again = ["trust", "revoke", "field", "--as", "field", "--from", "3h"];
    // Once the one in force was called NOT REVOKED THERE, and the reason was not told.
    let shut_out = place.vigie(&again).ended(5);
    assert_eq!(shut_out.out.matches("NOT REVOKED THERE").count(), 1, "the new one alone: {shut_out:?}");
    assert_eq!(shut_out.out.matches("NOT KNOWN THERE").count(), 1, "{shut_out:?}");
    assert!(shut_out.err.contains("does not let this identity in"), "{shut_out:?}");
    assert!(shut_out.err.contains("vigie trust send FILE --as NAME"), "{shut_out:?}");
    let french = place.vigie(&[&again[..], &["--lang", "fr", "--json"]].concat()).ended(5);
    assert!(french.err.contains("n'accepte pas cette identité"), "{french:?}");
    let told = french.objects();
    let fates: Vec<_> = of_type(&told, "not_revoked").iter().map(|one| one["fate"].clone()).collect();
    assert_eq!(fates, ["unknown", "unknown", "refused"], "{told:?}");
    let send = place.vigie(&["trust", "send", "--as", "field"]).ended(5);
    assert!(!send.out.contains("NOT REVOKED THERE"), "{send:?}");
    assert!(send.err.contains("does not let this identity in"), "{send:?}");
}

#[test]
fn a_credential_alone_ends_by_its_id_and_its_key_is_certified_anew() {
    let place = Place::new();
    let _relay = place.relay();
    let shown = place.vigie(&["identity", "show", "town", "--json"]).ended(0).objects();
    let live = shown.iter().find(|one| one["plane"] == "live").unwrap();
    let (id, key) = (live["credential"].as_str().unwrap(), live["key"].as_str().unwrap());
    let ended = place.vigie(&["trust", "revoke", id, "--as", "nation", "--json"]).ended(0).objects();
    assert_eq!(of_type(&ended, "revocation")[0]["target"]["credential"], id);
    say(&place, "town", "sous l'ancienne").ended(5);
    let renew = [
        "trust",
        "grant",
        "--as",
        "nation",
        "--to",
        "town",
        "--org",
        "fr.interieur.idf.paris",
        "--name",
        "Paris",
        "--at",
        "fr.idf.75.paris",
        "--publish",
        "severe",
        "--subscribe",
    ];
    place.vigie(&renew).ended(0);
    say(&place, "town", "sous la nouvelle").ended(0);
    // The key ends both, and by its thumbprint as well.
    place.vigie(&["trust", "revoke", "--key", key, "--as", "nation"]).ended(0);
    say(&place, "town", "plus rien").ended(5);
}

#[test]
fn relays_that_were_away_are_sent_what_they_lack_in_order() {
    let place = Place::new();
    let config = std::fs::read_to_string(place.path("vigie.toml")).unwrap();
    std::fs::write(
        place.path("second.toml"),
        config.replace("journal = \"journal\"", "journal = \"second\""),
    )
    .unwrap();
    let _first = place.relay();
    // Nobody listens there yet.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let context = std::fs::read_to_string(place.path("context.toml")).unwrap();
    let both = context.replace("\"]", &format!("\", \"wss://{away}\"]"));
    assert_ne!(context, both);
    std::fs::write(place.path("context.toml"), both).unwrap();
    let signed_away = ["trust", "revoke", "field", "--as", "nation", "--offline", "--json"];
    let kept = place.vigie(&signed_away).ended(0);
    assert!(kept.err.contains("nothing was sent"), "{kept:?}");
    let part = place.vigie(&["trust", "revoke", "town", "--as", "nation", "--wait", "2s", "--json"]).ended(8);
    let told = part.objects();
    assert_eq!(of_type(&told, "revocation")[0]["number"], 2, "the one that was not sent counts");
    assert_eq!(of_type(&told, "revoked").len(), 2, "{told:?}");
    assert_eq!(of_type(&told, "not_revoked").len(), 2, "{told:?}");
    assert!(part.err.contains("NOT every relay"), "{part:?}");
    let none = place.vigie(&["trust", "send", "--as", "nation", "--wait", "2s"]).ended(8);
    assert!(none.out.contains("NOT KNOWN THERE") && !none.out.contains("NOT REVOKED THERE"), "{none:?}");
    place.vigie(&["journal", "new", &place.path("second")]).ended(0);
    let _second = place.start("second.toml", &away.to_string());
    let sent = place.vigie(&["trust", "send", "--as", "nation", "--json"]).ended(0).objects();
    let at_second = sent.iter().filter(|one| one["relay"].as_str().unwrap().contains(&away.to_string()));
    assert_eq!(at_second.count(), 2, "{sent:?}");
    let done = place.vigie(&["trust", "send", "--as", "nation"]).ended(0);
    assert!(done.err.contains("every relay has all 2"), "{done:?}");
}

#[test]
fn what_a_root_signed_offline_is_carried_by_anybody() {
    let place = Place::new();
    let file = place.path("revocation.jws");
    let signed = ["trust", "revoke", "town", "--authority", &place.path("authority"), "--out", &file];
    place.vigie(&signed).ended(0);
    let _relay = place.relay();
    say(&place, "town", "avant").ended(0);
    let altered = std::fs::read_to_string(&file).unwrap();
    let (head, tail) = altered.trim_end().split_at(altered.trim_end().len() - 4);
    std::fs::write(place.path("altered.jws"), format!("{head}{}\n", tail.chars().rev().collect::<String>()))
        .unwrap();
    place.vigie(&["trust", "send", &place.path("altered.jws"), "--as", "field"]).ended(6);
    place.vigie(&["trust", "send", &file, "--as", "field", "--exercise"]).ended(5);
    say(&place, "town", "toujours").ended(0);
    // Its issuer is a root: that key stays where it is.
    let carried = place.vigie(&["trust", "send", &file, "--as", "field"]).ended(0);
    assert!(carried.out.contains("REVOKED  wss://"), "{carried:?}");
    say(&place, "town", "après").ended(5);
    place.vigie(&["trust", "send", &file, "--authority", &place.path("authority")]).ended(0);
}

#[test]
fn what_others_signed_is_sent_with_what_one_signed_oneself_and_a_relay_lacks() {
    let place = Place::new();
    let (of_root, own, both) = (place.path("root.jws"), place.path("own.jws"), place.path("both.jws"));
    let authority = place.path("authority");
    place.vigie(&["trust", "revoke", "town", "--authority", &authority, "--out", &of_root]).ended(0);
    place.vigie(&["trust", "revoke", "region", "--as", "nation", "--out", &own]).ended(0);
    place.vigie(&["trust", "revoke", "field", "--as", "nation", "--offline"]).ended(0);
    // As on another machine of the same issuer: what the file holds of his is not known here.
    let kept = std::fs::read_dir(place.path("revocations")).unwrap().map(|entry| entry.unwrap().path());
    let of_nation = kept.filter(|path| std::fs::read_to_string(path).unwrap().lines().count() == 2);
    let [of_nation] = &of_nation.collect::<Vec<_>>()[..] else {
        panic!("one file holds both of the nation's")
    };
    let signed = std::fs::read_to_string(of_nation).unwrap();
    std::fs::write(of_nation, format!("{}\n", signed.lines().last().unwrap())).unwrap();
    let files = [&of_root, &own].map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::write(&both, files.concat()).unwrap();
    let _relay = place.relay();
    let sent = place.vigie(&["trust", "send", &both, "--as", "nation", "--json"]).ended(0).objects();
    assert_eq!(of_type(&sent, "revoked").len(), 3, "the root's, that of the file, that kept: {sent:?}");
    for who in ["town", "region"] {
        say(&place, who, "après").ended(5);
    }
    place.vigie(&["pub", "signal/fr.idf.75.paris", "x", "--as", "field", "--severity", "minor"]).ended(5);
    let done = place.vigie(&["trust", "send", "--as", "nation"]).ended(0);
    assert!(done.err.contains("every relay has all 2"), "{done:?}");
}
