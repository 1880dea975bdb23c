//! What TCP knows of a connection, asked of Linux: the diagnosis of sockets over netlink, `sock_diag(7)`.
//!
//! `getsockopt` would tell the same (`TCP_INFO`), but there is no safe way to it. An answer lies ready when the question
//! has been sent, so nothing here waits: two system calls, some microseconds. Who asks, and for which sessions, is
//! `lines.rs`; what the answer means is the worker's (`worker/taking.rs`).
//!
//! Not here: lists of sockets; each question names one, by its two ends.

use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::worker::Taken;

/// `AF_NETLINK`.
const NETLINK: i32 = 16;
/// `NETLINK_SOCK_DIAG`.
const SOCKETS: i32 = 4;
/// `SOCK_DIAG_BY_FAMILY`: the type of a question, and of its answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `AF_INET`, `AF_INET6`, `IPPROTO_TCP`.
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
/// `INET_DIAG_INFO`: the part of an answer that is a `tcp_info`.
const INFO: u16 = 2;

/// Of a netlink message; of a question and an answer behind it; of the head of a part of an answer.
const HEADER_BYTES: usize = 16;
const QUESTION_BYTES: usize = HEADER_BYTES + 56;
const ANSWER_BYTES: usize = HEADER_BYTES + 72;
const PART_HEADER_BYTES: usize = 4;
/// `idiag_wqueue` in an answer, and `tcpi_bytes_acked` in a `tcp_info`.
const WAITING_AT: usize = HEADER_BYTES + 60;
const ACKNOWLEDGED_AT: usize = 120;

/// An answer has about 400 bytes; what new systems add comes behind what is read here.
const ROOM_BYTES: usize = 1024;

/// The two ends of a connection, as a question names them: `inet_diag_sockid`, and the family before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    family: u8,
    id: [u8; 48],
}

impl Ends {
    pub(super) fn of(here: SocketAddr, there: SocketAddr) -> Self {
        let mut id = [0; 48];
        id[..2].copy_from_slice(&here.port().to_be_bytes());
        id[2..4].copy_from_slice(&there.port().to_be_bytes());
        for (address, place) in [(here, 4), (there, 20)] {
            match address.ip() {
                IpAddr::V4(ip) => id[place..place + 4].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => id[place..place + 16].copy_from_slice(&ip.octets()),
            }
        }
        if let SocketAddr::V6(there) = there {
            // An address of a link is good on its interface only.
            id[36..40].copy_from_slice(&there.scope_id().to_ne_bytes());
        }
        // No cookie: the connection is ours, and open.
        id[40..].fill(0xff);
        Self { family: if here.is_ipv4() { INET } else { INET6 }, id }
    }

    fn question(&self, number: u32) -> [u8; QUESTION_BYTES] {
        let mut question = [0; QUESTION_BYTES];
        question[..4].copy_from_slice(&(QUESTION_BYTES as u32).to_ne_bytes());
        question[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        question[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
        question[8..12].copy_from_slice(&number.to_ne_bytes());
        question[HEADER_BYTES..HEADER_BYTES + 3].copy_from_slice(&[self.family, TCP, 1 << (INFO - 1)]);
        // In whichever state it is.
        question[HEADER_BYTES + 4..HEADER_BYTES + 8].fill(0xff);
        question[HEADER_BYTES + 8..].copy_from_slice(&self.id);
        question
    }
}

/// Where questions are asked.
#[derive(Debug)]
pub(super) struct TcpStates {
    socket: Socket,
    /// Of the last question: its answer bears it too.
    number: u32,
}

impl TcpStates {
    /// Fails where the system has no netlink, or does not let this process have it.
    pub(super) fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::from(NETLINK), Type::DGRAM, Some(Protocol::from(SOCKETS)))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, number: 0 })
    }

    /// Fails where the system cannot tell, or the connection is over.
    pub(super) fn ask(&mut self, ends: &Ends) -> io::Result<Taken> {
        self.number = self.number.wrapping_add(1);
        self.socket.send(&ends.question(self.number))?;
        let mut room = [0; ROOM_BYTES];
        loop {
            let bytes = (&self.socket).read(&mut room)?;
            let answer = &room[..bytes];
            // What was not read of an earlier question is passed over.
            if u32_at(answer, 8) == Some(self.number) {
                return read(answer).ok_or_else(|| ErrorKind::NotFound.into());
            }
        }
    }
}

/// What an answer says. `None` for an error, and where it does not say all that is asked for.
fn read(answer: &[u8]) -> Option<Taken> {
    if u16_at(answer, 4)? != BY_FAMILY {
        return None;
    }
    let waiting = u32_at(answer, WAITING_AT)?.into();
    let mut parts = answer.get(ANSWER_BYTES..)?;
    loop {
        let (length, kind) = (usize::from(u16_at(parts, 0)?), u16_at(parts, 2)?);
        let part = parts.get(PART_HEADER_BYTES..length)?;
        if kind == INFO {
            let acknowledged = part.get(ACKNOWLEDGED_AT..ACKNOWLEDGED_AT + 8)?;
            return Some(Taken { acknowledged: u64::from_ne_bytes(acknowledged.try_into().ok()?), waiting });
        }
        parts = parts.get(length.next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection between two addresses, and what names the end that was accepted.
    fn connect(listen: &str, dial: &str) -> (TcpStream, TcpStream, Ends) {
        let listener = TcpListener::bind(listen).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect((dial, port)).unwrap();
        let (stream, there) = listener.accept().unwrap();
        let ends = Ends::of(stream.local_addr().unwrap(), there);
        (client, stream, ends)
    }

    #[test]
    fn it_tells_what_was_acknowledged_and_what_waits() {
        let mut states = TcpStates::open().unwrap();
        let mut all = vec![("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1"), ("[::]:0", "127.0.0.1")];
        // A machine may have no IPv6.
        all.retain(|(listen, _)| listen.starts_with("127") || TcpListener::bind("[::1]:0").is_ok());
        for (listen, dial) in all {
            let (mut client, mut stream, ends) = connect(listen, dial);
            let none = states.ask(&ends).unwrap();
            assert_eq!(none.waiting, 0, "{listen}");
            stream.write_all(&[7; 1_000]).unwrap();
            client.read_exact(&mut [0; 1_000]).unwrap();
            // Whoever has read it has acknowledged it, if not at once.
            let some = loop {
                let now = states.ask(&ends).unwrap();
                if now.waiting == 0 {
                    break now;
                }
                std::thread::yield_now();
            };
            assert_eq!(some.acknowledged - none.acknowledged, 1_000, "{listen}");
            // More than both ends hold, to one that does not read.
            stream.set_nonblocking(true).unwrap();
            while stream.write(&[7; 65_536]).is_ok() {}
            let full = states.ask(&ends).unwrap();
            assert!(full.waiting > 0 && full.acknowledged > some.acknowledged, "{listen}: {full:?}");
        }
    }

    #[test]
    fn of_what_is_not_there_it_tells_nothing() {
        let (client, stream, ends) = connect("127.0.0.1:0", "127.0.0.1");
        let other = Ends::of(stream.peer_addr().unwrap(), "127.0.0.1:1".parse().unwrap());
        let mut states = TcpStates::open().unwrap();
        assert_eq!(states.ask(&other).unwrap_err().kind(), ErrorKind::NotFound);
        // The next answer is that of the next question.
        assert!(states.ask(&ends).is_ok());
        drop(client);
    }

    #[test]
    fn a_short_answer_is_none() {
        let (_client, _stream, ends) = connect("127.0.0.1:0", "127.0.0.1");
        let states = TcpStates::open().unwrap();
        states.socket.send(&ends.question(1)).unwrap();
        let mut room = [0; ROOM_BYTES];
        let bytes = (&states.socket).read(&mut room).unwrap();
        assert!(read(&room[..bytes]).is_some());
        let needed = (0..=bytes).find(|length| read(&room[..*length]).is_some()).unwrap();
        assert!(needed >= ANSWER_BYTES + PART_HEADER_BYTES + ACKNOWLEDGED_AT + 8, "{needed}");
        assert!((needed..=bytes).all(|length| read(&room[..length]).is_some()));
    }
}
