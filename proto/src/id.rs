//! The names of things that are known by a hash or a number: messages, credentials, keys, revocations, logs, places in a log.
//!
//! On the wire and in logs they are base64url without padding (RFC 4648, section 5), and only the one canonical
//! spelling is accepted. Ids are never chosen by anyone: they are hashes of what was signed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::Text;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} bytes in canonical base64url without padding")]
#[non_exhaustive]
pub struct MalformedId {
    /// How many bytes the id has once decoded.
    pub expected: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Takes the raw bytes, as they stand in the journal.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                let mut bytes = [0; $len];
                match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
                    Ok($len) => Ok(Self(bytes)),
                    Ok(_) | Err(_) => Err(MalformedId { expected: $len }),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let Text(text) = Text::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id! {
    /// A message: SHA-256 over its JWS signing input. 43 characters as text.
    MessageId, 32
}
id! {
    /// A credential: SHA-256 over its JWS signing input, and the `kid` of what its subject signs.
    CredentialId, 32
}
id! {
    /// A key: its RFC 7638 thumbprint (SHA-256). Roots are pinned by it.
    KeyId, 32
}
id! {
    /// A revocation: SHA-256 over its JWS signing input. 43 characters as text.
    RevocationId, 32
}
id! {
    /// A rotation of a root: SHA-256 over its JWS signing input. 43 characters as text.
    RotationId, 32
}
id! {
    /// The identity of a log: 128 random bits, made with the journal and never reused.
    LogId, 16
}
id! {
    /// The relay's challenge at log-in: 32 random bytes, good for one proof on one connection.
    Nonce, 32
}

/// The position of a message in a log. The first is 1; 0 is the place before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(u64);

impl Sequence {
    /// The place before the first message.
    pub const START: Self = Self(0);

    /// Wraps a number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place after this one.
    ///
    /// # Panics
    /// Past 2^64 − 1, which a relay that admits a million messages a second reaches in 584,000 years.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.strict_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// SHA-256, the one hash of the protocol.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let id = MessageId::from_bytes([0xff; 32]);
        let text = id.to_string();
        assert_eq!(text.len(), 43);
        assert_eq!(text.parse(), Ok(id));
        // The last character carries two spare bits; anything but zero there is another spelling of the same bytes.
        let mut other = text.clone();
        other.replace_range(42..43, "9");
        for wrong in
            [other, format!("{text}="), text.replace('_', "/"), format!(" {text}"), text[1..].to_owned()]
        {
            assert_eq!(wrong.parse::<MessageId>(), Err(MalformedId { expected: 32 }), "{wrong}");
        }
    }
}
