//! What the tests of `vigie journal` share: a deployment with messages in its log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use vigie_client::{Client, Context, Draft, Live, SignedMessage};
use vigie_proto::cap::Urgency;
use vigie_proto::severity::Severity;

use crate::support::{Place, Ran, Running, command, finish};

/// Longer than any step takes; only a failing test waits for it.
pub(crate) const PATIENCE: &str = "60s";
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// Someone who publishes over one line.
pub(crate) struct Author {
    runtime: tokio::runtime::Runtime,
    client: Client<Live>,
}

impl Author {
    pub(crate) fn of(place: &Place, name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = {
            let _inside = runtime.enter();
            Context::open(place.dir()).unwrap().client(name).unwrap()
        };
        Self { runtime, client }
    }

    /// Publishes a text and waits for the receipt; gives its place.
    pub(crate) fn say(&self, channel: &str, text: &str, lifetime: Duration) -> u64 {
        self.try_say(channel, text, lifetime).unwrap()
    }

    /// As [`Author::say`]; `None` when no receipt came while the message was current.
    pub(crate) fn try_say(&self, channel: &str, text: &str, lifetime: Duration) -> Option<u64> {
        let (severity, urgency) = (Severity::Moderate, Urgency::Expected);
        let draft =
            Draft::line(channel.parse().unwrap(), severity, text, "fr-FR", urgency).lifetime(lifetime);
        self.runtime.block_on(async { Some(self.client.publish(draft).await.ok()?.seq.get()) })
    }
}

/// A deployment whose relay has had `count` messages, and was stopped.
pub(crate) fn with_messages(count: usize) -> Place {
    let place = Place::new();
    let relay = place.relay();
    say(&place, count);
    let (code, said) = relay.stop("-TERM");
    assert_eq!(code, 0, "{said}");
    place
}

/// Publishes `count` messages to a relay that runs.
pub(crate) fn say(place: &Place, count: usize) {
    let author = Author::of(place, "nation");
    for number in 1..=count {
        author.say("alert/fr", &format!("alerte {number}"), HOUR);
    }
}

/// `vigie journal` with the settings of the place, and its answer as objects.
pub(crate) fn journal(place: &Place, args: &[&str]) -> Ran {
    place.vigie(&[&["journal"], args, &["--config", &place.path("vigie.toml")]].concat())
}

/// The one object of a type.
pub(crate) fn object(ran: &Ran, kind: &str) -> Value {
    let of_kind: Vec<Value> = ran.objects().into_iter().filter(|one| one["type"] == kind).collect();
    let [one] = &of_kind[..] else { panic!("{kind}: {ran:?}") };
    one.clone()
}

/// Puts the journal folder of a place aside and an empty one in its place.
pub(crate) fn empty_journal(place: &Place) -> PathBuf {
    let (folder, aside) = (place.dir().join("journal"), place.dir().join("journal.old"));
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::create_dir(&folder).unwrap();
    aside
}

/// Every file of a folder with its bytes.
pub(crate) fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // Not the socket of a relay's door.
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// The segments of a folder, oldest first.
pub(crate) fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "vigie"))
        .collect();
    paths.sort();
    paths
}

/// What a reader hears of `alert/fr` after a cursor, up to where it has caught up.
pub(crate) fn heard(place: &Place, after: &str, count: usize) -> Vec<Value> {
    let count = count.to_string();
    let listen = ["sub", "alert/fr", "--as", "nation", "--after", after, "--json", "--count", &count];
    place.vigie(&[&listen[..], &["--wait", PATIENCE]].concat()).ended(0).objects()
}

pub(crate) fn of_type<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|one| one["type"] == kind).collect()
}

/// Flips one byte of a file where this text first stands, that many bytes into it.
pub(crate) fn damage(path: &Path, text: &[u8], at: usize) -> usize {
    let mut bytes = std::fs::read(path).unwrap();
    let found = bytes.windows(text.len()).position(|window| window == text).unwrap();
    bytes[found + at] ^= 0x01;
    std::fs::write(path, bytes).unwrap();
    found + at
}

/// Publishes signed bytes again; the log, place and time of their receipt.
pub(crate) fn replay(place: &Place, jws: &str) -> (String, u64, u64) {
    let author = Author::of(place, "nation");
    let message = SignedMessage::from_token(jws).unwrap();
    let receipt = author.runtime.block_on(async { author.client.publish_signed(&message).await.unwrap() });
    (receipt.log.to_string(), receipt.seq.get(), receipt.admitted.as_millis())
}

/// A relay that is expected to refuse: how it ended.
pub(crate) fn refused_relay(place: &Place) -> Ran {
    let config = place.path("vigie.toml");
    finish(command(&["relay", "run", "--config", &config, "--listen", "127.0.0.1:0"]), "")
}

pub(crate) fn stop(relay: Running) {
    let (code, said) = relay.stop("-TERM");
    assert_eq!(code, 0, "{said}");
}
