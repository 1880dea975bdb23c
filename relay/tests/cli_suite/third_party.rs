//! Real alerts of many countries, published by the binary, heard and verified again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Place;

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
fn every_valid_third_party_alert_can_be_published_and_verifies() {
    let folder = third_party();
    let place = Place::new();
    let _relay = place.relay();
    let index = rows(&fs::read_to_string(folder.join("index.csv")).unwrap());
    let mut published = BTreeMap::from([("live", 0_u64), ("exercise", 0)]);
    for row in &index {
        if (row["kind"].as_str(), row["schema_valid"].as_str(), row["cap"].as_str())
            != ("alert", "valid", "1.2")
        {
            continue;
        }
        let path = folder.join("alerts").join(&row["file"]);
        let mut args = vec!["pub", "alert/fr", "--as", "nation", "--json", "--cap", path.to_str().unwrap()];
        let plane = match row["status"].as_str() {
            "Exercise" | "Test" => "exercise",
            "Actual" | "System" => "live",
            other => panic!("{}: status {other} has no plane", row["file"]),
        };
        if plane == "exercise" {
            args.push("--exercise");
        }
        if row["scope"] != "Public" {
            args.extend(["--label", "TLP:GREEN"]);
        }
        if row["infos"] == "0" {
            args.extend(["--severity", "Severe"]);
        }
        let ran = place.vigie(&args);
        assert_eq!(ran.code, 0, "{}: {ran:?}", row["file"]);
        *published.get_mut(plane).unwrap() += 1;
    }
    assert!(published.values().all(|count| *count > 0), "{published:?}");
    for (plane, count) in published {
        let export = place.path("export.jsonl");
        let count = count.to_string();
        let mut args =
            vec!["sub", "alert/fr", "--as", "nation", "--after", "0", "--count", &count, "--wait", "60s"];
        args.push("--json");
        if plane == "exercise" {
            args.push("--exercise");
        }
        fs::write(&export, place.vigie(&args).ended(0).out).unwrap();
        let checked = place.vigie(&["verify", &export, "--json"]).ended(0).objects();
        assert_eq!(checked[0][plane].to_string(), count);
    }
}
