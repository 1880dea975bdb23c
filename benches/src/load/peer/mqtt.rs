//! MQTT 3.1.1 over WebSocket, quality of service 0.

use anyhow::{Context as _, bail};

use super::{MESSAGE_BYTES, News, Peer, Place, Ready, Role, number, put_numbered};
use crate::websocket::BINARY;

/// `mosquitto`.
#[derive(Clone, Copy, Debug)]
pub struct Mqtt;

/// What all readers hear.
const TOPIC: &str = "bench";
/// A client that says nothing for half as long again is closed: longer than a run.
const KEEP_ALIVE_SECONDS: u16 = 600;

const CONNECT: u8 = 0x10;
const CONNECTED: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBSCRIBED: u8 = 0x90;

/// The head of a publish of this size, with its length.
const HEAD_BYTES: usize = 3;

impl Peer for Mqtt {
    fn upgrade(&self, _: &Place<'_>) -> (&'static str, Option<&'static str>) {
        ("/", Some("mqtt"))
    }

    fn opcode(&self) -> u8 {
        BINARY
    }

    fn set_up(&mut self, me: &mut Place<'_>, heard: Option<&[u8]>) -> anyhow::Result<Ready> {
        let Some(heard) = heard else {
            me.say.push(connect(me));
            return Ok(Ready::NotYet);
        };
        match heard.first() {
            Some(&CONNECTED) if heard.get(3) == Some(&0) => match me.role {
                Role::Reader | Role::Listener { .. } => {
                    me.say.push(subscribe(me));
                    Ok(Ready::NotYet)
                }
                Role::Publisher | Role::Herald { .. } | Role::Author | Role::Guest => Ok(Ready::Yes),
            },
            Some(&SUBSCRIBED) => Ok(Ready::Yes),
            _ => bail!("the broker refused: {heard:?}"),
        }
    }

    fn prepare(&mut self, _: Role, _: u64) -> anyhow::Result<()> {
        Ok(())
    }

    fn publish(&mut self, role: Role, _: usize, number: u64, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let topic = match role {
            Role::Herald { channels } => format!("{TOPIC}/{}", number % channels),
            Role::Publisher | Role::Reader | Role::Listener { .. } | Role::Guest => TOPIC.to_owned(),
            Role::Author => bail!("this broker syncs nothing before it acknowledges"),
        };
        out.push(PUBLISH);
        put_length(MESSAGE_BYTES - HEAD_BYTES, out);
        put_text(&topic, out);
        put_numbered(number, MESSAGE_BYTES - HEAD_BYTES - 2 - topic.len(), out);
        Ok(())
    }

    fn hear(&self, rest: &mut Vec<u8>, message: &[u8], news: &mut dyn News) -> anyhow::Result<()> {
        if rest.is_empty() {
            let used = packets(message, news)?;
            rest.extend_from_slice(&message[used..]);
            return Ok(());
        }
        rest.extend_from_slice(message);
        let used = packets(rest, news)?;
        rest.drain(..used);
        Ok(())
    }
}

/// Reads whole packets; gives how many bytes that were.
fn packets(bytes: &[u8], news: &mut dyn News) -> anyhow::Result<usize> {
    let mut used = 0;
    while let Some((head, body, end)) = packet(&bytes[used..]) {
        if head & 0xf0 == PUBLISH {
            let (topic, rest) = body.split_first_chunk().context("no topic")?;
            let payload = rest.get(usize::from(u16::from_be_bytes(*topic))..).context("a short topic")?;
            news.delivered(number(payload).context("no number")?);
        }
        used += end;
    }
    Ok(used)
}

/// The first packet, when it is whole: head, body, and where it ends.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate().skip(1).take(4) {
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let end = at + 1 + length;
            return Some((bytes[0], bytes.get(at + 1..end)?, end));
        }
    }
    None
}

fn connect(me: &Place<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    put_text("MQTT", &mut body);
    // Version 4, a clean session.
    body.extend_from_slice(&[4, 2]);
    body.extend_from_slice(&KEEP_ALIVE_SECONDS.to_be_bytes());
    put_text(&format!("{:?}{}", me.role, me.number), &mut body);
    whole(CONNECT, &body)
}

fn subscribe(me: &Place<'_>) -> Vec<u8> {
    let mut body = vec![0, 1];
    match me.role {
        Role::Listener { channels, of } => {
            let readers = of / channels;
            for each in 0..channels {
                put_text(&format!("{TOPIC}/{}", me.number as u64 + each * readers), &mut body);
                body.push(0);
            }
        }
        Role::Reader | Role::Publisher | Role::Herald { .. } | Role::Author | Role::Guest => {
            put_text(TOPIC, &mut body);
            body.push(0);
        }
    }
    whole(SUBSCRIBE, &body)
}

fn whole(head: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![head];
    put_length(body.len(), &mut packet);
    packet.extend_from_slice(body);
    packet
}

fn put_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        out.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            return;
        }
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
