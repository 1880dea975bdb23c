//! A worker's thread: a runtime of one thread, the [`Worker`], and a task for each of its connections.
//!
//! Everything on it shares the worker through a `RefCell` that is never held across an await.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use vigie_proto::admit::Stored;
use vigie_proto::id::Nonce;
use vigie_proto::login::Binding;
use vigie_proto::refusal::Code;
use vigie_proto::time::Timestamp;

use super::every::Every;
use super::inbox::{Inbox, Letter};
use super::submissions::Submitter;
use super::verified::Verified;
use crate::chains::{SharedVerdicts, StoredChains};
use crate::clock::Clock;
use crate::event::Position;
use crate::health::{Gauge, Issuers};
use crate::net::batch::Batch;
use crate::net::connection;
use crate::net::inlet::StrangerBytes;
use crate::net::lines::Lines;
use crate::net::sessions::Sessions;
use crate::net::tls::Tls;
use crate::net::turns::{Turns, Work};
use crate::net::upgrade::UpgradeRules;
use crate::revocations::StoredRevocations;
use crate::seats::Sitter;
use crate::sequencer::Answer;
use crate::sync::mpsc::{SyncSender, TrySendError};
#[cfg(all(test, feature = "model"))]
use crate::worker::Output;
use crate::worker::{Effect, ReadRequest, SessionId, Worker, WorkerConfig, WorkerCounts};

/// What a worker's thread is given.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) config: WorkerConfig,
    pub(crate) chains: Arc<StoredChains>,
    pub(crate) revocations: Arc<StoredRevocations>,
    pub(crate) verdicts: Arc<SharedVerdicts>,
    pub(crate) head: Position,
    pub(crate) inboxes: Vec<Arc<Inbox>>,
    pub(crate) submissions: Submitter,
    pub(crate) reads: SyncSender<(usize, ReadRequest)>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) origins: Vec<String>,
    pub(crate) stranger_bytes: StrangerBytes,
    pub(crate) clock: Arc<Clock>,
}

/// What the tasks of one worker share.
pub(crate) struct Local {
    worker: RefCell<Worker>,
    /// Those of the drivers of sessions, at the sessions' indices: a session's own goes before its index is used again.
    wakers: RefCell<Vec<Option<Waker>>>,
    /// Those of sessions that have logged in.
    lines: RefCell<Lines>,
    /// What is being written. Of the worker and not of a session: idle connections hold no buffer.
    batch: RefCell<Batch>,
    inboxes: Vec<Arc<Inbox>>,
    index: usize,
    submissions: Submitter,
    verified: Verified,
    reads: SyncSender<(usize, ReadRequest)>,
    pub(crate) clock: Arc<Clock>,
    random: ring::rand::SystemRandom,
    pub(crate) tls: Arc<Tls>,
    pub(crate) upgrade_rules: Rc<UpgradeRules>,
    pub(crate) stranger_bytes: StrangerBytes,
    /// TLS handshakes that failed and have no code of their own.
    pub(crate) tls_failed: Cell<u64>,
    /// From accept to log-in.
    pub(crate) login_timeout: Duration,
    /// For what a stranger makes the worker do: steps of handshakes, log-ins.
    pub(crate) stranger_turns: Rc<Turns>,
    /// For the frames of sessions.
    pub(crate) check_turns: Rc<Turns>,
    catch_up_turns: Rc<Turns>,
    /// Told when there are sessions to call and `calling` is not set.
    to_call: Notify,
    /// Whether it was told, and calls them.
    calling: Cell<bool>,
}

/// Steps of strangers in one turn: a handshake takes 0.2 ms, a log-in with eight new links 0.6 ms. So all the strangers
/// that there may be delay a session by 2 ms.
const STRANGER_STEPS_PER_TURN: usize = 4;

/// Signature checks for frames of sessions in one turn, each of 55 µs: 1 ms. A frame takes one; the links of a chain that it
/// brings are charged to the turns that follow.
const CHECKS_PER_TURN: usize = 16;

/// Sessions that are called in one turn, each to write what it has: 10 µs for a frame of 1 KiB, so 0.6 ms. What is urgent and
/// comes in meanwhile goes before all who have not been called yet.
const CALLS_PER_TURN: usize = 64;

/// Sessions behind that write in one turn, each two batches of 64 KiB at most: 1 MiB, 1 ms. So however many catch up, those who
/// are live wait that long for them.
const CATCH_UPS_PER_TURN: usize = 8;

/// Letters handled in a row before the sockets have their turn.
const LETTERS_PER_TURN: usize = 32;

/// The longest sleep of the timer task: sessions that come in the meantime have deadlines of their own.
const TIMER_TICK: Duration = Duration::from_millis(100);

/// How often the worker shows how many sessions it has: each time it looks at all of them, 0.1 ms for a thousand.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// How often the worker looks which credentials above those of its sessions end soon: 0.2 ms for a thousand.
const LOOK_AT_ISSUERS_EVERY: Duration = Duration::from_secs(5);

/// Where a worker shows how it stands.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) gauge: Arc<Gauge<WorkerCounts>>,
    pub(crate) issuers: Arc<Issuers>,
}

/// Runs until it is told to stop, and shows how it stands.
pub(crate) fn run(parts: Parts, shown: Shown) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = Rc::new(Local::new(parts));
    LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(keep_time(Rc::clone(&local), shown));
        tokio::task::spawn_local(hand_over(Rc::clone(&local)));
        tokio::task::spawn_local(call(Rc::clone(&local)));
        for turns in [&local.stranger_turns, &local.check_turns, &local.catch_up_turns] {
            let turns = Rc::clone(turns);
            tokio::task::spawn_local(async move { turns.renew().await });
        }
        read_letters(local).await;
    });
    Ok(())
}

async fn keep_time(local: Rc<Local>, Shown { gauge, issuers }: Shown) {
    let (mut show, mut look) = (Every::new(SHOW_EVERY), Every::new(LOOK_AT_ISSUERS_EVERY));
    loop {
        if show.is_due(Instant::now()) {
            gauge.show(local.counts());
        }
        let now = local.clock.steady();
        if look.is_due(Instant::now()) {
            issuers.show(local.index, local.worker.borrow().ending_issuers(now));
        }
        let next = local.worker.borrow().poll_timeout();
        let pause = next.map_or(TIMER_TICK, |at| at.since(now).min(TIMER_TICK));
        tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
        local.handle_timeout();
    }
}

/// Hands the journal thread what sessions have verified, for ever.
async fn hand_over(local: Rc<Local>) {
    loop {
        local.verified.gathered().await;
        local.hand_over();
    }
}

/// Wakes the drivers of sessions that have output, some in each turn, for ever.
pub(crate) async fn call(local: Rc<Local>) {
    loop {
        local.to_call.notified().await;
        while local.call_some() {
            tokio::task::yield_now().await;
        }
    }
}

/// Hands the worker its letters until it is told to stop.
pub(crate) async fn read_letters(local: Rc<Local>) {
    let inbox = Arc::clone(&local.inboxes[local.index]);
    loop {
        for _ in 0..LETTERS_PER_TURN {
            let letter = inbox.take().await;
            if matches!(letter, Letter::Stop) {
                return;
            }
            local.handle_letter(letter);
        }
        tokio::task::yield_now().await;
    }
}

impl Local {
    /// A worker without sessions.
    pub(crate) fn new(parts: Parts) -> Self {
        let (index, login_timeout) = (parts.config.index, parts.config.rules.login_timeout);
        let worker = Worker::new(parts.config, parts.chains, parts.revocations, parts.verdicts, parts.head);
        Self {
            worker: RefCell::new(worker),
            wakers: RefCell::default(),
            lines: RefCell::default(),
            batch: RefCell::default(),
            inboxes: parts.inboxes,
            index,
            submissions: parts.submissions,
            verified: Verified::default(),
            reads: parts.reads,
            clock: parts.clock,
            random: ring::rand::SystemRandom::new(),
            tls: parts.tls,
            upgrade_rules: Rc::new(UpgradeRules { origins: parts.origins, ..UpgradeRules::default() }),
            tls_failed: Cell::new(0),
            stranger_bytes: parts.stranger_bytes,
            login_timeout,
            stranger_turns: Rc::new(Turns::new(STRANGER_STEPS_PER_TURN)),
            check_turns: Rc::new(Turns::new(CHECKS_PER_TURN)),
            catch_up_turns: Rc::new(Turns::new(CATCH_UPS_PER_TURN)),
            to_call: Notify::new(),
            calling: Cell::new(false),
        }
    }

    fn handle_letter(self: &Rc<Self>, letter: Letter) {
        match letter {
            Letter::Connection(newcomer) => {
                tokio::task::spawn_local(connection::serve(Rc::clone(self), newcomer));
            }
            Letter::Answers(answers) => {
                self.with(|worker| answers.iter().for_each(|(answer, _)| worker.handle_answer(answer)));
            }
            Letter::Revocations(new) => {
                self.with(|worker| worker.handle_revocations(&new, self.clock.steady()))
            }
            Letter::Batch(batch) => self.with(|worker| worker.handle_batch(&batch, self.clock.steady())),
            Letter::Jump(head) => self.with(|worker| worker.handle_jump(head)),
            Letter::Reply(reply) => self.with(|worker| worker.handle_reply(*reply)),
            Letter::Reach(report) => self.with(|worker| worker.handle_reach(&report)),
            Letter::Unseated(id) => self.with(|worker| worker.handle_unseated(id, self.clock.steady())),
            Letter::Rules(rules) => self.with(|worker| worker.handle_rules(rules, self.clock.steady())),
            // Who asked may have gone; it makes room for an answer of each worker.
            Letter::Chains(tell) => drop(tell.try_send(self.worker.borrow().chains())),
            Letter::Shutdown(retry) => self.with(|worker| worker.handle_shutdown(retry)),
            Letter::Failed => self.with(Worker::handle_storage_failure),
            Letter::Stop => {}
        }
    }

    /// Calls into the worker, then does what it asks for.
    fn with<R>(&self, call: impl FnOnce(&mut Worker) -> R) -> R {
        let outcome = call(&mut self.worker.borrow_mut());
        loop {
            let effect = self.worker.borrow_mut().poll_effect();
            match effect {
                None => break,
                Some(effect) => self.carry_out(effect),
            }
        }
        if !self.calling.get() && self.worker.borrow().has_calls() {
            self.calling.set(true);
            self.to_call.notify_one();
        }
        outcome
    }

    /// Wakes as many drivers as one turn may. Whether others are left.
    fn call_some(&self) -> bool {
        let mut worker = self.worker.borrow_mut();
        let wakers = self.wakers.borrow();
        for _ in 0..CALLS_PER_TURN {
            let Some(id) = worker.poll_call() else {
                self.calling.set(false);
                return false;
            };
            if let Some(Some(waker)) = wakers.get(id.index()) {
                waker.wake_by_ref();
            }
        }
        true
    }

    fn hand_over(&self) {
        self.hand_over_now();
        // What was told of those without room is carried out.
        self.with(|_| ());
    }

    /// The journal thread takes what was verified; those without room are told `busy`.
    fn hand_over_now(&self) {
        for refused in self.submissions.submit(self.verified.take()) {
            #[cfg(feature = "sabotage")]
            if crate::sabotage::Sabotage::BusyUntold.is_planted() {
                continue;
            }
            let outcome: Result<Stored, _> = Err(Code::Busy.into());
            let answer = Answer { ticket: refused.ticket, id: refused.statement.id(), outcome };
            self.worker.borrow_mut().handle_answer(&answer);
        }
    }

    fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Submit(submission) => {
                if self.verified.put(submission) {
                    self.hand_over_now();
                }
            }
            Effect::Read(request) => {
                if let Err(TrySendError::Full((_, request)) | TrySendError::Disconnected((_, request))) =
                    self.reads.try_send((self.index, request))
                {
                    self.worker.borrow_mut().handle_unread(&request);
                }
            }
            Effect::Look(id) => {
                let taken = self.lines.borrow_mut().ask(id);
                self.worker.borrow_mut().handle_taken(id, taken, self.clock.steady());
            }
            Effect::Reach(report) => self.inboxes[report.author.worker].put(Letter::Reach(report)),
            Effect::Unseat(Sitter { worker, session }) => self.inboxes[worker].put(Letter::Unseated(session)),
        }
    }

    /// The time of sessions.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.steady()
    }

    /// A connection that was accepted then is ready to log in. `None` when the machine has no randomness to give.
    pub(crate) fn open_session(&self, binding: Binding, accepted: Timestamp) -> Option<SessionId> {
        let nonce: [u8; 32] = ring::rand::generate(&self.random).ok()?.expose();
        Some(self.with(|worker| worker.accept(Nonce::from_bytes(nonce), binding, accepted)))
    }

    pub(crate) fn close_session(&self, id: SessionId) {
        if let Some(place) = self.wakers.borrow_mut().get_mut(id.index()) {
            *place = None;
        }
        self.lines.borrow_mut().forget(id);
        self.with(|worker| worker.handle_disconnect(id));
    }

    /// Has the worker watch what this session's peer takes. False where the system does not tell.
    pub(crate) fn watch(&self, id: SessionId, stream: &TcpStream) -> bool {
        let is_told = self.lines.borrow_mut().note(id, stream);
        if is_told {
            self.with(|worker| worker.watch(id, self.clock.steady()));
        }
        is_told
    }

    /// How its sessions stand, and how many connections came to no session.
    fn counts(&self) -> WorkerCounts {
        let mut counts = self.worker.borrow().counts();
        counts.refusals = counts.refusals + *self.upgrade_rules.refused.borrow();
        counts.tls_failed = self.tls_failed.get();
        counts.http_failed = self.upgrade_rules.unreadable.get();
        counts
    }

    /// Does what is due by now.
    pub(crate) fn handle_timeout(&self) {
        self.with(|worker| worker.handle_timeout(self.clock.steady()));
    }

    /// The last place that the worker has dispatched.
    #[cfg(all(test, feature = "model"))]
    pub(crate) fn head(&self) -> Position {
        self.worker.borrow().head()
    }

    pub(crate) fn handle_unborne(&self, id: SessionId) {
        let now = self.clock.steady();
        self.with(|worker| worker.handle_unborne(id, now));
    }

    /// Something was refused outside of a session.
    pub(crate) fn count_refusal(&self, code: Code) {
        self.worker.borrow_mut().count_refusal(code);
    }

    #[cfg(all(test, feature = "model"))]
    pub(crate) fn take_output(&self, id: SessionId, max_bytes: usize) -> Vec<Output> {
        self.with(|worker| worker.take_output(id, max_bytes))
    }
}

impl Sessions for Local {
    fn set_waker(&self, id: SessionId, waker: &Waker) {
        let mut wakers = self.wakers.borrow_mut();
        if wakers.len() <= id.index() {
            wakers.resize(id.index() + 1, None);
        }
        // The same one again, as nearly always, is not counted again.
        wakers[id.index()].get_or_insert_with(|| waker.clone()).clone_from(waker);
    }

    fn is_logged_in(&self, id: SessionId) -> bool {
        self.worker.borrow().is_logged_in(id)
    }

    fn is_overdue(&self, id: SessionId) -> bool {
        self.worker.borrow().is_overdue(id)
    }

    fn may_read(&self, id: SessionId) -> bool {
        self.worker.borrow().may_read(id)
    }

    fn handle_frame(&self, id: SessionId, text: &str) -> usize {
        self.with(|worker| worker.handle_frame(id, text, self.clock.steady()))
    }

    fn handle_pong(&self, id: SessionId, number: u64) {
        self.with(|worker| worker.handle_pong(id, number, self.clock.steady()));
    }

    fn handle_controls(&self, id: SessionId, controls: u32) -> bool {
        self.with(|worker| worker.handle_controls(id, controls, self.clock.steady()))
    }

    fn handle_half_close(&self, id: SessionId) {
        self.with(|worker| worker.handle_half_close(id));
    }

    fn is_answered(&self, id: SessionId) -> bool {
        self.worker.borrow().is_answered(id)
    }

    fn handle_violation(&self, id: SessionId, code: Code) {
        self.with(|worker| worker.handle_violation(id, code));
    }

    fn give_output(&self, id: SessionId, batch: &mut Batch) -> bool {
        self.with(|worker| worker.give_output(id, batch))
    }

    fn catches_up(&self, id: SessionId) -> bool {
        self.worker.borrow().catches_up(id)
    }

    fn turns(&self, work: Work) -> &Rc<Turns> {
        match work {
            Work::Stranger => &self.stranger_turns,
            Work::Check => &self.check_turns,
            Work::CatchUp => &self.catch_up_turns,
        }
    }

    fn batch(&self) -> RefMut<'_, Batch> {
        self.batch.borrow_mut()
    }
}

// Not with the model, outside of which its queues panic.
#[cfg(test)]
#[cfg(not(feature = "model"))]
mod tests;
