//! Ed25519 keys: which public keys are taken at all, how they are named, how a signature is judged.
//!
//! Verification is single, never in batches, by *ring*: cofactorless, S below the group order, R canonical. On top,
//! keys and R of small order are refused, since with them one signature fits many messages.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::id::{KeyId, sha256};
use crate::json;

/// Length of a public key in bytes.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Length of a signature in bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// The prime of the field, 2^255 − 19, little-endian.
const FIELD_PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The y coordinates of the eight points of small order, sign bit cleared (RFC 7748 curve in Edwards form): orders
/// 4, 1, 2 and twice 8. Either sign of x is refused with them.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = FIELD_PRIME;
        minus_one[0] = 0xec;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// Whether a point encoding is canonical (y below the prime) and not of small order.
fn is_sound_point(encoding: &[u8; 32]) -> bool {
    let mut y = *encoding;
    y[31] &= 0x7f;
    y.iter().rev().lt(FIELD_PRIME.iter().rev()) && !SMALL_ORDER_Y.contains(&y)
}

/// A public key that may be used: canonical and not of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; PUBLIC_KEY_BYTES]);

/// The key is of small order or not canonically encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key is of small order or not canonically encoded")]
#[non_exhaustive]
pub struct KeyRefused;

impl PublicKey {
    /// Takes an encoded point (RFC 8032, section 5.1.2).
    ///
    /// # Errors
    /// [`KeyRefused`] when it is of small order or not canonical.
    pub fn from_bytes(bytes: [u8; PUBLIC_KEY_BYTES]) -> Result<Self, KeyRefused> {
        if is_sound_point(&bytes) { Ok(Self(bytes)) } else { Err(KeyRefused) }
    }

    /// The encoded point.
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// The RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> KeyId {
        let x = URL_SAFE_NO_PAD.encode(self.0);
        KeyId::from_bytes(sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes()))
    }

    /// Whether `signature` over `message` is by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        let (r, _s) = signature.split_first_chunk::<32>().expect("a signature has 64 bytes");
        is_sound_point(r) && UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.thumbprint())
    }
}

/// A public key as JWK (RFC 8037), exactly `crv`, `kty` and `x`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jwk {
    #[serde(deserialize_with = "json::word")]
    crv: Crv,
    #[serde(deserialize_with = "json::word")]
    kty: Kty,
    x: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Crv {
    Ed25519,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kty {
    #[serde(rename = "OKP")]
    Okp,
}

impl Jwk {
    /// The 32 bytes of `x`, canonical base64url, or `None`.
    pub(crate) fn key_bytes(&self) -> Option<[u8; PUBLIC_KEY_BYTES]> {
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        matches!(URL_SAFE_NO_PAD.decode_slice(&self.x, &mut bytes), Ok(PUBLIC_KEY_BYTES)).then_some(bytes)
    }
}

impl From<&PublicKey> for Jwk {
    fn from(key: &PublicKey) -> Self {
        Self { crv: Crv::Ed25519, kty: Kty::Okp, x: URL_SAFE_NO_PAD.encode(key.0) }
    }
}

/// A private key. It signs, and prints nothing of itself.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// The private key cannot be used: malformed, or its public half is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a usable Ed25519 private key")]
#[non_exhaustive]
pub struct SigningKeyRefused;

impl SigningKey {
    /// From the 32 secret bytes (RFC 8032 seed).
    ///
    /// # Errors
    /// [`SigningKeyRefused`] when its public half is refused, which no honest random seed meets.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SigningKeyRefused> {
        Self::new(Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SigningKeyRefused)?)
    }

    /// From PKCS#8 in DER, version 1 (RFC 8410, as OpenSSL writes it) or 2 (RFC 5958).
    ///
    /// # Errors
    /// [`SigningKeyRefused`] when it is no Ed25519 key, or its two halves disagree.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SigningKeyRefused> {
        Self::new(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| SigningKeyRefused)?)
    }

    fn new(pair: Ed25519KeyPair) -> Result<Self, SigningKeyRefused> {
        let bytes = pair.public_key().as_ref().try_into().map_err(|_| SigningKeyRefused)?;
        let public = PublicKey::from_bytes(bytes).map_err(|_| SigningKeyRefused)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs; deterministic (RFC 8032), so the same bytes give the same signature.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut out = [0; SIGNATURE_BYTES];
        out.copy_from_slice(self.pair.sign(message).as_ref());
        out
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    /// RFC 8037, appendix A.1 to A.3: the key, and its thumbprint.
    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        let key =
            SigningKey::from_seed(&hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
                .unwrap();
        assert_eq!(key.public().thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn weak_and_misspelt_keys_are_refused() {
        for y in SMALL_ORDER_Y {
            let mut other_sign = y;
            other_sign[31] |= 0x80;
            assert!(PublicKey::from_bytes(y).is_err() && PublicKey::from_bytes(other_sign).is_err());
        }
        let mut above = FIELD_PRIME;
        for low in 0xed..=0xff {
            above[0] = low;
            assert!(PublicKey::from_bytes(above).is_err(), "p + {}", low - 0xed);
        }
        assert!(PublicKey::from_bytes([0xff; 32]).is_err());
    }

    #[test]
    fn a_signature_fits_its_message_and_key_only() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        let signature = key.sign(b"alerte");
        assert!(key.public().verifies(b"alerte", &signature));
        assert!(!key.public().verifies(b"alertf", &signature));
        assert!(!SigningKey::from_seed(&[8; 32]).unwrap().public().verifies(b"alerte", &signature));
        for bit in 0..512 {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.public().verifies(b"alerte", &flipped), "bit {bit}");
        }
    }
}
