//! The TLS certificate of a relay that runs, as an operator renews it: new files, SIGHUP, and files that are no good.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

#[path = "cli_suite/support.rs"]
#[allow(dead_code, reason = "each suite of tests uses a part of it")]
mod support;

#[path = "cli_suite/clients.rs"]
mod clients;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use clients::Clients;
use support::support_relay::PATIENCE;
use support::{Place, Running, vigie};

struct Relay {
    running: Running,
    health: String,
}

impl Relay {
    fn start(place: &Place) -> Self {
        let running = place.relay_with(&[]);
        let health = running.health().unwrap();
        Self { running, health }
    }

    fn hang_up(&self) {
        self.running.signal("-HUP");
    }

    /// Asks until it tells a refused certificate, or until it does not.
    fn wait_until_refused(&self, wanted: bool) {
        let began = Instant::now();
        while vigie(&["relay", "status", "--url", &self.health]).out.contains("certificate_refused") != wanted
        {
            assert!(began.elapsed() < PATIENCE, "never {wanted}");
        }
    }
}

/// Whether somebody who trusts the authority of `place` alone can log in.
fn logs_in(place: &Place, relay: &Relay) -> bool {
    let context = fs::read_to_string(place.path("context.toml")).unwrap();
    let lines = context.lines().map(|line| match line.starts_with("relays = ") {
        true => format!("relays = [\"wss://{}\"]", relay.running.address()),
        false => line.to_owned(),
    });
    fs::write(place.path("context.toml"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    // 1: it does, and something ends soon.
    place.vigie(&["check", "relay", "--as", "town", "--crit", "20s", "--warn", "20s"]).code <= 1
}

#[test]
fn new_files_and_sighup_are_taken_up_and_files_that_do_not_fit_are_not() {
    let (place, other) = (Place::new(), Place::new());
    let relay = Relay::start(&place);
    assert!(logs_in(&place, &relay));
    let [chain, key] = ["relay/tls.pem", "relay/tls.key.pem"];
    // A chain alone: its key is another's.
    let old = fs::read(place.path(chain)).unwrap();
    fs::copy(other.path(chain), place.path(chain)).unwrap();
    relay.wait_until_refused(true);
    assert!(logs_in(&place, &relay), "the one before stays");
    // Its key with it: that is found without asking.
    let ca = fs::read(place.path("tls/ca.pem")).unwrap();
    let old_key = fs::read(place.path(key)).unwrap();
    fs::write(place.path(key), fs::read(other.path(key)).unwrap()).unwrap();
    relay.wait_until_refused(false);
    fs::copy(other.path("tls/ca.pem"), place.path("tls/ca.pem")).unwrap();
    assert!(logs_in(&place, &relay), "certified by the other authority now");
    // A file that is gone, and SIGHUP once all is back.
    fs::remove_file(place.path(chain)).unwrap();
    relay.hang_up();
    relay.wait_until_refused(true);
    for (file, content) in [(chain, old), (key, old_key), ("tls/ca.pem", ca)] {
        fs::write(place.path(file), content).unwrap();
    }
    relay.hang_up();
    relay.wait_until_refused(false);
    assert!(logs_in(&place, &relay));
}

#[test]
fn a_key_that_does_not_fit_is_told_with_its_settings_in_the_language_of_whoever_starts() {
    let (place, other) = (Place::new(), Place::new());
    fs::copy(other.path("relay/tls.pem"), place.path("relay/tls.pem")).unwrap();
    let config = place.path("vigie.toml");
    let run = ["relay", "run", "--config", &config, "--listen", "127.0.0.1:0", "--lang", "fr"];
    for extra in [&["--check"][..], &[]] {
        let refused = vigie(&[&run[..], extra].concat());
        assert_eq!(refused.code, 3, "{}", refused.err);
        for word in ["la clé TLS ne peut servir", "« tls_chain » et « tls_key »"] {
            assert!(refused.err.contains(word), "{}", refused.err);
        }
    }
}

#[test]
fn clients_show_certificates_where_the_operator_asks_for_them() {
    let (place, clients) = (Place::new(), Clients::new());
    let edit = |file: &str, edit: &dyn Fn(String) -> String| {
        fs::write(place.path(file), edit(fs::read_to_string(place.path(file)).unwrap())).unwrap();
    };
    fs::write(place.path("relay/clients.ca.pem"), clients.authority()).unwrap();
    fs::write(place.path("relay/clients.crl.pem"), clients.list(1, &[])).unwrap();
    // One without the other is refused before anything runs.
    edit("vigie.toml", &|text| text.replace("# client_ca =", "client_ca ="));
    let config = place.path("vigie.toml");
    let checked = || vigie(&["relay", "run", "--config", &config, "--check"]);
    assert_eq!(checked().code, 3);
    assert!(checked().err.contains("client_crl"), "{}", checked().err);
    edit("vigie.toml", &|text| text.replace("# client_crl =", "client_crl ="));
    assert_eq!(checked().code, 0, "{}", checked().err);

    let relay = Relay::start(&place);
    assert!(!logs_in(&place, &relay));
    let said = place.vigie(&["check", "relay", "--as", "town", "--crit", "5s", "--warn", "5s"]);
    assert!(said.out.contains("tls_certificate"), "{} {}", said.out, said.err);
    let (certificate, key) = clients.certificate();
    fs::write(place.path("tls/client.pem"), certificate).unwrap();
    fs::write(place.path("tls/client.key.pem"), key).unwrap();
    let lines = "tls_certificate = \"tls/client.pem\"\ntls_key = \"tls/client.key.pem\"\n";
    edit("context.toml", &|text| format!("{lines}{text}"));
    // Its key is a private key like any other.
    let mode = |mode| fs::set_permissions(place.path("tls/client.key.pem"), fs::Permissions::from_mode(mode));
    mode(0o644).unwrap();
    let said = place.vigie(&["check", "relay", "--as", "town", "--crit", "5s", "--warn", "5s"]);
    assert!(said.out.contains("0644"), "{} {}", said.out, said.err);
    mode(0o600).unwrap();
    assert!(logs_in(&place, &relay));
    let said = place.vigie(&["check", "relay", "--as", "town", "--crit", "20s", "--warn", "20s"]).ended(1);
    let told = said.out.starts_with("WARNING") && said.out.contains("the certificate that this client shows");
    assert!(told, "{said:?}");
    let said = place.vigie(&["pub", "alert/fr.idf.75.paris", "Essai", "--as", "town"]).ended(0);
    assert!(said.err.contains("the certificate that this client shows"), "{said:?}");
    // A list that is no list changes nothing; one that revokes it is taken up without asking.
    fs::write(place.path("relay/clients.crl.pem"), "bonjour").unwrap();
    relay.wait_until_refused(true);
    assert!(logs_in(&place, &relay));
    // Behind the one before it, as whoever adds to a file writes it.
    fs::write(place.path("relay/clients.crl.pem"), clients.list(1, &[]) + &clients.list(2, &[1])).unwrap();
    relay.wait_until_refused(false);
    assert!(!logs_in(&place, &relay));
    // An old one does not let it in again.
    fs::write(place.path("relay/clients.crl.pem"), clients.list(1, &[])).unwrap();
    relay.wait_until_refused(true);
    assert!(!logs_in(&place, &relay));
    let told = vigie(&["relay", "status", "--url", &relay.health]).out;
    assert!(told.contains("revocation list of clients until"), "{told}");
}
