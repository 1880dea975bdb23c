//! `vigie journal import`: a new log out of a backup or an export, judged again record by record.
//!
//! Every message goes through `verify` and `admit`, with its own `admitted` as now, as if it came in at that moment: what
//! no relay with these roots would have admitted does not come in. Places, times and order stay; the log is a new one, so
//! that nobody takes it for a continuation of the old, and says from which place of which log it comes. Credentials are
//! stored before the first message that needs them, and only those. Ids are in force again: a replay gets its receipt.
//!
//! Revocations come in at the place from which they hold, with their issuers judged as a relay does, so that nothing
//! follows under a chain that they end, and are counted anew.
//!
//! An export must be as it was written, its last line says so, and it must be of the whole log; a part is taken where that was
//! asked for. Then the places of what is not in it stay empty, and the new log says that it comes from the last message
//! that came in. A reader who comes with a place of the old log is told that this is another one; one who begins at the
//! beginning hears what there is, and no gap: nobody can say of a place here what had been in it there.
//!
//! All or nothing, also when it is killed: see [`FreshFolder`]. The first record that is refused ends it, or is left out
//! and listed when that was asked for.

mod done;
mod known;

use std::collections::HashSet;
use std::path::Path;

use bytes::Bytes;
use serde::Serialize;
use vigie_proto::admit::{Admission, RevocationAdmission, Stored, admit, admit_revocation};
use vigie_proto::chain::Chain;
use vigie_proto::cursor::Cursor;
use vigie_proto::frame::GapReason;
use vigie_proto::id::{CredentialId, LogId, Sequence};
use vigie_proto::limits::{CLOCK_SKEW_MAX, MESSAGE_LIFETIME_MAX};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::{InForce, Revocations, VerifiedRevocation};
use vigie_proto::time::Timestamp;
use vigie_proto::verify::VerifiedMessage;

use done::Done;
use known::Known;

use super::args::JournalImport;
use super::lines::{self, Line};
use super::waiting::Waiting;
use super::{Stopped, failed, folder, needed_roots, survey};
use crate::cli::exit::{Exit, Failure, Outcome, refusal_text};
use crate::cli::judge::{Judge, Unfit, same};
use crate::cli::screen::{Screen, escape};
use crate::cli::session::Session;
use crate::cli::text::Lang;
use crate::cli::time;
use crate::journal::{
    CarriedId, DirStorage, ForkedFrom, FreshFolder, Journal, JournalConfig, JournalError, MessageRecord, Met,
    NewJournal, Record, RevocationRecord,
};
use crate::revocations::REVOCATIONS_MAX;
use crate::sequencer::IDS_IN_FORCE_MAX;

/// Signed bytes in one sync: with their chains well under the journal's bound of 16 MiB.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Messages in one sync. Each may bring a whole chain: 5 MiB at the worst.
const BATCH_MESSAGES: usize = 512;

pub(super) fn run(session: Session<'_>, args: &JournalImport) -> Outcome {
    let screen = session.screen;
    let lang = screen.lang;
    let (dir, config) = folder(screen, args.journal.as_deref(), args.trust.config.as_deref())?;
    let judge = Judge::new(needed_roots(session, &args.trust)?);
    if !dir.is_dir() {
        return Err(Failure::new(Exit::Configuration, lang.no_journal_folder(dir.display())));
    }
    let not_possible = |error: &JournalError| failed(lang, &dir, error);
    let fresh = FreshFolder::beside(&dir).map_err(|error| not_possible(&error))?;
    let mut import = Import::new(screen, judge, args, fresh.path(), config)
        .map_err(|stopped| stopped.into_failure(lang, &dir))?;
    let from = if args.source.is_dir() { import.folder(&args.source) } else { import.export(&args.source) };
    let nothing = |failure: Failure| failure.reworded(|why| lang.nothing_imported(why));
    let done =
        from.and_then(|from| import.finish(from).map_err(|error| not_possible(&error))).map_err(nothing)?;
    fresh.put_in_place().map_err(|error| not_possible(&error))?;
    done.show(screen, &dir)
}

/// What is no refusal of a message: the codes of what else does not come in.
const DAMAGED: &str = "damaged";
const NO_LINE: &str = "no_line";
const SUSPECT: &str = "suspect";
const GAP: &str = "gap";
const CUT: &str = "cut_short";
const CHANGED: &str = "changed";

#[derive(Serialize)]
struct RefusedLine<'a> {
    r#type: &'static str,
    place: &'a str,
    seq: Option<Sequence>,
    code: &'static str,
    why: &'a str,
}

struct Import<'a> {
    screen: &'a Screen,
    judge: Judge,
    skip: bool,
    /// Whether a part of a log is taken too.
    partial: bool,
    journal: Journal<DirStorage>,
    known: Known,
    stored: HashSet<CredentialId>,
    /// Those that came in so far: what follows them is held against them.
    revocations: Revocations,
    /// Those that have not had their place yet.
    waiting: Waiting,
    /// The last place that came in.
    at: Stored,
    batch: Vec<Record>,
    batch_messages: usize,
    batch_bytes: usize,
    messages: u64,
    carried: u64,
    refused: u64,
    /// Messages that the old log had, where this is a part of it, or several.
    whole: Option<u64>,
}

impl<'a> Import<'a> {
    fn new(
        screen: &'a Screen,
        judge: Judge,
        args: &JournalImport,
        folder: &Path,
        mut config: JournalConfig,
    ) -> Result<Self, Stopped> {
        let storage = DirStorage::open(folder)
            .map_err(|source| JournalError::Storage { doing: "open the folder of the import", source })?;
        // In the folder beside, which was made for it.
        config.new_journal = NewJournal::Allowed;
        let journal = Journal::open(storage, config, new_log(screen.lang)?, &mut |_| Ok(()))?;
        let at = Stored { seq: Sequence::START, admitted: Timestamp::EPOCH };
        Ok(Self {
            screen,
            judge,
            skip: args.skip_refused,
            partial: args.partial,
            journal,
            known: Known::default(),
            stored: HashSet::new(),
            revocations: Revocations::default(),
            waiting: Waiting::default(),
            at,
            batch: Vec::new(),
            batch_messages: 0,
            batch_bytes: 0,
            messages: 0,
            carried: 0,
            refused: 0,
            whole: None,
        })
    }

    /// Takes over a backup, or a journal at rest.
    fn folder(&mut self, dir: &Path) -> Result<ForkedFrom, Failure> {
        let lang = self.screen.lang;
        let (_, survey) = survey(lang, dir)?;
        self.judge.learn(&survey).map_err(|error| failed(lang, dir, &error))?;
        self.waiting = Waiting::of(&survey, lang).map_err(|error| failed(lang, dir, &error))?;
        survey
            .walk::<Stopped>(&mut |met| self.met(met))
            .and_then(|()| self.revoke_before(Sequence::new(u64::MAX)))
            .map_err(|stopped| stopped.into_failure(lang, dir))?;
        Ok(ForkedFrom { log: survey.log(), seq: survey.last_seq(), admitted: survey.last_admitted() })
    }

    fn met(&mut self, met: Met<'_>) -> Result<(), Stopped> {
        let (record, segment, offset) = match met {
            Met::Record { record, segment, offset, .. } => (record, segment, offset),
            Met::Damage(range) => {
                let lang = self.screen.lang;
                let place = lang.damage_line(&range.segment, range.offset, range.what);
                return Ok(self.leave_out(&place, None, DAMAGED, lang.lost_with_damage())?);
            }
        };
        let lang = self.screen.lang;
        match record {
            Record::Credential { id, jws } => match self.judge.credential(id, &jws) {
                Ok(()) => Ok(()),
                Err(unfit) => {
                    let place = lang.record_at(lang.a_credential(), segment, offset);
                    Ok(self.refuse(&place, None, &unfit.into())?)
                }
            },
            Record::Message(record) => {
                let stored = Stored { seq: record.seq, admitted: record.admitted };
                let judged = self.judge.message(&record.jws);
                let judged = judged.and_then(|signed| same(&record, &signed).map(|()| signed));
                let place = lang.record_at(lang.message_at(record.seq), segment, offset);
                self.revoke_before(record.seq)?;
                self.message(&place, stored, judged)
            }
            // Each has its turn at its own place, wherever it stands.
            Record::Revocation(_) => Ok(()),
            Record::Carried(carried) => self.carry(carried),
            Record::Forked(from) => self.put(Record::Forked(from), 0),
        }
    }

    /// Takes over an export.
    fn export(&mut self, path: &Path) -> Result<ForkedFrom, Failure> {
        let lang = self.screen.lang;
        let mut head: Option<Cursor> = None;
        let mut ended = false;
        lines::read(lang, path, &mut |number, line| {
            // Whatever comes after the end shows that it was none.
            ended = matches!(line, Ok(Line::End { .. }));
            if let Ok(Line::Message { cursor, .. } | Line::Suspect { cursor } | Line::CaughtUp { cursor }) =
                &line
            {
                if head.is_some_and(|head| head.log != cursor.log) {
                    return Err(Failure::new(Exit::VerificationFailed, lang.several_logs(number)));
                }
                head = Some(*cursor);
            }
            self.line(number, line).map_err(|stopped| stopped.into_failure(lang, path))
        })?;
        let Some(head) = head else {
            return Err(Failure::new(Exit::VerificationFailed, lang.export_empty(path.display())));
        };
        if !ended {
            self.leave_out(&lang.export_end(path.display()), None, CUT, lang.export_cut())?;
        }
        // What a part leaves out behind its last message was not imported.
        let (seq, admitted) = match self.whole {
            Some(_) => (self.at.seq, self.at.admitted),
            None => (head.seq, head.admitted),
        };
        self.waiting.not_after(seq);
        self.revoke_before(Sequence::new(u64::MAX)).map_err(|stopped| stopped.into_failure(lang, path))?;
        Ok(ForkedFrom { log: head.log, seq, admitted })
    }

    fn line(&mut self, number: u64, line: Result<Line, String>) -> Result<(), Stopped> {
        let lang = self.screen.lang;
        let place = lang.line_at(number);
        match line {
            Err(why) => Ok(self.leave_out(&place, None, NO_LINE, escape(&why))?),
            Ok(Line::Credential { id, jws }) => match self.judge.credential(id, jws.as_bytes()) {
                Ok(()) => Ok(()),
                Err(unfit) => Ok(self.refuse(&place, None, &unfit.into())?),
            },
            Ok(Line::Message { id, cursor, jws }) => {
                let judged = self.judge.message(jws.as_bytes());
                let judged =
                    judged.and_then(
                        |signed| if signed.id() == id { Ok(signed) } else { Err(Unfit::Differs("id")) },
                    );
                self.revoke_before(cursor.seq)?;
                self.message(&place, Stored { seq: cursor.seq, admitted: cursor.admitted }, judged)
            }
            Ok(Line::Suspect { cursor }) => {
                Ok(self.leave_out(&place, Some(cursor.seq), SUSPECT, lang.exported_as_suspect())?)
            }
            // What retention had removed was no part of the log any more.
            Ok(Line::Gap { reason: GapReason::Removed } | Line::CaughtUp { .. } | Line::Rotation) => Ok(()),
            Ok(Line::Carried(carried)) => Ok(self.carry_exported(&place, carried)?),
            Ok(Line::Revocation(record)) => self.wait(place, record),
            Ok(Line::End { end, differs }) => {
                if let Some(why) = differs {
                    self.leave_out(&place, None, CHANGED, why)?;
                }
                let Some(part) = end.part(lang) else { return Ok(()) };
                if !self.partial {
                    let told = lang.partial_needed(escape(&part));
                    return Err(Failure::new(Exit::VerificationFailed, told).into());
                }
                self.whole = Some(end.of());
                Ok(())
            }
            Ok(Line::Gap { reason }) => Ok(self.leave_out(&place, None, GAP, lang.gap_reason(reason))?),
        }
    }

    fn message(
        &mut self,
        place: &str,
        stored: Stored,
        judged: Result<VerifiedMessage, Unfit>,
    ) -> Result<(), Stopped> {
        match judged.map_err(Refusal::from).and_then(|signed| self.admit(&signed, stored).map(|()| signed)) {
            Ok(signed) => self.store(&signed, stored),
            Err(refusal) => Ok(self.refuse(place, Some(stored.seq), &refusal)?),
        }
    }

    /// What a relay judges at the entry, at the moment when this message entered the old log.
    fn admit(&mut self, signed: &VerifiedMessage, stored: Stored) -> Result<(), Refusal> {
        let malformed = |why: String| Err(Refusal::new(Code::MalformedMessage, why));
        if stored.seq <= self.at.seq || stored.admitted < self.at.admitted {
            return malformed(format!("it does not come after message {}", self.at.seq));
        }
        self.known.prune(stored.admitted);
        match admit(signed, stored.admitted, &self.known, &self.revocations)? {
            Admission::Fresh if self.known.in_force.len() >= IDS_IN_FORCE_MAX => Err(Code::Full.into()),
            Admission::Fresh => Ok(()),
            Admission::Known(first) => malformed(format!("it stands at {} already", first.seq)),
        }
    }

    /// Takes a revocation of an export until its place comes. Where that has passed, messages came in that it may end: so
    /// it must be one that came in before them, which another part of the same log gives again.
    fn wait(&mut self, place: String, record: RevocationRecord) -> Result<(), Stopped> {
        let refusal = if record.seq < self.at.seq {
            match self.judge.revocation(&record) {
                Ok(verified) if self.revocations.contains(verified.revocation()) => return Ok(()),
                Ok(_) => Refusal::new(Code::MalformedRevocation, format!("it stands behind {}", self.at.seq)),
                Err(unfit) => unfit.into(),
            }
        } else if self.waiting.len() + self.revocations.len() >= REVOCATIONS_MAX {
            Code::Full.into()
        } else {
            self.waiting.put(place, record);
            return Ok(());
        };
        Ok(self.refuse(&place, None, &refusal)?)
    }

    /// Lets in the revocations that hold before this place: for what follows, as they did in the old log.
    fn revoke_before(&mut self, seq: Sequence) -> Result<(), Stopped> {
        while let Some((place, record)) = self.waiting.before(seq) {
            let judged = self.judge.revocation(&record).map_err(Refusal::from);
            let judged = judged.and_then(|verified| {
                let admission = admit_revocation(&verified, record.admitted, &self.revocations)?;
                Ok((admission, verified))
            });
            match judged {
                Ok((RevocationAdmission::Fresh, verified)) => self.revoke(&verified, record)?,
                // The first stands.
                Ok((RevocationAdmission::Known, _)) => {}
                Err(refusal) => self.refuse(&place, None, &refusal)?,
            }
        }
        Ok(())
    }

    fn revoke(&mut self, verified: &VerifiedRevocation, mut record: RevocationRecord) -> Result<(), Stopped> {
        self.store_chain(verified.chain())?;
        self.revocations.insert(InForce::from(verified));
        // Counted anew: it is another log, and a count that stands there twice would hide one.
        record.count = self.revocations.len() as u64;
        self.put(Record::Revocation(record), 0)
    }

    fn store_chain(&mut self, chain: &Chain) -> Result<(), Stopped> {
        for link in chain.links() {
            if self.stored.insert(link.id()) {
                let jws = Bytes::copy_from_slice(link.token().as_bytes());
                self.put(Record::Credential { id: link.id(), jws }, 0)?;
            }
        }
        Ok(())
    }

    fn store(&mut self, signed: &VerifiedMessage, stored: Stored) -> Result<(), Stopped> {
        self.store_chain(signed.chain())?;
        let message = signed.message();
        self.known.in_force.insert(signed.id(), (stored, message.expires));
        self.at = stored;
        self.messages += 1;
        let record = MessageRecord {
            seq: stored.seq,
            admitted: stored.admitted,
            expires: message.expires,
            id: signed.id(),
            credential: signed.credential(),
            severity: message.severity,
            channel: message.channel.clone(),
            audience: message.label.audience().clone(),
            jws: Bytes::copy_from_slice(signed.token().as_bytes()),
        };
        let bytes = record.jws.len();
        self.put(Record::Message(record), bytes)
    }

    /// The id of a message that retention has removed: it counts as long as a replay could come.
    fn carry(&mut self, carried: CarriedId) -> Result<(), Stopped> {
        if time::now() >= carried.expires.plus(CLOCK_SKEW_MAX) {
            return Ok(());
        }
        self.carried += 1;
        self.put(Record::Carried(carried), 0)
    }

    /// The same out of an export. Nobody signed it, as nobody signs it in a journal; but it can hold an id no longer than
    /// a message could.
    fn carry_exported(&mut self, place: &str, carried: CarriedId) -> Result<(), Stopped> {
        let longest = carried.admitted.plus(CLOCK_SKEW_MAX).plus(MESSAGE_LIFETIME_MAX);
        let why = if carried.seq == Sequence::START || carried.expires > longest {
            Refusal::new(Code::MalformedMessage, "no message can have had this place and time")
        } else if self.carried >= IDS_IN_FORCE_MAX as u64 {
            Code::Full.into()
        } else {
            return self.carry(carried);
        };
        Ok(self.refuse(place, Some(carried.seq), &why)?)
    }

    /// Appends a record to the batch; a full batch is written before the next message and its chain.
    fn put(&mut self, record: Record, message_bytes: usize) -> Result<(), Stopped> {
        self.batch.push(record);
        self.batch_bytes += message_bytes;
        self.batch_messages += 1;
        if self.batch_messages >= BATCH_MESSAGES || self.batch_bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        self.journal.append(&self.batch)?;
        self.batch.clear();
        (self.batch_messages, self.batch_bytes) = (0, 0);
        Ok(())
    }

    fn refuse(&mut self, place: &str, seq: Option<Sequence>, refusal: &Refusal) -> Outcome {
        let why = refusal_text(self.screen.lang, refusal);
        self.leave_out(place, seq, refusal.code.as_str(), why)
    }

    /// Names what does not come in; unless it is to be left out, that is the end.
    fn leave_out(&mut self, place: &str, seq: Option<Sequence>, code: &'static str, why: String) -> Outcome {
        let told = self.screen.lang.import_refused(place, &why);
        if !self.skip {
            return Err(Failure::new(Exit::VerificationFailed, told));
        }
        self.refused += 1;
        if self.screen.json {
            return self.screen.object(&RefusedLine { r#type: "refused", place, seq, code, why: &why });
        }
        self.screen.line(&told)
    }

    /// Writes what is left, where it all comes from, and closes the journal.
    fn finish(mut self, from: ForkedFrom) -> Result<Done, JournalError> {
        self.batch.push(Record::Forked(from));
        self.flush()?;
        let log = self.journal.log();
        self.journal.close()?;
        Ok(Done {
            r#type: "import",
            log,
            from_log: from.log,
            from_seq: from.seq,
            from_admitted: from.admitted,
            messages: self.messages,
            credentials: self.stored.len(),
            carried: self.carried,
            revocations: self.revocations.len(),
            refused: self.refused,
            left_out: self.whole.map(|whole| whole.saturating_sub(self.messages)),
        })
    }
}

fn new_log(lang: Lang) -> Result<LogId, Failure> {
    let random = ring::rand::generate::<[u8; 16]>(&ring::rand::SystemRandom::new());
    random
        .map(|random| LogId::from_bytes(random.expose()))
        .map_err(|error| Failure::new(Exit::Failure, lang.cannot_make_key(error)))
}
