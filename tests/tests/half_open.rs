//! Who is gone is found, and gives back what it held; who is slow is not taken for gone.
//!
//! A peer that vanishes says nothing: no close, no reset. With nothing on its way to it the pongs that do not come tell,
//! within 2.4 mark intervals of 5 s; with bytes on their way TCP tells, which nobody has acknowledged for 30 s. Who takes
//! some of them now and then is not gone: Linux took him for it, where a segment did not fit into the window of a reader
//! who drips.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{LogId, Nonce, Sequence};
use vigie_proto::login::{self, Binding};
use vigie_proto::refusal::Code;
use vigie_proto::session::relay::Rules;
use vigie_proto::severity::Severity::Moderate;
use vigie_proto::time::Timestamp;
use vigie_relay::chains::{SharedVerdicts, StoredChains};
use vigie_relay::event::{Batch, Event, Position, Reach};
use vigie_relay::sequencer::Ticket;
use vigie_relay::server::Relay;
use vigie_relay::worker::{Effect, Output, SessionId, Taken, Worker, WorkerConfig};
use vigie_tests::raw::{Came, Raw, login_with};
use vigie_tests::world::{Person, World, now};

/// What the relay promises for a peer with nothing on its way: 2.4 intervals of 5 s.
const SILENT_MAX: Duration = Duration::from_secs(12);
/// And for one that acknowledges nothing.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
/// For a busy machine, and for the relay's wait for an answer to its close: 2 s.
const SLACK: Duration = Duration::from_secs(5);
/// What a line of a phone at the edge of a cell lets through, a second.
const SLOW_LINE: usize = 10 * 1024;

/// What a line between a client and a relay does with what the relay sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Down {
    /// Hands it on.
    Through,
    /// Hands it on, so many bytes a second.
    Slowly(usize),
    /// Acknowledges it, and it is gone; what the client sends is gone too.
    Lost,
    /// Does not take it any more; what the client sends is gone.
    Dead,
}

/// A line for one client.
struct Wire {
    address: SocketAddr,
    down: watch::Sender<Down>,
    /// When the relay had closed its end.
    closed: watch::Receiver<Option<Instant>>,
}

impl Wire {
    async fn to(relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (down, mode) = watch::channel(Down::Through);
        let (close, closed) = watch::channel(None);
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let socket = TcpSocket::new_v4().unwrap();
            // Little is under way on a line: the rest waits at the relay.
            socket.set_recv_buffer_size(4 * 1024).unwrap();
            let relay = socket.connect(relay).await.unwrap();
            carry(client, relay, mode).await;
            close.send_replace(Some(Instant::now()));
        });
        Self { address, down, closed }
    }

    async fn closed(&mut self) -> Instant {
        self.closed.wait_for(Option::is_some).await.unwrap().unwrap()
    }
}

/// Until the relay closes its end.
async fn carry(client: TcpStream, relay: TcpStream, mut mode: watch::Receiver<Down>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_relay, mut to_relay) = relay.into_split();
    let up_mode = mode.clone();
    let up = tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = from_client.read(&mut buffer).await {
            let lost = matches!(*up_mode.borrow(), Down::Lost | Down::Dead);
            if !lost && to_relay.write_all(&buffer[..bytes]).await.is_err() {
                break;
            }
        }
        // Its end stays open: the peer has not said that it goes.
        std::future::pending::<()>().await;
    });
    let mut buffer = [0; 4096];
    loop {
        let down = *mode.borrow_and_update();
        let most = if let Down::Slowly(bytes) = down { (bytes / 20).min(buffer.len()) } else { buffer.len() };
        let read = tokio::select! {
            biased;
            _ = mode.changed() => continue,
            read = from_relay.read(&mut buffer[..most]), if down != Down::Dead => read,
        };
        let Ok(bytes @ 1..) = read else { break };
        match down {
            Down::Through => to_client.write_all(&buffer[..bytes]).await.unwrap(),
            Down::Slowly(_) => {
                to_client.write_all(&buffer[..bytes]).await.unwrap();
                // Not to wait for something: the pace of the line is the input of this test.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Down::Lost | Down::Dead => {}
        }
    }
    up.abort();
}

/// A reader on a wire of its own, who hears Paris.
async fn reader(world: &World, relay: &Relay) -> (Raw, Wire) {
    let wire = Wire::to(relay.local_addr()).await;
    let mut reader = Raw::log_in(world, wire.address, &world.live.town).await;
    reader.subscribe(&["alert/fr.idf.75.paris"], None).await;
    (reader, wire)
}

async fn publish(world: &World, author: &mut Raw, text: &str) {
    let receipt = author.publish(&world.live.nation.say("alert/fr", text, Moderate)).await;
    assert_eq!(receipt["op"], "receipt", "{receipt}");
}

/// Waits until the relay has room for another connection, and takes it.
async fn has_room(world: &World, relay: &Relay) -> (Instant, Raw) {
    let deadline = Instant::now() + 2 * UNACKNOWLEDGED_MAX;
    loop {
        assert!(Instant::now() < deadline, "the relay has room again");
        // Looked at again and again: a newcomer is told at once.
        if let Ok(newcomer) = Raw::try_log_in(world, relay.local_addr(), &world.live.neighbour).await {
            return (Instant::now(), newcomer);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_peer_that_vanishes_with_nothing_on_its_way_is_found_by_its_silence() {
    let world = World::new();
    let mut config = world.config("journal");
    config.connections_max = 1;
    let relay = world.relay_with(config);
    let (_town, mut wire) = reader(&world, &relay).await;
    let refused = Raw::try_log_in(&world, relay.local_addr(), &world.live.neighbour).await.unwrap_err();
    assert_eq!(refused["code"], Code::TooManySessions.as_str());
    // The pong to a mark is the last that is heard of it.
    wire.down.send_replace(Down::Lost);
    let vanished = Instant::now();
    let closed = wire.closed().await;
    let after = closed - vanished;
    println!("a peer that vanished was found after {after:?}");
    assert!(after > SILENT_MAX / 2, "not while a pong may still come: {after:?}");
    assert!(after < SILENT_MAX + SLACK, "{after:?}");
    // Its place is another's.
    let (room, _newcomer) = has_room(&world, &relay).await;
    assert!(room - closed < SLACK);
}

#[tokio::test]
async fn a_peer_that_acknowledges_nothing_is_closed_and_its_cursor_stays_good() {
    let world = World::new();
    let mut config = world.config("journal");
    config.connections_max = 2;
    let relay = world.relay_with(config);
    let (mut town, wire) = reader(&world, &relay).await;
    let mut nation = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    publish(&world, &mut nation, "n° 1").await;
    let first = town.event().await;
    let cursor = Cursor {
        log: relay.log(),
        seq: Sequence::new(first["seq"].as_u64().unwrap()),
        admitted: Timestamp::from_millis(first["admitted"].as_u64().unwrap()),
    };
    wire.down.send_replace(Down::Dead);
    let vanished = Instant::now();
    // More than the line, both sockets and the outbox can hold.
    const MESSAGES: u64 = 40;
    let text = "é".repeat(20_000);
    for number in 2..=MESSAGES {
        publish(&world, &mut nation, &format!("n° {number} {text}")).await;
    }
    let filled = vanished.elapsed();
    // It goes on reading, so that it is not found to be gone itself.
    tokio::spawn(async move {
        while !matches!(nation.next_within(Duration::from_secs(600)).await, Some(Came::Gone) | None) {}
    });
    let (found, newcomer) = has_room(&world, &relay).await;
    let found = found - vanished;
    println!("a peer that acknowledged nothing was found after {found:?}; bytes waited within {filled:?}");
    assert!(found > UNACKNOWLEDGED_MAX - SLACK, "{found:?}");
    assert!(found < filled + UNACKNOWLEDGED_MAX + SLACK, "{found:?}");
    drop((town, newcomer));
    let mut newcomer = vigie_tests::soon(async {
        loop {
            if let Ok(town) = Raw::try_log_in(&world, relay.local_addr(), &world.live.town).await {
                break town;
            }
        }
    })
    .await;
    newcomer.subscribe(&["alert/fr.idf.75.paris"], Some(&cursor.to_string())).await;
    for number in 2..=MESSAGES {
        assert_eq!(newcomer.event().await["seq"], number);
    }
}

#[tokio::test]
async fn a_reader_on_a_slow_line_is_given_the_largest_message() {
    let world = World::new();
    let relay = world.relay();
    let (mut town, mut wire) = reader(&world, &relay).await;
    wire.down.send_replace(Down::Slowly(SLOW_LINE));
    let mut nation = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    // It fills the line for longer than any silence that is borne.
    let text = "é".repeat(45_000);
    let message = world.live.nation.say("alert/fr", &text, Moderate);
    assert!(message.len() / SLOW_LINE > 14, "{} bytes", message.len());
    let begun = Instant::now();
    let receipt = nation.publish(&message).await;
    assert_eq!(receipt["op"], "receipt", "{receipt}");
    let event = loop {
        match town.next_within(Duration::from_secs(60)).await {
            Some(Came::Frame(frame)) if frame["op"] == "event" => break frame,
            Some(Came::Frame(_)) => {}
            cut => panic!("after {:?}: {cut:?}", begun.elapsed()),
        }
    };
    assert_eq!(event["jws"], message);
    println!(
        "{} KiB over a line of {} KiB/s in {:?}",
        message.len() / 1024,
        SLOW_LINE / 1024,
        begun.elapsed()
    );
    assert!(begun.elapsed() > SILENT_MAX, "the line was slow");
    assert_eq!(*wire.closed.borrow_and_update(), None);
}

/// A worker with one session, in a time of its own.
struct Seen {
    worker: Worker,
    session: SessionId,
    begun: Timestamp,
    at: Timestamp,
    /// How often TCP was asked, and what it answers, by the seconds since the session began.
    looks: u64,
    tcp: fn(u64) -> Option<Taken>,
}

impl Seen {
    fn new(world: &World, who: &Person, mark: Duration) -> Self {
        let rules = Rules::new(world.roots(), vec!["localhost".to_owned()]);
        let at = now();
        let config = WorkerConfig::new(0, Arc::new(rules), LogId::from_bytes([1; 16]));
        let verdicts = Arc::<SharedVerdicts>::default();
        let chains = Arc::<StoredChains>::default();
        let mut worker = Worker::new(config, chains, Arc::default(), verdicts, Position::default());
        let (nonce, binding) = (Nonce::from_bytes([3; 32]), Binding::Certificate([9; 32]));
        let session = worker.accept(nonce, binding, at);
        let chain = &who.chain;
        let proof = login::sign(&who.key, chain.leaf().id(), chain.plane(), "localhost", nonce, binding);
        let mut frame: serde_json::Value = serde_json::from_str(&login_with(who, &proof)).unwrap();
        frame["mark_ms"] = u64::try_from(mark.as_millis()).unwrap().into();
        worker.handle_frame(session, &frame.to_string(), at);
        assert!(worker.is_logged_in(session));
        worker.handle_frame(session, r#"{"op":"subscribe","n":1,"channels":["alert/fr.idf.75.paris"]}"#, at);
        Self { worker, session, begun: at, at, looks: 0, tcp: |_| None }
    }

    fn give(&mut self, seq: u64, bytes: usize) {
        let event = Event {
            at: Position { seq: Sequence::new(seq), admitted: self.at },
            id: vigie_proto::id::MessageId::from_bytes([7; 32]),
            credential: vigie_proto::id::CredentialId::from_bytes([8; 32]),
            severity: Moderate,
            urgent: false,
            channel: "alert/fr".parse().unwrap(),
            audience: vigie_proto::label::Audience::EVERYONE,
            frame: vec![b'x'; bytes].into(),
        };
        let author = Ticket { worker: 1, session: self.session, re: 1 };
        let events = vec![(Arc::new(event), Reach::new(author, 2))];
        self.worker.handle_batch(&Arc::new(Batch { events }), self.at);
    }

    /// Lets so much time go by. What is there is taken when `takes`; the pings among it are kept, and how it was closed.
    fn wait(&mut self, time: Duration, takes: bool) -> (Vec<u64>, Option<(Code, Timestamp)>) {
        let until = self.at.plus(time);
        let (mut pings, mut closed) = (Vec::new(), None);
        loop {
            if takes {
                for output in self.worker.take_output(self.session, usize::MAX) {
                    match output {
                        Output::Ping(number) => pings.push(number),
                        Output::Close(code) => closed = closed.or(Some((code, self.at))),
                        Output::Text(_) => {}
                    }
                }
            }
            while let Some(effect) = self.worker.poll_effect() {
                if let Effect::Look(_) = effect {
                    self.looks += 1;
                    let taken = (self.tcp)(self.at.since(self.begun).as_secs());
                    self.worker.handle_taken(self.session, taken, self.at);
                }
            }
            if self.worker.is_overdue(self.session) {
                return (pings, closed);
            }
            match self.worker.poll_timeout().filter(|due| *due <= until) {
                Some(due) => self.at = due.max(self.at),
                None => break,
            }
            self.worker.handle_timeout(self.at);
        }
        self.at = until;
        (pings, closed)
    }
}

#[test]
fn silence_is_borne_for_as_long_as_what_is_on_its_way_may_take() {
    let world = World::new();
    for (mark, longest) in
        [(5, 12), (300, 720)].map(|(a, b)| (Duration::from_secs(a), Duration::from_secs(b)))
    {
        let moment = Duration::from_secs(2);
        // With almost nothing on its way: 2.4 intervals.
        let mut idle = Seen::new(&world, &world.live.town, mark);
        let begun = idle.at;
        assert_eq!(idle.wait(longest - moment, true).1, None);
        let (_, closed) = idle.wait(2 * moment, true);
        let (code, at) = closed.expect("it is found");
        assert_eq!(code, Code::Unresponsive);
        assert!(at.since(begun) >= longest && at.since(begun) < longest + moment);

        // A large message takes its time on a slow line.
        let mut slow = Seen::new(&world, &world.live.town, mark);
        slow.wait(Duration::ZERO, true);
        slow.give(1, 200 * 1024);
        let (pings, closed) = slow.wait(longest + Duration::from_secs(190), true);
        assert_eq!(closed, None);
        let (first, last) = (pings[0], *pings.last().unwrap());
        assert!(first > 200 * 1024 && last < 210 * 1024, "pings say what was given before them: {pings:?}");
        // A pong from before it leaves it under way, one from behind it does not.
        slow.worker.handle_pong(slow.session, 0, slow.at);
        assert_eq!(slow.wait(longest + Duration::from_secs(190), true).1, None);
        slow.worker.handle_pong(slow.session, last, slow.at);
        assert!(slow.wait(longest + 5 * moment, true).1.is_some());

        // One whose socket takes nothing is left to TCP, however long that takes.
        let mut stuck = Seen::new(&world, &world.live.town, mark);
        stuck.wait(Duration::ZERO, true);
        stuck.give(1, 1_000);
        assert_eq!(stuck.wait(longest * 3, false).1, None);
        assert_eq!(stuck.wait(Duration::ZERO, true).1, None, "it was not cut meanwhile");
        assert!(stuck.wait(longest + 5 * moment, true).1.is_some());
    }
}

/// A session that TCP can be asked about.
fn watched(world: &World, mark_s: u64, tcp: fn(u64) -> Option<Taken>) -> Seen {
    let mut seen = Seen::new(world, &world.live.town, Duration::from_secs(mark_s));
    seen.tcp = tcp;
    seen.worker.watch(seen.session, seen.at);
    seen.wait(Duration::ZERO, true);
    seen
}

/// Lets the session be, until it is dropped or so many seconds have gone by; when it was dropped.
fn dropped_within(seen: &mut Seen, seconds: u64, takes: bool) -> Option<u64> {
    let before = seen.at;
    let (_, closed) = seen.wait(Duration::from_secs(seconds), takes);
    assert_eq!(closed, None);
    seen.worker.is_overdue(seen.session).then(|| seen.at.since(before).as_secs())
}

#[test]
fn who_acknowledges_nothing_for_30_s_is_dropped_and_who_drips_is_not() {
    let world = World::new();
    const WAITING: u64 = 200_000;
    for mark in [1, 5, 300] {
        // Its window is closed, and its outbox fills; or the line is dead, and what waits is with the system alone.
        for (takes, bytes) in [(false, 1_000), (true, 200_000)] {
            let mut stuck = watched(&world, mark, |_| Some(Taken { acknowledged: 7_000, waiting: WAITING }));
            stuck.give(1, bytes);
            let after = dropped_within(&mut stuck, 60, takes).expect("it is dropped");
            assert!((30..=40).contains(&after), "marks every {mark} s: {after} s");

            // Where the system does not tell any more, nothing moves as far as is known.
            let mut untold = watched(&world, mark, |_| None);
            untold.give(1, bytes);
            let after = dropped_within(&mut untold, 60, takes).expect("it is dropped");
            assert!((30..=40).contains(&after), "marks every {mark} s: {after} s");

            // A segment every 25 s, and no pong for an hour: less than a tenth of what the slowest line has.
            let mut drips =
                watched(&world, mark, |at| Some(Taken { acknowledged: at / 25 * 1_448, waiting: WAITING }));
            drips.give(1, bytes);
            assert_eq!(dropped_within(&mut drips, 3_600, takes), None, "marks every {mark} s");
        }
    }
}

/// What its system has taken for it, it reads at its own pace, and then answers.
#[test]
fn who_dripped_may_take_as_long_for_what_lies_in_its_own_system() {
    let world = World::new();
    let mut drips = watched(&world, 5, |at| {
        let acknowledged = at.min(300) * 200;
        Some(Taken { acknowledged, waiting: 60_000 - acknowledged })
    });
    drips.give(1, 60_000);
    assert_eq!(dropped_within(&mut drips, 300, true), None);
    // All that was given, at 200 bytes a second; the slowest line would have taken 59 s for it.
    let (_, closed) = drips.wait(Duration::from_secs(290), true);
    assert_eq!(closed, None);
    let (_, closed) = drips.wait(Duration::from_secs(200), true);
    assert_eq!(closed.expect("it is found in the end").0, Code::Unresponsive);
}

#[test]
fn tcp_is_asked_only_where_something_has_waited_for_a_while() {
    let world = World::new();
    let all = |_| Some(Taken { acknowledged: 1_000, waiting: 0 });
    // One that answers, for two minutes.
    let mut answers = watched(&world, 5, all);
    for second in 0..120 {
        answers.give(second + 1, 700);
        let (pings, closed) = answers.wait(Duration::from_secs(1), true);
        assert_eq!(closed, None);
        pings.iter().for_each(|number| answers.worker.handle_pong(answers.session, *number, answers.at));
    }
    assert_eq!(answers.looks, 0);
    // One that asked for marks every 300 s: once for what it was given, and not again.
    let mut phone = watched(&world, 300, all);
    phone.give(1, 700);
    assert_eq!(phone.wait(Duration::from_secs(290), true).1, None);
    assert_eq!(phone.looks, 1);
    // One that hangs: its system takes its pings, and it is found by its silence.
    let mut hangs = watched(&world, 5, all);
    let (_, closed) = hangs.wait(Duration::from_secs(20), true);
    let (code, at) = closed.expect("it is found");
    assert_eq!((code, at.since(hangs.begun).as_secs()), (Code::Unresponsive, 12));
}
