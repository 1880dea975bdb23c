//! What the lock file may hold: no crate below a security floor, none that is banned, one of each that must be one, and
//! only licences that `deny.toml` allows.
//!
//! `cargo deny` asserts part of this too, where it is installed; this needs nothing but cargo.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

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

/// Name and version of each package of the lock file.
fn locked() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let field = |lines: &str, name: &str| {
        lines
            .lines()
            .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(" = ")?.trim_matches('"').to_owned()))
    };
    let packages: Vec<_> = text
        .split("[[package]]")
        .skip(1)
        .map(|package| (field(package, "name").unwrap(), field(package, "version").unwrap()))
        .collect();
    assert!(packages.iter().any(|(name, _)| name == "vigie-relay"), "the lock file was not understood");
    packages
}

fn parts(version: &str) -> [u64; 3] {
    let core = version.split(['-', '+']).next().unwrap();
    let parts: Vec<u64> = core.split('.').map(|part| part.parse().unwrap()).collect();
    parts.try_into().unwrap()
}

#[test]
fn no_crate_is_below_its_floor() {
    let locked = locked();
    for (name, floor, why) in FLOORS {
        let versions: Vec<_> = locked.iter().filter(|(locked, _)| locked == name).collect();
        assert!(!versions.is_empty(), "{name} is no longer used: take its floor out");
        for (_, version) in versions {
            assert!(parts(version) >= *floor, "{name} {version} is below {floor:?}: {why}");
        }
    }
}

#[test]
fn no_banned_crate_and_no_second_stack() {
    let locked = locked();
    let count = |name: &str| locked.iter().filter(|(locked, _)| locked == name).count();
    for (name, why) in BANNED {
        assert_eq!(count(name), 0, "{name}: {why}");
    }
    for name in ONCE {
        assert_eq!(count(name), 1, "{name}");
    }
}

/// aws-lc is a second provider of rustls: only the feature `pq` brings it, for one key exchange.
#[test]
fn a_second_provider_comes_with_its_feature_alone() {
    let tree = |features: &[&str]| {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--workspace", "--locked", "--offline", "--prefix=none", "--edges=normal,build"])
            .args(features)
            .current_dir(root())
            .output()
            .unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        String::from_utf8(tree.stdout).unwrap()
    };
    assert!(tree(&[]).contains("ring v"), "the tree was not understood");
    assert!(!tree(&[]).contains("aws-lc"));
}

#[test]
fn no_pre_release() {
    for (name, version) in locked() {
        let core = version.split('+').next().unwrap();
        assert!(!core.contains('-'), "{name} {version} is a pre-release");
    }
}

/// Whether a licence expression (SPDX, or the older form with a slash) can be met with allowed licences.
fn is_met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    // From the outside in: a bracket that spans an operator, then OR, then AND.
    let expression = expression.trim();
    for (operator, any) in [(" OR ", true), ("/", true), (" AND ", false)] {
        let parts = split_outside_brackets(expression, operator);
        if parts.len() > 1 {
            let mut met = parts.iter().map(|part| is_met(part, allowed));
            return if any { met.any(|met| met) } else { met.all(|met| met) };
        }
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => is_met(inner, allowed),
        None => allowed(expression),
    }
}

fn split_outside_brackets<'a>(text: &'a str, operator: &str) -> Vec<&'a str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, character) in text.char_indices() {
        depth += i32::from(character == '(') - i32::from(character == ')');
        if depth == 0 && text[at..].starts_with(operator) && at >= begin {
            parts.push(&text[begin..at]);
            begin = at + operator.len();
        }
    }
    parts.push(&text[begin..]);
    parts
}

#[test]
fn licence_expressions_are_read_as_they_bind() {
    let allowed = |licence: &str| ["MIT", "ISC", "A WITH B"].contains(&licence);
    for (expression, met) in [
        ("MIT", true),
        ("GPL", false),
        ("GPL OR MIT", true),
        ("GPL/MIT", true),
        ("GPL AND MIT", false),
        ("(GPL OR MIT) AND ISC", true),
        ("(GPL OR MIT) AND GPL", false),
        ("GPL OR MIT AND ISC", true),
        ("GPL AND MIT OR ISC", true),
        ("A WITH B", true),
        ("A", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}

/// The licences that `deny.toml` allows.
fn allowed() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let list = text.split_once("\nallow = [").unwrap().1.split_once(']').unwrap().0;
    let licences: Vec<_> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(licences.contains(&"MIT".to_owned()), "deny.toml was not understood: {licences:?}");
    licences
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
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let allowed = allowed();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "only {} packages", packages.len());
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        let is_allowed = is_met(licence, &|one| allowed.iter().any(|allowed| allowed == one));
        assert!(is_allowed, "{} is under {licence}", package["name"]);
    }
}
