//! What befalls power and disk: cuts, failures, damage, loss and restoring from a copy; and what it takes to come back.

use vigie_proto::id::{LogId, Sequence};
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::journal::{Journal, JournalError, MessageRecord, Record, Storage as _};

use super::bounds::Bounds;
use super::client::Client;
use super::engine::Sim;
use super::faults::Armed;
use super::history::{Did, Ending, Keeps};
use super::network::ToClient;
use super::plant::Plant;
use super::relay::{Retained, SimRelay};

/// Crashes of a recovery in a row.
const RECOVERIES_CUT_MAX: usize = 3;

impl Sim {
    /// The power goes: every session, everything in memory, and what was not synced.
    pub(super) fn power_cut(&mut self) {
        let Some(relay) = self.relay.take() else { return };
        relay.note_crash(&mut self.tally);
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
        self.tally.reordered_writes += damage.reordered;
        self.tally.lost_names += damage.lost_names;
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

    pub(super) fn lose_journal(&mut self) {
        if self.relay.take().is_none() {
            return;
        }
        self.tally.journals_lost += 1;
        self.begin_on(SimDisk::new());
    }

    /// The machine burns. Another one gets a new journal with all that the copy has, under a new name.
    pub(super) fn restore(&mut self) {
        let Some(copy) = self.copy.take() else { return };
        copy.set_room(None);
        if self.relay.take().is_none() {
            return;
        }
        let log = self.new_log();
        match import(&copy.restart(), log, &self.bounds) {
            Ok((disk, first, revocations)) => {
                self.tally.journals_restored += 1;
                self.tally.restored_with_revocations += u64::from(revocations);
                self.history.note(Did::Imported { log, first });
                self.begin_on(disk);
            }
            // The copy is damaged too.
            Err(error)
                if is_damage(&error) && self.tally.damaged_at_rest + self.tally.damaged_while_running > 0 =>
            {
                self.tally.journals_lost += 1;
                self.begin_on(SimDisk::new());
            }
            Err(error) => self.give_up(format!("a copy of the disk does not open: {error}")),
        }
    }

    fn begin_on(&mut self, disk: SimDisk) {
        self.lose_links();
        self.disk = disk;
        if self.plant == Plant::SyncDoesNothing {
            self.disk.dangerous_ignore_syncs();
        }
        (self.armed, self.disk_before, self.copy) = (None, None, None);
        self.sound.clear();
        self.history.note(Did::JournalLost);
        self.history.note(Did::Ended(Ending::PowerCut));
        self.come_back_later();
    }

    /// The disk changes a byte of a segment that another one follows.
    pub(super) fn damage_some_segment(&mut self) {
        let names = self.disk.names().unwrap_or_default();
        let mut segments: Vec<_> = names.into_iter().filter(|name| name.ends_with(".vigie")).collect();
        segments.sort();
        let sealed = segments.len().saturating_sub(1);
        let wanted: Vec<_> =
            (0..sealed).filter(|place| !self.sound.contains_key(&segments[*place])).collect();
        if wanted.is_empty() {
            return;
        }
        let place = *self.chance.pick(&wanted);
        let (name, next) = (&segments[place], &segments[place + 1]);
        let content = |name: &String| self.sound.get(name).cloned().or_else(|| self.disk.content(name));
        let (Some(sound), Some(next)) = (content(name), content(next)) else { return };
        let (Some(this), Some(next)) = (Head::of(&sound), Head::of(&next)) else { return };
        let written = sound.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        let in_header = self.chance.one_in(6);
        let at = if in_header { self.chance.below(HEADER_BYTES) } else { self.chance.below(written) };
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << self.chance.below(8);
        self.disk.set_content(name, bytes);
        self.tally.damaged_headers += u64::from(at < HEADER_BYTES);
        if self.relay.is_some() {
            self.tally.damaged_while_running += 1;
        } else {
            self.tally.damaged_at_rest += 1;
        }
        self.history.note(Did::Damaged { log: this.log, from: this.base, to: next.base });
        self.sound.insert(name.clone(), sound);
    }

    /// The operator puts back from a copy what a relay did not start on.
    fn mend(&mut self) {
        for (name, sound) in std::mem::take(&mut self.sound) {
            if self.disk.content(&name).is_some() {
                self.disk.set_content(&name, sound);
            }
        }
        self.tally.damage_mended += 1;
        self.come_back_later();
    }

    /// Nothing waits: the journal rests, and retention makes a step.
    pub(super) fn rest(&mut self) {
        let used = self.disk.used();
        let Some(relay) = &mut self.relay else { return };
        let (log, before) = (relay.log(), relay.first());
        let (retained, outcome) = relay.rest(used);
        if let Some(retained) = retained.filter(|retained| retained.worked) {
            let gone = retained.first.get() - before.get();
            self.tally.removed += gone;
            self.removed |= gone > 0;
            let Retained { first, now, used, .. } = retained;
            self.history.note(Did::Retained { log, first, now, used });
        }
        if let Err(error) = outcome {
            self.tally.crashes_at_rest += u64::from(self.armed == Some(Armed::PowerCut));
            self.handle_disk_error(&error);
        }
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
        let reserve = self.reserve();
        let outcome = match &mut self.relay {
            Some(relay) => relay.commit(),
            None => Ok(()),
        };
        self.tally.stored_on_reserve += u64::from(self.reserve() < reserve);
        if let Err(error) = outcome {
            return self.handle_disk_error(&error);
        }
        // Once in a while somebody trips over the cable just when a revocation is on disk, and before anyone was told.
        let untold = self.relay.as_ref().is_some_and(SimRelay::has_untold_revocation);
        if untold && !self.healed && self.chance.one_in(16) {
            self.power_cut();
        }
    }

    /// How large the room for urgent messages is.
    fn reserve(&self) -> usize {
        self.disk.content("reserve").map_or(0, |content| content.len())
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
        self.with_relay(|relay, _, tally| relay.note_crash(tally));
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

    pub(super) fn stop(&mut self) {
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
        if !self.healed && self.recoveries_cut < RECOVERIES_CUT_MAX && self.chance.one_in(3) {
            self.disk.power_off_at(self.disk.operations().len() + 1 + self.chance.below(8));
            self.armed = Some(Armed::PowerCut);
        }
        let log = self.new_log();
        let bounds = self.plant.bounds(&self.bounds);
        let started = SimRelay::start(&self.disk, log, &self.cast.roots, &bounds, &self.time);
        let cut = started.is_err() && self.armed == Some(Armed::PowerCut);
        self.recoveries_cut = if cut { self.recoveries_cut + 1 } else { 0 };
        match started {
            Ok(mut relay) => {
                let keeps = Keeps { age: self.bounds.retain_age, bytes: self.bounds.retain_bytes };
                let (log, head, first) = (relay.log(), relay.head().seq, relay.first());
                let wrong_by = self.time.wrong_by();
                self.history.note(Did::Started { log, head, first, keeps, wrong_by });
                relay.plant = self.plant;
                relay.note_start(!self.sound.is_empty(), &mut self.tally);
                self.cast.clients.iter_mut().for_each(Client::handle_start);
                self.relay = Some(relay);
            }
            Err(_) if self.armed == Some(Armed::PowerCut) => {
                self.tally.crashes_in_recovery += 1;
                self.tally.crashes_in_recovery_three_deep +=
                    u64::from(self.recoveries_cut == RECOVERIES_CUT_MAX);
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
            // Its operator has to make room first, or to put something back.
            Err(JournalError::Full { .. }) if !self.healed => self.come_back_later(),
            Err(error) if is_damage(&error) && !self.sound.is_empty() => self.mend(),
            Err(error) => self.give_up(format!("the relay does not start: {error}")),
        }
    }
}

/// Whether a journal says that something of it is not what was written. A changed version looks like a later one.
const fn is_damage(error: &JournalError) -> bool {
    matches!(
        error,
        JournalError::Damaged { .. } | JournalError::MissingSegment { .. } | JournalError::NewerFormat { .. }
    )
}

/// Before the first frame of a segment.
const HEADER_BYTES: usize = 128;

/// What a segment says of itself, as far as it matters here.
struct Head {
    log: LogId,
    base: Sequence,
}

impl Head {
    fn of(content: &[u8]) -> Option<Self> {
        let log = *content.get(16..)?.first_chunk::<16>()?;
        let base = *content.get(40..)?.first_chunk::<8>()?;
        Some(Self { log: LogId::from_bytes(log), base: Sequence::new(u64::from_le_bytes(base)) })
    }
}

fn as_message(record: &Record) -> Option<&MessageRecord> {
    if let Record::Message(message) = record { Some(message) } else { None }
}

/// A new journal of all that another one has, the first place that it has, and whether it has revocations.
fn import(copy: &SimDisk, log: LogId, bounds: &Bounds) -> Result<(SimDisk, Sequence, bool), JournalError> {
    let mut records = Vec::new();
    let old = Journal::open(copy.clone(), bounds.journal(), log, &mut |record| {
        records.push(record.clone());
        Ok(())
    })?;
    drop(old);
    // The new log counts on from its last message. The place of a message that was removed must lie before that: a carried
    // id behind it would be answered with a place that the new log gives to another message.
    let places = || records.iter().filter_map(|record| as_message(record).map(|message| message.seq));
    let (first, last) = (places().next().unwrap_or_default(), places().max());
    records.retain(|record| !matches!(record, Record::Carried(carried) if Some(carried.seq) > last));
    let mut has_revocations = false;
    for record in &mut records {
        if let Record::Revocation(revocation) = record {
            // It holds after the last message of this log, should the one that it came after be gone.
            revocation.seq = revocation.seq.min(last.unwrap_or_default());
            has_revocations = true;
        }
    }
    let disk = SimDisk::new();
    let mut new = Journal::open(disk.clone(), bounds.journal(), log, &mut |_| Ok(()))?;
    for batch in records.chunks(8) {
        new.append(batch)?;
    }
    new.close()?;
    Ok((disk.restart(), first, has_revocations))
}
