//! Says each message again, through the very layers of the relay: for checkers of WebSocket conformance.
//!
//! `echo-server CERTIFICATE.PEM KEY.PEM MESSAGE_BYTES_MAX`: prints its port on 127.0.0.1, and runs until it is killed.
#![expect(clippy::print_stdout, reason = "the port is what whoever starts it waits for")]

use std::error::Error;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [chain, key, message_bytes_max] = &arguments[..] else {
        return Err("echo-server CERTIFICATE.PEM KEY.PEM MESSAGE_BYTES_MAX".into());
    };
    let chain = CertificateDer::pem_file_iter(chain)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let message_bytes_max = message_bytes_max.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        Ok(vigie_relay::net::echo::serve(listener, chain, key, message_bytes_max).await?)
    })
}
