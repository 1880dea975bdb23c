//! What a running relay has done for it: the TLS certificate taken up when its files change or SIGHUP asks, and a line in
//! the log 30, 7 and 1 days before a certificate or the relay's own credential ends.
//!
//! The files are looked at every [`LOOK_EVERY`]: that works on every file system and for every way of putting new files
//! in place (renaming, links, writing over). Changed files are read once they look the same twice, since certificate and
//! key are rarely written in the same moment; SIGHUP reads them at once.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::Signal;

use super::settings::TlsFiles;
use super::text::Lang;
use super::time;
use crate::health::expiry::{Notice, Validity};
use crate::server::Relay;

/// Two looks and a renewed certificate is shown: soon enough for whoever watches, and two `stat` calls cost nothing.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Something with an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Certificate,
    Credential,
}

/// What the system says of a file that changes whenever its content does: device, inode, size, time. `None` where there
/// is none.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// Runs beside a relay.
#[derive(Debug)]
pub(super) struct Upkeep {
    lang: Lang,
    files: TlsFiles,
    hangup: Signal,
    /// Of the files that were last read.
    read: [Stamp; 2],
    /// At the last look.
    seen: [Stamp; 2],
    /// What was last told of each end.
    told: BTreeMap<Ending, Notice>,
}

impl Upkeep {
    /// The files were just read.
    pub(super) fn new(lang: Lang, files: TlsFiles, hangup: Signal) -> Self {
        let seen = stamps(&files);
        Self { lang, files, hangup, read: seen, seen, told: BTreeMap::new() }
    }

    /// Never ends.
    pub(super) async fn run(mut self, relay: &Relay) {
        loop {
            self.tell_ends(relay);
            let asked = tokio::select! {
                biased;
                _ = self.hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let now = stamps(&self.files);
            let settled = now == std::mem::replace(&mut self.seen, now);
            if asked || (settled && now != self.read) {
                self.read = now;
                self.renew(relay);
            }
        }
    }

    fn renew(&self, relay: &Relay) {
        let renewed = match self.files.read(self.lang) {
            Ok((chain, key)) => relay.renew_tls(chain, key).map_err(|error| error.to_string()),
            Err(failure) => {
                relay.note_tls_unreadable();
                Err(failure.to_string())
            }
        };
        match renewed {
            Ok(()) => tracing::info!("the TLS certificate was read again; new connections are shown it"),
            Err(error) => {
                tracing::error!(%error, "the new TLS certificate or key is refused; the one before stays")
            }
        }
    }

    /// Says what has come closer to its end since it was last told.
    fn tell_ends(&mut self, relay: &Relay) {
        let status = relay.status();
        for (what, validity) in
            [(Ending::Certificate, status.certificate), (Ending::Credential, status.credential)]
        {
            let Some(validity) = validity else { continue };
            if self.told.insert(what, validity.notice) == Some(validity.notice) {
                continue;
            }
            // In English, as all of the log.
            if let Some(text) = near_end(Lang::En, what, validity) {
                tracing::warn!(days_left = validity.left_s / 86_400, "{text}");
            }
        }
    }
}

/// What to say of an end that is near or past; `None` of one that is far.
pub(super) fn near_end(lang: Lang, what: Ending, validity: Validity) -> Option<String> {
    let what = match what {
        Ending::Certificate => lang.the_certificate(),
        Ending::Credential => lang.the_relay_credential(),
    };
    said_of_end(lang, what, validity)
}

/// The same of something else.
pub(super) fn said_of_end(lang: Lang, what: String, validity: Validity) -> Option<String> {
    let date = time::date(validity.ends);
    match validity.notice {
        Notice::None => None,
        Notice::Month | Notice::Week | Notice::Day => {
            Some(lang.ends_soon(what, date, validity.left_s / 86_400))
        }
        Notice::Ended => Some(lang.has_ended(what, date)),
    }
}

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    [stamp(&files.chain), stamp(&files.key)]
}

fn stamp(path: &Path) -> Stamp {
    let it = std::fs::metadata(path).ok()?;
    Some((it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec()))
}
