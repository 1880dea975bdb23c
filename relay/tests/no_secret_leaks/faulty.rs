//! The same of mutual TLS and of the operators' door; of key files that cannot be used, in each way that hands and scripts
//! break them; and of key files that stand where another file is meant.

use super::*;

#[path = "../cli_suite/clients.rs"]
mod clients;

/// What one run after another says.
struct Said<'p> {
    place: &'p Place,
    all: Vec<u8>,
}

impl Said<'_> {
    /// Its exit code, for people and as JSON.
    fn run(&mut self, args: &[&str]) -> [i32; 2] {
        [&["-vv"][..], &["-vv", "--json"]].map(|more| {
            // Not all commands have JSON, nor as many words.
            let more = if matches!(args[0], "relay" | "check") { &[] } else { more };
            let mut command = self.place.command(&[args, more].concat());
            command.env("VIGIE_LOG", "trace");
            let ran = support::finish(command, "");
            self.all.extend(ran.out.bytes().chain(ran.err.bytes()));
            ran.code
        })
    }
}

fn private_keys(place: &Place) -> Vec<Secret> {
    let mut secrets = Vec::new();
    secrets_below(&place.dir(), &mut secrets);
    secrets
}

#[track_caller]
fn nothing_of(secrets: &[Secret], said: &[u8]) {
    for secret in secrets {
        assert_eq!(secret.found_in(said), [""; 0], "{}", secret.file.display());
    }
}

/// Lets the relay ask for client certificates, and the context show one.
fn with_mutual_tls(place: &Place) {
    let clients = clients::Clients::new();
    let (certificate, key) = clients.certificate();
    for (file, content) in [
        ("relay/clients.ca.pem", clients.authority()),
        ("relay/clients.crl.pem", clients.list(1, &[7])),
        ("tls/client.pem", certificate),
        ("tls/client.key.pem", key),
    ] {
        fs::write(place.path(file), content).unwrap();
    }
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(place.path("tls/client.key.pem"), closed).unwrap();
    place.edit("vigie.toml", "# client_ca =", "client_ca =");
    place.edit("vigie.toml", "# client_crl =", "client_crl =");
    let lines = "tls_certificate = \"tls/client.pem\"\ntls_key = \"tls/client.key.pem\"\n";
    let context = fs::read_to_string(place.path("context.toml")).unwrap();
    fs::write(place.path("context.toml"), format!("{lines}{context}")).unwrap();
}

#[test]
fn no_private_key_is_in_what_mutual_tls_and_the_operators_door_say() {
    let place = Place::new();
    with_mutual_tls(&place);
    let secrets = private_keys(&place);
    assert!(secrets.iter().any(|secret| secret.file.ends_with("tls/client.key.pem")));
    let mut said = Said { place: &place, all: Vec::new() };
    for form in ["text", "json"] {
        let relay = Relay::start(&place, "trace", form);
        relay.is_that_of(&place);
        assert_eq!(said.run(&["pub", "alert/fr.idf.75.paris", CONTENT, "--as", "town"]), [0, 0]);
        let begin = said.all.len();
        let ask = ["check", "relay", "--as", "town", "--warn", "20s", "--crit", "20s"];
        // The certificate ends within a week.
        assert_eq!(said.run(&ask), [1, 1]);
        assert!(said.all.len() > begin);
        let published = place.vigie(&["pub", "alert/fr.idf", CONTENT, "--as", "region", "--json"]).ended(0);
        let id = published.objects()[0]["id"].as_str().unwrap().to_owned();
        let config = place.path("vigie.toml");
        let begin = said.all.len();
        assert_eq!(said.run(&["trust", "explain", &id, "--door", "--config", &config]), [0, 0]);
        assert!(said.all.len() > begin + 1_000, "it tells of everybody who was met");
        // Whoever has no certificate, or none that the relay takes.
        place.edit("context.toml", "tls_certificate = ", "# tls_certificate = ");
        place.edit("context.toml", "tls_key = ", "# tls_key = ");
        assert_ne!(said.run(&["pub", "alert/fr.idf", CONTENT, "--as", "region", "--wait", "1s"]), [0, 0]);
        place.edit("context.toml", "# tls_certificate = ", "tls_certificate = ");
        place.edit("context.toml", "# tls_key = ", "tls_key = ");
        said.all.extend(relay.running.stop("-TERM").1.bytes());
    }
    nothing_of(&secrets, &said.all);
}

/// What is left of a key file, and how that came.
fn broken(file: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let pem = std::str::from_utf8(file).unwrap();
    let lines: Vec<&str> = pem.lines().collect();
    let [begin, body @ .., end] = &lines[..] else { panic!("{pem}") };
    let (joined, body) = (body.concat(), body.join("\n"));
    let der = STANDARD.decode(&joined).unwrap();
    let text = |text: String| text.into_bytes();
    vec![
        ("without line ends", text(pem.replace('\n', ""))),
        ("blanks for line ends", text(pem.replace('\n', " "))),
        ("line ends spelt out", text(pem.replace('\n', "\\n"))),
        ("the key behind BEGIN", text(format!("{begin}{body}\n{end}\n"))),
        ("the key before END", text(format!("{begin}\n{body}{end}\n"))),
        ("BEGIN cut", text(format!("{}\n{body}\n{end}\n", begin.trim_end_matches('-')))),
        ("no END", text(format!("{begin}\n{body}\n"))),
        ("no BEGIN", text(format!("{body}\n{end}\n"))),
        ("the key alone", text(joined)),
        ("in quotes", text(format!("\"{pem}\""))),
        ("indented", text(pem.replace('\n', "\n  "))),
        ("something else in it", text(format!("{begin}\n{body}\n?\n{end}\n"))),
        ("called a certificate", text(pem.replace("PRIVATE KEY", "CERTIFICATE"))),
        ("called encrypted", text(pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"))),
        (
            "a byte too many",
            text(format!("{begin}\n{}\n{end}\n", STANDARD.encode([&der[..], &[0]].concat()))),
        ),
        ("DER", der),
    ]
}

#[test]
fn no_private_key_is_in_what_is_said_of_key_files_that_cannot_be_used() {
    let place = Place::new();
    with_mutual_tls(&place);
    let secrets = private_keys(&place);
    let (config, authority) = (place.path("vigie.toml"), place.path("authority"));
    let checks = &["relay", "run", "--check", "--config", &config][..];
    let shows = &["identity", "show"][..];
    let lists = &["trust", "list"][..];
    let says = &["pub", "alert/fr.idf.75.paris", CONTENT, "--as", "town", "--wait", "1ms"][..];
    let asks = &["check", "relay", "--as", "town", "--warn", "1ms", "--crit", "2ms"][..];
    let ends = &["trust", "revoke", "region", "--authority", &authority, "--offline"][..];
    let of_identity = [shows, lists, says, asks];
    let mut said = Said { place: &place, all: Vec::new() };
    for (file, commands) in [
        ("identities/town/live.key.pem", &of_identity[..]),
        ("tls/client.key.pem", &of_identity),
        ("relay/tls.key.pem", &[checks]),
        ("relay/key.pem", &[checks]),
        ("authority/root-live.key.pem", &[ends]),
    ] {
        let sound = fs::read(place.path(file)).unwrap();
        for (how, left) in broken(&sound) {
            fs::write(place.path(file), left).unwrap();
            let begin = said.all.len();
            let codes: Vec<_> = commands.iter().flat_map(|args| said.run(args)).collect();
            // Some are read all the same.
            let told = String::from_utf8_lossy(&said.all[begin..]).into_owned();
            assert!(codes.iter().all(|code| (0..20).contains(code)), "{file}, {how}: {codes:?}: {told}");
            assert!(!told.contains("panicked"), "{file}, {how}: {told}");
            nothing_of(&secrets, &said.all[begin..]);
        }
        fs::write(place.path(file), sound).unwrap();
    }
    let unusable = String::from_utf8_lossy(&said.all).matches("were line ends lost?").count();
    assert!(unusable > 50, "{unusable}: what is broken is read, and told");
}

/// A file of settings that is filled with something, and what is then asked that reads it.
struct Filled<'p> {
    said: Said<'p>,
    secrets: Vec<Secret>,
    file: String,
    asked: Vec<Vec<&'p str>>,
}

impl<'p> Filled<'p> {
    /// The settings of the relay, and the context.
    fn both(place: &'p Place, config: &'p str) -> [Self; 2] {
        let of = |file: &str, asked: Vec<Vec<&'p str>>| Self {
            said: Said { place, all: Vec::new() },
            secrets: private_keys(place),
            file: place.path(file),
            asked,
        };
        [
            of(
                "vigie.toml",
                vec![
                    vec!["relay", "run", "--check", "--config", config],
                    vec!["relay", "status", "--config", config],
                    vec!["journal", "stats", "--config", config],
                ],
            ),
            of("context.toml", vec![vec!["identity", "show"], vec!["trust", "list", "--lang", "fr"]]),
        ]
    }

    /// What the first so many commands end with and say. Nothing of it is secret.
    fn with(&mut self, text: &[u8], commands: usize) -> (Vec<i32>, String) {
        fs::write(&self.file, text).unwrap();
        let begin = self.said.all.len();
        let codes = self.asked[..commands].iter().flat_map(|args| self.said.run(args)).collect();
        let told = String::from_utf8_lossy(&self.said.all[begin..]).into_owned();
        assert!(!told.contains("panicked"), "{told}");
        nothing_of(&self.secrets, &self.said.all[begin..]);
        (codes, told)
    }
}

const KEYS: [&str; 2] = ["relay/key.pem", "relay/tls.key.pem"];

#[test]
fn no_private_key_is_in_what_is_said_of_one_that_was_named_in_place_of_settings() {
    let place = Place::new();
    let config = place.path("vigie.toml");
    for mut filled in Filled::both(&place, &config) {
        let commands = filled.asked.len();
        for key in KEYS {
            for (how, left) in broken(&fs::read(place.path(key)).unwrap()) {
                let (codes, told) = filled.with(&left, commands);
                assert!(!codes.contains(&0), "{key}, {how}: {codes:?}");
                let words = ["looks like a private key", "ressemble à une clé privée"];
                let is_told = words.iter().any(|words| told.contains(words));
                assert!(is_told || std::str::from_utf8(&left).is_err(), "{key}, {how}: {told}");
            }
        }
    }
}

/// As a value of each kind, as a path, and as the name of a setting.
#[test]
fn no_private_key_is_in_what_is_said_of_settings_into_which_one_was_pasted() {
    // A name or a path is shown, unless it begins as keys do.
    const SHOWN: [&str; 5] = ["names", "tls_key", "journal", "relays", "tls_roots"];
    let settings = [
        &["listen", "roots", "workers", "retain_age", "health", "names", "tls_key", "journal"][..],
        &["roots", "relays", "tls_roots"],
    ];
    let place = Place::new();
    let config = place.path("vigie.toml");
    let secrets = KEYS.map(|key| Secret::read(place.path(key).into()));
    for (mut filled, settings) in Filled::both(&place, &config).into_iter().zip(settings) {
        let sound = fs::read_to_string(&filled.file).unwrap();
        for (name, form) in secrets.iter().flat_map(|secret| &secret.forms) {
            let Ok(form) = std::str::from_utf8(form) else { continue };
            if form.len() <= 40 || form.contains(',') {
                continue;
            }
            let is_key = vigie_client::settings::line_of_key(form).is_some();
            for setting in settings.iter().filter(|setting| is_key || !SHOWN.contains(setting)) {
                let others = sound.lines().filter(|line| !line.starts_with(setting));
                let others = others.collect::<Vec<_>>().join("\n");
                for value in [format!("\"{form}\""), format!("[\"{form}\"]"), form.to_owned()] {
                    filled.with(format!("{setting} = {value}\n{others}").as_bytes(), 1);
                }
            }
            let (codes, _) = filled.with(format!("\"{form}\" = 1\n{sound}").as_bytes(), 1);
            assert!(!codes.contains(&0), "{name} as a setting: {codes:?}");
        }
        fs::write(&filled.file, &sound).unwrap();
    }
}

#[test]
fn no_private_key_is_in_what_is_said_of_one_where_another_file_is_meant() {
    let place = Place::new();
    with_mutual_tls(&place);
    let secrets = private_keys(&place);
    let key = place.path("identities/town/live.key.pem");
    let mut said = Said { place: &place, all: Vec::new() };
    for args in [
        &["trust", "show", &key][..],
        &["trust", "explain", &key, "alert/fr.idf.75.paris"],
        &["trust", "root", "show", &key],
        &["trust", "send", &key, "--as", "nation"],
        &["trust", "revoke", &key, "--as", "nation", "--offline"],
        &["verify", &key],
        &["pub", "alert/fr.idf", "--cap", &key, "--as", "region", "--wait", "1ms"],
        &["relay", "run", "--check", "--config", &key],
    ] {
        let codes = said.run(args);
        assert!(!codes.contains(&0), "{args:?}: {codes:?}");
    }
    let config = place.path("vigie.toml");
    for (file, other) in [
        ("relay/relay.chain", "relay/key.pem"),
        ("relay/tls.pem", "relay/tls.key.pem"),
        ("relay/clients.ca.pem", "tls/client.key.pem"),
        ("relay/clients.crl.pem", "tls/client.key.pem"),
        ("tls/ca.pem", "relay/tls.key.pem"),
        ("tls/client.pem", "tls/client.key.pem"),
        ("identities/town/live.chain", "identities/town/live.key.pem"),
    ] {
        let sound = fs::read(place.path(file)).unwrap();
        let pem = fs::read(place.path(other)).unwrap();
        for left in [pem.clone(), String::from_utf8(pem).unwrap().replace('\n', "").into_bytes()] {
            fs::write(place.path(file), left).unwrap();
            let mut codes = said.run(&["relay", "run", "--check", "--config", &config]).to_vec();
            codes.extend(said.run(&["identity", "show"]));
            codes.extend(said.run(&["pub", "alert/fr.idf", CONTENT, "--as", "town", "--wait", "1ms"]));
            assert!(codes.iter().any(|code| *code != 0), "{file}: {codes:?}");
        }
        fs::write(place.path(file), sound).unwrap();
    }
    nothing_of(&secrets, &said.all);
}
