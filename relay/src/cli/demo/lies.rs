//! What the lying relay serves: made as an attacker who holds the relay could make it, and no more. It has every
//! message that ever went through it and keys of its own, but no author's key: what is signed here is only cut up and
//! put together again.

use std::sync::Arc;

use vigie_client::SignedMessage;
use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::severity::Severity;
use vigie_proto::time::Window;

use super::craft::{Says, body_under, tampered};
use super::scenes::Lie;
use super::stage::{Cast, Voice};
use crate::cli::files;
use crate::cli::text::Lang;
use crate::cli::time::{self, DAY};

/// One event as the lying relay serves it, and the chain that it gives with it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) lie: Lie,
    pub(super) chain: Arc<Chain>,
    pub(super) message: SignedMessage,
}

const REGIONAL: &[u8] = include_bytes!("cap/regional.xml");
const NATIONAL: &[u8] = include_bytes!("cap/national.xml");
const FIRE: &[u8] = include_bytes!("cap/tampered.xml");
const DRILL: &[u8] = include_bytes!("cap/exercise.xml");

const PARIS: &str = "alert/fr.idf.75.paris";
const NANTERRE: &str = "alert/fr.idf.92.nanterre";
const BORDEAUX: &str = "alert/fr.naq.33.bordeaux";

/// Everything that it serves, in order.
pub(super) fn all(lang: Lang, cast: &Cast) -> anyhow::Result<Vec<Served>> {
    let truth = served(Lie::Truth, region(cast), regional()?.signed_by(region(cast))?);
    Lie::ALL.into_iter().map(|lie| one(lang, cast, lie, &truth)).collect()
}

fn one(lang: Lang, cast: &Cast, lie: Lie, truth: &Served) -> anyhow::Result<Served> {
    let live = |name| cast.voice(name, Plane::Live);
    let town = live("town");
    Ok(match lie {
        Lie::Truth | Lie::Replayed => {
            Served { lie, chain: Arc::clone(&truth.chain), message: truth.message.clone() }
        }
        Lie::Flipped => served(lie, town, tampered(fire(PARIS)?, town.identity())?),
        Lie::Relabelled => {
            let author = live("neighbour");
            let said = fire(NANTERRE)?.signed_by(author)?;
            let relabelled = fire(PARIS)?.forged(author.identity().key(), author.identity())?;
            served(lie, author, body_under(&relabelled, &said)?)
        }
        Lie::Swapped => {
            let said = fire(PARIS)?.signed_by(town)?;
            let other = Says::new(Plane::Live, PARIS, Severity::Extreme, NATIONAL)?.signed_by(town)?;
            served(lie, town, body_under(&other, &said)?)
        }
        Lie::Misdirected => {
            let author = live("elsewhere");
            served(lie, author, fire(BORDEAUX)?.signed_by(author)?)
        }
        Lie::Foreign => foreign(lang, lie)?,
        Lie::ExerciseAsLive => {
            let author = cast.voice("region", Plane::Exercise);
            let drill = Says::new(Plane::Exercise, "alert/fr.idf", Severity::Severe, DRILL)?;
            served(lie, author, drill.signed_by(author)?)
        }
    })
}

fn region(cast: &Cast) -> &Voice {
    cast.voice("region", Plane::Live)
}

fn regional() -> anyhow::Result<Says> {
    Says::new(Plane::Live, "alert/fr.idf", Severity::Severe, REGIONAL)
}

fn fire(channel: &str) -> anyhow::Result<Says> {
    Says::new(Plane::Live, channel, Severity::Moderate, FIRE)
}

fn served(lie: Lie, author: &Voice, message: SignedMessage) -> Served {
    Served { lie, chain: Arc::clone(author.identity().chain()), message }
}

/// A root of the relay's own, which claims to be the nation.
fn foreign(lang: Lang, lie: Lie) -> anyhow::Result<Served> {
    let key = files::new_key(lang).map_err(|failure| anyhow::anyhow!("{failure}"))?.key;
    let now = time::now();
    let claims = Claims {
        subject: *key.public(),
        org: "fr.interieur".parse()?,
        name: "Ministère de l'Intérieur, veille nationale".to_owned(),
        role: Role::Author,
        grants: vec![Grant {
            flow: Flow::Alert,
            at: "fr".parse()?,
            publish: Some(Severity::Extreme),
            subscribe: true,
            delegate: 0,
        }],
        plane: Plane::Live,
        valid: Window { from: now.minus(CLOCK_SKEW_MAX), until: now.plus(DAY) },
    };
    let root = Credential::issue_root(&key, &claims)?;
    let pinned_by_itself = Roots::new([key.public().thumbprint()]);
    let chain = Arc::new(Chain::verify([&**root.token()], &pinned_by_itself, &NoVerdicts)?);
    let identity = vigie_client::Identity::new(Arc::new(key), Arc::clone(&chain))?;
    let says = Says::new(Plane::Live, "alert/fr", Severity::Extreme, NATIONAL)?;
    let message = says.forged(identity.key(), &identity)?;
    Ok(Served { lie, chain, message })
}
