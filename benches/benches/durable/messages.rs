//! Signed messages of about the size of a real one, and the same as records of a journal.

use std::sync::Arc;

use bytes::Bytes;
use vigie_client::SignedMessage;
use vigie_proto::id::Sequence;
use vigie_proto::label::Audience;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_relay::journal::{MessageRecord, Record};
use vigie_tests::world::{Person, now};

/// Heard by every town below it.
pub(crate) const CHANNEL: &str = "alert/fr";

/// Signs so many messages, each another.
pub(crate) fn sign(author: &Person, what: &str, count: usize) -> Vec<SignedMessage> {
    let text =
        |number| format!("{what} {number} : crue rapide de la Marne, quittez les berges et les sous-sols");
    (0..count)
        .map(|number| {
            let token = author.say(CHANNEL, &text(number), Severity::Severe);
            SignedMessage::from_token(Arc::from(token)).unwrap()
        })
        .collect()
}

/// The credentials of an author, as the journal has them before the first message.
pub(crate) fn credentials(author: &Person) -> Vec<Record> {
    let links = author.chain.links().iter();
    links
        .map(|link| {
            let jws = Bytes::copy_from_slice(link.token().to_string().as_bytes());
            Record::Credential { id: link.id(), jws }
        })
        .collect()
}

/// A message at a place in the log.
pub(crate) fn record(author: &Person, message: &SignedMessage, seq: u64, admitted: Timestamp) -> Record {
    Record::Message(MessageRecord {
        seq: Sequence::new(seq),
        admitted,
        expires: now().plus(std::time::Duration::from_secs(3_600)),
        id: message.id(),
        credential: author.chain.leaf().id(),
        severity: Severity::Severe,
        channel: CHANNEL.parse().unwrap(),
        audience: Audience::EVERYONE,
        jws: Bytes::copy_from_slice(message.token().as_bytes()),
    })
}
