//! The command line as clap reads it. What each part is for stands in `text/help.rs`, in both languages.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ColorChoice, Parser, Subcommand};
use vigie_proto::channel::{Flow, Jurisdiction};
use vigie_proto::credential::Role;
use vigie_proto::id::{KeyId, MessageId};
use vigie_proto::label::Tlp;
use vigie_proto::severity::Severity;

use super::bench::args::BenchCommand;
use super::cap::args::{CapCommand, Supply};
use super::duration;
use super::grant::GrantSpec;
use super::health::HealthListen;
use super::journal::args::JournalCommand;
use super::subscribe::After;
use super::text::Lang;
use super::trust::args::{TrustExplain, TrustList, TrustRevoke, TrustRotate, TrustSend};
use super::trust_root::args::RootCommand;

#[derive(Debug, Parser)]
#[command(name = "vigie", version, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(subcommand_required = true, max_term_width = 100)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
pub(super) struct Global {
    #[arg(long, global = true, value_name = "DIR", env = "VIGIE_CONTEXT", hide_env_values = true)]
    pub(super) context: Option<PathBuf>,
    #[arg(long = "as", global = true, value_name = "NAME", env = "VIGIE_AS", hide_env_values = true)]
    pub(super) identity: Option<String>,
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[arg(long, global = true, value_name = "LANG", value_parser = lang_parser())]
    pub(super) lang: Option<Lang>,
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorChoice,
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Demo(Demo),
    Init(Init),
    Relay {
        #[command(subcommand)]
        command: RelayCommand,
    },
    Pub(Publish),
    Queue {
        #[command(subcommand)]
        command: QueueCommand,
    },
    Sub(Subscribe),
    Verify(Verify),
    Journal {
        #[command(subcommand)]
        command: JournalCommand,
    },
    Cap {
        #[command(subcommand)]
        command: CapCommand,
    },
    Identity {
        #[command(subcommand)]
        command: IdentityCommand,
    },
    Trust {
        #[command(subcommand)]
        command: TrustCommand,
    },
    Check {
        #[command(subcommand)]
        command: CheckCommand,
    },
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    Errors(Errors),
    Completions(Completions),
    Man(Man),
    Version,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    #[arg(long)]
    pub(super) once: bool,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    pub(super) dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(super) enum RelayCommand {
    Run(RelayRun),
    Status(RelayStatus),
}

#[derive(Debug, Args)]
pub(super) struct RelayRun {
    #[arg(long, value_name = "FILE", env = "VIGIE_CONFIG", hide_env_values = true)]
    pub(super) config: PathBuf,
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<std::net::SocketAddr>,
    #[arg(long, value_name = "ADDR")]
    pub(super) health: Option<HealthListen>,
    #[arg(long)]
    pub(super) check: bool,
    #[arg(long, value_name = "FORM", default_value = "text", value_parser = ["text", "json"])]
    pub(super) log: String,
}

#[derive(Debug, Args)]
pub(super) struct RelayStatus {
    #[arg(long, value_name = "FILE", env = "VIGIE_CONFIG", hide_env_values = true)]
    pub(super) config: Option<PathBuf>,
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Publish {
    pub(super) channel: String,
    #[arg(conflicts_with = "cap", required_unless_present = "cap")]
    pub(super) text: Option<String>,
    #[arg(long, value_name = "FILE")]
    pub(super) cap: Option<PathBuf>,
    #[command(flatten)]
    pub(super) supply: Supply,
    #[arg(long, value_name = "SEVERITY", value_parser = severity_parser(), ignore_case = true)]
    pub(super) severity: Option<Severity>,
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(super) expires: Option<Duration>,
    #[arg(long)]
    pub(super) exercise: bool,
    #[arg(long, value_name = "LABEL", value_parser = label_parser(), ignore_case = true)]
    pub(super) label: Option<Tlp>,
    #[arg(long, value_name = "ORG", value_delimiter = ',')]
    pub(super) audience: Vec<Jurisdiction>,
    // An id may begin with a hyphen.
    #[arg(long, value_name = "ID", value_delimiter = ',', allow_hyphen_values = true)]
    pub(super) replaces: Vec<MessageId>,
    #[arg(long, requires = "replaces", conflicts_with = "cap")]
    pub(super) cancel: bool,
    #[arg(long)]
    pub(super) offline: bool,
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s")]
    pub(super) wait: Duration,
}

#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    Ls(QueueList),
    Retry(QueueMessage),
    Drop(QueueMessage),
    Send(QueueSend),
}

#[derive(Debug, Args)]
pub(super) struct QueueList {
    #[arg(long)]
    pub(super) exercise: bool,
}

#[derive(Debug, Args)]
pub(super) struct QueueMessage {
    // An id may begin with a hyphen.
    #[arg(allow_hyphen_values = true)]
    pub(super) id: MessageId,
    #[arg(long)]
    pub(super) exercise: bool,
}

#[derive(Debug, Args)]
pub(super) struct QueueSend {
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10s")]
    pub(super) wait: Duration,
    #[arg(long)]
    pub(super) exercise: bool,
}

#[derive(Debug, Args)]
pub(super) struct Subscribe {
    #[arg(required = true, value_name = "CHANNEL")]
    pub(super) channels: Vec<String>,
    #[arg(long)]
    pub(super) exercise: bool,
    #[arg(long, value_name = "CURSOR")]
    pub(super) after: Option<After>,
    #[arg(long, value_name = "NAME")]
    pub(super) durable: Option<String>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(super) wait: Option<Duration>,
    #[arg(long)]
    pub(super) strict: bool,
    #[arg(long, value_name = "DIR")]
    pub(super) cap_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    pub(super) file: PathBuf,
    // A thumbprint may begin with a hyphen.
    #[arg(long = "root", value_name = "THUMBPRINT", allow_hyphen_values = true)]
    pub(super) roots: Vec<KeyId>,
    #[arg(long = "rotation", value_name = "FILE", requires = "roots")]
    pub(super) rotations: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum IdentityCommand {
    New(IdentityNew),
    Show(IdentityShow),
}

#[derive(Debug, Args)]
pub(super) struct IdentityNew {
    pub(super) name: String,
    #[arg(long, value_name = "PLANE", default_value = "both", value_parser = ["live", "exercise", "both"])]
    pub(super) plane: String,
}

#[derive(Debug, Args)]
pub(super) struct IdentityShow {
    pub(super) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum TrustCommand {
    Grant(TrustGrant),
    Explain(TrustExplain),
    List(TrustList),
    Rotate(TrustRotate),
    Revoke(TrustRevoke),
    Send(TrustSend),
    Show(TrustShow),
    Root {
        #[command(subcommand)]
        command: RootCommand,
    },
}

#[derive(Debug, Args)]
pub(super) struct TrustGrant {
    #[arg(long, value_name = "NAME", conflicts_with = "key", required_unless_present = "key")]
    pub(super) to: Option<String>,
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    pub(super) out: Option<PathBuf>,
    #[arg(long, value_name = "DIR")]
    pub(super) authority: Option<PathBuf>,
    #[arg(long, value_name = "ROLE", default_value = "author", value_parser = role_parser())]
    pub(super) role: Role,
    #[arg(long, value_name = "ORG")]
    pub(super) org: Jurisdiction,
    #[arg(long, value_name = "TEXT")]
    pub(super) name: String,
    #[arg(long, value_name = "FLOW", value_delimiter = ',', value_parser = flow_parser())]
    pub(super) flow: Vec<Flow>,
    #[arg(long, value_name = "PLACE")]
    pub(super) at: Option<Jurisdiction>,
    #[arg(long, value_name = "SEVERITY", requires = "at", value_parser = severity_parser(), ignore_case = true)]
    pub(super) publish: Option<Severity>,
    #[arg(long, requires = "at")]
    pub(super) subscribe: bool,
    #[arg(long, value_name = "LEVELS", requires = "at", default_value_t = 0)]
    pub(super) delegate: u8,
    #[arg(long, value_name = "GRANT")]
    pub(super) grant: Vec<GrantSpec>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=DAYS_MAX))]
    pub(super) days: Option<u64>,
    #[arg(long)]
    pub(super) exercise: bool,
}

/// Longest life of a credential on this command line: a century is a slip of the fingers.
pub(super) const DAYS_MAX: u64 = 36_525;

#[derive(Debug, Args)]
pub(super) struct TrustShow {
    pub(super) target: String,
    #[arg(long)]
    pub(super) exercise: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum CheckCommand {
    Relay(CheckRelay),
}

#[derive(Debug, Args)]
pub(super) struct CheckRelay {
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1s")]
    pub(super) warn: Duration,
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "5s")]
    pub(super) crit: Duration,
    #[arg(long)]
    pub(super) exercise: bool,
}

#[derive(Debug, Args)]
pub(super) struct Errors {
    pub(super) code: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    pub(super) dir: Option<PathBuf>,
}

fn lang_parser() -> impl TypedValueParser<Value = Lang> {
    PossibleValuesParser::new(["fr", "en"]).map(|text| if text == "fr" { Lang::Fr } else { Lang::En })
}

pub(super) fn severity_parser() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)).map(|text| {
        let given = Severity::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(&text));
        given.expect("the parser before this one took only these words")
    })
}

pub(super) fn label_parser() -> impl TypedValueParser<Value = Tlp> {
    PossibleValuesParser::new(Tlp::ALL.map(Tlp::as_str)).map(|text| {
        let given = Tlp::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(&text));
        given.expect("the parser before this one took only these words")
    })
}

fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(["author", "relay"])
        .map(|text| if text == "relay" { Role::Relay } else { Role::Author })
}

fn flow_parser() -> impl TypedValueParser<Value = Flow> {
    PossibleValuesParser::new([Flow::Alert.as_str(), Flow::Signal.as_str()])
        .map(|text| if text == Flow::Alert.as_str() { Flow::Alert } else { Flow::Signal })
}
