//! Opens one line of the SDK after another, and says again what comes on each: for checkers of WebSocket conformance.
//!
//! `echo-client wss://HOST:PORT AUTHORITY.PEM LINES`: prints how each line ended.
#![expect(clippy::print_stdout, reason = "how each line ended is what it tells")]

use std::error::Error;

use vigie_client::{RelayUrl, TlsRoots, echo};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [relay, authority, lines] = &arguments[..] else {
        return Err("echo-client wss://HOST:PORT AUTHORITY.PEM LINES".into());
    };
    let relay: RelayUrl = relay.parse()?;
    let roots = TlsRoots::from_pem(&std::fs::read(authority)?)?;
    let lines: usize = lines.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for line in 1..=lines {
            let Err(ended) = echo(&relay, &roots).await;
            println!("{line}: {ended}");
        }
    });
    Ok(())
}
