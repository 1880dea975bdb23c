//! Sockets of which one half is closed.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vigie_proto::severity::Severity::Moderate;
use vigie_tests::raw::{Came, Raw, tls};
use vigie_tests::soon;

use crate::others::Others;

/// What is promised: 2.4 intervals of 5 s. It takes no time when the disk has answered.
const ENDS_WITHIN: Duration = Duration::from_secs(12);

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
        assert_eq!(reader.next().await, Came::Gone);
        assert!(ended.elapsed() < ENDS_WITHIN, "{:?}", ended.elapsed());
        others.go_on().await;
    }
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
