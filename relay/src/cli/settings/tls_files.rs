//! The TLS certificate and its key, and what clients must show in turn, as files.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use vigie_client::pem;

use crate::cli::exit::{Exit, Failure};
use crate::cli::files;
use crate::cli::text::Lang;
use crate::config::ClientAuth;

/// Where the TLS certificate and its key lie, which may be renewed while the relay runs.
#[derive(Clone, Debug)]
pub(in crate::cli) struct TlsFiles {
    pub(in crate::cli) chain: PathBuf,
    pub(in crate::cli) key: PathBuf,
    /// Where clients must show certificates.
    pub(in crate::cli) clients: Option<ClientFiles>,
}

/// Where the authorities of client certificates lie, and their revocation lists.
#[derive(Clone, Debug)]
pub(in crate::cli) struct ClientFiles {
    pub(in crate::cli) authorities: PathBuf,
    pub(in crate::cli) lists: PathBuf,
}

impl ClientFiles {
    /// Reads both; whether they can be used is not judged here.
    pub(in crate::cli) fn read(&self, lang: Lang) -> Result<ClientAuth, Failure> {
        Ok(ClientAuth::new(
            all_in(lang, &self.authorities, |path| lang.no_certificate(path))?,
            all_in(lang, &self.lists, |path| lang.no_revocation_list(path))?,
        ))
    }
}

/// What of a kind stands in a PEM file: at least one.
fn all_in<T: PemObject>(
    lang: Lang,
    path: &Path,
    none: impl Fn(std::path::Display<'_>) -> String,
) -> Result<Vec<T>, Failure> {
    let wrong = |text: String| Failure::new(Exit::Configuration, text);
    let pem = files::read_text(lang, path)?;
    let all: Result<Vec<T>, _> = T::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|error| wrong(format!("{}: {}", path.display(), pem::fault(&error))))?;
    if all.is_empty() { Err(wrong(none(path.display()))) } else { Ok(all) }
}

/// A certificate with those above it, and its key.
pub(in crate::cli) type TlsPair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl TlsFiles {
    /// Reads both; whether they fit each other is not judged here.
    pub(in crate::cli) fn read(&self, lang: Lang) -> Result<TlsPair, Failure> {
        let wrong = |text: String| Failure::new(Exit::Configuration, text);
        let chain = all_in(lang, &self.chain, |path| lang.no_certificate(path))?;
        files::refuse_open_mode(lang, &self.key)?;
        let pem = files::read_text(lang, &self.key)?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| wrong(lang.unusable_key(self.key.display(), pem::fault(&error))))?;
        Ok((chain, key))
    }
}
