//! Plan: what a batch will append.

use std::sync::Arc;

use bytes::Bytes;
use vigie_proto::admit::Stored;
use vigie_proto::chain::Chain;
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::id::{CredentialId, Sequence};
use vigie_proto::verify::VerifiedMessage;

use super::statement::is_urgent;
use super::{StatementId, Ticket};
use crate::journal::{MessageRecord, Record, RevocationRecord};
use crate::revocations::StoredRevocation;

/// What a batch will append, in order: the links that are not on disk often enough, each before the first
/// statement under it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) records: Vec<Record>,
    pub(super) credentials: Vec<Arc<Credential>>,
    pub(super) revocations: Vec<Arc<StoredRevocation>>,
    /// Revocations that are on disk, and are written a second time.
    pub(super) copies: usize,
    /// Of each message in it, who asked, and whether it is urgent.
    pub(super) authors: Vec<(Ticket, bool)>,
    pub(super) ids: Vec<StatementId>,
    pub(super) last: Option<Sequence>,
    /// On the reserve nothing is written twice.
    pub(super) is_thrifty: bool,
}

/// The signed bytes of a message, as a record has them, without a copy.
struct Signed(Arc<str>);

impl AsRef<[u8]> for Signed {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Plan {
    pub(super) fn add_message(
        &mut self,
        author: Ticket,
        message: &VerifiedMessage,
        stored: Stored,
        on_disk: &dyn Fn(&CredentialId) -> bool,
    ) {
        self.add_links(message.chain().links(), on_disk);
        self.records.push(Record::Message(MessageRecord {
            seq: stored.seq,
            admitted: stored.admitted,
            expires: message.message().expires,
            id: message.id(),
            credential: message.credential(),
            severity: message.message().severity,
            channel: message.message().channel.clone(),
            audience: message.message().label.audience().clone(),
            jws: Bytes::from_owner(Signed(Arc::clone(message.token()))),
        }));
        // What is exercised keeps nobody waiting.
        let urgent = is_urgent(message) && message.message().channel.plane == Plane::Live;
        self.authors.push((author, urgent));
        self.ids.push(StatementId::Message(message.id()));
        self.last = Some(stored.seq);
    }

    pub(super) fn add_revocation(
        &mut self,
        one: Arc<StoredRevocation>,
        issuer: &Chain,
        on_disk: &dyn Fn(&CredentialId) -> bool,
    ) {
        self.add_links(issuer.links(), on_disk);
        self.write(&one);
        self.ids.push(StatementId::Revocation(one.in_force.revocation().id()));
        self.revocations.push(one);
    }

    /// One that is on disk already, and its issuer's chain.
    pub(super) fn add_copy(
        &mut self,
        one: &StoredRevocation,
        issuer: &[Arc<Credential>],
        on_disk: &dyn Fn(&CredentialId) -> bool,
    ) {
        self.add_links(issuer, on_disk);
        self.write(one);
        self.copies += 1;
    }

    fn write(&mut self, one: &StoredRevocation) {
        let revocation = one.in_force.revocation();
        self.records.push(Record::Revocation(RevocationRecord {
            count: one.count,
            seq: one.stored.seq,
            admitted: one.stored.admitted,
            id: revocation.id(),
            issuer: revocation.issuer(),
            jws: Bytes::copy_from_slice(revocation.token().as_bytes()),
        }));
    }

    fn add_links(&mut self, links: &[Arc<Credential>], on_disk: &dyn Fn(&CredentialId) -> bool) {
        for link in links {
            if !on_disk(&link.id()) && !self.has(link.id()) {
                let jws = Bytes::copy_from_slice(link.token().as_bytes());
                self.records.push(Record::Credential { id: link.id(), jws });
                self.credentials.push(Arc::clone(link));
            }
        }
    }

    fn has(&self, id: CredentialId) -> bool {
        self.credentials.iter().any(|credential| credential.id() == id)
    }
}
