//! `vigie` and a real relay: publish, hear, check again offline, and how each of them fails.

use std::fs;

use crate::support::{Place, Ran, finish, vigie};
use serde_json::Value;
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::time::Timestamp;

/// Long enough for a busy machine; nothing waits for its end when all is well.
const PATIENCE: &str = "20s";

fn heard(place: &Place, channel: &str, name: &str, count: &str, more: &[&str]) -> Ran {
    let fixed = ["sub", channel, "--as", name, "--after", "0", "--count", count, "--wait", PATIENCE];
    place.vigie(&[&fixed[..], more].concat())
}

fn messages(ran: &Ran) -> Vec<Value> {
    ran.objects().into_iter().filter(|object| object["type"] == "message").collect()
}

#[test]
fn what_is_published_is_heard_and_verifies_offline() {
    let place = Place::new();
    let _relay = place.relay();
    let published =
        place.vigie(&["pub", "alert/fr.idf", "Crue de la Seine", "--as", "region", "--json"]).ended(0);
    let receipt = &published.objects()[0];
    assert_eq!(
        (&receipt["type"], &receipt["channel"]),
        (&Value::from("receipt"), &Value::from("alert/fr.idf"))
    );
    assert!(published.err.contains("nobody is listening"), "{published:?}");
    assert_eq!(published.objects()[1]["live"], 0);

    let export = heard(&place, "alert/fr.idf.75.paris", "town", "1", &["--json"]).ended(0);
    let objects = export.objects();
    let kinds: Vec<&str> = objects.iter().map(|object| object["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["credential", "credential", "credential", "message"],
        "root, nation, region, then the message"
    );
    let message = &objects[3];
    for member in ["id", "log", "seq", "admitted"] {
        assert_eq!(message[member], receipt[member], "{member}");
    }
    assert_eq!(message["plane"], "live");
    assert_eq!(message["severity"], "Moderate");
    assert_eq!((&message["verified"], &message["expired"]), (&Value::from(true), &Value::from(false)));
    assert_eq!(message["author"]["org"], "fr.interieur.idf");
    assert_eq!(message["author"]["at"], serde_json::json!(["fr.idf"]));
    assert_eq!(message["author"]["credential"], objects[2]["id"]);
    assert_eq!(message["content"]["cap"]["info"][0]["headline"], "Crue de la Seine");

    let verify = |text: &str| finish(place.command(&["verify", "-", "--json"]), text);
    assert_eq!(verify(&export.out).ended(0).objects()[0]["live"], 1);
    // What is changed for the eye, under the signature, in the chain, in time or in order: each is found, by its line.
    let jws = message["jws"].as_str().unwrap();
    let last = export.out.lines().last().unwrap();
    let without_root = export.out.split_once('\n').unwrap().1.to_owned();
    for (bad, line) in [
        (export.out.replace("Crue de", "Crue da"), 4),
        (export.out.replace("\"severity\":\"Moderate\"", "\"severity\":\"Minor\""), 4),
        (export.out.replace(jws, &jws.replacen('.', ".A", 1)), 4),
        (export.out.replace("\"seq\":1,", "\"seq\":2,"), 4),
        (export.out.replace("\"verified\":true", "\"verified\":true,\"verified\":true"), 4),
        (without_root, 3),
        (format!("{}{last}\n", export.out), 5),
        (format!("{}not json\n", export.out), 5),
    ] {
        assert_ne!(bad, export.out);
        let told = verify(&bad).ended(6).err;
        assert!(told.contains(&format!("line {line} does not verify")), "{told}");
    }
    // What the reader marked itself is counted, never taken for verified.
    let marked = "{\"type\":\"gap\",\"reason\":\"removed\",\"from\":null,\"to\":null}\n";
    let counted = &verify(&format!("{}{marked}", export.out)).ended(0).objects()[0];
    assert_eq!((&counted["live"], &counted["gaps"]), (&1.into(), &1.into()));
    // Other roots: the export proves nothing to who does not trust them.
    let other = Place::new();
    finish(other.command(&["verify", "-"]), &export.out).ended(6);
    let root = place.vigie(&["trust", "show", "nation", "--json"]).ended(0).objects()[0]["key"]
        .as_str()
        .unwrap()
        .to_owned();
    finish(other.command(&["verify", "-", "--root", &root]), &export.out).ended(0);
}

#[test]
fn a_reader_who_waits_is_reached_and_told_in_words() {
    let place = Place::new();
    let _relay = place.relay();
    let reader =
        place.command(&["sub", "signal/fr.idf.**", "--as", "region", "--count", "1", "--wait", PATIENCE]);
    let reader = std::thread::spawn(move || finish(reader, ""));
    // Until the reader is there, signals reach nobody.
    let reached = |ran: Ran| ran.ended(0).objects()[1]["live"].as_u64().unwrap();
    let publish = [
        "pub",
        "signal/fr.idf.75.paris",
        "Fumée rue de Rivoli",
        "--severity",
        "severe",
        "--as",
        "field",
        "--json",
    ];
    while reached(place.vigie(&publish)) == 0 {}
    let shown = reader.join().unwrap().ended(0);
    let first = shown.out.lines().next().unwrap();
    assert!(
        first.starts_with("VERIFIED  Severe  signal/fr.idf.75.paris")
            && first.contains("Fumée rue de Rivoli"),
        "{shown:?}"
    );
    assert!(
        shown
            .out
            .contains("Sapeurs-pompiers de Paris, engin 12 (fr.interieur.idf.pompiers, at fr.idf.75.paris)")
    );
}

#[test]
fn an_exercise_says_so_in_every_line_and_no_live_reader_hears_it() {
    let place = Place::new();
    let _relay = place.relay();
    let publish =
        |text, more: &[&str]| place.vigie(&[&["pub", "alert/fr", text, "--as", "nation"], more].concat());
    let published = publish("Exercice inondation", &["--exercise"]).ended(0);
    assert!(published.out.lines().count() >= 3, "receipt, id, reach: {published:?}");
    assert!(published.out.lines().all(|line| line.starts_with("EXERCISE ")), "{published:?}");
    assert!(!published.err.is_empty() && published.err.lines().all(|line| line.contains("EXERCISE")));
    let refused =
        place.vigie(&["pub", "alert/fr", "x", "--as", "town", "--exercise", "--lang", "fr"]).ended(5);
    assert!(refused.err.lines().all(|line| line.starts_with("erreur : EXERCICE ")), "{refused:?}");
    publish("Pour de vrai", &[]).ended(0);
    let exercise = heard(&place, "alert/fr.idf", "region", "1", &["--exercise", "--lang", "fr"]).ended(0);
    assert!(exercise.out.lines().all(|line| line.starts_with("EXERCICE ")), "{exercise:?}");
    assert!(exercise.err.lines().all(|line| line.contains("EXERCICE")), "{exercise:?}");
    assert!(exercise.out.contains("VÉRIFIÉ") && exercise.out.contains("Exercice inondation"));
    let live = heard(&place, "alert/fr.idf", "region", "1", &["--json"]).ended(0);
    assert_eq!(messages(&live)[0]["content"]["cap"]["info"][0]["headline"], "Pour de vrai");
    let both = heard(&place, "alert/fr.idf", "region", "1", &["--exercise", "--json"]).ended(0);
    assert_eq!(messages(&both)[0]["channel"], "exercise/alert/fr");
}

#[test]
fn a_label_says_who_is_given_it_and_how_far_it_goes() {
    let place = Place::new();
    let said = |label: &[&str]| place.vigie(&[&["pub", "alert/fr", "x", "--as", "nation"], label].concat());
    for (label, told) in [
        (&["--label", "TLP:RED"][..], "--audience"),
        (&["--audience", "fr.interieur"], "--label"),
        (&["--label", "TLP:CLEAR", "--audience", "fr.interieur"], "TLP:CLEAR"),
        (&["--label", "TLP:AMBER", "--audience", "fr.Interieur"], "fr.Interieur"),
    ] {
        let refused = said(label).ended(2);
        assert!(refused.err.contains(told), "{refused:?}");
    }
    let _relay = place.relay();
    said(&["--label", "tlp:amber", "--audience", "fr.interieur.idf.paris,fr.interieur.idf"]).ended(0);
    said(&["--label", "TLP:AMBER+STRICT", "--audience", "fr.interieur,fr.interieur.idf"]).ended(0);
    said(&["--label", "TLP:GREEN"]).ended(0);

    let town = heard(&place, "alert/fr.idf.75.paris", "town", "2", &[]).ended(0);
    let lines: Vec<&str> = town.out.lines().filter(|line| line.starts_with("VERIFIED")).collect();
    assert!(lines[0].contains("  TLP:AMBER for fr.interieur.idf  "), "{town:?}");
    assert!(lines[1].contains("  TLP:GREEN  "), "{town:?}");
    let french = heard(&place, "alert/fr.idf", "region", "3", &["--lang", "fr"]).ended(0);
    assert!(french.out.contains("  TLP:AMBER+STRICT pour fr.interieur, fr.interieur.idf  "), "{french:?}");
    let author = heard(&place, "alert/fr", "nation", "2", &["--json"]).ended(0);
    let labels: Vec<_> = messages(&author).into_iter().map(|message| message["label"].clone()).collect();
    let strict =
        serde_json::json!({"tlp": "TLP:AMBER+STRICT", "audience": ["fr.interieur", "fr.interieur.idf"]});
    assert_eq!(
        labels,
        [strict, serde_json::json!({"tlp": "TLP:GREEN"})],
        "its author is not named in the first"
    );
    finish(place.command(&["verify", "-"]), &author.out).ended(0);
    let relabelled = author.out.replace(r#""audience":["fr.interieur","#, r#""audience":["fr.exterieur","#);
    assert!(finish(place.command(&["verify", "-"]), &relabelled).ended(6).err.contains("label"));
}

#[test]
fn each_way_to_fail_has_its_code() {
    let place = Place::new();
    // Nobody listens at the address of the context.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.edit("context.toml", "localhost:7443", &nobody.local_addr().unwrap().to_string());
    drop(nobody);
    place.vigie(&["pub", "alert/fr", "x", "--as", "nation", "--wait", "300ms"]).ended(4);
    place.vigie(&["sub", "alert/fr", "--as", "nation", "--wait", PATIENCE]).ended(4);
    place.vigie(&["check", "relay", "--as", "nation", "--crit", "500ms"]).ended(2);
    place.vigie(&["check", "relay"]).ended(3);

    let relay = place.relay();
    let refused = place.vigie(&["pub", "alert/fr", "x", "--as", "town"]).ended(5);
    assert!(refused.err.contains("out_of_jurisdiction"), "{refused:?}");
    let refused = place.vigie(&["sub", "alert/fr.naq", "--as", "town", "--wait", PATIENCE]).ended(5);
    assert!(refused.err.contains("out_of_jurisdiction"), "{refused:?}");
    let refused = place.vigie(&["pub", "alert/fr", "x", "--as", "nation", "--expires", "8d"]).ended(5);
    assert!(refused.err.contains("lifetime_too_long"), "{refused:?}");
    place.vigie(&["sub", "alert/fr", "--as", "nation", "--wait", "100ms"]).ended(0);
    let late =
        place.vigie(&["sub", "alert/fr", "--as", "nation", "--wait", "100ms", "--count", "1"]).ended(7);
    assert!(late.err.contains("1 message"), "{late:?}");
    let foreign = Cursor {
        log: LogId::from_bytes([9; 16]),
        seq: Sequence::new(3),
        admitted: Timestamp::from_millis(1_795_000_000_000),
    };
    let after = foreign.to_string();
    let gap = ["sub", "alert/fr", "--as", "nation", "--after", &after, "--wait", PATIENCE, "--json"];
    let stopped = place.vigie(&[&gap[..], &["--strict"]].concat()).ended(9);
    assert_eq!(stopped.objects()[0]["reason"], "other_log");
    let good = place.vigie(&["check", "relay", "--as", "nation", "--warn", "20s", "--crit", "30s"]).ended(0);
    assert!(good.out.starts_with("OK ") && good.out.contains("| login="), "{good:?}");
    place.vigie(&["check", "relay", "--as", "nation", "--warn", "0s", "--crit", "30s"]).ended(1);

    // Other roots: TLS says that this is not their relay.
    let other = Place::new();
    fs::copy(place.path("context.toml"), other.path("context.toml")).unwrap();
    let stranger = other.vigie(&["sub", "alert/fr", "--as", "nation", "--wait", PATIENCE]);
    stranger.ended(3);
    let (code, said) = relay.stop("-TERM");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("made for trial") && said.contains("stopped"), "{said}");
}

#[test]
fn a_stranger_is_shut_out_and_an_interrupt_stops_the_relay_cleanly() {
    let (place, other) = (Place::new(), Place::new());
    let relay = place.relay();
    // The stranger's own trust, but our relay and its TLS authority.
    let relays = fs::read_to_string(place.path("context.toml")).unwrap();
    let line = relays.lines().find(|line| line.starts_with("relays")).unwrap();
    other.edit("context.toml", "relays = [\"wss://localhost:7443\"]", line);
    let refused = other.vigie(&["sub", "alert/fr", "--as", "nation", "--wait", PATIENCE]);
    assert!(refused.err.contains("no authority"), "{refused:?}");
    refused.ended(4);
    fs::copy(place.path("tls/ca.pem"), other.path("tls/ca.pem")).unwrap();
    let refused = other.vigie(&["sub", "alert/fr", "--as", "nation", "--wait", PATIENCE]).ended(5);
    assert!(refused.err.contains("unknown_root"), "{refused:?}");
    let refused = other.vigie(&["pub", "alert/fr", "x", "--as", "nation"]).ended(5);
    assert!(refused.err.contains("unknown_root"), "{refused:?}");
    assert_eq!(relay.stop("-INT").0, 0);
}

#[test]
fn strangers_text_moves_no_cursor_and_hides_nothing() {
    let place = Place::new();
    let _relay = place.relay();
    let refused = place.vigie(&["pub", "alert/fr", "Rien\u{1b}[2J ici", "--as", "nation"]);
    assert!(refused.err.contains("malformed_content") && refused.err.contains("U+001B"), "{refused:?}");
    refused.ended(5);
    let text = "Rien\u{202e}à signaler\u{200b}\u{85}ici";
    place.vigie(&["pub", "alert/fr", text, "--as", "nation"]).ended(0);
    for more in [&[][..], &["--json"]] {
        let shown = heard(&place, "alert/fr", "nation", "1", more).ended(0);
        assert!(!shown.out.contains(['\u{202e}', '\u{200b}', '\u{85}']), "{shown:?}");
    }
    assert!(
        heard(&place, "alert/fr", "nation", "1", &[])
            .out
            .contains(r"Rien\u{202e}à signaler\u{200b}\u{85}ici")
    );
    let export = heard(&place, "alert/fr", "nation", "1", &["--json"]);
    assert_eq!(messages(&export)[0]["content"]["cap"]["info"][0]["headline"], text);
    finish(place.command(&["verify", "-"]), &export.out).ended(0);
}

/// A CAP alert of ours; what differs from case to case is filled in.
fn cap(status: &str, scope: &str, kind: &str, info: bool) -> String {
    let info = if info {
        "<info><language>fr-FR</language><category>Met</category><event>Orages</event><urgency>Expected</urgency>\
         <severity>Unknown</severity><certainty>Likely</certainty><expires>2020-01-01T00:00:00+01:00</expires>\
         <headline>Orages violents</headline><area><areaDesc>Gironde</areaDesc></area></info>"
    } else {
        ""
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">\
         <identifier>essai-1</identifier><sender>essai@vigie.example</sender><sent>2026-06-01T10:00:00+02:00</sent>\
         <status>{status}</status><msgType>{kind}</msgType><scope>{scope}</scope>\
         <references>essai@vigie.example,essai-0,2026-06-01T09:00:00+02:00</references>{info}</alert>"
    )
}

#[test]
fn a_cap_file_is_published_as_what_it_says_it_is() {
    let place = Place::new();
    let _relay = place.relay();
    let publish = |xml: &str, more: &[&str]| {
        let fixed = ["pub", "alert/fr", "--cap", "-", "--as", "nation"];
        finish(place.command(&[&fixed[..], more].concat()), xml)
    };
    let live = cap("Actual", "Public", "Alert", true);
    let published = publish(&live, &[]).ended(0);
    assert!(published.err.contains("expired already"), "{published:?}");
    publish(&live, &["--severity", "Minor"]).ended(5);
    assert!(publish(&live, &["--exercise"]).ended(2).err.contains("leave out --exercise"));
    let test = cap("Test", "Public", "Alert", true);
    assert!(publish(&test, &[]).ended(2).err.contains("with --exercise"));
    publish(&test, &["--exercise"]).ended(0);
    assert!(publish(&cap("Draft", "Public", "Alert", true), &[]).ended(5).err.contains("draft_content"));
    let private = cap("Actual", "Private", "Alert", true);
    assert!(publish(&private, &[]).ended(2).err.contains("--label"));
    publish(&private, &["--label", "tlp:green"]).ended(0);
    let cancel = cap("Actual", "Public", "Cancel", false);
    assert!(publish(&cancel, &[]).ended(2).err.contains("--severity"));
    publish(&cancel, &["--severity", "severe"]).ended(0);
    publish("<alert/>", &[]).ended(6);

    let shown = heard(&place, "alert/fr", "nation", "3", &[]).ended(0);
    assert!(
        shown.out.contains("VERIFIED  Severe  alert/fr  Orages violents"),
        "Unknown counts as severe: {shown:?}"
    );
    assert!(shown.out.contains("CANCEL"), "{shown:?}");
    let export = heard(&place, "alert/fr", "nation", "3", &["--json"]).ended(0);
    let original = &messages(&export)[0]["content"]["original"];
    assert!(original["bytes"].as_str().is_some_and(|bytes| bytes.len() > 100), "{original}");
    finish(place.command(&["verify", "-"]), &export.out).ended(0);
}

#[test]
fn two_relays_do_not_share_a_journal_or_an_address() {
    let place = Place::new();
    let relay = place.relay();
    let config = place.path("vigie.toml");
    let second = vigie(&["relay", "run", "--config", &config, "--listen", "127.0.0.1:0"]).ended(1);
    assert!(second.err.contains("in use"), "{second:?}");
    drop(relay);
}

#[test]
fn a_cancel_takes_effect_only_where_its_author_may() {
    let place = Place::new();
    let _relay = place.relay();
    let publish = |name, more: &[&str]| {
        let fixed = ["pub", "alert/fr.idf.75.paris", "Crue", "--as", name, "--json"];
        let ran = place.vigie(&[&fixed[..], more].concat()).ended(0);
        ran.objects()[0]["id"].as_str().unwrap().to_owned()
    };
    let first = publish("region", &["--severity", "Severe"]);
    // As grave as what it replaces, and as long: else it would not reach all who heard that.
    publish("town", &["--severity", "Severe", "--expires", "48h", "--replaces", &first]);
    publish("region", &["--severity", "Minor", "--expires", "48h", "--replaces", &first]);
    let shown = heard(&place, "alert/fr.idf.75.paris", "town", "3", &[]).ended(0).out;
    let told: Vec<&str> = shown.lines().filter(|line| line.contains(&first[..8])).collect();
    assert_eq!(told.len(), 3, "{shown}");
    assert!(told[1].contains("takes effect on") && told[2].contains("WITHOUT EFFECT"), "{shown}");
    // Who did not hear the first one cannot say.
    let cursor = heard(&place, "alert/fr.idf.75.paris", "town", "1", &["--json"]).objects();
    let after = cursor.iter().find(|object| object["type"] == "message").unwrap()["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let fixed = [
        "sub",
        "alert/fr.idf.75.paris",
        "--as",
        "town",
        "--after",
        &after,
        "--count",
        "1",
        "--wait",
        PATIENCE,
    ];
    assert!(place.vigie(&fixed).ended(0).out.contains("was not heard here"));
}

#[test]
fn a_relay_whose_folder_is_gone_says_so_by_its_exit_code() {
    let place = Place::new();
    let relay = place.relay();
    fs::remove_dir_all(place.path("journal")).unwrap();
    let sent = place.vigie(&["pub", "alert/fr", "rien ne le garde", "--as", "nation", "--wait", "2s"]);
    assert_ne!(sent.code, 0, "a journal without a folder took a message: {sent:?}");
    let (code, said) = relay.ended();
    assert_eq!(code, 10, "{said}");
    assert!(said.contains("must be sent again"), "{said}");
}
