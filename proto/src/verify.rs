//! `verify`: form, signature, chain, inside its grant. The same code in relay and SDK.
//!
//! Called by the relay's worker on each publish, and by the SDK on each event. What depends on the moment of
//! admission is not judged here but handed on as a [`Window`]: the relay's journal thread holds `admitted` against it
//! when it decides order, a reader when it is told.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::Chain;
use crate::credential::Role;
use crate::id::{CredentialId, MessageId};
use crate::jws::{self, Kind, Token, Typ};
use crate::key::SigningKey;
use crate::limits::{CLOCK_SKEW_MAX, MESSAGE_BYTES_MAX, MESSAGE_LIFETIME_MAX};
use crate::message::Message;
use crate::refusal::{Code, Refusal};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::time::{Timestamp, Window};

/// A message whose form, signature and authority were found good, by [`verify`] only.
#[derive(Clone, Debug)]
pub struct VerifiedMessage {
    id: MessageId,
    message: Message,
    chain: Arc<Chain>,
    token: Arc<str>,
}

impl VerifiedMessage {
    /// SHA-256 of the signing input.
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// What is said.
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// The chain under which it was said.
    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// The id of the author's credential.
    pub fn credential(&self) -> CredentialId {
        self.chain.leaf().id()
    }

    /// The signed bytes as they were received: what is forwarded and kept.
    pub const fn token(&self) -> &Arc<str> {
        &self.token
    }

    /// When it may be admitted: while chain and message are good, allowing for clocks 120 s apart at its start.
    pub fn window(&self) -> Window {
        let message = Window { from: self.message.sent.minus(CLOCK_SKEW_MAX), until: self.message.expires };
        message.intersect(&self.chain.window())
    }

    /// Whether it may be (or may have been) admitted at this moment.
    ///
    /// # Errors
    /// `sent_in_future`, `expired`, `root_ended`, `credential_not_yet_valid` or `credential_expired`.
    pub fn judge_admitted(&self, admitted: Timestamp) -> Result<(), Refusal> {
        if admitted < self.message.sent.minus(CLOCK_SKEW_MAX) {
            return Err(Code::SentInFuture.into());
        }
        if admitted >= self.message.expires {
            return Err(Code::Expired.into());
        }
        self.chain.judge(admitted)
    }
}

/// Signs a message under a credential; the bytes are fixed by PROTOCOL.md.
///
/// The caller gives the private key that the chain's leaf speaks of; [`verify`] tells whether it is.
pub fn sign(key: &SigningKey, credential: CredentialId, message: &Message) -> String {
    let typ = Typ::new(Kind::Message, message.channel.plane);
    jws::sign(key, credential.as_bytes(), typ, &message.to_payload())
}

/// A message as it came: its form is sound, and nothing of it is to be believed before its chain was found and
/// [`ClaimedMessage::verify`] has judged it.
#[derive(Debug)]
pub struct ClaimedMessage<'a> {
    text: &'a str,
    token: Token<'a>,
}

impl<'a> ClaimedMessage<'a> {
    /// Reads the form.
    ///
    /// # Errors
    /// `message_too_large`, `malformed_token`, `unknown_member`, `duplicate_member` or `wrong_type`.
    pub fn read(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(Code::MessageTooLarge.into());
        }
        Ok(Self { text, token: Token::parse(text, Kind::Message)? })
    }

    /// The credential that it claims to speak under, so that its chain can be found.
    pub const fn credential(&self) -> CredentialId {
        CredentialId::from_bytes(self.token.kid)
    }

    /// As [`verify()`], without the form, which was found sound.
    ///
    /// # Errors
    /// As [`verify()`], from the credential on.
    pub fn verify(self, chain: &Arc<Chain>, lifetime_max: Duration) -> Result<VerifiedMessage, Refusal> {
        judge(&self, chain, lifetime_max, |token| token.check_signature(chain.key()))
    }
}

/// Judges a message under the chain that it names.
///
/// `lifetime_max` is the relay's setting, at most [`MESSAGE_LIFETIME_MAX`]; readers pass that.
///
/// # Errors
/// What is wrong first, in this order: form (`message_too_large`, `malformed_token`, …), credential
/// (`unknown_credential`, `wrong_plane`), signature (`bad_signature`), payload (`malformed_message`,
/// `malformed_content`, `not_supported`, …), planes, severity, authority (`not_granted`, `out_of_jurisdiction`,
/// `severity_exceeds_grant`), times at `sent`.
pub fn verify(token: &str, chain: &Arc<Chain>, lifetime_max: Duration) -> Result<VerifiedMessage, Refusal> {
    ClaimedMessage::read(token)?.verify(chain, lifetime_max)
}

/// [`verify`] with its signature check left out: a bug planted on purpose, for tests of the tests.
///
/// # Errors
/// As [`verify`], but never `bad_signature`.
#[cfg(feature = "sabotage")]
pub fn sabotaged_without_signature(token: &str, chain: &Arc<Chain>) -> Result<VerifiedMessage, Refusal> {
    judge(&ClaimedMessage::read(token)?, chain, MESSAGE_LIFETIME_MAX, |_| Ok(()))
}

fn judge(
    claimed: &ClaimedMessage<'_>,
    chain: &Arc<Chain>,
    lifetime_max: Duration,
    check_signature: impl Fn(&Token<'_>) -> Result<(), Refusal>,
) -> Result<VerifiedMessage, Refusal> {
    let parsed = &claimed.token;
    let leaf = chain.leaf();
    if parsed.kid != *leaf.id().as_bytes() {
        return Err(Code::UnknownCredential.into());
    }
    let plane = parsed.typ.plane;
    #[cfg(feature = "sabotage")]
    let plane = if Sabotage::PlaneFromChannelOnly.is_planted() { chain.plane() } else { plane };
    if plane != chain.plane() {
        return Err(Refusal::new(Code::WrongPlane, "`typ` and credential differ").by(leaf.id()));
    }
    check_signature(parsed)?;
    let message = Message::from_payload(&parsed.payload)?;
    planes_agree(&message, chain)?;
    severity_holds(&message)?;
    authority_holds(&message, chain)?;
    times_hold(&message, chain, lifetime_max)?;
    Ok(VerifiedMessage {
        id: MessageId::from_bytes(parsed.id),
        message,
        chain: Arc::clone(chain),
        token: claimed.text.into(),
    })
}

/// An exercise is invalid as a live message by construction, and the reverse.
fn planes_agree(message: &Message, chain: &Chain) -> Result<(), Refusal> {
    if message.channel.plane != chain.plane() {
        return Err(Refusal::new(Code::WrongPlane, "`typ` and channel differ"));
    }
    match message.content.cap.plane() {
        None => Err(Code::DraftContent.into()),
        Some(plane) if plane == chain.plane() => Ok(()),
        Some(plane) => Err(Refusal::new(
            Code::WrongPlane,
            format!("the CAP status is of the {plane} plane, `typ` is not"),
        )),
    }
}

fn severity_holds(message: &Message) -> Result<(), Refusal> {
    match message.content.cap.severity_floor() {
        Some(floor) if message.severity < floor => {
            let detail = format!("{} is below the {floor} of the content", message.severity);
            Err(Refusal::new(Code::SeverityBelowContent, detail))
        }
        Some(_) | None => Ok(()),
    }
}

fn authority_holds(message: &Message, chain: &Chain) -> Result<(), Refusal> {
    if chain.leaf().claims().role != Role::Author {
        return Err(Refusal::new(Code::NotGranted, "a relay does not publish").by(chain.leaf().id()));
    }
    chain.may_publish(message.channel.flow, &message.channel.at, message.severity)
}

fn times_hold(message: &Message, chain: &Chain, lifetime_max: Duration) -> Result<(), Refusal> {
    let lifetime = message.expires.since(message.sent);
    if lifetime.is_zero() || lifetime > lifetime_max.min(MESSAGE_LIFETIME_MAX) {
        return Err(Code::LifetimeTooLong.into());
    }
    chain.judge(message.sent)
}

/// Whether `update`, which names `target` in `replaces`, takes effect on it. The reader decides, from signed data.
///
/// It does on the same channel, by the same key or by someone who could have published the target, and when it
/// reaches all who heard the target: at least as severe, with the same label, expiring no earlier. Otherwise the
/// update is shown and changes nothing.
pub fn takes_effect_on(update: &VerifiedMessage, target: &VerifiedMessage) -> bool {
    let (new, old) = (update.message(), target.message());
    let may = update.chain().key() == target.chain().key()
        || update.chain().may_publish(old.channel.flow, &old.channel.at, old.severity).is_ok();
    new.replaces.contains(&target.id())
        && new.channel == old.channel
        && new.severity >= old.severity
        && new.label == old.label
        && new.expires >= old.expires
        && may
}
