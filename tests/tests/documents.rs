//! The documents say what is true of the tree: every path, item, dependency, code block and link that they name exists.
//!
//! The form that is checked in `ARCHITECTURE.md` and `SECURITY.md`: a path from the root in back ticks, alone
//! (`` `relay/src/topic.rs` ``) or with an item of that file after a colon (`` `relay/src/topic.rs: Topics::enter` ``).
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The documents whose links are followed.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "LISEZMOI.md",
    "ARCHITECTURE.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LIMITS.md",
    "client-sdk/README.md",
    "relay/README.md",
    "benches/README.md",
    "certs/README.md",
    "certs/CEREMONY.md",
    "certs/CEREMONIE.md",
    "docs/INSTALL.md",
    "docs/INSTALLATION.md",
    "docs/PERSONAL-DATA.md",
    "docs/DONNEES-PERSONNELLES.md",
    "fuzz/LEDGER.md",
    "tests/LEDGER.md",
    "tests/mutants/LEDGER.md",
    "tests/coverage/README.md",
    "tests/python/README.md",
    "tests/python/CAP.md",
    "tests/conformance/README.md",
    "tests/differential/README.md",
    "proto/PROTOCOL.md",
    "proto/vectors/README.md",
];

/// The documents whose paths and items are looked up.
const PRECISE: &[&str] =
    &["README.md", "LISEZMOI.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "LIMITS.md"];

/// The documents that say at which commit something was run.
const LEDGERS: &[&str] = &["tests/LEDGER.md", "tests/mutants/LEDGER.md", "fuzz/LEDGER.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text outside fenced blocks.
fn prose(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The fenced blocks, as they stand.
fn blocks(text: &str) -> Vec<String> {
    let fenced = text.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap().1.to_owned()).collect()
}

/// What stands in back ticks.
fn quoted(text: &str) -> Vec<String> {
    prose(text).lines().flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Path and item of a quotation that has the form of one.
fn named(quotation: &str) -> Option<(&str, Option<&str>)> {
    const TOPS: &[&str] = &[
        "proto/",
        "client-sdk/",
        "relay/",
        "tests/",
        "benches/",
        "fuzz/",
        "certs/",
        "packaging/",
        ".ci/",
        ".github/",
    ];
    let (path, item) = match quotation.split_once(": ") {
        Some((path, item)) => (path, Some(item)),
        None => (quotation, None),
    };
    let is_path = TOPS.iter().any(|top| path.starts_with(top)) && !path.contains(' ');
    is_path.then_some((path, item))
}

/// Whether a file of Rust declares the item: a function, type, constant, module, variant or member of a type.
fn declares(source: &str, item: &str) -> bool {
    let words = |line: &str| -> Vec<String> {
        line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '!').map(str::to_owned).collect()
    };
    let (owner, name) = item.rsplit_once("::").map_or((None, item), |(owner, name)| (Some(owner), name));
    let declaration = |name: &str, keywords: &[&str]| {
        source.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
            words(line).windows(2).any(|pair| keywords.contains(&pair[0].as_str()) && pair[1] == name)
        })
    };
    let type_keywords = ["struct", "enum", "trait", "type", "impl", "for", "mod"];
    match owner {
        None => declaration(
            name,
            &["fn", "const", "static", "struct", "enum", "trait", "type", "mod", "macro_rules!"],
        ),
        Some(owner) => {
            let is_member = declaration(name, &["fn", "const"])
                || source.lines().any(|line| {
                    let line = line.trim_start();
                    line.strip_prefix("pub ").unwrap_or(line).strip_prefix(name).is_some_and(|rest| {
                        matches!(rest.chars().next(), None | Some(',' | '(' | ' ' | ':' | '{'))
                    })
                });
            let has_owner = declaration(owner, &type_keywords)
                || source
                    .lines()
                    .any(|line| line.starts_with("impl") && words(line).contains(&owner.to_owned()));
            is_member && has_owner
        }
    }
}

#[test]
fn declarations_are_told_from_mentions() {
    let source = "pub struct Worker {\n    head: Position,\n}\nimpl<S: Storage> Journal<S> {\n    pub fn append(&self) {}\n}\n\
                  // fn ghost\nenum Letter {\n    Batch(SharedBatch),\n}\nconst BATCHES_MAX: usize = 64;\nlet x = call(gone);";
    for there in ["Worker", "Worker::head", "Journal::append", "append", "Letter::Batch", "BATCHES_MAX"] {
        assert!(declares(source, there), "{there}");
    }
    for absent in
        ["ghost", "gone", "call", "Worker::tail", "Nobody::append", "Letter::Jump", "Position", "BATCHES"]
    {
        assert!(!declares(source, absent), "{absent}");
    }
}

#[test]
fn every_named_path_and_item_exists() {
    let (mut paths, mut items, mut wrong) = (0, 0, Vec::new());
    for document in PRECISE {
        for quotation in quoted(&read(document)) {
            let Some((path, item)) = named(&quotation) else { continue };
            paths += 1;
            if !root().join(path).exists() {
                wrong.push(format!("{document}: there is no {path}"));
            } else if let Some(item) = item {
                items += 1;
                if !declares(&read(path), item) {
                    wrong.push(format!("{document}: {path} does not declare {item}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // An alert's way alone has more steps than this: fewer means that the form was not recognised.
    assert!(paths > 60 && items > 40, "{paths} paths, {items} items");
}

/// The names under `[workspace.dependencies]` that are not of this workspace.
fn outside_crates() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let table = manifest.split_once("[workspace.dependencies]").unwrap().1.split_once("\n[").unwrap().0;
    let names = table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with("vigie-")).collect()
}

/// The rows of the table of dependencies: name, and the cell that says where it is known.
fn dependency_rows() -> Vec<(String, String)> {
    let text = read("ARCHITECTURE.md");
    let section = text.split_once("\n## Dependencies\n").unwrap().1;
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split(" | ").collect();
        (cells[0].trim_matches(['|', ' ', '`']).to_owned(), cells.last().unwrap().to_string())
    })
    .collect()
}

#[test]
fn every_dependency_has_its_line() {
    let rows: BTreeSet<_> = dependency_rows().into_iter().map(|(name, _)| name).collect();
    assert_eq!(rows, outside_crates());
}

/// Every file of Rust under the sources of the three crates.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<_> =
        ["proto/src", "client-sdk/src", "relay/src"].map(|path| root().join(path)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// Whether the code, not a comment, names this crate in a path.
fn uses(source: &str, name: &str) -> bool {
    // A module of this crate may have the name of a crate.
    if source.contains(&format!("mod {name};")) {
        return false;
    }
    source.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(name).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let outside = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':' && c != '.');
            outside && (line[at + name.len()..].starts_with("::") || line.contains(&format!("use {name};")))
        })
    })
}

/// A crate with doors is known in those files and nowhere else, so that replacing it stays a local change.
#[test]
fn each_outside_crate_is_known_at_its_doors_only() {
    let sources: Vec<_> = sources().into_iter().map(|path| (read(&path), path)).collect();
    let mut wrong = Vec::new();
    for (name, cell) in dependency_rows() {
        let doors: Vec<_> = cell.split('`').skip(1).step_by(2).filter(|door| door.contains('/')).collect();
        let in_code = name.replace('-', "_");
        if doors.is_empty() {
            continue;
        }
        for door in &doors {
            let known = sources.iter().any(|(source, path)| path.starts_with(door) && uses(source, &in_code));
            if !known {
                wrong.push(format!("{door} does not know {name}"));
            }
        }
        for (source, path) in &sources {
            if uses(source, &in_code) && !doors.iter().any(|door| path.starts_with(door)) {
                wrong.push(format!("{path} knows {name}, and is no door to it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn both_readmes_show_the_same_commands() {
    let (english, french) = (read("README.md"), read("LISEZMOI.md"));
    let shell = |text: &str| -> Vec<String> {
        blocks(text).into_iter().filter(|block| !block.contains('►')).collect()
    };
    assert!(shell(&english).len() >= 2, "the commands were not recognised");
    assert_eq!(shell(&english), shell(&french));
    // The picture is translated; there is one in each.
    assert_eq!(blocks(&english).len(), blocks(&french).len());
    for command in ["cargo run --release -- demo", "cargo test --workspace --locked"] {
        for text in [&english, &french] {
            assert!(
                text.lines().take(25).any(|line| line == command),
                "{command} is not among the first lines"
            );
        }
    }
}

#[test]
fn the_script_calls_the_test_command_of_the_readme() {
    assert!(read(".ci/run").lines().any(|line| line.trim() == "cargo test --workspace --locked"));
}

/// What headings are called in links.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

#[test]
fn every_relative_link_resolves() {
    let mut links = 0;
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        for target in prose(&text).split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() {
                root().join(document)
            } else {
                root().join(document).parent().unwrap().join(path)
            };
            let resolves = file.exists()
                && (anchor.is_empty() || anchors(&std::fs::read_to_string(&file).unwrap()).contains(anchor));
            if !resolves {
                wrong.push(format!("{document}: {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(links > 20, "only {links} links");
}

/// The abbreviated hashes in the column `commit` of its tables.
fn commits(ledger: &str) -> BTreeSet<&str> {
    let (mut column, mut found) = (None, BTreeSet::new());
    for line in ledger.lines() {
        if !line.starts_with('|') {
            column = None;
            continue;
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        match column {
            None => column = cells.iter().position(|cell| *cell == "commit"),
            Some(column) => {
                let words = cells[column].split(|c: char| !c.is_alphanumeric());
                found.extend(
                    words.filter(|word| word.len() == 7 && word.chars().all(|c| c.is_ascii_hexdigit())),
                );
            }
        }
    }
    found
}

#[test]
fn commits_are_read_from_their_column_alone() {
    let ledger = "at 1111111\n\n| date | commit | failures |\n|---|---|---|\n| 22 | abcdef0, 1234567 | see 2222222 |\n\
                  | 23 | about 7654321 | 0 |\n\n| target | sum |\n|---|---|\n| json | 3333333 |\n";
    assert_eq!(commits(ledger), BTreeSet::from(["abcdef0", "1234567", "7654321"]));
}

/// What git says of this tree, where it says anything.
fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // Whoever calls this from a hook has set them for his own tree.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    let said = command.arg("-C").arg(root()).args(arguments).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// Why the history of this tree cannot be asked, where it cannot.
fn without_history() -> Option<&'static str> {
    let Some(top) = git(&["rev-parse", "--show-toplevel"]) else {
        return Some("git or the history is not here");
    };
    if Path::new(&top).canonicalize().ok() != root().canonicalize().ok() {
        return Some("the history here is of another tree");
    }
    let is_whole = git(&["rev-parse", "--is-shallow-repository"]).is_some_and(|said| said == "false");
    (!is_whole).then_some("the history is cut off: a shallow clone")
}

/// A run at a commit that nobody can look at proves nothing: one that a rebase replaced is to be entered as its successor.
#[test]
fn every_commit_of_a_ledger_is_in_the_history() {
    let is_there = |commit: &str| git(&["merge-base", "--is-ancestor", commit, "HEAD"]).is_some();
    if let Some(why) = without_history() {
        println!("not tried: {why}");
        return;
    }
    assert!(!is_there(&"0".repeat(40)), "git takes anything for a part of the history");
    let (mut missing, mut found) = (Vec::new(), 0);
    for ledger in LEDGERS {
        let text = read(ledger);
        let named = commits(&text);
        assert!(named.len() > 3, "{ledger}: its commits were not recognised");
        let (there, not_there): (Vec<_>, Vec<_>) = named.into_iter().partition(|commit| is_there(commit));
        found += there.len();
        missing.extend(not_there.into_iter().map(|commit| format!("{ledger}: {commit}")));
    }
    if found == 0 {
        println!("not tried: the tree was given a history of its own, without any of these commits");
        return;
    }
    assert!(missing.is_empty(), "not in the history: {missing:?}");
}
