//! Mutual TLS, where the operator asks for it: whose certificates clients must show, and which of them are revoked.
//!
//! A handshake without a good certificate fails before anything else is said. A session that stands is judged again when
//! authorities or lists are renewed, and when its certificate ends (`Guest`): it ends with
//! `client_certificate_refused`. There are no tickets and no session store (`tls.rs`), so nothing resumes past this.
//!
//! It stands on top of the log-in and replaces nothing of it: who speaks is decided by credentials alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tokio::sync::watch;
use vigie_proto::certificate::{subject, validity};
use vigie_proto::revocation_list::{RevocationList, newest, taken_back};
use vigie_proto::time::{Timestamp, Window};

use super::tls::Tls;
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::server::RelayError;

/// A certificate is judged again this often at least: a timer that sleeps longer would miss a wall clock that was set.
const JUDGED_EVERY: Duration = Duration::from_secs(3_600);

/// Who certifies clients, and whom they have revoked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientAuth {
    /// The authorities: a client must show a certificate that leads to one of them.
    pub authorities: Vec<CertificateDer<'static>>,
    /// One revocation list of each authority at least, and of each one between it and a client. Past its time of renewal a
    /// list is no good, and clients are refused. Of several of one issuer that speak of the same certificates the newest
    /// counts, whatever their order: the one with the highest number, or made last where they have none.
    pub revocations: Vec<CertificateRevocationListDer<'static>>,
}

impl ClientAuth {
    /// Both are needed: a certificate that nobody could revoke would be good for years.
    pub const fn new(
        authorities: Vec<CertificateDer<'static>>,
        revocations: Vec<CertificateRevocationListDer<'static>>,
    ) -> Self {
        Self { authorities, revocations }
    }
}

/// The same, ready to judge.
pub(crate) struct Clients {
    /// For those who come: a list past its time is no list.
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// For those who are there: that nobody renewed a list in time ends no session.
    lasting: Arc<dyn ClientCertVerifier>,
    /// Of the authority that ends first; `None` where that cannot be read.
    pub(crate) authority: Option<Window>,
    /// Of the list that ends first.
    pub(crate) list: Option<Window>,
    /// Those that count.
    lists: Vec<RevocationList>,
}

fn unfit(why: impl fmt::Display) -> RelayError {
    RelayError::ClientAuthUnfit { why: why.to_string() }
}

impl Clients {
    /// # Errors
    /// One of them is unusable, an authority has no list, or two lists contradict each other.
    pub(crate) fn new(auth: &ClientAuth) -> Result<Self, RelayError> {
        let kept = newest(&auth.revocations).map_err(unfit)?;
        let (given, used) = (auth.revocations.len(), kept.len());
        if used < given {
            tracing::warn!(given, used, "of several revocation lists of one issuer the newest alone counts");
        }
        let mut roots = RootCertStore::empty();
        let mut authority = None;
        for certificate in &auth.authorities {
            roots.add(certificate.clone()).map_err(unfit)?;
            if !subject(certificate).is_some_and(|name| kept.iter().any(|(list, _)| list.is_of(name))) {
                return Err(unfit("an authority has no revocation list; an empty one will do"));
            }
            authority = earlier(authority, validity(certificate));
        }
        let ders = kept.iter().filter_map(|(_, place)| auth.revocations.get(*place).cloned());
        #[cfg(feature = "sabotage")]
        let ders = ders.filter(|_| !Sabotage::ClientListsNotLookedAt.is_planted());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), super::tls::provider())
            .with_crls(ders);
        let lists: Vec<_> = kept.iter().map(|(list, _)| list.clone()).collect();
        let list = lists.iter().fold(None, |first, list| earlier(first, Some(list.valid)));
        let lasting = builder.clone().build().map_err(unfit)?;
        let verifier = builder.enforce_revocation_expiration().build().map_err(unfit)?;
        Ok(Self { verifier, lasting, authority, list, lists })
    }

    /// Whether these may take the place of those: who was revoked must not come back by an old file.
    ///
    /// # Errors
    /// A list is older than the one in force.
    pub(super) fn may_follow(&self, before: &Self) -> Result<(), RelayError> {
        let Some((older, newer)) = taken_back(&before.lists, &self.lists) else { return Ok(()) };
        Err(unfit(format_args!(
            "a revocation list ({older}) is older than the one in force ({newer}), and would let in whom that one has \
             revoked; have a new one issued, or start the relay again if the old one is meant"
        )))
    }

    /// Whether a session may go on whose client showed this, its own certificate first.
    fn bears(&self, shown: &[CertificateDer<'static>]) -> bool {
        let Some((own, above)) = shown.split_first() else { return false };
        self.lasting.verify_client_cert(own, above, UnixTime::now()).is_ok()
    }
}

/// The one of two that ends first.
pub(super) fn earlier(one: Option<Window>, other: Option<Window>) -> Option<Window> {
    one.into_iter().chain(other).min_by_key(|valid| valid.until)
}

/// A connection whose client showed a certificate.
#[derive(Debug)]
pub(crate) struct Guest {
    shown: Vec<CertificateDer<'static>>,
    renewed: watch::Receiver<()>,
}

impl Guest {
    /// `renewed` was there before the handshake began, so that nothing is missed.
    pub(crate) fn new(shown: &[CertificateDer<'_>], renewed: watch::Receiver<()>) -> Self {
        Self { shown: shown.iter().map(|link| link.clone().into_owned()).collect(), renewed }
    }

    /// Waits until there is a reason to judge it again.
    pub(crate) async fn wait(&mut self, now: Timestamp) {
        let ends = self.shown.iter().filter_map(|link| validity(link)).map(|valid| valid.until).min();
        let left = ends.map_or(JUDGED_EVERY, |ends| ends.since(now).min(JUDGED_EVERY));
        tokio::select! {
            biased;
            // Nobody renews any more: the relay stops.
            Ok(()) = self.renewed.changed() => {}
            () = tokio::time::sleep(left.max(Duration::from_secs(1))) => {}
        }
    }

    /// Whether it may stay.
    pub(crate) fn is_borne(&self, tls: &Tls) -> bool {
        tls.shown().clients.is_none_or(|clients| clients.bears(&self.shown))
    }
}
