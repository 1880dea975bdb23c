//! A subscription gives what was verified, goes on where it was after every cut, and ends only when refused for good.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod support;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use support::{FakeRelay, LOG, Session, Trust, draft, now, soon};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;
use vigie_client::proto::cursor::Cursor;
use vigie_client::proto::frame::{ClientFrame, GapReason, ServerFrame, Start};
use vigie_client::proto::id::Sequence;
use vigie_client::proto::refusal::Code;
use vigie_client::{Client, Delivery, EndReason, HistoryError, LinkState, Live, SignedMessage, Subscription};

const FILTER: &str = "signal/fr.idf.75.paris";

fn subscribe(client: &Client<Live>, start: Start) -> Subscription<Live> {
    client.subscribe(vec![FILTER.parse().unwrap()], start)
}

fn signed(client: &Client<Live>, text: &str) -> SignedMessage {
    client.sign(draft(text)).unwrap()
}

async fn next(subscription: &mut Subscription<Live>) -> Delivery<Live> {
    soon(subscription.next()).await.expect("it goes on")
}

async fn next_message(subscription: &mut Subscription<Live>) -> vigie_client::Verified<Live> {
    let delivery = next(subscription).await;
    let Delivery::Message(verified) = delivery else { panic!("expected a message: {delivery:?}") };
    verified
}

/// Opens a session on which events flow from `seq` on; checks where the client wanted to begin.
async fn opened(relay: &FakeRelay, trust: &Trust, after: Option<&str>, seq: u64) -> Session {
    let mut session = relay.accept().await;
    let (n, wanted) = session.receive_subscribe().await;
    assert_eq!(wanted.as_deref(), after);
    session.subscribed(n, seq, trust).await;
    session
}

#[tokio::test]
async fn after_a_cut_it_goes_on_after_the_last_delivery() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let (crue, vent) = (signed(&client, "crue"), signed(&client, "vent"));
    let mut heard = subscribe(&client, Start::Beginning);
    // The session of a subscription is its own, not that of the client.
    drop(client);

    let mut first = opened(&relay, &trust, Some("start"), 0).await;
    first.event(4, &crue).await;
    let delivered = next_message(&mut heard).await;
    assert_eq!((delivered.id(), delivered.seq()), (crue.id(), Sequence::new(4)));
    assert_eq!(heard.state(), LinkState::Up);
    drop(first);

    let mut second = opened(&relay, &trust, Some(&delivered.cursor().to_string()), 4).await;
    second.event(4, &crue).await;
    second.event(6, &vent).await;
    assert_eq!(next_message(&mut heard).await.id(), vent.id(), "what was given is not given again");
    second.mark(9).await;
    let Delivery::CaughtUp(mark) = next(&mut heard).await else { panic!("caught up") };
    assert_eq!((mark.log, mark.seq), (LOG, Sequence::new(9)));
    drop(second);
    opened(&relay, &trust, Some(&mark.to_string()), 9).await;

    assert_eq!(heard.committed(), None);
    soon(heard.commit(&mark)).await.unwrap();
    assert_eq!(heard.committed(), Some(mark));
}

#[tokio::test]
async fn what_does_not_verify_is_suspect_and_a_gap_is_told() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let mut heard = subscribe(&client, Start::Here);
    let mut session = opened(&relay, &trust, None, 0).await;
    let stranger = Trust::new(31);
    let forged = signed(&stranger.client(&[&relay]), "faux");
    session.event(1, &forged).await;
    let Delivery::Suspect(suspect) = next(&mut heard).await else { panic!("suspect") };
    assert_eq!(suspect.code, Code::UnknownCredential);
    assert_eq!((&*suspect.token, suspect.seq), (&**forged.token(), Sequence::new(1)));
    let cursor = Cursor { log: LOG, seq: Sequence::new(8), admitted: now() };
    let (from, to) = ("start".into(), cursor.to_string().into());
    session.send(ServerFrame::Gap { re: None, reason: GapReason::Removed, from, to }).await;
    let Delivery::Gap(gap) = next(&mut heard).await else { panic!("gap") };
    assert_eq!((gap.reason, gap.from, gap.to), (GapReason::Removed, None, Some(cursor)));
}

#[tokio::test]
async fn a_silent_line_is_given_up() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await.with_mark_ms(50);
    let client = trust.client(&[&relay]);
    let mut heard = subscribe(&client, Start::Beginning);
    let mut states = heard.states();
    let mut first = opened(&relay, &trust, Some("start"), 0).await;
    while soon(states.next()).await != Some(LinkState::Stale) {}
    first.left().await;
    let mut second = opened(&relay, &trust, Some("start"), 0).await;
    let crue = signed(&client, "crue");
    second.event(1, &crue).await;
    assert_eq!(next_message(&mut heard).await.id(), crue.id());
}

/// On a bad network one large message takes longer than any silence that is borne. Readers counted whole frames, and gave
/// such a line up again and again.
#[tokio::test]
async fn a_line_on_which_a_frame_comes_slowly_is_not_stale() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await.with_mark_ms(500);
    let client = trust.client(&[&relay]);
    let mut heard = subscribe(&client, Start::Beginning);
    let mut session = opened(&relay, &trust, Some("start"), 0).await;
    let crue = signed(&client, &"crue ".repeat(1_000));
    let jws = (&**crue.token()).into();
    let text = ServerFrame::Event { seq: Sequence::new(1), admitted: now(), jws }.to_text();
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    // RFC 6455: a final text frame of the server, with its length in two bytes.
    let frame = [&[0x81, 126], &length[..], text.as_bytes()].concat();
    let line = session.socket.get_mut();
    for piece in frame.chunks(frame.len().div_ceil(12)) {
        line.write_all(piece).await.unwrap();
        line.flush().await.unwrap();
        // The slow network: in all three times as long as the silence that is borne, 2.4 intervals.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(next_message(&mut heard).await.id(), crue.id());
    assert_eq!(heard.state(), LinkState::Up);
}

/// PROTOCOL.md, part 2: a relay that breaks the protocol is told so with 1002, and the reader comes back by itself.
#[tokio::test]
async fn a_relay_that_breaks_the_protocol_is_told_and_left() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let mut heard = subscribe(&client, Start::Beginning);
    let mut first = opened(&relay, &trust, Some("start"), 0).await;
    soon(first.socket.send(Message::text(r#"{"op":"event","seq":"one"}"#))).await.unwrap();
    assert_eq!(first.left().await, Some(1002));
    let mut second = opened(&relay, &trust, Some("start"), 0).await;
    let crue = signed(&client, "crue");
    second.event(1, &crue).await;
    assert_eq!(next_message(&mut heard).await.id(), crue.id());
}

/// RFC 6455, sections 5.5.1 and 7.4.1: a close is answered, and what is no WebSocket is closed with its code. The SDK once
/// dropped the line at each of these without a word, and the relay waited for one.
#[tokio::test]
async fn a_close_is_answered_and_what_is_no_websocket_is_told() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    for (said, code) in [
        (&[0x88, 2, 0x03, 0xe9][..], 1001), // closed by the relay: going away
        (&[0x82, 2, b'{', b'}'], 1002),     // a binary message
        (&[0xc1, 2, b'{', b'}'], 1002),     // a reserved bit
        (&[0x83, 0], 1002),                 // a reserved opcode
        (&[0x81, 0x82, 0, 0, 0, 0, b'{', b'}'], 1002), // a mask, which a relay has none of
        (&[0x81, 2, 0xc3, 0x28], 1007),     // no UTF-8
        (&[0x81, 127, 0, 0, 0, 0, 0, 0x10, 0, 0], 1009), // 1 MiB
    ] {
        let client = trust.client(&[&relay]);
        let _heard = subscribe(&client, Start::Beginning);
        let mut session = opened(&relay, &trust, Some("start"), 0).await;
        session.socket.get_mut().write_all(said).await.unwrap();
        session.socket.get_mut().flush().await.unwrap();
        assert_eq!(session.left().await, Some(code), "{said:x?}");
    }
}

#[tokio::test]
async fn a_refusal_for_good_ends_it_and_says_why() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let mut heard = subscribe(&client, Start::Beginning);
    let mut session = relay.accept().await;
    let (n, _) = session.receive_subscribe().await;
    session.refuse(Some(n), "busy").await;
    session.left().await;
    let mut session = relay.accept().await;
    let (n, _) = session.receive_subscribe().await;
    assert_eq!(heard.end_reason(), None);
    session.refuse(Some(n), "out_of_jurisdiction").await;
    assert_eq!(soon(heard.next()).await, None);
    let reason = heard.end_reason().expect("it is told");
    assert!(
        matches!(reason, EndReason::Refused(refusal) if refusal.code == Code::OutOfJurisdiction),
        "{reason}"
    );
    assert_eq!(heard.state(), LinkState::Closed { code: Some(Code::OutOfJurisdiction) });
    session.left().await;
}

#[tokio::test]
async fn shut_out_by_every_relay_it_ends_and_by_one_it_tries_the_next() {
    let trust = Trust::new(1);
    let (foreign, own) = (FakeRelay::start(&Trust::new(11)).await, FakeRelay::start(&trust).await);
    let client = trust.client(&[&foreign, &own]);
    let mut heard = subscribe(&client, Start::Beginning);
    assert!(foreign.try_accept().await.is_none());
    let session = opened(&own, &trust, Some("start"), 0).await;
    drop((session, heard));

    heard = subscribe(&trust.client(&[&foreign]), Start::Beginning);
    assert!(foreign.try_accept().await.is_none());
    assert_eq!(soon(heard.next()).await, None);
    assert!(
        matches!(heard.end_reason(), Some(EndReason::ShutOut(refusal)) if refusal.code == Code::UnknownRoot)
    );
}

#[tokio::test]
async fn from_a_relay_that_goes_it_moves_to_the_next() {
    let trust = Trust::new(1);
    let (one, two) = (FakeRelay::start(&trust).await, FakeRelay::start(&trust).await);
    let client = trust.client(&[&one, &two]);
    let mut heard = subscribe(&client, Start::Beginning);
    let mut first = opened(&one, &trust, Some("start"), 0).await;
    let crue = signed(&client, "crue");
    first.event(1, &crue).await;
    let place = next_message(&mut heard).await.cursor();
    first.send(ServerFrame::GoingAway { retry_ms: 60_000 }).await;
    first.left().await;
    let after = place.to_string();
    let mut second = tokio::select! {
        _ = one.accept_tls() => panic!("it asked to be left alone for a minute"),
        session = opened(&two, &trust, Some(&after), 1) => session,
    };
    second.event(2, &crue).await;
    let vent = signed(&client, "vent");
    second.event(3, &vent).await;
    assert_eq!(next_message(&mut heard).await.id(), vent.id(), "known from the first relay");
}

#[tokio::test]
async fn a_slow_application_keeps_its_line_and_loses_nothing() {
    const COUNT: u64 = 200;
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await.with_mark_ms(50);
    let client = trust.client(&[&relay]);
    let mut heard = subscribe(&client, Start::Beginning);
    let mut session = opened(&relay, &trust, Some("start"), 0).await;
    let messages: Vec<_> = (0..COUNT).map(|number| signed(&client, &number.to_string())).collect();
    for (message, seq) in messages.iter().zip(1..) {
        session.event(seq, message).await;
    }
    // Nobody reads: the channel is full, the client reads no more, and still shows that it lives.
    for _ in 0..10 {
        let sign = soon(session.socket.next()).await.expect("the line is open").unwrap();
        assert!(matches!(sign, Message::Pong(_)), "{sign:?}");
    }
    for (message, seq) in messages.iter().zip(1..) {
        let delivered = next_message(&mut heard).await;
        assert_eq!((delivered.id(), delivered.seq().get()), (message.id(), seq));
    }
}

#[tokio::test]
async fn dropped_it_leaves() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let heard = subscribe(&client, Start::Here);
    let mut states = heard.states();
    let mut session = opened(&relay, &trust, None, 0).await;
    drop(heard);
    session.left().await;
    while soon(states.next()).await.is_some() {}
    assert_eq!(states.now(), LinkState::Closed { code: None });
}

#[tokio::test]
async fn a_page_of_history_is_judged_as_live_messages_are() {
    let trust = Trust::new(1);
    let relay = FakeRelay::start(&trust).await;
    let client = trust.client(&[&relay]);
    let crue = signed(&client, "crue");
    let forged = signed(&Trust::new(31).client(&[&relay]), "faux");
    let end = Cursor { log: LOG, seq: Sequence::new(5), admitted: now() };
    let play = async {
        let mut session = relay.accept().await;
        let text = session.receive().await;
        let ClientFrame::History { n, channels, after, limit } = ClientFrame::parse(&text).unwrap() else {
            panic!("expected history: {text}")
        };
        assert_eq!((&*channels[0], &*after, limit), (FILTER, "start", 10));
        let chain = trust.chain.links().iter().map(|link| (&**link.token()).into()).collect();
        session.send(ServerFrame::Chain { chain, re: None }).await;
        for (seq, message) in [(2, &crue), (5, &forged)] {
            let (seq, jws) = (Sequence::new(seq), (&**message.token()).into());
            session.send(ServerFrame::Past { re: n, seq, admitted: now(), jws }).await;
        }
        session.send(ServerFrame::Page { re: n, next: end.to_string().into(), end: true }).await;
        session
    };
    let filters = || vec![FILTER.parse().unwrap()];
    let (page, _session) = tokio::join!(soon(client.history(filters(), None, 10)), play);
    let page = page.unwrap();
    assert_eq!((page.next, page.end), (end, true));
    let [Delivery::Message(verified), Delivery::Suspect(suspect)] = &page.deliveries[..] else {
        panic!("{page:?}")
    };
    assert_eq!((verified.id(), verified.seq().get()), (crue.id(), 2));
    assert_eq!((suspect.code, suspect.seq.get()), (Code::UnknownCredential, 5));

    let play = async {
        let mut session = relay.accept().await;
        session.receive().await;
        session.refuse(Some(1), "not_granted").await;
        session
    };
    let (page, _session) = tokio::join!(soon(client.history(filters(), Some(end), 10)), play);
    assert!(
        matches!(&page, Err(HistoryError::Refused(refusal)) if refusal.code == Code::NotGranted),
        "{page:?}"
    );
}
