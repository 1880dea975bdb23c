//! A relay trusts other roots while it runs: who stands under a new one gets in, who stands under one that is gone is out
//! within a second, and the others notice nothing.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vigie_proto::chain::Roots;
use vigie_proto::channel::Plane;
use vigie_proto::id::{LogId, Nonce};
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::login::Binding;
use vigie_proto::revocation::{self, Statement, Target};
use vigie_proto::rotation::{self, Handover};
use vigie_proto::session::relay::Rules;
use vigie_proto::severity::Severity::Minor;
use vigie_proto::verify;
use vigie_relay::chains::SharedVerdicts;
use vigie_relay::health::Warning;
use vigie_relay::journal::JournalConfig;
use vigie_relay::journal::sim_disk::SimDisk;
use vigie_relay::sequencer::{Sequencer, Statement as Queued, Submission, Ticket};
use vigie_relay::trust::SharedRules;
use vigie_relay::worker::{Worker, WorkerConfig};
use vigie_tests::raw::{Came, Raw};
use vigie_tests::soon;
use vigie_tests::world::{Command, Person, World, now};

const PARIS: &str = "alert/fr.idf.75.paris";

fn pinning(roots: &[&Person]) -> Roots {
    Roots::new(roots.iter().map(|root| root.key.public().thumbprint()))
}

/// What a log-in is answered with: `welcome`, or a code.
async fn knock(world: &World, at: SocketAddr, person: &Person) -> String {
    let mut raw = Raw::connect(world, at).await;
    let login = raw.login_frame(person).await;
    raw.send(&login).await;
    let answer = raw.frame().await;
    let said = if answer["op"] == "refused" { &answer["code"] } else { &answer["op"] };
    said.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_root_that_comes_lets_in_and_one_that_goes_ends_its_sessions_within_a_second() {
    let (world, others) = (World::new(), Command::new(Plane::Live));
    let (ours, theirs) = (&world.live.root, &others.root);
    let mut config = world.config("journal");
    config.roots = pinning(&[ours]);
    let relay = world.relay_with(config);
    let at = relay.local_addr();
    let mut reader = Raw::log_in(&world, at, &world.live.town).await;
    reader.subscribe(&[PARIS], None).await;
    assert_eq!(knock(&world, at, &others.town).await, "unknown_root");
    relay.note_roots_unusable();
    assert!(relay.status().warnings.contains(&Warning::RootsRefused));
    relay.renew_roots(pinning(&[ours, theirs]));
    assert!(!relay.status().warnings.contains(&Warning::RootsRefused));
    let mut guest = Raw::log_in(&world, at, &others.town).await;
    guest.subscribe(&[PARIS], None).await;
    let said = guest.publish(&others.town.say(PARIS, "de l'autre", Minor)).await;
    assert_eq!(said["op"], "receipt", "{said}");
    for session in [&mut reader, &mut guest] {
        assert_eq!(soon(session.event()).await["seq"], said["seq"]);
    }
    // Sent in the same moment, of which either may come first; answered after it, it is not admitted.
    relay.renew_roots(pinning(&[ours]));
    let began = Instant::now();
    guest.send(&publish_frame(&others.town.say(PARIS, "trop tard", Minor))).await;
    let mut told = Vec::new();
    let close = loop {
        match soon(guest.next()).await {
            Came::Closed(code, reason) => break (code, reason),
            Came::Frame(frame) => told.push(frame),
            Came::Gone => panic!("it was cut off: {told:?}"),
        }
    };
    assert_eq!(close, (1008, "session_expired".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(told.iter().all(|frame| frame["op"] != "receipt"), "{told:?}");
    assert_eq!(knock(&world, at, &others.town).await, "unknown_root");
    // Who stands under a root that stayed hears on, and nothing of what came too late.
    let mut author = Raw::log_in(&world, at, &world.live.nation).await;
    let next = author.publish(&world.live.nation.say(PARIS, "après", Minor)).await;
    assert_eq!(soon(reader.event()).await["seq"], next["seq"]);
    assert_eq!(next["seq"], said["seq"].as_u64().unwrap() + 1);
    relay.stop(Duration::ZERO).unwrap();
}

fn publish_frame(jws: &str) -> String {
    serde_json::json!({"op": "publish", "n": 7, "jws": jws}).to_string()
}

#[tokio::test]
async fn a_rotation_that_comes_is_told_to_sessions_and_ends_the_old_root_at_its_time() {
    let (world, heirs) = (World::new(), Command::new(Plane::Live));
    let old = &world.live.root;
    let mut config = world.config("journal");
    config.roots = pinning(&[old]);
    let relay = world.relay_with(config);
    let at = relay.local_addr();
    let mut reader = Raw::log_in(&world, at, &world.live.town).await;
    reader.subscribe(&[PARIS], None).await;
    let rotate = |until| {
        let from = now().minus(Duration::from_secs(3_600));
        let handover = Handover { successor: *heirs.root.key.public(), from, until };
        rotation::sign(&old.key, Plane::Live, &handover).unwrap()
    };
    let trusting = |tokens: &[&str]| {
        let mut roots = pinning(&[old]);
        roots.install(tokens.iter().copied()).unwrap();
        roots
    };
    let open = rotate(None);
    relay.renew_roots(trusting(&[open.token()]));
    let told = loop {
        match soon(reader.next()).await {
            Came::Frame(frame) if frame["op"] == "rotation" => break frame,
            Came::Frame(_) => {}
            Came::Closed(code, reason) => panic!("{code} {reason}"),
            Came::Gone => panic!("it was cut off"),
        }
    };
    assert_eq!(told["jws"], &**open.token());
    assert_eq!(knock(&world, at, &heirs.town).await, "welcome");
    // The end of the old root comes later, and not with the next start.
    let end = now().plus(Duration::from_secs(2));
    relay.renew_roots(trusting(&[open.token(), rotate(Some(end)).token()]));
    let close = loop {
        if let Came::Closed(code, reason) = soon(reader.next()).await {
            break (code, reason);
        }
    };
    assert_eq!(close, (1008, "session_expired".to_owned()));
    assert!(now() >= end);
    assert_eq!(knock(&world, at, &world.live.town).await, "root_ended");
    assert_eq!(knock(&world, at, &heirs.town).await, "welcome");
    relay.stop(Duration::ZERO).unwrap();
}

/// The old root hands over to the new one, from an hour ago on: what is trusted by whom pins these.
fn handing_over(old: &Person, new: &Person) -> impl Fn(&[&Person]) -> Roots {
    let from = now().minus(Duration::from_secs(3_600));
    let handover = Handover { successor: *new.key.public(), from, until: None };
    let rotation = rotation::sign(&old.key, Plane::Live, &handover).unwrap();
    move |pins| {
        let mut roots = pinning(pins);
        roots.install([&**rotation.token()]).unwrap();
        roots
    }
}

/// Two roots are pinned, and the old one, which handed over to the new one, has given itself up. Who takes the pin of the new
/// one away trusts it through the old one alone, and so no more.
#[tokio::test]
async fn a_revocation_that_other_roots_let_apply_ends_the_sessions_that_it_meets() {
    let (world, heirs) = (World::new(), Command::new(Plane::Live));
    let old = &world.live.root;
    let trusting = handing_over(old, &heirs.root);
    let mut config = world.config("journal");
    config.roots = trusting(&[old, &heirs.root]);
    let relay = world.relay_with(config);
    let at = relay.local_addr();
    let mut heir = Raw::log_in(&world, at, &heirs.town).await;
    let mut root = Raw::log_in(&world, at, old).await;
    let target = Target::Key(old.chain.leaf().key_id());
    let statement = Statement { target, from: now(), number: 1, reason: None };
    let jws = revocation::sign(&old.key, old.chain.leaf(), &statement);
    root.send(&serde_json::json!({"op": "revoke", "n": 9, "jws": jws}).to_string()).await;
    assert_eq!(root.answer(9).await["op"], "revoked");
    assert_eq!(heir.publish(&heirs.town.say(PARIS, "épinglé", Minor)).await["op"], "receipt");
    relay.renew_roots(trusting(&[old]));
    let close = loop {
        match soon(heir.next()).await {
            Came::Closed(code, reason) => break (code, reason),
            Came::Frame(_) => {}
            Came::Gone => panic!("it was cut off"),
        }
    };
    assert_eq!(close, (1008, "session_revoked".to_owned()));
    assert_eq!(knock(&world, at, &heirs.town).await, "revoked");
    relay.stop(Duration::ZERO).unwrap();
}

/// The journal thread, with what was handed over to it before the roots changed: each verified as its worker trusted it then.
#[test]
fn what_waits_for_the_journal_thread_is_held_to_the_roots_of_the_moment_when_it_is_decided_on() {
    let (world, heirs) = (World::new(), Command::new(Plane::Live));
    let (old, town) = (&world.live.root, &heirs.town);
    let began = now().minus(Duration::from_secs(60));
    let trusting = handing_over(old, &heirs.root);
    let both = trusting(&[old, &heirs.root]);
    let own = |person: &Person, from| {
        let target = Target::Key(person.chain.leaf().key_id());
        let statement = Statement { target, from, number: 1, reason: None };
        let chain = Arc::new(person.chain.under(&both).unwrap());
        revocation::verify(&revocation::sign(&person.key, chain.leaf(), &statement), &chain).unwrap()
    };
    let message = || {
        let chain = Arc::new(town.chain.under(&both).unwrap());
        verify::verify(&town.say(PARIS, "en attente", Minor), &chain, MESSAGE_LIFETIME_MAX).unwrap()
    };
    // The old root gave itself up a minute ago; whoever is trusted through it alone is met by that.
    for (roots, expected) in [
        // Nothing changed, and what is pinned is met by no root before it.
        (None, [None, None, None]),
        (Some(trusting(&[old, &heirs.root])), [None, None, None]),
        (Some(pinning(&[old])), [Some("unknown_root"); 3]),
        // One's own from earlier on than the end of the root before is taken, and from later on it is not.
        (Some(trusting(&[old])), [Some("revoked"), Some("revoked"), None]),
    ] {
        let log = LogId::from_bytes([7; 16]);
        let mut sequencer = Sequencer::open(SimDisk::new(), JournalConfig::new(), log, now(), 1).unwrap();
        let rules = SharedRules::new(Rules::new(both.clone(), Vec::new()));
        sequencer.set_rules(rules.clone());
        let worker = WorkerConfig::new(0, rules.now(), log);
        let (chains, revocations) = (sequencer.chains(), sequencer.revocations());
        let mut worker =
            Worker::new(worker, chains, revocations, Arc::<SharedVerdicts>::default(), sequencer.head());
        let session = worker.accept(Nonce::from_bytes([1; 32]), Binding::None, now());
        let mut decide = |statement: Queued| {
            let ticket = Ticket { worker: 0, session, re: 1 };
            let committed = sequencer.commit(&[Submission { ticket, statement }], Ok(now())).unwrap();
            committed.answers[0].outcome.as_ref().err().map(|refusal| refusal.code.as_str())
        };
        assert_eq!(decide(Queued::Revocation(Box::new(own(old, began)))), None);
        let waiting = [
            Queued::Message(Box::new(message())),
            Queued::Revocation(Box::new(own(town, now()))),
            Queued::Revocation(Box::new(own(&heirs.region, began.minus(Duration::from_secs(60))))),
        ];
        if let Some(roots) = roots {
            rules.trust(roots);
        }
        assert_eq!(waiting.map(decide), expected);
    }
}
