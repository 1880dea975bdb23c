//! What warning systems issue goes through: every CAP 1.2 alert that is valid can be signed, admitted and read back
//! verified, equal to what was imported.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use vigie_client::cap;
use vigie_client::{Client, Delivery, Draft, Exercise, Live, OnPlane, Subscription};
use vigie_proto::cap::{Alert, Scope};
use vigie_proto::channel::Plane;
use vigie_proto::frame::Start;
use vigie_proto::label::Label;
use vigie_proto::message::Content;
use vigie_proto::severity::Severity;
use vigie_relay::server::Relay;
use vigie_tests::soon;
use vigie_tests::world::World;

/// One plane: who publishes, and who hears it.
struct Side<P: OnPlane> {
    author: Client<P>,
    heard: Subscription<P>,
    channel: &'static str,
    published: u64,
}

impl<P: OnPlane> Side<P> {
    fn new(
        world: &World,
        relay: &Relay,
        command: &vigie_tests::world::Command,
        channel: &'static str,
    ) -> Self {
        let author = world.client::<P>(relay.local_addr(), &command.nation);
        let reader = world.client::<P>(relay.local_addr(), &command.town);
        let filter = format!("{channel}.idf.75.paris").parse().unwrap();
        Self { author, heard: reader.subscribe(vec![filter], Start::Beginning), channel, published: 0 }
    }

    async fn passes(&mut self, name: &str, alert: &Alert) {
        let severity = alert.severity_floor().unwrap_or(Severity::Severe);
        let content = Content { cap: alert.clone(), original: None };
        let label = if alert.scope == Scope::Public { Label::CLEAR } else { Label::GREEN };
        // Two files may say the same, and said in the same millisecond that would be one message.
        self.published += 1;
        let lifetime = Duration::from_secs(3_600 + self.published);
        let draft =
            Draft::new(self.channel.parse().unwrap(), severity, content).label(label).lifetime(lifetime);
        let receipt =
            soon(self.author.publish(draft)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        loop {
            match soon(self.heard.next()).await {
                Some(Delivery::CaughtUp(_)) => {}
                Some(Delivery::Message(message)) => {
                    assert_eq!(message.id(), receipt.id, "{name}");
                    assert_eq!(&message.message().content.cap, alert, "{name}");
                    return;
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

/// Publishes every file; returns how many went through on each plane.
async fn all_pass(files: &[PathBuf]) -> (usize, usize) {
    let world = World::new();
    let relay = world.relay();
    let mut live = Side::<Live>::new(&world, &relay, &world.live, "alert/fr");
    let mut exercise = Side::<Exercise>::new(&world, &relay, &world.exercise, "exercise/alert/fr");
    let mut passed = (0, 0);
    for file in files {
        let name = file.display().to_string();
        let imported =
            cap::import(&std::fs::read(file).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        match imported.alert.plane() {
            Some(Plane::Live) => {
                live.passes(&name, &imported.alert).await;
                passed.0 += 1;
            }
            Some(Plane::Exercise) => {
                exercise.passes(&name, &imported.alert).await;
                passed.1 += 1;
            }
            // A draft goes nowhere.
            None => {}
        }
    }
    passed
}

#[tokio::test]
async fn the_fixtures_of_this_project_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client-sdk/tests/fixtures/cap");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "xml"));
    files.sort();
    let (live, exercise) = all_pass(&files).await;
    assert!(live >= 20 && exercise >= 2, "{live} live, {exercise} exercise");
    assert!(live + exercise >= 25, "{live} live, {exercise} exercise");
}

#[tokio::test]
#[cfg_attr(
    not(vigie_test_data),
    ignore = "needs VIGIE_TEST_DATA, third-party CAP files; see CONTRIBUTING.md"
)]
async fn all_valid_alerts_of_other_issuers_pass() {
    let folder = PathBuf::from(std::env::var_os("VIGIE_TEST_DATA").unwrap()).join("cap");
    let index = std::fs::read_to_string(folder.join("index.csv")).unwrap();
    // The columns that are read (file, kind, cap, schema_valid) stand before any that may hold a quoted comma but
    // `issuer`, so the line is split after it.
    let files: Vec<_> = index
        .lines()
        .skip(1)
        .filter(|line| line.contains(",alert,1.2,valid,"))
        .map(|line| folder.join("alerts").join(line.split(',').next().unwrap()))
        .collect();
    assert_eq!(files.len(), 69, "the index marks 69 alerts as valid CAP 1.2 on their own");
    let (live, exercise) = all_pass(&files).await;
    println!("{live} live and {exercise} exercise alerts of {} passed", files.len());
    assert_eq!(live + exercise, files.len());
}
