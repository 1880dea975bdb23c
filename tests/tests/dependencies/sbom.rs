//! `packaging/vigie.cdx.json`: what `vigie` is made of, as a CycloneDX 1.5 bill of materials. Written here, and held
//! here against what is linked today.
//!
//! It has neither time nor serial number: the same lock file gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::committed;
use super::licence::normal;
use super::lock::locked;
use super::reach::{Id, Part, parts};

const BILL: &str = "packaging/vigie.cdx.json";

/// A package by its address in the world (package URL).
fn address((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn component(part: &Part) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": address(&part.id),
        "name": part.id.0,
        "version": part.id.1,
        // What only helps to build is named too: it could do harm there.
        "scope": if part.linked { "required" } else { "excluded" },
        "licenses": [{ "expression": normal(&part.licence) }],
        "purl": address(&part.id),
    });
    if let Some(checksum) = &part.checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    component
}

fn bill(parts: &[Part]) -> String {
    let (relay, others): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part.id.0 == "vigie-relay");
    let relay = relay[0];
    let dependencies: Vec<Value> = parts
        .iter()
        .map(|part| json!({ "ref": address(&part.id), "dependsOn": part.needs.iter().map(address).collect::<Vec<_>>() }))
        .collect();
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": address(&relay.id),
                "name": "vigie",
                "version": relay.id.1,
                "licenses": [{ "expression": relay.licence }],
                "purl": address(&relay.id),
            },
        },
        "components": others.into_iter().map(component).collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    serde_json::to_string_pretty(&bill).unwrap() + "\n"
}

#[test]
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    ignore = "holds for what is built for x86_64 Linux"
)]
fn the_bill_of_materials_names_what_is_built_today() {
    committed(BILL, &bill(&parts()));
}

/// Read as a stranger would, against the lock file and the tree alone.
#[test]
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    ignore = "holds for what is built for x86_64 Linux"
)]
fn the_bill_of_materials_has_its_shape_and_every_package_once() {
    let bill: Value =
        serde_json::from_str(&std::fs::read_to_string(super::root().join(BILL)).unwrap()).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    assert_eq!(bill["metadata"]["component"]["name"], "vigie");
    let locked: BTreeMap<Id, Option<String>> =
        locked().into_iter().map(|locked| ((locked.name, locked.version), locked.checksum)).collect();
    let mut linked = BTreeSet::new();
    let mut names = BTreeSet::from([bill["metadata"]["component"]["bom-ref"].as_str().unwrap()]);
    for component in bill["components"].as_array().unwrap() {
        let field = |name: &str| component[name].as_str().unwrap();
        let id = (field("name").to_owned(), field("version").to_owned());
        assert!(names.insert(field("bom-ref")), "{id:?} is there twice");
        assert!(field("purl").starts_with("pkg:cargo/") && field("type") == "library", "{component}");
        assert!(["required", "excluded"].contains(&field("scope")), "{component}");
        let checksum = locked.get(&id).unwrap_or_else(|| panic!("{id:?} is not in the lock file"));
        assert_eq!(component["hashes"][0]["content"].as_str(), checksum.as_deref(), "{id:?}");
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
        if field("scope") == "required" {
            linked.insert(id);
        }
    }
    let expected: BTreeSet<Id> = parts()
        .into_iter()
        .filter(|part| part.linked && part.id.0 != "vigie-relay")
        .map(|part| part.id)
        .collect();
    assert!(expected.len() > 80, "only {} packages", expected.len());
    assert_eq!(linked, expected);
    let dependencies = bill["dependencies"].as_array().unwrap();
    assert_eq!(dependencies.iter().map(|one| one["ref"].as_str().unwrap()).collect::<BTreeSet<_>>(), names);
    for needed in dependencies.iter().flat_map(|one| one["dependsOn"].as_array().unwrap()) {
        assert!(names.contains(needed.as_str().unwrap()), "{needed} is no component");
    }
}
