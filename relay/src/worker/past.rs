//! A page of history: put together of as many reads of the journal as it takes, and given in one piece.
//!
//! `requests.rs` begins one; [`Worker::read_past`] asks for a part of it, as catch-up asks for its pages, and
//! [`Worker::handle_past`] takes what of the part the reader hears and asks for the next, until the page is whole.
//!
//! Invariant: where a page ends depends on what its reader hears and on the head of the log, and on nothing else. If it
//! ended where a read ends, messages that he may not hear would show: by pages that are short or empty, and by the places
//! where they end. So a read in which he hears nothing is passed over.
//!
//! A page may cost a walk through all of the log, as asking again and again would; between its reads all others have their
//! turn. What is kept from read to read is no more than one read brings.

use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{Rejection, ServerFrame};
use vigie_proto::hear::{Reader, Said, may_hear};
use vigie_proto::limits::HISTORY_LIMIT_MAX;
use vigie_proto::refusal::Code;

use super::page::{Gap, Purpose, ReadFrom, ReadRequest};
use super::{Effect, SessionId, Worker};
use crate::event::Position;
use crate::journal::MessageRecord;
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

/// A page that is not whole yet.
#[derive(Clone, Debug)]
pub(super) struct Past {
    re: u64,
    reader: Reader,
    /// Most messages in it.
    limit: u32,
    /// Those in front of the messages: with them at most [`HISTORY_LIMIT_MAX`], as far as one read does not bring more.
    gaps: Vec<Gap>,
    /// What the reader hears, ascending.
    messages: Vec<MessageRecord>,
    /// Sum of the lengths of their signed bytes.
    bytes: usize,
    /// The last place that is told in it: of a message, of the end of a gap, or of where it begins.
    told: Position,
    /// The worker's head when the first read was done. The page leads no further: a log that grows faster than it is read
    /// would have no last page.
    until: Option<Position>,
}

/// What one read has brought: all there is from `after` to `end`, behind the gaps.
pub(super) struct Part {
    pub(super) gaps: Vec<Gap>,
    pub(super) after: Position,
    pub(super) messages: Vec<MessageRecord>,
    pub(super) end: Position,
}

impl Past {
    /// A page that has nothing yet.
    pub(super) fn new(re: u64, reader: Reader, limit: u32) -> Self {
        let (gaps, messages) = (Vec::new(), Vec::new());
        Self { re, reader, limit, gaps, messages, bytes: 0, told: Position::default(), until: None }
    }

    /// Who asks.
    pub(super) const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Takes what the reader hears. Gives the place after which the next page begins, once this one is whole.
    fn take(&mut self, part: Part, head: Position, bytes_max: usize) -> Option<Position> {
        let begins = self.until.is_none();
        let until = *self.until.get_or_insert(head);
        if !part.gaps.is_empty() && !self.messages.is_empty() {
            // Gaps stand in front: the next page meets it again.
            return Some(self.told);
        }
        if begins || !part.gaps.is_empty() {
            self.told = part.after;
        }
        self.gaps.extend(part.gaps);
        for record in part.messages {
            if self.is_full() {
                return Some(self.told);
            }
            if record.seq > until.seq {
                return Some(self.told.max(until));
            }
            if !self.hears(&record) {
                continue;
            }
            self.bytes += record.jws.len();
            if self.bytes > bytes_max && !self.messages.is_empty() {
                return Some(self.told);
            }
            self.told = Position { seq: record.seq, admitted: record.admitted };
            self.messages.push(record);
        }
        if self.is_full() {
            return Some(self.told);
        }
        #[cfg(feature = "sabotage")]
        if Sabotage::HiddenEndsAPage.is_planted() {
            return Some(self.told.max(part.end.min(until)));
        }
        (part.end.seq >= until.seq).then(|| self.told.max(until))
    }

    fn is_full(&self) -> bool {
        let (messages, all) = (self.messages.len(), self.messages.len() + self.gaps.len());
        messages >= self.limit as usize || all >= HISTORY_LIMIT_MAX as usize
    }

    fn hears(&self, record: &MessageRecord) -> bool {
        let said = Said::from(record);
        #[cfg(feature = "sabotage")]
        let said = Sabotage::LabelNotLookedAtInHistory.unlabelled(said);
        let hears = may_hear(&self.reader, said);
        #[cfg(feature = "sabotage")]
        let hears = hears || Sabotage::HistoryUnheard.is_planted();
        hears
    }
}

impl Worker {
    /// Has the next part of a page of history read.
    pub(super) fn read_past(&mut self, id: SessionId, past: Box<Past>, from: ReadFrom) {
        let max_bytes = self.config.outbox_bytes_max / 2;
        let purpose = Purpose::History(past);
        self.effects.push_back(Effect::Read(ReadRequest { session: id, purpose, from, max_bytes }));
    }

    /// A part of a page was read: gives the page if it is whole now, or has the next part read.
    pub(super) fn handle_past(&mut self, id: SessionId, mut past: Box<Past>, part: Part) {
        if !self.is_logged_in(id) {
            return;
        }
        let at = part.end;
        match past.take(part, self.head, self.config.outbox_bytes_max / 2) {
            Some(next) => self.give_past(id, *past, next),
            None => {
                let told = past.told;
                self.read_past(id, past, ReadFrom::After { at, told });
            }
        }
    }

    /// Gives a page. It may pass the outbox's bound by one page, since a session has one at a time.
    fn give_past(&mut self, id: SessionId, past: Past, next: Position) {
        let Past { re, gaps, messages, until, .. } = past;
        if let Some(session) = self.session(id) {
            session.reading_history = false;
        }
        for gap in gaps {
            self.push_place(id, gap.to_text(Some(re)));
        }
        for record in &messages {
            self.push_past(id, re, record);
        }
        let end = until.is_none_or(|until| next.seq >= until.seq);
        self.push_page_end(id, re, next, end);
    }

    /// It says that all before it was given: whoever loses the one loses the other.
    fn push_page_end(&mut self, id: SessionId, re: u64, next: Position, end: bool) {
        let next = Cursor { log: self.config.log, seq: next.seq, admitted: next.admitted }.to_string();
        let page = ServerFrame::Page { re, next: next.into(), end }.to_text();
        self.push_place(id, page);
    }

    fn push_past(&mut self, id: SessionId, re: u64, record: &MessageRecord) {
        let chain = self.sessions[id.index].needs_chain(record.credential);
        if chain && let Some(frame) = self.chains.frame(record.credential) {
            self.sessions[id.index].outbox.push_text(frame);
        }
        let jws = String::from_utf8_lossy(&record.jws);
        let past = ServerFrame::Past { re, seq: record.seq, admitted: record.admitted, jws };
        self.push_place(id, past.to_text());
    }

    /// Too many reads wait. The client may ask again.
    pub(super) fn refuse_past(&mut self, id: SessionId, past: &Past) {
        if let Some(session) = self.session(id) {
            session.reading_history = false;
        }
        self.reject(id, &Rejection { re: Some(past.re), refusal: Code::Busy.into() });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vigie_proto::chain::Roots;
    use vigie_proto::id::{LogId, Nonce, Sequence};
    use vigie_proto::login::Binding;
    use vigie_proto::session::relay::Rules;
    use vigie_proto::time::Timestamp;

    use super::*;
    use crate::chains::SharedVerdicts;
    use crate::worker::{Output, WorkerConfig};

    /// The simulation found it: the end of a page stood after its messages were dropped, for one whose time was over, and
    /// said that all up to there had been given.
    #[test]
    fn the_end_of_a_page_goes_with_its_messages() {
        let rules = Rules::new(Roots::new([]), vec!["localhost".to_owned()]);
        let config = WorkerConfig::new(0, Arc::new(rules), LogId::from_bytes([1; 16]));
        let verdicts = Arc::<SharedVerdicts>::default();
        let mut worker = Worker::new(config, Arc::default(), Arc::default(), verdicts, Position::default());
        let nonce = Nonce::from_bytes([7; 32]);
        let id = worker.accept(nonce, Binding::Certificate([9; 32]), Timestamp::EPOCH);
        let challenge = worker.take_output(id, usize::MAX);
        assert_eq!(challenge.len(), 1);
        let end = Position { seq: Sequence::new(8), admitted: Timestamp::EPOCH };
        worker.push_page_end(id, 3, end, true);
        let waiting = worker.session(id).unwrap().outbox.bytes();
        assert!(waiting > 0);
        worker.session(id).unwrap().outbox.drop_events();
        let left: Vec<Output> = worker.take_output(id, usize::MAX);
        assert_eq!(left, []);
    }
}
