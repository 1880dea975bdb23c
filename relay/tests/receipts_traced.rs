//! Honest receipts, from a trace of the real relay: nothing about a message leaves before the `fdatasync` that covers it
//! has returned, to its author or to a reader.
//!
//! What leaves is encrypted, so it is told apart by who, how large, and in which order: each author has a line of its
//! own and one publish in flight, so its n-th receipt answers its n-th publish; a hint of how many heard (`reach`) has
//! a size of its own, and nothing else is sent in the time of a test. Numbers that do not come out fail the test.
//! Which write holds a message is read in the trace itself: a journal keeps the signed bytes as they are.
//!
//! `VIGIE_RECEIPTS=10000` asks for so many receipts, for a long run.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

#[expect(dead_code, reason = "shared with the matrix of storage calls")]
#[path = "support_strace/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use support::{Call, DEADLINE, Place, calls, eventually, terminate};
use tokio::time::timeout;
use vigie_client::proto::cap::Urgency;
use vigie_client::proto::frame::Start;
use vigie_client::proto::severity::Severity;
use vigie_client::{Client, Delivery, Draft, Live, SignedMessage};

const AUTHORS: usize = 8;
const RECEIPTS: usize = 1_000;
const LONG: &str = "VIGIE_RECEIPTS";
/// Publishes, one by one, whose way to a reader is looked at.
const DELIVERIES: usize = 100;
/// What TLS 1.3 adds to what is written at once.
const SEAL_BYTES: i64 = 22;
/// An event carries the signed bytes.
const EVENT_BYTES_MIN: i64 = 500;
/// The end of a signed message, its signature, which no other has.
const SIGNATURE_CHARS: usize = 86;

/// What is sent to one peer, in order.
type Sends = BTreeMap<String, Vec<Call>>;

/// When each message was safe: the end of the first sync after the write that holds it.
fn safe_at(calls: &[Call], messages: &[SignedMessage]) -> Vec<f64> {
    let end = |message: &'_ SignedMessage| message.token().len() - SIGNATURE_CHARS;
    let signatures =
        messages.iter().enumerate().map(|(n, message)| (&message.token()[end(message)..], n)).collect();
    safe_by_signature(calls, &signatures)
}

fn safe_by_signature(calls: &[Call], signatures: &BTreeMap<&str, usize>) -> Vec<f64> {
    let mut safe = vec![f64::NAN; signatures.len()];
    let mut written: Vec<(&str, usize)> = Vec::new();
    for call in calls {
        let file = call.rest.split([',', ')']).next().unwrap_or_default();
        match (call.name.as_str(), call.result) {
            ("pwrite64", Some(_)) => {
                // Signed bytes are base64url and dots: strace shows them as they are.
                let words = call.rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
                let ends = words.filter_map(|word| word.get(..SIGNATURE_CHARS));
                written.extend(ends.filter_map(|end| Some((file, *signatures.get(end)?))));
            }
            ("fdatasync", Some(0)) => written.retain(|(of, n)| {
                if *of == file {
                    safe[*n] = call.ended;
                }
                *of != file
            }),
            _ => {}
        }
    }
    safe
}

/// What left the relay within this time, in pieces of at least so many bytes.
fn sends(calls: &[Call], time: Range<f64>, bytes_min: i64) -> Sends {
    let mut sends = Sends::new();
    for call in calls {
        let is_send = matches!(call.name.as_str(), "sendto" | "write" | "writev" | "sendmsg");
        if is_send
            && time.contains(&call.begun)
            && call.result.is_some_and(|bytes| bytes >= bytes_min)
            && let Some((_, line)) = call.rest.split_once("<TCP:[")
            && let Some((line, _)) = line.split_once(']')
        {
            sends.entry(line.to_owned()).or_default().push(call.clone());
        }
    }
    for sends in sends.values_mut() {
        sends.sort_by(|a, b| a.begun.total_cmp(&b.begun));
    }
    sends
}

/// Without the sends of nothing but hints. All hints are of one size, the smallest that is sent, and several may go at
/// once, as may a receipt with the hint before it.
fn with_receipts(mut sends: Sends) -> Sends {
    let sizes = sends.values().flatten().filter_map(|send| send.result);
    let hint = sizes.min().expect("something is sent") - SEAL_BYTES;
    for sends in sends.values_mut() {
        sends.retain(|send| send.result.is_some_and(|bytes| (bytes - SEAL_BYTES) % hint != 0));
    }
    sends
}

/// How many of these were sent before they were safe: the n-th send is about the n-th message.
fn violations(sends: &[Call], safe: &[f64]) -> usize {
    let sizes: Vec<_> = sends.iter().map(|send| send.result).collect();
    assert_eq!(sends.len(), safe.len(), "as many sends as messages: {sizes:?}");
    // A message whose write or sync is not in the trace counts as never safe.
    sends.iter().zip(safe).filter(|(send, safe)| safe.is_nan() || send.begun < **safe).count()
}

fn line(client: &Client<Live>, text: String) -> SignedMessage {
    let channel = "alert/fr".parse().unwrap();
    client.sign(Draft::line(channel, Severity::Moderate, text, "fr-FR", Urgency::Expected)).unwrap()
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

async fn publish(client: &Client<Live>, message: &SignedMessage) {
    timeout(DEADLINE, client.publish_signed(message)).await.unwrap().unwrap();
}

fn many(client: &Client<Live>, name: &str, number: usize) -> Vec<SignedMessage> {
    (0..number).map(|n| line(client, format!("{name}, n\u{b0} {n}"))).collect()
}

#[tokio::test]
#[cfg_attr(
    not(vigie_strace),
    ignore = "needs strace with leave to trace processes, and prlimit; see CONTRIBUTING.md"
)]
async fn nothing_leaves_before_the_sync_that_covers_it_has_returned() {
    let receipts =
        std::env::var(LONG).map_or(RECEIPTS, |number| number.parse().expect("VIGIE_RECEIPTS is a number"));
    let place = Place::new();
    let node = place.node("relay", "");
    let options = ["-ttt", "-T", "-yy", "-s", "1048576", "--seccomp-bpf", "-e"].map(String::from);
    let traced = "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg".to_owned();
    let mut relay = node.start_traced(&[options.as_slice(), &[traced]].concat());
    let address = relay.listening().await.unwrap();
    // One after the other: so their lines are known by their order in the trace.
    let authors: Vec<Client<Live>> = (0..AUTHORS).map(|_| place.client("nation", &address)).collect();
    for author in &authors {
        publish(author, &line(author, "premier".into())).await;
    }
    let delivered = many(&authors[0], "livraison", DELIVERIES + 1);
    let filter = vec!["alert/fr.idf.75.paris".parse().unwrap()];
    let mut reader = place.client("town", &address).subscribe(filter, Start::Here);
    let first = timeout(DEADLINE, reader.next()).await.unwrap().unwrap();
    assert!(matches!(first, Delivery::CaughtUp(_)), "{first:?}");
    let mut deliveries = 0.0..0.0;
    for (n, message) in delivered.iter().enumerate() {
        publish(&authors[0], message).await;
        match timeout(DEADLINE, reader.next()).await.unwrap().unwrap() {
            Delivery::Message(given) => assert_eq!(given.id(), message.id()),
            other => panic!("{other:?}"),
        }
        if n == 0 {
            // With the first went the chain.
            deliveries.start = seconds();
        }
    }
    deliveries.end = seconds();
    drop(reader);
    let published: Vec<Vec<SignedMessage>> = authors
        .iter()
        .enumerate()
        .map(|(n, author)| many(author, &format!("auteur {n}"), receipts / AUTHORS))
        .collect();
    let begun = seconds();
    let publishing = authors.iter().zip(&published).map(|(author, messages)| {
        let (author, messages) = (author.clone(), messages.clone());
        tokio::spawn(async move {
            for message in &messages {
                publish(&author, message).await;
            }
        })
    });
    for author in publishing.collect::<Vec<_>>() {
        author.await.unwrap();
    }
    let publishing = begun..seconds();
    drop(authors);
    terminate(relay.pid());
    let whole = || node.traced().iter().all(|(_, text)| text.contains("+++ "));
    assert!(eventually(|| relay.ended().is_some() && whole()).await, "it stops: {}", relay.said());

    let calls = calls(&node.traced());
    let mut lines: Vec<(f64, String)> = sends(&calls, 0.0..f64::INFINITY, 0)
        .into_iter()
        .map(|(line, sends)| (sends[0].begun, line))
        .collect();
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(lines.len(), AUTHORS + 1, "a line for each client: {lines:?}");
    let mut early = 0;
    let mut answered = sends(&calls, publishing, 1);
    // To the reader went the answer to its goodbye.
    answered.remove(&lines[AUTHORS].1);
    let answered = with_receipts(answered);
    for ((_, line), messages) in lines.iter().zip(&published) {
        early += check(&answered[line], &safe_at(&calls, messages));
    }
    let events = sends(&calls, deliveries, EVENT_BYTES_MIN);
    let early_events = check(&events[&lines[AUTHORS].1], &safe_at(&calls, &delivered[1..]));
    println!("{receipts} receipts, {early} early; {DELIVERIES} deliveries, {early_events} early");
    assert_eq!((early, early_events), (0, 0), "receipts and events that left too early");
}

/// Counts violations; where there are none, sees to it that each single one would have been counted.
fn check(sends: &[Call], safe: &[f64]) -> usize {
    let found = violations(sends, safe);
    for n in 0..if found == 0 { sends.len() } else { 0 } {
        let mut doctored = sends.to_vec();
        doctored[n].begun = safe[n] - 1e-6;
        assert_eq!(violations(&doctored, safe), 1, "an early send would be counted");
    }
    found
}

/// A trace in which the receipt leaves while the sync is still under way, or before it, is told from one in which all is
/// well.
#[test]
fn a_doctored_trace_is_caught() {
    let signature = "s".repeat(SIGNATURE_CHARS);
    let token = format!("h.p.{signature}");
    let write =
        format!("10.000100 pwrite64(5</j/1.vigie>, \"\\30\\0{token}\\1\", 2000, 128) = 2000 <0.000050>");
    let sync = |at: &str, file: &str| format!("{at} fdatasync({file}) = 0 <0.000500>");
    let send = |at: &str| format!("{at} writev(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, [], 1) = 164 <0.000010>");
    let judge = |journal: [String; 2], send: String| {
        let traced = [(1, journal.join("\n")), (2, send)];
        let calls = calls(&traced);
        let ends = BTreeMap::from([(signature.as_str(), 0)]);
        let sent = sends(&calls, 0.0..f64::INFINITY, 1);
        violations(&sent["127.0.0.1:1->127.0.0.1:2"], &safe_by_signature(&calls, &ends))
    };
    let good = sync("10.000200", "5</j/1.vigie>");
    assert_eq!(judge([write.clone(), good.clone()], send("10.000701")), 0);
    assert_eq!(judge([write.clone(), good.clone()], send("10.000150")), 1, "before the sync");
    assert_eq!(judge([write.clone(), good.clone()], send("10.000600")), 1, "during the sync");
    assert_eq!(judge([good, write.clone()], send("10.000900")), 1, "the sync came before the write");
    assert_eq!(
        judge([write, sync("10.000200", "6</j/2.vigie>")], send("10.000900")),
        1,
        "another file was synced"
    );
}
