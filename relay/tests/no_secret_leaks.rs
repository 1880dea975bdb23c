//! No private key ever leaves its file: everything that the binary says and the public types show is searched for each of
//! them, in every form that a program could have written it. What the search cannot find it does not prove, so the same
//! search first finds each key that is put into the same output, in each form.
//!
//! The same run holds the logs to their promises: nothing of a message, no address of a client, no control characters, and
//! nothing for each message at the default level.
//!
//! That a key in a real line of a log is found shows a planted bug, `secret-logged` (`.ci/sabotage`).
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

#[allow(dead_code, reason = "each suite of tests uses a part of it")]
#[path = "cli_suite/support.rs"]
mod support;

#[path = "no_secret_leaks/faulty.rs"]
mod faulty;
#[path = "no_secret_leaks/keys.rs"]
mod keys;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use support::{Place, Running, set_relay};
use vigie_client::{Client, ClientConfig, Context, Live};
use vigie_proto::channel::Plane;
use vigie_relay::config::RelayConfig;

/// What is said in a message, and must be nowhere in a log.
const CONTENT: &str = "Rupture imminente de la digue 7193";

/// A private key, in the forms in which it could be written.
struct Secret {
    file: PathBuf,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Secret {
    fn read(file: PathBuf) -> Self {
        let pem = fs::read_to_string(&file).unwrap();
        let body: Vec<&str> = pem.lines().filter(|line| !line.contains("-----")).collect();
        let der = STANDARD.decode(body.concat()).unwrap();
        // The 32 secret bytes of Ed25519 (RFC 8410) and of P-256 (RFC 5915) are an octet string of that length.
        let at = der.windows(2).position(|two| two == [4, 32]).unwrap() + 2;
        let seed = der[at..at + 32].to_vec();
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{seed:?}");
        let mut forms = vec![
            ("raw", seed.clone()),
            ("hex", hex.clone().into()),
            ("HEX", hex.to_uppercase().into()),
            ("base64", STANDARD_NO_PAD.encode(&seed).into()),
            ("base64url", URL_SAFE_NO_PAD.encode(&seed).into()),
            ("Debug of bytes", list.trim_matches(['[', ']']).as_bytes().to_vec()),
            ("whole DER in base64url", URL_SAFE_NO_PAD.encode(&der).into()),
        ];
        // Not the lines after the secret: they hold the public key, which certificates hold too.
        let bytes_a_line = 3 * body[0].len() / 4;
        let lines = body.iter().take((at + 32).div_ceil(bytes_a_line)).filter(|line| line.len() > 40);
        for line in lines {
            let list = format!("{:?}", line.as_bytes());
            forms.push(("Debug of PEM", list.trim_matches(['[', ']']).as_bytes().to_vec()));
            forms.push(("PEM", line.as_bytes().to_vec()));
        }
        Self { file, forms }
    }

    /// In which forms it stands in there.
    fn found_in(&self, output: &[u8]) -> Vec<&'static str> {
        let stands = |form: &[u8]| output.windows(form.len()).any(|part| part == form);
        self.forms.iter().filter(|(_, form)| stands(form)).map(|(name, _)| *name).collect()
    }
}

/// Every private key below a folder.
fn secrets_below(folder: &Path, found: &mut Vec<Secret>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            secrets_below(&entry, found);
        } else if entry.is_file() && fs::read(&entry).unwrap().windows(11).any(|part| part == b"PRIVATE KEY")
        {
            found.push(Secret::read(entry));
        }
    }
}

struct Relay {
    running: Running,
    /// Host and port.
    health: String,
}

impl Relay {
    fn start(place: &Place, level: &str, form: &str) -> Self {
        let running = Running::start(place.relay_command(&["--log", form]).env("VIGIE_LOG", level));
        let health = running.health().unwrap().strip_prefix("http://").unwrap().to_owned();
        Self { running, health }
    }

    /// Points a context at it.
    fn is_that_of(&self, context: &Place) {
        set_relay(&context.dir(), self.running.address());
    }

    fn asked(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.health).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// What every command says, with and without `--json`; and the relay's log.
fn everything(place: &Place, stranger: &Place, level: &str, form: &str) -> (String, String) {
    let relay = Relay::start(place, level, form);
    relay.is_that_of(place);
    relay.is_that_of(stranger);
    let mut said = String::new();
    let mut run = |place: &Place, args: &[&str], code: i32| {
        for more in [&["-vv"][..], &["-vv", "--json"]] {
            let mut command = place.command(&[args, more].concat());
            let ran = support::finish(
                {
                    command.env("VIGIE_LOG", "trace");
                    command
                },
                "",
            );
            assert_eq!(ran.code, code, "{args:?} {ran:?}");
            said += &format!("{}{}", ran.out, ran.err);
        }
    };
    run(place, &["pub", "alert/fr.idf", CONTENT, "--as", "region"], 0);
    run(
        place,
        &["sub", "alert/fr.idf.75.paris", "--as", "town", "--after", "0", "--count", "2", "--wait", "20s"],
        0,
    );
    run(place, &["pub", "alert/fr.idf", CONTENT, "--as", "town"], 5);
    run(stranger, &["pub", "alert/fr.idf", CONTENT, "--as", "region"], 5);
    run(place, &["check", "relay", "--as", "town", "--warn", "20s", "--crit", "20s"], 0);
    run(place, &["identity", "show"], 0);
    let url = format!("http://{}", relay.health);
    said += &support::vigie(&["relay", "status", "--url", &url]).out;
    for path in ["/metrics", "/status", "/readyz", "/\u{1b}[31mred\u{7}"] {
        said += &relay.asked(&format!("GET {path} HTTP/1.1\r\nhost: relay\r\n\r\n"));
    }
    assert!(said.contains("vigie_receipts_total 2"), "{said}");
    let (_, log) = relay.running.stop("-TERM");
    let config = place.path("vigie.toml");
    said += &support::vigie(&["journal", "export", "--config", &config]).ended(0).out;
    assert!(said.contains("\"jws\""));
    said += &support::vigie(&["relay", "run", "--check", "--config", &config]).ended(0).err;
    (said, log)
}

/// The public types that hold keys, as a program that embeds them might log them.
fn debugged(place: &Place) -> String {
    let context = Context::open(place.dir()).unwrap();
    let identity = context.identity("region", Plane::Live).unwrap();
    let mut said = format!("{context:?}{context:#?}{identity:?}{:?}{:?}", identity.key(), identity.chain());
    let pem = |file: &str| fs::read(place.path(file)).unwrap();
    let chain = CertificateDer::pem_slice_iter(&pem("relay/tls.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&pem("relay/tls.key.pem")).unwrap();
    let journal = place.dir().join("journal");
    let config = RelayConfig::new(vec!["localhost".to_owned()], chain, key, context.roots().clone(), journal);
    said += &format!("{config:?}{config:#?}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = vigie_relay::server::Relay::start(listener, config).unwrap();
    said += &format!("{relay:?}{:?}", relay.status());
    let config = ClientConfig::new(
        context.relays().to_vec(),
        context.tls_roots().clone(),
        context.roots().clone(),
        identity,
    );
    said += &format!("{config:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    said + &format!("{:?}", Client::<Live>::new(config).unwrap())
}

#[test]
fn no_private_key_is_in_anything_that_is_said() {
    let (place, stranger) = (Place::new(), Place::new());
    // It reaches the relay, and is refused there.
    fs::copy(place.path("tls/ca.pem"), stranger.path("tls/ca.pem")).unwrap();
    let mut secrets = Vec::new();
    secrets_below(&place.dir(), &mut secrets);
    secrets_below(&stranger.dir(), &mut secrets);
    assert!(secrets.iter().filter(|secret| secret.file.ends_with("relay/tls.key.pem")).count() == 2);
    assert!(secrets.len() > 20, "roots, identities, the relay's and those of TLS: {}", secrets.len());

    let mut all = debugged(&place);
    for (level, form) in [("trace", "text"), ("trace", "json"), ("info", "json")] {
        let (said, log) = everything(&place, &stranger, level, form);
        let lines: Vec<&str> = log.lines().filter(|line| line.starts_with(['{', '2'])).collect();
        assert!(level == "info" || !lines.is_empty(), "{log}");
        assert!(!log.contains(CONTENT) && !log.contains("digue"), "content in the log: {log}");
        assert!(log.chars().all(|character| character == '\n' || !character.is_control()), "{log:?}");
        for line in &lines {
            assert!(!line.contains("127.0.0.1"), "an address in the log: {line}");
        }
        if level == "info" {
            assert!(lines.iter().all(|line| !line.contains("publish")) && lines.len() < 4, "{lines:?}");
        }
        all += &said;
        all += &log;
    }
    let all = all.into_bytes();
    for secret in &secrets {
        assert_eq!(secret.found_in(&all), [""; 0], "{}", secret.file.display());
    }

    // And the search would have found each: put into the middle of the same output, in each form.
    let (before, after) = all.split_at(all.len() / 2);
    let (before, after) = (&before[before.len() - 4_096..], &after[..4_096]);
    for secret in &secrets {
        for (name, form) in &secret.forms {
            let planted = [before, form, after].concat();
            assert!(secret.found_in(&planted).contains(name), "{name} of {}", secret.file.display());
        }
    }
}
