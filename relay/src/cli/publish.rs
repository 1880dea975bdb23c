//! `vigie pub`: signs a message, sends it, and prints the receipt: it is on the relay's disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use vigie_client::cap::{self, INPUT_BYTES_MAX, ImportOptions, WarningCode};
use vigie_client::{Client, Draft, Exercise, Live, OnPlane, PublishError, Reach, Receipt, SignedMessage};
use vigie_proto::cap::{Alert, Scope, Urgency};
use vigie_proto::channel::{Channel, Flow, Plane};
use vigie_proto::id::{LogId, MessageId, Sequence};
use vigie_proto::label::Label;
use vigie_proto::message::{Content, Original};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::args::Publish;
use super::cap::references;
use super::channels;
use super::exit::{Exit, Failure, Outcome};
use super::files;
use super::queue;
use super::screen::{Screen, Tone, escape};
use super::session::{Session, publish_failed};
use super::targets::Targets;
use super::text::Lang;
use super::time;

/// A headline is one line; a page is a CAP file.
const TEXT_BYTES_MAX: u64 = 16 * 1024;
/// How long to wait for the count of readers after the receipt: it comes with the same batch.
const REACH_WAIT: Duration = Duration::from_secs(2);
/// What CAP's own registration calls its files.
const CAP_MEDIA_TYPE: &str = "application/cap+xml";
/// Severity of a line of text for which none is given.
const SEVERITY: Severity = Severity::Moderate;

pub(super) fn run(session: Session<'_>, args: &Publish) -> Outcome {
    let plane = channels::plane(args.exercise);
    let screen = session.screen.on(plane);
    let session = Session { screen: &screen, ..session };
    let ended = match plane {
        Plane::Live => publish::<Live>(session, args),
        Plane::Exercise => publish::<Exercise>(session, args),
    };
    ended.map_err(|failure| failure.marked(&screen))
}

fn publish<P: OnPlane>(session: Session<'_>, args: &Publish) -> Outcome {
    let screen = session.screen;
    let channel = channels::channel(screen.lang, &args.channel, P::PLANE)?;
    // What is wrong with the command is told before trust or network are looked at.
    let label = label(screen.lang, args)?;
    let says = Says::read(screen, args, P::PLANE)?;
    let client = session.client::<P>(Some(args.wait))?;
    let mut targets = Targets::named(&args.replaces);
    queue::learn(session, &client, &channel, &mut targets);
    if args.offline {
        if let Says::Cap { content, .. } = &says
            && content.cap.references.is_some()
        {
            screen.warn(&screen.lang.references_not_looked_up(screen.lang.references_need_a_line()));
        }
        let label = targets.settle(screen, &channel, label)?;
        let message = says.sign(screen, &client, &channel, args, label, &targets)?;
        return queue::publish(session, &client, &message, &channel, args.wait);
    }
    let sent = session.block_on(async {
        let alert = match &says {
            Says::Line(_) => None,
            Says::Cap { content, .. } => Some(&content.cap),
        };
        references::resolve(screen, &client, &channel, alert, args.wait, &mut targets).await;
        let label = targets.settle(screen, &channel, label)?;
        let message = says.sign(screen, &client, &channel, args, label, &targets)?;
        let sent = client.publish_with_reach(&message, REACH_WAIT).await;
        sent.map_err(|error| publish_failed(screen.lang, &error))
    });
    let (receipt, reach) = sent?;
    show(screen, &channel, &receipt, reach)
}

/// What is to be said.
enum Says {
    Line(String),
    /// With the severity of its own that it has, if any.
    Cap {
        content: Box<Content>,
        severity: Option<Severity>,
    },
}

impl Says {
    fn read(screen: &Screen, args: &Publish, plane: Plane) -> Result<Self, Failure> {
        if args.cap.is_none() && args.supply.options() != ImportOptions::default() {
            return Err(Failure::new(Exit::Usage, screen.lang.supply_needs_cap()));
        }
        match (&args.cap, args.text.as_deref()) {
            (Some(path), _) => read_cap(screen, path, args, plane),
            (None, text) => read_line(screen.lang, text.unwrap_or_default()).map(Self::Line),
        }
    }

    fn sign<P: OnPlane>(
        self,
        screen: &Screen,
        client: &Client<P>,
        channel: &Channel,
        args: &Publish,
        label: Option<Label>,
        targets: &Targets,
    ) -> Result<SignedMessage, Failure> {
        let now = time::now();
        // What is given stays; what is not follows the targets, so that a cancel is as easy to send as its alert.
        let lifetime = args
            .expires
            .or_else(|| targets.lifetime(now).map(|least| least.max(default_lifetime(channel.flow))));
        let label = label.unwrap_or(Label::CLEAR);
        let replaces: BTreeSet<MessageId> = targets.ids().collect();
        let sign = |mut draft: Draft| {
            if let Some(lifetime) = lifetime {
                draft = draft.lifetime(lifetime);
            }
            client.sign(draft.label(label.clone()).replaces(replaces.iter().copied()))
        };
        let warn = |severity| {
            let expires = now.plus(lifetime.unwrap_or_else(|| default_lifetime(channel.flow)));
            for told in targets.shortfalls(screen.lang, severity, &label, expires) {
                screen.warn(&told);
            }
        };
        let signed = match self {
            Self::Line(text) => {
                let least = targets.severity().map_or(SEVERITY, |least| least.max(SEVERITY));
                let severity = args.severity.unwrap_or(least);
                warn(severity);
                // Whoever types that something grave is there means now.
                let urgency = match severity {
                    _ if args.cancel => Urgency::Past,
                    Severity::Severe | Severity::Extreme => Urgency::Immediate,
                    Severity::Minor | Severity::Moderate => Urgency::Expected,
                };
                let draft = Draft::line(channel.clone(), severity, text, screen.lang.tag(), urgency);
                sign(if args.cancel { draft.cancelling() } else { draft })
            }
            Self::Cap { mut content, severity } => {
                let severity = args.severity.or_else(|| severity.max(targets.severity()));
                let severity =
                    severity.ok_or_else(|| Failure::new(Exit::Usage, screen.lang.severity_needed()))?;
                warn(severity);
                let whole = sign(Draft::new(channel.clone(), severity, (*content).clone()));
                if let (Err(PublishError::TooLarge { .. }), Some(original)) = (&whole, &mut content.original)
                {
                    screen.say(&screen.lang.original_left_out());
                    original.bytes = None;
                    sign(Draft::new(channel.clone(), severity, *content))
                } else {
                    whole
                }
            }
        };
        signed.map_err(|error| publish_failed(screen.lang, &error))
    }
}

/// The label that the command asks for, if it does.
fn label(lang: Lang, args: &Publish) -> Result<Option<Label>, Failure> {
    let Some(tlp) = args.label else {
        let alone = || Failure::new(Exit::Usage, lang.audience_alone());
        return if args.audience.is_empty() { Ok(None) } else { Err(alone()) };
    };
    let label = Label::new(tlp, args.audience.iter().cloned());
    label.map(Some).map_err(|fault| Failure::new(Exit::Usage, lang.label_fault(fault)))
}

/// How long a message lives that is given no lifetime; one that replaces others lives at least as long as they do.
const fn default_lifetime(flow: Flow) -> Duration {
    // The SDK's own defaults.
    let hours = if matches!(flow, Flow::Signal) { 72 } else { 24 };
    Duration::from_secs(hours * 3_600)
}

fn read_line(lang: Lang, text: &str) -> Result<String, Failure> {
    let text = if text == "-" {
        let bytes = files::read_bounded(lang, Path::new("-"), TEXT_BYTES_MAX)?;
        String::from_utf8(bytes).map_err(|_| Failure::new(Exit::Usage, lang.text_not_unicode()))?
    } else {
        text.to_owned()
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        Err(Failure::new(Exit::Usage, lang.text_empty()))
    } else {
        Ok(text.to_owned())
    }
}

fn read_cap(screen: &Screen, path: &Path, args: &Publish, plane: Plane) -> Result<Says, Failure> {
    let lang = screen.lang;
    let bytes = files::read_bounded(lang, path, INPUT_BYTES_MAX as u64)?;
    let imported = cap::import_with(&bytes, &args.supply.options()).map_err(|error| {
        let told = format!("{} [{}]", escape(&lang.cap_error(&error)), error.code());
        Failure::new(Exit::VerificationFailed, lang.cap_unusable(path.display(), told))
    })?;
    for warning in &imported.warnings {
        screen.warn(&format!("{} [{}]", escape(&lang.cap_warning(warning)), warning.code.as_str()));
    }
    if imported.signatures > 0 {
        screen.warn(&lang.signatures_unchecked(imported.signatures));
    }
    // The evidence would give away what the import left out.
    let has_password = imported.warnings.iter().any(|warning| warning.code == WarningCode::PasswordDropped);
    if has_password {
        screen.warn(&lang.original_has_password());
    }
    let alert = imported.alert;
    right_plane(lang, &alert, plane)?;
    if alert.scope != Scope::Public && args.label.is_none() {
        return Err(Failure::new(Exit::Usage, lang.label_needed()));
    }
    let severity = alert.severity_floor();
    if has_expired(&alert, time::now()) {
        screen.warn(&lang.cap_expired());
    }
    let original = Original {
        media_type: CAP_MEDIA_TYPE.to_owned(),
        sha256: files::sha256_text(&bytes),
        bytes: (!has_password).then(|| URL_SAFE_NO_PAD.encode(&bytes)),
    };
    Ok(Says::Cap { content: Box::new(Content { cap: alert, original: Some(original) }), severity })
}

fn right_plane(lang: Lang, alert: &Alert, plane: Plane) -> Outcome {
    match (alert.plane(), plane) {
        (None, _) => Err(Failure::refused(lang, &Refusal::from(Code::DraftContent))),
        (Some(Plane::Exercise), Plane::Live) => Err(Failure::new(Exit::Usage, lang.cap_is_exercise())),
        (Some(Plane::Live), Plane::Exercise) => Err(Failure::new(Exit::Usage, lang.cap_is_live())),
        (Some(Plane::Live), Plane::Live) | (Some(Plane::Exercise), Plane::Exercise) => Ok(()),
    }
}

/// Whether nothing in it holds any more, by its own times.
fn has_expired(alert: &Alert, now: Timestamp) -> bool {
    let over = |info: &vigie_proto::cap::Info| {
        info.expires.as_deref().and_then(time::of_cap).is_some_and(|at| at < now)
    };
    !alert.info.is_empty() && alert.info.iter().all(over)
}

#[derive(Serialize)]
struct ReceiptLine<'a> {
    r#type: &'static str,
    id: MessageId,
    log: LogId,
    seq: Sequence,
    admitted: Timestamp,
    channel: &'a Channel,
}

#[derive(Serialize)]
struct ReachLine {
    r#type: &'static str,
    id: MessageId,
    live: u64,
    behind: u64,
}

fn show(screen: &Screen, channel: &Channel, receipt: &Receipt, reach: Option<Reach>) -> Outcome {
    show_receipt(screen, channel, receipt)?;
    if let Some(Reach { live, behind, .. }) = reach {
        if screen.json {
            screen.object(&ReachLine { r#type: "reach", id: receipt.id, live, behind })?;
        } else {
            screen.line(&screen.lang.reach(live, behind))?;
        }
    }
    match reach {
        Some(Reach { live: 0, behind: 0, .. }) => screen.warn(&screen.lang.reached_nobody()),
        Some(_) => {}
        None => screen.say(&screen.lang.reach_unknown()),
    }
    Ok(())
}

/// A message is on a relay's disk.
pub(super) fn show_receipt(screen: &Screen, channel: &Channel, receipt: &Receipt) -> Outcome {
    let Receipt { id, log, seq, admitted, .. } = *receipt;
    if screen.json {
        return screen.object(&ReceiptLine { r#type: "receipt", id, log, seq, admitted, channel });
    }
    let stored = screen.paint(Tone::Good, &screen.lang.stored());
    let told = screen.lang.receipt(id, seq, time::local(admitted), channel);
    screen.line(&format!("{stored}  {told}"))
}
