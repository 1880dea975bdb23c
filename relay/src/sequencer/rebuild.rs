//! Rebuild: what is derived from the records of the journal when it is opened, but for revocations.

use std::sync::Arc;

use vigie_proto::admit::Stored;
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::time::Timestamp;

use super::ids::{Candidate, Ids, is_in_force};
use super::leaves::Leaves;
use crate::chains::StoredChains;
use crate::journal::{Journal, Record, Storage};

/// Takes note of one record.
pub(super) fn visit(
    record: &Record,
    ids: &mut Ids,
    leaves: &mut Leaves,
    chains: &StoredChains,
    now: Timestamp,
) {
    match record {
        Record::Credential { jws, .. } => {
            // Written by this relay after it was found good; a later version's credential is skipped, and its
            // messages are then given without a chain, which readers show as suspect.
            if let Some(credential) =
                std::str::from_utf8(jws).ok().and_then(|token| Credential::parse(token).ok())
            {
                chains.insert(Arc::new(credential));
            }
        }
        Record::Message(message) => {
            leaves.used(message.credential, message.seq);
            if is_in_force(message.expires, now) {
                let stored = Stored { seq: message.seq, admitted: message.admitted };
                let (credential, plane) = (message.credential, message.channel.plane);
                let candidate = Candidate { credential, plane, bytes: message.jws.len() };
                ids.insert(message.id, stored, message.expires, &candidate);
            }
        }
        Record::Carried(carried) => {
            if is_in_force(carried.expires, now) {
                let stored = Stored { seq: carried.seq, admitted: carried.admitted };
                // The plane is not carried on: of an exercise that is gone only the id is left, which counts as any.
                let candidate = Candidate { credential: carried.credential, plane: Plane::Live, bytes: 0 };
                ids.insert(carried.id, stored, carried.expires, &candidate);
            }
        }
        Record::Revocation(_) | Record::Forked(_) => {}
    }
}

/// Tells the operator what of the journal is lost.
pub(super) fn tell_losses<S: Storage>(journal: &Journal<S>, leaves: &Leaves, chains: &StoredChains) {
    for range in journal.damage() {
        let (segment, offset, what) = (&*range.segment, range.offset, range.what);
        let (after, next) = (range.after.get(), range.next.get());
        tracing::error!(
            segment,
            offset,
            what,
            after,
            next,
            "the journal is damaged: what lies between cannot be given; check the disk, and put the segment back \
             from a copy if there is one"
        );
    }
    let credentials = leaves.without_chain(chains);
    if credentials > 0 {
        tracing::error!(
            credentials,
            "the chains of some authors are damaged in the journal: their messages cannot be verified until they \
             publish again"
        );
    }
}
