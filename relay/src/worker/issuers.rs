//! The credentials above those of a worker's sessions that end soon: whoever stands there has them renewed, and what is below
//! them, while everybody is still in.
//!
//! Looked for every few seconds by walking the sessions, as [`Worker::counts`] does, and never for a delivery. Of each chain
//! every link but the last is looked at: of that one its holder is told by his own client. When a root hands over is told of
//! the root ([`ending_roots`](crate::trust::ending_roots)).

use std::collections::BTreeMap;
use std::sync::Arc;

use vigie_proto::channel::{Jurisdiction, Plane};
use vigie_proto::credential::Credential;
use vigie_proto::expiry::Notice;
use vigie_proto::id::CredentialId;
use vigie_proto::time::{Timestamp, Window};

use super::Worker;
use super::session::Stage;

/// At most so many of a worker are known at a time, those that end first: a log of more is read by nobody, and whoever
/// may delegate makes as many as he likes.
pub const ISSUERS_ENDING_MAX: usize = 64;

/// A credential that ends soon, above those of sessions. It names an organisation, and nobody by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndingIssuer {
    /// It.
    pub credential: CredentialId,
    /// Whose it is.
    pub org: Jurisdiction,
    /// On which plane.
    pub plane: Plane,
    /// When it is good.
    pub valid: Window,
}

impl From<&Arc<Credential>> for EndingIssuer {
    fn from(link: &Arc<Credential>) -> Self {
        let claims = link.claims();
        Self { credential: link.id(), org: claims.org.clone(), plane: claims.plane, valid: claims.valid }
    }
}

impl Worker {
    /// Those that end within 30, 7 or 1 days, the first first, at most [`ISSUERS_ENDING_MAX`]. Costs a look at every
    /// session: ask every few seconds at most.
    pub fn ending_issuers(&self, now: Timestamp) -> Vec<EndingIssuer> {
        let mut found = BTreeMap::new();
        for (_, session) in self.sessions.iter() {
            let Stage::LoggedIn(state) = &session.stage else { continue };
            let Some((_, above)) = state.chain().links().split_last() else { continue };
            for link in above.iter().filter(|link| Notice::of(link.claims().valid, now).is_warning()) {
                found.insert((link.claims().valid.until, link.id()), link);
                if found.len() > ISSUERS_ENDING_MAX {
                    found.pop_last();
                }
            }
        }
        found.into_values().map(EndingIssuer::from).collect()
    }
}
