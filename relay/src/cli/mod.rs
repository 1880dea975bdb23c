//! The command line `vigie`: everything of a deployment in one binary.
//!
//! [`main`] reads the arguments and calls one command; each command is one file, which decides nothing that `proto`
//! decides and moves no byte that the relay or the SDK moves. Data goes to stdout, talk to stderr (`screen`); every
//! sentence stands in both languages side by side (`text`); every failure ends in one documented exit code
//! (`exit`). Secrets come from files only, and nothing ever asks a question.

mod args;
mod text;
mod exit;
mod screen;
mod suggest;
mod duration;
mod time;
mod channels;
mod grant;
mod files;
mod rotations;
mod authority;
mod session;
mod init;
mod settings;
mod health;
mod relay;
mod upkeep;
mod ends;
mod status;
mod publish;
mod queue;
mod subscribe;
mod render;
mod effects;
mod export;
mod tally;
mod targets;
mod lines;
mod judge;
mod verify;
mod journal;
mod cap;
mod identity;
mod trust;
mod trust_root;
mod check;
mod bench;
pub mod demo;
mod errors;
mod pages;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches as _;

use self::args::{Cli, Command, Global};
use self::exit::Outcome;
use self::screen::{Screen, talk};
use self::session::Session;
#[cfg(feature = "fuzzing")]
pub use self::settings::fuzzed as fuzzed_settings;
use self::text::Lang;

/// Runs the command that the arguments name, and says how it ended.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let lang = Lang::wanted(&arguments);
    let command = usage::command(lang);
    let matches = match command.clone().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return usage::told(lang, &error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage::told(lang, &error),
    };
    let Global { json, color, quiet, verbose, .. } = cli.global;
    let screen = Screen::new(lang, json, color, quiet, verbose);
    match run(&screen, &cli, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.text().is_empty() {
                talk(&format!("{}{failure}", lang.error_prefix()));
            }
            failure.exit_code()
        }
    }
}

fn run(screen: &Screen, cli: &Cli, command: clap::Command) -> Outcome {
    let session = Session { screen, global: &cli.global };
    if !matches!(cli.command, Command::Relay { .. }) {
        let level = ["error", "info", "debug"][usize::from(screen.verbose.min(2))];
        relay::start_logs(screen.lang, "text", level)?;
    }
    match &cli.command {
        Command::Demo(args) => demo::run(screen, args),
        Command::Init(args) => init::run(screen, args),
        Command::Relay { command } => relay::run(screen, command),
        Command::Pub(args) => publish::run(session, args),
        Command::Queue { command } => queue::run(session, command),
        Command::Sub(args) => subscribe::run(session, args),
        Command::Verify(args) => verify::run(session, args),
        Command::Journal { command } => journal::run(session, command),
        Command::Cap { command } => cap::run(screen, command),
        Command::Identity { command } => identity::run(session, command),
        Command::Trust { command } => trust::run(session, command),
        Command::Check { command } => check::run(session, command),
        Command::Bench { command } => bench::run(session, command),
        Command::Errors(args) => errors::run(screen, args),
        Command::Completions(args) => pages::completions(screen, args, command),
        Command::Man(args) => pages::manual(screen, args, command),
        Command::Version => version(screen),
    }
}

fn version(screen: &Screen) -> Outcome {
    let (version, protocol) = (env!("CARGO_PKG_VERSION"), vigie_proto::limits::SUBPROTOCOL);
    let source = relay::source_date();
    if screen.json {
        return screen.object(&serde_json::json!({
            "type": "version", "version": version, "protocol": protocol, "source_date": source,
        }));
    }
    screen.line(&screen.lang.version(version, protocol, time::date(source)))
}
