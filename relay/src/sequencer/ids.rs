//! Ids in force: those that a replay would meet. Kept until 120 s after the message expires, whatever retention does.
//!
//! In memory, and rebuilt from the journal at a start. 65 bytes an id in a table that is between 7/16 and 7/8 full:
//! 74 to 149 bytes each, 545 MB at the bound of four million.

use std::collections::HashMap;
use std::time::Duration;

use vigie_proto::admit::{KnownIds, Stored};
use vigie_proto::id::{CredentialId, MessageId};
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::time::Timestamp;

/// Ids in force. Past it, publishes are refused with `full` until some expire.
pub const IDS_IN_FORCE_MAX: usize = 4_000_000;

/// One credential may have a tenth of them: a flood by one author leaves room for all others.
const SHARES: usize = 10;

/// Of both bounds a sixteenth is left for what may use the reserve.
const RESERVE: usize = 16;

const PRUNE_FIRST_AT: usize = 4_096;

/// Looking through four million ids takes some 50 ms, which publishes wait.
const PRUNE_EVERY: Duration = Duration::from_secs(10);

/// Whether a replay of a message would still be inside its window, whatever the clocks are apart.
pub(super) fn is_in_force(expires: Timestamp, now: Timestamp) -> bool {
    now < expires.plus(CLOCK_SKEW_MAX)
}

/// Where a message stands and until when its id must be known.
#[derive(Debug, Clone, Copy)]
struct InForce {
    stored: Stored,
    expires: Timestamp,
    /// Index into `shares`.
    share: u32,
}

/// How many of the ids a credential has. Never removed from the list, but given to another one when it has none.
#[derive(Debug, Clone, Copy)]
struct Share {
    credential: CredentialId,
    ids: u32,
}

/// The ids in force.
#[derive(Debug)]
pub(super) struct Ids {
    in_force: HashMap<MessageId, InForce>,
    shares: Vec<Share>,
    share_of: HashMap<CredentialId, u32>,
    free_shares: Vec<u32>,
    max: usize,
    /// The size at which expired ids are looked for next; doubling keeps the cost per message constant.
    prune_at: usize,
    /// Near the bound they are looked for by the clock.
    prune_not_before: Timestamp,
}

impl Default for Ids {
    fn default() -> Self {
        Self::with_max(IDS_IN_FORCE_MAX)
    }
}

impl Ids {
    fn with_max(max: usize) -> Self {
        Self {
            in_force: HashMap::new(),
            shares: Vec::new(),
            share_of: HashMap::new(),
            free_shares: Vec::new(),
            max,
            prune_at: PRUNE_FIRST_AT,
            prune_not_before: Timestamp::EPOCH,
        }
    }

    /// Whether one more of this credential may come, which may use the reserve or not.
    pub(super) fn has_room(&self, credential: CredentialId, reserve: bool) -> bool {
        let bound = |max: usize| if reserve { max } else { max - max / RESERVE };
        let share = self.share_of.get(&credential).map_or(0, |share| self.shares[*share as usize].ids);
        self.in_force.len() < bound(self.max) && (share as usize) < bound(self.max / SHARES)
    }

    pub(super) fn insert(
        &mut self,
        id: MessageId,
        stored: Stored,
        expires: Timestamp,
        credential: CredentialId,
    ) {
        // What retention carried on and a crash left twice counts once.
        self.remove(&id);
        let share = self.share_of(credential);
        self.shares[share as usize].ids += 1;
        self.in_force.insert(id, InForce { stored, expires, share });
    }

    pub(super) fn remove(&mut self, id: &MessageId) {
        if let Some(known) = self.in_force.remove(id) {
            self.give_back(known.share);
        }
    }

    /// [`Ids::has_room`], and if there is none, whether there is once what has expired is forgotten.
    pub(super) fn make_room(&mut self, credential: CredentialId, reserve: bool, now: Timestamp) -> bool {
        if self.has_room(credential, reserve) {
            return true;
        }
        if now >= self.prune_not_before {
            self.forget_expired(now);
            self.prune_not_before = now.plus(PRUNE_EVERY);
        }
        self.has_room(credential, reserve)
    }

    /// Forgets what has expired, when it may have become much.
    pub(super) fn prune(&mut self, now: Timestamp) {
        if self.in_force.len() >= self.prune_at && now >= self.prune_not_before {
            self.forget_expired(now);
        }
    }

    fn forget_expired(&mut self, now: Timestamp) {
        let mut gone = Vec::new();
        self.in_force.retain(|_, known| {
            let stays = is_in_force(known.expires, now);
            gone.extend((!stays).then_some(known.share));
            stays
        });
        for share in gone {
            self.give_back(share);
        }
        // Near the bound only expiry makes room, so it is looked for again and again, though not for each message.
        let nearly_full = (self.max - self.max / RESERVE).max(PRUNE_FIRST_AT);
        self.prune_at = (self.in_force.len() * 2).clamp(PRUNE_FIRST_AT, nearly_full);
        let wait = if self.in_force.len() >= nearly_full { PRUNE_EVERY } else { Duration::ZERO };
        self.prune_not_before = now.plus(wait);
    }

    fn share_of(&mut self, credential: CredentialId) -> u32 {
        if let Some(share) = self.share_of.get(&credential) {
            return *share;
        }
        let new = Share { credential, ids: 0 };
        let share = match self.free_shares.pop() {
            Some(share) => {
                self.shares[share as usize] = new;
                share
            }
            None => {
                self.shares.push(new);
                u32::try_from(self.shares.len() - 1).expect("there are fewer shares than ids")
            }
        };
        self.share_of.insert(credential, share);
        share
    }

    fn give_back(&mut self, share: u32) {
        let Share { credential, ids } = &mut self.shares[share as usize];
        *ids -= 1;
        if *ids == 0 {
            self.share_of.remove(credential);
            self.free_shares.push(share);
        }
    }
}

impl KnownIds for Ids {
    fn find(&self, id: &MessageId) -> Option<Stored> {
        self.in_force.get(id).map(|known| known.stored)
    }
}

#[cfg(test)]
mod tests {
    use vigie_proto::id::Sequence;

    use super::*;

    fn id(number: u32) -> MessageId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        MessageId::from_bytes(bytes)
    }

    fn author(number: u8) -> CredentialId {
        CredentialId::from_bytes([number; 32])
    }

    fn stored() -> Stored {
        Stored { seq: Sequence::new(1), admitted: Timestamp::EPOCH }
    }

    /// Fills as far as it is let; gives how many came in.
    fn fill(ids: &mut Ids, from: u32, credential: CredentialId, reserve: bool) -> usize {
        let before = ids.in_force.len();
        let mut next = from;
        while ids.has_room(credential, reserve) {
            ids.insert(id(next), stored(), Timestamp::from_millis(1_000), credential);
            next += 1;
        }
        ids.in_force.len() - before
    }

    #[test]
    fn one_credential_fills_a_tenth_and_all_leave_a_sixteenth() {
        let mut ids = Ids::with_max(1_600);
        assert_eq!(fill(&mut ids, 0, author(0), false), 150);
        assert_eq!(fill(&mut ids, 1_000, author(0), true), 10, "a cancel of the one that flooded");
        for number in 1..=9_u8 {
            fill(&mut ids, u32::from(number) * 10_000, author(number), false);
        }
        assert_eq!(fill(&mut ids, 200_000, author(10), false), 0);
        assert_eq!(ids.in_force.len(), 1_500);
        assert_eq!(fill(&mut ids, 300_000, author(11), true), 100);
        assert_eq!(fill(&mut ids, 400_000, author(12), true), 0);
    }

    #[test]
    fn what_expires_makes_room_for_its_author() {
        let mut ids = Ids::with_max(200_000);
        let put = fill(&mut ids, 0, author(1), false);
        assert_eq!(put, 18_750);
        let expired = Timestamp::from_millis(1_000).plus(CLOCK_SKEW_MAX);
        ids.prune(Timestamp::from_millis(expired.as_millis() - 1));
        assert_eq!(ids.in_force.len(), put, "in force to the last millisecond");
        fill(&mut ids, 100_000, author(2), false);
        ids.prune(expired);
        assert_eq!((ids.in_force.len(), ids.share_of.len(), ids.free_shares.len()), (0, 0, 2));
        assert_eq!(fill(&mut ids, 0, author(3), false), 18_750);
        assert_eq!(ids.shares.len(), 2, "shares are used again");
    }

    /// An author at its share got `full` for ever: ids were looked through only when all together had doubled, and
    /// those that are refused add none.
    #[test]
    fn an_author_at_its_share_is_let_in_again_when_its_messages_have_expired() {
        let mut ids = Ids::with_max(200_000);
        fill(&mut ids, 0, author(1), false);
        let expired = Timestamp::from_millis(1_000).plus(CLOCK_SKEW_MAX);
        assert!(!ids.make_room(author(1), false, expired.minus(PRUNE_EVERY).minus(Duration::from_millis(1))));
        assert!(ids.make_room(author(1), false, expired));
    }

    #[test]
    fn the_same_id_again_counts_once() {
        let mut ids = Ids::with_max(1_600);
        for _ in 0..1_000 {
            ids.insert(id(1), stored(), Timestamp::from_millis(1_000), author(1));
        }
        assert_eq!(fill(&mut ids, 2, author(1), false), 149);
        ids.remove(&id(1));
        assert!(ids.has_room(author(1), false) && ids.find(&id(1)).is_none());
    }

    /// The figure that the module states.
    #[test]
    fn an_id_takes_as_much_as_is_said() {
        assert_eq!(size_of::<(MessageId, InForce)>(), 64);
    }
}
