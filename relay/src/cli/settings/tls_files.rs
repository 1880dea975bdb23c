//! The TLS certificate and its key, as files.

use std::path::PathBuf;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::cli::exit::{Exit, Failure};
use crate::cli::files;
use crate::cli::text::Lang;

/// Where the TLS certificate and its key lie, which may be renewed while the relay runs.
#[derive(Clone, Debug)]
pub(in crate::cli) struct TlsFiles {
    pub(in crate::cli) chain: PathBuf,
    pub(in crate::cli) key: PathBuf,
}

/// A certificate with those above it, and its key.
pub(in crate::cli) type TlsPair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl TlsFiles {
    /// Reads both; whether they fit each other is not judged here.
    pub(in crate::cli) fn read(&self, lang: Lang) -> Result<TlsPair, Failure> {
        let wrong = |text: String| Failure::new(Exit::Configuration, text);
        let shown = self.chain.display();
        let pem = files::read_text(lang, &self.chain)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let chain = chain.map_err(|error| wrong(format!("{shown}: {error}")))?;
        if chain.is_empty() {
            return Err(wrong(lang.no_certificate(shown)));
        }
        files::refuse_open_mode(lang, &self.key)?;
        let pem = files::read_text(lang, &self.key)?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| wrong(lang.unusable_key(self.key.display(), error)))?;
        Ok((chain, key))
    }
}
