//! Ids in force: those that a replay would meet. Kept until 120 s after the message expires, whatever retention does.
//! With them is counted what may not be removed from the disk yet.
//!
//! In memory, and rebuilt from the journal at a start. 65 bytes an id in a table that is between 7/16 and 7/8 full:
//! 74 to 149 bytes each, 545 MB at the bound of four million.

use std::collections::HashMap;
use std::time::Duration;

use vigie_proto::admit::{KnownIds, Stored};
use vigie_proto::channel::Plane;
use vigie_proto::id::{CredentialId, MessageId};
use vigie_proto::limits::{CLOCK_SKEW_MAX, MESSAGE_BYTES_MAX};
use vigie_proto::time::Timestamp;

/// Ids in force. Past it, publishes are refused with `full` until some expire.
pub const IDS_IN_FORCE_MAX: usize = 4_000_000;

/// Default of the signed bytes of messages in force, which retention may not remove: 16 GiB, as much as it keeps by
/// default. Past it, publishes are refused with `full` until some expire.
pub const BYTES_IN_FORCE_MAX: u64 = 16 * 1024 * 1024 * 1024;

/// One credential may have a tenth of either: a flood by one author leaves room for all others.
const SHARES: u64 = 10;

/// Exercises may have a quarter of either: they are never what fills the relay.
const EXERCISES: u64 = 4;

/// Of all bounds a sixteenth is left for what may use the reserve.
const RESERVE: u64 = 16;

const PRUNE_FIRST_AT: usize = 4_096;

/// Looking through four million ids takes some 50 ms, which publishes wait.
const PRUNE_EVERY: Duration = Duration::from_secs(10);

/// Whether a replay of a message would still be inside its window, whatever the clocks are apart.
pub(super) fn is_in_force(expires: Timestamp, now: Timestamp) -> bool {
    now < expires.plus(CLOCK_SKEW_MAX)
}

/// What messages in force take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Room {
    ids: u64,
    /// Of their tokens on disk.
    bytes: u64,
}

impl Room {
    fn part(self, of: u64) -> Self {
        Self { ids: self.ids / of, bytes: self.bytes / of }
    }

    fn without(self, other: Self) -> Self {
        Self { ids: self.ids.saturating_sub(other.ids), bytes: self.bytes.saturating_sub(other.bytes) }
    }

    fn with(self, other: Self) -> Self {
        Self { ids: self.ids + other.ids, bytes: self.bytes + other.bytes }
    }

    /// Whether one more message of so many bytes stays inside.
    fn has_room_in(self, bound: Self, bytes: u64) -> bool {
        self.ids < bound.ids && self.bytes.saturating_add(bytes) <= bound.bytes
    }
}

/// A message that came, or that wants to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) credential: CredentialId,
    pub(super) plane: Plane,
    /// Length of its token; 0 when it is not on disk any more and its id was carried on.
    pub(super) bytes: usize,
}

/// Where a message stands and until when its id must be known.
#[derive(Debug, Clone, Copy)]
struct InForce {
    stored: Stored,
    expires: Timestamp,
    /// Index into `shares`.
    share: u32,
    bytes: u32,
}

impl InForce {
    fn room(&self) -> Room {
        Room { ids: 1, bytes: self.bytes.into() }
    }
}

/// What a credential has. Never removed from the list, but given to another one when it has none.
#[derive(Debug, Clone, Copy)]
struct Share {
    credential: CredentialId,
    plane: Plane,
    room: Room,
}

/// The ids in force.
#[derive(Debug)]
pub(super) struct Ids {
    in_force: HashMap<MessageId, InForce>,
    shares: Vec<Share>,
    share_of: HashMap<CredentialId, u32>,
    free_shares: Vec<u32>,
    /// What all of them take.
    all: Room,
    /// Of that, what exercises take.
    exercises: Room,
    max: Room,
    /// The size at which expired ids are looked for next; doubling keeps the cost per message constant.
    prune_at: usize,
    /// Near the bound they are looked for by the clock.
    prune_not_before: Timestamp,
}

impl Default for Ids {
    fn default() -> Self {
        Self::with_max(IDS_IN_FORCE_MAX, BYTES_IN_FORCE_MAX)
    }
}

impl Ids {
    fn with_max(ids: usize, bytes: u64) -> Self {
        Self {
            in_force: HashMap::new(),
            shares: Vec::new(),
            share_of: HashMap::new(),
            free_shares: Vec::new(),
            all: Room::default(),
            exercises: Room::default(),
            max: Room { ids: ids as u64, bytes },
            prune_at: PRUNE_FIRST_AT,
            prune_not_before: Timestamp::EPOCH,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.in_force.len()
    }

    /// How many signed bytes they take, and how many they may take.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.all.bytes, self.max.bytes)
    }

    /// Sets how many signed bytes may be in force; what is there already stays.
    pub(super) fn set_bytes_max(&mut self, bytes: u64) {
        self.max.bytes = bytes;
    }

    /// Whether this one may come, which may use the reserve or not.
    pub(super) fn has_room(&self, candidate: &Candidate, reserve: bool) -> bool {
        let bound = |max: Room| if reserve { max } else { max.without(max.part(RESERVE)) };
        let share = self.share_of.get(&candidate.credential).map(|share| self.shares[*share as usize].room);
        let share = share.unwrap_or_default();
        let bytes = candidate.bytes as u64;
        let has_room = |room: Room, max: Room| room.has_room_in(bound(max), bytes);
        has_room(self.all, self.max)
            && has_room(share, self.max.part(SHARES))
            && (candidate.plane == Plane::Live || has_room(self.exercises, self.max.part(EXERCISES)))
    }

    pub(super) fn insert(
        &mut self,
        id: MessageId,
        stored: Stored,
        expires: Timestamp,
        candidate: &Candidate,
    ) {
        let share = self.share_of(candidate);
        let bytes = u32::try_from(candidate.bytes).unwrap_or(u32::MAX);
        let known = InForce { stored, expires, share, bytes };
        self.count(share, |room| room.with(known.room()));
        // What retention carried on and a crash left twice counts once.
        if let Some(before) = self.in_force.insert(id, known) {
            self.give_back(&before);
        }
    }

    pub(super) fn remove(&mut self, id: &MessageId) {
        if let Some(known) = self.in_force.remove(id) {
            self.give_back(&known);
        }
    }

    /// [`Ids::has_room`], and if there is none, whether there is once what has expired is forgotten.
    pub(super) fn make_room(&mut self, candidate: &Candidate, reserve: bool, now: Timestamp) -> bool {
        if self.has_room(candidate, reserve) {
            return true;
        }
        if now >= self.prune_not_before {
            self.forget_expired(now);
            self.prune_not_before = now.plus(PRUNE_EVERY);
        }
        self.has_room(candidate, reserve)
    }

    /// Forgets what has expired, when it may have become much.
    pub(super) fn prune(&mut self, now: Timestamp) {
        if self.in_force.len() >= self.prune_at && now >= self.prune_not_before {
            self.forget_expired(now);
        }
    }

    /// At rest: forgets what has expired where so much is in force that the relay counts as full. Without publishes nothing
    /// else would find out that there is room again.
    pub(super) fn prune_if_full(&mut self, now: Timestamp) {
        let longest = MESSAGE_BYTES_MAX as u64;
        if !self.all.has_room_in(self.max.without(self.max.part(RESERVE)), longest) {
            self.forget_expired(now);
        }
    }

    fn forget_expired(&mut self, now: Timestamp) {
        let mut gone = Vec::new();
        self.in_force.retain(|_, known| {
            let stays = is_in_force(known.expires, now);
            gone.extend((!stays).then_some(*known));
            stays
        });
        for known in &gone {
            self.give_back(known);
        }
        // Near the bound only expiry makes room, so it is looked for again and again, though not for each message.
        let nearly_full = usize::try_from(self.max.without(self.max.part(RESERVE)).ids).unwrap_or(usize::MAX);
        let nearly_full = nearly_full.max(PRUNE_FIRST_AT);
        self.prune_at = (self.in_force.len() * 2).clamp(PRUNE_FIRST_AT, nearly_full);
        let wait = if self.in_force.len() >= nearly_full { PRUNE_EVERY } else { Duration::ZERO };
        self.prune_not_before = now.plus(wait);
    }

    fn share_of(&mut self, candidate: &Candidate) -> u32 {
        if let Some(share) = self.share_of.get(&candidate.credential) {
            return *share;
        }
        let Candidate { credential, plane, .. } = *candidate;
        let new = Share { credential, plane, room: Room::default() };
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

    fn give_back(&mut self, known: &InForce) {
        self.count(known.share, |room| room.without(known.room()));
        let Share { credential, room, .. } = self.shares[known.share as usize];
        if room.ids == 0 {
            self.share_of.remove(&credential);
            self.free_shares.push(known.share);
        }
    }

    /// Counts in all places that a share belongs to.
    fn count(&mut self, share: u32, change: impl Fn(Room) -> Room) {
        let share = &mut self.shares[share as usize];
        share.room = change(share.room);
        self.all = change(self.all);
        if share.plane == Plane::Exercise {
            self.exercises = change(self.exercises);
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

    /// A message of a hundred bytes of this author.
    fn by(number: u8) -> Candidate {
        Candidate { credential: CredentialId::from_bytes([number; 32]), plane: Plane::Live, bytes: 100 }
    }

    fn stored() -> Stored {
        Stored { seq: Sequence::new(1), admitted: Timestamp::EPOCH }
    }

    fn ids_of(max: usize) -> Ids {
        Ids::with_max(max, u64::MAX)
    }

    /// Fills as far as it is let; gives how many came in.
    fn fill(ids: &mut Ids, from: u32, candidate: &Candidate, reserve: bool) -> usize {
        let before = ids.in_force.len();
        let mut next = from;
        while ids.has_room(candidate, reserve) {
            ids.insert(id(next), stored(), Timestamp::from_millis(1_000), candidate);
            next += 1;
        }
        ids.in_force.len() - before
    }

    #[test]
    fn one_credential_fills_a_tenth_and_all_leave_a_sixteenth() {
        // Once by number and once by bytes.
        for mut ids in [ids_of(1_600), Ids::with_max(usize::MAX, 160_000)] {
            assert_eq!(fill(&mut ids, 0, &by(0), false), 150);
            assert_eq!(fill(&mut ids, 1_000, &by(0), true), 10, "a cancel of the one that flooded");
            for number in 1..=9_u8 {
                fill(&mut ids, u32::from(number) * 10_000, &by(number), false);
            }
            assert_eq!(fill(&mut ids, 200_000, &by(10), false), 0);
            assert_eq!(ids.in_force.len(), 1_500);
            assert_eq!(fill(&mut ids, 300_000, &by(11), true), 100);
            assert_eq!(fill(&mut ids, 400_000, &by(12), true), 0);
        }
    }

    #[test]
    fn exercises_fill_a_quarter_and_leave_the_rest_to_what_is_live() {
        for mut ids in [ids_of(1_600), Ids::with_max(usize::MAX, 160_000)] {
            for number in 0..10_u8 {
                let exercise = Candidate { plane: Plane::Exercise, ..by(number) };
                fill(&mut ids, u32::from(number) * 10_000, &exercise, false);
            }
            assert_eq!(ids.in_force.len(), 375, "a quarter, and of it all but a sixteenth");
            for number in 10..30_u8 {
                fill(&mut ids, u32::from(number) * 10_000, &by(number), false);
            }
            assert_eq!(ids.in_force.len(), 1_500);
            let late = Candidate { plane: Plane::Exercise, ..by(40) };
            assert!(!ids.has_room(&late, false) && ids.has_room(&late, true), "only what corrects one");
            ids.forget_expired(Timestamp::from_millis(1_000).plus(CLOCK_SKEW_MAX));
            assert_eq!((ids.all, ids.exercises), (Room::default(), Room::default()));
        }
    }

    #[test]
    fn a_large_message_is_refused_where_a_small_one_fits() {
        let mut ids = Ids::with_max(100, 160_000);
        for number in 0..9 {
            ids.insert(id(number), stored(), Timestamp::from_millis(1_000), &by(1));
        }
        let large = Candidate { bytes: 16_000, ..by(2) };
        assert!(!ids.has_room(&large, false), "more than its share");
        assert!(ids.has_room(&Candidate { bytes: 15_000, ..large }, false), "all of its share");
    }

    /// Whoever asks whether the relay is ready sees it, also when nobody publishes.
    #[test]
    fn what_expires_makes_room_where_nobody_publishes() {
        let mut ids = Ids::with_max(1_000, 16 * 1024 * 1024);
        let expired = Timestamp::from_millis(1_000).plus(CLOCK_SKEW_MAX);
        for number in 0..60 {
            let candidate = Candidate { bytes: MESSAGE_BYTES_MAX, ..by(number) };
            ids.insert(id(number.into()), stored(), Timestamp::from_millis(1_000), &candidate);
            let is_full = number == 59;
            ids.prune_if_full(expired);
            assert_eq!(ids.all.bytes == 0, is_full, "{number}");
        }
    }

    #[test]
    fn what_expires_makes_room_for_its_author() {
        let mut ids = ids_of(200_000);
        let put = fill(&mut ids, 0, &by(1), false);
        assert_eq!(put, 18_750);
        let expired = Timestamp::from_millis(1_000).plus(CLOCK_SKEW_MAX);
        ids.prune(Timestamp::from_millis(expired.as_millis() - 1));
        assert_eq!(ids.in_force.len(), put, "in force to the last millisecond");
        fill(&mut ids, 100_000, &by(2), false);
        ids.prune(expired);
        assert_eq!((ids.in_force.len(), ids.share_of.len(), ids.free_shares.len()), (0, 0, 2));
        assert_eq!(fill(&mut ids, 0, &by(3), false), 18_750);
        assert_eq!(ids.shares.len(), 2, "shares are used again");
    }

    /// An author at its share got `full` for ever: ids were looked through only when all together had doubled, and
    /// those that are refused add none.
    #[test]
    fn an_author_at_its_share_is_let_in_again_when_its_messages_have_expired() {
        let mut ids = ids_of(200_000);
        fill(&mut ids, 0, &by(1), false);
        let expired = Timestamp::from_millis(1_000).plus(CLOCK_SKEW_MAX);
        assert!(!ids.make_room(&by(1), false, expired.minus(PRUNE_EVERY).minus(Duration::from_millis(1))));
        assert!(ids.make_room(&by(1), false, expired));
    }

    #[test]
    fn the_same_id_again_counts_once() {
        let mut ids = ids_of(1_600);
        for _ in 0..1_000 {
            ids.insert(id(1), stored(), Timestamp::from_millis(1_000), &by(1));
        }
        assert_eq!(fill(&mut ids, 2, &by(1), false), 149);
        ids.remove(&id(1));
        assert!(ids.has_room(&by(1), false) && ids.find(&id(1)).is_none());
    }

    /// The figure that the module states.
    #[test]
    fn an_id_takes_as_much_as_is_said() {
        assert_eq!(size_of::<(MessageId, InForce)>(), 64);
    }
}
