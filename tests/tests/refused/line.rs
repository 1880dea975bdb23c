//! What is refused below the frames: bytes of a WebSocket that may not come, or not so many of them.
//!
//! `tests/tests/websocket/` has each fault; here is one for each code, with its twin.

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use vigie_proto::refusal::Code::{BrokenWebsocket, NotUnicode, TooManyFragments, TooManyPings};

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
