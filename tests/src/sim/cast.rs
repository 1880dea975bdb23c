//! Who takes part in a simulation, drawn under the seed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::chain::Roots;
use vigie_proto::channel::Plane;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::Start;
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::severity::Severity;

use super::author::{Author, Voice};
use super::client::{Client, Work};
use super::history::History;
use super::issuer;
use super::network::Millis;
use super::people::{BEGIN, Command, Person};
use super::random::Chance;
use super::reader::{ReadingClient, Wishes};

/// Everyone.
#[derive(Debug)]
pub struct Cast {
    /// The pinned roots of both planes.
    pub roots: Roots,
    /// Authors and readers.
    pub clients: Vec<Client>,
    /// The next free number of a reader.
    pub next_reader: usize,
}

/// Draws everyone. Authors speak until `ends`.
pub fn draw(ends: Millis, chance: &mut Chance, history: &mut History) -> Cast {
    let live = Command::new(Plane::Live, chance);
    let exercise = Command::new(Plane::Exercise, chance);
    let roots = Roots::new([live.pinned(), exercise.pinned()]);
    let mut cast = Cast { roots, clients: Vec::new(), next_reader: 0 };
    for command in [&live, &exercise] {
        let (issuers, moments) = issuer::draw(command, ends, chance);
        for (person, voice) in voices(command) {
            if command.plane == Plane::Live || chance.one_in(2) {
                let count = chance.within(2..=30);
                let mut plan: Vec<_> = (0..count).map(|_| chance.within(0..=ends)).collect();
                if chance.one_in(3) {
                    // All at once, as in the first minutes of a crisis.
                    let at = chance.within(0..=ends);
                    plan.iter_mut().for_each(|moment| *moment = at);
                }
                for (_, at) in moments.iter().filter(|(key, _)| *key == person.key.public().thumbprint()) {
                    // Much to say, while somebody revokes him.
                    plan.extend((0..chance.within(8..=20)).map(|_| at + chance.within(0..=40)));
                }
                plan.sort_unstable();
                let author = Author::new(cast.clients.len(), command.plane, voice, VecDeque::from(plan));
                cast.clients.push(Client::new(person.clone(), Work::Publishes(author), 0, chance));
            }
        }
        for (person, issuer) in issuers {
            cast.clients.push(Client::new(person, Work::Revokes(issuer), 0, chance));
        }
        let readers = if command.plane == Plane::Live { chance.within(2..=8) } else { chance.within(1..=3) };
        for _ in 0..readers {
            cast.add_reader(command, ends, chance, history);
        }
    }
    cast
}

impl Cast {
    fn add_reader(&mut self, command: &Command, ends: Millis, chance: &mut Chance, history: &mut History) {
        let listeners = listeners(command);
        let (person, filters) = chance.pick(&listeners).clone();
        let prefix = if command.plane == Plane::Exercise { "exercise/" } else { "" };
        let set =
            |filters: &[&str]| filters.iter().map(|filter| format!("{prefix}{filter}")).collect::<Vec<_>>();
        let mut sets = vec![set(&filters)];
        // What the same person may hear as well.
        sets.extend(
            listeners
                .iter()
                .filter(|(other, _)| Arc::ptr_eq(&other.key, &person.key))
                .map(|(_, filters)| set(filters)),
        );
        let foreign = Cursor {
            log: LogId::from_bytes(chance.bytes()),
            seq: Sequence::new(chance.within(1..=50)),
            admitted: BEGIN.minus(Duration::from_secs(chance.within(0..=900))),
        };
        let start = *chance.pick(&[Start::Here, Start::Beginning, Start::Beginning, Start::After(foreign)]);
        let begins = if chance.one_in(3) { chance.within(0..=ends) } else { 0 };
        let id = self.next_reader;
        self.next_reader += 1;
        let org = person.first.leaf().claims().org.clone();
        let wishes = Wishes { plane: command.plane, org, sets, by_sdk: !chance.one_in(3), start };
        let reader = ReadingClient::new(id, wishes, &self.roots, history);
        self.clients.push(Client::new(person, Work::Reads(Box::new(reader)), begins, chance));
    }
}

fn voices(command: &Command) -> Vec<(Person, Voice)> {
    let exercise = command.plane == Plane::Exercise;
    let voice = |channels: [&'static str; 2], ceiling, [out_of_place, other_plane]: [&'static str; 2]| {
        Voice { channels: channels.to_vec(), ceiling, out_of_place, other_plane }
    };
    if exercise {
        let (nation, field) = ("exercise/alert/fr", "exercise/signal/fr.idf.75.paris");
        return vec![
            (
                command.nation.clone(),
                voice(
                    [nation, "exercise/alert/fr.idf"],
                    Severity::Extreme,
                    ["exercise/alert/ml", "alert/fr"],
                ),
            ),
            (
                command.field.clone(),
                voice([field, field], Severity::Severe, ["exercise/signal/fr.naq", "signal/fr.idf.75.paris"]),
            ),
        ];
    }
    let field = "signal/fr.idf.75.paris";
    let exercise_field = "exercise/signal/fr.idf.75.paris";
    vec![
        (
            command.nation.clone(),
            voice(["alert/fr", "alert/fr.naq"], Severity::Extreme, ["alert/ml", "exercise/alert/fr"]),
        ),
        (
            command.region.clone(),
            voice(
                ["alert/fr.idf", "signal/fr.idf"],
                Severity::Extreme,
                ["alert/fr", "exercise/alert/fr.idf"],
            ),
        ),
        (
            command.town.clone(),
            voice(["alert/fr.idf.75.paris", field], Severity::Extreme, ["alert/fr.idf", exercise_field]),
        ),
        (command.field.clone(), voice([field, field], Severity::Severe, ["signal/fr.idf", exercise_field])),
    ]
}

fn listeners(command: &Command) -> Vec<(Person, Vec<&'static str>)> {
    let Command { nation, region, town, elsewhere, field, .. } = command;
    vec![
        (nation.clone(), vec!["alert/fr", "signal/fr"]),
        (nation.clone(), vec!["alert/fr.**", "signal/fr.**", "alert/fr.idf"]),
        (region.clone(), vec!["alert/fr.idf", "signal/fr.idf"]),
        (region.clone(), vec!["signal/fr.idf.**"]),
        (region.clone(), vec!["alert/fr.idf.75.paris", "signal/fr.idf.75"]),
        (town.clone(), vec!["alert/fr.idf.75.paris", "signal/fr.idf.75.paris"]),
        (elsewhere.clone(), vec!["alert/fr.naq.33.bordeaux"]),
        (field.clone(), vec!["alert/fr.idf.75.paris"]),
    ]
}
