//! `vigie trust explain --door`: asks the relay that runs on a journal of this machine, by its operators' door.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use vigie_proto::channel::{Channel, Filter};
use vigie_proto::explain::{self, Finding};
use vigie_proto::id::{MessageId, Sequence};

use super::args::TrustExplain;
use super::explain::{Question, names, show_finding, show_hearer, show_verdict};
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::journal;
use crate::cli::screen::Screen;
use crate::cli::session::Session;
use crate::door::{self, ANSWER_BYTES_MAX, ANSWER_WITHIN, Addressed, Answer};
use crate::journal::Record;

/// Where the door is: in the folder of the journal that was named.
fn path(screen: &Screen, args: &TrustExplain) -> Result<PathBuf, Failure> {
    let (dir, config) = args
        .sources
        .journal_of()
        .ok_or_else(|| Failure::new(Exit::Usage, screen.lang.explain_which_journal()))?;
    let (folder, _) = journal::folder(screen, dir, config)?;
    Ok(door::path_in(&folder))
}

/// Asks one question.
fn ask(screen: &Screen, path: &Path, question: &door::Question) -> Result<Answer, Failure> {
    let lang = screen.lang;
    let talk = || -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        let mut text = serde_json::to_vec(question)?;
        text.push(b'\n');
        stream.write_all(&text)?;
        let mut told = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut told)?;
        Ok(told)
    };
    let told = talk().map_err(|error| {
        let shown = path.display();
        if error.kind() == ErrorKind::PermissionDenied {
            return Failure::new(Exit::Configuration, lang.door_not_yours(shown));
        }
        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            return Failure::new(Exit::Unreachable, lang.door_slow(shown, ANSWER_WITHIN.as_secs()));
        }
        Failure::new(Exit::Unreachable, lang.door_closed(shown, error))
    })?;
    let answer = serde_json::from_slice(&told)
        .map_err(|error| Failure::new(Exit::Unreachable, lang.door_closed(path.display(), error)))?;
    match answer {
        Answer::Failed { why } => Err(Failure::new(Exit::Failure, lang.door_failed(why))),
        Answer::Busy => Err(Failure::new(Exit::Unreachable, lang.door_busy(path.display()))),
        Answer::Message { .. } | Answer::Judged { .. } | Answer::UnknownMessage { .. } => Ok(answer),
    }
}

/// Who of those that the relay knows may hear a message.
pub(super) fn message(session: Session<'_>, args: &TrustExplain, id: MessageId) -> Outcome {
    let (screen, path) = (session.screen, path(session.screen, args)?);
    let (mut seq, mut after, mut begun) = (None, None, false);
    loop {
        let question = door::Question::Message { id, seq, after };
        match ask(screen, &path, &question)? {
            Answer::Message { message, hearers, more } => {
                let screen = screen.on(message.channel.plane);
                if !begun {
                    show_message(&screen, &message)?;
                    begun = true;
                }
                hearers.iter().try_for_each(|one| show_hearer(&screen, one))?;
                after = hearers.last().map(|last| last.credential);
                if more == 0 || after.is_none() {
                    return Ok(());
                }
            }
            // Older than the relay looks back by itself: the files here say where it stands.
            Answer::UnknownMessage { looked_from, first } if looked_from > first && seq.is_none() => {
                seq = Some(place(session, args, id)?);
            }
            Answer::UnknownMessage { .. } => return Err(no_message(screen, id)),
            Answer::Judged { .. } | Answer::Busy | Answer::Failed { .. } => {
                return Err(out_of_turn(screen, &path));
            }
        }
    }
}

fn no_message(screen: &Screen, id: MessageId) -> Failure {
    Failure::new(Exit::Usage, screen.lang.explain_no_message(id))
}

fn out_of_turn(screen: &Screen, path: &Path) -> Failure {
    Failure::new(Exit::Unreachable, screen.lang.door_closed(path.display(), "?"))
}

/// Where a message stands, by the files of the journal.
fn place(session: Session<'_>, args: &TrustExplain, id: MessageId) -> Result<Sequence, Failure> {
    let (dir, config) = args.sources.journal_of().unwrap_or_default();
    let mut found = None;
    journal::walk(session.screen, dir, config, &mut |record| {
        if let Record::Message(one) = record
            && one.id == id
        {
            found = Some(one.seq);
        }
        Ok(())
    })?;
    found.ok_or_else(|| no_message(session.screen, id))
}

fn show_message(screen: &Screen, message: &Addressed) -> Outcome {
    let lang = screen.lang;
    let audience = message.audience.iter().map(ToString::to_string).collect::<Vec<_>>();
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "explained_message", "id": message.id, "seq": message.seq, "channel": message.channel,
            "severity": message.severity, "audience": audience, "author": message.author, "by": "relay",
        }));
    }
    screen.line(&lang.explained_message(
        &message.channel,
        lang.severity(message.severity),
        if audience.is_empty() { lang.for_everybody() } else { audience.join(", ") },
        message.id,
        message.seq,
    ))
}

/// What the relay says of a chain and a channel.
pub(super) fn who(
    session: Session<'_>,
    args: &TrustExplain,
    question: &Question,
    tokens: Vec<String>,
) -> Outcome {
    let (screen, path) = (session.screen, path(session.screen, args)?);
    let links: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let names = names(&links);
    let Filter { channel, .. } = &question.filter;
    let channel: Channel = channel.clone();
    let asked = match (question.publish, &question.hear) {
        (Some(severity), _) => door::Question::Publish { chain: tokens, channel, severity },
        (None, Some((severity, label))) => {
            let audience = label.audience().orgs().to_vec();
            door::Question::Hear { chain: tokens, channel, severity: *severity, label: label.tlp(), audience }
        }
        (None, None) => door::Question::Subscribe { chain: tokens, channel: question.filter.clone() },
    };
    let Answer::Judged { findings } = ask(screen, &path, &asked)? else {
        return Err(out_of_turn(screen, &path));
    };
    let findings: Vec<Finding> = findings.into_iter().map(Into::into).collect();
    for finding in &findings {
        show_finding(screen, finding, &names)?;
    }
    let refused = explain::first(&findings);
    show_verdict(screen, question, refused)?;
    match refused {
        None => Ok(()),
        // All was said already.
        Some(_) => Err(Failure::quiet(Exit::Refused)),
    }
}
