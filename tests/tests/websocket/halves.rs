//! Sockets of which one half is closed.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vigie_proto::severity::Severity::Moderate;
use vigie_tests::raw::{Came, Raw, tls};
use vigie_tests::soon;

use crate::others::Others;

/// It takes no time when the disk has answered. That nothing more is heard of it would tell after 6 s at the earliest.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// How a peer ends its half.
#[derive(Clone, Copy, Debug)]
enum Goes {
    /// With a word of TLS, then of TCP.
    InOrder,
    /// TCP alone: a process that was killed, a box in between.
    AtOnce,
}

async fn end_half(peer: &mut Raw, goes: Goes) {
    match goes {
        Goes::InOrder => peer.stream().shutdown().await.unwrap(),
        Goes::AtOnce => peer.stream().get_mut().0.shutdown().await.unwrap(),
    }
}

/// All bytes that come until the relay ends the connection. Below the WebSocket: that would answer a ping, could not, and
/// take it for the end.
async fn rest(peer: &mut Raw) -> usize {
    let mut given = Vec::new();
    let _ = soon(peer.stream().read_to_end(&mut given)).await;
    given.len()
}

#[tokio::test]
async fn who_ends_its_half_is_given_the_receipts_it_is_owed_and_closed() {
    let mut others = Others::new().await;
    for goes in [Goes::InOrder, Goes::AtOnce] {
        let mut author = Raw::log_in(&others.world, others.address(), &others.world.live.nation).await;
        for number in 1..=20 {
            let jws = others.world.live.nation.say("alert/fr.naq", &format!("{goes:?} {number}"), Moderate);
            author.send(&format!(r#"{{"op":"publish","n":{number},"jws":"{jws}"}}"#)).await;
        }
        let ended = Instant::now();
        end_half(&mut author, goes).await;
        let mut receipts = 0;
        loop {
            match author.next().await {
                Came::Frame(frame) if frame["op"] == "receipt" => receipts += 1,
                Came::Frame(frame) => assert_eq!(frame["op"], "reach", "{frame}"),
                Came::Gone => break,
                closed @ Came::Closed(..) => panic!("{closed:?}"),
            }
        }
        assert_eq!(receipts, 20, "{goes:?}");
        assert!(ended.elapsed() < ENDS_WITHIN, "{:?}", ended.elapsed());
    }
    others.go_on().await;
}

#[tokio::test]
async fn a_reader_who_ends_its_half_keeps_no_place() {
    // The author, the reader, and one more.
    let mut others = Others::with(|config| config.connections_max = 3).await;
    for goes in [Goes::InOrder, Goes::AtOnce] {
        // It stands above nobody here, and takes no seat of theirs.
        let neighbour = &others.world.live.neighbour;
        let mut reader = soon(async {
            loop {
                if let Ok(raw) = Raw::try_log_in(&others.world, others.address(), neighbour).await {
                    break raw;
                }
            }
        })
        .await;
        reader.subscribe(&["alert/fr.idf.92.nanterre"], None).await;
        let ended = Instant::now();
        end_half(&mut reader, goes).await;
        rest(&mut reader).await;
        assert!(ended.elapsed() < ENDS_WITHIN, "{:?}", ended.elapsed());
        others.go_on().await;
    }
}

/// It takes nothing before its half has ended, and more waits for it than its sockets hold: in memory, from where it is given
/// without a pause.
#[tokio::test]
async fn a_reader_who_ends_its_half_is_given_no_more_alerts_than_were_on_their_way() {
    const MESSAGES: usize = 60;
    let mut others = Others::with(|config| config.ring_bytes_max = 32 * 1024 * 1024).await;
    let text = "é".repeat(20_000);
    let nation = &others.world.live.nation;
    let mut author = Raw::log_in(&others.world, others.address(), nation).await;
    for goes in [Goes::InOrder, Goes::AtOnce] {
        let mut reader = Raw::log_in(&others.world, others.address(), &others.world.live.elsewhere).await;
        reader.subscribe(&["alert/fr.naq.33.bordeaux"], None).await;
        let mut said = 0;
        for number in 1..=MESSAGES {
            let message = nation.say("alert/fr.naq", &format!("{goes:?} {number} {text}"), Moderate);
            let receipt = author.publish(&message).await;
            assert_eq!(receipt["op"], "receipt", "{receipt}");
            said += message.len();
        }
        end_half(&mut reader, goes).await;
        let given = rest(&mut reader).await;
        assert!(given < said / 2, "{goes:?}: {given} of {said} bytes");
    }
    others.go_on().await;
}

#[tokio::test]
async fn a_stranger_who_ends_its_half_is_gone_at_any_stage() {
    let mut others = Others::new().await;
    for goes in [Goes::InOrder, Goes::AtOnce] {
        let begun = Instant::now();
        let mut stranger = others.stranger().await;
        end_half(&mut stranger, goes).await;
        assert_eq!(stranger.next().await, Came::Gone);
        let mut stream = tls(&others.world, others.address()).await;
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        match goes {
            Goes::InOrder => stream.shutdown().await.unwrap(),
            Goes::AtOnce => stream.get_mut().0.shutdown().await.unwrap(),
        }
        let mut rest = Vec::new();
        let _ = soon(stream.read_to_end(&mut rest)).await;
        assert!(begun.elapsed() < Duration::from_secs(8), "before its time is over: {:?}", begun.elapsed());
    }
    others.go_on().await;
}
