//! Fixtures of the benches: a chain of command and messages under it, from fixed seeds.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must stop")]

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::cap::{self, Headline};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::message::{Content, Message};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify;

/// The moment at which the fixtures play.
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A root, a nation and a town below it.
#[derive(Debug)]
pub struct Fixture {
    /// The pinned root.
    pub roots: Roots,
    /// The town's private key.
    pub key: SigningKey,
    /// Its chain, three links.
    pub chain: Arc<Chain>,
}

impl Default for Fixture {
    fn default() -> Self {
        let keys = [1, 2, 3].map(|seed| SigningKey::from_seed(&[seed; 32]).unwrap());
        let claims = |key: &SigningKey, delegate| Claims {
            subject: *key.public(),
            org: "fr".parse().unwrap(),
            name: "Banc d'essai".to_owned(),
            role: Role::Author,
            grants: vec![Grant {
                flow: Flow::Alert,
                at: "fr".parse().unwrap(),
                publish: Some(Severity::Extreme),
                subscribe: true,
                delegate,
            }],
            plane: Plane::Live,
            valid: Window {
                from: NOW.minus(Duration::from_secs(60)),
                until: NOW.plus(Duration::from_secs(86_400)),
            },
        };
        let [root, nation, town] = keys;
        let roots = Roots::new([root.public().thumbprint()]);
        let credential = Credential::issue_root(&root, &claims(&root, 2)).unwrap();
        let chain = Chain::verify([&**credential.token()], &roots, &NoVerdicts).unwrap();
        let chain = chain.extend(&root, &claims(&nation, 1)).unwrap();
        let chain = chain.extend(&nation, &claims(&town, 0)).unwrap();
        Self { roots, key: town, chain: Arc::new(chain) }
    }
}

impl Fixture {
    /// A signed alert of about 1 KiB.
    pub fn alert(&self) -> String {
        let content = cap::Alert::from_headline(&Headline {
            plane: Plane::Live,
            identifier: "banc-1",
            sender: "banc@vigie.example",
            sent: "2027-01-15T09:00:00+01:00",
            language: "fr-FR",
            text: "Crue rapide de la Marne : quittez les berges et les sous-sols",
            severity: Severity::Severe,
            urgency: cap::Urgency::Immediate,
            area: "Val-de-Marne",
            restriction: None,
        });
        let message = Message {
            channel: "alert/fr.idf.94".parse().unwrap(),
            sent: NOW,
            expires: NOW.plus(Duration::from_secs(3_600)),
            severity: Severity::Severe,
            label: Label::CLEAR,
            replaces: Vec::new(),
            content: Content { cap: content, original: None },
        };
        verify::sign(&self.key, self.chain.leaf().id(), &message)
    }
}
