//! One connection from TCP to its end: TLS, upgrade, what the server wants to be told first, then messages.

use std::time::Instant;

use anyhow::bail;

use super::line::{Heard, Line};
use super::peer::{Peer, Place, Ready, Role};
use super::tally::{Ears, Expected, Tally};
use crate::websocket::{CLIENT_KEY, CLOSE, Frames, PING, PONG, put_client_frame};

/// An answer to an upgrade is a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Tls,
    Upgrade,
    SetUp,
    Ready,
    Ended,
}

/// What all connections share.
pub(super) struct Hub {
    pub(super) peer: Box<dyn Peer>,
    pub(super) tally: Tally,
    /// What is read of a socket is decrypted here.
    pub(super) scratch: Vec<u8>,
    /// The server's.
    pub(super) certificate: Vec<u8>,
}

/// One connection.
pub(super) struct Member {
    pub(super) line: Line,
    pub(super) role: Role,
    pub(super) number: usize,
    index: usize,
    pub(super) stage: Stage,
    /// Messages that it has published.
    pub(super) published: u64,
    protocol: Protocol,
}

/// What is above TLS.
struct Protocol {
    step: u8,
    answer: Vec<u8>,
    frames: Frames,
    rest: Vec<u8>,
    expected: Expected,
}

impl Member {
    pub(super) fn new(line: Line, role: Role, number: usize, index: usize) -> Self {
        let expected = Expected::of(role, number);
        let (answer, rest) = (Vec::new(), Vec::new());
        let protocol = Protocol { step: 0, answer, frames: Frames::default(), rest, expected };
        Self { line, role, number, index, stage: Stage::Tls, published: 0, protocol }
    }

    /// The socket may be ready: goes as far as it goes.
    pub(super) fn attend(&mut self, hub: &mut Hub) -> anyhow::Result<()> {
        self.line.flush()?;
        let mut says: Vec<u8> = Vec::new();
        let Hub { peer, tally, scratch, certificate } = hub;
        let (role, number, index, now) = (self.role, self.number, self.index, Instant::now());
        let me = Me { role, number, index, now, certificate };
        let (stage, protocol) = (&mut self.stage, &mut self.protocol);
        let heard = self
            .line
            .receive(scratch, &mut |plain| protocol.hear(plain, stage, &me, &mut **peer, tally, &mut says))?;
        if self.stage == Stage::Tls && self.line.is_secure() {
            if certificate.is_empty() {
                self.line.certificate().clone_into(certificate);
            }
            let me = Me { role, number, index, now, certificate };
            let (path, subprotocol) = peer.upgrade(&me.place(&mut self.protocol.step, &mut Vec::new()));
            says.extend_from_slice(request(path, subprotocol).as_bytes());
            self.stage = Stage::Upgrade;
        }
        if !says.is_empty() {
            self.line.say(&says)?;
        }
        self.line.flush()?;
        anyhow::ensure!(heard == Heard::Open, "the server ended the connection");
        Ok(())
    }
}

/// Who a connection is, while it reads.
#[derive(Clone, Copy)]
struct Me<'a> {
    role: Role,
    number: usize,
    index: usize,
    now: Instant,
    certificate: &'a [u8],
}

impl<'a> Me<'a> {
    const fn place(&self, step: &'a mut u8, say: &'a mut Vec<Vec<u8>>) -> Place<'a> {
        Place { role: self.role, number: self.number, certificate: self.certificate, step, say }
    }
}

impl Protocol {
    fn hear(
        &mut self,
        plain: &[u8],
        stage: &mut Stage,
        me: &Me<'_>,
        peer: &mut dyn Peer,
        tally: &mut Tally,
        says: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        if *stage != Stage::Upgrade {
            return self.feed(plain, stage, me, peer, tally, says);
        }
        self.answer.extend_from_slice(plain);
        anyhow::ensure!(self.answer.len() <= ANSWER_BYTES_MAX, "a long answer to an upgrade");
        let Some(end) = self.answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(()) };
        let answer = std::mem::take(&mut self.answer);
        if !answer.starts_with(b"HTTP/1.1 101") {
            bail!("no upgrade: {}", String::from_utf8_lossy(&answer));
        }
        *stage = Stage::SetUp;
        self.set_up(None, stage, me, peer, says)?;
        self.feed(&answer[end + 4..], stage, me, peer, tally, says)
    }

    fn set_up(
        &mut self,
        heard: Option<&[u8]>,
        stage: &mut Stage,
        me: &Me<'_>,
        peer: &mut dyn Peer,
        says: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let mut say = Vec::new();
        if peer.set_up(&mut me.place(&mut self.step, &mut say), heard)? == Ready::Yes {
            *stage = Stage::Ready;
        }
        say.iter().for_each(|message| put_client_frame(peer.opcode(), message, says));
        Ok(())
    }

    fn feed(
        &mut self,
        plain: &[u8],
        stage: &mut Stage,
        me: &Me<'_>,
        peer: &mut dyn Peer,
        tally: &mut Tally,
        says: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let mut frames = std::mem::take(&mut self.frames);
        let fed = frames.feed(plain, &mut |opcode, message| match opcode {
            CLOSE => bail!("closed: {}", String::from_utf8_lossy(message)),
            PING => {
                put_client_frame(PONG, message, says);
                Ok(())
            }
            PONG => Ok(()),
            _ if *stage == Stage::Ready => {
                let mut answers = Vec::new();
                let is_author = me.role == Role::Author;
                let (expected, answers_mut) = (&mut self.expected, &mut answers);
                let mut ears =
                    Ears { tally, expected, is_author, index: me.index, now: me.now, answers: answers_mut };
                peer.hear(&mut self.rest, message, &mut ears)?;
                answers.iter().for_each(|message| put_client_frame(peer.opcode(), message, says));
                Ok(())
            }
            _ => self.set_up(Some(message), stage, me, peer, says),
        });
        self.frames = frames;
        fed
    }
}

fn request(path: &str, subprotocol: Option<&str>) -> String {
    let subprotocol =
        subprotocol.map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {CLIENT_KEY}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
    )
}
