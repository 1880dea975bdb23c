//! The third-party collection: every alert that its index marks valid is taken, no file makes the import panic.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vigie_client::cap::import;
use vigie_proto::cap::Alert;

use crate::xml_files;

/// The folder of third-party CAP files, named by `VIGIE_TEST_DATA`.
fn third_party() -> PathBuf {
    let root = std::env::var_os("VIGIE_TEST_DATA").expect("VIGIE_TEST_DATA was set when this was built");
    Path::new(&root).join("cap")
}

/// One row of `index.csv`, by column name. Fields may be quoted.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = csv.lines().map(fields);
    let header = lines.next().unwrap();
    lines.map(|fields| header.iter().cloned().zip(fields).collect()).collect()
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(character),
        }
    }
    fields
}

#[test]
#[cfg_attr(
    not(vigie_test_data),
    ignore = "needs VIGIE_TEST_DATA, third-party CAP files; see CONTRIBUTING.md"
)]
fn every_valid_third_party_alert_is_taken() {
    let folder = third_party();
    let index = rows(&fs::read_to_string(folder.join("index.csv")).unwrap());
    let is_valid = |row: &&BTreeMap<String, String>| row["schema_valid"] == "valid";
    let marked = index.iter().filter(is_valid).count();
    let mut taken = 0;
    for row in index.iter().filter(is_valid) {
        let name = &row["file"];
        let imported = import(&fs::read(folder.join("alerts").join(name)).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let alert = &imported.alert;
        assert_eq!(alert.validate(), Ok(()), "{name}");
        let json = serde_json::to_string(alert).unwrap();
        assert_eq!(&serde_json::from_str::<Alert>(&json).unwrap(), alert, "{name}");

        // The index was made by another parser.
        let areas = || alert.info.iter().flat_map(|info| &info.area);
        let number = |column: &str| row[column].parse::<usize>().unwrap();
        assert_eq!(alert.status.as_str(), row["status"], "{name}");
        assert_eq!(alert.msg_type.as_str(), row["msgType"], "{name}");
        assert_eq!(alert.scope.as_str(), row["scope"], "{name}");
        assert_eq!(alert.info.len(), number("infos"), "{name}");
        assert_eq!(areas().map(|area| area.circle.len()).sum::<usize>(), number("circles"), "{name}");
        assert_eq!(areas().map(|area| area.geocode.len()).sum::<usize>(), number("geocodes"), "{name}");
        assert_eq!(
            alert.info.iter().map(|info| info.resource.len()).sum::<usize>(),
            number("resources"),
            "{name}"
        );
        assert_eq!(imported.signatures, number("signatures"), "{name}");
        let polygons = areas().map(|area| area.polygon.len()).sum::<usize>();
        let dropped = imported.warnings.iter().filter(|warning| warning.element == "polygon");
        let dropped = dropped.filter(|warning| warning.code.as_str() == "empty_shape").count();
        assert_eq!(polygons + dropped, number("polygons"), "{name}");
        taken += 1;
    }
    println!("{taken} of {marked} valid files taken");
    assert!(marked > 0, "the index marks valid alerts");
    assert_eq!(taken, marked);
}

#[test]
#[cfg_attr(
    not(vigie_test_data),
    ignore = "needs VIGIE_TEST_DATA, third-party CAP files; see CONTRIBUTING.md"
)]
fn no_third_party_file_makes_it_panic_and_each_refusal_has_a_reason() {
    let folder = third_party();
    let index = rows(&fs::read_to_string(folder.join("index.csv")).unwrap());
    let mut refused = 0;
    for row in &index {
        let name = &row["file"];
        match import(&fs::read(folder.join("alerts").join(name)).unwrap()) {
            Ok(imported) => assert_eq!(imported.alert.validate(), Ok(()), "{name}"),
            Err(error) => {
                println!("{name}: {}: {error}", error.code());
                let expected = match (row["kind"].as_str(), row["cap"].as_str()) {
                    ("alert", "1.2") => &["missing_element", "bad_date_time"][..],
                    ("alert", "1.1") => &["empty_element"],
                    ("alert", _) => &["wrong_namespace"],
                    _ => &["missing_element"],
                };
                assert!(expected.contains(&error.code()), "{name}: {error}");
                refused += 1;
            }
        }
    }
    println!("{refused} of {} files refused", index.len());
    assert_eq!(index.len(), xml_files(&folder.join("alerts")).len());
}
