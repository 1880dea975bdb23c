//! What waits to be written to one session: bounded in bytes by those who put things in.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use vigie_proto::channel::Plane;
use vigie_proto::id::CredentialId;
use vigie_proto::refusal::Code;

use super::LocalEvent;

/// Something to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A text message.
    Text(Bytes),
    /// A ping with the number of bytes of text that the session was given before it. The pong brings it back, and so
    /// says how much of that has come through: [`Worker::handle_pong`](super::Worker::handle_pong).
    Ping(u64),
    /// Close the connection with this code; nothing follows.
    Close(Code),
}

/// Where what a session is given goes: the bytes that are written at once, or a list of [`Output`].
pub trait Outlet {
    /// Whether no more is to be taken out of the outbox for now.
    fn is_full(&self) -> bool;
    /// A text message. Usually bytes that many sessions share: to keep them costs an atomic count.
    fn text(&mut self, text: &Bytes);
    /// As [`Output::Ping`].
    fn ping(&mut self, number: u64);
    /// As [`Output::Close`].
    fn close(&mut self, code: Code);
}

/// A list of outputs, full when so many bytes of text are in it.
#[derive(Debug)]
pub(super) struct Outputs {
    pub(super) taken: Vec<Output>,
    pub(super) bytes_left: usize,
}

impl Outlet for Outputs {
    fn is_full(&self) -> bool {
        self.bytes_left == 0
    }

    fn text(&mut self, text: &Bytes) {
        self.bytes_left = self.bytes_left.saturating_sub(text.len());
        self.taken.push(Output::Text(text.clone()));
    }

    fn ping(&mut self, number: u64) {
        self.taken.push(Output::Ping(number));
    }

    fn close(&mut self, code: Code) {
        self.taken.push(Output::Close(code));
    }
}

#[derive(Debug)]
enum Waiting {
    Event(Rc<LocalEvent>),
    /// A page of history; and what says that all before it was given, and must not outlive that: a mark, a gap, the begin
    /// of a subscription, the end of a page.
    Place(Bytes),
    Text(Bytes),
    /// Boxed: there are few of them, and what waits for thousands is to be small.
    Revocations(Box<Range>),
    Ping,
    Close(Code),
}

/// Revocations after one count, up to another: read when they are taken, so that however many there are, they take no
/// room here.
#[derive(Debug)]
struct Range {
    plane: Plane,
    after: u64,
    through: u64,
    /// The issuer of the one before, whose chain need not be given again.
    chain_given: Option<CredentialId>,
}

/// Where revocations are read, when they are taken.
pub(super) trait ReadRevocations {
    /// The next one after this count: its count, its issuer, and its frame.
    fn next(&self, plane: Plane, after: u64) -> Option<(u64, CredentialId, Bytes)>;
    /// The frame of a chain.
    fn chain(&self, leaf: CredentialId) -> Option<Bytes>;
}

/// Places that an outbox keeps when nothing happens: a mark, its ping, and a message or two.
const KEPT_IDLE: usize = 4;

/// In order of writing.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Sum of the lengths of all that was taken, ever.
    given: u64,
    /// Events among what was taken, ever.
    events_given: u64,
    closed: bool,
}

impl Outbox {
    /// Whether so much more fits under the bound; one frame always does in an empty outbox.
    pub(super) fn has_room(&self, bytes: usize, bound: usize) -> bool {
        self.bytes == 0 || self.bytes + bytes <= bound
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sum of the lengths of what waits.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that were taken from it, since the session began.
    pub(super) const fn given(&self) -> u64 {
        self.given
    }

    /// Events that were taken from it, since the session began.
    pub(super) const fn events_given(&self) -> u64 {
        self.events_given
    }

    pub(super) fn push_event(&mut self, event: Rc<LocalEvent>) {
        self.bytes += event.frame().len();
        self.push(Waiting::Event(event));
    }

    pub(super) fn push_text(&mut self, text: Bytes) {
        self.bytes += text.len();
        self.push(Waiting::Text(text));
    }

    pub(super) fn push_mark(&mut self, mark: Bytes) {
        if self.waiting.is_empty() {
            // What the last burst took is given back.
            self.waiting.shrink_to(KEPT_IDLE);
        }
        self.push_place(mark);
    }

    /// A part of a page of history, or what says up to where all was given.
    pub(super) fn push_place(&mut self, text: Bytes) {
        self.bytes += text.len();
        self.push(Waiting::Place(text));
    }

    /// Revocations after one count, up to another. What waits already and goes up to there goes on.
    pub(super) fn push_revocations(&mut self, plane: Plane, after: u64, through: u64) {
        if let Some(Waiting::Revocations(waits)) = self.waiting.back_mut()
            && waits.through == after
        {
            waits.through = through;
            return;
        }
        self.push(Waiting::Revocations(Box::new(Range { plane, after, through, chain_given: None })));
    }

    /// Drops the events that wait, and pages of history: they are not for this peer any more. The marks too, and all else that
    /// names a place: behind a dropped event it would move the cursor past it, and should the peer come back under another
    /// credential, it would never be given.
    pub(super) fn drop_events(&mut self) {
        let bytes = &mut self.bytes;
        self.waiting.retain(|waiting| match waiting {
            Waiting::Event(event) => {
                *bytes -= event.frame().len();
                false
            }
            Waiting::Place(text) => {
                *bytes -= text.len();
                false
            }
            Waiting::Text(_) | Waiting::Revocations(_) | Waiting::Ping | Waiting::Close(_) => true,
        });
    }

    /// Asks for a sign of life; one that waits already asks for both.
    pub(super) fn push_ping(&mut self) {
        if !matches!(self.waiting.back(), Some(Waiting::Ping)) {
            self.push(Waiting::Ping);
        }
    }

    /// Nothing is taken in after this.
    pub(super) fn push_close(&mut self, code: Code) {
        self.push(Waiting::Close(code));
        self.closed = true;
    }

    /// Whether nothing is taken in any more.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    fn push(&mut self, waiting: Waiting) {
        if !self.closed {
            self.waiting.push_back(waiting);
        }
    }

    /// Hands over from the front until the outlet is full or nothing waits.
    pub(super) fn give(&mut self, outlet: &mut impl Outlet, revocations: &dyn ReadRevocations) {
        while !outlet.is_full()
            && let Some(next) = self.waiting.pop_front()
        {
            match next {
                Waiting::Event(event) => {
                    self.events_given += 1;
                    self.give_text(event.frame(), outlet);
                }
                Waiting::Place(text) | Waiting::Text(text) => {
                    self.give_text(&text, outlet);
                }
                Waiting::Revocations(range) => self.give_revocation(range, revocations, outlet),
                Waiting::Ping => outlet.ping(self.given),
                Waiting::Close(code) => outlet.close(code),
            }
        }
    }

    /// Hands over the next revocation of a range, its issuer's chain before it; the rest of the range stays in front.
    fn give_revocation(
        &mut self,
        mut range: Box<Range>,
        revocations: &dyn ReadRevocations,
        outlet: &mut impl Outlet,
    ) {
        let next = revocations.next(range.plane, range.after).filter(|(count, ..)| *count <= range.through);
        let Some((count, issuer, frame)) = next else { return };
        let chain = if range.chain_given == Some(issuer) { None } else { revocations.chain(issuer) };
        for text in chain.iter().chain([&frame]) {
            self.given += text.len() as u64;
            outlet.text(text);
        }
        if count < range.through {
            (range.after, range.chain_given) = (count, Some(issuer));
            self.waiting.push_front(Waiting::Revocations(range));
        }
    }

    fn give_text(&mut self, text: &Bytes, outlet: &mut impl Outlet) {
        self.bytes -= text.len();
        self.given += text.len() as u64;
        outlet.text(text);
    }
}
