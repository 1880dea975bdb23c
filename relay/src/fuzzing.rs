//! What the fuzz targets reach of the relay that is private to it: nothing public reads a request without a socket, or
//! settings without the files that they name. Behind the feature `fuzzing`; no other code calls this.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vigie_proto::refusal::Code;

pub use crate::cli::fuzzed_settings as settings;
use crate::net::upgrade::{UpgradeRules, upgrade};

/// More than any answer. The pipe has this beside the request: neither side ever waits for the other. Not more, for it is
/// reserved whole each time.
const ANSWER_BYTES: usize = 8 * 1024;

/// Turns that the relay has for what has come. Whoever ends his half before he is answered has given up: so it is answered
/// before.
const TURNS: usize = 16;

/// What became of the bytes of a client.
#[derive(Debug)]
pub struct Upgraded {
    /// What the client was sent.
    pub answer: Vec<u8>,
    /// What comes after the request, when it became a WebSocket.
    pub behind: Option<Vec<u8>>,
}

/// The upgrade of one connection, whose client sends these parts and, when they are answered, ends its half.
pub async fn upgraded(parts: &[&[u8]], origins: &[&str], full: bool) -> Upgraded {
    let (mut client, relay) =
        tokio::io::duplex(parts.iter().map(|part| part.len()).sum::<usize>() + ANSWER_BYTES);
    let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    let rules = UpgradeRules { origins, ..UpgradeRules::default() };
    let sending = async {
        for part in parts {
            // Who is refused after the first part is not read any further.
            let _ = client.write_all(part).await;
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
        }
        let _ = client.shutdown().await;
    };
    let serving = async {
        let mut upgraded =
            upgrade(relay, &rules, full.then_some(Code::TooManyConnections), |_| false).await?;
        upgraded.stream.write_all(&upgraded.answer).await.ok()?;
        let mut behind = upgraded.read_ahead.to_vec();
        upgraded.stream.read_to_end(&mut behind).await.ok()?;
        Some(behind)
    };
    let ((), behind) = tokio::join!(sending, serving);
    let mut answer = Vec::new();
    let read = client.read_to_end(&mut answer).await;
    debug_assert!(read.is_ok(), "a pipe that its other end has closed");
    Upgraded { answer, behind }
}
