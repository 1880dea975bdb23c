//! A root hands over to another: authors under both are heard in between, each reader by what it has pinned; then the old
//! one ends, and what was said under it before stays. Nobody else can add to what is pinned.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes fails the test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use vigie_client::proto::frame::Start;
use vigie_client::{Client, ClientConfig, Delivery, Identity, Live, Reader, Subscription, TlsRoots};
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::frame::ServerFrame;
use vigie_proto::id::KeyId;
use vigie_proto::limits::ROTATION_HOPS_MAX;
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, Reason, Statement, Target};
use vigie_proto::rotation::{self, Handover, Rotation};
use vigie_proto::severity::Severity::Minor;
use vigie_proto::time::Timestamp;
use vigie_relay::server::Relay;
use vigie_tests::raw::{Came, Raw};
use vigie_tests::soon;
use vigie_tests::world::{Command, Person, World, has_passed, now};

const PARIS: &str = "alert/fr.idf.75.paris";
const HOUR: Duration = Duration::from_secs(3_600);

fn pin(root: &Person) -> KeyId {
    root.key.public().thumbprint()
}

/// By one root, in favour of another, since a while ago.
fn hand_over(from: &Person, to: &Person, plane: Plane, until: Option<Timestamp>) -> Rotation {
    let handover = Handover { successor: *to.key.public(), from: now().minus(HOUR), until };
    rotation::sign(&from.key, plane, &handover).unwrap()
}

/// The roots of a relay or reader: what it pins, and the statements that it was given with them.
fn roots(pinned: &[&Person], rotations: &[&Rotation]) -> Roots {
    let mut roots = Roots::new(pinned.iter().map(|root| pin(root)));
    roots.install(rotations.iter().map(|rotation| &**rotation.token())).unwrap();
    roots
}

/// Two chains of command, and a relay that trusts as it is told to.
struct Overlap {
    world: World,
    heirs: Command,
}

impl Overlap {
    fn new() -> Self {
        Self { world: World::new(), heirs: Command::new(Plane::Live) }
    }

    fn old(&self) -> &Person {
        &self.world.live.root
    }

    fn new_root(&self) -> &Person {
        &self.heirs.root
    }

    fn rotation(&self, until: Option<Timestamp>) -> Rotation {
        hand_over(self.old(), self.new_root(), Plane::Live, until)
    }

    fn relay(&self, roots: Roots) -> Relay {
        let mut config = self.world.config("journal");
        config.roots = roots;
        self.world.relay_with(config)
    }

    /// Someone who hears Paris from the beginning, and trusts these roots.
    fn reader(&self, at: SocketAddr, person: &Person, roots: Roots) -> Subscription<Live> {
        let url = format!("wss://localhost:{}", at.port()).parse().unwrap();
        let tls = TlsRoots::from_pem(self.world.tls_root_pem.as_bytes()).unwrap();
        let identity = Identity::new(Arc::clone(&person.key), Arc::clone(&person.chain)).unwrap();
        let client = Client::<Live>::new(ClientConfig::new(vec![url], tls, roots, identity)).unwrap();
        client.subscribe(vec![PARIS.parse().unwrap()], Start::Beginning)
    }

    async fn publish(&self, at: SocketAddr, author: &Person, text: &str) -> Value {
        let mut raw = Raw::log_in(&self.world, at, author).await;
        let receipt = raw.publish(&author.say(PARIS, text, Minor)).await;
        assert_eq!(receipt["op"], "receipt", "{text}: {receipt}");
        receipt
    }

    /// What a log-in is answered with: `welcome`, or a code.
    async fn knock(&self, at: SocketAddr, person: &Person) -> String {
        let mut raw = Raw::connect(&self.world, at).await;
        let login = raw.login_frame(person).await;
        raw.send(&login).await;
        let answer = raw.frame().await;
        let said = if answer["op"] == "refused" { &answer["code"] } else { &answer["op"] };
        said.as_str().unwrap().to_owned()
    }
}

/// What a subscription gives up to where it has caught up, in words.
async fn given(subscription: &mut Subscription<Live>) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        match soon(subscription.next()).await.expect("the subscription goes on") {
            Delivery::CaughtUp(_) => return words,
            Delivery::Message(message) => {
                let headline = message.message().content.cap.headline("fr").unwrap_or_default();
                words.push(headline.to_owned());
            }
            Delivery::Suspect(suspect) => words.push(suspect.code.to_string()),
            Delivery::Rotation(rotation) => words.push(format!("to {}", rotation.successor_id())),
            Delivery::Disowned(disowned) => {
                words.push(format!("disowned from {}", disowned.from.as_millis()))
            }
            other => panic!("{other:?}"),
        }
    }
}

/// How a session ends, whatever is given before.
async fn closed(session: &mut Raw) -> (u16, String) {
    let end = async {
        loop {
            match session.next().await {
                Came::Closed(number, reason) => return (number, reason),
                Came::Frame(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    soon(end).await
}

#[tokio::test]
async fn authors_under_both_roots_are_heard_by_who_pinned_the_old_one_or_both() {
    let overlap = Overlap::new();
    let (old, new) = (&overlap.world.live, &overlap.heirs);
    // Before, nobody under the new root comes in.
    let relay = overlap.relay(roots(&[overlap.old()], &[]));
    overlap.publish(relay.local_addr(), &old.town, "avant").await;
    assert_eq!(overlap.knock(relay.local_addr(), &new.town).await, "unknown_root");
    relay.stop(Duration::ZERO).unwrap();

    let rotation = overlap.rotation(Some(now().plus(HOUR)));
    let relay = overlap.relay(roots(&[overlap.old()], &[&rotation]));
    let at = relay.local_addr();
    overlap.publish(at, &old.town, "ancienne").await;
    overlap.publish(at, &new.town, "nouvelle").await;
    let told = format!("to {}", pin(overlap.new_root()));
    let (by_old, by_new) =
        (|roots| overlap.reader(at, &old.region, roots), |roots| overlap.reader(at, &new.region, roots));
    // Who pinned the old root alone is told, believes it, and says so; who was told by hand is told nothing new.
    assert_eq!(
        given(&mut by_old(roots(&[overlap.old()], &[]))).await,
        [&*told, "avant", "ancienne", "nouvelle"]
    );
    assert_eq!(
        given(&mut by_new(roots(&[overlap.old()], &[&rotation]))).await,
        ["avant", "ancienne", "nouvelle"]
    );
    let pinned_both = roots(&[overlap.old(), overlap.new_root()], &[]);
    assert_eq!(given(&mut by_old(pinned_both)).await, [&*told, "avant", "ancienne", "nouvelle"]);
    // Who pinned the new root alone does not trust the old one for it, and is told of no root that is not his.
    let pinned_new = roots(&[overlap.new_root()], &[]);
    assert_eq!(given(&mut by_new(pinned_new)).await, ["unknown_root", "unknown_root", "nouvelle"]);
    let looks_back = overlap.world.client::<Live>(at, &old.region);
    let page = soon(looks_back.history(vec![PARIS.parse().unwrap()], None, 10)).await.unwrap();
    let verified = page.deliveries.iter().all(|it| matches!(it, Delivery::Message(_)));
    assert!(verified && page.deliveries.len() == 3, "{page:?}");
}

#[tokio::test]
async fn after_the_overlap_the_old_root_says_nothing_new_and_what_it_said_stays() {
    let overlap = Overlap::new();
    let (old, new) = (&overlap.world.live, &overlap.heirs);
    let ends = now().plus(Duration::from_secs(2));
    let rotation = overlap.rotation(Some(ends));
    let trusted = roots(&[overlap.old()], &[&rotation]);
    let relay = overlap.relay(trusted.clone());
    let at = relay.local_addr();
    overlap.publish(at, &old.town, "avant").await;
    let mut session = Raw::log_in(&overlap.world, at, &old.town).await;
    let late = old.town.say(PARIS, "trop tard", Minor);
    // Sessions under the old root end with it.
    assert_eq!(closed(&mut session).await, (1008, Code::SessionExpired.to_string()));
    assert!(now() >= ends);
    assert_eq!(overlap.knock(at, &old.town).await, "root_ended");
    relay.stop(Duration::ZERO).unwrap();
    // Also after a start, and where both are pinned.
    let relay = overlap.relay(roots(&[overlap.old(), overlap.new_root()], &[&rotation]));
    let at = relay.local_addr();
    assert_eq!(overlap.knock(at, &old.town).await, "root_ended");
    overlap.publish(at, &new.town, "après").await;
    assert_eq!(given(&mut overlap.reader(at, &new.region, trusted)).await, ["avant", "après"]);
    // A relay that does not know the rotation would have taken it: a reader that does, does not.
    relay.stop(Duration::ZERO).unwrap();
    let relay = overlap.relay(roots(&[overlap.old(), overlap.new_root()], &[]));
    let at = relay.local_addr();
    let mut unaware = Raw::log_in(&overlap.world, at, &old.town).await;
    let receipt = unaware.publish(&late).await;
    has_passed(Timestamp::from_millis(receipt["admitted"].as_u64().unwrap())).await;
    let told = roots(&[overlap.old()], &[&rotation]);
    assert_eq!(given(&mut overlap.reader(at, &new.region, told)).await, ["avant", "après", "root_ended"]);
}

#[tokio::test]
async fn a_rotation_by_a_root_that_is_not_pinned_trusts_nobody() {
    let overlap = Overlap::new();
    let stranger = Command::new(Plane::Live);
    let rotation = hand_over(&stranger.root, overlap.new_root(), Plane::Live, None);
    let refused = Roots::new([pin(overlap.old())]).install([&**rotation.token()]).unwrap_err();
    assert_eq!(refused.1.code, Code::UnknownRoot);
    // A relay that the stranger runs gives it to everybody.
    let relay = overlap.relay(roots(&[overlap.old(), &stranger.root], &[&rotation]));
    let at = relay.local_addr();
    overlap.publish(at, &overlap.heirs.town, "imposteur").await;
    overlap.publish(at, &overlap.world.live.town, "vrai").await;
    let mut reader = overlap.reader(at, &overlap.world.live.region, roots(&[overlap.old()], &[]));
    assert_eq!(given(&mut reader).await, ["unknown_root", "vrai"]);
}

/// The statement with another successor under the same signature.
fn forged(rotation: &Rotation, to: &Person) -> String {
    let parts: Vec<&str> = rotation.token().split('.').collect();
    let mut payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    payload["successor"]["x"] = URL_SAFE_NO_PAD.encode(to.key.public().as_bytes()).into();
    [parts[0], &URL_SAFE_NO_PAD.encode(payload.to_string()), parts[2]].join(".")
}

#[tokio::test]
async fn a_forged_rotation_is_suspect_and_changes_nothing() {
    let overlap = Overlap::new();
    let thief = Command::new(Plane::Live);
    let jws = forged(&overlap.rotation(None), &thief.root);
    let mut held = roots(&[overlap.old()], &[]);
    assert_eq!(held.install([&*jws]).unwrap_err().1.code, Code::BadSignature);
    assert_eq!(held.succession(pin(&thief.root), Plane::Live), None);
    let mut reader = Reader::<Live>::new(
        roots(&[overlap.old()], &[]),
        "fr".parse().unwrap(),
        vec![PARIS.parse().unwrap()],
        Start::Here,
    );
    let told = reader.handle_frame(ServerFrame::Rotation { jws: jws.into() }, now());
    let [Delivery::Suspect(suspect)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(suspect.code, Code::BadSignature);
}

/// The same root key, with a credential of the exercise plane.
fn on_exercise(command: &Command) -> Person {
    let mut claims = command.root.chain.leaf().claims().clone();
    claims.plane = Plane::Exercise;
    let credential = Credential::issue_root(&command.root.key, &claims).unwrap();
    let chain =
        Chain::verify([&**credential.token()], &Roots::new([pin(&command.root)]), &NoVerdicts).unwrap();
    Person { key: Arc::clone(&command.root.key), chain: Arc::new(chain) }
}

#[tokio::test]
async fn a_rotation_says_nothing_on_the_other_plane() {
    let overlap = Overlap::new();
    let live = overlap.rotation(None);
    let relay = overlap.relay(roots(&[overlap.old()], &[&live]));
    assert_eq!(overlap.knock(relay.local_addr(), &overlap.heirs.root).await, "welcome");
    assert_eq!(overlap.knock(relay.local_addr(), &on_exercise(&overlap.heirs)).await, "unknown_root");
    relay.stop(Duration::ZERO).unwrap();
    let exercise = hand_over(overlap.old(), overlap.new_root(), Plane::Exercise, Some(now().minus(HOUR / 2)));
    let relay = overlap.relay(roots(&[overlap.old()], &[&exercise]));
    let at = relay.local_addr();
    assert_eq!(overlap.knock(at, &overlap.heirs.root).await, "unknown_root");
    assert_eq!(overlap.knock(at, &overlap.world.live.town).await, "welcome", "nor does it end anybody there");
    let mut reader = Reader::<Live>::new(
        roots(&[overlap.old()], &[]),
        "fr".parse().unwrap(),
        vec![PARIS.parse().unwrap()],
        Start::Here,
    );
    let told = reader.handle_frame(ServerFrame::Rotation { jws: (&**exercise.token()).into() }, now());
    let [Delivery::Suspect(suspect)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(suspect.code, Code::WrongPlane);
}

#[tokio::test]
async fn a_root_is_followed_so_many_times_and_no_further() {
    let line: Vec<Command> = (0..=ROTATION_HOPS_MAX + 1).map(|_| Command::new(Plane::Live)).collect();
    let steps: Vec<Rotation> =
        line.windows(2).map(|pair| hand_over(&pair[0].root, &pair[1].root, Plane::Live, None)).collect();
    let back = hand_over(&line[2].root, &line[0].root, Plane::Live, None);
    let all: Vec<&Rotation> = steps[..ROTATION_HOPS_MAX].iter().chain([&back]).collect();
    let overlap = Overlap::new();
    let mut trusted = roots(&[&line[0].root], &all);
    assert_eq!(trusted.learn(steps[ROTATION_HOPS_MAX].clone()), Ok(true), "by a root that is trusted");
    let relay = overlap.relay(trusted);
    for (step, command) in line.iter().enumerate() {
        let expected = if step <= ROTATION_HOPS_MAX { "welcome" } else { "unknown_root" };
        assert_eq!(overlap.knock(relay.local_addr(), &command.town).await, expected, "step {step}");
    }
}

/// Somebody has the key of the old root. Its holder gives it up: the root that a thief named ends with it, and the true
/// one too, until it is pinned.
#[tokio::test]
async fn what_a_revoked_root_has_handed_over_ends_with_it_unless_it_is_pinned() {
    let overlap = Overlap::new();
    let (old, new) = (&overlap.world.live, &overlap.heirs);
    let rotation = overlap.rotation(Some(now().plus(HOUR)));
    let relay = overlap.relay(roots(&[overlap.old()], &[&rotation]));
    let at = relay.local_addr();
    overlap.publish(at, &new.town, "avant").await;
    let mut heard = Raw::log_in(&overlap.world, at, &new.town).await;
    let statement = Statement {
        target: Target::Key(pin(overlap.old())),
        from: now().plus(Duration::from_millis(1)),
        number: 1,
        reason: Some(Reason::KeyCompromise),
    };
    let jws = revocation::sign(&old.root.key, old.root.chain.leaf(), &statement);
    let mut root = Raw::log_in(&overlap.world, at, &old.root).await;
    root.send(&json!({"op": "revoke", "n": 9, "jws": jws}).to_string()).await;
    assert_eq!(root.answer(9).await["op"], "revoked");
    assert_eq!(closed(&mut heard).await, (1008, Code::SessionRevoked.to_string()));
    for person in [&old.town, &new.town] {
        assert_eq!(overlap.knock(at, person).await, "revoked");
    }
    relay.stop(Duration::ZERO).unwrap();
    let relay = overlap.relay(roots(&[overlap.old(), overlap.new_root()], &[&rotation]));
    let at = relay.local_addr();
    assert_eq!(overlap.knock(at, &old.town).await, "revoked");
    overlap.publish(at, &new.town, "après").await;
    // The revocation is by a root that this reader does not trust.
    let pinned = roots(&[overlap.new_root()], &[]);
    assert_eq!(given(&mut overlap.reader(at, &new.region, pinned)).await, ["unknown_root", "avant", "après"]);
    // Who knows the new root through the old one alone holds what came before for true, and nothing after.
    let mut through_old = overlap.reader(at, &new.region, roots(&[overlap.old()], &[&rotation]));
    let first = soon(through_old.next()).await.unwrap();
    assert!(matches!(first, Delivery::Message(_)), "{first:?}");
    let second = soon(through_old.next()).await.unwrap();
    assert!(matches!(second, Delivery::Disowned(_)), "{second:?}");
}

/// A root has handed over, and then its key turns up in other hands. It gives itself up all the same, and once more from
/// earlier on; somebody else brings that. It ends nobody else any more.
#[tokio::test]
async fn a_root_that_ended_still_gives_itself_up_and_nobody_else() {
    gives_itself_up(false).await;
}

#[tokio::test]
async fn a_root_that_ended_still_gives_itself_up_when_the_roots_were_read_again() {
    gives_itself_up(true).await;
}

async fn gives_itself_up(read_again: bool) {
    let overlap = Overlap::new();
    let (old, new) = (&overlap.world.live, &overlap.heirs);
    let pins = [overlap.old(), overlap.new_root()];
    let relay = overlap.relay(roots(&pins, &[]));
    let receipt = overlap.publish(relay.local_addr(), &old.town, "avant").await;
    let admitted = Timestamp::from_millis(receipt["admitted"].as_u64().unwrap());
    relay.stop(Duration::ZERO).unwrap();
    has_passed(admitted).await;
    let ended = overlap.rotation(Some(now()));
    let relay = overlap.relay(roots(&pins, &[&ended]));
    let at = relay.local_addr();
    assert_eq!(overlap.knock(at, &old.root).await, "root_ended");
    if read_again {
        relay.renew_roots(roots(&pins, &[&ended]));
    }
    let chain: Vec<String> = old.root.chain.links().iter().map(|link| link.token().to_string()).collect();
    let revoke = |target: &Person, from| {
        let statement = Statement { target: Target::Key(pin(target)), from, number: 1, reason: None };
        revocation::sign(&old.root.key, old.root.chain.leaf(), &statement)
    };
    let mut bearer = Raw::log_in(&overlap.world, at, &new.town).await;
    let first = revoke(&old.root, admitted);
    let sooner = revoke(&old.root, admitted.minus(Duration::from_millis(1)));
    for (n, jws, answer) in [
        (1, &revoke(&old.town, admitted), Code::RootEnded.as_str()),
        (2, &first, "revoked"),
        (3, &first, "revoked"),
        // Further back he may go, but not at once.
        (4, &sooner, Code::RateLimited.as_str()),
        // From then on is less than what holds.
        (5, &revoke(&old.root, admitted.plus(HOUR)), Code::Revoked.as_str()),
    ] {
        bearer.send(&json!({"op": "revoke", "n": n, "jws": jws, "chain": chain}).to_string()).await;
        let told = bearer.answer(n).await;
        let refused = told["op"] == "refused";
        assert_eq!(told[if refused { "code" } else { "op" }], answer, "{n}: {told}");
        assert_eq!(refused, [1, 4, 5].contains(&n), "{told}");
    }
    let disowned = format!("disowned from {}", admitted.as_millis());
    let trusted = roots(&pins, &[&ended]);
    assert_eq!(given(&mut overlap.reader(at, &new.region, trusted.clone())).await, [&*disowned]);
    // It outlives a start.
    relay.stop(Duration::ZERO).unwrap();
    let relay = overlap.relay(trusted.clone());
    let mut told = Raw::log_in(&overlap.world, relay.local_addr(), &new.town).await;
    let frames = [told.frame().await, told.frame().await, told.frame().await];
    assert_eq!([&frames[0]["op"], &frames[1]["op"], &frames[2]["op"]], ["rotation", "chain", "revocation"]);
    assert_eq!(frames[2]["jws"], *first);
    assert_eq!(given(&mut overlap.reader(relay.local_addr(), &new.region, trusted)).await, [disowned]);
}
