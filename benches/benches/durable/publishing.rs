//! Durable publishes, with one publisher and with 64, beside what the disk and the journal need for the same bytes.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use vigie_client::{Client, Live, SignedMessage};
use vigie_tests::world::World;

use crate::cpu;
use crate::disk::{Alone, Disk};
use crate::figures::{Figure, Times};
use crate::messages::sign;

const ROUNDS: usize = 5;
const PUBLISHERS: usize = 64;
/// By one publisher, in a round.
const ONE_AFTER_ANOTHER: usize = 400;
/// By each of many, in a round.
const BY_EACH: usize = 60;

/// What one round of one part came to.
struct Measured {
    p50: Figure,
    p99: Figure,
}

impl Measured {
    const fn new(p50: &'static str, p99: &'static str) -> Self {
        Self { p50: Figure::new(p50, "µs"), p99: Figure::new(p99, "µs") }
    }

    fn add(&mut self, mut times: Times) {
        self.p50.add(times.percentile(50));
        self.p99.add(times.percentile(99));
    }

    fn print(&self) {
        self.p50.print();
        self.p99.print();
    }
}

pub(crate) fn run(world: &World, runtime: &Runtime) {
    let nation = &world.live.nation;
    let mut alone = Alone::new(&world.folder().join("alone"), nation);
    let one_bytes = alone.bytes_of(&sign(nation, "mesure", 1));
    let many_bytes = alone.bytes_of(&sign(nation, "mesures", PUBLISHERS));
    let mut disk = Disk::new(&world.folder().join("disk"));
    let relay = world.relay();
    let address = relay.local_addr();
    let _inside = runtime.enter();
    let clients: Vec<Client<Live>> = (0..PUBLISHERS).map(|_| world.client(address, nation)).collect();
    // Connections stand before anything is timed.
    let first = sign(nation, "premier", PUBLISHERS);
    runtime.block_on(publish_all(&clients, first.chunks(1)));

    let mut disk_one = Measured::new("disk alone, bytes of one publish, p50", "p99");
    let mut alone_one = Measured::new("journal alone, one message a sync, p50", "p99");
    let mut relay_one = Measured::new("relay over TLS, 1 publisher, publish to receipt, p50", "p99");
    let mut disk_many = Measured::new("disk alone, bytes of 64 publishes, p50", "p99");
    let mut alone_many = Measured::new("journal alone, 64 messages a sync, p50", "p99");
    let mut relay_many = Measured::new("relay over TLS, 64 publishers, publish to receipt, p50", "p99");
    let mut rate_alone = Figure::new("journal alone, append and group commit of 64, messages", "/s");
    let mut rate_relay = Figure::new("relay over TLS, 64 publishers, receipts", "/s");
    let mut cpu_relay = Figure::new("CPU of the relay's threads for one of these receipts", "µs");
    let mut cpu_clients = Figure::new("CPU of the clients for one of these receipts", "µs");
    for round in 0..ROUNDS {
        let singles = sign(nation, &format!("un {round}"), ONE_AFTER_ANOTHER);
        let many = sign(nation, &format!("tous {round}"), PUBLISHERS * BY_EACH);
        disk_one.add(disk.run(one_bytes, ONE_AFTER_ANOTHER));
        alone_one.add(alone.run(&singles, 1));
        relay_one.add(runtime.block_on(publish(clients[0].clone(), singles)));
        disk_many.add(disk.run(many_bytes, BY_EACH));
        let start = Instant::now();
        let times = alone.run(&many, PUBLISHERS);
        rate_alone.add(rate(many.len(), start.elapsed()));
        alone_many.add(times);
        let (before, start) = (cpu::spent(), Instant::now());
        let times = runtime.block_on(publish_all(&clients, many.chunks(BY_EACH)));
        rate_relay.add(rate(many.len(), start.elapsed()));
        let after = cpu::spent();
        cpu_relay.add(microseconds(after.0 - before.0, many.len()));
        cpu_clients.add(microseconds(after.1 - before.1, many.len()));
        relay_many.add(times);
    }
    println!(
        "\npublishes: {ROUNDS} rounds, {one_bytes} bytes on disk for one, {many_bytes} for 64 in a batch"
    );
    for measured in [disk_one, alone_one, relay_one, disk_many, alone_many, relay_many] {
        measured.print();
    }
    for figure in [&rate_alone, &rate_relay, &cpu_relay, &cpu_clients] {
        figure.print();
    }
    println!("receipts are {:.0} % of the journal alone", 100.0 * rate_relay.median() / rate_alone.median());
    relay.stop(Duration::from_secs(1)).unwrap();
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn microseconds(nanoseconds: u64, count: usize) -> f64 {
    nanoseconds as f64 / 1e3 / count as f64
}

/// One after another, each once the receipt of the one before is there.
async fn publish(client: Client<Live>, messages: Vec<SignedMessage>) -> Times {
    let mut times = Times::default();
    for message in messages {
        let start = Instant::now();
        client.publish_signed(&message).await.unwrap();
        times.push(start.elapsed());
    }
    times
}

/// All clients at once, each its own share.
async fn publish_all(clients: &[Client<Live>], shares: impl Iterator<Item = &[SignedMessage]>) -> Times {
    let publishers: Vec<_> = clients
        .iter()
        .zip(shares)
        .map(|(client, share)| tokio::spawn(publish(client.clone(), share.to_vec())))
        .collect();
    let mut times = Times::default();
    for publisher in publishers {
        times.extend(publisher.await.unwrap());
    }
    times
}
