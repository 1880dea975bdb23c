//! A relay's TLS certificate is renewed while it runs: sessions go on, who comes after it sees the new one, and one that
//! cannot be used changes nothing.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use rcgen::{SanType, date_time_ymd};
use vigie_proto::id::CredentialId;
use vigie_proto::severity::Severity::Moderate;
use vigie_relay::health::{Reason, Warning};
use vigie_relay::own_credential::OwnCredential;
use vigie_relay::server::Relay;
use vigie_tests::raw::{Raw, tls};
use vigie_tests::soon;
use vigie_tests::world::World;

/// What a client is shown that connects now.
async fn shown(world: &World, relay: &Relay) -> Vec<u8> {
    let stream = tls(world, relay.local_addr()).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn hears(session: &mut Raw, author: &mut Raw, world: &World, text: &str) {
    let said = author.publish(&world.live.nation.say("alert/fr", text, Moderate)).await;
    assert_eq!(said["op"], "receipt", "{said}");
    assert_eq!(soon(session.event()).await["seq"], said["seq"]);
}

#[tokio::test]
async fn sessions_live_through_a_renewal_and_each_is_bound_to_the_certificate_it_saw() {
    let world = World::new();
    let relay = world.relay();
    let address = relay.local_addr();
    let mut reader = Raw::log_in(&world, address, &world.live.town).await;
    reader.subscribe(&["alert/fr.idf.75.paris"], None).await;
    let mut author = Raw::log_in(&world, address, &world.live.nation).await;
    hears(&mut reader, &mut author, &world, "avant").await;
    let old = shown(&world, &relay).await;

    // Shaken hands before, logged in after.
    let mut early = Raw::connect(&world, address).await;
    let (chain, key) = world.certificate(|_| {});
    let new = chain[0].to_vec();
    relay.renew_tls(chain, key).unwrap();
    assert_ne!(old, new);
    assert_eq!(shown(&world, &relay).await, new);
    let frame = early.login_frame(&world.live.region).await;
    early.send(&frame).await;
    assert_eq!(early.frame().await["op"], "welcome", "judged by the certificate that it saw");

    hears(&mut reader, &mut author, &world, "après").await;
    let mut late = Raw::log_in(&world, address, &world.live.nation).await;
    hears(&mut reader, &mut late, &world, "d'un nouveau").await;

    // A proof over the certificate before is not taken on a connection that was shown the one after.
    let mut before = Raw::connect(&world, address).await;
    let (chain, key) = world.certificate(|_| {});
    relay.renew_tls(chain, key).unwrap();
    let mut after = Raw::connect(&world, address).await;
    std::mem::swap(&mut before.binding, &mut after.binding);
    for crossed in [&mut before, &mut after] {
        let frame = crossed.login_frame(&world.live.region).await;
        crossed.send(&frame).await;
        assert_eq!(crossed.frame().await["code"], "binding_mismatch");
    }
    relay.stop(std::time::Duration::ZERO).unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing_and_is_red_until_something_can() {
    let world = World::new();
    let relay = world.relay();
    let old = shown(&world, &relay).await;
    let refused = || relay.status().warnings.contains(&Warning::CertificateRefused);
    let good = || world.certificate(|_| {});
    let mixed = (good().0, good().1);
    let ended = world.certificate(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let not_yet = world.certificate(|params| params.not_before = date_time_ymd(2100, 1, 1));
    let elsewhere = world.certificate(|params| {
        params.subject_alt_names = vec![SanType::DnsName("x.test".try_into().unwrap())]
    });
    let garbage = (vec![b"no certificate".to_vec().into()], good().1);
    for (name, (chain, key)) in [
        ("mixed", mixed),
        ("ended", ended),
        ("not yet", not_yet),
        ("elsewhere", elsewhere),
        ("garbage", garbage),
        ("none", (Vec::new(), good().1)),
    ] {
        assert!(!refused(), "{name}");
        assert!(relay.renew_tls(chain, key).is_err(), "{name}");
        assert!(refused(), "{name}");
        assert_eq!(shown(&world, &relay).await, old, "{name}");
        Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
        let (chain, key) = (vec![old.clone().into()], world.tls_key());
        relay.renew_tls(chain, key).unwrap();
    }
    relay.note_tls_unreadable();
    assert!(refused());
    relay.stop(std::time::Duration::ZERO).unwrap();
}

#[tokio::test]
async fn the_end_of_certificate_and_credential_is_told_before_it_comes() {
    let world = World::new();
    let soon_over = |days: u64| {
        let ends = std::time::SystemTime::now() + std::time::Duration::from_secs(days * 86_400 + 600);
        world.certificate(|params| {
            params.not_before = date_time_ymd(2025, 1, 1);
            params.not_after = ends.into();
        })
    };
    let relay = world.relay();
    let told = || (relay.status().warnings, relay.status().certificate.unwrap());
    assert_eq!(told().0, []);
    for (days, notice) in [(31, "none"), (29, "month"), (6, "week"), (0, "day")] {
        let (chain, key) = soon_over(days);
        relay.renew_tls(chain, key).unwrap();
        let (warnings, validity) = told();
        assert_eq!(warnings.contains(&Warning::CertificateEnds), notice != "none", "{days}");
        assert_eq!(serde_json::to_value(validity).unwrap()["notice"], notice);
        assert_eq!(validity.left_s / 86_400, days);
        assert!(!relay.status().reasons.contains(&Reason::CertificateEnded));
    }
    relay.stop(std::time::Duration::ZERO).unwrap();

    // One that has ended starts all the same: who is in charge sees it in red.
    let mut config = world.config("ended");
    (config.tls_chain, config.tls_key) =
        world.certificate(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let now = vigie_tests::world::now();
    let ended = vigie_proto::time::Window { from: vigie_proto::time::Timestamp::EPOCH, until: now };
    config.relay_credential = Some(OwnCredential::new(CredentialId::from_bytes([1; 32]), vec![ended]));
    let relay = world.relay_with(config);
    let status = relay.status();
    assert!(status.reasons.contains(&Reason::CertificateEnded) && !status.ready, "{status:?}");
    assert!(status.warnings.contains(&Warning::CredentialEnded), "{status:?}");
    relay.stop(std::time::Duration::ZERO).unwrap();
}
