//! Issuing: roots, and credentials below them, with the lifetimes of the design.

use std::time::Duration;

use vigie_proto::chain::{Chain, NoVerdicts, Roots};
use vigie_proto::channel::{Flow, Jurisdiction, Plane};
use vigie_proto::credential::{Claims, Credential, Grant, Role};
use vigie_proto::key::SigningKey;
use vigie_proto::limits::CLOCK_SKEW_MAX;
use vigie_proto::refusal::Refusal;
use vigie_proto::severity::Severity;
use vigie_proto::time::{Timestamp, Window};

use super::time::DAY;

/// A leaf is renewed often, so that a lost key ends by itself.
pub(super) const LEAF_LIFETIME: Duration = DAY.saturating_mul(30);
/// One that delegates is renewed once a year, with a month to do it in.
pub(super) const DELEGATING_LIFETIME: Duration = DAY.saturating_mul(400);
/// A root is pinned by everyone: replacing it is a ceremony.
const ROOT_LIFETIME: Duration = DAY.saturating_mul(3_650);
/// A root, and seven links below it: the longest chain.
const ROOT_DELEGATES: u8 = 7;

/// The default lifetime for such grants.
pub(super) fn default_lifetime(grants: &[Grant]) -> Duration {
    let delegates = grants.iter().any(|grant| grant.delegate > 0);
    if delegates { DELEGATING_LIFETIME } else { LEAF_LIFETIME }
}

/// From now for this long, but inside the parent's time. It begins a little before now: a device whose clock is a
/// little slow may sign at once.
pub(super) fn window_inside(parent: &Chain, now: Timestamp, lifetime: Duration) -> Window {
    Window { from: now.minus(CLOCK_SKEW_MAX), until: now.plus(lifetime) }.intersect(&parent.window())
}

/// Makes a root over a country: it may do and delegate everything there, and is kept away from every network.
pub(super) fn make_root(
    key: &SigningKey,
    place: &Jurisdiction,
    name: &str,
    plane: Plane,
    now: Timestamp,
) -> Result<Chain, Refusal> {
    let grant = |flow| Grant {
        flow,
        at: place.clone(),
        publish: Some(Severity::Extreme),
        subscribe: true,
        delegate: ROOT_DELEGATES,
    };
    let claims = Claims {
        subject: *key.public(),
        org: place.clone(),
        name: name.to_owned(),
        role: Role::Author,
        grants: vec![grant(Flow::Alert), grant(Flow::Signal)],
        plane,
        valid: Window { from: now.minus(CLOCK_SKEW_MAX), until: now.plus(ROOT_LIFETIME) },
    };
    let root = Credential::issue_root(key, &claims)?;
    Chain::verify([&**root.token()], &Roots::new([key.public().thumbprint()]), &NoVerdicts)
}
