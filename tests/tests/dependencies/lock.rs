//! What `Cargo.lock` holds, and what is a fault in it.

use super::{BANNED, FLOORS, ONCE, root};

/// One package of the lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Locked {
    pub(super) name: String,
    pub(super) version: String,
    /// Where it comes from; none for a package of this tree.
    pub(super) source: Option<String>,
    /// SHA-256 of what its source served, as hexadecimal digits.
    pub(super) checksum: Option<String>,
}

/// All packages of the lock file, in its order.
pub(super) fn locked() -> Vec<Locked> {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let field = |lines: &str, name: &str| {
        lines
            .lines()
            .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(" = ")?.trim_matches('"').to_owned()))
    };
    let packages: Vec<_> = text
        .split("[[package]]")
        .skip(1)
        .map(|package| Locked {
            name: field(package, "name").unwrap(),
            version: field(package, "version").unwrap(),
            source: field(package, "source"),
            checksum: field(package, "checksum"),
        })
        .collect();
    assert!(packages.iter().any(|package| package.name == "vigie-relay"), "the lock file was not understood");
    packages
}

/// What is wrong with these packages, of a workspace with these members.
pub(super) fn faults(packages: &[Locked], members: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let named = |name: &str| packages.iter().filter(move |package| package.name == name).collect::<Vec<_>>();
    for (name, floor, why) in FLOORS {
        if named(name).is_empty() {
            faults.push(format!("{name} is no longer used: take its floor out"));
        }
        let low = named(name).into_iter().filter(|package| parts(&package.version) < *floor);
        faults.extend(low.map(|package| format!("{name} {} is below {floor:?}: {why}", package.version)));
    }
    for (name, why) in BANNED {
        if !named(name).is_empty() {
            faults.push(format!("{name} is banned: {why}"));
        }
    }
    for name in ONCE {
        if named(name).len() != 1 {
            faults.push(format!("{name} is there {} times", named(name).len()));
        }
    }
    for Locked { name, version, source, checksum } in packages {
        if version.split('+').next().unwrap().contains('-') {
            faults.push(format!("{name} {version} is a pre-release"));
        }
        match source {
            None if members.contains(name) => {}
            None => faults.push(format!("{name} is a folder that is no part of the workspace")),
            Some(source) if is_public_registry(source) => {
                if checksum.as_ref().is_none_or(|sum| sum.len() != 64) {
                    faults.push(format!("{name} {version} has no checksum"));
                }
            }
            Some(source) => faults.push(format!("{name} {version} comes from {source}")),
        }
    }
    faults
}

/// The one registry that cargo knows by itself.
fn is_public_registry(source: &str) -> bool {
    source == "registry+https://github.com/rust-lang/crates.io-index"
}

fn parts(version: &str) -> [u64; 3] {
    let core = version.split(['-', '+']).next().unwrap();
    let parts: Vec<u64> = core.split('.').map(|part| part.parse().unwrap()).collect();
    parts.try_into().unwrap()
}

fn package(name: &str, version: &str) -> Locked {
    Locked {
        name: name.to_owned(),
        version: version.to_owned(),
        source: Some("registry+https://github.com/rust-lang/crates.io-index".to_owned()),
        checksum: Some("0".repeat(64)),
    }
}

#[test]
fn every_planted_fault_is_found() {
    let members = ["vigie-relay".to_owned()];
    let mut sound: Vec<_> =
        FLOORS.iter().map(|(name, [a, b, c], _)| package(name, &format!("{a}.{b}.{c}"))).collect();
    for name in ONCE.iter().filter(|name| !FLOORS.iter().any(|(floor, ..)| floor == *name)) {
        sound.push(package(name, "1.0.0"));
    }
    sound.push(Locked { source: None, checksum: None, ..package("vigie-relay", "0.1.0") });
    assert_eq!(faults(&sound, &members), Vec::<String>::new());

    let with = |more: Locked| [sound.clone(), vec![more]].concat();
    let without =
        |name: &str| sound.iter().filter(|package| package.name != name).cloned().collect::<Vec<_>>();
    let instead = |other: Locked| [without(&other.name), vec![other]].concat();
    let of = |source: &str| Locked { source: Some(source.to_owned()), ..package("stray", "1.0.0") };
    for (packages, told) in [
        (instead(package("rustls", "0.23.44")), "rustls 0.23.44 is below"),
        (instead(package("rustls-webpki", "0.103.12")), "rustls-webpki 0.103.12 is below"),
        (instead(package("bytes", "1.11.0")), "bytes 1.11.0 is below"),
        (instead(package("quick-xml", "0.40.9")), "quick-xml 0.40.9 is below"),
        (instead(package("ring", "0.17.11")), "ring 0.17.11 is below"),
        (with(package("bytes", "0.5.6")), "bytes 0.5.6 is below"),
        (without("quick-xml"), "take its floor out"),
        (with(package("chrono", "0.4.45")), "chrono is banned"),
        (with(package("openssl-sys", "0.9.1")), "openssl-sys is banned"),
        (with(package("tungstenite", "0.29.0")), "tungstenite is there 2 times"),
        (instead(package("rustls", "0.24.0-dev.2")), "rustls 0.24.0-dev.2 is a pre-release"),
        (instead(package("dashmap", "7.0.0-rc2")), "dashmap 7.0.0-rc2 is a pre-release"),
        (with(of("git+https://example.org/stray#0123")), "stray 1.0.0 comes from git+"),
        (with(of("registry+https://example.org/index")), "stray 1.0.0 comes from registry+"),
        (with(Locked { source: None, ..package("stray", "1.0.0") }), "stray is a folder"),
        (with(Locked { checksum: None, ..package("stray", "1.0.0") }), "stray 1.0.0 has no checksum"),
    ] {
        let found = faults(&packages, &members);
        assert!(found.len() == 1 && found[0].contains(told), "{told}: {found:?}");
    }
}
