//! Labels: how far a message may be passed on (TLP 2.0), and for whom it is by name.
//!
//! An author states a [`Label`]; what hearing depends on of it is its [`Audience`], which the relay holds ready with each
//! message: [`crate::hear::may_hear`] asks it at the exit, on every path. A label narrows who hears a message of those
//! whom its channel reaches, and never widens it.
//!
//! | label | audience | who hears it of those whom the channel reaches |
//! |---|---|---|
//! | `TLP:CLEAR` | none: it has no limit, so a limit beside it is a contradiction | all |
//! | `TLP:GREEN` | none, or named | all; or as `TLP:AMBER` |
//! | `TLP:AMBER` | named: need to know has names | the organisations named and those below them (*its clients*) |
//! | `TLP:AMBER+STRICT`, `TLP:RED` | named | the organisations named, and none below |
//!
//! Source: FIRST, Traffic Light Protocol, version 2.0. What it asks of people beyond delivery (`TLP:RED` is for those
//! present, and goes no further) no relay can enforce: readers show the label.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::channel::Jurisdiction;
use crate::json;
use crate::limits::AUDIENCE_MAX;

/// How far a message may be passed on: the Traffic Light Protocol, version 2.0 of FIRST. A later one is narrower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Tlp {
    /// No limit.
    #[serde(rename = "TLP:CLEAR")]
    Clear,
    /// Within the community of those who are on the relay, or of those of them who are named.
    #[serde(rename = "TLP:GREEN")]
    Green,
    /// The organisations named, and those below them.
    #[serde(rename = "TLP:AMBER")]
    Amber,
    /// The organisations named only.
    #[serde(rename = "TLP:AMBER+STRICT")]
    AmberStrict,
    /// Those present in the organisations named, and nobody else.
    #[serde(rename = "TLP:RED")]
    Red,
}

impl Tlp {
    /// All, the widest first.
    pub const ALL: [Self; 5] = [Self::Clear, Self::Green, Self::Amber, Self::AmberStrict, Self::Red];

    /// The spelling of the standard and of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "TLP:CLEAR",
            Self::Green => "TLP:GREEN",
            Self::Amber => "TLP:AMBER",
            Self::AmberStrict => "TLP:AMBER+STRICT",
            Self::Red => "TLP:RED",
        }
    }

    /// Whether organisations below those named are left out.
    const fn is_strict(self) -> bool {
        match self {
            Self::Clear | Self::Green | Self::Amber => false,
            Self::AmberStrict | Self::Red => true,
        }
    }
}

impl fmt::Display for Tlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whom a message is for, of those whom its channel reaches. Cheap to clone and to ask: where nobody is named, one
/// branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audience(Option<Arc<Named>>);

/// Invariant: 1 to 16 organisations, sorted, each once, and where those below them hear it too, none of which lies below
/// another. So one audience has one form.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Named {
    orgs: Box<[Jurisdiction]>,
    strict: bool,
}

impl Audience {
    /// Nobody is left out.
    pub const EVERYONE: Self = Self(None);

    /// These organisations; with `strict` none of those below them. Order and repetitions do not matter, nor what another
    /// one covers.
    ///
    /// # Errors
    /// [`LabelFault::Nobody`] or [`LabelFault::TooMany`].
    pub fn named(orgs: impl IntoIterator<Item = Jurisdiction>, strict: bool) -> Result<Self, LabelFault> {
        let mut orgs: Vec<_> = orgs.into_iter().collect();
        orgs.sort_unstable();
        orgs.dedup();
        if !strict {
            let all = orgs.clone();
            orgs.retain(|org| !all.iter().any(|above| above != org && above.contains(org)));
        }
        match orgs.len() {
            0 => Err(LabelFault::Nobody),
            1..=AUDIENCE_MAX => Ok(Self(Some(Arc::new(Named { orgs: orgs.into(), strict })))),
            _ => Err(LabelFault::TooMany),
        }
    }

    /// The organisations named, sorted; none when it is for everyone.
    pub fn orgs(&self) -> &[Jurisdiction] {
        self.0.as_ref().map_or(&[], |named| &named.orgs)
    }

    /// Whether those below the organisations named are left out.
    pub fn is_strict(&self) -> bool {
        self.0.as_ref().is_some_and(|named| named.strict)
    }

    /// Whether nobody is left out.
    pub const fn is_everyone(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it takes nobody whom `other` leaves out.
    pub fn is_within(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (_, None) => true,
            (None, Some(_)) => false,
            // Below an organisation there may be others: names alone do not cover them.
            (Some(named), Some(wider)) => {
                (named.strict || !wider.strict) && named.orgs.iter().all(|org| wider.takes(org))
            }
        }
    }

    /// Whether a reader of this organisation is one of those whom it is for.
    pub fn takes(&self, org: &Jurisdiction) -> bool {
        self.0.as_ref().is_none_or(|named| named.takes(org))
    }
}

impl Named {
    fn takes(&self, org: &Jurisdiction) -> bool {
        let strict = self.strict;
        #[cfg(feature = "sabotage")]
        let strict = strict && !crate::sabotage::Sabotage::StrictAsAmber.is_planted();
        self.orgs.iter().any(|named| if strict { named == org } else { named.contains(org) })
    }
}

/// How far a message may be passed on, and for whom it is by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    tlp: Tlp,
    audience: Audience,
}

/// Why there is no such label, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelFault {
    /// An audience of nobody.
    #[error("an audience names 1 to 16 organisations: name one, or leave it out")]
    Nobody,
    /// More organisations than an audience may name.
    #[error("an audience names at most 16 organisations: name one above them, or send two messages")]
    TooMany,
    /// A label that says that names are needed, without any.
    #[error("{0} needs an audience: name the organisations that may have it")]
    AudienceNeeded(Tlp),
    /// A label without limit, and a limit.
    #[error("TLP:CLEAR has no limit, so it takes no audience: use TLP:GREEN or a narrower label")]
    AudienceOfClear,
    /// Signed in another form than the one there is.
    #[error("`audience` is sorted, names each organisation once, and none that another one covers")]
    NotCanonical,
}

impl Label {
    /// For everyone, and free to go on.
    pub const CLEAR: Self = Self { tlp: Tlp::Clear, audience: Audience::EVERYONE };

    /// For everyone on the relay.
    pub const GREEN: Self = Self { tlp: Tlp::Green, audience: Audience::EVERYONE };

    /// This limit, for these organisations; none is everyone. They are put into the order in which they are signed, and
    /// one that another covers is left out.
    ///
    /// # Errors
    /// [`LabelFault::AudienceNeeded`], [`LabelFault::AudienceOfClear`] or [`LabelFault::TooMany`].
    pub fn new(tlp: Tlp, orgs: impl IntoIterator<Item = Jurisdiction>) -> Result<Self, LabelFault> {
        match Audience::named(orgs, tlp.is_strict()) {
            Ok(_) if tlp == Tlp::Clear => Err(LabelFault::AudienceOfClear),
            Ok(audience) => Ok(Self { tlp, audience }),
            Err(LabelFault::Nobody) if tlp <= Tlp::Green => Ok(Self { tlp, audience: Audience::EVERYONE }),
            Err(LabelFault::Nobody) => Err(LabelFault::AudienceNeeded(tlp)),
            Err(fault) => Err(fault),
        }
    }

    /// How far it may be passed on.
    pub const fn tlp(&self) -> Tlp {
        self.tlp
    }

    /// For whom it is by name.
    pub const fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Whether it goes no further than `other`: to nobody whom `other` leaves out, and no wider from there. What names a
    /// message is labelled so, or it tells of it those who may not have it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.tlp >= other.tlp && self.audience.is_within(&other.audience)
    }
}

/// The label, and in brackets who is named: `TLP:AMBER (fr.interieur, fr.sante)`.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orgs: Vec<_> = self.audience.orgs().iter().map(Jurisdiction::as_str).collect();
        if orgs.is_empty() {
            write!(f, "{}", self.tlp)
        } else {
            write!(f, "{} ({})", self.tlp, orgs.join(", "))
        }
    }
}

#[derive(Serialize)]
struct LabelOut<'a> {
    tlp: Tlp,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    audience: &'a [Jurisdiction],
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        LabelOut { tlp: self.tlp, audience: self.audience.orgs() }.serialize(serializer)
    }
}

/// A label as it is signed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedLabel {
    #[serde(deserialize_with = "json::word")]
    tlp: Tlp,
    #[serde(default, deserialize_with = "json::present")]
    audience: Option<Vec<Jurisdiction>>,
}

impl TryFrom<SignedLabel> for Label {
    type Error = LabelFault;

    fn try_from(SignedLabel { tlp, audience }: SignedLabel) -> Result<Self, LabelFault> {
        let Some(orgs) = audience else { return Self::new(tlp, []) };
        match orgs.len() {
            0 => return Err(LabelFault::Nobody),
            1..=AUDIENCE_MAX => {}
            _ => return Err(LabelFault::TooMany),
        }
        let label = Self::new(tlp, orgs.iter().cloned())?;
        if label.audience.orgs() == orgs { Ok(label) } else { Err(LabelFault::NotCanonical) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(text: &str) -> Jurisdiction {
        text.parse().unwrap()
    }

    fn label(tlp: Tlp, orgs: &[&str]) -> Result<Label, LabelFault> {
        Label::new(tlp, orgs.iter().map(|text| org(text)))
    }

    #[test]
    fn a_label_says_who_may_have_it_or_is_none() {
        for tlp in Tlp::ALL {
            let alone = match tlp {
                Tlp::Clear => Ok(Label::CLEAR),
                Tlp::Green => Ok(Label::GREEN),
                Tlp::Amber | Tlp::AmberStrict | Tlp::Red => Err(LabelFault::AudienceNeeded(tlp)),
            };
            assert_eq!(label(tlp, &[]), alone);
            let named = label(tlp, &["fr.b", "fr.a", "fr.b"]);
            if tlp == Tlp::Clear {
                assert_eq!(named, Err(LabelFault::AudienceOfClear));
            } else {
                assert_eq!(named.unwrap().audience().orgs(), [org("fr.a"), org("fr.b")]);
            }
        }
    }

    #[test]
    fn who_is_covered_is_named_only_where_below_is_left_out() {
        let orgs = ["fr.a.b", "fr.a", "fr.a-b"];
        let wide = label(Tlp::Amber, &orgs).unwrap();
        assert_eq!(wide.audience().orgs(), [org("fr.a"), org("fr.a-b")]);
        let strict = label(Tlp::AmberStrict, &orgs).unwrap();
        assert_eq!(strict.audience().orgs(), [org("fr.a"), org("fr.a-b"), org("fr.a.b")]);
    }

    #[test]
    fn sixteen_may_be_named_and_no_more() {
        let many = |count: usize| (0..count).map(|number| org(&format!("fr.o{number}")));
        assert!(Label::new(Tlp::Red, many(16)).is_ok());
        assert_eq!(Label::new(Tlp::Red, many(17)), Err(LabelFault::TooMany));
    }

    #[test]
    fn the_organisation_decides() {
        let readers = ["fr", "fr.a", "fr.a.x", "fr.ab", "fr.b"].map(org);
        for (tlp, orgs, heard) in [
            (Tlp::Clear, &[][..], [true; 5]),
            (Tlp::Green, &[], [true; 5]),
            (Tlp::Green, &["fr.a"], [false, true, true, false, false]),
            (Tlp::Amber, &["fr.a", "fr.b"], [false, true, true, false, true]),
            (Tlp::AmberStrict, &["fr.a"], [false, true, false, false, false]),
            (Tlp::Red, &["fr.a", "fr.a.x"], [false, true, true, false, false]),
        ] {
            let label = label(tlp, orgs).unwrap();
            assert_eq!(readers.each_ref().map(|org| label.audience().takes(org)), heard, "{label}");
        }
    }

    #[test]
    fn what_is_within_a_label_is_given_to_nobody_else_and_goes_no_further() {
        let labels = [
            (Tlp::Clear, &[][..]),
            (Tlp::Green, &[]),
            (Tlp::Green, &["fr.a"]),
            (Tlp::Amber, &["fr.a"]),
            (Tlp::Amber, &["fr.a.x", "fr.b"]),
            (Tlp::AmberStrict, &["fr.a"]),
            (Tlp::AmberStrict, &["fr.a", "fr.a.x"]),
            (Tlp::Red, &["fr.a"]),
            (Tlp::Red, &["fr.a.x", "fr.b"]),
        ]
        .map(|(tlp, orgs)| label(tlp, orgs).unwrap());
        // Every kind of place: named, below, above, beside, and below what is named.
        let readers = ["fr", "fr.a", "fr.a.x", "fr.a.x.y", "fr.a.z", "fr.b", "fr.b.x", "fr.c"].map(org);
        for narrow in &labels {
            for wide in &labels {
                let takes_more =
                    readers.iter().any(|org| narrow.audience().takes(org) && !wide.audience().takes(org));
                let expected = narrow.tlp() >= wide.tlp() && !takes_more;
                assert_eq!(narrow.is_within(wide), expected, "{narrow} in {wide}");
            }
        }
    }

    #[test]
    fn one_label_has_one_spelling() {
        let read = |text: &str| {
            let signed: SignedLabel = json::parse_signed(text.as_bytes()).unwrap();
            Label::try_from(signed)
        };
        for text in [
            r#"{"tlp":"TLP:CLEAR"}"#,
            r#"{"tlp":"TLP:GREEN","audience":["fr.a"]}"#,
            r#"{"tlp":"TLP:AMBER","audience":["fr.a","fr.b"]}"#,
            r#"{"tlp":"TLP:RED","audience":["fr.a","fr.a.x"]}"#,
        ] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
        for (text, fault) in [
            (r#"{"tlp":"TLP:CLEAR","audience":["fr.a"]}"#, LabelFault::AudienceOfClear),
            (r#"{"tlp":"TLP:GREEN","audience":[]}"#, LabelFault::Nobody),
            (r#"{"tlp":"TLP:RED"}"#, LabelFault::AudienceNeeded(Tlp::Red)),
            (r#"{"tlp":"TLP:AMBER","audience":["fr.b","fr.a"]}"#, LabelFault::NotCanonical),
            (r#"{"tlp":"TLP:AMBER","audience":["fr.a","fr.a"]}"#, LabelFault::NotCanonical),
            (r#"{"tlp":"TLP:AMBER","audience":["fr.a","fr.a.x"]}"#, LabelFault::NotCanonical),
        ] {
            assert_eq!(read(text), Err(fault), "{text}");
        }
    }
    #[test]
    fn an_audience_tells_whether_anybody_is_left_out_and_whether_those_below_are() {
        for (tlp, orgs, everyone, strict) in [
            (Tlp::Green, &[][..], true, false),
            (Tlp::Amber, &["fr.a"], false, false),
            (Tlp::Red, &["fr.a"], false, true),
        ] {
            let label = label(tlp, orgs).unwrap();
            let told = (label.audience().is_everyone(), label.audience().is_strict());
            assert_eq!(told, (everyone, strict), "{label}");
        }
    }
}
