//! The versions of CAP that are read, by their namespaces.

use std::fmt;

use super::schema;

/// A version of CAP. Only 1.2 is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// CAP 1.0 of 2004.
    V1_0,
    /// CAP 1.1 of 2005.
    V1_1,
    /// CAP 1.2 of 2010.
    V1_2,
}

impl Version {
    const ALL: [Self; 3] = [Self::V1_0, Self::V1_1, Self::V1_2];

    /// As the standard writes it, such as `1.2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// The namespace of its elements.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::V1_0 => "http://www.incident.com/cap/1.0",
            Self::V1_1 => "urn:oasis:names:tc:emergency:cap:1.1",
            Self::V1_2 => schema::NAMESPACE,
        }
    }

    pub(super) fn of_namespace(namespace: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.namespace() == namespace)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
