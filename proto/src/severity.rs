//! How grave a message is, on CAP's scale, and the ceiling that a grant puts on it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Severity of a message, least first. CAP's `Unknown` is not here: it counts as [`Severity::Severe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "CAP 1.2 fixes the scale; a new step would be a new protocol version"
)]
pub enum Severity {
    /// Minimal to no known threat to life or property.
    Minor,
    /// Possible threat.
    Moderate,
    /// Significant threat.
    Severe,
    /// Extraordinary threat.
    Extreme,
}

impl Severity {
    /// All of them, least first.
    pub const ALL: [Self; 4] = [Self::Minor, Self::Moderate, Self::Severe, Self::Extreme];

    /// The spelling of CAP and of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "Minor",
            Self::Moderate => "Moderate",
            Self::Severe => "Severe",
            Self::Extreme => "Extreme",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is none of the four severities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a severity: give Minor, Moderate, Severe or Extreme")]
#[non_exhaustive]
pub struct UnknownSeverity;

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or(UnknownSeverity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_spelling_and_they_rise() {
        for (severity, text) in Severity::ALL.into_iter().zip(["Minor", "Moderate", "Severe", "Extreme"]) {
            assert_eq!((severity.to_string().as_str(), text.parse()), (text, Ok(severity)));
        }
        assert!(Severity::ALL.is_sorted());
        for text in ["", "minor", "Unknown"] {
            assert_eq!(text.parse::<Severity>(), Err(UnknownSeverity));
        }
    }
}
