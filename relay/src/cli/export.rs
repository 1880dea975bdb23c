//! `sub --json` and `journal export`: one object a line, from which `vigie verify` checks everything again, offline.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use vigie_client::{Disowned, Gap, OnPlane, Suspect, Verified};
use vigie_proto::chain::Chain;
use vigie_proto::channel::{Channel, Jurisdiction, Plane};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::GapReason;
use vigie_proto::id::{CredentialId, LogId, MessageId, RevocationId, Sequence};
use vigie_proto::label::Label;
use vigie_proto::message::{Content, Message};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{Reason, VerifiedRevocation};
use vigie_proto::rotation::Rotation;
use vigie_proto::severity::Severity;
use vigie_proto::time::Timestamp;

use super::exit::Outcome;
use super::screen::Screen;
use crate::journal::RevocationRecord;

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
struct RotationLine<'a> {
    r#type: &'static str,
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
    label: &'a Label,
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
struct DisownedLine<'a> {
    r#type: &'static str,
    id: MessageId,
    admitted: Timestamp,
    cursor: String,
    plane: Plane,
    given_before: bool,
    credential: CredentialId,
    revocation: RevocationId,
    /// The signed bytes of the revocation.
    revocation_jws: &'a str,
    from: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// A revocation at its place in a log: what the journal notes beside the signed bytes, and these.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevocationLine {
    r#type: String,
    id: RevocationId,
    issuer: CredentialId,
    count: u64,
    seq: Sequence,
    admitted: Timestamp,
    jws: String,
}

impl RevocationLine {
    /// As a journal has it. Nothing in it is believed yet.
    pub(super) fn into_record(self) -> RevocationRecord {
        let Self { id, issuer, count, seq, admitted, jws, .. } = self;
        RevocationRecord { count, seq, admitted, id, issuer, jws: Bytes::from(jws) }
    }
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

/// Where the objects of an export go.
pub(super) trait Sink {
    fn object(&mut self, value: &impl Serialize) -> Outcome;
}

impl Sink for &Screen {
    fn object(&mut self, value: &impl Serialize) -> Outcome {
        Screen::object(self, value)
    }
}

/// A message that was verified, as an export gives it.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) id: MessageId,
    pub(super) cursor: Cursor,
    pub(super) message: &'a Message,
    pub(super) chain: &'a Chain,
    pub(super) token: &'a str,
    pub(super) expired: bool,
}

impl Export {
    pub(super) fn message<P: OnPlane>(&mut self, screen: &Screen, verified: &Verified<P>) -> Outcome {
        let shown = Shown {
            id: verified.id(),
            cursor: verified.cursor(),
            message: verified.message(),
            chain: verified.chain(),
            token: verified.token(),
            expired: verified.expired(),
        };
        self.put(&mut &*screen, &shown)
    }

    /// A message, after those of its credentials that were not given yet.
    pub(super) fn put(&mut self, sink: &mut impl Sink, shown: &Shown<'_>) -> Outcome {
        self.put_links(sink, shown.chain)?;
        let (message, cursor) = (shown.message, &shown.cursor);
        sink.object(&MessageLine {
            r#type: "message",
            id: shown.id,
            log: cursor.log,
            seq: cursor.seq,
            admitted: cursor.admitted,
            cursor: cursor.to_string(),
            channel: &message.channel,
            plane: message.channel.plane,
            sent: message.sent,
            severity: message.severity,
            label: &message.label,
            author: AuthorLine::of(shown.chain),
            verified: true,
            expired: shown.expired,
            content: &message.content,
            jws: shown.token,
        })
    }

    fn put_links(&mut self, sink: &mut impl Sink, chain: &Chain) -> Outcome {
        for link in chain.links() {
            if self.is_new(link.id()) {
                sink.object(&CredentialLine { r#type: "credential", id: link.id(), jws: link.token() })?;
            }
        }
        Ok(())
    }

    /// A revocation as it stands in a journal, after those of its issuer's credentials that were not given yet.
    pub(super) fn put_revocation(
        &mut self,
        sink: &mut impl Sink,
        record: &RevocationRecord,
        verified: &VerifiedRevocation,
    ) -> Outcome {
        self.put_links(sink, verified.chain())?;
        sink.object(&RevocationLine {
            r#type: "revocation".to_owned(),
            id: record.id,
            issuer: record.issuer,
            count: record.count,
            seq: record.seq,
            admitted: record.admitted,
            jws: verified.revocation().token().to_string(),
        })
    }

    /// By which a root is trusted where only one before it is pinned: before what stands under it.
    pub(super) fn put_rotation(sink: &mut impl Sink, rotation: &Rotation) -> Outcome {
        sink.object(&RotationLine { r#type: "rotation", jws: rotation.token() })
    }

    pub(super) fn suspect(screen: &Screen, plane: Plane, suspect: &Suspect) -> Outcome {
        let cursor = Cursor { log: suspect.cursor.log, seq: suspect.seq, admitted: suspect.admitted };
        Self::put_suspect(&mut &*screen, plane, cursor, suspect.code, &suspect.detail, &suspect.token)
    }

    /// What was stored or given as a message and does not verify.
    pub(super) fn put_suspect(
        sink: &mut impl Sink,
        plane: Plane,
        cursor: Cursor,
        code: Code,
        detail: &str,
        jws: &str,
    ) -> Outcome {
        sink.object(&SuspectLine {
            r#type: "message",
            verified: false,
            code,
            detail,
            log: cursor.log,
            seq: cursor.seq,
            admitted: cursor.admitted,
            cursor: cursor.to_string(),
            plane,
            jws,
        })
    }

    pub(super) fn disowned(screen: &Screen, plane: Plane, disowned: &Disowned) -> Outcome {
        screen.object(&DisownedLine {
            r#type: "disowned",
            id: disowned.id,
            admitted: disowned.admitted,
            cursor: disowned.cursor.to_string(),
            plane,
            given_before: disowned.given_before,
            credential: disowned.credential,
            revocation: disowned.revocation,
            revocation_jws: &disowned.token,
            from: disowned.from,
            reason: disowned.reason,
        })
    }

    pub(super) fn gap(screen: &Screen, gap: &Gap) -> Outcome {
        Self::put_gap(&mut &*screen, gap.reason, gap.from, gap.to)
    }

    /// A range that is not in the export.
    pub(super) fn put_gap(
        sink: &mut impl Sink,
        reason: GapReason,
        from: Option<Cursor>,
        to: Option<Cursor>,
    ) -> Outcome {
        let text = |cursor: Option<Cursor>| cursor.map(|cursor| cursor.to_string());
        let (from, to) = (text(from), text(to));
        sink.object(&GapLine { r#type: "gap", reason: reason.as_str(), from, to })
    }

    pub(super) fn caught_up(screen: &Screen, cursor: &Cursor) -> Outcome {
        Self::put_caught_up(&mut &*screen, cursor)
    }

    /// All up to here was given.
    pub(super) fn put_caught_up(sink: &mut impl Sink, cursor: &Cursor) -> Outcome {
        sink.object(&CaughtUpLine { r#type: "caught_up", cursor: cursor.to_string() })
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

impl AuthorLine {
    /// Who spoke, out of the credential that was checked: each place once, in the order of the grants.
    fn of(chain: &Chain) -> Self {
        let claims = chain.leaf().claims();
        let mut at: Vec<Jurisdiction> = Vec::new();
        for grant in claims.grants.iter().filter(|grant| grant.publish.is_some()) {
            if !at.contains(&grant.at) {
                at.push(grant.at.clone());
            }
        }
        Self { name: claims.name.clone(), org: claims.org.clone(), at, credential: chain.leaf().id() }
    }
}
