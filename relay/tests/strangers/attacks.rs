//! What strangers do that costs them little, one connection each: until the relay has ended it.

use std::pin::Pin;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vigie_client::Identity;

use crate::peer::{Peer, UPGRADE, Way, frame, soon};

/// What an attack is given.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) way: &'a Way,
    /// Counts the strangers.
    pub(crate) number: usize,
    /// One who is known here; strangers know its chain, which is no secret.
    pub(crate) who: &'a Identity,
}

type Attack = for<'a> fn(Given<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What is past the count of bytes while HTTP has the stream: TLS records longer than a stranger may send.
pub(crate) const TOO_MUCH_FOR_HTTP: &str = "a header of 64 KiB";

/// Leaves by itself, so nothing of it is refused.
pub(crate) const UNCOUNTED: &str = "12 KiB declared, a byte at a time";

pub(crate) const ATTACKS: &[(&str, Attack)] = &[
    // First: each of it is counted, and nothing that came before it is shown late.
    (TOO_MUCH_FOR_HTTP, |it| Box::pin(head(it, format!("x: {}\r\n", "y".repeat(64 * 1024))))),
    ("a first message of garbage", |it| Box::pin(garbage(it))),
    ("thousands of headers", |it| Box::pin(head(it, "x: y\r\n".repeat(4_000)))),
    ("a body of 100 KB", |it| Box::pin(body(it))),
    ("2^63 bytes declared", |it| Box::pin(says(it, vec![[&[0x81, 0xff, 0x80][..], &[0; 11]].concat()]))),
    (UNCOUNTED, |it| Box::pin(says(it, drops()))),
    ("pings", |it| Box::pin(says(it, vec![frame(0x89, b"").repeat(500); 8]))),
    ("pings of 125 bytes", |it| Box::pin(says(it, vec![frame(0x89, &[7; 125]).repeat(50); 8]))),
    ("fragments of a byte", |it| Box::pin(says(it, fragments(b" ")))),
    ("empty fragments", |it| Box::pin(says(it, fragments(b"")))),
    ("JSON of 12,000 levels", |it| Box::pin(says(it, vec![frame(0x81, "[".repeat(12_000).as_bytes())]))),
    ("JSON of 2,000 members", |it| Box::pin(says(it, vec![frame(0x81, members().as_bytes())]))),
    ("a chain of eight bad links", |it| {
        Box::pin(logs_in(it, |links| {
            let last = links.last().unwrap().clone();
            vec![spoilt(&last); 8]
        }))
    }),
    ("a good chain, its last link spoilt", |it| {
        Box::pin(logs_in(it, |mut links| {
            let last = links.pop().unwrap();
            links.push(spoilt(&last));
            links
        }))
    }),
    ("a good chain and a bad proof", |it| Box::pin(bad_proof(it))),
];

/// The same token with another signature.
pub(crate) fn spoilt(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

async fn garbage(it: Given<'_>) {
    let mut stream = it.way.tcp(it.number).await;
    let _ = stream
        .write_all(&[0x16, 3, 1, 0x20, 0].iter().copied().chain([0xee; 9_000]).collect::<Vec<_>>())
        .await;
    let mut buffer = [0; 4096];
    while soon(stream.read(&mut buffer)).await.is_ok_and(|bytes| bytes > 0) {}
}

async fn head(it: Given<'_>, lines: String) {
    let mut stream = it.way.tls(it.number).await;
    let request = UPGRADE.replace("\r\n\r\n", &format!("\r\n{lines}\r\n"));
    let _ = soon(stream.write_all(request.as_bytes())).await;
    Peer { stream }.ended().await;
}

/// What no WebSocket ever brings: it comes while HTTP still has the stream.
async fn body(it: Given<'_>) {
    let mut stream = it.way.tls(it.number).await;
    let request = UPGRADE.replace("\r\n\r\n", "\r\ncontent-length: 100000\r\n\r\n");
    let _ = soon(stream.write_all(request.as_bytes())).await;
    for _ in 0..10 {
        if soon(stream.write_all(&[b'x'; 3_000])).await.is_err() {
            break;
        }
    }
    Peer { stream }.ended().await;
}

async fn says(it: Given<'_>, writes: Vec<Vec<u8>>) {
    let mut peer = it.way.upgraded(it.number).await;
    for bytes in writes {
        if !peer.send(&bytes).await {
            break;
        }
    }
    // What does not end by itself is left: the deadline would.
    let told = async { while peer.next().await.is_some() {} };
    let _ = tokio::time::timeout(std::time::Duration::from_millis(100), told).await;
}

fn drops() -> Vec<Vec<u8>> {
    let whole = frame(0x81, &[b' '; 12 * 1024]);
    whole[..500].chunks(1).map(<[u8]>::to_vec).collect()
}

fn fragments(payload: &[u8]) -> Vec<Vec<u8>> {
    let mut writes = vec![frame(0x01, payload)];
    writes.extend(vec![frame(0x00, payload).repeat(200); 8]);
    writes
}

fn members() -> String {
    let members: Vec<String> = (0..1_000).map(|number| format!("\"{number}\":0")).collect();
    format!("{{{}}}", members.join(","))
}

async fn logs_in(it: Given<'_>, change: fn(Vec<String>) -> Vec<String>) {
    let mut peer = it.way.upgraded(it.number).await;
    let links: Vec<_> = it.who.chain().links().iter().map(|link| link.token().to_string()).collect();
    let login = peer.login_with(it.who, &change(links)).await;
    peer.say(&login).await;
    assert_eq!(peer.next().await.expect("a refusal")["op"], "refused");
    assert!(peer.next().await.is_none());
}

async fn bad_proof(it: Given<'_>) {
    let mut peer = it.way.upgraded(it.number).await;
    let login = peer.login(it.who).await;
    let (before, proof) = login.split_once("\"proof\":\"").unwrap();
    let (proof, after) = proof.split_once('"').unwrap();
    peer.say(&format!("{before}\"proof\":\"{}\"{after}", spoilt(proof))).await;
    assert_eq!(peer.next().await.expect("a refusal")["op"], "refused");
    assert!(peer.next().await.is_none());
}
