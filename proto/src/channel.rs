//! Where a message goes: a flow at a jurisdiction, on one plane. One parser for wire, command line and journal.
//!
//! `alert/fr.idf` descends to Île-de-France and all below it; `signal/fr.idf.75.paris` rises from Paris. On the
//! exercise plane the text starts with `exercise/`. No wildcard can occur in a channel: what a reader asks for is a
//! [`Filter`], another type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::severity::Severity;

/// Live or exercise. No key, credential, session, subscription or message belongs to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "the two planes are the design; a third would change every match"
)]
pub enum Plane {
    /// What is real.
    Live,
    /// Drills and tests. Every line that shows it says so in words.
    Exercise,
}

impl Plane {
    /// `live` or `exercise`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Exercise => "exercise",
        }
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What kind of talk it is.
///
/// Reserved for later, and refused until then: `posture`, `cell`, `answer`, `trust`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new flow decides anew who hears it: every match must be looked at"
)]
pub enum Flow {
    /// Descends, from those who command to all below.
    Alert,
    /// Rises, from the field to those who command.
    Signal,
}

impl Flow {
    /// `alert` or `signal`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Signal => "signal",
        }
    }

    fn parse(text: &str) -> Result<Self, MalformedChannel> {
        match text {
            "alert" => Ok(Self::Alert),
            "signal" => Ok(Self::Signal),
            "posture" | "cell" | "answer" | "trust" => Err(MalformedChannel::ReservedFlow),
            _ => Err(MalformedChannel::Flow),
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is not a channel, a filter or a jurisdiction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedChannel {
    /// Not `alert` or `signal`.
    #[error("unknown flow: a channel starts with alert/ or signal/")]
    Flow,
    /// A flow that a later version will have.
    #[error("this flow is reserved for a later version: use alert/ or signal/")]
    ReservedFlow,
    /// No slash between flow and jurisdiction, or more than one.
    #[error("expected FLOW/JURISDICTION, such as alert/fr.idf")]
    Shape,
    /// A segment of the jurisdiction is empty, too long, or has a character that cannot stand there.
    #[error(
        "a jurisdiction has 1 to 8 segments of 1 to 32 lower-case letters, digits or hyphens, joined by dots"
    )]
    Jurisdiction,
}

/// Most segments of a jurisdiction.
pub const SEGMENTS_MAX: usize = 8;
/// Longest segment, in bytes.
pub const SEGMENT_BYTES_MAX: usize = 32;

/// A place in the tree of territories, dotted from the root: `fr`, `fr.idf.75.paris`.
///
/// Also the grammar of an organisation (`fr.interieur.sgdsn`): both are trees whose names must not be confused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jurisdiction(Box<str>);

impl Jurisdiction {
    /// The text, dotted from the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this place or lies below it.
    pub fn contains(&self, other: &Self) -> bool {
        contains(&self.0, &other.0)
    }

    /// This place, then the one above it, up to the root: at most [`SEGMENTS_MAX`] texts.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(&*self.0), |place| place.rsplit_once('.').map(|(above, _)| above))
    }
}

fn contains(above: &str, below: &str) -> bool {
    below.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl FromStr for Jurisdiction {
    type Err = MalformedChannel;

    fn from_str(text: &str) -> Result<Self, MalformedChannel> {
        let is_segment = |segment: &str| {
            (1..=SEGMENT_BYTES_MAX).contains(&segment.len())
                && segment.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        // Counted before anything is kept, so that a long text costs one pass and no memory.
        let well_formed = text.len() <= SEGMENTS_MAX * (SEGMENT_BYTES_MAX + 1)
            && text.split('.').count() <= SEGMENTS_MAX
            && text.split('.').all(is_segment);
        if well_formed { Ok(Self(text.into())) } else { Err(MalformedChannel::Jurisdiction) }
    }
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a message is addressed: a flow at a jurisdiction, on a plane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a channel is these three and nothing else")]
pub struct Channel {
    /// Live or exercise.
    pub plane: Plane,
    /// Alert or signal.
    pub flow: Flow,
    /// The place it is addressed to.
    pub at: Jurisdiction,
}

const EXERCISE_PREFIX: &str = "exercise/";

fn split_plane(text: &str) -> (Plane, &str) {
    text.strip_prefix(EXERCISE_PREFIX).map_or((Plane::Live, text), |rest| (Plane::Exercise, rest))
}

fn parse_flow_and_place(text: &str) -> Result<(Flow, Jurisdiction), MalformedChannel> {
    let (flow, at) = text.split_once('/').ok_or(MalformedChannel::Shape)?;
    if at.contains('/') {
        return Err(MalformedChannel::Shape);
    }
    Ok((Flow::parse(flow)?, at.parse()?))
}

fn write_channel(f: &mut fmt::Formatter<'_>, plane: Plane, flow: Flow, at: &Jurisdiction) -> fmt::Result {
    let prefix = match plane {
        Plane::Live => "",
        Plane::Exercise => EXERCISE_PREFIX,
    };
    write!(f, "{prefix}{flow}/{at}")
}

impl FromStr for Channel {
    type Err = MalformedChannel;

    fn from_str(text: &str) -> Result<Self, MalformedChannel> {
        let (plane, rest) = split_plane(text);
        let (flow, at) = parse_flow_and_place(rest)?;
        Ok(Self { plane, flow, at })
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_channel(f, self.plane, self.flow, &self.at)
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a reader asks to hear: a channel, or with `.**` also what lies below it.
///
/// | filter | hears a message addressed to J |
/// |---|---|
/// | `alert/S` | when J is S or above it |
/// | `alert/S.**` | also when J is below S |
/// | `signal/S` | when J is S; from Severe up also when J is below S |
/// | `signal/S.**` | when J is S or below it |
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a filter is a channel and how deep it looks")]
pub struct Filter {
    /// The plane, flow and place that it stands at.
    pub channel: Channel,
    /// Whether all below is heard too (`.**`).
    pub subtree: bool,
}

const SUBTREE_SUFFIX: &str = ".**";

/// From this severity up, a signal reaches all who command above its place, not only those next to it.
pub const SIGNAL_RISES_FROM: Severity = Severity::Severe;

impl Filter {
    /// Whether place, flow and plane of this filter take in such a message. The label is judged by
    /// [`crate::hear::may_hear`], which is what deliveries ask.
    pub fn takes(&self, channel: &Channel, severity: Severity) -> bool {
        if self.channel.plane != channel.plane || self.channel.flow != channel.flow {
            return false;
        }
        let (stands, addressed) = (&self.channel.at, &channel.at);
        match channel.flow {
            Flow::Alert => addressed.contains(stands) || (self.subtree && stands.contains(addressed)),
            Flow::Signal => {
                stands == addressed
                    || ((self.subtree || severity >= SIGNAL_RISES_FROM) && stands.contains(addressed))
            }
        }
    }
}

impl FromStr for Filter {
    type Err = MalformedChannel;

    fn from_str(text: &str) -> Result<Self, MalformedChannel> {
        let (channel, subtree) =
            text.strip_suffix(SUBTREE_SUFFIX).map_or((text, false), |channel| (channel, true));
        Ok(Self { channel: channel.parse()?, subtree })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.channel, if self.subtree { SUBTREE_SUFFIX } else { "" })
    }
}

macro_rules! serde_by_text {
    ($($name:ident),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_by_text!(Jurisdiction, Channel, Filter);

impl Serialize for Jurisdiction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(filter: &str, channel: &str, severity: Severity) -> bool {
        filter.parse::<Filter>().unwrap().takes(&channel.parse().unwrap(), severity)
    }

    #[test]
    fn alerts_descend_and_signals_rise() {
        use Severity::{Extreme, Minor, Severe};
        // (filter, channel, severity, heard)
        let cases = [
            ("alert/fr.idf.75.paris", "alert/fr", Minor, true),
            ("alert/fr.idf.75.paris", "alert/fr.idf.75.paris", Minor, true),
            ("alert/fr.idf", "alert/fr.idf.75.paris", Extreme, false),
            ("alert/fr.idf.**", "alert/fr.idf.75.paris", Minor, true),
            ("alert/fr.idf.**", "alert/fr", Minor, true),
            ("alert/fr.naq", "alert/fr.idf", Extreme, false),
            ("alert/fr.id", "alert/fr.idf", Extreme, false),
            ("alert/fr.idf", "alert/fr.id", Extreme, false),
            ("signal/fr.idf.75.paris", "signal/fr.idf.75.paris", Minor, true),
            ("signal/fr.idf", "signal/fr.idf.75.paris", Minor, false),
            ("signal/fr.idf", "signal/fr.idf.75.paris", Severe, true),
            ("signal/fr", "signal/fr.idf.75.paris", Extreme, true),
            ("signal/fr.idf.92.nanterre", "signal/fr.idf.75.paris", Extreme, false),
            ("signal/fr.idf.75.paris", "signal/fr.idf", Extreme, false),
            ("signal/fr.idf.**", "signal/fr.idf.75.paris", Minor, true),
            ("signal/fr.idf.**", "signal/fr", Extreme, false),
            ("alert/fr", "signal/fr", Extreme, false),
            ("alert/fr", "exercise/alert/fr", Extreme, false),
            ("exercise/alert/fr", "alert/fr", Extreme, false),
            ("exercise/alert/fr", "exercise/alert/fr", Minor, true),
        ];
        for (filter, channel, severity, heard) in cases {
            assert_eq!(takes(filter, channel, severity), heard, "{filter} {channel} {severity}");
        }
    }

    #[test]
    fn texts_round_trip_and_strangers_are_refused() {
        for text in ["alert/fr", "exercise/signal/fr.idf.75.paris", "alert/a.b.c.d.e.f.g.h", "signal/0-9"] {
            assert_eq!(text.parse::<Channel>().unwrap().to_string(), text);
        }
        assert_eq!("alert/fr.**".parse::<Filter>().unwrap().to_string(), "alert/fr.**");
        let long = format!("alert/{}", "a".repeat(33));
        for (text, error) in [
            ("alert", MalformedChannel::Shape),
            ("alert/", MalformedChannel::Jurisdiction),
            ("alert/fr/idf", MalformedChannel::Shape),
            ("alert/fr..idf", MalformedChannel::Jurisdiction),
            ("alert/FR", MalformedChannel::Jurisdiction),
            ("alert/fr.*", MalformedChannel::Jurisdiction),
            ("alert/fr.**", MalformedChannel::Jurisdiction),
            ("alert/île", MalformedChannel::Jurisdiction),
            ("alert/a.b.c.d.e.f.g.h.i", MalformedChannel::Jurisdiction),
            (long.as_str(), MalformedChannel::Jurisdiction),
            ("live/alert/fr", MalformedChannel::Shape),
            ("exercise/exercise/alert/fr", MalformedChannel::Shape),
            ("posture/fr", MalformedChannel::ReservedFlow),
            ("Alert/fr", MalformedChannel::Flow),
            (" alert/fr", MalformedChannel::Flow),
        ] {
            assert_eq!(text.parse::<Channel>(), Err(error), "{text}");
        }
    }

    #[test]
    fn ancestors_end_at_the_root() {
        let paris: Jurisdiction = "fr.idf.75.paris".parse().unwrap();
        assert_eq!(paris.ancestors().collect::<Vec<_>>(), ["fr.idf.75.paris", "fr.idf.75", "fr.idf", "fr"]);
    }
    #[test]
    fn the_longest_place_is_one() {
        let longest = ["a"; 8].map(|letter| letter.repeat(32)).join(".");
        assert_eq!(longest.parse::<Jurisdiction>().unwrap().as_str(), longest);
        assert!(format!("{longest}a").parse::<Jurisdiction>().is_err());
    }
}
