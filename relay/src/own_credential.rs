//! The relay's own credential: told to clients in `welcome`, warned of before it ends, renewed while the relay runs.
//!
//! Read by workers once for each log-in and by the health page; written when its file has changed. Its key is no
//! business of the library: the command line holds it against the chain.

use std::sync::{Arc, Mutex, PoisonError};

use vigie_proto::chain::Chain;
use vigie_proto::id::CredentialId;
use vigie_proto::time::{Timestamp, Window};

use crate::health::expiry::Validity;

/// A credential of role `relay`, and when each link of its chain is good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnCredential {
    /// It.
    pub id: CredentialId,
    /// Of every link, root first; that of a root ends when it hands over.
    pub valid: Vec<Window>,
}

impl OwnCredential {
    /// From its parts.
    pub const fn new(id: CredentialId, valid: Vec<Window>) -> Self {
        Self { id, valid }
    }

    /// The link of its chain whose end matters most now.
    pub(crate) fn validity(&self, now: Timestamp) -> Option<Validity> {
        let told = self.valid.iter().map(|valid| Validity::of(*valid, now));
        // Of those that are equally near, the last: whose holder runs this relay.
        told.max_by_key(|validity| validity.notice)
    }
}

impl From<&Chain> for OwnCredential {
    fn from(chain: &Chain) -> Self {
        let mut valid: Vec<Window> = chain.links().iter().map(|link| link.claims().valid).collect();
        if let Some(root) = valid.first_mut() {
            *root = root.intersect(&chain.succession().window());
        }
        Self { id: chain.leaf().id(), valid }
    }
}

/// What is told now. One lock for each log-in, held for as long as it takes to copy an id.
#[derive(Clone, Debug, Default)]
pub struct SharedCredential(Arc<Mutex<Option<OwnCredential>>>);

impl SharedCredential {
    pub(crate) fn new(own: Option<OwnCredential>) -> Self {
        Self(Arc::new(Mutex::new(own)))
    }

    /// Its id, if the relay has one.
    pub fn id(&self) -> Option<CredentialId> {
        self.look(|own| own.id)
    }

    pub(crate) fn validity(&self, now: Timestamp) -> Option<Validity> {
        self.look(|own| own.validity(now)).flatten()
    }

    pub(crate) fn renew(&self, own: OwnCredential) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(own);
    }

    fn look<T>(&self, at: impl FnOnce(&OwnCredential) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(at)
    }
}
