//! `vigie journal stats`: what a journal holds, in figures.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vigie_proto::id::{CredentialId, MessageId, Sequence};
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::time::Timestamp;

use super::args::JournalStats;
use super::{Stopped, folder, survey};
use crate::cli::exit::{Exit, Failure, Outcome, heard_or_not};
use crate::cli::screen::Screen;
use crate::cli::text::Lang;
use crate::cli::time;
use crate::journal::{
    ForkedFrom, JournalConfig, Met, ReadOnlyDir, Record, Storage as _, StorageFile as _, Survey,
};

/// The file that keeps room for urgent messages, beside the segments.
const RESERVE_NAME: &str = "reserve";

pub(super) fn run(screen: &Screen, args: &JournalStats) -> Outcome {
    let lang = screen.lang;
    let (dir, config) = folder(screen, args.dir.as_deref(), args.config.as_deref())?;
    let (storage, survey) = survey(lang, &dir)?;
    let mut held = Held::new(time::now());
    survey
        .walk::<Stopped>(&mut |met| {
            if let Met::Record { record, .. } = met {
                held.take(&record);
            }
            Ok(())
        })
        .map_err(|stopped| stopped.into_failure(lang, &dir))?;
    let reserve = storage.open(RESERVE_NAME).and_then(|file| file.size()).unwrap_or_default();
    let figures = Figures::new(&survey, held, reserve, &config);
    heard_or_not(if screen.json { screen.object(&figures) } else { figures.show(screen) })?;
    // The figures leave out what cannot be read.
    if survey.damage().is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Damaged, lang.stats_incomplete(survey.damage().len(), dir.display())))
}

/// What a walk counts.
#[derive(Debug)]
struct Held {
    now: Timestamp,
    /// By plane and flow, then by severity.
    messages: BTreeMap<String, BTreeMap<&'static str, u64>>,
    count: u64,
    signed_bytes: u64,
    /// Ids whose replay a relay would still meet.
    in_force: BTreeSet<MessageId>,
    credentials: BTreeSet<CredentialId>,
    first: Option<(Sequence, Timestamp)>,
    forked_from: Option<ForkedFrom>,
}

impl Held {
    fn new(now: Timestamp) -> Self {
        Self {
            now,
            messages: BTreeMap::new(),
            count: 0,
            signed_bytes: 0,
            in_force: BTreeSet::new(),
            credentials: BTreeSet::new(),
            first: None,
            forked_from: None,
        }
    }

    fn take(&mut self, record: &Record) {
        match record {
            Record::Credential { id, .. } => {
                self.credentials.insert(*id);
            }
            Record::Message(message) => {
                let channel = &message.channel;
                let kind = format!("{}/{}", channel.plane, channel.flow);
                *self.messages.entry(kind).or_default().entry(message.severity.as_str()).or_default() += 1;
                self.count += 1;
                self.signed_bytes += message.jws.len() as u64;
                self.first.get_or_insert((message.seq, message.admitted));
                self.id(message.id, message.expires);
            }
            Record::Revocation(_) => {}
            Record::Carried(carried) => self.id(carried.id, carried.expires),
            // The last one says where this very log comes from; those before it, where that one came from.
            Record::Forked(from) => self.forked_from = Some(*from),
        }
    }

    fn id(&mut self, id: MessageId, expires: Timestamp) {
        if self.now < expires.plus(CLOCK_SKEW_MAX) {
            self.in_force.insert(id);
        }
    }
}

#[derive(Debug, Serialize)]
struct Fork {
    log: vigie_proto::id::LogId,
    seq: Sequence,
    admitted: Timestamp,
}

/// What retention would remove now.
#[derive(Debug, Serialize)]
struct Due {
    segments: usize,
    bytes: u64,
    first_kept: Sequence,
}

#[derive(Debug, Serialize)]
struct Figures {
    r#type: &'static str,
    log: vigie_proto::id::LogId,
    format: u32,
    forked_from: Option<Fork>,
    backup_made: Option<Timestamp>,
    first: Option<Sequence>,
    first_admitted: Option<Timestamp>,
    last: Option<Sequence>,
    last_admitted: Option<Timestamp>,
    messages: u64,
    by_kind: BTreeMap<String, BTreeMap<&'static str, u64>>,
    signed_bytes: u64,
    segments: usize,
    bytes: u64,
    reserve_bytes: u64,
    ids_in_force: usize,
    credentials: usize,
    retain_age_s: u64,
    retain_bytes: u64,
    due: Option<Due>,
    damage: usize,
}

impl Figures {
    fn new(survey: &Survey<ReadOnlyDir>, held: Held, reserve_bytes: u64, config: &JournalConfig) -> Self {
        let fork = |from: ForkedFrom| Fork { log: from.log, seq: from.seq, admitted: from.admitted };
        let due = survey.due(config, held.now);
        let (segments, bytes) = survey.size();
        let some = held.count > 0;
        Self {
            r#type: "journal_stats",
            log: survey.log(),
            format: survey.format(),
            forked_from: held.forked_from.map(fork),
            backup_made: survey.backup_made(),
            first: held.first.map(|(seq, _)| seq),
            first_admitted: held.first.map(|(_, admitted)| admitted),
            last: some.then(|| survey.last_seq()),
            last_admitted: some.then(|| survey.last_admitted()),
            messages: held.count,
            by_kind: held.messages,
            signed_bytes: held.signed_bytes,
            segments,
            bytes,
            reserve_bytes,
            ids_in_force: held.in_force.len(),
            credentials: held.credentials.len(),
            retain_age_s: config.retain_age.as_secs(),
            retain_bytes: config.retain_bytes,
            due: due.map(|(segments, bytes, first_kept)| Due { segments, bytes, first_kept }),
            damage: survey.damage().len(),
        }
    }

    fn show(&self, screen: &Screen) -> Outcome {
        let lang = screen.lang;
        screen.line(&lang.journal_log(self.log, self.format, self.segments, self.bytes))?;
        if let Some(made) = self.backup_made {
            screen.line(&lang.journal_is_backup(time::date(made)))?;
        }
        if let Some(from) = &self.forked_from {
            screen.line(&lang.journal_forked(from.log, from.seq, time::date(from.admitted)))?;
        }
        screen.line(&self.span(lang))?;
        for (kind, severities) in &self.by_kind {
            let counts: Vec<String> =
                severities.iter().map(|(severity, count)| format!("{severity} {count}")).collect();
            screen.line(&format!("  {kind}: {}", counts.join(", ")))?;
        }
        screen.line(&lang.journal_in_force(self.ids_in_force, self.credentials))?;
        screen.line(&lang.journal_reserve(self.reserve_bytes))?;
        screen.line(&match &self.due {
            None => lang.nothing_due(),
            Some(due) => lang.due(due.segments, due.bytes, due.first_kept),
        })
    }

    fn span(&self, lang: Lang) -> String {
        let (Some(first), Some(last)) = (self.first, self.last) else { return lang.journal_empty() };
        let at = |at: Option<Timestamp>| time::date(at.unwrap_or(Timestamp::EPOCH));
        let (from, to) = (at(self.first_admitted), at(self.last_admitted));
        lang.journal_span(self.messages, first, from, last, to, self.signed_bytes)
    }
}
