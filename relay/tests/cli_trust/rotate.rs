//! `vigie trust rotate`: another key under the same name, in the middle of what goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::{Place, Ran};

const SIGNAL: &str = "signal/fr.idf.75.paris";
/// Longer than any step takes; only a failing test waits for it.
const PATIENCE: &str = "60s";

fn queue(place: &Place, text: &str) -> Ran {
    place.vigie(&["pub", SIGNAL, text, "--as", "field", "--offline", "--wait", "1ms"])
}

fn key(place: &Place, name: &str) -> String {
    let shown = place.vigie(&["identity", "show", name, "--json"]).ended(0).objects();
    shown.iter().find(|one| one["plane"] == "live").unwrap()["key"].as_str().unwrap().to_owned()
}

/// What a reader is given from the start: the headline, and who said it.
fn heard(place: &Place, count: &str) -> Vec<(String, String, Value)> {
    let listen =
        ["sub", SIGNAL, "--as", "region", "--after", "0", "--count", count, "--wait", PATIENCE, "--json"];
    let shown = place.vigie(&listen).ended(0).objects();
    let messages = shown.into_iter().filter(|one| one["type"] == "message");
    messages
        .map(|one| {
            let headline = one["content"]["cap"]["info"][0]["headline"].as_str().unwrap().to_owned();
            let author = &one["author"];
            (headline, format!("{} {}", author["name"], author["org"]), author["credential"].clone())
        })
        .collect()
}

#[test]
fn a_key_changes_in_the_middle_of_messages_and_name_history_queue_and_cursors_stay() {
    let place = Place::new();
    let relay = place.relay();
    place.vigie(&["pub", SIGNAL, "un", "--as", "field"]).ended(0);
    // A durable reader is in the middle, and the reader's own key is to change as well.
    let durable = |count: &str| {
        let listen = ["sub", SIGNAL, "--as", "town", "--durable", "poste", "--after", "0", "--json"];
        let ran = place.vigie(&[&listen[..], &["--count", count, "--wait", PATIENCE]].concat()).ended(0);
        let shown = ran.objects();
        let messages = shown.iter().filter(|one| one["type"] == "message");
        messages.map(|one| one["content"]["cap"]["info"][0]["headline"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(durable("1"), ["un"]);
    relay.stop("-TERM");
    // Without a line the queue of the old key cannot be sent, so nothing is switched.
    queue(&place, "deux").ended(8);
    let old = key(&place, "field");
    let rotate = ["trust", "rotate", "field", "--as", "region", "--json"];
    let early = place.vigie(&[&rotate[..], &["--wait", "200ms"]].concat()).ended(8);
    assert!(
        early.err.contains("1 message(s) of the old key") && early.err.contains("nothing was switched"),
        "{early:?}"
    );
    assert_eq!(key(&place, "field"), old);
    let _relay = place.relay();
    let rotated = place.vigie(&rotate).ended(0).objects();
    let new = key(&place, "field");
    assert_ne!(new, old);
    assert_eq!(
        (&rotated[0]["key"], &rotated[0]["former"]["key"]),
        (&Value::from(&*new), &Value::from(&*old))
    );
    // The queue goes on under the new key, and so does the reader, whose key changes now.
    let sent = place.vigie(&["pub", SIGNAL, "trois", "--as", "field", "--offline", "--wait", PATIENCE]);
    sent.ended(0);
    place.vigie(&["trust", "rotate", "town", "--as", "region"]).ended(0);
    assert_eq!(durable("2"), ["deux", "trois"]);
    let said = heard(&place, "3");
    assert_eq!(said.iter().map(|one| &*one.0).collect::<Vec<_>>(), ["un", "deux", "trois"]);
    assert!(said.iter().all(|one| one.1 == said[0].1), "one name: {said:?}");
    assert_eq!(said[0].2, said[1].2, "what was queued was said by the old key");
    assert_ne!(said[1].2, said[2].2);
    // Both keys stand beside each other, closed to others; the list and the chain name them.
    let aside = place.path("identities/field/live.1.key.pem");
    assert_eq!(fs::metadata(aside).unwrap().permissions().mode() & 0o777, 0o600);
    for shown in [place.vigie(&["trust", "show", "field"]), place.vigie(&["trust", "list"])] {
        assert!(shown.out.contains(&format!("former key 1: {old}")), "{shown:?}");
    }
    let again = place.vigie(&["trust", "rotate", "field", "--as", "region", "--json"]).ended(0).objects();
    assert_eq!(again[0]["former"]["number"], 2);
    // Nobody who stands on a key is cut off by its change.
    let refused = place.vigie(&["trust", "rotate", "region", "--as", "nation", "--revoke-old"]).ended(2);
    assert!(refused.err.contains("town") && refused.err.contains("--revoke-old"), "{refused:?}");
}

#[test]
fn the_old_key_ends_with_its_change_and_what_it_said_before_stays() {
    let place = Place::new();
    let _relay = place.relay();
    place.vigie(&["pub", SIGNAL, "avant", "--as", "field"]).ended(0);
    fs::create_dir(place.path("identities/thief")).unwrap();
    for file in ["live.key.pem", "live.chain"] {
        let (from, to) = (format!("identities/field/{file}"), format!("identities/thief/{file}"));
        fs::copy(place.path(&from), place.path(&to)).unwrap();
    }
    let ran = place.vigie(&["trust", "rotate", "field", "--as", "region", "--revoke-old"]).ended(0);
    assert!(ran.out.contains("REVOKED  wss://") && ran.err.contains("start again"), "{ran:?}");
    place.vigie(&["pub", SIGNAL, "faux", "--as", "thief"]).ended(5);
    place.vigie(&["pub", SIGNAL, "après", "--as", "field"]).ended(0);
    let said = heard(&place, "2");
    assert_eq!(said.iter().map(|one| &*one.0).collect::<Vec<_>>(), ["avant", "après"]);
}

#[test]
fn an_issuer_elsewhere_certifies_the_new_key_in_two_steps_and_nothing_else_is_taken() {
    let (place, other) = (Place::new(), Place::new());
    let _relay = place.relay();
    let (file, old) = (place.path("request.pem"), key(&place, "field"));
    let request = ["trust", "rotate", "field", "--request", &file];
    let asked = place.vigie(&request).ended(0);
    assert_eq!(place.vigie(&request).ended(0).out, asked.out, "the same key again");
    let line = asked.out.lines().find(|line| line.starts_with("vigie trust grant")).unwrap();
    assert_eq!(key(&place, "field"), old, "the old key speaks until the answer");
    // The line is what the issuer types, as whoever it is.
    let script =
        line.replacen("vigie", env!("CARGO_BIN_EXE_vigie"), 1).replace("field.chain", &place.path("answer"));
    let grant = |script: &str| {
        let (context, script) = (place.dir(), script.to_owned());
        let ran = std::process::Command::new("sh")
            .args(["-c", &script])
            .env("VIGIE_CONTEXT", context)
            .env("VIGIE_AS", "region")
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
    };
    let answer = ["trust", "rotate", "field", "--answer", &place.path("answer")];
    let shown = place.vigie(&["identity", "show", "field", "--json"]).ended(0).objects();
    let title = shown[0]["title"].as_str().unwrap();
    grant(&script.replace(title, "Quelqu'un d'autre"));
    let refused = place.vigie(&answer).ended(6);
    assert!(refused.err.contains("readers would see somebody else"), "{refused:?}");
    fs::copy(other.path("identities/field/live.chain"), place.path("answer")).unwrap();
    place.vigie(&answer).ended(6);
    fs::copy(place.path("identities/town/live.chain"), place.path("answer")).unwrap();
    let refused = place.vigie(&answer).ended(6);
    assert!(refused.err.contains("not a chain of the key"), "{refused:?}");
    grant(&script);
    place.vigie(&[&answer[..], &["--revoke-old"]].concat()).ended(0);
    assert_ne!(key(&place, "field"), old);
    place.vigie(&["pub", SIGNAL, "après", "--as", "field"]).ended(0);
}

#[test]
fn a_rotation_that_was_cut_off_is_taken_up_where_it_stopped() {
    let place = Place::new();
    let _relay = place.relay();
    let (file, old) = (place.path("request.pem"), key(&place, "field"));
    place.vigie(&["trust", "rotate", "field", "--request", &file]).ended(0);
    let folder = place.dir().join("identities/field");
    place.vigie(&["trust", "rotate", "field", "--as", "region"]).ended(0);
    let new = key(&place, "field");
    // As if the power had gone between the two renames: the chain is in place, its key is not.
    fs::rename(folder.join("live.key.pem"), folder.join("live.next.key.pem")).unwrap();
    fs::copy(folder.join("live.1.key.pem"), folder.join("live.key.pem")).unwrap();
    place.vigie(&["pub", SIGNAL, "x", "--as", "field"]).ended(3);
    let ran = place.vigie(&["trust", "rotate", "field", "--as", "region"]).ended(0);
    assert!(ran.err.contains("cut off is finished"), "{ran:?}");
    assert_eq!(key(&place, "field"), new);
    assert_ne!(new, old);
    place.vigie(&["pub", SIGNAL, "x", "--as", "field"]).ended(0);
}

#[test]
fn a_grant_to_a_name_keeps_the_chain_before_it_and_writes_no_file_beside() {
    let place = Place::new();
    let chain = place.dir().join("identities/field/live.chain");
    let before = fs::read_to_string(&chain).unwrap();
    let grant = ["trust", "grant", "--to", "field", "--as", "region", "--org", "fr.interieur.idf"];
    let grant = [&grant[..], &["--name", "Terrain", "--grant", "signal@fr.idf,publish=Severe"]].concat();
    // Once `--out` was passed over beside `--to`, and the chain in place was lost.
    let out = place.path("elsewhere.chain");
    let refused = place.vigie(&[&grant[..], &["--out", &out]].concat()).ended(2);
    assert!(refused.err.contains("--out"), "{refused:?}");
    assert_eq!(fs::read_to_string(&chain).unwrap(), before);
    let granted = place.vigie(&grant).ended(0);
    assert!(granted.err.contains("kept as number 1"), "{granted:?}");
    assert_ne!(fs::read_to_string(&chain).unwrap(), before);
    assert_eq!(fs::read_to_string(chain.with_file_name("live.1.chain")).unwrap(), before);
    let again = place.vigie(&[&grant[..], &["--json"]].concat()).ended(0).objects();
    assert_eq!(again[0]["former"], 2);
    // A rotation goes on counting, and keeps the key.
    let rotated = place.vigie(&["trust", "rotate", "field", "--as", "region", "--json"]).ended(0).objects();
    assert_eq!(rotated[0]["former"]["number"], 3);
    assert!(chain.with_file_name("live.3.key.pem").is_file());
}
