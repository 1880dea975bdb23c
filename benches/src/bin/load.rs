//! The load generator as a program: one case against one server, its figures as JSON. See `benches/README.md`.
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use vigie_benches::load::cases::{connect, fanout, publish};
use vigie_benches::load::peer::Kind;
use vigie_benches::load::{Crowd, Process, costs};
use vigie_benches::trust::Trust;

/// Asks every server of the comparison the same.
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    case: Case,
}

#[derive(Debug, Subcommand)]
enum Case {
    /// Makes a folder with the trust and the settings of a relay.
    Trust {
        folder: PathBuf,
        /// Where the relay is to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// Lines that are added to its settings.
        #[arg(long, default_value = "")]
        settings: String,
    },
    /// What a check, an append and a sync cost here.
    Costs {
        #[arg(long)]
        trust: PathBuf,
        /// On the disk of the journals that are compared.
        #[arg(long)]
        folder: PathBuf,
    },
    /// One publisher, many readers.
    Fanout {
        #[command(flatten)]
        server: Server,
        #[arg(long, default_value_t = 100)]
        readers: u64,
        /// Channels of each reader, each with one publish in turn; 0: all hear the same.
        #[arg(long, default_value_t = 0)]
        channels_each: u64,
        /// Messages under way when saturated.
        #[arg(long, default_value_t = 64)]
        window: u64,
        /// How long it is saturated; 0: not.
        #[arg(long, default_value_t = 3)]
        saturated_seconds: u64,
        /// Deliveries a second when paced.
        #[arg(long, default_value_t = 20_000)]
        rate: u64,
        /// How long it is paced; 0: not.
        #[arg(long, default_value_t = 5)]
        paced_seconds: u64,
    },
    /// Connections that log in and do nothing.
    Connect {
        #[command(flatten)]
        server: Server,
        #[arg(long, default_value_t = 2_000)]
        connections: u64,
        /// Connections before those, which are not counted.
        #[arg(long, default_value_t = 200)]
        warm: usize,
    },
    /// Publishes that are acknowledged when they are on disk.
    Publish {
        #[command(flatten)]
        server: Server,
        #[arg(long, default_value_t = 64)]
        authors: usize,
        #[arg(long, default_value_t = 20_000)]
        messages: u64,
    },
}

#[derive(Debug, Args)]
struct Server {
    /// What it is.
    #[arg(long)]
    peer: Kind,
    #[arg(long)]
    address: SocketAddr,
    /// Its process, for CPU, memory and write calls.
    #[arg(long)]
    pid: u32,
    /// Of a relay: the folder that `trust` made.
    #[arg(long)]
    trust: Option<PathBuf>,
    /// Of a relay: how many different readers there are; connections share them.
    #[arg(long, default_value_t = 100)]
    identities: u64,
    /// Of a relay: the interval between marks that readers ask for.
    #[arg(long, default_value_t = 60_000)]
    mark_ms: u64,
}

impl Server {
    fn open(&self) -> anyhow::Result<(Crowd, Process)> {
        let peer = self.peer.peer(self.trust.as_deref(), self.identities, self.mark_ms)?;
        Ok((Crowd::new(self.address, peer)?, Process::new(self.pid)?))
    }
}

fn main() -> anyhow::Result<()> {
    let report = match Command::parse().case {
        Case::Trust { folder, listen, settings } => {
            Trust::create(&folder, listen, &settings)?;
            return Ok(());
        }
        Case::Costs { trust, folder } => {
            serde_json::to_string(&costs::measure(&Trust::open(&trust)?, &folder)?)?
        }
        Case::Fanout { server, readers, channels_each, window, saturated_seconds, rate, paced_seconds } => {
            let (saturated, paced) =
                (Duration::from_secs(saturated_seconds), Duration::from_secs(paced_seconds));
            let options = fanout::Options { readers, channels_each, window, saturated, rate, paced };
            let (mut crowd, process) = server.open()?;
            serde_json::to_string(&fanout::run(&mut crowd, &process, options)?)?
        }
        Case::Connect { server, connections, warm } => {
            let (mut crowd, process) = server.open()?;
            serde_json::to_string(&connect::run(&mut crowd, &process, warm, connections)?)?
        }
        Case::Publish { server, authors, messages } => {
            let (mut crowd, process) = server.open()?;
            serde_json::to_string(&publish::run(&mut crowd, &process, authors, messages)?)?
        }
    };
    println!("{report}");
    Ok(())
}
