//! The scheduler: looks who could take a step, and lets one of them, picked under the seed.
//!
//! Virtual time goes on when nobody can, and now and then when somebody could: that is how things come late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::channel::Plane;
use vigie_proto::id::LogId;
use vigie_relay::event::SharedBatch;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::worker::Output;

use super::bounds::{Bounds, WORKERS_MAX};
use super::cast::{self, Cast};
use super::client::{Client, Reaction, Surroundings, Work};
use super::coverage::Coverage;
use super::faults::{Armed, Fault};
use super::history::{Did, History};
use super::network::{Link, Millis, ToClient, ToRelay};
use super::people::BEGIN;
use super::plant::Plant;
use super::random::{Chance, mix};
use super::relay::{MachineTime, SimRelay};

/// After everything is healed, all must have caught up in this time: the longest marks are 5 s apart, the longest
/// message lives an hour but its author has its receipt in seconds.
const REST_WITHIN: Millis = 180_000;

/// More steps than this are a loop.
const STEPS_MAX: usize = 400_000;

/// A step that someone could take.
#[derive(Clone, Copy, Debug)]
enum Step {
    ClientReads(usize),
    RelayReads(usize),
    Write(usize),
    ClientLearns(usize),
    RelayLearns(usize),
    Overdue(usize),
    Letter(usize),
    Timeout(usize),
    Commit,
    Tell,
    Rest,
    ReadPage,
    Tick(usize),
    Restart,
    Break,
}

/// A whole simulation.
#[derive(Debug)]
pub struct Sim {
    pub(super) plant: Plant,
    pub(super) chance: Chance,
    pub(super) now: Millis,
    pub(super) history: History,
    pub(super) tally: Coverage,
    pub(super) time: MachineTime,
    pub(super) cast: Cast,
    pub(super) bounds: Bounds,
    pub(super) disk: SimDisk,
    /// A copy of the disk, as an operator keeps one.
    pub(super) copy: Option<SimDisk>,
    /// What was damaged, as it was before: file and content.
    pub(super) sound: BTreeMap<String, Vec<u8>>,
    /// Recoveries in a row that the power was cut in.
    pub(super) recoveries_cut: usize,
    /// Retention has removed something.
    pub(super) removed: bool,
    /// The disk before the last batch, for a planted bug.
    pub(super) disk_before: Option<SimDisk>,
    pub(super) armed: Option<Armed>,
    pub(super) relay: Option<SimRelay>,
    pub(super) restart_at: Millis,
    pub(super) links: BTreeMap<usize, Link>,
    /// What is to be broken, in order.
    pub(super) faults: Vec<(Millis, Fault)>,
    pub(super) healed: bool,
    heals_at: Millis,
    pub(super) links_made: usize,
    socket_frames: usize,
    pub(super) write_bytes: usize,
    /// Until when each worker leaves its letters unread.
    pub(super) lags_until: [Millis; WORKERS_MAX],
    overheard: Vec<Arc<str>>,
    restless: Option<String>,
}

impl Sim {
    /// Draws a world.
    pub fn new(seed: u64, plant: Plant) -> Self {
        let mut chance = Chance::new(mix(seed.wrapping_add(1)));
        let mut history = History { now: BEGIN, ..History::default() };
        let ends = chance.within(20_000..=60_000);
        let cast = cast::draw(ends, &mut chance, &mut history);
        let disk = SimDisk::new();
        if plant == Plant::SyncDoesNothing {
            disk.dangerous_ignore_syncs();
        }
        Self {
            plant,
            now: 0,
            history,
            tally: Coverage::default(),
            time: MachineTime::default(),
            bounds: Bounds::new(&mut chance),
            disk,
            copy: None,
            sound: BTreeMap::new(),
            recoveries_cut: 0,
            removed: false,
            disk_before: None,
            armed: None,
            relay: None,
            restart_at: 0,
            links: BTreeMap::new(),
            faults: super::faults::draw(ends, &mut chance),
            healed: false,
            heals_at: ends,
            links_made: 0,
            socket_frames: *chance.pick(&[1, 3, 16]),
            write_bytes: *chance.pick(&[1, 3_000, 16 * 1024]),
            lags_until: [0; WORKERS_MAX],
            overheard: Vec::new(),
            restless: None,
            cast,
            chance,
        }
    }

    /// Runs until everything has come to rest.
    pub fn run(mut self) -> (History, Coverage) {
        for number in 0.. {
            if number > STEPS_MAX {
                self.give_up("too many steps".to_owned());
            }
            if self.restless.is_some() || (self.healed && self.rests()) {
                break;
            }
            if !self.healed && self.now >= self.heals_at {
                self.heal();
            }
            if self.now > self.heals_at + REST_WITHIN {
                self.give_up(self.who_is_restless());
            }
            self.step();
        }
        match (self.restless.take(), &self.relay) {
            (None, Some(relay)) => {
                let (log, head) = (relay.log(), relay.head().seq);
                self.history.note(Did::Quiet { log, head });
            }
            (why, _) => self.history.note(Did::Restless(why.unwrap_or_default())),
        }
        (self.history, self.tally)
    }

    /// The simulation cannot go on: that itself is a finding.
    pub(super) fn give_up(&mut self, why: String) {
        self.restless.get_or_insert(why);
    }

    fn rests(&self) -> bool {
        let Some(relay) = &self.relay else { return false };
        let (log, now) = (relay.log(), self.history.now);
        let rests = |client: &Client| match &client.work {
            Work::Publishes(author) => author.is_done(),
            Work::Revokes(issuer) => issuer.is_done(),
            Work::Reads(reader) => {
                let learned = reader.has_learned(log, relay.last_revocation(reader.plane()));
                client.is_open() && learned && reader.stands_at(relay.head())
            }
        };
        relay.is_idle() && self.cast.clients.iter().all(|client| rests(client) || client.is_out(now))
    }

    fn who_is_restless(&self) -> String {
        let head = self.relay.as_ref().map(SimRelay::head);
        let busy = self.cast.clients.iter().enumerate().filter_map(|(index, client)| match &client.work {
            Work::Publishes(author) => (!author.is_done()).then(|| format!("author {index} is not done")),
            Work::Revokes(issuer) => (!issuer.is_done()).then(|| format!("issuer {index} is not done")),
            Work::Reads(reader) => (!head.is_some_and(|head| reader.stands_at(head)))
                .then(|| format!("client {index} is at {:?}", reader.cursor())),
        });
        format!("the log ends at {head:?}; {}", busy.collect::<Vec<_>>().join("; "))
    }

    fn step(&mut self) {
        let (ready, next) = self.look();
        let pick = self.chance.below(ready.len() + 1);
        let Some(step) = ready.get(pick).copied() else {
            let rest = self.chance.within(1..=20);
            let later =
                if ready.is_empty() { next.unwrap_or(self.now).max(self.now + 1) } else { self.now + rest };
            return self.set_time(later);
        };
        match step {
            Step::ClientReads(link) => self.client_reads(link),
            Step::RelayReads(link) => self.relay_reads(link),
            Step::Write(link) => self.write(link, false),
            Step::ClientLearns(link) => self.end_for_client(link),
            Step::RelayLearns(link) => self.end_for_relay(link),
            Step::Overdue(link) => self.drop_overdue(link),
            Step::Letter(worker) => self.letter(worker),
            Step::Timeout(worker) => self.time_out(worker),
            Step::Commit => self.commit(),
            Step::Tell => self.with_relay(|relay, _, tally| relay.tell(tally)),
            Step::Rest => self.rest(),
            Step::ReadPage => self.with_relay(|relay, chance, _| relay.read_page(chance)),
            Step::Tick(client) => self.tick(client),
            Step::Restart => self.restart(),
            Step::Break => self.break_next(),
        }
    }

    pub(super) fn set_time(&mut self, now: Millis) {
        self.now = now;
        self.history.now = BEGIN.plus(Duration::from_millis(now));
        self.time.set(Duration::from_millis(now));
    }

    /// Who could take a step now, and when the next one could who cannot.
    fn look(&self) -> (Vec<Step>, Option<Millis>) {
        let now = self.now;
        let (mut ready, mut next) = (Vec::new(), None::<Millis>);
        let mut at = |due: Millis, step| {
            if due <= now {
                ready.push(step);
            } else {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        };
        for (name, link) in &self.links {
            if let (Some(due), Some(client)) = (link.down.next_due(), link.client) {
                let client = &self.cast.clients[client];
                at(due.max(client.stalled_until).max(client.busy_until), Step::ClientReads(*name));
            }
            if let (Some(due), Some(_)) = (link.up.next_due(), link.seat) {
                at(due, Step::RelayReads(*name));
            }
            if let (Some(seat), Some(relay)) = (link.seat, &self.relay)
                && relay.has_output(seat)
                && link.down.unacknowledged() < self.socket_frames
            {
                at(now, Step::Write(*name));
            }
            if let (Some(seat), Some(relay)) = (link.seat, &self.relay)
                && relay.is_overdue(seat)
            {
                at(now, Step::Overdue(*name));
            }
            if let (Some(due), Some(_)) = (link.client_learns, link.client) {
                at(due, Step::ClientLearns(*name));
            }
            if let (Some(due), Some(_)) = (link.relay_learns, link.seat) {
                at(due, Step::RelayLearns(*name));
            }
        }
        for (index, client) in self.cast.clients.iter().enumerate() {
            if let Some(due) = client.next_tick() {
                at(due, Step::Tick(index));
            }
        }
        match &self.relay {
            None => at(self.restart_at, Step::Restart),
            Some(relay) => {
                for worker in 0..relay.workers() {
                    if relay.has_letter(worker) {
                        at(self.lags_until[worker], Step::Letter(worker));
                    }
                    if let Some(pause) = relay.next_timeout(worker) {
                        at(
                            now + u64::try_from(pause.as_millis()).unwrap_or(u64::MAX / 2),
                            Step::Timeout(worker),
                        );
                    }
                }
                if relay.has_submissions() {
                    at(now, Step::Commit);
                }
                if relay.has_untold() {
                    at(now, Step::Tell);
                }
                if let Some(due) = relay.next_rest() {
                    at(u64::try_from(due.as_millis()).unwrap_or(u64::MAX / 2), Step::Rest);
                }
                if relay.has_reads() {
                    at(now, Step::ReadPage);
                }
            }
        }
        if let Some((due, _)) = self.faults.first() {
            at(*due, Step::Break);
        }
        (ready, next)
    }

    pub(super) fn with_relay<R: Default>(
        &mut self,
        call: impl FnOnce(&mut SimRelay, &mut Chance, &mut Coverage) -> R,
    ) -> R {
        match &mut self.relay {
            Some(relay) => call(relay, &mut self.chance, &mut self.tally),
            None => R::default(),
        }
    }

    fn with_client<R>(
        &mut self,
        client: usize,
        call: impl FnOnce(&mut Client, &mut Surroundings<'_>) -> R,
    ) -> R {
        let mut around = Surroundings {
            chance: &mut self.chance,
            history: &mut self.history,
            tally: &mut self.tally,
            calm: self.healed,
            overheard: &mut self.overheard,
        };
        call(&mut self.cast.clients[client], &mut around)
    }

    fn client_reads(&mut self, name: usize) {
        let Some(link) = self.links.get_mut(&name) else { return };
        let (Some(item), Some(client)) = (link.down.take(), link.client) else { return };
        match item {
            ToClient::Close(_) => self.end_for_client(name),
            ToClient::Ping(number) => self.send(name, ToRelay::Pong(number)),
            ToClient::Text(text) => {
                self.cast.clients[client].handle_drained(text.len(), self.now);
                let text = String::from_utf8_lossy(&text);
                let Reaction { send, hang_up } =
                    self.with_client(client, |client, around| client.handle_text(&text, around));
                for frame in send {
                    if let Some(link) = self.links.get_mut(&name) {
                        link.planted.resumed |=
                            frame.contains(r#""after":""#) && !frame.contains(r#""after":"start""#);
                    }
                    self.send(name, ToRelay::Text(frame));
                }
                if hang_up {
                    self.end_for_client(name);
                }
            }
        }
    }

    fn send(&mut self, name: usize, item: ToRelay) {
        if let Some(link) = self.links.get_mut(&name) {
            let arrives = link.arrival(self.now, &mut self.chance);
            link.up.push(item, arrives);
        }
    }

    fn time_out(&mut self, worker: usize) {
        for link in self.links.values_mut().filter(|link| link.seat.is_some_and(|seat| seat.0 == worker)) {
            link.silence = link.silence.max(self.now - link.heard_at);
        }
        self.with_relay(|relay, _, tally| relay.handle_timeout(worker, tally));
    }

    fn relay_reads(&mut self, name: usize) {
        let Some(link) = self.links.get_mut(&name) else { return };
        let (Some(item), Some(seat)) = (link.up.take(), link.seat) else { return };
        link.heard_at = self.now;
        let plant = self.plant;
        self.with_relay(|relay, _, tally| match item {
            ToRelay::Text(text) => {
                let text = plant.mishear(text, relay);
                relay.handle_frame(seat, &text, tally);
            }
            ToRelay::Pong(number) => relay.handle_pong(seat, number, tally),
        });
    }

    fn letter(&mut self, worker: usize) {
        self.with_relay(|relay, _, tally| relay.handle_letter(worker, tally));
        for token in self.with_relay(|relay, _, _| relay.take_heeded()) {
            self.history.note(Did::Heeded { token });
        }
        let batch = self.with_relay(|relay, _, _| relay.last_batch.take());
        if let (Plant::ExerciseToLive, Some(batch)) = (self.plant, batch) {
            self.give_exercises_to_someone_live(&batch);
        }
    }

    /// A planted bug.
    fn give_exercises_to_someone_live(&mut self, batch: &SharedBatch) {
        let events = batch.events.iter().filter(|(event, _)| event.channel.plane == Plane::Exercise);
        let frames: Vec<_> = events.map(|(event, _)| Output::Text(event.frame.clone())).collect();
        let is_live = |link: &Link| {
            let client =
                link.client.map(|client| &self.cast.clients[client]).filter(|client| client.is_open());
            client.is_some_and(
                |client| matches!(&client.work, Work::Reads(reader) if reader.plane() == Plane::Live),
            )
        };
        let someone = self.links.iter().find(|(_, link)| is_live(link)).map(|(name, _)| *name);
        if let Some(name) = someone {
            self.put_down(name, frames);
        }
    }

    fn tick(&mut self, index: usize) {
        let client = &self.cast.clients[index];
        if client.link.is_none() && client.dial_at <= self.now {
            self.dial(index);
        }
        let frames = self.with_client(index, Client::tick);
        if let Some(name) = self.cast.clients[index].link {
            for frame in frames {
                self.send(name, ToRelay::Text(frame));
            }
        }
    }

    /// A name for a log that nobody had before.
    pub(super) fn new_log(&mut self) -> LogId {
        LogId::from_bytes(self.chance.bytes())
    }
}
