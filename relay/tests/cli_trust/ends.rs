//! What ends soon is told 30, 7 and 1 days before, of every link of a chain, by every command that uses it.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::rotation::{self, Handover};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

use crate::support::Place;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// From so many days ago until in so many days.
fn window(ago: u32, left: u32) -> Window {
    let now = Timestamp::EPOCH.plus(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap());
    Window { from: now.minus(DAY * ago), until: now.plus(DAY * left + Duration::from_secs(60)) }
}

fn claims(key: &SigningKey, name: &str, role: Role, delegate: u8, valid: Window) -> Claims {
    let grant = |flow| Grant {
        flow,
        at: "fr".parse().unwrap(),
        publish: Some(Severity::Extreme),
        subscribe: true,
        delegate,
    };
    Claims {
        subject: *key.public(),
        org: "fr".parse().unwrap(),
        name: name.to_owned(),
        role,
        grants: if role == Role::Author { vec![grant(Flow::Alert)] } else { Vec::new() },
        plane: Plane::Live,
        valid,
    }
}

/// Writes a private key and its chain.
fn write(place: &Place, key: &str, seed: &[u8; 32], chain_file: &str, chain: &Chain) {
    let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let body = STANDARD.encode([&prefix[..], seed].concat());
    const LABEL: &str = "PRIVATE KEY";
    let pem = format!("-----BEGIN {LABEL}-----\n{body}\n-----END {LABEL}-----\n");
    for (file, text) in
        [(key, pem), (chain_file, chain.links().iter().map(|link| format!("{}\n", link.token())).collect())]
    {
        let path = place.path(file);
        fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }
}

/// Someone whose own credential ends in 5 days, below a root that ends in 20; and a relay below that
/// root.
fn aging() -> Place {
    let place = Place::new();
    let seeds = [(); 3].map(|()| {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).unwrap();
        seed
    });
    let [root, old, relay] = seeds.map(|seed| SigningKey::from_seed(&seed).unwrap());
    let top =
        Credential::issue_root(&root, &claims(&root, "Vieille racine", Role::Author, 3, window(700, 20)));
    let roots = Roots::new([root.public().thumbprint()]);
    let top = Chain::verify([&**top.unwrap().token()], &roots, &NoVerdicts).unwrap();
    let leaf = top.extend(&root, &claims(&old, "Ancien", Role::Author, 0, window(60, 5))).unwrap();
    write(&place, "identities/old/live.key.pem", &seeds[1], "identities/old/live.chain", &leaf);
    let own = top.extend(&root, &claims(&relay, "Relais", Role::Relay, 0, window(10, 19))).unwrap();
    write(&place, "relay/key.pem", &seeds[2], "relay/relay.chain", &own);
    for file in ["context.toml", "vigie.toml"] {
        place.edit(file, "roots = [\n", &format!("roots = [\n    \"{}\",\n", root.public().thumbprint()));
    }
    place
}

#[test]
fn every_command_that_uses_a_chain_tells_each_link_that_ends_soon_once() {
    let place = aging();
    let said = |args: &[&str]| {
        let ran = place.vigie(args);
        let lines: Vec<String> =
            ran.err.lines().filter(|line| line.contains("renew")).map(str::to_owned).collect();
        (lines, ran)
    };
    let publish = ["pub", "alert/fr", "x", "--as", "old", "--wait", "1ms"];
    let queue = ["queue", "ls", "--as", "old"];
    let issue = [
        "trust",
        "grant",
        "--as",
        "old",
        "--to",
        "town",
        "--org",
        "fr",
        "--name",
        "x",
        "--at",
        "fr",
        "--subscribe",
    ];
    let show = ["identity", "show"];
    for args in [&publish[..], &queue, &issue, &show] {
        let (lines, ran) = said(args);
        let [root, leaf] = &lines[..] else { panic!("{ran:?}") };
        assert!(
            root.contains("Vieille racine (fr), which stands above") && root.contains("20 day"),
            "{root}"
        );
        assert!(leaf.contains("credential of Ancien (fr) ends on") && leaf.contains("5 day"), "{leaf}");
    }
    let french = place.vigie(&[&publish[..], &["--lang", "fr"]].concat());
    assert!(french.err.contains("attention : accréditation de Ancien (fr) : échéance"), "{french:?}");
    assert!(said(&["pub", "alert/fr", "x", "--as", "nation", "--wait", "1ms"]).0.is_empty());
    // A relay's own chain, in its check; as a monitoring plug-in says it, where it lets us in.
    let checked = place.vigie(&["relay", "run", "--config", &place.path("vigie.toml"), "--check"]).ended(0);
    assert!(checked.err.contains("credential of Vieille racine"), "{checked:?}");
    let relay = place.relay();
    let told = place.vigie(&["check", "relay", "--as", "old", "--warn", "20s", "--crit", "20s"]).ended(1);
    assert!(
        told.out.starts_with("WARNING") && told.out.contains("5 day") && told.out.contains("20 day"),
        "{told:?}"
    );
    let (_, log) = relay.stop("-TERM");
    assert!(
        log.contains("WARN") && log.contains("the relay's own credential, or one above it, ends on"),
        "{log}"
    );
}

#[test]
fn a_renewed_credential_of_the_relay_is_taken_up_while_it_runs_and_a_bad_one_is_not() {
    let place = aging();
    let relay = place.relay_with(&[]);
    let grant = |out: &str| {
        let (authority, key) = (place.path("authority"), place.path("relay/pub.pem"));
        let role = ["trust", "grant", "--authority", &authority, "--role", "relay", "--key", &key];
        place
            .vigie(&[&role[..], &["--org", "fr.relais", "--name", "Relais", "--out", out]].concat())
            .ended(0);
    };
    // Of another key than lies there: `relay/pub.pem` is still that of the key that `init` made.
    grant(&place.path("relay/relay.chain"));
    relay.signal("-HUP");
    relay.wait_for("the relay's new credential or key is refused");
    let made = Place::new();
    fs::copy(made.path("relay/key.pem"), place.path("relay/key.pem")).unwrap();
    fs::copy(made.path("relay/pub.pem"), place.path("relay/pub.pem")).unwrap();
    grant(&place.path("relay/relay.chain"));
    relay.wait_for("the relay's own credential was read again");
    assert_eq!(relay.stop("-TERM").0, 0);
}

/// A root that hands over in 6 days, in settings and context, with what it has signed beside them.
fn with_a_root_that_hands_over(place: &Place) -> String {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).unwrap();
    let root = SigningKey::from_seed(&seed).unwrap();
    seed[0] ^= 1;
    let successor = *SigningKey::from_seed(&seed).unwrap().public();
    let Window { from, until } = window(1, 6);
    let handover = Handover { successor, from, until: Some(until) };
    let rotation = rotation::sign(&root, Plane::Live, &handover).unwrap();
    fs::write(place.path("rotation-live"), format!("{}\n", rotation.token())).unwrap();
    let name = root.public().thumbprint().to_string();
    for file in ["context.toml", "vigie.toml"] {
        let lines = format!("rotations = [\"rotation-live\"]\nroots = [\n    \"{name}\",\n");
        place.edit(file, "roots = [\n", &lines);
    }
    name
}

#[test]
fn a_relay_names_once_what_others_renew_roots_that_hand_over_and_what_stands_above_its_sessions() {
    let place = aging();
    let root = with_a_root_that_hands_over(&place);
    let hands_over = format!("the root {root} hands over on");
    for told in [
        place.vigie(&["relay", "run", "--config", &place.path("vigie.toml"), "--check"]).ended(0),
        place.vigie(&["trust", "list"]).ended(0),
    ] {
        assert!(told.err.contains(&hands_over) && told.err.contains("in 6 day(s)"), "{told:?}");
    }
    let relay = place.relay();
    let line = relay.wait_for(&hands_over);
    assert!(line.contains("WARN") && line.contains("plane=live"), "{line}");
    let mut readers = [(); 2].map(|()| place.command(&["sub", "alert/fr", "--as", "old"]).spawn().unwrap());
    let line = relay.wait_for("a credential of fr, which stands above those of connected clients");
    assert!(line.contains("WARN") && line.contains("days_left=20") && line.contains("credential="), "{line}");
    // By its id; what it calls itself, and whose it is below, are nobody's business.
    assert!(!line.contains("Vieille racine") && !line.contains("Ancien"), "{line}");
    for reader in &mut readers {
        reader.kill().unwrap();
        reader.wait().unwrap();
    }
    let (code, log) = relay.stop("-TERM");
    assert_eq!(code, 0, "{log}");
    for once in [&*hands_over, "which stands above those of connected clients"] {
        assert_eq!(log.lines().filter(|line| line.contains(once)).count(), 1, "{once}: {log}");
    }
}
