//! The crate's side of revocations: signed, admitted one after the other as a log does, and held against messages.

use std::sync::Arc;

use vigie_proto::admit::admit_revocation;
use vigie_proto::chain::Chain;
use vigie_proto::credential::Credential;
use vigie_proto::revocation::{self, InForce, Revocations, Statement, Target};
use vigie_proto::time::Timestamp;

use crate::reference::{Label, Link, Revocation, Rules, Said};
use crate::universe::{Compared, World};

/// What stands in a log before a message.
#[derive(Default)]
pub(crate) struct Past {
    pub(crate) held: Vec<Revocation>,
    pub(crate) log: Revocations,
    /// The message is said under another credential of the same key than those know.
    pub(crate) renewed: bool,
}

impl World {
    /// Takes the revocations in the order in which they come, and then judges a message behind them, and the same one as if
    /// it stood before them.
    pub(crate) fn compare_behind(
        &mut self,
        rules: Rules,
        (links, credentials): (&[Link], &[Credential]),
        (revocations, renewed): (&[Revocation], bool),
        said: &Said,
        label: &Label,
    ) -> Compared<()> {
        let chain_to = |world: &Self, depth: usize| {
            let tokens = credentials[..=depth].iter().map(|credential| &**credential.token());
            world.sound(tokens)
        };
        let mut past = Past { renewed, ..Past::default() };
        for (place, new) in revocations.iter().enumerate() {
            let issuer = chain_to(self, new.by);
            let target = if new.of_key {
                Target::Key(credentials[new.whom].key_id())
            } else {
                Target::Credential(credentials[new.whom].id())
            };
            // Downwards: numbers refuse nothing.
            let number = 1 + (revocations.len() - place) as u64;
            let from = Timestamp::from_millis(new.from);
            let statement = Statement { target, from, number, reason: None };
            let token = revocation::sign(self.key(links, new.by), issuer.leaf(), &statement);
            let verified = revocation::verify(&token, &issuer).unwrap();
            let found = admit_revocation(&verified, Timestamp::from_millis(new.admitted), &past.log);
            let expected = rules.may_revoke(links, &past.held, new);
            let about = || format!("{new:#?} behind {:#?} under {links:#?}", past.held);
            if self.compare("revoke", expected, found, &about)?.is_some() {
                past.log.insert(InForce::from(&verified));
                past.log.keep_furthest_own(&InForce::from(&verified));
                past.held.push(new.clone());
            }
        }
        let chain =
            if renewed { self.renew(links, credentials) } else { chain_to(self, credentials.len() - 1) };
        self.compare_message(rules, links, &chain, said, label, &past)?;
        self.compare_disowned(rules, links, &chain, said.admitted, &past)
    }

    fn compare_disowned(
        &mut self,
        rules: Rules,
        links: &[Link],
        chain: &Arc<Chain>,
        admitted: u64,
        past: &Past,
    ) -> Compared<()> {
        let expected = rules.is_disowned(&past.held, links.len() - 1, past.renewed, admitted);
        let from = past.log.revoked(chain).map(|revoked| revoked.from());
        let found = from.is_some_and(|from| Timestamp::from_millis(admitted) >= from);
        let rule = if expected { "disowned" } else { "stands" };
        *self.counts.entry(("admitted before", rule)).or_default() += 1;
        if expected == found {
            return Ok(());
        }
        Err(format!(
            "disowned: the reference says {expected}, the crate {found} of {admitted} behind {:#?} under {links:#?}",
            past.held
        ))
    }
}
