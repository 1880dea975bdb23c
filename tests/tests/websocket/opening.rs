//! The upgrade: no extension is agreed on, and pages of other origins are kept out.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vigie_tests::raw::tls;
use vigie_tests::soon;

use crate::others::Others;

const ALLOWED: &str = "https://console.example";

/// The head of the answer to an upgrade request with these lines more.
async fn answer(others: &Others, lines: &str) -> String {
    let mut stream = tls(&others.world, others.address()).await;
    let request = format!(
        "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: vigie.v1\r\n{lines}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn compression_is_not_agreed_on_however_it_is_offered() {
    let mut others = Others::new().await;
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover, permessage-deflate",
        "x-webkit-deflate-frame",
        "permessage-bzip2, mux",
    ] {
        let head = answer(&others, &format!("Sec-WebSocket-Extensions: {offer}\r\n")).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(!head.contains("sec-websocket-extensions"), "{offer}: {head}");
        assert!(head.contains("sec-websocket-protocol: vigie.v1\r\n"), "{head}");
    }
    others.go_on().await;
}

#[tokio::test]
async fn only_pages_of_origins_that_are_named_may_connect() {
    let mut others = Others::with(|config| config.origins = vec![ALLOWED.to_owned()]).await;
    for lines in [String::new(), format!("origin: {ALLOWED}\r\n"), format!("Origin: {ALLOWED}\r\n").repeat(2)]
    {
        let head = answer(&others, &lines).await;
        assert!(head.starts_with("http/1.1 101 "), "{lines}: {head}");
    }
    let (long, none) = ("x".repeat(2_000), "");
    for origin in [
        "null",
        "*",
        none,
        "https://",
        "http://console.example",
        "wss://console.example",
        "console.example",
        "//console.example",
        "https://console.example:443",
        "https://console.example:8443",
        "https://console.example/",
        "https://console.example/page",
        "https://console.example.",
        "https://console.example.evil.example",
        "https://console.exampleevil.example",
        "https://evil.example/https://console.example",
        "https://evil-console.example",
        "https://a.console.example",
        "https://example",
        "https://CONSOLE.example",
        "HTTPS://console.example",
        "https://console.example https://evil.example",
        "https://console.example, https://evil.example",
        "https://user@console.example",
        "https://console.example@evil.example",
        "https://console.example%00",
        "https://console.example\\.evil.example",
        "https://xn--console-.example",
        "https://console.example#",
        "https://console.example?",
        "file://",
        "moz-extension://console.example",
        "https://127.0.0.1",
        &long,
    ] {
        let head = answer(&others, &format!("origin: {origin}\r\n")).await;
        assert!(head.starts_with("http/1.1 403 "), "{origin}: {head}");
    }
    for second in ["null", "https://evil.example"] {
        for lines in [[ALLOWED, second], [second, ALLOWED]] {
            let head = answer(&others, &lines.map(|origin| format!("origin: {origin}\r\n")).concat()).await;
            assert!(head.starts_with("http/1.1 403 "), "{lines:?}: {head}");
        }
    }
    others.go_on().await;
}

/// HTTP/1.0 knows no upgrade (RFC 6455, section 4.1): whoever asks by it is told so.
#[tokio::test]
async fn a_request_of_http_1_0_is_refused() {
    let mut others = Others::new().await;
    let mut stream = tls(&others.world, others.address()).await;
    let request = "GET / HTTP/1.0\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   sec-websocket-protocol: vigie.v1\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 426 ") && answer.contains("not_websocket"), "{answer}");
    others.go_on().await;
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let mut others = Others::new().await;
    for key in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25j!Q==", "AA=="] {
        let mut stream = tls(&others.world, others.address()).await;
        let request = format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\nsec-websocket-protocol: vigie.v1\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        soon(stream.read_exact(&mut head)).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 426", "{key}");
    }
    others.go_on().await;
}
