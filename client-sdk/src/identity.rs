//! Who a client is on one plane: a private key, and the chain of credentials that says what it may do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Jurisdiction, Plane};
use vigie_proto::credential::Credential;
use vigie_proto::expiry::{self, Notice};
use vigie_proto::key::SigningKey;
use vigie_proto::refusal::{Code, Refusal};
use vigie_proto::time::{Timestamp, Window};

use crate::trust_files::read_private_key;

/// A key and its chain, of one plane. Cheap to clone; prints nothing secret.
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<SigningKey>,
    chain: Arc<Chain>,
}

/// A credential that ends soon, or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialEnd {
    /// It.
    pub credential: Arc<Credential>,
    /// The first moment when it is not good any more: of a root that hands over, when it has.
    pub ends: Timestamp,
    /// How close that is.
    pub notice: Notice,
}

/// Why an identity cannot be had. Each says which file, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; check that it exists and belongs to you", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a key and no chain yet: nobody has certified it on this plane.
    #[error("there is no chain {}: send {} to your issuer, and put the answer there", path.display(), public_key.display())]
    NoChain {
        /// Where the chain belongs.
        path: PathBuf,
        /// Where `vigie identity new` leaves what the issuer needs.
        public_key: PathBuf,
    },
    /// Others may read the private key.
    #[error("{} has mode {mode:04o}, so others may read the private key; run: chmod 600 {0}", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no Ed25519 private key.
    #[error("{} holds no usable Ed25519 private key in PKCS#8 PEM ({why}); make one with: vigie identity new", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why, without anything secret.
        why: String,
    },
    /// The chain does not verify under the pinned roots.
    #[error("the chain in {} is refused ({refusal}); ask its issuer for a new one, or check the pinned roots", path.display())]
    ChainRefused {
        /// The file.
        path: PathBuf,
        /// The rule that refuses it.
        refusal: Refusal,
    },
    /// Key and chain do not belong together.
    #[error(
        "the private key is not the one that the last credential of the chain speaks of; use both files of one identity"
    )]
    Mismatch,
}

impl Identity {
    /// Puts a key and its chain together.
    ///
    /// # Errors
    /// [`IdentityError::Mismatch`] when the last credential speaks of another key.
    pub fn new(key: Arc<SigningKey>, chain: Arc<Chain>) -> Result<Self, IdentityError> {
        if key.public() == chain.key() { Ok(Self { key, chain }) } else { Err(IdentityError::Mismatch) }
    }

    /// Reads an identity: the private key from PKCS#8 PEM (on Unix the file must be closed to group and others), the
    /// chain from a text file with one credential (JWS) a line, root first. The chain must verify under `roots`;
    /// whether it is in time is judged at each use.
    ///
    /// # Errors
    /// Any [`IdentityError`].
    pub fn load(key: &Path, chain: &Path, roots: &Roots) -> Result<Self, IdentityError> {
        let key = read_private_key(key)?;
        let chain = load_chain(chain, roots)?;
        Self::new(Arc::new(key), Arc::new(chain))
    }

    /// The private key.
    pub const fn key(&self) -> &Arc<SigningKey> {
        &self.key
    }

    /// The chain, root first.
    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// The credentials of the chain that end within 30, 7 or 1 days of `now`, or have ended, root first, by the rule of
    /// [`vigie_proto::expiry`]. Every link counts: when one above ends, all below must be issued anew.
    pub fn ends_soon(&self, now: Timestamp) -> Vec<CredentialEnd> {
        let told = expiry::ends(&self.chain, now);
        let end = |(link, valid, notice): (&Arc<_>, Window, _)| CredentialEnd {
            credential: Arc::clone(link),
            ends: valid.until,
            notice,
        };
        told.map(end).collect()
    }

    /// The one plane that it is good for.
    pub fn plane(&self) -> Plane {
        self.chain.plane()
    }

    /// The organisation that it speaks and hears for.
    pub fn org(&self) -> &Jurisdiction {
        &self.chain.leaf().claims().org
    }
}

/// Far above eight credentials of 1,280 bytes: a larger file is another file.
const CHAIN_FILE_BYTES_MAX: u64 = 64 * 1024;

fn load_chain(path: &Path, roots: &Roots) -> Result<Chain, IdentityError> {
    let unreadable = |source| IdentityError::Unreadable { path: path.to_owned(), source };
    let refused = |refusal| IdentityError::ChainRefused { path: path.to_owned(), refusal };
    let none_or_unreadable = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            IdentityError::NoChain { path: path.to_owned(), public_key: path.with_extension("pub.pem") }
        } else {
            unreadable(source)
        }
    };
    if fs::metadata(path).map_err(none_or_unreadable)?.len() > CHAIN_FILE_BYTES_MAX {
        return Err(refused(Refusal::new(Code::TooManyLinks, "the file is too large for a chain")));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let links = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Chain::verify(links, roots, &NoVerdicts).map_err(refused)
}
