//! One `GET` over plain TCP, by hand: hyper's client would be built for this alone. It takes an answer with status 200
//! and a `content-length` that is true, from a peer that closes; everything else is an error.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// For everything together: twice what the listener gives itself.
const WITHIN: Duration = Duration::from_secs(10);

/// Ten times the longest list of damage.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum GetError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Answer(&'static str),
}

/// The body of what `authority` (host and port) answers.
pub(super) fn get(authority: &str, path: &str) -> Result<Vec<u8>, GetError> {
    let until = Instant::now() + WITHIN;
    let mut stream = connect(authority, until)?;
    stream.set_write_timeout(Some(left(until)?))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    while answer.len() as u64 <= ANSWER_BYTES_MAX {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(&mut piece)? {
            0 => return body_of(answer),
            bytes => answer.extend_from_slice(&piece[..bytes]),
        }
    }
    Err(GetError::Answer("the answer is too long"))
}

fn connect(authority: &str, until: Instant) -> io::Result<TcpStream> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(until)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn body_of(mut answer: Vec<u8>) -> Result<Vec<u8>, GetError> {
    let wrong = GetError::Answer("not HTTP");
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Err(wrong) };
    let body = answer.split_off(end + 4);
    let Ok(head) = std::str::from_utf8(&answer) else { return Err(wrong) };
    let (first, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let Some(status) = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)) else {
        return Err(wrong);
    };
    if status != "200" {
        return Err(GetError::Answer("another status than 200"));
    }
    let mut headers = headers.lines().filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match length.and_then(|(_, value)| value.trim().parse::<usize>().ok()) {
        Some(length) if length == body.len() => Ok(body),
        Some(_) => Err(GetError::Answer("the answer was cut")),
        None => Err(GetError::Answer("the answer has no length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(answer: &str) -> Result<String, String> {
        let body = body_of(answer.as_bytes().to_vec()).map_err(|error| error.to_string());
        body.map(|body| String::from_utf8_lossy(&body).into_owned())
    }

    #[test]
    fn only_a_whole_answer_that_is_good_is_taken() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"), Ok("ab".to_owned()));
        for (answer, why) in [
            ("", "not HTTP"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", "not HTTP"),
            ("SSH-2.0\r\n\r\n", "not HTTP"),
            ("HTTP/1.1 \r\n\r\n", "not HTTP"),
            ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", "another status than 200"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", "the answer was cut"),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "the answer has no length"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "the answer has no length"),
        ] {
            assert_eq!(body(answer), Err(why.to_owned()), "{answer:?}");
        }
    }
}
