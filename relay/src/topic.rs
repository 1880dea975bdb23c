//! The topic table of one worker: from a channel to the sessions that hear it.
//!
//! A place in the table has three lists: who hears what is addressed *at* it, who hears all that is addressed *below*
//! it, and who hears only what is grave below it. A filter enters itself where a publish will look:
//!
//! | filter | `at` of | `below` of | `below_if_grave` of |
//! |---|---|---|---|
//! | `alert/S` | S and every place above it | | |
//! | `alert/S.**` | S and every place above it | S | |
//! | `signal/S` | S | | S |
//! | `signal/S.**` | S | S | |
//!
//! So a publish to J looks at J and at each place above J: O(depth), plus its audience. Entering and leaving is
//! O(depth × filters), never O(readers): each entry knows its place in its list, and the last one fills the hole.
//! Publishing adds nothing to the table; a place that nobody hears any more is given back.

use std::collections::HashMap;

use vigie_proto::channel::{Channel, Filter, Flow, Plane, SIGNAL_RISES_FROM};
use vigie_proto::severity::Severity;

use crate::slab::Slab;

/// Which list of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    At,
    Below,
    BelowIfGrave,
}

/// A session in a list.
#[derive(Clone, Copy, Debug)]
struct Entry {
    session: usize,
    /// Which of the session's own entries this is: an index into [`Topics::entered`].
    own: usize,
}

#[derive(Debug)]
struct Place {
    name: Box<str>,
    kind: usize,
    lists: [Vec<Entry>; 3],
}

/// Where one entry of a session is.
#[derive(Clone, Copy, Debug)]
struct Whereabouts {
    place: usize,
    list: List,
    position: usize,
}

/// The table. Sessions are named by the worker's own index.
#[derive(Debug, Default)]
pub struct Topics {
    /// One map for each of plane × flow.
    by_name: [HashMap<Box<str>, usize>; 4],
    places: Slab<Place>,
    /// For each session, its entries.
    entered: HashMap<usize, Vec<Whereabouts>>,
}

const fn kind_of(plane: Plane, flow: Flow) -> usize {
    let plane = match plane {
        Plane::Live => 0,
        Plane::Exercise => 2,
    };
    match flow {
        Flow::Alert => plane,
        Flow::Signal => plane + 1,
    }
}

impl Topics {
    /// Enters a session under its filters. It must not be entered already.
    pub fn enter(&mut self, session: usize, filters: &[Filter]) {
        let mut entries = Vec::new();
        for filter in filters {
            let kind = kind_of(filter.channel.plane, filter.channel.flow);
            let at = &filter.channel.at;
            match filter.channel.flow {
                Flow::Alert => {
                    for place in at.ancestors() {
                        self.put(session, kind, place, List::At, &mut entries);
                    }
                }
                Flow::Signal => {
                    self.put(session, kind, at.as_str(), List::At, &mut entries);
                    if !filter.subtree {
                        self.put(session, kind, at.as_str(), List::BelowIfGrave, &mut entries);
                    }
                }
            }
            if filter.subtree {
                self.put(session, kind, at.as_str(), List::Below, &mut entries);
            }
        }
        self.entered.insert(session, entries);
    }

    fn put(&mut self, session: usize, kind: usize, name: &str, list: List, entries: &mut Vec<Whereabouts>) {
        let place = match self.by_name[kind].get(name) {
            Some(place) => *place,
            None => {
                let place = self.places.insert(Place { name: name.into(), kind, lists: Default::default() });
                self.by_name[kind].insert(name.into(), place);
                place
            }
        };
        let members = &mut self.places[place].lists[list as usize];
        entries.push(Whereabouts { place, list, position: members.len() });
        members.push(Entry { session, own: entries.len() - 1 });
    }

    /// Takes a session out. One that is not entered is left alone.
    pub fn leave(&mut self, session: usize) {
        // From the last to the first: an entry that fills a hole is then never one of this session that is gone.
        let Some(mut entries) = self.entered.remove(&session) else { return };
        while let Some(Whereabouts { place, list, position }) = entries.pop() {
            let members = &mut self.places[place].lists[list as usize];
            members.swap_remove(position);
            if let Some(moved) = members.get(position).copied() {
                let owner = if moved.session == session {
                    Some(&mut entries)
                } else {
                    self.entered.get_mut(&moved.session)
                };
                if let Some(whereabouts) = owner.and_then(|entries| entries.get_mut(moved.own)) {
                    whereabouts.position = position;
                }
            }
            self.give_back(place);
        }
    }

    fn give_back(&mut self, place: usize) {
        if self.places[place].lists.iter().all(Vec::is_empty) {
            let gone = self.places.remove(place);
            self.by_name[gone.kind].remove(&gone.name);
        }
    }

    /// Calls `hears` for each session that hears such a message, perhaps more than once for the same one.
    pub fn audience(&self, channel: &Channel, severity: Severity, mut hears: impl FnMut(usize)) {
        let names = &self.by_name[kind_of(channel.plane, channel.flow)];
        for (depth, name) in channel.at.ancestors().enumerate() {
            let Some(place) = names.get(name) else { continue };
            let lists = &self.places[*place].lists;
            if depth == 0 {
                lists[List::At as usize].iter().for_each(|entry| hears(entry.session));
                continue;
            }
            lists[List::Below as usize].iter().for_each(|entry| hears(entry.session));
            if severity >= SIGNAL_RISES_FROM {
                lists[List::BelowIfGrave as usize].iter().for_each(|entry| hears(entry.session));
            }
        }
    }

    /// How many places have listeners.
    pub fn places(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn place() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a", "b"]), 1..4).prop_map(|parts| parts.join("."))
    }

    fn channel() -> impl Strategy<Value = String> {
        (any::<bool>(), any::<bool>(), place()).prop_map(|(exercise, signal, place)| {
            format!(
                "{}{}/{place}",
                if exercise { "exercise/" } else { "" },
                if signal { "signal" } else { "alert" }
            )
        })
    }

    #[derive(Debug, Clone)]
    enum Step {
        Enter(usize, Vec<String>),
        Leave(usize),
        Publish(String, Severity),
    }

    fn step() -> impl Strategy<Value = Step> {
        let filter = (channel(), any::<bool>())
            .prop_map(|(channel, all)| format!("{channel}{}", if all { ".**" } else { "" }));
        prop_oneof![
            (0..12_usize, prop::collection::vec(filter, 1..5))
                .prop_map(|(session, filters)| Step::Enter(session, filters)),
            (0..12_usize).prop_map(Step::Leave),
            (channel(), prop::sample::select(Severity::ALL.to_vec()))
                .prop_map(|(channel, severity)| Step::Publish(channel, severity)),
        ]
    }

    proptest! {
        /// Whatever enters and leaves, the table finds just those whose filters take the message.
        #[test]
        fn the_table_agrees_with_the_filters(steps in prop::collection::vec(step(), 1..80)) {
            let mut table = Topics::default();
            let mut model: BTreeMap<usize, Vec<Filter>> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Enter(session, filters) => {
                        let mut filters: Vec<Filter> = filters.iter().map(|text| text.parse().unwrap()).collect();
                        filters.sort();
                        filters.dedup();
                        table.leave(session);
                        table.enter(session, &filters);
                        model.insert(session, filters);
                    }
                    Step::Leave(session) => {
                        table.leave(session);
                        model.remove(&session);
                    }
                    Step::Publish(channel, severity) => {
                        let channel: Channel = channel.parse().unwrap();
                        let places = table.places();
                        let mut heard = BTreeSet::new();
                        table.audience(&channel, severity, |session| { heard.insert(session); });
                        let expected: BTreeSet<_> = model.iter()
                            .filter(|(_, filters)| filters.iter().any(|filter| filter.takes(&channel, severity)))
                            .map(|(session, _)| *session).collect();
                        prop_assert_eq!(heard, expected);
                        prop_assert_eq!(table.places(), places, "publishing added to the table");
                    }
                }
            }
            for session in 0..12 { table.leave(session); }
            prop_assert_eq!(table.places(), 0, "places are left over");
        }
    }
}
