//! A worker: it owns its sessions, their outboxes and its part of the topic table, and walks every batch.
//!
//! A plain value driven by calls. Frames, batches, answers and pages come in by `handle_*`; what is to be done comes
//! out by [`Worker::poll_effect`], [`Worker::poll_call`] and [`Worker::take_output`]. After each call poll effects until there
//! are none, and call [`Worker::handle_timeout`] when [`Worker::poll_timeout`] is due. Sockets, threads and clocks are around
//! it.
//! How a batch comes to the outboxes is in `dispatch.rs`.
//!
//! A session is *live*, or *behind*: then it stays in the topic table but is given events from the ring of recent ones
//! or from the journal, never past what this worker has dispatched. Resume, catch-up and a full outbox are this one
//! piece of code, in `catch_up.rs`.

mod config;
mod calls;
mod catch_up;
mod counts;
mod issuers;
mod deadlines;
mod dispatch;
mod filters;
mod leaving;
mod line;
mod outbox;
mod page;
mod past;
mod requests;
mod revoked;
mod ring;
mod rooted;
mod session;
mod taking;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::chain::{Chain, Verdicts};
use vigie_proto::frame::Rejection;
use vigie_proto::id::Nonce;
use vigie_proto::login::Binding;
use vigie_proto::refusal::{Code, Ends};
use vigie_proto::session::relay::AwaitLogin;
use vigie_proto::time::Timestamp;

use crate::chains::StoredChains;
use crate::event::{Position, ReachReport};
use crate::revocations::StoredRevocations;
use crate::seats::Sitter;
use crate::sequencer::Submission;
use crate::slab::Slab;
#[cfg(feature = "model")]
use crate::sync::{Plant, planted};
use crate::topic::Topics;

use calls::{Call, Calls};
pub use config::{IN_FLIGHT_MAX, OUTBOX_BYTES_MAX, RING_BYTES_MAX, WorkerConfig};
pub use counts::{HeldBackCounts, RefusalCounts, WorkerCounts};
use deadlines::CLOSE_WITHIN;
pub(crate) use dispatch::LocalEvent;
use filters::SharedFilters;
pub use issuers::{EndingIssuer, ISSUERS_ENDING_MAX};
use outbox::Outputs;
pub use outbox::{Outlet, Output};
pub use page::{Pages, ReadFrom, ReadReply, ReadRequest};
use ring::Ring;
use session::{Called, Session, Stage, Standing};
pub use taking::Taken;

/// A session of one worker. The generation tells it from an earlier one at the same index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(any(test, feature = "echo"), derive(Default))]
pub struct SessionId {
    index: usize,
    generation: u64,
}

impl SessionId {
    /// Where it stands among the sessions of its worker: small, and used again when it has ended.
    pub(crate) const fn index(self) -> usize {
        self.index
    }
}

/// What the driver must do for a worker.
#[derive(Debug)]
pub enum Effect {
    /// Hand it to the journal thread; if there is no room, answer `busy` by [`Worker::handle_answer`].
    Submit(Submission),
    /// Read from the journal ([`Pages::read`]) on another thread, and bring the reply to [`Worker::handle_reply`].
    Read(ReadRequest),
    /// Ask TCP what the peer has taken, and bring the answer to [`Worker::handle_taken`]. Only for a session that is
    /// [watched](Worker::watch).
    Look(SessionId),
    /// Bring it to the author's worker, [`Worker::handle_reach`].
    Reach(ReachReport),
    /// Bring it to that worker, [`Worker::handle_unseated`].
    Unseat(Sitter),
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Worker {
    config: WorkerConfig,
    chains: Arc<StoredChains>,
    revocations: Arc<StoredRevocations>,
    verdicts: Arc<dyn VerdictCache>,
    sessions: Slab<Session>,
    generation: u64,
    topics: Topics,
    filters: SharedFilters,
    ring: Ring,
    /// The last place that was dispatched.
    head: Position,
    /// When each session wants to be looked at.
    deadlines: BTreeSet<(Timestamp, SessionId)>,
    effects: VecDeque<Effect>,
    calls: Calls,
    /// Who hears the event that is being dispatched. Kept for its room, empty in between.
    audience: Vec<SessionId>,
    /// The latest time that any call brought: for marks that no timer asked for.
    last_now: Timestamp,
    going_away: Option<Duration>,
    /// What is counted as it happens; the sessions in it stay zero.
    counts: WorkerCounts,
}

/// A verdict cache that workers share.
pub trait VerdictCache: Verdicts + Send + Sync + std::fmt::Debug {}
impl<T: Verdicts + Send + Sync + std::fmt::Debug> VerdictCache for T {}

impl Worker {
    /// Begins at the head of the log, with no sessions.
    pub fn new(
        config: WorkerConfig,
        chains: Arc<StoredChains>,
        revocations: Arc<StoredRevocations>,
        verdicts: Arc<dyn VerdictCache>,
        head: Position,
    ) -> Self {
        Self {
            ring: Ring::new(config.ring_bytes_max, head.seq),
            config,
            chains,
            revocations,
            verdicts,
            sessions: Slab::default(),
            generation: 0,
            topics: Topics::default(),
            filters: SharedFilters::default(),
            head,
            deadlines: BTreeSet::new(),
            effects: VecDeque::new(),
            calls: Calls::default(),
            audience: Vec::new(),
            last_now: Timestamp::EPOCH,
            going_away: None,
            counts: WorkerCounts::default(),
        }
    }

    /// A connection is ready to log in: its challenge waits as output. The time to do so runs since it was `accepted`.
    pub fn accept(&mut self, nonce: Nonce, binding: Binding, accepted: Timestamp) -> SessionId {
        let await_login = AwaitLogin::new(nonce, binding, accepted);
        let challenge = await_login.challenge().to_text();
        let deadline = await_login.deadline(&self.config.rules);
        self.generation += 1;
        let generation = self.generation;
        let session = Session::new(generation, Stage::AwaitLogin(await_login), accepted, deadline);
        let id = SessionId { index: self.sessions.insert(session), generation };
        self.deadlines.insert((deadline, id));
        self.push_text(id, challenge);
        if let Some(retry) = self.going_away {
            self.send_away(id, retry);
        }
        id
    }

    /// The connection is gone: everything of it is given back.
    pub fn handle_disconnect(&mut self, id: SessionId) {
        let Some(session) = self.session(id) else { return };
        let deadline = session.deadline;
        self.deadlines.remove(&(deadline, id));
        self.topics.leave(id.index);
        self.sessions.remove(id.index);
    }

    /// The peer broke the WebSocket protocol or a limit of it; it is told and closed.
    pub fn handle_violation(&mut self, id: SessionId, code: Code) {
        self.reject(id, &vigie_proto::refusal::Refusal::from(code).into());
    }

    /// The client's certificate is good no more: it is told and closed, and given nothing of what waits.
    pub fn handle_unborne(&mut self, id: SessionId, now: Timestamp) {
        self.last_now = now;
        self.end_at_once(id, &vigie_proto::refusal::Refusal::from(Code::ClientCertificateRefused));
    }

    /// Whether log-in is done: the driver then allows larger frames.
    pub fn is_logged_in(&self, id: SessionId) -> bool {
        self.sessions.get(id.index).is_some_and(|session| {
            session.generation == id.generation && matches!(session.stage, Stage::LoggedIn(_))
        })
    }

    /// Whether frames of the peer may be read. Not while answers to what it asked pile up unread: events and pages keep
    /// to the outbox's bound by themselves, answers are bounded here. A peer that never reads them falls silent to the
    /// worker, and ends as `unresponsive`.
    pub fn may_read(&self, id: SessionId) -> bool {
        let bound = self.config.outbox_bytes_max.saturating_mul(2);
        self.sessions.get(id.index).is_none_or(|session| !session.leaving && session.outbox.bytes() <= bound)
    }

    /// Whether the connection is to be dropped now, whatever it still has to write.
    pub fn is_overdue(&self, id: SessionId) -> bool {
        self.sessions
            .get(id.index)
            .is_some_and(|session| session.generation == id.generation && session.overdue)
    }

    /// Whether what a session writes next is of the past: it is behind, or was when that was put into its outbox.
    pub fn catches_up(&self, id: SessionId) -> bool {
        let found = self.sessions.get(id.index).filter(|session| session.generation == id.generation);
        found.is_some_and(|session| {
            let is_behind = matches!(session.standing(), Some(Standing::Behind(_) | Standing::Reading(_)));
            (is_behind || session.outbox.given() < session.past_until) && !session.outbox.is_empty()
        })
    }

    /// Takes what is to be written, up to about `max_bytes`, in order, as [`Worker::give_output`] does.
    pub fn take_output(&mut self, id: SessionId, max_bytes: usize) -> Vec<Output> {
        let mut outputs = Outputs { taken: Vec::new(), bytes_left: max_bytes };
        self.give_output(id, &mut outputs);
        outputs.taken
    }

    /// Hands over what is to be written, in order, until the outlet is full. Then, if the session is behind, more is put
    /// in. Says whether something still waits: then call it again, [`Worker::poll_call`] does not name it.
    pub fn give_output(&mut self, id: SessionId, outlet: &mut impl Outlet) -> bool {
        let found = self.sessions.get_mut(id.index).filter(|session| session.generation == id.generation);
        let Some(session) = found else { return false };
        // Whoever calls sees by the answer what catching up puts in.
        session.called = Called::Comes;
        let before = (session.outbox.events_given(), session.outbox.given());
        let source = revoked::Source { revocations: &self.revocations, chains: &self.chains };
        session.outbox.give(outlet, &source);
        let after = (session.outbox.events_given(), session.outbox.given());
        self.counts.deliveries += after.0 - before.0;
        self.counts.delivered_bytes += after.1 - before.1;
        #[cfg(feature = "model")]
        let catches_up = !planted(Plant::BehindForgotten);
        #[cfg(not(feature = "model"))]
        let catches_up = true;
        if catches_up {
            self.catch_up(id);
        }
        let Some(session) = self.session(id) else { return false };
        let more = !session.outbox.is_empty();
        session.called = if more { Called::Comes } else { Called::Not };
        more
    }

    /// What to do next, if anything.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next session that has output, if any: have it call [`Worker::give_output`]. Each is named once until it does. Who has
    /// an urgent message comes first.
    pub fn poll_call(&mut self) -> Option<SessionId> {
        let sessions = &self.sessions;
        let id = self.calls.take(|id, call| {
            let session = sessions.get(id.index).filter(|session| session.generation == id.generation);
            session.is_some_and(|session| session.called == Called::Waits(call))
        })?;
        self.session(id)?.called = Called::Comes;
        Some(id)
    }

    /// Whether [`Worker::poll_call`] may have one to name.
    pub fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The journal failed: what has no receipt by now gets none. Every session is told, and closed.
    pub fn handle_storage_failure(&mut self) {
        for id in self.all_sessions() {
            self.handle_violation(id, Code::StorageFailed);
        }
    }

    fn all_sessions(&self) -> Vec<SessionId> {
        self.sessions
            .iter()
            .map(|(index, session)| SessionId { index, generation: session.generation })
            .collect()
    }

    /// The chains that its sessions logged in under.
    pub fn chains(&self) -> Vec<Arc<Chain>> {
        let chain = |session: &Session| match &session.stage {
            Stage::LoggedIn(state) => Some(Arc::clone(state.chain())),
            Stage::AwaitLogin(_) | Stage::Closing => None,
        };
        self.sessions.iter().filter_map(|(_, session)| chain(session)).collect()
    }

    /// How many sessions it owns, logged in or not.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The last place that was dispatched.
    pub const fn head(&self) -> Position {
        self.head
    }

    fn session(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id.index).filter(|session| session.generation == id.generation)
    }

    fn push_text(&mut self, id: SessionId, text: String) {
        if let Some(session) = self.session(id) {
            session.outbox.push_text(text.into());
            self.call(id, Call::Plain);
        }
    }

    /// As [`Worker::push_text`], of a part of a page of history, or of what says up to where all was given.
    fn push_place(&mut self, id: SessionId, text: String) {
        if let Some(session) = self.session(id) {
            session.outbox.push_place(text.into());
            self.call(id, Call::Plain);
        }
    }

    /// Tells a refusal; ends the session when its code does, or when it has not logged in.
    fn reject(&mut self, id: SessionId, rejection: &Rejection) {
        let Some(session) = self.session(id) else { return };
        let stranger = !matches!(session.stage, Stage::LoggedIn(_));
        let code = rejection.refusal.code;
        tracing::debug!(session = id.index, code = code.as_str(), "refused");
        self.count_refusal(code);
        self.counts.requests_refused += u64::from(rejection.re.is_some());
        self.counts.logins_refused += u64::from(stranger && rejection.re.is_none());
        self.push_text(id, rejection.to_frame().to_text());
        if stranger || !matches!(code.ends(), Ends::Request) {
            self.close(id, code);
        }
    }

    /// Counts what was refused, also outside of its sessions.
    pub fn count_refusal(&mut self, code: Code) {
        self.counts.refusals.note(code);
    }

    fn close(&mut self, id: SessionId, code: Code) {
        let by = self.last_now.plus(CLOSE_WITHIN);
        // One that is being closed has its end, and perhaps a near one: what is refused to it later does not put it off.
        let Some(session) = self.session(id).filter(|session| !session.outbox.is_closed()) else { return };
        session.close();
        session.outbox.push_close(code);
        // An end waits for no flood, nor in the line of those who are behind: what it closes is not behind any more.
        session.called = Called::Not;
        self.set_deadline(id, by);
        self.topics.leave(id.index);
        self.call(id, Call::Urgent);
    }

    /// The session has output: it is to be called, sooner where it waits for a later call.
    fn call(&mut self, id: SessionId, call: Call) {
        let Some(session) =
            self.sessions.get_mut(id.index).filter(|session| session.generation == id.generation)
        else {
            return;
        };
        match session.called {
            Called::Not => {}
            Called::Waits(earlier) if call < earlier => {}
            Called::Waits(_) | Called::Comes => return,
        }
        session.called = Called::Waits(call);
        self.calls.put(id, call);
    }
}
