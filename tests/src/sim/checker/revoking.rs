//! What holds for revocations: nothing of the target or below is admitted after one, nobody of them stays or comes back, and
//! nobody else is touched.
//!
//! Whom a revocation meets is written anew here, from the sentence of the protocol: a link of a chain is revoked by one that
//! stands above it by its key in the same chain, or by who holds its key. When a revocation holds is taken from what anyone was told
//! of it: its issuer by an answer, readers with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::frame::HeldRevocations;
use vigie_proto::id::{LogId, MessageId, Sequence};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::Target;
use vigie_proto::time::Timestamp;

use super::{Checker, Log, Promise};
use crate::sim::history::{Did, LinkId, Rank, Ranks, ReaderId, Stated};

/// A session of the target is over so soon after the last worker has taken note of the revocation. In virtual time a letter
/// to a worker may wait for seconds; how soon it all is in true time, other tests say.
const OVER_WITHIN: Duration = Duration::from_secs(1);

/// Whether a revocation ends a chain.
pub(super) fn meets(stated: &Stated, chain: &[Rank]) -> bool {
    let Some(issuer) = stated.issuer.last() else { return false };
    chain.iter().enumerate().any(|(depth, rank)| {
        let is_target = match stated.target {
            Target::Credential(id) => rank.credential == id,
            Target::Key(id) => rank.key == id,
        };
        let issuer_is_above = chain[..depth].iter().any(|above| above.key == issuer.key);
        is_target && (issuer_is_above || rank.key == issuer.key)
    })
}

/// Whether somebody gives up what he signs under.
fn is_own(stated: &Stated) -> bool {
    stated.issuer.last().is_some_and(|rank| match stated.target {
        Target::Credential(id) => rank.credential == id,
        Target::Key(id) => rank.key == id,
    })
}

/// Whether both give up the same, on one plane and under one root, and the first reaches back further: then the other says
/// nothing more.
fn outdoes(first: &Stated, other: &Stated) -> bool {
    let root = |stated: &Stated| stated.issuer.first().map(|root| root.key);
    let same = first.target == other.target && first.plane == other.plane && root(first) == root(other);
    is_own(first) && is_own(other) && same && first.from <= other.from
}

/// A revocation that somebody signed.
#[derive(Debug)]
struct Signed {
    stated: Stated,
    first_sent: Option<Timestamp>,
}

/// The revocations of one log, as far as anyone was told.
#[derive(Debug, Default)]
pub(super) struct InLog {
    /// By their count: after which place each holds.
    pub(super) places: BTreeMap<u64, (Arc<str>, Sequence)>,
    /// Since when somebody knows of each, and since when it holds by the relay's time.
    known: BTreeMap<Arc<str>, (Timestamp, Timestamp)>,
    /// Since when every worker knows of each.
    heeded: BTreeMap<Arc<str>, Timestamp>,
}

impl InLog {
    /// All of them.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &Arc<str>> {
        self.known.keys()
    }
}

#[derive(Debug)]
struct Session {
    reader: Option<ReaderId>,
    chain: Ranks,
    until: Timestamp,
    asked: Timestamp,
    /// In which log, since when.
    opened: Option<(LogId, Timestamp)>,
    /// The relay has it no more.
    is_over: bool,
}

/// What is known of revocations.
#[derive(Debug, Default)]
pub(super) struct Revoking {
    signed: BTreeMap<Arc<str>, Signed>,
    pub(super) logs: BTreeMap<LogId, InLog>,
    sessions: BTreeMap<LinkId, Session>,
    /// Readers that were turned away as revoked, and have not come in since.
    out: BTreeSet<ReaderId>,
    pub(super) ids: BTreeMap<MessageId, Arc<str>>,
}

impl Revoking {
    /// Whether another of the same log that gives up the same reaches back further.
    pub(super) fn is_outdone(&self, log: &InLog, token: &Arc<str>) -> bool {
        let Some(stated) = self.stated(token) else { return false };
        let mut others = log.tokens().filter(|other| *other != token).filter_map(|it| self.stated(it));
        others.any(|other| outdoes(other, stated))
    }

    /// What a revocation says.
    pub(super) fn stated(&self, token: &str) -> Option<&Stated> {
        self.signed.get(token).map(|signed| &signed.stated)
    }

    /// Whether a reader was turned away as revoked when it came last.
    pub(super) fn is_out(&self, reader: ReaderId) -> bool {
        self.out.contains(&reader)
    }

    /// The revocations known of a log that end a chain, and since when they are.
    fn known_meeting<'r>(
        &'r self,
        log: LogId,
        chain: &'r [Rank],
    ) -> impl Iterator<Item = (&'r Arc<str>, Timestamp)> {
        let known = self.logs.get(&log).into_iter().flat_map(|log| &log.known);
        let meeting =
            known.filter(|(token, _)| self.stated(token).is_some_and(|stated| meets(stated, chain)));
        meeting.map(|(token, (since, _))| (token, *since))
    }
}

impl Log {
    /// Whether the relay may have lost a revocation: what stands on disk twice can be damaged twice.
    pub(super) const fn may_forget_revocations(&self) -> bool {
        self.kept.has_started_on_damage()
    }
}

impl Checker {
    pub(super) fn handle_revoking(&mut self, did: &Did) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others are judged elsewhere")]
        match did {
            Did::Revokes { token, stated } => {
                let signed = Signed { stated: stated.clone(), first_sent: None };
                // An issuer who says the same again signs the same bytes.
                self.revoking.signed.entry(Arc::clone(token)).or_insert(signed);
            }
            Did::RevocationSent { token } => {
                let now = self.now;
                if let Some(signed) = self.revoking.signed.get_mut(token) {
                    signed.first_sent.get_or_insert(now);
                }
            }
            Did::Revoked { token, log, admitted } => self.revocation_is_known(*log, token, *admitted),
            Did::RevocationRefused { token, code } => self.handle_revocation_refused(token, *code),
            Did::LogsIn { link, reader, chain, until } => {
                let (chain, asked, until) = (Arc::clone(chain), self.now, *until);
                let session = Session { reader: *reader, chain, until, asked, opened: None, is_over: false };
                self.revoking.sessions.insert(*link, session);
            }
            Did::TurnedAway { link, code } => self.handle_turned_away(*link, *code),
            Did::Closed { link, code: Code::SessionRevoked } => {
                let chain = self.revoking.sessions.get(link).map(|session| Arc::clone(&session.chain));
                if let Some(chain) = chain {
                    self.must_be_met(&chain, format!("the session on link {link} was ended"));
                }
            }
            Did::Over { link } => {
                self.judge_end(*link);
                // A client whose line is longer than its session may still be told how that ended.
                if let Some(session) = self.revoking.sessions.get_mut(link) {
                    session.is_over = true;
                }
            }
            Did::Heeded { token } => {
                if let Some(log) = self.running {
                    let now = self.now;
                    self.revoking.logs.entry(log).or_default().heeded.entry(Arc::clone(token)).or_insert(now);
                }
            }
            _ => {}
        }
    }

    /// Somebody was called revoked: somebody who may must have said so.
    pub(super) fn must_be_met(&mut self, chain: &[Rank], what: String) {
        let sent = self.revoking.signed.values().filter(|signed| signed.first_sent.is_some());
        if !sent.into_iter().any(|signed| meets(&signed.stated, chain)) {
            self.broken(Promise::NobodyElse, format!("{what} as revoked, and nobody who may has revoked it"));
        }
    }

    pub(super) fn handle_opened(&mut self, link: LinkId, held: Option<HeldRevocations>) {
        let (Some(log), now, wrong_by) = (self.running, self.now, self.wrong_by) else { return };
        let Some(session) = self.revoking.sessions.get_mut(&link) else { return };
        session.opened = Some((log, now));
        let (reader, asked, until) = (session.reader, session.asked, session.until);
        let chain = Arc::clone(&session.chain);
        if let Some(reader) = reader {
            self.revoking.out.remove(&reader);
            if let Some(view) = self.readers.views.get_mut(&reader) {
                view.learned.handle_session(log, held);
                view.session_until = until.plus(wrong_by);
            }
        }
        let too_late = self.revoking.known_meeting(log, &chain).any(|(_, since)| since < asked);
        if too_late && !self.may_forget(log) {
            self.broken(Promise::RevokedAreOut, format!("logged in on link {link} after its revocation"));
        }
    }

    fn may_forget(&self, log: LogId) -> bool {
        self.logs.get(&log).is_some_and(Log::may_forget_revocations)
    }

    fn handle_turned_away(&mut self, link: LinkId, code: Code) {
        let Some(session) = self.revoking.sessions.get(&link).filter(|_| code == Code::Revoked) else {
            return;
        };
        let (reader, chain) = (session.reader, Arc::clone(&session.chain));
        self.must_be_met(&chain, format!("the log-in on link {link} was refused"));
        if let Some(reader) = reader {
            self.revoking.out.insert(reader);
        }
    }

    /// A session is over, or everything is: was it in time?
    fn judge_end(&mut self, link: LinkId) {
        let Some(session) = self.revoking.sessions.get(&link) else { return };
        let Some((log, opened)) = session.opened.filter(|_| !session.is_over) else { return };
        let chain = Arc::clone(&session.chain);
        let heeded = self.revoking.logs.get(&log).map(|log| &log.heeded);
        let late = heeded.into_iter().flatten().find_map(|(token, since)| {
            let by = (*since).max(opened).plus(OVER_WITHIN);
            let met = self.revoking.stated(token).is_some_and(|stated| meets(stated, &chain));
            (met && self.now > by).then(|| self.now.since(by))
        });
        if let Some(late) = late.filter(|_| !self.may_forget(log)) {
            let late = late.as_millis();
            self.broken(
                Promise::RevokedAreOut,
                format!("the session on link {link} ended {late} ms too late"),
            );
        }
    }

    pub(super) fn revoked_are_out(&mut self) {
        let open: Vec<_> = self.revoking.sessions.keys().copied().collect();
        open.into_iter().for_each(|link| self.judge_end(link));
    }

    /// Somebody was told that this revocation is in this log.
    pub(super) fn revocation_is_known(&mut self, log: LogId, token: &Arc<str>, admitted: Timestamp) {
        let Some(signed) = self.revoking.signed.get(token) else {
            return self.broken(Promise::NothingElse, "a revocation that nobody signed".to_owned());
        };
        let Some(first_sent) = signed.first_sent else {
            return self.broken(Promise::NothingElse, "a revocation that was not sent".to_owned());
        };
        let stated = signed.stated.clone();
        // What one holds one gives up from earlier on, also when it is ended already.
        let reaches_further = |by: &Arc<str>| {
            let end = self.revoking.stated(by).map(|by| by.from);
            is_own(&stated) && end.is_some_and(|end| stated.from < end)
        };
        let revoked = self
            .revoking
            .known_meeting(log, &stated.issuer)
            .any(|(by, since)| by != token && since < first_sent && !reaches_further(by));
        if revoked && !self.may_forget(log) {
            let what = "a revocation by somebody who was revoked before".to_owned();
            self.broken(Promise::NothingAfterRevocation, what);
        }
        let now = self.now;
        let known = self.revoking.logs.entry(log).or_default().known.entry(Arc::clone(token));
        let (_, before) = *known.or_insert((now, admitted));
        if before != admitted && !self.may_forget(log) {
            self.broken(Promise::RevocationsHavePlaces, "a revocation was admitted at two times".to_owned());
        }
    }

    fn handle_revocation_refused(&mut self, token: &Arc<str>, code: Code) {
        let Some(signed) = self.revoking.signed.get(token) else { return };
        let issuer = Arc::clone(&signed.stated.issuer);
        if code.is_temporary() {
            return;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are wrong")]
        match code {
            Code::Revoked => self.must_be_met(&issuer, "a revocation was refused".to_owned()),
            // Under another credential, which the session was not let speak under any more.
            Code::NotAuthor | Code::CredentialExpired | Code::SessionExpired => {}
            _ => {
                self.broken(Promise::HonestRefusals, format!("a revocation is refused for good with {code}"))
            }
        }
    }

    /// At the end: what stands in each log after a revocation that meets it.
    pub(super) fn judge_revocations(&mut self) {
        let mut broken = Vec::new();
        for (id, revocations) in &self.revoking.logs {
            let nothing = Log::default();
            let log = self.logs.get(id).unwrap_or(&nothing);
            if log.may_forget_revocations() {
                continue;
            }
            let met = |stated: &Stated, token: &Arc<str>| {
                self.signed.get(token).is_some_and(|signed| meets(stated, &signed.chain))
            };
            for (token, after) in revocations.places.values() {
                let Some(stated) = self.revoking.stated(token) else { continue };
                for (seq, (message, _)) in log.places.range(after.next()..) {
                    if met(stated, message) {
                        let name = self.name(message);
                        broken.push(format!("{name} stands at {seq}, its revocation holds after {after}"));
                    }
                }
            }
            // Whatever place the relay gives it: who was told of it has seen the end of it.
            for (token, (since, _)) in &revocations.known {
                let Some(stated) = self.revoking.stated(token) else { continue };
                for (seq, (message, _)) in &log.places {
                    let sent = self.signed.get(message).and_then(|signed| signed.first_sent);
                    if sent.is_some_and(|sent| sent > *since) && met(stated, message) {
                        let name = self.name(message);
                        broken.push(format!(
                            "{name} stands at {seq}, and was sent when its revocation was known"
                        ));
                    }
                }
            }
        }
        for what in broken {
            self.broken(Promise::NothingAfterRevocation, what);
        }
    }
}
