//! `vigie init`: a whole deployment for trial in one folder: roots, TLS, a relay's settings, identities on both planes.
//!
//! Everything is made here and now from the system's randomness; nothing is shared between two folders. What it makes
//! is for trial: the roots' private keys lie beside everything else.

mod people;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use vigie_proto::chain::Chain;
use vigie_proto::channel::{Jurisdiction, Plane};
use vigie_proto::credential::{Claims, Role};
use vigie_proto::id::KeyId;
use vigie_proto::key::SigningKey;
use vigie_proto::refusal::Refusal;
use vigie_proto::time::Timestamp;

use self::people::{PEOPLE, Person};
use super::args;
use super::authority;
use super::exit::{Exit, Failure, Outcome};
use super::files;
use super::journal;
use super::screen::Screen;
use super::settings;
use super::text::Lang;
use super::time;
use crate::journal::mark_new;

/// Both planes, in the order of every list here.
pub(super) const PLANES: [Plane; 2] = [Plane::Live, Plane::Exercise];
/// The country of the trial, and the organisation of its root.
const COUNTRY: &str = "fr";
/// This machine only, until someone decides otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7443);
/// The names by which a machine calls itself.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

pub(super) fn run(screen: &Screen, args: &args::Init) -> Outcome {
    lay_out(screen.lang, &args.dir)?;
    let dir = args.dir.display();
    if screen.json {
        return screen.object(&serde_json::json!({ "type": "init", "dir": args.dir, "trial": true }));
    }
    screen.warn(&screen.lang.trial_roots());
    screen.line(&screen.lang.init_done(dir))
}

/// Makes the folder with all that is in it.
///
/// # Errors
/// The folder is not empty, or something in it cannot be written.
pub(crate) fn lay_out(lang: Lang, dir: &Path) -> Outcome {
    refuse_full(lang, dir)?;
    let now = time::now();
    let layout = Layout { lang, dir };
    for folder in ["authority", "tls", "relay", "identities", "journal"] {
        files::create_folder(lang, &dir.join(folder))?;
    }
    mark_new(&dir.join("journal")).map_err(|error| journal::failed(lang, &dir.join("journal"), &error))?;
    let roots = [layout.plane(Plane::Live, now)?, layout.plane(Plane::Exercise, now)?];
    layout.tls(now)?;
    files::create_public(lang, &dir.join("vigie.toml"), &settings::trial_file(lang, LISTEN, &NAMES, &roots))?;
    files::create_public(lang, &dir.join("context.toml"), &context_file(lang, &roots))
}

fn refuse_full(lang: Lang, dir: &Path) -> Outcome {
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(Failure::new(Exit::Usage, lang.folder_not_empty(dir.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => files::create_folder(lang, dir),
        Err(error) => Err(files::cannot_read(lang, dir, &error)),
    }
}

fn context_file(lang: Lang, roots: &[KeyId; 2]) -> String {
    let [live, exercise] = roots;
    let [relays, tls, pinned, identities] = lang.context_comments();
    format!(
        "# {relays}\nrelays = [\"wss://{}:{}\"]\n\n# {tls}\ntls_roots = \"tls/ca.pem\"\n\n# {pinned}\n\
         roots = [\n    \"{live}\",\n    \"{exercise}\",\n]\n\n# {identities}\nidentities = \"identities\"\n",
        NAMES[0],
        LISTEN.port()
    )
}

/// Someone who can issue.
struct Holder {
    key: SigningKey,
    chain: Chain,
}

struct Layout<'a> {
    lang: Lang,
    dir: &'a Path,
}

impl Layout<'_> {
    /// The root of one plane and everyone below it. Returns the thumbprint to pin.
    fn plane(&self, plane: Plane, now: Timestamp) -> Result<KeyId, Failure> {
        let root = self.root(plane, now)?;
        let pin = root.key.public().thumbprint();
        if plane == Plane::Live {
            self.relay(&root, now)?;
        }
        // Those who command stand before those below them.
        let mut issuers: Vec<(&str, Holder)> = vec![(people::ROOT, root)];
        for person in PEOPLE {
            let issuer = issuers.iter().find(|(name, _)| *name == person.under);
            let (_, issuer) = issuer.expect("the table names issuers before those they issue for");
            let holder = self.person(person, issuer, plane, now)?;
            issuers.push((person.name, holder));
        }
        Ok(pin)
    }

    fn root(&self, plane: Plane, now: Timestamp) -> Result<Holder, Failure> {
        let new = files::new_key(self.lang)?;
        let name = self.lang.trial_root_name(plane);
        let chain =
            authority::make_root(&new.key, &place(COUNTRY), &name, plane, now).map_err(|e| self.bug(&e))?;
        let base = self.dir.join("authority");
        files::create_secret(self.lang, &base.join(format!("root-{plane}.key.pem")), &new.pem)?;
        self.write_chain(base.join(format!("root-{plane}.chain")), &chain)?;
        Ok(Holder { key: new.key, chain })
    }

    fn person(
        &self,
        person: &Person,
        issuer: &Holder,
        plane: Plane,
        now: Timestamp,
    ) -> Result<Holder, Failure> {
        let new = files::new_key(self.lang)?;
        let grants = person.grants();
        let lifetime = authority::default_lifetime(&grants);
        let claims = Claims {
            subject: *new.key.public(),
            org: place(person.org),
            name: person.title.to_owned(),
            role: Role::Author,
            grants,
            plane,
            valid: authority::window_inside(&issuer.chain, now, lifetime),
        };
        let chain = issuer.chain.extend(&issuer.key, &claims).map_err(|error| self.bug(&error))?;
        let folder = self.dir.join("identities").join(person.name);
        files::create_folder(self.lang, &folder)?;
        files::create_secret(self.lang, &folder.join(format!("{plane}.key.pem")), &new.pem)?;
        self.write_chain(folder.join(format!("{plane}.chain")), &chain)?;
        Ok(Holder { key: new.key, chain })
    }

    /// The relay's own key and credential. It runs for years, so it is renewed like one that delegates.
    fn relay(&self, root: &Holder, now: Timestamp) -> Outcome {
        let new = files::new_key(self.lang)?;
        let claims = Claims {
            subject: *new.key.public(),
            org: place(people::RELAY_ORG),
            name: people::RELAY_TITLE.to_owned(),
            role: Role::Relay,
            grants: Vec::new(),
            plane: Plane::Live,
            valid: authority::window_inside(&root.chain, now, authority::DELEGATING_LIFETIME),
        };
        let chain = root.chain.extend(&root.key, &claims).map_err(|error| self.bug(&error))?;
        files::create_secret(self.lang, &self.dir.join("relay/key.pem"), &new.pem)?;
        files::create_public(self.lang, &self.dir.join("relay/pub.pem"), &new.public_pem)?;
        self.write_chain(self.dir.join("relay/relay.chain"), &chain)
    }

    fn tls(&self, now: Timestamp) -> Outcome {
        let failed = |error: rcgen::Error| Failure::new(Exit::Failure, self.lang.cannot_make_key(error));
        let made = tls::make(&NAMES, now).map_err(failed)?;
        let at = |path: &str| self.dir.join(path);
        files::create_secret(self.lang, &at("authority/tls-ca.key.pem"), &made.ca_key)?;
        files::create_public(self.lang, &at("tls/ca.pem"), &made.ca)?;
        files::create_secret(self.lang, &at("relay/tls.key.pem"), &made.relay_key)?;
        files::create_public(self.lang, &at("relay/tls.pem"), &made.relay)
    }

    fn write_chain(&self, path: PathBuf, chain: &Chain) -> Outcome {
        files::create_public(self.lang, &path, &files::chain_text(chain))
    }

    /// What the tables here ask for fits; a clock before 1970 is one way in which it would not.
    fn bug(&self, refusal: &Refusal) -> Failure {
        Failure::refused(self.lang, refusal)
    }
}

fn place(text: &str) -> Jurisdiction {
    text.parse().expect("the places in the tables here are well formed")
}
