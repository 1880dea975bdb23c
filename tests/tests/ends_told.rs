//! What others must renew is told by the relay 30, 7 and 1 days before it ends: a root that hands over, and the credentials
//! above those of its sessions. In numbers and codes, and by name to whoever runs it alone.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::time::Duration;

use vigie_proto::channel::Plane;
use vigie_proto::expiry::Notice;
use vigie_proto::rotation::{self, Handover};
use vigie_proto::time::Timestamp;
use vigie_relay::health::{Reason, Warning};
use vigie_relay::own_credential::OwnCredential;
use vigie_relay::server::Relay;
use vigie_tests::raw::Raw;
use vigie_tests::soon;
use vigie_tests::world::{Person, World, below_an_issuer_who_ends_in, now};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn in_days(days: u32) -> Timestamp {
    now().plus(DAY * days + Duration::from_secs(60))
}

/// Trusts one more root, which hands over then.
fn trust(relay: &Relay, world: &World, root: &Person, until: Option<Timestamp>) {
    let pins = world.roots().pinned().chain([root.key.public().thumbprint()]).collect::<Vec<_>>();
    let mut roots = vigie_proto::chain::Roots::new(pins);
    if until.is_some() {
        let successor = *world.live.root.key.public();
        let handover = Handover { successor, from: now().minus(DAY), until };
        let rotation = rotation::sign(&root.key, Plane::Live, &handover).unwrap();
        roots.install([&**rotation.token()]).unwrap();
    }
    relay.renew_roots(roots);
}

#[tokio::test]
async fn a_root_that_hands_over_is_told_before_it_does_and_not_once_it_has() {
    let world = World::new();
    let relay = world.relay();
    let [root, ..] = below_an_issuer_who_ends_in(300);
    trust(&relay, &world, &root, None);
    assert_eq!((relay.status().root, relay.ending_roots().len()), (None, 0), "it has said nothing");
    for (days, notice) in [(31, Notice::None), (29, Notice::Month), (6, Notice::Week), (0, Notice::Day)] {
        trust(&relay, &world, &root, Some(in_days(days)));
        let status = relay.status();
        let told = status.root.unwrap();
        assert_eq!((told.notice, told.left_s / 86_400), (notice, u64::from(days)));
        assert_eq!(status.warnings.contains(&Warning::RootEnds), notice != Notice::None, "{days} days");
        assert!(status.reasons.iter().all(|reason| *reason == Reason::Starting), "{status:?}");
        let [ending] = relay.ending_roots()[..] else { panic!("of both planes one ends") };
        assert_eq!((ending.root, ending.plane), (root.key.public().thumbprint(), Plane::Live));
    }
    trust(&relay, &world, &root, Some(now().minus(Duration::from_secs(5))));
    assert_eq!(relay.status().root, None);
    assert!(!relay.status().warnings.contains(&Warning::RootEnds));
    relay.stop(Duration::ZERO).unwrap();
}

#[tokio::test]
async fn the_credential_of_a_relay_ends_when_its_root_hands_over() {
    let [root, issuer, _] = below_an_issuer_who_ends_in(300);
    let mut roots = vigie_proto::chain::Roots::new([root.key.public().thumbprint()]);
    let until = in_days(6);
    let handover = Handover { successor: *issuer.key.public(), from: now().minus(DAY), until: Some(until) };
    let rotation = rotation::sign(&root.key, Plane::Live, &handover).unwrap();
    roots.install([&**rotation.token()]).unwrap();
    let own = OwnCredential::from(&issuer.chain.under(&roots).unwrap());
    assert_eq!(own.valid.iter().map(|valid| valid.until).min(), Some(until));
}

#[tokio::test]
async fn issuers_above_sessions_are_told_in_numbers_and_by_name_to_whoever_runs_the_relay_alone() {
    let world = World::new();
    let relay = world.relay();
    let [root, issuer, leaf] = below_an_issuer_who_ends_in(6);
    trust(&relay, &world, &root, None);
    // Those of the world live for a day, and are never told of.
    let mut told = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    assert_eq!((relay.status().issuer, relay.status().issuers_ending), (None, 0));
    let _two = [
        Raw::log_in(&world, relay.local_addr(), &leaf).await,
        Raw::log_in(&world, relay.local_addr(), &leaf).await,
    ];
    let status = soon(async {
        loop {
            let status = relay.status();
            if status.issuers_ending > 0 {
                return status;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let ends = status.issuer.unwrap();
    assert_eq!((status.issuers_ending, ends.notice, ends.left_s / 86_400), (1, Notice::Week, 6));
    assert!(status.warnings.contains(&Warning::IssuersEnd) && status.ready, "{status:?}");
    let [one] = &relay.ending_issuers()[..] else { panic!("the leaf is told by its client, once for all") };
    assert_eq!(one.credential, issuer.chain.leaf().id());
    // Whoever reads the health page learns how many, and nobody else anything.
    let shown = serde_json::to_string(&status).unwrap() + &vigie_relay::health::metrics::text(&status);
    for secret in [one.credential.to_string(), root.key.public().thumbprint().to_string()] {
        assert!(!shown.contains(&secret), "{shown}");
    }
    assert!(shown.contains("vigie_issuers_ending 1\n"), "{shown}");
    told.subscribe(&["alert/fr"], None).await;
    relay.stop(Duration::ZERO).unwrap();
}
