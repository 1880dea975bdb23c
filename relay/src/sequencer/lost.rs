//! Lost revocations: those that the journal had, and could not give when it was opened.
//!
//! Each is on disk twice, so this takes damage in two places, or a record of a form that this version does not know. Whom
//! such a one ended is let in again: the relay cannot know better, and says so until the journal has it again.

use std::collections::BTreeSet;

use vigie_proto::revocation::Revocation;

use crate::journal::{DamagedRange, RevocationRecord};

/// How many were lost, as far as what is left can tell: records that cannot be read; numbers that are missing in their
/// count, where the journal is damaged; and damage behind the last known one that took no message, as where a revocation
/// was written alone. Retention leaves out numbers too, years later: then damage elsewhere is told as more than it is.
pub(super) fn count(records: &[RevocationRecord], damage: &[DamagedRange]) -> u64 {
    let is_read = |record: &&RevocationRecord| {
        std::str::from_utf8(&record.jws).is_ok_and(|jws| Revocation::parse(jws).is_ok())
    };
    let counts: BTreeSet<u64> = records.iter().map(|record| record.count).collect();
    let read: BTreeSet<u64> = records.iter().filter(is_read).map(|record| record.count).collect();
    let last = counts.last().copied().unwrap_or_default();
    let missing = if damage.is_empty() { 0 } else { last.saturating_sub(counts.len() as u64) };
    let last_place = records.iter().map(|record| record.seq).max();
    let alone = |range: &&DamagedRange| range.next.get() <= range.after.get() + 1;
    let behind = |range: &&DamagedRange| last_place.is_none_or(|last| last < range.after);
    let perhaps = damage.iter().filter(alone).filter(behind).count() as u64;
    counts.difference(&read).count() as u64 + missing + perhaps
}

/// Tells the operator, also of those whose issuer's chain is lost.
pub(super) fn tell(lost: u64, without_chain: u64) {
    if without_chain > 0 {
        tracing::error!(
            revocations = without_chain,
            "the chains of those who signed some revocations are damaged in the journal: readers cannot verify these, and \
             whom they ended may be let in again; put the damaged file back from a copy, or send them again (`vigie trust send`)"
        );
    }
    if lost > 0 {
        tracing::error!(
            lost,
            "revocations in the journal cannot be read, or may have stood where it is damaged: whom they ended is let in \
             again; put the damaged file back from a copy, or send them again (`vigie trust send`)"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use vigie_proto::channel::{Flow, Plane};
    use vigie_proto::credential::{Claims, Credential, Grant, Role};
    use vigie_proto::id::Sequence;
    use vigie_proto::key::SigningKey;
    use vigie_proto::revocation::{self, Statement, Target};
    use vigie_proto::time::{Timestamp, Window};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn record(count: u64, seq: u64) -> RevocationRecord {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let grant = Grant {
            flow: Flow::Alert,
            at: "fr".parse().unwrap(),
            publish: None,
            subscribe: true,
            delegate: 1,
        };
        let claims = Claims {
            subject: *key.public(),
            org: "fr".parse().unwrap(),
            name: "r".to_owned(),
            role: Role::Author,
            grants: vec![grant],
            plane: Plane::Live,
            valid: Window { from: NOW, until: NOW.plus(Duration::from_secs(86_400)) },
        };
        let root = Credential::issue_root(&key, &claims).unwrap();
        let target = Target::Key(key.public().thumbprint());
        let jws =
            revocation::sign(&key, &root, &Statement { target, from: NOW, number: count, reason: None });
        let id = Revocation::parse(&jws).unwrap().id();
        RevocationRecord {
            count,
            seq: Sequence::new(seq),
            admitted: NOW,
            id,
            issuer: root.id(),
            jws: jws.into(),
        }
    }

    fn range(after: u64, next: u64) -> DamagedRange {
        DamagedRange {
            segment: "1.seg".to_owned(),
            offset: 9,
            what: "checksum",
            after: Sequence::new(after),
            next: Sequence::new(next),
        }
    }

    #[test]
    fn what_is_missing_is_counted_and_what_a_copy_gives_is_not() {
        let [first, second, third] = [record(1, 4), record(2, 6), record(3, 9)];
        let all = [first.clone(), second.clone(), third.clone(), first.clone()];
        assert_eq!(count(&all, &[]), 0);
        assert_eq!(count(&all, &[range(6, 7)]), 0, "its copy was read");
        assert_eq!(count(&all, &[range(9, 12)]), 0, "messages are lost, and told so");
        // Where nothing is damaged, retention has let it go.
        assert_eq!(count(&[first.clone(), third.clone()], &[]), 0);
        assert_eq!(count(&[first.clone(), third.clone()], &[range(6, 7), range(2, 4)]), 1);
        // The last one, or the only one: nothing behind it says that there was one.
        assert_eq!(count(&[first.clone(), second.clone()], &[range(9, 10)]), 1);
        assert_eq!(count(&[], &[range(4, 5), range(7, 9)]), 1);
        let strange = RevocationRecord { jws: Bytes::from_static(b"later.version"), ..second };
        assert_eq!(
            count(&[first, strange.clone(), third, strange], &[]),
            1,
            "once, though it is there twice"
        );
    }
}
