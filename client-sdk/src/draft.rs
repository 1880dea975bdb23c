//! What an author wants to say, before and after it is signed.

use std::sync::Arc;
use std::time::Duration;

use vigie_proto::cap::{Alert, Headline, MsgType, Urgency};
use vigie_proto::channel::{Channel, Flow};
use vigie_proto::id::MessageId;
use vigie_proto::jws::{Kind, Token};
use vigie_proto::label::{Label, Tlp};
use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
use vigie_proto::message::{Content, Message};
use vigie_proto::refusal::Refusal;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_proto::verify::{self, VerifiedMessage};

use crate::backoff;
use crate::identity::Identity;
use crate::publish::{PublishError, ReplaceFault};

/// An alert is for now: what still holds tomorrow is said again.
const ALERT_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// A phone in the field may be without network for days.
const SIGNAL_LIFETIME: Duration = Duration::from_secs(72 * 3_600);

/// A message to be signed: where, how grave, what, and the rest by default.
#[derive(Clone, Debug)]
pub struct Draft {
    channel: Channel,
    severity: Severity,
    lifetime: Duration,
    /// What was asked for.
    label: Option<Label>,
    /// By their ids alone.
    replaces: Vec<MessageId>,
    targets: Vec<Target>,
    /// Whether what it replaces is over, rather than said anew. Of a line only: a CAP alert says so itself.
    cancels: bool,
    says: Says,
}

/// What is to be known of a message to replace it.
#[derive(Clone, Debug)]
struct Target {
    id: MessageId,
    channel: Channel,
    severity: Severity,
    label: Label,
    expires: Timestamp,
    /// As CAP names it in `references`; none where its parts hold what separates them.
    reference: Option<String>,
}

#[derive(Clone, Debug)]
enum Says {
    Content(Box<Content>),
    Line { text: String, language: String, urgency: Urgency },
}

impl Draft {
    /// A message with this content. `severity` is at least that of the content, where CAP `Unknown` counts as Severe.
    ///
    /// By default it lives 24 h (alerts) or 72 h (signals), is labelled `TLP:CLEAR` and replaces nothing. What updates or
    /// cancels another is built from that one: [`Draft::replacing`].
    pub fn new(channel: Channel, severity: Severity, content: Content) -> Self {
        Self::with(channel, severity, Says::Content(Box::new(content)))
    }

    /// A message of one line. The CAP around it is made when it is signed: category Safety, certainty Observed, the
    /// place of the channel as area, the author's organisation as sender; `msgType` Alert, or Update where it replaces
    /// something, or Cancel after [`Draft::cancelling`]. Defaults as in [`Draft::new`].
    ///
    /// `language` is the tag of the text, such as `fr-FR`. `urgency` is when action is due: with a severity of Severe or
    /// Extreme, Immediate and Expected make the message *urgent*, which relays hold back last.
    pub fn line(
        channel: Channel,
        severity: Severity,
        text: impl Into<String>,
        language: impl Into<String>,
        urgency: Urgency,
    ) -> Self {
        let says = Says::Line { text: text.into(), language: language.into(), urgency };
        Self::with(channel, severity, says)
    }

    fn with(channel: Channel, severity: Severity, says: Says) -> Self {
        let lifetime = if channel.flow == Flow::Signal { SIGNAL_LIFETIME } else { ALERT_LIFETIME };
        Self {
            channel,
            severity,
            lifetime,
            label: None,
            replaces: Vec::new(),
            targets: Vec::new(),
            cancels: false,
            says,
        }
    }

    /// From signing to expiry: up to 7 days, and less where a relay is set so.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How far it may be passed on, and for whom it is by name; by default `TLP:CLEAR`, or the label of what it is
    /// [`replacing`](Draft::replacing). [`Label::new`] says at once what is wrong with one.
    #[must_use]
    pub fn label(mut self, label: Label) -> Self {
        self.label = Some(label);
        self
    }

    /// Updates a message that was verified here, on the same channel; with [`Draft::cancelling`], ends it. Once for each,
    /// 64 at most. An author has his own messages to replace by hearing his own channel.
    ///
    /// What it needs to reach all who heard that one, and nobody else, is taken from it when this is signed: label and
    /// audience (of several, the narrowest), severity and expiry where those given are less. A label that is asked for
    /// and wider than the target's is an error, and so is another channel: the update would change nothing, and tell of
    /// the message those who may not have it.
    ///
    /// ```
    /// # use vigie_client::{Draft, Live, Verified};
    /// # use vigie_client::proto::{cap::Urgency, severity::Severity};
    /// fn rising(alert: &Verified<Live>) -> Draft {
    ///     let channel = alert.message().channel.clone();
    ///     Draft::line(channel, Severity::Extreme, "La crue s'aggrave", "fr-FR", Urgency::Immediate)
    ///         .replacing(alert.signed())
    /// }
    ///
    /// fn all_clear(alert: &Verified<Live>) -> Draft {
    ///     let channel = alert.message().channel.clone();
    ///     Draft::line(channel, Severity::Minor, "Fin d'alerte", "fr-FR", Urgency::Past)
    ///         .replacing(alert.signed())
    ///         .cancelling()
    /// }
    /// ```
    #[must_use]
    pub fn replacing(mut self, target: &VerifiedMessage) -> Self {
        let (id, said) = (target.id(), target.message());
        let (channel, severity) = (said.channel.clone(), said.severity);
        let (label, expires) = (said.label.clone(), said.expires);
        let reference = reference(&said.content.cap);
        self.targets.push(Target { id, channel, severity, label, expires, reference });
        self
    }

    /// What it replaces is over, rather than said anew: a line becomes a CAP Cancel. A [`Draft::new`] says so in the
    /// `msgType` of its content, and is left as it is; so is one that replaces nothing.
    #[must_use]
    pub const fn cancelling(mut self) -> Self {
        self.cancels = true;
        self
    }

    /// Messages that it updates or cancels, of which no more than their ids is at hand: [`Draft::replacing`] is for all
    /// others. At most 64 with those.
    ///
    /// To take effect it must be on their channel, at least as severe, labelled as they are and for the same
    /// organisations, and expire no earlier; nothing of that can be looked at here. **Whoever is given it learns these
    /// ids**, so it is signed only with a label that was asked for: that of the messages named.
    #[must_use]
    pub fn replaces(mut self, ids: impl IntoIterator<Item = MessageId>) -> Self {
        self.replaces = ids.into_iter().collect();
        self
    }

    /// Signs it at `now`. What the relay would refuse for its form or authority is refused here already.
    pub(crate) fn sign(self, identity: &Identity, now: Timestamp) -> Result<SignedMessage, PublishError> {
        let verified = self.sign_verified(identity, now)?;
        let expires = Some(verified.message().expires);
        Ok(SignedMessage { id: verified.id(), token: Arc::clone(verified.token()), expires })
    }

    /// As [`Draft::sign`], with everything that its judgement found.
    pub(crate) fn sign_verified(
        self,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<VerifiedMessage, PublishError> {
        let label = self.fitting_label()?;
        let Self { channel, mut severity, lifetime, label: _, mut replaces, targets, cancels, says } = self;
        let mut expires = now.plus(lifetime);
        let references: Option<Vec<_>> = targets.iter().map(|target| target.reference.clone()).collect();
        for target in targets {
            severity = severity.max(target.severity);
            expires = expires.max(target.expires);
            replaces.push(target.id);
        }
        let content = match says {
            Says::Content(content) => *content,
            Says::Line { text, language, urgency } => {
                let restriction = (label != Label::CLEAR).then(|| label.to_string());
                let identifier = format!("{}-{:016x}", now.as_millis(), backoff::seed());
                let mut cap = Alert::from_headline(&Headline {
                    plane: channel.plane,
                    identifier: &identifier,
                    sender: identity.chain().leaf().claims().org.as_str(),
                    sent: &cap_date_time(now),
                    language: &language,
                    text: &text,
                    severity,
                    urgency,
                    area: channel.at.as_str(),
                    restriction: restriction.as_deref(),
                });
                if !replaces.is_empty() {
                    cap.msg_type = if cancels { MsgType::Cancel } else { MsgType::Update };
                    cap.references = references.map(|all| all.join(" ")).filter(|all| !all.is_empty());
                }
                Content { cap, original: None }
            }
        };
        let message = Message { channel, sent: now, expires, severity, label, replaces, content };
        let token = verify::sign(identity.key(), identity.chain().leaf().id(), &message);
        verify::verify(&token, identity.chain(), MESSAGE_LIFETIME_MAX).map_err(PublishError::of_refusal)
    }

    /// A label that tells of no target whoever may not have it.
    fn fitting_label(&self) -> Result<Label, ReplaceFault> {
        let narrowest = self.targets.iter().map(|target| &target.label).max_by_key(|label| narrowness(label));
        let label = match (&self.label, narrowest) {
            (Some(asked), _) => asked,
            (None, _) if !self.replaces.is_empty() => return Err(ReplaceFault::LabelNeeded),
            (None, Some(narrowest)) => narrowest,
            (None, None) => &Label::CLEAR,
        };
        for target in &self.targets {
            let (id, channel) = (target.id, target.channel.clone());
            if channel != self.channel {
                return Err(ReplaceFault::OtherChannel { target: id, channel });
            }
            if !label.is_within(&target.label) {
                return Err(ReplaceFault::Wider { target: id, label: target.label.clone() });
            }
        }
        Ok(label.clone())
    }
}

/// The longest name of an alert that later ones repeat. An author may make its own so long that a cancel with it would not
/// fit into a message; what counts is `replaces`, so such a one goes without.
const REFERENCE_BYTES_MAX: usize = 512;

/// An alert as later ones name it. Spaces separate references, commas their parts: with either in a part, there is none.
fn reference(cap: &Alert) -> Option<String> {
    let parts = [&cap.sender, &cap.identifier, &cap.sent];
    let sound = |part: &&String| !part.is_empty() && !part.contains(|c: char| c == ',' || c.is_whitespace());
    let name = parts.iter().all(sound).then(|| parts.map(String::as_str).join(","));
    name.filter(|name| name.len() <= REFERENCE_BYTES_MAX)
}

/// Orders labels so that the narrowest comes last, as far as there is one.
fn narrowness(label: &Label) -> (Tlp, bool) {
    (label.tlp(), !label.audience().is_everyone())
}

/// A message as it was signed, ready to be sent as often as it takes: the relay knows it by its id and answers the
/// same bytes with the first receipt. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SignedMessage {
    id: MessageId,
    token: Arc<str>,
    /// Where it is known without reading the message.
    expires: Option<Timestamp>,
}

impl PartialEq for SignedMessage {
    fn eq(&self, other: &Self) -> bool {
        self.token == other.token
    }
}

impl Eq for SignedMessage {}

/// The text has not the form of a signed message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a signed message: {refusal}")]
#[non_exhaustive]
pub struct MalformedMessage {
    /// The rule that it breaks.
    pub refusal: Refusal,
}

impl SignedMessage {
    /// Takes a message that was signed before, such as one kept on disk. Only the form of the token is looked at:
    /// whether its signature and authority hold is the relay's judgement.
    ///
    /// # Errors
    /// [`MalformedMessage`] when it is no token of a message.
    pub fn from_token(token: impl Into<Arc<str>>) -> Result<Self, MalformedMessage> {
        let token = token.into();
        let parsed = Token::parse(&token, Kind::Message).map_err(|refusal| MalformedMessage { refusal })?;
        Ok(Self { id: MessageId::from_bytes(parsed.id), token, expires: None })
    }

    /// When it ends, if it was signed by this process.
    pub(crate) const fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Its id: SHA-256 of what was signed.
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// The signed bytes, a JWS in compact form. Keep them to send them again.
    pub const fn token(&self) -> &Arc<str> {
        &self.token
    }
}

/// A moment as a CAP dateTime in UTC, whole seconds. CAP writes the offset of UTC as `-00:00`.
///
/// Days to a date of the proleptic Gregorian calendar: Howard Hinnant, "chrono-compatible low-level date algorithms",
/// `civil_from_days`.
fn cap_date_time(at: Timestamp) -> String {
    let seconds = at.as_millis() / 1_000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 { march_based + 3 } else { march_based - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}-00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00-00:00"),
            (951_782_399, "2000-02-28T23:59:59-00:00"),
            (951_782_400, "2000-02-29T00:00:00-00:00"),
            (951_868_800, "2000-03-01T00:00:00-00:00"),
            (1_798_761_599, "2026-12-31T23:59:59-00:00"),
            (4_107_542_400, "2100-03-01T00:00:00-00:00"),
        ] {
            let at = Timestamp::from_millis(seconds * 1_000 + 999);
            assert_eq!(cap_date_time(at), text);
            assert!(vigie_proto::cap::is_date_time(text));
        }
    }
}
