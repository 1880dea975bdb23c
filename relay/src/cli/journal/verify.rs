//! `vigie journal verify`: says what of a journal is sound, byte for byte and message for message.
//!
//! A tail behind the last synced mark is told and is no damage: a relay is writing there, or its last write was cut short
//! before anybody had a receipt for it; its next start keeps what is whole and cuts the rest. Where no relay writes and
//! nothing closed the newest segment, that is said too: a last page that was lost with what closed it looks the same.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use vigie_proto::id::Sequence;
use vigie_proto::refusal::{Code, Refusal};

use super::args::JournalVerify;
use super::backup::{TAIL_LOOK, TAIL_PATIENCE};
use super::{Stopped, damage_text, failed, folder, roots, survey};
use crate::cli::exit::{Exit, Failure, Outcome, heard_or_not, refusal_text};
use crate::cli::judge::{Judge, Unfit};
use crate::cli::screen::{Screen, Tone};
use crate::cli::session::Session;
use crate::cli::time;
use crate::journal::{DamagedRange, JournalError, Met, ReadOnlyDir, Record, Survey};

pub(super) fn run(session: Session<'_>, args: &JournalVerify) -> Outcome {
    let screen = session.screen;
    let (dir, _) = match (&args.dir, &args.trust.roots[..]) {
        // With both given the settings are not needed.
        (Some(dir), [_, ..]) => folder(screen, Some(dir), None)?,
        (dir, _) => folder(screen, dir.as_deref(), args.trust.config.as_deref())?,
    };
    let mut judge = roots(session, &args.trust)?.map(Judge::new);
    let (_, survey) = survey(screen.lang, &dir)?;
    if let Some(judge) = &mut judge {
        judge.learn(&survey).map_err(|error| failed(screen.lang, &dir, &error))?;
    }
    Check { screen, judge, found: Found::default() }.run(&dir, &survey)
}

/// How the newest segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Closing {
    /// By what a relay writes when it stops, or has nothing to do.
    Closed,
    /// A relay is writing there.
    Written,
    /// Neither.
    Unclean,
}

impl Closing {
    /// Waits where that tells a relay that writes from none.
    fn of(survey: &Survey<ReadOnlyDir>) -> Result<Self, JournalError> {
        if survey.is_closed() {
            return Ok(Self::Closed);
        }
        let deadline = Instant::now() + TAIL_PATIENCE;
        while Instant::now() < deadline {
            if survey.has_moved()? {
                return Ok(Self::Written);
            }
            std::thread::park_timeout(TAIL_LOOK);
        }
        Ok(Self::Unclean)
    }
}

/// What the records came to.
#[derive(Debug, Default)]
struct Found {
    records: u64,
    messages: u64,
    credentials: u64,
    carried: u64,
    suspects: u64,
    first: Option<Sequence>,
}

struct Check<'a> {
    screen: &'a Screen,
    /// `None` when nobody said whom to trust.
    judge: Option<Judge>,
    found: Found,
}

impl Check<'_> {
    fn run(mut self, dir: &Path, survey: &Survey<ReadOnlyDir>) -> Outcome {
        let lang = self.screen.lang;
        survey
            .walk::<Stopped>(&mut |met| Ok(self.take(met)?))
            .map_err(|stopped| stopped.into_failure(lang, dir))?;
        let closing = Closing::of(survey).map_err(|error| failed(lang, dir, &error))?;
        heard_or_not(self.conclude(survey, closing))?;
        if !survey.damage().is_empty() {
            return Err(Failure::quiet(Exit::Damaged));
        }
        if self.found.suspects > 0 { Err(Failure::quiet(Exit::VerificationFailed)) } else { Ok(()) }
    }

    fn take(&mut self, met: Met<'_>) -> Outcome {
        match met {
            Met::Damage(range) => heard_or_not(show_damage(self.screen, range)),
            Met::Record { record, segment, offset, .. } => {
                self.found.records += 1;
                let (seq, judged) = self.judge(&record);
                match judged {
                    Ok(()) => Ok(()),
                    Err(unfit) => {
                        self.found.suspects += 1;
                        heard_or_not(show_suspect(self.screen, &segment, offset, seq, &unfit.into()))
                    }
                }
            }
        }
    }

    /// Counts a record and judges it; with the place of a message.
    fn judge(&mut self, record: &Record) -> (Option<Sequence>, Result<(), Unfit>) {
        match record {
            Record::Message(message) => {
                self.found.messages += 1;
                self.found.first.get_or_insert(message.seq);
                let judged = self.judge.as_mut().map_or(Ok(()), |judge| judge.record(message).map(|_| ()));
                (Some(message.seq), judged)
            }
            Record::Credential { id, jws } => {
                self.found.credentials += 1;
                (None, self.judge.as_mut().map_or(Ok(()), |judge| judge.credential(*id, jws)))
            }
            Record::Revocation(record) => {
                (None, self.judge.as_mut().map_or(Ok(()), |judge| judge.revocation(record).map(drop)))
            }
            Record::Carried(_) => {
                self.found.carried += 1;
                (None, Ok(()))
            }
            Record::Forked(_) => (None, Ok(())),
        }
    }

    fn conclude(&self, survey: &Survey<ReadOnlyDir>, closing: Closing) -> Outcome {
        let (screen, lang, found) = (self.screen, self.screen.lang, &self.found);
        let (segments, bytes) = survey.size();
        let (synced_segment, synced_offset) = survey.synced();
        let (tail_records, tail_bytes) = survey.tail();
        let damage = survey.damage().len();
        let sound = damage == 0 && found.suspects == 0;
        if screen.json {
            return screen.object(&serde_json::json!({
                "type": "journal", "log": survey.log(), "format": survey.format(), "sound": sound,
                "backup_made": survey.backup_made(), "segments": segments, "bytes": bytes,
                "records": found.records, "messages": found.messages, "credentials": found.credentials,
                "carried": found.carried, "first": found.first, "last": survey.last_seq(),
                "synced": { "segment": synced_segment, "offset": synced_offset },
                "tail": { "records": tail_records, "bytes": tail_bytes },
                "closing": closing, "proven": survey.proven(),
                "damage": damage, "signatures": self.judge.is_some(), "suspects": found.suspects,
            }));
        }
        screen.line(&lang.journal_log(survey.log(), survey.format(), segments, bytes))?;
        if let Some(made) = survey.backup_made() {
            screen.line(&lang.journal_is_backup(time::date(made)))?;
        }
        let first = found.first.unwrap_or(Sequence::START);
        let (credentials, carried) = (found.credentials, found.carried);
        screen.line(&lang.journal_records(found.messages, first, survey.last_seq(), credentials, carried))?;
        screen.line(&lang.journal_synced(synced_segment, synced_offset))?;
        if tail_records > 0 || tail_bytes > 0 {
            screen.line(&lang.journal_tail(tail_records, tail_bytes))?;
        }
        if closing == Closing::Unclean {
            screen.line(&lang.journal_unclean(survey.proven()))?;
        }
        if self.judge.is_none() {
            screen.line(&lang.journal_unjudged())?;
        }
        let (tone, word) =
            if sound { (Tone::Good, lang.journal_sound()) } else { (Tone::Bad, lang.journal_not_sound()) };
        screen.line(&format!(
            "{}  {}",
            screen.paint(tone, &word),
            lang.journal_faults(damage, found.suspects)
        ))
    }
}

#[derive(Serialize)]
struct DamageLine<'a> {
    r#type: &'static str,
    segment: &'a str,
    offset: u64,
    what: &'a str,
    after: Sequence,
    next: Sequence,
}

/// Damage, as data.
fn show_damage(screen: &Screen, range: &DamagedRange) -> Outcome {
    if screen.json {
        let DamagedRange { segment, offset, what, after, next } = range;
        return screen.object(&DamageLine {
            r#type: "damage",
            segment,
            offset: *offset,
            what,
            after: *after,
            next: *next,
        });
    }
    screen.line(&damage_text(screen, range))
}

#[derive(Serialize)]
struct SuspectLine<'a> {
    r#type: &'static str,
    segment: &'a str,
    offset: u64,
    seq: Option<Sequence>,
    code: Code,
    detail: &'a str,
}

fn show_suspect(
    screen: &Screen,
    segment: &str,
    offset: u64,
    seq: Option<Sequence>,
    refusal: &Refusal,
) -> Outcome {
    if screen.json {
        let (code, detail) = (refusal.code, &*refusal.detail);
        return screen.object(&SuspectLine { r#type: "suspect", segment, offset, seq, code, detail });
    }
    let lang = screen.lang;
    let place = seq.map_or_else(|| lang.a_credential(), |seq| lang.message_at(seq));
    let told = lang.suspect_record(place, segment, offset, refusal_text(lang, refusal));
    screen.line(&format!("{}  {told}", screen.paint(Tone::Bad, &lang.not_verified())))
}
