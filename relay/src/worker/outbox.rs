//! What waits to be written to one session: bounded in bytes by those who put things in.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
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

#[derive(Debug)]
enum Waiting {
    Event(Rc<LocalEvent>),
    Text(Bytes),
    Ping,
    Close(Code),
}

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

    fn push(&mut self, waiting: Waiting) {
        if !self.closed {
            self.waiting.push_back(waiting);
        }
    }

    /// Takes from the front until about `max_bytes` are taken, at least one.
    pub(super) fn take(&mut self, max_bytes: usize) -> Vec<Output> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < max_bytes
            && let Some(next) = self.waiting.pop_front()
        {
            let output = match next {
                Waiting::Event(event) => {
                    self.events_given += 1;
                    Output::Text(event.frame().clone())
                }
                Waiting::Text(text) => Output::Text(text),
                Waiting::Ping => Output::Ping(self.given),
                Waiting::Close(code) => Output::Close(code),
            };
            if let Output::Text(text) = &output {
                bytes += text.len();
                self.bytes -= text.len();
                self.given += u64::try_from(text.len()).unwrap_or(u64::MAX);
            }
            taken.push(output);
        }
        taken
    }
}
