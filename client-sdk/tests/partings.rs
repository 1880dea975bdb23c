//! How lines end (PROTOCOL.md, part 2): what a client does not need any more it closes with 1000, however it is given up;
//! a relay that breaks the protocol is closed with 1002, whatever the line is for. Once only subscriptions and publishes said
//! so, and every other line was dropped without a word.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod support;

use futures_util::SinkExt as _;
use support::{FakeRelay, LOG, Session, Trust, draft, now, soon};
use tokio_tungstenite::tungstenite::Message;
use vigie_client::proto::cursor::Cursor;
use vigie_client::proto::frame::{ClientFrame, ServerFrame, Start};
use vigie_client::proto::id::Sequence;
use vigie_client::proto::revocation::{Statement, Target, VerifiedRevocation};
use vigie_client::{Client, Live};

const FILTER: &str = "signal/fr.idf.75.paris";
/// As frames come, but for a member.
const MALFORMED: &str = r#"{"op":"gap","re":1,"reason":7}"#;

const DONE: Option<u16> = Some(1000);
const BREACH: Option<u16> = Some(1002);

fn ended(client: &Client<Live>, trust: &Trust) -> VerifiedRevocation {
    let from = now();
    let target = Target::Key(trust.key.public().thumbprint());
    client.sign_revocation(&Statement { target, from, number: 1, reason: None }).unwrap()
}

async fn says(session: &mut Session, text: &str) {
    soon(session.socket.send(Message::text(text))).await.unwrap();
}

/// What asks over a line of its own.
#[derive(Clone, Copy, Debug)]
enum Asking {
    History,
    Revoke,
    Revocations,
}

impl Asking {
    const ALL: [Self; 3] = [Self::History, Self::Revoke, Self::Revocations];

    async fn ask(self, client: &Client<Live>, trust: &Trust) {
        match self {
            Self::History => drop(client.history(vec![FILTER.parse().unwrap()], None, 10).await),
            Self::Revoke => drop(client.revoke(&[ended(client, trust)]).await),
            Self::Revocations => drop(client.revocations().await),
        }
    }

    /// Answers as a relay does.
    async fn answer(self, session: &mut Session) {
        let text = session.receive().await;
        match (self, ClientFrame::parse(&text).unwrap()) {
            (Self::History, ClientFrame::History { n, .. }) => {
                let end = Cursor { log: LOG, seq: Sequence::new(5), admitted: now() };
                session.send(ServerFrame::Page { re: n, next: end.to_string().into(), end: true }).await;
            }
            (
                Self::Revoke | Self::Revocations,
                ClientFrame::Revoke { n, .. } | ClientFrame::Credential { n, .. },
            ) => {
                session.refuse(Some(n), "not_granted").await;
            }
            (asking, other) => panic!("{asking:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_has_its_answer_is_closed() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    for asking in Asking::ALL {
        let play = async {
            let mut session = relay.accept().await;
            asking.answer(&mut session).await;
            session.left().await
        };
        let ((), code) = soon(async { tokio::join!(asking.ask(&client, &trust), play) }).await;
        assert_eq!(code, DONE, "{asking:?}");
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_closed() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    for asking in Asking::ALL {
        let asked = async {
            let mut session = relay.accept().await;
            session.receive().await;
            session
        };
        let mut session = tokio::select! {
            () = asking.ask(&client, &trust) => panic!("{asking:?}: there was no answer"),
            session = asked => session,
        };
        assert_eq!(session.left().await, DONE, "{asking:?}");
    }
    let heard = client.subscribe(vec![FILTER.parse().unwrap()], Start::Here);
    let mut session = relay.accept().await;
    session.receive_subscribe().await;
    drop(heard);
    assert_eq!(session.left().await, DONE, "a subscription");
    let play = async {
        let mut session = relay.accept().await;
        let (n, sent) = session.receive_publish().await;
        session.receipt(n, &sent, 1).await;
        session
    };
    let (receipt, mut session) = tokio::join!(soon(client.publish(draft("crue"))), play);
    receipt.unwrap();
    drop(client);
    assert_eq!(session.left().await, DONE, "the last handle of a client");
}

/// A command that ends drops its runtime, with all that still runs there.
#[test]
fn what_ends_with_its_runtime_is_closed() {
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let trust = Trust::new(1);
    let relay = here.block_on(FakeRelay::start(&trust));
    let entered = here.enter();
    let config = trust.config(&[&relay]);
    drop(entered);
    let program = std::thread::spawn(move || {
        let there = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let published = there.block_on(async {
            let client = Client::<Live>::new(config).unwrap();
            soon(client.publish(draft("crue"))).await.map(|_| client)
        });
        // The client, and so its session, outlives what drives it.
        let client = published.unwrap();
        drop(there);
        drop(client);
    });
    here.block_on(async {
        let mut session = relay.accept().await;
        let (n, sent) = session.receive_publish().await;
        session.receipt(n, &sent, 1).await;
        assert_eq!(session.left().await, DONE);
    });
    program.join().unwrap();
}

#[tokio::test]
async fn a_relay_that_breaks_the_protocol_is_told_whatever_the_line_is_for() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    for asking in Asking::ALL {
        let play = async {
            let mut first = relay.accept().await;
            first.receive().await;
            says(&mut first, MALFORMED).await;
            let code = first.left().await;
            // It comes back by itself.
            let mut second = relay.accept().await;
            asking.answer(&mut second).await;
            (code, second)
        };
        let ((), (code, _second)) = soon(async { tokio::join!(asking.ask(&client, &trust), play) }).await;
        assert_eq!(code, BREACH, "{asking:?}");
    }
    let play = async {
        let mut first = relay.accept().await;
        first.receive().await;
        first.send(ServerFrame::Page { re: 1, next: "nowhere".into(), end: true }).await;
        let code = first.left().await;
        let mut second = relay.accept().await;
        Asking::History.answer(&mut second).await;
        (code, second)
    };
    let ((), (code, _second)) =
        soon(async { tokio::join!(Asking::History.ask(&client, &trust), play) }).await;
    assert_eq!(code, BREACH, "a page that ends nowhere");
    let other = client.sign(draft("autre")).unwrap();
    let play = async {
        let mut first = relay.accept().await;
        let (n, _) = first.receive_publish().await;
        first.receipt(n, &other, 1).await;
        let code = first.left().await;
        let mut second = relay.accept().await;
        let (n, sent) = second.receive_publish().await;
        second.receipt(n, &sent, 1).await;
        (code, second)
    };
    let (receipt, (code, _second)) = tokio::join!(soon(client.publish(draft("crue"))), play);
    assert!(receipt.is_ok() && code == BREACH, "a receipt for another message: {receipt:?}, {code:?}");
}

#[tokio::test]
async fn a_relay_that_breaks_the_protocol_during_the_log_in_is_told() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    for (said, told) in [
        (r#"{"op":"challenge","nonce":7}"#, BREACH),
        (r#"{"op":"accepted","re":1}"#, BREACH),
        (r#"{"op":"challenge","op":"challenge"}"#, BREACH),
        // Which is no breach.
        (r#"{"op":"refused","code":"of_a_later_version","detail":"because"}"#, DONE),
        (r#"{"op":"refused","code":"too_many_sessions","detail":"because"}"#, DONE),
    ] {
        // A new one each time: it does not wait before its first try.
        let _heard = trust.client(&[&relay]).subscribe(vec![FILTER.parse().unwrap()], Start::Here);
        let mut session = relay.accept_upgrade().await;
        says(&mut session, said).await;
        assert_eq!(session.left().await, told, "{said}");
    }
}
