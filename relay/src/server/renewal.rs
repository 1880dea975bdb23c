//! What may be renewed while a relay runs: the TLS certificate, what clients must show, its own credential, its roots; and what
//! others must renew.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use vigie_proto::chain::Roots;

use super::inbox::Letter;
use super::{Relay, RelayError};
use crate::config::ClientAuth;
use crate::own_credential::OwnCredential;
use crate::trust::{EndingRoot, ending_roots};
use crate::worker::EndingIssuer;

impl Relay {
    /// Shows clients another certificate from the next handshake on. No session ends, and a log-in under way is judged by
    /// the certificate that its client saw. When it cannot be used the one before stays, and [`Relay::status`] says so
    /// until one was.
    ///
    /// # Errors
    /// [`RelayError::NoCertificate`], [`RelayError::Tls`] or [`RelayError::CertificateUnfit`].
    pub fn renew_tls(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), RelayError> {
        self.tls.renew(chain, key, self.health.now()).map(drop)
    }

    /// Takes up a renewed credential of the relay: clients that log in from now on are told of it. Its key and chain are for
    /// the caller to judge.
    pub fn renew_credential(&self, own: OwnCredential) {
        self.own.renew(own);
    }

    /// Asks clients for certificates of these authorities from the next handshake on. Sessions whose certificate is revoked
    /// or leads to none of them are closed with `client_certificate_refused`, at once. When it cannot be used, what was
    /// asked before stays, and [`Relay::status`] says so until something could. Turns mutual TLS on where it was off;
    /// sessions from before that showed none stay.
    ///
    /// # Errors
    /// [`RelayError::ClientAuthUnfit`]: unusable, past its time, an authority without a revocation list, or a list that is older
    /// than the one in force.
    pub fn renew_client_auth(&self, auth: &ClientAuth) -> Result<(), RelayError> {
        self.tls.renew_clients(auth, self.health.now())
    }

    /// A renewed certificate or key could not even be read: [`Relay::status`] says so until one could be used.
    pub fn note_tls_unreadable(&self) {
        self.tls.note_refused();
    }

    /// The same of authorities or revocation lists for clients.
    pub fn note_client_auth_unreadable(&self) {
        self.tls.note_clients_refused();
    }

    /// Trusts these roots from now on, with their rotations, and no others. Nothing that is decided on once this has
    /// returned is admitted under a root that is not among them, also of what was sent before; sessions under one are closed within a second, with
    /// `session_expired`. Sessions whose chain leads to a root that stays go on, and are given the rotations that are new.
    pub fn renew_roots(&self, roots: Roots) {
        let rules = self.rules.trust(roots);
        for inbox in &self.inboxes {
            inbox.put(Letter::Rules(Arc::clone(&rules)));
        }
    }

    /// The roots that end, by their own word, at a moment that is still to come: the first first.
    pub fn ending_roots(&self) -> Vec<EndingRoot> {
        ending_roots(&self.rules.now().roots, self.health.now())
    }

    /// The credentials above those of sessions that end within 30, 7 or 1 days, as the workers found them in the last seconds:
    /// the first first, at most 64 of each worker.
    pub fn ending_issuers(&self) -> Vec<EndingIssuer> {
        self.health.ending_issuers()
    }

    /// New roots or rotations could not be read, or not be used: [`Relay::status`] says so until some could.
    pub fn note_roots_unusable(&self) {
        self.rules.note_refused();
    }
}
