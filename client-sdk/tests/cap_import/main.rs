//! CAP import keeps its promises: our fixtures give exactly what the tables say, every valid alert of the third-party
//! collection is taken, and no bytes make it panic.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod damage;
mod expected;
mod fixtures;
mod older;
mod reading;
mod third_party;

use std::fs;
use std::path::{Path, PathBuf};

use vigie_client::cap::import;
use vigie_proto::cap::Alert;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cap")
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn good(name: &str) -> Alert {
    import(&fixture(name)).unwrap().alert
}

/// An alert with as little as CAP allows and `inside` at the end of its only info.
fn one_info(inside: &str) -> Vec<u8> {
    format!(
        "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'><identifier>i</identifier><sender>s</sender>\
         <sent>2026-06-01T10:00:00+02:00</sent><status>Actual</status><msgType>Alert</msgType><scope>Public</scope>\
         <info><category>Other</category><event>e</event><urgency>Past</urgency><severity>Minor</severity>\
         <certainty>Unknown</certainty>{inside}</info></alert>"
    )
    .into_bytes()
}

/// The names of the XML files in a folder, sorted.
fn xml_files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".xml"))
        .collect();
    names.sort();
    names
}
