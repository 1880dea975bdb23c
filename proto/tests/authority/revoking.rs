//! The crate's side of revocations: signed, admitted one after the other as a log does, held against messages and log-ins,
//! and given to readers who trust others than the relay does.

use vigie_proto::admit::admit_revocation;
use vigie_proto::revocation::{
    self, InForce, KnownRevocations, Revocations, Statement, Target, VerifiedRevocation,
};
use vigie_proto::time::Timestamp;

use crate::reference::{Label, Revocation, Rules, Said};
use crate::universe::{Compared, Judge, Signed, Sound, World};

/// What stands in a log before a message.
#[derive(Clone, Default)]
pub(crate) struct Past {
    pub(crate) held: Vec<Revocation>,
    verified: Vec<VerifiedRevocation>,
    pub(crate) log: Revocations,
}

impl Past {
    /// As relays and readers do, of what is one's own keeps what reaches back furthest alone. The reference keeps all.
    fn take(&mut self, new: &Revocation, verified: &VerifiedRevocation) {
        self.log.insert(InForce::from(verified));
        self.log.keep_furthest_own(&InForce::from(verified));
        self.held.push(new.clone());
        self.verified.push(verified.clone());
    }
}

impl World {
    /// Signs a revocation under the chain of its issuer.
    pub(crate) fn sign_revocation(
        &self,
        signed: &Signed,
        issuer: &Sound<'_>,
        new: &Revocation,
        number: u64,
    ) -> VerifiedRevocation {
        let (id, key) = new.whom;
        let target = if new.of_key {
            Target::Key(self.key(key).public().thumbprint())
        } else {
            Target::Credential(signed[&id].id())
        };
        let from = Timestamp::from_millis(new.from);
        let statement = Statement { target, from, number, reason: None };
        let token = revocation::sign(self.key(issuer.leaf().key), issuer.chain.leaf(), &statement);
        revocation::verify(&token, &issuer.chain).unwrap()
    }

    /// Whether it is taken; if so, it stands in the log.
    pub(crate) fn compare_revocation(
        &mut self,
        rules: Rules,
        judge: &Judge,
        (new, verified): (&Revocation, &VerifiedRevocation),
        past: &mut Past,
    ) -> Compared<bool> {
        let found = admit_revocation(verified, Timestamp::from_millis(new.admitted), &past.log);
        let expected = rules.may_revoke(&judge.trust, &past.held, new);
        let about = || format!("{new:#?} behind {:#?} for {:#?}", past.held, judge.trust);
        let is_taken = self.compare("revoke", expected, found, &about)?.is_some();
        if is_taken {
            past.take(new, verified);
        }
        Ok(is_taken)
    }

    /// Whether a chain may log in now, and whether what was admitted under it then is disowned.
    pub(crate) fn compare_standing(
        &mut self,
        rules: Rules,
        judge: &Judge,
        by: &Sound<'_>,
        (now, then): (u64, u64),
        past: &Past,
    ) -> Compared<()> {
        let about =
            || format!("{now}, {then}: {:#?} behind {:#?} for {:#?}", by.links, past.held, judge.trust);
        let good = by.chain.judge(Timestamp::from_millis(now));
        let found = good.and_then(|()| past.log.refusal_of(&by.chain).map_or(Ok(()), Err));
        let expected = rules.may_log_in(&judge.trust, &past.held, by.links, now);
        self.compare("log in", expected, found, &about)?;
        let expected = rules.is_disowned(&judge.trust, &past.held, by.links, then);
        let from = past.log.revoked(&by.chain).map(|revoked| revoked.from());
        let found = from.is_some_and(|from| Timestamp::from_millis(then) >= from);
        let rule = if expected { "disowned" } else { "stands" };
        *self.counts.entry(("admitted before", rule)).or_default() += 1;
        if expected == found {
            return Ok(());
        }
        Err(format!("disowned: the reference says {expected}, the crate {found}: {}", about()))
    }

    /// What a reader is told of revocations that a relay took, which may trust others: those that he heeds.
    pub(crate) fn compare_heeded(&mut self, rules: Rules, reader: &Judge, past: &Past) -> Compared<Past> {
        let mut heeded = Past::default();
        for (one, verified) in past.held.iter().zip(&past.verified) {
            let expected = rules.may_heed(&reader.trust, one);
            let found = verified.under(&reader.roots).and_then(|verified| {
                verified.judge_admitted(Timestamp::from_millis(one.admitted)).map(|()| verified)
            });
            let about = || format!("{one:#?} for {:#?}", reader.trust);
            let Some(verified) = self.compare("heed", expected, found, &about)? else { continue };
            if past.log.contains(verified.revocation()) {
                heeded.take(one, &verified);
            } else {
                // The relay has forgotten it, so nobody is told.
                heeded.held.push(one.clone());
            }
        }
        Ok(heeded)
    }

    /// A message as a reader judges it who trusts others than the relay.
    pub(crate) fn compare_reading(
        &mut self,
        rules: Rules,
        reader: &Judge,
        (signed, by): (&Signed, &Sound<'_>),
        (said, label): (&Said, &Label),
        heeded: &Past,
    ) -> Compared<()> {
        let Some(by) = self.compare_chain(rules, reader, signed, by.links)? else { return Ok(()) };
        self.compare_message(rules, reader, &by, said, label)?;
        self.compare_standing(rules, reader, &by, (said.sent, said.admitted), heeded)
    }
}
