//! The chain of command: the credentials from a pinned root down to a key, checked whole, offline, by everyone.
//!
//! Relay and reader run this same code. What is checked here does not depend on time: signatures, parents, and that
//! no credential exceeds the one above it in any dimension. Times are judged at each use, by [`Chain::judge`]; that
//! is why a cached verdict never outlives a credential.

use std::sync::Arc;

use crate::channel::{Flow, Jurisdiction, Plane};
use crate::credential::{Claims, Credential, Grant, Issuer, Role};
use crate::id::sha256;
use crate::jws::{Kind, Token};
use crate::key::{PublicKey, SigningKey};
use crate::limits::{CHAIN_LINKS_MAX, CREDENTIAL_BYTES_MAX};
use crate::refusal::{Code, Refusal};
pub use crate::roots::{Roots, Succession};
#[cfg(feature = "sabotage")]
use crate::sabotage::Sabotage;
use crate::severity::Severity;
use crate::test_keys;
use crate::time::{Timestamp, Window};

/// Names a cached verdict: SHA-256 of the whole token, signature included, so that a right signature never vouches
/// for a wrong one over the same claims.
pub type TokenHash = [u8; 32];

/// Remembers credentials whose signature and place below their parent were found good. Bounded by its owner; it may
/// forget at any time.
pub trait Verdicts {
    /// A credential found good before.
    fn find(&self, token: &TokenHash) -> Option<Arc<Credential>>;
    /// A credential was found good.
    fn keep(&self, token: TokenHash, credential: &Arc<Credential>);
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to hold")]
pub struct NoVerdicts;

impl Verdicts for NoVerdicts {
    fn find(&self, _: &TokenHash) -> Option<Arc<Credential>> {
        None
    }

    fn keep(&self, _: TokenHash, _: &Arc<Credential>) {}
}

/// A checked chain, root first, 1 to 8 links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    links: Vec<Arc<Credential>>,
    succession: Succession,
}

impl Chain {
    /// Checks a chain, root first; the first failure ends it, so a stranger costs at most one failed signature check.
    ///
    /// # Errors
    /// `too_many_links`, `unknown_root`, `broken_chain`, `bad_signature`, `exceeds_parent`, `test_key`, or whatever
    /// [`Credential::parse`] finds.
    pub fn verify<'a>(
        tokens: impl IntoIterator<Item = &'a str>,
        roots: &Roots,
        verdicts: &dyn Verdicts,
    ) -> Result<Self, Refusal> {
        let mut links: Vec<Arc<Credential>> = Vec::new();
        for text in tokens {
            if links.len() == CHAIN_LINKS_MAX {
                return Err(Code::TooManyLinks.into());
            }
            links.push(check_link(links.last(), text, roots, verdicts)?);
        }
        let root = links.first().ok_or(Code::TooManyLinks)?;
        let succession = trusted(root, roots)?.clone();
        Ok(Self { links, succession })
    }

    /// Issues a credential below this chain, with the private key of its leaf.
    ///
    /// # Errors
    /// `bad_signature` when the key is not the leaf's, `too_many_links`, `exceeds_parent`, or what
    /// [`Credential::parse`] finds: nothing is issued that others would refuse.
    pub fn extend(&self, key: &SigningKey, claims: &Claims) -> Result<Self, Refusal> {
        let parent = self.leaf();
        if key.public() != &parent.claims().subject {
            return Err(Refusal::new(Code::BadSignature, "the key is not that of the issuing credential"));
        }
        if self.links.len() == CHAIN_LINKS_MAX {
            return Err(Code::TooManyLinks.into());
        }
        let child = Credential::issue_below(key, claims, parent)?;
        fits_inside(&child, parent)?;
        let mut links = self.links.clone();
        links.push(Arc::new(child));
        Ok(Self { links, succession: self.succession.clone() })
    }

    /// All links, root first.
    pub fn links(&self) -> &[Arc<Credential>] {
        &self.links
    }

    /// The last link: the one that speaks of the key in use.
    pub fn leaf(&self) -> &Arc<Credential> {
        self.links.last().expect("a chain has at least one link")
    }

    /// The plane of every link.
    pub fn plane(&self) -> Plane {
        self.leaf().claims().plane
    }

    /// The key that the leaf speaks of.
    pub fn key(&self) -> &PublicKey {
        &self.leaf().claims().subject
    }

    /// How its root is trusted: pinned, or handed to.
    pub const fn succession(&self) -> &Succession {
        &self.succession
    }

    /// The same chain as it is trusted by other roots. No signature is checked again.
    ///
    /// # Errors
    /// `unknown_root`.
    pub fn under(&self, roots: &Roots) -> Result<Self, Refusal> {
        let root = self.links.first().expect("a chain has at least one link");
        Ok(Self { links: self.links.clone(), succession: trusted(root, roots)?.clone() })
    }

    /// When all links are good, and the root is one. Each link lies inside its parent's time, so it is the leaf's.
    pub fn window(&self) -> Window {
        self.leaf().claims().valid.intersect(&self.root_window())
    }

    pub(crate) fn root_window(&self) -> Window {
        #[cfg(feature = "sabotage")]
        if Sabotage::RootEndIgnored.is_planted() {
            return Window { until: Timestamp::FAR_FUTURE, ..self.succession.window() };
        }
        self.succession.window()
    }

    /// Whether its root is one at this moment, and every link is good.
    ///
    /// # Errors
    /// `credential_not_yet_valid` before the root was handed to; `root_ended` from the moment on that it has handed over;
    /// `credential_not_yet_valid` or `credential_expired`, by the first link from the root that is not good.
    pub fn judge(&self, at: Timestamp) -> Result<(), Refusal> {
        self.judge_root(at)?;
        self.judge_links(at)
    }

    /// As [`Chain::judge`], also after its root has handed over: for what its holders give up themselves.
    ///
    /// # Errors
    /// Those of [`Chain::judge`], without `root_ended`.
    pub fn judge_but_root_end(&self, at: Timestamp) -> Result<(), Refusal> {
        self.judge_root_beginning(at)?;
        self.judge_links(at)
    }

    fn judge_links(&self, at: Timestamp) -> Result<(), Refusal> {
        self.links.iter().try_for_each(|link| judge_link(link, at))
    }

    /// Whether its root is one at this moment, whatever the links are.
    pub(crate) fn judge_root(&self, at: Timestamp) -> Result<(), Refusal> {
        self.judge_root_beginning(at)?;
        if at >= self.root_window().until { Err(self.by_root(Code::RootEnded.into())) } else { Ok(()) }
    }

    fn judge_root_beginning(&self, at: Timestamp) -> Result<(), Refusal> {
        if at >= self.root_window().from {
            return Ok(());
        }
        Err(self.by_root(Refusal::new(Code::CredentialNotYetValid, "its root is not handed to yet")))
    }

    fn by_root(&self, refusal: Refusal) -> Refusal {
        Refusal { credential: self.links.first().map(|root| root.id()), ..refusal }
    }

    /// Whether the leaf may publish this.
    ///
    /// # Errors
    /// `not_granted`, `out_of_jurisdiction` or `severity_exceeds_grant`: the one that comes closest to a grant.
    pub fn may_publish(&self, flow: Flow, at: &Jurisdiction, severity: Severity) -> Result<(), Refusal> {
        let ceiling = self.place_granted(flow, at, |grant| grant.publish)?;
        if severity <= ceiling {
            return Ok(());
        }
        let detail = format!("{severity} is above the {ceiling} that is granted");
        Err(Refusal::new(Code::SeverityExceedsGrant, detail).by(self.leaf().id()))
    }

    /// Whether the leaf may subscribe at this place.
    ///
    /// # Errors
    /// `not_granted` or `out_of_jurisdiction`.
    pub fn may_subscribe(&self, flow: Flow, at: &Jurisdiction) -> Result<(), Refusal> {
        self.place_granted(flow, at, |grant| grant.subscribe.then_some(())).map(drop)
    }

    /// The best right of one kind at a place.
    fn place_granted<R: Ord>(
        &self,
        flow: Flow,
        at: &Jurisdiction,
        right: impl Fn(&Grant) -> Option<R>,
    ) -> Result<R, Refusal> {
        let leaf = self.leaf();
        let granted = || leaf.claims().grants.iter().filter(|grant| grant.flow == flow);
        let best = granted().filter(|grant| grant.at.contains(at)).filter_map(&right).max();
        best.ok_or_else(|| {
            let elsewhere = granted().any(|grant| right(grant).is_some());
            let code = if elsewhere { Code::OutOfJurisdiction } else { Code::NotGranted };
            Refusal::new(code, format!("{flow} at {at}")).by(leaf.id())
        })
    }
}

/// Whether one link is good at this moment, whatever the others are.
pub(crate) fn judge_link(link: &Credential, at: Timestamp) -> Result<(), Refusal> {
    let valid = link.claims().valid;
    #[cfg(feature = "sabotage")]
    let valid = if Sabotage::NotBeforeIgnored.is_planted() {
        Window { from: Timestamp::EPOCH, ..valid }
    } else {
        valid
    };
    if at < valid.from {
        return Err(Refusal::from(Code::CredentialNotYetValid).by(link.id()));
    }
    if at >= valid.until {
        return Err(Refusal::from(Code::CredentialExpired).by(link.id()));
    }
    Ok(())
}

fn check_link(
    parent: Option<&Arc<Credential>>,
    text: &str,
    roots: &Roots,
    verdicts: &dyn Verdicts,
) -> Result<Arc<Credential>, Refusal> {
    if text.len() > CREDENTIAL_BYTES_MAX {
        return Err(Code::CredentialTooLarge.into());
    }
    let named = text;
    #[cfg(feature = "sabotage")]
    let named =
        named.rsplit_once('.').filter(|_| Sabotage::VerdictCachedById.is_planted()).map_or(named, |it| it.0);
    let hash = sha256(named.as_bytes());
    let cached = verdicts.find(&hash);
    let link = match &cached {
        Some(link) => Arc::clone(link),
        None => Arc::new(Credential::from_token(&Token::parse(text, Kind::Credential)?, text)?),
    };
    let signer = signer_of(&link, parent, roots)?;
    if is_test_key(&link, roots) {
        return Err(Refusal::from(Code::TestKey).by(link.id()));
    }
    if cached.is_none() {
        Token::parse(text, Kind::Credential)?
            .check_signature(signer)
            .map_err(|refusal| refusal.by(link.id()))?;
        if let Some(parent) = parent {
            fits_inside(&link, parent)?;
        }
        verdicts.keep(hash, &link);
    }
    Ok(link)
}

/// Whether everybody has its private key, and nobody is to be believed for it.
pub(crate) fn is_test_key(link: &Credential, roots: &Roots) -> bool {
    !roots.test_keys_pass() && test_keys::is_published(&link.claims().subject)
}

/// The key that must have signed this link, given the one before it.
pub(crate) fn signer_of<'a>(
    link: &'a Credential,
    parent: Option<&'a Arc<Credential>>,
    roots: &Roots,
) -> Result<&'a PublicKey, Refusal> {
    match (link.issuer(), parent) {
        (Issuer::Itself(_) | Issuer::Parent(_), None) => trusted(link, roots).map(|_| &link.claims().subject),
        (Issuer::Parent(named), Some(parent)) if named == parent.id() => Ok(&parent.claims().subject),
        (Issuer::Parent(_) | Issuer::Itself(_), Some(_)) => {
            Err(Refusal::from(Code::BrokenChain).by(link.id()))
        }
    }
}

/// How the first link of a chain is trusted.
fn trusted<'r>(link: &Credential, roots: &'r Roots) -> Result<&'r Succession, Refusal> {
    let Issuer::Itself(root) = link.issuer() else {
        return Err(
            Refusal::new(Code::UnknownRoot, "the first credential of a chain is a root").by(link.id())
        );
    };
    let succession = roots.succession(root, link.claims().plane);
    succession.ok_or_else(|| Refusal::from(Code::UnknownRoot).by(link.id()))
}

/// Whether `child` claims no more than `parent` may give, in every dimension.
pub(crate) fn fits_inside(child: &Credential, parent: &Credential) -> Result<(), Refusal> {
    let (claims, above) = (child.claims(), parent.claims());
    let exceeds = |what: &str| Refusal::new(Code::ExceedsParent, what.to_owned()).by(child.id());
    if claims.plane != above.plane {
        return Err(exceeds("the plane differs from that of the parent"));
    }
    if above.role == Role::Relay {
        return Err(exceeds("a relay does not issue credentials"));
    }
    let org = &claims.org;
    #[cfg(feature = "sabotage")]
    let org = if Sabotage::OrgNotAttenuated.is_planted() { &above.org } else { org };
    if !above.org.contains(org) {
        return Err(exceeds("the organisation is not that of the parent or below it"));
    }
    if claims.valid.from < above.valid.from {
        return Err(exceeds("it begins before the parent does"));
    }
    if claims.valid.until > above.valid.until {
        return Err(exceeds("it ends after the parent does"));
    }
    if above.grants.iter().all(|grant| grant.delegate == 0) {
        return Err(exceeds("the parent may not delegate"));
    }
    match claims.grants.iter().find(|grant| !above.grants.iter().any(|wider| wider.covers(grant))) {
        None => Ok(()),
        Some(grant) => {
            Err(exceeds(&format!("no single grant of the parent covers {} at {}", grant.flow, grant.at)))
        }
    }
}
