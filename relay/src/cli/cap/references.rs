//! `pub`: what an update or a cancel replaces, looked up on the relay: the ids after `--replaces`, and from the references
//! of CAP, which name what the issuer issued, to the messages of the journal that they stand for.
//!
//! The channel is heard once from the beginning, and only messages that verify count. Nothing is guessed: a reference
//! takes effect only on a message whose sender, identifier and time are the same.

use std::time::Duration;

use tokio::time::Instant;
use vigie_client::{Client, Delivery, OnPlane};
use vigie_proto::cap::{Alert, MsgType};
use vigie_proto::channel::{Channel, Filter};
use vigie_proto::frame::Start;

use super::super::exit::refusal_text;
use super::super::screen::{Screen, escape, short};
use super::super::targets::{Targets, may_say};
use super::super::time;

/// One `sender,identifier,sent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reference<'a> {
    text: &'a str,
    sender: &'a str,
    identifier: &'a str,
    sent: &'a str,
}

impl<'a> Reference<'a> {
    /// `None` when it is not written as CAP writes references.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(',');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(sender), Some(identifier), Some(sent), None) => {
                Some(Self { text, sender, identifier, sent })
            }
            _ => None,
        }
    }

    fn names(&self, alert: &Alert) -> bool {
        let same_moment = || time::of_cap(self.sent).is_some_and(|at| time::of_cap(&alert.sent) == Some(at));
        alert.identifier == self.identifier
            && alert.sender == self.sender
            // The same moment may be written in another zone.
            && (alert.sent == self.sent || same_moment())
    }
}

/// Looks for what an update or a cancel references and for the ids that are not known yet, for at most `wait`, and tells
/// which references were found and which were not.
pub(in crate::cli) async fn resolve<P: OnPlane>(
    screen: &Screen,
    client: &Client<P>,
    channel: &Channel,
    alert: Option<&Alert>,
    wait: Duration,
    targets: &mut Targets,
) {
    let text = alert.filter(|alert| replaces(alert.msg_type)).and_then(|alert| alert.references.as_deref());
    if text.is_none() && targets.unknown().is_empty() {
        return;
    }
    let lang = screen.lang;
    let mut wanted = Vec::new();
    for text in text.unwrap_or_default().split_ascii_whitespace() {
        match Reference::parse(text) {
            Some(reference) => wanted.push((reference, false)),
            None => screen.warn(&lang.reference_unreadable(escape(text))),
        }
    }
    let filter = Filter { channel: channel.clone(), subtree: false };
    let mut heard = client.subscribe(vec![filter], Start::Beginning);
    let end = Instant::now() + wait;
    loop {
        match tokio::time::timeout_at(end, heard.next()).await {
            Ok(Some(Delivery::Message(message))) if message.message().channel == *channel => {
                targets.learn_named(client, message.signed());
                if wanted.is_empty() && targets.unknown().is_empty() {
                    return;
                }
                let cap = &message.message().content.cap;
                let named = wanted.iter_mut().filter(|(reference, _)| reference.names(cap));
                if named.map(|(_, known)| *known = true).count() == 0 {
                    continue;
                }
                if may_say(client, message.signed()) {
                    screen.say(
                        &lang.reference_found(escape(&cap.identifier), short(&message.id().to_string())),
                    );
                    targets.learn(client, message.signed());
                } else {
                    screen.warn(&lang.reference_not_ours(escape(&cap.identifier)));
                }
            }
            Ok(Some(Delivery::CaughtUp(_))) => break,
            Ok(Some(_)) => {}
            Ok(None) => {
                let why =
                    heard.end_reason().map_or_else(String::new, |end| refusal_text(lang, end.refusal()));
                screen.warn(&lang.references_not_looked_up(why));
                break;
            }
            Err(_) => {
                screen.warn(&lang.references_not_looked_up(lang.no_answer_in_time()));
                break;
            }
        }
    }
    for (reference, _) in wanted.iter().filter(|(_, known)| !known) {
        screen.warn(&lang.reference_unknown(escape(reference.text)));
    }
}

/// Whether messages of this type take the place of what they reference.
const fn replaces(kind: MsgType) -> bool {
    match kind {
        MsgType::Update | MsgType::Cancel => true,
        MsgType::Alert | MsgType::Ack | MsgType::Error => false,
    }
}

#[cfg(test)]
mod tests {
    use vigie_client::cap::import;

    use super::*;

    const SOURCE: &str = "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'><identifier>i</identifier>\
        <sender>s</sender><sent>2026-06-01T10:00:00+02:00</sent><status>Actual</status><msgType>Alert</msgType>\
        <scope>Public</scope></alert>";

    #[test]
    fn a_reference_names_sender_identifier_and_moment() {
        let alert = import(SOURCE.as_bytes()).unwrap().alert;
        for (text, named) in [
            ("s,i,2026-06-01T10:00:00+02:00", Some(true)),
            ("s,i,2026-06-01T08:00:00-00:00", Some(true)),
            ("s,i,2026-06-01T08:00:00Z", Some(true)),
            ("s,i,2026-06-01T10:00:00-00:00", Some(false)),
            ("s,j,2026-06-01T10:00:00+02:00", Some(false)),
            ("t,i,2026-06-01T10:00:00+02:00", Some(false)),
            ("s,i,hier", Some(false)),
            ("s,i", None),
            ("s,i,2026-06-01T10:00:00+02:00,", None),
        ] {
            assert_eq!(Reference::parse(text).map(|one| one.names(&alert)), named, "{text}");
        }
    }
}
