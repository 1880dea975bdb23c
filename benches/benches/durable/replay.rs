//! A reader from the beginning of a journal of 100,000 signed messages, and the first receipt after a start on it.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use vigie_client::proto::frame::Start;
use vigie_client::{Client, Delivery, Live};
use vigie_proto::id::Sequence;
use vigie_tests::raw::Raw;
use vigie_tests::world::{World, now};

use crate::disk;
use crate::figures::Figure;
use crate::messages::{credentials, record, sign};

/// Where the reader is; it hears all that is said to the nation.
const TOWN: &str = "alert/fr.idf.75.paris";
const MESSAGES: usize = 100_000;
const ROUNDS: usize = 3;
/// As the relay reads it for those who are behind.
const PAGE_BYTES: usize = 128 * 1024;

pub(crate) fn run(world: &World, runtime: &Runtime) {
    let folder = world.journal("replay");
    std::fs::create_dir_all(&folder).unwrap();
    let bytes = fill(world, &folder);
    let mut alone = Figure::new("replay, journal reader alone, messages", "/s");
    let mut raw = Figure::new("replay, over TLS to a reader that only parses, messages", "/s");
    let mut sdk = Figure::new("replay, over TLS to the SDK, which verifies each, messages", "/s");
    let mut receipt = Figure::new("start on 100,000 messages to the first receipt", "ms");
    for round in 0..ROUNDS {
        alone.add(rate(read_alone(&folder)));
        let start = Instant::now();
        let relay = world.relay_with(world.config("replay"));
        let address = relay.local_addr();
        let _inside = runtime.enter();
        let region: Client<Live> = world.client(address, &world.live.nation);
        let first = sign(&world.live.nation, &format!("premier {round}"), 1);
        runtime.block_on(region.publish_signed(&first[0])).unwrap();
        receipt.add(start.elapsed().as_secs_f64() * 1e3);
        raw.add(rate(runtime.block_on(read_raw(world, address))));
        sdk.add(rate(runtime.block_on(read_sdk(&world.client(address, &world.live.town)))));
        relay.stop(Duration::from_secs(1)).unwrap();
    }
    println!("\nreplay: {ROUNDS} rounds, {MESSAGES} messages of {} bytes, one reader", bytes / MESSAGES);
    for figure in [&alone, &raw, &sdk] {
        figure.print();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let megabytes = figure.median() * bytes as f64 / MESSAGES as f64 / 1e6;
        println!("    {megabytes:.0} MB/s of signed messages");
    }
    receipt.print();
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(time: Duration) -> f64 {
    MESSAGES as f64 / time.as_secs_f64()
}

/// Gives how many signed bytes there are.
fn fill(world: &World, folder: &Path) -> usize {
    let nation = &world.live.nation;
    let messages = sign(nation, "passé", MESSAGES);
    let mut journal = disk::open(folder);
    journal.append(&credentials(nation)).unwrap();
    let mut seq = 0;
    for batch in messages.chunks(500) {
        let admitted = now();
        let records: Vec<_> = batch
            .iter()
            .map(|message| {
                seq += 1;
                record(nation, message, seq, admitted)
            })
            .collect();
        journal.append(&records).unwrap();
    }
    messages.iter().map(|message| message.token().len()).sum()
}

fn read_alone(folder: &Path) -> Duration {
    let journal = disk::open(folder);
    let reader = journal.reader();
    let (start, mut at, mut count) = (Instant::now(), Sequence::START, 0);
    while at < reader.head() {
        let page = reader.read_after(at, PAGE_BYTES).unwrap();
        count += page.messages.len();
        at = page.end;
    }
    assert!(count >= MESSAGES);
    start.elapsed()
}

async fn read_raw(world: &World, address: std::net::SocketAddr) -> Duration {
    let mut raw = Raw::log_in(world, address, &world.live.town).await;
    let start = Instant::now();
    raw.send(&format!(r#"{{"op":"subscribe","n":1,"channels":["{TOWN}"],"after":"start"}}"#)).await;
    for _ in 0..MESSAGES {
        raw.event().await;
    }
    start.elapsed()
}

async fn read_sdk(town: &Client<Live>) -> Duration {
    let start = Instant::now();
    let mut subscription = town.subscribe(vec![TOWN.parse().unwrap()], Start::Beginning);
    let mut count = 0;
    while count < MESSAGES {
        if let Delivery::Message(_) = subscription.next().await.unwrap() {
            count += 1;
        }
    }
    start.elapsed()
}
