//! What a search met: classes of images that are counted, and numbers that stand for images.

use std::hash::Hasher;

use vigie_relay::journal::sim_disk::Damage;

/// What an image was. A search that did not meet one of these would prove less than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    OneDeep,
    TwoDeep,
    ThreeDeep,
    FourDeep,
    /// A write of which nothing is left.
    Lost,
    /// A write of which some sectors of 512 bytes are left.
    Torn,
    /// Something is left although something older is lost.
    Reordered,
    /// The same, of names and of lengths of files.
    ReorderedMetadata,
    LostNames,
    KeptUnacknowledged,
    /// The start after a crash was cut short as well.
    CutInRecovery,
    /// The start after that one too.
    CutInSecondRecovery,
    CutInThirdRecovery,
    /// Retention had removed something.
    Removed,
    /// Ids were carried on.
    Carried,
    /// The reserve was not whole.
    ReserveUsed,
    DiskFull,
    /// There was damage before.
    Damaged,
}

pub(crate) const CLASSES: [Class; 18] = [
    Class::OneDeep,
    Class::TwoDeep,
    Class::ThreeDeep,
    Class::FourDeep,
    Class::Lost,
    Class::Torn,
    Class::Reordered,
    Class::ReorderedMetadata,
    Class::LostNames,
    Class::KeptUnacknowledged,
    Class::CutInRecovery,
    Class::CutInSecondRecovery,
    Class::CutInThirdRecovery,
    Class::Removed,
    Class::Carried,
    Class::ReserveUsed,
    Class::DiskFull,
    Class::Damaged,
];

/// Counts of different images, by class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Images that crashes made, also those that had been made before.
    pub(crate) made: u64,
    /// Images with what is promised of them, each different from all others of its workload.
    pub(crate) cases: u64,
    counts: [u64; CLASSES.len()],
}

impl Tally {
    pub(crate) fn note(&mut self, class: Class, is_met: bool) {
        self.counts[class as usize] += u64::from(is_met);
    }

    pub(crate) fn note_damage(&mut self, depth: usize, damage: Damage) {
        self.note(CLASSES[depth], true);
        self.note(Class::Lost, damage.lost > 0);
        self.note(Class::Torn, damage.torn > 0);
        self.note(Class::Reordered, damage.reordered > 0);
        self.note(Class::ReorderedMetadata, damage.reordered_metadata > 0);
        self.note(Class::LostNames, damage.lost_names > 0);
    }

    pub(crate) fn count(&self, class: Class) -> u64 {
        self.counts[class as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.made += other.made;
        self.cases += other.cases;
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, other)| *mine += other);
    }
}

/// 64 bits of what is written to it: two words at a time are multiplied to 128 bits, which are folded. Images are
/// counted in tens of millions and none is chosen by an adversary; the usual hasher would cost as much as the judging.
#[derive(Clone, Debug)]
pub(crate) struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0x2D35_8DCC_AA6C_78A5)
    }
}

impl Fingerprint {
    fn fold(&mut self, one: u64, two: u64) {
        let product = u128::from(one ^ 0x8BB8_4B93_962E_ACC9) * u128::from(two ^ self.0);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.0 = folded.wrapping_add(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks::<16>();
        for pair in pairs {
            let pair = u128::from_le_bytes(*pair);
            #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
            self.fold(pair as u64, (pair >> 64) as u64);
        }
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        let last = u128::from_le_bytes(last);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
        self.fold(last as u64, (last >> 64) as u64);
        // Zeros at the end, and where one write ends and the next begins.
        self.fold(bytes.len() as u64, 0x4B33_A62E_D433_D4A3);
    }

    fn finish(&self) -> u64 {
        let mut last = self.clone();
        last.fold(0x1656_67B1_9E37_79F9, 0);
        last.0
    }
}

/// A number that two of a million images share would hide one of them.
#[test]
fn fingerprints_of_images_that_differ_by_a_bit_or_a_length_differ() {
    let number = |bytes: &[u8]| {
        let mut hasher = Fingerprint::default();
        hasher.write(bytes);
        hasher.finish()
    };
    let mut met = std::collections::HashSet::new();
    for length in 0..3_000 {
        assert!(met.insert(number(&vec![0; length])), "{length} zeros");
    }
    let mut image = vec![0; 3_072];
    for first in 0..image.len() * 8 {
        image[first / 8] ^= 1 << (first % 8);
        assert!(met.insert(number(&image)) || first == 0, "bit {first}");
        for second in (first + 1..image.len() * 8).step_by(997) {
            image[second / 8] ^= 1 << (second % 8);
            assert!(met.insert(number(&image)), "bits {first} and {second}");
            image[second / 8] ^= 1 << (second % 8);
        }
        image[first / 8] ^= 1 << (first % 8);
    }
}
