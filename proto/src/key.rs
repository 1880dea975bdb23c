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

    /// RFC 8032, section 7.1: seed, public key, message and signature of all five.
    #[test]
    fn signing_and_verifying_are_those_of_the_rfc() {
        let long = [
            "08b8b2b733424243760fe426a4b54908632110a66c2f6591eabd3345e3e4eb98fa6e264bf09efe12ee50f8f54e9f77b1e355",
            "f6c50544e23fb1433ddf73be84d879de7c0046dc4996d9e773f4bc9efe5738829adb26c81b37c93a1b270b20329d658675fc",
            "6ea534e0810a4432826bf58c941efb65d57a338bbd2e26640f89ffbc1a858efcb8550ee3a5e1998bd177e93a7363c344fe6b",
            "199ee5d02e82d522c4feba15452f80288a821a579116ec6dad2b3b310da903401aa62100ab5d1a36553e06203b33890cc9b8",
            "32f79ef80560ccb9a39ce767967ed628c6ad573cb116dbefefd75499da96bd68a8a97b928a8bbc103b6621fcde2beca1231d",
            "206be6cd9ec7aff6f6c94fcd7204ed3455c68c83f4a41da4af2b74ef5c53f1d8ac70bdcb7ed185ce81bd84359d44254d9562",
            "9e9855a94a7c1958d1f8ada5d0532ed8a5aa3fb2d17ba70eb6248e594e1a2297acbbb39d502f1a8c6eb6f1ce22b3de1a1f40",
            "cc24554119a831a9aad6079cad88425de6bde1a9187ebb6092cf67bf2b13fd65f27088d78b7e883c8759d2c4f5c65adb7553",
            "878ad575f9fad878e80a0c9ba63bcbcc2732e69485bbc9c90bfbd62481d9089beccf80cfe2df16a2cf65bd92dd597b0707e0",
            "917af48bbb75fed413d238f5555a7a569d80c3414a8d0859dc65a46128bab27af87a71314f318c782b23ebfe808b82b0ce26",
            "401d2e22f04d83d1255dc51addd3b75a2b1ae0784504df543af8969be3ea7082ff7fc9888c144da2af58429ec96031dbcad3",
            "dad9af0dcbaaaf268cb8fcffead94f3c7ca495e056a9b47acdb751fb73e666c6c655ade8297297d07ad1ba5e43f1bca32301",
            "651339e22904cc8c42f58c30c04aafdb038dda0847dd988dcda6f3bfd15c4b4c4525004aa06eeff8ca61783aacec57fb3d1f",
            "92b0fe2fd1a85f6724517b65e614ad6808d6f6ee34dff7310fdc82aebfd904b01e1dc54b2927094b2db68d6f903b68401ade",
            "bf5a7e08d78ff4ef5d63653a65040cf9bfd4aca7984a74d37145986780fc0b16ac451649de6188a7dbdf191f64b5fc5e2ab4",
            "7b57f7f7276cd419c17a3ca8e1b939ae49e488acba6b965610b5480109c8b17b80e1b7b750dfc7598d5d5011fd2dcc5600a3",
            "2ef5b52a1ecc820e308aa342721aac0943bf6686b64b2579376504ccc493d97e6aed3fb0f9cd71a43dd497f01f17c0e2cb37",
            "97aa2a2f256656168e6c496afc5fb93246f6b1116398a346f1a641f3b041e989f7914f90cc2c7fff357876e506b50d334ba7",
            "7c225bc307ba537152f3f1610e4eafe595f6d9d90d11faa933a15ef1369546868a7f3a45a96768d40fd9d03412c091c6315c",
            "f4fde7cb68606937380db2eaaa707b4c4185c32eddcdd306705e4dc1ffc872eeee475a64dfac86aba41c0618983f8741c5ef",
            "68d3a101e8a3b8cac60c905c15fc910840b94c00a0b9d0",
        ]
        .concat();
        let abc = [
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a",
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ]
        .concat();
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd\
                 25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c3\
                 87b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594\
                 a7c15e9716ed28dc027beceea1ec40a",
            ),
            (
                "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
                "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
                &long,
                "0aab4c900501b3e24d7cdf4663326a3a87df5e4843b2cbdb67cbf6e460fec350aa5371b1508f9f4528ecea23c436d94b5\
                 e8fcd4f681e30a6ac00a9704a188a03",
            ),
            (
                "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
                "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
                &abc,
                "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303\
                 dca179c138ac17ad9bef1177331a704",
            ),
        ] {
            let key = SigningKey::from_seed(&hex(seed)).unwrap();
            let message: Vec<u8> = (0..message.len() / 2).map(|at| hex::<1>(&message[2 * at..])[0]).collect();
            assert_eq!(key.public().as_bytes(), &hex(public));
            assert_eq!(key.sign(&message), hex(signature), "{public}");
            assert!(key.public().verifies(&message, &hex(signature)), "{public}");
        }
    }

    /// RFC 8037, appendix A.4 and A.5: the JWS that is signed there.
    #[test]
    fn a_jws_is_signed_as_in_the_rfc() {
        let signing_input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature =
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let key =
            SigningKey::from_seed(&hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
                .unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(key.sign(signing_input.as_bytes())), signature);
        let signature: [u8; SIGNATURE_BYTES] = URL_SAFE_NO_PAD.decode(signature).unwrap().try_into().unwrap();
        assert!(key.public().verifies(signing_input.as_bytes(), &signature));
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
