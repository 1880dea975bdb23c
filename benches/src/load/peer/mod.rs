//! What differs from server to server: how a connection is set up, what a message looks like on the way in and out.

mod floor;
mod mqtt;
mod nats;
mod vigie;

use std::path::Path;

pub use floor::Floor;
pub use mqtt::Mqtt;
pub use nats::Nats;
pub use vigie::Vigie;

/// One server of the comparison.
pub trait Peer {
    /// What is asked for in the upgrade: path, and subprotocol where there is one.
    fn upgrade(&self, me: &Place<'_>) -> (&'static str, Option<&'static str>);

    /// The opcode of messages from clients.
    fn opcode(&self) -> u8;

    /// Called once with `None` when the WebSocket stands, then with each message, until the connection is ready.
    ///
    /// # Errors
    /// The server does not take us.
    fn set_up(&mut self, me: &mut Place<'_>, heard: Option<&[u8]>) -> anyhow::Result<Ready>;

    /// How many messages are made ready at most: to sign them takes some seconds.
    fn prepared_max(&self) -> u64 {
        u64::MAX
    }

    /// Messages of one connection that the server takes before it has acknowledged one of them.
    fn unacknowledged_max(&self) -> u64 {
        u64::MAX
    }

    /// Makes so many messages ready to be published in this role, where that takes time.
    ///
    /// # Errors
    /// They cannot be made.
    fn prepare(&mut self, role: Role, count: u64) -> anyhow::Result<()>;

    /// One message to be published, without the head of its frame. `number` counts from zero over all of a run, and must
    /// be found again in what is delivered or acknowledged.
    ///
    /// # Errors
    /// More than were prepared.
    fn publish(&mut self, role: Role, publisher: usize, number: u64, out: &mut Vec<u8>)
    -> anyhow::Result<()>;

    /// Reads a message of a connection that is ready. `rest` is its own, for servers that cut their stream elsewhere.
    ///
    /// # Errors
    /// The server refused something, or said what cannot be read.
    fn hear(&self, rest: &mut Vec<u8>, message: &[u8], news: &mut dyn News) -> anyhow::Result<()>;
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Hears what is published to all.
    Reader,
    /// Hears these channels, and no others.
    Listener {
        /// How many.
        channels: u64,
        /// How many there are in all.
        of: u64,
    },
    /// Publishes to all readers.
    Publisher,
    /// Publishes to each channel in turn.
    Herald {
        /// How many there are.
        channels: u64,
    },
    /// Publishes, and waits for each message to be on disk.
    Author,
    /// Logs in, and nothing more.
    Guest,
}

/// A connection that is being set up.
#[derive(Debug)]
pub struct Place<'a> {
    /// What it is for.
    pub role: Role,
    /// Which of those in the same role.
    pub number: usize,
    /// The certificate of the server.
    pub certificate: &'a [u8],
    /// How far the peer has come; its own.
    pub step: &'a mut u8,
    /// What it says next, each a message.
    pub say: &'a mut Vec<Vec<u8>>,
}

/// Whether a connection is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It is.
    Yes,
    /// The server must say more.
    NotYet,
}

/// What was heard on a connection.
pub trait News {
    /// A message was delivered.
    fn delivered(&mut self, number: u64);
    /// A message is acknowledged.
    fn acknowledged(&mut self, number: u64);
    /// Something must be answered, as a message.
    fn answer(&mut self, message: Vec<u8>);
}

/// Bytes of a message as a reader is given it, in one frame of WebSocket.
pub const MESSAGE_BYTES: usize = 1_024;

/// Digits of a number in a message.
const DIGITS: usize = 16;

/// A name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// `floor`
    Floor,
    /// `vigie relay run`
    Vigie,
    /// `nats-server`
    Nats,
    /// `mosquitto`
    Mosquitto,
}

impl Kind {
    /// Makes ready to talk to one.
    ///
    /// # Errors
    /// There is no trust in the folder.
    pub fn peer(self, trust: Option<&Path>, identities: u64, mark_ms: u64) -> anyhow::Result<Box<dyn Peer>> {
        Ok(match self {
            Self::Floor => Box::new(Floor),
            Self::Vigie => {
                let trust = trust.ok_or_else(|| anyhow::anyhow!("a relay needs --trust"))?;
                Box::new(Vigie::new(&crate::trust::Trust::open(trust)?, identities, mark_ms)?)
            }
            Self::Nats => Box::new(Nats),
            Self::Mosquitto => Box::new(Mqtt),
        })
    }
}

/// Appends a number and fills up to a length.
fn put_numbered(number: u64, bytes: usize, out: &mut Vec<u8>) {
    let end = out.len() + bytes;
    out.extend_from_slice(format!("{number:0DIGITS$}").as_bytes());
    out.resize(end, b'v');
}

/// Reads the digits at the beginning.
fn number(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = |number: u64, byte: &u8| number * 10 + u64::from(byte - b'0');
    (1..=DIGITS).contains(&digits).then(|| bytes[..digits].iter().fold(0, value))
}
