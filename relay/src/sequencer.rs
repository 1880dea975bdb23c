//! The sequencer: it alone decides what enters the log, and in which order.
//!
//! Driven by the journal thread: a batch of verified messages goes in; for each it runs `admit` with `admitted` as
//! now, gives the next sequence, appends all in one write and one sync, and hands back the receipts and the batch.
//! Nothing is answered before the sync has returned. It knows no sockets, sessions or clocks.

mod copies;
mod ids;
mod leaves;
mod lost;
mod plan;
mod rebuild;
mod revoking;
mod shares;
mod statement;
mod submission;

use std::sync::Arc;

use vigie_proto::admit::{Admission, KnownIds, Stored, admit};
use vigie_proto::chain::Chain;
use vigie_proto::id::{CredentialId, LogId};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::VerifiedRevocation;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::VerifiedMessage;

use crate::chains::StoredChains;
use copies::CopiesOnDisk;
pub use ids::{BYTES_IN_FORCE_MAX, IDS_IN_FORCE_MAX};
use ids::{Candidate, Ids, is_in_force};
use leaves::Leaves;
use plan::Plan;
use rebuild::{tell_losses, visit};
use revoking::{Decided, Revoking};
pub use statement::{Statement, StatementId, may_use_reserve};
pub use submission::{Answer, Committed, Submission, Ticket};

use crate::event::{Batch, Event, Position, Reach};
use crate::journal::{
    CarriedId, Journal, JournalConfig, JournalError, MessageRecord, Record, Retention, Storage,
};
use crate::revocations::StoredRevocations;
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::trust::SharedRules;

/// Owns the journal's writing end.
#[derive(Debug)]
pub struct Sequencer<S: Storage> {
    journal: Journal<S>,
    ids: Ids,
    chains: Arc<StoredChains>,
    leaves: Leaves,
    copies: CopiesOnDisk,
    revoking: Revoking,
    revocations_lost: u64,
    head: Position,
    workers: usize,
    /// Where the roots may be renewed while it runs.
    rules: Option<SharedRules>,
    /// The disk had no room when it was last needed.
    full: bool,
    #[cfg(feature = "sabotage")]
    held: Vec<Record>,
}

impl<S: Storage> Sequencer<S> {
    /// Opens the journal and rebuilds from it what is derived: ids, chains and revocations in force. `now` tells which ids still
    /// matter.
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
        let mut revocations = Vec::new();
        let journal = Journal::open(storage, config, new_log, &mut |record| {
            if let Record::Revocation(revocation) = record {
                revocations.push(revocation.clone());
            }
            visit(record, &mut ids, &mut leaves, &chains, now);
            Ok(())
        })?;
        let revocations_lost = lost::count(&revocations, journal.damage());
        let revoking = Revoking::rebuild(journal.log(), revocations, &chains, journal.write_place());
        lost::tell(revocations_lost, revoking.without_chain());
        tell_losses(&journal, &leaves, &chains);
        let head = Position { seq: journal.last_seq(), admitted: journal.last_admitted() };
        Ok(Self {
            journal,
            ids,
            chains,
            leaves,
            copies: CopiesOnDisk::default(),
            revoking,
            revocations_lost,
            head,
            workers,
            rules: None,
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

    /// Holds what was verified against these once more, where their roots were renewed since. Default: by nothing.
    pub fn set_rules(&mut self, rules: SharedRules) {
        self.rules = Some(rules);
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

    /// The revocations on disk, shared with the workers.
    pub fn revocations(&self) -> Arc<StoredRevocations> {
        self.revoking.stored()
    }

    /// Revocations that the journal had and could not give when it was opened, as far as what is left can tell: whom they
    /// ended is let in again. And those whose issuer's chain is lost, until they are sent again.
    pub const fn revocations_lost(&self) -> u64 {
        self.revocations_lost + self.revoking.without_chain()
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

    /// How many signed bytes the messages in force take, and how many they may take.
    pub fn bytes_in_force(&self) -> (u64, u64) {
        self.ids.bytes()
    }

    /// The journal that it writes: how it stands, and its reading end ([`Journal::reader`]).
    pub fn journal(&self) -> &Journal<S> {
        &self.journal
    }

    /// Decides on a batch and makes it durable.
    ///
    /// `now` is the relay's time, or why it admits nothing; `admitted` never goes back even when it does.
    ///
    /// # Errors
    /// The journal failed: nothing of this batch may be acknowledged, and the relay must stop. A full disk is no error
    /// here but the retryable refusal `full` for each new statement, unless it may use the reserve
    /// ([`Statement::may_use_reserve`]).
    pub fn commit(
        &mut self,
        submissions: &[Submission],
        now: Result<Timestamp, Refusal>,
    ) -> Result<Committed, JournalError> {
        if let Ok(now) = &now {
            self.ids.prune(*now);
        }
        let mut plan = Plan::default();
        let answers: Vec<_> =
            submissions.iter().map(|submission| self.decide(submission, &now, &mut plan)).collect();
        self.add_copies(&mut plan);
        match self.append(&plan) {
            Ok(()) => Ok(self.settle(plan, answers)),
            Err(JournalError::Full { .. }) => self.commit_on_reserve(submissions, &now, &plan, answers),
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
                } else if submission.statement.may_use_reserve() {
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
                for (answer, submission) in answers.iter_mut().zip(submissions) {
                    if plan.ids.contains(&answer.id) || !self.stands(answer, submission, now) {
                        answer.outcome = Err(Code::Full.into());
                    }
                }
                Ok(Committed { answers, revocations: None, batch: None })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a refusal holds without what was withdrawn: whoever was revoked by a revocation that found no room
    /// is not refused for good.
    fn stands(&mut self, answer: &Answer, submission: &Submission, now: &Result<Timestamp, Refusal>) -> bool {
        let Err(refusal) = &answer.outcome else { return true };
        if refusal.code != Code::Revoked {
            return true;
        }
        let mut alone = Plan::default();
        let again = self.decide(submission, now, &mut alone);
        self.withdraw(&alone);
        again.outcome.is_err_and(|again| again.code == refusal.code)
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
    /// in, revocations as long as they hold, and the credentials under which these and messages that stay speak.
    ///
    /// # Errors
    /// The journal failed, as in [`Sequencer::commit`], or, when [`Journal::is_poisoned`] does not hold, a segment that
    /// is due cannot be read and stays. No room to carry on what is needed is no error: it stays for now.
    pub fn retain(&mut self, now: Timestamp) -> Result<bool, JournalError> {
        self.ids.prune_if_full(now);
        let (leaves, chains, revoking) = (&mut self.leaves, &*self.chains, &self.revoking);
        // Found once a step, and only when the step meets a credential.
        let mut kept = None;
        let step = self.journal.retain(now, &mut |record, first_kept| match record {
            #[cfg(feature = "sabotage")]
            Record::Credential { .. } if Sabotage::CarriedCredentialLost.is_planted() => false,
            Record::Credential { id, .. } => {
                let kept = kept.get_or_insert_with(|| leaves.kept(first_kept, revoking.issuers(), chains));
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
            Record::Revocation(revocation) => revoking.is_needed(revocation),
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
        let Submission { ticket, statement } = submission;
        let outcome = match (now, statement) {
            (Ok(now), Statement::Message(message)) => self.decide_message(*ticket, message, *now, plan),
            (Ok(now), Statement::Revocation(revocation)) => self.decide_revocation(revocation, *now, plan),
            // What is known has its receipt whatever the clock says.
            (Err(refusal), statement) => self.find(statement.id()).ok_or_else(|| refusal.clone()),
        };
        Answer { ticket: *ticket, id: statement.id(), outcome }
    }

    fn find(&self, id: StatementId) -> Option<Stored> {
        match id {
            StatementId::Message(id) => self.ids.find(&id),
            // One that lacks the chain of its issuer is to be decided on.
            StatementId::Revocation(id) if self.revoking.lacks_chain(&id) => None,
            StatementId::Revocation(id) => self.revoking.find(&id),
        }
    }

    /// When something that is decided on now is admitted: never earlier than what was before.
    fn admitted(&self, now: Timestamp) -> Timestamp {
        now.max(self.head.admitted).max(self.revoking.last_admitted())
    }

    fn decide_message(
        &mut self,
        author: Ticket,
        message: &VerifiedMessage,
        now: Timestamp,
        plan: &mut Plan,
    ) -> Result<Stored, Refusal> {
        let admitted = self.admitted(now);
        let in_force = self.revoking.in_force();
        #[cfg(feature = "sabotage")]
        let in_force = crate::sabotage::in_force(in_force, plan.revocations.is_empty());
        match admit(message, admitted, &self.ids, in_force)? {
            Admission::Known(stored) => Ok(stored),
            Admission::Fresh => {
                self.still_trusted(message.chain(), admitted)?;
                let reserve = may_use_reserve(message);
                let candidate = Candidate {
                    credential: message.credential(),
                    plane: message.message().channel.plane,
                    bytes: message.token().len(),
                };
                if !self.ids.make_room(&candidate, reserve, admitted)
                    || !self.chains.has_room(message.chain(), plan.credentials.len(), reserve)
                {
                    return Err(Code::Full.into());
                }
                let seq = plan.last.unwrap_or(self.head.seq).next();
                let stored = Stored { seq, admitted };
                // Known from here on, so that the same bytes twice in one batch take one place.
                self.ids.insert(message.id(), stored, message.message().expires, &candidate);
                let on_disk = self.on_disk(plan.is_thrifty);
                plan.add_message(author, message, stored, &on_disk);
                Ok(stored)
            }
        }
    }

    fn decide_revocation(
        &mut self,
        new: &VerifiedRevocation,
        now: Timestamp,
        plan: &mut Plan,
    ) -> Result<Stored, Refusal> {
        let id = new.revocation().id();
        if let Some(stored) = self.find(StatementId::Revocation(id)) {
            return Ok(stored);
        }
        if !self.chains.has_room(new.chain(), plan.credentials.len(), true) {
            return Err(Code::Full.into());
        }
        let place = Stored { seq: plan.last.unwrap_or(self.head.seq), admitted: self.admitted(now) };
        // It was verified by the roots of its worker, which may have been others.
        let renewed = self.rules.as_ref().map_or(Ok(None), |rules| rules.renew(new))?;
        match self.revoking.decide(renewed.as_ref().unwrap_or(new), place)? {
            Decided::Known(stored) => Ok(stored),
            Decided::Fresh(one) => {
                let stored = one.stored;
                let on_disk = self.on_disk(plan.is_thrifty);
                plan.add_revocation(one, new.chain(), &on_disk);
                Ok(stored)
            }
        }
    }

    /// It was verified by the roots of its worker, which may have been others.
    fn still_trusted(&self, chain: &Chain, at: Timestamp) -> Result<(), Refusal> {
        let revocations = self.revoking.in_force();
        self.rules.as_ref().map_or(Ok(()), |rules| rules.judge(chain, at, revocations))
    }

    /// What is on disk once goes along with what is written anyway.
    fn add_copies(&self, plan: &mut Plan) {
        if plan.records.is_empty() {
            return;
        }
        let on_disk = self.on_disk(false);
        for one in self.revoking.copies_due(self.journal.write_place()) {
            let issuer = self.chains.links(one.in_force.revocation().issuer()).unwrap_or_default();
            plan.add_copy(one, &issuer, &on_disk);
        }
    }

    /// Which credentials are on disk often enough where the next batch is written.
    fn on_disk(&self, is_thrifty: bool) -> impl Fn(&CredentialId) -> bool {
        let here = self.journal.write_place();
        move |id| {
            let enough = is_thrifty || !self.copies.wants_another(id, here);
            self.chains.contains(id) && !self.leaves.is_forgotten(*id) && enough
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
        self.revoking.copied(plan.copies);
        self.revoking.settle(&plan.revocations, here);
        let mut events = Vec::with_capacity(plan.authors.len());
        let mut authors = plan.authors.into_iter();
        for record in plan.records {
            let Record::Message(message) = record else { continue };
            let Some((author, urgent)) = authors.next() else { break };
            self.leaves.used(message.credential, message.seq);
            let event = Event { urgent, ..Event::from(message) };
            events.push((Arc::new(event), Reach::new(author, self.workers)));
        }
        if let Some((last, _)) = events.last() {
            self.head = last.at;
        }
        #[cfg(feature = "sabotage")]
        if Sabotage::ReceiptWithoutStore.is_planted() {
            return Committed { answers, revocations: None, batch: None };
        }
        let batch = (!events.is_empty()).then(|| Arc::new(Batch { events }));
        let revocations = (!plan.revocations.is_empty()).then(|| plan.revocations.into());
        Committed { answers, revocations, batch }
    }

    /// Nothing of the plan was written: forgets what `decide` noted.
    fn withdraw(&mut self, plan: &Plan) {
        for id in &plan.ids {
            if let StatementId::Message(id) = id {
                self.ids.remove(id);
            }
        }
        self.revoking.withdraw(&plan.revocations);
    }
}

fn without_room(answer: Answer) -> Answer {
    Answer { outcome: Err(Code::Full.into()), ..answer }
}
