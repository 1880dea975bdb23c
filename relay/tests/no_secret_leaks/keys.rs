//! The same of everything that makes, certifies, changes and ends keys, of what waits to be sent, and of all files that it
//! leaves beside the keys: also those that were made meanwhile are looked for.

use super::*;

const SIGNAL: &str = "signal/fr.idf.75.paris";
/// Longer than any step takes; only a failing test waits for it.
const PATIENCE: &str = "60s";
/// Nothing listens there.
const NOBODY: &str = "127.0.0.1:1";

/// A place in which keys come and go, and all that was said of it.
struct Talk {
    place: Place,
    /// How commands speak: for people, or as JSON.
    form: &'static [&'static str],
    said: Vec<u8>,
}

impl Talk {
    fn vigie(&mut self, args: &[&str], code: i32) {
        let command = self.place.command(&[args, &["-vv"], self.form].concat());
        self.run(command, args, code);
    }

    /// Queues a message while no relay can be reached: one that is there takes it even within a millisecond.
    fn put(&mut self, relay: &str) {
        self.place.edit("context.toml", relay, NOBODY);
        self.vigie(&["pub", SIGNAL, CONTENT, "--as", "field", "--offline", "--wait", "1ms"], 8);
        self.place.edit("context.toml", NOBODY, relay);
    }

    /// On a machine that has no context: where roots are made.
    fn offline(&mut self, args: &[&str], code: i32) {
        self.run(support::command(&[args, &["-vv"], self.form].concat()), args, code);
    }

    fn run(&mut self, mut command: std::process::Command, args: &[&str], code: i32) {
        command.env("VIGIE_LOG", "trace");
        let ran = support::finish(command, "");
        assert_eq!(ran.code, code, "{args:?} {ran:?}");
        self.said.extend(ran.out.bytes().chain(ran.err.bytes()));
    }

    /// Roots, identities and the authority for trial, as a newcomer makes them and as a ceremony does.
    fn make(&mut self) {
        let path = |file: &str| self.place.path(file);
        let (another, old, new) = (path("another"), path("old"), path("new"));
        let (root, next, rotation) =
            (path("old/root-live.chain"), path("new/root-live.chain"), path("rotation"));
        self.vigie(&["init", &another], 0);
        self.vigie(&["init", &another], 2);
        self.offline(&["trust", "root", "new", "--out", &old, "--at", "fr", "--name", "Racine"], 0);
        self.offline(&["trust", "root", "new", "--out", &new, "--at", "fr", "--name", "Racine, deux"], 0);
        self.offline(&["trust", "root", "show", &root], 0);
        let rotate = ["trust", "root", "rotate", "--authority", &old, "--to", &next, "--overlap", "90d"];
        self.offline(&[&rotate[..], &["--out", &rotation]].concat(), 0);
        self.offline(&["trust", "root", "show", &rotation], 0);
        self.vigie(&["identity", "new", "poste"], 0);
        let grant = ["trust", "grant", "--as", "nation", "--to", "poste", "--org", "fr.interieur.idf.paris"];
        let what = ["--name", "Poste", "--at", "fr.idf.75.paris", "--publish", "severe", "--subscribe"];
        self.vigie(&[&grant[..], &what].concat(), 0);
        self.vigie(&["identity", "show"], 0);
        self.vigie(&["trust", "list"], 0);
        self.vigie(&["trust", "show", "town"], 0);
        self.vigie(&["trust", "explain", "town", "alert/fr.idf.75.paris", "--publish", "severe"], 0);
    }

    /// What waits, another key under a name, and the ends of keys: sent, kept and carried.
    fn change(&mut self, relay: &str) {
        let (authority, carried) = (self.place.path("authority"), self.place.path("carried.jws"));
        self.put(relay);
        self.vigie(&["queue", "ls", "--as", "field"], 0);
        self.vigie(&["queue", "send", "--as", "field", "--wait", PATIENCE], 0);
        self.put(relay);
        self.vigie(&["trust", "rotate", "field", "--as", "region"], 0);
        self.vigie(&["trust", "revoke", "nation", "--as", "region"], 5);
        self.vigie(&["trust", "revoke", "town", "--as", "nation", "--reason", "keyCompromise"], 0);
        self.vigie(&["trust", "revoke", "poste", "--as", "nation", "--offline"], 0);
        self.vigie(&["trust", "send", "--as", "nation"], 0);
        let end = ["trust", "revoke", "region", "--authority", &authority, "--out", &carried];
        self.vigie(&end, 0);
        self.vigie(&["trust", "send", &carried, "--as", "nation"], 0);
        self.vigie(&["pub", SIGNAL, CONTENT, "--as", "region"], 5);
        self.vigie(&["trust", "list"], 0);
    }

    /// What is copied and handed out.
    fn hand_out(&mut self) {
        let path = |file: &str| self.place.path(file);
        let (config, export, copy) = (path("vigie.toml"), path("export.jsonl"), path("copy"));
        self.vigie(&["journal", "export", "--config", &config, "-o", &export], 0);
        self.vigie(&["journal", "verify", "--config", &config], 0);
        self.vigie(&["journal", "stats", "--config", &config], 0);
        self.vigie(&["journal", "backup", &copy, "--config", &config], 0);
        self.vigie(&["verify", &export], 0);
    }

    /// All files but those of keys.
    fn files(&mut self) {
        let mut open = vec![self.place.dir()];
        while let Some(folder) = open.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                // Not a socket.
                if !path.is_file() {
                    continue;
                }
                let bytes = fs::read(&path).unwrap();
                // Files of the journal are mostly room that nothing was written to.
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                if !bytes[..end].windows(11).any(|part| part == b"PRIVATE KEY") {
                    self.said.extend(&bytes[..end]);
                }
            }
        }
    }
}

#[test]
fn no_private_key_is_in_what_makes_and_ends_keys_nor_in_what_it_leaves() {
    for (form, log) in [(&[][..], "text"), (&["--json"], "json")] {
        let mut talk = Talk { place: Place::new(), form, said: Vec::new() };
        let mut secrets = Vec::new();
        secrets_below(&talk.place.dir(), &mut secrets);
        talk.make();
        let relay = Relay::start(&talk.place, "trace", log);
        relay.is_that_of(&talk.place);
        secrets_below(&talk.place.dir(), &mut secrets);
        talk.change(relay.running.address());
        talk.said.extend(relay.running.stop("-TERM").1.bytes());
        talk.hand_out();
        secrets_below(&talk.place.dir(), &mut secrets);
        talk.files();
        // Each was read at most three times, and some are gone by now: replaced by others.
        secrets.sort_by(|one, other| one.forms.cmp(&other.forms));
        secrets.dedup_by(|one, other| one.forms == other.forms);
        assert!(
            secrets.len() > 30,
            "those of two deployments, two roots and two identities: {}",
            secrets.len()
        );
        assert!(talk.said.len() > 100_000, "{} bytes", talk.said.len());
        for secret in &secrets {
            assert_eq!(secret.found_in(&talk.said), [""; 0], "{}", secret.file.display());
        }
    }
}
