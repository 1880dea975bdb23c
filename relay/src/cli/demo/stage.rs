//! The throw-away stage: a folder as `vigie init` makes it, a real relay on loopback, and clients of the SDK.
//!
//! Everything that is made is owned by [`Stage`]: dropping it stops the relay and removes the folder.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use vigie_client::{
    Client, ClientConfig, Context, ContextError, Draft, Exercise, Identity, Live, PublishError, Receipt,
    RelayUrl, SignedMessage,
};
use vigie_proto::channel::Plane;

use super::text;
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::screen::Screen;
use crate::cli::settings::Settings;
use crate::cli::text::Lang;
use crate::cli::{files, init};
use crate::config::RelayConfig;
use crate::server::Relay;

/// What the relay gives its clients on the way out: they are all in this process, and gone already.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A segment of the journal is laid out at once, and the next one with it; temporary folders often lie in memory.
/// Hundreds of times what the scenes say.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// A folder that goes when its owner does.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create(lang: Lang) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| Failure::new(Exit::Failure, text::no_folder(lang, why));
        let random: [u8; 8] =
            ring::rand::generate(&ring::rand::SystemRandom::new()).map_err(|error| failed(&error))?.expose();
        let path = std::env::temp_dir().join(format!("vigie-demo-{:016x}", u64::from_be_bytes(random)));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Not recursive: a folder that is there already is somebody else's.
        builder.create(&path).map_err(|error| failed(&error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the folder of the demo could not be removed");
        }
    }
}

/// Trust, a relay, and the way to both.
#[derive(Debug)]
pub(in crate::cli) struct Stage {
    // Dropped in this order: the relay writes into the folder.
    relay: Option<Relay>,
    address: SocketAddr,
    context: Context,
    tls_chain: Vec<CertificateDer<'static>>,
    tls_key: PrivateKeyDer<'static>,
    folder: Folder,
}

impl Stage {
    /// Makes the folder and starts the relay.
    ///
    /// # Errors
    /// The temporary folder or the relay cannot be had.
    pub(super) fn set(screen: &Screen, change: impl FnOnce(&mut RelayConfig)) -> Result<Self, Failure> {
        let lang = screen.lang;
        let folder = Folder::create(lang)?;
        let dir = folder.0.as_path();
        init::lay_out(lang, dir)?;
        let mut config = Settings::read(screen, &dir.join("vigie.toml"))?.config;
        files::create_folder(lang, &config.journal)?;
        let (tls_chain, tls_key) = (config.tls_chain.clone(), config.tls_key.clone_key());
        config.journal_config.segment_bytes = SEGMENT_BYTES;
        change(&mut config);
        let no_relay = |why: &dyn std::fmt::Display| Failure::new(Exit::Failure, text::no_relay(lang, why));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| no_relay(&error))?;
        let relay = Relay::start(listener, config).map_err(|error| no_relay(&error))?;
        let address = relay.local_addr();
        point_context(lang, dir, &local(address.port()))?;
        let context = Context::open(dir).map_err(|error| unusable(&error))?;
        Ok(Self { relay: Some(relay), address, context, tls_chain, tls_key, folder })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.folder.0
    }

    /// Where the relay listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(in crate::cli) const fn context(&self) -> &Context {
        &self.context
    }

    /// The certificate of the relay, for another that passes for it.
    pub(super) fn tls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.tls_chain.clone(), self.tls_key.clone_key())
    }

    /// A client of another relay on this machine, under the same trust.
    pub(super) fn client_of(&self, port: u16, name: &str) -> Result<Client<Live>, ContextError> {
        let identity = self.context.identity(name, Plane::Live)?;
        let (tls, roots) = (self.context.tls_roots().clone(), self.context.roots().clone());
        Ok(Client::new(ClientConfig::new(vec![local(port)], tls, roots, identity))?)
    }

    /// Stops the relay and removes the folder. The clients are gone by now.
    ///
    /// # Errors
    /// The relay did not stop cleanly: its disk failed.
    pub(super) fn strike(mut self, lang: Lang) -> Outcome {
        let Some(relay) = self.relay.take() else { return Ok(()) };
        let stopped = relay.stop(STOP_GRACE);
        stopped.map_err(|error| Failure::new(Exit::Failure, text::no_relay(lang, &error)))
    }
}

/// A relay on this machine, by the name in its certificate.
fn local(port: u16) -> RelayUrl {
    format!("wss://localhost:{port}").parse().expect("a name and a port are an address")
}

/// `init` names the usual port; the stage has a free one.
fn point_context(lang: Lang, dir: &Path, url: &RelayUrl) -> Outcome {
    let path = dir.join("context.toml");
    let text = files::read_text(lang, &path)?;
    let pointed: String = text
        .lines()
        .map(|line| {
            if line.starts_with("relays =") { format!("relays = [\"{url}\"]\n") } else { format!("{line}\n") }
        })
        .collect();
    files::replace_public(lang, &path, &pointed)
}

pub(super) fn unusable(error: &ContextError) -> Failure {
    Failure::new(Exit::Failure, error.to_string())
}

/// A client that speaks, on either plane.
#[derive(Debug)]
pub(super) enum Voice {
    Live(Client<Live>),
    Exercise(Client<Exercise>),
}

impl Voice {
    pub(super) fn identity(&self) -> &Identity {
        match self {
            Self::Live(client) => &client.config().identity,
            Self::Exercise(client) => &client.config().identity,
        }
    }

    pub(super) fn sign(&self, draft: Draft) -> Result<SignedMessage, PublishError> {
        match self {
            Self::Live(client) => client.sign(draft),
            Self::Exercise(client) => client.sign(draft),
        }
    }

    pub(super) async fn publish(&self, message: &SignedMessage) -> Result<Receipt, PublishError> {
        match self {
            Self::Live(client) => client.publish_signed(message).await,
            Self::Exercise(client) => client.publish_signed(message).await,
        }
    }
}

/// A client for every identity of the context, on both planes. None of them connects before it speaks.
#[derive(Debug)]
pub(super) struct Cast(BTreeMap<(String, Plane), Voice>);

impl Cast {
    /// # Errors
    /// An identity that was just made cannot be read.
    pub(super) fn of(context: &Context) -> Result<Self, ContextError> {
        let mut voices = BTreeMap::new();
        for name in context.identities()? {
            voices.insert((name.clone(), Plane::Live), Voice::Live(context.client(&name)?));
            voices.insert((name.clone(), Plane::Exercise), Voice::Exercise(context.client(&name)?));
        }
        Ok(Self(voices))
    }

    /// # Panics
    /// For a name that `vigie init` does not make: a slip in the tables of the demo.
    pub(super) fn voice(&self, name: &str, plane: Plane) -> &Voice {
        self.0.get(&(name.to_owned(), plane)).expect("the tables name identities that init makes")
    }
}
