//! What holds for readers when somebody is revoked: they learn it unasked, before what follows it in the log, and take back
//! what was admitted since `from`, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vigie_proto::frame::HeldRevocations;
use vigie_proto::id::{LogId, MessageId, Sequence};
use vigie_proto::time::Timestamp;

use super::readers::View;
use super::revoking::meets;
use super::{Checker, Log, Promise};
use crate::sim::history::Did;

/// How far a session had been told of revocations when it was given its events.
#[derive(Debug)]
struct Stretch {
    log: LogId,
    /// The highest count so far.
    told: u64,
    /// The last event that was given before it was told of another.
    last: Sequence,
}

/// What one reader knows of revocations.
#[derive(Debug, Default)]
pub(super) struct Learned {
    stretches: Vec<Stretch>,
    /// Those that it was told, by whatever log.
    told: BTreeSet<Arc<str>>,
    told_of: BTreeSet<(LogId, Arc<str>)>,
    /// When each message that it was given was admitted, by the log that gave it first.
    admitted: BTreeMap<Arc<str>, Timestamp>,
    disowned: BTreeSet<Arc<str>>,
}

impl Learned {
    /// A session begins, for which it said that it holds so much.
    pub(super) fn handle_session(&mut self, log: LogId, held: Option<HeldRevocations>) {
        let told = held.filter(|held| held.log == log).map_or(0, |held| held.count);
        self.stretches.push(Stretch { log, told, last: Sequence::START });
    }

    pub(super) fn handle_given(&mut self, log: LogId, seq: Sequence, admitted: Timestamp, token: &Arc<str>) {
        self.admitted.entry(Arc::clone(token)).or_insert(admitted);
        if let Some(stretch) = self.stretches.last_mut().filter(|stretch| stretch.log == log) {
            stretch.last = stretch.last.max(seq);
        }
    }

    /// What it was told did not verify.
    pub(super) fn forget(&mut self, token: &Arc<str>) {
        self.told.remove(token);
    }

    pub(super) fn has_disowned(&self, token: &Arc<str>) -> bool {
        self.disowned.contains(token)
    }
}

impl Checker {
    pub(super) fn handle_told(&mut self, view: &mut View, did: &Did) -> Vec<(Promise, String)> {
        let Did::ToldRevoked { log, count, seq, admitted, token, .. } = did else { return Vec::new() };
        let (log, count, seq) = (*log, *count, *seq);
        self.revocation_is_known(log, token, *admitted);
        let forgets = self.logs.get(&log).is_some_and(Log::may_forget_revocations);
        let mut broken = Vec::new();
        let places = &mut self.revoking.logs.entry(log).or_default().places;
        let is_the_same = places.get(&count).is_none_or(|(other, at)| other == token && *at == seq);
        let before = places.range(..count).next_back().is_none_or(|(_, (_, at))| *at <= seq);
        let after = places.range(count + 1..).next().is_none_or(|(_, (_, at))| seq <= *at);
        let holds = is_the_same && before && after;
        if !holds && !forgets {
            let what = format!("was told revocation {count} after place {seq}, which is another one's");
            broken.push((Promise::RevocationsHavePlaces, what));
        }
        places.insert(count, (Arc::clone(token), seq));
        if self.revoking.stated(token).is_some_and(|stated| stated.plane != view.plane) {
            broken.push((Promise::PlanesApart, "was told a revocation of the other plane".to_owned()));
        }
        view.learned.told.insert(Arc::clone(token));
        view.learned.told_of.insert((log, Arc::clone(token)));
        match view.learned.stretches.last() {
            Some(stretch) if stretch.log == log && stretch.told < count => {}
            _ => broken.push((
                Promise::ReadersLearn,
                format!("was told revocation {count}, which it had said that it holds, or out of order"),
            )),
        }
        view.learned.stretches.push(Stretch { log, told: count, last: Sequence::START });
        broken
    }

    /// Whether a reader who was told what it was told must take this back.
    fn is_disowned(&self, learned: &Learned, token: &Arc<str>, admitted: Timestamp) -> bool {
        let Some(signed) = self.signed.get(token) else { return false };
        let stated = learned.told.iter().filter_map(|told| self.revoking.stated(told));
        stated.into_iter().any(|stated| admitted >= stated.from && meets(stated, &signed.chain))
    }

    pub(super) fn judge_shown(
        &self,
        view: &View,
        token: &Arc<str>,
        admitted: Timestamp,
    ) -> Vec<(Promise, String)> {
        let wrong = self.is_disowned(&view.learned, token, admitted);
        let what = || format!("was shown {}, whose author it knew to be revoked before", self.name(token));
        Vec::from_iter(wrong.then(|| (Promise::DisownedSince, what())))
    }

    pub(super) fn handle_disowned(
        &self,
        view: &mut View,
        id: MessageId,
        given_before: bool,
    ) -> Vec<(Promise, String)> {
        let Some(token) = self.revoking.ids.get(&id) else {
            return vec![(Promise::DisownedSince, "an unknown message is disowned".to_owned())];
        };
        let name = self.name(token);
        let mut broken = Vec::new();
        let admitted = view.learned.admitted.get(token).copied();
        if !admitted.is_some_and(|admitted| self.is_disowned(&view.learned, token, admitted)) {
            broken.push((Promise::DisownedSince, format!("{name} is disowned, and no revocation says so")));
        }
        if given_before != view.shown.contains(token) {
            broken
                .push((Promise::DisownedSince, format!("{name} is disowned, given before: {given_before}")));
        }
        if !view.learned.disowned.insert(Arc::clone(token)) {
            broken.push((Promise::DisownedSince, format!("{name} is disowned twice")));
        }
        broken
    }

    /// When everything rests, every reader that is there was told everything that it is entitled to.
    pub(super) fn readers_have_learned(&mut self, log: LogId) {
        let Some(revocations) = self.revoking.logs.get(&log) else { return };
        if self.logs.get(&log).is_some_and(Log::may_forget_revocations) {
            return;
        }
        let mut broken = Vec::new();
        for (reader, view) in self.readers.views.iter().filter(|(_, view)| !view.left && view.open) {
            let missing = revocations.tokens().find(|token| {
                let its_plane = self.revoking.stated(token).is_some_and(|stated| stated.plane == view.plane);
                its_plane
                    && !view.learned.told_of.contains(&(log, Arc::clone(token)))
                    && !self.revoking.is_outdone(revocations, token)
            });
            if missing.is_some() && !self.revoking.is_out(*reader) {
                broken.push(format!("reader {reader} was never told of a revocation"));
            }
        }
        for what in broken {
            self.broken(Promise::ReadersLearn, what);
        }
    }

    /// At the end: what each reader knew when it was given events, and what it took back.
    pub(super) fn judge_learning(&mut self) {
        let mut broken = Vec::new();
        for (reader, view) in &self.readers.views {
            for stretch in &view.learned.stretches {
                let forgets = self.logs.get(&stretch.log).is_some_and(Log::may_forget_revocations);
                let Some(revocations) = self.revoking.logs.get(&stretch.log).filter(|_| !forgets) else {
                    continue;
                };
                let later = revocations.places.range(stretch.told + 1..);
                let missed = later.into_iter().find(|(_, (token, after))| {
                    let stated = self.revoking.stated(token);
                    *after < stretch.last
                        && stated.is_some_and(|stated| stated.plane == view.plane)
                        && !self.revoking.is_outdone(revocations, token)
                });
                if let Some((count, (_, after))) = missed {
                    broken.push((
                        Promise::ReadersLearn,
                        format!(
                            "reader {reader} was given place {} and not told revocation {count}, which holds after {after}",
                            stretch.last
                        ),
                    ));
                }
            }
            let learned = &view.learned;
            let kept = |token: &&Arc<str>| {
                !learned.disowned.contains(*token) && !view.without_chain.contains(*token)
            };
            for token in view.given.iter().filter(|token| view.by_sdk && kept(token)) {
                let admitted = learned.admitted.get(token).copied();
                if admitted.is_some_and(|admitted| self.is_disowned(learned, token, admitted)) {
                    let name = self.name(token);
                    broken
                        .push((Promise::DisownedSince, format!("reader {reader} did not take back {name}")));
                }
            }
        }
        for (promise, what) in broken {
            self.broken(promise, what);
        }
    }
}
