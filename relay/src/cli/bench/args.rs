//! The arguments of `vigie bench`, each with the most that may be asked for: a slip of the finger is no attack.

use std::time::Duration;

use clap::{Args, Subcommand, value_parser};

/// As many as a relay takes from one address.
const READERS_MAX: i64 = 5_000;
/// Each has a line of its own.
const AUTHORS_MAX: i64 = 256;
/// A second.
const RATE_MAX: i64 = 10_000;
/// Of a measurement, in seconds.
const SECONDS_MAX: i64 = 600;
/// While readers are away.
const MISSED_MAX: i64 = 10_000;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BenchCommand {
    Fanout(Fanout),
    Publish(Publish),
    Connect(Connect),
    Resume(Resume),
}

/// Which relay, and where on it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Target {
    #[arg(long, value_name = "CHANNEL")]
    pub(in crate::cli) channel: Option<String>,
    #[arg(long)]
    pub(in crate::cli) remote: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Fanout {
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=READERS_MAX))]
    pub(in crate::cli) readers: u32,
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(1..=RATE_MAX))]
    pub(in crate::cli) rate: u32,
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(1..=SECONDS_MAX))]
    pub(in crate::cli) seconds: u32,
    #[command(flatten)]
    pub(in crate::cli) target: Target,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Publish {
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..=AUTHORS_MAX))]
    pub(in crate::cli) authors: u32,
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=RATE_MAX))]
    pub(in crate::cli) rate: u32,
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(1..=SECONDS_MAX))]
    pub(in crate::cli) seconds: u32,
    #[command(flatten)]
    pub(in crate::cli) target: Target,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Connect {
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..=RATE_MAX))]
    pub(in crate::cli) rate: u32,
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(1..=SECONDS_MAX))]
    pub(in crate::cli) seconds: u32,
    #[command(flatten)]
    pub(in crate::cli) target: Target,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Resume {
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u32).range(1..=READERS_MAX))]
    pub(in crate::cli) readers: u32,
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=MISSED_MAX))]
    pub(in crate::cli) messages: u32,
    #[command(flatten)]
    pub(in crate::cli) target: Target,
}

impl BenchCommand {
    pub(super) const fn target(&self) -> &Target {
        match self {
            Self::Fanout(args) => &args.target,
            Self::Publish(args) => &args.target,
            Self::Connect(args) => &args.target,
            Self::Resume(args) => &args.target,
        }
    }

    /// As in the command line.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Fanout(_) => "fanout",
            Self::Publish(_) => "publish",
            Self::Connect(_) => "connect",
            Self::Resume(_) => "resume",
        }
    }

    /// What is timed: each is one figure in memory.
    pub(super) const fn samples(&self) -> u64 {
        let (each, times, seconds) = match self {
            Self::Fanout(args) => (args.readers, args.rate, args.seconds),
            Self::Publish(args) => (1, args.rate, args.seconds),
            Self::Connect(args) => (1, args.rate, args.seconds),
            Self::Resume(args) => (args.readers, args.messages, 1),
        };
        each as u64 * times as u64 * seconds as u64
    }

    /// Credentials that are wanted: readers share theirs, as people at one desk do.
    pub(super) fn identities(&self) -> u32 {
        let wanted = match self {
            Self::Fanout(args) => args.readers,
            Self::Publish(args) => args.authors,
            Self::Connect(args) => args.rate,
            Self::Resume(args) => args.readers,
        };
        wanted.min(super::bed::IDENTITIES_MAX)
    }
}

/// When each of many is due, at a steady rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) count: u32,
    pub(super) interval: Duration,
}

impl Rate {
    pub(super) fn new(rate: u32, seconds: u32) -> Self {
        Self { count: rate * seconds, interval: Duration::from_secs(1) / rate }
    }
}
