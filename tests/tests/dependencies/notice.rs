//! `NOTICE`: the terms of what is linked into `vigie`. Written here, and held here against what is linked today.
//!
//! Where the authors of a package leave the choice, Apache-2.0 is taken: it asks for its text and for a file `NOTICE`, and
//! no package has one. The others ask for their copyright lines and their words, which are taken from the package.

use std::collections::BTreeMap;
use std::path::Path;

use super::licence::{choice, normal};
use super::reach::{Part, parts};
use super::{committed, root};

/// Licences whose text `NOTICE` knows to find, in the order in which they are chosen.
const PREFERRED: &[&str] = &["Apache-2.0", "MIT", "ISC", "BSD-3-Clause"];

/// How the words of a licence begin in the file of a package, after its title and its copyright lines.
const BEGINNINGS: &[(&str, &str)] = &[
    ("MIT", "Permission is hereby granted, free of charge"),
    ("ISC", "Permission to use, copy, modify"),
    ("BSD-3-Clause", "Redistribution and use in source and binary forms"),
];

const HEAD: &str = "\
Vigie
Copyright (c) 2026 The Vigie maintainers

Vigie is under the MIT licence or the Apache License 2.0, as you prefer. The text of the latter is in LICENSE-APACHE
(on Debian: /usr/share/common-licenses/Apache-2.0), that of the former is this:

";

const PARTS: &str = "
--------------------------------------------------------------------------------
The binary `vigie` holds the packages below, each under the terms named behind it, and the Rust standard library
(MIT OR Apache-2.0, Copyright (c) The Rust Project contributors). Where these leave the choice, Apache-2.0 is chosen.
This page is made from Cargo.lock: see CONTRIBUTING.md.

";

const TERMS: &str = "
--------------------------------------------------------------------------------
For what is under other terms than Apache-2.0, those are, by package:
";

/// The words of one licence, and whose they are.
struct Words {
    text: String,
    /// Package, then its copyright lines.
    owners: Vec<(String, Vec<String>)>,
}

fn notice(parts: &[Part]) -> String {
    let mut listed = String::new();
    let mut terms: BTreeMap<(&str, String), Words> = BTreeMap::new();
    let third_party = parts.iter().filter(|part| part.linked && !part.id.0.starts_with("vigie-"));
    for part in third_party {
        let package = format!("{} {}", part.id.0, part.id.1);
        listed += &format!("{package}: {}\n", normal(&part.licence));
        let licences = choice(&part.licence, PREFERRED)
            .unwrap_or_else(|| panic!("{package}: no text is known for {}", part.licence));
        let files = licence_files(&part.folder);
        assert!(
            !files.iter().any(|(name, _)| name.starts_with("NOTICE")),
            "{package} has a NOTICE: give it here"
        );
        for (licence, beginning) in BEGINNINGS.iter().filter(|(licence, _)| licences.contains(licence)) {
            let found = files.iter().find_map(|(_, text)| words_of(text, beginning));
            let (copyright, text) = found.unwrap_or_else(|| panic!("{package}: where is its {licence}?"));
            let same: String = text.split_whitespace().flat_map(|word| [word, " "]).collect();
            let words = terms.entry((licence, same)).or_insert(Words { text, owners: Vec::new() });
            words.owners.push((package.clone(), copyright));
        }
    }
    let own = std::fs::read_to_string(root().join("LICENSE-MIT")).unwrap();
    let own = own.split_once("\n\n").unwrap().1.split_once("\n\n").unwrap().1;
    let mut notice = [HEAD, own, PARTS, &listed, TERMS].concat();
    for ((licence, _), Words { text, owners }) in terms {
        notice += &format!("\n{licence}\n");
        for (package, copyright) in owners {
            notice += &format!("\n  {package}\n");
            if copyright.is_empty() {
                notice += "    (its licence names no holder)\n";
            }
            for line in copyright {
                notice += &format!("    {line}\n");
            }
        }
        notice += &format!("\n{text}");
    }
    notice
}

/// Name in capitals and text of the files of a package that hold its terms, by name.
fn licence_files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().to_str().unwrap().to_uppercase(), entry.path()))
        .filter(|(name, _)| {
            ["LICEN", "COPYING", "COPYRIGHT", "NOTICE"].iter().any(|begin| name.starts_with(begin))
        })
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// The copyright lines of a file and the words of its licence from where they begin, if they are in it.
fn words_of(file: &str, beginning: &str) -> Option<(Vec<String>, String)> {
    let lines = || file.lines().map(|line| line.trim_start_matches("//").trim());
    let begin = lines().position(|line| line.starts_with(beginning))?;
    let copyright =
        lines().take(begin).filter(|line| line.starts_with("Copyright")).map(str::to_owned).collect();
    let words: String = lines().skip(begin).flat_map(|line| [line, "\n"]).collect();
    Some((copyright, format!("{}\n", words.trim_end())))
}

#[test]
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    ignore = "holds for what is built for x86_64 Linux"
)]
fn the_notice_names_what_is_linked_today() {
    committed("NOTICE", &notice(&parts()));
}

#[test]
fn copyright_lines_and_words_are_told_apart() {
    let file = "// MIT License\n//\n// Copyright (c) 2020 A\n//   Copyright 2021 B\n//\n// Permission to all\n// of them.\n//\n";
    let (copyright, words) = words_of(file, "Permission to").unwrap();
    assert_eq!(copyright, ["Copyright (c) 2020 A", "Copyright 2021 B"]);
    assert_eq!(words, "Permission to all\nof them.\n");
    assert!(words_of(file, "Redistribution").is_none());
}
