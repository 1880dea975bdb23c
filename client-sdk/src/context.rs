//! A folder that says which relays, whom to trust, and who one is: what every program of a deployment starts from.
//!
//! ```text
//! DIR/context.toml                          relays, tls_roots, roots, rotations, identities
//! DIR/tls/ca.pem                            who certifies the relays' TLS
//! DIR/tls/client.pem, client.key.pem        where relays ask for a certificate: tls_certificate, tls_key (mode 0600)
//! DIR/identities/NAME/live.key.pem          PKCS#8, mode 0600
//! DIR/identities/NAME/live.chain            one credential a line, root first
//! DIR/identities/NAME/exercise.key.pem, exercise.chain
//! ```
//!
//! It reads and never writes; `vigie init` makes such a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vigie_proto::chain::Roots;
use vigie_proto::channel::Plane;
use vigie_proto::id::{KeyId, MalformedId};
use vigie_proto::limits::ROOTS_MAX;
use vigie_proto::refusal::Refusal;

use crate::client::{Client, ClientConfig, ConfigError};
use crate::identity::{Identity, IdentityError};
use crate::plane::OnPlane;
use crate::settings::{SettingsFault, line_of_key, shown_name};
use crate::tls::{TlsCertificateError, TlsRoots, TlsRootsError};
use crate::trust_files::{RotationsError, install_rotations, refuse_open_mode};
use crate::url::{MalformedRelayUrl, RelayUrl};

/// The file that makes a folder a context.
const FILE: &str = "context.toml";
/// A name is suggested when it is at most this many single-character edits away.
const EDITS_MAX: usize = 2;

/// An opened context: relays, trust and the way to identities. Nothing is connected.
#[derive(Clone, Debug)]
pub struct Context {
    relays: Vec<RelayUrl>,
    tls_roots: TlsRoots,
    roots: Roots,
    identities: PathBuf,
}

/// Why a context or an identity in it cannot be used. Each says which file or name, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}; name a folder made by: vigie init DIR", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `context.toml` has a key that is not known, such as a misspelt one.
    #[error("{}: line {line}: unknown key `{key}`{}", path.display(), meant(suggestion.as_deref()))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What stands there; `…` for a name longer than any key, which may be a secret.
        key: String,
        /// The key that was probably meant.
        suggestion: Option<String>,
    },
    /// `context.toml` does not have the right form.
    #[error("{} is malformed: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what, on one line.
        why: String,
    },
    /// A relay's address is none.
    #[error("{}, key `relays`: {source}", path.display())]
    Relay {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: MalformedRelayUrl,
    },
    /// A pinned root is no thumbprint.
    #[error("{}, key `roots`: number {number} is no key thumbprint: {source}", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// Which of them, from 1.
        number: usize,
        /// What is wrong.
        source: MalformedId,
    },
    /// More roots are pinned than are held.
    #[error("{}, key `roots`: at most {ROOTS_MAX} are pinned; take out those that have ended", path.display())]
    TooManyRoots {
        /// The file.
        path: PathBuf,
    },
    /// A rotation of a root does not count here.
    #[error("{}: {refusal}; take it out of `rotations` in context.toml, or ask who gave it for the right one", path.display())]
    Rotation {
        /// The file of the rotation.
        path: PathBuf,
        /// What is wrong; `unknown_root` when no pinned root has signed it.
        refusal: Refusal,
    },
    /// The file of TLS authorities cannot be used.
    #[error("{}: {source}", path.display())]
    TlsRoots {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: TlsRootsError,
    },
    /// The client certificate or its key cannot be used, or one is named without the other.
    #[error("{}: {source}", path.display())]
    TlsCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: TlsCertificateError,
    },
    /// The key of the client certificate can be read by others.
    #[error("{} has mode {mode:04o}: others could read this private key; chmod 600 it", path.display())]
    TlsKeyTooOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is no identity of this name.
    #[error("there is no identity {name:?} in this context{}", known_names(suggestion.as_deref(), known))]
    UnknownIdentity {
        /// The name.
        name: String,
        /// One that was probably meant.
        suggestion: Option<String>,
        /// All that there are.
        known: Vec<String>,
    },
    /// The identity's files cannot be used.
    #[error("identity {name:?}, {plane} plane: {source}")]
    Identity {
        /// The name.
        name: String,
        /// The plane.
        plane: Plane,
        /// What is wrong.
        source: IdentityError,
    },
    /// The parts do not go together.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}

fn known_names(suggestion: Option<&str>, known: &[String]) -> String {
    match suggestion {
        Some(name) => format!("; did you mean {name:?}?"),
        None if known.is_empty() => "; it has none".to_owned(),
        None => format!("; it has {}", known.join(", ")),
    }
}

#[derive(Deserialize)]
struct File {
    relays: Vec<String>,
    tls_roots: PathBuf,
    roots: Vec<String>,
    #[serde(default)]
    rotations: Vec<PathBuf>,
    identities: PathBuf,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
}

/// Every key of the file.
const KEYS: [&str; 7] =
    ["relays", "tls_roots", "roots", "rotations", "identities", "tls_certificate", "tls_key"];

impl File {
    fn parse(path: &Path, text: &str) -> Result<Self, ContextError> {
        let malformed = |error: toml::de::Error| ContextError::Malformed {
            path: path.to_owned(),
            why: SettingsFault::new(text, error.span(), error.message(), &KEYS).to_string(),
        };
        // A misspelt key is told before the missing key that it causes.
        let table: toml::Table = toml::from_str(text).map_err(malformed)?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let starts =
                |line: &str| line.trim_start_matches([' ', '\t', '[', '"', '\'']).starts_with(key.as_str());
            return Err(ContextError::UnknownKey {
                path: path.to_owned(),
                line: 1 + text.lines().position(starts).unwrap_or_default(),
                key: shown_name(key).to_owned(),
                suggestion: nearest(key, &KEYS.map(str::to_owned)),
            });
        }
        toml::from_str(text).map_err(malformed)
    }
}

impl Context {
    /// Reads `dir/context.toml` and what it names. Paths in it are relative to `dir`.
    ///
    /// # Errors
    /// Any [`ContextError`] but those about identities, which are read when they are asked for.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, ContextError> {
        let dir = dir.as_ref();
        let path = dir.join(FILE);
        let text = read(&path, |path| fs::read_to_string(path))?;
        // Before all else: any fault, and any path, could show it.
        if let Some(line) = line_of_key(&text) {
            let why = format!(
                "line {line} looks like a private key; name the file of a key, and let no other file hold one"
            );
            return Err(ContextError::Malformed { path, why });
        }
        let file = File::parse(&path, &text)?;
        let relays = file
            .relays
            .iter()
            .map(|text| text.parse().map_err(|source| ContextError::Relay { path: path.clone(), source }))
            .collect::<Result<_, _>>()?;
        let pinned = file
            .roots
            .into_iter()
            .enumerate()
            .map(|(index, text)| {
                text.parse::<KeyId>().map_err(|source| ContextError::Root {
                    path: path.clone(),
                    number: index + 1,
                    source,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if pinned.len() > ROOTS_MAX {
            return Err(ContextError::TooManyRoots { path });
        }
        let mut roots = Roots::new(pinned);
        let rotations: Vec<PathBuf> = file.rotations.iter().map(|path| dir.join(path)).collect();
        install_rotations(&mut roots, &rotations).map_err(|error| match error {
            RotationsError::Unreadable { path, source } => ContextError::Unreadable { path, source },
            RotationsError::Refused { path, refusal } => ContextError::Rotation { path, refusal },
        })?;
        let tls_path = dir.join(file.tls_roots);
        let pem = read(&tls_path, |path| fs::read(path))?;
        let tls_roots =
            TlsRoots::from_pem(&pem).map_err(|source| ContextError::TlsRoots { path: tls_path, source })?;
        let tls_roots = match (file.tls_certificate, file.tls_key) {
            (None, None) => tls_roots,
            (Some(certificate), Some(key)) => {
                show_certificate(tls_roots, &dir.join(certificate), &dir.join(key))?
            }
            (Some(_), None) | (None, Some(_)) => {
                let why = "`tls_certificate` and `tls_key` go together".to_owned();
                return Err(ContextError::TlsCertificate { path, source: TlsCertificateError { why } });
            }
        };
        Ok(Self { relays, tls_roots, roots, identities: dir.join(file.identities) })
    }

    /// The relays, in the order in which they are tried.
    pub fn relays(&self) -> &[RelayUrl] {
        &self.relays
    }

    /// The pinned roots of both planes, with the rotations that were installed beside them.
    pub const fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The authorities that certify the relays' TLS.
    pub const fn tls_roots(&self) -> &TlsRoots {
        &self.tls_roots
    }

    /// The names of the identities, in alphabetical order.
    ///
    /// # Errors
    /// [`ContextError::Unreadable`].
    pub fn identities(&self) -> Result<Vec<String>, ContextError> {
        let folder = |source| ContextError::Unreadable { path: self.identities.clone(), source };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.identities).map_err(folder)? {
            let entry = entry.map_err(folder)?;
            if let (true, Ok(name)) = (entry.path().is_dir(), entry.file_name().into_string()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads one identity on one plane.
    ///
    /// # Errors
    /// [`ContextError::UnknownIdentity`], with a suggestion where one is near; [`ContextError::Identity`].
    pub fn identity(&self, name: &str, plane: Plane) -> Result<Identity, ContextError> {
        let known = self.identities()?;
        // Only a name that was listed becomes a path, so that none leads out of the folder.
        if !known.iter().any(|one| one == name) {
            let suggestion = nearest(name, &known);
            return Err(ContextError::UnknownIdentity { name: name.to_owned(), suggestion, known });
        }
        let folder = self.identities.join(name);
        let (key, chain) = (folder.join(format!("{plane}.key.pem")), folder.join(format!("{plane}.chain")));
        Identity::load(&key, &chain, &self.roots).map_err(|source| ContextError::Identity {
            name: name.to_owned(),
            plane,
            source,
        })
    }

    /// What a client of this context is made of, with the defaults, under an identity of it or another.
    pub fn client_config(&self, identity: Identity) -> ClientConfig {
        ClientConfig::new(self.relays.clone(), self.tls_roots.clone(), self.roots.clone(), identity)
    }

    /// A client of this context under one identity, on the plane of the type. Nothing is connected yet.
    ///
    /// # Errors
    /// As [`Context::identity`], and [`ContextError::Config`] when the context names no relay.
    pub fn client<P: OnPlane>(&self, name: &str) -> Result<Client<P>, ContextError> {
        let identity = self.identity(name, P::PLANE)?;
        Ok(Client::new(self.client_config(identity))?)
    }
}

fn show_certificate(tls_roots: TlsRoots, certificate: &Path, key: &Path) -> Result<TlsRoots, ContextError> {
    let chain = read(certificate, |path| fs::read(path))?;
    refuse_open_mode(key).map_err(|error| match error {
        IdentityError::TooOpen { path, mode } => ContextError::TlsKeyTooOpen { path, mode },
        error @ (IdentityError::Unreadable { .. }
        | IdentityError::NoChain { .. }
        | IdentityError::NoKey { .. }
        | IdentityError::ChainRefused { .. }
        | IdentityError::Mismatch) => {
            ContextError::Unreadable { path: key.to_owned(), source: io::Error::other(error.to_string()) }
        }
    })?;
    let key = read(key, |path| fs::read(path))?;
    let unusable = |source| ContextError::TlsCertificate { path: certificate.to_owned(), source };
    tls_roots.with_client_certificate(&chain, &key).map_err(unusable)
}

fn read<T>(path: &Path, how: impl Fn(&Path) -> io::Result<T>) -> Result<T, ContextError> {
    how(path).map_err(|source| ContextError::Unreadable { path: path.to_owned(), source })
}

fn nearest(name: &str, known: &[String]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (edits(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= EDITS_MAX)
        .min()
        .map(|(_, candidate)| candidate.clone())
}

/// Levenshtein's distance: insertions, deletions and replacements of single characters.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, a) in from.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let known = ["field", "nation", "town"].map(str::to_owned);
        for (name, suggestion) in [
            ("twon", Some("town")),
            ("towns", Some("town")),
            ("feild", Some("field")),
            ("Town", Some("town")),
            ("region", None),
            ("elsewhere", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known).as_deref(), suggestion, "{name}");
        }
        assert_eq!((edits("", "abc"), edits("abc", ""), edits("kitten", "sitting")), (3, 3, 3));
    }
}
