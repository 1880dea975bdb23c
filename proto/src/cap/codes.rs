//! The code lists of CAP: values of which exactly one spelling is right.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// The text is none of the codes that CAP has for this element. Spelling and case count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a code of CAP 1.2 for {element}")]
#[non_exhaustive]
pub struct UnknownCode {
    /// CAP's name of the element.
    pub element: &'static str,
}

macro_rules! code_list {
    ($(#[$doc:meta])* $name:ident for $element:literal { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All codes, in the order of the schema.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// CAP's spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownCode;

            fn from_str(text: &str) -> Result<Self, UnknownCode> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(UnknownCode { element: $element }),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(CodeVisitor(PhantomData))
            }
        }
    };
}

/// Takes a string only: derived code would also take `{"Actual":null}`, a second spelling of the same.
struct CodeVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err = UnknownCode>> Visitor<'_> for CodeVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a code of CAP 1.2, as a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

code_list! {
    /// How the alert is to be handled: for real, as an exercise, or not at all.
    Status for "status" {
        /// Actionable by all who are addressed.
        Actual = "Actual",
        /// Actionable only by the participants of an exercise.
        Exercise = "Exercise",
        /// Supports the functions of the alerting network itself.
        System = "System",
        /// Technical test, to be disregarded by all.
        Test = "Test",
        /// Not actionable in its present form.
        Draft = "Draft",
    }
}

code_list! {
    /// What the alert does to earlier ones.
    MsgType for "msgType" {
        /// First information, asks for attention.
        Alert = "Alert",
        /// Updates and replaces what `references` names.
        Update = "Update",
        /// Cancels what `references` names.
        Cancel = "Cancel",
        /// Says that what `references` names was received and accepted.
        Ack = "Ack",
        /// Says that what `references` names was rejected.
        Error = "Error",
    }
}

code_list! {
    /// For whom the alert is meant.
    Scope for "scope" {
        /// For everybody.
        Public = "Public",
        /// Only under the condition in `restriction`.
        Restricted = "Restricted",
        /// Only for those in `addresses`.
        Private = "Private",
    }
}

code_list! {
    /// Of what kind the event is.
    Category for "category" {
        /// Geophysical, landslides included.
        Geo = "Geo",
        /// Meteorological, floods included.
        Met = "Met",
        /// General emergency and public safety.
        Safety = "Safety",
        /// Law enforcement, military, homeland and private security.
        Security = "Security",
        /// Rescue and recovery.
        Rescue = "Rescue",
        /// Fire suppression and rescue.
        Fire = "Fire",
        /// Medical and public health.
        Health = "Health",
        /// Pollution and other environmental events.
        Env = "Env",
        /// Public and private transportation.
        Transport = "Transport",
        /// Utility, telecommunication and other infrastructure.
        Infra = "Infra",
        /// Chemical, biological, radiological, nuclear or high-yield explosive.
        Cbrne = "CBRNE",
        /// None of the others.
        Other = "Other",
    }
}

code_list! {
    /// What those who are addressed should do.
    ResponseType for "responseType" {
        /// Take shelter in place.
        Shelter = "Shelter",
        /// Leave, as the instruction says.
        Evacuate = "Evacuate",
        /// Make preparations.
        Prepare = "Prepare",
        /// Carry out a planned activity.
        Execute = "Execute",
        /// Keep away.
        Avoid = "Avoid",
        /// Attend to sources of information.
        Monitor = "Monitor",
        /// Evaluate the information (not for public warnings).
        Assess = "Assess",
        /// The event is no threat any more.
        AllClear = "AllClear",
        /// Nothing is recommended.
        None = "None",
    }
}

code_list! {
    /// How soon action is due.
    Urgency for "urgency" {
        /// Now.
        Immediate = "Immediate",
        /// Within the hour.
        Expected = "Expected",
        /// In the near future.
        Future = "Future",
        /// No longer.
        Past = "Past",
        /// Not known.
        Unknown = "Unknown",
    }
}

code_list! {
    /// How grave the event is, in CAP's own scale. The message's is [`crate::severity::Severity`], without `Unknown`.
    Severity for "severity" {
        /// Extraordinary threat to life or property.
        Extreme = "Extreme",
        /// Significant threat.
        Severe = "Severe",
        /// Possible threat.
        Moderate = "Moderate",
        /// Minimal to no known threat.
        Minor = "Minor",
        /// Not known. Counts as severe: see [`Severity::counts_as`].
        Unknown = "Unknown",
    }
}

impl Severity {
    /// The severity that a message must have at least to carry this. Not knowing how grave something is is no reason
    /// to speak low: `Unknown` counts as severe.
    pub const fn counts_as(self) -> crate::severity::Severity {
        match self {
            Self::Extreme => crate::severity::Severity::Extreme,
            Self::Severe | Self::Unknown => crate::severity::Severity::Severe,
            Self::Moderate => crate::severity::Severity::Moderate,
            Self::Minor => crate::severity::Severity::Minor,
        }
    }
}

impl From<crate::severity::Severity> for Severity {
    fn from(severity: crate::severity::Severity) -> Self {
        match severity {
            crate::severity::Severity::Extreme => Self::Extreme,
            crate::severity::Severity::Severe => Self::Severe,
            crate::severity::Severity::Moderate => Self::Moderate,
            crate::severity::Severity::Minor => Self::Minor,
        }
    }
}

code_list! {
    /// How sure the author is.
    Certainty for "certainty" {
        /// Has happened or is going on.
        Observed = "Observed",
        /// More likely than not.
        Likely = "Likely",
        /// Possible, but not likely.
        Possible = "Possible",
        /// Not expected.
        Unlikely = "Unlikely",
        /// Not known.
        Unknown = "Unknown",
    }
}
