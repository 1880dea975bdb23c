//! Who is served first, in a worker that has more to say than it can write at once: sessions with an urgent message, then the
//! others; and of those who are behind a few in each turn.
//!
//! How it comes to the sockets is in `relay/src/net/driver.rs`; that nobody is forgotten for it, all other tests tell.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::sync::Arc;

use vigie_proto::channel::Plane;
use vigie_proto::id::{CredentialId, LogId, MessageId, Nonce, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::login::{self, Binding};
use vigie_proto::refusal::Code;
use vigie_proto::session::relay::Rules;
use vigie_proto::severity::Severity;
use vigie_relay::chains::{SharedVerdicts, StoredChains};
use vigie_relay::event::{Batch, Event, Position, Reach};
use vigie_relay::sequencer::Ticket;
use vigie_relay::worker::{SessionId, Worker, WorkerConfig};
use vigie_tests::raw::login_with;
use vigie_tests::world::{World, now};

const TOWNS: [&str; 2] = ["alert/fr.idf.75.paris", "alert/fr.idf.78"];

/// A worker with so many readers of each of two places, who have taken all that they were owed.
struct Hall {
    worker: Worker,
    readers: [Vec<SessionId>; 2],
    seq: u64,
}

impl Hall {
    fn new(world: &World, readers: usize) -> Self {
        let rules = Rules::new(world.roots(), vec!["localhost".to_owned()]);
        let config = WorkerConfig::new(0, Arc::new(rules), LogId::from_bytes([1; 16]));
        let (chains, verdicts) = (Arc::<StoredChains>::default(), Arc::<SharedVerdicts>::default());
        let mut worker = Worker::new(config, chains, Arc::default(), verdicts, Position::default());
        let who = &world.live.nation;
        let readers = TOWNS.map(|town| {
            let open = |number: usize| {
                let mut nonce = [0; 32];
                nonce[..8].copy_from_slice(&number.to_be_bytes());
                let (nonce, binding) = (Nonce::from_bytes(nonce), Binding::Certificate([9; 32]));
                let session = worker.accept(nonce, binding, now());
                let leaf = who.chain.leaf().id();
                let proof = login::sign(&who.key, leaf, Plane::Live, "localhost", nonce, binding);
                worker.handle_frame(session, &login_with(who, &proof), now());
                let ask = format!(r#"{{"op":"subscribe","n":1,"channels":["{town}"]}}"#);
                worker.handle_frame(session, &ask, now());
                while !worker.take_output(session, 1 << 20).is_empty() {}
                session
            };
            (0..readers).map(open).collect()
        });
        let mut hall = Self { worker, readers, seq: 0 };
        hall.called();
        hall
    }

    /// One event of each of these, in one batch.
    fn give(&mut self, events: &[(&str, bool)]) {
        let events = events.iter().map(|(channel, urgent)| {
            self.seq += 1;
            let event = Event {
                at: Position { seq: Sequence::new(self.seq), admitted: now() },
                id: MessageId::from_bytes([7; 32]),
                credential: CredentialId::from_bytes([8; 32]),
                severity: Severity::Severe,
                urgent: *urgent,
                channel: channel.parse().unwrap(),
                audience: Audience::EVERYONE,
                frame: vec![b'x'; 100].into(),
            };
            let author = Ticket { worker: 1, session: self.readers[0][0], re: 1 };
            (Arc::new(event), Reach::new(author, 2))
        });
        let events = events.collect();
        self.worker.handle_batch(&Arc::new(Batch { events }), now());
    }

    /// Who is called, in that order, until nobody is.
    fn called(&mut self) -> Vec<SessionId> {
        std::iter::from_fn(|| self.worker.poll_call()).collect()
    }

    fn events_for(&mut self, session: SessionId) -> usize {
        self.worker.take_output(session, 1 << 20).len()
    }
}

#[test]
fn who_has_an_urgent_message_is_called_before_those_who_wait_already() {
    let mut hall = Hall::new(&World::new(), 5);
    hall.give(&[(TOWNS[0], false)]);
    // They have not been called yet when it comes.
    hall.give(&[(TOWNS[1], true)]);
    let expected: Vec<_> = hall.readers[1].iter().chain(&hall.readers[0]).copied().collect();
    assert_eq!(hall.called(), expected);
}

#[test]
fn who_waits_and_gets_an_urgent_message_moves_up_and_is_called_once() {
    let mut hall = Hall::new(&World::new(), 3);
    hall.give(&[(TOWNS[0], false), (TOWNS[1], false), (TOWNS[1], true), (TOWNS[1], false)]);
    let expected: Vec<_> = hall.readers[1].iter().chain(&hall.readers[0]).copied().collect();
    assert_eq!(hall.called(), expected);
    let (first, last) = (hall.readers[1][0], hall.readers[0][2]);
    assert_eq!((hall.events_for(first), hall.events_for(last)), (3, 1));
    // Nobody is called again for what he was called for and has not fetched yet.
    hall.give(&[(TOWNS[0], true)]);
    assert_eq!(hall.called(), [last]);
}

#[test]
fn who_came_by_himself_is_not_called_for_what_he_took() {
    let mut hall = Hall::new(&World::new(), 3);
    hall.give(&[(TOWNS[0], false)]);
    let early = hall.readers[0][1];
    assert_eq!(hall.events_for(early), 1);
    assert_eq!(hall.called(), [hall.readers[0][0], hall.readers[0][2]]);
    // His old place in the line is no place for what comes next.
    hall.give(&[(TOWNS[0], false)]);
    assert_eq!(hall.called(), [early]);
}

/// However much of it there is.
#[test]
fn what_is_urgent_does_not_silence_the_others() {
    let mut hall = Hall::new(&World::new(), 40);
    hall.give(&[(TOWNS[0], false), (TOWNS[1], true)]);
    let called = hall.called();
    let place = |id: &SessionId| called.iter().position(|one| one == id).unwrap();
    assert_eq!(called.len(), 80);
    assert!(place(&hall.readers[0][0]) < 10, "one in eight is not urgent");
    assert!(place(&hall.readers[1][39]) < 48, "and no more than that");
}

/// Nobody who is to be cut off is given more because others wait.
#[test]
fn an_end_is_said_before_all_that_waits() {
    let mut hall = Hall::new(&World::new(), 20);
    hall.give(&[(TOWNS[0], false)]);
    let last = hall.readers[0][19];
    hall.worker.handle_violation(last, Code::GoingAway);
    assert_eq!(hall.called()[0], last);
    // Also one that was called and has not come: as who waits for a turn.
    hall.give(&[(TOWNS[1], false)]);
    assert_eq!(hall.called().len(), 20);
    hall.worker.handle_violation(hall.readers[1][7], Code::GoingAway);
    assert_eq!(hall.called(), [hall.readers[1][7]]);
}
