//! Makes the signed messages of the play: the honest ones through the SDK, the others as a forger would.

use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use vigie_client::{Draft, Identity, SignedMessage, cap};
use vigie_proto::cap::Status;
use vigie_proto::channel::{Channel, Plane};
use vigie_proto::key::SigningKey;
use vigie_proto::label::Label;
use vigie_proto::message::{Content, Message};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;
use vigie_proto::verify;

use super::scenes::{Line, Made};
use super::stage::{Cast, Voice};
use crate::cli::time;

/// How long the messages of a demo hold: as long as somebody may leave it on.
const LIFETIME: Duration = Duration::from_secs(2 * 3_600);

/// What is said, before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Says {
    pub(super) channel: Channel,
    pub(super) severity: Severity,
    pub(super) content: Content,
}

impl Says {
    /// Reads the CAP and dates it now. `channel` is written without the plane.
    pub(super) fn new(plane: Plane, channel: &str, severity: Severity, xml: &[u8]) -> anyhow::Result<Self> {
        let prefix = if plane == Plane::Exercise { "exercise/" } else { "" };
        let channel = format!("{prefix}{channel}").parse()?;
        Ok(Self { channel, severity, content: content(plane, xml)? })
    }

    pub(super) fn of(line: &Line) -> anyhow::Result<Self> {
        Self::new(line.plane, line.channel, line.severity, line.cap)
    }

    /// Signs as an author does.
    pub(super) fn signed_by(self, voice: &Voice) -> anyhow::Result<SignedMessage> {
        let draft = Draft::new(self.channel, self.severity, self.content).lifetime(LIFETIME);
        Ok(voice.sign(draft)?)
    }

    /// Signs past the SDK: with any key, in the name of any credential.
    pub(super) fn forged(self, key: &SigningKey, named: &Identity) -> anyhow::Result<SignedMessage> {
        let Self { channel, severity, content } = self;
        let sent = time::now();
        let expires = sent.plus(LIFETIME);
        let (label, replaces) = (Label::CLEAR, Vec::new());
        let message = Message { channel, sent, expires, severity, label, replaces, content };
        let token = verify::sign(key, named.chain().leaf().id(), &message);
        Ok(SignedMessage::from_token(token)?)
    }

    /// One bit of the headline is another: a 1 becomes a 9.
    fn with_a_bit_flipped(mut self) -> Self {
        for info in &mut self.content.cap.info {
            info.headline = info.headline.take().map(|headline| headline.replacen('1', "9", 1));
        }
        self
    }
}

/// The message of a line of the play.
pub(super) fn message(cast: &Cast, line: &Line) -> anyhow::Result<SignedMessage> {
    let (says, voice) = (Says::of(line)?, cast.voice(line.author, line.plane));
    let author = voice.identity();
    match line.made {
        Made::Honestly => says.signed_by(voice),
        Made::PastTheSdk => says.forged(author.key(), author),
        Made::SignedBy(other) => says.forged(cast.voice(other, line.plane).identity().key(), author),
        Made::ThenTampered => tampered(says, author),
    }
}

/// Signs, and flips one bit of the text after that.
pub(super) fn tampered(says: Says, author: &Identity) -> anyhow::Result<SignedMessage> {
    let signed = says.clone().forged(author.key(), author)?;
    let other = says.with_a_bit_flipped().forged(author.key(), author)?;
    anyhow::ensure!(signed.id() != other.id(), "there was no 1 in the headline");
    body_under(&other, &signed)
}

/// The head and body of one message under the signature of another.
pub(super) fn body_under(body: &SignedMessage, signature: &SignedMessage) -> anyhow::Result<SignedMessage> {
    let (body, _) = body.token().rsplit_once('.').context("a token has three parts")?;
    let (_, signature) = signature.token().rsplit_once('.').context("a token has three parts")?;
    Ok(SignedMessage::from_token(format!("{body}.{signature}"))?)
}

/// The headline of a text of the play.
pub(super) fn headline(line: &Line) -> anyhow::Result<String> {
    let content = content(line.plane, line.cap)?;
    Ok(content.cap.headline("fr").unwrap_or_default().to_owned())
}

/// The CAP of a file, dated now, with the status of its plane.
fn content(plane: Plane, xml: &[u8]) -> anyhow::Result<Content> {
    let mut alert = cap::import(xml)?.alert;
    let now = time::now();
    alert.identifier = format!("{}-{}", alert.identifier, now.as_millis());
    alert.sent = cap_time(now)?;
    let becomes_exercise = plane == Plane::Exercise && alert.status != Status::Exercise;
    for info in &mut alert.info {
        info.effective = Some(cap_time(now)?);
        info.expires = Some(cap_time(now.plus(LIFETIME))?);
        if becomes_exercise {
            info.headline = info.headline.take().map(|headline| format!("EXERCICE : {headline}"));
        }
    }
    if becomes_exercise {
        alert.status = Status::Exercise;
    }
    Ok(Content { cap: alert, original: None })
}

/// A moment as a CAP dateTime in the zone of this machine. CAP writes the offset of UTC as `-00:00`.
fn cap_time(at: Timestamp) -> anyhow::Result<String> {
    let moment =
        jiff::Timestamp::from_millisecond(i64::try_from(at.as_millis())?)?.to_zoned(TimeZone::system());
    let text = moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    Ok(match text.strip_suffix("+00:00") {
        Some(utc) => format!("{utc}-00:00"),
        None => text,
    })
}
