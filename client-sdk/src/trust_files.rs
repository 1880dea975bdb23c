//! The files of trust that every program of a deployment reads: private keys that are closed to everybody else, rotations of
//! roots. Read with a bound; nothing is written.
//!
//! Invariant: of a key file whose mode lets others in, nothing is read.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use vigie_proto::chain::Roots;
use vigie_proto::key::SigningKey;
use vigie_proto::refusal::Refusal;

use crate::identity::IdentityError;
use crate::pem;

/// A key, or eight rotations of 1,024 bytes; a larger file is another file.
const TRUST_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why rotations of roots cannot be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A rotation does not count here.
    #[error("{}: {refusal}", path.display())]
    Refused {
        /// The file that it stands in.
        path: PathBuf,
        /// What is wrong; `unknown_root` when no pinned root has signed it.
        refusal: Refusal,
    },
}

/// Reads an Ed25519 private key from a file (PKCS#8 in PEM), if only its owner can.
///
/// # Errors
/// [`IdentityError::Unreadable`], also of a file that is too large for a key; [`IdentityError::TooOpen`], as
/// [`refuse_open_mode`]; [`IdentityError::NoKey`], which tells nothing of what stands in the file.
pub fn read_private_key(path: &Path) -> Result<SigningKey, IdentityError> {
    refuse_open_mode(path)?;
    let pem = read(path).map_err(|source| IdentityError::Unreadable { path: path.to_owned(), source })?;
    let no_key = |why: String| IdentityError::NoKey { path: path.to_owned(), why };
    let der =
        PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|error| no_key(pem::fault(&error).to_owned()))?;
    #[cfg(feature = "sabotage")]
    if vigie_proto::sabotage::Sabotage::SecretLogged.is_planted() {
        tracing::debug!(key = ?der.secret_pkcs8_der(), "a key was read");
    }
    SigningKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|error| no_key(error.to_string()))
}

/// Refuses a secret that group or others may touch: on Unix its mode is 0600 or less. Elsewhere access is governed by lists
/// that the standard library does not show, and nothing is refused.
///
/// # Errors
/// [`IdentityError::Unreadable`], [`IdentityError::TooOpen`].
#[cfg(unix)]
pub fn refuse_open_mode(path: &Path) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata =
        fs::metadata(path).map_err(|source| IdentityError::Unreadable { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o177 == 0 { Ok(()) } else { Err(IdentityError::TooOpen { path: path.to_owned(), mode }) }
}

/// Would refuse a secret that others may touch, where the standard library could tell.
///
/// # Errors
/// None here.
#[cfg(not(unix))]
pub fn refuse_open_mode(_: &Path) -> Result<(), IdentityError> {
    Ok(())
}

/// Installs the rotations in these files, one a line, in whatever order, beside the pinned roots that signed them.
///
/// # Errors
/// Any [`RotationsError`]; then some of them may be installed, so start again from the pins.
pub fn install_rotations(roots: &mut Roots, paths: &[PathBuf]) -> Result<(), RotationsError> {
    let mut tokens: Vec<(&PathBuf, String)> = Vec::new();
    for path in paths {
        let unreadable = |source| RotationsError::Unreadable { path: path.clone(), source };
        let text = read(path).map_err(unreadable)?;
        let text = String::from_utf8(text).map_err(|error| unreadable(io::Error::other(error)))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        tokens.extend(lines.map(|line| (path, line.to_owned())));
    }
    roots.install(tokens.iter().map(|(_, token)| token.as_str())).map_err(|(which, refusal)| {
        let path = tokens.get(which).map_or_else(PathBuf::new, |(path, _)| (*path).clone());
        RotationsError::Refused { path, refusal }
    })
}

/// A small file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TRUST_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TRUST_FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {TRUST_FILE_BYTES_MAX} bytes"),
        ));
    }
    Ok(bytes)
}
