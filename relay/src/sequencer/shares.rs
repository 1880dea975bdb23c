//! Shares: how much of the room for revocations each part of the chain of command may take.
//!
//! The table of revocations is given to every reader, so it is bounded; and who may delegate can issue what meets nobody.
//! What is signed below a credential therefore counts for it as its own: neither many revocations nor many issuers give
//! more room than one has. No sharing holds for roots, and their reserve is touched by nobody else.

use std::collections::HashMap;
use std::sync::Arc;

use vigie_proto::chain::Chain;
use vigie_proto::channel::Plane;
use vigie_proto::credential::Credential;
use vigie_proto::id::{CredentialId, RevocationId};
use vigie_proto::refusal::{Code, Refusal};

/// Of the room of a plane a sixteenth is left for roots.
const RESERVE: usize = 16;

/// Exercises may take a quarter of all, and nothing of what is left for the roots of the live plane.
const EXERCISES: usize = 4;

/// Below a credential there may be one in so many of what may be below the one above it; below a root, all.
const SHARES: usize = 4;

/// Who may not delegate has only his own key and credentials to revoke; and whoever may has at least as much.
const SHARE_LEAST: usize = 8;

/// What is taken, and by whom.
#[derive(Debug)]
pub(super) struct Shares {
    max: usize,
    /// Of each revocation, its plane and the links that it counts for.
    taken: HashMap<RevocationId, (Plane, Box<[CredentialId]>)>,
    /// How many are signed under each credential or below it.
    below: HashMap<CredentialId, usize>,
    exercises: usize,
}

impl Shares {
    /// Of a table of so many.
    pub(super) fn new(max: usize) -> Self {
        Self { max, taken: HashMap::new(), below: HashMap::new(), exercises: 0 }
    }

    /// Whether one more may come that is signed under this chain. What somebody gives up himself has its place beside his
    /// share, however full others or a thief have made that; it counts for those above him.
    ///
    /// # Errors
    /// `full`, with the rule that refuses and, of a share, the credential that has none left.
    pub(super) fn judge(&self, issuer: &Chain, is_own: bool) -> Result<(), Refusal> {
        let links = issuer.links();
        let by_root = links.len() == 1;
        let kept_free = |room: usize| room - room / RESERVE;
        let (room, taken) = match issuer.plane() {
            Plane::Live => (self.max, self.taken.len()),
            Plane::Exercise => (self.max / EXERCISES, self.exercises),
        };
        let of_plane = if by_root { room } else { kept_free(room) };
        if taken >= of_plane {
            let left = if by_root { "" } else { ", but for what is left to roots" };
            return Err(full(format!("all {room} revocations of the plane are taken{left}")));
        }
        if issuer.plane() == Plane::Exercise && self.taken.len() >= kept_free(self.max) {
            return Err(full("what is left is for roots of the live plane".to_owned()));
        }
        let counted = links[..links.len() - usize::from(is_own)].iter();
        counted.enumerate().skip(1).try_for_each(|(depth, link)| self.judge_share(room, depth, link))
    }

    fn judge_share(&self, room: usize, depth: usize, link: &Credential) -> Result<(), Refusal> {
        let delegates = link.claims().grants.iter().any(|grant| grant.delegate > 0);
        let depth = u32::try_from(depth).unwrap_or(u32::MAX);
        let share = if delegates { room / SHARES.saturating_pow(depth) } else { SHARE_LEAST };
        let share = share.max(SHARE_LEAST);
        if self.below.get(&link.id()).is_none_or(|taken| *taken < share) {
            return Ok(());
        }
        Err(full(format!("under this credential and below it at most {share} revocations hold"))
            .by(link.id()))
    }

    /// This one has its place. Without its links, lost to damage, it counts for its issuer alone.
    pub(super) fn take(
        &mut self,
        id: RevocationId,
        plane: Plane,
        issuer: CredentialId,
        links: &[Arc<Credential>],
    ) {
        let links: Box<[_]> =
            if links.is_empty() { Box::new([issuer]) } else { links.iter().map(|link| link.id()).collect() };
        for link in &links {
            *self.below.entry(*link).or_default() += 1;
        }
        self.exercises += usize::from(plane == Plane::Exercise);
        self.taken.insert(id, (plane, links));
    }

    /// It did not get its place after all.
    pub(super) fn release(&mut self, id: &RevocationId) {
        let Some((plane, links)) = self.taken.remove(id) else { return };
        self.exercises -= usize::from(plane == Plane::Exercise);
        for link in &links {
            if let Some(count) = self.below.get_mut(link) {
                *count -= 1;
                if *count == 0 {
                    self.below.remove(link);
                }
            }
        }
    }
}

fn full(rule: String) -> Refusal {
    Refusal::new(Code::Full, rule)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vigie_proto::chain::{NoVerdicts, Roots};
    use vigie_proto::channel::Flow;
    use vigie_proto::credential::{Claims, Grant, Role};
    use vigie_proto::id::RevocationId;
    use vigie_proto::key::SigningKey;
    use vigie_proto::time::{Timestamp, Window};

    use super::*;

    const MAX: usize = 1_024;

    /// Somebody who issues: his key and chain.
    struct Issuer(SigningKey, Chain);

    fn claims(key: &SigningKey, plane: Plane, delegate: u8) -> Claims {
        let grant =
            Grant { flow: Flow::Alert, at: "fr".parse().unwrap(), publish: None, subscribe: true, delegate };
        Claims {
            subject: *key.public(),
            org: "fr".parse().unwrap(),
            name: "somebody".to_owned(),
            role: Role::Author,
            grants: vec![grant],
            plane,
            valid: Window { from: Timestamp::EPOCH, until: Timestamp::EPOCH.plus(Duration::from_secs(60)) },
        }
    }

    fn root(seed: u8, plane: Plane) -> Issuer {
        let key = SigningKey::from_seed(&[seed; 32]).unwrap();
        let credential = Credential::issue_root(&key, &claims(&key, plane, 7)).unwrap();
        let roots = Roots::new([key.public().thumbprint()]);
        let chain = Chain::verify([&**credential.token()], &roots, &NoVerdicts).unwrap();
        Issuer(key, chain)
    }

    /// Someone new below this one; each seed is another person.
    fn below(above: &Issuer, seed: u16, delegate: u8) -> Issuer {
        let seed: [u8; 32] = std::array::from_fn(|index| seed.to_be_bytes()[index % 2]);
        let key = SigningKey::from_seed(&seed).unwrap();
        let chain = above.1.extend(&above.0, &claims(&key, above.1.plane(), delegate)).unwrap();
        Issuer(key, chain)
    }

    /// A table, and how many revocations came to it.
    struct Table(Shares, u32);

    impl Table {
        fn new() -> Self {
            Self(Shares::new(MAX), 0)
        }

        fn try_revoke(&mut self, issuer: &Issuer) -> Result<RevocationId, Refusal> {
            let chain = &issuer.1;
            self.0.judge(chain, false)?;
            self.1 += 1;
            let id: [u8; 32] = std::array::from_fn(|index| self.1.to_be_bytes()[index % 4]);
            let id = RevocationId::from_bytes(id);
            self.0.take(id, chain.plane(), chain.leaf().id(), chain.links());
            Ok(id)
        }

        /// How many this one gets in, and what ends it.
        fn fill(&mut self, issuer: &Issuer) -> (usize, Refusal) {
            for count in 0..=MAX {
                if let Err(refusal) = self.try_revoke(issuer) {
                    return (count, refusal);
                }
            }
            panic!("without an end");
        }
    }

    /// Credentials of his own making gave each issuer a share of its own, and one who delegates took all of the table.
    #[test]
    fn who_delegates_to_many_has_no_more_room_than_alone() {
        let nation = root(1, Plane::Live);
        let (region, other) = (below(&nation, 300, 3), below(&nation, 301, 3));
        let mut table = Table::new();
        let mut flood = 0;
        for seed in 400..800 {
            let (count, refusal) = table.fill(&below(&region, seed, 2));
            assert_eq!(refusal.code, Code::Full);
            assert!(count <= MAX / 16, "a sixteenth at depth two");
            flood += count;
        }
        assert_eq!(flood, MAX / 4, "a quarter for all below the region, however many they are");
        let refusal = table.try_revoke(&region).unwrap_err();
        assert_eq!(refusal.credential, Some(region.1.leaf().id()), "{refusal}");
        table.0.judge(&region.1, true).expect("its own key it still gives up");
        let under = below(&region, 950, 2);
        assert_eq!(
            table.0.judge(&under.1, true).unwrap_err().credential,
            refusal.credential,
            "nobody below it"
        );
        assert!(refusal.to_string().contains("at most 256"), "{refusal}");
        assert_eq!(table.fill(&below(&other, 900, 2)).0, MAX / 16, "its neighbour has all of its own");
        table.try_revoke(&nation).unwrap();
    }

    #[test]
    fn roots_have_what_is_left_and_what_goes_makes_room() {
        let nation = root(1, Plane::Live);
        let mut table = Table::new();
        let taken: usize = (300..305).map(|seed| table.fill(&below(&nation, seed, 3)).0).sum();
        assert_eq!(taken, MAX - MAX / 16, "whoever they are, a sixteenth is the roots'");
        let newcomer = below(&nation, 400, 1);
        let refusal = table.try_revoke(&newcomer).unwrap_err();
        assert!(refusal.to_string().contains("left to roots"), "{refusal}");
        let last = table.try_revoke(&nation).unwrap();
        assert_eq!(table.fill(&nation).0, MAX / 16 - 1);
        table.0.release(&last);
        assert_eq!(table.fill(&nation).0, 1);
    }

    #[test]
    fn who_may_not_delegate_has_few_and_who_stands_deep_no_fewer() {
        let nation = root(1, Plane::Live);
        let mut table = Table::new();
        assert_eq!(table.fill(&below(&nation, 300, 0)).0, SHARE_LEAST);
        let chain = [301, 302, 303, 304, 305].into_iter().zip((1..=6).rev());
        let deep = chain.fold(nation, |above, (seed, delegate)| below(&above, seed, delegate));
        assert_eq!(table.fill(&deep).0, SHARE_LEAST, "1,024 halved ten times would be one");
    }

    #[test]
    fn exercises_have_a_quarter_and_none_of_the_reserve_of_live_roots() {
        let (live, exercise) = (root(1, Plane::Live), root(2, Plane::Exercise));
        let mut table = Table::new();
        let room = MAX / 4;
        assert_eq!(table.fill(&below(&exercise, 300, 3)).0, room / 4);
        assert_eq!(table.fill(&exercise).0, room - room / 4);
        assert_eq!(table.fill(&live).0, MAX - room);

        let mut table = Table::new();
        (300..305).for_each(|seed| drop(table.fill(&below(&live, seed, 3))));
        let refusal = table.try_revoke(&exercise).unwrap_err();
        assert!(refusal.to_string().contains("live plane"), "{refusal}");
    }
}
