//! `pub --cap`: from the references of CAP, which name what the issuer issued, to the messages of the journal that they
//! stand for, which `replaces` names.
//!
//! The channel is heard once from the beginning, and only messages that verify count. Nothing is guessed: a reference
//! takes effect only on a message whose sender, identifier and time are the same.

use std::time::Duration;

use tokio::time::Instant;
use vigie_client::{Client, Delivery, OnPlane, Verified};
use vigie_proto::cap::{Alert, MsgType};
use vigie_proto::channel::{Channel, Filter};
use vigie_proto::frame::Start;
use vigie_proto::id::MessageId;
use vigie_proto::label::Label;
use vigie_proto::limits::REPLACES_MAX;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::super::exit::refusal_text;
use super::super::screen::{Screen, escape, short};
use super::super::text::Lang;
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

/// What the references of an alert stand for.
#[derive(Debug, Default)]
pub(in crate::cli) struct Targets {
    found: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    id: MessageId,
    severity: Severity,
    label: Label,
    expires: Timestamp,
}

impl Targets {
    pub(in crate::cli) fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.found.iter().map(|target| target.id)
    }

    /// What it must have at least to reach all who heard the targets.
    pub(in crate::cli) fn severity(&self) -> Option<Severity> {
        self.found.iter().map(|target| target.severity).max()
    }

    /// The narrowest of theirs, with its audience: what was said to few is not updated before all.
    pub(in crate::cli) fn label(&self) -> Option<&Label> {
        let named = |label: &&Label| (label.tlp(), !label.audience().is_everyone());
        self.found.iter().map(|target| &target.label).max_by_key(named)
    }

    /// How long it must live from `now` to expire no earlier than the targets.
    pub(in crate::cli) fn lifetime(&self, now: Timestamp) -> Option<Duration> {
        self.found.iter().map(|target| target.expires.since(now)).max()
    }

    fn learn<P: OnPlane>(&mut self, message: &Verified<P>) {
        let said = message.message();
        if self.found.len() < REPLACES_MAX {
            let (severity, label, expires) = (said.severity, said.label.clone(), said.expires);
            self.found.push(Target { id: message.id(), severity, label, expires });
        }
    }
}

/// Looks for what an update or a cancel references, for at most `wait`, and tells what was found and what was not.
pub(in crate::cli) async fn resolve<P: OnPlane>(
    screen: &Screen,
    client: &Client<P>,
    channel: &Channel,
    alert: &Alert,
    wait: Duration,
) -> Targets {
    let mut targets = Targets::default();
    let Some(text) = alert.references.as_deref().filter(|_| replaces(alert.msg_type)) else { return targets };
    let lang = screen.lang;
    let mut wanted = Vec::new();
    for text in text.split_ascii_whitespace() {
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
                let cap = &message.message().content.cap;
                let named = wanted.iter_mut().filter(|(reference, _)| reference.names(cap));
                if named.map(|(_, known)| *known = true).count() == 0 {
                    continue;
                }
                if may_replace(client, &message) {
                    screen.say(
                        &lang.reference_found(escape(&cap.identifier), short(&message.id().to_string())),
                    );
                    targets.learn(&message);
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
    targets
}

/// Whether this author could have published it too. What others say must not raise the severity of an update, or it
/// would be refused.
fn may_replace<P: OnPlane>(client: &Client<P>, target: &Verified<P>) -> bool {
    let said = target.message();
    let own = client.config().identity.chain();
    own.may_publish(said.channel.flow, &said.channel.at, said.severity).is_ok()
}

/// Whether messages of this type take the place of what they reference.
const fn replaces(kind: MsgType) -> bool {
    match kind {
        MsgType::Update | MsgType::Cancel => true,
        MsgType::Alert | MsgType::Ack | MsgType::Error => false,
    }
}

/// What of a message keeps it from taking effect on its targets, in words.
pub(in crate::cli) fn shortfalls(
    lang: Lang,
    targets: &Targets,
    severity: Severity,
    label: &Label,
    expires: Timestamp,
) -> Vec<String> {
    let found = &targets.found;
    let mut told = Vec::new();
    if found.iter().any(|target| severity < target.severity) {
        told.push(lang.replaces_less_severe());
    }
    if found.iter().any(|target| *label != target.label) {
        told.push(lang.replaces_other_label());
    }
    if found.iter().any(|target| expires < target.expires) {
        told.push(lang.replaces_expires_earlier());
    }
    told
}

#[cfg(test)]
mod tests {
    use vigie_client::cap::import;
    use vigie_proto::label::Tlp;

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

    #[test]
    fn what_replaces_must_reach_all_who_heard() {
        let at = |seconds| Timestamp::EPOCH.plus(Duration::from_secs(seconds));
        let said = |label: Tlp| Label::new(label, []).unwrap();
        let target = |severity, label, expires| Target {
            id: MessageId::from_bytes([1; 32]),
            severity,
            label: said(label),
            expires: at(expires),
        };
        let found = vec![target(Severity::Minor, Tlp::Clear, 50), target(Severity::Severe, Tlp::Green, 20)];
        let targets = Targets { found };
        assert_eq!((targets.severity(), targets.label()), (Some(Severity::Severe), Some(&Label::GREEN)));
        assert_eq!(targets.lifetime(at(10)), Some(Duration::from_secs(40)));
        let told = |severity, label, expires| {
            shortfalls(Lang::En, &targets, severity, &said(label), at(expires)).len()
        };
        assert_eq!(told(Severity::Severe, Tlp::Green, 50), 1, "one of two labels cannot be met");
        assert_eq!(told(Severity::Minor, Tlp::Green, 50), 2);
        assert_eq!(told(Severity::Minor, Tlp::Clear, 49), 3);
        let alone = Targets { found: vec![target(Severity::Severe, Tlp::Green, 50)] };
        assert!(shortfalls(Lang::En, &alone, Severity::Severe, &Label::GREEN, at(50)).is_empty());
        let other = Label::new(Tlp::Green, ["fr.a".parse().unwrap()]).unwrap();
        let told = shortfalls(Lang::En, &alone, Severity::Severe, &other, at(50));
        assert_eq!(told.len(), 1, "for others");
        assert_eq!(Targets::default().severity(), None);
    }
}
