//! Who speaks in these tests, and what they sign: all from fixed keys and times.

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::cap::{Alert, Headline, Urgency};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::message::{Content, Message};
use vigie_proto::revocation::{self, Statement, Target};
use vigie_proto::rotation::{self, Handover};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify;

/// When everything happens.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
/// How far honest clocks may be apart.
pub(crate) const SKEW: Duration = Duration::from_secs(120);
pub(crate) const CHANNEL: &str = "alert/fr";

/// Someone with a key and a chain.
pub(crate) struct Person {
    pub(crate) key: SigningKey,
    pub(crate) chain: Arc<Chain>,
}

impl Person {
    /// A message of an hour, as far from [`NOW`] as is said.
    pub(crate) fn say(&self, text: &str, sent: Timestamp) -> String {
        self.say_until(text, sent, sent.plus(HOUR))
    }

    pub(crate) fn say_until(&self, text: &str, sent: Timestamp, expires: Timestamp) -> String {
        let cap = Alert::from_headline(&Headline {
            plane: Plane::Live,
            identifier: "essai-1",
            sender: "essais@vigie.example",
            sent: "2027-01-15T09:00:00+01:00",
            language: "fr-FR",
            text,
            severity: Severity::Minor,
            urgency: Urgency::Future,
            area: "Zone d'essai",
            restriction: None,
        });
        let message = Message {
            channel: CHANNEL.parse().unwrap(),
            sent,
            expires,
            severity: Severity::Minor,
            label: Label::CLEAR,
            replaces: Vec::new(),
            content: Content { cap, original: None },
        };
        verify::sign(&self.key, self.chain.leaf().id(), &message)
    }

    /// A revocation of somebody's key.
    pub(crate) fn revoke(&self, whose: &Self, from: Timestamp, number: u64) -> String {
        let target = Target::Key(whose.key.public().thumbprint());
        revocation::sign(&self.key, self.chain.leaf(), &Statement { target, from, number, reason: None })
    }
}

/// A root, a nation below it, and others below the nation; and those under two other roots.
pub(crate) struct People {
    /// All that are trusted while whoever speaks logs in.
    pub(crate) roots_before: Roots,
    /// Those that are trusted when it is decided on what they said.
    pub(crate) roots: Roots,
    /// By which one of them hands over.
    pub(crate) rotation: String,
    pub(crate) root: Person,
    /// Delegates, and revokes.
    pub(crate) nation: Person,
    /// Good for a day around [`NOW`].
    pub(crate) author: Person,
    /// The same, and nobody speaks of it.
    pub(crate) other: Person,
    /// As the nation, and begins at [`NOW`].
    pub(crate) late: Person,
    /// As the nation, and ends ten seconds after [`NOW`].
    pub(crate) brief: Person,
    /// As the nation, under a root that has handed over ten seconds after [`NOW`].
    pub(crate) leaving: Person,
    /// As the nation, under a root that is taken out.
    pub(crate) gone: Person,
}

impl People {
    pub(crate) fn new() -> Self {
        let key = |seed: u8| SigningKey::from_seed(&[seed ^ 0xA7; 32]).unwrap();
        let claims = |key: &SigningKey, delegate, from, until| Claims {
            subject: *key.public(),
            org: "fr.etat".parse().unwrap(),
            name: "Essai".to_owned(),
            role: Role::Author,
            grants: vec![Grant {
                flow: Flow::Alert,
                at: "fr".parse().unwrap(),
                publish: Some(Severity::Extreme),
                subscribe: true,
                delegate,
            }],
            plane: Plane::Live,
            valid: Window { from, until },
        };
        let (from, until) = (NOW.minus(HOUR * 12), NOW.plus(HOUR * 12));
        let handover = Handover { successor: *key(8).public(), from, until: Some(NOW.plus(SECOND * 10)) };
        let rotation = rotation::sign(&key(6), Plane::Live, &handover).unwrap();
        let trusting = |seeds: &[u8]| {
            let mut roots = Roots::new(seeds.iter().map(|seed| key(*seed).public().thumbprint()));
            roots.install([&**rotation.token()]).unwrap();
            roots
        };
        let (roots_before, roots) = (trusting(&[0, 6, 7]), trusting(&[0, 6]));
        let top = |seed| {
            let key = key(seed);
            let root = Credential::issue_root(&key, &claims(&key, 3, from, until)).unwrap();
            let chain = Chain::verify([&**root.token()], &roots_before, &NoVerdicts).unwrap();
            Person { chain: Arc::new(chain), key }
        };
        let root = top(0);
        let below = |above: &Person, seed, delegate, from, until| {
            let key = key(seed);
            let chain = above.chain.extend(&above.key, &claims(&key, delegate, from, until)).unwrap();
            Person { chain: Arc::new(chain), key }
        };
        let nation = below(&root, 1, 2, from, until);
        let author = below(&nation, 2, 0, from, until);
        let other = below(&nation, 3, 0, from, until);
        let late = below(&root, 4, 2, NOW, until);
        let brief = below(&root, 5, 2, from, NOW.plus(SECOND * 10));
        let leaving = below(&top(6), 9, 2, from, until);
        let gone = below(&top(7), 10, 2, from, until);
        let rotation = rotation.token().to_string();
        Self { roots_before, roots, rotation, root, nation, author, other, late, brief, leaving, gone }
    }

    /// Everybody.
    pub(crate) fn all(&self) -> [&Person; 8] {
        let Self { root, nation, author, other, late, brief, leaving, gone, .. } = self;
        [root, nation, author, other, late, brief, leaving, gone]
    }

    /// Whose credential a token is signed under.
    pub(crate) fn signer(&self, said: &Said) -> &Person {
        let id = match said {
            Said::Message(jws) => verify::ClaimedMessage::read(jws).unwrap().credential(),
            Said::Revocation(jws) => revocation::claimed_issuer(jws).unwrap(),
        };
        self.all().into_iter().find(|person| person.chain.leaf().id() == id).unwrap()
    }
}

/// What somebody signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Message(String),
    Revocation(String),
}

impl Said {
    pub(crate) fn jws(&self) -> &str {
        match self {
            Self::Message(jws) | Self::Revocation(jws) => jws,
        }
    }
}
