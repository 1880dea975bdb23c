//! The ways out for operators, `vigie journal export` and `vigie trust explain`: each against each reason for which
//! `may_hear` keeps a message from a reader, as the table of files in PROTOCOL.md says.
//!
//! They ask for no reader: whoever may read the relay's files, or use its socket, is told the same of a message that is kept
//! from him as of any other. That the same person is told nothing on the network is tried by the table of exits.

use std::path::Path;

use serde_json::Value;
use vigie_proto::hear::Barred;

use crate::support::Place;

const TOWN: &str = "alert/fr.idf.75.paris";
const SIGNAL: &str = "signal/fr.idf.75.paris";
const TEXT: &str = "Crue soudaine";

/// The table of files: reasons, and exits with their cells.
fn table() -> (Vec<String>, Vec<(String, Vec<String>)>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/PROTOCOL.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, rest) = document.split_once("<!-- table: files -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- end -->\n").unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = table.lines().map(cells);
    let head = lines.next().unwrap();
    lines.next().unwrap();
    (head[2..].to_vec(), lines.map(|row| (row[0].clone(), row[2..].to_vec())).collect())
}

/// A message that is kept from an identity for this reason, by another one.
fn kept_from(place: &Place, reason: Barred) -> (Value, &'static str) {
    let (author, channel, more, outsider): (_, _, &[&str], _) = match reason {
        // On the exercise plane, so that the identity, which acts on the live one, is not on its.
        Barred::Plane => ("nation", TOWN, &["--exercise"], "town"),
        Barred::Flow => ("town", SIGNAL, &[], "field"),
        Barred::Place => ("town", TOWN, &[], "elsewhere"),
        // From above only what is grave is heard without asking for all below.
        Barred::Severity => ("town", SIGNAL, &["--severity", "minor"], "region"),
        Barred::Audience => {
            ("town", TOWN, &["--label", "TLP:RED", "--audience", "fr.interieur.idf.paris"], "field")
        }
        _ => panic!("{reason:?} is new: try it"),
    };
    let said = place.vigie(&[&["pub", channel, TEXT, "--as", author, "--json"], more].concat()).ended(0);
    (said.objects()[0]["id"].clone(), outsider)
}

/// What an exit tells of it to whoever runs the command, under this identity.
fn told(place: &Place, exit: &str, id: &str, who: &str) -> String {
    let config = place.path("vigie.toml");
    let from = ["--config", &config, "--as", who, "--json"];
    let args: &[&str] = match exit {
        "`journal export`" => &["journal", "export"],
        "`trust explain`" => &["trust", "explain", id],
        "`trust explain --door`" => &["trust", "explain", id, "--door"],
        other => panic!("{other} is not tried"),
    };
    let ran = place.vigie(&[args, &from].concat()).ended(0);
    let objects = ran.objects();
    if let Some(message) = objects.iter().find(|one| one["type"] == "message" && one["id"] == id) {
        assert!(message["jws"].is_string() && message.to_string().contains(TEXT), "{message}");
        let author = &message["author"]["credential"];
        let chain = objects.iter().any(|one| one["type"] == "credential" && one["id"] == *author);
        return if chain { "all" } else { "all but its chain" }.to_owned();
    }
    let explained = objects.iter().any(|one| one["type"] == "explained_message" && one["id"] == id);
    assert!(!ran.out.contains(TEXT), "what it says: {}", ran.out);
    let of_others = objects.iter().any(|one| one["hears"] == false && one["code"].is_string());
    if explained && of_others { "who hears it" } else { "nothing" }.to_owned()
}

#[test]
fn who_reads_the_files_is_told_whatever_may_hear_would_keep_from_him() {
    let (columns, rows) = table();
    assert_eq!(columns, Barred::ALL.map(|reason| reason.as_str().to_owned()));
    let exits: Vec<&str> = rows.iter().map(|(exit, _)| &**exit).collect();
    assert_eq!(exits, ["`journal export`", "`trust explain`", "`trust explain --door`"]);
    let place = Place::new();
    let _relay = place.relay();
    for who in ["town", "field", "elsewhere", "region"] {
        let args = ["check", "relay", "--as", who, "--warn", "20s", "--crit", "20s"];
        place.vigie(&args).ended(0);
    }
    for (at, reason) in Barred::ALL.into_iter().enumerate() {
        let (id, outsider) = kept_from(&place, reason);
        for (exit, cells) in &rows {
            let seen = told(&place, exit, id.as_str().unwrap(), outsider);
            assert_eq!(seen, cells[at], "{exit} × {}", reason.as_str());
        }
    }
}
