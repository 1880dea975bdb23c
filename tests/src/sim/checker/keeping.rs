//! What retention and damage may take of a log, and what they took.
//!
//! Retention takes what was admitted longer ago than the relay keeps, and what has expired while there is too much. Damage
//! takes what stands in the segment that it hit: nothing else of the log, and what else is lost is lost.

use vigie_proto::id::Sequence;
use vigie_proto::time::Timestamp;

use super::{Checker, Promise};
use crate::sim::history::Keeps;

/// What is allowed to be gone from one log.
#[derive(Debug, Default)]
pub(super) struct Kept {
    keeps: Option<Keeps>,
    /// The first place that is left.
    first: Sequence,
    /// What is before this place was removed from another log, of which this one was made.
    imported: Sequence,
    /// The latest time by which retention went, and the most that it found on the disk.
    asked: (Timestamp, u64),
    /// The first place left after each removal, and by what it was asked for.
    removals: Vec<(Sequence, Timestamp, u64)>,
    /// First place, and the first behind it, of each damaged segment.
    damaged: Vec<(Sequence, Sequence)>,
    /// A relay started after the damage: it cannot know what stood there.
    started_on_damage: bool,
}

impl Kept {
    pub(super) fn handle_start(&mut self, first: Sequence, keeps: Keeps) {
        self.keeps = Some(keeps);
        self.started_on_damage |= !self.damaged.is_empty();
        // What a crash interrupted is carried through by the start.
        self.begins_with(first);
    }

    pub(super) fn handle_step(&mut self, first: Sequence, now: Timestamp, used: u64) {
        self.asked = (self.asked.0.max(now), self.asked.1.max(used));
        self.begins_with(first);
    }

    fn begins_with(&mut self, first: Sequence) {
        if first > self.first {
            self.first = first;
            self.removals.push((first, self.asked.0, self.asked.1));
        }
    }

    pub(super) fn handle_import(&mut self, first: Sequence) {
        (self.first, self.imported) = (first, first);
    }

    pub(super) fn handle_damage(&mut self, from: Sequence, to: Sequence) {
        self.damaged.push((from, to));
    }

    /// The first place that is left.
    pub(super) const fn first(&self) -> Sequence {
        self.first
    }

    /// Whether damage hit the segment of this place.
    pub(super) fn is_damaged(&self, seq: Sequence) -> bool {
        self.damaged.iter().any(|(from, to)| *from <= seq && seq < *to)
    }

    /// Whether what stood at this place is damaged, or removed.
    pub(super) fn is_gone(&self, seq: Sequence) -> bool {
        self.is_damaged(seq) || seq < self.first
    }

    /// Whether damage hit anything after the first place and before what follows the second: also a segment that has no
    /// message, since its header alone says where it stands.
    pub(super) fn is_damaged_between(&self, after: Sequence, to: Sequence) -> bool {
        self.damaged.iter().any(|(from, end)| *from <= to.next() && after <= *end)
    }

    /// Whether any damage may have come to light at a start.
    pub(super) const fn has_started_on_damage(&self) -> bool {
        self.started_on_damage
    }

    /// Whether the relay may not know any more that a message stands, or stood, at this place: its record is damaged, or
    /// that of its id which retention carried on.
    pub(super) fn may_be_forgotten(&self, seq: Sequence) -> bool {
        self.started_on_damage && self.is_gone(seq)
    }
}

impl Checker {
    /// At the end: nothing was removed that anyone was told of and that had to be kept.
    pub(super) fn judge_removals(&mut self) {
        let mut broken = Vec::new();
        for log in self.logs.values() {
            let Some(keeps) = log.kept.keeps else { continue };
            for (seq, (token, admitted)) in log.places.range(log.kept.imported..log.kept.first) {
                let removal = log.kept.removals.iter().find(|(first, ..)| seq < first);
                let Some((_, now, used)) = removal else { continue };
                let aged = *admitted < now.minus(keeps.age);
                let expires = self.signed.get(token).map(|signed| signed.expires);
                let spent = *used > keeps.bytes && expires.is_some_and(|expires| expires <= *now);
                if !aged && !spent && !log.kept.is_damaged(*seq) {
                    broken.push(format!("{} at {seq} was removed, and had to be kept", self.name(token)));
                }
            }
        }
        for what in broken {
            self.broken(Promise::NothingIsLost, what);
        }
    }
}
