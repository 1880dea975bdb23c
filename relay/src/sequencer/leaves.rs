//! Leaves: under which credentials the messages of the log speak, which tells retention what to carry on.

use std::collections::{HashMap, HashSet};

use vigie_proto::id::{CredentialId, Sequence};

use crate::chains::StoredChains;

/// One entry for each credential under which a message of the log speaks.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    /// The last message under each.
    used_at: HashMap<CredentialId, Sequence>,
    /// On disk only in segments that are about to go: a message that needs one of them brings it again.
    forgotten: HashSet<CredentialId>,
}

impl Leaves {
    /// A message under this credential is on disk.
    pub(super) fn used(&mut self, leaf: CredentialId, seq: Sequence) {
        self.used_at.insert(leaf, seq);
    }

    /// How many credentials messages speak under whose chain is not whole on disk.
    pub(super) fn without_chain(&self, chains: &StoredChains) -> usize {
        self.used_at.keys().filter(|leaf| chains.chain(**leaf).is_none()).count()
    }

    /// The credential is on disk (again).
    pub(super) fn stored(&mut self, id: CredentialId) {
        self.forgotten.remove(&id);
    }

    /// The credential is not carried on.
    pub(super) fn forget(&mut self, id: CredentialId) {
        self.forgotten.insert(id);
    }

    /// Whether the credential is about to go.
    pub(super) fn is_forgotten(&self, id: CredentialId) -> bool {
        self.forgotten.contains(&id)
    }

    /// The credentials in the chains of all messages from `first_kept` on, and of these.
    pub(super) fn kept(
        &self,
        first_kept: Sequence,
        others: impl Iterator<Item = CredentialId>,
        chains: &StoredChains,
    ) -> HashSet<CredentialId> {
        let leaves = self.used_at.iter().filter(|(_, seq)| **seq >= first_kept).map(|(leaf, _)| *leaf);
        leaves.chain(others).flat_map(|leaf| chains.upwards(leaf)).collect()
    }

    /// The segments are gone.
    pub(super) fn drop_forgotten(&mut self, first_kept: Sequence, chains: &StoredChains) {
        self.used_at.retain(|_, seq| *seq >= first_kept);
        chains.retire(self.forgotten.drain());
    }
}
