//! What holds for those who publish.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vigie_proto::cursor::Cursor;
use vigie_proto::id::MessageId;
use vigie_proto::refusal::Code;

use super::{Checker, Promise};
use crate::sim::history::AuthorId;

/// How far the clock of a relay is from true time at most, in a simulation; a jump by more admits nothing.
const CLOCK_WRONG_MAX: Duration = Duration::from_secs(120);

/// What relays have called messages.
#[derive(Debug, Default)]
pub(super) struct Authors {
    ids: BTreeMap<MessageId, Arc<str>>,
    id_of: BTreeMap<Arc<str>, MessageId>,
}

impl Checker {
    pub(super) fn handle_receipt(
        &mut self,
        author: AuthorId,
        token: &Arc<str>,
        id: MessageId,
        cursor: Cursor,
    ) {
        let name = self.name(token);
        match self.signed.get(token) {
            None => self.broken(Promise::HonestReceipts, "a receipt for bytes that nobody signed".to_owned()),
            Some(signed) => {
                let (signer, flaw, sent) = (signed.author, signed.flaw, signed.first_sent.is_some());
                if signer != author {
                    self.broken(
                        Promise::HonestReceipts,
                        format!("a receipt to {author} for {name} of {signer}"),
                    );
                }
                if let Some(flaw) = flaw {
                    self.broken(Promise::HonestReceipts, format!("a receipt for {name}, which is {flaw:?}"));
                }
                if !sent {
                    self.broken(Promise::HonestReceipts, format!("a receipt for {name}, which was not sent"));
                }
            }
        }
        let same_id = self.authors.id_of.entry(Arc::clone(token)).or_insert(id);
        let same_token = self.authors.ids.entry(id).or_insert_with(|| Arc::clone(token));
        if *same_id != id || same_token != token {
            self.broken(Promise::HonestReceipts, format!("{name} has two ids, or its id two messages"));
        }
        self.told(cursor.log, cursor.seq, cursor.admitted, token);
    }

    pub(super) fn handle_refusal(&mut self, token: &Arc<str>, code: Code) {
        let Some(signed) = self.signed.get(token) else { return };
        if code.is_temporary() || signed.flaw.is_some() {
            return;
        }
        if code == Code::Revoked {
            let chain = Arc::clone(&signed.chain);
            let what = format!("{} is refused", self.name(token));
            return self.must_be_met(&chain, what);
        }
        // The id of what is in the log is known until 120 s after it expires.
        let remembered = self.now < signed.expires.plus(CLOCK_WRONG_MAX / 2);
        let log = self.running.and_then(|log| self.logs.get(&log));
        let has_place = log.and_then(|log| {
            let seq = log.of.get(token)?;
            (!log.kept.may_be_forgotten(*seq)).then_some(*seq)
        });
        if let (Code::Expired, true, Some(seq)) = (code, remembered, has_place) {
            let what = format!("{} stands at {seq}, but is refused as expired", self.name(token));
            return self.broken(Promise::HonestReceipts, what);
        }
        let has_expired = self.now.plus(CLOCK_WRONG_MAX) >= signed.expires;
        // Sent by another, or under a chain whose time was over: which of the two is the author's to know.
        let not_under_this_chain =
            matches!(code, Code::NotAuthor | Code::CredentialExpired | Code::SessionExpired);
        let reason_holds = not_under_this_chain || (code == Code::Expired && has_expired);
        if !reason_holds {
            let what = format!("{} is refused for good with {code}", self.name(token));
            self.broken(Promise::HonestRefusals, what);
        }
    }
}
