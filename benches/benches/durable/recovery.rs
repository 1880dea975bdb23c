//! The start on a journal of 1 GiB, after an unclean stop, to the first receipt.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Runtime;
use vigie_client::{Client, Live};
use vigie_proto::id::{CredentialId, MessageId, Sequence};
use vigie_proto::label::Audience;
use vigie_proto::severity::Severity;
use vigie_relay::journal::{MessageRecord, Record};
use vigie_tests::world::{World, now};

use crate::disk;
use crate::figures::Figure;
use crate::messages::sign;

const ROUNDS: usize = 3;
/// 1 GiB of records of 1,048 bytes each.
const RECORDS: u64 = (1 << 30) / 1_048;
const BATCH: u64 = 512;

pub(crate) fn run(world: &World, runtime: &Runtime) {
    let folder = world.journal("gib");
    std::fs::create_dir_all(&folder).unwrap();
    fill(&folder);
    let mut journal = Figure::new("journal of 1 GiB opened, from the page cache", "ms");
    let mut cold = Figure::new("journal of 1 GiB opened, after its pages were let go", "ms");
    let mut receipt = Figure::new("start on 1 GiB to the first receipt, from the page cache", "ms");
    for round in 0..ROUNDS {
        let start = Instant::now();
        drop(disk::open(&folder));
        journal.add(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let relay = world.relay_with(world.config("gib"));
        let _inside = runtime.enter();
        let client: Client<Live> = world.client(relay.local_addr(), &world.live.nation);
        let first = sign(&world.live.nation, &format!("reprise {round}"), 1);
        runtime.block_on(client.publish_signed(&first[0])).unwrap();
        receipt.add(start.elapsed().as_secs_f64() * 1e3);
        // Without a footer, as after a kill.
        drop(relay);
        let_go(&folder);
        let start = Instant::now();
        drop(disk::open(&folder));
        cold.add(start.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "\nrecovery: {ROUNDS} rounds, {RECORDS} messages by 64 authors, all in force; the aim is 5,000 ms"
    );
    for figure in [journal, cold, receipt] {
        figure.print();
    }
}

fn fill(folder: &Path) {
    let mut journal = disk::open(folder);
    let admitted = now();
    for first in (1..=RECORDS).step_by(usize::try_from(BATCH).unwrap()) {
        let record = |seq: u64| {
            let mut id = [7; 32];
            id[..8].copy_from_slice(&seq.to_le_bytes());
            Record::Message(MessageRecord {
                seq: Sequence::new(seq),
                admitted,
                expires: admitted.plus(Duration::from_secs(3_600)),
                id: MessageId::from_bytes(id),
                // One author may not have more than a tenth of the ids in force.
                credential: CredentialId::from_bytes([u8::try_from(seq % 64).unwrap(); 32]),
                severity: Severity::Severe,
                channel: format!("alert/fr.c{}", seq % 1_000).parse().unwrap(),
                audience: Audience::EVERYONE,
                jws: Bytes::from(vec![b'a'; 920]),
            })
        };
        let records: Vec<_> = (first..RECORDS.min(first + BATCH)).map(record).collect();
        journal.append(&records).unwrap();
    }
}

/// Lets the page cache forget the folder, so that it is read from the disk.
fn let_go(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = std::fs::File::open(entry.unwrap().path()).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}
