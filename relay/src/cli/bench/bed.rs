//! What is loaded, and as whom: a relay of the context, or one that is made for the purpose and thrown away.
//!
//! All of it is on the exercise plane: whatever a slip of the finger sends, no reader of real alerts is given it, and a
//! relay keeps three quarters of itself for them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use vigie_client::{
    Client, ClientConfig, Context, Draft, Exercise, Identity, RelayUrl, SignedMessage, TlsRoots,
};
use vigie_proto::cap::Urgency;
use vigie_proto::chain::Roots;
use vigie_proto::channel::{Channel, Filter, Flow, Plane};
use vigie_proto::credential::{Claims, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::severity::Severity;
use vigie_proto::time::Window;

use super::args::Target;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::{Session, publish_failed};
use crate::cli::text::Lang;
use crate::cli::{channels, time};

/// Credentials that are issued for a measurement: each costs a signature, and a relay remembers chains.
pub(super) const IDENTITIES_MAX: u32 = 64;
/// Longer than any measurement takes.
const CREDENTIAL_LIFETIME: Duration = Duration::from_secs(3_600);
/// Of the messages: they are of no use to anybody afterwards.
const MESSAGE_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// Above what relay and client may differ by.
const CLOCK_SLACK: Duration = Duration::from_secs(120);
/// A line that is not there by then failed.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// In the credentials and messages, for whoever meets them.
const NAME: &str = "vigie bench";
/// Who speaks on the relay that is made for the purpose, of those that `vigie init` makes, and where.
const THROW_AWAY: (&str, &str) = ("nation", "alert/fr");

/// A relay, and those who load it.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) relay: RelayUrl,
    pub(super) channel: Channel,
    tls: TlsRoots,
    roots: Roots,
    author: Identity,
    others: Vec<Identity>,
    lang: Lang,
}

impl Bed {
    /// The first relay of the context, as the identity after `--as`.
    pub(super) fn of_context(session: Session<'_>, target: &Target, others: u32) -> Result<Self, Failure> {
        let (context, lang) = (session.context()?, session.screen.lang);
        let author = session.identity(&context, Plane::Exercise)?;
        let bed = Self::new(lang, &context, author, target, others)?;
        if !target.remote && !is_loopback(bed.relay.host()) {
            return Err(Failure::new(Exit::Usage, lang.bench_remote(&bed.relay)));
        }
        Ok(bed)
    }

    /// The relay of a stage.
    pub(super) fn of_stage(
        lang: Lang,
        context: &Context,
        target: &Target,
        others: u32,
    ) -> Result<Self, Failure> {
        let unusable = |error| Failure::new(Exit::Failure, lang.context_error(&error));
        let author = context.identity(THROW_AWAY.0, Plane::Exercise).map_err(unusable)?;
        let channel = target.channel.clone().unwrap_or_else(|| THROW_AWAY.1.to_owned());
        let target = Target { channel: Some(channel), remote: false };
        Self::new(lang, context, author, &target, others)
    }

    fn new(
        lang: Lang,
        context: &Context,
        author: Identity,
        target: &Target,
        others: u32,
    ) -> Result<Self, Failure> {
        let no_relay = || Failure::new(Exit::Configuration, lang.bench_no_relay());
        let relay = context.relays().first().ok_or_else(no_relay)?.clone();
        let channel = match &target.channel {
            Some(text) => channels::channel(lang, text, Plane::Exercise)?,
            None => own_channel(lang, &author)?,
        };
        let (tls, roots) = (context.tls_roots().clone(), context.roots().clone());
        let mut bed = Self { relay, channel, tls, roots, author, others: Vec::new(), lang };
        bed.others = (0..others).map_while(|_| bed.appoint()).collect();
        Ok(bed)
    }

    /// Another credential below the author's, for the channel alone; `None` where the author may not issue one.
    fn appoint(&self) -> Option<Identity> {
        let seed: [u8; 32] = ring::rand::generate(&ring::rand::SystemRandom::new()).ok()?.expose();
        let key = SigningKey::from_seed(&seed).ok()?;
        let (above, now) = (self.author.chain(), time::now());
        let window = Window { from: now.minus(CLOCK_SLACK), until: now.plus(CREDENTIAL_LIFETIME) };
        let claims = Claims {
            subject: *key.public(),
            org: self.author.org().clone(),
            name: NAME.to_owned(),
            role: Role::Author,
            grants: vec![Grant {
                flow: self.channel.flow,
                at: self.channel.at.clone(),
                publish: Some(Severity::Minor),
                subscribe: true,
                delegate: 0,
            }],
            plane: Plane::Exercise,
            valid: window.intersect(&above.window()),
        };
        let chain = above.extend(self.author.key(), &claims).ok()?;
        Identity::new(Arc::new(key), Arc::new(chain)).ok()
    }

    /// Whether the others have credentials of their own.
    pub(super) const fn has_others(&self) -> bool {
        !self.others.is_empty()
    }

    /// A client of the author, with a line of its own.
    pub(super) fn author(&self) -> Result<Client<Exercise>, Failure> {
        self.client(self.author.clone())
    }

    /// A client of one of the others, of the author where there are none.
    pub(super) fn other(&self, number: u32) -> Result<Client<Exercise>, Failure> {
        let index = usize::try_from(number).unwrap_or(0).checked_rem(self.others.len());
        self.client(index.and_then(|index| self.others.get(index)).unwrap_or(&self.author).clone())
    }

    fn client(&self, identity: Identity) -> Result<Client<Exercise>, Failure> {
        let relays = vec![self.relay.clone()];
        let mut config = ClientConfig::new(relays, self.tls.clone(), self.roots.clone(), identity);
        config.deadline = DEADLINE;
        Client::new(config).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))
    }

    /// What readers hear.
    pub(super) fn filter(&self) -> Filter {
        Filter { channel: self.channel.clone(), subtree: false }
    }

    /// Signs one of many messages, each another.
    pub(super) fn sign(&self, client: &Client<Exercise>, number: u32) -> Result<SignedMessage, Failure> {
        let text = format!("{NAME} {number}");
        let channel = self.channel.clone();
        let draft = Draft::line(channel, Severity::Minor, text, self.lang.tag(), Urgency::Past);
        let signed = client.sign(draft.lifetime(MESSAGE_LIFETIME));
        signed.map_err(|error| publish_failed(self.lang, &error))
    }
}

/// The first place of the identity at which it may both speak and listen.
fn own_channel(lang: Lang, author: &Identity) -> Result<Channel, Failure> {
    let grants = &author.chain().leaf().claims().grants;
    let is_good = |grant: &&Grant| grant.publish.is_some() && grant.subscribe;
    let found = grants.iter().filter(is_good).min_by_key(|grant| grant.flow != Flow::Alert);
    let Some(Grant { flow, at, .. }) = found else {
        return Err(Failure::new(Exit::Usage, lang.bench_no_channel()));
    };
    Ok(Channel { plane: Plane::Exercise, flow: *flow, at: at.clone() })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loaded_unasked() {
        for (host, here) in
            [("localhost", true), ("127.0.0.2", true), ("::1", true), ("relay.example", false)]
        {
            assert_eq!(is_loopback(host), here, "{host}");
        }
        assert!(!is_loopback("192.0.2.1") && !is_loopback("localhost.example"));
    }
}
