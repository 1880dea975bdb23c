//! What holds for those who read.
//!
//! A session begins with `subscribed`, or with the gap before it. From that place on its cursor goes up by events and
//! marks only, and each of them says: all that concerns you up to here was given to you. At the end that is held
//! against everything that anyone was told of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::channel::Plane;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{GapReason, Start};
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::time::Timestamp;

use super::hearing::hears;
use super::{Checker, Promise};
use crate::sim::history::{Did, ReaderId};

/// How far before the `admitted` of a foreign cursor a reader is served again.
const OVERLAP: Duration = Duration::from_secs(300);

/// What a session was given, from one place of a log on.
#[derive(Debug)]
struct Stretch {
    log: LogId,
    floor: Sequence,
    last: Sequence,
    given: BTreeSet<Sequence>,
    /// Where it began from now: when that was told.
    now_was: Option<Timestamp>,
}

#[derive(Debug)]
struct View {
    plane: Plane,
    filters: Vec<String>,
    asked: Start,
    gap: Option<Cursor>,
    /// The last one belongs to the session of now, if `subscribed` has come.
    stretches: Vec<Stretch>,
    open: bool,
    left: bool,
    cursor: Option<Cursor>,
    shown: BTreeSet<Arc<str>>,
    given: BTreeSet<Arc<str>>,
}

#[derive(Debug, Default)]
pub(super) struct Readers {
    views: BTreeMap<ReaderId, View>,
}

impl Checker {
    pub(super) fn handle_reader(&mut self, did: &Did) {
        if let Did::Reads { reader, plane, filters } = did {
            let view = View {
                plane: *plane,
                filters: filters.clone(),
                asked: Start::Here,
                gap: None,
                stretches: Vec::new(),
                open: false,
                left: false,
                cursor: None,
                shown: BTreeSet::new(),
                given: BTreeSet::new(),
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
            Did::Asked { start, .. } => view.handle_asked(*start),
            Did::Subscribed { log, seq, .. } => self.handle_subscribed(view, *log, *seq),
            Did::Given { seq, admitted, token, .. } => self.handle_given(view, *seq, *admitted, token),
            Did::Marked { cursor, head, .. } => view.handle_mark(*cursor, *head),
            Did::GapTold { reason, from, to, .. } => self.handle_gap(view, *reason, *from, *to),
            Did::Shown { plane, token, .. } => self.handle_shown(view, *plane, token),
            Did::Left { .. } => {
                view.left = true;
                Vec::new()
            }
            Did::Suspected { code, .. } => {
                vec![(Promise::NothingElse, format!("was given what does not verify: {code}"))]
            }
            Did::Signed { .. }
            | Did::Sent { .. }
            | Did::Receipt { .. }
            | Did::Refused { .. }
            | Did::Reads { .. }
            | Did::Started { .. }
            | Did::Ended(_)
            | Did::JournalLost
            | Did::Healed
            | Did::Quiet { .. }
            | Did::Restless(_) => Vec::new(),
        }
    }

    fn handle_subscribed(&self, view: &mut View, log: LogId, seq: Sequence) -> Vec<(Promise, String)> {
        let mut broken = Vec::new();
        let expected = match (view.gap, view.asked) {
            (Some(gap), _) if gap.log == log => Some(gap.seq),
            (Some(_), _) => None,
            (None, Start::Beginning) => Some(Sequence::START),
            (None, Start::After(cursor)) if cursor.log == log => Some(cursor.seq),
            (None, Start::After(_)) => {
                broken.push((Promise::HonestGaps, "a cursor of another log, and no gap was told".to_owned()));
                None
            }
            (None, Start::Here) => None,
        };
        if let Some(expected) = expected.filter(|expected| *expected != seq) {
            broken.push((
                Promise::Complete,
                format!("asked to go on after {expected}, it goes on after {seq}"),
            ));
        }
        let now_was = (view.asked == Start::Here).then_some(self.now);
        view.stretches.push(Stretch { log, floor: seq, last: seq, given: BTreeSet::new(), now_was });
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
        let name = self.name(token);
        let mut broken = Vec::new();
        match self.signed.get(token) {
            None => broken.push((Promise::NothingElse, "was given bytes that nobody signed".to_owned())),
            Some(signed) => {
                if let Some(flaw) = signed.flaw {
                    broken.push((Promise::NothingElse, format!("was given {name}, which is {flaw:?}")));
                }
                if signed.first_sent.is_none() {
                    broken.push((Promise::NothingElse, format!("was given {name}, which was not sent")));
                }
                let channel = signed.channel.to_string();
                if signed.channel.plane != view.plane {
                    broken.push((Promise::PlanesApart, format!("was given {name}")));
                } else if !view.filters.iter().any(|filter| hears(filter, &channel, signed.severity)) {
                    broken.push((Promise::NothingElse, format!("was given {name}, which it does not hear")));
                }
            }
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
        view.cursor = Some(Cursor { log, seq, admitted });
        self.told(log, seq, admitted, token);
        broken
    }

    fn handle_gap(
        &self,
        view: &mut View,
        reason: GapReason,
        from: Option<Cursor>,
        to: Option<Cursor>,
    ) -> Vec<(Promise, String)> {
        let (Some(from), Some(to), Start::After(asked)) = (from, to, view.asked) else {
            return vec![(
                Promise::HonestGaps,
                "a gap without cursors, or where none was asked with".to_owned(),
            )];
        };
        let mut broken = Vec::new();
        if from != asked || view.open || view.gap.is_some() {
            broken.push((Promise::HonestGaps, "a gap that does not begin where it was asked to".to_owned()));
        }
        let known = self.logs.get(&to.log);
        let ahead = || known.is_none_or(|log| log.places.range(from.seq..).next().is_none());
        // No relay of these simulations removes anything, and no disk of theirs damages what was synced.
        let reason_holds = (reason == GapReason::OtherLog && (from.log != to.log || is_another_past(known, from)))
            // A cursor that a relay gave is a place that it had: never ahead.
            || (reason == GapReason::Ahead && from.log == to.log && ahead());
        if !reason_holds {
            broken.push((Promise::HonestGaps, format!("a gap for {reason:?}")));
        }
        let from_here = from.admitted.minus(OVERLAP);
        let skipped = known
            .and_then(|log| log.places.range(..=to.seq).find(|(_, (_, admitted))| *admitted >= from_here));
        if let Some((seq, _)) = skipped {
            broken.push((Promise::HonestGaps, format!("place {seq} is skipped, though it is recent enough")));
        }
        view.gap = Some(to);
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
            .filter(|(_, view)| !view.left)
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
                    let channel = signed.channel.to_string();
                    let heard = view.filters.iter().any(|filter| hears(filter, &channel, signed.severity));
                    if heard && !stretch.given.contains(seq) {
                        let name = self.name(token);
                        broken.push(format!(
                            "reader {reader} stands at {}, but was not given {name} at {seq}",
                            stretch.last
                        ));
                    }
                }
            }
            for token in view.given.difference(&view.shown) {
                broken.push(format!("reader {reader} was not shown {}", self.name(token)));
            }
        }
        for what in broken {
            self.broken(Promise::Complete, what);
        }
    }
}

/// Whether the log is not known to have had this place at this time.
fn is_another_past(known: Option<&super::Log>, from: Cursor) -> bool {
    let place = known.and_then(|log| log.places.get(&from.seq));
    place.is_none_or(|(_, admitted)| *admitted != from.admitted)
}

fn reader_of(did: &Did) -> Option<ReaderId> {
    match did {
        Did::Reads { reader, .. }
        | Did::Asked { reader, .. }
        | Did::Subscribed { reader, .. }
        | Did::Given { reader, .. }
        | Did::Marked { reader, .. }
        | Did::GapTold { reader, .. }
        | Did::Shown { reader, .. }
        | Did::Left { reader }
        | Did::Suspected { reader, .. } => Some(*reader),
        Did::Signed { .. }
        | Did::Sent { .. }
        | Did::Receipt { .. }
        | Did::Refused { .. }
        | Did::Started { .. }
        | Did::Ended(_)
        | Did::JournalLost
        | Did::Healed
        | Did::Quiet { .. }
        | Did::Restless(_) => None,
    }
}

impl View {
    fn handle_asked(&mut self, start: Start) -> Vec<(Promise, String)> {
        let mut broken = Vec::new();
        if let (Some(cursor), true) = (self.cursor, start != self.cursor.map_or(start, Start::After)) {
            broken.push((Promise::Complete, format!("stands at {}, but asks for {start:?}", cursor.seq)));
        }
        (self.asked, self.gap, self.open) = (start, None, false);
        broken
    }

    fn handle_mark(&mut self, mark: Cursor, head: Sequence) -> Vec<(Promise, String)> {
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
