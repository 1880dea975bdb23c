//! What an update or a cancel does to the messages that it names, as far as this reader saw them.
//!
//! Being verified says who speaks, not that it may change what another said: that is judged here, by proto, from
//! signed data. What was not heard since the command began is not judged.

use std::collections::{BTreeMap, VecDeque};

use vigie_client::{OnPlane, Verified};
use vigie_proto::id::MessageId;
use vigie_proto::verify::takes_effect_on;

use super::screen::short;
use super::text::Lang;

/// Messages that are remembered: at 256 KiB each at the very worst 64 MiB, at a usual 2 KiB half a megabyte.
const HEARD_MAX: usize = 256;

/// The last verified messages; the oldest is forgotten first.
#[derive(Debug)]
pub(super) struct Effects<P: OnPlane> {
    heard: BTreeMap<MessageId, Verified<P>>,
    order: VecDeque<MessageId>,
}

impl<P: OnPlane> Default for Effects<P> {
    fn default() -> Self {
        Self { heard: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<P: OnPlane> Effects<P> {
    /// Remembers a message, and tells in a line for each message that it names what it does to it.
    pub(super) fn of(&mut self, lang: Lang, message: &Verified<P>) -> Vec<String> {
        let told = message.message().replaces.iter().map(|id| {
            let name = short(&id.to_string());
            match self.heard.get(id) {
                Some(target) if takes_effect_on(message.signed(), target.signed()) => lang.takes_effect(name),
                Some(_) => lang.takes_no_effect(name),
                None => lang.effect_unknown(name),
            }
        });
        let told = told.collect();
        self.keep(message);
        told
    }

    fn keep(&mut self, message: &Verified<P>) {
        if self.heard.insert(message.id(), message.clone()).is_none() {
            self.order.push_back(message.id());
        }
        if self.order.len() > HEARD_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.heard.remove(&oldest);
        }
    }
}
