//! `may_hear`: whether a reader is given a message. At the exit, on every delivery of every path.
//!
//! It is asked with a [`Said`], which cannot be made without the audience: so no path can forget to look at it.

use std::sync::Arc;

use crate::chain::Chain;
use crate::channel::{Channel, Filter, Jurisdiction, Plane};
use crate::credential::Role;
use crate::label::Audience;
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::message::Message;
use crate::refusal::{Code, Refusal};
use crate::severity::Severity;

/// What a session asked to hear, inside what it may hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    plane: Plane,
    /// That of the leaf of its chain.
    org: Jurisdiction,
    filters: Arc<[Filter]>,
}

/// What of a message decides who hears it.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new member decides anew who hears what: every path must be looked at"
)]
pub struct Said<'m> {
    /// Where it is addressed.
    pub channel: &'m Channel,
    /// How grave it is.
    pub severity: Severity,
    /// For whom it is by name.
    pub audience: &'m Audience,
}

impl<'m> From<&'m Message> for Said<'m> {
    fn from(message: &'m Message) -> Self {
        Self { channel: &message.channel, severity: message.severity, audience: message.label.audience() }
    }
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
        let org = chain.leaf().claims().org.clone();
        Ok(Self { plane: chain.plane(), org, filters: filters.into() })
    }

    /// What it hears, in order, each once.
    pub const fn filters(&self) -> &Arc<[Filter]> {
        &self.filters
    }

    /// Lets go of its list of filters for one that is equal; any other one is left alone. For those who hold many readers.
    pub fn share_filters(&mut self, equal: &Arc<[Filter]>) {
        if self.filters == *equal {
            self.filters = Arc::clone(equal);
        }
    }

    /// The organisation that it hears as.
    pub const fn org(&self) -> &Jurisdiction {
        &self.org
    }

    /// The plane of the session.
    pub const fn plane(&self) -> Plane {
        self.plane
    }
}

/// Whether the reader hears a message: its plane, its place, and for whom it is by name. There is no exception, for its
/// author neither.
pub fn may_hear(reader: &Reader, said: Said<'_>) -> bool {
    reader.plane == said.channel.plane
        && reader.filters.iter().any(|filter| filter.takes(said.channel, said.severity))
        && said.audience.takes(&reader.org)
}

/// Why a reader does not hear a message: the columns of the table of exits in PROTOCOL.md. For those who explain and those
/// who test; deliveries ask [`may_hear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Barred {
    /// It is of the other plane.
    Plane,
    /// It asked for no channel of this flow.
    Flow,
    /// It would not hear it at any severity: the place is beside or below what it asked for.
    Place,
    /// From the place it would hear what is graver.
    Severity,
    /// Its organisation is not named.
    Audience,
}

impl Barred {
    /// All of them, in the order in which they are told: of several the first.
    pub const ALL: [Self; 5] = [Self::Plane, Self::Flow, Self::Place, Self::Severity, Self::Audience];

    /// The word of the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plane => "plane",
            Self::Flow => "flow",
            Self::Place => "place",
            Self::Severity => "severity",
            Self::Audience => "audience",
        }
    }
}

/// Why the reader does not hear a message; `None` exactly when it [may](may_hear).
pub fn barred(reader: &Reader, said: Said<'_>) -> Option<Barred> {
    if may_hear(reader, said) {
        return None;
    }
    let takes = |severity| reader.filters.iter().any(|filter| filter.takes(said.channel, severity));
    Some(if reader.plane != said.channel.plane {
        Barred::Plane
    } else if !reader.filters.iter().any(|filter| filter.channel.flow == said.channel.flow) {
        Barred::Flow
    } else if !takes(Severity::Extreme) {
        Barred::Place
    } else if !takes(said.severity) {
        Barred::Severity
    } else {
        Barred::Audience
    })
}
