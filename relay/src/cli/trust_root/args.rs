//! The arguments of `vigie trust root`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use vigie_proto::channel::Jurisdiction;

use crate::cli::duration;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RootCommand {
    New(RootNew),
    Rotate(RootRotate),
    Show(RootShow),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RootNew {
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) out: PathBuf,
    #[arg(long, value_name = "PLACE")]
    pub(in crate::cli) at: Jurisdiction,
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) name: String,
    #[arg(long)]
    pub(in crate::cli) exercise: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RootRotate {
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) authority: PathBuf,
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) to: PathBuf,
    // A quarter: readers that are switched on for the season's exercise are reached.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "90d")]
    pub(in crate::cli) overlap: Duration,
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: PathBuf,
    #[arg(long)]
    pub(in crate::cli) exercise: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RootShow {
    pub(in crate::cli) file: PathBuf,
}
