//! Which packages reach the released binary, and which only help to build it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::cargo;
use super::lock::{Locked, locked};

/// For what a release is built.
pub(super) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Name and version.
pub(super) type Id = (String, String);

/// One package of the build of `vigie`.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) id: Id,
    /// As its authors wrote it.
    pub(super) licence: String,
    /// Where its source lies.
    pub(super) folder: PathBuf,
    pub(super) checksum: Option<String>,
    /// Linked into the binary; otherwise a build script, a macro, or what these need.
    pub(super) linked: bool,
    pub(super) needs: BTreeSet<Id>,
}

/// The parts of `vigie` with its default features for [`TARGET`], `vigie-relay` among them, by name and version.
pub(super) fn parts() -> Vec<Part> {
    let whole = Tree::read("normal,build");
    let linked = Tree::read("normal").linked();
    let metadata = cargo(&["metadata", "--format-version=1", "--filter-platform", TARGET]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let described: BTreeMap<Id, &Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| ((text(&package["name"]), text(&package["version"])), package))
        .collect();
    let checksums: BTreeMap<Id, Option<String>> = locked()
        .into_iter()
        .map(|Locked { name, version, checksum, .. }| ((name, version), checksum))
        .collect();
    whole
        .needs
        .into_iter()
        .map(|(id, needs)| Part {
            licence: text(&described[&id]["license"]),
            folder: PathBuf::from(text(&described[&id]["manifest_path"])).parent().unwrap().to_path_buf(),
            checksum: checksums[&id].clone(),
            linked: linked.contains(&id),
            id,
            needs,
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What `cargo tree` shows: it alone knows which features one package of a workspace turns on when built by itself.
struct Tree {
    needs: BTreeMap<Id, BTreeSet<Id>>,
    macros: BTreeSet<Id>,
}

impl Tree {
    fn read(edges: &str) -> Self {
        let out = cargo(&[
            "tree",
            "--package=vigie-relay",
            "--no-dedupe",
            "--prefix=depth",
            "--format= {p}",
            "--edges",
            edges,
            "--target",
            TARGET,
        ]);
        let mut tree = Self { needs: BTreeMap::new(), macros: BTreeSet::new() };
        let mut above: Vec<Id> = Vec::new();
        for line in out.lines() {
            let mut words = line.split(' ');
            let depth: usize = words.next().unwrap().parse().unwrap();
            let id = (words.next().unwrap().to_owned(), words.next().unwrap()[1..].to_owned());
            if line.contains("(proc-macro)") {
                tree.macros.insert(id.clone());
            }
            above.truncate(depth);
            if let Some(parent) = above.last() {
                tree.needs.entry(parent.clone()).or_default().insert(id.clone());
            }
            tree.needs.entry(id.clone()).or_default();
            above.push(id);
        }
        tree
    }

    /// What is reached from the relay without passing a macro.
    fn linked(&self) -> BTreeSet<Id> {
        let relay = self.needs.keys().find(|(name, _)| name == "vigie-relay").unwrap();
        let (mut linked, mut next) = (BTreeSet::new(), vec![relay.clone()]);
        while let Some(id) = next.pop() {
            if !self.macros.contains(&id) && linked.insert(id.clone()) {
                next.extend(self.needs[&id].iter().cloned());
            }
        }
        linked
    }
}

#[test]
fn what_is_linked_is_told_from_what_builds() {
    let parts = parts();
    let linked = |name: &str| parts.iter().find(|part| part.id.0 == name).map(|part| part.linked);
    for (name, expected) in [
        ("vigie-proto", Some(true)),
        ("ring", Some(true)),
        ("clap", Some(true)),
        ("untrusted", Some(true)),
        ("cc", Some(false)),
        ("serde_derive", Some(false)),
        ("unicode-ident", Some(false)),
        ("proptest", None),
        ("criterion", None),
        ("shuttle", None),
        ("aws-lc-rs", None),
    ] {
        assert_eq!(linked(name), expected, "{name}");
    }
}
