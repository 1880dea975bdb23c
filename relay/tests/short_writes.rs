//! A write that the system cuts short and then fails, on the real binary: a limit on the size of files, set while the
//! relay runs, lets through a part of a batch and no more. Nothing of that batch is acknowledged, the relay ends with the
//! exit code of a failed disk and not by the signal that comes with such a limit, and the one that starts afterwards
//! cuts the part and has everything else.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

#[expect(dead_code, reason = "shared with the tests that trace")]
#[path = "support_strace/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use tokio::time::timeout;
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::frame::Start;
use vigie_client::proto::severity::Severity;
use vigie_client::{Client, Delivery, Draft, Live, SignedMessage};

use support::{DEADLINE, Place, eventually};

/// Bytes of the batch that the limit lets through: a part of its first mark, of a header, of a record, nearly all.
const LET_THROUGH: [u64; 5] = [1, 60, 700, 4_096, 9_000];
const TEXT_BYTES: usize = 9_000;
/// The exit code of a failed disk.
const STORAGE_FAILED: i32 = 10;

fn sign(client: &Client<Live>, text: &str) -> SignedMessage {
    let text = format!("{text} {}", "x".repeat(TEXT_BYTES));
    let channel = "alert/fr".parse().unwrap();
    client.sign(Draft::line(channel, Severity::Moderate, text, "fr-FR", Urgency::Expected)).unwrap()
}

/// The one segment that is written to.
fn segment(journal: &Path) -> Vec<u8> {
    let names = std::fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    let newest = names.filter(|path| path.extension().is_some_and(|end| end == "vigie")).max();
    std::fs::read(newest.unwrap()).unwrap()
}

fn end(segment: &[u8]) -> u64 {
    segment.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1
}

#[tokio::test]
#[cfg_attr(not(vigie_strace), ignore = "needs prlimit, and leave to use it")]
async fn what_a_short_write_leaves_is_not_acknowledged_and_is_cut() {
    let place = Place::new();
    for bytes in LET_THROUGH {
        let node = place.node(&format!("limit-{bytes}"), "segment_bytes = 131072\nworkers = 1");
        let mut relay = node.start();
        let client = place.client("nation", &relay.listening().await.unwrap());
        let (first, second) = (sign(&client, "un"), sign(&client, "deux"));
        let receipt = timeout(DEADLINE, client.publish_signed(&first)).await.unwrap().unwrap();
        // At rest: a footer, 44 bytes, is the last that is written before the next batch, and is written over by it.
        let acknowledged = end(&segment(&node.journal));
        assert!(eventually(|| end(&segment(&node.journal)) > acknowledged).await, "it rests");
        let (at_rest, limit) = (end(&segment(&node.journal)), acknowledged + bytes);
        let set = Command::new("prlimit")
            .args([format!("--pid={}", relay.pid()), format!("--fsize={limit}:{limit}")])
            .status();
        assert!(set.unwrap().success());
        let publish = tokio::spawn({
            let (client, second) = (client.clone(), second.clone());
            async move { client.publish_signed(&second).await }
        });
        let mut status = None;
        eventually(|| {
            status = relay.ended();
            status.is_some()
        })
        .await;
        let status = status.expect("a relay whose disk fails ends");
        assert_eq!(status.code(), Some(STORAGE_FAILED), "{bytes}: {status}: {}", relay.said());
        assert!(!publish.is_finished() || publish.await.unwrap().is_err(), "{bytes}: it had a receipt");
        let left = segment(&node.journal);
        let written = limit.max(at_rest);
        assert!(
            (written - 8..=written).contains(&end(&left)),
            "up to the limit, and not behind it: {}",
            end(&left)
        );

        let mut relay = node.start();
        let address = relay.listening().await.unwrap();
        let client = place.client("nation", &address);
        for (message, seq) in [(&first, receipt.seq.get()), (&second, receipt.seq.get() + 1)] {
            let again = timeout(DEADLINE, client.publish_signed(message)).await.unwrap().unwrap();
            assert_eq!((again.log, again.seq.get()), (receipt.log, seq), "{bytes}");
        }
        let filter = vec!["alert/fr.idf.75.paris".parse().unwrap()];
        let mut reader = place.client("town", &address).subscribe(filter, Start::Beginning);
        for message in [&first, &second] {
            match timeout(DEADLINE, reader.next()).await.unwrap().unwrap() {
                Delivery::Message(given) => assert_eq!(given.id(), message.id()),
                other => panic!("{bytes}: {other:?}"),
            }
        }
    }
}
