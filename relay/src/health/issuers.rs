//! What the workers found of credentials that end soon above those of their sessions, for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::worker::EndingIssuer;

/// One place for each worker, which alone writes there, every few seconds.
#[derive(Debug)]
pub(crate) struct Issuers(Vec<Mutex<Vec<EndingIssuer>>>);

impl Issuers {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Mutex::default()).collect())
    }

    /// What this worker has found now.
    pub(crate) fn show(&self, worker: usize, found: Vec<EndingIssuer>) {
        if let Some(place) = self.0.get(worker) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
    }

    /// Each once, the one that ends first first.
    pub(super) fn all(&self) -> Vec<EndingIssuer> {
        let mut all = BTreeMap::new();
        for place in &self.0 {
            for issuer in place.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                all.insert((issuer.valid.until, issuer.credential), issuer.clone());
            }
        }
        all.into_values().collect()
    }
}
