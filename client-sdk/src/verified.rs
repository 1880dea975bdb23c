//! A message that this crate verified: the only thing an application should act on.
//!
//! Made by [`crate::Reader`] and nowhere else, after `verify` under a chain from a pinned root, `admitted` inside the
//! window of message and chain, plane and subscription. The plane is in the type.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use vigie_proto::chain::Chain;
use vigie_proto::channel::Jurisdiction;
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{CredentialId, LogId, MessageId, Sequence};
use vigie_proto::message::Message;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::VerifiedMessage;

use crate::plane::OnPlane;

/// A message whose signature, chain of command and grant were checked here. Cheap to clone.
///
/// An application cannot make one, so a function that takes it needs no check of its own:
///
/// ```compile_fail,E0451
/// use vigie_client::{Live, Verified};
/// fn forge(event: Verified<Live>) -> Verified<Live> {
///     Verified { expired: false, ..event }
/// }
/// ```
///
/// Nor can an exercise go where the real thing is expected:
///
/// ```compile_fail,E0308
/// use vigie_client::{Exercise, Live, Verified};
/// fn sound_the_sirens(_: &Verified<Live>) {}
/// fn drill(event: &Verified<Exercise>) {
///     sound_the_sirens(event);
/// }
/// ```
///
/// On the right plane it can:
///
/// ```
/// use vigie_client::{Live, Verified};
/// fn sound_the_sirens(_: &Verified<Live>) {}
/// fn real(event: &Verified<Live>) {
///     sound_the_sirens(event);
/// }
/// ```
pub struct Verified<P> {
    signed: Arc<VerifiedMessage>,
    cursor: Cursor,
    expired: bool,
    plane: PhantomData<fn() -> P>,
}

/// Who said it, out of the credential that was checked.
///
/// `name` is free text that a stranger may have chosen: show it only with organisation and place, and with control
/// and bidirectional characters escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Author {
    /// Free text, at most 64 bytes.
    pub name: String,
    /// The organisation, a dotted id.
    pub org: Jurisdiction,
    /// The places where the credential lets its holder publish, each once, in the order of its grants.
    pub at: Vec<Jurisdiction>,
    /// The credential it spoke under.
    pub credential: CredentialId,
}

/// Name, organisation and places, such as `Mairie (fr.ville, at fr.idf.75.paris)`. Control and bidirectional
/// characters of the name are escaped.
impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for character in self.name.chars() {
            match character {
                // No control: these are escaped only in source code.
                '\'' | '"' => f.write_char(character)?,
                _ => write!(f, "{}", character.escape_debug())?,
            }
        }
        let at: Vec<&str> = self.at.iter().map(Jurisdiction::as_str).collect();
        write!(f, " ({}, at {})", self.org, at.join(", "))
    }
}

impl<P: OnPlane> Verified<P> {
    /// The caller has checked everything that the type promises.
    pub(crate) fn new(signed: VerifiedMessage, cursor: Cursor, now: Timestamp) -> Self {
        let expired = now >= signed.message().expires;
        Self { signed: Arc::new(signed), cursor, expired, plane: PhantomData }
    }

    /// The id: SHA-256 of what was signed. The same in every log.
    pub fn id(&self) -> MessageId {
        self.signed.id()
    }

    /// What is said.
    pub fn message(&self) -> &Message {
        self.signed.message()
    }

    /// Who says it.
    pub fn author(&self) -> Author {
        let leaf = self.signed.chain().leaf();
        let claims = leaf.claims();
        let mut at: Vec<Jurisdiction> = Vec::new();
        for grant in claims.grants.iter().filter(|grant| grant.publish.is_some()) {
            if !at.contains(&grant.at) {
                at.push(grant.at.clone());
            }
        }
        Author { name: claims.name.clone(), org: claims.org.clone(), at, credential: leaf.id() }
    }

    /// The chain of command under which it was said, root first.
    pub fn chain(&self) -> &Arc<Chain> {
        self.signed.chain()
    }

    /// The signed bytes as they were received, a JWS in compact form: with the chain, all that another needs to check
    /// it again.
    pub fn token(&self) -> &str {
        self.signed.token()
    }

    /// What proto's `verify` found, for its other judgements such as
    /// [`takes_effect_on`](vigie_proto::verify::takes_effect_on).
    pub fn signed(&self) -> &VerifiedMessage {
        &self.signed
    }

    /// The log it was heard from.
    pub fn log(&self) -> LogId {
        self.cursor.log
    }

    /// Its position there.
    pub fn seq(&self) -> Sequence {
        self.cursor.seq
    }

    /// When the relay says that it admitted it. Checked to lie inside the time of message and chain; the relay's word
    /// otherwise.
    pub fn admitted(&self) -> Timestamp {
        self.cursor.admitted
    }

    /// Resume after this message with it.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Whether it has expired at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.message().expires
    }

    /// Whether it had expired when it was delivered: on catch-up old messages are given too, marked by this.
    pub fn expired(&self) -> bool {
        self.expired
    }
}

impl<P> Clone for Verified<P> {
    fn clone(&self) -> Self {
        Self {
            signed: Arc::clone(&self.signed),
            cursor: self.cursor,
            expired: self.expired,
            plane: PhantomData,
        }
    }
}

/// The same message at the same place: what is signed is compared by its id.
impl<P> PartialEq for Verified<P> {
    fn eq(&self, other: &Self) -> bool {
        self.signed.id() == other.signed.id() && self.cursor == other.cursor && self.expired == other.expired
    }
}

impl<P> Eq for Verified<P> {}

impl<P: OnPlane> fmt::Debug for Verified<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("plane", &P::PLANE)
            .field("id", &self.id())
            .field("channel", &self.message().channel)
            .field("seq", &self.seq())
            .field("expired", &self.expired)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_shown_whole_and_cannot_steer_a_terminal() {
        let author = Author {
            name: "Mairie de l'Haÿ\u{1b}[2J\u{202e}".to_owned(),
            org: "fr.ville".parse().unwrap(),
            at: vec!["fr.idf".parse().unwrap(), "fr.naq".parse().unwrap()],
            credential: CredentialId::from_bytes([0; 32]),
        };
        assert_eq!(author.to_string(), r"Mairie de l'Haÿ\u{1b}[2J\u{202e} (fr.ville, at fr.idf, fr.naq)");
    }
}
