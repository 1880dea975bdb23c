//! Who may not have a message learns nothing of it, on any path: live, caught up, resumed, in pages of history, after a
//! restart, by asking for its author's chain, and when its author is revoked. Who may have it is given it on each.
//!
//! Sessions speak the protocol by hand, and everything that the relay ever writes to them is kept and searched, tokens
//! decoded: for ids, the channel, the author's credential, key and organisation, and what is said.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message as Ws;
use vigie_client::proto::frame::Start;
use vigie_client::{Delivery, Live};
use vigie_proto::channel::Flow;
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{CredentialId, Sequence};
use vigie_proto::jws::{Kind, Token};
use vigie_proto::label::{Label, Tlp};
use vigie_proto::revocation::{self, Statement, Target};
use vigie_proto::severity::Severity::Severe;
use vigie_proto::time::Timestamp;
use vigie_tests::raw::Raw;
use vigie_tests::soon;
use vigie_tests::world::{Person, World, appoint, grant, message, now};

/// What everybody here asks for. The messages for some are on a channel of their own, below.
const EVERYTHING: [&str; 2] = ["alert/fr.**", "signal/fr.**"];
const THEIRS: &str = "alert/fr.idf.94.creteil";
const OURS: &str = "alert/fr";

/// Organisations of readers: the crisis cell, a deputy below it, and another service.
const ORGS: [&str; 3] = ["fr.etat.crise", "fr.etat.crise.adjoint", "fr.etat.voisin"];

/// Messages for some, and which of [`ORGS`] may have each.
const FOR_SOME: [(Tlp, &[&str], [bool; 3]); 6] = [
    (Tlp::Green, &["fr.etat.crise"], [true, true, false]),
    (Tlp::Amber, &["fr.etat.crise"], [true, true, false]),
    (Tlp::AmberStrict, &["fr.etat.crise"], [true, false, false]),
    (Tlp::Red, &["fr.etat.crise.adjoint"], [false, true, false]),
    (Tlp::Red, &["fr.etat.crise", "fr.etat.crise.adjoint"], [true, true, false]),
    (Tlp::Amber, &["fr.etat.naq"], [false, false, false]),
];

/// Someone of this organisation who may hear everything.
fn reader(world: &World, org: &str) -> Person {
    let hears = |flow| grant(flow, "fr", None, 0);
    appoint(&world.live.nation, org, vec![hears(Flow::Alert), hears(Flow::Signal)])
}

fn id(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Token::parse(token, Kind::Message).unwrap().id)
}

/// A text with all that is base64url in it decoded beside it.
fn spelt_out(text: &str) -> String {
    let parts = text.split(|one: char| !one.is_ascii_alphanumeric() && one != '-' && one != '_');
    let decoded = parts.filter(|part| part.len() > 20).filter_map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let decoded: Vec<_> = decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    format!("{text}\n{}", decoded.join("\n"))
}

/// A session, and everything that was ever written to it.
struct Ear {
    raw: Raw,
    received: String,
    n: u64,
}

impl Ear {
    async fn log_in(world: &World, at: SocketAddr, person: &Person) -> Self {
        let mut ear = Self { raw: Raw::connect(world, at).await, received: String::new(), n: 0 };
        ear.raw.log_in_as(person).await;
        ear
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Ws::Text(text) = self.raw.next_message().await.expect("the session goes on") {
                self.received.push_str(&text);
                self.received.push('\n');
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    async fn ask(&mut self, mut request: Value) {
        self.n += 1;
        request["n"] = self.n.into();
        self.raw.send(&request.to_string()).await;
    }

    async fn subscribe(&mut self, after: Option<&str>) {
        let mut request = json!({"op": "subscribe", "channels": EVERYTHING});
        if let Some(after) = after {
            request["after"] = after.into();
        }
        self.ask(request).await;
        while self.next().await["op"] != "subscribed" {}
    }

    /// The tokens of all events up to this one, which is for everybody.
    async fn events_up_to(&mut self, last: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        while tokens.last().is_none_or(|token| token != last) {
            let frame = self.next().await;
            if frame["op"] == "event" {
                tokens.push(frame["jws"].as_str().unwrap().to_owned());
            }
        }
        tokens
    }

    /// All that history has, in pages of so many.
    async fn history(&mut self, limit: u32) -> Vec<String> {
        let (mut tokens, mut after) = (Vec::new(), "start".to_owned());
        loop {
            self.ask(json!({"op": "history", "channels": EVERYTHING, "after": after, "limit": limit})).await;
            loop {
                let frame = self.next().await;
                if frame["op"] == "past" {
                    tokens.push(frame["jws"].as_str().unwrap().to_owned());
                } else if frame["op"] == "page" {
                    frame["next"].as_str().unwrap().clone_into(&mut after);
                    if frame["end"] == true {
                        return tokens;
                    }
                    break;
                }
            }
        }
    }

    /// Nothing of these messages was ever written to the session.
    fn knows_nothing_of<'s>(&self, secrets: impl IntoIterator<Item = &'s String>, path: &str) {
        let all = spelt_out(&self.received);
        for secret in secrets {
            assert!(!all.contains(secret.as_str()), "{path}: {secret} was told");
        }
    }
}

/// A relay on which somebody speaks to some, between two messages for everybody.
struct Scene {
    world: World,
    author: Person,
    first: String,
    for_some: Vec<String>,
    last: String,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let author =
            appoint(&world.live.nation, "fr.etat.plume", vec![grant(Flow::Alert, "fr", Some(Severe), 0)]);
        let for_some = FOR_SOME.iter().enumerate().map(|(number, (tlp, orgs, _))| {
            let mut said = message(THEIRS, &format!("confidentiel-{number}"), Severe);
            said.label = Label::new(*tlp, orgs.iter().map(|org| org.parse().unwrap())).unwrap();
            author.sign(&said)
        });
        let for_some = for_some.collect();
        let [first, last] = ["premier", "dernier"].map(|text| world.live.nation.say(OURS, text, Severe));
        Self { world, author, first, for_some, last }
    }

    /// What this reader is to be given.
    fn expected(&self, who: usize) -> BTreeSet<String> {
        let theirs = FOR_SOME.iter().zip(&self.for_some);
        let theirs = theirs.filter(|((.., may), _)| may[who]).map(|(_, token)| token.clone());
        theirs.chain([self.first.clone(), self.last.clone()]).collect()
    }

    /// What must not be told to this reader: of each message that is not for it its id and its text; of one who hears
    /// none of them the author and the channel as well.
    fn secrets(&self, who: usize) -> Vec<String> {
        let mut secrets = Vec::new();
        for (number, (.., may)) in FOR_SOME.iter().enumerate() {
            if !may[who] {
                secrets.extend([id(&self.for_some[number]), format!("confidentiel-{number}")]);
            }
        }
        if FOR_SOME.iter().all(|(.., may)| !may[who]) {
            let leaf = self.author.chain.leaf();
            let org = leaf.claims().org.to_string();
            secrets.extend([leaf.id().to_string(), org, THEIRS.to_owned(), "creteil".to_owned()]);
        }
        secrets
    }

    fn judge(&self, who: usize, ear: &Ear, given: Vec<String>, path: &str) {
        let path = format!("{path}, {}", ORGS[who]);
        assert_eq!(given.len(), given.iter().collect::<BTreeSet<_>>().len(), "{path}: given twice");
        assert_eq!(given.into_iter().collect::<BTreeSet<_>>(), self.expected(who), "{path}");
        ear.knows_nothing_of(&self.secrets(who), &path);
    }

    /// All paths to what was said before: `before` is the place of the first message, `after` that of the last.
    async fn judge_what_was_said(&self, at: SocketAddr, readers: &[Person; 3], before: &str, after: &str) {
        for (who, person) in readers.iter().enumerate() {
            for (path, start) in [("caught up", "start"), ("resumed", before)] {
                let mut ear = Ear::log_in(&self.world, at, person).await;
                ear.subscribe(Some(start)).await;
                let mut given = ear.events_up_to(&self.last).await;
                if path == "resumed" {
                    given.push(self.first.clone());
                }
                self.judge(who, &ear, given, path);
            }
            for limit in [1, 2, 256] {
                let mut ear = Ear::log_in(&self.world, at, person).await;
                let given = ear.history(limit).await;
                self.judge(who, &ear, given, "history");
            }
            let mut ear = Ear::log_in(&self.world, at, person).await;
            ear.subscribe(Some(after)).await;
            while ear.next().await["op"] != "mark" {}
            ear.knows_nothing_of(&self.secrets(who), "resumed at the head");
        }
    }
}

fn cursor(receipt: &Value) -> String {
    let number = |member: &str| receipt[member].as_u64().unwrap();
    let log = receipt["log"].as_str().unwrap().parse().unwrap();
    let (seq, admitted) = (Sequence::new(number("seq")), Timestamp::from_millis(number("admitted")));
    Cursor { log, seq, admitted }.to_string()
}

#[tokio::test]
async fn who_may_not_have_a_message_learns_nothing_of_it_on_any_path() {
    let scene = Scene::new();
    let Scene { world, author, first, for_some, last } = &scene;
    let relay = world.relay();
    let at = relay.local_addr();
    let readers = ORGS.map(|org| reader(world, org));

    // Live.
    let mut live = Vec::new();
    for person in &readers {
        let mut ear = Ear::log_in(world, at, person).await;
        ear.subscribe(None).await;
        live.push(ear);
    }
    let mut nation = Raw::log_in(world, at, &world.live.nation).await;
    let mut speaker = Raw::log_in(world, at, author).await;
    let before = cursor(&nation.publish(first).await);
    for (token, (.., may)) in for_some.iter().zip(FOR_SOME) {
        assert_eq!(speaker.publish(token).await["op"], "receipt");
        let reach = speaker.frame().await;
        let heard = may.iter().filter(|may| **may).count();
        assert_eq!(
            (&reach["op"], &reach["live"], &reach["behind"]),
            (&"reach".into(), &heard.into(), &0.into())
        );
    }
    let after = cursor(&nation.publish(last).await);
    for (who, ear) in live.iter_mut().enumerate() {
        let given = ear.events_up_to(last).await;
        scene.judge(who, ear, given, "live");
    }

    drop((live, nation, speaker));
    scene.judge_what_was_said(at, &readers, &before, &after).await;
    relay.stop(Duration::ZERO).unwrap();
    let relay = world.relay();
    scene.judge_what_was_said(relay.local_addr(), &readers, &before, &after).await;
}

#[tokio::test]
async fn the_chain_of_an_author_is_not_given_to_who_was_given_nothing_of_his() {
    let scene = Scene::new();
    let Scene { world, author, for_some, .. } = &scene;
    let relay = world.relay();
    let at = relay.local_addr();
    Raw::log_in(world, at, author).await.publish(&for_some[0]).await;
    let [cell, _, neighbour] = ORGS.map(|org| reader(world, org));
    let asked = author.chain.leaf().id();
    for (person, known) in [(&neighbour, false), (&cell, true)] {
        let mut ear = Ear::log_in(world, at, person).await;
        ear.subscribe(Some("start")).await;
        // The mark that says that all was given.
        while ear.next().await["op"] != "mark" {}
        let mut answers = Vec::new();
        for id in [asked, CredentialId::from_bytes([7; 32])] {
            ear.ask(json!({"op": "credential", "id": id.to_string()})).await;
            let mut answer = ear.next().await;
            assert_eq!(answer["re"], ear.n, "{answer}");
            let named = answer.get("credential").is_none_or(|named| *named == id.to_string());
            assert!(named, "{answer}");
            (answer["re"], answer["credential"]) = (Value::Null, Value::Null);
            answers.push(answer);
        }
        assert_eq!(answers[0]["op"], if known { "chain" } else { "refused" });
        assert_eq!(answers[1]["code"], "unknown_credential");
        // To one who was given nothing, one that is known looks like one that is not.
        assert_eq!(answers[0] == answers[1], !known, "{answers:?}");
    }
}

#[tokio::test]
async fn what_is_disowned_is_told_to_those_who_had_it_only() {
    let scene = Scene::new();
    let Scene { world, author, for_some, first, last } = &scene;
    let relay = world.relay();
    let at = relay.local_addr();
    let [cell, _, neighbour] = ORGS.map(|org| reader(world, org));
    let filters = || EVERYTHING.map(|filter| filter.parse().unwrap()).to_vec();
    let mut shown = world.client::<Live>(at, &cell).subscribe(filters(), Start::Here);
    let mut other = world.client::<Live>(at, &neighbour).subscribe(filters(), Start::Here);
    for subscription in [&mut shown, &mut other] {
        assert!(matches!(soon(subscription.next()).await, Some(Delivery::CaughtUp(_))));
    }
    let from = now();
    let mut nation = Raw::log_in(world, at, &world.live.nation).await;
    assert_eq!(Raw::log_in(world, at, author).await.publish(&for_some[1]).await["op"], "receipt");
    let Some(Delivery::Message(given)) = soon(shown.next()).await else { panic!("it is for them") };
    assert_eq!(given.message().label.tlp(), Tlp::Amber);
    // By its key and from above: who is told of the revocation does not learn the author's credential from it.
    let target = Target::Key(author.key.public().thumbprint());
    let statement = Statement { target, from, number: 1, reason: None };
    let issuer = &world.live.nation;
    let jws = revocation::sign(&issuer.key, issuer.chain.leaf(), &statement);
    nation.send(&json!({"op": "revoke", "n": 99, "jws": jws}).to_string()).await;
    assert_eq!(nation.answer(99).await["op"], "revoked");
    assert!(matches!(soon(shown.next()).await, Some(Delivery::Disowned(taken)) if taken.id == given.id()));
    for token in [first, last] {
        nation.publish(token).await;
        // The next that the other one is given at all.
        let delivery = soon(other.next()).await;
        assert!(matches!(&delivery, Some(Delivery::Message(one)) if one.token() == token), "{delivery:?}");
    }
    // Who comes later is given the revocation, and then what is for everybody.
    for (who, person) in [(0, &cell), (2, &neighbour)] {
        let mut ear = Ear::log_in(world, at, person).await;
        ear.subscribe(Some("start")).await;
        let given = ear.events_up_to(last).await;
        let theirs = given.contains(&for_some[1]);
        assert_eq!(theirs, FOR_SOME[1].2[who], "the signed bytes stay in the log; readers disown them");
        assert!(ear.received.contains("revocation"));
        if who == 2 {
            ear.knows_nothing_of(&scene.secrets(who), "disowned");
        }
    }
}
