//! A worker with readers who all listen to the nation's alerts, or each to towns of its own: the hot path from a batch of
//! the journal to the bytes that sockets are given, without threads, sockets and disk.

#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up must stop")]

use std::sync::Arc;

use bytes::Bytes;
use vigie_proto::chain::Chain;
use vigie_proto::channel::Channel;
use vigie_proto::frame::{ClientFrame, ServerFrame};
use vigie_proto::id::{LogId, Nonce, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::limits::SUBSCRIPTIONS_MAX;
use vigie_proto::login::{self, Binding};
use vigie_proto::session::relay::Rules;
use vigie_proto::severity::Severity;
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::event::{Batch, Event, Position, Reach};
use vigie_relay::net::batch::Batch as Written;
use vigie_relay::sequencer::Ticket;
use vigie_relay::worker::{SessionId, Worker, WorkerConfig};

use crate::{Fixture, NOW};

const NAME: &str = "localhost";

/// What all readers hear.
const NATION: &str = "alert/fr";

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
    /// Calls that wrote to a socket, if there were sockets.
    writes: usize,
}

impl Hall {
    /// So many readers, at least one, are logged in and live.
    pub fn new(readers: usize) -> Self {
        let mut hall = Self::empty();
        for _ in 0..readers {
            let reader = hall.enter("alert/fr.idf");
            hall.readers.push(reader);
        }
        // The first event brings its chain.
        hall.publish(1);
        hall
    }

    /// So many towns, at least one, have a reader; each reader hears as many of them as a session may.
    pub fn of_towns(towns: usize) -> Self {
        let mut hall = Self::empty();
        for first in (0..towns).step_by(SUBSCRIPTIONS_MAX) {
            let channels: Vec<_> = (first..towns.min(first + SUBSCRIPTIONS_MAX)).map(town).collect();
            let reader = hall.enter_to(channels);
            hall.readers.push(reader);
            hall.publish_to(first);
        }
        hall
    }

    fn empty() -> Self {
        let fixture = Fixture::default();
        let rules = Rules::new(fixture.roots.clone(), vec![NAME.to_owned()]);
        let config = WorkerConfig::new(0, Arc::new(rules), LogId::from_bytes([3; 16]));
        let verdicts = Arc::<SharedVerdicts>::default();
        let worker = Worker::new(config, Arc::default(), Arc::default(), verdicts, Position::default());
        let alert = fixture.alert();
        Self { fixture, worker, readers: Vec::new(), written: Written::default(), alert, seq: 0, writes: 0 }
    }

    /// The signed bytes of every event, and the chain of their author.
    pub fn alert(&self) -> (&str, &Arc<Chain>) {
        (&self.alert, &self.fixture.chain)
    }

    /// Logs in and subscribes; what it was told is forgotten.
    pub fn enter(&mut self, channel: &str) -> SessionId {
        self.enter_to(vec![channel.to_owned()])
    }

    fn enter_to(&mut self, channels: Vec<String>) -> SessionId {
        let (nonce, binding) = (Nonce::from_bytes([7; 32]), Binding::Certificate([9; 32]));
        let session = self.worker.accept(nonce, binding, NOW);
        let chain = &self.fixture.chain;
        let proof = login::sign(&self.fixture.key, chain.leaf().id(), chain.plane(), NAME, nonce, binding);
        let links: Vec<_> = chain.links().iter().map(|link| format!("\"{}\"", link.token())).collect();
        let frame = format!(r#"{{"op":"login","chain":[{}],"proof":"{proof}"}}"#, links.join(","));
        self.worker.handle_frame(session, &frame, NOW);
        assert!(self.worker.is_logged_in(session));
        let channels = channels.into_iter().map(Into::into).collect();
        let subscribe = ClientFrame::Subscribe { n: 1, channels, after: None };
        self.worker.handle_frame(session, &subscribe.to_text(), NOW);
        self.write();
        session
    }

    /// The connection of a session is gone.
    pub fn leave(&mut self, session: SessionId) {
        self.worker.handle_disconnect(session);
    }

    /// One batch of so many alerts is dispatched to all readers, and written. Gives the bytes that went out.
    pub fn publish(&mut self, events: usize) -> usize {
        let nation = NATION.parse().unwrap();
        let events = (0..events).map(|_| self.event(&nation)).collect();
        self.worker.handle_batch(&Arc::new(Batch { events }), NOW);
        self.write()
    }

    /// One alert to one of the towns. Gives the bytes that went out.
    pub fn publish_to(&mut self, number: usize) -> usize {
        let events = vec![self.event(&town(number).parse().unwrap())];
        self.worker.handle_batch(&Arc::new(Batch { events }), NOW);
        self.write()
    }

    fn frame(&self, seq: u64) -> String {
        let seq = Sequence::new(seq);
        ServerFrame::Event { seq, admitted: NOW, jws: (&*self.alert).into() }.to_text()
    }

    /// As the sequencer makes it.
    fn event(&mut self, channel: &Channel) -> (Arc<Event>, Reach) {
        self.seq += 1;
        let seq = Sequence::new(self.seq);
        let event = Event {
            at: Position { seq, admitted: NOW },
            id: vigie_proto::id::MessageId::from_bytes([1; 32]),
            credential: self.fixture.chain.leaf().id(),
            severity: Severity::Severe,
            urgent: false,
            channel: channel.clone(),
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
        while self.worker.poll_effect().is_some() {}
        while let Some(session) = self.worker.poll_call() {
            let mut rest = Bytes::new();
            loop {
                self.written.begin(rest);
                let more = self.worker.give_output(session, &mut self.written);
                bytes += self.written.bytes().len();
                self.writes += usize::from(!self.written.bytes().is_empty());
                rest = self.written.take_rest(self.written.bytes().len());
                if !more && rest.is_empty() {
                    break;
                }
            }
        }
        bytes
    }
}

/// The channel of a town.
fn town(number: usize) -> String {
    format!("alert/fr.r{}.c{}", number / 1_000, number % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_town_is_heard_by_the_one_reader_that_it_has() {
        let mut hall = Hall::of_towns(300);
        assert_eq!(hall.readers.len(), 2);
        for number in [0, 255, 256, 299] {
            let bytes = 4 + hall.frame(hall.seq + 1).len();
            assert_eq!(hall.publish_to(number), bytes);
        }
    }

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

    #[test]
    fn a_lone_event_is_one_write_for_each_reader_and_many_share_theirs() {
        const READERS: usize = 10;
        for (events, writes_max) in [(1, READERS), (32, 32 * READERS / 10), (1_000, 1_000 * READERS / 10)] {
            let mut hall = Hall::new(READERS);
            let before = hall.writes;
            hall.publish(events);
            let writes = hall.writes - before;
            assert!((READERS..=writes_max).contains(&writes), "{events} events: {writes} writes");
        }
    }
}
