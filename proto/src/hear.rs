//! `may_hear`: whether a reader is given a message. At the exit, on every delivery of every path.

use crate::chain::Chain;
use crate::channel::{Channel, Filter, Plane};
use crate::credential::Role;
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::refusal::{Code, Refusal};
use crate::severity::Severity;

/// What a session asked to hear, inside what it may hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    plane: Plane,
    filters: Vec<Filter>,
}

impl Reader {
    /// Takes a subscription under a chain. Doubles are dropped.
    ///
    /// # Errors
    /// `too_many_subscriptions`, `wrong_plane`, `not_granted` or `out_of_jurisdiction`.
    pub fn new(chain: &Chain, mut filters: Vec<Filter>) -> Result<Self, Refusal> {
        if filters.is_empty() || filters.len() > SUBSCRIPTIONS_MAX {
            return Err(Code::TooManySubscriptions.into());
        }
        if chain.leaf().claims().role != Role::Author {
            return Err(Refusal::new(Code::NotGranted, "a relay does not subscribe").by(chain.leaf().id()));
        }
        for filter in &filters {
            if filter.channel.plane != chain.plane() {
                return Err(Refusal::new(Code::WrongPlane, format!("channel {}", filter.channel)));
            }
            chain.may_subscribe(filter.channel.flow, &filter.channel.at)?;
        }
        filters.sort();
        filters.dedup();
        Ok(Self { plane: chain.plane(), filters })
    }

    /// What it hears, in order, each once.
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// The plane of the session.
    pub const fn plane(&self) -> Plane {
        self.plane
    }
}

/// Whether the reader hears a message on this channel, of this severity.
///
/// The label needs no look in this version: only `TLP:CLEAR` and `TLP:GREEN` are admitted, which all on a relay may
/// hear.
pub fn may_hear(reader: &Reader, channel: &Channel, severity: Severity) -> bool {
    reader.plane == channel.plane && reader.filters.iter().any(|filter| filter.takes(channel, severity))
}
