//! Revocations: any statement by the root, the nation or the town, rightly signed.
//!
//! The input is the payload, in which `"@c1"` is the id of the nation's credential and `"@i2"` the thumbprint of the town's
//! key. It may begin with `0`, `1` or `2` for who signs (else the nation), `~` for a `typ` of the other plane, `^` for a
//! stranger's signature.

use vigie_proto::channel::Plane;
use vigie_proto::limits::{CLOCK_SKEW_MAX, JSON_INTEGER_MAX, REVOCATION_BYTES_MAX};
use vigie_proto::refusal::Code;
use vigie_proto::revocation::{self, InForce, Reason, Revocation, Revocations, Target};
use vigie_proto::time::Timestamp;

use super::{form_and, refused};
use crate::signed::{STRANGER, Town, filled, header, key};
use crate::{Outcome, plant};

/// A revocation.
pub fn revocation(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else { return Outcome::Passed };
    let mark = text.bytes().next().filter(|mark| matches!(mark, b'0'..=b'2' | b'~' | b'^'));
    let by = mark.filter(u8::is_ascii_digit).map_or(1, |digit| usize::from(digit - b'0'));
    let town = Town::on(Plane::Live);
    let payload = filled(&text[usize::from(mark.is_some())..], town, None);
    let (issuer, leaf) = (&town.above[by], town.above[by].leaf());
    let plane = if mark == Some(b'~') { Plane::Exercise } else { Plane::Live };
    let header = header(leaf.id().as_bytes(), &format!("vigie-revocation-{plane}-v1"));
    let signer = key(if mark == Some(b'^') { STRANGER } else { by });
    let token = signer.sign(header.as_bytes(), payload.as_bytes());
    let parsed = Revocation::parse(&token);
    match revocation::verify(&token, issuer) {
        Ok(verified) => {
            assert!(!matches!(mark, Some(b'^' | b'~')), "a stranger is believed, or the other plane");
            let revocation = verified.revocation();
            assert_eq!(parsed.as_ref(), Ok(&**revocation));
            assert!(token.len() <= REVOCATION_BYTES_MAX);
            let statement = revocation.statement();
            assert!((1..=JSON_INTEGER_MAX).contains(&statement.number));
            let own = revocation::sign(&key(by).signing, leaf, statement);
            let again = Revocation::parse(&own).expect("what is written is read");
            assert_eq!(again.statement(), statement);
            assert!(own.len() <= token.len() + 4, "{own}\nis longer than\n{token}");
            judge_whom(&InForce::from(&verified), by, &statement.target);
            let first = statement.from.minus(CLOCK_SKEW_MAX);
            for at in [first.as_millis().saturating_sub(1), first.as_millis()] {
                let at = Timestamp::from_millis(at);
                let early =
                    verified.judge_admitted(at).is_err_and(|refusal| refusal.code == Code::SentInFuture);
                assert_eq!(early, at < first, "{at:?} {statement:?}");
            }
            plant::inside("revocation", || {
                statement.reason == Some(Reason::KeyCompromise) && statement.target == Target::Key(key(1).id)
            });
            Outcome::Taken
        }
        Err(refusal) => {
            if parsed.is_ok() && mark == Some(b'^') {
                assert_eq!(refusal.code, Code::BadSignature);
            }
            refused(&refusal, &form_and(&[Code::MalformedRevocation, Code::WrongPlane, Code::BadSignature]))
        }
    }
}

/// It ends the town's chain where one of its links is the target and the issuer is that link or stands above it, and
/// nothing on the other plane.
fn judge_whom(in_force: &InForce, by: usize, target: &Target) {
    for (length, chain) in Town::on(Plane::Live).above.iter().enumerate() {
        let met = chain.links().iter().enumerate().find(|(depth, link)| {
            let is_target = match target {
                Target::Credential(id) => link.id() == *id,
                Target::Key(id) => link.key_id() == *id,
            };
            is_target && by <= *depth
        });
        let found = in_force.meets(chain);
        assert_eq!(found, met.map(|(_, link)| link), "of {} links, by {by}: {target:?}", length + 1);
        let mut known = Revocations::default();
        known.insert(in_force.clone());
        assert_eq!(known.revoked(chain).map(|revoked| revoked.link), met.map(|(_, link)| link.id()));
    }
    for chain in &Town::on(Plane::Exercise).above {
        assert!(in_force.meets(chain).is_none(), "the other plane");
    }
}
