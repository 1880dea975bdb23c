//! A message: what one author states on one channel, and what of it is signed.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cap;
use crate::channel::Channel;
use crate::id::{MessageId, sha256};
use crate::json;
use crate::label::{Label, SignedLabel};
use crate::limits::REPLACES_MAX;
use crate::refusal::{Code, Refusal};
use crate::severity::Severity;
use crate::time::Timestamp;

/// The file that the content was made from: evidence, not what is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a wire format; a new member is a new protocol version")]
pub struct Original {
    /// Such as `application/cap+xml` (RFC 6838).
    pub media_type: String,
    /// SHA-256 of the file, base64url without padding, 43 characters.
    pub sha256: String,
    /// The file, base64url without padding, where it fits in the message; else absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl Original {
    /// Evidence that contradicts itself is none: the hash is one, and it is that of the bytes where they are given.
    fn validate(&self) -> Result<(), Refusal> {
        let malformed = |detail: &'static str| Refusal::new(Code::MalformedContent, detail);
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text);
        let hash = decode(&self.sha256).ok().filter(|hash| hash.len() == 32);
        let hash = hash.ok_or_else(|| malformed("`original.sha256` is 32 bytes in base64url"))?;
        let Some(bytes) = &self.bytes else { return Ok(()) };
        let bytes = decode(bytes).map_err(|_| malformed("`original.bytes` is not canonical base64url"))?;
        if sha256(&bytes)[..] == hash[..] {
            Ok(())
        } else {
            Err(malformed("`original.sha256` is not the hash of `original.bytes`"))
        }
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a wire format; a new member is a new protocol version")]
pub struct Content {
    /// A CAP 1.2 alert with CAP's own names.
    #[serde(deserialize_with = "cap::object")]
    pub cap: cap::Alert,
    /// The file it was imported from, if it was.
    #[serde(default, deserialize_with = "json::present_object", skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
}

/// A message as its author states it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "authors fill in every member; a new one is a new protocol version"
)]
pub struct Message {
    /// Where it is addressed.
    pub channel: Channel,
    /// When its author signed it.
    pub sent: Timestamp,
    /// When it ends: after `sent`, by at most 7 days.
    pub expires: Timestamp,
    /// At least that of every CAP info; CAP `Unknown` counts as Severe.
    pub severity: Severity,
    /// How far it may be passed on, and for whom it is by name.
    pub label: Label,
    /// The messages that it updates or cancels, at most 64. Whether it takes effect is the reader's judgement:
    /// [`crate::verify::takes_effect_on`].
    pub replaces: Vec<MessageId>,
    /// What it says.
    pub content: Content,
}

#[derive(Serialize)]
struct PayloadOut<'a> {
    channel: &'a Channel,
    sent: Timestamp,
    expires: Timestamp,
    severity: Severity,
    label: &'a Label,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    replaces: &'a [MessageId],
    content: &'a Content,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadIn<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    sent: Timestamp,
    expires: Timestamp,
    #[serde(deserialize_with = "json::word")]
    severity: Severity,
    #[serde(deserialize_with = "json::object")]
    label: SignedLabel,
    #[serde(default)]
    replaces: Vec<MessageId>,
    #[serde(borrow)]
    content: &'a RawValue,
    /// Whatever a deployment adds; signed, and not interpreted.
    #[serde(default, rename = "ext", deserialize_with = "json::present")]
    _ext: Option<json::Ext>,
    /// Reserved: the author's previous message.
    #[serde(default, deserialize_with = "json::present")]
    prev: Option<serde::de::IgnoredAny>,
    /// Reserved: signatures of others over the same statement.
    #[serde(default, deserialize_with = "json::present")]
    cosignatures: Option<serde::de::IgnoredAny>,
    /// Reserved: content that only a group can read.
    #[serde(default, deserialize_with = "json::present")]
    sealed: Option<serde::de::IgnoredAny>,
}

impl Message {
    /// The payload bytes, fixed: members in the order of PROTOCOL.md, no white space.
    pub(crate) fn to_payload(&self) -> Vec<u8> {
        let payload = PayloadOut {
            channel: &self.channel,
            sent: self.sent,
            expires: self.expires,
            severity: self.severity,
            label: &self.label,
            replaces: &self.replaces,
            content: &self.content,
        };
        serde_json::to_vec(&payload).expect("a payload has text keys and no failing serialiser")
    }

    /// Reads a payload whose signature was found good.
    pub(crate) fn from_payload(bytes: &[u8]) -> Result<Self, Refusal> {
        let payload: PayloadIn<'_> =
            json::parse_signed(bytes).map_err(|error| error.refusal(Code::MalformedMessage))?;
        let reserved = [
            (payload.prev.is_some(), "prev"),
            (payload.cosignatures.is_some(), "cosignatures"),
            (payload.sealed.is_some(), "sealed"),
        ];
        if let Some((_, name)) = reserved.into_iter().find(|(present, _)| *present) {
            return Err(Refusal::new(Code::NotSupported, format!("member `{name}`")));
        }
        let label = Label::try_from(payload.label)
            .map_err(|fault| Refusal::new(Code::MalformedMessage, format!("`label`: {fault}")))?;
        if payload.replaces.len() > REPLACES_MAX {
            return Err(Refusal::new(Code::MalformedMessage, "`replaces` names more than 64 messages"));
        }
        let channel = payload
            .channel
            .parse()
            .map_err(|error| Refusal::new(Code::MalformedChannel, format!("{error}")))?;
        let content: Content =
            json::parse_part(payload.content).map_err(|error| error.refusal(Code::MalformedContent))?;
        content.cap.validate().map_err(|fault| Refusal::new(Code::MalformedContent, fault.to_string()))?;
        content.original.as_ref().map_or(Ok(()), Original::validate)?;
        Ok(Self {
            channel,
            sent: payload.sent,
            expires: payload.expires,
            severity: payload.severity,
            label,
            replaces: payload.replaces,
            content,
        })
    }
}
