//! For checkers of WebSocket conformance: a line that says again what it hears. Behind the feature `echo`; no other code
//! calls this.

use std::convert::Infallible;

use super::{Incoming, LinkError, shake_hands, upgrade};
use crate::tls::TlsRoots;
use crate::url::RelayUrl;

/// Opens a line as every line is opened, but for the log-in, and says each text again until it ends.
///
/// # Errors
/// Why it ended.
pub async fn echo(relay: &RelayUrl, roots: &TlsRoots) -> Result<Infallible, LinkError> {
    let tls = shake_hands(&roots.connector(), relay).await?;
    let mut line = upgrade(tls, relay).await?;
    loop {
        if let Incoming::Text(text) = line.next().await? {
            line.queue(text.as_str().to_owned());
        }
    }
}
