//! A worker with readers who all listen to the nation's alerts: the hot path from a batch of the journal to the bytes
//! that sockets are given, without threads, sockets and disk.

#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must stop")]

use std::sync::Arc;

use bytes::Bytes;
use vigie_proto::frame::ServerFrame;
use vigie_proto::id::{LogId, Nonce, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::login::{self, Binding};
use vigie_proto::session::relay::Rules;
use vigie_proto::severity::Severity;
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::event::{Batch, Event, Position, Reach};
use vigie_relay::net::batch::Batch as Written;
use vigie_relay::sequencer::Ticket;
use vigie_relay::worker::{Effect, SessionId, Worker, WorkerConfig};

use crate::{Fixture, NOW};

const NAME: &str = "localhost";

/// See the module's documentation.
#[derive(Debug)]
pub struct Hall {
    fixture: Fixture,
    worker: Worker,
    readers: Vec<SessionId>,
    written: Written,
    /// The signed bytes that every event carries.
    alert: String,
    seq: u64,
}

impl Hall {
    /// So many readers, at least one, are logged in and live.
    pub fn new(readers: usize) -> Self {
        let fixture = Fixture::default();
        let rules = Rules::new(fixture.roots.clone(), vec![NAME.to_owned()]);
        let config = WorkerConfig::new(0, Arc::new(rules), LogId::from_bytes([3; 16]));
        let verdicts = Arc::<SharedVerdicts>::default();
        let worker = Worker::new(config, Arc::default(), Arc::default(), verdicts, Position::default());
        let alert = fixture.alert();
        let mut hall =
            Self { fixture, worker, readers: Vec::new(), written: Written::default(), alert, seq: 0 };
        for _ in 0..readers {
            let reader = hall.enter("alert/fr.idf");
            hall.readers.push(reader);
        }
        // The first event brings its chain.
        hall.publish(1);
        hall
    }

    /// Logs in and subscribes; what it was told is forgotten.
    pub fn enter(&mut self, channel: &str) -> SessionId {
        let (nonce, binding) = (Nonce::from_bytes([7; 32]), Binding::Certificate([9; 32]));
        let session = self.worker.accept(nonce, binding, NOW);
        let chain = &self.fixture.chain;
        let proof = login::sign(&self.fixture.key, chain.leaf().id(), chain.plane(), NAME, nonce, binding);
        let links: Vec<_> = chain.links().iter().map(|link| format!("\"{}\"", link.token())).collect();
        let frame = format!(r#"{{"op":"login","chain":[{}],"proof":"{proof}"}}"#, links.join(","));
        self.worker.handle_frame(session, &frame, NOW);
        assert!(self.worker.is_logged_in(session));
        let subscribe = format!(r#"{{"op":"subscribe","n":1,"channels":["{channel}"]}}"#);
        self.worker.handle_frame(session, &subscribe, NOW);
        self.write();
        session
    }

    /// The connection of a session is gone.
    pub fn leave(&mut self, session: SessionId) {
        self.worker.handle_disconnect(session);
    }

    /// One batch of so many alerts is dispatched to all readers, and written. Gives the bytes that went out.
    pub fn publish(&mut self, events: usize) -> usize {
        let events = (0..events).map(|_| self.event()).collect();
        self.worker.handle_batch(&Arc::new(Batch { events }), NOW);
        self.write()
    }

    fn frame(&self, seq: u64) -> String {
        let seq = Sequence::new(seq);
        ServerFrame::Event { seq, admitted: NOW, jws: (&*self.alert).into() }.to_text()
    }

    /// As the sequencer makes it.
    fn event(&mut self) -> (Arc<Event>, Reach) {
        self.seq += 1;
        let seq = Sequence::new(self.seq);
        let event = Event {
            at: Position { seq, admitted: NOW },
            id: vigie_proto::id::MessageId::from_bytes([1; 32]),
            credential: self.fixture.chain.leaf().id(),
            severity: Severity::Severe,
            channel: "alert/fr".parse().unwrap(),
            audience: Audience::EVERYONE,
            frame: self.frame(self.seq).into(),
        };
        // Of another worker: nobody here is told its reach.
        let author = Ticket { worker: 1, session: self.readers[0], re: 1 };
        (Arc::new(event), Reach::new(author, 2))
    }

    /// What each woken session's driver does. Gives the bytes that went out.
    fn write(&mut self) -> usize {
        let mut bytes = 0;
        while let Some(effect) = self.worker.poll_effect() {
            let Effect::Wake(session) = effect else { continue };
            let mut rest = Bytes::new();
            loop {
                self.written.begin(rest);
                let more = self.worker.give_output(session, &mut self.written);
                bytes += self.written.bytes().len();
                rest = self.written.take_rest(self.written.bytes().len());
                if !more && rest.is_empty() {
                    break;
                }
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_is_given_every_event() {
        let mut hall = Hall::new(10);
        let before = hall.seq;
        // The number of a message is written in it.
        let frame = |hall: &Hall, seq: u64| 4 + hall.frame(seq).len();
        assert_eq!(hall.publish(1), 10 * frame(&hall, before + 1));
        let many: usize = (before + 2..=before + 101).map(|seq| 10 * frame(&hall, seq)).sum();
        assert_eq!(hall.publish(100), many, "also what is more than one batch");
    }
}
