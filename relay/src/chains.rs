//! The chains that a relay knows: those on disk, and the verdicts on those it has seen.
//!
//! Off the fan-out path, so sharded maps serve both. No guard of them outlives its statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use dashmap::DashMap;
use vigie_proto::chain::{TokenHash, Verdicts};
use vigie_proto::credential::{Credential, Issuer};
use vigie_proto::frame::ServerFrame;
use vigie_proto::id::CredentialId;
use vigie_proto::limits::CHAIN_LINKS_MAX;

/// Credentials on disk: at about 2 KiB each with their frame, 128 MiB. Past it, publishes under a credential that is
/// not on disk yet are refused with `full`.
pub const STORED_CREDENTIALS_MAX: usize = 65_536;

/// Verdicts kept: as many as two chains for each of 10,000 sessions; past it all are forgotten and made again.
const VERDICTS_MAX: usize = 20_000;

/// The credentials that stand in the journal, and so are served as long as the messages under them.
#[derive(Debug, Default)]
pub struct StoredChains {
    credentials: DashMap<CredentialId, Arc<Credential>>,
    frames: DashMap<CredentialId, Bytes>,
}

impl StoredChains {
    /// Whether the credential is on disk.
    pub fn contains(&self, id: &CredentialId) -> bool {
        self.credentials.contains_key(id)
    }

    /// How many are on disk.
    pub fn len(&self) -> usize {
        self.credentials.len()
    }

    /// Whether none is on disk.
    pub fn is_empty(&self) -> bool {
        self.credentials.is_empty()
    }

    /// The credential is on disk now.
    pub fn insert(&self, credential: Arc<Credential>) {
        self.credentials.insert(credential.id(), credential);
    }

    /// No record on disk needs the credential any more.
    pub fn remove(&self, id: &CredentialId) {
        self.credentials.remove(id);
        self.frames.remove(id);
    }

    /// The links from the root down to this credential, as they were received.
    pub fn chain(&self, leaf: CredentialId) -> Option<Vec<Arc<str>>> {
        let mut links = Vec::new();
        let mut next = leaf;
        while links.len() < CHAIN_LINKS_MAX {
            let credential = self.credentials.get(&next).map(|entry| Arc::clone(&entry))?;
            links.push(Arc::clone(credential.token()));
            match credential.issuer() {
                Issuer::Itself(_) => {
                    links.reverse();
                    return Some(links);
                }
                Issuer::Parent(parent) => next = parent,
            }
        }
        None
    }

    /// The ids from this credential up to the root, as far as they are on disk.
    pub fn upwards(&self, leaf: CredentialId) -> impl Iterator<Item = CredentialId> {
        let above = |id: &CredentialId| match self.credentials.get(id)?.issuer() {
            Issuer::Parent(parent) => Some(parent),
            Issuer::Itself(_) => None,
        };
        std::iter::successors(Some(leaf), above).take(CHAIN_LINKS_MAX)
    }

    /// The ready `chain` frame for this credential.
    pub fn frame(&self, leaf: CredentialId) -> Option<Bytes> {
        if let Some(frame) = self.frames.get(&leaf).map(|entry| entry.clone()) {
            return Some(frame);
        }
        let links = self.chain(leaf)?;
        let chain = links.iter().map(|link| (&**link).into()).collect();
        let frame = Bytes::from(ServerFrame::Chain { chain, re: None }.to_text());
        self.frames.insert(leaf, frame.clone());
        Some(frame)
    }
}

/// Signature verdicts, shared by all workers. Times are judged at each use, so nothing here can go stale.
#[derive(Debug, Default)]
pub struct SharedVerdicts {
    found_good: DashMap<TokenHash, Arc<Credential>>,
    kept: AtomicUsize,
}

impl Verdicts for SharedVerdicts {
    fn find(&self, token: &TokenHash) -> Option<Arc<Credential>> {
        self.found_good.get(token).map(|entry| Arc::clone(&entry))
    }

    fn keep(&self, token: TokenHash, credential: &Arc<Credential>) {
        if self.kept.fetch_add(1, Ordering::Relaxed) >= VERDICTS_MAX {
            self.kept.store(0, Ordering::Relaxed);
            self.found_good.clear();
        }
        self.found_good.insert(token, Arc::clone(credential));
    }
}
