//! What a message of `vigie pub` replaces: what it takes of those messages, and what it is told where it falls short.
//!
//! Whoever is given an update learns the ids that it names, so it goes to nobody who may not have what it replaces: a
//! label that is not asked for is that of the targets, and a wider one is refused, as it would have no effect either.

use std::time::Duration;

use vigie_client::{Client, OnPlane};
use vigie_proto::channel::Channel;
use vigie_proto::id::MessageId;
use vigie_proto::label::Label;
use vigie_proto::limits::REPLACES_MAX;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::VerifiedMessage;

use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::text::Lang;

/// What the messages that are named, and the references of an alert, stand for.
#[derive(Debug, Default)]
pub(super) struct Targets {
    found: Vec<Target>,
    /// Named by their ids, and not found yet.
    unknown: Vec<MessageId>,
}

#[derive(Debug)]
struct Target {
    id: MessageId,
    severity: Severity,
    label: Label,
    expires: Timestamp,
    /// Whether this author may publish at its severity.
    may_say: bool,
    /// Whether it is of this author's key.
    is_own: bool,
}

impl Targets {
    /// Those that are named by their ids; nothing is known of them yet.
    pub(super) fn named(ids: &[MessageId]) -> Self {
        let mut unknown = ids.to_vec();
        unknown.sort_unstable();
        unknown.dedup();
        Self { found: Vec::new(), unknown }
    }

    pub(super) fn unknown(&self) -> &[MessageId] {
        &self.unknown
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.found.iter().map(|target| target.id).chain(self.unknown.iter().copied())
    }

    /// What it must have at least to reach all who heard the targets. What others say in graver words than this author
    /// may use must not raise it, or it would be refused.
    pub(super) fn severity(&self) -> Option<Severity> {
        self.found.iter().filter(|target| target.may_say).map(|target| target.severity).max()
    }

    /// The narrowest of theirs, with its audience: what was said to few is not updated before all.
    fn label(&self) -> Option<&Label> {
        let named = |label: &&Label| (label.tlp(), !label.audience().is_everyone());
        self.found.iter().map(|target| &target.label).max_by_key(named)
    }

    /// How long it must live from `now` to expire no earlier than the targets.
    pub(super) fn lifetime(&self, now: Timestamp) -> Option<Duration> {
        self.found.iter().map(|target| target.expires.since(now)).max()
    }

    /// One that is replaced.
    pub(super) fn learn<P: OnPlane>(&mut self, client: &Client<P>, signed: &VerifiedMessage) {
        let (id, said) = (signed.id(), signed.message());
        if self.found.len() < REPLACES_MAX && self.found.iter().all(|known| known.id != id) {
            self.found.push(Target {
                id,
                severity: said.severity,
                label: said.label.clone(),
                expires: said.expires,
                may_say: may_say(client, signed),
                is_own: client.config().identity.key().public() == signed.chain().key(),
            });
        }
    }

    /// The same if it is one of those that were named.
    pub(super) fn learn_named<P: OnPlane>(&mut self, client: &Client<P>, signed: &VerifiedMessage) {
        if let Some(at) = self.unknown.iter().position(|id| *id == signed.id()) {
            self.unknown.remove(at);
            self.learn(client, signed);
        }
    }

    /// The label to sign: the one that is asked for, or that of the targets. Refused where it would tell of a target those
    /// who may not have it, and where that is not known and nobody says it.
    pub(super) fn settle(
        &self,
        screen: &Screen,
        channel: &Channel,
        asked: Option<Label>,
    ) -> Result<Option<Label>, Failure> {
        let lang = screen.lang;
        let usage = |told| Err(Failure::new(Exit::Usage, told));
        if let (Some(id), None) = (self.unknown.first(), &asked) {
            return usage(lang.replaced_unknown(id, channel));
        }
        let label = asked.or_else(|| self.label().cloned());
        let wider = |label: &Label| self.found.iter().find(|target| !label.is_within(&target.label));
        if let Some(target) = label.as_ref().and_then(wider) {
            return usage(lang.replaced_wider(target.id, &target.label));
        }
        for id in &self.unknown {
            screen.warn(&lang.replaced_unchecked(id));
        }
        Ok(label)
    }

    /// What of a message keeps it from taking effect on its targets, in words.
    pub(super) fn shortfalls(
        &self,
        lang: Lang,
        severity: Severity,
        label: &Label,
        expires: Timestamp,
    ) -> Vec<String> {
        let found = &self.found;
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
        if found.iter().any(|target| !target.may_say && !target.is_own) {
            told.push(lang.replaces_not_ours());
        }
        told
    }
}

/// Whether this author could have published it too.
pub(super) fn may_say<P: OnPlane>(client: &Client<P>, target: &VerifiedMessage) -> bool {
    let said = target.message();
    let own = client.config().identity.chain();
    own.may_publish(said.channel.flow, &said.channel.at, said.severity).is_ok()
}

#[cfg(test)]
mod tests {
    use vigie_proto::label::Tlp;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(seconds))
    }

    fn target(severity: Severity, label: Label, expires: u64) -> Target {
        let id = MessageId::from_bytes([1; 32]);
        Target { id, severity, label, expires: at(expires), may_say: true, is_own: false }
    }

    #[test]
    fn what_replaces_must_reach_all_who_heard() {
        let said = |label: Tlp| Label::new(label, []).unwrap();
        let found = vec![
            target(Severity::Minor, Label::CLEAR, 50),
            target(Severity::Severe, Label::GREEN, 20),
            Target { may_say: false, is_own: true, ..target(Severity::Extreme, Label::GREEN, 20) },
        ];
        let targets = Targets { found, unknown: Vec::new() };
        assert_eq!((targets.severity(), targets.label()), (Some(Severity::Severe), Some(&Label::GREEN)));
        assert_eq!(targets.lifetime(at(10)), Some(Duration::from_secs(40)));
        let told = |severity, label, expires| {
            targets.shortfalls(Lang::En, severity, &said(label), at(expires)).len()
        };
        assert_eq!(told(Severity::Extreme, Tlp::Green, 50), 1, "one of two labels cannot be met");
        assert_eq!(told(Severity::Minor, Tlp::Green, 50), 2);
        assert_eq!(told(Severity::Minor, Tlp::Clear, 49), 3);
        let one = || target(Severity::Severe, Label::GREEN, 50);
        let alone = Targets { found: vec![one()], unknown: Vec::new() };
        assert!(alone.shortfalls(Lang::En, Severity::Severe, &Label::GREEN, at(50)).is_empty());
        let other = Label::new(Tlp::Green, ["fr.a".parse().unwrap()]).unwrap();
        let told = alone.shortfalls(Lang::En, Severity::Severe, &other, at(50));
        assert_eq!(told.len(), 1, "for others");
        let of_others = Targets { found: vec![Target { may_say: false, ..one() }], unknown: Vec::new() };
        assert_eq!(of_others.shortfalls(Lang::En, Severity::Severe, &Label::GREEN, at(50)).len(), 1);
        assert_eq!(Targets::default().severity(), None);
    }
}
