//! A Vigie relay: readers log in with identities that were made ahead, messages are signed ahead.
//!
//! What is delivered is known by its place in the log: the only publisher's first message is the next after the head that
//! it was welcomed with. No signature is checked here and no JSON parsed: the relay's work is the same.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, bail};
use vigie_proto::frame::{ClientFrame, FromRelay, ServerFrame};
use vigie_proto::login::{self, Binding};

use super::{MESSAGE_BYTES, News, Peer, Place, Ready, Role, number};
use crate::trust::{Author, RELAY_NAME, Trust};
use crate::websocket::TEXT;

/// `vigie relay run`.
#[derive(Debug)]
pub struct Vigie {
    readers: Vec<Author>,
    author: Author,
    mark_interval: Duration,
    /// The place in the log before the first message of the run.
    head: Option<u64>,
    /// Signed, and not published yet.
    messages: VecDeque<String>,
    signed: u64,
    /// The text that makes an event as long as it should be.
    filling: String,
}

/// What all readers hear.
const CHANNEL: &str = "alert/fr";
/// How an event begins. Its place in the log follows.
const EVENT: &[u8] = br#"{"op":"event","seq":"#;
/// How a receipt begins. The number of its request follows.
const RECEIPT: &[u8] = br#"{"op":"receipt","re":"#;
const REFUSED: &[u8] = br#"{"op":"refused""#;
/// Two seconds of signing, and some hundred megabytes with all that is around them.
const SIGNED_MAX: u64 = 60_000;
/// Past it a publish of a session is `busy`.
const IN_FLIGHT_MAX: u64 = 32;
/// The place and the time of an event, as long as they are in the middle of a run.
const SAMPLE_EVENT: &str = r#"{"op":"event","seq":12345,"admitted":1800000001000,"jws":""}"#;

impl Vigie {
    /// # Errors
    /// The trust is not good.
    pub fn new(trust: &Trust, identities: u64, mark_ms: u64) -> anyhow::Result<Self> {
        let readers =
            (0..identities.max(1)).map(|number| trust.reader(number)).collect::<anyhow::Result<_>>()?;
        let mut peer = Self {
            readers,
            author: trust.author().clone(),
            mark_interval: Duration::from_millis(mark_ms),
            head: None,
            messages: VecDeque::new(),
            signed: 0,
            filling: String::new(),
        };
        let bare = SAMPLE_EVENT.len() + peer.sign(Role::Publisher, 0).len();
        // The text stands in the message twice, and base64 makes four bytes of three.
        let missing =
            MESSAGE_BYTES.checked_sub(bare).context("a message without text is too long already")?;
        peer.filling = "v".repeat(missing * 3 / 8);
        Ok(peer)
    }

    fn sign(&self, role: Role, number: u64) -> String {
        let channel = match role {
            Role::Herald { channels } => channel_name(number % channels),
            Role::Publisher | Role::Author | Role::Reader | Role::Listener { .. } | Role::Guest => {
                CHANNEL.to_owned()
            }
        };
        self.author.sign(&channel, &format!("{number:08}{}", self.filling))
    }

    fn log_in(&self, me: &Place<'_>, nonce: vigie_proto::id::Nonce) -> String {
        let author = match me.role {
            Role::Publisher | Role::Herald { .. } | Role::Author => &self.author,
            Role::Reader | Role::Listener { .. } | Role::Guest => {
                &self.readers[me.number % self.readers.len()]
            }
        };
        let (id, plane) = (author.chain.leaf().id(), author.chain.plane());
        let binding = Binding::of_certificate(me.certificate);
        let proof = login::sign(&author.key, id, plane, RELAY_NAME, nonce, binding);
        let frame = ClientFrame::Login {
            chain: author.chain.links().iter().map(|link| (&**link.token()).into()).collect(),
            proof: proof.into(),
            mark_ms: u64::try_from(self.mark_interval.as_millis()).ok(),
            revocations: None,
        };
        frame.to_text()
    }
}

/// A town: its readers hear it and nothing of the other towns.
fn channel_name(number: u64) -> String {
    format!("alert/fr.r{}.c{}", number / 1_000, number % 1_000)
}

fn subscribe(role: Role, number: usize) -> Option<String> {
    let channels = match role {
        Role::Reader => vec![CHANNEL.into()],
        Role::Listener { channels, of } => {
            // Its channels lie as far apart as there are readers.
            let readers = of / channels;
            (0..channels).map(|each| channel_name(number as u64 + each * readers).into()).collect()
        }
        Role::Publisher | Role::Herald { .. } | Role::Author | Role::Guest => return None,
    };
    Some(ClientFrame::Subscribe { n: 1, channels, after: None }.to_text())
}

impl Peer for Vigie {
    fn upgrade(&self, _: &Place<'_>) -> (&'static str, Option<&'static str>) {
        ("/", Some("vigie.v1"))
    }

    fn opcode(&self) -> u8 {
        TEXT
    }

    fn set_up(&mut self, me: &mut Place<'_>, heard: Option<&[u8]>) -> anyhow::Result<Ready> {
        let Some(heard) = heard else { return Ok(Ready::NotYet) };
        let text = std::str::from_utf8(heard)?;
        let FromRelay::Known(frame) = ServerFrame::parse(text).map_err(|error| anyhow::anyhow!("{error}"))?
        else {
            return Ok(Ready::NotYet);
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "chains, marks and the like are of no interest here"
        )]
        match frame {
            ServerFrame::Challenge { nonce } => me.say.push(self.log_in(me, nonce).into_bytes()),
            ServerFrame::Welcome { head, .. } => {
                if matches!(me.role, Role::Publisher | Role::Herald { .. }) {
                    self.head = Some(head.get());
                }
                let Some(subscribe) = subscribe(me.role, me.number) else { return Ok(Ready::Yes) };
                me.say.push(subscribe.into_bytes());
            }
            ServerFrame::Subscribed { .. } => return Ok(Ready::Yes),
            ServerFrame::Refused { .. } => bail!("the relay refused: {text}"),
            _ => {}
        }
        Ok(Ready::NotYet)
    }

    fn prepared_max(&self) -> u64 {
        SIGNED_MAX
    }

    fn unacknowledged_max(&self) -> u64 {
        IN_FLIGHT_MAX
    }

    fn prepare(&mut self, role: Role, count: u64) -> anyhow::Result<()> {
        for number in self.signed..self.signed + count {
            self.messages.push_back(self.sign(role, number));
        }
        self.signed += count;
        Ok(())
    }

    fn publish(&mut self, _: Role, _: usize, number: u64, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let message = self.messages.pop_front().context("all messages that were signed are published")?;
        out.extend_from_slice(format!(r#"{{"op":"publish","n":{number},"jws":"{message}"}}"#).as_bytes());
        Ok(())
    }

    fn hear(&self, _: &mut Vec<u8>, message: &[u8], news: &mut dyn News) -> anyhow::Result<()> {
        if let Some(rest) = message.strip_prefix(EVENT) {
            let seq = number(rest).context("no place in the log")?;
            let first = self.head.context("nobody publishes")? + 1;
            news.delivered(seq.checked_sub(first).context("a message of before")?);
        } else if let Some(rest) = message.strip_prefix(RECEIPT) {
            news.acknowledged(number(rest).context("no number")?);
        } else if message.starts_with(REFUSED) {
            bail!("the relay refused: {}", String::from_utf8_lossy(message));
        }
        Ok(())
    }
}
