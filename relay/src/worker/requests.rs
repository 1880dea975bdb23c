//! What a worker does with a frame of a session, and with what the journal answers to it.

use std::cell::Cell;
use std::sync::Arc;

use vigie_proto::chain::{TokenHash, Verdicts};
use vigie_proto::credential::Credential;
use vigie_proto::frame::{ClientFrame, Rejection, ServerFrame, Start};
use vigie_proto::hear::Reader;
use vigie_proto::id::CredentialId;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::session::relay::Request;
use vigie_proto::time::{Timestamp, millis};

use super::page::ReadFrom;
use super::past::Past;
use super::session::{Stage, Standing, Subscription, UNANSWERED_MAX};
use super::{Effect, SessionId, Worker};
use crate::event::ReachReport;
use crate::rates::Held;
use crate::seats::Sitter;
use crate::sequencer::{Answer, Statement, StatementId, Submission, Ticket};

/// Holds a frame that brings a chain to its rate, before any of its links is checked.
fn in_pace<'f>(
    frame: ClientFrame<'f>,
    may_bring: impl FnOnce(bool) -> Result<(), Held>,
) -> Result<ClientFrame<'f>, Rejection> {
    let revokes = matches!(frame, ClientFrame::Revoke { .. });
    if frame.brings_chain() {
        may_bring(revokes).map_err(|held| Rejection { re: frame.number(), refusal: held.into() })?;
    }
    Ok(frame)
}

/// Counts what had to be checked.
struct Counted<'v> {
    verdicts: &'v dyn Verdicts,
    missed: Cell<usize>,
}

impl Verdicts for Counted<'_> {
    fn find(&self, token: &TokenHash) -> Option<Arc<Credential>> {
        let found = self.verdicts.find(token);
        self.missed.set(self.missed.get() + usize::from(found.is_none()));
        found
    }

    fn keep(&self, token: TokenHash, credential: &Arc<Credential>) {
        self.verdicts.keep(token, credential);
    }
}

impl Worker {
    /// A text frame came. At most one failed signature check for a stranger. Returns how many links of chains were not
    /// known from before and so cost a check each, beside the one that every frame may cost.
    pub fn handle_frame(&mut self, id: SessionId, text: &str, now: Timestamp) -> usize {
        self.last_now = now;
        let verdicts = Arc::clone(&self.verdicts);
        let verdicts = Counted { verdicts: &*verdicts, missed: Cell::new(0) };
        let Some(session) = self.session(id) else { return 0 };
        session.note_heard(now);
        match std::mem::replace(&mut session.stage, Stage::Closing) {
            Stage::Closing => {}
            Stage::AwaitLogin(state) => {
                let rules = &self.config.rules;
                match state.handle_frame(text, rules, &verdicts, &*self.revocations, now) {
                    Ok(state) => self.seat(id, state, now),
                    Err(rejection) => self.reject(id, &rejection),
                }
            }
            Stage::LoggedIn(mut state) => {
                let may_bring = |revokes| session.pace.take_chain(revokes, now);
                let frame = ClientFrame::parse(text).and_then(|frame| in_pace(frame, may_bring));
                let (rules, revocations) = (&self.config.rules, &*self.revocations);
                let outcome =
                    frame.and_then(|frame| state.handle_parsed(frame, rules, &verdicts, revocations, now));
                #[cfg(feature = "sabotage")]
                let outcome = crate::sabotage::outcome(outcome, text, &state);
                if let Some(session) = self.session(id) {
                    session.stage = Stage::LoggedIn(state);
                }
                match outcome {
                    Ok(request) => self.carry_out(id, request),
                    Err(rejection) => self.reject(id, &rejection),
                }
            }
        }
        verdicts.missed.get()
    }

    /// Its proof is good: a seat for it, in the place of another one of its key where that must be.
    fn seat(&mut self, id: SessionId, state: vigie_proto::session::relay::LoggedIn, now: Timestamp) {
        let sitter = Sitter { worker: self.config.index, session: id };
        match self.config.seats.enter(state.chain(), sitter, now) {
            Ok((seat, go)) => {
                let Some(session) = self.session(id) else { return };
                session.seat = Some(seat);
                self.effects.extend(go.into_iter().map(Effect::Unseat));
                self.welcome(id, state, now);
            }
            Err(refusal) => self.reject(id, &refusal.into()),
        }
    }

    /// Its seat went to a newcomer: it is told and closed, and given nothing of what waits. One that closes already was
    /// told why, and takes the room of one that comes: it is dropped.
    pub fn handle_unseated(&mut self, id: SessionId, now: Timestamp) {
        self.last_now = now;
        let Some(session) = self.session(id) else { return };
        match session.stage {
            Stage::LoggedIn(_) => {
                let detail = "a newer session of this key, or of one above it, took its place";
                self.end_at_once(id, &Refusal::new(Code::TooManySessions, detail));
            }
            Stage::Closing => self.drop_now(id),
            // Without a seat there is none to lose.
            Stage::AwaitLogin(_) => {}
        }
    }

    fn welcome(&mut self, id: SessionId, state: vigie_proto::session::relay::LoggedIn, now: Timestamp) {
        let interval = state.mark_interval();
        let welcome = ServerFrame::Welcome {
            log: self.config.log,
            head: self.head.seq,
            now,
            mark_ms: millis(interval),
            relay: self.config.relay.id(),
        };
        let next = now.plus(interval);
        let ends = state.ends();
        let chain = state.chain();
        let plane = chain.plane();
        let pace = self.config.rates.pace(chain.leaf().id(), plane, now);
        let held = state.held_revocations().filter(|held| held.log == self.config.log);
        let Some(session) = self.session(id) else { return };
        session.stage = Stage::LoggedIn(Box::new(state));
        session.pace = pace;
        session.next_mark = next;
        session.revocations_given = held.map_or(0, |held| held.count);
        self.set_deadline(id, next.min(ends));
        self.push_text(id, welcome.to_text());
        // Before any event: what waits in an outbox is written in order. And before any chain, revocations bring some.
        self.rotations(plane).into_iter().for_each(|frame| self.push_text(id, frame));
        self.give_revocations(id, plane);
    }

    fn carry_out(&mut self, id: SessionId, request: Request) {
        match request {
            Request::Accept { re } => self.push_text(id, ServerFrame::Accepted { re }.to_text()),
            Request::Publish { re, message } => self.submit(id, re, Statement::Message(message)),
            Request::Revoke { re, revocation } => self.submit(id, re, Statement::Revocation(revocation)),
            Request::Subscribe { re, reader, start } => self.subscribe(id, re, reader, start),
            Request::History { re, reader, start, limit } => self.read_history(id, re, reader, start, limit),
            Request::Credential { re, id: credential } => self.give_chain(id, re, credential),
        }
    }

    fn submit(&mut self, id: SessionId, re: u64, statement: Statement) {
        let in_flight_max = self.config.in_flight_max;
        let (worker, now) = (self.config.index, self.last_now);
        let Some(session) = self.session(id) else { return };
        if session.in_flight >= in_flight_max {
            #[cfg(feature = "sabotage")]
            if crate::sabotage::Sabotage::BusyUntold.is_planted() {
                return;
            }
            return self.reject(id, &Rejection { re: Some(re), refusal: Code::Busy.into() });
        }
        if let Err(held) = session.pace.take(statement.may_use_reserve(), now) {
            self.counts.held_back.note(held.by);
            return self.reject(id, &Rejection { re: Some(re), refusal: held.into() });
        }
        session.in_flight += 1;
        let ticket = Ticket { worker, session: id, re };
        self.effects.push_back(Effect::Submit(Submission { ticket, statement }));
    }

    /// The journal thread (or the queue to it, when full) has decided on a publish or a revocation.
    pub fn handle_answer(&mut self, answer: &Answer) {
        let Ticket { session: id, re, .. } = answer.ticket;
        let log = self.config.log;
        let Some(session) = self.session(id) else { return };
        session.in_flight = session.in_flight.saturating_sub(1);
        match (&answer.outcome, answer.id) {
            (Ok(stored), StatementId::Message(message)) => {
                let receipt =
                    ServerFrame::Receipt { re, id: message, log, seq: stored.seq, admitted: stored.admitted };
                self.push_text(id, receipt.to_text());
            }
            (Ok(stored), StatementId::Revocation(revocation)) => {
                self.answer_revoke(id, re, revocation, *stored);
            }
            (Err(refusal), _) => self.reject(id, &Rejection { re: Some(re), refusal: refusal.clone() }),
        }
        self.close_if_answered(id);
    }

    /// All workers have counted who was given a message of one of this worker's sessions.
    pub fn handle_reach(&mut self, report: &ReachReport) {
        let ReachReport { author, id, live, behind } = *report;
        self.push_text(author.session, ServerFrame::Reach { id, live, behind }.to_text());
    }

    fn subscribe(&mut self, id: SessionId, re: u64, mut reader: Reader, start: Start) {
        self.filters.share(&mut reader);
        let filters = Arc::clone(reader.filters());
        let head = self.head;
        let Some(session) = self.session(id) else { return };
        let here = session.position(head).unwrap_or(head);
        let before = session.subscription.take();
        let (begins_before, mut unanswered) =
            before.map_or_else(Default::default, |it| (it.begins, it.unanswered));
        if unanswered.len() >= UNANSWERED_MAX {
            // A client that does not wait for answers: what it had stands no more, and it begins again.
            return self.handle_violation(id, Code::GoingAway);
        }
        unanswered.push(re);
        let begins = match start {
            // The place where the session is may itself still be looked up.
            Start::Here => begins_before,
            Start::Beginning => Some(ReadFrom::Beginning),
            Start::After(cursor) => Some(ReadFrom::Cursor(cursor)),
        };
        let standing = if begins.is_some() { Standing::Reading(None) } else { Standing::Behind(here) };
        session.subscriptions += 1;
        let number = session.subscriptions;
        session.subscription =
            Some(Subscription { reader, standing, told: here, number, begins, next_bytes: 0, unanswered });
        self.topics.leave(id.index);
        self.topics.enter(id.index, &filters);
        if begins.is_some() {
            self.ask_for_page(id);
        } else {
            self.answer_subscribe(id, here);
            self.catch_up(id);
        }
    }

    fn read_history(&mut self, id: SessionId, re: u64, reader: Reader, start: Start, limit: u32) {
        let Some(session) = self.session(id) else { return };
        if session.reading_history {
            let refusal = Refusal::new(Code::Busy, "one page of history at a time");
            return self.reject(id, &Rejection { re: Some(re), refusal });
        }
        session.reading_history = true;
        let from = match start {
            Start::After(cursor) => ReadFrom::Cursor(cursor),
            Start::Here | Start::Beginning => ReadFrom::Beginning,
        };
        self.read_past(id, Box::new(Past::new(re, reader, limit)), from);
    }

    fn give_chain(&mut self, id: SessionId, re: u64, credential: CredentialId) {
        // Of its own the log knows only once it has spoken.
        let session = self.sessions.get(id.index).filter(|session| session.generation == id.generation);
        let own = || session.and_then(|session| session.own_chain(credential));
        match self.chains.chain(credential).or_else(own) {
            Some(links) => {
                let chain = links.iter().map(|link| (&**link).into()).collect();
                self.push_text(id, ServerFrame::Chain { chain, re: Some(re) }.to_text());
            }
            None => {
                let refusal = Refusal::from(Code::UnknownCredential).by(credential);
                self.reject(id, &Rejection { re: Some(re), refusal });
            }
        }
    }
}
