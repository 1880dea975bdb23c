//! `vigie.toml`: the settings of one relay, read, checked and turned into the one [`RelayConfig`].
//!
//! Every key is known here and nowhere else: its name, its range, and the line that explains it in the file that
//! `vigie init` writes. A key that is not known is an error, never ignored.

mod limits;
mod own_files;
mod root_files;
mod tls_files;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use vigie_client::settings::{SettingsFault, line_of_key, shown_name};
use vigie_proto::chain::{Chain, Roots};
use vigie_proto::id::KeyId;

use super::duration;
use super::exit::{Exit, Failure};
use super::files;
use super::health::{self, HealthListen};
use super::rotations;
use super::screen::Screen;
use super::suggest::closest;
use super::text::Lang;
use crate::config::RelayConfig;
use crate::journal::NewJournal;
use crate::own_credential::OwnCredential;

pub(super) use own_files::OwnFiles;
pub(super) use root_files::RootFiles;
use tls_files::ClientFiles;
pub(super) use tls_files::TlsFiles;

macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident: $type:ty,)*) => {
        /// The keys as they stand in the file.
        #[derive(Debug, Deserialize)]
        struct File { $($(#[$attribute])* $name: $type,)* }
        /// Every key, for suggestions.
        const KEYS: &[&str] = &[$(stringify!($name)),*];
    };
}

settings! {
    #[serde(default)] trial: bool,
    listen: SocketAddr,
    names: Vec<String>,
    tls_chain: PathBuf,
    tls_key: PathBuf,
    client_ca: Option<PathBuf>,
    client_crl: Option<PathBuf>,
    roots: Vec<String>,
    rotations: Option<Vec<PathBuf>>,
    journal: PathBuf,
    relay_key: Option<PathBuf>,
    relay_chain: Option<PathBuf>,
    workers: Option<usize>,
    origins: Option<Vec<String>>,
    unbound_passes: Option<bool>,
    lifetime_max: Option<String>,
    outbox_bytes_max: Option<usize>,
    ring_bytes_max: Option<usize>,
    connections_max: Option<usize>,
    connections_per_address_max: Option<usize>,
    sessions_per_key_max: Option<usize>,
    login_timeout: Option<String>,
    subscriptions_max: Option<usize>,
    mark_interval_max: Option<String>,
    strangers_max: Option<usize>,
    strangers_per_address_max: Option<usize>,
    stranger_tls_bytes_max: Option<usize>,
    stranger_bytes_max: Option<usize>,
    publishes_per_credential_max: Option<u32>,
    chains_per_credential_max: Option<u32>,
    publishes_max: Option<u32>,
    submissions_max: Option<usize>,
    segment_bytes: Option<u64>,
    retain_age: Option<String>,
    retain_bytes: Option<u64>,
    bytes_in_force_max: Option<u64>,
    retry_hint: Option<String>,
    stop_grace: Option<String>,
    operators_door: Option<bool>,
    health: Option<HealthTable>,
}

/// Health, apart from what concerns clients.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a table such as { listen = \"127.0.0.1:7480\" }")]
struct HealthTable {
    listen: Option<String>,
}

/// The keys below `health`, for suggestions.
const HEALTH_KEYS: &[&str] = &["health.listen"];

/// What a stopping relay gives its clients to take what waits for them, unless set otherwise.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// A relay's settings, checked.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: RelayConfig,
    pub(super) listen: SocketAddr,
    pub(super) trial: bool,
    pub(super) stop_grace: Duration,
    /// Where to answer for health, unless the command line says otherwise.
    pub(super) health: HealthListen,
    /// The chain of the relay's own credential. Where it is not good now is fatal to a check, a warning to a relay that
    /// must go on.
    pub(super) own_chain: Option<Arc<Chain>>,
    /// Where that and its key came from.
    pub(super) own: Option<OwnFiles>,
    /// Where the TLS certificate and its key came from.
    pub(super) tls: TlsFiles,
    /// Where the roots and their rotations came from.
    pub(super) root_files: RootFiles,
}

impl Settings {
    /// Reads the file and all that it names.
    pub(super) fn read(screen: &Screen, path: &Path) -> Result<Self, Failure> {
        let reading = Reading { lang: screen.lang, path };
        let file = reading.parse(&files::read_text(screen.lang, path)?)?;
        reading.settle(file)
    }

    /// Reads only which roots count, and which files say so: what a running relay reads again.
    pub(super) fn roots_of(lang: Lang, path: &Path) -> Result<(Roots, RootFiles), Failure> {
        let reading = Reading { lang, path };
        let file = reading.parse(&files::read_text(lang, path)?)?;
        let base = path.parent().unwrap_or_else(|| Path::new("."));
        Ok((reading.roots(base, &file)?, RootFiles::new(path, base, &file)))
    }

    /// Reads only where health is answered: whoever asks a relay how it is need not be able to read its key.
    pub(super) fn health_of(screen: &Screen, path: &Path) -> Result<HealthListen, Failure> {
        let reading = Reading { lang: screen.lang, path };
        reading.health(&reading.parse(&files::read_text(screen.lang, path)?)?)
    }
}

/// The text of a `vigie.toml` for a fuzz target, in French too: all but the files that it names. `Err` with what people
/// are told.
///
/// # Errors
/// As `Settings::read`, which reads those files between.
#[cfg(feature = "fuzzing")]
pub fn fuzzed(text: &str, french: bool) -> Result<RelayConfig, String> {
    let lang = if french { Lang::Fr } else { Lang::En };
    let reading = Reading { lang, path: Path::new("vigie.toml") };
    let judge = || {
        // A target opens no file: those of rotations, alone of all that are named, are read where the roots are.
        let file = File { rotations: None, ..reading.parse(text)? };
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(Vec::new()).into();
        let roots = reading.roots(Path::new("/nowhere"), &file)?;
        let mut config = RelayConfig::new(file.names.clone(), Vec::new(), key, roots, file.journal.clone());
        reading.limits(&file, &mut config)?;
        reading.duration("stop_grace", file.stop_grace.as_deref())?;
        reading.health(&file)?;
        Ok(config)
    };
    judge().map_err(|failure: Failure| failure.to_string())
}

/// One reading of one file, for its error messages: no value of the file is in them, but for addresses and paths.
struct Reading<'a> {
    lang: Lang,
    path: &'a Path,
}

impl Reading<'_> {
    fn wrong(&self, text: String) -> Failure {
        Failure::new(Exit::Configuration, format!("{}: {text}", self.path.display()))
    }

    fn parse(&self, text: &str) -> Result<File, Failure> {
        let malformed = |error: toml::de::Error| {
            let fault = SettingsFault::new(text, error.span(), error.message(), KEYS);
            self.wrong(match (fault.place, fault.setting) {
                (Some((line, column)), Some(key)) => {
                    self.lang.settings_fault_of(line, column, key, fault.what)
                }
                (Some((line, column)), None) => self.lang.settings_fault(line, column, fault.what),
                (None, _) => fault.what,
            })
        };
        // Before all else: any fault, and any path, could show it.
        if let Some(line) = line_of_key(text) {
            return Err(self.wrong(self.lang.looks_like_a_key(line)));
        }
        let source = toml::Deserializer::parse(text).map_err(malformed)?;
        let mut unknown = BTreeSet::new();
        let parsed = serde_ignored::deserialize(source, |key| {
            unknown.insert(key.to_string());
        });
        // A misspelt key is told before the missing key that it causes.
        if !unknown.is_empty() {
            let told: Vec<String> = unknown.iter().map(|key| self.unknown_key(text, key)).collect();
            return Err(self.wrong(told.join("; ")));
        }
        parsed.map_err(|error| match missing_key(text, error.message()) {
            Some(wrong) => self.wrong(self.unknown_key(text, &wrong)),
            None => malformed(error),
        })
    }

    fn unknown_key(&self, text: &str, key: &str) -> String {
        // A key of a table is looked for by its table.
        let name = key.split('.').next().unwrap_or(key);
        let line = text.lines().position(|line| line.trim_start().trim_start_matches('[').starts_with(name));
        let told = self.lang.unknown_key(line.map_or(0, |line| line + 1), shown_name(key));
        match closest(key, KEYS.iter().chain(HEALTH_KEYS).copied()) {
            Some(meant) => format!("{told}{}", self.lang.did_you_mean(meant)),
            None => told,
        }
    }

    fn settle(&self, file: File) -> Result<Settings, Failure> {
        let base = self.path.parent().unwrap_or_else(|| Path::new("."));
        let roots = self.roots(base, &file)?;
        let clients = match (&file.client_ca, &file.client_crl) {
            (Some(ca), Some(crl)) => Some(ClientFiles { authorities: base.join(ca), lists: base.join(crl) }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(self.wrong(self.lang.client_ca_and_crl())),
        };
        let (chain, key) = (base.join(&file.tls_chain), base.join(&file.tls_key));
        let tls = TlsFiles { chain, key, clients };
        let (tls_chain, tls_key) = tls.read(self.lang)?;
        let names: Vec<String> = file.names.iter().map(|name| name.to_ascii_lowercase()).collect();
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err(self.wrong(self.lang.names_empty()));
        }
        let journal = base.join(&file.journal);
        let mut config = RelayConfig::new(names, tls_chain, tls_key, roots, journal);
        // A service starts before its disk is mounted, or after somebody has cleared it: neither is a new relay.
        config.journal_config.new_journal = NewJournal::OnlyWhereMarked;
        config.client_auth = tls.clients.as_ref().map(|clients| clients.read(self.lang)).transpose()?;
        let own = self.own_files(base, &file, &config.roots)?;
        let own_chain = own.as_ref().map(|own| own.read(self.lang)).transpose()?;
        config.relay_credential = own_chain.as_deref().map(OwnCredential::from);
        config.operators_door = file.operators_door.unwrap_or(true);
        self.limits(&file, &mut config)?;
        let stop_grace = self.duration("stop_grace", file.stop_grace.as_deref())?.unwrap_or(STOP_GRACE);
        let (listen, trial, health) = (file.listen, file.trial, self.health(&file)?);
        let root_files = RootFiles::new(self.path, base, &file);
        Ok(Settings { config, listen, trial, stop_grace, health, own_chain, own, tls, root_files })
    }

    fn health(&self, file: &File) -> Result<HealthListen, Failure> {
        let Some(text) = file.health.as_ref().and_then(|table| table.listen.as_deref()) else {
            return Ok(health::DEFAULT);
        };
        text.parse().map_err(|error| self.wrong(format!("`health.listen`: {error}")))
    }

    fn roots(&self, base: &Path, file: &File) -> Result<Roots, Failure> {
        if file.roots.is_empty() {
            return Err(self.wrong(self.lang.roots_empty()));
        }
        let pinned = file.roots.iter().enumerate().map(|(index, text)| {
            let wrong = |error| self.wrong(format!("`roots`: {}", self.lang.bad_root(index + 1, error)));
            text.parse::<KeyId>().map_err(wrong)
        });
        let rotations = RootFiles::new(self.path, base, file).rotations;
        rotations::pin(self.lang, &pinned.collect::<Result<Vec<_>, _>>()?, &rotations)
    }

    /// Where the relay's own credential lies, if it has one.
    fn own_files(&self, base: &Path, file: &File, roots: &Roots) -> Result<Option<OwnFiles>, Failure> {
        match (&file.relay_key, &file.relay_chain) {
            (Some(key), Some(chain)) => {
                let (key, chain, roots) = (base.join(key), base.join(chain), roots.clone());
                Ok(Some(OwnFiles { key, chain, roots }))
            }
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => Err(self.wrong(self.lang.relay_key_and_chain())),
        }
    }

    fn duration(&self, key: &str, text: Option<&str>) -> Result<Option<Duration>, Failure> {
        let parsed = text.map(duration::parse).transpose();
        parsed.map_err(|error| self.wrong(format!("`{key}`: {error}")))
    }
}

/// The key that stands in the file where the one that serde misses was meant: serde stops at the missing one before
/// it tells of those it does not know.
fn missing_key(text: &str, message: &str) -> Option<String> {
    message.strip_prefix("missing field")?;
    let first_word = |line: &str| Some(line.split_once('=')?.0.trim().to_owned());
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(first_word)
        .find(|key| !KEYS.contains(&key.as_str()))
}

/// The file that `vigie init` writes for a trial.
pub(super) fn trial_file(lang: Lang, listen: SocketAddr, names: &[&str], roots: &[KeyId; 2]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    let template = match lang {
        Lang::En => include_str!("text/vigie.en.toml"),
        Lang::Fr => include_str!("text/vigie.fr.toml"),
    };
    template
        .replace("{listen}", &listen.to_string())
        .replace("{names}", &quoted.join(", "))
        .replace("{root_live}", &roots[0].to_string())
        .replace("{root_exercise}", &roots[1].to_string())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    pub(super) fn reading() -> Reading<'static> {
        Reading { lang: Lang::En, path: Path::new("vigie.toml") }
    }

    pub(super) fn trial(lang: Lang) -> String {
        let roots = [KeyId::from_bytes([1; 32]), KeyId::from_bytes([2; 32])];
        trial_file(lang, "127.0.0.1:7443".parse().unwrap(), &["localhost"], &roots)
    }

    /// The keys of the file and of the program are the same; those that are commented out are good as they stand.
    #[test]
    fn the_file_that_init_writes_names_every_key_in_both_languages() {
        for lang in [Lang::En, Lang::Fr] {
            let text = trial(lang);
            // All is filled in: what is left in braces is an inline table.
            assert!(!text.replace("{ listen = ", "").contains('{'), "{text}");
            reading().parse(&text).unwrap();
            let key_of = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
            let is_key = |line: &&str| key_of(line).is_some_and(|key| KEYS.contains(&key.as_str()));
            let shown = |line| str::strip_prefix(line, "# ").filter(is_key).unwrap_or(line);
            let every: Vec<&str> = text.lines().map(shown).collect();
            let keys: BTreeSet<String> =
                every.iter().filter(|line| is_key(line)).filter_map(|line| key_of(line)).collect();
            assert_eq!(keys, KEYS.iter().map(|key| (*key).to_owned()).collect());
            let file = reading().parse(&every.join("\n")).unwrap();
            let key = PrivateKeyDer::from_pem_slice(files::new_key(lang).unwrap().pem.as_bytes()).unwrap();
            let mut config = RelayConfig::new(Vec::new(), Vec::new(), key, Roots::default(), PathBuf::new());
            reading().limits(&file, &mut config).unwrap();
            assert_eq!(reading().health(&file).unwrap(), health::DEFAULT, "the file shows the default");
        }
    }

    #[test]
    fn a_misspelt_key_is_an_error_with_its_line_and_the_key_that_was_meant() {
        for (right, wrong) in [("\nlisten =", "\nlisen ="), ("\n# workers =", "\nworker =")] {
            let text = trial(Lang::En).replacen(right, wrong, 1);
            let told = reading().parse(&text).unwrap_err().to_string();
            let key = wrong.trim_matches(['\n', ' ', '=']);
            let line = 1 + text.lines().position(|line| line.starts_with(key)).unwrap();
            assert!(told.contains(&format!("line {line}")), "{told}");
            assert!(told.contains(&format!("`{}`", right.trim_matches(['\n', '#', ' ', '=']))), "{told}");
        }
    }

    #[test]
    fn health_has_a_place_of_its_own_or_none_and_may_be_written_as_a_table() {
        let read = |lines: &str| {
            let file = reading().parse(&format!("{}\n{lines}\n", trial(Lang::En)))?;
            reading().health(&file)
        };
        let elsewhere = HealthListen::At("[::1]:9".parse().unwrap());
        for (lines, health) in [
            ("", health::DEFAULT),
            ("health = {}", health::DEFAULT),
            ("health = { listen = \"off\" }", HealthListen::Off),
            ("health = { listen = \"[::1]:9\" }", elsewhere),
            ("[health]\nlisten = \"[::1]:9\"", elsewhere),
        ] {
            assert_eq!(read(lines).unwrap(), health, "{lines}");
        }
        assert!(read("health = { listen = \"7480\" }").unwrap_err().to_string().contains("off"));
        let told = read("[health]\nlisen = \"off\"").unwrap_err().to_string();
        let line = 2 + trial(Lang::En).lines().count();
        assert!(told.contains("`health.listen`") && told.contains(&format!("line {line}")), "{told}");
    }
}
