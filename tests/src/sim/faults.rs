//! What goes wrong, drawn under the seed: network, clocks, slow readers, killed clients; what is done to power and disk is
//! in `disasters.rs`.

use std::io::ErrorKind;

use super::bounds::WORKERS_MAX;
use super::client::Work;
use super::engine::Sim;
use super::history::Did;
use super::network::Millis;
use super::random::Chance;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The power is cut now.
    PowerCut,
    /// The power is cut in one of the next calls to the disk.
    PowerCutInCall(usize),
    /// One of the next calls to the disk fails in this way.
    DiskFails(usize, ErrorKind),
    /// The relay is stopped in order.
    Stop,
    /// The relay's machine burns, and comes back with an empty disk.
    JournalLost,
    /// A link is cut.
    Cut,
    /// A reader reads nothing for so long.
    Stall(Millis),
    /// A reading program ends, and starts again with its cursor.
    ReaderRestarts,
    /// A worker leaves its letters unread for so long.
    WorkerLags(usize, Millis),
    /// The relay's clock is so far from the truth.
    Clock(i64),
    /// A reader drains so many bytes in a second, for so long.
    Drip(usize, Millis),
    /// The program of an author is killed, and starts again with what is on its disk.
    AuthorKilled,
    /// So much is left on the disk.
    Room(u64),
    /// The disk is large again.
    AllRoom,
    /// A byte of a sealed segment changes.
    Damage,
    /// The operator copies the disk.
    Copy,
    /// The disk is lost, and a new journal is made of the copy.
    Restore,
}

/// What the disk will do to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Armed {
    /// Cut the power.
    PowerCut,
    /// Fail.
    Failure,
}

/// Draws what goes wrong until `ends`, in order.
pub fn draw(ends: Millis, chance: &mut Chance) -> Vec<(Millis, Fault)> {
    let mut faults = Vec::new();
    let mut add = |at_most: u64, chance: &mut Chance, fault: &dyn Fn(&mut Chance) -> Fault| {
        for _ in 0..chance.within(0..=at_most) {
            let at = chance.within(0..=ends);
            faults.push((at, fault(chance)));
        }
    };
    add(2, chance, &|_| Fault::PowerCut);
    add(2, chance, &|chance| Fault::PowerCutInCall(chance.below(6)));
    let kinds = [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::StorageFull];
    add(3, chance, &|chance| Fault::DiskFails(chance.below(6), *chance.pick(&kinds)));
    add(1, chance, &|_| Fault::Stop);
    add(8, chance, &|_| Fault::Cut);
    add(5, chance, &|chance| Fault::Stall(chance.within(500..=15_000)));
    add(3, chance, &|chance| Fault::WorkerLags(chance.below(WORKERS_MAX), chance.within(5..=5_000)));
    add(4, chance, &|_| Fault::ReaderRestarts);
    add(3, chance, &|chance| Fault::Drip(*chance.pick(&[100, 400, 3_000]), chance.within(1_000..=20_000)));
    add(2, chance, &|_| Fault::AuthorKilled);
    add(3, chance, &|chance| Fault::Clock(i64::try_from(chance.below(100_000)).unwrap_or(0) - 50_000));
    if chance.one_in(6) {
        faults.push((chance.within(0..=ends), Fault::JournalLost));
    }
    if chance.one_in(3) {
        for _ in 0..chance.within(1..=2) {
            faults.push((chance.within(ends / 4..=ends), Fault::Damage));
        }
    }
    if chance.one_in(3) {
        let at = chance.within(0..=ends);
        faults.push((at, Fault::Room(chance.within(0..=6_000))));
        faults.push((at + chance.within(500..=15_000), Fault::AllRoom));
    }
    if chance.one_in(4) {
        let at = chance.within(ends / 8..=ends);
        faults.push((chance.within(0..=at), Fault::Copy));
        faults.push((at, Fault::Restore));
    }
    if chance.one_in(4) {
        let at = chance.within(0..=ends);
        faults.push((at, Fault::Clock(*chance.pick(&[-400_000, 400_000]))));
        faults.push((at + 3_000, Fault::Clock(0)));
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

impl Sim {
    /// The next fault happens.
    pub(super) fn break_next(&mut self) {
        let (_, fault) = self.faults.remove(0);
        match fault {
            Fault::PowerCut => self.power_cut(),
            Fault::PowerCutInCall(calls) => {
                self.disk.power_off_at(self.disk.operations().len() + 1 + calls);
                self.armed = Some(Armed::PowerCut);
            }
            Fault::DiskFails(calls, kind) => {
                self.disk.fail_at(self.disk.operations().len() + 1 + calls, kind);
                self.armed.get_or_insert(Armed::Failure);
            }
            Fault::Stop => self.stop(),
            Fault::JournalLost => self.lose_journal(),
            Fault::Cut => self.cut_some_link(),
            Fault::Stall(length) => {
                if let Some(client) = self.some_reader() {
                    self.tally.slow_readers += 1;
                    self.cast.clients[client].stalled_until = self.now + length;
                }
            }
            Fault::WorkerLags(worker, length) => {
                self.tally.lagging_workers += 1;
                self.lags_until[worker] = self.now + length;
            }
            Fault::ReaderRestarts => self.restart_some_reader(),
            Fault::Clock(offset) => self.step_clock(offset),
            Fault::Drip(rate, length) => {
                if let Some(client) = self.some_reader() {
                    self.tally.dripping_readers += 1;
                    self.cast.clients[client].drip = Some((rate, self.now + length));
                }
            }
            Fault::AuthorKilled => self.kill_some_author(),
            Fault::Room(bytes) => self.disk.set_room(Some(self.disk.used() + bytes)),
            Fault::AllRoom => self.disk.set_room(None),
            Fault::Damage => self.damage_some_segment(),
            Fault::Copy => self.copy = Some(self.disk.crash(self.chance.number())),
            Fault::Restore => self.restore(),
        }
    }

    fn some_reader(&mut self) -> Option<usize> {
        self.some_client(|work| matches!(work, Work::Reads(_)))
    }

    fn some_client(&mut self, is_one: impl Fn(&Work) -> bool) -> Option<usize> {
        let clients = self.cast.clients.iter().enumerate();
        let some: Vec<_> =
            clients.filter(|(_, client)| is_one(&client.work)).map(|(index, _)| index).collect();
        (!some.is_empty()).then(|| *self.chance.pick(&some))
    }

    fn kill_some_author(&mut self) {
        let Some(index) = self.some_client(|work| matches!(work, Work::Publishes(_))) else { return };
        if let Some(name) = self.cast.clients[index].link {
            self.end_for_client(name);
        }
        if let Work::Publishes(author) = &mut self.cast.clients[index].work {
            author.handle_kill(self.now, &mut self.chance);
            self.tally.author_kills += 1;
        }
    }

    fn cut_some_link(&mut self) {
        let links: Vec<_> = self.links.keys().copied().collect();
        if links.is_empty() {
            return;
        }
        let name = *self.chance.pick(&links);
        if let Some(link) = self.links.get_mut(&name) {
            link.cut(self.now, &mut self.chance);
            self.tally.cuts += 1;
        }
    }

    fn restart_some_reader(&mut self) {
        let Some(index) = self.some_reader() else { return };
        if let Some(name) = self.cast.clients[index].link {
            self.end_for_client(name);
        }
        self.cast.clients[index].handle_start();
        let id = self.cast.next_reader;
        self.cast.next_reader += 1;
        if let Work::Reads(reader) = &mut self.cast.clients[index].work {
            reader.start_anew(id, &mut self.tally, &mut self.chance, &mut self.history);
            self.tally.reader_restarts += 1;
        }
    }

    fn step_clock(&mut self, offset: i64) {
        let jumps = offset.abs() > 120_000;
        // A relay that is started under a clock that jumped believes it: that is its operator's to prevent.
        if jumps && self.relay.is_none() {
            return;
        }
        self.tally.clock_steps += u64::from(!jumps);
        self.time.set_offset(offset);
    }

    /// From here on nothing is done to anyone.
    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.faults.clear();
        self.time.set_offset(0);
        // Calls are numbered from 1: these never come.
        self.disk.power_off_at(0);
        self.disk.fail_at(0, ErrorKind::Other);
        self.disk.set_room(None);
        self.armed = None;
        for client in &mut self.cast.clients {
            (client.stalled_until, client.busy_until, client.drip) = (0, 0, None);
        }
        self.lags_until = [0; WORKERS_MAX];
        self.history.note(Did::Healed);
    }
}
