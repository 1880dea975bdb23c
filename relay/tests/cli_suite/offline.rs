//! What `vigie` does without a relay: trust, settings, help.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Place, command, finish, vigie};
use vigie_proto::refusal::Code;

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_makes_a_whole_deployment_and_closes_its_secrets() {
    let place = Place::new();
    let names = ["nation", "region", "town", "neighbour", "elsewhere", "field"];
    let mut secrets: Vec<String> =
        ["authority/root-live.key.pem", "authority/root-exercise.key.pem", "authority/tls-ca.key.pem"]
            .into_iter()
            .chain(["relay/tls.key.pem", "relay/key.pem"])
            .map(str::to_owned)
            .collect();
    let mut keys = Vec::new();
    for name in names {
        for plane in ["live", "exercise"] {
            secrets.push(format!("identities/{name}/{plane}.key.pem"));
            assert!(fs::metadata(place.path(&format!("identities/{name}/{plane}.chain"))).is_ok());
        }
    }
    for secret in &secrets {
        assert_eq!(mode(&place.path(secret)), 0o600, "{secret}");
        keys.push(fs::read_to_string(place.path(secret)).unwrap());
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), secrets.len(), "every key is another, also between the planes");
    assert_eq!(mode(&place.path("")), 0o700);
    for file in ["vigie.toml", "context.toml", "tls/ca.pem", "relay/tls.pem", "relay/relay.chain", "journal"]
    {
        assert!(fs::metadata(place.path(file)).is_ok(), "{file}");
    }
    place.vigie(&["identity", "show"]).ended(0);
    for name in names {
        let shown = place.vigie(&["trust", "show", name]).ended(0);
        assert!(shown.err.contains("from a root that is pinned here"), "{shown:?}");
    }
}

#[test]
fn init_warns_and_refuses_a_folder_that_is_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let made = vigie(&["init", dir]).ended(0);
    assert!(made.err.contains("made for trial") && made.out.contains("vigie relay run --config"), "{made:?}");
    let before = fs::read_to_string(folder.path().join("vigie.toml")).unwrap();
    let again = vigie(&["init", dir]).ended(2);
    assert!(again.err.contains("is not empty"), "{again:?}");
    assert_eq!(fs::read_to_string(folder.path().join("vigie.toml")).unwrap(), before);
}

#[test]
fn settings_are_checked_without_starting_anything() {
    let place = Place::new();
    let config = place.path("vigie.toml");
    let check = || vigie(&["relay", "run", "--config", &config, "--check"]);
    assert!(check().ended(0).err.contains("made for trial"));
    assert!(!fs::exists(place.path("journal/lock")).unwrap(), "nothing was started");

    place.edit("vigie.toml", "\nnames =", "\nnamse =");
    let told = check().ended(3).err;
    assert!(told.contains("unknown key `namse`") && told.contains("did you mean `names`?"), "{told}");
    place.edit("vigie.toml", "\nnamse =", "\nnames =");
    check().ended(0);
    let retention = "# retain_age = \"400d\"";
    for (nonsense, named) in [("retain_age = \"1d\"", "retain_age"), ("retain_bytes = 1", "retain_bytes")] {
        place.edit("vigie.toml", retention, nonsense);
        assert!(check().ended(3).err.contains(named));
        place.edit("vigie.toml", nonsense, retention);
    }
    check().ended(0);

    // Another key than the certificate's.
    fs::copy(place.path("relay/tls.key.pem"), place.path("relay/right.pem")).unwrap();
    fs::copy(place.path("authority/tls-ca.key.pem"), place.path("relay/tls.key.pem")).unwrap();
    check().ended(3);
    fs::copy(place.path("relay/right.pem"), place.path("relay/tls.key.pem")).unwrap();
    check().ended(0);

    for secret in ["relay/tls.key.pem", "relay/key.pem"] {
        fs::set_permissions(place.path(secret), fs::Permissions::from_mode(0o640)).unwrap();
        let told = check().ended(3).err;
        assert!(told.contains("mode 0640") && told.contains("chmod 600"), "{told}");
        fs::set_permissions(place.path(secret), fs::Permissions::from_mode(0o600)).unwrap();
    }
    check().ended(0);
    vigie(&["relay", "run", "--config", &place.path("no.toml")]).ended(3);
    let mut unreadable = command(&["relay", "run", "--config", &config, "--check"]);
    unreadable.env("VIGIE_LOG", "vigie=loud");
    assert!(finish(unreadable, "").ended(3).err.contains("VIGIE_LOG"));
    fs::remove_dir_all(place.path("journal")).unwrap();
    assert!(check().ended(3).err.contains("for the journal"));
    vigie(&["relay", "run", "--config", &config, "--listen", "127.0.0.1:0"]).ended(3);
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    let place = Place::new();
    let key = place.path("identities/town/live.key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let told = place.vigie(&["pub", "alert/fr.idf.75.paris", "x", "--as", "town"]).ended(3);
    assert!(told.err.contains("chmod 600"), "{told:?}");
}

#[test]
fn a_new_identity_is_granted_what_fits_and_refused_what_exceeds() {
    let place = Place::new();
    let grant = |extra: &[&str]| {
        let fixed =
            ["trust", "grant", "--as", "region", "--to", "versailles", "--name", "Mairie de Versailles"];
        place.vigie(&[&fixed[..], extra].concat())
    };
    place.vigie(&["identity", "new", "versailles"]).ended(0);
    assert_eq!(mode(&place.path("identities/versailles/live.key.pem")), 0o600);
    place.vigie(&["identity", "new", "versailles"]).ended(2);
    assert!(place.vigie(&["identity", "show", "versailles"]).ended(3).out.contains("UNUSABLE"));
    place.vigie(&["identity", "show"]).ended(0);
    place.vigie(&["identity", "show", "town"]).ended(0);
    assert!(place.vigie(&["identity", "show", "twon"]).ended(3).err.contains("town"));
    let there = ["--org", "fr.interieur.idf.versailles", "--at", "fr.idf.78.versailles"];
    for (what, extra) in [
        ("organisation", &["--org", "fr.interieur.paca", "--at", "fr.idf.78.versailles", "--subscribe"][..]),
        ("does not fit", &["--org", "fr.interieur.idf.v", "--at", "fr.paca", "--subscribe"]),
        ("does not fit", &["--org", "fr.interieur.idf.v", "--at", "fr.idf.78", "--delegate", "2"]),
        ("would end", &["--org", "fr.interieur.idf.v", "--at", "fr.idf.78", "--subscribe", "--days", "401"]),
    ] {
        let told = grant(extra).ended(5).err;
        assert!(told.starts_with("error: exceeds_parent") && told.contains(what), "{told}");
    }
    assert!(fs::metadata(place.path("identities/versailles/live.chain")).is_err(), "nothing was written");
    grant(&[&there[..], &["--publish", "severe", "--subscribe", "--days", "30"]].concat()).ended(0);
    let shown = place.vigie(&["trust", "show", "versailles", "--json"]).ended(0).objects();
    assert_eq!(shown.len(), 4, "root, nation, region, versailles");
    assert_eq!(shown[3]["name"], "Mairie de Versailles");
    assert_eq!(shown[3]["grants"][0]["publish"], "Severe");
    // Nobody whose credential does not delegate issues.
    let told = place.vigie(
        &[
            &["trust", "grant", "--as", "town", "--to", "versailles", "--name", "x"],
            &there[..],
            &["--subscribe"],
        ]
        .concat(),
    );
    assert!(told.ended(5).err.contains("may not delegate"));
}

#[test]
fn an_issuer_needs_only_the_public_key_and_the_root_can_issue_for_a_relay() {
    let (issuer, holder) = (Place::new(), Place::new());
    let printed = holder.vigie(&["identity", "new", "agen", "--plane", "exercise"]).ended(0);
    let public = holder.path("identities/agen/exercise.pub.pem");
    assert!(printed.out.contains(fs::read_to_string(&public).unwrap().trim()));
    let named = printed.err.lines().find(|line| line.contains("exercise.pub.pem")).unwrap();
    assert!(named.starts_with("EXERCISE "), "{printed:?}");
    let granted = issuer
        .vigie(
            &[
                "trust",
                "grant",
                "--as",
                "nation",
                "--exercise",
                "--key",
                &public,
                "--org",
                "fr.interieur.agen",
            ]
            .iter()
            .chain(&[
                "--name",
                "Agen",
                "--grant",
                "signal@fr.naq.47.agen,publish=Minor",
                "--grant",
                "alert@fr.naq.47.agen,subscribe",
            ])
            .copied()
            .collect::<Vec<_>>(),
        )
        .ended(0);
    assert_eq!(granted.out.lines().count(), 3, "root, nation, agen");
    fs::write(holder.path("identities/agen/exercise.chain"), &granted.out).unwrap();
    // The holder pins other roots: the chain holds together, and is not trusted there.
    holder.vigie(&["trust", "show", "agen"]).ended(6);
    let alone = vigie(&["trust", "show", &holder.path("identities/agen/exercise.chain")]).ended(0);
    assert!(
        alone.err.contains("without --context") && alone.out.lines().all(|line| line.starts_with("EXERCISE"))
    );

    let out = issuer.path("relay/relay.chain");
    let (authority, public) = (issuer.path("authority"), issuer.path("relay/pub.pem"));
    let fixed =
        ["trust", "grant", "--authority", &authority, "--key", &public, "--role", "relay", "--out", &out];
    let before = fs::read_to_string(&out).unwrap();
    issuer.vigie(&[&fixed[..], &["--org", "fr.relais", "--name", "Relais"]].concat()).ended(0);
    assert_ne!(fs::read_to_string(&out).unwrap(), before);
    vigie(&["relay", "run", "--config", &issuer.path("vigie.toml"), "--check"]).ended(0);
}

/// Keys are in the form that OpenSSL and most libraries read.
#[test]
fn keys_are_pkcs8_of_version_1() {
    let place = Place::new();
    let pem = fs::read_to_string(place.path("identities/town/live.key.pem")).unwrap();
    let body = pem.lines().nth(1).unwrap();
    assert!(body.starts_with("MC4CAQAwBQYDK2VwBCIEI") && body.len() == 64 && pem.lines().count() == 3);
}

#[test]
fn every_code_is_explained_and_a_near_one_is_suggested() {
    let listed = vigie(&["errors", "--json"]).ended(0).objects();
    let codes: Vec<&str> = listed.iter().map(|object| object["code"].as_str().unwrap()).collect();
    assert_eq!(codes, Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
    for code in [Code::Busy, Code::FrameTooLarge, Code::NotWebsocket] {
        let told = vigie(&["errors", code.as_str(), "--lang", "fr"]).ended(0).out;
        assert!(told.contains(code.french()) && told.contains(code.english()), "{told}");
    }
    assert!(vigie(&["errors", "not_grantd"]).ended(2).err.contains("did you mean `not_granted`?"));
}

#[test]
fn completions_and_manual_pages_come_from_the_arguments() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(vigie(&["completions", shell]).ended(0).out.contains("exercise"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    vigie(&["man", folder.path().to_str().unwrap()]).ended(0);
    assert!(fs::read_to_string(folder.path().join("vigie-pub.1")).unwrap().contains("severity"));
    assert!(vigie(&["man"]).ended(0).out.contains("Exit codes"));
    assert_eq!(vigie(&["version", "--json"]).ended(0).objects()[0]["protocol"], "vigie.v1");
}

#[test]
fn slips_are_told_in_the_wanted_language_and_help_goes_to_stdout() {
    let told = vigie(&["trsut"]).ended(2);
    assert!(told.out.is_empty() && told.err.contains("'trust'"), "{told:?}");
    let told = vigie(&["trsut", "--lang", "fr"]).ended(2);
    assert!(told.err.contains("commande inconnue") && told.err.contains("trust"), "{told:?}");
    let mut french = command(&["pub", "--help"]);
    french.env("LC_ALL", "fr_FR.UTF-8");
    let help = finish(french, "").ended(0);
    assert!(help.err.is_empty() && help.out.contains("Publier un message"), "{help:?}");
    assert!(vigie(&["--help"]).ended(0).out.contains("10 storage failure"));
}

#[test]
fn a_channel_is_written_without_its_plane() {
    let place = Place::new();
    for args in [&["pub", "exercise/alert/fr", "x"][..], &["sub", "exercise/alert/fr", "--exercise"]] {
        let told = place.vigie(&[args, &["--as", "nation"]].concat()).ended(2);
        assert!(told.err.contains("without its plane"), "{told:?}");
    }
    assert!(place.vigie(&["sub", "alert/fr"]).ended(2).err.contains("--as"));
    assert!(vigie(&["sub", "alert/fr", "--as", "town"]).ended(3).err.contains("--context"));
    let told = place.vigie(&["sub", "alert/fr", "--as", "twon"]).ended(3);
    assert!(told.err.contains("town"), "{told:?}");
}

#[test]
fn whoever_closes_the_pipe_ends_it_quietly() {
    let mut child = command(&["errors"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_misspelt_key_of_a_context_is_named_with_what_was_meant() {
    let place = Place::new();
    place.edit("context.toml", "\ntls_roots =", "\ntls_root =");
    let told = place.vigie(&["sub", "alert/fr", "--as", "town"]).ended(3).err;
    assert!(told.contains("unknown key `tls_root`; did you mean `tls_roots`?"), "{told}");
    assert!(told.contains("line 5") && !told.contains("\\n") && told.lines().count() == 1, "{told}");
    let told = place.vigie(&["sub", "alert/fr", "--as", "town", "--lang", "fr"]).ended(3).err;
    assert!(told.contains("clé inconnue « tls_root » ; vouliez-vous dire « tls_roots » ?"), "{told}");
}

#[test]
fn who_asks_for_french_is_told_in_french() {
    let place = Place::new();
    let french = |args: &[&str]| place.vigie(&[args, &["--lang", "fr"]].concat());
    let key = place.path("identities/town/live.key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    for told in [
        french(&["pub", "alert/fr.idf.75.paris", "x", "--as", "town"]).ended(3).err,
        french(&["identity", "show"]).ended(0).out,
        french(&["check", "relay", "--as", "town"]).ended(3).out,
    ] {
        assert!(told.contains("a le mode 0640 : d'autres peuvent se servir de la clé privée"), "{told}");
        assert!(!told.contains("has mode"), "{told}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let told = french(&["sub", "alert/fr", "--as", "twon"]).ended(3).err;
    assert!(told.contains("il n'y a pas d'identité twon") && told.contains("« town »"), "{told}");
    let told = french(&["sub", "alert/fr", "--as", "x"]).ended(3).err;
    assert!(told.contains("il a : ") && told.contains("town"), "{told}");
    fs::copy(place.path("identities/field/live.chain"), place.path("identities/town/live.chain")).unwrap();
    assert!(
        french(&["sub", "alert/fr", "--as", "town"]).ended(3).err.contains("la clé privée n'est pas celle")
    );

    // Nobody listens there: the sentence is French, what the system said stands behind it.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.edit("context.toml", "localhost:7443", &nobody.local_addr().unwrap().to_string());
    drop(nobody);
    let told = french(&["check", "relay", "--as", "nation", "--crit", "500ms"]).ended(2).out;
    assert!(told.starts_with("CRITICAL pas d'authentification à temps (cannot reach"), "{told}");
    let told = french(&["sub", "alert/fr", "--as", "nation", "--wait", "20s"]).ended(4).err;
    assert!(told.contains("aucun relais n'a pu être joint") && told.contains(" (cannot reach"), "{told}");
    let told = french(&["pub", "alert/fr", "x", "--as", "nation", "--wait", "300ms"]).ended(4).err;
    assert!(told.contains("impossible de joindre") && !told.contains("cannot reach"), "{told}");
}
