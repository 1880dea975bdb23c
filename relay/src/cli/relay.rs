//! `vigie relay run`: one relay until it is told to stop, or its disk fails.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use vigie_proto::chain::Chain;
use vigie_proto::time::Timestamp;

use super::args::RelayCommand;
use super::ends;
use super::exit::{Exit, Failure, Outcome, refusal_text};
use super::screen::{Screen, talk};
use super::settings::Settings;
use super::status;
use super::text::Lang;
use super::time;
use super::upkeep::{self, Ending, Upkeep};
use crate::health::expiry::Validity;
use crate::journal::{JournalError, Recovery};
use crate::net::client_auth::Clients;
use crate::net::tls::Shown;
use crate::server::{Relay, RelayError};

/// When the source of this program was committed, in seconds since the Unix epoch: set by the build script.
const SOURCE_DATE: &str = env!("VIGIE_SOURCE_DATE");

pub(super) fn run(screen: &Screen, command: &RelayCommand) -> Outcome {
    let args = match command {
        RelayCommand::Run(args) => args,
        RelayCommand::Status(args) => return status::run(screen, args),
    };
    start_logs(screen.lang, &args.log, "info")?;
    let mut settings = Settings::read(screen, &args.config)?;
    settings.health = settings.health.chosen(args.health, args.listen);
    refuse_old_clock(screen.lang, time::now(), source_date())?;
    let listen = args.listen.unwrap_or(settings.listen);
    if args.check { check(screen, settings, &args.config) } else { serve(screen, settings, listen) }
}

/// Logs on stderr. `VIGIE_LOG` filters them, by the words of `RUST_LOG` elsewhere.
pub(super) fn start_logs(lang: Lang, form: &str, default: &str) -> Outcome {
    // The library below logs every frame, bodies of alerts among them: never past `info`.
    let capped = ["tungstenite=info", "tokio_tungstenite=info"];
    let wanted = std::env::var("VIGIE_LOG").ok().filter(|wanted| !wanted.is_empty());
    let mut filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(default))
        .map_err(|error| Failure::new(Exit::Configuration, lang.bad_log_filter(error)))?;
    for directive in capped.iter().filter_map(|text| text.parse::<Directive>().ok()) {
        filter = filter.add_directive(directive);
    }
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // Fails only where a program that embeds this one has set its own, which then stays.
    let _ = if form == "json" { logs.json().try_init() } else { logs.try_init() };
    Ok(())
}

/// When the source was committed; no honest clock stands before it.
pub(super) fn source_date() -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_secs(SOURCE_DATE.parse().unwrap_or_default()))
}

fn refuse_old_clock(lang: Lang, now: Timestamp, source: Timestamp) -> Outcome {
    if now >= source {
        return Ok(());
    }
    Err(Failure::new(Exit::Failure, lang.clock_before_source(time::date(now), time::date(source))))
}

/// Everything but binding and the journal, which another relay may have open.
fn check(screen: &Screen, settings: Settings, path: &Path) -> Outcome {
    let lang = screen.lang;
    let clients = settings.config.client_auth.as_ref().map(Clients::new).transpose();
    let clients =
        clients.map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?.map(Arc::new);
    let shown = Shown::new(settings.config.tls_chain, settings.config.tls_key, clients)
        .map_err(|error| failed(lang, &settings.config.journal, &error))?;
    if let Some(fault) = credential_fault(lang, settings.own_chain.as_deref()) {
        return Err(Failure::new(Exit::Configuration, lang.relay_credential_fault(fault)));
    }
    if !settings.config.journal.is_dir() {
        return Err(Failure::new(
            Exit::Configuration,
            lang.no_journal_folder(settings.config.journal.display()),
        ));
    }
    if settings.trial {
        screen.warn(&lang.trial_roots());
    }
    settings.health.warn(screen, None);
    let clients = shown.clients.as_deref();
    let ends = [
        (Ending::Certificate, shown.valid),
        (Ending::ClientAuthority, clients.and_then(|it| it.authority)),
        (Ending::ClientList, clients.and_then(|it| it.list)),
    ];
    for (what, valid) in ends {
        if let Some(text) =
            valid.and_then(|valid| upkeep::near_end(lang, what, Validity::of(valid, time::now())))
        {
            screen.warn(&text);
        }
    }
    if let Some(chain) = &settings.own_chain {
        ends::warn(screen, chain);
    }
    ends::warn_roots(screen, &settings.config.roots, settings.own_chain.as_deref());
    screen.line(&lang.configuration_good(path.display()))
}

/// Why the relay's own credential is not good now, if it is not.
fn credential_fault(lang: Lang, chain: Option<&Chain>) -> Option<String> {
    chain?.judge(time::now()).err().map(|refusal| refusal_text(lang, &refusal))
}

/// Nothing more will be stored: long enough for a close frame that says so, and nobody is kept.
const FAILED_GRACE: Duration = Duration::from_secs(1);

/// Why a relay stops.
enum End {
    Asked,
    Failed,
}

/// What the start made of the journal, after the first line: that one is the address.
fn log_recovery(recovery: Recovery) {
    match recovery {
        Recovery::Created => tracing::info!("the journal is new"),
        Recovery::Clean => tracing::info!("the journal was closed cleanly"),
        Recovery::Unclean { copied, cut_bytes } => tracing::warn!(
            copied,
            cut_bytes,
            "the journal was not closed cleanly: whole records of its last batch were kept, bytes that were no whole record \
             were cut; after anything but a kill or a power cut, check the disk"
        ),
    }
}

fn serve(screen: &Screen, settings: Settings, listen: SocketAddr) -> Outcome {
    let lang = screen.lang;
    let Settings { mut config, trial, stop_grace, health, own_chain, own, tls, root_files, .. } = settings;
    let (names, journal, workers) = (config.names.join(", "), config.journal.clone(), config.workers);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    // Before the address is announced: whoever reads it may ask us to stop at once.
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let hangup = runtime.block_on(async { listen_to(SignalKind::hangup()) })?;
    let upkeep = Upkeep::new(lang, (tls, root_files), own, hangup);
    let listener = TcpListener::bind(listen)
        .map_err(|error| Failure::new(Exit::Failure, lang.cannot_listen(listen, error)))?;
    let (health_listener, health_fault) = health.bind();
    config.health = health_listener;
    let relay = Relay::start(listener, config).map_err(|error| failed(lang, &journal, &error))?;
    // Stable: scripts and tests read the address from this first line.
    talk(&format!("vigie: listening on {}", relay.local_addr()));
    if let Some(address) = relay.health_addr() {
        talk(&format!("vigie: health on http://{address}"));
    }
    talk(&lang.relay_details(names, relay.log(), journal.display(), workers));
    log_recovery(relay.recovery());
    if trial {
        screen.warn(&lang.trial_roots());
    }
    if let Some(fault) = credential_fault(lang, own_chain.as_deref()) {
        screen.warn(&lang.relay_credential_fault(fault));
    }
    health.warn(screen, health_fault);
    let end = runtime.block_on(async {
        tokio::select! {
            biased;
            () = relay.failed() => End::Failed,
            () = signals.next() => End::Asked,
            () = upkeep.run(&relay) => End::Asked,
        }
    });
    let grace = match end {
        End::Asked => {
            screen.say(&lang.relay_stopping(stop_grace.as_secs()));
            stop_grace
        }
        End::Failed => FAILED_GRACE,
    };
    relay.stop(grace).map_err(|error| failed(lang, &journal, &error))?;
    screen.say(&lang.relay_stopped());
    Ok(())
}

fn failed(lang: Lang, journal: &Path, error: &RelayError) -> Failure {
    if let RelayError::Journal(JournalError::NotBegun { left }) = error {
        let path = journal.display();
        let why = match left {
            Some(name) => lang.journal_gone(&path, name),
            None => lang.journal_not_begun(&path),
        };
        return Failure::new(Exit::Configuration, format!("{why}\n{}", lang.journal_to_do(path)));
    }
    if matches!(error, RelayError::Journal(JournalError::Moved)) {
        return Failure::new(Exit::Storage, lang.journal_moved(journal.display()));
    }
    if error.is_storage_failure() {
        return Failure::new(Exit::Storage, lang.storage_failed(error));
    }
    let exit = match error {
        RelayError::Tls(why) => return Failure::new(Exit::Configuration, lang.tls_unusable(why)),
        RelayError::NoCertificate
        | RelayError::CertificateUnfit { .. }
        | RelayError::ClientAuthUnfit { .. }
        | RelayError::JournalFolder { .. } => Exit::Configuration,
        RelayError::Journal(_) | RelayError::ClockBehindJournal { .. } | RelayError::System(_) => {
            Exit::Failure
        }
    };
    Failure::new(exit, error.to_string())
}

/// The signal that comes with `EFBIG`, by its number on every system that this is built for.
const SIGXFSZ: i32 = 25;

/// What asks a service to stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        // Heard and passed over: unheard, a write past a limit on the size of files would end the process without a word
        // instead of failing.
        let _ = listen_to(SignalKind::from_raw(SIGXFSZ))?;
        Ok(Self {
            terminate: listen_to(SignalKind::terminate())?,
            interrupt: listen_to(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn listen_to(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(Exit::Failure, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_the_source_is_refused() {
        let (source, earlier) = (source_date(), source_date().minus(Duration::from_millis(1)));
        assert!(source > Timestamp::EPOCH, "the build script sets it");
        assert!(refuse_old_clock(Lang::En, source, source).is_ok());
        assert!(refuse_old_clock(Lang::En, earlier, source).is_err());
        assert!(refuse_old_clock(Lang::En, time::now(), source).is_ok());
    }
}
