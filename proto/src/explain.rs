//! Why somebody may or may not: every rule that has a say, for and against, where the judging functions stop at the first
//! that refuses.
//!
//! Nothing is decided here. Each finding is what [`Chain::verify`], [`Chain::judge`], [`Revocations::revoked`],
//! [`Chain::may_publish`], [`Chain::may_subscribe`] or [`may_hear`](crate::hear::may_hear) says; a test holds the sum of
//! them against those functions. Called by `vigie trust explain`, on no path of a message.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::chain::{Chain, NoVerdicts, Roots, fits_inside, is_test_key, judge_link, signer_of};
use crate::channel::{Channel, Filter, Flow};
use crate::credential::{Credential, Role};
use crate::hear::Said;
use crate::id::CredentialId;
use crate::jws::{Kind, Token};
use crate::refusal::{Code, Refusal};
use crate::revocation::Revocations;
use crate::severity::Severity;
use crate::time::Timestamp;

/// What was looked at. Each has a stable name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The credential is one, of sound form.
    Form,
    /// It is a pinned root, or names the one above it as its parent.
    Parent,
    /// Its key is nobody's but its holder's.
    Key,
    /// It is signed by the key of the one above it.
    Signature,
    /// It claims no more than the one above it.
    Attenuation,
    /// Its root is one at this moment: it was handed to, and has not handed over.
    Root,
    /// It is good at this moment.
    Time,
    /// No revocation that is known meets the chain.
    Revocation,
    /// Its holder is no relay.
    Role,
    /// Live stays with live, exercises with exercises.
    Plane,
    /// A grant gives this flow, at this place, up to this severity.
    Grant,
    /// The message is for its organisation.
    Audience,
}

impl Rule {
    /// All of them.
    const ALL: [Self; 12] = [
        Self::Form,
        Self::Parent,
        Self::Key,
        Self::Signature,
        Self::Attenuation,
        Self::Root,
        Self::Time,
        Self::Revocation,
        Self::Role,
        Self::Plane,
        Self::Grant,
        Self::Audience,
    ];

    /// Its name, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Parent => "parent",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Attenuation => "attenuation",
            Self::Root => "root",
            Self::Time => "time",
            Self::Revocation => "revocation",
            Self::Role => "role",
            Self::Plane => "plane",
            Self::Grant => "grant",
            Self::Audience => "audience",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        let named = Self::ALL.into_iter().find(|rule| rule.as_str() == text);
        named.ok_or_else(|| serde::de::Error::custom("not a rule of this version"))
    }
}

/// What one rule says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The credential that it was asked of, where it could be read.
    pub link: Option<CredentialId>,
    /// Why not; `None` when it lets through.
    pub refusal: Option<Refusal>,
}

impl Finding {
    /// As somebody else found it, who judged by other roots and revocations.
    pub const fn new(rule: Rule, link: Option<CredentialId>, refusal: Option<Refusal>) -> Self {
        Self { rule, link, refusal }
    }

    fn of(rule: Rule, link: Option<CredentialId>, judged: Result<(), Refusal>) -> Self {
        Self { rule, link, refusal: judged.err() }
    }
}

/// The first refusal among findings, which is the one that a relay would tell.
pub fn first(findings: &[Finding]) -> Option<&Refusal> {
    findings.iter().find_map(|finding| finding.refusal.as_ref())
}

/// Looks at every link of a chain, root first, whatever is wrong with those before it.
pub fn chain(tokens: &[&str], roots: &Roots) -> (Result<Chain, Refusal>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut above: Option<Arc<Credential>> = None;
    for (depth, text) in tokens.iter().enumerate() {
        let parsed = Credential::parse(text);
        let link = parsed.as_ref().ok().map(Credential::id);
        findings.push(Finding::of(Rule::Form, link, parsed.as_ref().map(drop).map_err(Clone::clone)));
        let Ok(parsed) = parsed else {
            above = None;
            continue;
        };
        if depth == 0 || above.is_some() {
            links(text, &parsed, above.as_ref(), roots, &mut findings);
        }
        above = Some(Arc::new(parsed));
    }
    (Chain::verify(tokens.iter().copied(), roots, &NoVerdicts), findings)
}

/// In the order of [`Chain::verify`].
fn links(
    text: &str,
    link: &Credential,
    above: Option<&Arc<Credential>>,
    roots: &Roots,
    findings: &mut Vec<Finding>,
) {
    let id = Some(link.id());
    let signer = signer_of(link, above, roots);
    findings.push(Finding::of(Rule::Parent, id, signer.as_ref().map(drop).map_err(Clone::clone)));
    let test_key =
        if is_test_key(link, roots) { Err(Refusal::from(Code::TestKey).by(link.id())) } else { Ok(()) };
    findings.push(Finding::of(Rule::Key, id, test_key));
    // Without the right signer the one above is asked, since somebody may have mixed up two chains.
    let key = above.map_or_else(|| &link.claims().subject, |above| &above.claims().subject);
    let signed = Token::parse(text, Kind::Credential).and_then(|token| token.check_signature(key));
    findings.push(Finding::of(Rule::Signature, id, signed.map_err(|refusal| refusal.by(link.id()))));
    if let Some(above) = above {
        findings.push(Finding::of(Rule::Attenuation, id, fits_inside(link, above)));
    }
}

/// What holds of a chain as such at this moment: the time of each link, revocations, that it is no relay's.
fn standing(chain: &Chain, at: Timestamp, revocations: &Revocations) -> Vec<Finding> {
    let root = chain.links().first().map(|root| root.id());
    let mut findings = vec![Finding::of(Rule::Root, root, chain.judge_root(at))];
    findings.extend(
        chain.links().iter().map(|link| Finding::of(Rule::Time, Some(link.id()), judge_link(link, at))),
    );
    let revoked = revocations.revoked(chain);
    let link = revoked.map_or_else(|| chain.leaf().id(), |revoked| revoked.link);
    let judged = revoked.map_or(Ok(()), |revoked| Err(revoked.refusal()));
    findings.push(Finding::of(Rule::Revocation, Some(link), judged));
    let leaf = chain.leaf();
    let role = match leaf.claims().role {
        Role::Author => Ok(()),
        Role::Relay => {
            Err(Refusal::new(Code::NotGranted, "a relay neither publishes nor subscribes").by(leaf.id()))
        }
    };
    findings.push(Finding::of(Rule::Role, Some(leaf.id()), role));
    findings
}

fn same_plane(chain: &Chain, channel: &Channel) -> Finding {
    let leaf = chain.leaf().id();
    let judged = if channel.plane == chain.plane() {
        Ok(())
    } else {
        Err(Refusal::new(Code::WrongPlane, format!("channel {channel}")).by(leaf))
    };
    Finding::of(Rule::Plane, Some(leaf), judged)
}

/// Whether a message of this severity on this channel would be taken under this chain at this moment.
pub fn publish(
    chain: &Chain,
    channel: &Channel,
    severity: Severity,
    at: Timestamp,
    revocations: &Revocations,
) -> Vec<Finding> {
    let mut findings = standing(chain, at, revocations);
    findings.push(same_plane(chain, channel));
    let granted = chain.may_publish(channel.flow, &channel.at, severity);
    findings.push(Finding::of(Rule::Grant, Some(chain.leaf().id()), granted));
    findings
}

/// Whether this filter would be taken under this chain at this moment.
pub fn subscribe(chain: &Chain, filter: &Filter, at: Timestamp, revocations: &Revocations) -> Vec<Finding> {
    let mut findings = standing(chain, at, revocations);
    findings.push(same_plane(chain, &filter.channel));
    let granted = chain.may_subscribe(filter.channel.flow, &filter.channel.at);
    findings.push(Finding::of(Rule::Grant, Some(chain.leaf().id()), granted));
    findings
}

/// Whether the holder of this chain could hear a message at this moment, with the widest subscription that its grants
/// allow.
pub fn hear(chain: &Chain, said: Said<'_>, at: Timestamp, revocations: &Revocations) -> Vec<Finding> {
    let mut findings = standing(chain, at, revocations);
    findings.push(same_plane(chain, said.channel));
    let leaf = chain.leaf();
    findings.push(Finding::of(Rule::Grant, Some(leaf.id()), reaches(chain, said)));
    let org = &leaf.claims().org;
    let meant = if said.audience.takes(org) {
        Ok(())
    } else {
        Err(Refusal::new(Code::NotInAudience, format!("organisation {org}")).by(leaf.id()))
    };
    findings.push(Finding::of(Rule::Audience, Some(leaf.id()), meant));
    findings
}

/// Whether a grant lets its holder stand somewhere where the message is heard.
fn reaches(chain: &Chain, said: Said<'_>) -> Result<(), Refusal> {
    let Channel { flow, at, .. } = said.channel;
    let leaf = chain.leaf();
    let mut grants =
        leaf.claims().grants.iter().filter(|grant| grant.flow == *flow && grant.subscribe).peekable();
    let subscribes = grants.peek().is_some();
    // Where the place lies inside a grant, one can stand at it. An alert is heard below it as well.
    if grants.any(|grant| grant.at.contains(at) || (*flow == Flow::Alert && at.contains(&grant.at))) {
        return Ok(());
    }
    let code = if subscribes { Code::OutOfJurisdiction } else { Code::NotGranted };
    Err(Refusal::new(code, format!("{flow} at {at}")).by(leaf.id()))
}
