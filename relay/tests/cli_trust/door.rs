//! `vigie trust explain --door`: what a running relay tells of who may hear what, and to whom.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Place, Ran};

const TOWN: &str = "alert/fr.idf.75.paris";
const TEXT: &str = "Crue soudaine";

fn ask(place: &Place, args: &[&str]) -> Ran {
    let config = place.path("vigie.toml");
    place.vigie(&[&["trust", "explain"], args, &["--door", "--config", &config, "--json"]].concat())
}

/// One line to the socket, and what comes back.
fn raw(place: &Place, line: &str) -> Value {
    let mut stream = UnixStream::connect(place.path("journal/door.sock")).unwrap();
    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    assert!(!told.contains(TEXT), "what a message says");
    serde_json::from_str(&told).unwrap()
}

fn log_in(place: &Place, who: &str, more: &[&str]) {
    let args = ["check", "relay", "--as", who, "--warn", "20s", "--crit", "20s"];
    place.vigie(&[&args[..], more].concat()).ended(0);
}

fn publish(place: &Place, channel: &str, who: &str, more: &[&str]) -> String {
    let args = ["pub", channel, TEXT, "--as", who, "--severity", "minor", "--json"];
    let said = place.vigie(&[&args[..], more].concat()).ended(0);
    said.objects()[0]["id"].as_str().unwrap().to_owned()
}

/// The credential of each identity, on each plane.
fn credentials(place: &Place) -> BTreeMap<(String, String), String> {
    let shown = place.vigie(&["identity", "show", "--json"]).ended(0).objects();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    shown.iter().map(|one| ((text(one, "name"), text(one, "plane")), text(one, "credential"))).collect()
}

/// What was told of one: whether it hears, and what keeps it out.
fn told_of(told: &[Value], credential: &str) -> Option<String> {
    let one = told.iter().find(|one| one["credential"] == credential)?;
    if one["hears"] == true {
        return Some("hears".to_owned());
    }
    Some(format!("`{}` `{}`", one["rule"].as_str()?, one["code"].as_str()?))
}

/// The table of what is explained, of PROTOCOL.md.
fn table() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/PROTOCOL.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, rest) = document.split_once("<!-- table: explained -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- end -->\n").unwrap();
    let row = |line: &str| {
        line.trim_matches('|').split_once(" | ").map(|(a, b)| (a.trim().into(), b.trim().into()))
    };
    table.lines().skip(2).filter_map(row).collect()
}

#[test]
fn of_a_message_it_tells_who_hears_and_for_each_reason_what_keeps_one_out() {
    let place = Place::new();
    let relay = place.relay();
    let of = credentials(&place);
    let of = |name: &str, plane: &str| of[&(name.to_owned(), plane.to_owned())].clone();
    let alert = publish(&place, TOWN, "town", &[]);
    // Who never spoke is known once it has logged in, and not before.
    let field = of("field", "live");
    assert_eq!(told_of(&ask(&place, &[&alert]).ended(0).objects(), &field), None);
    for who in ["field", "elsewhere", "neighbour"] {
        log_in(&place, who, &[]);
    }
    log_in(&place, "town", &["--exercise"]);
    let signal = publish(&place, "signal/fr.idf.75.paris", "field", &[]);
    let named =
        publish(&place, TOWN, "town", &["--label", "TLP:AMBER", "--audience", "fr.interieur.idf.paris"]);
    let told = |id: &str| ask(&place, &[id]).ended(0).objects();
    let (alert_told, signal_told, named_told) = (told(&alert), told(&signal), told(&named));
    assert_eq!(
        (&alert_told[0]["type"], &alert_told[0]["channel"], &alert_told[0]["by"]),
        (&"explained_message".into(), &TOWN.into(), &"relay".into())
    );
    for name in ["town", "region", "nation", "field"] {
        assert_eq!(told_of(&alert_told, &of(name, "live")).as_deref(), Some("hears"), "{name}");
    }
    let table = table();
    for (reason, told, who) in [
        ("plane", &alert_told, of("town", "exercise")),
        ("flow", &signal_told, of("field", "live")),
        ("place", &alert_told, of("elsewhere", "live")),
        ("audience", &named_told, of("field", "live")),
    ] {
        assert_eq!(told_of(told, &who).as_ref(), table.get(reason), "{reason}");
    }
    assert_eq!(table.len(), 5, "and the severity, which keeps out nobody who may ask for all below");
    // Revocations that are in force count at once.
    let neighbour = of("neighbour", "live");
    assert_ne!(told_of(&told(&alert), &neighbour).unwrap(), "`revocation` `revoked`");
    place.vigie(&["trust", "revoke", "neighbour", "--as", "region"]).ended(0);
    assert_eq!(told_of(&told(&alert), &neighbour).unwrap(), "`revocation` `revoked`");
    // In words, and what is not there.
    let config = place.path("vigie.toml");
    let plain = place.vigie(&["trust", "explain", &alert, "--door", "--config", &config]).ended(0);
    assert!(plain.out.contains("HEARS") && plain.out.contains("[grant] out_of_jurisdiction"), "{plain:?}");
    let unknown = format!("{}A", &alert[..42]);
    if unknown != alert {
        ask(&place, &[&unknown]).ended(2);
    }
    place.vigie(&["trust", "explain", &alert, "--door"]).ended(2);
    relay.stop("-TERM");
    ask(&place, &[&alert]).ended(4);
}

#[test]
fn of_a_chain_it_tells_what_each_rule_says_with_its_own_revocations() {
    let place = Place::new();
    let _relay = place.relay();
    let allowed = |args: &[&str], code: i32| ask(&place, args).ended(code).objects();
    let last = |told: Vec<Value>| told.last().unwrap().clone();
    assert_eq!(last(allowed(&["town", TOWN], 0))["allowed"], true);
    assert_eq!(last(allowed(&["town", TOWN, "--publish", "severe"], 0))["publish"], "Severe");
    for (args, code) in [
        (&["town", "alert/fr.**"][..], "out_of_jurisdiction"),
        (&["field", "signal/fr.idf.75.paris", "--publish", "extreme"], "severity_exceeds_grant"),
        (&["field", "signal/fr.idf.75.paris", "--hear", "extreme"], "not_granted"),
        (
            &["field", TOWN, "--hear", "minor", "--label", "TLP:AMBER", "--audience", "fr.autre"],
            "not_in_audience",
        ),
    ] {
        assert_eq!(last(allowed(args, 5))["code"], code, "{args:?}");
    }
    assert_eq!(last(allowed(&["field", TOWN, "--hear", "minor"], 0))["hear"], "Minor");
    // A chain file is enough: no key is needed.
    let file = place.path("identities/town/live.chain");
    allowed(&[&file, TOWN], 0);
    place.vigie(&["trust", "revoke", "region", "--as", "nation"]).ended(0);
    // As if it had been signed on another machine.
    std::fs::remove_dir_all(place.path("revocations")).unwrap();
    let told = allowed(&[&file, TOWN], 5);
    let refused: Vec<&Value> =
        told.iter().filter(|one| one["holds"] == false).map(|one| &one["rule"]).collect();
    assert_eq!(refused, ["revocation"]);
    // Who judges here alone does not know of it.
    place.vigie(&["trust", "explain", "town", TOWN]).ended(0);
    // The same question, here and there.
    place.vigie(&["trust", "explain", "field", TOWN, "--hear", "minor"]).ended(0);
}

#[test]
fn the_socket_is_for_its_owner_and_takes_one_bounded_question() {
    let place = Place::new();
    let relay = place.relay();
    let path = place.path("journal/door.sock");
    let found = std::fs::symlink_metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o777, 0o600);
    for wrong in
        ["", "{}", r#"{"ask":"message","id":"x"}"#, r#"{"ask":"subscribe","chain":[],"channel":"alert/fr"}"#]
    {
        assert_eq!(raw(&place, wrong)["answer"], "failed", "{wrong}");
    }
    // Too long: nothing comes back, and the next one is served.
    let mut long = UnixStream::connect(&path).unwrap();
    let _ = long.write_all(&vec![b'x'; 64 * 1024]);
    assert_eq!(long.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
    // One who says nothing does not keep out the others for long.
    let _silent = UnixStream::connect(&path).unwrap();
    let id = publish(&place, TOWN, "town", &[]);
    let all = raw(&place, &json!({"ask": "message", "id": id}).to_string());
    assert_eq!(
        (&all["answer"], &all["more"], &all["message"]["seq"]),
        (&json!("message"), &json!(0), &json!(1))
    );
    let hearers = all["hearers"].as_array().unwrap();
    let after = &hearers[1]["credential"];
    let rest = raw(&place, &json!({"ask": "message", "id": id, "seq": 1, "after": after}).to_string());
    assert_eq!(rest["hearers"].as_array().unwrap()[..], hearers[2..]);
    let elsewhere = raw(&place, &json!({"ask": "message", "id": id, "seq": 2}).to_string());
    assert_eq!(elsewhere["answer"], "unknown_message");
    // It goes with the relay, also where the one before left its own behind; and only if it was not told off.
    drop(relay);
    assert!(UnixStream::connect(&path).is_err() && Path::new(&path).exists(), "killed");
    let relay = place.relay();
    assert_eq!(raw(&place, "{}")["answer"], "failed");
    relay.stop("-TERM");
    assert!(!Path::new(&path).exists());
    place.edit("vigie.toml", "# operators_door = true", "operators_door = false");
    let relay = place.relay();
    ask(&place, &["town", TOWN]).ended(4);
    assert!(!Path::new(&path).exists());
    relay.stop("-TERM");
}

/// One by one, for two seconds each, they kept everybody out for minutes.
#[test]
fn who_says_nothing_makes_room_for_whoever_asks_and_is_told() {
    let place = Place::new();
    let _relay = place.relay();
    let path = place.path("journal/door.sock");
    let mut silent: Vec<UnixStream> = (0..60).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let begun = Instant::now();
    ask(&place, &["town", TOWN]).ended(0);
    assert_eq!(raw(&place, "{}")["answer"], "failed");
    println!("answered behind 60 after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Each is told why: the first ones at once, the last ones when their time is over.
    let mut told = BTreeMap::new();
    for stream in &mut silent {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        *told.entry(answer["answer"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(told.values().sum::<i32>(), 60);
    assert!(told["busy"] >= 60 - 16 && told.keys().all(|one| one == "busy" || one == "failed"), "{told:?}");
    // One who sends a byte now and then has no more time than one who sends none.
    let begun = Instant::now();
    let mut slow = UnixStream::connect(&path).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = Vec::new();
    while slow.read_to_end(&mut answer).is_err() {
        let _ = slow.write_all(b" ");
        assert!(begun.elapsed() < Duration::from_secs(10), "it is still listened to");
    }
    assert!(String::from_utf8(answer).unwrap().contains("no question came"));
}

/// What the command line says of a door at which too many ask.
#[test]
fn a_door_that_is_busy_is_told_from_one_that_nobody_answers_at() {
    let place = Place::new();
    let relay = place.relay();
    relay.stop("-TERM");
    let door = UnixListener::bind(place.path("journal/door.sock")).unwrap();
    let keeper = std::thread::spawn(move || {
        let (mut stream, _) = door.accept().unwrap();
        stream.write_all(b"{\"answer\":\"busy\"}\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // Until it is read: what is unread at the end may take the answer with it.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let told = ask(&place, &["town", TOWN]).ended(4);
    assert!(told.err.contains("at once: try again"), "{told:?}");
    keeper.join().unwrap();
}
