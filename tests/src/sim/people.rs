//! The people of a simulation: keys from the seed, chains of command valid in virtual time, what each may say and hear.

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

use super::random::Chance;
use crate::world::grant;

/// When every simulation begins.
pub const BEGIN: Timestamp = Timestamp::from_millis(1_770_000_000_000);

/// How long most credentials are good before and after [`BEGIN`].
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Someone with one key, and the chains that it holds one after the other.
#[derive(Clone, Debug)]
pub struct Person {
    /// The private key.
    pub key: Arc<SigningKey>,
    /// The chain in use first.
    pub first: Arc<Chain>,
    /// The renewed one, where `first` ends early.
    pub renewed: Option<Arc<Chain>>,
    /// Another credential of the same key, given by somebody higher up.
    pub beside: Option<Arc<Chain>>,
}

impl Person {
    /// The chain to use at this moment: the renewed one in the last seconds of the first.
    pub fn chain(&self, now: Timestamp) -> &Arc<Chain> {
        match &self.renewed {
            Some(renewed) if now.plus(Duration::from_millis(500)) >= self.first.window().until => renewed,
            _ => &self.first,
        }
    }

    /// All its chains.
    pub fn chains(&self) -> impl Iterator<Item = &Arc<Chain>> {
        [Some(&self.first), self.renewed.as_ref(), self.beside.as_ref()].into_iter().flatten()
    }

    /// Those that are good now, and some time yet.
    pub fn chains_at(&self, now: Timestamp) -> Vec<&Arc<Chain>> {
        self.chains().filter(|chain| now.plus(Duration::from_millis(500)) < chain.window().until).collect()
    }
}

/// The chain of command of one plane.
#[derive(Clone, Debug)]
pub struct Command {
    /// Which plane.
    pub plane: Plane,
    /// Everything, and pinned.
    pub root: Person,
    /// Everything at `fr`.
    pub nation: Person,
    /// Everything at `fr.idf`.
    pub region: Person,
    /// Everything at `fr.idf.75.paris`.
    pub town: Person,
    /// Everything at `fr.naq.33.bordeaux`.
    pub elsewhere: Person,
    /// Signals up to Severe at `fr.idf.75.paris`, and hears its alerts.
    pub field: Person,
}

fn claims(plane: Plane, key: &SigningKey, org: &str, grants: Vec<Grant>, until: Timestamp) -> Claims {
    Claims {
        subject: *key.public(),
        org: org.parse().unwrap(),
        name: org.to_owned(),
        role: Role::Author,
        grants,
        plane,
        valid: Window { from: BEGIN.minus(DAY), until },
    }
}

fn everything(at: &str, delegate: u8) -> Vec<Grant> {
    [Flow::Alert, Flow::Signal].map(|flow| grant(flow, at, Some(Severity::Extreme), delegate)).to_vec()
}

fn key(chance: &mut Chance) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(&chance.bytes()).unwrap())
}

/// Half of all people hold a credential that ends in the middle of things, and another that follows it.
fn appoint(chance: &mut Chance, above: &Person, org: &str, grants: Vec<Grant>, leaf: bool) -> Person {
    let key = key(chance);
    let plane = above.first.plane();
    let issue = |until| {
        let claims = claims(plane, &key, org, grants.clone(), until);
        Arc::new(above.first.extend(&above.key, &claims).unwrap())
    };
    let whole = issue(BEGIN.plus(DAY));
    if leaf && chance.one_in(2) {
        let ends = BEGIN.plus(Duration::from_millis(chance.within(10_000..=60_000)));
        return Person { first: issue(ends), renewed: Some(whole), beside: None, key };
    }
    Person { key, first: whole, renewed: None, beside: None }
}

/// What the person was appointed to, by somebody else as well.
fn appoint_beside(above: &Person, person: &Person) -> Arc<Chain> {
    let mut claims = person.first.leaf().claims().clone();
    claims.valid.until = BEGIN.plus(DAY);
    Arc::new(above.first.extend(&above.key, &claims).unwrap())
}

impl Command {
    /// Appoints everyone.
    pub fn new(plane: Plane, chance: &mut Chance) -> Self {
        let key = key(chance);
        let claims = claims(plane, &key, "fr", everything("fr", 4), BEGIN.plus(DAY));
        let credential = Credential::issue_root(&key, &claims).unwrap();
        let roots = Roots::new([key.public().thumbprint()]);
        let chain = Chain::verify([&**credential.token()], &roots, &NoVerdicts).unwrap();
        let root = Person { key, first: Arc::new(chain), renewed: None, beside: None };
        // Those who appoint others hold theirs throughout.
        let nation = appoint(chance, &root, "fr.etat", everything("fr", 3), false);
        let region = appoint(chance, &nation, "fr.etat.idf", everything("fr.idf", 2), false);
        let mut town = appoint(chance, &region, "fr.etat.idf.paris", everything("fr.idf.75.paris", 0), true);
        let elsewhere = appoint(chance, &nation, "fr.etat.naq", everything("fr.naq.33.bordeaux", 0), true);
        let signals =
            Grant { subscribe: false, ..grant(Flow::Signal, "fr.idf.75.paris", Some(Severity::Severe), 0) };
        let hears = grant(Flow::Alert, "fr.idf.75.paris", None, 0);
        let mut field = appoint(chance, &region, "fr.etat.idf.sdis", vec![signals, hears], true);
        for person in [&mut town, &mut field] {
            if chance.one_in(2) {
                person.beside = Some(appoint_beside(&nation, person));
            }
        }
        Self { plane, root, nation, region, town, elsewhere, field }
    }

    /// The thumbprint to pin.
    pub fn pinned(&self) -> vigie_proto::id::KeyId {
        self.root.key.public().thumbprint()
    }
}
