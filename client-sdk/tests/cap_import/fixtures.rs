//! Every fixture against its row.

use std::fs;

use vigie_client::cap::{Imported, Warning, import};

use crate::expected::{BAD, Counts, GOOD};
use crate::{fixture, folder, good, xml_files};

fn counts(imported: &Imported) -> Counts {
    let infos = &imported.alert.info;
    (
        infos.len(),
        infos.iter().map(|info| info.area.len()).sum(),
        infos.iter().map(|info| info.resource.len()).sum(),
        imported.signatures,
    )
}

/// `line code element`, as the tables have them.
pub(crate) fn warnings(imported: &Imported) -> Vec<String> {
    let row = |warning: &Warning| format!("{} {} {}", warning.line, warning.code.as_str(), warning.element);
    imported.warnings.iter().map(row).collect()
}

#[test]
fn every_good_fixture_gives_what_the_table_says() {
    let listed: Vec<&str> = GOOD.iter().map(|row| row.0).collect();
    assert_eq!(listed, xml_files(&folder()), "the table lists every file");
    for (name, expected, expected_warnings) in GOOD {
        let imported = import(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(counts(&imported), *expected, "{name}");
        assert_eq!(warnings(&imported), *expected_warnings, "{name}");
        assert_eq!(imported.alert.validate(), Ok(()), "{name}");
    }
}

#[test]
fn every_bad_fixture_is_refused_with_line_code_and_reason() {
    let listed: Vec<&str> = BAD.iter().map(|row| row.0).collect();
    assert_eq!(listed, xml_files(&folder().join("bad")), "the table lists every file");
    for (name, line, code, words) in BAD {
        let error = import(&fixture(&format!("bad/{name}"))).unwrap_err();
        assert_eq!((error.line, error.code()), (*line, *code), "{name}: {error}");
        let text = error.to_string();
        assert!(text.contains(words), "{name}: {text}");
        let french = error.french();
        assert!(
            french.starts_with(&format!("ligne {line} : ")) && !text.ends_with(&french[10..]),
            "{french}"
        );
    }
}

#[test]
fn an_alert_is_taken_whole() {
    let json = serde_json::to_string_pretty(&good("crue-seine.xml")).unwrap();
    let expected = fs::read_to_string(folder().join("crue-seine.json")).unwrap();
    assert_eq!(json.trim(), expected.trim());
}
