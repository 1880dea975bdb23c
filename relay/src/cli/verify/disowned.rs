//! Which messages of an export are disowned by the revocations that stand in it.
//!
//! Fed by `vigie verify` with what it has verified. A revocation mostly stands behind the messages that it disowns, so these
//! are remembered until the end, up to a bound; where one reaches back further, that is said, and nobody is told too few.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;
use vigie_proto::chain::Chain;
use vigie_proto::channel::Plane;
use vigie_proto::cursor::Cursor;
use vigie_proto::id::{CredentialId, MessageId, RevocationId, Sequence};
use vigie_proto::revocation::{InForce, Reason, Revocations, VerifiedRevocation};
use vigie_proto::time::Timestamp;
use vigie_proto::verify::VerifiedMessage;

use crate::cli::exit::{Exit, Failure, Outcome, heard_or_not};
use crate::cli::screen::{Screen, Tone};
use crate::cli::time;
use crate::revocations::REVOCATIONS_MAX;

/// Messages that are remembered: some 80 MiB. A nation at its busiest says so many in weeks.
const HEARD_MAX: usize = 1_048_576;

#[derive(Debug)]
struct Heard {
    line: u64,
    seq: Sequence,
    admitted: Timestamp,
    id: MessageId,
    chain: Arc<Chain>,
}

/// Revocations that were verified, and the messages that they may meet.
#[derive(Debug)]
pub(super) struct Disowning {
    revocations: Revocations,
    heard: VecDeque<Heard>,
    /// When the last of those was admitted that are not remembered any more.
    forgotten: Option<Timestamp>,
    /// The moment to which one of the revocations reaches back furthest.
    earliest: Option<Timestamp>,
    max: usize,
}

impl Default for Disowning {
    fn default() -> Self {
        Self {
            revocations: Revocations::default(),
            heard: VecDeque::new(),
            forgotten: None,
            earliest: None,
            max: HEARD_MAX,
        }
    }
}

/// A message that was verified and is not to be believed.
#[derive(Debug, Serialize)]
struct DisownedMessage {
    r#type: &'static str,
    line: u64,
    seq: Sequence,
    id: MessageId,
    admitted: Timestamp,
    plane: Plane,
    credential: CredentialId,
    revocation: RevocationId,
    from: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

impl Disowning {
    /// How many there are, each once.
    pub(super) const fn revocations(&self) -> usize {
        self.revocations.len()
    }

    /// Takes a revocation; of several parts each gives it again. `Err` is the bound, when it is reached.
    pub(super) fn revoke(&mut self, verified: &VerifiedRevocation) -> Result<(), usize> {
        if self.revocations.len() >= REVOCATIONS_MAX && !self.revocations.contains(verified.revocation()) {
            return Err(REVOCATIONS_MAX);
        }
        let from = verified.revocation().statement().from;
        self.earliest = Some(self.earliest.map_or(from, |earliest| earliest.min(from)));
        self.revocations.insert(InForce::from(verified));
        Ok(())
    }

    /// Takes a message of this line of the export.
    pub(super) fn heard(&mut self, line: u64, cursor: &Cursor, signed: &VerifiedMessage) {
        if self.heard.len() >= self.max
            && let Some(oldest) = self.heard.pop_front()
        {
            self.forgotten = self.forgotten.max(Some(oldest.admitted));
        }
        let Cursor { seq, admitted, .. } = *cursor;
        let (id, chain) = (signed.id(), Arc::clone(signed.chain()));
        self.heard.push_back(Heard { line, seq, admitted, id, chain });
    }

    /// Tells each message that is disowned, and how many.
    pub(super) fn show(&self, screen: &Screen) -> Result<u64, Failure> {
        let mut count = 0;
        for heard in &self.heard {
            let Some(disowned) = self.judge(heard) else { continue };
            count += 1;
            heard_or_not(disowned.show(&screen.on(heard.chain.plane())))?;
        }
        if self.reaches_back() {
            return Err(Failure::new(Exit::VerificationFailed, screen.lang.disowned_unknown(self.max)));
        }
        Ok(count)
    }

    /// As readers do: from the moment on that the revocation names, whatever the author said of the time.
    fn judge(&self, heard: &Heard) -> Option<DisownedMessage> {
        let revoked = self.revocations.revoked(&heard.chain)?;
        (heard.admitted >= revoked.from()).then(|| DisownedMessage {
            r#type: "disowned",
            line: heard.line,
            seq: heard.seq,
            id: heard.id,
            admitted: heard.admitted,
            plane: heard.chain.plane(),
            credential: revoked.link,
            revocation: revoked.by.id(),
            from: revoked.from(),
            reason: revoked.by.statement().reason,
        })
    }

    fn reaches_back(&self) -> bool {
        self.forgotten.is_some_and(|forgotten| self.earliest.is_some_and(|from| from <= forgotten))
    }
}

impl DisownedMessage {
    fn show(&self, screen: &Screen) -> Outcome {
        if screen.json {
            return screen.object(self);
        }
        let word = screen.paint(Tone::Bad, &screen.lang.disowned());
        let Self { line, seq, id, credential, from, .. } = *self;
        let told = screen.lang.disowned_line(line, seq, id, credential, time::local(from));
        screen.line(&format!("{word}  {told}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vigie_proto::cap::{Alert, Headline, Urgency};
    use vigie_proto::id::LogId;
    use vigie_proto::key::SigningKey;
    use vigie_proto::label::Label;
    use vigie_proto::limits::MESSAGE_LIFETIME_MAX;
    use vigie_proto::message::{Content, Message};
    use vigie_proto::revocation::{self, Statement, Target};
    use vigie_proto::severity::Severity;
    use vigie_proto::verify::{sign, verify};

    use super::*;
    use crate::cli::authority::make_root;

    const SENT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// Four messages of one author, a second apart, of which three are remembered; then the author ends itself, from so
    /// many seconds on. The places that are disowned, and whether that is all that can be said.
    fn disowned(from: u64) -> (Vec<u64>, bool) {
        let key = SigningKey::from_seed(&[5; 32]).unwrap();
        let chain = Arc::new(make_root(&key, &"fr".parse().unwrap(), "nation", Plane::Live, SENT).unwrap());
        let mut disowning = Disowning { max: 3, ..Disowning::default() };
        for seq in 1..=4_u64 {
            let admitted = SENT.plus(Duration::from_secs(seq));
            let cap = Alert::from_headline(&Headline {
                plane: Plane::Live,
                identifier: "1",
                sender: "fr",
                sent: "2027-01-15T09:00:00+01:00",
                language: "fr-FR",
                text: "Crue",
                severity: Severity::Minor,
                urgency: Urgency::Expected,
                area: "fr",
                restriction: None,
            });
            let message = Message {
                channel: "alert/fr".parse().unwrap(),
                sent: admitted,
                expires: admitted.plus(Duration::from_secs(60)),
                severity: Severity::Minor,
                label: Label::CLEAR,
                replaces: Vec::new(),
                content: Content { cap, original: None },
            };
            let token = sign(&key, chain.leaf().id(), &message);
            let signed = verify(&token, &chain, MESSAGE_LIFETIME_MAX).unwrap();
            let cursor = Cursor { log: LogId::from_bytes([1; 16]), seq: Sequence::new(seq), admitted };
            disowning.heard(seq, &cursor, &signed);
        }
        let target = Target::Key(key.public().thumbprint());
        let from = SENT.plus(Duration::from_secs(from));
        let token =
            revocation::sign(&key, chain.leaf(), &Statement { target, from, number: 1, reason: None });
        let verified = revocation::verify(&token, &chain).unwrap();
        disowning.revoke(&verified).unwrap();
        disowning.revoke(&verified).unwrap();
        assert_eq!(disowning.revocations(), 1);
        let told = disowning.heard.iter().filter_map(|heard| disowning.judge(heard));
        (told.map(|one| one.seq.get()).collect(), !disowning.reaches_back())
    }

    #[test]
    fn what_came_since_is_disowned_and_what_is_forgotten_is_not_passed_over() {
        assert_eq!(disowned(5), (vec![], true));
        assert_eq!(disowned(3), (vec![3, 4], true));
        assert_eq!(disowned(2), (vec![2, 3, 4], true));
        assert_eq!(disowned(1), (vec![2, 3, 4], false));
    }
}
