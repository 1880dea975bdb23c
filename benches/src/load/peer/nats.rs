//! NATS over WebSocket: lines and payloads in a stream that is cut into frames anywhere.

use anyhow::{Context as _, bail};

use super::{MESSAGE_BYTES, News, Peer, Place, Ready, Role, number, put_numbered};
use crate::websocket::BINARY;

/// `nats-server`. An author publishes to a stream of JetStream, and is acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Nats;

/// What all readers hear.
const SUBJECT: &str = "bench";
/// The subject of the stream, and its name.
const STREAM: &str = "kept";
/// Where an author is acknowledged: this, its number, and the number of the message.
const INBOX: &str = "_INBOX";

const CONNECT: &str =
    r#"CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"echo":false,"protocol":1}"#;

/// Its line of protocol comes on top. With it inside, a message is just two of the server's smallest buffers, and the
/// server writes each apart, at twice the cost: bad luck that no comparison should rest on.
const PAYLOAD_BYTES: usize = MESSAGE_BYTES;

impl Peer for Nats {
    fn upgrade(&self, _: &Place<'_>) -> (&'static str, Option<&'static str>) {
        ("/", None)
    }

    fn opcode(&self) -> u8 {
        BINARY
    }

    fn set_up(&mut self, me: &mut Place<'_>, heard: Option<&[u8]>) -> anyhow::Result<Ready> {
        // The server speaks first.
        let Some(heard) = heard else { return Ok(Ready::NotYet) };
        let text = String::from_utf8_lossy(heard);
        if text.contains("-ERR") {
            bail!("the server refused: {text}");
        }
        if *me.step == 0 {
            let mut said = format!("{CONNECT}\r\n");
            match me.role {
                Role::Reader => said.push_str(&format!("SUB {SUBJECT} 1\r\n")),
                Role::Listener { channels, of } => {
                    let readers = of / channels;
                    for each in 0..channels {
                        let channel = me.number as u64 + each * readers;
                        said.push_str(&format!("SUB {SUBJECT}.{channel} {}\r\n", each + 1));
                    }
                }
                Role::Author => said.push_str(&format!("SUB {INBOX}.{}.* 1\r\n", me.number)),
                Role::Publisher | Role::Herald { .. } | Role::Guest => {}
            }
            said.push_str("PING\r\n");
            me.say.push(said.into_bytes());
            *me.step = 1;
            return Ok(Ready::NotYet);
        }
        if *me.step == 2 {
            anyhow::ensure!(text.contains(r#""created""#), "no stream: {text}");
            return Ok(Ready::Yes);
        }
        if !text.contains("PONG") {
            return Ok(Ready::NotYet);
        }
        if me.role != Role::Author || me.number > 0 {
            return Ok(Ready::Yes);
        }
        // The first author makes the stream.
        let stream =
            format!(r#"{{"name":"{STREAM}","subjects":["{STREAM}"],"storage":"file","num_replicas":1}}"#);
        let api = format!("$JS.API.STREAM.CREATE.{STREAM} {INBOX}.0.0 {}", stream.len());
        me.say.push(format!("PUB {api}\r\n{stream}\r\n").into_bytes());
        *me.step = 2;
        Ok(Ready::NotYet)
    }

    fn prepare(&mut self, _: Role, _: u64) -> anyhow::Result<()> {
        Ok(())
    }

    fn publish(
        &mut self,
        role: Role,
        publisher: usize,
        number: u64,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let bytes = PAYLOAD_BYTES;
        let head = match role {
            Role::Author => format!("PUB {STREAM} {INBOX}.{publisher}.{number} {bytes}\r\n"),
            Role::Herald { channels } => format!("PUB {SUBJECT}.{} {bytes}\r\n", number % channels),
            Role::Publisher | Role::Reader | Role::Listener { .. } | Role::Guest => {
                format!("PUB {SUBJECT} {bytes}\r\n")
            }
        };
        out.extend_from_slice(head.as_bytes());
        put_numbered(number, bytes, out);
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn hear(&self, rest: &mut Vec<u8>, message: &[u8], news: &mut dyn News) -> anyhow::Result<()> {
        if rest.is_empty() {
            let used = lines(message, news)?;
            rest.extend_from_slice(&message[used..]);
            return Ok(());
        }
        rest.extend_from_slice(message);
        let used = lines(rest, news)?;
        rest.drain(..used);
        Ok(())
    }
}

/// Reads whole lines with their payloads; gives how many bytes that were.
fn lines(bytes: &[u8], news: &mut dyn News) -> anyhow::Result<usize> {
    let mut used = 0;
    while let Some(length) = bytes[used..].iter().position(|byte| *byte == b'\n') {
        let line = bytes[used..used + length].trim_ascii_end();
        let payload = used + length + 1;
        if line.starts_with(b"MSG ") {
            let size = line.rsplit(|byte| *byte == b' ').next().and_then(number).context("no size")?;
            let size = usize::try_from(size)?;
            if bytes.len() < payload + size + 2 {
                return Ok(used);
            }
            match line.strip_prefix(b"MSG _INBOX.") {
                None => news.delivered(number(&bytes[payload..]).context("no number")?),
                Some(inbox) => {
                    let answer = &bytes[payload..payload + size];
                    anyhow::ensure!(
                        !answer.windows(7).any(|bytes| bytes == b"\"error\""),
                        "{}",
                        String::from_utf8_lossy(answer)
                    );
                    let at = inbox.iter().position(|byte| *byte == b'.').context("no number")? + 1;
                    news.acknowledged(number(&inbox[at..]).context("no number")?);
                }
            }
            used = payload + size + 2;
            continue;
        }
        if line == b"PING" {
            news.answer(b"PONG\r\n".to_vec());
        } else if line.starts_with(b"-ERR") {
            bail!("the server refused: {}", String::from_utf8_lossy(line));
        }
        used = payload;
    }
    Ok(used)
}
