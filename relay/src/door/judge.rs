//! Judges what the door is asked, by the same functions as the relay and by what it trusts and knows at that moment.
//!
//! Looks at chains on disk, at those that were verified since the start, and at those of the sessions that are on; which of
//! the three is told to nobody. Nothing of it changes what the relay does: its cache of verdicts is read and not written.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use vigie_proto::chain::{Chain, TokenHash, Verdicts};
use vigie_proto::credential::{Credential, Issuer};
use vigie_proto::explain::{self, Finding};
use vigie_proto::hear::Said;
use vigie_proto::id::{CredentialId, MessageId, Sequence};
use vigie_proto::label::Label;
use vigie_proto::limits::CHAIN_LINKS_MAX;
use vigie_proto::revocation::Revocations;

use super::question::{Addressed, Answer, Hearer, Question};
use crate::chains::{SharedVerdicts, StoredChains};
use crate::clock::Clock;
use crate::journal::{JournalReader, MessageRecord, ReadError, Storage};
use crate::revocations::StoredRevocations;
use crate::trust::SharedRules;

/// Credentials judged for one answer: at most some 150 KiB of it, and 30 ms of signatures on disk that nobody has used
/// since the start. Who wants the rest asks again.
pub(crate) const HEARERS_MAX: usize = 500;

/// Messages looked through at a time, from the newest on.
const WINDOW: u64 = 4_096;

/// Read at once.
const PAGE_BYTES: usize = 1024 * 1024;

/// Signed bytes looked through for a message whose place is not named: some 100,000 messages of the usual size.
const SEARCHED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What the door looks at.
#[derive(Debug)]
pub(crate) struct Judge<S: Storage> {
    pub(crate) rules: SharedRules,
    pub(crate) clock: Arc<Clock>,
    pub(crate) chains: Arc<StoredChains>,
    pub(crate) verdicts: Arc<SharedVerdicts>,
    pub(crate) revocations: Arc<StoredRevocations>,
    pub(crate) journal: JournalReader<S>,
}

/// How long an answer may take: until then, and no longer than the relay runs.
#[derive(Debug)]
pub(super) struct Patience {
    pub(super) until: Instant,
    pub(super) stop: watch::Receiver<bool>,
}

impl Patience {
    fn is_over(&self) -> bool {
        *self.stop.borrow() || self.until <= Instant::now()
    }
}

impl<S: Storage> Judge<S> {
    /// Answers, given the chains of the sessions that are on.
    pub(super) fn answer(&self, asked: &Question, on: &[Arc<Chain>], patience: &Patience) -> Answer {
        match asked {
            Question::Message { id, seq, after } => match self.find(*id, *seq, patience) {
                Ok(Some(record)) => self.hearers(&record, *after, on, patience),
                Ok(None) => {
                    let first = self.first();
                    Answer::UnknownMessage { looked_from: first, first }
                }
                Err(NotFound::Within(looked_from)) => {
                    Answer::UnknownMessage { looked_from, first: self.first() }
                }
                Err(NotFound::Unread(error)) => Answer::Failed { why: error.to_string() },
            },
            Question::Publish { chain, channel, severity } => self.judge(chain, |chain, revocations| {
                explain::publish(chain, channel, *severity, self.clock.steady(), revocations)
            }),
            Question::Subscribe { chain, channel } => self.judge(chain, |chain, revocations| {
                explain::subscribe(chain, channel, self.clock.steady(), revocations)
            }),
            Question::Hear { chain, channel, severity, label, audience } => {
                let label = match Label::new(*label, audience.iter().cloned()) {
                    Ok(label) => label,
                    Err(fault) => return Answer::Failed { why: fault.to_string() },
                };
                let said = Said { channel, severity: *severity, audience: label.audience() };
                self.judge(chain, |chain, revocations| {
                    explain::hear(chain, said, self.clock.steady(), revocations)
                })
            }
        }
    }

    /// What each rule says of a chain that somebody brings.
    fn judge(&self, tokens: &[String], of: impl Fn(&Chain, &Revocations) -> Vec<Finding>) -> Answer {
        if tokens.is_empty() || tokens.len() > CHAIN_LINKS_MAX {
            return Answer::Failed { why: format!("a chain has 1 to {CHAIN_LINKS_MAX} links") };
        }
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let (chain, mut findings) = explain::chain(&tokens, &self.rules.now().roots);
        if let Ok(chain) = chain {
            findings.extend(self.revocations.look(|revocations| of(&chain, revocations)));
        }
        Answer::Judged { findings: findings.into_iter().map(Into::into).collect() }
    }

    fn first(&self) -> Sequence {
        let page = self.journal.read_after(Sequence::START, 1);
        page.map_or(Sequence::new(1), |page| page.first_available)
    }

    /// Looks for a message: at the place that is named, else from the newest back.
    fn find(
        &self,
        id: MessageId,
        seq: Option<Sequence>,
        patience: &Patience,
    ) -> Result<Option<MessageRecord>, NotFound> {
        if let Some(seq) = seq {
            let before = Sequence::new(seq.get().saturating_sub(1));
            let found = self.scan(before, seq, id, &mut 0, patience)?;
            return found.map(Some).ok_or(NotFound::Within(seq));
        }
        let (first, mut top, mut searched) = (self.first().get(), self.journal.head().get(), 0);
        while top >= first && top > 0 {
            let from = top.saturating_sub(WINDOW);
            let found = self.scan(Sequence::new(from), Sequence::new(top), id, &mut searched, patience)?;
            if found.is_some() {
                return Ok(found);
            }
            top = from;
            if searched >= SEARCHED_BYTES_MAX || patience.is_over() {
                return Err(NotFound::Within(Sequence::new(from + 1)));
            }
        }
        Ok(None)
    }

    /// Looks for it after one place, up to another; what cannot be read is passed over.
    fn scan(
        &self,
        after: Sequence,
        to: Sequence,
        id: MessageId,
        searched: &mut usize,
        patience: &Patience,
    ) -> Result<Option<MessageRecord>, NotFound> {
        let mut after = after;
        while after < to {
            let page = match self.journal.read_after(after, PAGE_BYTES) {
                Ok(page) => page,
                Err(ReadError::Damaged { next, .. }) if next.get() > after.get() + 1 => {
                    after = Sequence::new(next.get() - 1);
                    continue;
                }
                Err(error) => return Err(NotFound::Unread(error)),
            };
            if let Some(found) = page.messages.iter().find(|one| one.id == id) {
                return Ok(Some(found.clone()));
            }
            *searched += page.messages.iter().map(|one| one.jws.len()).sum::<usize>();
            if page.end <= after {
                return Ok(None);
            }
            after = page.end;
            // One window may hold a gigabyte: whoever waits, or stops the relay, does not wait for all of it.
            if after < to && (*searched >= SEARCHED_BYTES_MAX || patience.is_over()) {
                return Err(NotFound::Within(to.next()));
            }
        }
        Ok(None)
    }

    /// Who may hear it, of all that are known, in the order of their ids.
    fn hearers(
        &self,
        record: &MessageRecord,
        after: Option<CredentialId>,
        on: &[Arc<Chain>],
        patience: &Patience,
    ) -> Answer {
        let (known, rules) = (self.known(on), self.rules.now());
        let verdicts = Seen { shared: &self.verdicts, own: RefCell::default() };
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut asked = known.range((behind, Bound::Unbounded));
        let mut hearers = Vec::new();
        while hearers.is_empty() || (hearers.len() < HEARERS_MAX && !patience.is_over()) {
            let Some((id, leaf)) = asked.next() else { break };
            let Some(tokens) = chain_of(leaf, &known) else { continue };
            let findings = match Chain::verify(tokens.iter().copied(), &rules.roots, &verdicts) {
                Ok(chain) => self.revocations.look(|revocations| {
                    explain::hear(&chain, Said::from(record), self.clock.steady(), revocations)
                }),
                Err(_) => explain::chain(&tokens, &rules.roots).1,
            };
            let claims = leaf.claims();
            hearers.push(Hearer::new(*id, claims.org.to_string(), claims.name.clone(), findings));
        }
        let message = Addressed {
            id: record.id,
            seq: record.seq,
            admitted: record.admitted,
            channel: record.channel.clone(),
            severity: record.severity,
            audience: record.audience.orgs().to_vec(),
            author: record.credential,
        };
        Answer::Message { message, hearers, more: asked.count() as u64 }
    }

    /// Every credential that the relay knows of, each once.
    fn known(&self, on: &[Arc<Chain>]) -> BTreeMap<CredentialId, Arc<Credential>> {
        let of_sessions = on.iter().flat_map(|chain| chain.links()).map(Arc::clone);
        let all = self.chains.all().into_iter().chain(self.verdicts.all()).chain(of_sessions);
        all.map(|credential| (credential.id(), credential)).collect()
    }
}

/// Why a message was not found.
enum NotFound {
    /// Nothing before this place was looked at.
    Within(Sequence),
    /// The disk failed.
    Unread(ReadError),
}

/// The links from the root down, as far as all of them are known.
fn chain_of<'k>(
    leaf: &'k Arc<Credential>,
    known: &'k BTreeMap<CredentialId, Arc<Credential>>,
) -> Option<Vec<&'k str>> {
    let mut tokens = Vec::new();
    let mut link = leaf;
    while tokens.len() < CHAIN_LINKS_MAX {
        tokens.push(&**link.token());
        match link.issuer() {
            Issuer::Itself(_) => {
                tokens.reverse();
                return Some(tokens);
            }
            Issuer::Parent(parent) => link = known.get(&parent)?,
        }
    }
    None
}

/// The verdicts of the relay, and those of this answer beside them: who asks much pushes out nothing of clients.
struct Seen<'v> {
    shared: &'v SharedVerdicts,
    own: RefCell<HashMap<TokenHash, Arc<Credential>>>,
}

impl Verdicts for Seen<'_> {
    fn find(&self, token: &TokenHash) -> Option<Arc<Credential>> {
        self.shared.peek(token).or_else(|| self.own.borrow().get(token).map(Arc::clone))
    }

    fn keep(&self, token: TokenHash, credential: &Arc<Credential>) {
        self.own.borrow_mut().insert(token, Arc::clone(credential));
    }
}
