//! `vigie pub --offline` and `vigie queue`: messages that wait on this machine's disk until a relay has them.
//!
//! The queue of an identity is an outbox of the SDK, in `outbox/NAME/PLANE` below the context. Each command opens it,
//! so a message is sent only while one of them runs.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use vigie_client::{
    Client, Exercise, Live, OnPlane, Outbox, OutboxEntry, OutboxError, OutboxState, Receipt, SignedMessage,
    StoreError,
};
use vigie_proto::channel::{Channel, Plane};
use vigie_proto::id::{LogId, MessageId, Sequence};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::Timestamp;

use super::args::QueueCommand;
use super::channels;
use super::exit::{Exit, Failure, Outcome, refusal_text};
use super::publish::show_receipt;
use super::screen::{Screen, Tone, escape};
use super::session::{Session, publish_failed};
use super::targets::Targets;
use super::text::Lang;
use super::time;

pub(super) fn run(session: Session<'_>, command: &QueueCommand) -> Outcome {
    let exercise = match command {
        QueueCommand::Ls(args) => args.exercise,
        QueueCommand::Retry(args) | QueueCommand::Drop(args) => args.exercise,
        QueueCommand::Send(args) => args.exercise,
    };
    let plane = channels::plane(exercise);
    let screen = session.screen.on(plane);
    let session = Session { screen: &screen, ..session };
    let ended = match plane {
        Plane::Live => run_on::<Live>(session, command),
        Plane::Exercise => run_on::<Exercise>(session, command),
    };
    ended.map_err(|failure| failure.marked(&screen))
}

fn run_on<P: OnPlane>(session: Session<'_>, command: &QueueCommand) -> Outcome {
    let screen = session.screen;
    let outbox = open(session, &session.client::<P>(None)?)?;
    let failed = |error| failed(screen.lang, &error);
    match command {
        QueueCommand::Ls(_) => list(screen, &outbox.entries()),
        QueueCommand::Retry(args) => {
            session.block_on(async { outbox.retry(args.id).await.map_err(failed) })?;
            screen.say(&screen.lang.will_be_tried(args.id));
            Ok(())
        }
        QueueCommand::Drop(args) => {
            let was = session.block_on(async { outbox.drop(args.id).await.map_err(failed) })?;
            if was == OutboxState::Sent {
                screen.warn(&screen.lang.dropped_maybe_sent(args.id));
            } else {
                screen.say(&screen.lang.dropped(args.id));
            }
            Ok(())
        }
        QueueCommand::Send(args) => send(session, &outbox, args.wait),
    }
}

fn open<P: OnPlane>(session: Session<'_>, client: &Client<P>) -> Result<Outbox<P>, Failure> {
    let screen = session.screen;
    let outbox = Outbox::open(folder::<P>(session)?, client).map_err(|error| failed(screen.lang, &error))?;
    if let Some(damage) = outbox.damage() {
        let kept_at = damage.kept_at.display();
        screen.warn(&match damage.is_tail {
            true => screen.lang.queue_torn(damage.bytes, kept_at),
            false => screen.lang.queue_damaged(damage.bytes, kept_at),
        });
    }
    Ok(outbox)
}

/// What is to be replaced may wait here itself. A queue that cannot be used now is told by the commands that need it.
pub(super) fn learn<P: OnPlane>(
    session: Session<'_>,
    client: &Client<P>,
    channel: &Channel,
    targets: &mut Targets,
) {
    let Ok(dir) = folder::<P>(session) else { return };
    if targets.unknown().is_empty() || !dir.is_dir() {
        return;
    }
    let Ok(outbox) = Outbox::open(dir, client) else { return };
    for id in targets.unknown().to_vec() {
        let signed = outbox.signed(id).filter(|signed| signed.message().channel == *channel);
        if let Some(signed) = signed {
            targets.learn_named(client, &signed);
        }
    }
}

fn folder<P: OnPlane>(session: Session<'_>) -> Result<PathBuf, Failure> {
    // The name was found among those of the context, so it leads to no other place.
    Ok(session.folder()?.join("outbox").join(session.name()?).join(P::PLANE.to_string()))
}

/// Takes a signed message over, then tries to send it for a while.
pub(super) fn publish<P: OnPlane>(
    session: Session<'_>,
    client: &Client<P>,
    message: &SignedMessage,
    channel: &Channel,
    wait: Duration,
) -> Outcome {
    let screen = session.screen;
    let outbox = open(session, client)?;
    let queued = outbox.enqueue_signed_blocking(message).map_err(|error| failed(screen.lang, &error))?;
    show_queued(screen, channel, queued.id, queued.expires)?;
    let state = session.block_on(async {
        let driver = outbox.drive();
        let state = tokio::time::timeout(wait, outbox.settled(queued.id)).await;
        driver.stop().await;
        Ok(state.ok().flatten())
    })?;
    match state {
        Some(OutboxState::Stored(receipt)) => show_receipt(screen, channel, &receipt),
        Some(OutboxState::Refused(refusal)) => Err(Failure::refused(screen.lang, &refusal)),
        Some(OutboxState::Held { by }) => Err(Failure::new(Exit::Partial, screen.lang.waits_for(by))),
        Some(OutboxState::Queued | OutboxState::Sent | _) | None => {
            tell_shut_out(screen, &outbox);
            Err(Failure::new(Exit::Partial, screen.lang.still_queued(queued.id)))
        }
    }
}

fn send<P: OnPlane>(session: Session<'_>, outbox: &Outbox<P>, wait: Duration) -> Outcome {
    let screen = session.screen;
    let before = outbox.entries();
    session.block_on(async {
        let driver = outbox.drive();
        // What is left when the time is over is told below.
        let _ = tokio::time::timeout(wait, outbox.spread()).await;
        driver.stop().await;
        Ok(())
    })?;
    let after = outbox.entries();
    let is_new =
        |entry: &&OutboxEntry| !before.iter().any(|old| old.id == entry.id && old.state == entry.state);
    for entry in after.iter().filter(is_new) {
        show(screen, entry)?;
    }
    let count = |which: fn(&OutboxState) -> bool| after.iter().filter(|entry| which(&entry.state)).count();
    let stuck = count(|state| matches!(state, OutboxState::Refused(_) | OutboxState::Held { .. }));
    let waiting = count(|state| matches!(state, OutboxState::Queued | OutboxState::Sent));
    if stuck > 0 {
        screen.warn(&screen.lang.some_refused(stuck));
    }
    if waiting > 0 {
        tell_shut_out(screen, outbox);
        return Err(Failure::new(Exit::Partial, screen.lang.still_waiting(waiting)));
    }
    if stuck > 0 { Err(Failure::quiet(Exit::Refused)) } else { Ok(()) }
}

fn tell_shut_out<P: OnPlane>(screen: &Screen, outbox: &Outbox<P>) {
    if let Some(refusal) = outbox.shut_out() {
        screen.warn(&screen.lang.shut_out(refusal_text(screen.lang, &refusal)));
    }
}

#[derive(Serialize)]
struct QueuedLine<'a> {
    r#type: &'static str,
    id: MessageId,
    channel: &'a Channel,
    expires: Timestamp,
}

fn show_queued(screen: &Screen, channel: &Channel, id: MessageId, expires: Timestamp) -> Outcome {
    if screen.json {
        return screen.object(&QueuedLine { r#type: "queued", id, channel, expires });
    }
    let state = screen.paint(Tone::Caution, &screen.lang.queued());
    screen.line(&format!("{state}  {}", screen.lang.queued_here(channel, id, time::local(expires))))
}

fn list(screen: &Screen, entries: &[OutboxEntry]) -> Outcome {
    if entries.is_empty() {
        screen.say(&screen.lang.queue_empty());
    }
    entries.iter().try_for_each(|entry| show(screen, entry))
}

#[derive(Serialize)]
struct EntryLine<'a> {
    r#type: &'static str,
    id: MessageId,
    state: &'static str,
    channel: &'a str,
    title: &'a str,
    queued: Timestamp,
    expires: Timestamp,
    relays: usize,
    relays_stored: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<LogId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Sequence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admitted: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<MessageId>,
}

fn show(screen: &Screen, entry: &OutboxEntry) -> Outcome {
    let receipt = if let OutboxState::Stored(receipt) = &entry.state { Some(receipt) } else { None };
    let refusal = if let OutboxState::Refused(refusal) = &entry.state { Some(refusal) } else { None };
    let held_by = if let OutboxState::Held { by } = &entry.state { Some(*by) } else { None };
    let lang = screen.lang;
    let (word, tone, shown) = match &entry.state {
        OutboxState::Sent => ("sent", Tone::Caution, lang.sent()),
        OutboxState::Stored(_) => ("stored", Tone::Good, lang.stored()),
        OutboxState::Refused(_) => ("refused", Tone::Bad, lang.refused()),
        OutboxState::Held { .. } => ("held", Tone::Bad, lang.held()),
        OutboxState::Queued | _ => ("queued", Tone::Caution, lang.queued()),
    };
    if screen.json {
        return screen.object(&EntryLine {
            r#type: "queue",
            id: entry.id,
            state: word,
            channel: &entry.channel,
            title: &entry.title,
            queued: entry.queued,
            expires: entry.expires,
            relays: entry.relays,
            relays_stored: entry.relays_stored,
            log: receipt.map(|receipt| receipt.log),
            seq: receipt.map(|receipt| receipt.seq),
            admitted: receipt.map(|receipt| receipt.admitted),
            code: refusal.map(|refusal| refusal.code),
            detail: refusal.map(|refusal| &*refusal.detail),
            held_by,
        });
    }
    let (title, channel) = (escape(&entry.title), escape(&entry.channel));
    let (queued, expires) = (time::local(entry.queued), time::local(entry.expires));
    let told = lang.queue_line(screen.paint(tone, &shown), channel, title, queued, expires);
    screen.line(&format!("{told}\n   {}{}", entry.id, more(lang, receipt, refusal, held_by)))
}

fn more(
    lang: Lang,
    receipt: Option<&Receipt>,
    refusal: Option<&Refusal>,
    held_by: Option<MessageId>,
) -> String {
    let receipt = receipt.map(|receipt| format!("{}@{}", receipt.log, receipt.seq));
    let refusal = refusal.map(|refusal| refusal_text(lang, refusal));
    let held = held_by.map(|by| lang.waits_for(by));
    receipt.or(refusal).or(held).map_or_else(String::new, |text| format!("\n   {text}"))
}

/// How a failure of the outbox ends a command.
pub(super) fn failed(lang: Lang, error: &OutboxError) -> Failure {
    match error {
        OutboxError::Message(error) => publish_failed(lang, error),
        OutboxError::Store(StoreError::InUse { path }) => {
            Failure::new(Exit::Failure, lang.queue_in_use(path.display()))
        }
        OutboxError::Full { messages, .. } => Failure::new(Exit::Failure, lang.queue_full(messages)),
        OutboxError::Unknown { id } => Failure::new(Exit::Usage, lang.queue_no_message(id)),
        OutboxError::AlreadyStored { id } => Failure::new(Exit::Usage, lang.queue_stored_already(id)),
        OutboxError::NotRefused { id } => Failure::new(Exit::Usage, lang.queue_not_refused(id)),
        OutboxError::Store(_) | OutboxError::OtherOwner { .. } | _ => {
            Failure::new(Exit::Failure, lang.queue_failed(escape(&error.to_string())))
        }
    }
}
