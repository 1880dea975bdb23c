//! Refusals for which a disk must fail or stand still: the parts of a relay, driven by calls, without threads.

use std::io;
use std::sync::Arc;

use serde_json::Value;
use vigie_proto::admit::Stored;
use vigie_proto::chain::Roots;
use vigie_proto::id::{LogId, Nonce};
use vigie_proto::login::Binding;
use vigie_proto::refusal::Code::{self, Busy, Full, StorageFailed};
use vigie_proto::refusal::{Ends, Refusal};
use vigie_proto::session::relay::Rules;
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::journal::sim_disk::{Operation, SimDisk};
use vigie_relay::journal::{JournalConfig, JournalError};
use vigie_relay::sequencer::{Committed, Sequencer, Submission};
use vigie_relay::worker::{Effect, Output, SessionId, Worker, WorkerConfig};
use vigie_tests::world::now;

use crate::case::{Case, Seen, apart};
use crate::draft::{LoginDraft, MessageDraft, Who};
use crate::forge::{Holder, Key, base64};

pub(crate) const CASES: &[Case] = &[
    apart("more publishes at once than may wait for the disk", Busy, || {
        Box::pin(async { too_many_at_once() })
    }),
    apart("no room for the next segment", Full, || Box::pin(async { no_room() })),
    apart("an author has its share of what is in force", Full, || Box::pin(async { too_much_in_force() })),
    apart("a write fails", StorageFailed, || Box::pin(async { the_disk_fails(1) })),
    apart("a sync fails", StorageFailed, || Box::pin(async { the_disk_fails(2) })),
];

/// Publishes that may wait, in these tests.
const IN_FLIGHT_MAX: usize = 2;

/// An author and a witness on one worker, and the sequencer behind it.
pub(crate) struct Parts {
    worker: Worker,
    sequencer: Sequencer<SimDisk>,
    disk: SimDisk,
    pub(crate) author: SessionId,
    pub(crate) witness: SessionId,
    /// Submitted, and not decided.
    waiting: Vec<Submission>,
    /// Decided, and not told.
    untold: Option<Committed>,
    holder: Arc<Holder>,
    n: u64,
}

fn journal_config() -> JournalConfig {
    let mut config = JournalConfig::new();
    config.segment_bytes = 64 * 1024;
    config
}

impl Parts {
    pub(crate) fn new(disk: SimDisk, root: &Arc<Key>, holder: &Arc<Holder>) -> Self {
        Self::with_roots(disk, Roots::new([root.pin()]), root, holder)
    }

    /// A relay that trusts these roots, of which one is above the holder.
    pub(crate) fn with_roots(disk: SimDisk, roots: Roots, root: &Arc<Key>, holder: &Arc<Holder>) -> Self {
        let log = LogId::from_bytes([1; 16]);
        let sequencer = Sequencer::open(disk.clone(), journal_config(), log, now(), 1).unwrap();
        let rules = Rules::new(roots, vec!["localhost".to_owned()]);
        let config = WorkerConfig {
            in_flight_max: IN_FLIGHT_MAX,
            ..WorkerConfig::new(0, Arc::new(rules), sequencer.log())
        };
        let verdicts = Arc::<SharedVerdicts>::default();
        let (chains, revocations) = (sequencer.chains(), sequencer.revocations());
        let mut worker = Worker::new(config, chains, revocations, verdicts, sequencer.head());
        let author = log_in(&mut worker, root, holder, 1);
        let witness = log_in(&mut worker, root, holder, 2);
        worker.handle_frame(
            witness,
            r#"{"op":"subscribe","n":1,"channels":["alert/fr.idf.75.paris"]}"#,
            now(),
        );
        let (waiting, holder) = (Vec::new(), Arc::clone(holder));
        let mut parts =
            Self { worker, sequencer, disk, author, witness, waiting, untold: None, holder, n: 0 };
        assert_eq!(ops(&parts.told(parts.witness)), ["subscribed"]);
        parts
    }

    pub(crate) fn message(&self) -> String {
        MessageDraft::new(Who::Author, &self.holder, &self.holder).to_token()
    }

    /// What waits for a session, and whether it is then closed.
    pub(crate) fn output(&mut self, session: SessionId) -> (Vec<Value>, Option<Code>) {
        let (mut frames, mut close) = (Vec::new(), None);
        for output in self.worker.take_output(session, usize::MAX) {
            match output {
                Output::Text(text) => frames.push(serde_json::from_slice(&text).unwrap()),
                Output::Close(code) => close = Some(code),
                Output::Ping(_) => {}
            }
        }
        frames.retain(|frame: &Value| !["mark", "chain", "reach"].map(Value::from).contains(&frame["op"]));
        (frames, close)
    }

    pub(crate) fn told(&mut self, session: SessionId) -> Vec<Value> {
        let (frames, close) = self.output(session);
        assert_eq!(close, None, "{frames:?}");
        frames
    }

    pub(crate) fn publish(&mut self, jws: &str) {
        self.ask(self.author, "publish", jws);
    }

    pub(crate) fn publish_as_witness(&mut self, jws: &str) {
        self.ask(self.witness, "publish", jws);
    }

    pub(crate) fn revoke(&mut self, jws: &str) {
        self.ask(self.author, "revoke", jws);
    }

    fn ask(&mut self, session: SessionId, op: &str, jws: &str) {
        self.n += 1;
        let frame = format!(r#"{{"op":"{op}","n":{},"jws":"{jws}"}}"#, self.n);
        self.worker.handle_frame(session, &frame, now());
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.worker.poll_effect() {
            match effect {
                Effect::Submit(submission) => self.waiting.push(submission),
                Effect::Reach(report) => self.worker.handle_reach(&report),
                Effect::Unseat(sitter) => self.worker.handle_unseated(sitter.session, now()),
                Effect::Read(request) => panic!("nobody is behind: {request:?}"),
                Effect::Look(session) => panic!("nobody is watched: {session:?}"),
            }
        }
    }

    /// The journal's turn.
    pub(crate) fn commit(&mut self) -> Result<(), JournalError> {
        self.commit_untold()?;
        let committed = self.untold.take().unwrap();
        for answer in &committed.answers {
            self.worker.handle_answer(answer);
        }
        if let Some(revocations) = &committed.revocations {
            self.worker.handle_revocations(revocations, now());
        }
        if let Some(batch) = &committed.batch {
            self.worker.handle_batch(batch, now());
        }
        self.carry_out();
        Ok(())
    }

    /// The journal's turn, of which nobody hears.
    pub(crate) fn commit_untold(&mut self) -> Result<(), JournalError> {
        self.untold = Some(self.sequencer.commit(&std::mem::take(&mut self.waiting), Ok(now()))?);
        Ok(())
    }

    /// What was decided and not told, in order.
    pub(crate) fn outcomes(&self) -> Vec<Result<Stored, Refusal>> {
        self.untold.iter().flat_map(|untold| &untold.answers).map(|answer| answer.outcome.clone()).collect()
    }

    /// What a log-in is told, and whether it is then closed.
    pub(crate) fn try_log_in(&mut self, root: &Arc<Key>, holder: &Holder) -> (Vec<Value>, Option<Code>) {
        let session = knock(&mut self.worker, root, holder, 3);
        self.output(session)
    }

    /// Publishes what must be accepted, and be all that the witness hears.
    fn publish_well(&mut self, jws: &str) {
        self.publish(jws);
        self.commit().unwrap();
        assert_eq!(ops(&self.told(self.author)), ["receipt"]);
        assert_eq!(heard(&self.told(self.witness)), [jws]);
    }
}

fn log_in(worker: &mut Worker, root: &Arc<Key>, holder: &Holder, number: u8) -> SessionId {
    let session = knock(worker, root, holder, number);
    assert!(worker.is_logged_in(session));
    worker.take_output(session, usize::MAX);
    session
}

fn knock(worker: &mut Worker, root: &Arc<Key>, holder: &Holder, number: u8) -> SessionId {
    let (nonce, certificate) = (Nonce::from_bytes([number; 32]), [9; 32]);
    let session = worker.accept(nonce, Binding::Certificate(certificate), now());
    let login =
        LoginDraft::new(root, holder, holder.chain.clone(), &nonce.to_string(), &base64(&certificate));
    worker.handle_frame(session, &login.to_text(), now());
    session
}

pub(crate) fn ops(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["op"].as_str().unwrap()).collect()
}

fn heard(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["jws"].as_str().expect("an event")).collect()
}

/// The one refusal among the frames.
pub(crate) fn refusal(frames: &[Value]) -> &str {
    assert_eq!(ops(frames), ["refused"]);
    frames[0]["code"].as_str().unwrap()
}

pub(crate) fn trust() -> (Arc<Key>, Arc<Holder>) {
    let root = Key::fresh();
    let holder = Arc::new(Holder::new("live", &root));
    (root, holder)
}

fn too_many_at_once() -> Seen {
    let (root, holder) = trust();
    let mut parts = Parts::new(SimDisk::new(), &root, &holder);
    let messages: Vec<_> = (0..=IN_FLIGHT_MAX).map(|_| parts.message()).collect();
    messages.iter().for_each(|jws| parts.publish(jws));
    let frames = parts.told(parts.author);
    let seen = Seen::new(refusal(&frames), Ends::Request);
    assert_eq!(frames[0]["re"], parts.n, "the last one is refused");
    parts.commit().unwrap();
    assert_eq!(ops(&parts.told(parts.author)), ["receipt"; IN_FLIGHT_MAX]);
    assert_eq!(heard(&parts.told(parts.witness)), &messages[..IN_FLIGHT_MAX]);
    parts.publish_well(&messages[IN_FLIGHT_MAX]);
    assert_eq!(parts.sequencer.head().seq.get(), messages.len() as u64);
    seen
}

fn no_room() -> Seen {
    let (root, holder) = trust();
    let mut parts = Parts::new(SimDisk::new(), &root, &holder);
    let small = parts.message();
    parts.publish_well(&small);
    // More than is left in the segment: the next one is made, as a file that is then preallocated.
    let mut large = MessageDraft::new(Who::Author, &holder, &holder);
    large.pad_to = Some(100 * 1024);
    let large = large.to_token();
    let before = parts.disk.operations().len();
    parts.disk.fail_at(before + 2, io::ErrorKind::StorageFull);
    parts.publish(&large);
    parts.commit().unwrap();
    assert_eq!(parts.disk.operations()[before + 1], Operation::Preallocate);
    let seen = Seen::new(refusal(&parts.told(parts.author)), Ends::Request);
    assert_eq!(parts.told(parts.witness), Vec::<Value>::new());
    // What fits is still taken, and what is known has its receipt.
    let other = parts.message();
    parts.publish_well(&other);
    parts.publish(&small);
    parts.commit().unwrap();
    assert_eq!(ops(&parts.told(parts.author)), ["receipt"]);
    // There is room again.
    parts.publish_well(&large);
    assert_eq!(parts.sequencer.head().seq.get(), 3);
    seen
}

fn too_much_in_force() -> Seen {
    let (root, holder) = trust();
    let disk = SimDisk::new();
    let mut parts = Parts::new(disk.clone(), &root, &holder);
    let small = parts.message();
    let mut large = MessageDraft::new(Who::Author, &holder, &holder);
    large.pad_to = Some(100 * 1024);
    let large = large.to_token();
    parts.publish_well(&small);
    // A tenth of it, without the sixteenth that cancels have, is less than the large one.
    parts.sequencer.set_bytes_in_force_max(1024 * 1024);
    parts.publish(&large);
    parts.commit().unwrap();
    let seen = Seen::new(refusal(&parts.told(parts.author)), Ends::Request);
    let other = parts.message();
    parts.publish_well(&other);
    parts.sequencer.set_bytes_in_force_max(2 * 1024 * 1024);
    parts.publish_well(&large);
    // A relay that is started anew counts what it finds.
    drop(parts);
    let mut parts = Parts::new(disk.restart(), &root, &holder);
    parts.sequencer.set_bytes_in_force_max(1024 * 1024);
    let third = parts.message();
    parts.publish(&third);
    parts.commit().unwrap();
    assert_eq!(refusal(&parts.told(parts.author)), seen.code);
    parts.publish(&large);
    parts.commit().unwrap();
    assert_eq!(ops(&parts.told(parts.author)), ["receipt"], "what is known has its receipt");
    seen
}

fn the_disk_fails(at: usize) -> Seen {
    let (root, holder) = trust();
    let mut parts = Parts::new(SimDisk::new(), &root, &holder);
    let first = parts.message();
    parts.publish_well(&first);
    let lost = parts.message();
    parts.disk.fail_at(parts.disk.operations().len() + at, io::ErrorKind::Other);
    parts.publish(&lost);
    assert!(matches!(parts.commit(), Err(JournalError::Storage { .. })));
    parts.worker.handle_storage_failure();
    let told = parts.output(parts.author);
    assert_eq!(told, parts.output(parts.witness), "everyone is told, and nobody anything else");
    let (frames, close) = told;
    let code = refusal(&frames);
    assert_eq!(close.map(Code::as_str), Some(code));
    let seen = Seen::new(code, close.unwrap().ends());
    // A relay started anew on a disk that works: the first is there, and the same bytes again have a receipt.
    let disk = parts.disk.restart();
    drop(parts);
    let mut parts = Parts::new(disk, &root, &holder);
    for (seq, jws) in [(1, &first), (2, &lost)] {
        parts.publish(jws);
        parts.commit().unwrap();
        let frames = parts.told(parts.author);
        assert_eq!((ops(&frames), &frames[0]["seq"]), (vec!["receipt"], &seq.into()));
    }
    assert_eq!(parts.sequencer.head().seq.get(), 2);
    seen
}
