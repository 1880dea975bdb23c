//! What holds for those who read.
//!
//! A session begins with `subscribed`, or with the gap before it. From that place on its cursor goes up by events and
//! marks only, and each of them says: all that concerns you up to here was given to you. At the end that is held
//! against everything that anyone was told of the log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::channel::Plane;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::Start;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::refusal::Code;
use vigie_proto::time::Timestamp;

use super::disowning::Learned;
use super::gaps::Told;
use super::pages::Pages;
use super::{Checker, Promise};
use crate::sim::history::{Did, ReaderId};

/// Nothing that was sent so much later is given to a session whose credential has ended: clocks follow each other by 1 in
/// 100 for a minute, and a letter to a worker waits as long in virtual time.
const EXPIRED_WITHIN: Duration = Duration::from_secs(6);

/// What a session was given, from one place of a log on.
#[derive(Debug)]
pub(super) struct Stretch {
    filters: Vec<String>,
    pub(super) log: LogId,
    floor: Sequence,
    pub(super) last: Sequence,
    given: BTreeSet<Sequence>,
    /// What it was told that it cannot be given.
    pub(super) told: Vec<Told>,
    /// It asked for all that there is, and that begins here.
    there_is_from: Sequence,
    /// Where it began from now: when that was told.
    now_was: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct View {
    pub(super) plane: Plane,
    pub(super) org: String,
    pub(super) by_sdk: bool,
    /// What was asked and not answered, in order.
    pub(super) asked: VecDeque<(Start, Vec<String>)>,
    /// Gaps with nothing between them and now.
    pub(super) gaps: Vec<Told>,
    /// The last one belongs to the session of now, if `subscribed` has come on it.
    pub(super) stretches: Vec<Stretch>,
    pub(super) open: bool,
    pub(super) past: Pages,
    pub(super) left: bool,
    cursor: Option<Cursor>,
    pub(super) shown: BTreeSet<Arc<str>>,
    pub(super) given: BTreeSet<Arc<str>>,
    /// Given without the chain that would prove it.
    pub(super) without_chain: BTreeSet<Arc<str>>,
    pub(super) learned: Learned,
    /// When the credential of the session ends.
    pub(super) session_until: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Readers {
    pub(super) views: BTreeMap<ReaderId, View>,
}

impl Checker {
    pub(super) fn handle_reader(&mut self, did: &Did) {
        if let Did::Reads { reader, plane, org, by_sdk } = did {
            let view = View {
                plane: *plane,
                org: org.clone(),
                by_sdk: *by_sdk,
                asked: VecDeque::new(),
                past: Pages::default(),
                gaps: Vec::new(),
                stretches: Vec::new(),
                open: false,
                left: false,
                cursor: None,
                shown: BTreeSet::new(),
                given: BTreeSet::new(),
                without_chain: BTreeSet::new(),
                learned: Learned::default(),
                session_until: Timestamp::FAR_FUTURE,
            };
            self.readers.views.insert(*reader, view);
            return;
        }
        let Some((reader, mut view)) =
            reader_of(did).and_then(|id| Some((id, self.readers.views.remove(&id)?)))
        else {
            return self.broken(Promise::NothingElse, "a reader that never began".to_owned());
        };
        for (promise, what) in self.handle_view(&mut view, did) {
            self.broken(promise, format!("reader {reader}: {what}"));
        }
        self.readers.views.insert(reader, view);
    }

    fn handle_view(&mut self, view: &mut View, did: &Did) -> Vec<(Promise, String)> {
        match did {
            Did::Asked { start, new_session, filters, .. } => {
                view.handle_asked(*start, *new_session, filters)
            }
            Did::AskedPast { filters, start, limit, .. } => view.past.handle_asked(filters, *start, *limit),
            Did::Past { seq, admitted, token, .. } => {
                self.handle_past(&mut view.past, (view.plane, &view.org), *seq, *admitted, token)
            }
            Did::PageEnded { next, end, .. } => self.handle_page_end(&mut view.past, *next, *end),
            Did::ReaderRefused { code, .. } => view.handle_refusal(*code),
            Did::Subscribed { log, seq, .. } => self.handle_subscribed(view, *log, *seq),
            Did::Given { seq, admitted, token, .. } => self.handle_given(view, *seq, *admitted, token),
            Did::Marked { cursor, head, .. } => view.handle_mark(*cursor, *head),
            Did::GapTold { reason, in_page, from, to, .. } => {
                self.handle_gap(view, *reason, *in_page, *from, *to)
            }
            Did::Shown { plane, token, cursor, .. } => {
                let mut broken = self.handle_shown(view, *plane, token);
                broken.extend(self.judge_shown(view, token, cursor.admitted));
                broken
            }
            Did::ToldRevoked { .. } => self.handle_told(view, did),
            Did::Disowned { id, given_before, .. } => self.handle_disowned(view, *id, *given_before),
            Did::Left { .. } => {
                view.left = true;
                Vec::new()
            }
            // What stood in a damaged segment is lost, the credential that a message speaks under too; the message is
            // given all the same, and never shown.
            Did::Suspected { code: Code::UnknownCredential, token, .. }
                if self.logs.values().any(|log| log.kept.has_started_on_damage()) =>
            {
                view.without_chain.insert(Arc::clone(token));
                view.learned.forget(token);
                Vec::new()
            }
            Did::Dropped { code, silent, mark_interval, .. } => {
                let alive = *code == Code::Unresponsive && *silent <= *mark_interval * 2;
                let cut_off = format!(
                    "cut off as unresponsive, and was never silent for more than {} ms",
                    silent.as_millis()
                );
                Vec::from_iter(alive.then_some((Promise::NotCutOff, cut_off)))
            }
            Did::Suspected { code, .. } => {
                vec![(Promise::NothingElse, format!("was given what does not verify: {code}"))]
            }
            Did::Revokes { .. }
            | Did::RevocationSent { .. }
            | Did::Revoked { .. }
            | Did::RevocationRefused { .. }
            | Did::LogsIn { .. }
            | Did::Opened { .. }
            | Did::TurnedAway { .. }
            | Did::Closed { .. }
            | Did::Over { .. }
            | Did::Heeded { .. }
            | Did::Signed { .. }
            | Did::Sent { .. }
            | Did::Receipt { .. }
            | Did::Refused { .. }
            | Did::Reads { .. }
            | Did::Started { .. }
            | Did::Imported { .. }
            | Did::Retained { .. }
            | Did::Damaged { .. }
            | Did::Ended(_)
            | Did::JournalLost
            | Did::Healed
            | Did::Quiet { .. }
            | Did::Restless(_) => Vec::new(),
        }
    }

    fn handle_subscribed(&self, view: &mut View, log: LogId, seq: Sequence) -> Vec<(Promise, String)> {
        let mut broken = Vec::new();
        let Some((asked, filters)) = view.asked.pop_front() else {
            return vec![(Promise::Order, "`subscribed`, and nothing was asked".to_owned())];
        };
        // Requests that one replaced before it was carried out have one answer, and the gaps before it are of all of them.
        let gaps = if view.asked.is_empty() { std::mem::take(&mut view.gaps) } else { view.gaps.clone() };
        let led_to = gaps.last().filter(|gap| gap.to.log == log).map(|gap| gap.to.seq);
        let from_start = gaps.iter().any(|gap| gap.from.seq == Sequence::START).then_some(led_to).flatten();
        // A request that was replaced before it was carried out is answered with what its successor asked for.
        let replaced = view.asked.iter().any(|(start, _)| *start == Start::Beginning)
            && (seq == Sequence::START || from_start == Some(seq));
        let asked = if replaced { Start::Beginning } else { asked };
        let expected = match asked {
            Start::Beginning if from_start == Some(seq) => None,
            Start::Beginning => Some(Sequence::START),
            Start::After(_) if !gaps.is_empty() => led_to,
            Start::After(cursor) if cursor.log == log => Some(cursor.seq),
            Start::After(_) => {
                broken.push((Promise::HonestGaps, "a cursor of another log, and no gap was told".to_owned()));
                None
            }
            Start::Here => None,
        };
        if let Some(expected) = expected.filter(|expected| *expected != seq) {
            broken.push((
                Promise::Complete,
                format!("asked to go on after {expected}, it goes on after {seq}"),
            ));
        }
        let mut now_was = None;
        match view.stretches.last_mut().filter(|_| view.open) {
            // From where the session is: what was asked before holds up to there.
            Some(before) if asked == Start::Here => {
                if before.log != log || seq < before.last {
                    broken.push((
                        Promise::Order,
                        format!("replaced at {seq}, after its cursor was {}", before.last),
                    ));
                }
                before.last = before.last.max(seq);
            }
            None if asked == Start::Here => now_was = Some(self.now),
            Some(_) | None => {}
        }
        let (last, given, told) = (seq, BTreeSet::new(), Vec::new());
        let first = self.logs.get(&log).map_or(Sequence::START, |log| log.kept.first());
        let there_is_from = if seq == Sequence::START { first } else { Sequence::START };
        view.stretches.push(Stretch { filters, log, floor: seq, last, given, told, there_is_from, now_was });
        view.open = true;
        broken
    }

    fn handle_given(
        &mut self,
        view: &mut View,
        seq: Sequence,
        admitted: Timestamp,
        token: &Arc<str>,
    ) -> Vec<(Promise, String)> {
        view.gaps.clear();
        let name = self.name(token);
        let filters = view.stretches.last().map_or(&[][..], |stretch| &stretch.filters);
        let mut broken = self.judge_giving((view.plane, &view.org), filters, token);
        let sent = self.signed.get(token).and_then(|signed| signed.first_sent);
        if sent.is_some_and(|sent| sent > view.session_until.plus(EXPIRED_WITHIN)) {
            broken.push((Promise::ExpiredAreOut, format!("was given {name} on a session that had expired")));
        }
        let Some(stretch) = view.stretches.last_mut().filter(|_| view.open) else {
            broken.push((Promise::Order, format!("was given {name} before `subscribed`")));
            return broken;
        };
        if stretch.given.contains(&seq) {
            broken.push((Promise::Once, format!("was given place {seq} twice in one session")));
        } else if seq <= stretch.last {
            broken.push((
                Promise::Order,
                format!("was given place {seq} after its cursor was {}", stretch.last),
            ));
        }
        stretch.last = stretch.last.max(seq);
        stretch.given.insert(seq);
        view.given.insert(Arc::clone(token));
        let log = stretch.log;
        view.learned.handle_given(log, seq, admitted, token);
        view.cursor = Some(Cursor { log, seq, admitted });
        self.told(log, seq, admitted, token);
        broken
    }

    /// Whether this may be given to a reader of a plane and an organisation who asked for this, at any time.
    pub(super) fn judge_giving(
        &self,
        (plane, org): (Plane, &str),
        filters: &[String],
        token: &Arc<str>,
    ) -> Vec<(Promise, String)> {
        let name = self.name(token);
        let mut broken = Vec::new();
        let Some(signed) = self.signed.get(token) else {
            return vec![(Promise::NothingElse, "was given bytes that nobody signed".to_owned())];
        };
        if let Some(flaw) = signed.flaw {
            broken.push((Promise::NothingElse, format!("was given {name}, which is {flaw:?}")));
        }
        if signed.first_sent.is_none() {
            broken.push((Promise::NothingElse, format!("was given {name}, which was not sent")));
        }
        if signed.channel.plane != plane {
            broken.push((Promise::PlanesApart, format!("was given {name}")));
        } else if !signed.is_for(org) {
            broken.push((Promise::NothingElse, format!("was given {name}, which is labelled for others")));
        } else if !signed.is_heard_by(filters, org) {
            broken.push((Promise::NothingElse, format!("was given {name}, which it does not hear")));
        }
        broken
    }

    fn handle_shown(&self, view: &mut View, plane: Plane, token: &Arc<str>) -> Vec<(Promise, String)> {
        let name = self.name(token);
        let mut broken = Vec::new();
        if plane != view.plane || self.signed.get(token).is_some_and(|signed| signed.channel.plane != plane) {
            broken.push((Promise::PlanesApart, format!("was shown {name} as {plane}")));
        }
        if !view.given.contains(token) {
            broken.push((Promise::NothingElse, format!("was shown {name}, which it was not given")));
        }
        if !view.shown.insert(Arc::clone(token)) {
            broken.push((Promise::Once, format!("was shown {name} twice")));
        }
        broken
    }

    pub(super) fn readers_caught_up(&mut self, log: LogId, head: Sequence) {
        let behind: Vec<_> = self
            .readers
            .views
            .iter()
            .filter(|(reader, view)| !view.left && !self.revoking.is_out(**reader))
            .filter(|(_, view)| {
                !view.open || !view.stretches.last().is_some_and(|last| last.log == log && last.last == head)
            })
            .map(|(reader, view)| (*reader, view.cursor.map(|cursor| cursor.seq)))
            .collect();
        for (reader, at) in behind {
            self.broken(
                Promise::CatchesUp,
                format!("reader {reader} stands at {at:?}, the log ends at {head}"),
            );
        }
    }

    /// At the end: everything that anyone was told of a log, up to each cursor.
    pub(super) fn judge_completeness(&mut self) {
        let mut broken = Vec::new();
        for (reader, view) in &self.readers.views {
            for stretch in &view.stretches {
                let Some(log) = self.logs.get(&stretch.log) else { continue };
                for (seq, (token, _)) in log.places.range(..=stretch.floor) {
                    let sent = self.signed.get(token).and_then(|signed| signed.first_sent);
                    if stretch.now_was.is_some_and(|now| sent.is_some_and(|sent| sent > now)) {
                        broken.push(format!("reader {reader} began after {seq}, which was sent later"));
                    }
                }
                let concerned = log.places.range(stretch.floor.next()..);
                for (seq, (token, _)) in concerned.take_while(|(seq, _)| **seq <= stretch.last) {
                    let Some(signed) = self.signed.get(token) else { continue };
                    let excused =
                        *seq < stretch.there_is_from || stretch.told.iter().any(|gap| gap.excuses(log, *seq));
                    if signed.is_heard_by(&stretch.filters, &view.org)
                        && !stretch.given.contains(seq)
                        && !excused
                    {
                        let name = self.name(token);
                        broken.push(format!(
                            "reader {reader} stands at {}, but was not given {name} at {seq}",
                            stretch.last
                        ));
                    }
                }
            }
            broken.extend(self.judge_pages(view, *reader));
            let shown = |token: &&Arc<str>| {
                view.shown.contains(*token)
                    || view.without_chain.contains(*token)
                    || view.learned.has_disowned(token)
            };
            for token in view.given.iter().filter(|token| view.by_sdk && !shown(token)) {
                broken.push(format!("reader {reader} was not shown {}", self.name(token)));
            }
        }
        for what in broken {
            self.broken(Promise::Complete, what);
        }
    }
}

fn reader_of(did: &Did) -> Option<ReaderId> {
    match did {
        Did::Reads { reader, .. }
        | Did::Asked { reader, .. }
        | Did::AskedPast { reader, .. }
        | Did::Past { reader, .. }
        | Did::PageEnded { reader, .. }
        | Did::ReaderRefused { reader, .. }
        | Did::Subscribed { reader, .. }
        | Did::Given { reader, .. }
        | Did::Marked { reader, .. }
        | Did::GapTold { reader, .. }
        | Did::Shown { reader, .. }
        | Did::Left { reader }
        | Did::Dropped { reader, .. }
        | Did::ToldRevoked { reader, .. }
        | Did::Disowned { reader, .. }
        | Did::Suspected { reader, .. } => Some(*reader),
        Did::Revokes { .. }
        | Did::RevocationSent { .. }
        | Did::Revoked { .. }
        | Did::RevocationRefused { .. }
        | Did::LogsIn { .. }
        | Did::Opened { .. }
        | Did::TurnedAway { .. }
        | Did::Closed { .. }
        | Did::Over { .. }
        | Did::Heeded { .. }
        | Did::Signed { .. }
        | Did::Sent { .. }
        | Did::Receipt { .. }
        | Did::Refused { .. }
        | Did::Started { .. }
        | Did::Imported { .. }
        | Did::Retained { .. }
        | Did::Damaged { .. }
        | Did::Ended(_)
        | Did::JournalLost
        | Did::Healed
        | Did::Quiet { .. }
        | Did::Restless(_) => None,
    }
}

impl View {
    fn handle_asked(
        &mut self,
        start: Start,
        new_session: bool,
        filters: &[String],
    ) -> Vec<(Promise, String)> {
        let mut broken = Vec::new();
        if new_session {
            if let (Some(cursor), true) = (self.cursor, start != self.cursor.map_or(start, Start::After)) {
                broken.push((Promise::Complete, format!("stands at {}, but asks for {start:?}", cursor.seq)));
            }
            self.gaps.clear();
            self.open = false;
            self.asked.clear();
            self.past.forget();
        }
        self.asked.push_back((start, filters.to_vec()));
        broken
    }

    fn handle_refusal(&mut self, code: Code) -> Vec<(Promise, String)> {
        self.past.forget();
        // What readers of these simulations ask for is granted to them.
        if code.is_temporary() || matches!(code, Code::SessionExpired | Code::SessionRevoked) {
            return Vec::new();
        }
        vec![(Promise::HonestRefusals, format!("was refused for good with {code}"))]
    }

    fn handle_mark(&mut self, mark: Cursor, head: Sequence) -> Vec<(Promise, String)> {
        self.gaps.clear();
        let Some(stretch) = self.stretches.last_mut().filter(|_| self.open) else {
            return vec![(Promise::Order, "a mark before `subscribed`".to_owned())];
        };
        let mut broken = Vec::new();
        if mark.log != stretch.log || mark.seq < stretch.last {
            broken.push((
                Promise::Order,
                format!("a mark at {} after its cursor was {}", mark.seq, stretch.last),
            ));
        }
        if mark.seq > head {
            broken.push((Promise::Order, format!("a mark at {} past the head at {head}", mark.seq)));
        }
        stretch.last = stretch.last.max(mark.seq);
        self.cursor = Some(mark);
        broken
    }
}
