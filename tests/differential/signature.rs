//! Keys and signatures that are not the honest ones, by their bytes alone; those that take arithmetic are crafted apart.

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use vigie_tests::sim::random::{Chance, mix};

/// How many keys there are.
pub(crate) const KEYS: usize = 8;

/// The order of the group, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The prime of the field, little-endian, but for its first byte (0xed).
const PRIME_ABOVE: [u8; 31] = {
    let mut bytes = [0xff; 31];
    bytes[30] = 0x7f;
    bytes
};

/// The y of the points of order 8, little-endian.
const OF_ORDER_EIGHT: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// Keys of this run.
pub(crate) struct Keys(Vec<Ed25519KeyPair>);

impl Keys {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(mix(seed ^ 0x6b65_7973));
        let pair = |_| Ed25519KeyPair::from_seed_unchecked(&chance.bytes::<32>()).unwrap();
        Self((0..KEYS).map(pair).collect())
    }

    pub(crate) fn public(&self, number: usize) -> [u8; 32] {
        self.0[number].public_key().as_ref().try_into().unwrap()
    }

    pub(crate) fn sign(&self, number: usize, bytes: &[u8]) -> Vec<u8> {
        self.0[number].sign(bytes).as_ref().to_vec()
    }
}

/// A point of small order, or another spelling of one, or something above the prime.
fn edge(chance: &mut Chance) -> [u8; 32] {
    let mut point = [0; 32];
    match chance.below(5) {
        0 => point[0] = chance.below(2) as u8,
        1 => point = *chance.pick(&OF_ORDER_EIGHT),
        2 => {
            point[1..].copy_from_slice(&PRIME_ABOVE);
            // From the prime less one, of order 2, to 2^255 - 1.
            point[0] = chance.within(0xec..=0xff) as u8;
        }
        3 => point = [0xff; 32],
        _ => point[0] = chance.below(32) as u8,
    }
    if chance.one_in(2) {
        point[31] ^= 0x80;
    }
    point
}

/// Adds the order so many times, as far as 32 bytes hold it.
fn add_order(scalar: &mut [u8], times: usize) {
    for _ in 0..times {
        let before = scalar.to_vec();
        let mut carry = 0;
        for (byte, order) in scalar.iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        if carry > 0 {
            return scalar.copy_from_slice(&before);
        }
    }
}

fn flip(chance: &mut Chance, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let bit = chance.below(8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Changes a signature, and says how.
pub(crate) fn wrong(
    chance: &mut Chance,
    keys: &Keys,
    by: usize,
    payload: &[u8],
    signature: &mut Vec<u8>,
) -> &'static str {
    if signature.len() != 64 {
        return "signature-length";
    }
    let (r, s) = signature.split_at_mut(32);
    match chance.below(13) {
        0 => {
            flip(chance, r);
            "r-bit"
        }
        1 => {
            flip(chance, s);
            "s-bit"
        }
        2 => {
            add_order(s, 1 + chance.below(15));
            "s-plus-order"
        }
        3 => {
            s.copy_from_slice(&chance.pick::<[u8; 32]>(&[[0; 32], ORDER, [0xff; 32]])[..]);
            "s-edge"
        }
        4 => {
            s[31] |= *chance.pick(&[0x10, 0x20, 0x40, 0x80, 0xe0, 0xf0]);
            "s-high-bits"
        }
        5 => {
            r.copy_from_slice(&edge(chance));
            "r-edge"
        }
        6 => {
            r[31] ^= 0x80;
            "r-sign"
        }
        7 => {
            r.copy_from_slice(&edge(chance));
            s.fill(0);
            "r-edge-s-zero"
        }
        8 => {
            signature.resize(*chance.pick(&[0, 1, 32, 63, 65, 96, 128]), 0);
            "signature-length"
        }
        9 => {
            r.swap_with_slice(s);
            "signature-halves"
        }
        10 => {
            *signature = keys.sign((by + 1) % KEYS, payload);
            "signature-of-another"
        }
        11 => {
            *signature = keys.sign(by, payload);
            "signature-of-payload"
        }
        _ => {
            signature.fill(0);
            "signature-zero"
        }
    }
}

/// Changes a key, and says how.
pub(crate) fn key(chance: &mut Chance, keys: &Keys, key: &mut [u8; 32]) -> &'static str {
    match chance.below(5) {
        0 => {
            *key = keys.public(chance.below(KEYS));
            "key-of-another"
        }
        1 => {
            flip(chance, key);
            "key-bit"
        }
        2 => {
            *key = edge(chance);
            "key-edge"
        }
        3 => {
            key[31] ^= 0x80;
            "key-sign"
        }
        _ => {
            *key = chance.bytes();
            "key-random"
        }
    }
}
