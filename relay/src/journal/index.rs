//! The index: where in which segment to begin reading, for the writer to fill and readers to ask.
//!
//! Sparse: one place every 64 KiB of a segment, 24 bytes each. That is 0.4 bytes for a message of 1 KiB, and never more
//! than 24 bytes a message. Derived: rebuilt at every start from the segments.
//!
//! Invariant: it never names a byte that was not synced. Under its lock one only looks; files are read after.

use std::sync::{Arc, PoisonError};

use vigie_proto::channel::Channel;

use super::channels::{Names, Postings, View};
use super::damage::{DamageMet, DamagedRange};
use super::segment::{HEADER_BYTES, Header, Segment};
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// One place for so many bytes: a reader skips at most this much (20 µs of checksums) to find its message.
const PLACE_BYTES: u64 = 64 * 1024;

/// How far a log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// The last sequence; zero before the first.
    pub(super) last: u64,
    /// When it was admitted, in milliseconds.
    pub(super) admitted: u64,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) admitted: u64,
    pub(super) offset: u64,
}

/// What the index takes note of in a message.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) place: Place,
    /// When it stops to be current, in milliseconds.
    pub(super) expires: u64,
    pub(super) channel: Channel,
}

/// One segment, as far as it may be read.
#[derive(Debug)]
pub(super) struct Indexed<F> {
    pub(super) segment: Arc<Segment<F>>,
    /// Content ends here.
    pub(super) end: u64,
    /// Between this segment and the one before: sequences that cannot be read.
    pub(super) lost_before: Option<DamagedRange>,
    /// Whether any part of it is damaged.
    pub(super) damaged: bool,
    /// Ascending; the first message of the segment, and after damage, is always in it.
    places: Vec<Place>,
    /// The next message is behind damage.
    place_next: bool,
    /// The last message noted.
    last: Progress,
    postings: Postings,
    /// The latest moment at which a message in it stops to be current, in milliseconds.
    expires: u64,
}

impl<F> Indexed<F> {
    pub(super) fn new(segment: Arc<Segment<F>>) -> Self {
        Self {
            segment,
            end: HEADER_BYTES,
            lost_before: None,
            damaged: false,
            places: Vec::new(),
            place_next: false,
            last: Progress { last: 0, admitted: 0 },
            postings: Postings::default(),
            expires: 0,
        }
    }

    /// What comes next is behind damage: reading must be able to begin there.
    pub(super) fn expect_damage(&mut self) {
        self.damaged = true;
        self.place_next = true;
    }

    /// Takes note of a message; most places are skipped.
    pub(super) fn note(&mut self, noted: &Noted, names: &mut Names) {
        let place = noted.place;
        self.last = Progress { last: place.sequence, admitted: place.admitted };
        self.expires = self.expires.max(noted.expires);
        self.postings.note(names.number(&noted.channel), place.offset);
        let far = self.places.last().is_none_or(|last| place.offset - last.offset >= PLACE_BYTES);
        if std::mem::take(&mut self.place_next) || far {
            self.places.push(place);
        }
    }

    /// Forgets what lies at or after `end`.
    pub(super) fn cut(&mut self, end: u64) {
        self.end = end;
        self.postings.cut(end);
        self.places.retain(|place| place.offset < end);
    }
}

#[derive(Debug)]
struct State<F> {
    /// Ascending, never empty.
    segments: Vec<Indexed<F>>,
    progress: Progress,
    names: Names,
}

/// The index of a journal. Shared by the writer and all readers.
#[derive(Debug)]
pub(super) struct Index<F> {
    /// What readers met.
    pub(super) damage_met: Arc<DamageMet>,
    state: RwLock<State<F>>,
}

/// What lies behind a position.
#[derive(Debug)]
pub(super) enum Behind<F> {
    Stretch(Stretch<F>),
    /// It cannot be read, and this was known at the start.
    Lost(DamagedRange),
    /// The position is the head, or past it. Both as they were at this look: the writer may go on meanwhile.
    Nothing {
        head: Progress,
        first: u64,
    },
}

/// A segment that another one follows.
#[derive(Debug)]
pub(super) struct Retained<F> {
    pub(super) segment: Arc<Segment<F>>,
    /// Content ends here.
    pub(super) end: u64,
    /// The lowest sequence after it.
    pub(super) next_base: u64,
    /// When the last message up to its end was admitted.
    pub(super) last_admitted: u64,
    /// When the last of its messages stops to be current.
    pub(super) expires: u64,
    pub(super) has_messages: bool,
}

/// A stretch of one segment in which to read.
#[derive(Debug)]
pub(super) struct Stretch<F> {
    pub(super) segment: Arc<Segment<F>>,
    pub(super) from: u64,
    pub(super) to: u64,
    /// The lowest sequence that the journal had when this was looked up.
    pub(super) first: u64,
    /// All sequences up to this one are in this segment, in one before, or nowhere; and when the last was admitted.
    pub(super) covers: Progress,
    /// The messages on each channel; `None` where all must be read, so that no damage is passed in silence.
    pub(super) postings: Option<View>,
}

impl<F> Index<F> {
    pub(super) fn new(segments: Vec<Indexed<F>>, progress: Progress, names: Names) -> Self {
        Self { damage_met: Arc::default(), state: RwLock::new(State { segments, progress, names }) }
    }

    /// The channel of a number; `None` for a number that stands for more than one.
    pub(super) fn name(&self, number: u32) -> Option<Arc<Channel>> {
        self.read().names.name(number)
    }

    pub(super) fn progress(&self) -> Progress {
        self.read().progress
    }

    /// The lowest sequence that the oldest segment may hold.
    pub(super) fn first(&self) -> u64 {
        self.read().first()
    }

    /// Makes a synced batch readable.
    pub(super) fn publish(&self, places: &[Noted], end: u64, progress: Progress) {
        let mut guard = self.write();
        let state = &mut *guard;
        if let Some(newest) = state.segments.last_mut() {
            for place in places {
                newest.note(place, &mut state.names);
            }
            newest.end = end;
        }
        state.progress = progress;
    }

    /// The writer goes on in another segment.
    pub(super) fn push(&self, segment: Arc<Segment<F>>) {
        self.write().segments.push(Indexed::new(segment));
    }

    /// Forgets the segments before `oldest`. Who reads in one of them may finish.
    pub(super) fn remove_before(&self, oldest: u64) -> Vec<Indexed<F>> {
        let mut state = self.write();
        let count = state.segments.partition_point(|indexed| indexed.segment.header.index < oldest);
        // The newest is never removed.
        let count = count.min(state.segments.len() - 1);
        let removed = state.segments.drain(..count).collect();
        if let Some(first) = state.segments.first_mut() {
            first.lost_before = None;
        }
        removed
    }

    /// Damage was found in a segment after the start.
    pub(super) fn mark_damaged(&self, segment_index: u64) {
        let mut state = self.write();
        for indexed in &mut state.segments {
            indexed.damaged |= indexed.segment.header.index == segment_index;
        }
    }

    /// What retention must know of each segment, oldest first.
    pub(super) fn retained(&self) -> Vec<Retained<F>> {
        let state = self.read();
        let later = state.segments.iter().skip(1).map(|next| next.segment.header.clone());
        let one = |(indexed, next): (&Indexed<F>, Header)| Retained {
            segment: Arc::clone(&indexed.segment),
            end: indexed.end,
            next_base: next.base,
            last_admitted: next.admitted,
            expires: indexed.expires,
            has_messages: !indexed.places.is_empty(),
        };
        state.segments.iter().zip(later).map(one).collect()
    }

    /// Where the messages after `sequence` begin.
    pub(super) fn after(&self, sequence: u64, with_postings: bool) -> Behind<F> {
        let state = self.read();
        if sequence >= state.progress.last {
            return Behind::Nothing { head: state.progress, first: state.first() };
        }
        let wanted = sequence + 1;
        let later = state.segments.partition_point(|indexed| indexed.segment.header.base <= wanted);
        let lost = state.segments.get(later).and_then(|next| next.lost_before.as_ref());
        if let Some(lost) = lost.filter(|lost| lost.after.get() < wanted) {
            return Behind::Lost(lost.clone());
        }
        let number = later.saturating_sub(1);
        let mut stretch = state.stretch(number, |place| place.sequence <= wanted);
        let indexed = &state.segments[number];
        stretch.postings = (with_postings && !indexed.damaged).then(|| indexed.postings.view(stretch.from));
        Behind::Stretch(stretch)
    }

    /// Where the first message admitted at or after `admitted` is to be searched; `None` when all are.
    pub(super) fn admitted_from(&self, admitted: u64) -> Option<Stretch<F>> {
        let state = self.read();
        let starts_before =
            |indexed: &Indexed<F>| indexed.places.first().is_some_and(|place| place.admitted < admitted);
        let number = state.segments.iter().rposition(starts_before)?;
        Some(state.stretch(number, |place| place.admitted < admitted))
    }

    /// The first sequence after the damage at `offset` of a segment where reading may go on.
    pub(super) fn resumes_after(&self, segment_index: u64, offset: u64) -> u64 {
        let state = self.read();
        let is_it = |indexed: &Indexed<F>| indexed.segment.header.index == segment_index;
        let Some(number) = state.segments.iter().position(is_it) else {
            return state.progress.last + 1;
        };
        let next = state.segments[number].places.iter().find(|place| place.offset > offset);
        next.map_or_else(|| state.covers(number).last + 1, |place| place.sequence)
    }

    /// A frame was found at this place of a segment.
    pub(super) fn note_place(&self, segment_index: u64, place: Place) {
        let mut state = self.write();
        let is_it = |indexed: &&mut Indexed<F>| indexed.segment.header.index == segment_index;
        let Some(indexed) = state.segments.iter_mut().find(is_it) else { return };
        let at = indexed.places.partition_point(|known| known.offset < place.offset);
        if indexed.places.get(at).is_none_or(|known| known.offset != place.offset) {
            indexed.places.insert(at, place);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State<F>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<F>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> State<F> {
    fn first(&self) -> u64 {
        let lost = self.segments.first().and_then(|oldest| oldest.lost_before.as_ref());
        let base = self.segments.first().map_or(1, |oldest| oldest.segment.header.base);
        lost.map_or(base, |lost| lost.after.get() + 1)
    }

    /// From the last place that is `before` what is searched.
    fn stretch(&self, number: usize, before: impl Fn(&Place) -> bool) -> Stretch<F> {
        let indexed = &self.segments[number];
        let place = indexed.places[..indexed.places.partition_point(before)].last();
        Stretch {
            segment: Arc::clone(&indexed.segment),
            from: place.map_or(HEADER_BYTES, |place| place.offset),
            to: indexed.end,
            first: self.first(),
            covers: self.covers(number),
            postings: None,
        }
    }

    fn covers(&self, number: usize) -> Progress {
        let Some(next) = self.segments.get(number + 1) else { return self.progress };
        let header = &next.segment.header;
        match &next.lost_before {
            None => Progress { last: header.base - 1, admitted: header.admitted },
            Some(lost) => Progress { last: lost.after.get(), admitted: self.segments[number].last.admitted },
        }
    }
}
