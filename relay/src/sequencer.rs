//! The sequencer: it alone decides what enters the log, and in which order.
//!
//! Driven by the journal thread: a batch of verified messages goes in; for each it runs `admit` with `admitted` as
//! now, gives the next sequence, appends all in one write and one sync, and hands back the receipts and the batch.
//! Nothing is answered before the sync has returned. It knows no sockets, sessions or clocks.

mod copies;
mod ids;
mod leaves;

use std::sync::Arc;

use bytes::Bytes;
use vigie_proto::admit::{Admission, KnownIds, Stored, admit};
use vigie_proto::cap::MsgType;
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::id::{CredentialId, LogId, MessageId, Sequence};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::VerifiedMessage;

use crate::chains::StoredChains;
use copies::CopiesOnDisk;
pub use ids::{BYTES_IN_FORCE_MAX, IDS_IN_FORCE_MAX};
use ids::{Candidate, Ids, is_in_force};
use leaves::Leaves;

use crate::event::{Batch, Event, Position, Reach, SharedBatch};
use crate::journal::{
    CarriedId, Journal, JournalConfig, JournalError, MessageRecord, Record, Retention, Storage,
};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

/// Where an answer goes: a session of a worker, and the request there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Index of the worker.
    pub worker: usize,
    /// The session.
    pub session: crate::worker::SessionId,
    /// The number of the request.
    pub re: u64,
}

/// A verified message that waits for its place.
#[derive(Debug)]
pub struct Submission {
    /// Who asked.
    pub ticket: Ticket,
    /// The message.
    pub message: Box<VerifiedMessage>,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who asked.
    pub ticket: Ticket,
    /// The message.
    pub id: MessageId,
    /// Its place in the log, on disk; or why not.
    pub outcome: Result<Stored, Refusal>,
}

/// What one sync settled.
#[derive(Debug)]
pub struct Committed {
    /// One answer a submission, in their order.
    pub answers: Vec<Answer>,
    /// The new events, unless there are none.
    pub batch: Option<SharedBatch>,
}

/// Owns the journal's writing end.
#[derive(Debug)]
pub struct Sequencer<S: Storage> {
    journal: Journal<S>,
    ids: Ids,
    chains: Arc<StoredChains>,
    leaves: Leaves,
    copies: CopiesOnDisk,
    head: Position,
    workers: usize,
    /// The disk had no room when it was last needed.
    full: bool,
    #[cfg(feature = "sabotage")]
    held: Vec<Record>,
}

impl<S: Storage> Sequencer<S> {
    /// Opens the journal and rebuilds from it what is derived: ids and chains. `now` tells which ids still matter.
    ///
    /// # Errors
    /// Whatever keeps the journal from being opened; nothing was changed then but by a recovery that is safe to repeat.
    pub fn open(
        storage: S,
        config: JournalConfig,
        new_log: LogId,
        now: Timestamp,
        workers: usize,
    ) -> Result<Self, JournalError> {
        let mut ids = Ids::default();
        let chains = Arc::new(StoredChains::default());
        let mut leaves = Leaves::default();
        let journal = Journal::open(storage, config, new_log, &mut |record| {
            visit(record, &mut ids, &mut leaves, &chains, now);
            Ok(())
        })?;
        for range in journal.damage() {
            let (segment, offset, what) = (&*range.segment, range.offset, range.what);
            let (after, next) = (range.after.get(), range.next.get());
            tracing::error!(
                segment,
                offset,
                what,
                after,
                next,
                "the journal is damaged: what lies between cannot be given; check the disk, and put the segment back \
                 from a copy if there is one"
            );
        }
        let credentials = leaves.without_chain(&chains);
        if credentials > 0 {
            tracing::error!(
                credentials,
                "the chains of some authors are damaged in the journal: their messages cannot be verified until they \
                 publish again"
            );
        }
        let head = Position { seq: journal.last_seq(), admitted: journal.last_admitted() };
        Ok(Self {
            journal,
            ids,
            chains,
            leaves,
            copies: CopiesOnDisk::default(),
            head,
            workers,
            full: false,
            #[cfg(feature = "sabotage")]
            held: Vec::new(),
        })
    }

    /// How many signed bytes of messages in force it takes. Default [`BYTES_IN_FORCE_MAX`]; what is stored already
    /// stays, whatever it is.
    pub fn set_bytes_in_force_max(&mut self, bytes: u64) {
        self.ids.set_bytes_max(bytes);
    }

    /// The log that it writes.
    pub fn log(&self) -> LogId {
        self.journal.log()
    }

    /// The last place in the log.
    pub const fn head(&self) -> Position {
        self.head
    }

    /// The chains on disk, shared with the workers.
    pub fn chains(&self) -> Arc<StoredChains> {
        Arc::clone(&self.chains)
    }

    /// Whether the disk had no room when it was last needed: until [`Sequencer::rest`] finds some, only what may use the
    /// reserve is sure to be stored.
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// How many ids are in force, of at most [`IDS_IN_FORCE_MAX`].
    pub fn ids_in_force(&self) -> usize {
        self.ids.len()
    }

    /// The journal's reading end, for those who are behind.
    pub fn journal(&self) -> &Journal<S> {
        &self.journal
    }

    /// Decides on a batch and makes it durable.
    ///
    /// `now` is the relay's time, or why it admits nothing; `admitted` never goes back even when it does.
    ///
    /// # Errors
    /// The journal failed: nothing of this batch may be acknowledged, and the relay must stop. A full disk is no error
    /// here but the retryable refusal `full` for each new message, unless it may use the reserve ([`may_use_reserve`]).
    pub fn commit(
        &mut self,
        submissions: Vec<Submission>,
        now: Result<Timestamp, Refusal>,
    ) -> Result<Committed, JournalError> {
        if let Ok(now) = &now {
            self.ids.prune(*now);
        }
        let mut plan = Plan::default();
        let answers: Vec<_> =
            submissions.iter().map(|submission| self.decide(submission, &now, &mut plan)).collect();
        match self.append(&plan) {
            Ok(()) => Ok(self.settle(plan, answers)),
            Err(JournalError::Full { .. }) => self.commit_on_reserve(&submissions, &now, &plan, answers),
            Err(error) => Err(error),
        }
    }

    /// The disk is full: stores what may use the reserve, and refuses the rest.
    fn commit_on_reserve(
        &mut self,
        submissions: &[Submission],
        now: &Result<Timestamp, Refusal>,
        refused: &Plan,
        answers: Vec<Answer>,
    ) -> Result<Committed, JournalError> {
        self.full = true;
        self.withdraw(refused);
        let mut plan = Plan { is_thrifty: true, ..Plan::default() };
        let mut answers: Vec<_> = answers
            .into_iter()
            .zip(submissions)
            .map(|(answer, submission)| {
                if !refused.ids.contains(&answer.id) {
                    answer
                } else if may_use_reserve(&submission.message) {
                    self.decide(submission, now, &mut plan)
                } else {
                    without_room(answer)
                }
            })
            .collect();
        match self.journal.append_urgent(&plan.records) {
            Ok(()) => Ok(self.settle(plan, answers)),
            Err(JournalError::Full { .. }) => {
                self.withdraw(&plan);
                for answer in answers.iter_mut().filter(|answer| plan.ids.contains(&answer.id)) {
                    answer.outcome = Err(Code::Full.into());
                }
                Ok(Committed { answers, batch: None })
            }
            Err(error) => Err(error),
        }
    }

    /// Nothing waits: proves the last batch on disk, makes the reserve whole, and prepares the next segment before it is
    /// needed.
    ///
    /// # Errors
    /// The journal failed, as in [`Sequencer::commit`]. No room for any of it is no error.
    pub fn rest(&mut self) -> Result<(), JournalError> {
        #[cfg(feature = "sabotage")]
        self.journal.append(&std::mem::take(&mut self.held))?;
        let mut full = false;
        for step in [Journal::write_footer, Journal::keep_reserve, Journal::prepare_next] {
            match step(&mut self.journal) {
                Ok(()) => {}
                Err(JournalError::Full { .. }) => full = true,
                Err(error) => return Err(error),
            }
        }
        self.full = full;
        Ok(())
    }

    /// Makes one step of retention, for moments when nothing waits: call it again while it says that there is more.
    ///
    /// What is still needed is carried on: ids until 120 s after their message expires, so that retention lets no replay
    /// in, and the credentials under which messages that stay speak.
    ///
    /// # Errors
    /// The journal failed, as in [`Sequencer::commit`], or, when [`Journal::is_poisoned`] does not hold, a segment that
    /// is due cannot be read and stays. No room to carry on what is needed is no error: it stays for now.
    pub fn retain(&mut self, now: Timestamp) -> Result<bool, JournalError> {
        let (leaves, chains) = (&mut self.leaves, &*self.chains);
        // Found once a step, and only when the step meets a credential.
        let mut kept = None;
        let step = self.journal.retain(now, &mut |record, first_kept| match record {
            #[cfg(feature = "sabotage")]
            Record::Credential { .. } if Sabotage::CarriedCredentialLost.is_planted() => false,
            Record::Credential { id, .. } => {
                let kept = kept.get_or_insert_with(|| leaves.kept(first_kept, chains));
                let needed = kept.contains(id);
                if !needed {
                    leaves.forget(*id);
                }
                needed
            }
            #[cfg(feature = "sabotage")]
            _ if Sabotage::IdsForgottenAtRetention.is_planted() => false,
            Record::Message(MessageRecord { expires, .. }) | Record::Carried(CarriedId { expires, .. }) => {
                is_in_force(*expires, now)
            }
            // Where a log comes from is to be known as long as the log.
            Record::Forked(_) => true,
        });
        match step {
            Ok(Retention::Nothing) | Err(JournalError::Full { .. }) => Ok(false),
            Ok(Retention::More) => Ok(true),
            Ok(Retention::Removed { segments }) => {
                self.leaves.drop_forgotten(self.journal.first_seq(), &self.chains);
                self.copies.retain(|id| self.chains.contains(id));
                tracing::info!(segments, first = self.journal.first_seq().get(), "old messages were removed");
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Closes the journal: a clean stop needs no recovery.
    ///
    /// # Errors
    /// The last sync failed; what was acknowledged before is on disk all the same.
    pub fn close(self) -> Result<(), JournalError> {
        self.journal.close()
    }

    fn decide(
        &mut self,
        submission: &Submission,
        now: &Result<Timestamp, Refusal>,
        plan: &mut Plan,
    ) -> Answer {
        let message = &submission.message;
        let answer = |outcome| Answer { ticket: submission.ticket, id: message.id(), outcome };
        let admitted = match now {
            Ok(now) => (*now).max(self.head.admitted),
            Err(refusal) => {
                // What is known has its receipt whatever the clock says.
                return answer(self.ids.find(&message.id()).ok_or_else(|| refusal.clone()));
            }
        };
        match admit(message, admitted, &self.ids) {
            Err(refusal) => answer(Err(refusal)),
            Ok(Admission::Known(stored)) => answer(Ok(stored)),
            Ok(Admission::Fresh) => {
                let reserve = may_use_reserve(message);
                let candidate = Candidate {
                    credential: message.credential(),
                    plane: message.message().channel.plane,
                    bytes: message.token().len(),
                };
                if !self.ids.make_room(&candidate, reserve, admitted)
                    || !self.chains.has_room(message.chain(), plan.credentials.len(), reserve)
                {
                    return answer(Err(Code::Full.into()));
                }
                let seq = plan.last.unwrap_or(self.head.seq).next();
                let stored = Stored { seq, admitted };
                // Known from here on, so that the same bytes twice in one batch take one place.
                self.ids.insert(message.id(), stored, message.message().expires, &candidate);
                let (chains, leaves, copies) = (&self.chains, &self.leaves, &self.copies);
                let (here, is_thrifty) = (self.journal.write_place(), plan.is_thrifty);
                plan.add(submission, stored, &|id| {
                    let enough = is_thrifty || !copies.wants_another(id, here);
                    chains.contains(id) && !leaves.is_forgotten(*id) && enough
                });
                answer(Ok(stored))
            }
        }
    }

    fn append(&mut self, plan: &Plan) -> Result<(), JournalError> {
        if plan.records.is_empty() {
            return Ok(());
        }
        #[cfg(feature = "sabotage")]
        if let Some(done) = crate::sabotage::append(&mut self.journal, &mut self.held, &plan.records) {
            return done;
        }
        self.journal.append(&plan.records)
    }

    fn settle(&mut self, plan: Plan, answers: Vec<Answer>) -> Committed {
        let here = self.journal.write_place();
        for credential in plan.credentials {
            self.leaves.stored(credential.id());
            self.copies.written(credential.id(), here);
            self.chains.insert(credential);
        }
        for record in &plan.records {
            if let Record::Message(message) = record {
                self.leaves.used(message.credential, message.seq);
            }
        }
        let workers = self.workers;
        let events: Vec<_> = plan
            .records
            .iter()
            .filter_map(|record| if let Record::Message(message) = record { Some(message) } else { None })
            .zip(plan.authors)
            .map(|(message, author)| (Arc::new(Event::from(message)), Reach::new(author, workers)))
            .collect();
        if let Some((last, _)) = events.last() {
            self.head = last.at;
        }
        #[cfg(feature = "sabotage")]
        if Sabotage::ReceiptWithoutStore.is_planted() {
            return Committed { answers, batch: None };
        }
        let batch = (!events.is_empty()).then(|| Arc::new(Batch { events }));
        Committed { answers, batch }
    }

    /// Nothing of the plan was written: forgets what `decide` noted.
    fn withdraw(&mut self, plan: &Plan) {
        for id in &plan.ids {
            self.ids.remove(id);
        }
    }
}

/// What a batch will append, in order: the links that are not on disk often enough, each before the first message under
/// it.
#[derive(Debug, Default)]
struct Plan {
    records: Vec<Record>,
    credentials: Vec<Arc<Credential>>,
    authors: Vec<Ticket>,
    ids: Vec<MessageId>,
    last: Option<Sequence>,
    /// On the reserve nothing is written twice.
    is_thrifty: bool,
}

impl Plan {
    fn add(&mut self, submission: &Submission, stored: Stored, on_disk: &dyn Fn(&CredentialId) -> bool) {
        let message = &submission.message;
        for link in message.chain().links() {
            if !on_disk(&link.id()) && !self.has(link.id()) {
                let jws = Bytes::copy_from_slice(link.token().as_bytes());
                self.records.push(Record::Credential { id: link.id(), jws });
                self.credentials.push(Arc::clone(link));
            }
        }
        self.records.push(Record::Message(MessageRecord {
            seq: stored.seq,
            admitted: stored.admitted,
            expires: message.message().expires,
            id: message.id(),
            credential: message.credential(),
            severity: message.message().severity,
            channel: message.message().channel.clone(),
            jws: Bytes::copy_from_slice(message.token().as_bytes()),
        }));
        self.authors.push(submission.ticket);
        self.ids.push(message.id());
        self.last = Some(stored.seq);
    }

    fn has(&self, id: CredentialId) -> bool {
        self.credentials.iter().any(|credential| credential.id() == id)
    }
}

fn without_room(answer: Answer) -> Answer {
    Answer { outcome: Err(Code::Full.into()), ..answer }
}

/// Whether a message may use the room that is kept when the disk is full, or nearly as many ids are in force as may be:
/// what takes another message back or corrects it, and what is urgent.
pub fn may_use_reserve(message: &VerifiedMessage) -> bool {
    let message = message.message();
    let cap = &message.content.cap;
    let urgent = message.severity >= Severity::Severe && cap.is_urgent_timing();
    cap.msg_type == MsgType::Cancel || !message.replaces.is_empty() || urgent
}

fn visit(record: &Record, ids: &mut Ids, leaves: &mut Leaves, chains: &StoredChains, now: Timestamp) {
    match record {
        Record::Credential { jws, .. } => {
            // Written by this relay after it was found good; a later version's credential is skipped, and its
            // messages are then given without a chain, which readers show as suspect.
            if let Some(credential) =
                std::str::from_utf8(jws).ok().and_then(|token| Credential::parse(token).ok())
            {
                chains.insert(Arc::new(credential));
            }
        }
        Record::Message(message) => {
            leaves.used(message.credential, message.seq);
            if is_in_force(message.expires, now) {
                let stored = Stored { seq: message.seq, admitted: message.admitted };
                let (credential, plane) = (message.credential, message.channel.plane);
                let candidate = Candidate { credential, plane, bytes: message.jws.len() };
                ids.insert(message.id, stored, message.expires, &candidate);
            }
        }
        Record::Carried(carried) => {
            if is_in_force(carried.expires, now) {
                let stored = Stored { seq: carried.seq, admitted: carried.admitted };
                // The plane is not carried on: of an exercise that is gone only the id is left, which counts as any.
                let candidate = Candidate { credential: carried.credential, plane: Plane::Live, bytes: 0 };
                ids.insert(carried.id, stored, carried.expires, &candidate);
            }
        }
        Record::Forked(_) => {}
    }
}
