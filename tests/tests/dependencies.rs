//! What the lock file may hold: no crate below a security floor, none that is banned, one of each that must be one, all
//! from the public registry, and only licences that `deny.toml` allows. And what the binary is made of is written down:
//! `NOTICE`, and a bill of materials.
//!
//! `cargo deny` asserts part of this too, where it is installed; this needs nothing but cargo.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

#[path = "dependencies/licence.rs"]
mod licence;
#[path = "dependencies/lock.rs"]
mod lock;
#[path = "dependencies/notice.rs"]
mod notice;
#[path = "dependencies/reach.rs"]
mod reach;
#[path = "dependencies/sbom.rs"]
mod sbom;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use self::licence::{allowed, is_met};
use self::lock::{faults, locked};

/// The first version without a known fault, and why.
const FLOORS: &[(&str, [u64; 3], &str)] = &[
    ("rustls", [0, 23, 45], "RUSTSEC-2026-0285"),
    ("rustls-webpki", [0, 103, 13], "RUSTSEC-2026-0049, -0098, -0099 and -0104"),
    ("bytes", [1, 11, 1], "RUSTSEC-2026-0007"),
    ("quick-xml", [0, 41, 0], "RUSTSEC-2026-0194 and -0195"),
    ("ring", [0, 17, 12], "RUSTSEC-2025-0009"),
    ("tracing-subscriber", [0, 3, 20], "RUSTSEC-2025-0055"),
];

const BANNED: &[(&str, &str)] = &[
    ("openssl-sys", "TLS is rustls, with ring"),
    ("native-tls", "TLS is rustls, with ring"),
    ("chrono", "time is jiff"),
    ("h2", "the relay speaks HTTP/1.1 only"),
];

/// Two of one of these would be two stacks in one program.
const ONCE: &[&str] =
    &["rustls", "tungstenite", "tokio-tungstenite", "tokio-rustls", "ring", "hyper", "dashmap"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// What a command of cargo prints, of the lock file as it is and without a network.
fn cargo(arguments: &[&str]) -> String {
    let out = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Holds a file of the tree against what it should say; with `VIGIE_WRITE_NOTICE` in the environment, writes it.
fn committed(path: &str, expected: &str) {
    let place = root().join(path);
    if std::env::var_os("VIGIE_WRITE_NOTICE").is_some() {
        std::fs::write(&place, expected).unwrap();
    }
    let found = std::fs::read_to_string(&place).unwrap_or_default();
    let line = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{path} is out of date (first: {line:?}); VIGIE_WRITE_NOTICE=1 cargo test -p vigie-tests --test dependencies"
    );
}

#[test]
fn the_lock_file_has_no_fault() {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version=1", "--no-deps"])).unwrap();
    let members: Vec<String> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| package["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(faults(&locked(), &members), Vec::<String>::new());
}

/// aws-lc is a second provider of rustls: only the feature `pq` brings it, for one key exchange.
#[test]
fn a_second_provider_comes_with_its_feature_alone() {
    let tree = cargo(&["tree", "--workspace", "--prefix=none", "--edges=normal,build"]);
    assert!(tree.contains("ring v"), "the tree was not understood");
    assert!(!tree.contains("aws-lc"));
}

/// The packages whose terms cannot be met with what is allowed.
fn not_allowed<'a>(packages: impl Iterator<Item = (&'a str, &'a str)>, allowed: &[String]) -> Vec<String> {
    let is_allowed = |licence: &str| is_met(licence, &|one| allowed.iter().any(|allowed| allowed == one));
    packages
        .filter(|(_, licence)| !is_allowed(licence))
        .map(|(name, licence)| format!("{name} is under {licence}"))
        .collect()
}

#[test]
fn every_licence_is_allowed() {
    // What was built here is on this machine; packages of other platforms may not be.
    let rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("-vV")
        .output()
        .unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = cargo(&["metadata", "--format-version=1", "--filter-platform", host]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages: Vec<(&str, &str)> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("none")))
        .collect();
    assert!(packages.len() > 50, "only {} packages", packages.len());
    assert_eq!(not_allowed(packages.iter().copied(), &allowed()), Vec::<String>::new());
    // A package whose terms would bind a program that embeds the SDK, or that has none, would be named.
    for planted in ["GPL-3.0-only", "MPL-2.0", "MIT AND GPL-2.0-or-later", "none"] {
        let with = packages.iter().copied().chain([("stray", planted)]);
        assert_eq!(not_allowed(with, &allowed()), [format!("stray is under {planted}")]);
    }
}
