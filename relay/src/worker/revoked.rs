//! What a worker does with revocations: gives them to its readers, and ends the sessions that they meet.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vigie_proto::admit::Stored;
use vigie_proto::channel::Plane;
use vigie_proto::frame::{Rejection, ServerFrame};
use vigie_proto::id::{CredentialId, RevocationId};
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::revocation::InForce;
use vigie_proto::time::Timestamp;

use super::calls::Call;
use super::outbox::ReadRevocations;
use super::session::Stage;
use super::{SessionId, Worker};
use crate::chains::StoredChains;
use crate::revocations::{StoredRevocation, StoredRevocations};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;

/// From a revocation to the end of the connections that it ends, also of those that do not read: with what goes before
/// and after, under a second.
const END_WITHIN: Duration = Duration::from_millis(500);

/// Where the outboxes of a worker read revocations.
pub(super) struct Source<'w> {
    pub(super) revocations: &'w StoredRevocations,
    pub(super) chains: &'w StoredChains,
}

impl ReadRevocations for Source<'_> {
    fn next(&self, plane: Plane, after: u64) -> Option<(u64, CredentialId, Bytes)> {
        let next = self.revocations.after(plane, after)?;
        Some((next.count, next.in_force.revocation().issuer(), next.frame.clone()))
    }

    fn chain(&self, leaf: CredentialId) -> Option<Bytes> {
        self.chains.frame(leaf)
    }
}

impl Worker {
    /// Revocations are on disk: gives them to every session of their plane, and ends those that they meet.
    ///
    /// Costs a few comparisons for each session and revocation, and no signature.
    pub fn handle_revocations(&mut self, new: &[Arc<StoredRevocation>], now: Timestamp) {
        self.last_now = now;
        let mut ended = 0_u32;
        for id in self.all_sessions() {
            let Some(session) = self.session(id) else { continue };
            let Stage::LoggedIn(state) = &mut session.stage else {
                self.hurry_end(id, new);
                continue;
            };
            let plane = state.chain().plane();
            let mut met: Option<&InForce> = None;
            for one in new {
                if state.handle_revocation(&one.in_force) {
                    met = Some(&one.in_force);
                }
            }
            let met = met.and_then(|met| Some((met.revocation().id(), met.meets(state.chain())?.id())));
            #[cfg(feature = "sabotage")]
            let met = met.filter(|_| {
                let catches_up = session.subscription.is_some() && !session.is_live();
                !(Sabotage::RevokedSessionStays.is_planted()
                    || (Sabotage::RevokedWhileBehindStays.is_planted() && catches_up)
                    || (Sabotage::RevokedPastAThousandStay.is_planted() && ended >= 1_000))
            });
            self.give_revocations(id, plane);
            if let Some((revocation, link)) = met {
                let detail = format!("by revocation {revocation}");
                self.end_at_once(id, &Refusal::new(Code::SessionRevoked, detail).by(link));
                ended += 1;
            }
        }
        if ended > 0 {
            tracing::info!(worker = self.config.index, ended, "sessions were ended by a revocation");
        }
    }

    /// A session that is being closed for another reason still writes what waits, for up to
    /// [`CLOSE_WITHIN`](super::deadlines::CLOSE_WITHIN): not to one who is revoked.
    fn hurry_end(&mut self, id: SessionId, new: &[Arc<StoredRevocation>]) {
        let Some(session) = self.session(id) else { return };
        let under = session.closing_under.as_ref();
        if under.is_some_and(|chain| new.iter().any(|one| one.in_force.meets(chain).is_some())) {
            self.hurry(id);
        }
    }

    /// It is given nothing of what waits, and is dropped soon.
    pub(super) fn hurry(&mut self, id: SessionId) {
        let by = self.last_now.plus(END_WITHIN);
        let Some(session) = self.session(id) else { return };
        session.outbox.drop_events();
        let by = session.deadline.min(by);
        self.set_deadline(id, by);
    }

    /// Puts what the session lacks of the revocations of its plane into its outbox.
    pub(super) fn give_revocations(&mut self, id: SessionId, plane: Plane) {
        let through = self.revocations.last(plane);
        let Some(session) = self.session(id) else { return };
        let after = session.revocations_given;
        #[cfg(feature = "sabotage")]
        let through = if session.subscription.is_some() && Sabotage::RevocationNotToldLive.is_planted() {
            after
        } else {
            through
        };
        if after < through {
            session.revocations_given = through;
            session.outbox.push_revocations(plane, after, through);
            self.call(id, Call::Plain);
        }
    }

    /// The session ends at once: it is given nothing of what waits but the answers, and is dropped when it does not read
    /// them soon. Gives when.
    pub(super) fn end_at_once(&mut self, id: SessionId, refusal: &Refusal) -> Timestamp {
        if let Some(session) = self.session(id) {
            session.outbox.drop_events();
        }
        self.reject(id, &Rejection::from(refusal.clone()));
        let by = self.last_now.plus(END_WITHIN);
        self.set_deadline(id, by);
        by
    }

    /// The journal thread has decided on a revocation.
    pub(super) fn answer_revoke(&mut self, id: SessionId, re: u64, revocation: RevocationId, stored: Stored) {
        let (log, admitted) = (self.config.log, stored.admitted);
        self.push_text(id, ServerFrame::Revoked { re, id: revocation, log, admitted }.to_text());
    }
}
