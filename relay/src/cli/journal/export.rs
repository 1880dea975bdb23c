//! `vigie journal export`: a journal, or a part of it, in the form that `vigie verify` reads.
//!
//! A record at a time, whatever the size. What cannot be given is told in its place: damage and what retention removed as `gap`,
//! a message that does not verify as one that is marked so, and the ids in force of messages that were removed as `carried`,
//! whatever was asked for, so that no replay gets in where the export is imported. So do the revocations, each once and at
//! the place from which it holds, wherever retention has written it: who is out stays out. The last line says what was asked for and
//! what the lines before it come to ([`EndLine`](crate::cli::tally::EndLine)): without it an export was cut.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vigie_proto::channel::{Channel, Filter};
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::GapReason;
use vigie_proto::id::{CredentialId, MessageId, Sequence};
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::refusal::Refusal;
use vigie_proto::time::Timestamp;

use super::args::JournalExport;
use super::waiting::Waiting;
use super::{Stopped, damage_text, failed, folder, needed_roots, survey};
use crate::cli::channels;
use crate::cli::exit::{Exit, Failure, Outcome, refusal_text};
use crate::cli::export::{Export, Shown, Sink};
use crate::cli::files;
use crate::cli::judge::Judge;
use crate::cli::screen::{Screen, json};
use crate::cli::session::Session;
use crate::cli::tally::{Asked, Tally};
use crate::cli::time;
use crate::journal::{CarriedId, DamagedRange, MessageRecord, Met, ReadOnlyDir, Record, Survey};

pub(super) fn run(session: Session<'_>, args: &JournalExport) -> Outcome {
    let screen = session.screen;
    let lang = screen.lang;
    let (dir, _) = folder(screen, args.dir.as_deref(), args.trust.config.as_deref())?;
    let mut judge = Judge::new(needed_roots(session, &args.trust)?);
    let wanted = Wanted::new(screen, args)?;
    let (_, survey) = survey(lang, &dir)?;
    judge.learn(&survey).map_err(|error| failed(lang, &dir, &error))?;
    let revocations = Waiting::of(&survey, lang).map_err(|error| failed(lang, &dir, &error))?;
    let to = Output::open(screen, &args.output)?;
    let before = Cursor { log: survey.log(), seq: Sequence::START, admitted: Timestamp::EPOCH };
    let asked = wanted.asked(args);
    let mut writer = Writer {
        screen,
        judge,
        wanted,
        to,
        export: Export::default(),
        revocations,
        at: before,
        untold: 0,
        left_out: 0,
    };
    writer.rotations()?;
    writer.removed(&survey)?;
    let walked = survey
        .walk::<Stopped>(&mut |met| Ok(writer.take(met)?))
        .map_err(|stopped| stopped.into_failure(lang, &dir));
    // Who has read enough of it is not told that it was whole.
    match walked.and_then(|()| writer.finish(&survey, asked)) {
        Err(failure) if failure.is_closed_pipe() && !survey.damage().is_empty() => {
            Err(Failure::quiet(Exit::Damaged))
        }
        Ok(()) if args.output != Path::new("-") => {
            screen.say(&lang.exported(args.output.display()));
            Ok(())
        }
        ended => ended,
    }
}

/// Which messages are asked for.
struct Wanted {
    from: u64,
    to: u64,
    channels: Vec<Filter>,
}

impl Wanted {
    fn new(screen: &Screen, args: &JournalExport) -> Result<Self, Failure> {
        let plane = channels::plane(args.exercise);
        let parsed = args.channel.iter().map(|text| channels::filter(screen.lang, text, plane));
        let channels = parsed.collect::<Result<_, _>>()?;
        Ok(Self { from: args.from.unwrap_or(0), to: args.to.unwrap_or(u64::MAX), channels })
    }

    /// For the last line: only what leaves something out is a part.
    fn asked(&self, args: &JournalExport) -> Asked {
        Asked {
            from: (self.from > 1).then(|| Sequence::new(self.from)),
            to: args.to.map(Sequence::new),
            channels: args.channel.clone(),
            exercise: args.exercise,
        }
    }

    fn takes(&self, message: &MessageRecord) -> bool {
        let on = |filter: &Filter| {
            let (wanted, channel): (&Channel, &Channel) = (&filter.channel, &message.channel);
            let below = filter.subtree
                && (wanted.plane, wanted.flow) == (channel.plane, channel.flow)
                && wanted.at.contains(&channel.at);
            wanted == channel || below
        };
        (self.from..=self.to).contains(&message.seq.get())
            && (self.channels.is_empty() || self.channels.iter().any(on))
    }

    /// Whether some place after the one and before the other is asked for.
    fn meets(&self, after: Sequence, next: Sequence) -> bool {
        after.get() + 1 < next.get() && self.from < next.get() && self.to > after.get()
    }
}

struct Writer<'a> {
    screen: &'a Screen,
    judge: Judge,
    wanted: Wanted,
    to: Output<'a>,
    export: Export,
    /// Those that have not had their place yet.
    revocations: Waiting,
    /// The last place that was met, asked for or not.
    at: Cursor,
    /// Gaps and suspects: what is in the journal's place and not in the export.
    untold: u64,
    /// Messages that were not asked for.
    left_out: u64,
}

/// The id of a message that retention removed, as long as a replay could come.
#[derive(Serialize)]
struct CarriedLine {
    r#type: &'static str,
    id: MessageId,
    seq: Sequence,
    admitted: Timestamp,
    expires: Timestamp,
    credential: CredentialId,
}

impl Writer<'_> {
    /// What the trusted roots have stated: with it the export is verified under older pins, too.
    fn rotations(&mut self) -> Outcome {
        let Self { judge, to, .. } = self;
        judge.rotations().try_for_each(|rotation| Export::put_rotation(to, rotation))
    }

    /// Tells what retention has removed, where it was asked for.
    fn removed(&mut self, survey: &Survey<ReadOnlyDir>) -> Outcome {
        let (last, admitted) = survey.before_first();
        if !self.wanted.meets(Sequence::START, last.next()) {
            return Ok(());
        }
        let to = Cursor { seq: last, admitted, ..self.at };
        Export::put_gap(&mut self.to, GapReason::Removed, None, Some(to))?;
        self.screen.warn(&self.screen.lang.export_removed(last));
        Ok(())
    }

    fn take(&mut self, met: Met<'_>) -> Outcome {
        match met {
            Met::Damage(range) => self.damage(range),
            Met::Record { record: Record::Message(message), .. } => self.message(&message),
            Met::Record { record: Record::Credential { id, jws }, .. } => {
                // A message that needs it is told as suspect.
                if let Err(unfit) = self.judge.credential(id, &jws) {
                    let told = refusal_text(self.screen.lang, &unfit.into());
                    self.screen.warn(&self.screen.lang.export_suspect(self.screen.lang.a_credential(), told));
                }
                Ok(())
            }
            Met::Record { record: Record::Carried(carried), .. } => self.carried(&carried),
            // Each has its turn at its own place, wherever it stands.
            Met::Record { record: Record::Revocation(_) | Record::Forked(_), .. } => Ok(()),
        }
    }

    fn carried(&mut self, carried: &CarriedId) -> Outcome {
        let CarriedId { seq, admitted, expires, id, credential } = *carried;
        if time::now() >= expires.plus(CLOCK_SKEW_MAX) {
            return Ok(());
        }
        self.to.object(&CarriedLine { r#type: "carried", id, seq, admitted, expires, credential })
    }

    fn damage(&mut self, range: &DamagedRange) -> Outcome {
        self.screen.warn(&damage_text(self.screen, range));
        self.untold += 1;
        if !self.wanted.meets(range.after, range.next) {
            return Ok(());
        }
        let to = Cursor { seq: Sequence::new(range.next.get() - 1), ..self.at };
        Export::put_gap(&mut self.to, GapReason::Damaged, Some(self.at), Some(to))
    }

    /// Tells the revocations that hold before this place. They are of the whole log: of a part, too.
    fn revoked_before(&mut self, seq: Sequence) -> Outcome {
        while let Some((place, record)) = self.revocations.before(seq) {
            match self.judge.revocation(&record) {
                Ok(verified) => self.export.put_revocation(&mut self.to, &record, &verified)?,
                Err(unfit) => {
                    self.untold += 1;
                    let why = refusal_text(self.screen.lang, &unfit.into());
                    self.screen.warn(&self.screen.lang.export_without(place, why));
                }
            }
        }
        Ok(())
    }

    fn message(&mut self, record: &MessageRecord) -> Outcome {
        self.revoked_before(record.seq)?;
        self.at = Cursor { seq: record.seq, admitted: record.admitted, ..self.at };
        if !self.wanted.takes(record) {
            self.left_out += 1;
            return Ok(());
        }
        match self.judge.record(record) {
            Ok(signed) => {
                let shown = Shown {
                    id: signed.id(),
                    cursor: self.at,
                    message: signed.message(),
                    chain: signed.chain(),
                    token: signed.token(),
                    expired: time::now() >= signed.message().expires,
                };
                self.export.put(&mut self.to, &shown)
            }
            Err(unfit) => {
                let refusal = Refusal::from(unfit);
                self.untold += 1;
                let lang = self.screen.lang;
                let told = lang.export_suspect(lang.message_at(record.seq), refusal_text(lang, &refusal));
                self.screen.warn(&told);
                let (plane, jws) = (record.channel.plane, String::from_utf8_lossy(&record.jws));
                Export::put_suspect(&mut self.to, plane, self.at, refusal.code, &refusal.detail, &jws)
            }
        }
    }

    fn finish(mut self, survey: &Survey<ReadOnlyDir>, asked: Asked) -> Outcome {
        self.revoked_before(Sequence::new(u64::MAX))?;
        Export::put_caught_up(&mut self.to, &self.at)?;
        self.to.finish(asked, self.left_out)?;
        if !survey.damage().is_empty() {
            return Err(Failure::new(Exit::Damaged, self.screen.lang.export_incomplete(self.untold)));
        }
        if self.untold > 0 {
            let told = self.screen.lang.export_incomplete(self.untold);
            return Err(Failure::new(Exit::VerificationFailed, told));
        }
        Ok(())
    }
}

/// Where the lines go, and what they come to.
struct Output<'a> {
    place: Place<'a>,
    tally: Tally,
}

/// Standard output, or a file that gets its name once it is whole and synced.
enum Place<'a> {
    Stdout { screen: &'a Screen, out: BufWriter<io::Stdout> },
    File { screen: &'a Screen, out: BufWriter<File>, part: PathBuf, path: &'a Path },
}

impl<'a> Output<'a> {
    fn open(screen: &'a Screen, path: &'a Path) -> Result<Self, Failure> {
        Ok(Self { place: Place::open(screen, path)?, tally: Tally::default() })
    }

    fn finish(self, asked: Asked, left_out: u64) -> Outcome {
        let Self { mut place, tally } = self;
        let text = place.text(&tally.end(asked, left_out))?;
        place.write(&text)?;
        place.finish()
    }
}

impl<'a> Place<'a> {
    fn open(screen: &'a Screen, path: &'a Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Stdout { screen, out: BufWriter::new(io::stdout()) });
        }
        let cannot = |error: &io::Error| files::cannot_write(screen.lang, path, error);
        if path.exists() {
            return Err(cannot(&io::ErrorKind::AlreadyExists.into()));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        // What is restricted to some readers is in it too.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&part).map_err(|error| cannot(&error))?;
        Ok(Self::File { screen, out: BufWriter::new(file), part, path })
    }

    fn finish(self) -> Outcome {
        match self {
            Self::Stdout { screen, mut out } => out.flush().map_err(|error| screen.output_failed(&error)),
            Self::File { screen, out, part, path } => {
                let cannot = |error: &io::Error| files::cannot_write(screen.lang, path, error);
                let file = out.into_inner().map_err(|error| cannot(error.error()))?;
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                file.sync_all()
                    .and_then(|()| std::fs::rename(&part, path))
                    .and_then(|()| File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all())
                    .map_err(|error| cannot(&error))
            }
        }
    }
}

impl Sink for Output<'_> {
    fn object(&mut self, value: &impl Serialize) -> Outcome {
        let text = self.place.text(value)?;
        // The type is the first member of every line.
        let kind = text.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split('"').next());
        self.tally.take(kind.unwrap_or_default(), text.as_bytes());
        self.place.write(&text)
    }
}

impl Place<'_> {
    fn failed(&self, error: &io::Error) -> Failure {
        let (screen, path): (&Screen, Option<&Path>) = match self {
            Self::Stdout { screen, .. } => (screen, None),
            Self::File { screen, path, .. } => (screen, Some(path)),
        };
        match path {
            None => screen.output_failed(error),
            Some(path) => files::cannot_write(screen.lang, path, error),
        }
    }

    fn text(&self, value: &impl Serialize) -> Result<String, Failure> {
        json(value).map_err(|error| self.failed(&error.into()))
    }

    fn write(&mut self, text: &str) -> Outcome {
        let written = match self {
            Self::Stdout { out, .. } => writeln!(out, "{text}"),
            Self::File { out, .. } => writeln!(out, "{text}"),
        };
        written.map_err(|error| self.failed(&error))
    }
}
