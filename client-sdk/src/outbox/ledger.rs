//! What became of each message of an outbox, and which comes next. No I/O and no clock: records go in, both while a file
//! is read and while the outbox is used, so that a restart knows what the process before it knew.
//!
//! Invariants: a relay is given messages in the order in which they were taken over; a message that every relay refused
//! holds those that name it in `replaces`, and what names those, and no other; a receipt is never forgotten in favour
//! of a refusal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vigie_proto::channel::Plane;
use vigie_proto::id::{CredentialId, KeyId, MessageId};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

use super::record::{QueuedRecord, Record};
use super::{Entry, OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX, OutboxError, State};
use crate::draft::SignedMessage;
use crate::link::refusal;
use crate::publish::Receipt;

/// Messages that every relay has, kept to be looked at.
const DONE_KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Ledger {
    owner: (KeyId, Plane),
    /// The relays that each message is for.
    relays: Vec<String>,
    chains: BTreeMap<CredentialId, Arc<[String]>>,
    /// By number, which is the order of sending.
    messages: BTreeMap<u64, Kept>,
    numbers: BTreeMap<MessageId, u64>,
    last: u64,
}

#[derive(Debug)]
struct Kept {
    record: QueuedRecord,
    /// Taken out of `record`; none once every relay has it.
    message: Option<SignedMessage>,
    sent: bool,
    expired: bool,
    answers: BTreeMap<String, Answer>,
    /// The answer that came first among the receipts.
    receipt: Option<Receipt>,
}

#[derive(Debug)]
enum Answer {
    Stored(Receipt),
    Refused(Refusal),
}

/// A message to give to a relay now.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) message: SignedMessage,
    pub(super) credential: CredentialId,
    pub(super) chain: Arc<[String]>,
    pub(super) expires: Timestamp,
}

impl Ledger {
    pub(super) fn new(key: KeyId, plane: Plane, relays: Vec<String>) -> Self {
        Self {
            owner: (key, plane),
            relays,
            chains: BTreeMap::new(),
            messages: BTreeMap::new(),
            numbers: BTreeMap::new(),
            last: 0,
        }
    }

    /// Takes what happened. A record of a message that is not known is passed over.
    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Owner { .. } => {}
            Record::Chain { credential, links } => {
                self.chains.insert(credential, links.into());
            }
            Record::Queued(record) => self.take_over(*record),
            Record::Sent { id } => self.change(id, |kept| kept.sent = true),
            Record::Stored { id, relay, log, seq, admitted } => self.change(id, |kept| {
                let receipt = Receipt { id, log, seq, admitted };
                kept.receipt.get_or_insert(receipt);
                kept.answers.insert(relay, Answer::Stored(receipt));
            }),
            Record::Refused { id, relay, code, detail, credential } => self.change(id, |kept| {
                kept.answers.insert(relay, Answer::Refused(refusal(&code, &detail, credential)));
            }),
            Record::Expired { id } => self.change(id, |kept| kept.expired = true),
            Record::Retried { id } => self.change(id, |kept| {
                kept.expired = false;
                kept.answers.retain(|_, answer| matches!(answer, Answer::Stored(_)));
            }),
            Record::Dropped { id } => {
                if let Some(number) = self.numbers.remove(&id) {
                    self.messages.remove(&number);
                }
            }
        }
        self.forget_done();
    }

    fn take_over(&mut self, mut record: QueuedRecord) {
        let message = record.jws.take().and_then(|jws| SignedMessage::from_token(jws).ok());
        self.last = self.last.max(record.number);
        self.numbers.insert(record.id, record.number);
        let kept =
            Kept { message, sent: false, expired: false, answers: BTreeMap::new(), receipt: None, record };
        self.messages.insert(kept.record.number, kept);
    }

    fn change(&mut self, id: MessageId, how: impl FnOnce(&mut Kept)) {
        let Some(kept) = self.numbers.get(&id).and_then(|number| self.messages.get_mut(number)) else {
            return;
        };
        how(kept);
        if kept.receipt.is_some() && self.relays.iter().all(|relay| kept.answers.contains_key(relay)) {
            kept.message = None;
        }
    }

    fn forget_done(&mut self) {
        let done: Vec<u64> = self
            .messages
            .iter()
            .filter(|(_, kept)| kept.message.is_none())
            .map(|(number, _)| *number)
            .collect();
        for number in &done[..done.len().saturating_sub(DONE_KEPT)] {
            if let Some(kept) = self.messages.remove(number) {
                self.numbers.remove(&kept.record.id);
            }
        }
    }

    /// What is to be written to take a message over, its number filled in.
    ///
    /// At the bounds, messages that have a receipt and are only being given to further relays make room first.
    pub(super) fn admit(
        &mut self,
        mut record: QueuedRecord,
        chain: Vec<String>,
    ) -> Result<Vec<Record>, OutboxError> {
        let size = record.jws.as_ref().map_or(0, String::len);
        loop {
            let (count, bytes) = self.load();
            if count < OUTBOX_MESSAGES_MAX && bytes + size <= OUTBOX_BYTES_MAX {
                break;
            }
            let oldest =
                self.messages.values_mut().find(|kept| kept.message.is_some() && kept.receipt.is_some());
            oldest.ok_or(OutboxError::Full { messages: count, bytes })?.message = None;
        }
        record.number = self.last + 1;
        let credential = record.credential;
        let mut records = Vec::new();
        if !self.chains.contains_key(&credential) {
            records.push(Record::Chain { credential, links: chain });
        }
        records.push(Record::Queued(Box::new(record)));
        Ok(records)
    }

    /// How many messages are kept to be sent, and their bytes.
    fn load(&self) -> (usize, usize) {
        let sizes = self.messages.values().filter_map(|kept| Some(kept.message.as_ref()?.token().len()));
        sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size))
    }

    /// The first message that this relay is to be given.
    pub(super) fn next_for(&self, relay: &str, now: Timestamp) -> Option<Work> {
        let mut stuck = BTreeSet::new();
        for kept in self.messages.values() {
            let is_for_it = match self.state_of(kept, &mut stuck) {
                State::Queued | State::Sent | State::Stored(_) => !kept.answers.contains_key(relay),
                State::Refused(_) | State::Held { .. } => false,
            };
            if is_for_it
                && now < kept.record.expires
                && let Some(work) = self.work(kept)
            {
                return Some(work);
            }
        }
        None
    }

    fn work(&self, kept: &Kept) -> Option<Work> {
        let credential = kept.record.credential;
        let chain = self.chains.get(&credential).cloned().unwrap_or_default();
        let message = kept.message.clone()?;
        Some(Work { message, credential, chain, expires: kept.record.expires })
    }

    /// A message with its chain, while its bytes are kept.
    pub(super) fn signed(&self, id: MessageId) -> Option<Work> {
        self.numbers.get(&id).and_then(|number| self.messages.get(number)).and_then(|kept| self.work(kept))
    }

    /// Whether any relay is still to be given anything.
    pub(super) fn has_work(&self, now: Timestamp) -> bool {
        self.relays.iter().any(|relay| self.next_for(relay, now).is_some())
    }

    /// Whether a message is still to be sent to this relay.
    pub(super) fn is_wanted(&self, id: MessageId, relay: &str) -> bool {
        let kept = self.numbers.get(&id).and_then(|number| self.messages.get(number));
        kept.is_some_and(|kept| kept.message.is_some() && !kept.expired && !kept.answers.contains_key(relay))
    }

    /// Messages whose time has run out before any relay had them.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<MessageId> {
        let waiting = self.messages.values().filter(|kept| kept.receipt.is_none() && !kept.expired);
        waiting.filter(|kept| now >= kept.record.expires).map(|kept| kept.record.id).collect()
    }

    /// When the next message runs out of time.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        let waiting = self.messages.values().filter(|kept| kept.receipt.is_none() && !kept.expired);
        waiting.map(|kept| kept.record.expires).min()
    }

    pub(super) fn state(&self, id: MessageId) -> Option<State> {
        self.states().find(|(kept, _)| kept.record.id == id).map(|(_, state)| state)
    }

    /// How each message stands, in the order of sending.
    fn states(&self) -> impl Iterator<Item = (&Kept, State)> {
        let mut stuck = BTreeSet::new();
        self.messages.values().map(move |kept| (kept, self.state_of(kept, &mut stuck)))
    }

    /// Whether nothing is queued or sent: everything is stored, refused or held.
    pub(super) fn is_idle(&self) -> bool {
        !self.states().any(|(_, state)| matches!(state, State::Queued | State::Sent))
    }

    /// Everything that is known, in the order of sending.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let entry = |(kept, state): (&Kept, State)| Entry {
            id: kept.record.id,
            channel: kept.record.channel.clone(),
            title: kept.record.title.clone(),
            queued: kept.record.queued,
            expires: kept.record.expires,
            state,
            relays_stored: kept.answers.values().filter(|answer| matches!(answer, Answer::Stored(_))).count(),
            relays: self.relays.len(),
        };
        self.states().map(entry).collect()
    }

    /// `stuck` are the ids before it that hold what is linked to them; it is added to.
    fn state_of(&self, kept: &Kept, stuck: &mut BTreeSet<MessageId>) -> State {
        let state = Self::state_alone(kept, &self.relays, stuck);
        if matches!(state, State::Refused(_) | State::Held { .. }) {
            stuck.insert(kept.record.id);
        }
        state
    }

    fn state_alone(kept: &Kept, relays: &[String], stuck: &BTreeSet<MessageId>) -> State {
        if let Some(receipt) = kept.receipt {
            return State::Stored(receipt);
        }
        if kept.expired {
            return State::Refused(Code::Expired.into());
        }
        let refusals: Vec<&Refusal> = relays
            .iter()
            .filter_map(|relay| match kept.answers.get(relay) {
                Some(Answer::Refused(refusal)) => Some(refusal),
                Some(Answer::Stored(_)) | None => None,
            })
            .collect();
        if let (true, Some(first)) = (refusals.len() == relays.len(), refusals.first()) {
            return State::Refused((*first).clone());
        }
        match kept.record.replaces.iter().find(|id| stuck.contains(id)) {
            Some(by) => State::Held { by: *by },
            None if kept.sent => State::Sent,
            None => State::Queued,
        }
    }

    /// The records that make a ledger like this one.
    pub(super) fn to_records(&self) -> Vec<Record> {
        let (key, plane) = self.owner;
        let mut records = vec![Record::Owner { key, plane }];
        let waiting = || self.messages.values().filter(|kept| kept.message.is_some());
        let needed: BTreeSet<CredentialId> = waiting().map(|kept| kept.record.credential).collect();
        for (credential, links) in self.chains.iter().filter(|(credential, _)| needed.contains(credential)) {
            records.push(Record::Chain { credential: *credential, links: links.to_vec() });
        }
        for kept in self.messages.values() {
            let id = kept.record.id;
            let jws = kept.message.as_ref().map(|message| message.token().to_string());
            records.push(Record::Queued(Box::new(QueuedRecord { jws, ..kept.record.clone() })));
            if kept.sent {
                records.push(Record::Sent { id });
            }
            // The first receipt first: it stays the one that is shown.
            let mut answers: Vec<(&String, &Answer)> = kept.answers.iter().collect();
            answers.sort_by_key(
                |(_, answer)| !matches!(answer, Answer::Stored(one) if Some(*one) == kept.receipt),
            );
            for (relay, answer) in answers {
                records.push(answered(id, relay, answer));
            }
            if kept.expired {
                records.push(Record::Expired { id });
            }
        }
        records
    }
}

fn answered(id: MessageId, relay: &str, answer: &Answer) -> Record {
    match answer {
        Answer::Stored(receipt) => stored(relay, receipt),
        Answer::Refused(refusal) => refused(id, relay, refusal),
    }
}

pub(super) fn stored(relay: &str, receipt: &Receipt) -> Record {
    let Receipt { id, log, seq, admitted } = *receipt;
    Record::Stored { id, relay: relay.to_owned(), log, seq, admitted }
}

pub(super) fn refused(id: MessageId, relay: &str, refusal: &Refusal) -> Record {
    let (code, detail) = (refusal.code.as_str().to_owned(), refusal.detail.to_string());
    Record::Refused { id, relay: relay.to_owned(), code, detail, credential: refusal.credential }
}
