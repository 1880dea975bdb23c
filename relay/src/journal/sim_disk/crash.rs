//! What a crash keeps of a file and of the names, and what it loses: decided under a seed.

use std::collections::BTreeMap;

/// What a disk writes whole or not at all.
pub(super) const SECTOR_BYTES: usize = 512;

/// What a crash did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// Unsynced writes of which nothing is left.
    pub lost: u64,
    /// Unsynced writes of which a part is left.
    pub torn: u64,
    /// Bytes or names that are left although something older is lost.
    pub reordered: u64,
    /// Of these, names and lengths of files.
    pub reordered_metadata: u64,
    /// Changes of names that are undone.
    pub lost_names: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct SimContent {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Extend { to: usize },
    Truncate { to: usize },
}

#[derive(Debug, Clone)]
pub(super) enum NameChange {
    Create { name: String, file: usize },
    Rename { from: String, to: String, file: usize },
    Remove { name: String },
}

impl SimContent {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    pub(super) fn crash(&self, chance: &mut Chance, damage: &mut Damage) -> Self {
        let mut durable = self.durable.clone();
        let mut older_is_lost = false;
        for change in &self.unsynced {
            let sectors = change.sectors();
            let whole = chance.whole_or_torn();
            let (mut kept, mut lost) = (0_u64, 0_u64);
            for sector in sectors {
                if whole.unwrap_or_else(|| chance.coin()) {
                    damage.reordered += u64::from(older_is_lost);
                    let is_length = !matches!(sector, Change::Write { .. });
                    damage.reordered_metadata += u64::from(older_is_lost && is_length);
                    kept += 1;
                    sector.apply(&mut durable);
                } else {
                    older_is_lost = true;
                    lost += 1;
                }
            }
            damage.lost += u64::from(kept == 0 && lost > 0);
            damage.torn += u64::from(kept > 0 && lost > 0);
        }
        Self { seen: durable.clone(), durable, unsynced: Vec::new() }
    }
}

impl Change {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Extend { to } => bytes.resize(bytes.len().max(*to), 0),
            Self::Truncate { to } => bytes.truncate(*to),
            Self::Write { offset, bytes: written } => {
                let end = offset + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset..end].copy_from_slice(written);
            }
        }
    }

    /// Cuts it where a crash can.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else {
            return vec![self.clone()];
        };
        let first = (SECTOR_BYTES - offset % SECTOR_BYTES).min(bytes.len());
        let (head, rest) = bytes.split_at(first);
        let mut at = *offset;
        let mut sectors = Vec::new();
        for piece in std::iter::once(head).chain(rest.chunks(SECTOR_BYTES)) {
            sectors.push(Self::Write { offset: at, bytes: piece.to_vec() });
            at += piece.len();
        }
        sectors
    }
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create { name, file } => {
                names.insert(name.clone(), *file);
            }
            Self::Rename { from, to, file } => {
                // The source may stand for another file by now, when its creation was lost.
                if names.get(from) == Some(file) {
                    names.remove(from);
                }
                names.insert(to.clone(), *file);
            }
            Self::Remove { name } => {
                names.remove(name);
            }
        }
    }
}

/// Decisions under a seed (splitmix64).
#[derive(Debug)]
pub(super) struct Chance {
    state: u64,
    mood: Mood,
}

/// Extremes are more telling than the middle, so that some crashes keep everything and some nothing.
#[derive(Debug, Clone, Copy)]
enum Mood {
    KeepsAll,
    LosesAll,
    Mixed,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Self { state: seed, mood: Mood::Mixed };
        chance.mood = match chance.next() % 8 {
            0 => Mood::KeepsAll,
            1 => Mood::LosesAll,
            _ => Mood::Mixed,
        };
        chance
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn coin(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }

    pub(super) fn keeps_whole(&mut self) -> bool {
        match self.mood {
            Mood::KeepsAll => true,
            Mood::LosesAll => false,
            Mood::Mixed => self.coin(),
        }
    }

    /// Kept (`true`), lost (`false`) or torn (`None`).
    fn whole_or_torn(&mut self) -> Option<bool> {
        match self.mood {
            Mood::KeepsAll => Some(true),
            Mood::LosesAll => Some(false),
            Mood::Mixed => {
                let torn = self.coin();
                let kept = self.coin();
                (!torn).then_some(kept)
            }
        }
    }
}
