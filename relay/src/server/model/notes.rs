//! What a reader asked and was told, in order, and the judgement on it.
//!
//! The truth is the journal, read once all is over. Each reader is given exactly what it may hear after its place, each
//! message once and in order, whatever became of its session meanwhile; no mark claims what was not given; nothing is
//! given or claimed past what its worker has dispatched.

use vigie_proto::cursor::Cursor;
use vigie_proto::frame::Start;
use vigie_proto::hear::may_hear;
use vigie_proto::time::Timestamp;

use super::cast::Cast;
use crate::journal::MessageRecord;

/// One thing that happened to a reader.
#[derive(Debug)]
pub(super) enum Note {
    /// It has a new session.
    Session,
    /// It asked to hear the filters of this number.
    Asked {
        re: u64,
        filters: usize,
        start: Start,
    },
    Subscribed {
        re: u64,
        seq: u64,
    },
    /// `head` is the worker's, when this was taken from it.
    Event {
        seq: u64,
        admitted: Timestamp,
        head: u64,
        jws: String,
    },
    Mark {
        at: Cursor,
        claimed_head: u64,
        head: u64,
    },
    /// The chain under which all events speak.
    Chain,
    /// It was closed although all its reads had room: a slow reader is not cut off.
    Closed,
    /// Nothing was removed or damaged: there is no reason for one.
    Gap,
}

/// Where a reader is in its notes.
#[derive(Debug, Default)]
struct Place {
    /// Asked in this session, and not answered.
    asked: Vec<(u64, usize, Start)>,
    /// What it hears, since `subscribed`.
    filters: Option<usize>,
    has_chain: bool,
    /// Where a request wanted to begin that was replaced before its place was known: the next one goes on from there.
    replaced: Option<Start>,
    /// Everything up to here was given.
    after: u64,
    /// Where the session began: it may be ahead of its worker.
    began: u64,
}

/// Finds what is wrong with it. `messages` is the whole log.
pub(super) fn judge(notes: &[Note], messages: &[MessageRecord], cast: &Cast) -> Result<(), String> {
    let mut place = Place::default();
    for (number, note) in notes.iter().enumerate() {
        let replaced = is_replaced(note, &notes[number + 1..]);
        step(&mut place, note, replaced, messages, cast)
            .map_err(|wrong| format!("{wrong}\n  {place:?}\n  {note:?}"))?;
    }
    let last = messages.len() as u64;
    if place.after < last {
        place.passes(last, messages, cast)?;
    }
    Ok(())
}

/// Whether it may be the answer to a request that was replaced before: both are answered in a row, with the same place,
/// unless the line is cut between them.
fn is_replaced(note: &Note, then: &[Note]) -> bool {
    let Note::Subscribed { seq, .. } = note else { return false };
    let next = then.iter().find(|note| !matches!(note, Note::Asked { .. }));
    match next {
        Some(Note::Subscribed { seq: next, .. }) => next == seq,
        Some(Note::Session) | None => true,
        Some(_) => false,
    }
}

fn step(
    place: &mut Place,
    note: &Note,
    replaced: bool,
    messages: &[MessageRecord],
    cast: &Cast,
) -> Result<(), String> {
    let record = |seq: u64| usize::try_from(seq).ok().and_then(|seq| messages.get(seq.checked_sub(1)?));
    match note {
        Note::Session => *place = Place::default(),
        Note::Asked { re, filters, start } => place.asked.push((*re, *filters, *start)),
        Note::Subscribed { re, seq } => {
            let Some(asked) = place.asked.iter().position(|(asked, ..)| asked == re) else {
                return Err("an answer to nothing".to_owned());
            };
            let (_, filters, start) = place.asked.remove(asked);
            if start != Start::Here {
                place.replaced = Some(start);
            }
            if !replaced || place.asked.is_empty() {
                let start = place.replaced.take().unwrap_or(Start::Here);
                place.begin(start, *seq, messages, cast)?;
                place.filters = Some(filters);
            }
        }
        Note::Event { seq, admitted, head, jws } => {
            let filters = place.filters.ok_or("an event before `subscribed`")?;
            let record = record(*seq).ok_or("an event that is not in the log")?;
            if *seq <= place.after {
                return Err("an event twice, or out of order".to_owned());
            }
            if record.admitted != *admitted || record.jws != jws.as_bytes() {
                return Err("another event than that of the log".to_owned());
            }
            if !may_hear(&cast.readers[filters], record.into()) {
                return Err("an event for others".to_owned());
            }
            if !place.has_chain {
                return Err("an event before its chain".to_owned());
            }
            if seq > head {
                return Err("an event past what its worker has dispatched".to_owned());
            }
            place.passes(seq - 1, messages, cast)?;
            place.after = *seq;
        }
        Note::Mark { at, claimed_head, head } => {
            let seq = at.seq.get();
            if place.filters.is_none() || seq < place.after {
                return Err("a mark before what was given".to_owned());
            }
            if seq > 0 && record(seq).is_none_or(|record| record.admitted != at.admitted) {
                return Err("a mark at no place of the log".to_owned());
            }
            if seq > (*head).max(place.began) || *claimed_head > (*head).max(place.began) {
                return Err("a mark past what its worker has dispatched".to_owned());
            }
            place.passes(seq, messages, cast)?;
        }
        Note::Chain => place.has_chain = true,
        Note::Closed => return Err("cut off for being slow".to_owned()),
        Note::Gap => return Err("a gap in a whole log".to_owned()),
    }
    Ok(())
}

impl Place {
    /// A subscription begins, in the middle of another or not.
    fn begin(
        &mut self,
        start: Start,
        seq: u64,
        messages: &[MessageRecord],
        cast: &Cast,
    ) -> Result<(), String> {
        let right = match start {
            Start::Beginning => seq == 0,
            Start::After(cursor) => seq == cursor.seq.get(),
            // What the one before had to give was given up to there.
            Start::Here if self.filters.is_some() => {
                self.passes(seq, messages, cast)?;
                seq >= self.after
            }
            Start::Here => seq <= messages.len() as u64,
        };
        self.after = seq;
        self.began = seq;
        if right { Ok(()) } else { Err("it begins elsewhere".to_owned()) }
    }

    /// Nothing that it hears lies between `after` and here.
    fn passes(&mut self, to: u64, messages: &[MessageRecord], cast: &Cast) -> Result<(), String> {
        let Some(filters) = self.filters else { return Ok(()) };
        let passed = messages.iter().filter(|record| record.seq.get() > self.after && record.seq.get() <= to);
        for record in passed {
            if may_hear(&cast.readers[filters], record.into()) {
                return Err(format!("event {} was not given", record.seq.get()));
            }
        }
        self.after = self.after.max(to);
        Ok(())
    }
}
