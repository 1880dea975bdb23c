//! What holds for pages of history: all that concerns the reader from one place of the log to another, no more of it than
//! was asked for, and no cursor moves.

use std::collections::BTreeSet;
use std::sync::Arc;

use vigie_proto::channel::Plane;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::Start;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::time::Timestamp;

use super::gaps::Told;
use super::readers::View;
use super::{Checker, Promise};
use crate::sim::history::ReaderId;

#[derive(Debug)]
struct Page {
    filters: Vec<String>,
    after: Sequence,
    limit: usize,
    given: BTreeSet<Sequence>,
    /// What it was told that it cannot be given.
    told: Vec<Told>,
    /// It asked for all that there is, and that begins here.
    there_is_from: Sequence,
}

/// The pages of one reader.
#[derive(Debug, Default)]
pub(super) struct Pages {
    asked: Option<Page>,
    whole: Vec<(Page, LogId, Sequence)>,
}

impl Pages {
    /// The answer to what was asked does not come any more.
    pub(super) fn forget(&mut self) {
        self.asked = None;
    }

    pub(super) fn handle_asked(
        &mut self,
        filters: &[String],
        start: Start,
        limit: usize,
    ) -> Vec<(Promise, String)> {
        let after = match start {
            Start::After(cursor) => cursor.seq,
            Start::Beginning | Start::Here => Sequence::START,
        };
        self.asked = Some(Page {
            filters: filters.to_vec(),
            after,
            limit,
            given: BTreeSet::new(),
            told: Vec::new(),
            there_is_from: Sequence::START,
        });
        Vec::new()
    }

    pub(super) fn handle_gap(&mut self, told: Told) -> Vec<(Promise, String)> {
        let Some(page) = &mut self.asked else {
            return vec![(Promise::HonestGaps, "a gap of a page that nobody asked for".to_owned())];
        };
        page.told.push(told);
        Vec::new()
    }

    fn handle_end(
        &mut self,
        next: Option<Cursor>,
        end: bool,
        first: impl Fn(LogId) -> Sequence,
    ) -> Vec<(Promise, String)> {
        let (Some(mut page), Some(next)) = (self.asked.take(), next) else {
            return vec![(
                Promise::Order,
                "a page that nobody asked for, or without a next place".to_owned(),
            )];
        };
        let mut broken = Vec::new();
        let last = page.given.last().copied().unwrap_or(page.after);
        if next.seq < last {
            broken.push((Promise::Order, format!("the next page begins at {}, before {last}", next.seq)));
        }
        if next.seq == page.after && !end {
            broken.push((Promise::CatchesUp, format!("a page of history stays at {last}")));
        }
        if page.after == Sequence::START {
            page.there_is_from = first(next.log);
        }
        self.whole.push((page, next.log, next.seq));
        broken
    }
}

impl Checker {
    pub(super) fn handle_page_end(
        &self,
        pages: &mut Pages,
        next: Option<Cursor>,
        end: bool,
    ) -> Vec<(Promise, String)> {
        let first = |log| self.logs.get(&log).map_or(Sequence::START, |log| log.kept.first());
        pages.handle_end(next, end, first)
    }

    pub(super) fn handle_past(
        &self,
        pages: &mut Pages,
        who: (Plane, &str),
        seq: Sequence,
        admitted: Timestamp,
        token: &Arc<str>,
    ) -> Vec<(Promise, String)> {
        let Some(page) = &mut pages.asked else {
            return vec![(Promise::Order, format!("was given {seq} of a page that it did not ask for"))];
        };
        let mut broken = self.judge_giving(who, &page.filters, token);
        if seq <= page.given.last().copied().unwrap_or(page.after) {
            broken.push((Promise::Order, format!("was given {seq} of history, not in order")));
        }
        page.given.insert(seq);
        if page.given.len() > page.limit {
            broken.push((Promise::NothingElse, format!("was given more than {} of history", page.limit)));
        }
        let told = self.running.and_then(|log| self.logs.get(&log)?.places.get(&seq));
        if told.is_some_and(|(other, at)| other != token || *at != admitted) {
            broken.push((Promise::OnePlace, format!("history says another thing of {seq} than was told")));
        }
        broken
    }

    /// At the end: everything that anyone was told of the log, from one end of each page to the other.
    pub(super) fn judge_pages(&self, view: &View, reader: ReaderId) -> Vec<String> {
        let mut broken = Vec::new();
        for (page, id, next) in &view.past.whole {
            let Some(log) = self.logs.get(id) else { continue };
            let concerned = log.places.range(page.after.next()..).take_while(|(seq, _)| *seq <= next);
            for (seq, (token, _)) in concerned {
                let signed = self.signed.get(token);
                let heard = signed.is_some_and(|signed| signed.is_heard_by(&page.filters, &view.org));
                let excused = *seq < page.there_is_from || page.told.iter().any(|gap| gap.excuses(log, *seq));
                if heard && !page.given.contains(seq) && !excused {
                    let name = self.name(token);
                    broken.push(format!("reader {reader}: {name} at {seq} is missing in a page of history"));
                }
            }
        }
        broken
    }
}
