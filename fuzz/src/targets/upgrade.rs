//! The upgrade: any bytes where a request is to come.
//!
//! A first line that begins with `#` is not sent: a number in it says after how many bytes the second part comes, `full`
//! that the relay has no room.

use std::cell::RefCell;

use tokio::runtime::{Builder, Runtime};
use vigie_proto::refusal::{Code, Ends};
use vigie_relay::fuzzing::{Upgraded, upgraded};

use crate::{Outcome, plant};

/// Larger than any head that is read, smaller than the pipe.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The longest answer: a head and a sentence in two languages.
const ANSWER_BYTES_MAX: usize = 1024;

const ORIGINS: [&str; 2] = ["https://a.example", "null"];

const CODES: [Code; 5] = [
    Code::NotFound,
    Code::NotWebsocket,
    Code::OriginRefused,
    Code::WrongSubprotocol,
    Code::TooManyConnections,
];

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().build().expect("a runtime without I/O"));
}

fn run(parts: &[&[u8]], full: bool) -> Upgraded {
    RUNTIME.with_borrow(|runtime| runtime.block_on(upgraded(parts, &ORIGINS, full)))
}

/// A request.
pub fn upgrade(data: &[u8]) -> Outcome {
    let (said, request) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) if data.first() == Some(&b'#') => data.split_at(end + 1),
        Some(_) | None => data.split_at(0),
    };
    if request.len() > REQUEST_BYTES_MAX {
        return Outcome::Passed;
    }
    let said = String::from_utf8_lossy(said);
    let full = said.contains("full");
    let digits: String = said.chars().filter(char::is_ascii_digit).take(5).collect();
    let (first, second) = request.split_at(digits.parse().unwrap_or(request.len()).min(request.len()));
    let whole = run(&[request], full);
    // In one part it is the same once more.
    if !first.is_empty() && !second.is_empty() {
        let parts = run(&[first, second], full);
        // What is no HTTP the library answers, or not.
        assert_eq!(code(&whole.answer), code(&parts.answer), "how the bytes come decides");
        assert_eq!(whole.behind, parts.behind, "how the bytes come decides");
    }
    assert!(whole.answer.len() <= ANSWER_BYTES_MAX, "{}", String::from_utf8_lossy(&whole.answer));
    match &whole.behind {
        Some(behind) => {
            assert_eq!(status(&whole.answer), Some(101));
            judge_accepted(request, behind, full);
            plant::inside("upgrade", || behind.len() == 4);
            Outcome::Taken
        }
        None => {
            judge_refused(&whole.answer);
            Outcome::Refused
        }
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.strip_prefix(b"HTTP/1.1 ").or_else(|| answer.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}

/// What it was refused for.
fn code(answer: &[u8]) -> Option<Code> {
    let text = std::str::from_utf8(answer).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    CODES.into_iter().find(|code| body.starts_with(code.as_str()))
}

/// It was what PROTOCOL.md, part 2, asks for, and nothing of what comes behind it is lost.
fn judge_accepted(request: &[u8], behind: &[u8], full: bool) {
    assert!(!full, "there is no room");
    assert!(request.ends_with(behind), "bytes behind the request are not those that were sent");
    let head = String::from_utf8_lossy(&request[..request.len() - behind.len()]).to_lowercase();
    for needed in ["upgrade", "websocket", "13", "vigie.v1", "sec-websocket-key"] {
        assert!(head.contains(needed), "without {needed}: {head}");
    }
    assert!(head.trim_start().starts_with("get /"), "{head}");
    for line in head.lines().filter_map(|line| line.strip_prefix("origin:")) {
        assert!(ORIGINS.contains(&line.trim()), "a page of {line}");
    }
}

/// Nothing, an answer of the HTTP library alone, or one with a code that is written down.
fn judge_refused(answer: &[u8]) {
    let Some(status) = status(answer) else {
        return assert!(answer.is_empty(), "{}", String::from_utf8_lossy(answer));
    };
    let text = std::str::from_utf8(answer).expect("an answer is text");
    let (_, body) = text.split_once("\r\n\r\n").expect("a head ends");
    match code(answer) {
        Some(code) => assert_eq!(code.ends(), Ends::Http(status), "{text}"),
        None => {
            assert!(body.is_empty() && matches!(status, 400 | 404 | 414 | 426 | 431 | 403 | 503), "{text}")
        }
    }
}
