//! What the tests of the queues hand over: statements that were verified, as small or as large as they need them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vigie_proto::cap::{Alert, Headline, Urgency};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::id::Sequence;
use vigie_proto::key::SigningKey;
use vigie_proto::label::{Audience, Label};
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::message::{Content, Message};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify::{self, VerifiedMessage};

use crate::event::{Batch, Event, Position, Reach, SharedBatch};
use crate::sequencer::{Statement, Submission, Ticket};
use crate::worker::SessionId;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

/// A message that says so many letters.
pub(super) fn message(letters: usize) -> VerifiedMessage {
    let key = SigningKey::from_seed(&[0xC4; 32]).unwrap();
    let (at, severity): (_, Severity) = ("fr".parse().unwrap(), Severity::Minor);
    let claims = Claims {
        subject: *key.public(),
        org: "fr".parse().unwrap(),
        name: "somebody".to_owned(),
        role: Role::Author,
        grants: vec![Grant { flow: Flow::Alert, at, publish: Some(severity), subscribe: false, delegate: 0 }],
        plane: Plane::Live,
        valid: Window { from: NOW.minus(HOUR), until: NOW.plus(HOUR) },
    };
    let root = Credential::issue_root(&key, &claims).unwrap();
    let roots = Roots::new([key.public().thumbprint()]);
    let chain = Arc::new(Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap());
    let cap = Alert::from_headline(&Headline {
        plane: Plane::Live,
        identifier: "essai-1",
        sender: "essais@vigie.example",
        sent: "2027-01-15T09:00:00+01:00",
        language: "fr-FR",
        text: &"x".repeat(letters),
        severity,
        urgency: Urgency::Future,
        area: "fr",
        restriction: None,
    });
    let message = Message {
        channel: "alert/fr".parse().unwrap(),
        sent: NOW,
        expires: NOW.plus(HOUR),
        severity,
        label: Label::CLEAR,
        replaces: Vec::new(),
        content: Content { cap, original: None },
    };
    let token = verify::sign(&key, chain.leaf().id(), &message);
    verify::verify(&token, &chain, MESSAGE_LIFETIME_MAX).unwrap()
}

/// The message, as the request of this number to that worker.
pub(super) fn submission(message: &VerifiedMessage, worker: usize, re: u64) -> Submission {
    let ticket = Ticket { worker, session: SessionId::default(), re };
    Submission { ticket, statement: Statement::Message(Box::new(message.clone())) }
}

/// The numbers of requests.
pub(super) fn numbers(submissions: &[Submission]) -> Vec<u64> {
    submissions.iter().map(|one| one.ticket.re).collect()
}

/// A batch of one event at this place, whose frame has so many bytes.
pub(super) fn batch(message: &VerifiedMessage, seq: u64, frame_bytes: usize) -> SharedBatch {
    let event = Event {
        at: Position { seq: Sequence::new(seq), admitted: NOW },
        id: message.id(),
        credential: message.credential(),
        severity: message.message().severity,
        channel: message.message().channel.clone(),
        audience: Audience::EVERYONE,
        frame: Bytes::from(vec![b'x'; frame_bytes]),
    };
    let author = Ticket { worker: 0, session: SessionId::default(), re: seq };
    Arc::new(Batch { events: vec![(Arc::new(event), Reach::new(author, 1))] })
}
