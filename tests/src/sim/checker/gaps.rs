//! What holds for gaps: each has a reason that is true, begins where the reader stood, and skips no more than it must.
//!
//! Where a reader's cursor means no place of the log, or what follows it is gone, gaps come before `subscribed`, each from
//! where the one before led to. Later they stand in the stream. A page of history has its own.

use std::time::Duration;

use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{GapReason, Start};
use vigie_proto::id::Sequence;

use super::readers::View;
use super::{Checker, Log, Promise};

/// How far before the `admitted` of a foreign cursor a reader is served again.
const OVERLAP: Duration = Duration::from_secs(300);

/// A gap as it was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) reason: GapReason,
    pub(super) from: Cursor,
    pub(super) to: Cursor,
}

impl Told {
    /// Whether it says that this place of the log cannot be given, and that is so.
    pub(super) fn excuses(&self, known: &Log, seq: Sequence) -> bool {
        let is_gone = self.reason == GapReason::Removed || known.kept.is_gone(seq);
        self.from.log == self.to.log && self.from.seq < seq && seq <= self.to.seq && is_gone
    }
}

impl Checker {
    pub(super) fn handle_gap(
        &self,
        view: &mut View,
        reason: GapReason,
        in_page: bool,
        from: Option<Cursor>,
        to: Option<Cursor>,
    ) -> Vec<(Promise, String)> {
        let (Some(from), Some(to)) = (from, to) else {
            return vec![(Promise::HonestGaps, "a gap without cursors".to_owned())];
        };
        let told = Told { reason, from, to };
        let mut broken = self.judge_gap(told);
        if in_page {
            broken.extend(view.past.handle_gap(told));
            return broken;
        }
        let asked = view.asked.front().map(|(start, _)| *start);
        match (view.gaps.last(), view.stretches.last_mut().filter(|_| view.open)) {
            // In the stream of the session.
            (_, Some(stretch)) if from.log == stretch.log && from.seq >= stretch.last => {
                stretch.told.push(told);
                stretch.last = to.seq.max(stretch.last);
            }
            (Some(before), _) if from == before.to => {}
            (_, _) if asked.is_some_and(|asked| begins_at(asked, from)) => {}
            _ => broken.push((
                Promise::HonestGaps,
                format!("a gap for {reason:?} that does not begin where the reader stood"),
            )),
        }
        view.gaps.push(told);
        broken
    }

    fn judge_gap(&self, Told { reason, from, to }: Told) -> Vec<(Promise, String)> {
        let nothing = Log::default();
        let known = self.logs.get(&to.log).unwrap_or(&nothing);
        let goes_on = from.log == to.log && from.seq <= to.seq;
        let reason_holds = match reason {
            GapReason::OtherLog => from.log != to.log || is_another_past(known, from),
            // A cursor that a relay gave is a place that it had: never ahead.
            GapReason::Ahead => from.log == to.log && known.places.range(from.seq..).next().is_none(),
            GapReason::Removed => goes_on && to.seq < known.kept.first(),
            GapReason::Damaged => goes_on && known.kept.is_damaged_between(from.seq, to.seq),
            _ => false,
        };
        let mut broken = Vec::new();
        if !reason_holds {
            broken.push((Promise::HonestGaps, format!("a gap for {reason:?}")));
        }
        // What a gap for another reason skips is judged by what concerns the reader, at the end.
        let from_here = from.admitted.minus(OVERLAP);
        let mut skipped = known.places.range(..=to.seq).filter(|(seq, _)| **seq >= known.kept.first());
        let skipped = skipped.find(|(_, (_, admitted))| *admitted >= from_here);
        if let (GapReason::OtherLog | GapReason::Ahead, Some((seq, _))) = (reason, skipped) {
            broken.push((
                Promise::HonestGaps,
                format!("a gap for {reason:?} skips place {seq}, which is recent enough"),
            ));
        }
        broken
    }
}

/// Whether a subscription that was asked for so begins at this cursor.
fn begins_at(asked: Start, cursor: Cursor) -> bool {
    match asked {
        Start::After(asked) => asked == cursor,
        Start::Beginning => cursor.seq == Sequence::START,
        Start::Here => false,
    }
}

/// Whether the log is not known to have had this place at this time.
fn is_another_past(known: &Log, from: Cursor) -> bool {
    known.places.get(&from.seq).is_none_or(|(_, admitted)| *admitted != from.admitted)
}
