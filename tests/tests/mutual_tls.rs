//! Where a relay asks clients for certificates: who has none, or one that is no good, gets no further than the handshake
//! and is told why; who loses it loses the session.
#![allow(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{
    CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, ExtendedKeyUsagePurpose, SerialNumber,
};
use rustls::HandshakeKind;
use rustls::client::Resumption;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vigie_client::{Client, ClientConfig, HistoryError, Identity, LinkError, Live, TlsRoots};
use vigie_proto::severity::Severity::Moderate;
use vigie_relay::config::ClientAuth;
use vigie_relay::health::expiry::Validity;
use vigie_relay::health::{Reason, Warning};
use vigie_relay::server::Relay;
use vigie_tests::client_auth::{Authority, Certified};
use vigie_tests::raw::{Came, Raw};
use vigie_tests::soon;
use vigie_tests::world::World;

const DAY: Duration = Duration::from_secs(86_400);

fn relay(world: &World, auth: ClientAuth) -> Relay {
    let mut config = world.config("journal");
    config.client_auth = Some(auth);
    world.relay_with(config)
}

/// A console of the town, by the SDK.
fn console(world: &World, relay: &Relay, shown: Option<&Certified>) -> Client<Live> {
    let mut tls = TlsRoots::from_pem(world.tls_root_pem.as_bytes()).unwrap();
    if let Some(shown) = shown {
        tls = tls.with_client_certificate(shown.chain.as_bytes(), shown.key.as_bytes()).unwrap();
    }
    let town = &world.live.town;
    let identity = Identity::new(Arc::clone(&town.key), Arc::clone(&town.chain)).unwrap();
    let url = format!("wss://localhost:{}", relay.local_addr().port()).parse().unwrap();
    let mut config = ClientConfig::new(vec![url], tls, world.roots(), identity);
    config.deadline = Duration::from_millis(800);
    Client::new(config).unwrap()
}

/// Whether it gets in, or what it is told.
async fn gets_in(world: &World, relay: &Relay, shown: Option<&Certified>) -> Result<(), String> {
    let filters = vec!["alert/fr.idf.75.paris".parse().unwrap()];
    match console(world, relay, shown).history(filters, None, 1).await {
        Ok(_) => Ok(()),
        Err(HistoryError::Link(LinkError::Tls { why, .. })) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

/// A reader of the town.
async fn reader(world: &World, relay: &Relay, shown: &Certified) -> Raw {
    let stream = shown.connect(world, relay.local_addr(), &Resumption::disabled()).await.unwrap();
    let mut raw = Raw::upgrade_over(stream, &Default::default()).await.unwrap();
    raw.log_in_as(&world.live.town).await;
    raw.subscribe(&["alert/fr.idf.75.paris"], None).await;
    raw
}

#[tokio::test]
async fn who_shows_nothing_good_gets_no_further_and_is_told_why() {
    let (world, ours, theirs) = (World::new(), Authority::new("ours"), Authority::new("theirs"));
    let relay = relay(&world, ours.auth(&[7]));
    let past = ours.client_with(2, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let server = ours.client_with(3, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let refused = [
        (None, "was shown none"),
        (Some(theirs.client(1)), "cannot trace"),
        (Some(ours.client(7)), "was revoked"),
        (Some(past), "has expired"),
        (Some(server), "does not take"),
    ];
    for (number, (shown, told)) in refused.iter().enumerate() {
        let why = gets_in(&world, &relay, shown.as_ref()).await.unwrap_err();
        assert!(why.contains(told), "{told}: {why}");
        // Each time, whatever the client has sent meanwhile, and not only when the network is kind.
        for _ in 0..5 {
            let Some(shown) = shown else { break };
            let Ok(mut stream) = shown.connect(&world, relay.local_addr(), &Resumption::disabled()).await
            else {
                continue;
            };
            let _ = stream.write_all(&[b'x'; 8 * 1024]).await;
            let error = soon(stream.read(&mut [0])).await.unwrap_err();
            assert!(error.to_string().contains("alert"), "{told}: {error}");
        }
        let counted = |relay: &Relay| relay.status().refusals.get("client_certificate_refused").copied();
        soon(async {
            while counted(&relay) < Some(number as u64 + 1) {
                tokio::task::yield_now().await
            }
        })
        .await;
    }
    gets_in(&world, &relay, Some(&ours.client(1))).await.unwrap();
    relay.stop(Duration::ZERO).unwrap();
}

#[tokio::test]
async fn a_list_past_its_time_refuses_everybody_until_there_is_a_new_one() {
    let (world, ours) = (World::new(), Authority::new("ours"));
    let over = ours.list_until(&[], SystemTime::now() - DAY);
    let relay = relay(&world, ClientAuth::new(vec![ours.der()], vec![over]));
    let console = ours.client(1);
    assert!(gets_in(&world, &relay, Some(&console)).await.unwrap_err().contains("list may have ended"));
    let status = relay.status();
    assert!(status.reasons.contains(&Reason::ClientAuthEnded) && !status.ready, "{status:?}");
    relay.renew_client_auth(&ours.auth(&[])).unwrap();
    gets_in(&world, &relay, Some(&console)).await.unwrap();
    assert!(relay.status().ready);
    // The end of the next one is told before it comes.
    for (days, warned) in [(31, false), (6, true)] {
        let list = ours.list_until(&[], SystemTime::now() + days * DAY);
        relay.renew_client_auth(&ClientAuth::new(vec![ours.der()], vec![list])).unwrap();
        assert_eq!(relay.status().warnings.contains(&Warning::ClientAuthEnds), warned, "{days} days");
    }
    relay.stop(Duration::ZERO).unwrap();
}

#[tokio::test]
async fn who_is_revoked_loses_the_session_within_a_second_and_nobody_else_does() {
    let (world, ours, next) = (World::new(), Authority::new("ours"), Authority::new("next"));
    let both = |revoked: &[u64]| {
        let authorities = [&ours, &next].map(|it| it.der()).to_vec();
        ClientAuth::new(authorities, vec![ours.list(revoked), next.list(&[])])
    };
    let relay = relay(&world, both(&[]));
    let (stolen, old, new) = (ours.client(1), ours.client(2), next.client(1));
    let mut sessions = Vec::new();
    for shown in [&stolen, &old, &new] {
        sessions.push(reader(&world, &relay, shown).await);
    }
    let ends = async |session: &mut Raw, begun: Instant| {
        assert_eq!(session.frame().await["code"], "client_certificate_refused");
        assert_eq!(session.next().await, Came::Closed(1008, "client_certificate_refused".to_owned()));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    };
    // One of them is revoked.
    let begun = Instant::now();
    relay.renew_client_auth(&both(&[1])).unwrap();
    ends(&mut sessions[0], begun).await;
    assert!(gets_in(&world, &relay, Some(&stolen)).await.unwrap_err().contains("was revoked"));
    // Its authority is given up.
    let begun = Instant::now();
    relay.renew_client_auth(&next.auth(&[])).unwrap();
    ends(&mut sessions[1], begun).await;
    assert!(gets_in(&world, &relay, Some(&old)).await.unwrap_err().contains("cannot trace"));
    // The third goes on, also past a list that has no more use.
    let nation = new.connect(&world, relay.local_addr(), &Resumption::disabled()).await.unwrap();
    let mut nation = Raw::upgrade_over(nation, &Default::default()).await.unwrap();
    nation.log_in_as(&world.live.nation).await;
    let message = world.live.nation.say("alert/fr", "toujours là", Moderate);
    assert_eq!(nation.publish(&message).await["op"], "receipt");
    assert_eq!(sessions[2].event().await["jws"], message);
    relay.stop(Duration::ZERO).unwrap();
}

/// A laptop is stolen. Whoever adds the new list to the file of the old one, in whichever order, has it locked out.
#[tokio::test]
async fn an_older_list_in_the_same_file_hides_no_newer_one() {
    let (world, ours) = (World::new(), Authority::new("ours"));
    let (stolen, console) = (ours.client(1), ours.client(2));
    let (old, new) = (ours.list(&[]), ours.list(&[1]));
    // What an issuer says of clients alone, after a list of everything.
    let users = ours.list_with(&[1], SystemTime::now() + 36 * DAY, |params| {
        params.issuing_distribution_point = Some(CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: vec!["http://pki.example/users.crl".to_owned()],
            },
            scope: Some(CrlScope::UserCertsOnly),
        });
    });
    let of = |lists: [&_; 2]| ClientAuth::new(vec![ours.der()], lists.map(Clone::clone).to_vec());
    for lists in [[&old, &new], [&new, &old], [&old, &users], [&users, &old]] {
        let started = relay(&world, of(lists));
        assert!(gets_in(&world, &started, Some(&stolen)).await.unwrap_err().contains("was revoked"));
        gets_in(&world, &started, Some(&console)).await.unwrap();
        started.stop(Duration::ZERO).unwrap();
        let reloaded = relay(&world, ClientAuth::new(vec![ours.der()], vec![old.clone()]));
        gets_in(&world, &reloaded, Some(&stolen)).await.unwrap();
        reloaded.renew_client_auth(&of(lists)).unwrap();
        assert!(gets_in(&world, &reloaded, Some(&stolen)).await.unwrap_err().contains("was revoked"));
        gets_in(&world, &reloaded, Some(&console)).await.unwrap();
        reloaded.stop(Duration::ZERO).unwrap();
    }
}

/// A file of yesterday is put back: by hand, by a backup, by a script that lost a race.
#[tokio::test]
async fn an_older_list_than_the_one_in_force_is_refused_and_told() {
    let (world, ours) = (World::new(), Authority::new("ours"));
    let (stolen, console) = (ours.client(1), ours.client(2));
    let (old, new) = (ours.auth(&[]), ours.auth(&[1]));
    let undated = ours.list_with(&[], SystemTime::now() + 30 * DAY, |params| {
        params.crl_number = SerialNumber::from(2);
    });
    let relay = relay(&world, old.clone());
    let refused = || relay.status().warnings.contains(&Warning::CertificateRefused);
    relay.renew_client_auth(&new).unwrap();
    for (name, auth) in
        [("lower number", &old), ("same number, earlier", &ClientAuth::new(vec![ours.der()], vec![undated]))]
    {
        let told = relay.renew_client_auth(auth).unwrap_err().to_string();
        assert!(told.contains("is older than the one in force (number 0x02)"), "{name}: {told}");
        assert!(refused(), "{name}");
        assert!(gets_in(&world, &relay, Some(&stolen)).await.unwrap_err().contains("was revoked"), "{name}");
        gets_in(&world, &relay, Some(&console)).await.unwrap();
        // Read again as it is, which every SIGHUP does.
        relay.renew_client_auth(&new).unwrap();
        assert!(!refused(), "{name}");
    }
    // Back by a new list, and by no old one.
    relay.renew_client_auth(&ours.auth(&[])).unwrap();
    gets_in(&world, &relay, Some(&stolen)).await.unwrap();
    relay.stop(Duration::ZERO).unwrap();
}

/// Each renewal replaces one part of what is shown; of two at once neither may put back what the other has replaced.
#[tokio::test]
async fn renewals_at_once_lose_nothing_of_each_other() {
    let (world, ours) = (World::new(), Authority::new("ours"));
    let relay = relay(&world, ours.auth(&[]));
    let now = SystemTime::now();
    let ends = |what: Option<Validity>| what.unwrap().ends;
    let mut before = relay.status();
    for day in 1..=2_000 {
        let until = now + (400 + day) * DAY;
        let (chain, key) = world.certificate(|params| params.not_after = until.into());
        let list = ours.list_with(&[], now + 35 * DAY, |params| params.next_update = until.into());
        let auth = ClientAuth::new(vec![ours.der()], vec![list]);
        let together = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                together.wait();
                relay.renew_tls(chain, key).unwrap();
            });
            together.wait();
            relay.renew_client_auth(&auth).unwrap();
        });
        let after = relay.status();
        assert_ne!(ends(before.certificate), ends(after.certificate), "{day}: the certificate");
        assert_ne!(ends(before.client_list), ends(after.client_list), "{day}: the list");
        before = after;
    }
    relay.stop(Duration::ZERO).unwrap();
}

#[tokio::test]
async fn a_certificate_that_ends_takes_its_session_with_it() {
    let (world, ours) = (World::new(), Authority::new("ours"));
    let relay = relay(&world, ours.auth(&[]));
    let until = SystemTime::now() + Duration::from_secs(4);
    let brief = ours.client_with(1, |params| params.not_after = until.into());
    let mut session = reader(&world, &relay, &brief).await;
    assert_eq!(session.frame().await["code"], "client_certificate_refused");
    // To the second: its last one counts.
    assert!(SystemTime::now() > until - Duration::from_secs(1));
    relay.stop(Duration::ZERO).unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing_and_is_told() {
    let (world, ours, theirs) = (World::new(), Authority::new("ours"), Authority::new("theirs"));
    let relay = relay(&world, ours.auth(&[]));
    let console = ours.client(1);
    let mut session = reader(&world, &relay, &console).await;
    let refused = || relay.status().warnings.contains(&Warning::CertificateRefused);
    let ca = || vec![ours.der()];
    for (name, auth) in [
        ("no authority", ClientAuth::new(Vec::new(), vec![ours.list(&[])])),
        ("no list", ClientAuth::new(ca(), Vec::new())),
        ("the list of another", ClientAuth::new(ca(), vec![theirs.list(&[])])),
        ("a list past its time", ClientAuth::new(ca(), vec![ours.list_until(&[], SystemTime::now() - DAY)])),
        ("no certificate", ClientAuth::new(vec![b"x".to_vec().into()], vec![ours.list(&[])])),
        ("no list but bytes", ClientAuth::new(ca(), vec![b"x".to_vec().into()])),
    ] {
        assert!(!refused(), "{name}");
        assert!(relay.renew_client_auth(&auth).is_err(), "{name}");
        assert!(refused(), "{name}");
        gets_in(&world, &relay, Some(&console)).await.unwrap();
        // A certificate of the relay that is renewed meanwhile does not hide it.
        relay.renew_tls(vec![world.tls_chain[0].clone()], world.tls_key()).unwrap();
        assert!(refused(), "{name}");
        gets_in(&world, &relay, None).await.unwrap_err();
        relay.renew_client_auth(&ours.auth(&[])).unwrap();
    }
    relay.note_client_auth_unreadable();
    assert!(refused());
    assert_eq!(session.subscribe(&["alert/fr.idf.75.paris"], None).await["op"], "subscribed", "still there");
    relay.stop(Duration::ZERO).unwrap();
}

#[tokio::test]
async fn nothing_is_resumed() {
    let (world, ours) = (World::new(), Authority::new("ours"));
    let relay = relay(&world, ours.auth(&[]));
    let console = ours.client(1);
    let remembers = Resumption::in_memory_sessions(8);
    for _ in 0..3 {
        let stream = console.connect(&world, relay.local_addr(), &remembers).await.unwrap();
        let mut raw = Raw::upgrade_over(stream, &Default::default()).await.unwrap();
        raw.log_in_as(&world.live.town).await;
        let session = raw.stream().get_ref().1;
        assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(session.tls13_tickets_received(), 0);
    }
    relay.renew_client_auth(&ours.auth(&[1])).unwrap();
    let stream = console.connect(&world, relay.local_addr(), &remembers).await.unwrap();
    assert!(
        Raw::upgrade_over(stream, &Default::default()).await.is_err(),
        "a revoked one does not come back"
    );
    relay.stop(Duration::ZERO).unwrap();
}
