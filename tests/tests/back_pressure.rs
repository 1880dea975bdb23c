//! Who publishes more than the relay can take is told so: every publish is answered, a refusal can be tried again with
//! the same bytes, and what was then accepted is stored and heard once.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use vigie_client::proto::cap::Urgency;
use vigie_client::{Client, Draft, Live};
use vigie_proto::refusal::Code;
use vigie_proto::severity::Severity::Moderate;
use vigie_relay::config::RelayConfig;
use vigie_relay::server::Relay;
use vigie_tests::raw::Raw;
use vigie_tests::world::{Person, World};

/// Publishes of one session that may wait for the disk.
const IN_FLIGHT_MAX: usize = 32;
/// Sent at once by one author, without reading an answer.
const AT_ONCE: usize = 200;
/// A disk that is busy with everything else may take its time, with one sync of many; silence does not end.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// An author, and what it was answered.
struct Author {
    line: Raw,
    /// Not accepted yet.
    left: Vec<String>,
    /// By their place in the log.
    accepted: BTreeMap<u64, String>,
    /// Refusals, by code.
    refused: BTreeMap<String, usize>,
}

impl Author {
    async fn new(world: &World, relay: &Relay, who: &Person, name: usize, bytes: usize) -> Self {
        let text = |number| format!("auteur {name}, n° {number} {}", "x".repeat(bytes));
        let left = (0..AT_ONCE).map(|number| who.say("alert/fr", &text(number), Moderate)).collect();
        let line = Raw::log_in(world, relay.local_addr(), who).await;
        Self { line, left, accepted: BTreeMap::new(), refused: BTreeMap::new() }
    }

    /// Sends all that was not accepted, so many at once, and reads until each has its answer. How many were accepted.
    async fn publish_all(&mut self, at_once: usize) -> usize {
        let before = self.accepted.len();
        let mut left = std::mem::take(&mut self.left);
        while !left.is_empty() {
            let rest = left.split_off(at_once.min(left.len()));
            self.publish_at_once(left).await;
            left = rest;
        }
        self.accepted.len() - before
    }

    async fn publish_at_once(&mut self, sent: Vec<String>) {
        let first = self.line.n + 1;
        let frames: Vec<_> = sent
            .iter()
            .zip(first..)
            .map(|(jws, n)| format!(r#"{{"op":"publish","n":{n},"jws":"{jws}"}}"#))
            .collect();
        self.line.n += sent.len() as u64;
        self.line.send_at_once(&frames.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let mut unanswered: BTreeMap<_, _> = (first..).zip(sent).collect();
        while !unanswered.is_empty() {
            let answer = tokio::time::timeout(ANSWERED_WITHIN, self.line.frame()).await;
            let answer = answer.unwrap_or_else(|_| {
                panic!(
                    "every publish is answered, but of {first} to {}: {:?}",
                    self.line.n,
                    unanswered.keys()
                )
            });
            let Some(re) = answer["re"].as_u64() else { continue };
            let jws =
                unanswered.remove(&re).unwrap_or_else(|| panic!("answered twice, or not asked: {answer}"));
            self.note(jws, &answer);
        }
    }

    fn note(&mut self, jws: String, answer: &Value) {
        if answer["op"] == "receipt" {
            let before = self.accepted.insert(answer["seq"].as_u64().unwrap(), jws);
            assert_eq!(before, None, "two receipts name one place");
        } else {
            assert_eq!(answer["op"], "refused", "{answer}");
            let code: Code = answer["code"].as_str().unwrap().parse().unwrap();
            assert!(code.is_temporary(), "it may be tried again: {answer}");
            *self.refused.entry(answer["code"].as_str().unwrap().to_owned()).or_default() += 1;
            self.left.push(jws);
        }
    }
}

/// What one reader is given up to the head: place and bytes.
async fn heard(world: &World, relay: &Relay, messages: usize) -> BTreeMap<u64, String> {
    let mut town = Raw::log_in(world, relay.local_addr(), &world.live.town).await;
    town.subscribe(&["alert/fr.idf.75.paris"], Some("start")).await;
    let mut heard = BTreeMap::new();
    for _ in 0..messages {
        let event = town.event().await;
        heard.insert(event["seq"].as_u64().unwrap(), event["jws"].as_str().unwrap().to_owned());
    }
    assert_eq!(town.next_within(Duration::from_millis(300)).await, None, "and nothing else");
    heard
}

/// All authors send again and again until everything is accepted.
async fn publish_until_accepted(authors: Vec<Author>) -> Vec<Author> {
    let sending: Vec<_> = authors
        .into_iter()
        .map(|mut author| {
            tokio::spawn(async move {
                while !author.left.is_empty() {
                    author.publish_all(AT_ONCE).await;
                }
                author
            })
        })
        .collect();
    let mut done = Vec::new();
    for author in sending {
        done.push(author.await.unwrap());
    }
    done
}

async fn check(world: &World, relay: &Relay, authors: &[Author]) {
    let mut accepted = BTreeMap::new();
    for author in authors {
        accepted.extend(author.accepted.clone());
    }
    let total = authors.len() * AT_ONCE;
    assert_eq!(accepted.len(), total, "each has a place of its own");
    assert_eq!(accepted.values().collect::<BTreeSet<_>>().len(), total, "and is stored once");
    assert_eq!(*accepted.last_key_value().unwrap().0, total as u64, "and nothing else is");
    assert_eq!(heard(world, relay, total).await, accepted);
}

#[tokio::test]
async fn two_hundred_publishes_of_one_author_at_once_are_answered_and_stored_once() {
    let world = World::new();
    let relay = world.relay();
    let author = Author::new(&world, &relay, &world.live.nation, 1, 100).await;
    let authors = publish_until_accepted(vec![author]).await;
    println!("{AT_ONCE} at once by one author: refused {:?}", authors[0].refused);
    // How many were, depends on the disk: a fast one has answered before so many wait.
    assert!(authors[0].refused.keys().all(|code| code == "busy"), "{:?}", authors[0].refused);
    check(&world, &relay, &authors).await;
}

#[tokio::test]
async fn more_publishes_of_many_than_may_wait_are_refused_and_stored_when_sent_again() {
    const AUTHORS: usize = 8;
    let world = World::new();
    let mut config: RelayConfig = world.config("journal");
    // Fewer than one author alone may have under way.
    config.submissions_max = 4;
    config.workers = 2;
    let relay = world.relay_with(config);
    let mut authors = Vec::new();
    for name in 0..AUTHORS {
        authors.push(Author::new(&world, &relay, &world.live.nation, name, 2_000).await);
    }
    let authors = publish_until_accepted(authors).await;
    let busy: usize = authors.iter().filter_map(|author| author.refused.get("busy")).sum();
    println!("{AUTHORS} authors at once: {busy} refused as busy on the way to {} stored", AUTHORS * AT_ONCE);
    assert!(busy > 0);
    check(&world, &relay, &authors).await;
}

#[tokio::test]
async fn many_who_do_not_read_their_answers_hold_up_nobody_else() {
    // More than have a turn at once.
    const SILENT: usize = 40;
    const ASKED: usize = 2_000;
    // What the sockets of both sides take of one session's answers before the relay holds them back.
    const SOCKETS_TAKE: usize = 1024 * 1024;
    let world = World::new();
    let mut config = world.config("journal");
    (config.workers, config.outbox_bytes_max) = (1, 8 * 1024);
    let relay = world.relay_with(config);
    let mut author = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    let leaf = world.live.town.chain.leaf().id();
    let questions: Vec<_> =
        (1..=ASKED).map(|n| format!(r#"{{"op":"credential","n":{n},"id":"{leaf}"}}"#)).collect();
    let questions: Vec<_> = questions.iter().map(String::as_str).collect();
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(Raw::log_in(&world, relay.local_addr(), &world.live.town).await);
    }
    let asking = silent.iter_mut().map(|line| line.send_at_once(&questions));
    futures_util::future::join_all(asking).await;
    for number in 0..20 {
        let said = world.live.nation.say("alert/fr", &format!("n° {number}"), Moderate);
        let answer = tokio::time::timeout(ANSWERED_WITHIN / 4, author.publish(&said)).await;
        assert_eq!(answer.expect("others are served")["op"], "receipt");
    }
    for line in &mut silent {
        let mut bytes = 0;
        for n in 1..=ASKED {
            let answer = line.frame().await;
            assert_eq!(answer["re"], n, "and who reads at last has every answer");
            bytes += answer.to_string().len();
        }
        assert!(bytes > SOCKETS_TAKE, "{bytes}: else nothing was held back");
    }
}

#[tokio::test]
async fn a_relay_without_room_refuses_for_now_and_stores_what_is_sent_again_later() {
    let world = World::new();
    let journal = "journal";
    let mut config = world.config(journal);
    // One author may have a tenth of it.
    config.bytes_in_force_max = 2 * 1024 * 1024;
    let relay = world.relay_with(config);
    let mut author = Author::new(&world, &relay, &world.live.nation, 1, 1_000).await;
    author.publish_all(IN_FLIGHT_MAX).await;
    println!("accepted {}, refused {:?}", author.accepted.len(), author.refused);
    assert_eq!(author.refused.keys().collect::<Vec<_>>(), ["full"], "not too many at once, but too much");
    assert!(!author.accepted.is_empty());
    let stored = author.accepted.clone();
    assert_eq!(heard(&world, &relay, stored.len()).await, stored, "what was refused is not heard");
    // Sent again while there is no room: refused again, and what is known has its receipt again.
    assert_eq!(author.publish_all(IN_FLIGHT_MAX).await, 0);
    let (seq, known) = stored.first_key_value().unwrap();
    let again = author.line.publish(known).await;
    assert_eq!((&again["op"], &again["seq"]), (&"receipt".into(), &(*seq).into()), "{again}");
    relay.stop(Duration::ZERO).unwrap();

    // The operator gives it room.
    let relay = world.relay_with(world.config(journal));
    author.line = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    let authors = publish_until_accepted(vec![author]).await;
    check(&world, &relay, &authors).await;
}

#[tokio::test]
async fn the_sdk_says_what_to_send_again_and_that_is_stored_once() {
    const CLIENTS: usize = 8;
    const EACH: usize = 40;
    let world = World::new();
    let mut config = world.config("journal");
    config.submissions_max = 1;
    config.workers = 2;
    let relay = world.relay_with(config);
    let publish = |client: Client<Live>, text: String| async move {
        let draft = Draft::line("alert/fr".parse().unwrap(), Moderate, text, "fr-FR", Urgency::Expected);
        let message = client.sign(draft).unwrap();
        let mut refused = 0;
        loop {
            match client.publish_signed(&message).await {
                Ok(receipt) => return (receipt.seq.get(), refused),
                Err(error) => assert!(error.is_temporary(), "{error}"),
            }
            refused += 1;
        }
    };
    let publishing: Vec<_> = (0..CLIENTS)
        .map(|name| {
            let client = world.client::<Live>(relay.local_addr(), &world.live.nation);
            let all =
                (0..EACH).map(move |number| publish(client.clone(), format!("auteur {name}, n° {number}")));
            tokio::spawn(futures_util::future::join_all(all))
        })
        .collect();
    let (mut places, mut refused) = (BTreeSet::new(), 0);
    for client in publishing {
        for (place, times) in client.await.unwrap() {
            places.insert(place);
            refused += times;
        }
    }
    println!("{} published by the SDK, refused {refused} times on the way", places.len());
    assert!(refused > 0);
    assert_eq!(places, (1..=(CLIENTS * EACH) as u64).collect());
    assert_eq!(heard(&world, &relay, CLIENTS * EACH).await.len(), CLIENTS * EACH);
}
