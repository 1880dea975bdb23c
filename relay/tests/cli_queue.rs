//! `vigie pub --offline`, `vigie queue` and `vigie sub --durable`, as someone with a bad network uses them.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

#[allow(dead_code, reason = "shared with the suite of all other commands")]
#[path = "cli_suite/support.rs"]
mod support;

use serde_json::Value;
use support::{Place, Ran};

/// Longer than any step takes; only a failing test waits for it.
const PATIENCE: &str = "60s";
const CHANNEL: &str = "signal/fr.idf.75.paris";

/// A context whose relay does not run: nobody listens at its address.
fn offline() -> Place {
    let place = Place::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.edit("context.toml", "localhost:7443", &nobody.local_addr().unwrap().to_string());
    place
}

fn queue(place: &Place, args: &[&str]) -> Ran {
    place.vigie(&[&["queue"], args, &["--as", "field", "--json"]].concat())
}

/// Queues a text without a network; returns its id.
fn put(place: &Place, text: &str, more: &[&str]) -> String {
    let publish = ["pub", CHANNEL, text, "--as", "field", "--json", "--offline", "--wait", "1ms"];
    let ran = place.vigie(&[&publish, more].concat()).ended(8);
    assert!(ran.err.contains("still queued"), "{ran:?}");
    let [queued] = &ran.objects()[..] else { panic!("{ran:?}") };
    assert_eq!((&queued["type"], &queued["channel"]), (&"queued".into(), &CHANNEL.into()));
    queued["id"].as_str().unwrap().to_owned()
}

fn members<'a>(objects: &'a [Value], name: &str) -> Vec<&'a str> {
    objects.iter().map(|object| object[name].as_str().unwrap()).collect()
}

#[test]
fn what_was_queued_without_a_network_is_sent_in_order_when_there_is_one() {
    let place = offline();
    let ids = ["un", "deux", "trois"].map(|text| put(&place, text, &[]));
    let listed = queue(&place, &["ls"]).ended(0).objects();
    assert_eq!(
        (members(&listed, "id"), members(&listed, "title")),
        (ids.iter().map(|id| &**id).collect(), vec!["un", "deux", "trois"])
    );
    assert_eq!(members(&listed, "state"), ["queued"; 3]);
    queue(&place, &["send", "--wait", "1ms"]).ended(8);
    queue(&place, &["drop", &ids[1]]).ended(0);
    queue(&place, &["drop", &ids[1]]).ended(2);
    queue(&place, &["retry", &ids[0]]).ended(2);
    let _relay = place.relay();
    let sent = queue(&place, &["send", "--wait", PATIENCE]).ended(0).objects();
    assert_eq!(members(&sent, "state"), ["stored", "stored"]);
    let now = place
        .vigie(&["pub", CHANNEL, "quatre", "--as", "field", "--json", "--offline", "--wait", PATIENCE])
        .ended(0)
        .objects();
    assert_eq!(members(&now, "type"), ["queued", "receipt"]);
    let heard = place.vigie(&[
        "sub", CHANNEL, "--as", "region", "--after", "0", "--count", "3", "--json", "--wait", PATIENCE,
    ]);
    let heard: Vec<String> = heard
        .ended(0)
        .objects()
        .into_iter()
        .filter(|one| one["type"] == "message")
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(heard, [&ids[0], &ids[2], &now[0]["id"].as_str().unwrap().to_owned()].map(Clone::clone));
    queue(&place, &["drop", &ids[0]]).ended(2);
    assert_eq!(queue(&place, &["send"]).ended(0).out, "");
}

#[test]
fn what_expires_is_refused_with_what_replaces_it_until_someone_decides() {
    let place = offline();
    let alert = put(&place, "bref", &["--expires", "1s"]);
    let update = put(&place, "suite", &["--replaces", &alert]);
    // The second runs out while the first is looked at, or before: either way it is told.
    let told = loop {
        let _ = queue(&place, &["send", "--wait", "100ms"]);
        let listed = queue(&place, &["ls"]).ended(0).objects();
        if listed[0]["state"] != "queued" {
            break listed;
        }
    };
    assert_eq!(members(&told, "state"), ["refused", "held"]);
    assert_eq!((&told[0]["code"], &told[1]["held_by"]), (&"expired".into(), &alert.as_str().into()));
    let ended = queue(&place, &["send", "--wait", "1ms"]).ended(5);
    assert!(ended.err.contains("2 message(s) are refused or held"), "{ended:?}");
    queue(&place, &["drop", &alert]).ended(0);
    let _relay = place.relay();
    let sent = queue(&place, &["send", "--wait", PATIENCE]).ended(0).objects();
    assert_eq!((members(&sent, "id"), members(&sent, "state")), (vec![&*update], vec!["stored"]));
}

#[test]
fn exercises_have_a_queue_of_their_own_and_say_so_in_both_languages() {
    let place = offline();
    let publish = ["pub", CHANNEL, "essai", "--as", "field", "--offline", "--wait", "1ms", "--exercise"];
    let queued = place.vigie(&publish).ended(8);
    assert!(queued.out.starts_with("EXERCISE QUEUED  exercise/signal/"), "{queued:?}");
    assert_eq!(queue(&place, &["ls"]).ended(0).out, "");
    let french = place.vigie(&["queue", "ls", "--exercise", "--as", "field", "--lang", "fr"]).ended(0);
    assert!(french.out.starts_with("EXERCICE EN ATTENTE"), "{french:?}");
    assert!(french.out.lines().all(|line| line.starts_with("EXERCICE ")), "{french:?}");
    let kept = place.dir().join("outbox/field/exercise/outbox.log");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(kept, "").unwrap();
    let damaged = place.vigie(&["queue", "ls", "--exercise", "--as", "field"]).ended(1);
    assert!(damaged.err.contains("damaged"), "{damaged:?}");
}

#[test]
fn a_durable_reader_goes_on_behind_what_it_was_shown() {
    let place = Place::new();
    let _relay = place.relay();
    for text in ["un", "deux", "trois"] {
        place.vigie(&["pub", CHANNEL, text, "--as", "field"]).ended(0);
    }
    let heard = |count: &str| {
        let listen = ["sub", CHANNEL, "--as", "region", "--durable", "poste-2", "--after", "0", "--json"];
        let ran = place.vigie(&[&listen[..], &["--count", count, "--wait", PATIENCE]].concat());
        let shown = ran.ended(0).objects();
        let messages = shown.iter().filter(|one| one["type"] == "message");
        let headline = |one: &Value| one["content"]["cap"]["info"][0]["headline"].as_str().map(str::to_owned);
        messages.filter_map(headline).collect::<Vec<_>>()
    };
    assert_eq!(heard("1"), ["un"]);
    assert_eq!(heard("2"), ["deux", "trois"]);
    place.vigie(&["pub", CHANNEL, "quatre", "--as", "field"]).ended(0);
    assert_eq!(heard("1"), ["quatre"]);
    let cursor = place.dir().join("cursors/region/live.poste-2.cursor");
    std::fs::write(&cursor, "vigie-cursor 1\n").unwrap();
    let listen = |name| place.vigie(&["sub", CHANNEL, "--as", "region", "--durable", name, "--wait", "1ms"]);
    let damaged = listen("poste-2").ended(1);
    assert!(damaged.err.contains("damaged"), "{damaged:?}");
    listen("../poste").ended(2);
}
