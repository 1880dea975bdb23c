//! What is refused below the frames: bytes of a WebSocket that may not come, or not so many of them, and certificates.
//!
//! `tests/tests/websocket/` has each fault; here is one for each code, with its twin.

use rustls::client::Resumption;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use vigie_proto::refusal::Code::{
    BrokenWebsocket, ClientCertificateRefused, NotUnicode, TooManyFragments, TooManyPings,
};
use vigie_tests::client_auth::Authority;
use vigie_tests::raw::Raw;
use vigie_tests::world::World;

use crate::case::{Case, Seen, apart};
use crate::draft::Who;
use crate::stage::{Stage, dismissal};

pub(crate) const CASES: &[Case] = &[
    apart("a text in Latin-1", NotUnicode, || Box::pin(said(|_| vec![data(b"\"\xe9\"", Data::Text, true)]))),
    apart("a compressed frame", BrokenWebsocket, || {
        Box::pin(said(|_| {
            let mut frame = Frame::message(&b"{}"[..], OpCode::Data(Data::Text), true);
            frame.header_mut().rsv1 = true;
            vec![Message::Frame(frame)]
        }))
    }),
    apart("a message in a thousand pieces", TooManyFragments, || Box::pin(said(|_| pieces(1_000)))),
    apart("a client certificate that is revoked while its holder listens", ClientCertificateRefused, || {
        Box::pin(loses_its_certificate())
    }),
    apart("a thousand pings at once", TooManyPings, || {
        Box::pin(said(|_| vec![Message::Ping(Vec::new().into()); 1_000]))
    }),
];

fn data(bytes: &'static [u8], operation: Data, end: bool) -> Message {
    Message::Frame(Frame::message(bytes, OpCode::Data(operation), end))
}

fn pieces(count: usize) -> Vec<Message> {
    let mut pieces = vec![data(b" ", Data::Text, false)];
    pieces.extend((1..count).map(|_| data(b" ", Data::Continue, false)));
    pieces
}

/// A session says it; the twin says what is allowed of everything.
async fn said(what: fn(&Stage) -> Vec<Message>) -> Seen {
    let mut stage = Stage::new().await;
    let mut session = stage.session(Who::Author).await;
    for message in what(&stage) {
        session.send_message(message).await;
    }
    let seen = dismissal(&mut session).await;
    drop(session);
    stage.check_witnesses().await;
    let mut twin = stage.session(Who::Author).await;
    for message in pieces(500) {
        twin.send_message(message).await;
    }
    twin.send_message(data("{\"op\":\"é\"}".as_bytes(), Data::Continue, true)).await;
    twin.send_message(Message::Ping(Vec::new().into())).await;
    assert_eq!(twin.frame().await["code"], "unknown_operation");
    stage.give_back(Who::Author, twin, None);
    stage.check_witnesses().await;
    stage.end();
    seen
}

/// On a relay that asks for one; two show theirs, and one of them is revoked.
async fn loses_its_certificate() -> Seen {
    let (world, ours) = (World::new(), Authority::new("ours"));
    let mut config = world.config("journal");
    config.client_auth = Some(ours.auth(&[]));
    let relay = world.relay_with(config);
    let mut sessions = Vec::new();
    for serial in [1, 2] {
        let stream = ours.client(serial).connect(&world, relay.local_addr(), &Resumption::disabled()).await;
        let mut session = Raw::upgrade_over(stream.unwrap(), &Default::default()).await.unwrap();
        session.log_in_as(&world.live.town).await;
        sessions.push(session);
    }
    relay.renew_client_auth(&ours.auth(&[1])).unwrap();
    let seen = dismissal(&mut sessions[0]).await;
    assert_eq!(sessions[1].subscribe(&["alert/fr.idf.75.paris"], None).await["op"], "subscribed");
    seen
}
