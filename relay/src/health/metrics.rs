//! `GET /metrics`: the numbers of a [`Status`] in the text form that Prometheus reads (version 0.0.4).
//!
//! Names, types, units and labels are stable: later versions add, and change no meaning. `relay/README.md` lists all of
//! them, and a test holds that table against what is served. Written by hand: all that is needed of the form is a name,
//! a label of codes and a number, and the counting is done elsewhere, without a registry and its locks.

use std::fmt::{Display, Write as _};

use vigie_proto::refusal::Code;

use super::{ClockState, SYNC_WITHIN, Status};

/// What the listener calls it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All numbers, each with its help and its type.
pub fn text(status: &Status) -> String {
    let (journal, sessions, publishes) = (&status.journal, &status.sessions, &status.publishes);
    let mut page = Page::default();
    page.gauge("vigie_uptime_seconds", "Time since the start.", seconds(status.uptime_ms, 1_000));
    page.gauge("vigie_live", "1 when all threads move.", u8::from(status.live));
    page.gauge("vigie_ready", "1 when messages are taken and given.", u8::from(status.ready));
    let suspect = u8::from(status.clock != ClockState::Ok);
    page.gauge("vigie_clock_suspect", "1 when the clock jumped and nothing is admitted.", suspect);
    page.gauge("vigie_connections", "Open connections, logged in or not.", status.connections);
    page.gauge(
        "vigie_connections_max",
        "Past so many sessions a newcomer is sent away.",
        status.connections_max,
    );
    let resting = sessions.logged_in.saturating_sub(sessions.live + sessions.behind);
    page.by_label(
        "vigie_sessions",
        "gauge",
        "Sessions by what they are.",
        "state",
        [
            ("stranger", sessions.strangers),
            ("live", sessions.live),
            ("behind", sessions.behind),
            ("no_subscription", resting),
            ("closing", sessions.closing),
        ],
    );
    page.counter("vigie_receipts_total", "Receipts given.", publishes.receipts);
    page.counter("vigie_publishes_refused_total", "Messages refused by the journal.", publishes.refused);
    let held = &status.held_back;
    page.by_label(
        "vigie_publishes_held_back_total",
        "counter",
        "Messages and revocations that came faster than they may.",
        "by",
        [("credential", held.credential), ("exercises", held.exercises), ("relay", held.relay)],
    );
    page.counter("vigie_batches_total", "Batches written, each with one sync.", publishes.batches);
    page.counter("vigie_deliveries_total", "Events handed to connections.", status.deliveries);
    page.counter(
        "vigie_delivered_bytes_total",
        "Bytes of frames handed to connections.",
        status.delivered_bytes,
    );
    page.counter("vigie_jumps_total", "Times a worker was given only the end of what waited.", status.jumps);
    page.counter("vigie_requests_refused_total", "Requests of sessions refused.", status.requests_refused);
    page.counter("vigie_logins_refused_total", "Log-ins refused or too late.", status.logins_refused);
    let refused = |code: &Code| status.refusals.get(code.as_str()).copied().unwrap_or_default();
    let refusals = Code::ALL.iter().map(|code| (code.as_str(), refused(code)));
    page.by_label("vigie_refusals_total", "counter", "Refusals of any kind by code.", "code", refusals);
    let unheard = &status.unheard;
    page.by_label(
        "vigie_unheard_total",
        "counter",
        "Connections that ended before they were a WebSocket, without a code.",
        "why",
        [("no_room", unheard.no_room), ("tls", unheard.tls), ("http", unheard.http)],
    );
    let strangers = &status.strangers;
    page.gauge("vigie_strangers", "Connections that have not logged in.", strangers.open);
    page.gauge("vigie_strangers_max", "Past so many one is closed for each that comes.", strangers.max);
    page.gauge("vigie_handshakes", "TLS and WebSocket handshakes under way.", strangers.handshakes);
    let waiting = "Connections that wait for the first turn of their worker.";
    page.gauge("vigie_handshakes_waiting", waiting, strangers.waiting);
    page.counter("vigie_strangers_replaced_total", "Strangers closed for one that came.", strangers.replaced);
    page.syncs(status);
    page.gauge("vigie_journal_head_sequence", "The last sequence.", journal.head_seq);
    page.gauge("vigie_journal_segments", "Files of the journal.", journal.segments);
    page.gauge("vigie_journal_bytes", "What the journal takes on the disk.", journal.bytes);
    if let Some(free) = journal.free_bytes {
        page.gauge("vigie_journal_free_bytes", "What its disk has left.", free);
    }
    page.gauge("vigie_journal_full", "1 when the disk had no room.", u8::from(journal.full));
    page.gauge("vigie_journal_failed", "1 when the disk failed.", u8::from(journal.failed));
    let reserve = u8::from(journal.reserve_whole);
    page.gauge("vigie_journal_reserve_whole", "1 when the room for urgent messages is all there.", reserve);
    page.gauge("vigie_journal_damaged_ranges", "Places that cannot be read.", status.damage.len());
    page.gauge("vigie_ids", "Messages in force.", journal.ids);
    page.gauge("vigie_ids_max", "Past so many messages are refused.", journal.ids_max);
    page.gauge("vigie_bytes_in_force", "Signed bytes of messages in force.", journal.bytes_in_force);
    let past = "Past so many bytes messages are refused.";
    page.gauge("vigie_bytes_in_force_max", past, journal.bytes_in_force_max);
    page.gauge("vigie_revocations", "Revocations that hold.", journal.revocations);
    page.gauge(
        "vigie_revocations_lost",
        "Revocations that the journal could not give at the start, or may have lost.",
        journal.revocations_lost,
    );
    page.gauge("vigie_revocations_max", "Past so many revocations are refused.", journal.revocations_max);
    if let Some(certificate) = status.certificate {
        page.gauge("vigie_certificate_left_seconds", "Until the TLS certificate ends.", certificate.left_s);
    }
    let refused = u8::from(status.certificate_refused);
    page.gauge("vigie_certificate_refused", "1 when a renewed certificate could not be used.", refused);
    let refused = u8::from(status.roots_refused);
    page.gauge("vigie_roots_refused", "1 when renewed roots or rotations could not be used.", refused);
    for (name, help, validity) in [
        (
            "vigie_client_authority_left_seconds",
            "Until the authority of clients ends.",
            status.client_authority,
        ),
        ("vigie_client_list_left_seconds", "Until its revocation list ends.", status.client_list),
    ] {
        if let Some(validity) = validity {
            page.gauge(name, help, validity.left_s);
        }
    }
    if let Some(credential) = status.credential {
        page.gauge(
            "vigie_credential_left_seconds",
            "Until the relay's own credential ends.",
            credential.left_s,
        );
    }
    if let Some(root) = status.root {
        page.gauge("vigie_root_left_seconds", "Until the root that hands over first ends.", root.left_s);
    }
    if let Some(issuer) = status.issuer {
        page.gauge(
            "vigie_issuer_left_seconds",
            "Until the first credential above those of sessions ends, of those that end soon.",
            issuer.left_s,
        );
    }
    page.gauge(
        "vigie_issuers_ending",
        "Credentials above those of sessions that end within 30 days.",
        status.issuers_ending,
    );
    page.0
}

/// Lines so far. Writing to a String does not fail.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        let _ = writeln!(self.0, "{name} {value}");
    }

    /// The values of the label are words of this program, so nothing needs escaping.
    fn by_label<'a>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        self.head(name, kind, help);
        for (word, value) in values {
            let _ = writeln!(self.0, "{name}{{{label}=\"{word}\"}} {value}");
        }
    }

    fn syncs(&mut self, status: &Status) {
        let (name, sync) = ("vigie_sync_seconds", &status.sync);
        self.head(name, "histogram", "Time that the disk takes to make a write durable.");
        for (within, count) in SYNC_WITHIN.iter().zip(&sync.within) {
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{}\"}} {count}", within.as_secs_f64());
        }
        let _ = writeln!(self.0, "{name}_bucket{{le=\"+Inf\"}} {}", sync.count);
        let _ = writeln!(self.0, "{name}_sum {}", seconds(sync.total_us, 1_000_000));
        let _ = writeln!(self.0, "{name}_count {}", sync.count);
    }
}

fn seconds(amount: u64, in_a_second: u64) -> f64 {
    amount as f64 / in_a_second as f64
}
