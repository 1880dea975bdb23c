//! What peers say cannot forge a line of the log, nor steer the terminal of who reads it: whatever the frame, header or
//! credential, at the most talkative level, as text and as JSON.
#![allow(clippy::unwrap_used, reason = "unwrapping in a test is a failed assertion")]
#![cfg(unix)]

#[allow(dead_code, reason = "each suite of tests uses a part of it")]
#[path = "strangers/peer.rs"]
mod peer;
#[allow(dead_code, reason = "each suite of tests uses a part of it")]
#[path = "cli_suite/support.rs"]
mod support;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use peer::{Peer, UPGRADE, Way, frame};
use support::{Place, Running};
use tokio::io::AsyncWriteExt as _;
use vigie_client::Context;
use vigie_proto::channel::Plane;

/// A line that was never written, colours, a title for the terminal, C1 controls, a direction override.
const HOSTILE: &str = "x\r\n2001-01-01T00:00:00Z  INFO vigie: FORGED\n{\"level\":\"FORGED\"}\n\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}31m\u{202e}\0\u{8}";

/// The marks of [`HOSTILE`] that must stand in no log as they are.
fn raw_marks(log: &str) -> Vec<String> {
    let controls =
        log.chars().filter(|char| char.is_control() && *char != '\n').map(|char| format!("{char:?}"));
    let forged =
        log.lines().filter(|line| line.starts_with("2001-01-01") || line.starts_with("{\"level\":\"FORGED"));
    controls.chain(forged.map(str::to_owned)).collect()
}

/// One fault after another, each on a connection of its own.
async fn say_it_everywhere(way: &Way, context: &Context) {
    let town = context.identity("town", Plane::Live).unwrap();
    let json = serde_json::to_string(HOSTILE).unwrap();
    let inner = &json[1..json.len() - 1];
    // Before TLS, and instead of HTTP.
    let mut plain = way.tcp(0).await;
    let _ = plain.write_all(HOSTILE.as_bytes()).await;
    for request in [
        format!("GET /{HOSTILE} HTTP/1.1\r\n\r\n"),
        UPGRADE.replace("\r\n\r\n", &format!("\r\nuser-agent: {HOSTILE}\r\n\r\n")),
        UPGRADE
            .replace("\r\n\r\n", "\r\nuser-agent: \u{9b}31m \u{1b}[31m\r\norigin: https://\u{9b}31m\r\n\r\n"),
        UPGRADE.replace("vigie.v1", "\u{9b}31m"),
    ] {
        let mut stream = way.tls(0).await;
        let _ = stream.write_all(request.as_bytes()).await;
        Peer { stream }.ended().await;
    }
    // Text that is none, reasons of a close, and every member of a frame that holds text.
    let latin = frame(0x81, &[HOSTILE.as_bytes(), &[0xff]].concat());
    let close =
        frame(0x88, &[&1000_u16.to_be_bytes()[..], "\u{1b}[31m\r\n2001-01-01 FORGED".as_bytes()].concat());
    let bad_close = frame(0x88, &[&999_u16.to_be_bytes()[..], b"\x1b[31m\xff\n2001-01-01"].concat());
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let credential = format!(
        "{}.{}.{}",
        part(&format!(r#"{{"alg":"{inner}","kid":"{inner}","typ":"{inner}"}}"#)),
        part(&format!(r#"{{"org":"{inner}","name":"{inner}"}}"#)),
        part(HOSTILE)
    );
    let frames = [
        format!(r#"{{"op":"{inner}","n":1}}"#),
        format!(r#"{{"op":"login","chain":["{inner}"],"proof":"{inner}"}}"#),
        format!(r#"{{"op":"login","chain":["{credential}"],"proof":"{credential}"}}"#),
        format!(r#"{{"op":"subscribe","n":1,"channels":["{inner}"],"after":"{inner}"}}"#),
        format!(r#"{{"op":"publish","n":1,"jws":"{credential}"}}"#),
        format!(r#"{{"op":"chain","n":1,"chain":["{credential}"]}}"#),
        format!(r#"{{"op":"revoke","n":1,"jws":"{credential}"}}"#),
        format!(r#"{{"{inner}":"{inner}","{inner}":1}}"#),
        format!("{{\"op\":\"{HOSTILE}\"}}"),
    ];
    let texts = frames.iter().map(|text| frame(0x81, text.as_bytes()));
    for bytes in texts.chain([latin, close, bad_close, frame(0x89, HOSTILE.as_bytes())]) {
        for mut peer in [way.upgraded(0).await, way.logged_in(0, &town).await] {
            peer.send(&bytes).await;
            peer.send(&frame(0x88, &1000_u16.to_be_bytes())).await;
            peer.ended().await;
        }
    }
}

/// All that a relay writes meanwhile.
fn log_of(place: &Place, form: &str) -> String {
    let relay = Running::start(place.relay_command(&["--log", form]).env("VIGIE_LOG", "trace"));
    let way = Way::new(relay.address(), Path::new(&place.path("tls/ca.pem")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(say_it_everywhere(&way, &Context::open(place.path("")).unwrap()));
    relay.stop("-TERM").1
}

#[test]
fn nothing_that_a_peer_says_forges_a_line_or_steers_a_terminal() {
    // What the search must find, it finds.
    assert!(raw_marks(HOSTILE).len() > 6, "{:?}", raw_marks(HOSTILE));
    assert!(raw_marks("2026-11-22T07:00:00Z  INFO vigie: x\\n2001-01-01\\u{1b}\n").is_empty());
    let place = Place::new();
    for form in ["text", "json"] {
        let log = log_of(&place, form);
        assert_eq!(raw_marks(&log), Vec::<String>::new(), "{form}");
        // It did say something of them, and as JSON each line of it is whole.
        let told: Vec<_> = log.lines().filter(|line| line.contains("DEBUG")).collect();
        assert!(told.len() > 20, "{form}: {} lines", told.len());
        if form == "json" {
            for line in told {
                assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
            }
        }
    }
}
