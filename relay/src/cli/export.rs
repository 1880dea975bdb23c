//! `sub --json`: one object a line, from which `vigie verify` checks everything again, offline.

use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;
use vigie_client::{Gap, OnPlane, Suspect, Verified};
use vigie_proto::channel::{Channel, Jurisdiction, Plane};
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{CredentialId, LogId, MessageId, Sequence};
use vigie_proto::message::Content;
use vigie_proto::refusal::Code;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::exit::Outcome;
use super::screen::Screen;

/// Credentials that are remembered as printed. One that was forgotten is printed again, which is harmless.
const PRINTED_MAX: usize = 4_096;

/// Prints deliveries as objects, each credential before its first use.
#[derive(Debug, Default)]
pub(super) struct Export {
    printed: BTreeSet<CredentialId>,
    order: VecDeque<CredentialId>,
}

#[derive(Serialize)]
struct CredentialLine<'a> {
    r#type: &'static str,
    id: CredentialId,
    jws: &'a str,
}

#[derive(Serialize)]
struct AuthorLine {
    name: String,
    org: Jurisdiction,
    at: Vec<Jurisdiction>,
    credential: CredentialId,
}

#[derive(Serialize)]
struct MessageLine<'a> {
    r#type: &'static str,
    id: MessageId,
    log: LogId,
    seq: Sequence,
    admitted: Timestamp,
    cursor: String,
    channel: &'a Channel,
    plane: Plane,
    sent: Timestamp,
    severity: Severity,
    author: AuthorLine,
    verified: bool,
    expired: bool,
    content: &'a Content,
    jws: &'a str,
}

#[derive(Serialize)]
struct SuspectLine<'a> {
    r#type: &'static str,
    verified: bool,
    code: Code,
    detail: &'a str,
    log: LogId,
    seq: Sequence,
    admitted: Timestamp,
    cursor: String,
    plane: Plane,
    jws: &'a str,
}

#[derive(Serialize)]
struct GapLine {
    r#type: &'static str,
    reason: &'static str,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Serialize)]
struct CaughtUpLine {
    r#type: &'static str,
    cursor: String,
}

impl Export {
    pub(super) fn message<P: OnPlane>(&mut self, screen: &Screen, verified: &Verified<P>) -> Outcome {
        for link in verified.chain().links() {
            if self.is_new(link.id()) {
                screen.object(&CredentialLine { r#type: "credential", id: link.id(), jws: link.token() })?;
            }
        }
        let (message, author) = (verified.message(), verified.author());
        screen.object(&MessageLine {
            r#type: "message",
            id: verified.id(),
            log: verified.log(),
            seq: verified.seq(),
            admitted: verified.admitted(),
            cursor: verified.cursor().to_string(),
            channel: &message.channel,
            plane: P::PLANE,
            sent: message.sent,
            severity: message.severity,
            author: AuthorLine {
                name: author.name,
                org: author.org,
                at: author.at,
                credential: author.credential,
            },
            verified: true,
            expired: verified.expired(),
            content: &message.content,
            jws: verified.token(),
        })
    }

    pub(super) fn suspect(screen: &Screen, plane: Plane, suspect: &Suspect) -> Outcome {
        screen.object(&SuspectLine {
            r#type: "message",
            verified: false,
            code: suspect.code,
            detail: &suspect.detail,
            log: suspect.cursor.log,
            seq: suspect.seq,
            admitted: suspect.admitted,
            cursor: suspect.cursor.to_string(),
            plane,
            jws: &suspect.token,
        })
    }

    pub(super) fn gap(screen: &Screen, gap: &Gap) -> Outcome {
        let text = |cursor: Option<Cursor>| cursor.map(|cursor| cursor.to_string());
        screen.object(&GapLine {
            r#type: "gap",
            reason: gap.reason.as_str(),
            from: text(gap.from),
            to: text(gap.to),
        })
    }

    pub(super) fn caught_up(screen: &Screen, cursor: &Cursor) -> Outcome {
        screen.object(&CaughtUpLine { r#type: "caught_up", cursor: cursor.to_string() })
    }

    fn is_new(&mut self, credential: CredentialId) -> bool {
        if !self.printed.insert(credential) {
            return false;
        }
        self.order.push_back(credential);
        if self.order.len() > PRINTED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.printed.remove(&oldest);
        }
        true
    }
}
