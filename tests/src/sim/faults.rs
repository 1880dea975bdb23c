//! What goes wrong: power, disk, network, clocks, slow readers; and what it takes to come back.

use std::io::ErrorKind;

use vigie_relay::journal::JournalError;
use vigie_relay::journal::sim_disk::SimDisk;

use super::client::Work;
use super::engine::Sim;
use super::history::{Did, Ending};
use super::network::{Millis, ToClient};
use super::plant::Plant;
use super::random::Chance;
use super::relay::{SimRelay, WORKERS_MAX};

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
    add(3, chance, &|chance| Fault::Clock(i64::try_from(chance.below(100_000)).unwrap_or(0) - 50_000));
    if chance.one_in(6) {
        faults.push((chance.within(0..=ends), Fault::JournalLost));
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
        }
    }

    fn some_reader(&mut self) -> Option<usize> {
        let is_reader = |index: &usize| matches!(self.cast.clients[*index].work, Work::Reads(_));
        let readers: Vec<_> = (0..self.cast.clients.len()).filter(is_reader).collect();
        (!readers.is_empty()).then(|| *self.chance.pick(&readers))
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
        let id = self.cast.next_reader;
        self.cast.next_reader += 1;
        if let Work::Reads(reader) = &mut self.cast.clients[index].work {
            reader.start_anew(id, &mut self.chance, &mut self.history);
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

    /// The power goes: every session, everything in memory, and what was not synced.
    fn power_cut(&mut self) {
        if self.relay.take().is_none() {
            return;
        }
        self.tally.crashes += 1;
        self.lose_links();
        let disk = if self.plant == Plant::ReceiptBeforeAppend { self.disk_before.take() } else { None };
        self.disk = disk.unwrap_or_else(|| self.disk.clone());
        self.crash_disk();
        self.history.note(Did::Ended(Ending::PowerCut));
        self.come_back_later();
    }

    fn crash_disk(&mut self) {
        self.disk = self.disk.crash(self.chance.number());
        let damage = self.disk.damage();
        self.tally.lost_writes += damage.lost;
        self.tally.torn_writes += damage.torn;
        self.armed = None;
    }

    fn lose_links(&mut self) {
        let names: Vec<_> = self.links.keys().copied().collect();
        for name in names {
            if let Some(link) = self.links.get_mut(&name) {
                link.cut(self.now, &mut self.chance);
            }
            self.end_for_relay(name);
        }
    }

    fn lose_journal(&mut self) {
        if self.relay.take().is_none() {
            return;
        }
        self.lose_links();
        self.disk = SimDisk::new();
        if self.plant == Plant::SyncDoesNothing {
            self.disk.dangerous_ignore_syncs();
        }
        (self.armed, self.disk_before) = (None, None);
        self.tally.journals_lost += 1;
        self.history.note(Did::JournalLost);
        self.history.note(Did::Ended(Ending::PowerCut));
        self.come_back_later();
    }

    fn come_back_later(&mut self) {
        self.restart_at = self.now + self.chance.within(0..=3_000);
        // Whoever starts a relay looks at the clock first.
        self.time.set_offset(0);
    }

    /// The sequencer decides, and the disk may have its own idea.
    pub(super) fn commit(&mut self) {
        if self.plant == Plant::ReceiptBeforeAppend {
            self.disk_before = Some(self.disk.restart());
        }
        let outcome = match &mut self.relay {
            Some(relay) => relay.commit(),
            None => Ok(()),
        };
        if let Err(error) = outcome {
            self.handle_disk_error(&error);
        }
    }

    fn handle_disk_error(&mut self, error: &JournalError) {
        match self.armed {
            Some(Armed::PowerCut) => self.power_cut(),
            Some(Armed::Failure) => self.fail(),
            None => self.give_up(format!("the journal failed on a good disk: {error}")),
        }
    }

    /// The journal failed: the relay says so and ends.
    fn fail(&mut self) {
        self.tally.failed_syncs += 1;
        self.with_relay(|relay, _, tally| relay.handle_storage_failure(tally));
        self.say_goodbye();
        self.relay = None;
        self.history.note(Did::Ended(Ending::StorageFailed));
        // Its operator starts it again as it is, or the machine with it.
        if self.chance.one_in(2) {
            self.disk = self.disk.restart();
            self.armed = None;
        } else {
            self.crash_disk();
        }
        self.come_back_later();
    }

    fn stop(&mut self) {
        let outcome = match &mut self.relay {
            Some(relay) => relay.handle_shutdown(&mut self.tally),
            None => return,
        };
        if let Err(error) = outcome {
            return self.handle_disk_error(&error);
        }
        self.say_goodbye();
        match self.relay.take().map(SimRelay::close) {
            Some(Err(_)) if self.armed == Some(Armed::PowerCut) => self.crash_disk(),
            Some(Err(error)) if self.armed.is_none() => {
                self.give_up(format!("the journal did not close on a good disk: {error}"));
            }
            Some(_) | None => {
                self.disk = self.disk.restart();
                self.armed = None;
            }
        }
        self.disk_before = None;
        self.tally.clean_stops += 1;
        self.history.note(Did::Ended(Ending::Stopped));
        self.come_back_later();
    }

    /// All that waits is written, and every link ends after it.
    fn say_goodbye(&mut self) {
        let names: Vec<_> = self.links.keys().copied().collect();
        for name in names {
            self.write(name, true);
            if let Some(link) = self.links.get_mut(&name) {
                let arrives = link.arrival(self.now, &mut self.chance);
                link.down.push(ToClient::Close(vigie_proto::refusal::Code::GoingAway), arrives);
            }
            self.end_for_relay(name);
        }
    }

    /// The relay starts, perhaps not for long.
    pub(super) fn restart(&mut self) {
        if !self.healed && self.chance.one_in(3) {
            self.disk.power_off_at(self.disk.operations().len() + 1 + self.chance.below(8));
            self.armed = Some(Armed::PowerCut);
        }
        let log = self.new_log();
        match SimRelay::start(&self.disk, log, &self.cast.roots, &self.bounds, &self.time) {
            Ok(relay) => {
                self.history.note(Did::Started { log: relay.log(), head: relay.head().seq });
                self.relay = Some(relay);
            }
            Err(_) if self.armed == Some(Armed::PowerCut) => {
                self.tally.crashes_in_recovery += 1;
                self.crash_disk();
                self.history.note(Did::Ended(Ending::PowerCutInRecovery));
                self.come_back_later();
            }
            Err(_) if self.armed == Some(Armed::Failure) => {
                self.tally.failed_syncs += 1;
                self.disk = self.disk.restart();
                self.armed = None;
                self.history.note(Did::Ended(Ending::StorageFailed));
                self.come_back_later();
            }
            Err(error) => self.give_up(format!("the relay does not start: {error}")),
        }
    }

    /// From here on nothing is done to anyone.
    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.faults.clear();
        self.time.set_offset(0);
        // Calls are numbered from 1: these never come.
        self.disk.power_off_at(0);
        self.disk.fail_at(0, ErrorKind::Other);
        self.armed = None;
        for client in &mut self.cast.clients {
            client.stalled_until = 0;
        }
        self.lags_until = [0; WORKERS_MAX];
        self.history.note(Did::Healed);
    }
}
