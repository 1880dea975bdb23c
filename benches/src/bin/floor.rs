//! The floor as a program: see `vigie_benches::floor`.
#![allow(clippy::print_stdout, reason = "whoever started it must learn where it listens")]

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use clap::Parser;

/// The least that a program on tokio and rustls must do to bring frames to many TLS connections.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 for any.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A file for durable publishes; it is made anew.
    #[arg(long)]
    file: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen)?;
    println!("listening on {}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(vigie_benches::floor::serve(listener, args.file.as_deref())))
}
