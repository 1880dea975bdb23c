//! What a running relay has done for it: the TLS certificate, what clients are judged by, the roots with their rotations,
//! and its own credential taken up when their files change or SIGHUP asks, and a line in the log 30, 7 and 1 days before one
//! of them ends, or a credential above those of its sessions. Of the settings only `roots` and `rotations` are read again.
//!
//! The files are looked at every [`LOOK_EVERY`]: that works on every file system and for every way of putting new files
//! in place (renaming, links, writing over). Changed files are read once they look the same twice, since certificate and
//! key are rarely written in the same moment; SIGHUP reads them at once.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::Signal;
use vigie_proto::channel::Plane;
use vigie_proto::id::{CredentialId, KeyId};
use vigie_proto::time::Timestamp;

use super::exit::refusal_text;
use super::settings::{OwnFiles, RootFiles, Settings, TlsFiles};
use super::text::Lang;
use super::{ends, time};
use crate::health::expiry::{Notice, Validity};
use crate::own_credential::OwnCredential;
use crate::server::Relay;

/// Two looks and a renewed certificate is shown: soon enough for whoever watches, and four `stat` calls cost nothing.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Something with an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Certificate,
    ClientAuthority,
    ClientList,
    Credential,
}

/// Issuers of which it is remembered what was told: past so many the numbers of the health page tell alone. Whoever may
/// delegate makes as many as he likes, and the log is not to fill up with them.
const ISSUERS_TOLD_MAX: usize = 256;

/// What the system says of a file that changes whenever its content does: device, inode, size, time. `None` where there
/// is none.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// Files that are read together, and whether they have changed.
#[derive(Debug)]
struct Watched {
    paths: Vec<PathBuf>,
    /// Of the files that were last read.
    read: Vec<Stamp>,
    /// At the last look.
    seen: Vec<Stamp>,
}

impl Watched {
    /// The files were just read.
    fn new(paths: Vec<PathBuf>) -> Self {
        let seen = stamps(&paths);
        Self { paths, read: seen.clone(), seen }
    }

    /// Whether they are to be read now: they have changed and are still, or somebody asks.
    fn is_due(&mut self, asked: bool) -> bool {
        let now = stamps(&self.paths);
        let settled = now == std::mem::replace(&mut self.seen, now.clone());
        let due = asked || (settled && now != self.read);
        if due {
            self.read = now;
        }
        due
    }
}

/// Runs beside a relay.
#[derive(Debug)]
pub(super) struct Upkeep {
    lang: Lang,
    tls: TlsFiles,
    tls_watched: Watched,
    roots: RootFiles,
    roots_watched: Watched,
    own: Option<(OwnFiles, Watched)>,
    hangup: Signal,
    /// What was last told of each end.
    told: BTreeMap<Ending, Notice>,
    /// The same of roots that hand over.
    told_roots: BTreeMap<(KeyId, Plane), Notice>,
    /// The same of credentials above those of sessions, with when they end, until they have; also while nobody below them is
    /// there.
    told_issuers: BTreeMap<CredentialId, (Timestamp, Notice)>,
}

impl Upkeep {
    /// The files were just read.
    pub(super) fn new(
        lang: Lang,
        (tls, roots): (TlsFiles, RootFiles),
        own: Option<OwnFiles>,
        hangup: Signal,
    ) -> Self {
        let clients = tls.clients.iter().flat_map(|clients| [&clients.authorities, &clients.lists]);
        let tls_watched = Watched::new([&tls.chain, &tls.key].into_iter().chain(clients).cloned().collect());
        let watched = |own: OwnFiles| {
            let watched = Watched::new(vec![own.chain.clone(), own.key.clone()]);
            (own, watched)
        };
        let (own, roots_watched) = (own.map(watched), Watched::new(roots.all()));
        Self {
            lang,
            tls,
            tls_watched,
            roots,
            roots_watched,
            own,
            hangup,
            told: BTreeMap::new(),
            told_roots: BTreeMap::new(),
            told_issuers: BTreeMap::new(),
        }
    }

    /// Never ends.
    pub(super) async fn run(mut self, relay: &Relay) {
        loop {
            self.tell_ends(relay);
            self.tell_roots(relay);
            self.tell_issuers(relay);
            let asked = tokio::select! {
                biased;
                _ = self.hangup.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            if self.tls_watched.is_due(asked) {
                self.renew(relay);
                self.renew_clients(relay);
            }
            let rooted = self.roots_watched.is_due(asked) && self.renew_roots(relay);
            if let Some((own, watched)) = &mut self.own
                && watched.is_due(asked || rooted)
            {
                renew_own(self.lang, own, relay);
            }
        }
    }

    fn renew(&self, relay: &Relay) {
        let renewed = match self.tls.read(self.lang) {
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

    fn renew_clients(&self, relay: &Relay) {
        let Some(clients) = &self.tls.clients else { return };
        let renewed = match clients.read(self.lang) {
            Ok(auth) => relay.renew_client_auth(&auth).map_err(|error| error.to_string()),
            Err(failure) => {
                relay.note_client_auth_unreadable();
                Err(failure.to_string())
            }
        };
        match renewed {
            Ok(()) => {
                tracing::info!(
                    "the client authority and its revocation list were read again; sessions are judged by them"
                )
            }
            Err(error) => {
                tracing::error!(%error, "the new client authority or revocation list is refused; the one before stays")
            }
        }
    }

    /// Trusts the roots that the settings name now, or goes on with those before. Whether it took them.
    fn renew_roots(&mut self, relay: &Relay) -> bool {
        match Settings::roots_of(self.lang, &self.roots.settings) {
            Ok((roots, files)) => {
                if files.rotations != self.roots.rotations {
                    (self.roots, self.roots_watched) = (files.clone(), Watched::new(files.all()));
                }
                if let Some((own, _)) = &mut self.own {
                    own.roots = roots.clone();
                }
                let (pinned, rotations) = (roots.pinned().count(), roots.rotations().count());
                relay.renew_roots(roots);
                tracing::info!(pinned, rotations, "the roots were read again; all are judged by them");
                true
            }
            Err(failure) => {
                relay.note_roots_unusable();
                let error = failure.to_string();
                tracing::error!(%error, "the new roots or rotations are refused; those before stay");
                false
            }
        }
    }

    /// Says what has come closer to its end since it was last told.
    fn tell_ends(&mut self, relay: &Relay) {
        let status = relay.status();
        for (what, validity) in [
            (Ending::Certificate, status.certificate),
            (Ending::ClientAuthority, status.client_authority),
            (Ending::ClientList, status.client_list),
            (Ending::Credential, status.credential),
        ] {
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

    /// The same of each root that hands over. Those that have are in order, and not told of.
    fn tell_roots(&mut self, relay: &Relay) {
        for root in relay.ending_roots() {
            let validity = Validity::of(root.valid, time::now());
            let before = self.told_roots.insert((root.root, root.plane), validity.notice);
            if before != Some(validity.notice)
                && let Some(text) = ends::near_root(Lang::En, &root)
            {
                tracing::warn!(plane = %root.plane, days_left = validity.left_s / 86_400, "{text}");
            }
        }
    }

    /// The same of each credential above those of sessions.
    fn tell_issuers(&mut self, relay: &Relay) {
        let now = time::now();
        self.told_issuers.retain(|_, (ends, _)| *ends > now);
        for issuer in relay.ending_issuers() {
            let validity = Validity::of(issuer.valid, now);
            let before = self.told_issuers.get(&issuer.credential);
            let is_full = before.is_none() && self.told_issuers.len() >= ISSUERS_TOLD_MAX;
            let told = (validity.ends, validity.notice);
            if is_full || !validity.notice.is_warning() || before == Some(&told) {
                continue;
            }
            self.told_issuers.insert(issuer.credential, told);
            let what = Lang::En.the_issuer(&issuer.org);
            if let Some(text) = said_of_end(Lang::En, what, validity) {
                let days_left = validity.left_s / 86_400;
                tracing::warn!(credential = %issuer.credential, plane = %issuer.plane, days_left, "{text}");
            }
        }
    }
}

/// What to say of an end that is near or past; `None` of one that is far.
pub(super) fn near_end(lang: Lang, what: Ending, validity: Validity) -> Option<String> {
    let what = match what {
        Ending::Certificate => lang.the_certificate(),
        Ending::ClientAuthority => lang.the_client_authority(),
        Ending::ClientList => lang.the_client_list(),
        Ending::Credential => lang.the_relay_credential(),
    };
    said_of_end(lang, what, validity)
}

/// The same of something else.
pub(super) fn said_of_end(lang: Lang, what: String, validity: Validity) -> Option<String> {
    let date = time::date(validity.ends);
    if validity.notice.is_warning() {
        return Some(lang.ends_soon(what, date, validity.left_s / 86_400));
    }
    (validity.notice == Notice::Ended).then(|| lang.has_ended(what, date))
}

/// Takes up the relay's own credential, or goes on with the one before.
fn renew_own(lang: Lang, own: &OwnFiles, relay: &Relay) {
    let read = own.read(lang).map_err(|failure| failure.to_string());
    let good = read.and_then(|chain| match chain.judge(time::now()) {
        Ok(()) => Ok(chain),
        Err(refusal) => Err(refusal_text(lang, &refusal)),
    });
    match good {
        Ok(chain) => {
            relay.renew_credential(OwnCredential::from(&*chain));
            tracing::info!(credential = %chain.leaf().id(), "the relay's own credential was read again");
        }
        Err(error) => {
            tracing::error!(%error, "the relay's new credential or key is refused; the one before stays")
        }
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    paths.iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &std::path::Path) -> Stamp {
    let it = std::fs::metadata(path).ok()?;
    Some((it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec()))
}
