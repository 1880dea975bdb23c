//! A revocation whose issuer's chain the journal cannot give any more ends fewer than it should, and no reader can verify it:
//! the operator is told, and who sends it again repairs it for good.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vigie_proto::revocation::{self, Statement, Target};
use vigie_proto::severity::Severity::Minor;
use vigie_relay::health::Warning;
use vigie_relay::server::Relay;
use vigie_tests::raw::{Came, Raw};
use vigie_tests::soon;
use vigie_tests::world::{Person, World, has_passed, now};

const PARIS: &str = "alert/fr.idf.75.paris";

/// Changes a byte in the middle of each place where the text stands in the journal; how many there are.
fn damage(journal: &Path, text: &str) -> usize {
    let mut places = 0;
    let files = std::fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.is_file()) {
        let mut bytes = std::fs::read(&file).unwrap();
        let found: Vec<usize> = bytes
            .windows(text.len())
            .enumerate()
            .filter(|(_, at)| *at == text.as_bytes())
            .map(|(at, _)| at)
            .collect();
        found.iter().for_each(|from| bytes[from + text.len() / 2] ^= 1);
        places += found.len();
        if !found.is_empty() {
            std::fs::write(file, bytes).unwrap();
        }
    }
    places
}

/// The same key, certified anew.
fn renewed(above: &Person, person: &Person) -> Person {
    let mut claims = person.chain.leaf().claims().clone();
    claims.name = "renewed".to_owned();
    let chain = above.chain.extend(&above.key, &claims).unwrap();
    Person { key: Arc::clone(&person.key), chain: Arc::new(chain) }
}

/// What a log-in is answered with: `welcome`, or a code.
async fn knock(world: &World, relay: &Relay, person: &Person) -> String {
    let mut raw = Raw::connect(world, relay.local_addr()).await;
    let login = raw.login_frame(person).await;
    raw.send(&login).await;
    let answer = raw.frame().await;
    let said = if answer["op"] == "refused" { &answer["code"] } else { &answer["op"] };
    said.as_str().unwrap().to_owned()
}

async fn revoke(raw: &mut Raw, jws: &str) -> Value {
    raw.send(&json!({"op": "revoke", "n": 99, "jws": jws}).to_string()).await;
    raw.answer(99).await
}

fn told(relay: &Relay) -> (u64, bool) {
    let status = relay.status();
    (status.journal.revocations_lost, status.warnings.contains(&Warning::RevocationsLost))
}

/// The next `chain` and the `revocation` behind it.
async fn told_of_revocation(reader: &mut Raw) -> (Value, Value) {
    let mut chain = Value::Null;
    loop {
        let frame = reader.frame().await;
        match frame["op"].as_str() {
            Some("chain") => chain = frame,
            Some("revocation") => return (chain, frame),
            _ => {}
        }
    }
}

#[tokio::test]
async fn sent_again_it_ends_all_that_it_should_and_readers_can_verify_it() {
    let world = World::new();
    let (nation, region, town) = (&world.live.nation, &world.live.region, &world.live.town);
    // The region was renewed, and has certified the town's key once more.
    let region_now = renewed(nation, region);
    let town_now = renewed(&region_now, town);
    let relay = world.relay();
    let mut issuer = Raw::log_in(&world, relay.local_addr(), region).await;
    // Its chain is on disk with this, and so not in the batch of the revocation.
    assert_eq!(issuer.publish(&region.say("alert/fr.idf", "avant", Minor)).await["op"], "receipt");
    let target = Target::Key(town.chain.leaf().key_id());
    let statement = Statement { target, from: now(), number: 1, reason: None };
    let jws = revocation::sign(&region.key, region.chain.leaf(), &statement);
    let first = revoke(&mut issuer, &jws).await;
    assert_eq!(first["op"], "revoked", "{first}");
    for person in [town, &town_now] {
        assert_eq!(knock(&world, &relay, person).await, "revoked");
    }
    relay.stop(Duration::ZERO).unwrap();

    assert!(damage(&world.journal("journal"), region.chain.leaf().token()) > 0);
    let relay = world.relay();
    assert_eq!(told(&relay), (1, true));
    assert_eq!(knock(&world, &relay, town).await, "revoked", "by the credential that it names as its issuer");
    // It fails open for whom it meets by the key of its issuer alone.
    let mut target = Raw::log_in(&world, relay.local_addr(), &town_now).await;
    assert_eq!(target.publish(&town_now.say(PARIS, "avant", Minor)).await["op"], "receipt");
    let mut reader = Raw::log_in(&world, relay.local_addr(), &world.live.neighbour).await;
    let (chain, given) = told_of_revocation(&mut reader).await;
    assert_eq!((chain, &given["count"]), (Value::Null, &json!(1)), "nothing to verify it with");

    has_passed(now()).await;
    let mut issuer = Raw::log_in(&world, relay.local_addr(), region).await;
    let again = revoke(&mut issuer, &jws).await;
    assert_eq!(
        (&again["op"], &again["admitted"]),
        (&json!("revoked"), &first["admitted"]),
        "the first answer"
    );
    let close = loop {
        match soon(target.next()).await {
            Came::Closed(code, reason) => break (code, reason),
            Came::Frame(_) => {}
            Came::Gone => panic!("it was cut off"),
        }
    };
    assert_eq!(close, (1008, "session_revoked".to_owned()));
    let (chain, given) = told_of_revocation(&mut reader).await;
    assert_eq!(
        chain["chain"].as_array().unwrap().last().unwrap(),
        &json!(region.chain.leaf().token().to_string())
    );
    assert_eq!((&given["count"], &given["jws"]), (&json!(2), &json!(jws)));
    assert_eq!((&given["seq"], &given["admitted"]), (&json!(1), &first["admitted"]), "it keeps its place");
    assert_eq!(told(&relay), (0, false));
    // Once more, and nothing is written or told.
    assert_eq!(revoke(&mut issuer, &jws).await["admitted"], first["admitted"]);
    relay.stop(Duration::ZERO).unwrap();

    let relay = world.relay();
    assert_eq!(told(&relay), (0, false));
    for person in [town, &town_now] {
        assert_eq!(knock(&world, &relay, person).await, "revoked");
    }
    let mut reader = Raw::log_in(&world, relay.local_addr(), &world.live.neighbour).await;
    let (chain, given) = told_of_revocation(&mut reader).await;
    assert!(!chain.is_null() && given["count"] == 2, "{given}");
    relay.stop(Duration::ZERO).unwrap();
}
