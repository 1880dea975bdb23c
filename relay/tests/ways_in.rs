//! Every way in: each entry against each refusal of `admit` and `admit_revocation`, as the table of entries in PROTOCOL.md
//! says. What is refused is neither stored nor delivered nor acknowledged, and its twin without that one fault comes in.
//!
//! The table is read from the document: a refusal, an entry or a cell that is not in it, or that says something else than
//! what happens, fails.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a record of another kind is none of those that are looked for"
)]
#![cfg(unix)]

#[path = "ways_in/people.rs"]
mod people;
#[path = "ways_in/cases.rs"]
mod cases;
#[path = "ways_in/table.rs"]
mod table;
#[path = "ways_in/line.rs"]
mod line;
#[path = "ways_in/import.rs"]
mod import;

use std::collections::BTreeSet;

use vigie_proto::admit::{REFUSALS, REVOCATION_REFUSALS};
use vigie_proto::refusal::Code;

use cases::{Case, Entry, KNOWN, case};
use people::People;
use table::{Cell, Table};

/// All that `admit` refuses, and what is looked at beside it where the roots were read again.
fn codes_of_rows() -> BTreeSet<Code> {
    let all = REFUSALS.iter().chain(&REVOCATION_REFUSALS).chain(&vigie_relay::trust::REFUSALS);
    all.copied().collect()
}

#[test]
fn the_table_has_each_entry_and_each_refusal_once() {
    let table = Table::read();
    let entries: Vec<&str> = Entry::ALL.iter().map(|entry| entry.name()).collect();
    assert_eq!(table.columns, entries, "the columns of the table of entries");
    let codes: BTreeSet<&str> = codes_of_rows().iter().map(|code| code.as_str()).chain([KNOWN]).collect();
    let rows: Vec<&str> = table.rows.iter().map(|(row, _)| &**row).collect();
    assert_eq!(rows.len(), codes.len(), "a row is there twice, or one is missing: {rows:?}");
    assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), codes, "the rows of the table of entries");
}

/// What decides at the entries, each with the list of what it refuses beside the rows: in the paragraph below the table.
const DECIDING: [(&[&str], &str); 2] = [
    (&["sequencer.rs", "sequencer", "trust.rs", "clock.rs"], "on `publish` and `revoke` "),
    (&["cli/journal/import.rs", "cli/journal/import", "cli/judge.rs"], "by an import "),
];

/// Not the rows: the relay cannot now, or what comes does not fit to what there is. Each is told as well.
#[test]
fn what_decides_at_an_entry_writes_no_code_that_the_document_does_not_have() {
    let told = table::beside();
    for (sources, entry) in DECIDING {
        let (_, listed) = told.split_once(entry).unwrap();
        let listed = listed.split(['.', ';']).next().unwrap().split('`').skip(1).step_by(2);
        let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
        let rows: BTreeSet<String> = codes_of_rows().iter().map(|code| code.as_str().to_owned()).collect();
        let written: BTreeSet<String> =
            sources.iter().flat_map(|source| table::codes_written(source)).collect();
        let beside: BTreeSet<String> = written.difference(&rows).cloned().collect();
        assert_eq!(beside, listed, "what is refused {entry}beside the rows: in the code, and in PROTOCOL.md");
    }
}

/// What the table says of one entry is what happens there, cell by cell.
fn goes_as_the_table_says(entry: Entry) {
    let people = People::new();
    let mut tried = 0;
    for (row, cell) in Table::read().column(entry.name()) {
        let case = case(&people, entry, &row);
        match (&cell, case) {
            (Cell::CannotOccur, None) => {}
            (Cell::CannotOccur, Some(_)) => panic!("{} × {row} can occur: the table says –", entry.name()),
            (_, None) => panic!("{} × {row} has no case", entry.name()),
            (_, Some(case)) => {
                try_on(entry, &people, &case, &row, &cell);
                tried += 1;
            }
        }
    }
    assert!(tried >= 5, "{} was tried on {tried} rows", entry.name());
}

fn try_on(entry: Entry, people: &People, case: &Case, row: &str, cell: &Cell) {
    match entry {
        Entry::Publish | Entry::Revoke => line::try_on(people, case, row, cell),
        Entry::MessageOfFolder | Entry::RevocationOfFolder => import::from_folder(people, case, row, cell),
        Entry::MessageOfExport | Entry::RevocationOfExport => import::from_export(people, case, row, cell),
    }
}

#[test]
fn what_is_published_goes_as_the_table_says() {
    goes_as_the_table_says(Entry::Publish);
}

#[test]
fn what_is_revoked_goes_as_the_table_says() {
    goes_as_the_table_says(Entry::Revoke);
}

#[test]
fn messages_of_a_folder_go_as_the_table_says() {
    goes_as_the_table_says(Entry::MessageOfFolder);
}

#[test]
fn revocations_of_a_folder_go_as_the_table_says() {
    goes_as_the_table_says(Entry::RevocationOfFolder);
}

#[test]
fn messages_of_an_export_go_as_the_table_says() {
    goes_as_the_table_says(Entry::MessageOfExport);
}

#[test]
fn revocations_of_an_export_go_as_the_table_says() {
    goes_as_the_table_says(Entry::RevocationOfExport);
}

#[test]
fn revocations_that_retention_carried_on_come_in_whatever_stands_before_them() {
    import::carried_revocations_come_in();
}
