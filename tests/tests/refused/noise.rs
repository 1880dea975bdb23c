//! Bytes that are no request and no frame: there is no code to tell, since there is nobody to tell it to.
//!
//! The connection ends, and nobody else notices.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use vigie_proto::refusal::{Code, Ends};
use vigie_tests::raw::{Raw, tls};
use vigie_tests::soon;

use crate::case::Seen;
use crate::draft::{Request, Who};
use crate::stage::{Stage, dismissal};

/// Before TLS.
const NO_TLS: &[(&str, &[u8])] = &[
    ("HTTP without TLS", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    ("a TLS record of another version", &[0x16, 0x02, 0x00, 0x00, 0x01, 0x00]),
    ("zeros", &[0; 64]),
];

/// Behind a sound upgrade request, in the same write. No mask means a mask of zeros here.
const NO_FRAME: &[(&str, &[u8])] = &[
    ("a frame without a mask", &[0x81, 0x02, b'{', b'}']),
    ("an operation that WebSocket does not have", &[0x83, 0x80, 0, 0, 0, 0]),
    ("reserved bits", &[0xf1, 0x80, 0, 0, 0, 0]),
    ("the end of a message that has no beginning", &[0x80, 0x80, 0, 0, 0, 0]),
    ("half of a ping", &[0x09, 0x80, 0, 0, 0, 0]),
    ("a ping of 126 bytes", &[0x89, 0xfe, 0, 126, 0, 0, 0, 0]),
    ("a frame of 2^63 bytes", &[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("a close with half of a code", &[0x88, 0x81, 0, 0, 0, 0, 3]),
];

/// Reads until the relay ends it.
async fn ended(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = [0; 1024];
    while soon(stream.read(&mut buffer)).await.is_ok_and(|bytes| bytes > 0) {}
}

pub(crate) async fn run() {
    let mut stage = Stage::new().await;
    for (what, bytes) in NO_TLS {
        eprintln!("{what}");
        let mut stream = TcpStream::connect(stage.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        ended(stream).await;
        stage.check_witnesses().await;
    }
    let mut large = Request::new();
    large.set("cookie", &"x".repeat(9 * 1024));
    for request in ["\r\nbonjour\r\n\r\n".to_owned(), large.to_text()] {
        let mut stream = tls(&stage.world, stage.address()).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        ended(stream).await;
        stage.check_witnesses().await;
    }
    for (what, bytes) in NO_FRAME {
        eprintln!("{what}");
        let mut stream = tls(&stage.world, stage.address()).await;
        stream.write_all(&[Request::new().to_text().as_bytes(), bytes].concat()).await.unwrap();
        ended(stream).await;
        stage.check_witnesses().await;
    }
    stage.end();
}

/// A text that is no UTF-8 can still be answered, but nothing can be read after it.
pub(crate) async fn run_other_encodings() {
    let mut stage = Stage::new().await;
    let latin = || Message::Frame(Frame::message(&b"{\"op\":\"\xe9\"}"[..], OpCode::Data(Data::Text), true));
    let mut stranger = Raw::connect(&stage.world, stage.address()).await;
    assert_eq!(stranger.frame().await["op"], "challenge");
    stranger.send_message(latin()).await;
    assert_eq!(dismissal(&mut stranger).await, Seen::promised(Code::NotUnicode));
    let mut author = stage.session(Who::Author).await;
    author.send_message(latin()).await;
    assert_eq!(dismissal(&mut author).await, Seen::promised(Code::NotUnicode));
    stage.check_witnesses().await;
    stage.end();
}

/// RFC 6455, section 5.4: a peer may cut a message where it likes, and ping in between.
pub(crate) async fn run_cut_log_in() {
    let mut stage = Stage::new().await;
    let mut raw = Raw::connect(&stage.world, stage.address()).await;
    let login = raw.login_frame(&stage.live_person(|_| {})).await;
    let (first, rest) = login.as_bytes().split_at(700);
    let part = |bytes: &[u8], operation, end| {
        Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(operation), end))
    };
    raw.send_message(part(first, Data::Text, false)).await;
    raw.send_message(Message::Ping(vec![7; 125].into())).await;
    raw.send_message(part(rest, Data::Continue, true)).await;
    assert_eq!(raw.frame().await["op"], "welcome");
    assert_eq!(raw.subscribe(&["alert/fr.idf.75.paris"], None).await["op"], "subscribed");
    stage.check_witnesses().await;
    // What ends every connection before log-in ends it whatever the pieces.
    let mut raw = Raw::connect(&stage.world, stage.address()).await;
    assert_eq!(raw.frame().await["op"], "challenge");
    for _ in 0..2 {
        raw.send_message(part(&[b' '; 8 * 1024], Data::Text, false)).await;
        raw.send_message(part(&[b' '; 8 * 1024], Data::Continue, false)).await;
    }
    let seen = dismissal(&mut raw).await;
    assert_eq!(seen, Seen::new(Code::FrameTooLarge.as_str(), Ends::Close(1009)));
    stage.check_witnesses().await;
    stage.end();
}
