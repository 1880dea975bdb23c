//! A [`Status`]: how the relay is at one moment, and what of it is red.
//!
//! Its members are those of the JSON that `GET /status` gives, in the same order and with the same names. They are
//! stable: later versions add members and codes, and change no meaning.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vigie_proto::id::{LogId, Sequence};
use vigie_proto::limits::MESSAGE_BYTES_MAX;
use vigie_proto::time::{Timestamp, millis};

use super::SyncStatus;
use super::clients::{HeldBackStatus, SessionStatus, StrangerStatus, UnheardStatus};
use super::codes::{Reason, Warning};
use super::expiry::{Notice, Validity};
use super::recovery::RecoveryStatus;
use crate::journal::DamagedRange;

/// A thread that has not moved for so long is taken for dead: restart the relay. Long, since a restart cures no slow disk
/// and costs every client its connection.
pub const LIVE_WITHIN: Duration = Duration::from_secs(30);

/// A thread that has not moved for so long keeps the relay from being ready: new clients are better off elsewhere.
pub const READY_WITHIN: Duration = Duration::from_secs(5);

/// How a relay is. Made by `Relay::status`, read from JSON by whoever asks the listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// The identity of the log.
    pub log: LogId,
    /// When the relay was started.
    pub started: Timestamp,
    /// For how long it has run, in milliseconds.
    pub uptime_ms: u64,
    /// Whether all its threads moved within [`LIVE_WITHIN`]: what `/livez` tells.
    pub live: bool,
    /// Whether it takes messages and gives them: what `/readyz` tells.
    pub ready: bool,
    /// Why it is not ready; empty when it is.
    pub reasons: Vec<Reason>,
    /// What somebody must look at although the relay goes on.
    pub warnings: Vec<Warning>,
    /// Its clock against the monotonic one.
    pub clock: ClockState,
    /// The journal.
    pub journal: JournalStatus,
    /// How long the disk takes.
    pub sync: SyncStatus,
    /// What became of messages since the start.
    pub publishes: PublishStatus,
    /// Publishes and revocations that came faster than they may, since the start.
    #[serde(default)]
    pub held_back: HeldBackStatus,
    /// Connections that are open, logged in or not.
    pub connections: u64,
    /// Past so many that are logged in a newcomer is sent away.
    pub connections_max: u64,
    /// Of those, the ones that have not logged in.
    #[serde(default)]
    pub strangers: StrangerStatus,
    /// Sessions by what they are.
    pub sessions: SessionStatus,
    /// Requests of sessions that were refused since the start, for whatever reason.
    pub requests_refused: u64,
    /// Log-ins that were refused, or did not come in time, since the start.
    pub logins_refused: u64,
    /// How often a worker had too many batches waiting and was given their end alone: its sessions then read the journal.
    pub jumps: u64,
    /// Refusals since the start by code, those that did not happen left out: of requests, log-ins and upgrades.
    #[serde(default)]
    pub refusals: BTreeMap<String, u64>,
    /// Connections that ended before they were a WebSocket and without a code, since the start.
    #[serde(default)]
    pub unheard: UnheardStatus,
    /// Events handed to connections since the start.
    #[serde(default)]
    pub deliveries: u64,
    /// Bytes of frames handed to connections since the start, before TLS.
    #[serde(default)]
    pub delivered_bytes: u64,
    /// How long the TLS certificate is good, or one above it that ends before; missing where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Validity>,
    /// A certificate or key that was to take the place of the one that clients are shown could not be used.
    #[serde(default)]
    pub certificate_refused: bool,
    /// How long the authority of client certificates is good; missing where none are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_authority: Option<Validity>,
    /// How long its revocation list is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_list: Option<Validity>,
    /// How long the relay's own credential is good; missing where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Validity>,
    /// How long the root is one that hands over first; missing where none has said so, or all have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Validity>,
    /// How long the credential is good that ends first of those that end soon above those of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Validity>,
    /// How many of these there are, as far as they are counted: 64 of each worker.
    #[serde(default)]
    pub issuers_ending: u64,
    /// New roots or rotations, which were to take the place of those that count, could not be used.
    #[serde(default)]
    pub roots_refused: bool,
    /// Threads that must move for the relay to be live.
    pub threads: Vec<ThreadStatus>,
    /// What of the journal cannot be read, in no particular order.
    pub damage: Vec<Damage>,
    /// More damage was met than `damage` lists.
    pub damage_left_out: bool,
}

/// Of [`Status`]: the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JournalStatus {
    /// The last sequence; 0 before the first message.
    pub head_seq: Sequence,
    /// When it was admitted; 0 before the first message.
    pub head_admitted: Timestamp,
    /// The lowest sequence that the journal may still have.
    pub first_seq: Sequence,
    /// Files that hold it.
    pub segments: u64,
    /// What they take on the disk, reserved or written.
    pub bytes: u64,
    /// What its disk has left for this relay; missing where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// Whether the room for cancels and urgent messages is all there.
    pub reserve_whole: bool,
    /// Whether the disk had no room when it was last needed: soon, if not yet, only cancels and what is urgent are stored.
    pub full: bool,
    /// Whether the disk failed: nothing is stored any more.
    pub failed: bool,
    /// Ids in force.
    pub ids: u64,
    /// Past so many (but for a sixteenth that is kept for cancels and urgent messages) messages are refused as `full`.
    pub ids_max: u64,
    /// Signed bytes of the messages in force: what retention may not remove.
    #[serde(default)]
    pub bytes_in_force: u64,
    /// Past so many (but for a sixteenth that is kept for cancels and urgent messages) messages are refused as `full`; 0 where
    /// the relay is of a version that does not tell.
    #[serde(default)]
    pub bytes_in_force_max: u64,
    /// Revocations that hold, of both planes.
    #[serde(default)]
    pub revocations: u64,
    /// Those that the journal had and could not give at the start, or stretches of damage in which one may have stood: whom
    /// they ended is let in again.
    #[serde(default)]
    pub revocations_lost: u64,
    /// Past so many (but for a sixteenth that is kept for roots) revocations are refused as `full`; 0 where the relay is of
    /// a version that does not tell.
    #[serde(default)]
    pub revocations_max: u64,
    /// How the relay found it at its start; missing where the relay is of a version that does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryStatus>,
}

/// Of [`Status`]: what became of messages that were well signed and inside their grants, since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PublishStatus {
    /// Receipts given; the same message again gets one again.
    pub receipts: u64,
    /// Refused by the journal: `full`, `clock_suspect`, expired while waiting, and the like.
    pub refused: u64,
    /// Batches: each is one write and one sync.
    pub batches: u64,
}

/// Of [`Status`]: one thread of the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ThreadStatus {
    /// `journal`, or `worker-` and a number.
    pub name: String,
    /// For how long it has not moved, in milliseconds; missing when it has not moved at all since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_ms: Option<u64>,
}

/// Of [`Status`]: messages that were on disk and cannot be read. Readers are told of a gap (`damaged`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Damage {
    /// When it was found.
    pub found: Found,
    /// Name of the file, in the folder of the journal.
    pub segment: String,
    /// Byte in the file.
    pub offset: u64,
    /// What was found there.
    pub what: String,
    /// The last sequence before it that was read.
    pub after_seq: Sequence,
    /// The next sequence that may be read.
    pub next_seq: Sequence,
}

/// When damage was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Found {
    /// When the relay was started.
    AtStart,
    /// By a reader, while it runs: damage that is new since the start.
    Reading,
}

/// The relay's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClockState {
    /// It is believed.
    Ok,
    /// It jumped: nothing is admitted until it is back.
    Suspect,
}

/// What decides whether a relay is live and ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) stopping: bool,
    /// A thread panicked, or the journal failed.
    pub(super) ended: bool,
}

impl Status {
    /// Judges itself: `live`, `ready`, reasons and warnings follow from the rest.
    pub(super) fn judged(mut self, facts: Facts) -> Self {
        let any_silent = |longer| self.silent_threads(longer).next().is_some();
        let notice =
            |validity: &Option<Validity>| validity.as_ref().map_or(Notice::None, |validity| validity.notice);
        let (certificate, credential) = (notice(&self.certificate), notice(&self.credential));
        let clients = notice(&self.client_authority).max(notice(&self.client_list));
        let ids_left = self.journal.ids_max.saturating_sub(self.journal.ids);
        let bytes_left = self.journal.bytes_in_force_max.saturating_sub(self.journal.bytes_in_force);
        let revocations_left = self.journal.revocations_max.saturating_sub(self.journal.revocations);
        let sessions_left = self.connections_max.saturating_sub(self.sessions.logged_in);
        let is_crowded = self.connections_max > 0 && sessions_left <= self.connections_max / 10;
        let starting = self.threads.iter().any(|thread| thread.silent_ms.is_none());
        let reasons = [
            (starting, Reason::Starting),
            (facts.stopping, Reason::Stopping),
            (facts.ended && !self.journal.failed, Reason::ThreadEnded),
            (any_silent(READY_WITHIN), Reason::ThreadSilent),
            (self.journal.failed, Reason::JournalFailed),
            (self.journal.full, Reason::JournalFull),
            (ids_left <= self.journal.ids_max / 16, Reason::IdsFull),
            // Where the longest message finds no room: what is shorter may still, for a while. Unknown before the journal
            // thread has moved.
            (
                bytes_left < self.journal.bytes_in_force_max / 16 + MESSAGE_BYTES_MAX as u64 && !starting,
                Reason::BytesInForceFull,
            ),
            (self.clock == ClockState::Suspect, Reason::ClockSuspect),
            (certificate == Notice::Ended, Reason::CertificateEnded),
            (clients == Notice::Ended, Reason::ClientAuthEnded),
        ];
        let warnings = [
            (!self.damage.is_empty(), Warning::JournalDamaged),
            (self.journal.revocations_lost > 0, Warning::RevocationsLost),
            // Before the journal thread has moved nobody has looked at it.
            (!self.journal.reserve_whole && !starting, Warning::ReserveUsed),
            // Messages are taken and given all the same: whoever fills it keeps nobody away from the relay.
            (revocations_left < self.journal.revocations_max / 10, Warning::RevocationsFull),
            (is_crowded, Warning::ConnectionsFull),
            (self.certificate_refused, Warning::CertificateRefused),
            (self.roots_refused, Warning::RootsRefused),
            (certificate.is_warning(), Warning::CertificateEnds),
            (clients.is_warning(), Warning::ClientAuthEnds),
            (credential.is_warning(), Warning::CredentialEnds),
            (notice(&self.root).is_warning(), Warning::RootEnds),
            (self.issuers_ending > 0, Warning::IssuersEnd),
            (credential == Notice::Ended, Warning::CredentialEnded),
        ];
        self.live = !facts.ended && !any_silent(LIVE_WITHIN);
        self.reasons = reasons.into_iter().filter_map(|(holds, reason)| holds.then_some(reason)).collect();
        self.warnings =
            warnings.into_iter().filter_map(|(holds, warning)| holds.then_some(warning)).collect();
        self.ready = self.reasons.is_empty();
        self
    }

    /// The threads that have not moved for so long.
    pub fn silent_threads(&self, longer: Duration) -> impl Iterator<Item = &ThreadStatus> {
        let longer = millis(longer);
        self.threads.iter().filter(move |thread| thread.silent_ms.unwrap_or(self.uptime_ms) > longer)
    }
}

impl Damage {
    pub(super) fn new(found: Found, range: &DamagedRange) -> Self {
        Self {
            found,
            segment: range.segment.clone(),
            offset: range.offset,
            what: range.what.to_owned(),
            after_seq: range.after,
            next_seq: range.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Status {
        let thread = |name: &str| ThreadStatus { name: name.to_owned(), silent_ms: Some(100) };
        Status {
            version: "0".to_owned(),
            log: LogId::from_bytes([7; 16]),
            started: Timestamp::EPOCH,
            uptime_ms: 60_000,
            live: false,
            ready: false,
            reasons: Vec::new(),
            warnings: Vec::new(),
            clock: ClockState::Ok,
            journal: JournalStatus {
                head_seq: Sequence::START,
                head_admitted: Timestamp::EPOCH,
                first_seq: Sequence::new(1),
                segments: 1,
                bytes: 1,
                free_bytes: None,
                reserve_whole: true,
                full: false,
                failed: false,
                ids: 1,
                ids_max: 160,
                bytes_in_force: 1,
                bytes_in_force_max: 16 * MIB,
                revocations: 0,
                revocations_lost: 0,
                revocations_max: 100,
                recovery: None,
            },
            sync: SyncStatus::default(),
            publishes: PublishStatus { receipts: 0, refused: 0, batches: 0 },
            held_back: HeldBackStatus::default(),
            connections: 0,
            connections_max: 1,
            strangers: StrangerStatus::default(),
            sessions: SessionStatus::default(),
            requests_refused: 0,
            logins_refused: 0,
            jumps: 0,
            refusals: BTreeMap::new(),
            unheard: UnheardStatus::default(),
            deliveries: 0,
            delivered_bytes: 0,
            certificate: None,
            certificate_refused: false,
            client_authority: None,
            client_list: None,
            credential: None,
            root: None,
            issuer: None,
            issuers_ending: 0,
            roots_refused: false,
            threads: vec![thread("worker-0"), thread("journal")],
            damage: Vec::new(),
            damage_left_out: false,
        }
    }

    const MIB: u64 = 1024 * 1024;

    const CALM: Facts = Facts { stopping: false, ended: false };

    /// What a change to a sound relay makes of it: live, its reasons, its warnings.
    fn made(change: impl FnOnce(&mut Status, &mut Facts)) -> (bool, Vec<&'static str>, Vec<&'static str>) {
        let (mut status, mut facts) = (sound(), CALM);
        change(&mut status, &mut facts);
        let status = status.judged(facts);
        assert_eq!(status.ready, status.reasons.is_empty());
        let reasons = status.reasons.iter().map(|reason| reason.as_str()).collect();
        (status.live, reasons, status.warnings.iter().map(|warning| warning.as_str()).collect())
    }

    #[test]
    fn each_fault_is_red_for_its_own_reason_and_a_sound_relay_for_none() {
        let red = |reason| (true, vec![reason], vec![]);
        assert_eq!(made(|_, _| {}), (true, vec![], vec![]));
        assert_eq!(made(|_, facts| facts.stopping = true), red("stopping"));
        assert_eq!(made(|status, _| status.clock = ClockState::Suspect), red("clock_suspect"));
        assert_eq!(made(|status, _| status.journal.full = true), red("journal_full"));
        assert_eq!(
            made(|status, _| status.journal.revocations_lost = 1),
            (true, vec![], vec!["revocations_lost"])
        );
        assert_eq!(made(|status, _| status.roots_refused = true), (true, vec![], vec!["roots_refused"]));
        assert_eq!(made(|status, _| status.issuers_ending = 1), (true, vec![], vec!["issuers_end"]));
        assert_eq!(made(|status, _| status.journal.ids = 149), (true, vec![], vec![]));
        assert_eq!(made(|status, _| status.journal.ids = 150), red("ids_full"));
        let longest_fits = 15 * MIB - MESSAGE_BYTES_MAX as u64;
        assert_eq!(made(|status, _| status.journal.bytes_in_force = longest_fits), (true, vec![], vec![]));
        assert_eq!(
            made(|status, _| status.journal.bytes_in_force = longest_fits + 1),
            red("bytes_in_force_full")
        );
        assert_eq!(
            made(|status, _| status.journal.reserve_whole = false),
            (true, vec![], vec!["reserve_used"])
        );
        assert_eq!(made(|status, _| status.journal.revocations = 90), (true, vec![], vec![]));
        assert_eq!(
            made(|status, _| status.journal.revocations = 91),
            (true, vec![], vec!["revocations_full"])
        );
        let ended = |status: &mut Status, facts: &mut Facts, failed| {
            (status.journal.failed, facts.ended) = (failed, true);
        };
        assert_eq!(made(|s, facts| ended(s, facts, false)), (false, vec!["thread_ended"], vec![]));
        assert_eq!(made(|s, facts| ended(s, facts, true)), (false, vec!["journal_failed"], vec![]));
    }

    #[test]
    fn damage_is_told_and_keeps_nobody_away() {
        let range = DamagedRange {
            segment: "1.seg".to_owned(),
            offset: 9,
            what: "checksum",
            after: Sequence::new(3),
            next: Sequence::new(5),
        };
        let told = made(|status, _| status.damage.push(Damage::new(Found::AtStart, &range)));
        assert_eq!(told, (true, vec![], vec!["journal_damaged"]));
    }

    #[test]
    fn a_thread_that_stands_still_is_first_not_ready_and_then_not_live() {
        let silent = |ms| {
            let mut name = String::new();
            let told = made(|status, _| {
                status.threads[1].silent_ms = ms;
                name = status.silent_threads(READY_WITHIN).map(|thread| thread.name.clone()).collect();
            });
            (told.0, told.1, name)
        };
        assert_eq!(silent(Some(5_000)), (true, vec![], String::new()));
        assert_eq!(silent(Some(5_001)), (true, vec!["thread_silent"], "journal".to_owned()));
        assert_eq!(silent(Some(30_001)), (false, vec!["thread_silent"], "journal".to_owned()));
        // It has run for a minute.
        assert_eq!(silent(None), (false, vec!["starting", "thread_silent"], "journal".to_owned()));
    }

    #[test]
    fn what_a_newer_relay_adds_is_no_obstacle() {
        let mut told = serde_json::to_value(sound().judged(CALM)).unwrap();
        told["news"] = 1.into();
        told["reasons"] = serde_json::json!(["clock_suspect", "on_fire"]);
        let read: Status = serde_json::from_value(told).unwrap();
        assert_eq!(read.reasons, [Reason::ClockSuspect, Reason::Unknown]);
    }
}
