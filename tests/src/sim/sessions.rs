//! How connections begin and end, and what a relay writes to them.

use std::time::Duration;

use vigie_proto::id::Nonce;
use vigie_proto::refusal::Code;
use vigie_relay::worker::Output;

use super::client::{Client, Work};
use super::engine::Sim;
use super::history::Did;
use super::network::{Link, ToClient};
use super::plant::Plant;

impl Sim {
    /// Writes what the relay has for a link; `all` of it when the relay ends in order.
    pub(super) fn write(&mut self, name: usize, all: bool) {
        let write_bytes = self.write_bytes;
        loop {
            let Some(seat) = self.links.get(&name).and_then(|link| link.seat) else { return };
            let turned_behind = self.tally.turns_behind;
            let mut output = self.with_relay(|relay, _, tally| relay.take_output(seat, write_bytes, tally));
            if self.plant == Plant::SlowReaderDropped && self.tally.turns_behind > turned_behind {
                output.push(Output::Close(Code::Unresponsive));
            }
            if output.is_empty() {
                return;
            }
            self.put_down(name, output);
            if !all {
                return;
            }
        }
    }

    pub(super) fn put_down(&mut self, name: usize, output: Vec<Output>) {
        let Some(link) = self.links.get_mut(&name) else { return };
        let mut items = Vec::new();
        let mut texts = Vec::new();
        for one in output {
            match one {
                Output::Text(text) => texts.push(text),
                Output::Ping(number) => items.push(ToClient::Ping(number)),
                Output::Close(code) => items.push(ToClient::Close(code)),
            }
        }
        // A ping has no place among the texts that matters; a close is the last of all.
        link.planted.removed = self.removed;
        let texts = link.planted.distort(self.plant, texts);
        for item in texts.into_iter().map(ToClient::Text).chain(items) {
            let closes = match item {
                ToClient::Close(code) => Some(code),
                ToClient::Text(_) | ToClient::Ping(_) => None,
            };
            let arrives = link.arrival(self.now, &mut self.chance);
            link.down.push(item, arrives);
            if let Some(code) = closes {
                self.history.note(Did::Closed { link: name, code });
                let silent = Duration::from_millis(link.silence);
                let client = link.client.map(|client| &self.cast.clients[client]);
                if let Some(Client { work: Work::Reads(reader), mark_interval, .. }) = client {
                    let (reader, mark_interval) = (reader.id(), *mark_interval);
                    self.history.note(Did::Dropped { reader, code, silent, mark_interval });
                }
                self.tally.sessions_expired += u64::from(code == Code::SessionExpired);
                self.tally.unresponsive += u64::from(code == Code::Unresponsive);
                self.tally.sessions_revoked += u64::from(code == Code::SessionRevoked);
                return self.end_for_relay(name);
            }
        }
    }

    pub(super) fn end_for_client(&mut self, name: usize) {
        let Some(link) = self.links.get_mut(&name) else { return };
        if let Some(client) = link.client.take() {
            link.cut(self.now, &mut self.chance);
            self.cast.clients[client].handle_cut(self.now, &mut self.chance);
        }
        self.forget_if_over(name);
    }

    pub(super) fn end_for_relay(&mut self, name: usize) {
        if let Some(seat) = self.links.get_mut(&name).and_then(|link| link.seat.take()) {
            self.with_relay(|relay, _, tally| relay.handle_disconnect(seat, tally));
            self.history.note(Did::Over { link: name });
        }
        self.forget_if_over(name);
    }

    /// The relay waits no more for a client to take its end.
    pub(super) fn drop_overdue(&mut self, name: usize) {
        self.tally.overdue += 1;
        if let Some(link) = self.links.get_mut(&name) {
            link.cut(self.now, &mut self.chance);
        }
        self.end_for_relay(name);
    }

    fn forget_if_over(&mut self, name: usize) {
        if self.links.get(&name).is_some_and(Link::is_over) {
            self.links.remove(&name);
        }
    }

    pub(super) fn dial(&mut self, index: usize) {
        let Some(relay) = &mut self.relay else {
            return self.cast.clients[index].handle_cut(self.now, &mut self.chance);
        };
        let worker = self.chance.below(relay.workers());
        let seat = relay.accept(worker, Nonce::from_bytes(self.chance.bytes()), &mut self.tally);
        self.links_made += 1;
        self.links.insert(self.links_made, Link::new(index, seat, self.now, &mut self.chance));
        self.cast.clients[index].handle_dialled(self.links_made, self.history.now, &mut self.chance);
    }
}
