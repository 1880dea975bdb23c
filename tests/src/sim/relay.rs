//! One relay of a simulation: the sequencer, the workers and the queues between them, without threads.
//!
//! The same queues with the same rules as in `vigie_relay::server`: the sequencer never waits for a worker, whose full
//! inbox is told the head alone; publishes past the bound are `busy`; reads past it are refused. When each of them is
//! served is the scheduler's choice, so that all interleavings of the threads can occur.

mod ending;
mod races;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use vigie_proto::chain::Roots;
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{LogId, Nonce, Sequence};
use vigie_proto::login::Binding;
use vigie_proto::refusal::Code;
use vigie_proto::session::relay::Rules;
use vigie_proto::time::Timestamp;
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::clock::{Clock, TimeSource};
use vigie_relay::event::{Position, ReachReport, SharedBatch};
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{JournalError, JournalReader, ReadError};
use vigie_relay::revocations::SharedRevocations;
use vigie_relay::sequencer::{Answer, Committed, Sequencer, Submission};
use vigie_relay::worker::{Effect, Output, Pages, ReadReply, ReadRequest, SessionId, Worker, WorkerConfig};

use super::bounds::Bounds;
use super::coverage::Coverage;
use super::plant::Plant;
use super::random::Chance;
use races::{Race, ended};

/// The name that clients dial.
pub const NAME: &str = "relay.sim";

/// After this long without a publish the journal rests.
const REST_AFTER: Duration = Duration::from_millis(10);

/// What proofs are bound to.
pub const BINDING: Binding = Binding::Certificate([7; 32]);

/// The machine's clocks: they outlive the relay.
#[derive(Clone, Debug, Default)]
pub struct MachineTime {
    monotonic_ms: Arc<AtomicU64>,
    wall_offset_ms: Arc<AtomicI64>,
}

impl MachineTime {
    /// Sets the time since [`super::people::BEGIN`].
    pub fn set(&self, elapsed: Duration) {
        let millis = u64::try_from(elapsed.as_millis()).unwrap();
        self.monotonic_ms.store(millis, Ordering::Relaxed);
    }

    /// How far the wall clock is from true time.
    pub fn wrong_by(&self) -> Duration {
        Duration::from_millis(self.wall_offset_ms.load(Ordering::Relaxed).unsigned_abs())
    }

    /// Moves the wall clock so far from true time.
    pub fn set_offset(&self, millis: i64) {
        self.wall_offset_ms.store(millis, Ordering::Relaxed);
    }
}

impl TimeSource for MachineTime {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
    }

    fn wall(&self) -> Timestamp {
        let truth = super::people::BEGIN.plus(self.monotonic()).as_millis();
        Timestamp::from_millis(truth.saturating_add_signed(self.wall_offset_ms.load(Ordering::Relaxed)))
    }
}

enum Letter {
    Answers(Vec<Answer>),
    Revocations(SharedRevocations),
    Batch(SharedBatch),
    Jump(Position),
    Reply(Box<Result<ReadReply, (SessionId, ReadError)>>),
    Reach(ReachReport),
}

/// A session: which worker has it, and its name there.
pub type Seat = (usize, SessionId);

/// See the module's documentation.
pub struct SimRelay {
    sequencer: Sequencer<SimDisk>,
    reader: JournalReader<SimDisk>,
    pages: Pages<SimDisk>,
    time: MachineTime,
    clock: Arc<Clock>,
    bounds: Bounds,
    workers: Vec<Worker>,
    inboxes: Vec<VecDeque<Letter>>,
    submissions: VecDeque<Submission>,
    /// On disk, and nobody was told yet.
    untold: Option<Committed>,
    reads: VecDeque<(usize, ReadRequest)>,
    /// Sessions with output to take.
    woken: BTreeSet<Seat>,
    /// Sessions that were served from the ring or the journal last.
    behind: BTreeSet<Seat>,
    /// When the journal rests next, by the monotonic clock.
    rests_at: Duration,
    /// What retention was asked for so far: a step that found no room is carried on later.
    asked: (Timestamp, u64),
    /// How many workers have taken note of each revocation, until all have.
    heeding: BTreeMap<u64, usize>,
    /// Those that all have, and nobody has asked for.
    heeded: Vec<Arc<str>>,
    /// What of the batch that is being committed has to do with revocations.
    race: Race,
    /// What was dispatched last, for a planted bug.
    pub last_batch: Option<SharedBatch>,
    /// The planted bug.
    pub plant: Plant,
}

/// What a step of retention was asked to, and what it came to.
#[derive(Clone, Copy, Debug)]
pub struct Retained {
    /// The latest time by which it was asked, since the relay started.
    pub now: Timestamp,
    /// The most that it found on the disk, in bytes.
    pub used: u64,
    /// The first sequence that is left.
    pub first: Sequence,
    /// Whether anything was done.
    pub worked: bool,
}

impl std::fmt::Debug for SimRelay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimRelay").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl SimRelay {
    /// Opens the journal on a disk.
    ///
    /// # Errors
    /// The journal does not open.
    pub fn start(
        disk: &SimDisk,
        new_log: LogId,
        roots: &Roots,
        bounds: &Bounds,
        time: &MachineTime,
    ) -> Result<Self, JournalError> {
        let clock = Arc::new(Clock::new(Box::new(time.clone())));
        let config = bounds.journal();
        let sequencer = Sequencer::open(disk.clone(), config, new_log, clock.steady(), bounds.workers)?;
        let rules = Arc::new(Rules::new(roots.clone(), vec![NAME.to_owned()]));
        let verdicts: Arc<SharedVerdicts> = Arc::default();
        let worker = |index| {
            let config = WorkerConfig {
                outbox_bytes_max: bounds.outbox_bytes_max,
                ring_bytes_max: bounds.ring_bytes_max,
                in_flight_max: bounds.in_flight_max,
                ..WorkerConfig::new(index, Arc::clone(&rules), sequencer.log())
            };
            let verdicts = Arc::<SharedVerdicts>::clone(&verdicts);
            Worker::new(config, sequencer.chains(), sequencer.revocations(), verdicts, sequencer.head())
        };
        Ok(Self {
            workers: (0..bounds.workers).map(worker).collect(),
            inboxes: (0..bounds.workers).map(|_| VecDeque::new()).collect(),
            reader: sequencer.journal().reader(),
            pages: Pages::new(sequencer.journal().reader()),
            sequencer,
            time: time.clone(),
            clock,
            bounds: bounds.clone(),
            submissions: VecDeque::new(),
            untold: None,
            reads: VecDeque::new(),
            woken: BTreeSet::new(),
            behind: BTreeSet::new(),
            rests_at: time.monotonic() + REST_AFTER,
            asked: (Timestamp::EPOCH, 0),
            heeding: BTreeMap::new(),
            heeded: Vec::new(),
            race: Race::default(),
            last_batch: None,
            plant: Plant::None,
        })
    }

    /// The log.
    pub fn log(&self) -> LogId {
        self.sequencer.log()
    }

    /// The end of the log.
    pub fn head(&self) -> Cursor {
        let Position { seq, admitted } = self.sequencer.head();
        Cursor { log: self.log(), seq, admitted }
    }

    /// The first place that the journal may have.
    pub fn first(&self) -> Sequence {
        self.sequencer.journal().first_seq()
    }

    /// The cursor at this place, if there is a message. For a planted bug.
    pub fn own_cursor(&self, seq: Sequence) -> Option<Cursor> {
        let admitted = self.reader.admitted_at(seq).ok()??;
        Some(Cursor { log: self.log(), seq, admitted })
    }

    /// Nothing waits between its parts.
    pub fn is_idle(&self) -> bool {
        self.submissions.is_empty()
            && self.untold.is_none()
            && self.reads.is_empty()
            && self.inboxes.iter().all(VecDeque::is_empty)
    }

    /// A connection came to a worker.
    pub fn accept(&mut self, worker: usize, nonce: Nonce, tally: &mut Coverage) -> Seat {
        let now = self.clock.steady();
        (worker, self.with(worker, tally, |worker| worker.accept(nonce, BINDING, now)))
    }

    /// How many workers there are.
    pub const fn workers(&self) -> usize {
        self.bounds.workers
    }

    /// A text frame came.
    pub fn handle_frame(&mut self, (worker, id): Seat, text: &str, tally: &mut Coverage) {
        let now = self.clock.steady();
        self.with(worker, tally, |worker| worker.handle_frame(id, text, now));
    }

    /// Whether a driver would read more of the session's frames now.
    pub fn may_read(&self, (worker, id): Seat) -> bool {
        self.workers[worker].may_read(id)
    }

    /// A pong came.
    pub fn handle_pong(&mut self, (worker, id): Seat, number: u64, tally: &mut Coverage) {
        let now = self.clock.steady();
        self.with(worker, tally, |worker| worker.handle_pong(id, number, now));
    }

    /// The connection is gone.
    pub fn handle_disconnect(&mut self, seat: Seat, tally: &mut Coverage) {
        self.woken.remove(&seat);
        self.behind.remove(&seat);
        self.with(seat.0, tally, |worker| worker.handle_disconnect(seat.1));
    }

    /// Whether [`SimRelay::take_output`] may have something.
    pub fn has_output(&self, seat: Seat) -> bool {
        self.woken.contains(&seat)
    }

    /// Takes some of what is to be written.
    pub fn take_output(&mut self, seat: Seat, max_bytes: usize, tally: &mut Coverage) -> Vec<Output> {
        let (index, id) = seat;
        let output = self.workers[index].take_output(id, max_bytes);
        self.woken.remove(&seat);
        let reads_before = tally.journal_reads;
        self.carry_out(index, tally);
        // More came while some was taken: the session is behind, and was served just now.
        let from_journal = tally.journal_reads > reads_before;
        let from_ring = !from_journal && self.woken.contains(&seat);
        tally.ring_catch_ups += u64::from(from_ring);
        if from_journal || from_ring {
            tally.turns_behind += u64::from(self.behind.insert(seat));
        } else {
            self.behind.remove(&seat);
        }
        if !output.is_empty() {
            self.woken.insert(seat);
        }
        output
    }

    /// Whether the sequencer has something to decide on.
    pub fn has_submissions(&self) -> bool {
        self.untold.is_none() && !self.submissions.is_empty()
    }

    /// The sequencer decides on what waits, or on some of it. Nobody is told yet: readers of the journal see it first.
    ///
    /// # Errors
    /// The journal failed.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        let some = self.submissions.len().min(self.bounds.batch_messages_max);
        let batch: Vec<_> = self.submissions.drain(..some).collect();
        self.race = Race::begin(&batch);
        self.untold = Some(self.sequencer.commit(&batch, self.clock.admission())?);
        self.race.end();
        self.rests_at = self.time.monotonic() + REST_AFTER;
        Ok(())
    }

    /// When the journal will rest, if nothing comes until then.
    pub fn next_rest(&self) -> Option<Duration> {
        (self.untold.is_none() && self.submissions.is_empty()).then_some(self.rests_at)
    }

    /// Nothing waits: the journal rests, and a step of retention is made on a disk that has so much on it. Tells what that
    /// came to, whatever it was.
    pub fn rest(&mut self, used: u64) -> (Option<Retained>, Result<(), JournalError>) {
        self.rests_at = self.time.monotonic() + self.bounds.retain_every;
        if let Err(error) = self.sequencer.rest() {
            return (None, Err(error));
        }
        let Ok(now) = self.clock.admission() else { return (None, Ok(())) };
        let first = self.first();
        self.asked = (self.asked.0.max(now), self.asked.1.max(used));
        let step = self.sequencer.retain(self.plant.time_of_retention(now));
        let more = matches!(step, Ok(true));
        if more {
            self.rests_at = self.time.monotonic();
        }
        let worked = more || step.is_err() || self.first() != first;
        let (now, used) = self.asked;
        let retained = Retained { now, used, first: self.first(), worked };
        let failed = step.err().filter(|_| self.sequencer.journal().is_poisoned());
        (Some(retained), failed.map_or(Ok(()), Err))
    }

    /// Whether something was decided that nobody was told.
    pub const fn has_untold(&self) -> bool {
        self.untold.is_some()
    }

    /// Everyone is told what the sequencer decided.
    pub fn tell(&mut self, tally: &mut Coverage) {
        let Some(committed) = self.untold.take() else { return };
        self.race.count(&committed.answers, tally);
        let first = self.first();
        let removed = |answer: &&Answer| answer.outcome.as_ref().is_ok_and(|stored| stored.seq < first);
        tally.replays_of_removed += committed.answers.iter().filter(removed).count() as u64;
        for index in 0..self.workers.len() {
            let mine = |answer: &&Answer| answer.ticket.worker == index;
            let answers: Vec<_> = committed.answers.iter().filter(mine).cloned().collect();
            if !answers.is_empty() {
                self.inboxes[index].push_back(Letter::Answers(answers));
            }
            if let Some(revocations) = &committed.revocations {
                self.inboxes[index].push_back(Letter::Revocations(Arc::clone(revocations)));
            }
            if let Some(batch) = &committed.batch {
                self.put_batch(index, Arc::clone(batch));
            }
        }
    }

    fn put_batch(&mut self, worker: usize, batch: SharedBatch) {
        let inbox = &mut self.inboxes[worker];
        let waiting = inbox.iter().filter(|letter| matches!(letter, Letter::Batch(_))).count();
        if waiting < self.bounds.batches_max {
            inbox.push_back(Letter::Batch(batch));
        } else {
            inbox.retain(|letter| !matches!(letter, Letter::Batch(_) | Letter::Jump(_)));
            inbox.push_back(Letter::Jump(batch.head()));
        }
    }

    /// Whether a letter waits for a worker.
    pub fn has_letter(&self, worker: usize) -> bool {
        !self.inboxes[worker].is_empty()
    }

    /// A worker takes its next letter.
    pub fn handle_letter(&mut self, index: usize, tally: &mut Coverage) {
        let now = self.clock.steady();
        let Some(letter) = self.inboxes[index].pop_front() else { return };
        match letter {
            Letter::Answers(answers) => {
                self.with(index, tally, |worker| {
                    answers.iter().for_each(|answer| worker.handle_answer(answer))
                });
            }
            Letter::Revocations(new) => {
                tally.revoked_during_catch_up += u64::from(self.is_reading_for(index));
                self.note_heeded(&new);
                let before = ended(&self.workers[index]);
                self.with(index, tally, |worker| worker.handle_revocations(&new, now));
                let together = ended(&self.workers[index]) - before >= 3;
                tally.sessions_revoked_together += u64::from(together);
            }
            Letter::Batch(batch) => {
                self.with(index, tally, |worker| worker.handle_batch(&batch, now));
                self.last_batch = Some(batch);
            }
            Letter::Jump(head) => {
                tally.jumps += 1;
                self.with(index, tally, |worker| worker.handle_jump(head));
            }
            Letter::Reply(reply) => self.with(index, tally, |worker| worker.handle_reply(*reply)),
            Letter::Reach(report) => self.with(index, tally, |worker| worker.handle_reach(&report)),
        }
    }

    /// Whether a read waits.
    pub fn has_reads(&self) -> bool {
        !self.reads.is_empty()
    }

    /// A page is read for whoever waits at this place of the queue: there are several threads for it.
    pub fn read_page(&mut self, chance: &mut Chance) {
        let place = chance.below(self.reads.len().min(2));
        let Some((worker, request)) = self.reads.remove(place) else { return };
        let session = request.session();
        let reply = self.pages.read(request).map_err(|error| (session, error));
        self.inboxes[worker].push_back(Letter::Reply(Box::new(reply)));
    }

    /// Lets go of the pages that are kept in memory, so that what is read next comes from the disk.
    pub fn forget_pages(&mut self) {
        self.pages = Pages::new(self.reader.clone());
    }

    /// When a worker wants to be woken, in true time.
    pub fn next_timeout(&self, worker: usize) -> Option<Duration> {
        Some(self.workers[worker].poll_timeout()?.since(self.clock.steady()))
    }

    /// It is that time.
    pub fn handle_timeout(&mut self, worker: usize, tally: &mut Coverage) {
        let now = self.clock.steady();
        self.with(worker, tally, |worker| worker.handle_timeout(now));
    }

    fn with<R>(&mut self, index: usize, tally: &mut Coverage, call: impl FnOnce(&mut Worker) -> R) -> R {
        let outcome = call(&mut self.workers[index]);
        self.carry_out(index, tally);
        outcome
    }

    fn carry_out(&mut self, index: usize, tally: &mut Coverage) {
        while let Some(effect) = self.workers[index].poll_effect() {
            match effect {
                Effect::Submit(submission) if self.submissions.len() < self.bounds.submissions_max => {
                    self.submissions.push_back(submission);
                }
                Effect::Submit(Submission { ticket, statement }) => {
                    let answer = Answer { ticket, id: statement.id(), outcome: Err(Code::Busy.into()) };
                    self.workers[index].handle_answer(&answer);
                }
                Effect::Read(request) if self.reads.len() < self.bounds.reads_max => {
                    tally.journal_reads += 1;
                    self.reads.push_back((index, request));
                }
                Effect::Read(request) => {
                    tally.reads_refused += 1;
                    self.workers[index].handle_unread(&request);
                }
                // Nothing here bounds the sessions of a key.
                // No session is watched: there is no TCP below.
                Effect::Unseat(_) | Effect::Look(_) => {}
                Effect::Reach(report) => self.inboxes[report.author.worker].push_back(Letter::Reach(report)),
            }
        }
        while let Some(id) = self.workers[index].poll_call() {
            self.woken.insert((index, id));
        }
    }
}
