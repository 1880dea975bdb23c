//! The arguments of `vigie journal`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vigie_proto::id::KeyId;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum JournalCommand {
    Verify(JournalVerify),
    Stats(JournalStats),
    Export(JournalExport),
    Import(JournalImport),
    Backup(JournalBackup),
    New(JournalNew),
}

/// Which roots to trust: those named here, else those of the settings, else those of the context.
#[derive(Debug, Args)]
pub(in crate::cli) struct Trust {
    // A thumbprint may begin with a hyphen.
    #[arg(long = "root", value_name = "THUMBPRINT", allow_hyphen_values = true)]
    pub(in crate::cli) roots: Vec<KeyId>,
    #[arg(long = "rotation", value_name = "FILE", requires = "roots")]
    pub(in crate::cli) rotations: Vec<PathBuf>,
    #[arg(long, value_name = "FILE", env = "VIGIE_CONFIG", hide_env_values = true)]
    pub(in crate::cli) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JournalVerify {
    pub(in crate::cli) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) trust: Trust,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JournalStats {
    pub(in crate::cli) dir: Option<PathBuf>,
    #[arg(long, value_name = "FILE", env = "VIGIE_CONFIG", hide_env_values = true)]
    pub(in crate::cli) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JournalExport {
    pub(in crate::cli) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) trust: Trust,
    #[arg(long, value_name = "SEQ")]
    pub(in crate::cli) from: Option<u64>,
    #[arg(long, value_name = "SEQ")]
    pub(in crate::cli) to: Option<u64>,
    #[arg(long, value_name = "CHANNEL")]
    pub(in crate::cli) channel: Vec<String>,
    #[arg(long, requires = "channel")]
    pub(in crate::cli) exercise: bool,
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(in crate::cli) output: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JournalImport {
    pub(in crate::cli) source: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) journal: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) trust: Trust,
    #[arg(long)]
    pub(in crate::cli) skip_refused: bool,
    #[arg(long)]
    pub(in crate::cli) partial: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JournalBackup {
    pub(in crate::cli) dest: PathBuf,
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) journal: Option<PathBuf>,
    #[arg(long, value_name = "FILE", env = "VIGIE_CONFIG", hide_env_values = true)]
    pub(in crate::cli) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct JournalNew {
    pub(in crate::cli) dir: PathBuf,
}
