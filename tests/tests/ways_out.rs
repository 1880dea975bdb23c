//! Every way out: each exit of a relay against each reason for which `may_hear` keeps a message from a reader, as the table
//! of exits in PROTOCOL.md says, over real TLS sockets.
//!
//! For each reason there is a message, an *outsider* who is barred from it for that reason alone, and his *twin* who is not.
//! All that the outsider's session was ever sent is kept, byte by byte, and searched for anything of the message: its id,
//! its signed bytes, its channel, its text, its author's credential. The twin finds it by the same search on the same exit,
//! so a search that finds nothing says something.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a reason or delivery that is new fails the test")]

#[path = "ways_out/cast.rs"]
mod cast;
#[path = "ways_out/ear.rs"]
mod ear;
#[path = "ways_out/exits.rs"]
mod exits;

use std::path::Path;

use cast::Cast;
use exits::Exit;
use vigie_proto::hear::Barred;

/// The table of exits as it stands in the document: columns, and rows with their cells.
fn table() -> (Vec<String>, Vec<(String, Vec<String>)>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/PROTOCOL.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, rest) = document.split_once("<!-- table: exits -->\n").unwrap();
    let (table, _) = rest.split_once("<!-- end -->\n").unwrap();
    let mut lines = table.lines().map(|line| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    });
    let head = lines.next().unwrap();
    lines.next().unwrap();
    let rows = lines.map(|row| (row[0].clone(), row[2..].to_vec()));
    (head[2..].to_vec(), rows.collect())
}

#[test]
fn the_table_has_each_exit_and_each_reason_once() {
    let (columns, rows) = table();
    assert_eq!(columns, Barred::ALL.map(|reason| reason.as_str().to_owned()));
    let names: Vec<&str> = rows.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, Exit::ALL.map(Exit::name));
    for (name, cells) in &rows {
        assert_eq!(cells.len(), columns.len(), "{name}");
    }
}

/// What the table says of one reason is what happens, exit by exit.
async fn goes_as_the_table_says(reason: Barred) {
    let (columns, rows) = table();
    let at = columns.iter().position(|column| column == reason.as_str()).unwrap();
    for exit in Exit::ALL {
        let (_, cells) = rows.iter().find(|(name, _)| name == exit.name()).unwrap();
        let cast = Cast::new(reason);
        cast.is_barred_for_that_reason_alone();
        assert_eq!(exits::seen(exit, &cast).await, cells[at], "{} × {}", exit.name(), reason.as_str());
    }
}

#[tokio::test]
async fn who_is_of_the_other_plane_is_told_nothing() {
    goes_as_the_table_says(Barred::Plane).await;
}

#[tokio::test]
async fn who_asked_for_the_other_flow_is_told_nothing() {
    goes_as_the_table_says(Barred::Flow).await;
}

#[tokio::test]
async fn who_stands_elsewhere_is_told_nothing() {
    goes_as_the_table_says(Barred::Place).await;
}

#[tokio::test]
async fn who_hears_only_what_is_graver_is_told_nothing() {
    goes_as_the_table_says(Barred::Severity).await;
}

#[tokio::test]
async fn whose_organisation_is_not_named_is_told_nothing() {
    goes_as_the_table_says(Barred::Audience).await;
}
