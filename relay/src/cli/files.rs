//! The files of trust: private keys closed to everyone else, public keys, chains. And reading with a bound.
//!
//! Invariants: a private key is created with mode 0600 by `O_EXCL`, never over
//! another file; one with a looser mode is not read.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use vigie_client::{IdentityError, pem, trust_files};
use vigie_proto::chain::Chain;
use vigie_proto::key::{PUBLIC_KEY_BYTES, PublicKey, SigningKey};

use super::exit::{Exit, Failure, Outcome};
use super::text::Lang;

/// A key or a chain: eight credentials of 1,280 bytes are 10 KiB. A larger file is another file.
const TRUST_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A new Ed25519 key.
pub(super) struct NewKey {
    pub(super) key: SigningKey,
    /// PKCS#8 version 1 in PEM: secret.
    pub(super) pem: String,
    /// SubjectPublicKeyInfo in PEM: what an issuer needs.
    pub(super) public_pem: String,
}

/// What stands before the 32 secret bytes in PKCS#8 version 1 (RFC 8410): the form that OpenSSL and most libraries read.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Makes a key from the randomness of the system.
pub(super) fn new_key(lang: Lang) -> Result<NewKey, Failure> {
    let failed = |why: String| Failure::new(Exit::Failure, lang.cannot_make_key(why));
    let seed: [u8; 32] = ring::rand::generate(&ring::rand::SystemRandom::new())
        .map_err(|error| failed(error.to_string()))?
        .expose();
    let key = SigningKey::from_seed(&seed).map_err(|error| failed(error.to_string()))?;
    let public_pem = public_pem(key.public());
    Ok(NewKey { key, pem: pem("PRIVATE KEY", &[&PKCS8_PREFIX, &seed]), public_pem })
}

/// A public key as an issuer reads it.
pub(super) fn public_pem(key: &PublicKey) -> String {
    pem("PUBLIC KEY", &[&SPKI_PREFIX, key.as_bytes()])
}

/// At most 48 bytes, which fit on one line of PEM (RFC 7468, section 2).
fn pem(label: &str, parts: &[&[u8]]) -> String {
    let body = STANDARD.encode(parts.concat());
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// Creates a folder that only its owner enters, with those above it.
pub(super) fn create_folder(lang: Lang, path: &Path) -> Outcome {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| cannot_write(lang, path, &error))
}

/// Creates a file that only its owner reads; never over another.
pub(super) fn create_secret(lang: Lang, path: &Path, content: &str) -> Outcome {
    create(path, content, 0o600).map_err(|error| cannot_write(lang, path, &error))
}

/// Creates a file for everyone to read; never over another.
pub(super) fn create_public(lang: Lang, path: &Path, content: &str) -> Outcome {
    create(path, content, 0o644).map_err(|error| cannot_write(lang, path, &error))
}

#[cfg_attr(not(unix), expect(unused_variables, reason = "access is governed by lists there"))]
fn create(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

/// Puts a file in the place of another, or where there was none, in one step.
pub(super) fn replace_public(lang: Lang, path: &Path, content: &str) -> Outcome {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    // What a crash left behind must not stand in the way; where there is nothing, nothing is lost.
    let _ = fs::remove_file(new);
    let step = create(new, content, 0o644).and_then(|()| fs::rename(new, path));
    step.map_err(|error| cannot_write(lang, path, &error))
}

/// The text of a chain file: one credential a line, root first.
pub(super) fn chain_text(chain: &Chain) -> String {
    chain.links().iter().map(|link| format!("{}\n", link.token())).collect()
}

/// Reads a chain file as it stands; nothing in it is believed.
pub(super) fn read_chain(lang: Lang, path: &Path) -> Result<Vec<String>, Failure> {
    let text = read_text(lang, path)?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Reads a private key, if only its owner can.
pub(super) fn read_key(lang: Lang, path: &Path) -> Result<SigningKey, Failure> {
    trust_files::read_private_key(path).map_err(|error| key_refused(lang, &error))
}

/// Refuses a secret that group or others may touch.
pub(super) fn refuse_open_mode(lang: Lang, path: &Path) -> Outcome {
    trust_files::refuse_open_mode(path).map_err(|error| key_refused(lang, &error))
}

/// In words for any key, an identity's or not.
fn key_refused(lang: Lang, error: &IdentityError) -> Failure {
    match error {
        IdentityError::Unreadable { path, source } => cannot_read(lang, path, source),
        IdentityError::TooOpen { path, mode } => {
            wrong(lang.mode_too_open(path.display(), format!("{mode:04o}")))
        }
        IdentityError::NoKey { path, why } => wrong(lang.unusable_key(path.display(), why)),
        IdentityError::NoChain { .. } | IdentityError::ChainRefused { .. } | IdentityError::Mismatch | _ => {
            wrong(lang.identity_error(error))
        }
    }
}

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Reads a public key (PEM, SubjectPublicKeyInfo).
pub(super) fn read_public_key(lang: Lang, path: &Path) -> Result<PublicKey, Failure> {
    let unusable = |why: String| wrong(lang.unusable_public_key(path.display(), why));
    let pem = read_text(lang, path)?;
    let mut found = SubjectPublicKeyInfoDer::pem_slice_iter(pem.as_bytes());
    let der = match (found.next(), found.next()) {
        (Some(Ok(der)), None) => der,
        (Some(Err(error)), _) => return Err(unusable(pem::fault(&error).to_owned())),
        (None, _) | (Some(Ok(_)), Some(_)) => return Err(unusable(lang.expected_one_public_key())),
    };
    let bytes =
        der.as_ref().strip_prefix(&SPKI_PREFIX).and_then(|key| <[u8; PUBLIC_KEY_BYTES]>::try_from(key).ok());
    let bytes = bytes.ok_or_else(|| unusable(lang.not_ed25519()))?;
    PublicKey::from_bytes(bytes).map_err(|error| unusable(error.to_string()))
}

/// Reads a small text file.
pub(super) fn read_text(lang: Lang, path: &Path) -> Result<String, Failure> {
    let bytes = read_bounded(lang, path, TRUST_FILE_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|error| cannot_read(lang, path, &io::Error::other(error)))
}

/// Reads a file, or standard input for `-`, of at most `max` bytes.
pub(super) fn read_bounded(lang: Lang, path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    let read = |source: &mut dyn io::Read| {
        let mut bytes = Vec::new();
        source.take(max + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = if path == Path::new("-") {
        read(&mut io::stdin().lock())
    } else {
        fs::File::open(path).and_then(|mut file| read(&mut file))
    };
    let bytes = bytes.map_err(|error| cannot_read(lang, path, &error))?;
    if bytes.len() as u64 > max {
        return Err(wrong(lang.file_too_large(path.display(), max)));
    }
    Ok(bytes)
}

/// SHA-256 of a file's content in base64url without padding, as `original.sha256` has it.
pub(super) fn sha256_text(content: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, content))
}

pub(super) fn cannot_read(lang: Lang, path: &Path, error: &io::Error) -> Failure {
    wrong(lang.cannot_read(path.display(), error))
}

pub(super) fn cannot_write(lang: Lang, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failure, lang.cannot_write(path.display(), error))
}

fn wrong(text: String) -> Failure {
    Failure::new(Exit::Configuration, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_read_back_and_signs_as_itself() {
        let folder = tempfile::tempdir().unwrap();
        let new = new_key(Lang::En).unwrap();
        let (secret, public) = (folder.path().join("key.pem"), folder.path().join("pub.pem"));
        create_secret(Lang::En, &secret, &new.pem).unwrap();
        create_public(Lang::En, &public, &new.public_pem).unwrap();
        assert_eq!(read_key(Lang::En, &secret).unwrap().public(), new.key.public());
        assert_eq!(&read_public_key(Lang::En, &public).unwrap(), new.key.public());
        assert!(create_secret(Lang::En, &secret, "other").is_err(), "never over another");
        assert!(read_public_key(Lang::En, &secret).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_not_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        create_secret(Lang::En, &path, &new_key(Lang::En).unwrap().pem).unwrap();
        for (mode, read) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o610, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_key(Lang::En, &path).is_ok(), read, "{mode:o}");
        }
    }

    #[test]
    fn a_large_file_is_not_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        fs::write(&path, vec![b'a'; 101]).unwrap();
        assert!(read_bounded(Lang::En, &path, 100).is_err());
        assert_eq!(read_bounded(Lang::En, &path, 101).unwrap().len(), 101);
    }
}
