//! `vigie verify`: checks an export of `sub --json` or `journal export` again, offline, with pinned roots and nothing else.
//!
//! The readable part of a line is held against what was signed, so that an export that was edited for the eye is found
//! out as well; what this version does not know (a type of line, a member) is no part of an export. The first bad line
//! ends it, and so does an export in which nothing is verified.
//!
//! An export of a journal is held against its last line, as is each part where there are several; one of `sub` has none.
//!
//! A revocation of a journal is verified as a message is. What it disowns is sound as it stands, and told beside the verdict:
//! who admitted it could not know. An export with such messages is still a good one.
//!
//! Not judged, since nobody signed it: the lines that the reader marked itself (suspects, gaps, where it had caught up, what
//! it was told to disown: `sub` gives no signed bytes for that), carried ids, and `expired`, which is what the reader's clock said then; what has expired by now is counted anew.

mod counts;
mod disowned;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use vigie_proto::chain::Roots;
use vigie_proto::channel::Plane;
use vigie_proto::cursor::{Cursor, MalformedCursor};
use vigie_proto::frame::GapReason;
use vigie_proto::id::{CredentialId, LogId, MessageId, RevocationId, Sequence};
use vigie_proto::json;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{Reason, Revocation};
use vigie_proto::time::Timestamp;
use vigie_proto::verify::VerifiedMessage;

use counts::Counts;
use disowned::Disowning;

use super::args::Verify;
use super::exit::{Exit, Failure, Outcome, heard_or_not, refusal_text};
use super::export::RevocationLine;
use super::files::cannot_read;
use super::judge::{CREDENTIALS_MAX, Judge, Unfit};
use super::lines;
use super::render;
use super::rotations;
use super::screen::{Screen, Tone, escape};
use super::session::Session;
use super::tally::{self, EndLine, Tally};
use super::text::Lang;
use super::time;

/// Every member of a message: content is compared as a whole.
const MESSAGE_MEMBERS: [&str; 16] = [
    "type", "id", "log", "seq", "admitted", "cursor", "channel", "plane", "sent", "severity", "label",
    "author", "verified", "expired", "content", "jws",
];
/// Every member of its author.
const AUTHOR_MEMBERS: [&str; 4] = ["name", "org", "at", "credential"];
/// Logs of one export: a reader fails over between a few relays.
const LOGS_MAX: usize = 1_024;

pub(super) fn run(session: Session<'_>, args: &Verify) -> Outcome {
    let screen = session.screen;
    let roots = if args.roots.is_empty() {
        session.context()?.roots().clone()
    } else {
        rotations::pin(screen.lang, &args.roots, &args.rotations)?
    };
    let mut check = Check::new(screen, roots);
    if args.file == Path::new("-") {
        check.read(io::stdin().lock(), &args.file)?;
    } else {
        let file = File::open(&args.file).map_err(|error| cannot_read(screen.lang, &args.file, &error))?;
        check.read(BufReader::new(file), &args.file)?;
    }
    check.done()
}

/// What every line has.
#[derive(Deserialize)]
struct Kind {
    r#type: String,
    #[serde(default)]
    verified: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialLine {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    id: CredentialId,
    jws: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotationLine {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    jws: String,
}

/// What of a message is not compared with what was signed; the rest is seen in [`Check::readable_part`].
#[derive(Deserialize)]
struct MessageLine {
    log: LogId,
    seq: Sequence,
    admitted: Timestamp,
    cursor: String,
    /// Not judged: see the head of this file.
    #[serde(rename = "expired")]
    _expired: bool,
    jws: String,
}

/// What the reader was given and found to be no message. Nothing in it is believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuspectLine {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    #[serde(rename = "verified")]
    _verified: IgnoredAny,
    code: Code,
    detail: String,
    log: LogId,
    seq: Sequence,
    admitted: Timestamp,
    cursor: String,
    plane: Plane,
    #[serde(rename = "jws")]
    _jws: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GapLine {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    #[serde(rename = "reason")]
    _reason: GapReason,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaughtUpLine {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    cursor: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CarriedLine {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    #[serde(rename = "id")]
    _id: MessageId,
    #[serde(rename = "seq")]
    _seq: Sequence,
    #[serde(rename = "admitted")]
    _admitted: Timestamp,
    #[serde(rename = "expires")]
    _expires: Timestamp,
    #[serde(rename = "credential")]
    _credential: CredentialId,
}

/// What the reader was told not to believe. The chain of the revocation's issuer is not here, so nothing of it is proven.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DisownedLine {
    #[serde(rename = "type")]
    _type: IgnoredAny,
    id: MessageId,
    #[serde(rename = "admitted")]
    _admitted: Timestamp,
    cursor: String,
    plane: Plane,
    #[serde(rename = "given_before")]
    _given_before: bool,
    credential: CredentialId,
    revocation: RevocationId,
    revocation_jws: String,
    from: Timestamp,
    reason: Option<Reason>,
}

/// What is wrong with a line.
struct Bad(String);

struct Check<'a> {
    screen: &'a Screen,
    lang: Lang,
    judge: Judge,
    disowning: Disowning,
    /// The last place in each log.
    places: BTreeMap<LogId, (Sequence, Timestamp)>,
    /// What the lines so far come to.
    tally: Tally,
    /// Whether it is the whole of a journal, once its last line or that of a part was met.
    whole: Option<bool>,
    /// Whether nothing followed that line.
    ended: bool,
    /// The line that is judged, from 1.
    number: u64,
    /// What is to be said of that line.
    to_show: Option<String>,
    counts: Counts,
}

impl<'a> Check<'a> {
    fn new(screen: &'a Screen, roots: Roots) -> Self {
        Self {
            screen,
            lang: screen.lang,
            judge: Judge::new(roots),
            disowning: Disowning::default(),
            places: BTreeMap::new(),
            tally: Tally::default(),
            whole: None,
            ended: false,
            number: 0,
            to_show: None,
            counts: Counts::default(),
        }
    }

    /// Says what the export came to. One in which nothing is verified proves nothing, and is no success.
    fn done(mut self) -> Outcome {
        let (used, unused) = self.judge.counts();
        self.counts.credentials = used;
        self.counts.other += unused;
        if self.whole.is_some() && !self.ended {
            return Err(Failure::new(Exit::VerificationFailed, self.lang.lines_behind_end()));
        }
        self.counts.revocations = self.disowning.revocations() as u64;
        let Counts { live, exercise, revocations, suspects, gaps, other, .. } = self.counts;
        if live == 0 && exercise == 0 && revocations == 0 {
            let told = self.lang.export_without_message(suspects, gaps, other);
            return Err(Failure::new(Exit::VerificationFailed, told));
        }
        self.counts.disowned = self.disowning.show(self.screen)?;
        heard_or_not(self.counts.show(self.screen, self.whole))
    }

    fn read(&mut self, source: impl BufRead, path: &Path) -> Outcome {
        lines::each(self.lang, path, source, &mut |number, line| {
            self.number = number;
            self.line(line).map_err(|Bad(why)| {
                Failure::new(Exit::VerificationFailed, self.lang.bad_line(number, escape(&why)))
            })?;
            match self.to_show.take().filter(|_| !self.screen.json) {
                Some(told) => heard_or_not(self.screen.line(&told)),
                None => Ok(()),
            }
        })
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Bad> {
        // A member given twice could be read one way here and another way elsewhere.
        json::check(line).map_err(|error| Bad(error.to_string()))?;
        let kind: Kind = parse(line)?;
        if kind.r#type == tally::END {
            let end: EndLine = parse(line)?;
            self.tally.check(self.lang, &end).map_err(Bad)?;
            let part = end.part(self.lang);
            self.whole = Some(part.is_none() && self.whole.is_none());
            self.ended = true;
            self.to_show = part.map(|part| format!("   {}", escape(&part)));
            return Ok(());
        }
        self.ended = false;
        self.tally.take(&kind.r#type, line);
        match (kind.r#type.as_str(), kind.verified) {
            ("credential", _) => self.credential(&parse(line)?),
            ("rotation", None) => self.rotation(&parse(line)?),
            // Told apart by what `sub` writes; claiming to be verified is what is judged.
            ("message", Some(false)) => self.suspect(&parse(line)?),
            ("message", _) => self.message(line),
            ("gap", None) => self.gap(&parse(line)?),
            ("caught_up", None) => self.caught_up(&parse(line)?),
            ("carried", None) => {
                let CarriedLine { .. } = parse(line)?;
                self.counts.other += 1;
                Ok(())
            }
            ("revocation", None) => self.revocation(parse(line)?),
            ("disowned", None) => self.disowned(&parse(line)?),
            (other, _) => Err(Bad(self.lang.unknown_line_type(other))),
        }
    }

    /// What the reader marked itself: shown and counted, never taken for verified.
    fn suspect(&mut self, line: &SuspectLine) -> Result<(), Bad> {
        let cursor = Cursor { log: line.log, seq: line.seq, admitted: line.admitted };
        if line.cursor != cursor.to_string() {
            return Err(self.differs("cursor"));
        }
        self.counts.suspects += 1;
        let refusal = Refusal::new(line.code, line.detail.clone());
        let screen = self.screen.on(line.plane);
        let word = screen.paint(Tone::Bad, &self.lang.not_verified());
        let told = self.lang.suspect_line(self.number, line.seq, refusal_text(self.lang, &refusal));
        self.to_show = Some(screen.mark(&format!("{word}  {told}")));
        Ok(())
    }

    fn gap(&mut self, line: &GapLine) -> Result<(), Bad> {
        for text in line.from.iter().chain(&line.to) {
            cursor_of(text)?;
        }
        self.counts.gaps += 1;
        Ok(())
    }

    fn caught_up(&mut self, line: &CaughtUpLine) -> Result<(), Bad> {
        cursor_of(&line.cursor)?;
        self.counts.other += 1;
        Ok(())
    }

    fn credential(&mut self, line: &CredentialLine) -> Result<(), Bad> {
        self.judge.credential(line.id, line.jws.as_bytes()).map_err(|unfit| self.unfit(unfit))
    }

    /// By a root that is trusted: whoever is not is of no concern to who pinned another.
    fn rotation(&mut self, line: &RotationLine) -> Result<(), Bad> {
        let new = match self.judge.rotation(&line.jws) {
            Err(refusal) if refusal.code == Code::UnknownRoot => None,
            judged => judged.map_err(|refusal| self.unfit(refusal.into()))?,
        };
        self.counts.other += u64::from(new.is_none());
        self.to_show = new.map(|rotation| format!("   {}", render::rotation(self.lang, &rotation)));
        Ok(())
    }

    /// Its signature, its issuer's chain and its moment. What it disowns is told at the end: most of it stands before.
    fn revocation(&mut self, line: RevocationLine) -> Result<(), Bad> {
        let verified = self.judge.revocation(&line.into_record()).map_err(|unfit| self.unfit(unfit))?;
        self.disowning.revoke(&verified).map_err(|most| Bad(self.lang.too_many("revocations", most)))
    }

    /// What the reader wrote down of a revocation that it was given: what people read must be what its bytes say.
    fn disowned(&mut self, line: &DisownedLine) -> Result<(), Bad> {
        cursor_of(&line.cursor)?;
        let revocation =
            Revocation::parse(&line.revocation_jws).map_err(|refusal| self.unfit(refusal.into()))?;
        let stated = revocation.statement();
        let members = [
            ("revocation", revocation.id() == line.revocation),
            ("plane", revocation.plane() == line.plane),
            ("from", stated.from == line.from),
            ("reason", stated.reason == line.reason),
        ];
        if let Some((member, _)) = members.into_iter().find(|(_, is_same)| !is_same) {
            return Err(self.differs(member));
        }
        self.counts.disowned_told += 1;
        let screen = self.screen.on(line.plane);
        let word = screen.paint(Tone::Bad, &self.lang.disowned());
        let (id, from) = (line.id, time::local(line.from));
        let told = self.lang.disowned_told(self.number, id, line.credential, from);
        self.to_show = Some(screen.mark(&format!("{word}  {told}")));
        Ok(())
    }

    fn message(&mut self, bytes: &[u8]) -> Result<(), Bad> {
        let line: MessageLine = parse(bytes)?;
        let signed = self.judge.message(line.jws.as_bytes()).map_err(|unfit| self.unfit(unfit))?;
        signed.judge_admitted(line.admitted).map_err(|refusal| self.unfit(refusal.into()))?;
        self.readable_part(bytes, &signed)?;
        let cursor = Cursor { log: line.log, seq: line.seq, admitted: line.admitted };
        if line.cursor != cursor.to_string() {
            return Err(self.differs("cursor"));
        }
        self.order(&cursor)?;
        self.disowning.heard(self.number, &cursor, &signed);
        self.counts.expired += u64::from(time::now() >= signed.message().expires);
        match signed.message().channel.plane {
            Plane::Live => self.counts.live += 1,
            Plane::Exercise => self.counts.exercise += 1,
        }
        Ok(())
    }

    /// What people read must be what was signed, and nothing more must stand there.
    fn readable_part(&self, bytes: &[u8], signed: &VerifiedMessage) -> Result<(), Bad> {
        let shown: Value = parse(bytes)?;
        let message = signed.message();
        let claims = signed.chain().leaf().claims();
        let text = |value: &dyn ToString| Value::from(value.to_string());
        let content = serde_json::to_value(&message.content).map_err(|error| Bad(error.to_string()))?;
        let label = serde_json::to_value(&message.label).map_err(|error| Bad(error.to_string()))?;
        let expected = [
            ("/id", text(&signed.id())),
            ("/channel", text(&message.channel)),
            ("/plane", text(&message.channel.plane)),
            ("/sent", Value::from(message.sent.as_millis())),
            ("/severity", text(&message.severity)),
            ("/label", label),
            ("/verified", Value::from(true)),
            ("/author/name", text(&claims.name)),
            ("/author/org", text(&claims.org)),
            ("/author/credential", text(&signed.credential())),
            ("/content", content),
        ];
        for (pointer, value) in expected {
            if shown.pointer(pointer) != Some(&value) {
                return Err(self.differs(pointer.trim_start_matches('/')));
            }
        }
        let mut places: Vec<Value> = Vec::new();
        for grant in claims.grants.iter().filter(|grant| grant.publish.is_some()) {
            let place = Value::from(grant.at.as_str());
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if shown.pointer("/author/at") != Some(&Value::from(places)) {
            return Err(self.differs("author/at"));
        }
        self.nothing_more(&shown, "", &MESSAGE_MEMBERS)?;
        self.nothing_more(&shown, "/author", &AUTHOR_MEMBERS)
    }

    /// Below the pointer are these members, and no others that could be taken for what was signed.
    fn nothing_more(&self, shown: &Value, pointer: &str, known: &[&str]) -> Result<(), Bad> {
        let members = shown.pointer(pointer).and_then(Value::as_object);
        match members.and_then(|members| members.keys().find(|member| !known.contains(&member.as_str()))) {
            Some(member) => Err(Bad(self.lang.unknown_member(member))),
            None => Ok(()),
        }
    }

    /// Within a log sequences rise, and the relay's time never goes back.
    fn order(&mut self, cursor: &Cursor) -> Result<(), Bad> {
        let before = self.places.get(&cursor.log);
        if before.is_some_and(|(seq, admitted)| cursor.seq <= *seq || cursor.admitted < *admitted) {
            return Err(Bad(self.lang.out_of_order(cursor.seq)));
        }
        if before.is_none() && self.places.len() >= LOGS_MAX {
            return Err(Bad(self.lang.too_many("logs", LOGS_MAX)));
        }
        self.places.insert(cursor.log, (cursor.seq, cursor.admitted));
        Ok(())
    }

    fn unfit(&self, unfit: Unfit) -> Bad {
        match unfit {
            Unfit::Refused(refusal) => Bad(refusal_text(self.lang, &refusal)),
            Unfit::Differs(member) => self.differs(member),
            Unfit::NotGiven(id) => Bad(self.lang.credential_missing(id)),
            Unfit::TooMany => Bad(self.lang.too_many("credentials", CREDENTIALS_MAX)),
        }
    }

    fn differs(&self, member: &str) -> Bad {
        Bad(self.lang.member_differs(member))
    }
}

fn cursor_of(text: &str) -> Result<Cursor, Bad> {
    text.parse().map_err(|error: MalformedCursor| Bad(error.to_string()))
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, Bad> {
    serde_json::from_slice(line).map_err(|error| Bad(error.to_string()))
}
