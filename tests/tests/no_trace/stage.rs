//! A relay in virtual time, those who speak on it, and one who listens: everything that he is ever sent is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vigie_proto::chain::Roots;
use vigie_proto::channel::Plane;
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{LogId, Nonce, Sequence};
use vigie_proto::label::{Label, Tlp};
use vigie_proto::message::Message;
use vigie_proto::session::client::{Dialled, Login, Step};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_proto::verify;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::worker::Output;
use vigie_tests::sim::bounds::Bounds;
use vigie_tests::sim::coverage::Coverage;
use vigie_tests::sim::people::{BEGIN, Command, Person};
use vigie_tests::sim::random::Chance;
use vigie_tests::sim::relay::{BINDING, MachineTime, NAME, Seat, SimRelay};
use vigie_tests::world;

/// Time goes on in steps of so much, so that each mark is sent when it is due.
const STEP: Duration = Duration::from_millis(500);

/// What is said at one place of the log.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) channel: &'static str,
    pub(crate) severity: Severity,
    /// For whom, if not for everyone.
    pub(crate) label: Option<(Tlp, &'static str)>,
    /// Length of its text.
    pub(crate) bytes: usize,
}

/// A session of somebody.
struct Line {
    seat: Seat,
    requests: u64,
}

/// See the module's documentation.
pub(crate) struct Stage {
    relay: SimRelay,
    time: MachineTime,
    elapsed: Duration,
    chance: Chance,
    tally: Coverage,
    live: Command,
    exercise: Command,
    /// Those who speak, by channel's plane and whether the listener hears them: whom he never hears has a name of his own.
    speakers: BTreeMap<(bool, bool), Line>,
    /// Set from the beginning.
    listener: Option<Line>,
    said: u64,
    /// Every text and control frame that the listener took.
    pub(crate) taken: Vec<Output>,
    /// The places that he was told, in the order in which he was.
    places: Vec<Cursor>,
    /// Where his last page of history said that the next one begins.
    next_page: Option<Cursor>,
}

impl Stage {
    /// A relay of these bounds; the same people and numbers every time.
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let mut chance = Chance::new(7);
        let live = Command::new(Plane::Live, &mut chance);
        let exercise = Command::new(Plane::Exercise, &mut chance);
        let roots = Roots::new([live.pinned(), exercise.pinned()]);
        let time = MachineTime::default();
        let log = LogId::from_bytes(chance.bytes());
        let relay = SimRelay::start(&SimDisk::new(), log, &roots, bounds, &time).unwrap();
        let mut stage = Self {
            relay,
            time,
            elapsed: Duration::ZERO,
            chance,
            tally: Coverage::default(),
            listener: None,
            live,
            exercise,
            speakers: BTreeMap::new(),
            said: 0,
            taken: Vec::new(),
            places: Vec::new(),
            next_page: None,
        };
        for is_live in [true, false] {
            for is_heard in [true, false] {
                let person = stage.speaker(is_live, is_heard).clone();
                let line = stage.log_in(&person);
                stage.speakers.insert((is_live, is_heard), line);
            }
        }
        let person = stage.live.region.clone();
        stage.listener = Some(stage.log_in(&person));
        stage
    }

    fn speaker(&self, is_live: bool, is_heard: bool) -> &Person {
        let command = if is_live { &self.live } else { &self.exercise };
        if is_heard { &command.nation } else { &command.root }
    }

    fn now(&self) -> Timestamp {
        BEGIN.plus(self.elapsed)
    }

    fn log_in(&mut self, person: &Person) -> Line {
        let nonce = Nonce::from_bytes(self.chance.bytes());
        let seat = self.relay.accept(0, nonce, &mut self.tally);
        let mut login = Login::new(Dialled {
            key: Arc::clone(&person.key),
            chain: Arc::clone(&person.first),
            relay: NAME.to_owned(),
            binding: BINDING,
            mark_interval: Duration::from_secs(1),
            revocations: None,
        });
        loop {
            for output in self.relay.take_output(seat, usize::MAX, &mut self.tally) {
                let Output::Text(text) = output else { continue };
                match login.handle_frame(std::str::from_utf8(&text).unwrap()).unwrap() {
                    Step::Send(frame) => self.relay.handle_frame(seat, &frame, &mut self.tally),
                    Step::Wait => {}
                    Step::Open(_) => return Line { seat, requests: 0 },
                }
            }
        }
    }

    /// Says all this, one after the other, before anybody is given any of it.
    pub(crate) fn say(&mut self, all: &[(Said, bool)]) {
        for (said, is_heard) in all {
            let is_live = !said.channel.starts_with("exercise/");
            let person = self.speaker(is_live, *is_heard).clone();
            self.said += 1;
            let text = format!("{}{}", self.said, "x".repeat(said.bytes));
            let label = said
                .label
                .map_or(Label::CLEAR, |(tlp, org)| Label::new(tlp, [org.parse().unwrap()]).unwrap());
            let message = Message {
                sent: self.now(),
                expires: self.now().plus(Duration::from_secs(3_600)),
                label,
                ..world::message(said.channel, &text, said.severity)
            };
            let jws = verify::sign(&person.key, person.first.leaf().id(), &message);
            let line = self.speakers.get_mut(&(is_live, *is_heard)).unwrap();
            line.requests += 1;
            let (seat, n) = (line.seat, line.requests);
            let frame = json!({"op": "publish", "n": n, "jws": jws}).to_string();
            self.relay.handle_frame(seat, &frame, &mut self.tally);
        }
        let before = self.relay.head().seq.get();
        self.settle();
        assert_eq!(self.relay.head().seq.get(), before + all.len() as u64, "everything was admitted");
    }

    /// Everything that the relay has to do is done, but for what stands in the listener's way.
    fn settle(&mut self) {
        loop {
            if self.relay.has_submissions() {
                self.relay.commit().unwrap();
            }
            self.relay.tell(&mut self.tally);
            while self.relay.has_letter(0) {
                self.relay.handle_letter(0, &mut self.tally);
            }
            if self.relay.has_reads() {
                self.relay.read_page(&mut self.chance);
            } else if self.relay.is_idle() {
                break;
            }
        }
        let speakers: Vec<Seat> = self.speakers.values().map(|line| line.seat).collect();
        for seat in speakers {
            for output in self.relay.take_output(seat, usize::MAX, &mut self.tally) {
                match output {
                    Output::Ping(given) => self.relay.handle_pong(seat, given, &mut self.tally),
                    Output::Text(text) => assert!(!text.starts_with(br#"{"op":"refused""#), "{text:?}"),
                    Output::Close(code) => panic!("a speaker was closed: {code:?}"),
                }
            }
        }
    }

    /// So much time goes by.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.elapsed + time;
        while self.elapsed < until {
            self.elapsed += STEP;
            self.time.set(self.elapsed);
            // He is there, though he may not read.
            if let Some(listener) = &self.listener {
                self.relay.handle_pong(listener.seat, 0, &mut self.tally);
            }
            while self.relay.next_timeout(0).is_some_and(|left| left.is_zero()) {
                self.relay.handle_timeout(0, &mut self.tally);
                self.settle();
            }
        }
    }

    /// The listener reads so much of what waits for him.
    pub(crate) fn take(&mut self, max_bytes: usize) -> bool {
        let seat = self.listener.as_ref().unwrap().seat;
        let taken = self.relay.take_output(seat, max_bytes, &mut self.tally);
        for output in &taken {
            match output {
                Output::Ping(given) => self.relay.handle_pong(seat, *given, &mut self.tally),
                Output::Text(text) => self.note(&serde_json::from_slice(text).unwrap()),
                Output::Close(code) => panic!("the listener was closed: {code:?}"),
            }
        }
        self.settle();
        let any = !taken.is_empty();
        self.taken.extend(taken);
        any
    }

    /// The listener reads everything.
    pub(crate) fn take_all(&mut self) {
        while self.take(usize::MAX) {}
    }

    fn note(&mut self, frame: &Value) {
        if frame["op"] == "page" {
            let next: Cursor = frame["next"].as_str().unwrap().parse().unwrap();
            self.next_page = (frame["end"] == false).then_some(next);
            self.places.push(next);
        } else if let (Some(seq), Some(admitted)) = (frame["seq"].as_u64(), frame["admitted"].as_u64()) {
            let (seq, admitted) = (Sequence::new(seq), Timestamp::from_millis(admitted));
            self.places.push(Cursor { log: self.relay.log(), seq, admitted });
        }
    }

    fn ask(&mut self, mut request: Value) {
        let listener = self.listener.as_mut().unwrap();
        listener.requests += 1;
        request["n"] = listener.requests.into();
        self.relay.handle_frame(listener.seat, &request.to_string(), &mut self.tally);
        self.settle();
    }

    /// One of the places that the listener was told; the beginning while he was told none.
    fn place(&self, pick: usize) -> String {
        let known = self.places.len();
        if known == 0 { "start".to_owned() } else { self.places[pick % known].to_string() }
    }

    pub(crate) fn subscribe(&mut self, channels: &[&str], from: From) {
        let mut request = json!({"op": "subscribe", "channels": channels});
        match from {
            From::Here => {}
            From::Beginning => request["after"] = "start".into(),
            From::Place(pick) => request["after"] = self.place(pick).into(),
        }
        self.ask(request);
    }

    /// Asks for one page of history; from where the one before ended, or from a place.
    pub(crate) fn history(&mut self, channels: &[&str], limit: u32, from: From) {
        let after = match from {
            From::Here => self.next_page.map_or_else(|| "start".to_owned(), |next| next.to_string()),
            From::Beginning => "start".to_owned(),
            From::Place(pick) => self.place(pick),
        };
        self.ask(json!({"op": "history", "channels": channels, "after": after, "limit": limit}));
    }

    /// Whether the last page of history was not the last.
    pub(crate) const fn has_next_page(&self) -> bool {
        self.next_page.is_some()
    }

    /// All texts that the listener took, as they came.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |output: &Output| match output {
            Output::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Output::Ping(_) | Output::Close(_) => format!("{output:?}"),
        };
        self.taken.iter().map(text).collect()
    }
}

/// From where the listener wants to be given something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// From where he is.
    Here,
    Beginning,
    /// From one of the places that he was told.
    Place(usize),
}
