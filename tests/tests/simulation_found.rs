//! What simulations found, each in its smallest form and with its story.
#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::chain::Roots;
use vigie_proto::channel::Plane;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{ClientFrame, FromRelay, ServerFrame};
use vigie_proto::id::{LogId, Nonce, Sequence};
use vigie_proto::label::Label;
use vigie_proto::message::{Content, Message};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, Statement, Target};
use vigie_proto::session::client::{Dialled, Login, Step};
use vigie_proto::severity::Severity;
use vigie_proto::verify;
use vigie_relay::journal::Storage as _;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::worker::Output;
use vigie_tests::sim::bounds::Bounds;
use vigie_tests::sim::coverage::Coverage;
use vigie_tests::sim::people::{BEGIN, Command, Person};
use vigie_tests::sim::random::Chance;
use vigie_tests::sim::relay::{BINDING, MachineTime, NAME, Seat, SimRelay};
use vigie_tests::world;

/// A relay of two workers that a test drives step by step.
struct ByHand {
    disk: SimDisk,
    relay: SimRelay,
    time: MachineTime,
    command: Command,
    tally: Coverage,
}

impl ByHand {
    fn new() -> Self {
        Self::with(&Bounds { workers: 2, ..Bounds::roomy() })
    }

    fn with(bounds: &Bounds) -> Self {
        let mut chance = Chance::new(1);
        let command = Command::new(Plane::Live, &mut chance);
        let roots = Roots::new([command.pinned()]);
        let log = LogId::from_bytes([1; 16]);
        let disk = SimDisk::new();
        let time = MachineTime::default();
        let relay = SimRelay::start(&disk, log, &roots, bounds, &time).unwrap();
        Self { disk, relay, time, command, tally: Coverage::default() }
    }

    fn log_in(&mut self, worker: usize, person: &Person) -> Seat {
        let seat = self.relay.accept(worker, Nonce::from_bytes([9; 32]), &mut self.tally);
        let mut login = Login::new(Dialled {
            key: Arc::clone(&person.key),
            chain: Arc::clone(&person.first),
            relay: NAME.to_owned(),
            binding: BINDING,
            mark_interval: Duration::from_secs(5),
            revocations: None,
        });
        let challenge = self.output(seat).remove(0);
        let Ok(Step::Send(proof)) = login.handle_frame(&challenge) else {
            panic!("no challenge: {challenge}")
        };
        self.relay.handle_frame(seat, &proof, &mut self.tally);
        let welcome = self.output(seat).remove(0);
        assert!(matches!(login.handle_frame(&welcome), Ok(Step::Open(_))), "{welcome}");
        seat
    }

    fn output(&mut self, seat: Seat) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let some = self.relay.take_output(seat, usize::MAX, &mut self.tally);
            if some.is_empty() {
                return texts;
            }
            texts.extend(some.into_iter().filter_map(|output| match output {
                Output::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
                Output::Ping(_) | Output::Close(_) => None,
            }));
        }
    }

    fn letters(&mut self, worker: usize) {
        while self.relay.has_letter(worker) {
            self.relay.handle_letter(worker, &mut self.tally);
        }
    }

    fn publish(&mut self, seat: Seat, text: &str) {
        self.publish_as(&self.command.nation.clone(), "alert/fr", seat, text);
    }

    fn publish_as(&mut self, author: &Person, channel: &str, seat: Seat, text: &str) {
        let message = Message {
            channel: channel.parse().unwrap(),
            sent: BEGIN,
            expires: BEGIN.plus(Duration::from_secs(60)),
            severity: Severity::Extreme,
            label: Label::CLEAR,
            replaces: Vec::new(),
            content: Content { cap: world::alert(Plane::Live, text, Severity::Extreme), original: None },
        };
        let jws = verify::sign(&author.key, author.first.leaf().id(), &message);
        let frame = ClientFrame::Publish { n: 1, jws: jws.into() }.to_text();
        self.relay.handle_frame(seat, &frame, &mut self.tally);
    }
}

/// Seeds 115, 530 and nine others of the first 4,000: a reader was given what it had, its cursor went back, and the SDK
/// took the second copy for a forgery.
///
/// A reader heard an event through one worker and came back, with its cursor, to another that had not been told of the
/// event yet. The page from the journal ended at the cursor, ahead of that worker's head; the session turned live there,
/// and when the batch came at last it was given like any other.
#[test]
fn a_cursor_ahead_of_a_worker_is_not_forgotten() {
    let mut world = ByHand::new();
    let (nation, town) = (world.command.nation.clone(), world.command.town.clone());
    let author = world.log_in(0, &nation);
    let reader = world.log_in(1, &town);
    world.publish(author, "first");
    world.relay.commit().unwrap();
    // On disk, and the other worker will be told in a moment.
    let after = Some(world.relay.head().to_string().into());
    let channels = vec!["alert/fr.idf.75.paris".into()];
    let subscribe = ClientFrame::Subscribe { n: 1, channels, after }.to_text();
    world.relay.handle_frame(reader, &subscribe, &mut world.tally);
    world.relay.read_page(&mut Chance::new(1));
    world.letters(1);
    world.relay.tell(&mut world.tally);
    world.letters(1);

    let (mut subscribed, mut marks) = (0, 0);
    for text in world.output(reader) {
        let Ok(FromRelay::Known(frame)) = ServerFrame::parse(&text) else { panic!("{text}") };
        if let ServerFrame::Subscribed { seq, head, .. } = frame {
            assert_eq!((seq, head), (Sequence::new(1), Sequence::new(1)), "it stands where it asked to");
            subscribed += 1;
        } else if let ServerFrame::Mark { seq, head, .. } = frame {
            assert_eq!((seq, head), (Sequence::new(1), Sequence::new(1)), "its cursor does not go back");
            marks += 1;
        } else {
            panic!("it was given what it has: {text}");
        }
    }
    assert_eq!((subscribed, marks), (1, 1));

    // What comes after is given as ever.
    world.publish(author, "second");
    world.relay.commit().unwrap();
    world.relay.tell(&mut world.tally);
    world.letters(1);
    let events = world.output(reader).iter().filter(|text| text.contains(r#""op":"event","seq":2"#)).count();
    assert_eq!(events, 1);
}

/// A client that asked and did not listen grew its outbox without a bound: answers, unlike events, were not held to it.
/// Now its frames stay in the socket until it has read what it was answered.
#[test]
fn answers_that_nobody_reads_stop_the_reading_of_questions() {
    let mut world = ByHand::new();
    let town = world.command.town.clone();
    let seat = world.log_in(0, &town);
    let mut asked = 0;
    while world.relay.may_read(seat) {
        world.relay.handle_frame(seat, &format!(r#"{{"op":"dance","n":{asked}}}"#), &mut world.tally);
        asked += 1;
        assert!(asked < 100_000, "the outbox grows without a bound");
    }
    let answers = world.output(seat);
    assert_eq!(answers.len(), asked, "none is lost");
    assert!(answers.iter().map(String::len).sum::<usize>() <= 2 * 256 * 1024 + 1024);
    assert!(world.relay.may_read(seat), "it has listened, and is heard again");
}

/// A relay that was asked to stop closed each session at once: what it had just stored got no receipt.
#[test]
fn a_stopping_relay_answers_what_is_on_its_way_to_the_disk() {
    let mut world = ByHand::new();
    let nation = world.command.nation.clone();
    let author = world.log_in(0, &nation);
    world.publish(author, "on its way");
    world.relay.tell_to_leave(&mut world.tally);
    let told = world.output(author);
    assert!(told.len() == 1 && told[0].contains("going_away"), "{told:?}");
    assert!(!world.relay.may_read(author), "nothing new is heard");
    world.relay.commit().unwrap();
    world.relay.tell(&mut world.tally);
    world.letters(0);
    let outputs = world.relay.take_output(author, usize::MAX, &mut world.tally);
    assert!(
        matches!(&outputs[0], Output::Text(text) if text.windows(7).any(|word| word == b"receipt")),
        "{outputs:?}"
    );
    assert!(matches!(outputs.last(), Some(Output::Close(Code::GoingAway))), "{outputs:?}");
}

/// A reader that had stopped reading, with something small in its outbox and a large message next, had the same page of
/// the journal read for it over and over, as fast as the disk would: the message never fitted, and nothing waited for
/// the outbox to drain.
#[test]
fn a_page_that_does_not_fit_is_asked_for_again_only_when_the_outbox_drains() {
    let mut world = ByHand::with(&Bounds { outbox_bytes_max: 10_000, ring_bytes_max: 1, ..Bounds::roomy() });
    let (nation, town) = (world.command.nation.clone(), world.command.town.clone());
    let author = world.log_in(0, &nation);
    for text in ["é", "è", "ê"] {
        world.publish(author, &text.repeat(2_500));
        world.relay.commit().unwrap();
        world.relay.tell(&mut world.tally);
        world.letters(0);
    }
    let reader = world.log_in(0, &town);
    let (channels, after) = (vec!["alert/fr.idf.75.paris".into()], Some("start".into()));
    let subscribe = ClientFrame::Subscribe { n: 1, channels, after }.to_text();
    world.relay.handle_frame(reader, &subscribe, &mut world.tally);
    let mut reads = 0;
    let mut drain = |world: &mut ByHand| {
        while world.read() {
            reads += 1;
            assert!(reads < 100, "pages are read for a reader that reads nothing");
        }
    };
    let mut events = 0;
    for _ in 0..20 {
        drain(&mut world);
        let outputs = world.relay.take_output(reader, 1, &mut world.tally);
        events += outputs
            .iter()
            .filter(|output| matches!(output, Output::Text(text) if text.starts_with(br#"{"op":"event""#)))
            .count();
    }
    assert_eq!(events, 3, "and it is given all, once it reads");
}

/// A running relay with so many messages on disk, of which one byte after another is damaged, each for one look.
fn damage_by_turns(messages: usize, mut look: impl FnMut(&mut ByHand, usize)) {
    let mut world = ByHand::with(&Bounds { ring_bytes_max: 1, ..Bounds::roomy() });
    let nation = world.command.nation.clone();
    let author = world.log_in(0, &nation);
    for number in 0..messages {
        world.publish(author, &format!("{number} {}", "é".repeat(400)));
        world.relay.commit().unwrap();
        world.relay.tell(&mut world.tally);
        world.letters(0);
        world.output(author);
    }
    let name = world.disk.names().unwrap().into_iter().find(|name| name.ends_with(".vigie")).unwrap();
    let sound = world.disk.content(&name).unwrap();
    let written = sound.iter().rposition(|byte| *byte != 0).unwrap();
    for place in (0..written).step_by(613) {
        let mut damaged = sound.clone();
        damaged[place] ^= 0x10;
        world.disk.set_content(&name, damaged);
        world.relay.forget_pages();
        look(&mut world, place);
    }
}

/// Whatever byte of a journal is damaged while the relay runs, a reader from the start is told of it and led on to the
/// head: it is not told the same gap for ever.
#[test]
fn damage_that_is_met_while_running_is_told_and_passed() {
    let mut told = 0;
    damage_by_turns(100, |world, place| {
        let reader = world.log_in(0, &world.command.town.clone());
        let (channels, after) = (vec!["alert/fr.idf.75.paris".into()], Some("start".into()));
        let subscribe = ClientFrame::Subscribe { n: 1, channels, after }.to_text();
        world.relay.handle_frame(reader, &subscribe, &mut world.tally);
        let mut texts = Vec::new();
        for step in 0.. {
            assert!(step < 100, "byte {place}: it goes round in circles");
            texts.extend(world.output(reader));
            if !world.read() {
                break;
            }
        }
        let gaps = texts.iter().filter(|text| text.contains(r#""reason":"damaged""#)).count();
        let events = texts.iter().filter(|text| text.contains(r#""op":"event""#)).count();
        assert!(texts.last().unwrap().contains(r#""op":"mark""#), "byte {place}: it is led on to the head");
        assert!(events == 100 || gaps > 0, "byte {place}: {events} events and no gap");
        told += gaps;
        assert!(gaps <= 2, "byte {place}: {gaps} gaps for one damage");
        world.relay.handle_disconnect(reader, &mut world.tally);
    });
    assert!(told > 10, "the damage was met: {told}");
}

/// The same in pages of history, which left out in silence what was damaged.
#[test]
fn damage_is_told_in_pages_of_history() {
    let mut told = 0;
    damage_by_turns(20, |world, place| {
        let reader = world.log_in(0, &world.command.town.clone());
        let (mut past, mut gaps, mut after) = (0, 0, "start".to_owned());
        for step in 1.. {
            assert!(step < 20, "byte {place}: it goes round in circles");
            let channels = vec!["alert/fr.idf.75.paris".into()];
            let page = ClientFrame::History { n: step, channels, after: after.as_str().into(), limit: 256 };
            world.relay.handle_frame(reader, &page.to_text(), &mut world.tally);
            while world.read() {}
            let texts = world.output(reader);
            past += texts.iter().filter(|text| text.contains(r#""op":"past""#)).count();
            gaps += texts.iter().filter(|text| text.contains(&format!(r#""op":"gap","re":{step},"#))).count();
            let last = ServerFrame::parse(texts.last().unwrap());
            let Ok(FromRelay::Known(ServerFrame::Page { next, end, .. })) = last else {
                panic!("byte {place}: no page")
            };
            if end {
                break;
            }
            after = next.into_owned();
        }
        assert!(past == 20 || gaps > 0, "byte {place}: {past} messages and no gap");
        told += gaps;
        world.relay.handle_disconnect(reader, &mut world.tally);
    });
    assert!(told > 2, "the damage was met: {told}");
}

/// Bounds under which whatever is older than a second goes, and a journal with one segment of it.
fn forgetful() -> Bounds {
    Bounds { segment_bytes: 4_096, retain_age: Duration::from_secs(1), ..Bounds::roomy() }
}

impl ByHand {
    /// A page that somebody waits for is read, and comes to him. False when nobody waits.
    fn read(&mut self) -> bool {
        if !self.relay.has_reads() {
            return false;
        }
        self.relay.read_page(&mut Chance::new(1));
        self.letters(0);
        true
    }

    fn store(&mut self) {
        self.relay.commit().unwrap();
        self.relay.tell(&mut self.tally);
        self.letters(0);
    }

    /// Ten seconds later: retention removes all that is in sealed segments.
    fn retain(&mut self) {
        self.time.set(Duration::from_secs(10));
        let first = self.relay.first();
        for _ in 0..100 {
            self.relay.rest(self.disk.used()).1.unwrap();
        }
        assert!(self.relay.first() > first, "something was removed");
    }
}

/// Seed 460 and four others of the first 1,000 with retention: a page was read, retention removed the last messages under
/// a credential, and with them its chain; what was in the page came without, and the SDK took it for a forgery.
#[test]
fn what_was_read_before_retention_comes_with_its_chain() {
    let mut world = ByHand::with(&forgetful());
    let (nation, town) = (world.command.nation.clone(), world.command.town.clone());
    let author = world.log_in(0, &town);
    world.publish_as(&town, "alert/fr.idf.75.paris", author, "here");
    world.store();
    let other = world.log_in(0, &nation);
    for text in ["é", "è", "ê", "ë"] {
        world.publish(other, &text.repeat(400));
        world.store();
    }
    let reader = world.log_in(0, &town);
    let (channels, after) = (vec!["alert/fr.idf.75.paris".into()], Some("start".into()));
    let subscribe = ClientFrame::Subscribe { n: 1, channels, after }.to_text();
    world.relay.handle_frame(reader, &subscribe, &mut world.tally);
    world.relay.read_page(&mut Chance::new(1));
    world.retain();
    world.letters(0);
    let texts = world.output(reader);
    let place = |what: &str| texts.iter().position(|text| text.contains(what));
    let of_the_town = town.first.leaf().token();
    let (chain, event) = (place(of_the_town), place(r#""op":"event","seq":1"#));
    assert!(chain.is_some() && chain < event, "chain at {chain:?}, event at {event:?}");
}

/// Seeds 222 and 345: all that a worker had dispatched was removed, and a page of history was read that begins behind its
/// head. The page stayed at its beginning, and so did the next, for as long as the worker lagged.
#[test]
fn a_page_of_history_ends_at_the_head_when_nothing_before_it_is_left() {
    let mut world = ByHand::with(&forgetful());
    let (nation, town) = (world.command.nation.clone(), world.command.town.clone());
    let author = world.log_in(0, &nation);
    for text in ["é", "è", "ê", "ë"] {
        world.publish(author, &text.repeat(400));
        world.store();
    }
    world.retain();
    let head = world.relay.head().seq;
    assert_eq!(world.relay.first(), head.next(), "nothing is left");
    let reader = world.log_in(0, &town);
    world.publish(author, "the worker does not know of it yet");
    world.relay.commit().unwrap();
    let channels = vec!["alert/fr.idf.75.paris".into()];
    let history = ClientFrame::History { n: 1, channels, after: "start".into(), limit: 256 }.to_text();
    world.relay.handle_frame(reader, &history, &mut world.tally);
    world.read();
    let texts = world.output(reader);
    let Ok(FromRelay::Known(ServerFrame::Page { next, end, .. })) = ServerFrame::parse(texts.last().unwrap())
    else {
        panic!("no page: {texts:?}")
    };
    let next: Cursor = next.parse().unwrap();
    assert_eq!((next.seq, end), (head, true), "it ends where the worker is");
}

impl ByHand {
    fn revoke_town(&mut self) {
        let Command { region, town, .. } = &self.command;
        let (key, issuer) = (Arc::clone(&region.key), region.first.leaf().clone());
        let target = Target::Credential(town.first.leaf().id());
        let seat = self.log_in(1, &region.clone());
        let statement = Statement { target, from: BEGIN, number: 1, reason: None };
        let jws = revocation::sign(&key, &issuer, &statement);
        self.relay.handle_frame(
            seat,
            &ClientFrame::Revoke { n: 1, jws: jws.into(), chain: Vec::new() }.to_text(),
            &mut self.tally,
        );
        self.relay.commit().unwrap();
    }

    /// A second and a half later, which no connection of somebody who is revoked outlives.
    fn is_dropped(&mut self, seat: Seat) -> bool {
        self.time.set(Duration::from_millis(1_500));
        self.relay.handle_timeout(seat.0, &mut self.tally);
        self.relay.is_overdue(seat)
    }
}

fn subscribe(world: &mut ByHand, seat: Seat, channel: &str, after: Option<&str>) {
    let after = after.map(Into::into);
    let subscribe = ClientFrame::Subscribe { n: 1, channels: vec![channel.into()], after };
    world.relay.handle_frame(seat, &subscribe.to_text(), &mut world.tally);
}

/// Seed 118. The events that waited for somebody who is revoked were dropped, and the mark behind them was not: his
/// cursor passed them, and when he came back under another credential of the same key, he was never given them.
#[test]
fn a_mark_does_not_outlive_the_events_before_it() {
    let mut world = ByHand::new();
    let town = world.command.town.clone();
    let reader = world.log_in(0, &town);
    subscribe(&mut world, reader, "alert/fr.idf.75.paris", None);
    world.output(reader);
    let author = world.log_in(1, &world.command.nation.clone());
    world.publish(author, "crue");
    world.relay.commit().unwrap();
    world.relay.tell(&mut world.tally);
    world.letters(0);
    world.time.set(Duration::from_secs(6));
    world.relay.handle_timeout(0, &mut world.tally);
    world.revoke_town();
    world.relay.tell(&mut world.tally);
    world.letters(0);
    let given = world.output(reader);
    assert!(given.iter().any(|text| text.contains("session_revoked")), "{given:?}");
    let after = given.iter().find(|text| text.contains(r#""op":"event""#) || text.contains(r#""op":"mark""#));
    assert_eq!(after, None);
}

/// Seed 36. A session that was being closed for another reason was not ended by a revocation: what waited was written to
/// the revoked for up to 30 s.
#[test]
fn who_is_being_closed_is_revoked_as_well() {
    let mut world = ByHand::new();
    let seat = world.log_in(0, &world.command.town.clone());
    // Who asks without end and waits for no answer is closed.
    (0..10).for_each(|_| subscribe(&mut world, seat, "alert/fr.idf.75.paris", Some("start")));
    world.revoke_town();
    world.relay.tell(&mut world.tally);
    world.letters(0);
    assert!(world.is_dropped(seat));
}

/// Seed 2958. The answer to a publish that was under way came after the revocation, and put off the end of the session
/// from half a second to 30 s.
#[test]
fn a_late_answer_does_not_put_off_the_end_of_the_revoked() {
    let mut world = ByHand::new();
    let town = world.command.town.clone();
    let seat = world.log_in(0, &town);
    world.revoke_town();
    world.publish_as(&town, "alert/fr.idf.75.paris", seat, "crue");
    world.relay.tell(&mut world.tally);
    world.letters(0);
    world.relay.commit().unwrap();
    world.relay.tell(&mut world.tally);
    world.letters(0);
    assert!(world.is_dropped(seat));
}
