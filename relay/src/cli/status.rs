//! `vigie relay status`: asks a relay's health listener how it is, and shows it: what is red first.
//!
//! Ends with 0 when the relay is ready, 11 when it is not, 4 when nothing answers or what answers is something else.

mod get;

use std::net::SocketAddr;

use serde_json::Value;

use super::args::RelayStatus;
use super::exit::{Exit, Failure, Outcome, heard_or_not};
use super::health;
use super::screen::{Screen, Tone, escape};
use super::settings::Settings;
use super::text::Lang;
use super::time;
use crate::health::{Damage, READY_WITHIN, Status, Warning};

pub(super) fn run(screen: &Screen, args: &RelayStatus) -> Outcome {
    let lang = screen.lang;
    let authority = whom_to_ask(screen, args)?;
    let not_vigie =
        |why: &dyn std::fmt::Display| Failure::new(Exit::Unreachable, lang.status_not_vigie(&authority, why));
    let body = match get::get(&authority, "/status") {
        Ok(body) => body,
        Err(get::GetError::Io(error)) => {
            return Err(Failure::new(Exit::Unreachable, lang.status_unreachable(&authority, error)));
        }
        Err(error) => return Err(not_vigie(&error)),
    };
    let mut told: Value = serde_json::from_slice(&body).map_err(|error| not_vigie(&error))?;
    let status: Status = serde_json::from_value(told.clone()).map_err(|error| not_vigie(&error))?;
    let shown = if screen.json {
        // As it came: a newer relay may tell more than this program knows.
        told["type"] = "status".into();
        screen.object(&told)
    } else {
        screen.line(&page(screen, &status))
    };
    heard_or_not(shown)?;
    if status.ready { Ok(()) } else { Err(Failure::quiet(Exit::NotReady)) }
}

/// Host and port: those of the URL, else of the settings, else where a relay listens that was told nothing.
fn whom_to_ask(screen: &Screen, args: &RelayStatus) -> Result<String, Failure> {
    let lang = screen.lang;
    if let Some(url) = &args.url {
        return authority_of(url).ok_or_else(|| Failure::new(Exit::Usage, lang.malformed_url(escape(url))));
    }
    let Some(path) = &args.config else {
        return Ok(health::DEFAULT.dialled_here().map_or_else(String::new, |address| address.to_string()));
    };
    let shown = path.display();
    match Settings::health_of(screen, path)?.dialled_here() {
        None => Err(Failure::new(Exit::Configuration, lang.health_off(shown))),
        Some(address) if address.port() == 0 => Err(Failure::new(Exit::Usage, lang.health_any_port(shown))),
        Some(address) => Ok(address.to_string()),
    }
}

/// `HOST:PORT` of `http://HOST:PORT`, with or without a slash behind it.
fn authority_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("http://")?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = authority.rsplit_once(':')?;
    let is_host = |character: char| character.is_ascii_alphanumeric() || ".-_[]:".contains(character);
    let good =
        !host.is_empty() && host.chars().all(is_host) && port.parse::<u16>().is_ok_and(|port| port > 0);
    // An IPv6 address stands in brackets, so a colon outside of them is a mistake.
    let good = good && (!host.contains(':') || authority.parse::<SocketAddr>().is_ok());
    good.then(|| authority.to_owned())
}

fn page(screen: &Screen, status: &Status) -> String {
    let mut lines = red(screen, status);
    lines.extend(numbers(screen.lang, status));
    lines.join("\n")
}

/// Whether it is ready, and everything that somebody must act upon.
fn red(screen: &Screen, status: &Status) -> Vec<String> {
    let lang = screen.lang;
    let mut lines = vec![if status.ready {
        screen.paint(Tone::Good, &lang.status_ready())
    } else if status.live {
        screen.paint(Tone::Bad, &lang.status_not_ready())
    } else {
        screen.paint(Tone::Bad, &format!("{}, {}", lang.status_not_ready(), lang.status_not_live()))
    }];
    for reason in &status.reasons {
        lines.push(format!("  {}: {}", screen.paint(Tone::Bad, reason.as_str()), lang.reason(*reason)));
    }
    for thread in status.silent_threads(READY_WITHIN) {
        let time = lang.for_long(thread.silent_ms.unwrap_or(status.uptime_ms));
        lines.push(format!("    {}", lang.status_thread_silent(escape(&thread.name), time)));
    }
    for warning in &status.warnings {
        // Whoever renews a certificate and sees it refused must act before the one that is shown ends.
        let urgent = matches!(
            warning,
            Warning::CertificateRefused
                | Warning::CredentialEnded
                | Warning::RevocationsFull
                | Warning::RevocationsLost
                | Warning::RootsRefused
        );
        let tone = if urgent { Tone::Bad } else { Tone::Caution };
        let (look, code) = (screen.paint(tone, &lang.status_look()), warning.as_str());
        lines.push(format!("  {look} {code}: {}", lang.warning(*warning)));
    }
    lines.extend(status.damage.iter().map(|damage| format!("    {}", damaged(lang, damage))));
    if status.damage_left_out {
        lines.push(format!("    {}", lang.status_damage_left_out()));
    }
    lines
}

fn damaged(lang: Lang, damage: &Damage) -> String {
    let (segment, what) = (escape(&damage.segment), escape(&damage.what));
    lang.status_damage(
        segment,
        damage.offset,
        what,
        lang.found(damage.found),
        damage.after_seq,
        damage.next_seq,
    )
}

/// Each line begins with what it speaks of.
fn numbers(lang: Lang, status: &Status) -> Vec<String> {
    let journal = &status.journal;
    let head = if journal.head_seq.get() == 0 {
        lang.status_empty()
    } else {
        lang.status_head(journal.head_seq, time::local(journal.head_admitted), journal.first_seq)
    };
    let free = journal.free_bytes.map(|bytes| lang.status_free(lang.bytes(bytes)));
    let reserve =
        if journal.reserve_whole { lang.status_reserve_whole() } else { lang.status_reserve_used() };
    let cut = journal.recovery.filter(|found| found.cut_bytes > 0);
    let cut = cut.map(|found| lang.status_cut(found.cut_bytes, found.copied));
    let head = [head].into_iter().chain(cut).collect::<Vec<_>>().join(lang.semicolon());
    let mut disk = vec![lang.status_disk(lang.bytes(journal.bytes), journal.segments)];
    disk.extend(free);
    disk.push(reserve);
    let (sync, publishes, sessions) = (&status.sync, &status.publishes, &status.sessions);
    let (in_force, in_force_max) = (journal.bytes_in_force, journal.bytes_in_force_max);
    let mut messages = vec![
        lang.status_messages(publishes.receipts, publishes.refused, publishes.batches),
        lang.status_ids(journal.ids, journal.ids_max),
    ];
    // None is told by a relay of a version before it was.
    messages.extend(
        (in_force_max > 0)
            .then(|| lang.status_bytes_in_force(lang.bytes(in_force), lang.bytes(in_force_max))),
    );
    let people = [
        lang.status_sessions(sessions.logged_in, sessions.live, sessions.behind, sessions.strangers),
        lang.status_connections(status.connections, status.connections_max),
    ];
    let mut refused = vec![lang.status_refused(status.requests_refused, status.logins_refused)];
    refused.extend((status.jumps > 0).then(|| lang.status_jumps(status.jumps)));
    let good = [
        status.certificate.map(|it| lang.status_certificate_ends(time::date(it.ends), it.left_s / 86_400)),
        status
            .client_authority
            .map(|it| lang.status_client_authority_ends(time::date(it.ends), it.left_s / 86_400)),
        status.client_list.map(|it| lang.status_client_list_ends(time::date(it.ends), it.left_s / 86_400)),
        status.credential.map(|it| lang.status_credential_ends(time::date(it.ends), it.left_s / 86_400)),
        status.root.map(|it| lang.status_root_ends(time::date(it.ends), it.left_s / 86_400)),
        status.issuer.map(|it| {
            lang.status_issuers_end(status.issuers_ending, time::date(it.ends), it.left_s / 86_400)
        }),
    ];
    let good: Vec<String> = good.into_iter().flatten().collect();
    let line = |label: String, text: &str| format!("{label:LABEL_WIDTH$}  {text}");
    let mut lines = vec![
        lang.status_relay(escape(&status.version), lang.for_long(status.uptime_ms), status.log),
        line(lang.status_journal_label(), &head),
        line(lang.status_disk_label(), &disk.join(lang.semicolon())),
        line(
            lang.status_sync_label(),
            &lang.status_sync(lang.micros(sync.last_us), lang.micros(sync.worst_minute_us)),
        ),
        line(lang.status_messages_label(), &messages.join(lang.semicolon())),
        line(lang.status_sessions_label(), &people.join(lang.semicolon())),
        line(lang.status_refused_label(), &refused.join(lang.semicolon())),
    ];
    if !good.is_empty() {
        lines.push(line(lang.status_good_label(), &good.join(lang.semicolon())));
    }
    lines
}

/// The longest label has 8 letters, in both languages.
const LABEL_WIDTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_plain_http_with_host_and_port() {
        for (url, authority) in [
            ("http://127.0.0.1:7480", "127.0.0.1:7480"),
            ("http://relais.example:80/", "relais.example:80"),
            ("http://[::1]:7480", "[::1]:7480"),
        ] {
            assert_eq!(authority_of(url).as_deref(), Some(authority));
        }
        for wrong in [
            "127.0.0.1:7480",
            "https://127.0.0.1:7480",
            "http://127.0.0.1",
            "http://:7480",
            "http://a:0",
            "http://a:1/status",
            "http://a\r\nb:1",
            "http://::1:7480",
            "http://u@a:1",
        ] {
            assert_eq!(authority_of(wrong), None, "{wrong}");
        }
    }
}
