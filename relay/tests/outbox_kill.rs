//! What an outbox took over is sent, whatever becomes of the process: a client that queues and sends is killed thirty
//! times at random moments. Every message whose enqueue returned is at the relay exactly once, in order.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]
#![cfg(unix)]

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

const KILLS: u32 = 30;
/// From the start of the client to its kill.
const LIFE_MS_MAX: u64 = 120;
const DEADLINE: Duration = Duration::from_secs(120);
const CHANNEL: &str = "signal/fr.idf.75.paris";
/// Names the context for the client; it runs only where this is set.
const CLIENT: &str = "VIGIE_OUTBOX_KILL_CONTEXT";

/// A process, killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The client that is killed: this same test, started anew. Tells on stdout each message whose enqueue returned.
#[tokio::test]
async fn client_that_is_killed() {
    let Some(place) = std::env::var_os(CLIENT).map(PathBuf::from) else { return };
    let client = Context::open(&place).unwrap().client::<Live>("field").unwrap();
    let outbox = Outbox::open(place.join("outbox"), &client).unwrap();
    assert!(outbox.damage().is_none_or(|damage| damage.is_tail), "{:?}", outbox.damage());
    let _driver = outbox.drive();
    for number in 0_u32.. {
        let text = format!("{} {number}", std::process::id());
        let draft = Draft::line(CHANNEL.parse().unwrap(), Severity::Minor, text, "fr-FR", Urgency::Expected);
        let queued = match outbox.enqueue(draft).await {
            Err(OutboxError::Full { .. }) => {
                outbox.idle().await;
                continue;
            }
            queued => queued.unwrap(),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "queued {}", queued.id).unwrap();
        out.flush().unwrap();
    }
}

fn start_relay(place: &Path) -> Killed {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(["relay", "run", "--listen", "127.0.0.1:0", "--config"])
        .arg(place.join("vigie.toml"))
        .env("VIGIE_LOG", "error")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.next().expect("the relay says where it listens").unwrap();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    let port = first.rsplit(':').next().unwrap();
    let file = place.join("context.toml");
    let context = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, context.replace("localhost:7443", &format!("localhost:{port}"))).unwrap();
    Killed(child)
}

/// Xorshift: moments that differ from run to run, and can be read in its output.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Runs the client for a random while; what it told before it was killed.
async fn run_and_kill(place: &Path, random: &mut u64) -> Vec<MessageId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "client_that_is_killed", "--nocapture", "--test-threads", "1"])
        .env(CLIENT, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(child.stdout.take().unwrap());
    let complaints = BufReader::new(child.stderr.take().unwrap());
    let told = std::thread::spawn(move || {
        let lines = told.lines().map_while(Result::ok);
        // The harness writes before the first on the same line.
        let id = |line: String| line.rsplit_once("queued ")?.1.parse::<MessageId>().ok();
        lines.filter_map(id).collect::<Vec<_>>()
    });
    let complaints =
        std::thread::spawn(move || complaints.lines().map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    // Not to wait for something: the moment of the kill is the input of this test.
    tokio::time::sleep(Duration::from_millis(next(random) % LIFE_MS_MAX)).await;
    let mut killed = Killed(child);
    assert!(killed.0.try_wait().unwrap().is_none(), "it ended by itself: {}", complaints.join().unwrap());
    drop(killed);
    told.join().unwrap()
}

#[tokio::test]
async fn what_was_taken_over_is_sent_once_and_in_order_through_thirty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("essai");
    let made = Command::new(env!("CARGO_BIN_EXE_vigie")).arg("init").arg(&place).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let _relay = start_relay(&place);
    let mut random = u64::from(std::process::id()) | 1;
    println!("kills at moments from seed {random}");
    let mut queued = Vec::new();
    let mut lives_that_queued = 0;
    for _ in 0..KILLS {
        let told = run_and_kill(&place, &mut random).await;
        lives_that_queued += u32::from(!told.is_empty());
        queued.extend(told);
    }
    let context = Context::open(&place).unwrap();
    let client = context.client::<Live>("field").unwrap();
    let outbox = Outbox::open(place.join("outbox"), &client).unwrap();
    let left: Vec<OutboxState> = outbox.entries().into_iter().map(|entry| entry.state).collect();
    let stored_before = left.iter().filter(|state| matches!(state, OutboxState::Stored(_))).count();
    let _driver = outbox.drive();
    timeout(DEADLINE, outbox.idle()).await.expect("everything is sent in time");
    let draft = Draft::line(CHANNEL.parse().unwrap(), Severity::Minor, "fin", "fr-FR", Urgency::Expected);
    let last = outbox.enqueue(draft).await.unwrap();
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
    let places: BTreeMap<MessageId, usize> = order.iter().copied().zip(0..).collect();
    println!(
        "{KILLS} kills, {lives_that_queued} lives that queued, {} messages told as queued, {} at the relay; when the \
         last life ended {} waited and the last {stored_before} stored ones were remembered",
        queued.len(),
        order.len(),
        left.len() - stored_before,
    );
    assert_eq!(places.len(), order.len(), "each id once");
    let given: Vec<usize> =
        queued.iter().map(|id| *places.get(id).unwrap_or_else(|| panic!("{id} is lost"))).collect();
    assert!(given.is_sorted_by(|a, b| a < b), "in the order in which they were taken over");
    // What was on disk when the kill came before it could be told: at most one a life.
    assert!(order.len() <= queued.len() + 1 + KILLS as usize, "nothing is invented");
    assert!(lives_that_queued > KILLS / 3 && queued.len() > 30, "too little happened to mean anything");
}
