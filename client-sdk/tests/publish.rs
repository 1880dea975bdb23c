//! A publish is answered once, and truly: on disk, refused, never left, or unknown.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod support;

use std::time::Duration;

use support::{FakeRelay, LOG, Trust, draft, soon};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vigie_client::proto::channel::Plane;
use vigie_client::proto::frame::ServerFrame;
use vigie_client::proto::id::Sequence;
use vigie_client::proto::refusal::Code;
use vigie_client::{Client, ConfigError, Exercise, LinkError, LinkState, Live, PublishError};

#[tokio::test]
async fn a_receipt_comes_with_its_reach() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    assert_eq!(client.state(), LinkState::Idle, "nothing is dialled before it is needed");
    let message = client.sign(draft("crue")).unwrap();
    let play = async {
        let mut session = relay.accept().await;
        let (n, sent) = session.receive_publish().await;
        assert_eq!(sent, message);
        session.receipt(n, &sent, 5).await;
        session.send(ServerFrame::Reach { id: sent.id(), live: 3, behind: 1 }).await;
        session
    };
    let wait = Duration::from_secs(10);
    let (published, _session) = tokio::join!(soon(client.publish_with_reach(&message, wait)), play);
    let (receipt, reach) = published.unwrap();
    assert_eq!((receipt.id, receipt.log, receipt.seq), (message.id(), LOG, Sequence::new(5)));
    let reach = reach.unwrap();
    assert_eq!((reach.live, reach.behind), (3, 1));
    assert_eq!(client.state(), LinkState::Up);
}

#[tokio::test]
async fn a_refusal_carries_its_code_and_the_session_goes_on() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let play = async {
        let mut session = relay.accept().await;
        for code in ["out_of_jurisdiction", "busy", "message_too_large", "of_a_later_version"] {
            let (n, _) = session.receive_publish().await;
            session.refuse(Some(n), code).await;
        }
        let (n, sent) = session.receive_publish().await;
        session.receipt(n, &sent, 1).await;
        session
    };
    let publish = async {
        for (code, temporary) in [(Code::OutOfJurisdiction, false), (Code::Busy, true)] {
            let error = soon(client.publish(draft("crue"))).await.unwrap_err();
            assert_eq!(error.is_temporary(), temporary);
            assert!(matches!(&error, PublishError::Refused(refusal) if refusal.code == code), "{error}");
        }
        let error = soon(client.publish(draft("crue"))).await.unwrap_err();
        assert!(matches!(error, PublishError::TooLarge { max: 262_144 }), "{error}");
        let error = soon(client.publish(draft("crue"))).await.unwrap_err();
        assert!(error.to_string().contains("of_a_later_version"), "{error}");
        soon(client.publish(draft("crue"))).await.unwrap();
    };
    let _ = tokio::join!(publish, play);
}

#[tokio::test]
async fn a_line_cut_before_the_receipt_is_replaced_and_the_same_bytes_sent() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let play = async {
        let mut first = relay.accept().await;
        let (_, sent) = first.receive_publish().await;
        drop(first);
        let mut second = relay.accept().await;
        let (n, again) = second.receive_publish().await;
        assert_eq!(again, sent);
        second.receipt(n, &again, 9).await;
        (sent, second)
    };
    let (receipt, (sent, _second)) = tokio::join!(soon(client.publish(draft("crue"))), play);
    assert_eq!(receipt.unwrap().id, sent.id());
}

#[tokio::test]
async fn without_an_answer_the_fate_is_unknown_and_the_same_bytes_settle_it() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let mut config = trust.config(&[&relay]);
    config.deadline = Duration::from_millis(1_500);
    let client = Client::<Live>::new(config).unwrap();
    let play = async {
        let mut session = relay.accept().await;
        let (_, sent) = session.receive_publish().await;
        let (n, again) = session.receive_publish().await;
        assert_eq!(again, sent);
        session.receipt(n, &again, 2).await;
        session
    };
    let publish = async {
        let error = soon(client.publish(draft("crue"))).await.unwrap_err();
        assert!(error.is_temporary());
        let PublishError::Unknown { message } = error else { panic!("{error}") };
        assert_eq!(soon(client.publish_signed(&message)).await.unwrap().id, message.id());
    };
    let _ = tokio::join!(publish, play);
}

/// A relay without room, or that has forgotten an id since it expired, cannot say whether the line before brought the
/// message through. One that finds the message itself wrong can.
#[tokio::test]
async fn a_refusal_after_a_cut_says_nothing_of_the_line_before_unless_the_message_is_wrong() {
    for (code, fate_is_known) in [("busy", false), ("expired", false), ("out_of_jurisdiction", true)] {
        let trust = Trust::new(1);
        let relay = FakeRelay::start(&trust).await;
        let client = trust.client(&[&relay]);
        let play = async {
            relay.accept().await.receive_publish().await;
            let mut second = relay.accept().await;
            let (n, _) = second.receive_publish().await;
            second.refuse(Some(n), code).await;
            second
        };
        let (published, _second) = tokio::join!(soon(client.publish(draft("crue"))), play);
        let is_known = matches!(published, Err(PublishError::Refused(_)));
        let is_unknown = matches!(published, Err(PublishError::Unknown { .. }));
        assert_eq!((is_known, is_unknown), (fate_is_known, !fate_is_known), "{code}: {published:?}");
    }
}

#[tokio::test]
async fn a_receipt_for_another_message_is_not_believed() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let other = client.sign(draft("autre")).unwrap();
    let play = async {
        let mut first = relay.accept().await;
        let (n, _) = first.receive_publish().await;
        first.receipt(n, &other, 1).await;
        let mut second = relay.accept().await;
        let (n, sent) = second.receive_publish().await;
        second.receipt(n, &sent, 1).await;
        (sent, second)
    };
    let (receipt, (sent, _second)) = tokio::join!(soon(client.publish(draft("crue"))), play);
    assert_eq!(receipt.unwrap().id, sent.id());
}

#[tokio::test]
async fn many_at_once_are_all_answered_in_order_of_publishing() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    const COUNT: u64 = 100;
    let play = async {
        let mut session = relay.accept().await;
        // The relay answers nothing before all places in flight are taken: the rest must be waiting for theirs.
        let mut taken = Vec::new();
        for _ in 0..32 {
            taken.push(session.receive_publish().await);
        }
        assert!(taken.is_sorted_by_key(|(n, _)| *n));
        session.nothing_more_came().await;
        for (seq, (n, sent)) in taken.iter().enumerate() {
            session.receipt(*n, sent, seq as u64 + 1).await;
        }
        for seq in 33..=COUNT {
            let (n, sent) = session.receive_publish().await;
            session.receipt(n, &sent, seq).await;
        }
        session
    };
    let publishes = (0..COUNT).map(|number| client.publish(draft(&number.to_string())));
    let (receipts, _session) = tokio::join!(soon(futures_util::future::join_all(publishes)), play);
    let mut places: Vec<u64> = receipts.into_iter().map(|receipt| receipt.unwrap().seq.get()).collect();
    places.sort_unstable();
    assert_eq!(places, (1..=COUNT).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_no_relay_takes_never_left() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let mut config = trust.config(&[&relay]);
    config.deadline = Duration::from_millis(300);
    drop(relay);
    let client = Client::<Live>::new(config).unwrap();
    let error = soon(client.publish(draft("crue"))).await.unwrap_err();
    assert!(matches!(error, PublishError::NotSent(LinkError::Connect { .. })), "{error}");
    assert!(error.is_temporary());
}

#[tokio::test]
async fn an_identity_that_no_relay_lets_in_is_told_so() {
    let trust = Trust::new(1);
    let (one, two) = (FakeRelay::start(&Trust::new(11)).await, FakeRelay::start(&Trust::new(21)).await);
    let client = trust.client(&[&one, &two]);
    let play = async {
        assert!(one.try_accept().await.is_none());
        assert!(two.try_accept().await.is_none());
    };
    let (published, ()) = tokio::join!(soon(client.publish(draft("crue"))), play);
    let error = published.unwrap_err();
    assert!(matches!(&error, PublishError::Refused(refusal) if refusal.code == Code::UnknownRoot), "{error}");
}

#[tokio::test]
async fn an_unknown_tls_authority_is_named_as_the_cause() {
    let trust = Trust::new(1);
    let (relay, other) = (FakeRelay::start(&trust).await, FakeRelay::start(&trust).await);
    let mut config = trust.config(&[&relay]);
    config.tls_roots = trust.config(&[&other]).tls_roots;
    config.deadline = Duration::from_millis(1_500);
    let client = Client::<Live>::new(config).unwrap();
    let (published, ()) = tokio::join!(soon(client.publish(draft("crue"))), relay.refused_tls());
    let error = published.unwrap_err();
    assert!(matches!(error, PublishError::NotSent(LinkError::Tls { .. })), "{error}");
    assert!(error.to_string().contains("no authority of the given TLS roots"), "{error}");
}

#[tokio::test]
async fn the_sentence_of_an_http_answer_reaches_the_caller() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let mut config = trust.config(&[&relay]);
    config.deadline = Duration::from_millis(1_500);
    let client = Client::<Live>::new(config).unwrap();
    let play = async {
        let mut tls = relay.accept_tls().await;
        let mut head = [0; 16];
        soon(tls.read_exact(&mut head)).await.unwrap();
        let answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 13\r\n\r\nrevenez\u{7} tôt";
        tls.write_all(answer.as_bytes()).await.unwrap();
        tls.shutdown().await.unwrap();
        tls
    };
    let (published, _tls) = tokio::join!(soon(client.publish(draft("crue"))), play);
    match published {
        Err(PublishError::NotSent(LinkError::Http { status: 503, said, .. })) => {
            assert!(said.starts_with("revenez  t"), "{said:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_relay_would_refuse_is_refused_before_it_is_sent() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let line = |channel: &str, severity| {
        let channel = channel.parse().unwrap();
        vigie_client::Draft::line(
            channel,
            severity,
            "crue",
            "fr-FR",
            vigie_client::proto::cap::Urgency::Immediate,
        )
    };
    use vigie_client::proto::severity::Severity::{Extreme, Minor};
    for (draft, code) in [
        (line("signal/fr.naq", Minor), Code::OutOfJurisdiction),
        (line("signal/fr.idf.75.paris", Extreme), Code::SeverityExceedsGrant),
        (line("exercise/signal/fr.idf.75.paris", Minor), Code::WrongPlane),
        (
            line("alert/fr.idf.75.paris", Minor).lifetime(Duration::from_secs(8 * 86_400)),
            Code::LifetimeTooLong,
        ),
    ] {
        let error = client.sign(draft).unwrap_err();
        assert!(matches!(&error, PublishError::Refused(refusal) if refusal.code == code), "{code}: {error}");
    }
    assert!(client.sign(line("alert/fr.idf.75.paris", Minor)).is_ok());
    let too_large = client.sign(draft(&"x".repeat(300_000)));
    assert!(matches!(too_large, Err(PublishError::TooLarge { .. })), "{too_large:?}");
}

#[tokio::test]
async fn a_client_of_one_plane_takes_no_identity_of_the_other() {
    let trust = Trust::on(Plane::Exercise, 1);
    let relay = FakeRelay::start(&trust).await;
    let config = trust.config(&[&relay]);
    assert!(Client::<Exercise>::new(config.clone()).is_ok());
    let wrong = ConfigError::WrongPlane { client: Plane::Live, identity: Plane::Exercise };
    assert_eq!(Client::<Live>::new(config.clone()).unwrap_err(), wrong);
    let mut none = config;
    none.relays.clear();
    assert_eq!(Client::<Exercise>::new(none).unwrap_err(), ConfigError::NoRelay);
}

#[tokio::test]
async fn the_first_of_several_relays_gives_the_receipt_and_the_others_are_tried_on() {
    let trust = Trust::new(1);
    let (near, far) = (FakeRelay::start(&trust).await, FakeRelay::start(&trust).await);
    let mut config = trust.config(&[&far, &near]);
    config.deadline = Duration::from_secs(2);
    let client = Client::<Live>::new(config).unwrap();
    let play = async {
        let mut session = near.accept().await;
        let (n, sent) = session.receive_publish().await;
        session.receipt(n, &sent, 3).await;
        (session, sent)
    };
    let (receipt, (_near, sent)) = tokio::join!(soon(client.publish(draft("crue"))), play);
    let receipt = receipt.unwrap();
    assert_eq!((receipt.id, receipt.seq), (sent.id(), Sequence::new(3)));
    // The other one is there only now, and cuts the first line after the deadline of the caller has passed.
    let mut first = far.accept().await;
    let (_, spread) = first.receive_publish().await;
    assert_eq!(spread, sent);
    // Not to wait for something: that time passes is the input of this test.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    drop(first);
    let mut second = far.accept().await;
    let (n, spread) = second.receive_publish().await;
    assert_eq!(spread, sent);
    second.receipt(n, &spread, 1).await;
}

#[tokio::test]
async fn of_several_failures_the_one_that_matters_is_told() {
    let trust = Trust::new(1);
    let (one, two) = (FakeRelay::start(&trust).await, FakeRelay::start(&trust).await);
    let mut config = trust.config(&[&one, &two]);
    config.deadline = Duration::from_millis(1_500);
    let client = Client::<Live>::new(config).unwrap();
    let play = async {
        let (mut first, mut second) = (one.accept().await, two.accept().await);
        let (n, _) = first.receive_publish().await;
        first.refuse(Some(n), "out_of_jurisdiction").await;
        second.receive_publish().await;
        (first, second)
    };
    let (published, _sessions) = tokio::join!(soon(client.publish(draft("crue"))), play);
    assert!(matches!(published, Err(PublishError::Unknown { .. })), "it may be in the second: {published:?}");
}
