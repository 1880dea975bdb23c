//! `publish` and `revoke`: a worker and the sequencer behind it, driven by calls, over a disk in memory.
//!
//! The sessions log in while all is well; then the moments of the case are those of the journal thread, which alone says
//! when something is admitted.

use std::sync::Arc;

use vigie_proto::channel::Plane;
use vigie_proto::id::{LogId, Nonce};
use vigie_proto::login::{self, Binding};
use vigie_proto::session::relay::Rules;
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{Journal, JournalConfig, Record};
use vigie_relay::sequencer::{Committed, Sequencer, Submission};
use vigie_relay::trust::SharedRules;
use vigie_relay::worker::{Effect, Output, SessionId, Worker, WorkerConfig};

use crate::cases::{Case, Step};
use crate::people::{CHANNEL, NOW, People, Person, Said};
use crate::table::Cell;

const LOG: LogId = LogId::from_bytes([3; 16]);

struct Line {
    disk: SimDisk,
    sequencer: Sequencer<SimDisk>,
    worker: Worker,
    rules: SharedRules,
    /// One for each of [`People::all`], who all listen.
    sessions: Vec<SessionId>,
}

/// When the roots were read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum RootsRead {
    AtStart,
    Again,
}

/// How the last step ended.
struct Seen {
    code: Option<&'static str>,
    /// All that any session was told.
    told: Vec<String>,
    /// Answers that are no refusal.
    acknowledged: usize,
    stored: Vec<Record>,
}

fn frames(worker: &mut Worker, session: SessionId) -> Vec<String> {
    let taken = worker.take_output(session, usize::MAX);
    let text = taken.into_iter().filter_map(|output| match output {
        Output::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
        Output::Ping(_) | Output::Close(_) => None,
    });
    text.collect()
}

impl Line {
    fn new(people: &People) -> Self {
        let disk = SimDisk::new();
        let mut sequencer = Sequencer::open(disk.clone(), JournalConfig::new(), LOG, NOW, 1).unwrap();
        let rules = SharedRules::new(Rules::new(people.roots_before.clone(), vec!["localhost".to_owned()]));
        sequencer.set_rules(rules.clone());
        let config = WorkerConfig::new(0, rules.now(), LOG);
        let (chains, revocations) = (sequencer.chains(), sequencer.revocations());
        let verdicts = Arc::<SharedVerdicts>::default();
        let mut worker = Worker::new(config, chains, revocations, verdicts, sequencer.head());
        let sessions =
            (0..).zip(people.all()).map(|(number, person)| enter(&mut worker, person, number)).collect();
        Self { disk, sequencer, worker, rules, sessions }
    }

    /// Each step is asked for while all is well, and decided on at its moment: by the roots of the log-in, or by those that
    /// the operator has put in their place since.
    fn play(mut self, people: &People, steps: &[Step], roots: RootsRead) -> Seen {
        let submissions: Vec<Submission> = steps.iter().map(|(said, _)| self.ask(people, said)).collect();
        if roots == RootsRead::Again {
            self.rules.trust(people.roots.clone());
        }
        let mut code = None;
        for (submission, (_, moment)) in submissions.into_iter().zip(steps) {
            let committed = self.sequencer.commit(&[submission], Ok(*moment)).unwrap();
            code = committed.answers[0].outcome.as_ref().err().map(|refusal| refusal.code.as_str());
            self.tell(&committed);
        }
        let told: Vec<String> =
            self.sessions.clone().into_iter().flat_map(|id| frames(&mut self.worker, id)).collect();
        let is_answer = |frame: &&String| {
            [r#"{"op":"receipt""#, r#"{"op":"revoked""#].iter().any(|op| frame.starts_with(op))
        };
        let acknowledged = told.iter().filter(is_answer).count();
        let mut stored = Vec::new();
        Journal::open(self.disk.restart(), JournalConfig::new(), LOG, &mut |record| {
            stored.push(record.clone());
            Ok(())
        })
        .unwrap();
        Seen { code, told, acknowledged, stored }
    }

    fn ask(&mut self, people: &People, said: &Said) -> Submission {
        let signer = people.signer(said).chain.leaf().id();
        let at = people.all().iter().position(|person| person.chain.leaf().id() == signer).unwrap();
        let op = match said {
            Said::Message(_) => "publish",
            Said::Revocation(_) => "revoke",
        };
        let frame = format!(r#"{{"op":"{op}","n":2,"jws":"{}"}}"#, said.jws());
        self.worker.handle_frame(self.sessions[at], &frame, NOW);
        match self.worker.poll_effect() {
            Some(Effect::Submit(submission)) => submission,
            other => panic!("it did not come to the entry: {other:?}"),
        }
    }

    /// As the journal thread does: answers, then revocations, then the batch.
    fn tell(&mut self, committed: &Committed) {
        for answer in &committed.answers {
            self.worker.handle_answer(answer);
        }
        if let Some(revocations) = &committed.revocations {
            self.worker.handle_revocations(revocations, NOW);
        }
        if let Some(batch) = &committed.batch {
            self.worker.handle_batch(batch, NOW);
        }
    }
}

fn enter(worker: &mut Worker, person: &Person, number: u8) -> SessionId {
    let (nonce, binding) = (Nonce::from_bytes([number; 32]), Binding::Certificate([9; 32]));
    let session = worker.accept(nonce, binding, NOW);
    let leaf = person.chain.leaf().id();
    let proof = login::sign(&person.key, leaf, Plane::Live, "localhost", nonce, binding);
    let chain: Vec<String> = person.chain.links().iter().map(|link| link.token().to_string()).collect();
    let frame = serde_json::json!({"op": "login", "chain": chain, "proof": proof});
    worker.handle_frame(session, &frame.to_string(), NOW);
    assert!(worker.is_logged_in(session));
    let listen = format!(r#"{{"op":"subscribe","n":1,"channels":["{CHANNEL}"]}}"#);
    worker.handle_frame(session, &listen, NOW);
    frames(worker, session);
    while worker.poll_effect().is_some() {}
    session
}

/// Whether these bytes are in a record.
fn holds(stored: &[Record], jws: &str) -> usize {
    let is = |record: &&Record| match record {
        Record::Message(message) => message.jws == jws.as_bytes(),
        Record::Revocation(revocation) => revocation.jws == jws.as_bytes(),
        _ => false,
    };
    stored.iter().filter(is).count()
}

pub(crate) fn try_on(people: &People, case: &Case, row: &str, cell: &Cell) {
    for roots in [RootsRead::AtStart, RootsRead::Again] {
        // A root that goes is one that was there.
        if row != "unknown_root" || roots == RootsRead::Again {
            try_by(roots, people, case, row, cell);
        }
    }
}

fn try_by(roots: RootsRead, people: &People, case: &Case, row: &str, cell: &Cell) {
    let (said, _) = case.bad.last().unwrap();
    let jws = said.jws();
    let seen = Line::new(people).play(people, &case.bad, roots);
    let given = |seen: &Seen, jws: &str| seen.told.iter().filter(|frame| frame.contains(jws)).count();
    match cell {
        Cell::Refused => {
            assert_eq!(seen.code, Some(row), "{row}: refused by its code");
            assert_eq!(holds(&seen.stored, jws), 0, "{row}: nothing of it is stored");
            assert_eq!(given(&seen, jws), 0, "{row}: nobody is given it");
            assert!(seen.acknowledged < case.bad.len(), "{row}: it has no receipt: {:?}", seen.told);
        }
        Cell::FirstStands => {
            assert_eq!(seen.code, None, "{row}: it has the first answer");
            assert_eq!(holds(&seen.stored, jws), 1, "{row}: it is stored once");
            let answers: Vec<&String> =
                seen.told.iter().filter(|frame| frame.contains(r#""re":2"#)).collect();
            assert_eq!(answers.len(), 2, "{answers:?}");
            assert_eq!(answers[0], answers[1], "{row}: both answers are the same, to the letter");
        }
        Cell::LeftOut(_) | Cell::CannotOccur => panic!("{row}: a relay leaves nothing out: {cell:?}"),
    }
    // The same without that fault comes in, is given to those who listen, and acknowledged.
    let (twin, _) = case.twin.last().unwrap();
    let seen = Line::new(people).play(people, &case.twin, roots);
    assert_eq!(seen.code, None, "{row}: the twin");
    assert_eq!(holds(&seen.stored, twin.jws()), 1, "{row}: the twin is stored");
    assert!(given(&seen, twin.jws()) > 0, "{row}: the twin is given");
    assert_eq!(seen.acknowledged, case.twin.len(), "{row}: the twin is acknowledged");
}
