//! What the tests of the queues hand over: statements that were verified, as small or as large as they need them; and a
//! journal in memory, a clock and a log of their own.

use std::io::Seek as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tracing::Level;
use vigie_proto::cap::{Alert, Headline, Urgency};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::key::SigningKey;
use vigie_proto::label::{Audience, Label};
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::message::{Content, Message};
use vigie_proto::revocation::{self, Target};
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};
use vigie_proto::verify::{self, VerifiedMessage};

use crate::clock::TimeSource;
use crate::event::{Batch, Event, Position, Reach, SharedBatch};
use crate::journal::JournalConfig;
use crate::journal::sim_disk::SimDisk;
use crate::sequencer::{Sequencer, Statement, Submission, Ticket};
use crate::worker::SessionId;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
const SEVERITY: Severity = Severity::Minor;

/// A root that may say what is minor, and its chain.
fn root() -> (SigningKey, Arc<Chain>) {
    let key = SigningKey::from_seed(&[0xC4; 32]).unwrap();
    let at = "fr".parse().unwrap();
    let claims = Claims {
        subject: *key.public(),
        org: "fr".parse().unwrap(),
        name: "somebody".to_owned(),
        role: Role::Author,
        grants: vec![Grant { flow: Flow::Alert, at, publish: Some(SEVERITY), subscribe: false, delegate: 0 }],
        plane: Plane::Live,
        valid: Window { from: NOW.minus(HOUR), until: NOW.plus(HOUR) },
    };
    let root = Credential::issue_root(&key, &claims).unwrap();
    let roots = Roots::new([key.public().thumbprint()]);
    let chain = Arc::new(Chain::verify([&**root.token()], &roots, &NoVerdicts).unwrap());
    (key, chain)
}

/// A message that says so many letters.
pub(super) fn message(letters: usize) -> VerifiedMessage {
    let (key, chain) = root();
    let cap = Alert::from_headline(&Headline {
        plane: Plane::Live,
        identifier: "essai-1",
        sender: "essais@vigie.example",
        sent: "2027-01-15T09:00:00+01:00",
        language: "fr-FR",
        text: &"x".repeat(letters),
        severity: SEVERITY,
        urgency: Urgency::Future,
        area: "fr",
        restriction: None,
    });
    let message = Message {
        channel: "alert/fr".parse().unwrap(),
        sent: NOW,
        expires: NOW.plus(HOUR),
        severity: SEVERITY,
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

/// The root ends a key, another one for each number from 1.
pub(super) fn revocation(number: u64, worker: usize) -> Submission {
    let (key, chain) = root();
    let mut seed = [0xC5; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    let target = Target::Key(SigningKey::from_seed(&seed).unwrap().public().thumbprint());
    let statement = revocation::Statement { target, from: NOW, number, reason: None };
    let token = revocation::sign(&key, chain.leaf(), &statement);
    let verified = revocation::verify(&token, &chain).unwrap();
    let ticket = Ticket { worker, session: SessionId::default(), re: number };
    Submission { ticket, statement: Statement::Revocation(Box::new(verified)) }
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
        urgent: false,
        channel: message.message().channel.clone(),
        audience: Audience::EVERYONE,
        frame: Bytes::from(vec![b'x'; frame_bytes]),
    };
    let author = Ticket { worker: 0, session: SessionId::default(), re: seq };
    Arc::new(Batch { events: vec![(Arc::new(event), Reach::new(author, 1))] })
}

/// Who decides and keeps what is decided on this disk, an hour long and in small segments.
pub(super) fn sequencer(disk: &SimDisk) -> Sequencer<SimDisk> {
    let mut config = JournalConfig::new();
    (config.segment_bytes, config.reserve_bytes, config.retain_age) = (64 * 1024, 0, HOUR);
    Sequencer::open(disk.clone(), config, LogId::from_bytes([7; 16]), NOW, 1).unwrap()
}

/// The same with messages of now in several segments.
pub(super) fn filled(disk: &SimDisk) -> Sequencer<SimDisk> {
    let mut sequencer = sequencer(disk);
    for re in 0..20 {
        let message = message(10_000 + re);
        let committed = sequencer.commit(&[submission(&message, 0, re as u64)], Ok(NOW)).unwrap();
        assert!(committed.answers[0].outcome.is_ok());
    }
    sequencer
}

/// A machine whose wall clock says what it was set to, and on which no time passes.
#[derive(Debug, Clone)]
pub(super) struct SetTime(Arc<AtomicU64>);

impl SetTime {
    pub(super) fn at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(time.as_millis())))
    }

    pub(super) fn set(&self, time: Timestamp) {
        self.0.store(time.as_millis(), Ordering::Relaxed);
    }
}

impl TimeSource for SetTime {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// What this thread says in the log meanwhile, a line each.
pub(super) fn logged(said: impl FnOnce()) -> Vec<String> {
    let file = Arc::new(tempfile::tempfile().unwrap());
    let log = tracing_subscriber::fmt().with_max_level(Level::TRACE).without_time().with_ansi(false);
    tracing::subscriber::with_default(log.with_writer(Arc::clone(&file)).finish(), said);
    (&*file).rewind().unwrap();
    let text = std::io::read_to_string(&*file).unwrap();
    text.lines().map(|line| line.trim_start().to_owned()).collect()
}
