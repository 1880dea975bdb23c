//! A context folder gives relays, trust and identities, or says which file is wrong, why, and what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod support;

use std::fs;
use std::path::Path;

use support::Trust;
use tempfile::TempDir;
use vigie_client::proto::channel::Plane;
use vigie_client::proto::key::SigningKey;
use vigie_client::{Context, ContextError, Exercise, IdentityError, Live};

/// PKCS#8, version 1, of an Ed25519 seed (RFC 8410, section 10.3), as PEM.
fn pem_of(seed: u8) -> String {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([seed; 32]);
    assert!(SigningKey::from_pkcs8(&der).is_ok());
    armoured(&der)
}

/// Bytes as PEM (RFC 7468). The label is put in here, so that no text of the project looks like a key.
fn armoured(der: &[u8]) -> String {
    use base64::Engine as _;
    const LABEL: &str = "PRIVATE KEY";
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {LABEL}-----\n{text}\n-----END {LABEL}-----\n")
}

fn chain_of(trust: &Trust) -> String {
    trust.chain.links().iter().map(|link| format!("{}\n", link.token())).collect()
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    set_mode(path, mode);
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

/// A context with the identities `field` and `town`; `town` on the live plane only.
fn made(trust: &Trust, drill: &Trust) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    fs::create_dir(dir.path().join("tls")).unwrap();
    fs::write(dir.path().join("tls/ca.pem"), certificate).unwrap();
    fs::write(dir.path().join("context.toml"), config(trust, drill)).unwrap();
    for name in ["field", "town"] {
        let folder = dir.path().join("identities").join(name);
        fs::create_dir_all(&folder).unwrap();
        write(&folder.join("live.key.pem"), &pem_of(2), 0o600);
        write(&folder.join("live.chain"), &chain_of(trust), 0o644);
    }
    let folder = dir.path().join("identities/field");
    write(&folder.join("exercise.key.pem"), &pem_of(12), 0o400);
    write(&folder.join("exercise.chain"), &format!("\n{}\n\n", chain_of(drill).replace('\n', "\r\n")), 0o644);
    dir
}

fn config(trust: &Trust, drill: &Trust) -> String {
    let roots: Vec<_> = trust.roots.pinned().chain(drill.roots.pinned()).map(|id| id.to_string()).collect();
    format!(
        "relays = [\"wss://localhost:7443\"]\ntls_roots = \"tls/ca.pem\"\nroots = {roots:?}\nidentities = \"identities\"\n"
    )
}

#[test]
fn a_context_gives_its_parts() {
    let (trust, drill) = (Trust::new(1), Trust::on(Plane::Exercise, 11));
    let dir = made(&trust, &drill);
    let context = Context::open(dir.path()).unwrap();
    assert_eq!(context.identities().unwrap(), ["field", "town"]);
    assert_eq!(context.relays(), ["wss://localhost:7443".parse().unwrap()]);
    assert_eq!(context.identity("field", Plane::Live).unwrap().chain(), &trust.chain);
    assert_eq!(context.identity("field", Plane::Exercise).unwrap().plane(), Plane::Exercise);
    context.client::<Live>("town").unwrap();
    context.client::<Exercise>("field").unwrap();
}

#[test]
fn a_wrong_name_is_answered_with_a_near_one_and_leads_nowhere() {
    let (trust, drill) = (Trust::new(1), Trust::on(Plane::Exercise, 11));
    let dir = made(&trust, &drill);
    let context = Context::open(dir.path()).unwrap();
    let said = |name: &str| context.identity(name, Plane::Live).unwrap_err().to_string();
    assert!(said("twon").ends_with("did you mean \"town\"?"), "{}", said("twon"));
    assert!(said("nanterre").ends_with("it has field, town"), "{}", said("nanterre"));
    for name in ["../identities/town", "town/.", ".", ""] {
        let error = context.identity(name, Plane::Live).unwrap_err();
        assert!(matches!(error, ContextError::UnknownIdentity { .. }), "{error}");
    }
}

#[test]
fn what_is_wrong_in_the_file_is_named() {
    let (trust, drill) = (Trust::new(1), Trust::on(Plane::Exercise, 11));
    let dir = made(&trust, &drill);
    let good = config(&trust, &drill);
    let cases = [
        (good.replace("relays =", "relay ="), "line 1: unknown key `relay`; did you mean `relays`?"),
        (format!("{good}trust = 1\n"), "line 5: unknown key `trust`"),
        (good.replace("roots = [\"", "roots = [\"x"), "is no key thumbprint"),
        (good.replace("wss:", "ws:"), "key `relays`: not the address of a relay: \"ws://localhost:7443\""),
        (good.replace("tls/ca.pem", "tls/none.pem"), "tls/none.pem"),
        (good.replace("tls/ca.pem", "context.toml"), "there is no certificate in it"),
        (good.replace('=', ""), "is malformed: line 1, column 9: "),
        (good.replace("tls_roots", "\n# tls_roots"), "is malformed: missing field `tls_roots`"),
        (
            good.replace("\"identities\"", "1"),
            "is malformed: line 4, column 14: `identities`: invalid type: integer, expected ",
        ),
    ];
    for (text, said) in cases {
        fs::write(dir.path().join("context.toml"), &text).unwrap();
        let error = Context::open(dir.path()).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        assert!(
            error.contains(said) && error.contains("context.toml") | error.contains("tls/"),
            "{said}: {error}"
        );
    }
    fs::write(dir.path().join("context.toml"), good.replace("[\"wss://localhost:7443\"]", "[]")).unwrap();
    let error = Context::open(dir.path()).unwrap().client::<Live>("town").unwrap_err();
    assert!(matches!(error, ContextError::Config(_)), "{error}");
    let error = Context::open(dir.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none/context.toml") && error.contains("vigie init"), "{error}");
}

#[test]
fn a_bad_identity_is_refused_with_its_file_and_a_way_out() {
    let (trust, drill) = (Trust::new(1), Trust::on(Plane::Exercise, 11));
    let dir = made(&trust, &drill);
    let folder = dir.path().join("identities/town");
    let (key, chain) = (folder.join("live.key.pem"), folder.join("live.chain"));
    let refused = || {
        let error = Context::open(dir.path()).unwrap().identity("town", Plane::Live).unwrap_err();
        let ContextError::Identity { source, .. } = error else { panic!("{error}") };
        assert!(!format!("{source} {source:?}").contains("AgICAgICAg"), "no key material: {source}");
        source
    };
    #[cfg(unix)]
    for mode in [0o640, 0o604, 0o700] {
        set_mode(&key, mode);
        let error = refused();
        assert!(matches!(error, IdentityError::TooOpen { mode: told, .. } if told == mode), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    write(&key, &armoured(&[2; 12]), 0o600);
    assert!(matches!(refused(), IdentityError::NoKey { .. }));
    write(&key, &format!("{}{}", pem_of(2), "\n".repeat(64 * 1024)), 0o600);
    assert!(matches!(refused(), IdentityError::Unreadable { path, .. } if path == key), "no key is so long");
    write(&key, &pem_of(3), 0o600);
    assert!(matches!(refused(), IdentityError::Mismatch));
    fs::remove_file(&key).unwrap();
    assert!(matches!(refused(), IdentityError::Unreadable { path, .. } if path == key));
    write(&key, &pem_of(2), 0o600);
    fs::write(&chain, chain_of(&Trust::new(51))).unwrap();
    assert!(matches!(refused(), IdentityError::ChainRefused { .. }));
    fs::write(&chain, "x".repeat(100_000)).unwrap();
    assert!(matches!(refused(), IdentityError::ChainRefused { .. }));
    fs::write(&chain, chain_of(&trust)).unwrap();
    assert!(Context::open(dir.path()).unwrap().identity("town", Plane::Live).is_ok(), "the repaired twin");
}
