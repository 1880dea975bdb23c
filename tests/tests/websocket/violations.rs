//! Each fault of RFC 6455 has its close code, before log-in and after it.

use vigie_proto::refusal::{Code, Ends};
use vigie_proto::severity::Severity::Moderate;
use vigie_tests::raw::{Came, Raw};
use vigie_tests::world::World;

use crate::frames::{CONTINUATION, END, TEXT, frame, head};
use crate::others::Others;

/// Bytes, and how they are answered.
fn violations() -> Vec<(&'static str, Vec<u8>, Code)> {
    use Code::{BrokenWebsocket, FrameTooLarge, NotText, NotUnicode};
    let reserved = |opcode: u8| (frame(END | opcode, b""), BrokenWebsocket);
    let mut all = vec![
        ("a frame without a mask", vec![END | TEXT, 2, b'{', b'}'], BrokenWebsocket),
        ("a compressed frame", frame(0xc1, &[0xaa, 0xae, 0x05, 0x00]), BrokenWebsocket),
        ("the second reserved bit", frame(0xa1, b"{}"), BrokenWebsocket),
        ("the third reserved bit", frame(0x91, b"{}"), BrokenWebsocket),
        ("a compressed ping", frame(0xc9, b""), BrokenWebsocket),
        ("the end of a message that has no beginning", frame(END, b"{}"), BrokenWebsocket),
        ("a message inside another", [frame(TEXT, b"{"), frame(END | TEXT, b"}")].concat(), BrokenWebsocket),
        ("half of a ping", frame(0x09, b""), BrokenWebsocket),
        ("half of a close", frame(0x08, b""), BrokenWebsocket),
        ("a ping of 126 bytes", frame(0x89, &[7; 126]), BrokenWebsocket),
        ("a pong of 2^63 bytes, declared", head(0x8a, 1 << 63), BrokenWebsocket),
        ("a close with half of a code", frame(0x88, &[3]), BrokenWebsocket),
        ("a binary frame", frame(0x82, b"{}"), NotText),
        ("a binary frame in two", [frame(0x02, b"{"), frame(END, b"}")].concat(), NotText),
        ("a text that is Latin-1", frame(END | TEXT, b"\"\xe9\""), NotUnicode),
        ("an overlong slash", frame(END | TEXT, b"\"\xc0\xaf\""), NotUnicode),
        ("a surrogate", frame(END | TEXT, b"\"\xed\xa0\x80\""), NotUnicode),
        ("a text that ends inside a character", frame(END | TEXT, b"\"\xc3"), NotUnicode),
        ("a bad second half", [frame(TEXT, b"\"\xc3"), frame(END, b"\"")].concat(), NotUnicode),
        ("a close with a reason that is no text", frame(0x88, b"\x03\xe8\xff"), NotUnicode),
        ("2^63 bytes, declared", head(END | TEXT, 1 << 63), FrameTooLarge),
        ("2^64 - 1 bytes, declared", head(END | TEXT, u64::MAX), FrameTooLarge),
        ("16 MiB, declared", head(END | TEXT, 16 << 20), FrameTooLarge),
        ("a byte more than ever allowed, declared", head(END | TEXT, 263_169), FrameTooLarge),
        (
            "fragments that add up to 2^64, declared",
            [frame(TEXT, &[b' '; 8]), head(CONTINUATION, u64::MAX - 7)].concat(),
            FrameTooLarge,
        ),
    ];
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        let (bytes, code) = reserved(opcode);
        all.push(("an opcode that is reserved", bytes, code));
    }
    all
}

/// Told, then closed with the code of the table; what came before it may be answered first.
async fn is_told(peer: &mut Raw, what: &str, code: Code) {
    let refused = peer.frame().await;
    assert_eq!(refused["code"], code.as_str(), "{what}: {refused}");
    let Ends::Close(number) = code.ends() else { panic!("{code} closes") };
    assert_eq!(peer.next().await, Came::Closed(number, code.as_str().to_owned()), "{what}");
}

#[tokio::test]
async fn each_violation_is_told_with_its_close_code_and_nobody_else_notices() {
    let mut others = Others::new().await;
    for (what, bytes, code) in violations() {
        for mut peer in [others.stranger().await, others.peer().await] {
            peer.send_bytes(&bytes).await;
            is_told(&mut peer, what, code).await;
        }
        others.go_on().await;
    }
}

#[tokio::test]
async fn the_bound_of_a_stranger_is_lower_than_that_of_a_session() {
    let others = Others::new().await;
    for length in [12 * 1024 + 1, 263_168] {
        let mut stranger = others.stranger().await;
        stranger.send_bytes(&head(END | TEXT, length)).await;
        is_told(&mut stranger, "12 KiB and a byte", Code::FrameTooLarge).await;
        let mut peer = others.peer().await;
        peer.send_bytes(&head(END | TEXT, length)).await;
        peer.send_bytes(&vec![b' '; usize::try_from(length).unwrap()]).await;
        assert_eq!(peer.frame().await["code"], "not_json", "taken whole, and judged");
    }
}

/// RFC 6455, section 5.5.1: a close is answered with its code; one that may not stand there with 1002.
#[tokio::test]
async fn a_close_is_answered() {
    let mut others = Others::new().await;
    for (code, answer) in [(1000, 1000), (1001, 1001), (3000, 3000), (4999, 4999)].into_iter().chain([
        (0, 1002),
        (999, 1002),
        (1004, 1002),
        (1005, 1002),
        (1006, 1002),
        (1015, 1002),
        (65535, 1002),
    ]) {
        for mut peer in [others.stranger().await, others.peer().await] {
            peer.send_bytes(&frame(0x88, &[&u16::to_be_bytes(code)[..], b"au revoir"].concat())).await;
            let Came::Closed(number, _) = peer.next().await else { panic!("{code} is not answered") };
            assert_eq!(number, answer, "to {code}");
            assert_eq!(peer.next().await, Came::Gone);
        }
    }
    let mut peer = others.peer().await;
    peer.send_bytes(&frame(0x88, b"")).await;
    assert_eq!(peer.next().await, Came::Gone);
    others.go_on().await;
}

/// Its answer comes behind the whole of the frame that was on its way, and nothing else does.
#[tokio::test]
async fn a_close_in_the_middle_of_a_frame_is_answered_behind_it() {
    let world = World::new();
    let relay = world.relay();
    let mut peer = Raw::log_in(&world, relay.local_addr(), &world.live.town).await;
    peer.subscribe(&["alert/fr.idf.75.paris"], None).await;
    let mut author = Raw::log_in(&world, relay.local_addr(), &world.live.nation).await;
    let text = "é".repeat(45_000);
    // More than the sockets between them hold, each longer than what is written at once.
    let said: Vec<String> = (0..40)
        .map(|number| world.live.nation.say("alert/fr", &format!("{number} {text}"), Moderate))
        .collect();
    for message in &said {
        assert_eq!(author.publish(message).await["op"], "receipt");
    }
    peer.send_bytes(&frame(0x88, &1000_u16.to_be_bytes())).await;
    let mut given = 0;
    loop {
        match peer.next().await {
            Came::Frame(frame) if frame["op"] == "event" => {
                assert_eq!(frame["jws"], *said[given], "whole, and in order");
                given += 1;
            }
            Came::Frame(_) => {}
            Came::Closed(number, _) => {
                assert_eq!(number, 1000);
                break;
            }
            Came::Gone => panic!("it is not answered, after {given}"),
        }
    }
    assert!(given > 0 && given < said.len(), "{given} were on their way");
    assert_eq!(peer.next().await, Came::Gone);
}
