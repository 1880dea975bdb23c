//! Pings, pongs and fragments without end: answered within bounds, then closed, and others go on.

use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;
use vigie_tests::raw::{Came, Raw};

use crate::frames::{CONTINUATION, END, PING, TEXT, fragments, frame};
use crate::others::Others;

/// What a message may take from author to reader while someone floods: it takes some milliseconds.
const GOES_ON_WITHIN: Duration = Duration::from_secs(1);

/// What the relay takes at once.
const CONTROLS_AT_ONCE: usize = 200;

const FRAGMENTS_MAX: usize = 512;

fn closed(code: u16, reason: &str) -> Came {
    Came::Closed(code, reason.to_owned())
}

/// Sends until the relay closes or the connection is gone; how it was closed.
async fn flood(peer: &mut Raw, bytes: &[u8]) -> Came {
    for _ in 0..1_000 {
        if peer.next_within(Duration::ZERO).await.is_some_and(|came| matches!(came, Came::Frame(_))) {
            return peer.next().await;
        }
        peer.send_bytes(bytes).await;
    }
    panic!("nobody stops it");
}

#[tokio::test]
async fn of_pings_that_come_together_the_last_is_answered() {
    let others = Others::new().await;
    let mut peer = others.peer().await;
    let pings: Vec<u8> = (0..100u8).flat_map(|number| frame(PING, &[number; 125])).collect();
    peer.send_bytes(&pings).await;
    let mut pongs = 0;
    loop {
        match peer.next_message().await {
            Some(Message::Pong(payload)) => {
                pongs += 1;
                if payload == vec![99; 125] {
                    break;
                }
            }
            Some(Message::Ping(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    // One TLS record has them all; 64 are read before others have their turn.
    assert!(pongs <= 10, "{pongs} pongs for 100 pings");
}

#[tokio::test]
async fn a_flood_of_pings_or_pongs_is_closed_and_others_go_on() {
    let mut others = Others::new().await;
    for first in [PING, 0x8a] {
        for payload in [0, 8, 125] {
            let mut peer = others.peer().await;
            let came = flood(&mut peer, &frame(first, &vec![7; payload]).repeat(60)).await;
            assert_eq!(came, closed(1008, "too_many_pings"));
            let took = others.go_on().await;
            assert!(took < GOES_ON_WITHIN, "{took:?}");
        }
    }
    // Who asks as often as is allowed stays.
    let mut peer = others.peer().await;
    peer.send_bytes(&frame(PING, b"1").repeat(CONTROLS_AT_ONCE - 20)).await;
    assert_eq!(peer.subscribe(&["alert/fr.idf"], None).await["op"], "subscribed");
}

#[tokio::test]
async fn a_stranger_who_floods_is_closed_as_well() {
    let mut others = Others::new().await;
    let mut stranger = others.stranger().await;
    stranger.send_bytes(&frame(PING, b"").repeat(CONTROLS_AT_ONCE + 20)).await;
    assert_eq!(stranger.frame().await["code"], "too_many_pings");
    assert_eq!(stranger.next().await, closed(1008, "too_many_pings"));
    others.go_on().await;
}

/// It never reads, so nothing of what it is answered leaves: the answers must not wait for it.
#[tokio::test]
async fn a_flood_by_one_who_does_not_read_is_closed_as_well() {
    let mut others = Others::new().await;
    let mut peer = others.peer().await;
    let pings = frame(PING, &[7; 125]).repeat(100);
    let mut sent = 0;
    // Until nothing more is taken: the relay has closed, or it would take all of this.
    let write = async {
        while sent < 64 << 20 {
            if tokio::io::AsyncWriteExt::write_all(peer.stream(), &pings).await.is_err() {
                return;
            }
            sent += pings.len();
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), write).await;
    assert!(sent < 8 << 20, "{sent} bytes of pings were taken");
    let took = others.go_on().await;
    assert!(took < GOES_ON_WITHIN, "{took:?}");
}

#[tokio::test]
async fn so_many_fragments_and_no_more() {
    let mut others = Others::new().await;
    let text = br#"{"op":"subscribe","n":1,"channels":["alert/fr.idf"]}"#;
    let padded = |length: usize| [&text[..], &vec![b' '; length - text.len()]].concat();
    // As many as are allowed, of one byte each, with pings among them and empty ones.
    let mut peer = others.peer().await;
    let whole = padded(FRAGMENTS_MAX);
    peer.send_bytes(&fragments(whole.chunks(1))).await;
    assert_eq!(peer.answer(1).await["op"], "subscribed");
    let mut pieces = vec![frame(TEXT, b"")];
    for byte in text.chunks(1) {
        pieces.extend([frame(CONTINUATION, byte), frame(PING, b"?"), frame(CONTINUATION, b"")]);
    }
    pieces.push(frame(END, b""));
    peer.send_bytes(&pieces.concat()).await;
    assert_eq!(peer.answer(1).await["op"], "subscribed");
    // One more.
    let more = padded(FRAGMENTS_MAX + 1);
    peer.send_bytes(&fragments(more.chunks(1))).await;
    assert_eq!(peer.frame().await["code"], "too_many_fragments");
    assert_eq!(peer.next().await, closed(1008, "too_many_fragments"));
    others.go_on().await;
}

#[tokio::test]
async fn fragments_without_end_are_closed_and_others_go_on() {
    let mut others = Others::new().await;
    for payload in [&b""[..], b" ", &[b' '; 16]] {
        for mut peer in [others.stranger().await, others.peer().await] {
            peer.send_bytes(&frame(TEXT, payload)).await;
            let came = flood(&mut peer, &frame(CONTINUATION, payload).repeat(100)).await;
            assert_eq!(came, closed(1008, "too_many_fragments"));
            let took = others.go_on().await;
            assert!(took < GOES_ON_WITHIN, "{took:?}");
        }
    }
}

/// Each is a message, and refused as one: what it costs is an answer, and who does not read them is not read either.
#[tokio::test]
async fn messages_of_a_byte_without_end_do_not_keep_others_waiting() {
    let mut others = Others::new().await;
    let mut peer = others.peer().await;
    let tiny = frame(END | TEXT, b"x").repeat(2_000);
    let flooding = tokio::spawn(async move {
        while tokio::io::AsyncWriteExt::write_all(peer.stream(), &tiny).await.is_ok() {}
    });
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        slowest = slowest.max(others.go_on().await);
    }
    flooding.abort();
    assert!(slowest < GOES_ON_WITHIN, "{slowest:?}");
}
