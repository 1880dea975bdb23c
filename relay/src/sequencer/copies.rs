//! Where credentials and revocations stand on disk: each is written more than once, so that no single damaged record takes
//! from messages what they are verified with, or lets somebody back in who was revoked.
//!
//! A credential is written again with the first message that needs it in a segment, once more a little later in the
//! same segment, and after each start. Any one of the copies serves all messages. What is carried on by retention is
//! not counted: it comes on top.

use std::collections::HashMap;

use vigie_proto::id::CredentialId;

use crate::journal::WritePlace;

/// Between the two copies in a segment, so that no two neighbouring pages of a disk hold both. With a chain of four links
/// it costs twice 5 KiB in 64 MiB for each author.
const APART_BYTES: u64 = 8 * 1024;

/// Whether what is written here shares no page of a disk, nor two neighbouring ones, with what was written there.
pub(super) fn is_apart(there: WritePlace, here: WritePlace) -> bool {
    here.segment != there.segment || here.offset >= there.offset + APART_BYTES
}

/// The copies of one credential in the segment that it was written to last.
#[derive(Debug, Clone, Copy)]
struct Copies {
    first: WritePlace,
    twice: bool,
}

/// By credential; as many as are on disk at most, since those that go are forgotten here.
#[derive(Debug, Default)]
pub(super) struct CopiesOnDisk(HashMap<CredentialId, Copies>);

impl CopiesOnDisk {
    /// Whether the credential is written again with a message that will stand here.
    pub(super) fn wants_another(&self, id: &CredentialId, here: WritePlace) -> bool {
        self.0.get(id).is_none_or(|copies| {
            copies.first.segment != here.segment || (!copies.twice && is_apart(copies.first, here))
        })
    }

    /// It was written, up to this place.
    pub(super) fn written(&mut self, id: CredentialId, here: WritePlace) {
        let copies = self.0.entry(id).or_insert(Copies { first: here, twice: false });
        if copies.first.segment != here.segment {
            *copies = Copies { first: here, twice: false };
        } else if copies.first != here {
            copies.twice = true;
        }
    }

    /// Forgets those that are not on disk any more.
    pub(super) fn retain(&mut self, on_disk: impl Fn(&CredentialId) -> bool) {
        self.0.retain(|id, _| on_disk(id));
    }
}
