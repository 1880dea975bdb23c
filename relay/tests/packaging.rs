//! What is installed is what stands in the tree: the package's files exist and fit each other, its settings are those
//! that `vigie init` explains, every command has its manual page and its completions, and no script removes a journal.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

#[path = "cli_suite/support.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use support::{Place, vigie};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Source, destination and mode of each file of the Debian package, and its description.
fn package() -> (Vec<[String; 3]>, toml::Table) {
    let manifest: toml::Table = toml::from_str(&read("relay/Cargo.toml")).unwrap();
    let deb = manifest["package"]["metadata"]["deb"].as_table().unwrap().clone();
    let assets = deb["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|asset| [0, 1, 2].map(|at| asset[at].as_str().unwrap().to_owned()))
        .collect();
    (assets, deb)
}

/// Where the package puts the file of this source.
fn installed(source: &str) -> String {
    let found = package().0.into_iter().find(|[from, ..]| from == source);
    format!("/{}", found.unwrap_or_else(|| panic!("{source} is not in the package"))[1])
}

fn unit_line(key: &str) -> String {
    let unit = read("packaging/systemd/vigie.service");
    unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap().to_owned()
}

#[test]
fn what_the_package_holds_exists() {
    let build = read("packaging/release");
    for [source, destination, mode] in package().0 {
        assert!(!destination.starts_with('/') && ["644", "755"].contains(&mode.as_str()), "{destination}");
        match source.strip_prefix("target/release/package/") {
            // Made by packaging/release, which names each of its folders and files.
            Some("vigie") => assert!(build.contains("-o \"$place/vigie\"")),
            Some(page) if page.starts_with("man/") => {
                let language = page.strip_prefix("man/").unwrap().split_once('/').unwrap().0;
                assert!(
                    build.contains("for language in en fr;") && ["en", "fr"].contains(&language),
                    "{page}"
                );
            }
            Some(script) => {
                let shell = script.strip_prefix("completions/vigie.").unwrap();
                assert!(build.contains("for shell in bash zsh fish;"));
                assert!(["bash", "zsh", "fish"].contains(&shell), "{script}");
            }
            None => assert!(root().join("relay").join(&source).is_file(), "{source}"),
        }
    }
}

#[test]
fn the_unit_runs_what_the_package_installs() {
    let words = unit_line("ExecStart");
    let words: Vec<&str> = words.split(' ').collect();
    assert_eq!(words[0], installed("target/release/package/vigie"));
    let settings = words[words.iter().position(|word| *word == "--config").unwrap() + 1];
    assert_eq!(settings, installed("../packaging/vigie.toml"));
    let (_, deb) = package();
    assert_eq!(deb["conf-files"].as_array().unwrap(), &[toml::Value::from(settings)]);
    assert!(installed("../packaging/systemd/vigie.service").ends_with("/systemd/system/vigie.service"));
    let journal = toml::from_str::<toml::Table>(&read("packaging/vigie.toml")).unwrap()["journal"].clone();
    assert_eq!(journal.as_str().unwrap(), format!("/var/lib/{}/journal", unit_line("StateDirectory")));
    // The command line that the unit gives is one that this program takes.
    let more = [&words[1..], &["--help"]].concat();
    vigie(&more).ended(0);
    // The user is the one that is made.
    let made = read("packaging/debian/postinst");
    assert!(made.contains("adduser --system --group") && unit_line("User") == "vigie");
}

/// A journal is removed by people only; no word of a script comes near it.
#[test]
fn no_script_of_the_package_removes_more_than_its_own_link() {
    let (_, deb) = package();
    let scripts = root().join("relay").join(deb["maintainer-scripts"].as_str().unwrap());
    let mut names: Vec<_> =
        std::fs::read_dir(&scripts).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["postinst", "postrm", "prerm"]);
    let mut removals = Vec::new();
    for name in names {
        let path = scripts.join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let shell = std::process::Command::new("sh").arg("-n").arg(&path).status().unwrap();
        assert!(shell.success() && text.contains("\nset -e\n"), "{path:?}");
        let code =
            text.lines().map(str::trim).filter(|line| !line.starts_with(['#']) && !line.starts_with("echo"));
        let removes = |line: &&str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            ["rm", "rmdir", "unlink", "find", "mv", "truncate", "deluser", "userdel", "dd"]
                .iter()
                .any(|word| words.contains(word))
                || line.contains('>') && !line.contains(">/dev/null") && !line.contains(">&2")
        };
        removals.extend(code.filter(removes).map(str::to_owned));
    }
    assert_eq!(removals, ["rm -f /etc/systemd/system/multi-user.target.wants/vigie.service"]);
}

/// The settings of the package, from the file that `vigie init` writes: the same explanations, other values.
fn packaged_settings(trial: &str) -> String {
    let kept = trial.split("\n\n").filter(|paragraph| !paragraph.contains("\ntrial = true"));
    let paragraphs = kept.map(|paragraph| {
        let mut text = String::new();
        let mut inside = false;
        for line in paragraph.lines() {
            let value = match line.split_once(" = ").map(|(key, _)| key) {
                Some("listen") => "listen = \"0.0.0.0:7443\"",
                Some("names") => "names = [\"relay.example.org\"]",
                Some("tls_chain") => "tls_chain = \"tls.pem\"",
                Some("tls_key") => "tls_key = \"tls.key.pem\"",
                Some("roots") => "roots = []",
                Some("journal") => "journal = \"/var/lib/vigie/journal\"",
                Some("relay_key") => "relay_key = \"relay.key.pem\"",
                Some("relay_chain") => "relay_chain = \"relay.chain\"",
                Some(_) | None => line,
            };
            if !inside {
                text += value;
                text.push('\n');
            }
            inside = (inside || line == "roots = [") && line != "]";
        }
        text
    });
    paragraphs.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_packaged_settings_are_those_that_init_explains() {
    for (language, path) in [("en", "packaging/vigie.toml"), ("fr", "packaging/vigie.fr.toml")] {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        vigie(&["--lang", language, "init", place.to_str().unwrap()]).ended(0);
        let expected = packaged_settings(&std::fs::read_to_string(place.join("vigie.toml")).unwrap());
        if std::env::var_os("VIGIE_WRITE_PACKAGING").is_some() {
            std::fs::write(root().join(path), &expected).unwrap();
        }
        assert!(
            read(path) == expected,
            "{path} is out of date: VIGIE_WRITE_PACKAGING=1 cargo test -p vigie-relay --test packaging"
        );
    }
}

/// As an administrator does it: what the package leaves open is filled in, then `--check` is content. Before, it is not.
#[test]
fn the_packaged_settings_are_good_once_filled_in() {
    let place = Place::new();
    let trial = std::fs::read_to_string(place.dir().join("vigie.toml")).unwrap();
    let roots = trial.split_once("\nroots = ").unwrap().1.split_once("\n]").unwrap().0;
    let shipped = read("packaging/vigie.toml");
    let file = place.path("shipped.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        vigie(&["relay", "run", "--config", &file, "--check"])
    };
    assert!(check(&shipped).ended(3).err.contains("roots"));
    let filled = shipped
        .replace("roots = []", &format!("roots = {roots}\n]"))
        .replace("\"tls.pem\"", "\"relay/tls.pem\"")
        .replace("\"tls.key.pem\"", "\"relay/tls.key.pem\"")
        .replace("\"relay.key.pem\"", "\"relay/key.pem\"")
        .replace("\"relay.chain\"", "\"relay/relay.chain\"")
        .replace("\"/var/lib/vigie/journal\"", "\"journal\"");
    check(&filled).ended(0);
}

/// Every command, as words behind `vigie`, from what the help says.
fn commands(above: &[&str]) -> Vec<Vec<String>> {
    let help = vigie(&[above, &["--help"]].concat()).ended(0).out;
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let mut found = Vec::new();
    for line in list.lines().take_while(|line| !line.is_empty()) {
        // A description that goes on in the next line stands further in.
        let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { continue };
        let name = name.split(' ').next().unwrap();
        let words = [above, &[name]].concat();
        found.push(words.iter().map(|word| (*word).to_owned()).collect());
        found.extend(commands(&words));
    }
    found
}

#[test]
fn every_command_has_its_manual_page_and_its_completions() {
    let commands = commands(&[]);
    assert!(commands.len() > 40, "{commands:?}");
    let expected: BTreeSet<String> = commands
        .iter()
        .map(|words| format!("vigie-{}.1", words.join("-")))
        .chain(["vigie.1".to_owned()])
        .collect();
    for language in ["en", "fr"] {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("man1");
        vigie(&["man", "--lang", language, folder.to_str().unwrap()]).ended(0);
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        let usual = scratch.path().join("usual");
        std::fs::create_dir(&usual).unwrap();
        assert_eq!(mode, std::fs::metadata(&usual).unwrap().permissions().mode(), "others read them too");
        let pages: BTreeSet<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(pages, expected);
        let page = std::fs::read_to_string(folder.join("vigie-relay-run.1")).unwrap();
        assert!(page.contains("Faire tourner un relais") == (language == "fr"), "{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = vigie(&["completions", shell]).ended(0).out;
        for words in &commands {
            let told = match shell {
                "bash" => format!("vigie__subcmd__{}", words.join("__subcmd__").replace('-', "__subcmd__")),
                _ => words.last().unwrap().clone(),
            };
            assert!(script.contains(&told), "{shell}: {told}");
        }
    }
}

#[test]
fn the_container_runs_what_the_unit_runs_and_not_as_root() {
    let text = read("packaging/Containerfile").replace("\\\n", " ");
    let steps: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let all = |name: &str| {
        steps.iter().filter(|(step, _)| *step == name).map(|(_, rest)| *rest).collect::<Vec<_>>()
    };
    let images = all("FROM");
    assert_eq!(images.len(), 2, "one stage builds, one runs");
    for image in &images {
        let (_, tag) = image.split(' ').next().unwrap().split_once(':').unwrap();
        assert!(
            tag.starts_with(|digit: char| digit.is_ascii_digit()) || tag.starts_with("bookworm"),
            "{image}"
        );
    }
    let toolchain = read("Cargo.toml");
    let toolchain = toolchain.split_once("\nrust-version = \"").unwrap().1.split_once('"').unwrap().0;
    assert!(images[0].starts_with(&format!("rust:{toolchain}-")), "{images:?}");
    // The two stages have one C library.
    assert!(images.iter().all(|image| image.contains("bookworm")), "{images:?}");
    assert!(text.contains("RUN [\"bash\", \"packaging/release\"]"));

    let users = all("USER");
    assert_eq!(users.len(), 1);
    assert!(
        users[0].split(':').all(|number| number.parse::<u32>().is_ok_and(|number| number > 0)),
        "{users:?}"
    );
    for name in ["ENTRYPOINT", "CMD", "HEALTHCHECK"] {
        let last = steps.iter().rposition(|(step, _)| *step == name).unwrap();
        assert!(last > steps.iter().position(|(step, _)| *step == "USER").unwrap(), "{name}");
    }
    for copied in all("COPY").into_iter().filter(|copied| *copied != ". .") {
        let words: Vec<&str> = copied.split(' ').collect();
        let (sources, _) = words.split_at(words.len() - 1);
        match sources {
            ["--from=build", built] => {
                assert_eq!(*built, "/vigie/target/release/package/vigie");
                assert_eq!(words[2], installed("target/release/package/vigie"));
            }
            files => files.iter().for_each(|file| assert!(root().join(file).is_file(), "{file}")),
        }
    }
    let list = |json: &str| -> Vec<String> { serde_json::from_str(json).unwrap() };
    let run = [list(all("ENTRYPOINT")[0]), list(all("CMD")[0])].concat().join(" ");
    assert_eq!(run, unit_line("ExecStart").replace("/usr/bin/", ""));
    // What is in the tree of whoever builds, and must not be in an image.
    let ignored = read(".dockerignore");
    assert!(
        ["/target", "/.git", "*.pem", "*.key"].iter().all(|line| ignored.lines().any(|one| one == *line))
    );
}
