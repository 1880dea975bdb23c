//! Who speaks and hears in the model, made once: keys, a chain of command, signed messages.

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::cap::{Alert, Headline, Urgency};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Channel, Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::hear::Reader;
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::message::{Content, Message};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify::{self, VerifiedMessage};

/// When every run begins.
pub(super) const BEGIN: Timestamp = Timestamp::from_millis(1_770_000_000_000);

const HOUR: Duration = Duration::from_secs(3_600);

/// Messages of a run at most, the last one not counted.
pub(super) const MESSAGES_MAX: usize = 10;

/// What messages are addressed to, in turn. What is said at `fr` is heard by all of [`FILTERS`].
const CHANNELS: [&str; 3] = ["alert/fr.idf", "signal/fr.idf", "alert/fr"];

/// What readers may ask to hear: all, a part, and next to nothing.
pub(super) const FILTERS: [&[&str]; 3] =
    [&["alert/fr.**", "signal/fr.**"], &["alert/fr", "signal/fr"], &["alert/fr"]];

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) key: Arc<SigningKey>,
    pub(super) chain: Arc<Chain>,
    pub(super) roots: Roots,
    /// Verified messages; the last one is heard by everybody.
    pub(super) messages: Vec<VerifiedMessage>,
    /// Who hears what, by the number of the filters.
    pub(super) readers: Vec<Reader>,
}

impl Cast {
    pub(super) fn new() -> Self {
        let key = Arc::new(SigningKey::from_seed(&[0xB3; 32]).unwrap());
        let claims = Claims {
            subject: *key.public(),
            org: "fr.etat".parse().unwrap(),
            name: "etat".to_owned(),
            role: Role::Author,
            grants: [Flow::Alert, Flow::Signal].map(everything).to_vec(),
            plane: Plane::Live,
            valid: Window { from: BEGIN.minus(HOUR), until: BEGIN.plus(HOUR) },
        };
        let root = Credential::issue_root(&key, &claims).unwrap();
        let roots = Roots::new([key.public().thumbprint()]);
        let chain = Arc::new(Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap());
        let channels = CHANNELS.iter().cycle().take(MESSAGES_MAX).chain([&CHANNELS[2]]);
        let messages = channels.enumerate().map(|(number, channel)| message(&key, &chain, channel, number));
        let filters = |set: &[&str]| set.iter().map(|filter| filter.parse().unwrap()).collect();
        let readers = FILTERS.iter().map(|set| Reader::new(&chain, filters(set)).unwrap());
        Self { messages: messages.collect(), readers: readers.collect(), roots, chain, key }
    }

    /// The last message.
    pub(super) fn last(&self) -> &VerifiedMessage {
        self.messages.last().expect("there is a last message")
    }
}

fn everything(flow: Flow) -> Grant {
    let at = "fr".parse().unwrap();
    Grant { flow, at, publish: Some(Severity::Extreme), subscribe: true, delegate: 0 }
}

fn message(key: &SigningKey, chain: &Arc<Chain>, channel: &str, number: usize) -> VerifiedMessage {
    let channel: Channel = channel.parse().unwrap();
    let severity = Severity::Severe;
    let cap = Alert::from_headline(&Headline {
        plane: Plane::Live,
        identifier: "essai-1",
        sender: "essais@vigie.example",
        sent: "2026-02-02T03:40:00+01:00",
        language: "fr-FR",
        text: &format!("essai {number}"),
        severity,
        urgency: Urgency::Immediate,
        area: "Zone d'essai",
        restriction: None,
    });
    let message = Message {
        sent: BEGIN,
        expires: BEGIN.plus(HOUR),
        severity,
        label: Label::CLEAR,
        replaces: Vec::new(),
        content: Content { cap, original: None },
        channel,
    };
    let token = verify::sign(key, chain.leaf().id(), &message);
    verify::verify(&token, chain, MESSAGE_LIFETIME_MAX).unwrap()
}
