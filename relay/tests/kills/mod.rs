//! What is killed: the real relay, and a client in a process of its own that queues and sends.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::timeout;
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::frame::Start;
use vigie_client::proto::id::MessageId;
use vigie_client::proto::severity::Severity;
use vigie_client::{Context, Delivery, Draft, Live, Outbox, OutboxError, OutboxState};

/// Longer than anything takes that comes to an end.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
const CHANNEL: &str = "signal/fr.idf.75.paris";
/// Names the context for the client; it runs only where this is set.
const CLIENT: &str = "VIGIE_KILLED_CLIENT_CONTEXT";
/// The test of each file that is the client.
const CLIENT_TEST: &str = "client_that_is_killed";

/// So many messages a client queues before it waits until they are sent: what all lives leave behind is to be sent in
/// seconds.
const QUEUED_AHEAD: u32 = 32;

/// A process, killed when it is dropped.
pub(crate) struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Moments that differ from run to run, and can be read in its output (xorshift).
pub(crate) struct Moments(u64);

impl Moments {
    pub(crate) fn new() -> Self {
        let seed = u64::from(std::process::id()) | 1;
        println!("kills at moments from seed {seed}");
        Self(seed)
    }

    /// Others than those of `self`.
    pub(crate) fn apart(&self) -> Self {
        Self(self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Not to wait for something: the moment of a kill is the input of these tests.
    pub(crate) async fn wait(&mut self, most: Duration) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        tokio::time::sleep(Duration::from_millis(self.0 % u64::try_from(most.as_millis()).unwrap())).await;
    }
}

/// Makes a deployment in a folder.
pub(crate) fn init(folder: &Path) -> PathBuf {
    let place = folder.join("essai");
    let made = Command::new(env!("CARGO_BIN_EXE_vigie")).arg("init").arg(&place).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // Authors who never rest: what is looked at is what a kill costs.
    let settings = place.join("vigie.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{text}\npublishes_per_credential_max = 1000000\n")).unwrap();
    place
}

/// Starts the relay and does not wait for it.
pub(crate) fn spawn_relay(place: &Path, listen: &str) -> Killed {
    let child = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(["relay", "run", "--listen", listen, "--config"])
        .arg(place.join("vigie.toml"))
        .env("VIGIE_LOG", "error")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Killed(child)
}

/// Starts the relay and waits until it names its address.
pub(crate) fn start_relay(place: &Path, listen: &str) -> (Killed, String) {
    let mut relay = spawn_relay(place, listen);
    let mut lines = BufReader::new(relay.0.stderr.take().unwrap()).lines();
    // What it found in its journal comes first.
    let told = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("vigie: listening on "));
    let first = told.expect("the relay says where it listens");
    // What it says later must be taken from it, or it would wait for a reader.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("relay: {line}")));
    let address = first.rsplit(' ').next().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{first}");
    (relay, address)
}

/// Starts the relay on a free port and tells the clients of the deployment.
pub(crate) fn first_relay(place: &Path) -> (Killed, String) {
    let (relay, address) = start_relay(place, "127.0.0.1:0");
    let port = address.rsplit(':').next().unwrap();
    let file = place.join("context.toml");
    let context = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, context.replace("localhost:7443", &format!("localhost:{port}"))).unwrap();
    (relay, address)
}

/// The client that is killed: the test of this name, started anew. Tells on stdout each message whose enqueue returned.
/// Returns at once where it was not meant.
pub(crate) async fn live_as_client() {
    let Some(place) = std::env::var_os(CLIENT).map(PathBuf::from) else { return };
    let client = Context::open(&place).unwrap().client::<Live>("field").unwrap();
    let outbox = Outbox::open(place.join("outbox"), &client).unwrap();
    assert!(outbox.damage().is_none_or(|damage| damage.is_tail), "{:?}", outbox.damage());
    let _driver = outbox.drive();
    for number in 0_u32.. {
        let queued = match outbox.enqueue(signal(format!("{} {number}", std::process::id()))).await {
            Err(OutboxError::Full { .. }) => {
                outbox.idle().await;
                continue;
            }
            queued => queued.unwrap(),
        };
        tell(queued.id);
        if number % QUEUED_AHEAD == QUEUED_AHEAD - 1 {
            outbox.idle().await;
        }
    }
}

fn tell(id: MessageId) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "queued {id}").unwrap();
    out.flush().unwrap();
}

fn signal(text: String) -> Draft {
    Draft::line(CHANNEL.parse().unwrap(), Severity::Minor, text, "fr-FR", Urgency::Expected)
}

/// What was told as queued by clients that were killed.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) kills: u32,
    pub(crate) lives_that_queued: u32,
    pub(crate) told: Vec<MessageId>,
}

impl Queue {
    /// Runs the client for a random while, then kills it.
    pub(crate) async fn run_and_kill(&mut self, place: &Path, moments: &mut Moments, life: Duration) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CLIENT_TEST, "--nocapture", "--test-threads", "1"])
            .env(CLIENT, place)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut killed = Killed(child);
        let (told, complaints) = (killed.0.stdout.take().unwrap(), killed.0.stderr.take().unwrap());
        // The harness writes before the first on the same line.
        let id = |line: String| line.rsplit_once("queued ")?.1.parse::<MessageId>().ok();
        let told = tokio::task::spawn_blocking(move || {
            BufReader::new(told).lines().map_while(Result::ok).filter_map(id).collect::<Vec<_>>()
        });
        let complaints = tokio::task::spawn_blocking(move || {
            BufReader::new(complaints).lines().map_while(Result::ok).collect::<Vec<_>>().join("\n")
        });
        moments.wait(life).await;
        if killed.0.try_wait().unwrap().is_some() {
            panic!("it ended by itself: {}", complaints.await.unwrap());
        }
        drop(killed);
        let told = told.await.unwrap();
        self.kills += 1;
        self.lives_that_queued += u32::from(!told.is_empty());
        self.told.extend(told);
    }

    /// Sends what the last life left, and judges: each message that was told is at the relay once, in order.
    pub(crate) async fn judge(&self, place: &Path) {
        let context = Context::open(place).unwrap();
        let client = context.client::<Live>("field").unwrap();
        let outbox = Outbox::open(place.join("outbox"), &client).unwrap();
        let left = outbox.entries();
        let stored = left.iter().filter(|entry| matches!(entry.state, OutboxState::Stored(_))).count();
        let _driver = outbox.drive();
        timeout(DEADLINE, outbox.idle()).await.expect("everything is sent in time");
        let last = outbox.enqueue(signal("fin".to_owned())).await.unwrap();
        timeout(DEADLINE, outbox.idle()).await.expect("the last one too");
        let region = context.client::<Live>("region").unwrap();
        let mut heard = region.subscribe(vec![CHANNEL.parse().unwrap()], Start::Beginning);
        let mut order = Vec::new();
        while order.last() != Some(&last.id) {
            match timeout(DEADLINE, heard.next()).await.expect("it is at the relay").unwrap() {
                Delivery::Message(message) => order.push(message.id()),
                Delivery::CaughtUp(_) => {}
                other => panic!("neither suspect nor gap: {other:?}"),
            }
        }
        println!(
            "{} clients killed, {} of them had queued, {} messages told as queued, {} at the relay; when the last life \
             ended {} waited",
            self.kills,
            self.lives_that_queued,
            self.told.len(),
            order.len(),
            left.len() - stored,
        );
        let places: BTreeMap<MessageId, usize> = order.iter().copied().zip(0..).collect();
        assert_eq!(places.len(), order.len(), "each id once");
        let place_of = |id: &MessageId| *places.get(id).unwrap_or_else(|| panic!("{id} is lost"));
        let given: Vec<usize> = self.told.iter().map(place_of).collect();
        assert!(given.is_sorted_by(|a, b| a < b), "in the order in which they were taken over");
        // What was on disk when the kill came before it could be told: at most one a life.
        assert!(order.len() <= self.told.len() + 1 + self.kills as usize, "nothing is invented");
    }
}
