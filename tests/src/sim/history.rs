//! What every client and relay did, in the order in which it happened: the only thing that the checker reads.
//!
//! Clients write down what they sent and what came to them over the wire; relays, that they started and stopped.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::chain::Chain;
use vigie_proto::channel::{Channel, Plane};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::{GapReason, HeldRevocations, Start};
use vigie_proto::id::{CredentialId, KeyId, LogId, MessageId, Sequence};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::Target;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

/// Who publishes: a number of the simulation.
pub type AuthorId = usize;
/// Who reads: a number of the simulation. A program that is started anew with a saved cursor is another reader.
pub type ReaderId = usize;
/// A connection: a number of the simulation.
pub type LinkId = usize;

/// One credential of a chain, and the key that it speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// The credential.
    pub credential: CredentialId,
    /// Its key.
    pub key: KeyId,
}

/// A chain of command, root first.
pub type Ranks = Arc<[Rank]>;

/// The ranks of a chain.
pub fn ranks(chain: &Chain) -> Ranks {
    chain.links().iter().map(|link| Rank { credential: link.id(), key: link.key_id() }).collect()
}

/// What a revocation says.
#[derive(Clone, Debug)]
pub struct Stated {
    /// Who says so.
    pub issuer: Ranks,
    /// On which plane.
    pub plane: Plane,
    /// What ends.
    pub target: Target,
    /// Since when.
    pub from: Timestamp,
}

/// Why signed bytes must never be given to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The signature is wrong.
    Forged,
    /// The place is outside the author's grants.
    OutOfPlace,
    /// The severity is above the author's grants.
    TooGrave,
    /// An author of one plane speaks on the other.
    WrongPlane,
    /// It had expired before it was first sent.
    Expired,
}

/// Something that was done.
#[derive(Clone, Debug)]
pub enum Did {
    /// An author signed a message.
    Signed {
        /// Who.
        author: AuthorId,
        /// The bytes, as a JWS: what identifies the message here.
        token: Arc<str>,
        /// Its id, by which readers are told that it is disowned.
        id: MessageId,
        /// Under which chain.
        chain: Ranks,
        /// Where to.
        channel: Channel,
        /// How grave.
        severity: Severity,
        /// How far it may go.
        tlp: &'static str,
        /// For which organisations; none is everyone.
        audience: Vec<String>,
        /// Until when.
        expires: Timestamp,
        /// Why it is no good.
        flaw: Option<Flaw>,
    },
    /// A publish left, perhaps not for the first time, perhaps of another author's bytes.
    Sent {
        /// Who.
        author: AuthorId,
        /// What.
        token: Arc<str>,
    },
    /// A receipt came.
    Receipt {
        /// To whom.
        author: AuthorId,
        /// For what.
        token: Arc<str>,
        /// The message, as the relay names it.
        id: MessageId,
        /// Where it stands.
        cursor: Cursor,
    },
    /// A refusal came.
    Refused {
        /// To whom.
        author: AuthorId,
        /// For what.
        token: Arc<str>,
        /// Why.
        code: Code,
    },
    /// Somebody signed a revocation.
    Revokes {
        /// The bytes.
        token: Arc<str>,
        /// What they say.
        stated: Stated,
    },
    /// A revocation left, perhaps not for the first time.
    RevocationSent {
        /// What.
        token: Arc<str>,
    },
    /// Its issuer was told that it holds.
    Revoked {
        /// What.
        token: Arc<str>,
        /// In which log.
        log: LogId,
        /// Since when.
        admitted: Timestamp,
    },
    /// Its issuer was told that it does not.
    RevocationRefused {
        /// What.
        token: Arc<str>,
        /// Why.
        code: Code,
    },
    /// A reader was given a revocation.
    ToldRevoked {
        /// Who.
        reader: ReaderId,
        /// Of which log.
        log: LogId,
        /// Which one of the log.
        count: u64,
        /// After which place it holds.
        seq: Sequence,
        /// Since when.
        admitted: Timestamp,
        /// The bytes.
        token: Arc<str>,
    },
    /// The SDK told its program that a message is not to be believed.
    Disowned {
        /// Whose.
        reader: ReaderId,
        /// Which message.
        id: MessageId,
        /// Whether it says that it gave the message before.
        given_before: bool,
    },
    /// A client sent the proof of its log-in.
    LogsIn {
        /// On which link.
        link: LinkId,
        /// Which reader it is, if it is one.
        reader: Option<ReaderId>,
        /// Under which chain.
        chain: Ranks,
        /// When that ends.
        until: Timestamp,
    },
    /// It was welcome.
    Opened {
        /// On which link.
        link: LinkId,
        /// Up to where it said that it holds the revocations.
        held: Option<HeldRevocations>,
    },
    /// It was not.
    TurnedAway {
        /// On which link.
        link: LinkId,
        /// Why.
        code: Code,
    },
    /// The relay closes a session.
    Closed {
        /// On which link.
        link: LinkId,
        /// Why.
        code: Code,
    },
    /// The relay has no session on this link any more.
    Over {
        /// Which link.
        link: LinkId,
    },
    /// Every worker of the relay has taken note of a revocation.
    Heeded {
        /// Which.
        token: Arc<str>,
    },
    /// A reader began, on a plane.
    Reads {
        /// Who.
        reader: ReaderId,
        /// On which plane.
        plane: Plane,
        /// For which organisation.
        org: String,
        /// Whether it reads by the SDK, and so has messages shown to it.
        by_sdk: bool,
    },
    /// A reader sent `subscribe`.
    Asked {
        /// Who.
        reader: ReaderId,
        /// On a new session, or in place of what it asked before.
        new_session: bool,
        /// What it wants to hear.
        filters: Vec<String>,
        /// From where.
        start: Start,
    },
    /// A reader asked for a page of history.
    AskedPast {
        /// Who.
        reader: ReaderId,
        /// What it wants to hear.
        filters: Vec<String>,
        /// From where.
        start: Start,
        /// How many messages at most.
        limit: usize,
    },
    /// A message of history came.
    Past {
        /// To whom.
        reader: ReaderId,
        /// At which place.
        seq: Sequence,
        /// Since when.
        admitted: Timestamp,
        /// The bytes.
        token: Arc<str>,
    },
    /// A page of history ended.
    PageEnded {
        /// To whom.
        reader: ReaderId,
        /// Where the next begins.
        next: Option<Cursor>,
        /// Whether the log ends there.
        end: bool,
    },
    /// A request of a reader was refused.
    ReaderRefused {
        /// Who.
        reader: ReaderId,
        /// Why.
        code: Code,
    },
    /// `subscribed` came.
    Subscribed {
        /// To whom.
        reader: ReaderId,
        /// Which log.
        log: LogId,
        /// After which place.
        seq: Sequence,
    },
    /// An event came.
    Given {
        /// To whom.
        reader: ReaderId,
        /// At which place.
        seq: Sequence,
        /// Since when.
        admitted: Timestamp,
        /// The bytes.
        token: Arc<str>,
    },
    /// A mark came.
    Marked {
        /// To whom.
        reader: ReaderId,
        /// All up to here was given.
        cursor: Cursor,
        /// The head of the log.
        head: Sequence,
    },
    /// A gap was told.
    GapTold {
        /// To whom.
        reader: ReaderId,
        /// Why.
        reason: GapReason,
        /// Whether it lies in the page of history that was asked for, and not in the subscription.
        in_page: bool,
        /// Where the reader stood.
        from: Option<Cursor>,
        /// After what it goes on.
        to: Option<Cursor>,
    },
    /// The SDK gave a message to its program.
    Shown {
        /// To whom.
        reader: ReaderId,
        /// As of this plane, by its type.
        plane: Plane,
        /// The bytes.
        token: Arc<str>,
        /// At which place.
        cursor: Cursor,
    },
    /// The program of a reader ended.
    Left {
        /// Who.
        reader: ReaderId,
    },
    /// The SDK found that what the relay gave does not verify.
    Suspected {
        /// Who.
        reader: ReaderId,
        /// Why.
        code: Code,
        /// The bytes.
        token: Arc<str>,
    },
    /// The relay closed the session of a reader.
    Dropped {
        /// Whose.
        reader: ReaderId,
        /// Why.
        code: Code,
        /// The longest that the relay had heard nothing of it.
        silent: Duration,
        /// How often marks were asked for.
        mark_interval: Duration,
    },
    /// A relay started on a journal.
    Started {
        /// Which log.
        log: LogId,
        /// Its last place.
        head: Sequence,
        /// The first place that it may have.
        first: Sequence,
        /// What retention may take.
        keeps: Keeps,
        /// How far from true time its clock was, which it believes for as long as it runs.
        wrong_by: Duration,
    },
    /// A journal was made of a copy of another: it has nothing before this place.
    Imported {
        /// Its log.
        log: LogId,
        /// Its first place.
        first: Sequence,
    },
    /// Retention made a step.
    Retained {
        /// Of which log.
        log: LogId,
        /// The first place that is left.
        first: Sequence,
        /// The latest of the relay's time by which it was asked to.
        now: Timestamp,
        /// The most that all files together were then.
        used: u64,
    },
    /// A sealed segment was damaged: no place in it is certain any more, and what else stands in it neither.
    Damaged {
        /// Of which log.
        log: LogId,
        /// Its first place.
        from: Sequence,
        /// The first place behind it.
        to: Sequence,
    },
    /// The relay ended.
    Ended(Ending),
    /// The whole journal, or all of it since a copy was made, is gone, by a disaster outside of the relay.
    JournalLost,
    /// From here on nothing is done to anyone.
    Healed,
    /// Everything has come to rest; the log ends here.
    Quiet {
        /// Which log.
        log: LogId,
        /// Its last place.
        head: Sequence,
    },
    /// It did not come to rest.
    Restless(String),
}

/// What retention may take: what was admitted longer ago than `age`, and, while there is more than `bytes`, what has
/// expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeps {
    /// How long everything is kept.
    pub age: Duration,
    /// Below this, what has expired is kept too.
    pub bytes: u64,
}

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The power was cut.
    PowerCut,
    /// The power was cut while it recovered.
    PowerCutInRecovery,
    /// Its disk failed.
    StorageFailed,
    /// It was stopped in order.
    Stopped,
}

/// Something that was done, and when.
#[derive(Clone, Debug)]
pub struct Record {
    /// True time.
    pub at: Timestamp,
    /// What.
    pub did: Did,
}

/// All of it.
#[derive(Debug, Default)]
pub struct History {
    /// True time now.
    pub now: Timestamp,
    /// In order.
    pub records: Vec<Record>,
}

impl History {
    /// Writes down what was done now.
    pub fn note(&mut self, did: Did) {
        self.records.push(Record { at: self.now, did });
    }

    /// A number that differs when anything in the history does (FNV-1a over its text).
    pub fn hash(&self) -> u64 {
        struct Fnv(u64);
        impl std::fmt::Write for Fnv {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                for byte in text.bytes() {
                    self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
                }
                Ok(())
            }
        }
        let mut hash = Fnv(0xCBF2_9CE4_8422_2325);
        for record in &self.records {
            write!(hash, "{record:?}").expect("hashing does not fail");
        }
        hash.0
    }
}
